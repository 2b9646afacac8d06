// SPDX-License-Identifier: MIT
/*
 * A model that Ferry would compute wrongly must not load, and the sentence says why.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/tiny_model.h"
#include "model/model.h"

static void refuse(struct ferry_gguf_writer *w, int code, const char *text)
{
	struct ferry_model *m = NULL;
	struct ferry_gguf *g = NULL;
	struct ferry_error err = {0};
	uint8_t *bytes;
	size_t n;
	int rc;

	bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	rc = ferry_gguf_parse(bytes, n, "bad.gguf", &g, &err);
	if (rc)
		fail_msg("not even a file: %s", err.text);
	rc = ferry_model_from_gguf(g, &m, &err);
	if (rc != code || !strstr(err.text, text))
		fail_msg("%d instead of %d (\"%s\"): %s", rc, code, text, err.text);
	assert_null(m);
	assert_int_equal(err.code, rc);
	assert_int_equal(err.kind, FERRY_ERROR_FILE);
	assert_memory_equal(err.text, "bad.gguf: ", 10);
	assert_null(strchr(err.text, '\n'));
	free(bytes);
}

static struct ferry_gguf_writer *tiny(const char *arch)
{
	return ferry_tiny_model_new(&(struct ferry_tiny_model){.arch = arch,
							       .n_layers = 2,
							       .n_embd = 64,
							       .n_ff = 96,
							       .n_head = 4,
							       .n_head_kv = 2,
							       .n_head_dim = 16,
							       .n_vocab = 8,
							       .n_ff_expert = 32,
							       .tokenizer = FERRY_TINY_NONE});
}

static void refuse_u32(const char *arch, const char *key, uint32_t value, int code,
		       const char *text)
{
	struct ferry_gguf_writer *w = tiny(arch);

	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_u32(w, key, value);
	refuse(w, code, text);
}

static void refuse_f32(const char *key, float value, int code, const char *text)
{
	struct ferry_gguf_writer *w = tiny("llama");

	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_f32(w, key, value);
	refuse(w, code, text);
}

static void refuse_string(const char *key, const char *value, int code, const char *text)
{
	struct ferry_gguf_writer *w = tiny("llama");

	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_string(w, key, value);
	refuse(w, code, text);
}

static void test_other_architectures(void **state)
{
	struct ferry_gguf_writer *w = tiny("llama");

	(void)state;
	refuse_string("general.architecture", "mamba", -ENOTSUP,
		      "architecture \"mamba\" is not one that Ferry computes (llama, qwen2, qwen3, "
		      "qwen3moe, gemma3)");
	refuse_string("general.architecture", "", -ENOTSUP, "architecture \"\"");
	ferry_gguf_writer_drop_key(w, "general.architecture");
	refuse(w, -EBADMSG, "key general.architecture is missing");
	w = tiny("llama");
	ferry_gguf_writer_drop_key(w, "general.architecture");
	ferry_gguf_writer_raw(w, "general.architecture", 20, FERRY_GGUF_STRING,
			      "\7\0\0\0\0\0\0\0llama\0x", 15);
	refuse(w, -ENOTSUP, "architecture \"llama\" is not"); /* what is behind the zero counts */
}

static void test_other_kinds_of_file(void **state)
{
	(void)state;
	refuse_string("general.type", "adapter", -ENOTSUP, "holds a GGUF \"adapter\", not a model");
	refuse_u32("llama", "split.count", 3, -ENOTSUP, "one of 3 parts");
}

static void test_vocabulary_without_weights(void **state)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

	(void)state;
	ferry_gguf_writer_string(w, "general.architecture", "llama");
	ferry_gguf_writer_u32(w, "llama.block_count", 2);
	ferry_gguf_writer_u32(w, "llama.context_length", 2);
	ferry_gguf_writer_u32(w, "llama.embedding_length", 64);
	ferry_gguf_writer_u32(w, "llama.feed_forward_length", 64);
	ferry_gguf_writer_u32(w, "llama.attention.head_count", 2);
	ferry_gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	refuse(w, -EBADMSG, "no weights, only a vocabulary");
}

static void test_missing_keys(void **state)
{
	static const char *const keys[] = {
		"llama.block_count",	      "llama.context_length",
		"llama.embedding_length",     "llama.feed_forward_length",
		"llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct ferry_gguf_writer *w = tiny("llama");

		ferry_gguf_writer_drop_key(w, keys[i]);
		refuse(w, -EBADMSG, keys[i]);
	}
}

