// SPDX-License-Identifier: MIT
/*
 * What sessions on one edge cost each other. Tokens per second of 1, 2, 4 and 8 sessions that
 * decode at once, all layers on the edge; then the times of one session's tokens beside another's
 * long prompts. All in one process, on the same threads; the devices only wait.
 *
 *	bench_sessions [-m MODEL.gguf] [-n TOKENS] [-t EDGE_THREADS] [-d PROMPT_TOKENS] [-r ROUNDS]
 *
 * Rounds alternate between numbers of sessions, so that a machine that gets slower does so for all.
 * Without -m a tiny random model is used.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "model/model.h"
#include "node/edge.h"
#include "node/session.h"

enum { MOST = 8, COUNTS = 4, MAX_ROUNDS = 64, SHORT_PROMPT = 16 };

static const unsigned counts[COUNTS] = {1, 2, 4, 8};

struct bench {
	struct ferry_model *model;
	struct ferry_edge *edge;
	uint32_t n_tokens, n_prompt, n_threads, n_rounds;
	int32_t *alone; /* [n_tokens]: of a session without company */
	pthread_barrier_t start;
	atomic_bool over;
};

struct device {
	struct bench *b;
	pthread_t thread;
	uint64_t end_us;
	double *ms; /* [n_tokens] */
	int32_t *ids;
	bool different;
};

