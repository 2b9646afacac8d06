/* SPDX-License-Identifier: MIT */
/*
 * What `ferry bench` measures: a model with a number of threads. Prefill, decode at several depths
 * of context and the streaming read of the same weights are measured in turn, several rounds,
 * and reported as medians, so that a machine whose speed drifts does not favour one of them.
 */
#ifndef FERRY_CLI_BENCH_MEASURE_H
#define FERRY_CLI_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/kv_cache.h"
#include "ferry/error.h"

enum {
	FERRY_BENCH_MAX_ROUNDS = 99,
	FERRY_BENCH_MAX_DEPTHS = 4,
};

struct ferry_bench_setting {
	const char *model, *cache;
	uint32_t n_threads; /* 0: the CPUs of this process */
	uint32_t n_prompt, n_decode, n_rounds;
	uint32_t depth[FERRY_BENCH_MAX_DEPTHS]; /* positions; decode is measured there too */
	uint32_t n_depths;
	enum ferry_kv_type kv;
	bool reference;
};

/* Median, smallest and largest of the rounds. */
struct ferry_bench_figure {
	double median, least, most;
};

struct ferry_bench_result {
	char model[128];
	uint32_t n_threads, n_rounds;
	const char *kv;
	double load_s, reload_s; /* this start; the next one in the same process */
	const char *load;	 /* what this start did */
	struct ferry_bench_figure prefill_tok_s;
	struct ferry_bench_figure decode_tok_s; /* behind the prompt */
	struct ferry_bench_figure read_gb_s;
	struct ferry_bench_figure decode_of_read; /* of the same round */
	struct ferry_bench_figure deep_tok_s[FERRY_BENCH_MAX_DEPTHS];
	double bytes_per_token;			       /* of weights */
	double kv_bytes[FERRY_BENCH_MAX_DEPTHS];       /* per token, there */
	double deep_of_decode[FERRY_BENCH_MAX_DEPTHS]; /* bytes of weights and KV per second */
	uint64_t peak_rss_bytes;		       /* of the process so far */
};

/* The codes of ferry_local_engine_open() and of a forward pass. */
int ferry_bench_measure(const struct ferry_bench_setting *b, struct ferry_bench_result *r,
			struct ferry_error *err);

#endif
