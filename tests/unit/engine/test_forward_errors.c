// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "fixture.h"

struct rig {
	struct ferry_model *model;
	struct ferry_forward *forward; /* of four tokens */
	struct ferry_kv_cache *kv;     /* of six positions */
	float *hidden;		       /* [4][n_embd] */
	struct ferry_error err;
};

static void rig_open(struct rig *r, struct ferry_model *m, enum ferry_path path)
{
	*r = (struct rig){.model = m,
			  .forward = new_forward(m, 4, path),
			  .kv = new_cache(m, 6, FERRY_KV_F16),
			  .hidden = calloc(4 * (size_t)m->hp.n_embd, sizeof(float))};
	assert_non_null(r->hidden);
	for (size_t i = 0; i < 4 * (size_t)m->hp.n_embd; i++)
		r->hidden[i] = cosf((float)i);
}

static void rig_close(struct rig *r)
{
	free(r->hidden);
	ferry_kv_cache_free(r->kv);
	ferry_forward_free(r->forward);
	ferry_model_free(r->model);
}

static int layers(struct rig *r, struct ferry_kv_cache *kv, uint32_t n, uint32_t begin,
		  uint32_t end)
{
	const struct ferry_span span = {kv, n};

	memset(&r->err, 0, sizeof(r->err));
	return ferry_forward_layers(r->forward, &span, 1, begin, end, r->hidden, &r->err);
}

static void test_calls_that_cannot_be_right(void **state)
{
	struct ferry_model *other = load_fixture(&(struct ferry_tiny_model){.seed = 9});
	struct ferry_kv_cache *foreign = new_cache(other, 6, FERRY_KV_F16), *part;
	struct ferry_span twice[2];
	struct rig r;

	(void)state;
	rig_open(&r, load_fixture(&(struct ferry_tiny_model){.n_layers = 3}), FERRY_PATH_DEFAULT);
	assert_int_equal(ferry_kv_cache_new(r.model, 1, 2, 6, FERRY_KV_F16, &part, &r.err), 0);
	twice[0] = twice[1] = (struct ferry_span){r.kv, 1};

	assert_int_equal(layers(&r, r.kv, 5, 0, 3), -EINVAL); /* more than max_tokens */
	assert_non_null(strstr(r.err.text, "4"));
	assert_int_equal(layers(&r, r.kv, 1, 0, 4), -EINVAL);
	assert_int_equal(layers(&r, r.kv, 1, 2, 1), -EINVAL);
	assert_int_equal(layers(&r, part, 1, 0, 2), -EINVAL);
	assert_int_equal(layers(&r, part, 1, 1, 3), -EINVAL);
	assert_int_equal(layers(&r, foreign, 1, 0, 2), -EINVAL);
	assert_non_null(strstr(r.err.text, "another model"));
	assert_int_equal(ferry_forward_layers(r.forward, twice, 2, 0, 3, r.hidden, &r.err),
			 -EINVAL);
	assert_non_null(strstr(r.err.text, "same KV cache"));
	assert_int_equal(layers(&r, r.kv, UINT32_MAX, 0, 3), -EINVAL);

	assert_int_equal(layers(&r, part, 1, 1, 2), 0);
	assert_int_equal(layers(&r, r.kv, 0, 0, 3), 0);
	ferry_kv_cache_free(part);
	ferry_kv_cache_free(foreign);
	ferry_model_free(other);
	rig_close(&r);
}

static void test_a_full_cache_is_said_and_nothing_moves(void **state)
{
	struct rig r;
	const struct ferry_span span = {NULL, 4};
	struct ferry_span s = span;

	(void)state;
	rig_open(&r, load_fixture(&(struct ferry_tiny_model){0}), FERRY_PATH_DEFAULT);
	s.kv = r.kv;
	assert_int_equal(layers(&r, r.kv, 4, 0, 2), 0);
	ferry_forward_advance(&s, 1);
	assert_int_equal(layers(&r, r.kv, 3, 0, 2), -ENOSPC);
	assert_non_null(strstr(r.err.text, "context"));
	assert_int_equal(r.kv->n_past, 4);
	assert_int_equal(layers(&r, r.kv, 2, 0, 2), 0);
	rig_close(&r);
}

static void test_ids_outside_the_vocabulary(void **state)
{
	const int32_t bad[] = {-1, 512, INT32_MAX, INT32_MIN};
	struct rig r;

	(void)state;
	rig_open(&r, load_fixture(&(struct ferry_tiny_model){0}), FERRY_PATH_DEFAULT);
	assert_int_equal(r.model->hp.n_vocab, 512);
	for (int i = 0; i < 4; i++) {
		const int32_t ids[2] = {5, bad[i]};

		assert_int_equal(ferry_forward_embed(r.forward, ids, 2, r.hidden, &r.err), -EINVAL);
	}
	assert_int_equal(
		ferry_forward_embed(r.forward, (const int32_t[]){0, 511}, 2, r.hidden, &r.err), 0);
	rig_close(&r);
}

static void test_no_room_for_any_token_is_refused(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){0});
	struct ferry_forward *f;
	struct ferry_error err;

	(void)state;
	assert_int_equal(ferry_forward_new(m, NULL, 0, FERRY_PATH_DEFAULT, &f, &err), -EINVAL);
	assert_null(f);
	ferry_forward_free(NULL);
	ferry_model_free(m);
}

