// SPDX-License-Identifier: MIT
#include "cli/bench_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/local_engine.h"
#include "cli/progress.h"
#include "cli/stream_read.h"
#include "engine/weights.h"

enum { MAX_TOKENS = 512 /* of a pass */ };

struct rounds {
	struct ferry_progress progress;
	uint64_t n_done; /* tokens, measured or not */
	double prefill[FERRY_BENCH_MAX_ROUNDS], decode[FERRY_BENCH_MAX_ROUNDS],
		read[FERRY_BENCH_MAX_ROUNDS], share[FERRY_BENCH_MAX_ROUNDS],
		deep[FERRY_BENCH_MAX_DEPTHS][FERRY_BENCH_MAX_ROUNDS];
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
static int fill(struct ferry_local_engine *e, struct rounds *r, uint32_t n, struct ferry_error *err)
{
	int32_t ids[MAX_TOKENS];
	int ret = 0;

	while (!ret && e->kv->n_past < n) {
		uint32_t at = e->kv->n_past, m = n - at < e->max_tokens ? n - at : e->max_tokens;

		/* A position always gets the same token, so that a cache may be rewound. */
		for (uint32_t i = 0; i < m; i++)
			ids[i] = (int32_t)((at + i) * 7919u % e->model->hp.n_vocab);
		ret = ferry_local_engine_pass(e, ids, m, at + m == n, err);
		r->n_done += m;
		ferry_progress_at(&r->progress, r->n_done);
	}
	return ret;
}

static int measure_decode(struct ferry_local_engine *e, struct rounds *r, uint32_t n, double *tok_s,
			  struct ferry_error *err)
{
	const uint64_t start = ferry_now_ns();
	int ret = 0;

	for (uint32_t i = 0; !ret && i < n; i++)
		ret = fill(e, r, e->kv->n_past + 1, err);
	*tok_s = n / ((double)(ferry_now_ns() - start) / 1e9);
	return ret;
}

static uint32_t deepest(const struct ferry_bench_setting *b)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < b->n_depths; i++)
		most = b->depth[i] > most ? b->depth[i] : most;
	return most;
}

static int measure_round(struct ferry_local_engine *e, const struct ferry_bench_setting *b,
			 struct rounds *r, uint32_t round, struct ferry_error *err)
{
	uint64_t start;
	int ret = 0;

	/*
	 * Before the first round the whole depth is filled, or at least a prompt: later rounds find
	 * there what it left, and none pays for pages that are touched for the first time.
	 */
	if (!round)
		ret = fill(e, r, b->n_depths ? deepest(b) : b->n_prompt, err);
	if (ret)
		return ret;
	ferry_kv_cache_truncate(e->kv, 0);
	start = ferry_now_ns();
	ret = fill(e, r, b->n_prompt, err);
	if (ret)
		return ret;
	r->prefill[round] = b->n_prompt / ((double)(ferry_now_ns() - start) / 1e9);
	ret = measure_decode(e, r, b->n_decode, &r->decode[round], err);
	r->read[round] = ferry_stream_read_gb_s(e->model, e->pool);
	r->share[round] = r->decode[round] * bytes_per_token(e->model) / 1e9 / r->read[round];
	for (uint32_t i = 0; i < b->n_depths && !ret; i++) {
		e->kv->n_past = b->depth[i];
		ret = measure_decode(e, r, b->n_decode, &r->deep[i][round], err);
	}
	return ret;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct ferry_bench_figure figure(double *values, uint32_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return (struct ferry_bench_figure){
		.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
		.least = values[0],
		.most = values[n - 1],
	};
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

static void summarize(const struct ferry_bench_setting *b, const struct ferry_local_engine *e,
		      struct rounds *r, struct ferry_bench_result *out)
{
	const uint32_t n = b->n_rounds;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	snprintf(out->model, sizeof(out->model), "%s", e->model->name);
	out->n_threads = ferry_pool_n_threads(e->pool);
	out->n_rounds = n;
	out->kv = ferry_kv_type_name(e->kv->type);
	out->prefill_tok_s = figure(r->prefill, n);
	out->decode_tok_s = figure(r->decode, n);
	out->read_gb_s = figure(r->read, n);
	out->decode_of_read = figure(r->share, n);
	out->bytes_per_token = bytes_per_token(e->model);
	for (uint32_t i = 0; i < b->n_depths; i++) {
		out->deep_tok_s[i] = figure(r->deep[i], n);
		out->kv_bytes[i] = kv_bytes_per_token(e, b->depth[i] + b->n_decode / 2);
		/* The little context of the first is left out. */
		out->deep_of_decode[i] = out->deep_tok_s[i].median *
					 (out->bytes_per_token + out->kv_bytes[i]) /
					 (out->decode_tok_s.median * out->bytes_per_token);
	}
	out->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

static int open_timed(struct ferry_local_engine *e, const struct ferry_bench_setting *b,
		      double *seconds, struct ferry_error *err)
{
	const uint64_t start = ferry_now_ns();
	const uint32_t deep = deepest(b), n = deep > b->n_prompt ? deep : b->n_prompt;
	int ret = ferry_local_engine_open(e, b->model, b->cache, b->n_threads, n + b->n_decode,
					  n < MAX_TOKENS ? n : MAX_TOKENS, b->reference, b->kv,
					  err);

	*seconds = (double)(ferry_now_ns() - start) / 1e9;
	return ret;
}

int ferry_bench_measure(const struct ferry_bench_setting *b, struct ferry_bench_result *out,
			struct ferry_error *err)
{
	struct ferry_local_engine e;
	struct rounds *r = calloc(1, sizeof(*r));
	int ret;

	*out = (struct ferry_bench_result){0};
	if (!r)
		return ferry_fail_memory(err, "a measurement", sizeof(*r));
	ret = open_timed(&e, b, &out->load_s, err);
	if (ret)
		goto free_rounds;
	out->load = origin_text(e.model);
	ferry_local_engine_close(&e);
	ret = open_timed(&e, b, &out->reload_s, err);
	if (ret)
		goto free_rounds;
	r->progress = ferry_progress_start(
		"bench",
		(b->n_depths ? deepest(b) : b->n_prompt) +
			(uint64_t)b->n_rounds * (b->n_prompt + (b->n_depths + 1) * b->n_decode));
	for (uint32_t i = 0; i < b->n_rounds && !ret; i++)
		ret = measure_round(&e, b, r, i, err);
	ferry_progress_end(&r->progress);
	if (!ret)
		summarize(b, &e, r, out);
	ferry_local_engine_close(&e);
free_rounds:
	free(r);
	return ret;
}
