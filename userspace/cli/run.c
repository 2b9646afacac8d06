// SPDX-License-Identifier: MIT
/*
 * ferry run: generate text, here or together with an edge node.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/printable.h"
#include "cli/command.h"
#include "cli/packed_weights.h"
#include "cli/progress.h"
#include "cli/run_options.h"
#include "cli/side_panel.h"
#include "cli/text_file.h"
#include "compute/pool.h"
#include "model/chat_template.h"
#include "model/tokenizer.h"
#include "model/vocabulary.h"
#include "node/session.h"

static const char command_name[] = "ferry run";

enum {
	RUN_PIECE_BYTES = FERRY_TOKEN_BYTES_MAX,
	RUN_PROGRESS_TOKENS = 256,
};

struct ids {
	int32_t *ids;
	size_t n;
};

struct run {
	struct ferry_run_options o;
	struct ferry_model *model;
	struct ferry_pool *pool;
	struct ferry_node_session *session;
	struct ids prompt;
	struct ferry_utf8_stream stream;
	struct ferry_side_panel panel;
	struct ferry_node_session_stats line; /* at the start of the panel's line */
	uint64_t n_made, prefill_us, decode_us;
	bool on_terminal;
};

/* The session that Ctrl-C cancels. A handler gets no argument, so this must be global. */
static struct ferry_node_session *volatile running;

static void on_interrupt(int sig)
{
	(void)sig;
	if (running)
		ferry_node_session_cancel(running);
}

/* ---- the prompt ---- */

static int encode_chat(struct run *r, const char *text, unsigned flags, struct ferry_error *err)
{
	struct ferry_chat_message messages[2];
	const struct ferry_chat_template *template = NULL;
	struct ferry_chat_part *parts;
	size_t n_messages = 0, n_parts;
	int ret = 0;

	if (r->o.template) {
		template = ferry_chat_template_by_name(r->o.template);
		if (!template)
			ret = ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					 "--template %s is unknown; there are %s", r->o.template,
					 ferry_chat_template_names());
	} else {
		ret = ferry_chat_template_detect(r->model->gguf, &template, err);
		if (ret == -ENODATA)
			ret = ferry_fail(err, FERRY_ERROR_FILE, -ENODATA,
					 "%s has no chat template; choose one by --template: %s",
					 r->o.model, ferry_chat_template_names());
	}
	if (ret)
		return ret;
	if (r->o.system)
		messages[n_messages++] = (struct ferry_chat_message){"system", r->o.system};
	messages[n_messages++] = (struct ferry_chat_message){"user", text};
	ret = ferry_chat_format(template, messages, n_messages, true, &parts, &n_parts, err);
	if (ret)
		return ret;
	ret = ferry_tokenizer_encode_parts(r->model->tokenizer, parts, n_parts, flags,
					   &r->prompt.ids, &r->prompt.n, err);
	ferry_chat_parts_free(parts, n_parts);
	return ret;
}

static int encode_prompt(struct run *r, struct ferry_error *err)
{
	const struct ferry_tokenizer *t = r->model->tokenizer;
	bool bos = !r->o.no_bos && t && ferry_tokenizer_adds_bos(t);
	unsigned flags = bos ? FERRY_ENCODE_BOS : 0;
	char *text = NULL;
	size_t n;
	int ret = 0;

	if (!t)
		return ferry_fail(err, FERRY_ERROR_FILE, -ENODATA, "%s", r->model->tokenizer_error);
	if (r->o.file)
		ret = ferry_text_file_read(r->o.file, &text, &n, err);
	else
		n = strlen(r->o.prompt);
	if (ret)
		return ret;
	if (!n) {
		free(text);
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA,
				  "the prompt is empty: give a text to go on from by -p or -f");
	}
	if (r->o.special)
		flags |= FERRY_ENCODE_SPECIAL;
	if (r->o.chat && text && memchr(text, 0, n))
		ret = ferry_fail(err, FERRY_ERROR_FILE, -EINVAL,
				 "%s holds a zero byte, which no message can",
				 ferry_cli_shown_path(r->o.file));
	else if (r->o.chat)
		ret = encode_chat(r, text ? text : r->o.prompt, flags & FERRY_ENCODE_BOS, err);
	else
		ret = ferry_tokenizer_encode(t, text ? text : r->o.prompt, n, flags, &r->prompt.ids,
					     &r->prompt.n, err);
	free(text);
	return ret;
}

/* In pieces where somebody watches, so that there is progress to show; at once otherwise, so that
 * as much as possible of it overlaps with the link. */
