// SPDX-License-Identifier: MIT
/*
 * ferry bench: prefill and decode speed, beside the speed at which the same threads can read the
 * same weights. The three are measured in turn, several rounds, and reported as medians, so
 * that a machine whose speed drifts does not favour one of them.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/local_engine.h"
#include "cli/packed_weights.h"
#include "cli/progress.h"
#include "cli/stream_read.h"
#include "engine/weights.h"

static const char command_name[] = "ferry bench";

enum {
	BENCH_MAX_ROUNDS = 99,
	BENCH_MAX_TOKENS = 512, /* of a pass */
	OPTION_CACHE = 0x100,
	OPTION_KV,
	OPTION_DEPTH,
};

struct bench_options {
	const char *model, *cache;
	uint32_t n_threads, n_prompt, n_decode, n_rounds;
	uint32_t depth; /* decode is measured there too; 0: not */
	enum ferry_kv_type kv;
	bool json, reference;
};

struct bench_result {
	struct ferry_progress progress;
	uint64_t n_done;	 /* tokens, measured or not */
	double load_s, reload_s; /* this start; the next one */
	const char *load;	 /* what this start did */
	double prefill_tok_s[BENCH_MAX_ROUNDS], decode_tok_s[BENCH_MAX_ROUNDS],
		read_gb_s[BENCH_MAX_ROUNDS], deep_tok_s[BENCH_MAX_ROUNDS];
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct bench_options *o = state->input;

	switch (key) {
	case 'm':
		o->model = arg;
		return 0;
	case 't':
		o->n_threads =
			(uint32_t)ferry_cli_number(state, "-t", arg, 1, FERRY_POOL_MAX_THREADS);
		return 0;
	case 'p':
		o->n_prompt = (uint32_t)ferry_cli_number(state, "-p", arg, 1, 1 << 20);
		return 0;
	case 'n':
		o->n_decode = (uint32_t)ferry_cli_number(state, "-n", arg, 1, 1 << 20);
		return 0;
	case 'r':
		o->n_rounds = (uint32_t)ferry_cli_number(state, "-r", arg, 1, BENCH_MAX_ROUNDS);
		return 0;
	case OPTION_KV:
		o->kv = ferry_cli_kv(state, arg);
		return 0;
	case OPTION_DEPTH:
		o->depth = (uint32_t)ferry_cli_number(state, "--depth", arg, 1, 1 << 20);
		return 0;
	case OPTION_CACHE:
		o->cache = arg;
		return 0;
	case 'R':
		o->reference = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->model)
			argp_error(state, "-m MODEL is missing");
		if (o->depth && o->depth < o->n_prompt)
			argp_error(state, "--depth %u is less than the %u tokens of -p", o->depth,
				   o->n_prompt);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file", 0},
	{"threads", 't', "N", 0, "threads (default: the CPUs of this process)", 0},
	{"cache", OPTION_CACHE, "DIR|none", 0,
	 FERRY_CLI_CACHE_HELP "; an empty one shows what a first start takes", 0},
	{"prompt", 'p', "N", 0, "tokens of the prefill (default 128)", 0},
	{"decode", 'n', "N", 0, "tokens to decode behind it (default 32)", 0},
	{"rounds", 'r', "N", 0, "rounds, of which the medians are reported (default 3)", 0},
	{"depth", OPTION_DEPTH, "N", 0, "decode also behind a context of N positions", 0},
	{"kv", OPTION_KV, "f16|q8", 0, "type of the KV cache (default f16)", 0},
	{"reference", 'R', NULL, 0, "measure the oracle path", 0},
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

/* Bytes of weights that one decoded token needs: of the experts those that are used, of the
 * embedding one row, which is not worth counting. */
static double bytes_per_token(const struct ferry_model *m)
{
	const struct ferry_hparams *hp = &m->hp;
	double bytes = (double)m->output->n_bytes;

	for (uint64_t i = 0; i < m->gguf->n_tensors; i++) {
		const struct ferry_tensor *t = &m->gguf->tensors[i];

		if (strncmp(t->name, "blk.", 4))
			continue;
		/* Only experts have a third dimension to speak of. */
		bytes += t->dim[2] > 1 ? (double)t->n_bytes * hp->n_experts_used / hp->n_experts
				       : (double)t->n_bytes;
	}
	return bytes;
}

/* Bytes of keys and values that a token behind @depth others looks at. */
static double kv_bytes_per_token(const struct ferry_local_engine *e, uint32_t depth)
{
	const struct ferry_model *m = e->model;
	double bytes = 0.0;

	for (uint32_t i = 0; i < m->hp.n_layers; i++) {
		const uint32_t window = m->layers[i].sliding && m->hp.n_swa < depth ? m->hp.n_swa
										    : depth;

		bytes += (double)ferry_kv_cache_bytes(m, i, i + 1, window, e->kv->type);
	}
	return bytes;
}

/* Tokens until the cache holds @n; logits of the last one. */
static int fill(struct ferry_local_engine *e, struct bench_result *r, uint32_t n,
		struct ferry_error *err)
{
	int32_t ids[BENCH_MAX_TOKENS];
	int ret = 0;

