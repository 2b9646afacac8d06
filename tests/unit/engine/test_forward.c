// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

enum {
	N_TOKENS = 70, /* more than a tile of the cache */
	SOME = 20,     /* more than a window */
};

static void run(struct ferry_forward *f, struct ferry_kv_cache *kv, const int32_t *ids, uint32_t n,
		float *logits)
{
	const struct ferry_hparams *hp = &kv->model->hp;
	float *hidden = calloc((size_t)n * hp->n_embd, sizeof(*hidden));
	const struct ferry_span span = {kv, n};
	struct ferry_error err = {0};

	assert_non_null(hidden);
	if (ferry_forward_embed(f, ids, n, hidden, &err) ||
	    ferry_forward_layers(f, &span, 1, 0, hp->n_layers, hidden, &err) ||
	    ferry_forward_head(f, hidden, n, logits, &err))
		fail_msg("%s", err.text);
	ferry_forward_advance(&span, 1);
	free(hidden);
}

static float *logits_of(const struct ferry_model *m, enum ferry_path path, enum ferry_kv_type type,
			const int32_t *ids, uint32_t n)
{
	float *logits = calloc((size_t)n * m->hp.n_vocab, sizeof(*logits));
	struct ferry_forward *f = new_forward(m, n, path);
	struct ferry_kv_cache *kv = new_cache(m, n, type);

	assert_non_null(logits);
	run(f, kv, ids, n, logits);
	assert_int_equal(kv->n_past, n);
	ferry_kv_cache_free(kv);
	ferry_forward_free(f);
	return logits;
}

static double nmse(const float *a, const float *b, size_t n)
{
	double squares = 0.0, error = 0.0;

	for (size_t i = 0; i < n; i++) {
		error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
		squares += (double)b[i] * (double)b[i];
	}
	return error / squares;
}

/*
 * The default path is near the reference with the same cache, and not far with its own. Weights of
 * a quantized type meet activations that are rounded to a byte.
 */
static void check_paths(struct ferry_model *m, uint32_t n_tokens, const char *what)
{
	const bool rounds = ferry_weight_is_packed(m->layers[0].wq);
	const double limit = rounds ? 3e-4 : 1e-10;
	const size_t n = (size_t)n_tokens * m->hp.n_vocab;
	int32_t ids[N_TOKENS];
	float *reference, *exact, *usual;

	make_ids(ids, n_tokens, m->hp.n_vocab, 1);
	reference = logits_of(m, FERRY_PATH_REFERENCE, FERRY_KV_F32, ids, n_tokens);
	exact = logits_of(m, FERRY_PATH_DEFAULT, FERRY_KV_F32, ids, n_tokens);
	usual = logits_of(m, FERRY_PATH_DEFAULT, FERRY_KV_F16, ids, n_tokens);
	if (!(nmse(exact, reference, n) <= limit && nmse(usual, reference, n) <= limit + 1e-5))
		fail_msg("%s: nmse %g, %g with an F16 cache", what, nmse(exact, reference, n),
			 nmse(usual, reference, n));
	free(reference);
	free(exact);
	free(usual);
	ferry_model_free(m);
}

static void test_every_architecture(void **state)
{
	static const char *const archs[] = {"llama", "qwen2", "qwen3", "qwen3moe", "gemma3"};

	(void)state;
	for (unsigned i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		check_paths(load_fixture(&(struct ferry_tiny_model){.arch = archs[i]}), SOME,
			    archs[i]);
}

static void test_several_tiles(void **state)
{
	(void)state;
	check_paths(load_fixture(&(struct ferry_tiny_model){0}), N_TOKENS, "llama");
	check_paths(load_fixture(&(struct ferry_tiny_model){.arch = "gemma3"}), N_TOKENS, "gemma3");
}

static void test_every_feature(void **state)
{
	(void)state;
	check_paths(load_fixture(&(struct ferry_tiny_model){.rope_freqs = true}), SOME,
		    "rope divisors");
	check_paths(load_fixture(&(struct ferry_tiny_model){.rope_linear = 8.0f}), SOME,
		    "rope scaling");
	check_paths(load_fixture(&(struct ferry_tiny_model){.biases = true}), SOME, "biases");
	check_paths(load_fixture(&(struct ferry_tiny_model){.tied = true}), SOME, "tied head");
	check_paths(load_fixture(&(struct ferry_tiny_model){.n_experts = 6, .n_experts_used = 3}),
		    SOME, "experts");
	check_paths(load_fixture(&(struct ferry_tiny_model){.n_experts = 3, .n_experts_used = 3}),
		    SOME, "all experts");
	check_paths(load_fixture(&(struct ferry_tiny_model){.n_head_kv = 8}), SOME,
		    "no shared heads");
	check_paths(load_fixture(&(struct ferry_tiny_model){.n_head_kv = 1}), SOME,
		    "one head shared");
	check_paths(load_fixture(&(struct ferry_tiny_model){.arch = "gemma3", .rope_linear = 8.0f}),
		    SOME, "rope scaling beside a window");
}

static void test_every_type(void **state)
{
	unsigned n;
	const struct ferry_type_traits *types = ferry_type_table(&n);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		check_paths(load_fixture(&(struct ferry_tiny_model){.type = types[i].type}),
			    SOME / 2, types[i].name);
}

static struct ferry_model *with_caps(void)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){0});
	struct ferry_model *m;

	ferry_gguf_writer_f32(w, "llama.attn_logit_softcapping", 0.3f);
	ferry_gguf_writer_f32(w, "llama.final_logit_softcapping", 0.7f);
	m = load_and_unlink(ferry_gguf_writer_temp(w));
	ferry_gguf_writer_free(w);
	assert_true(m->hp.attention_softcap > 0.0f && m->hp.logit_softcap > 0.0f);
	return m;
}

