// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* asprintf */
/*
 * ferry logits: the logits behind given tokens, by the default path, by the oracle, or across
 * two nodes. The file appears whole or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/key_options.h"
#include "cli/local_engine.h"
#include "cli/packed_weights.h"
#include "cli/progress.h"
#include "cli/run_options.h"
#include "cli/text_file.h"
#include "node/session.h"

static const char command_name[] = "ferry logits";

struct logits_options {
	const char *model, *tokens, *output, *cache;
	uint32_t n_threads, batch;
	bool reference;
	struct ferry_node_session_options session;
	struct ferry_cli_keys keys; /* session.tls points into it */
};

enum {
	OPTION_CACHE = 0x100,
	OPTION_TOKENS,
	OPTION_REFERENCE,
	OPTION_BATCH,
	OPTION_KV,
	OPTION_EDGE,
	OPTION_SPLIT,
	OPTION_DEADLINE,
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct logits_options *o = state->input;

	switch (key) {
	case 'm':
		o->model = arg;
		return 0;
	case OPTION_CACHE:
		o->cache = arg;
		return 0;
	case OPTION_TOKENS:
		o->tokens = arg;
		return 0;
	case 'o':
		o->output = arg;
		return 0;
	case 't':
		o->n_threads =
			(uint32_t)ferry_cli_number(state, "-t", arg, 1, FERRY_POOL_MAX_THREADS);
		return 0;
	case OPTION_REFERENCE:
		o->reference = true;
		return 0;
	case OPTION_BATCH:
		o->batch = (uint32_t)ferry_cli_number(state, "--batch", arg, 1, 4096);
		return 0;
	case OPTION_KV:
		o->session.kv = ferry_cli_kv(state, arg);
		return 0;
	case OPTION_EDGE:
		o->session.edge = arg;
		return 0;
	case OPTION_SPLIT:
		o->session.split = ferry_cli_split(state, arg);
		return 0;
	case OPTION_DEADLINE:
		o->session.deadline_ms =
			(uint32_t)ferry_cli_number(state, "--deadline", arg, 10, 3600000);
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->keys;
		return 0;
	case ARGP_KEY_END:
		if (!o->model || !o->tokens || !o->output)
			argp_error(state, "-m MODEL, --tokens IDS and -o FILE are needed");
		ferry_cli_check_split(state, o->session.edge, o->session.split);
		if (o->reference && o->session.edge)
			argp_error(state, "--reference computes here; it does not go with --edge");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file", 0},
	{"tokens", OPTION_TOKENS, "IDS", 0, "token ids, separated by commas", 0},
	{"output", 'o', "FILE", 0, "receives little-endian float32 [n_tokens][n_vocab]", 0},
	{"batch", OPTION_BATCH, "N", 0, "tokens in one pass (default 64)", 0},
	{"threads", 't', "N", 0, "threads (default: the CPUs of this process)", 0},
	{"kv", OPTION_KV, "f16|q8", 0, "type of the KV cache (default f16)", 0},
	{"cache", OPTION_CACHE, "DIR|none", 0, FERRY_CLI_CACHE_HELP, 0},
	{"reference", OPTION_REFERENCE, NULL, 0, "use the oracle path, with an F32 cache", 0},
	{"edge", OPTION_EDGE, "HOST:PORT", 0, "an edge node that runs layers", 0},
	{"split", OPTION_SPLIT, "K|auto|none", 0, "layers that run here", 0},
	{"deadline", OPTION_DEADLINE, "MS", 0, "give the edge up when it is silent for so long", 0},
	{0},
};

/* ---- where rows of logits go ---- */

struct output {
	const char *path;
	char *temporary; /* NULL where the path is a device or a pipe, which must stay what it is */
	FILE *file;
};

static int output_open(struct output *out, const char *path, struct ferry_error *err)
{
	struct stat st;
	int fd = -1;

	*out = (struct output){.path = path};
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		out->file = fopen(path, "wb");
	} else if (asprintf(&out->temporary, "%s.XXXXXX", path) < 0) {
		out->temporary = NULL;
		return ferry_fail_memory(err, path, strlen(path));
	} else {
		fd = mkstemp(out->temporary);
		out->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	}
	if (!out->file) {
		int code = -errno;

		if (fd >= 0) {
			close(fd);
			unlink(out->temporary);
		}
		free(out->temporary);
		return ferry_fail(err, FERRY_ERROR_FILE, code, "cannot write %s: %s",
				  ferry_cli_shown_path(path), ferry_errno_text(code));
	}
	if (fd >= 0) {
		/* mkstemp() made it private; it gets what open() would have given it. */
		mode_t mask = umask(0);

		umask(mask);
		fchmod(fd, 0666 & ~mask);
	}
	return 0;
}

