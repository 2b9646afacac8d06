// SPDX-License-Identifier: MIT
/*
 * The promise of engine/forward.h: logits depend on the tokens before them, and on nothing else.
 * All comparisons are of bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "logit_run.h"

/* More than a tile of the KV cache, so that partial results are merged. */
enum { N_TOKENS = 70 };

static const struct ferry_tiny_model fixtures[] = {
	{.arch = "llama", .rope_freqs = true},
	{.arch = "llama", .type = FERRY_TYPE_Q4_K, .n_head_kv = 8, .rope_linear = 4.0f},
	{.arch = "llama", .type = FERRY_TYPE_Q8_0, .n_experts = 5, .biases = true},
	{.arch = "llama", .type = FERRY_TYPE_F16, .n_head_kv = 1, .n_vocab = 515},
	{.arch = "qwen2", .type = FERRY_TYPE_Q4_0},
	{.arch = "qwen3", .type = FERRY_TYPE_Q6_K},
	{.arch = "qwen3moe", .type = FERRY_TYPE_Q5_K},
	{.arch = "gemma3", .type = FERRY_TYPE_BF16},
};
enum { N_FIXTURES = sizeof(fixtures) / sizeof(fixtures[0]) };

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENTED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTED true
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED false
#endif

/* Some of the ways: the same C was compiled, and emulation and sanitizers are ten times slower. */
static bool only_some(void)
{
	return INSTRUMENTED || getenv("FERRY_EMULATED");
}

static void make_ids(int32_t *ids, uint32_t n, uint32_t n_vocab, uint32_t seed)
{
	for (uint32_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		ids[i] = (int32_t)((seed >> 8) % n_vocab);
	}
}

static struct ferry_model *open_fixture(const struct ferry_tiny_model *options)
{
	struct ferry_error err = {0};
	struct ferry_model *m;
	char *path = ferry_tiny_model_temp(options);

	assert_non_null(path);
	if (ferry_model_load(path, &m, &err) || ferry_weights_prepare(m, NULL, &err))
		fail_msg("%s", err.text);
	unlink(path);
	free(path);
	return m;
}

static float *run(const struct ferry_model *m, const struct logit_run *how, const int32_t *ids,
		  uint32_t n)
{
	float *logits = calloc((size_t)n * m->hp.n_vocab, sizeof(*logits));

	assert_non_null(logits);
	logit_run(m, how, ids, n, logits);
	return logits;
}

static void check_run(const struct ferry_model *m, const struct logit_run *how, const int32_t *ids,
		      uint32_t n, const float *expected)
{
	float *logits = run(m, how, ids, n);

	for (size_t i = 0; i < (size_t)n * m->hp.n_vocab; i++)
		if (memcmp(&logits[i], &expected[i], sizeof(float)) != 0)
			fail_msg(
				"%s, %u threads, pieces of %u, cut at %u: logit %zu of token %zu is "
				"%a, not %a",
				m->arch->name, how->n_threads, how->piece, how->cut,
				i % m->hp.n_vocab, i / m->hp.n_vocab, (double)logits[i],
				(double)expected[i]);
	free(logits);
}