static void die(const struct ferry_error *err)
{
	fprintf(stderr, "bench_sessions: %s\n", err->text);
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct ferry_node_session *open_session(struct bench *b, uint32_t n_prompt, uint32_t n_new)
{
	struct ferry_node_session_options o = {.n_ctx = n_prompt + n_new + 1,
					       .edge = ferry_edge_address(b->edge),
					       .deadline_ms = 30000};
	int32_t *prompt = calloc(n_prompt, sizeof(*prompt));
	struct ferry_node_session *s;
	struct ferry_error err;

	for (uint32_t i = 0; i < n_prompt; i++)
		prompt[i] = (int32_t)((i * 7919 + 5) % b->model->hp.n_vocab);
	if (ferry_node_session_open(b->model, NULL, &o, &s, &err) ||
	    ferry_node_session_append(s, prompt, n_prompt, &err))
		die(&err);
	free(prompt);
	return s;
}

static void *decode(void *data)
{
	struct device *d = data;
	struct bench *b = d->b;
	struct ferry_node_session *s = open_session(b, SHORT_PROMPT, b->n_tokens);
	struct ferry_error err;

	pthread_barrier_wait(&b->start);
	for (uint32_t i = 0; i < b->n_tokens; i++) {
		uint64_t start = ferry_now_us();

		if (ferry_node_session_next(s, NULL, &d->ids[i], &err))
			die(&err);
		d->ms[i] = (double)(ferry_now_us() - start) / 1e3;
	}
	d->end_us = ferry_now_us();
	ferry_node_session_close(s);
	return NULL;
}

/* Prompts without an end, but for the last token of each. */
static void *prefill(void *data)
{
	struct bench *b = data;
	struct ferry_error err;
	int32_t id;

	pthread_barrier_wait(&b->start);
	while (!atomic_load(&b->over)) {
		struct ferry_node_session *s = open_session(b, b->n_prompt, 1);

		if (ferry_node_session_next(s, NULL, &id, &err))
			die(&err);
		ferry_node_session_close(s);
	}
	return NULL;
}

static void make_device(struct device *d, struct bench *b)
{
	*d = (struct device){.b = b,
			     .ms = calloc(b->n_tokens, sizeof(double)),
			     .ids = calloc(b->n_tokens, sizeof(int32_t))};
}

/* Tokens per second of @n sessions together. */
static double measure(struct bench *b, unsigned n, bool *different)
{
	struct device d[MOST];
	uint64_t start, end = 0;

	pthread_barrier_init(&b->start, NULL, n + 1);
	for (unsigned i = 0; i < n; i++) {
		make_device(&d[i], b);
		pthread_create(&d[i].thread, NULL, decode, &d[i]);
	}
	pthread_barrier_wait(&b->start);
	start = ferry_now_us();
	for (unsigned i = 0; i < n; i++) {
		pthread_join(d[i].thread, NULL);
		end = d[i].end_us > end ? d[i].end_us : end;
		if (n == 1)
			memcpy(b->alone, d[i].ids, b->n_tokens * sizeof(int32_t));
		*different |= memcmp(b->alone, d[i].ids, b->n_tokens * sizeof(int32_t)) != 0;
		free(d[i].ms);
		free(d[i].ids);
	}
	pthread_barrier_destroy(&b->start);
	return 1e6 * n * b->n_tokens / (double)(end - start);
}

static void measure_counts(struct bench *b)
{
	double speed[COUNTS][MAX_ROUNDS], median[COUNTS];
	struct ferry_edge_stats before, after;
	bool different = false;

	measure(b, 1, &different); /* touches the memory */
	for (uint32_t r = 0; r < b->n_rounds; r++)
		for (int i = 0; i < COUNTS; i++) {
			ferry_edge_get_stats(b->edge, &before);
			speed[i][r] = measure(b, counts[i], &different);
			ferry_edge_get_stats(b->edge, &after);
			if (r + 1 == b->n_rounds)
				printf("%u sessions: %.2f steps a pass in the last round\n",
				       counts[i],
				       (double)(after.n_steps - before.n_steps) /
					       (double)(after.n_passes - before.n_passes));
		}
	printf("%-10s %12s %12s\n", "sessions", "tokens/s", "of one");
	for (int i = 0; i < COUNTS; i++) {
		qsort(speed[i], b->n_rounds, sizeof(double), by_size);
		median[i] = speed[i][b->n_rounds / 2];
		printf("%-10u %12.1f %12.2f\n", counts[i], median[i], median[i] / median[0]);
	}
	printf("tokens: %s\n", different ? "DIFFERENT" : "the same in any company");
}

static void print_times(const char *what, const struct device *d, uint32_t n)
{
	qsort(d->ms, n, sizeof(double), by_size);
	printf("%-24s %10.2f %10.2f %10.2f\n", what, d->ms[n / 2], d->ms[n * 99 / 100],
	       d->ms[n - 1]);
}

static void measure_beside_prompts(struct bench *b)
{
	struct device d;
	pthread_t other;

	printf("%-24s %10s %10s %10s\n", "ms of a token", "p50", "p99", "max");
	for (int beside = 0; beside < 2; beside++) {
		make_device(&d, b);
		atomic_store(&b->over, false);
		pthread_barrier_init(&b->start, NULL, 2 + (unsigned)beside);
		pthread_create(&d.thread, NULL, decode, &d);
		if (beside)
			pthread_create(&other, NULL, prefill, b);
		pthread_barrier_wait(&b->start);
		pthread_join(d.thread, NULL);
		atomic_store(&b->over, true);
		if (beside)
			pthread_join(other, NULL);
		print_times(beside ? "beside long prompts" : "alone", &d, b->n_tokens);
		pthread_barrier_destroy(&b->start);
		free(d.ms);
		free(d.ids);
	}
}

static void *serve(void *edge)
{
	struct ferry_error err;

	if (ferry_edge_run(edge, &err))
		die(&err);
	return NULL;
}

int main(int argc, char **argv)
{
	struct bench b = {.n_tokens = 64, .n_prompt = 512, .n_threads = 0, .n_rounds = 5};
	struct ferry_tiny_model tiny = {.n_layers = 8, .n_ctx = 4096, .type = FERRY_TYPE_Q4_0};
	struct ferry_edge_options o = {.listen = "127.0.0.1:0"};
	const char *path = NULL;
	char *temporary = NULL;
	struct ferry_error err;
	pthread_t thread;
	int c;

	while ((c = getopt(argc, argv, "m:n:t:d:r:")) != -1) {
		if (c == 'm')
			path = optarg;
		else if (c == 'n' && atoi(optarg) > 0)
			b.n_tokens = (uint32_t)atoi(optarg);
		else if (c == 't' && atoi(optarg) > 0)
			o.n_threads = (uint32_t)atoi(optarg);
		else if (c == 'd' && atoi(optarg) > 0)
			b.n_prompt = (uint32_t)atoi(optarg);
		else if (c == 'r' && atoi(optarg) > 0 && atoi(optarg) <= MAX_ROUNDS)
			b.n_rounds = (uint32_t)atoi(optarg);
		else
			return 2;
	}
	if (!path)
		path = temporary = ferry_tiny_model_temp(&tiny);
	b.alone = calloc(b.n_tokens, sizeof(*b.alone));
	if (!path || !b.alone)
		return 1;
	if (ferry_model_load(path, &b.model, &err) || ferry_weights_prepare(b.model, NULL, &err) ||
	    ferry_edge_new(b.model, &o, &b.edge, &err))
		die(&err);
	pthread_create(&thread, NULL, serve, b.edge);
	printf("%s, %u tokens of each session, prompts of %u beside\n", b.model->name, b.n_tokens,
	       b.n_prompt);
	measure_counts(&b);
	measure_beside_prompts(&b);
	ferry_edge_stop(b.edge);
	pthread_join(thread, NULL);
	ferry_edge_free(b.edge);
	ferry_model_free(b.model);
	if (temporary)
		unlink(temporary);
	free(temporary);
	free(b.alone);
	return 0;
}