static void test_sizes_out_of_range(void **state)
{
	(void)state;
	refuse_u32("llama", "llama.block_count", 0, -EBADMSG, "block_count is 0, outside 1..1024");
	refuse_u32("llama", "llama.block_count", 1025, -EBADMSG, "block_count");
	refuse_u32("llama", "llama.block_count", UINT32_MAX, -EBADMSG, "block_count");
	refuse_u32("llama", "llama.context_length", 0, -EBADMSG, "context_length");
	refuse_u32("llama", "llama.embedding_length", 0, -EBADMSG, "embedding_length");
	refuse_u32("llama", "llama.embedding_length", 65537, -EBADMSG, "embedding_length");
	refuse_u32("llama", "llama.feed_forward_length", 0, -EBADMSG, "feed_forward_length");
	refuse_u32("llama", "llama.attention.head_count", 0, -EBADMSG, "head_count");
	refuse_u32("llama", "llama.attention.head_count_kv", 0, -EBADMSG, "head_count_kv");
	refuse_u32("llama", "llama.attention.head_count_kv", 3, -EBADMSG,
		   "4 query heads cannot share 3 key and value heads");
	refuse_u32("llama", "llama.attention.head_count_kv", 8, -EBADMSG, "cannot share 8");
	refuse_u32("llama", "llama.attention.key_length", 0, -EBADMSG, "key_length");
	refuse_u32("llama", "llama.rope.dimension_count", 18, -EBADMSG,
		   "cannot rotate 18 of 16 dimensions");
	refuse_u32("llama", "llama.rope.dimension_count", 15, -EBADMSG, "cannot rotate 15");
	refuse_string("llama.block_count", "2", -EBADMSG, "holds a string");
}

static void test_more_heads_than_hidden_state(void **state)
{
	struct ferry_gguf_writer *w = tiny("llama");

	(void)state;
	ferry_gguf_writer_drop_key(w, "llama.attention.key_length");
	ferry_gguf_writer_drop_key(w, "llama.attention.head_count");
	ferry_gguf_writer_u32(w, "llama.attention.head_count", 128);
	refuse(w, -EBADMSG, "128 heads do not fit a hidden state of 64");
	/* The model that scales attention by the hidden state got an infinite scale. */
	w = tiny("gemma3");
	ferry_gguf_writer_drop_key(w, "gemma3.block_count");
	ferry_gguf_writer_u32(w, "gemma3.block_count", 62);
	ferry_gguf_writer_drop_key(w, "gemma3.attention.head_count");
	ferry_gguf_writer_u32(w, "gemma3.attention.head_count", 128);
	refuse(w, -EBADMSG, "128 heads do not fit a hidden state of 64");
}

static void test_floats_out_of_range(void **state)
{
	static const char *const keys[] = {"llama.attention.layer_norm_rms_epsilon",
					   "llama.rope.freq_base"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		refuse_f32(keys[i], 0, -EBADMSG, keys[i]);
		refuse_f32(keys[i], -1, -EBADMSG, keys[i]);
		refuse_f32(keys[i], NAN, -EBADMSG, keys[i]);
		refuse_f32(keys[i], INFINITY, -EBADMSG, keys[i]);
	}
	refuse_f32("llama.rope.scaling.factor", -2, -EBADMSG, "factor");
	refuse_f32("llama.rope.scaling.factor", NAN, -EBADMSG, "factor");
	refuse_f32("llama.rope.scaling.factor", 1e-45f, -EBADMSG, "positions are divided");
	refuse_f32("llama.final_logit_softcapping", NAN, -EBADMSG, "softcapping");
}

static void test_features_that_ferry_lacks(void **state)
{
	(void)state;
	refuse_string("llama.rope.scaling.type", "yarn", -ENOTSUP, "scales rope by \"yarn\"");
	refuse_string("llama.rope.scaling.type", "longrope", -ENOTSUP, "\"longrope\"");
	refuse_string("llama.rope.scaling.type", "", -ENOTSUP, "scales rope");
	refuse_u32("llama", "llama.expert_shared_feed_forward_length", 64, -ENOTSUP,
		   "the model uses llama.expert_shared_feed_forward_length");
	refuse_u32("llama", "llama.expert_shared_count", 1, -ENOTSUP, "expert_shared_count");
	refuse_u32("llama", "llama.expert_gating_func", 2, -ENOTSUP, "expert_gating_func");
	refuse_u32("llama", "llama.leading_dense_block_count", 1, -ENOTSUP, "leading_dense");
	refuse_f32("llama.logit_scale", 0.5f, -ENOTSUP, "logit_scale");
	refuse_f32("llama.logit_scale", NAN, -ENOTSUP, "logit_scale");
	refuse_string("llama.embedding_scale", "no number", -ENOTSUP, "embedding_scale");
	refuse_u32("qwen2", "qwen2.expert_count", 4, -ENOTSUP, "experts");
	refuse_u32("gemma3", "gemma3.expert_count", 4, -ENOTSUP, "experts");
	refuse_u32("llama", "llama.attention.causal", 0, -ENOTSUP, "attention.causal off");
}