/* Threads, pieces and cuts of one model. */
static void check_model(const struct ferry_model *m, enum ferry_kv_type kv, const int32_t *ids,
			uint32_t n)
{
	static const uint32_t pieces[] = {1, 2, 3, 7, 64};
	const struct logit_run base = {.kv_type = kv};
	float *expected = run(m, &base, ids, n);
	struct logit_run how;

	for (uint32_t threads = 1; threads <= 5; threads++) {
		if (only_some() && threads != 2)
			continue;
		how = base;
		how.n_threads = threads;
		check_run(m, &how, ids, n, expected);
	}
	for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		if (only_some() && pieces[i] != 1 && pieces[i] != 7)
			continue;
		how = base;
		how.piece = pieces[i];
		how.n_threads = i % 3;
		check_run(m, &how, ids, n, expected);
	}
	/* One by one, where threads do not wait for each other everywhere. */
	for (uint32_t threads = 2; threads <= 5; threads++) {
		if (only_some() && threads != 3)
			continue;
		how = base;
		how.piece = 1;
		how.n_threads = threads;
		check_run(m, &how, ids, n, expected);
	}
	for (uint32_t cut = 1; cut <= (only_some() ? 1 : m->hp.n_layers); cut++) {
		how = base;
		how.cut = cut;
		how.piece = 11 * (cut % 2);
		check_run(m, &how, ids, n, expected);
	}
	for (unsigned i = 0; ferry_kernels_at(i); i++) {
		how = base;
		how.kernels = ferry_kernels_at(i);
		if (ferry_kernels_supported(how.kernels))
			check_run(m, &how, ids, n, expected);
	}
	free(expected);
}

static void check_types(const struct ferry_model *m, const int32_t *ids, uint32_t n)
{
	check_model(m, FERRY_KV_F16, ids, n);
	check_model(m, FERRY_KV_Q8, ids, n);
}

static void test_fixtures(void **state)
{
	int32_t ids[N_TOKENS];

	(void)state;
	for (unsigned i = 0; i < N_FIXTURES; i++) {
		struct ferry_model *m = open_fixture(&fixtures[i]);

		make_ids(ids, N_TOKENS, m->hp.n_vocab, i);
		check_types(m, ids, N_TOKENS);
		ferry_model_free(m);
	}
}

static void test_shared_models(void **state)
{
	unsigned n_names;
	char(*names)[64];

	(void)state;
	if (only_some()) {
		print_message("SKIP: more of the same, for which emulation is too slow\n");
		skip();
	}
	names = shared_model_names(&n_names);
	for (unsigned i = 0; i < n_names; i++) {
		struct shared_model s;

		shared_model_open(&s, names[i]);
		check_types(s.model, s.ids, s.n);
		shared_model_close(&s);
	}
	free(names);
}

/*
 * Several runs of positions, which are computed apart where heads do not make equal shares for the
 * threads: the last tokens one by one, behind a prompt in one pass.
 */
static void test_long_contexts(void **state)
{
	enum { LONG = 1100, LAST = 12 };
	static const struct ferry_tiny_model longer[] = {
		{.arch = "llama", .n_head_kv = 1, .n_ctx = 2048, .n_layers = 1, .n_head_dim = 40},
		{.arch = "llama", .type = FERRY_TYPE_Q8_0, .n_ctx = 2048, .n_layers = 1},
		{.arch = "gemma3", .type = FERRY_TYPE_Q4_0, .n_ctx = 2048, .n_swa = 600},
	};
	static int32_t ids[LONG];

	(void)state;
	for (unsigned i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
		struct ferry_model *m = open_fixture(&longer[i]);

		make_ids(ids, LONG, m->hp.n_vocab, i);
		for (int type = 0; type < FERRY_KV_TYPES; type++) {
			struct logit_run how = {.kv_type = (enum ferry_kv_type)type};
			float *expected;

			if (only_some() && type != (int)i % FERRY_KV_TYPES)
				continue;
			expected = run(m, &how, ids, LONG);

			for (how.n_threads = 1; how.n_threads <= 5; how.n_threads++) {
				if (only_some() && how.n_threads != 3)
					continue;
				how.n_prompt = how.n_threads % 2 ? LONG - LAST : LONG - 600;
				how.piece = how.n_threads % 2 ? 1 : 300;
				check_run(m, &how, ids, LONG, expected);
			}
			free(expected);
		}
		ferry_model_free(m);
	}
}

/* What one call of ferry_forward_layers() makes of some tokens of two sequences. */
struct batch {
	struct ferry_forward *forward;
	struct ferry_kv_cache *kv[2];
	const int32_t *ids[2];
	float *hidden[2], *logits[2];
};

