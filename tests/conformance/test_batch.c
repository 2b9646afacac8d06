// SPDX-License-Identifier: MIT
/*
 * Sequences that share passes (engine/batch.h) get the bits that each gets alone: caches of any
 * type, positions and layers of their own, joining whenever it pleases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/batch.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "logit_run.h"

enum {
	N_SEQUENCES = 6,
	N_STEPS = 3,   /* tokens of each that pass in company */
	N_LONGEST = 70 /* in front of them: more than a tile of the cache */
};

static const uint32_t before[N_SEQUENCES] = {0, 5, 63, N_LONGEST, 17, 1};

/* One conversation, whose layers [begin, end) run in the batch. */
struct sequence {
	enum ferry_kv_type kv_type;
	uint32_t begin, end;
	int32_t ids[N_LONGEST + 2 * N_STEPS];
	uint32_t n_tokens[N_STEPS]; /* one, or two as where a guess is checked */
	struct ferry_kv_cache *front, *middle, *back;
	uint32_t n_past;
	float *hidden; /* [N_LONGEST][n_embd] */
	float *want;   /* [all tokens][n_vocab] */
	struct ferry_batch_item item;
};

struct rig {
	const struct ferry_model *model;
	struct ferry_pool *pool;
	struct ferry_forward *forward;
	struct ferry_batch *batch;
	struct sequence sequences[N_SEQUENCES];
	uint32_t dice;
};

static uint32_t roll(struct rig *r, uint32_t n)
{
	r->dice = r->dice * 1664525u + 1013904223u;
	return (r->dice >> 8) % n;
}

static uint32_t all_tokens(const struct sequence *s, uint32_t i)
{
	uint32_t n = before[i];

	for (uint32_t k = 0; k < N_STEPS; k++)
		n += s->n_tokens[k];
	return n;
}

static struct ferry_kv_cache *cache(const struct ferry_model *m, uint32_t begin, uint32_t end,
				    enum ferry_kv_type type)
{
	struct ferry_kv_cache *kv;
	struct ferry_error err;

	if (ferry_kv_cache_new(m, begin, end, N_LONGEST + 2 * N_STEPS, type, &kv, &err))
		fail_msg("%s", err.text);
	return kv;
}

static void open_sequence(struct rig *r, uint32_t i)
{
	const struct ferry_model *m = r->model;
	const uint32_t n_layers = m->hp.n_layers;
	struct sequence *s = &r->sequences[i];
	struct logit_run alone = {.n_threads = 1};
	uint32_t n;

	s->kv_type = (enum ferry_kv_type)(i % FERRY_KV_TYPES);
	/* The first two have all layers; one has none, and only its head is shared. */
	s->begin = i < 2 ? 0 : roll(r, n_layers + 1);
	s->end = i < 2 ? n_layers : s->begin + roll(r, n_layers - s->begin + 1);
	for (uint32_t k = 0; k < N_STEPS; k++)
		s->n_tokens[k] = 1 + (roll(r, 4) == 0);
	n = all_tokens(s, i);
	for (uint32_t t = 0; t < n; t++)
		s->ids[t] = (int32_t)roll(r, m->hp.n_vocab);
	s->front = cache(m, 0, s->begin, s->kv_type);
	s->middle = cache(m, s->begin, s->end, s->kv_type);
	s->back = cache(m, s->end, n_layers, s->kv_type);
	s->hidden = calloc((size_t)N_LONGEST * m->hp.n_embd, sizeof(float));
	s->want = calloc((size_t)n * m->hp.n_vocab, sizeof(float));
	assert_true(s->hidden && s->want);
	alone.kv_type = s->kv_type;
	logit_run(m, &alone, s->ids, n, s->want);
}

static void close_sequence(struct sequence *s)
{
	ferry_kv_cache_free(s->front);
	ferry_kv_cache_free(s->middle);
	ferry_kv_cache_free(s->back);
	free(s->hidden);
	free(s->want);
}

static void run_layers(struct rig *r, struct ferry_kv_cache *kv, uint32_t n, float *hidden)
{
	const struct ferry_span span = {kv, n};
	struct ferry_error err;

	if (ferry_forward_layers(r->forward, &span, 1, kv->layer_begin, kv->layer_end, hidden,
				 &err))
		fail_msg("%s", err.text);
	ferry_forward_advance(&span, 1);
}

/* The next @n tokens up to where the batch takes over. */
static void run_front(struct rig *r, struct sequence *s, uint32_t n)
{
	struct ferry_error err;

	if (ferry_forward_embed(r->forward, s->ids + s->n_past, n, s->hidden, &err))
		fail_msg("%s", err.text);
	run_layers(r, s->front, n, s->hidden);
	s->item = (struct ferry_batch_item){.kv = s->begin < s->end ? s->middle : NULL,
					    .n_tokens = n,
					    .at = s->begin,
					    .end = s->end,
					    .hidden = s->hidden};
}

static void run_alone(struct rig *r, struct sequence *s, uint32_t n)
{
	run_front(r, s, n);
	run_layers(r, s->middle, n, s->hidden);
	run_layers(r, s->back, n, s->hidden);
	s->n_past += n;
}