static int prefill(struct run *r, struct ferry_error *err)
{
	struct ferry_progress progress = ferry_progress_start("prefill", r->prompt.n);
	size_t piece = progress.on_terminal ? RUN_PROGRESS_TOKENS : r->prompt.n;
	uint32_t n_ctx = ferry_node_session_n_ctx(r->session);
	uint64_t start = ferry_now_us();
	int ret = 0;

	if (r->prompt.n >= n_ctx)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -ENOSPC,
			"the prompt has %zu tokens, which leaves no room in a context of %u: "
			"shorten it, or raise -c",
			r->prompt.n, n_ctx);
	for (size_t at = 0; !ret && at < r->prompt.n; at += piece) {
		size_t left = r->prompt.n - at;

		ret = ferry_node_session_append(r->session, r->prompt.ids + at,
						left < piece ? left : piece, err);
		ferry_progress_at(&progress, at);
	}
	ferry_progress_end(&progress);
	r->prefill_us = ferry_now_us() - start;
	return ret;
}

/* ---- the text ---- */

static void print_where(const struct run *r, const struct ferry_node_session_stats *s, char *text,
			size_t size)
{
	uint32_t n = r->model->hp.n_layers;

	if (s->local)
		snprintf(text, size, "layers 0-%u here", n - 1);
	else if (!s->split)
		snprintf(text, size, "layers 0-%u edge", n - 1);
	else if (s->split == n)
		snprintf(text, size, "layers 0-%u here, head edge", n - 1);
	else
		snprintf(text, size, "layers 0-%u here, %u-%u edge", s->split - 1, s->split, n - 1);
}

/* What happened while one line of text was written. */
static void note_line(void *data, char *text, size_t size)
{
	struct run *r = data;
	struct ferry_node_session_stats now;
	uint64_t n;
	char where[64];

	ferry_node_session_get_stats(r->session, &now);
	n = now.n_tokens - r->line.n_tokens;
	print_where(r, &now, where, sizeof(where));
	if (now.local || !n)
		snprintf(text, size, "%s", where);
	else
		snprintf(text, size, "%s; rtt %.2f ms; %llu B up, %llu B down per token", where,
			 (double)now.rtt_us / 1e3,
			 (unsigned long long)((now.bytes_sent - r->line.bytes_sent) / n),
			 (unsigned long long)((now.bytes_received - r->line.bytes_received) / n));
	r->line = now;
}

/* On a terminal, what an edge chose to send must not act on it; elsewhere bytes stay bytes. */
static void write_text(struct run *r, char *text, size_t n)
{
	if (r->on_terminal)
		ferry_tame_controls(text, n);
	if (r->o.side) {
		ferry_side_panel_write(&r->panel, text, n);
		return;
	}
	fwrite(text, 1, n, stdout);
	fflush(stdout);
}

static void print_token(struct run *r, int32_t id)
{
	char piece[RUN_PIECE_BYTES], text[3 * (RUN_PIECE_BYTES + 4)];
	int n;

	if (r->o.ids) {
		printf("%s%d", r->n_made ? "," : "", id);
		fflush(stdout);
		return;
	}
	n = ferry_tokenizer_piece(r->model->tokenizer, id, r->o.special ? FERRY_DECODE_SPECIAL : 0,
				  piece, sizeof(piece));
	if (n > 0)
		write_text(r, text, ferry_utf8_stream_push(&r->stream, piece, (size_t)n, text));
}

static void end_text(struct run *r)
{
	char rest[8];
	size_t n = ferry_utf8_stream_end(&r->stream, rest);

	if (n)
		write_text(r, rest, n);
	if (r->o.side)
		ferry_side_panel_end(&r->panel);
	else
		putchar('\n');
	fflush(stdout);
}

static int generate(struct run *r, struct ferry_error *err)
{
	uint32_t n_ctx = ferry_node_session_n_ctx(r->session);
	uint64_t start = ferry_now_us();
	int ret = 0;

	while (!r->o.n_tokens || r->n_made < r->o.n_tokens) {
		size_t n_history;
		int32_t id;

		ferry_node_session_history(r->session, &n_history);
		if (n_history == n_ctx)
			break;
		ret = ferry_node_session_next(r->session, &r->o.sampling, &id, err);
		if (ret || (!r->o.ignore_eos && ferry_tokenizer_is_end(r->model->tokenizer, id)))
			break;
		print_token(r, id);
		r->n_made++;
		/* Nobody reads it: more text would only cost energy. */
		ret = ferry_cli_check_output(err);
		if (ret)
			break;
	}
	r->decode_us = ferry_now_us() - start;
	/* An error before the first token leaves standard output empty. */
	if (!ret || r->n_made)
		end_text(r);
	return ret;
}