/* The next n[0] and n[1] tokens of both sequences; together or one after the other. */
static void step(struct batch *b, const uint32_t n[2], bool together)
{
	const struct ferry_model *m = b->kv[0]->model;
	float *hidden = calloc((size_t)(n[0] + n[1]) * m->hp.n_embd, sizeof(*hidden));
	float *at = hidden;
	struct ferry_span spans[2];
	struct ferry_error err;

	assert_non_null(hidden);
	for (int s = 0; s < 2; s++) {
		spans[s] = (struct ferry_span){b->kv[s], n[s]};
		assert_int_equal(ferry_forward_embed(b->forward, b->ids[s] + b->kv[s]->n_past, n[s],
						     at, &err),
				 0);
		if (!together)
			assert_int_equal(ferry_forward_layers(b->forward, &spans[s], 1, 0,
							      m->hp.n_layers, at, &err),
					 0);
		at += (size_t)n[s] * m->hp.n_embd;
	}
	if (together)
		assert_int_equal(
			ferry_forward_layers(b->forward, spans, 2, 0, m->hp.n_layers, hidden, &err),
			0);
	at = hidden;
	for (int s = 0; s < 2; s++) {
		assert_int_equal(
			ferry_forward_head(b->forward, at, n[s],
					   b->logits[s] + (size_t)b->kv[s]->n_past * m->hp.n_vocab,
					   &err),
			0);
		at += (size_t)n[s] * m->hp.n_embd;
	}
	ferry_forward_advance(spans, 2);
	free(hidden);
}

static void run_batches(const struct ferry_model *m, enum ferry_kv_type kv, struct ferry_pool *pool,
			float *logits[2], bool together)
{
	/* Both prompts, then one prompt beside another's tokens, then tokens only. */
	static const uint32_t steps[][2] = {{40, 3}, {1, 61}, {25, 1}, {1, 1}, {0, 1}, {1, 1}};
	int32_t ids[2][N_TOKENS];
	struct ferry_error err;
	struct batch b = {0};

	assert_int_equal(ferry_forward_new(m, pool, 80, FERRY_PATH_DEFAULT, &b.forward, &err), 0);
	for (int s = 0; s < 2; s++) {
		make_ids(ids[s], N_TOKENS, m->hp.n_vocab, (uint32_t)s + 7);
		b.ids[s] = ids[s];
		b.logits[s] = logits[s];
		assert_int_equal(
			ferry_kv_cache_new(m, 0, m->hp.n_layers, N_TOKENS, kv, &b.kv[s], &err), 0);
	}
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		step(&b, steps[i], together);
	for (int s = 0; s < 2; s++)
		ferry_kv_cache_free(b.kv[s]);
	ferry_forward_free(b.forward);
}

static void test_two_sequences_in_one_batch(void **state)
{
	struct ferry_error err;
	struct ferry_pool *pool;

	(void)state;
	assert_int_equal(ferry_pool_new(2, &pool, &err), 0);
	for (unsigned i = 0; i < N_FIXTURES; i++) {
		struct ferry_model *m = open_fixture(&fixtures[i]);
		float *logits[2][2];

		for (int together = 0; together < 2; together++) {
			for (int s = 0; s < 2; s++) {
				logits[together][s] =
					calloc((size_t)N_TOKENS * m->hp.n_vocab, sizeof(float));
				assert_non_null(logits[together][s]);
			}
			run_batches(m, i % 2 ? FERRY_KV_Q8 : FERRY_KV_F16, together ? pool : NULL,
				    logits[together], together);
		}
		for (int s = 0; s < 2; s++) {
			assert_memory_equal(logits[0][s], logits[1][s],
					    (size_t)N_TOKENS * m->hp.n_vocab * sizeof(float));
			free(logits[0][s]);
			free(logits[1][s]);
		}
		ferry_model_free(m);
	}
	ferry_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixtures),
		cmocka_unit_test(test_shared_models),
		cmocka_unit_test(test_long_contexts),
		cmocka_unit_test(test_two_sequences_in_one_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