static int output_rows(struct output *out, const float *logits, size_t n, struct ferry_error *err)
{
	uint8_t bytes[4096];

	for (size_t i = 0; i < n;) {
		size_t k = 0;

		for (; k < sizeof(bytes) / 4 && i < n; k++, i++)
			ferry_store_lef32(bytes + 4 * k, logits[i]);
		if (fwrite(bytes, 4, k, out->file) != k)
			return ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot write %s: %s",
					  ferry_cli_shown_path(out->path), ferry_errno_text(errno));
	}
	return 0;
}

/* Makes the file appear where @ret is 0, and removes what was begun otherwise. */
static int output_close(struct output *out, int ret, struct ferry_error *err)
{
	int failed = fclose(out->file);

	if (!ret && (failed || (out->temporary && rename(out->temporary, out->path))))
		ret = ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot write %s: %s",
				 ferry_cli_shown_path(out->path), ferry_errno_text(errno));
	if (ret && out->temporary)
		unlink(out->temporary);
	free(out->temporary);
	return ret;
}

/* ---- the two ways to compute them ---- */

static int run_here(const struct logits_options *o, const int32_t *ids, size_t n,
		    struct output *out, struct ferry_error *err)
{
	struct ferry_progress progress = ferry_progress_start("logits", n);
	struct ferry_local_engine e;
	int ret = ferry_local_engine_open(&e, o->model, o->cache, o->n_threads, (uint32_t)n,
					  o->batch, o->reference, o->session.kv, err);

	if (ret)
		return ret;
	for (size_t at = 0; !ret && at < n; at += o->batch) {
		uint32_t m = (uint32_t)(n - at < o->batch ? n - at : o->batch);

		ret = ferry_local_engine_pass(&e, ids + at, m, m, err);
		if (!ret)
			ret = output_rows(out, e.logits, (size_t)m * e.model->hp.n_vocab, err);
		ferry_progress_at(&progress, at + m);
	}
	ferry_progress_end(&progress);
	ferry_local_engine_close(&e);
	return ret;
}

static int run_with_edge(struct logits_options *o, const int32_t *ids, size_t n, struct output *out,
			 struct ferry_error *err)
{
	struct ferry_progress progress = ferry_progress_start("logits", n);
	struct ferry_node_session *session = NULL;
	struct ferry_model *model;
	struct ferry_pool *pool = NULL;
	float *logits = NULL;
	size_t n_vocab;
	int ret = ferry_cli_keys_find(&o->keys, &o->session.tls, err);

	o->session.insecure = o->keys.insecure;
	if (!ret)
		ret = ferry_model_load(o->model, &model, err);
	if (ret)
		return ret;
	n_vocab = model->hp.n_vocab;
	o->session.n_ctx = (uint32_t)n;
	o->session.chunk_tokens = o->batch < 64 ? o->batch : 64;
	logits = malloc(o->batch * n_vocab * sizeof(*logits));
	if (!logits)
		ret = ferry_fail_memory(err, "logits", o->batch * n_vocab * sizeof(*logits));
	if (!ret)
		ret = ferry_cli_pack_weights(model, o->model, o->cache, o->n_threads, NULL, err);
	if (!ret)
		ret = ferry_pool_new(o->n_threads, &pool, err);
	if (!ret)
		ret = ferry_node_session_open(model, pool, &o->session, &session, err);
	for (size_t at = 0; !ret && at < n; at += o->batch) {
		size_t m = n - at < o->batch ? n - at : o->batch;

		ret = ferry_node_session_logits(session, ids + at, m, true, logits, err);
		if (!ret)
			ret = output_rows(out, logits, m * n_vocab, err);
		ferry_progress_at(&progress, at + m);
	}
	ferry_progress_end(&progress);
	ferry_node_session_close(session);
	ferry_pool_free(pool);
	free(logits);
	ferry_model_free(model);
	return ret;
}

int ferry_cli_logits(int argc, char **argv)
{
	static const struct argp_child children[] = {{&ferry_cli_key_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.children = children,
		.doc = "Write the logits behind each of the given tokens.",
		.args_doc = "-m FILE --tokens IDS -o FILE",
	};
	struct logits_options o = {.batch = 64, .session.split = FERRY_NODE_SPLIT_AUTO};
	struct ferry_error err = {0};
	struct output out;
	int32_t *ids = NULL;
	size_t n = 0;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = ferry_token_list_parse(o.tokens, strlen(o.tokens), &ids, &n, &err);
	if (!ret && (!n || n > 1 << 20))
		ret = ferry_fail(&err, FERRY_ERROR_CALLER, -EINVAL,
				 "--tokens takes 1 to %d ids, not %zu", 1 << 20, n);
	if (!ret)
		ret = output_open(&out, o.output, &err);
	if (!ret) {
		ret = o.session.edge ? run_with_edge(&o, ids, n, &out, &err)
				     : run_here(&o, ids, n, &out, &err);
		ret = output_close(&out, ret, &err);
	}
	free(ids);
	return ret ? ferry_cli_fail(command_name, &err) : CLI_OK;
}