static void test_scratch_that_overflows(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){0}), huge = *m;
	struct ferry_forward *f;
	struct ferry_error err;

	(void)state;
	/* Only the product of all three is too much for 64 bits. */
	huge.hp.n_head = huge.hp.n_head_dim = UINT32_MAX;
	assert_int_equal(ferry_forward_new(&huge, NULL, 2, FERRY_PATH_DEFAULT, &f, &err), -ENOMEM);
	assert_null(f);
	assert_int_equal(err.kind, FERRY_ERROR_MEMORY);
	ferry_model_free(m);
}

/* A model one of whose tensors holds @value at @index. */
static struct ferry_model *damaged(const struct ferry_tiny_model *options, const char *tensor,
				   size_t index, float value)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(options);
	struct ferry_model *m;

	ferry_store_lef32(ferry_gguf_writer_data(w, tensor) + 4 * index, value);
	m = load_and_unlink(ferry_gguf_writer_temp(w));
	ferry_gguf_writer_free(w);
	return m;
}

/* Wherever it is, and by both paths: an error with the tensor's name, and no crash. */
static void test_weights_that_are_not_finite(void **state)
{
	static const struct {
		struct ferry_tiny_model options;
		const char *tensor;
	} cases[] = {
		{{0}, "blk.1.attn_q.weight"},
		{{0}, "blk.0.attn_k.weight"},
		{{0}, "blk.0.attn_v.weight"},
		{{0}, "blk.1.attn_output.weight"},
		{{0}, "blk.0.ffn_gate.weight"},
		{{0}, "blk.1.ffn_down.weight"},
		{{0}, "blk.0.attn_norm.weight"},
		{{.n_experts = 4}, "blk.0.ffn_gate_inp.weight"},
		{{.arch = "gemma3"}, "blk.3.ffn_gate.weight"},
		{{.arch = "qwen3"}, "blk.0.attn_k_norm.weight"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int path = 0; path < 2; path++) {
			struct rig r;
			int ret;

			rig_open(&r, damaged(&cases[i].options, cases[i].tensor, 3, NAN),
				 path ? FERRY_PATH_REFERENCE : FERRY_PATH_DEFAULT);
			ret = layers(&r, r.kv, 3, 0, r.model->hp.n_layers);
			if (ret != -EBADMSG || !strstr(r.err.text, cases[i].tensor))
				fail_msg("%s: %d, \"%s\"", cases[i].tensor, ret, r.err.text);
			assert_int_equal(r.kv->n_past, 0);
			rig_close(&r);
		}
}

static void test_head_that_is_not_finite(void **state)
{
	(void)state;
	for (int path = 0; path < 2; path++) {
		struct rig r;
		float *logits;

		rig_open(&r,
			 damaged(&(struct ferry_tiny_model){0}, "output.weight", 256 * 511, NAN),
			 path ? FERRY_PATH_REFERENCE : FERRY_PATH_DEFAULT);
		logits = calloc(2 * (size_t)r.model->hp.n_vocab, sizeof(*logits));
		assert_non_null(logits);
		assert_int_equal(ferry_forward_head(r.forward, r.hidden, 2, logits, &r.err),
				 -EBADMSG);
		assert_non_null(strstr(r.err.text, "output.weight"));
		free(logits);
		rig_close(&r);
	}
}

/* A cap maps an infinity to a number like any other. */
static void test_infinite_logit_is_not_hidden_by_the_cap(void **state)
{
	(void)state;
	for (int path = 0; path < 2; path++) {
		struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){0});
		struct rig r;
		float *logits;

		ferry_gguf_writer_f32(w, "llama.final_logit_softcapping", 30.0f);
		ferry_store_lef32(ferry_gguf_writer_data(w, "output.weight"), INFINITY);
		rig_open(&r, load_and_unlink(ferry_gguf_writer_temp(w)),
			 path ? FERRY_PATH_REFERENCE : FERRY_PATH_DEFAULT);
		logits = calloc(r.model->hp.n_vocab, sizeof(*logits));
		assert_non_null(logits);
		assert_int_equal(ferry_forward_head(r.forward, r.hidden, 1, logits, &r.err),
				 -EBADMSG);
		free(logits);
		rig_close(&r);
		ferry_gguf_writer_free(w);
	}
}

/* A cache in which a failed pass left NaN serves the next one as if nothing had been. */
static void test_a_failed_pass_leaves_no_trace(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){0});
	const size_t bytes = 3 * (size_t)m->hp.n_embd * sizeof(float);
	float *input = malloc(bytes), *want = malloc(bytes);
	struct rig r;

	(void)state;
	assert_true(input && want);
	rig_open(&r, m, FERRY_PATH_DEFAULT);
	memcpy(input, r.hidden, bytes);
	assert_int_equal(layers(&r, r.kv, 3, 0, 2), 0);
	memcpy(want, r.hidden, bytes);
	r.hidden[7] = NAN;
	assert_true(layers(&r, r.kv, 3, 0, 2) < 0);
	memcpy(r.hidden, input, bytes);
	assert_int_equal(layers(&r, r.kv, 3, 0, 2), 0);
	assert_memory_equal(r.hidden, want, bytes);
	free(want);
	free(input);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_that_cannot_be_right),
		cmocka_unit_test(test_a_full_cache_is_said_and_nothing_moves),
		cmocka_unit_test(test_ids_outside_the_vocabulary),
		cmocka_unit_test(test_no_room_for_any_token_is_refused),
		cmocka_unit_test(test_scratch_that_overflows),
		cmocka_unit_test(test_weights_that_are_not_finite),
		cmocka_unit_test(test_head_that_is_not_finite),
		cmocka_unit_test(test_infinite_logit_is_not_hidden_by_the_cap),
		cmocka_unit_test(test_a_failed_pass_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