static void test_harmless_values_of_foreign_keys(void **state)
{
	struct ferry_gguf_writer *w = tiny("llama");
	struct ferry_error err = {0};
	struct ferry_gguf *g = NULL;
	struct ferry_model *m = NULL;
	uint8_t *bytes;
	size_t n;

	(void)state;
	ferry_gguf_writer_u32(w, "llama.expert_count", 0);
	ferry_gguf_writer_u32(w, "llama.expert_shared_count", 0);
	ferry_gguf_writer_f32(w, "llama.logit_scale", 1);
	ferry_gguf_writer_bool(w, "llama.attention.causal", true);
	ferry_gguf_writer_bool(w, "llama.use_parallel_residual", false);
	ferry_gguf_writer_number(w, "llama.nextn_predict_layers", FERRY_GGUF_I64, 0);
	ferry_gguf_writer_u32(w, "split.count", 1);
	ferry_gguf_writer_string(w, "general.type", "model");
	bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	if (ferry_gguf_parse(bytes, n, "good.gguf", &g, &err) || ferry_model_from_gguf(g, &m, &err))
		fail_msg("%s", err.text);
	ferry_model_free(m);
	free(bytes);
}

static void test_experts(void **state)
{
	struct ferry_gguf_writer *w;

	(void)state;
	refuse_u32("qwen3moe", "qwen3moe.expert_count", 0, -EBADMSG, "expert_count");
	refuse_u32("qwen3moe", "qwen3moe.expert_used_count", 5, -EBADMSG,
		   "expert_used_count is 5, outside 1..4");
	refuse_u32("qwen3moe", "qwen3moe.expert_used_count", 0, -EBADMSG, "expert_used_count");
	w = tiny("qwen3moe");
	ferry_gguf_writer_drop_key(w, "qwen3moe.expert_count");
	refuse(w, -EBADMSG, "key qwen3moe.expert_count is missing");
}

static void test_layers_that_differ(void **state)
{
	struct ferry_gguf_writer *w = tiny("llama");

	(void)state;
	ferry_gguf_writer_drop_key(w, "llama.attention.head_count_kv");
	ferry_gguf_writer_array(w, "llama.attention.head_count_kv", FERRY_GGUF_U8, "\2\4", 2);
	refuse(w, -ENOTSUP, "differs from layer to layer");
	w = tiny("llama");
	ferry_gguf_writer_drop_key(w, "llama.feed_forward_length");
	ferry_gguf_writer_array(w, "llama.feed_forward_length", FERRY_GGUF_I8, "\xff\xff", 2);
	refuse(w, -EBADMSG, "holds -1");
	w = tiny("llama");
	ferry_gguf_writer_drop_key(w, "llama.feed_forward_length");
	ferry_gguf_writer_array(w, "llama.feed_forward_length", FERRY_GGUF_I8, "", 0);
	refuse(w, -EBADMSG, "no list of whole numbers");
	w = tiny("gemma3");
	ferry_gguf_writer_array(w, "gemma3.attention.sliding_window_pattern", FERRY_GGUF_BOOL,
				"\0\1", 2);
	refuse(w, -ENOTSUP, "sliding_window_pattern is a list");
}