/* Behind the batch: the last layers, then all heads in one pass. */
static void check_logits(struct rig *r, uint32_t step, const char *what)
{
	const struct ferry_hparams *hp = &r->model->hp;
	float *rows = calloc((size_t)2 * N_SEQUENCES * hp->n_embd, sizeof(float)), *row = rows;
	float *logits = calloc((size_t)2 * N_SEQUENCES * hp->n_vocab, sizeof(float));
	const float *got = logits;

	assert_true(rows && logits);
	for (uint32_t i = 0; i < N_SEQUENCES; i++) {
		struct sequence *s = &r->sequences[i];
		const struct ferry_span span = {s->middle, s->n_tokens[step]};

		assert_false(s->item.failed);
		ferry_forward_advance(&span, 1);
		run_layers(r, s->back, span.n_tokens, s->hidden);
		memcpy(row, s->hidden, (size_t)span.n_tokens * hp->n_embd * sizeof(float));
		row += (size_t)span.n_tokens * hp->n_embd;
	}
	assert_true(ferry_forward_try_head(r->forward, rows,
					   (uint32_t)((size_t)(row - rows) / hp->n_embd), logits));
	for (uint32_t i = 0; i < N_SEQUENCES; i++) {
		struct sequence *s = &r->sequences[i];
		const size_t n = (size_t)s->n_tokens[step] * hp->n_vocab;

		if (memcmp(got, s->want + (size_t)s->n_past * hp->n_vocab, n * sizeof(float)))
			fail_msg("%s: sequence %u (layers %u to %u, %s) got other logits behind "
				 "position %u than alone",
				 what, i, s->begin, s->end, ferry_kv_type_name(s->kv_type),
				 s->n_past);
		s->n_past += s->n_tokens[step];
		got += n;
	}
	free(rows);
	free(logits);
}

/* One token or two of each; sequence i joins behind step join[i]. */
static void run_batch(struct rig *r, uint32_t step)
{
	struct ferry_batch_item *items[N_SEQUENCES];
	uint32_t join[N_SEQUENCES], n = 0, n_done = 0;
	struct ferry_error err;

	for (uint32_t i = 0; i < N_SEQUENCES; i++) {
		run_front(r, &r->sequences[i], r->sequences[i].n_tokens[step]);
		join[i] = roll(r, 4);
	}
	for (uint32_t round = 0; n_done < N_SEQUENCES; round++) {
		assert_true(round < 100 * N_SEQUENCES);
		for (uint32_t i = 0; i < N_SEQUENCES; i++)
			if (join[i] == round)
				items[n++] = &r->sequences[i].item;
		if (ferry_batch_step(r->batch, items, n, 1 + roll(r, 3), &err) < 0)
			fail_msg("%s", err.text);
		n_done = 0;
		for (uint32_t i = 0; i < n; i++)
			n_done += ferry_batch_done(items[i]);
	}
}

/* Takes the model. */
static void check(struct ferry_model *m, uint32_t n_threads, const char *what)
{
	struct rig r = {.model = m, .dice = 7};
	struct ferry_error err;

	if (ferry_pool_new(n_threads, &r.pool, &err) ||
	    ferry_forward_new(m, r.pool, N_LONGEST, FERRY_PATH_DEFAULT, &r.forward, &err) ||
	    ferry_batch_new(r.forward, N_SEQUENCES, &r.batch, &err))
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < N_SEQUENCES; i++) {
		open_sequence(&r, i);
		run_alone(&r, &r.sequences[i], before[i]);
	}
	for (uint32_t step = 0; step < N_STEPS; step++) {
		run_batch(&r, step);
		check_logits(&r, step, what);
	}
	for (uint32_t i = 0; i < N_SEQUENCES; i++)
		close_sequence(&r.sequences[i]);
	ferry_batch_free(r.batch);
	ferry_forward_free(r.forward);
	ferry_pool_free(r.pool);
}

static void company_does_not_show_on_fixtures(void **state)
{
	static const struct ferry_tiny_model fixtures[] = {
		{.arch = "llama", .type = FERRY_TYPE_Q4_0, .n_layers = 5},
		{.arch = "llama", .type = FERRY_TYPE_F16, .n_layers = 3, .n_head_kv = 1},
		{.arch = "llama", .type = FERRY_TYPE_Q8_0, .n_layers = 3, .n_experts = 5},
		{.arch = "qwen2", .type = FERRY_TYPE_Q4_K, .n_layers = 3},
		{.arch = "qwen3", .type = FERRY_TYPE_Q6_K, .n_layers = 3},
		{.arch = "qwen3moe", .type = FERRY_TYPE_Q5_K, .n_layers = 3},
		{.arch = "gemma3", .type = FERRY_TYPE_Q8_0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		char *path = ferry_tiny_model_temp(&fixtures[i]);
		struct ferry_error err;
		struct ferry_model *m;

		assert_non_null(path);
		if (ferry_model_load(path, &m, &err) || ferry_weights_prepare(m, NULL, &err))
			fail_msg("%s", err.text);
		unlink(path);
		free(path);
		for (uint32_t threads = 1; threads <= 2; threads++)
			check(m, threads, fixtures[i].arch);
		ferry_model_free(m);
	}
}

static void company_does_not_show_on_shared_models(void **state)
{
	char(*names)[64];
	unsigned n;

	(void)state;
	names = shared_model_names(&n);
	for (unsigned i = 0; i < n; i++) {
		struct shared_model s;

		shared_model_open(&s, names[i]);
		check(s.model, 2, names[i]);
		shared_model_close(&s);
	}
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(company_does_not_show_on_fixtures),
		cmocka_unit_test(company_does_not_show_on_shared_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
