// SPDX-License-Identifier: MIT
#include "node/profile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/kv_cache.h"

enum {
	DECODE_RUNS = 3, /* the least time counts: what disturbs only adds */
	CHUNK_RUNS = 2,
};

struct measurement {
	const struct ferry_model *model;
	struct ferry_forward *forward;
	struct ferry_kv_cache *kv; /* NULL for an empty range */
	float *hidden, *logits;
	int32_t *ids;
	int (*between)(void *data);
	void *data;
};

static void keep_least(double *least, uint64_t ns, uint32_t n_tokens)
{
	double us = (double)ns / 1e3 / n_tokens;

	if (*least == 0 || us < *least)
		*least = us;
}

/* One pass of @n tokens at the end of the cache, timed layer by layer. */
static int measure_pass(struct measurement *m, uint32_t n, struct ferry_profile *p,
			struct ferry_error *err)
{
	struct ferry_span span = {.kv = m->kv, .n_tokens = n};
	uint64_t start = ferry_now_ns();
	int ret = ferry_forward_embed(m->forward, m->ids, n, m->hidden, err);

	if (ret)
		return ret;
	keep_least(&p->embed_us, ferry_now_ns() - start, n);
	for (uint32_t i = p->layer_begin; i < p->layer_end; i++) {
		struct ferry_layer_cost *cost = &p->layers[i];

		start = ferry_now_ns();
		ret = ferry_forward_layers(m->forward, &span, 1, i, i + 1, m->hidden, err);
		if (ret)
			return ret;
		keep_least(n == 1 ? &cost->decode_us : &cost->prefill_us, ferry_now_ns() - start,
			   n);
		if (m->between && (ret = m->between(m->data)))
			return ferry_fail(err, FERRY_ERROR_CANCELLED, ret,
					  "the measurement was interrupted");
	}
	if (m->kv)
		ferry_forward_advance(&span, 1);
	if (n > 1)
		return 0;
	start = ferry_now_ns();
	ret = ferry_forward_head(m->forward, m->hidden, 1, m->logits, err);
	keep_least(&p->head_us, ferry_now_ns() - start, 1);
	return ret;
}

static int measure(struct measurement *m, struct ferry_profile *p, struct ferry_error *err)
{
	int ret;

	/* The first pass of each kind touches its memory first: the least time forgets that. */
	for (int run = 0; run < DECODE_RUNS; run++) {
		ret = measure_pass(m, 1, p, err);
		if (ret)
			return ret;
	}
	for (int run = 0; p->n_tokens > 1 && run < CHUNK_RUNS; run++) {
		ret = measure_pass(m, p->n_tokens, p, err);
		if (ret)
			return ret;
	}
	for (uint32_t i = p->layer_begin; i < p->layer_end; i++)
		if (p->n_tokens == 1)
			p->layers[i].prefill_us = p->layers[i].decode_us;
	return 0;
}

int ferry_profile_measure(const struct ferry_model *model, struct ferry_forward *forward,
			  uint32_t begin, uint32_t end, uint32_t n_tokens,
			  int (*between)(void *data), void *data, struct ferry_profile *out,
			  struct ferry_error *err)
{
	const struct ferry_hparams *hp = &model->hp;
	struct measurement m = {
		.model = model, .forward = forward, .between = between, .data = data};
	uint32_t n = n_tokens ? n_tokens : 1;
	int ret;

	if (n > ferry_forward_max_tokens(forward))
		n = ferry_forward_max_tokens(forward);
	*out = (struct ferry_profile){.layer_begin = begin, .layer_end = end, .n_tokens = n};
	out->layers = calloc(hp->n_layers, sizeof(*out->layers));
	m.hidden = malloc((size_t)n * hp->n_embd * sizeof(float));
	m.logits = malloc((size_t)hp->n_vocab * sizeof(float));
	m.ids = malloc(n * sizeof(*m.ids));
	if (!out->layers || !m.hidden || !m.logits || !m.ids) {
		ret = ferry_fail_memory(err, "measuring the model",
					(size_t)n * hp->n_embd * sizeof(float));
		goto out;
	}
	for (uint32_t i = 0; i < n; i++)
		m.ids[i] = (int32_t)(i % hp->n_vocab);
	ret = 0;
	if (end > begin)
		ret = ferry_kv_cache_new(model, begin, end, DECODE_RUNS + CHUNK_RUNS * n,
					 FERRY_KV_F16, &m.kv, err);
	if (!ret)
		ret = measure(&m, out, err);
	ferry_kv_cache_free(m.kv);
out:
	free(m.hidden);
	free(m.logits);
	free(m.ids);
	if (ret)
		ferry_profile_free(out);
	return ret;
}

void ferry_profile_free(struct ferry_profile *p)
{
	free(p->layers);
	p->layers = NULL;
}