static void print_stats(const struct run *r)
{
	struct ferry_node_session_stats s;
	char where[64];

	ferry_node_session_get_stats(r->session, &s);
	print_where(r, &s, where, sizeof(where));
	fprintf(stderr, "%s; seed %llu\n", where, (unsigned long long)r->o.sampling.seed);
	fprintf(stderr, "prompt %zu tokens in %.3f s; text %llu tokens in %.3f s (%.1f tok/s)\n",
		r->prompt.n, (double)r->prefill_us / 1e6, (unsigned long long)r->n_made,
		(double)r->decode_us / 1e6,
		r->decode_us ? (double)r->n_made * 1e6 / (double)r->decode_us : 0.0);
	fprintf(stderr, "computing here %.3f s", (double)s.local_us / 1e6);
	if (!s.local)
		fprintf(stderr,
			"; edge %.3f s of %.3f s waited; rtt %.2f ms; %llu bytes sent, %llu received",
			(double)s.edge_us / 1e6, (double)s.wait_us / 1e6, (double)s.rtt_us / 1e3,
			(unsigned long long)s.bytes_sent, (unsigned long long)s.bytes_received);
	if (s.n_lost || s.n_moves > 1)
		fprintf(stderr, "; edge lost %u times, found again %u times; layers moved %u times",
			s.n_lost, s.n_attached, s.n_moves);
	fputc('\n', stderr);
}

/* What is decided while the text comes. */
static void write_decision(void *data, enum ferry_log_level level, const char *text)
{
	(void)data;
	(void)level;
	fprintf(stderr, "%s: %s\n", command_name, text);
}

static int draw_seed(struct ferry_sampling *s, struct ferry_error *err)
{
	uint32_t seed; /* short enough to be typed again */

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "cannot draw a seed: %s",
				  ferry_errno_text(errno));
	s->seed = seed;
	return 0;
}

static int run(struct run *r, struct ferry_error *err)
{
	struct sigaction interrupt = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
	int ret = ferry_model_load(r->o.model, &r->model, err);

	if (!ret)
		ret = encode_prompt(r, err);
	if (!ret && !r->o.seed_given)
		ret = draw_seed(&r->o.sampling, err);
	if (!ret)
		ret = ferry_cli_pack_weights(r->model, r->o.model, r->o.cache, r->o.n_threads, NULL,
					     err);
	if (!ret)
		ret = ferry_pool_new(r->o.n_threads, &r->pool, err);
	if (ret)
		return ret;
	r->o.session.n_prompt_hint = (uint32_t)r->prompt.n;
	r->o.session.n_new_hint = r->o.n_tokens;
	r->o.session.insecure = r->o.keys.insecure;
	ret = ferry_cli_keys_find(&r->o.keys, &r->o.session.tls, err);
	if (!ret)
		ret = ferry_node_session_open(r->model, r->pool, &r->o.session, &r->session, err);
	if (ret)
		return ret;
	running = r->session;
	sigaction(SIGINT, &interrupt, NULL);
	if (r->o.explain) {
		const char *why = ferry_node_session_explanation(r->session);

		if (!r->o.session.edge)
			why = "No edge was named, so all layers run here.\n";
		fputs(*why ? why : "The split was given, so nothing was measured.\n", stderr);
	}
	r->on_terminal = isatty(STDOUT_FILENO);
	r->panel = (struct ferry_side_panel){.out = stdout, .note = note_line, .data = r};
	ret = prefill(r, err);
	if (r->o.side && r->o.prompt)
		ferry_side_panel_write(&r->panel, r->o.prompt, strlen(r->o.prompt));
	ferry_node_session_get_stats(r->session, &r->line);
	if (!ret)
		ret = generate(r, err);
	if (!ret && r->o.stats)
		print_stats(r);
	return ret;
}

int ferry_cli_run(int argc, char **argv)
{
	struct ferry_log log = {.level = FERRY_LOG_WARNING, .write = write_decision};
	struct ferry_error err = {0};
	struct run r = {0};
	int ret;

	ferry_run_options_parse(&r.o, argc, argv);
	if (r.o.explain)
		log.level = FERRY_LOG_DEBUG;
	r.o.session.log = &log;
	ret = run(&r, &err);
	running = NULL;
	ferry_node_session_close(r.session);
	ferry_pool_free(r.pool);
	free(r.prompt.ids);
	free(r.o.edges);
	ferry_model_free(r.model);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