static void test_caps(void **state)
{
	struct ferry_model *m = with_caps();
	int32_t ids[4] = {1, 2, 3, 4};
	float *logits = logits_of(m, FERRY_PATH_DEFAULT, FERRY_KV_F16, ids, 4);

	(void)state;
	for (size_t i = 0; i < 4 * (size_t)m->hp.n_vocab; i++)
		assert_true(fabsf(logits[i]) < 0.7f);
	free(logits);
	check_paths(m, SOME, "caps");
}

/* What a cache held behind the truncation must not shine through. */
static void test_truncated_cache_is_as_good_as_new(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){0});
	const size_t n_vocab = m->hp.n_vocab;
	struct ferry_forward *f = new_forward(m, N_TOKENS, FERRY_PATH_DEFAULT);
	struct ferry_kv_cache *kv = new_cache(m, N_TOKENS, FERRY_KV_F16);
	float *got = calloc(N_TOKENS * n_vocab, sizeof(*got)), *want;
	int32_t ids[N_TOKENS], others[N_TOKENS];

	(void)state;
	assert_non_null(got);
	make_ids(ids, N_TOKENS, m->hp.n_vocab, 1);
	make_ids(others, N_TOKENS, m->hp.n_vocab, 2);
	memcpy(others, ids, 30 * sizeof(*ids));
	run(f, kv, ids, N_TOKENS, got);
	ferry_kv_cache_truncate(kv, 30);
	run(f, kv, others + 30, 20, got);
	want = logits_of(m, FERRY_PATH_DEFAULT, FERRY_KV_F16, others, 50);
	assert_memory_equal(got, want + 30 * n_vocab, 20 * n_vocab * sizeof(float));
	free(want);
	free(got);
	ferry_kv_cache_free(kv);
	ferry_forward_free(f);
	ferry_model_free(m);
}

/* Layers one at a time, each in a call of its own, over one cache. */
static void test_layers_in_several_calls(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){.n_layers = 4});
	const size_t n_logits = 10 * (size_t)m->hp.n_vocab;
	struct ferry_forward *f = new_forward(m, 10, FERRY_PATH_DEFAULT);
	struct ferry_kv_cache *kv = new_cache(m, 10, FERRY_KV_F16);
	float *hidden = calloc(10 * (size_t)m->hp.n_embd, sizeof(*hidden));
	float *got = calloc(n_logits, sizeof(*got)), *want;
	const struct ferry_span span = {kv, 10};
	struct ferry_error err;
	int32_t ids[10];

	(void)state;
	assert_true(hidden && got);
	make_ids(ids, 10, m->hp.n_vocab, 3);
	assert_int_equal(ferry_forward_embed(f, ids, 10, hidden, &err), 0);
	for (uint32_t l = 0; l < 4; l++) {
		assert_int_equal(ferry_forward_layers(f, &span, 1, l, l, hidden, &err), 0);
		assert_int_equal(ferry_forward_layers(f, &span, 1, l, l + 1, hidden, &err), 0);
		assert_int_equal(kv->n_past, 0);
	}
	assert_int_equal(ferry_forward_head(f, hidden, 10, got, &err), 0);
	want = logits_of(m, FERRY_PATH_DEFAULT, FERRY_KV_F16, ids, 10);
	assert_memory_equal(got, want, n_logits * sizeof(float));
	free(want);
	free(got);
	free(hidden);
	ferry_kv_cache_free(kv);
	ferry_forward_free(f);
	ferry_model_free(m);
}

/* More rows than the pass was made for. */
static void test_head_of_many_rows(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){0});
	const size_t n_vocab = m->hp.n_vocab, n_embd = m->hp.n_embd;
	struct ferry_forward *f = new_forward(m, 3, FERRY_PATH_DEFAULT);
	float *hidden = calloc(8 * n_embd, sizeof(*hidden));
	float *all = calloc(8 * n_vocab, sizeof(*all)), *one = calloc(n_vocab, sizeof(*one));
	struct ferry_error err;

	(void)state;
	assert_true(hidden && all && one);
	for (size_t i = 0; i < 8 * n_embd; i++)
		hidden[i] = sinf((float)i);
	assert_int_equal(ferry_forward_head(f, hidden, 8, all, &err), 0);
	for (size_t t = 0; t < 8; t++) {
		assert_int_equal(ferry_forward_head(f, hidden + t * n_embd, 1, one, &err), 0);
		assert_memory_equal(one, all + t * n_vocab, n_vocab * sizeof(float));
	}
	assert_int_equal(ferry_forward_head(f, hidden, 0, NULL, &err), 0);
	free(one);
	free(all);
	free(hidden);
	ferry_forward_free(f);
	ferry_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_architecture),
		cmocka_unit_test(test_several_tiles),
		cmocka_unit_test(test_every_feature),
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_truncated_cache_is_as_good_as_new),
		cmocka_unit_test(test_layers_in_several_calls),
		cmocka_unit_test(test_head_of_many_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