	while (!ret && e->kv->n_past < n) {
		uint32_t at = e->kv->n_past, m = n - at < e->max_tokens ? n - at : e->max_tokens;

		for (uint32_t i = 0; i < m; i++)
			ids[i] = (int32_t)((at + i) * 7919u % e->model->hp.n_vocab);
		ret = ferry_local_engine_pass(e, ids, m, at + m == n, err);
		r->n_done += m;
		ferry_progress_at(&r->progress, r->n_done);
	}
	return ret;
}

static int measure_decode(struct ferry_local_engine *e, struct bench_result *r, uint32_t n,
			  double *tok_s, struct ferry_error *err)
{
	const uint64_t start = ferry_now_ns();
	int ret = 0;

	for (uint32_t i = 0; !ret && i < n; i++)
		ret = fill(e, r, e->kv->n_past + 1, err);
	*tok_s = n / ((double)(ferry_now_ns() - start) / 1e9);
	return ret;
}

static int measure_round(struct ferry_local_engine *e, const struct bench_options *o,
			 struct bench_result *r, uint32_t round, struct ferry_error *err)
{
	uint64_t start;
	int ret;

	/* The first round fills the whole depth; later ones find there what it left. */
	if (o->depth && !round) {
		ret = fill(e, r, o->depth, err);
		if (ret)
			return ret;
	}
	ferry_kv_cache_truncate(e->kv, 0);
	start = ferry_now_ns();
	ret = fill(e, r, o->n_prompt, err);
	if (ret)
		return ret;
	r->prefill_tok_s[round] = o->n_prompt / ((double)(ferry_now_ns() - start) / 1e9);
	ret = measure_decode(e, r, o->n_decode, &r->decode_tok_s[round], err);
	if (!ret && o->depth) {
		e->kv->n_past = o->depth;
		ret = measure_decode(e, r, o->n_decode, &r->deep_tok_s[round], err);
	}
	r->read_gb_s[round] = ferry_stream_read_gb_s(e->model, e->pool);
	return ret;
}

static uint64_t tokens_of(const struct bench_options *o)
{
	const uint64_t round = (uint64_t)o->n_prompt + o->n_decode;

	return o->depth + o->n_rounds * (round + (o->depth ? o->n_decode : 0));
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, uint32_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_result(const struct bench_options *o, struct ferry_local_engine *e,
			 struct bench_result *r)
{
	uint32_t n = o->n_rounds;
	double prefill = median(r->prefill_tok_s, n), decode = median(r->decode_tok_s, n);
	double read = median(r->read_gb_s, n), bytes = bytes_per_token(e->model);
	double deep = o->depth ? median(r->deep_tok_s, n) : 0;
	double kv_bytes = o->depth ? kv_bytes_per_token(e, o->depth + o->n_decode / 2) : 0;
	/* Bytes of weights, keys and values; the little context of the first is left out. */
	double deep_share = deep * (bytes + kv_bytes) / (decode * bytes);
	struct rusage usage;
	int threads = (int)ferry_pool_n_threads(e->pool);

	getrusage(RUSAGE_SELF, &usage);
	if (o->json) {
		json_t *root = json_pack(
			"{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f, s:I, s:I}",
			"model", e->model->name, "n_threads", threads, "n_prompt", (int)o->n_prompt,
			"n_decode", (int)o->n_decode, "rounds", (int)n, "prefill_tok_s", prefill,
			"decode_tok_s", decode, "read_gb_s", read, "decode_gb_s",
			decode * bytes / 1e9, "decode_of_read", decode * bytes / 1e9 / read, "load",
			r->load, "load_s", r->load_s, "reload_s", r->reload_s, "bytes_per_token",
			(json_int_t)bytes, "peak_rss_bytes", (json_int_t)usage.ru_maxrss * 1024);

		json_object_set_new(root, "kv", json_string(ferry_kv_type_name(e->kv->type)));
		if (o->depth) {
			json_object_set_new(root, "depth", json_integer(o->depth));
			json_object_set_new(root, "deep_tok_s", json_real(deep));
			json_object_set_new(root, "deep_kv_bytes_per_token",
					    json_integer((json_int_t)kv_bytes));
			json_object_set_new(root, "deep_of_decode_bytes", json_real(deep_share));
		}
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
		return;
	}
	printf("%s, %d threads, medians of %u rounds\n", e->model->name, threads, n);
	printf("  load     %8.3f s     %s; once more %.3f s\n", r->load_s, r->load, r->reload_s);
	printf("  prefill  %8.1f tok/s  (%u tokens; %.1f to %.1f)\n", prefill, o->n_prompt,
	       r->prefill_tok_s[0], r->prefill_tok_s[n - 1]);
	printf("  decode   %8.1f tok/s  (%u tokens; %.1f to %.1f), %.2f GB/s of weights\n", decode,
	       o->n_decode, r->decode_tok_s[0], r->decode_tok_s[n - 1], decode * bytes / 1e9);
	if (o->depth)
		printf("  at %-6u%8.1f tok/s  (%.1f to %.1f), %.2f GB/s of weights and %s KV "
		       "cache: %.0f %% of decode\n",
		       o->depth, deep, r->deep_tok_s[0], r->deep_tok_s[n - 1],
		       deep * (bytes + kv_bytes) / 1e9, ferry_kv_type_name(e->kv->type),
		       deep_share * 100);
	printf("  reading  %8.2f GB/s   of the same weights; decode reaches %.0f %% of it\n", read,
	       decode * bytes / 1e9 / read * 100);
	printf("  memory   %8.1f MB     at most\n", (double)usage.ru_maxrss / 1024);
}

static int open_timed(struct ferry_local_engine *e, const struct bench_options *o, double *seconds,
		      struct ferry_error *err)
{
	uint64_t start = ferry_now_ns();
	int ret = ferry_local_engine_open(
		e, o->model, o->cache, o->n_threads,
		(o->depth ? o->depth : o->n_prompt) + o->n_decode,
		o->n_prompt < BENCH_MAX_TOKENS && !o->depth ? o->n_prompt : BENCH_MAX_TOKENS,
		o->reference, o->kv, err);

	*seconds = (double)(ferry_now_ns() - start) / 1e9;
	return ret;
}

static const char *origin_text(const struct ferry_model *m)
{
	switch (ferry_weights_origin(m)) {
	case FERRY_WEIGHTS_MADE:
		return "packed into a file";
	case FERRY_WEIGHTS_FOUND:
		return "from a file of packed weights";
	case FERRY_WEIGHTS_PRIVATE:
		return "packed in memory";
	default:
		return "nothing to pack";
	}
}

int ferry_cli_bench(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Prefill and decode speed, and the streaming read of the same weights by the same "
		       "threads, measured in turn.",
		.args_doc = "-m FILE",
	};
	struct bench_options o = {.n_prompt = 128, .n_decode = 32, .n_rounds = 3};
	struct ferry_local_engine e = {0};
	struct ferry_error err = {0};
	struct bench_result r;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = open_timed(&e, &o, &r.load_s, &err);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	r.load = origin_text(e.model);
	ferry_local_engine_close(&e);
	ret = open_timed(&e, &o, &r.reload_s, &err);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	r.n_done = 0;
	r.progress = ferry_progress_start("bench", tokens_of(&o));
	for (uint32_t i = 0; i < o.n_rounds && !ret; i++)
		ret = measure_round(&e, &o, &r, i, &err);
	ferry_progress_end(&r.progress);
	if (!ret)
		print_result(&o, &e, &r);
	ferry_local_engine_close(&e);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
