// SPDX-License-Identifier: MIT
/*
 * What a token costs more when layers run far away: the same generation with the edge beside the
 * device and behind an emulated round trip, token by token. The ideal is one RTT.
 *
 *	bench_rtt [-m MODEL.gguf] [-k SPLIT] [-n TOKENS] [-r RTT_MS] [-d PROMPT_TOKENS]
 *
 * Edge and device share this machine, so neither can be slowed down by the other more than in
 * turns: decoding alternates between them. Without -m a tiny random model is used, which makes the
 * computing small against the link.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "link_emulator.h"
#include "model/model.h"
#include "node/edge.h"
#include "node/session.h"

struct run {
	const char *model_path;
	int32_t split;
	uint32_t n_tokens, n_prompt;
	double rtt_ms;
	struct ferry_model *model;
	struct ferry_pool *pool;
};

struct times {
	double p50, p95, prompt_ms;
	struct ferry_node_session_stats stats;
};

static void die(const struct ferry_error *err)
{
	fprintf(stderr, "bench_rtt: %s\n", err->text);
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct times generate(const struct run *r, const char *address, int32_t *ids)
{
	struct ferry_node_session_options o = {.n_ctx = r->n_prompt + r->n_tokens + 1,
					       .edge = address,
					       .split = r->split,
					       .deadline_ms = 30000};
	double *ms = calloc(r->n_tokens, sizeof(*ms));
	int32_t *prompt = calloc(r->n_prompt, sizeof(*prompt));
	struct ferry_node_session *s;
	struct ferry_error err;
	struct times t;
	uint64_t start;

	for (uint32_t i = 0; i < r->n_prompt; i++)
		prompt[i] = (int32_t)((i * 7919 + 5) % r->model->hp.n_vocab);
	if (ferry_node_session_open(r->model, r->pool, &o, &s, &err))
		die(&err);
	start = ferry_now_us();
	if (ferry_node_session_append(s, prompt, r->n_prompt, &err))
		die(&err);
	t.prompt_ms = (double)(ferry_now_us() - start) / 1e3;
	for (uint32_t i = 0; i < r->n_tokens; i++) {
		start = ferry_now_us();
		if (ferry_node_session_next(s, NULL, &ids[i], &err))
			die(&err);
		ms[i] = (double)(ferry_now_us() - start) / 1e3;
	}
	ferry_node_session_get_stats(s, &t.stats);
	ferry_node_session_close(s);
	qsort(ms, r->n_tokens, sizeof(*ms), by_size);
	t.p50 = ms[r->n_tokens / 2];
	t.p95 = ms[r->n_tokens * 95 / 100];
	free(ms);
	free(prompt);
	return t;
}

static void print(const char *name, const struct times *t)
{
	printf("%-8s %10.3f %10.3f %12.1f %10.2f %12.1f\n", name, t->p50, t->p95, t->prompt_ms,
	       (double)t->stats.rtt_us / 1e3, (double)t->stats.bytes_sent / 1024);
}

static void *serve(void *edge)
{
	struct ferry_error err;

	if (ferry_edge_run(edge, &err))
		die(&err);
	return NULL;
}

static void measure(struct run *r)
{
	struct ferry_edge_options eo = {.listen = "127.0.0.1:0", .n_threads = 1};
	struct link_emulator_options lo = {.delay_us = (uint64_t)(r->rtt_ms * 500)};
	int32_t *ids[3];
	struct link_emulator *link;
	struct ferry_edge *edge;
	struct times local, near, far;
	struct ferry_error err;
	pthread_t thread;
	char address[64];
	double added;

	for (int i = 0; i < 3; i++)
		ids[i] = calloc(r->n_tokens, sizeof(*ids[i]));
	if (ferry_edge_new(r->model, &eo, &edge, &err))
		die(&err);
	pthread_create(&thread, NULL, serve, edge);
	lo.target_port = ferry_edge_port(edge);
	link = link_emulator_new(&lo);
	if (!link)
		exit(1);
	snprintf(address, sizeof(address), "127.0.0.1:%u", link_emulator_port(link));
	local = generate(r, NULL, ids[0]);
	near = generate(r, ferry_edge_address(edge), ids[1]);
	far = generate(r, address, ids[2]);
	printf("%s, %u layers, %d of them here; prompt of %u, %u tokens, emulated RTT %.1f ms\n",
	       r->model->name, r->model->hp.n_layers, r->split, r->n_prompt, r->n_tokens,
	       r->rtt_ms);
	printf("%-8s %10s %10s %12s %10s %12s\n", "link", "p50 ms", "p95 ms", "prompt ms", "RTT ms",
	       "KiB sent");
	print("none", &local);
	print("loopback", &near);
	print("emulated", &far);
	added = far.p50 - near.p50;
	printf("added per token: p50 %.3f ms, p95 %.3f ms; p50 is the RTT %+.3f ms (%.3f of it)\n",
	       added, far.p95 - near.p95, added - r->rtt_ms, added / r->rtt_ms);
	printf("tokens: %s\n",
	       memcmp(ids[0], ids[1], 4 * r->n_tokens) || memcmp(ids[0], ids[2], 4 * r->n_tokens)
		       ? "DIFFERENT"
		       : "the same everywhere");
	ferry_edge_stop(edge);
	pthread_join(thread, NULL);
	link_emulator_free(link);
	ferry_edge_free(edge);
	for (int i = 0; i < 3; i++)
		free(ids[i]);
}

int main(int argc, char **argv)
{
	struct run r = {.split = -1, .n_tokens = 256, .n_prompt = 64, .rtt_ms = 40};
	struct ferry_tiny_model tiny = {.n_layers = 4, .n_ctx = 4096};
	struct ferry_error err;
	char *temporary = NULL;
	int c;

	while ((c = getopt(argc, argv, "m:k:n:r:d:")) != -1) {
		if (c == 'm')
			r.model_path = optarg;
		else if (c == 'k')
			r.split = atoi(optarg);
		else if (c == 'n' && atoi(optarg) > 0)
			r.n_tokens = (uint32_t)atoi(optarg);
		else if (c == 'd' && atoi(optarg) > 0)
			r.n_prompt = (uint32_t)atoi(optarg);
		else if (c == 'r' && atof(optarg) > 0)
			r.rtt_ms = atof(optarg);
		else
			return 2;
	}
	if (!r.model_path)
		r.model_path = temporary = ferry_tiny_model_temp(&tiny);
	if (!r.model_path)
		return 1;
	if (ferry_model_load(r.model_path, &r.model, &err) ||
	    ferry_weights_prepare(r.model, NULL, &err) || ferry_pool_new(1, &r.pool, &err))
		die(&err);
	if (r.split < 0)
		r.split = (int32_t)(r.model->hp.n_layers / 2);
	measure(&r);
	ferry_pool_free(r.pool);
	ferry_model_free(r.model);
	if (temporary)
		unlink(temporary);
	free(temporary);
	return 0;
}