static void test_missing_tensors(void **state)
{
	static const struct {
		const char *arch, *name;
	} required[] = {
		{"llama", "token_embd.weight"},
		{"llama", "output_norm.weight"},
		{"llama", "blk.0.attn_norm.weight"},
		{"llama", "blk.1.attn_q.weight"},
		{"llama", "blk.1.ffn_down.weight"},
		{"qwen2", "blk.0.attn_k.bias"},
		{"qwen3", "blk.1.attn_q_norm.weight"},
		{"gemma3", "blk.0.post_ffw_norm.weight"},
		{"gemma3", "blk.1.post_attention_norm.weight"},
		{"qwen3moe", "blk.1.ffn_gate_inp.weight"},
		{"qwen3moe", "blk.0.ffn_up_exps.weight"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		struct ferry_gguf_writer *w = tiny(required[i].arch);

		assert_non_null(ferry_gguf_writer_find(w, required[i].name));
		ferry_gguf_writer_drop_tensor(w, required[i].name);
		refuse(w, -EBADMSG, required[i].name);
	}
}

static void add_f32(struct ferry_gguf_writer *w, const char *name, uint64_t dim0, uint64_t dim1)
{
	ferry_gguf_writer_tensor(
		w, &(struct ferry_gguf_writer_tensor){.name = name,
						      .n_dims = dim1 ? 2 : 1,
						      .dim = {dim0, dim1 ? dim1 : 1, 1, 1},
						      .n_bytes = dim0 * (dim1 ? dim1 : 1) * 4});
}

/* What a model has and Ferry leaves out would be missing from the result. */
static void test_tensors_without_a_place(void **state)
{
	struct ferry_gguf_writer *w = tiny("llama");

	(void)state;
	add_f32(w, "blk.1.ffn_up.bias", 96, 0);
	refuse(w, -ENOTSUP, "tensor blk.1.ffn_up.bias has no place in architecture llama");
	w = tiny("llama");
	add_f32(w, "blk.2.attn_norm.weight", 64, 0);
	refuse(w, -ENOTSUP, "tensor blk.2.attn_norm.weight has no place");
	w = tiny("qwen2");
	add_f32(w, "blk.0.attn_q_norm.weight", 16, 0);
	refuse(w, -ENOTSUP, "tensor blk.0.attn_q_norm.weight has no place");
}

static void test_experts_stored_one_by_one(void **state)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){
		.n_experts = 2, .n_layers = 1, .tokenizer = FERRY_TINY_NONE});

	(void)state;
	ferry_gguf_writer_drop_tensor(w, "blk.0.ffn_gate_exps.weight");
	add_f32(w, "blk.0.ffn_gate.0.weight", 256, 256);
	refuse(w, -ENOTSUP, "experts are stored one by one");
}

static void refuse_shape(const char *arch, const char *name, uint64_t d0, uint64_t d1,
			 const char *text)
{
	struct ferry_gguf_writer *w = tiny(arch);

	ferry_gguf_writer_drop_tensor(w, name);
	add_f32(w, name, d0, d1);
	refuse(w, -EBADMSG, text);
}

static void test_shapes(void **state)
{
	(void)state;
	refuse_shape(
		"llama", "blk.1.attn_q.weight", 64, 32,
		"tensor blk.1.attn_q.weight has shape [64, 32], expected [64, 64]; the file is "
		"damaged");
	refuse_shape("llama", "blk.0.attn_norm.weight", 63, 0, "has shape [63], expected [64]");
	refuse_shape("llama", "blk.0.attn_norm.weight", 64, 2, "has shape [64, 2], expected [64]");
	refuse_shape("llama", "token_embd.weight", 32, 8, "has shape [32, 8], expected [64, 8]");
	refuse_shape("llama", "output.weight", 64, 7, "has shape [64, 7], expected [64, 8]");
	refuse_shape("llama", "blk.0.ffn_down.weight", 64, 96, "expected [96, 64]");
	refuse_shape("qwen2", "blk.0.attn_v.bias", 64, 0, "expected [32]");
	refuse_shape("qwen3", "blk.0.attn_k_norm.weight", 64, 0, "expected [16]");
	refuse_shape("qwen3moe", "blk.0.ffn_gate_exps.weight", 64, 32, "expected [64, 32, 4]");
}

static void test_norms_in_another_type(void **state)
{
	struct ferry_gguf_writer *w = tiny("llama");

	(void)state;
	ferry_gguf_writer_find(w, "blk.0.ffn_norm.weight")->type = FERRY_TYPE_F16;
	refuse(w, -ENOTSUP, "tensor blk.0.ffn_norm.weight has type F16");
}

static void test_rope_divisors(void **state)
{
	static const float wrong[] = {0, -1, NAN, INFINITY};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){
			.rope_freqs = true, .tokenizer = FERRY_TINY_NONE});

		memcpy(ferry_gguf_writer_data(w, "rope_freqs.weight") + 4 * 15, &wrong[i], 4);
		refuse(w, -EBADMSG, "tensor rope_freqs.weight holds");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_architectures),
		cmocka_unit_test(test_other_kinds_of_file),
		cmocka_unit_test(test_vocabulary_without_weights),
		cmocka_unit_test(test_missing_keys),
		cmocka_unit_test(test_sizes_out_of_range),
		cmocka_unit_test(test_more_heads_than_hidden_state),
		cmocka_unit_test(test_floats_out_of_range),
		cmocka_unit_test(test_features_that_ferry_lacks),
		cmocka_unit_test(test_harmless_values_of_foreign_keys),
		cmocka_unit_test(test_experts),
		cmocka_unit_test(test_layers_that_differ),
		cmocka_unit_test(test_missing_tensors),
		cmocka_unit_test(test_tensors_without_a_place),
		cmocka_unit_test(test_experts_stored_one_by_one),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_norms_in_another_type),
		cmocka_unit_test(test_rope_divisors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
