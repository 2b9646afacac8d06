// SPDX-License-Identifier: MIT
/*
 * What a good model file says is what the engine will compute.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fixtures/tiny_model.h"
#include "model/model.h"

/* A model in memory and the bytes it points into. */
struct loaded {
	struct ferry_model *m;
	uint8_t *bytes;
};

static struct loaded load(struct ferry_gguf_writer *w)
{
	struct ferry_error err = {0};
	struct ferry_gguf *g = NULL;
	struct loaded l = {0};
	size_t n;

	l.bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	if (ferry_gguf_parse(l.bytes, n, "dir/test.gguf", &g, &err) ||
	    ferry_model_from_gguf(g, &l.m, &err))
		fail_msg("%s", err.text);
	return l;
}

static void drop(struct loaded *l)
{
	ferry_model_free(l->m);
	free(l->bytes);
}

static struct loaded load_tiny(struct ferry_tiny_model options)
{
	return load(ferry_tiny_model_new(&options));
}

static void check_dims(const struct ferry_tensor *t, uint64_t d0, uint64_t d1, uint64_t d2)
{
	assert_non_null(t);
	assert_int_equal(t->dim[0], d0);
	assert_int_equal(t->dim[1], d1);
	assert_int_equal(t->dim[2], d2);
	assert_int_equal(t->dim[3], 1);
}

static void test_llama(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.type = FERRY_TYPE_Q4_K});
	const struct ferry_model *m = l.m;

	(void)state;
	assert_string_equal(m->arch->name, "llama");
	assert_int_equal(m->arch->rope, FERRY_ROPE_PAIRS);
	assert_string_equal(m->name, "tiny llama");
	assert_int_equal(m->hp.n_layers, 2);
	assert_int_equal(m->hp.n_ctx_train, 512);
	assert_int_equal(m->hp.n_embd, 256);
	assert_int_equal(m->hp.n_ff, 512);
	assert_int_equal(m->hp.n_head, 8);
	assert_int_equal(m->hp.n_head_kv, 2);
	assert_int_equal(m->hp.n_head_dim, 32);
	assert_int_equal(m->hp.n_value_dim, 32);
	assert_int_equal(m->hp.n_rot, 32);
	assert_int_equal(m->hp.n_vocab, 512);
	assert_int_equal(m->hp.n_experts, 0);
	assert_int_equal(m->hp.n_swa, 0);
	assert_true(m->hp.norm_eps == 1e-5f);
	assert_true(m->hp.rope_base == 10000.0f);
	assert_true(m->hp.rope_scale == 1.0f);
	assert_true(m->hp.attention_scale == 1.0f / sqrtf(32));
	assert_true(m->hp.attention_softcap == 0 && m->hp.logit_softcap == 0);
	check_dims(m->token_embd, 256, 512, 1);
	check_dims(m->output, 256, 512, 1);
	assert_ptr_not_equal(m->output, m->token_embd);
	assert_null(m->rope_freqs);
	for (uint32_t i = 0; i < m->hp.n_layers; i++) {
		const struct ferry_layer *layer = &m->layers[i];

		check_dims(layer->wq, 256, 256, 1);
		check_dims(layer->wk, 256, 64, 1);
		check_dims(layer->wv, 256, 64, 1);
		check_dims(layer->wo, 256, 256, 1);
		check_dims(layer->w_gate, 256, 512, 1);
		check_dims(layer->w_up, 256, 512, 1);
		check_dims(layer->w_down, 512, 256, 1);
		check_dims(layer->ffn_norm, 256, 1, 1);
		assert_int_equal(layer->wq->type, FERRY_TYPE_Q4_K);
		assert_int_equal(layer->attn_norm->type, FERRY_TYPE_F32);
		assert_null(layer->bq);
		assert_null(layer->bo);
		assert_null(layer->q_norm);
		assert_null(layer->post_ffn_norm);
		assert_null(layer->router);
		assert_false(layer->sliding);
	}
	assert_string_equal(m->layers[1].w_up->name, "blk.1.ffn_up.weight");
	/* embeddings, output, and per layer q, k, v, o, three of the feed-forward, two norms */
	assert_int_equal(m->n_params,
			 2 * 512 * 256 + 256 +
				 2 * (2 * 65536 + 2 * 16384 + 3 * 512 * 256 + 2 * 256));
	drop(&l);
}

static void test_tied_output_counts_once(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.tied = true, .rope_freqs = true});

	(void)state;
	assert_ptr_equal(l.m->output, l.m->token_embd);
	assert_non_null(l.m->rope_freqs);
	check_dims(l.m->rope_freqs, 16, 1, 1);
	assert_int_equal(l.m->n_params,
			 512 * 256 + 256 + 16 + 2 * (2 * 65536 + 2 * 16384 + 3 * 512 * 256 + 512));
	drop(&l);
}

static void test_llama_with_experts(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.n_experts = 4, .biases = true});

	(void)state;
	assert_int_equal(l.m->hp.n_experts, 4);
	assert_int_equal(l.m->hp.n_experts_used, 2);
	assert_int_equal(l.m->hp.n_ff_expert, 256);
	assert_int_equal(l.m->hp.n_ff, 0);
	check_dims(l.m->layers[1].router, 256, 4, 1);
	check_dims(l.m->layers[1].e_gate, 256, 256, 4);
	check_dims(l.m->layers[1].e_down, 256, 256, 4);
	assert_null(l.m->layers[1].w_gate);
	check_dims(l.m->layers[1].bo, 256, 1, 1);
	drop(&l);
}

/* Mixtral files have no expert_feed_forward_length: feed_forward_length is the experts' own. */
static void test_mixtral_names_one_width(void **state)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(
		&(struct ferry_tiny_model){.n_experts = 2, .n_ff = 256, .n_ff_expert = 256});
	struct loaded l;

	(void)state;
	ferry_gguf_writer_drop_key(w, "llama.expert_feed_forward_length");
	l = load(w);
	assert_int_equal(l.m->hp.n_ff_expert, 256);
	drop(&l);
}

static void test_qwen(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.arch = "qwen2"});

	(void)state;
	assert_int_equal(l.m->arch->rope, FERRY_ROPE_HALVES);
	check_dims(l.m->layers[0].bq, 256, 1, 1);
	check_dims(l.m->layers[0].bk, 64, 1, 1);
	check_dims(l.m->layers[0].bv, 64, 1, 1);
	assert_true(l.m->hp.rope_base == 1000000.0f);
	drop(&l);

	l = load_tiny((struct ferry_tiny_model){.arch = "qwen3"});
	check_dims(l.m->layers[0].q_norm, 64, 1, 1);
	check_dims(l.m->layers[0].k_norm, 64, 1, 1);
	check_dims(l.m->layers[0].wq, 256, 512, 1);
	check_dims(l.m->layers[0].wo, 512, 256, 1);
	assert_true(l.m->hp.attention_scale == 0.125f);
	drop(&l);

	l = load_tiny((struct ferry_tiny_model){.arch = "qwen3moe", .type = FERRY_TYPE_Q6_K});
	check_dims(l.m->layers[0].q_norm, 64, 1, 1);
	check_dims(l.m->layers[0].e_up, 256, 256, 4);
	assert_int_equal(l.m->layers[0].e_up->type, FERRY_TYPE_Q6_K);
	drop(&l);
}

static void test_gemma3(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.arch = "gemma3", .rope_linear = 8});
	const struct ferry_model *m = l.m;

	(void)state;
	assert_int_equal(m->arch->act, FERRY_ACT_GELU_TANH);
	assert_true(m->arch->scale_embeddings);
	assert_int_equal(m->hp.n_swa, 16);
	assert_true(m->hp.rope_base == 1000000.0f);
	assert_true(m->hp.rope_base_local == 10000.0f);
	assert_true(m->hp.rope_scale == 0.125f);
	assert_ptr_equal(m->output, m->token_embd);
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(m->layers[i].sliding, i != 5);
		check_dims(m->layers[i].q_norm, 32, 1, 1);
		check_dims(m->layers[i].post_attn_norm, 256, 1, 1);
		check_dims(m->layers[i].post_ffn_norm, 256, 1, 1);
	}
	drop(&l);
}

static void test_gemma3_keys_of_newer_files(void **state)
{
	struct ferry_gguf_writer *w =
		ferry_tiny_model_new(&(struct ferry_tiny_model){.arch = "gemma3", .n_layers = 4});
	struct loaded l;

	(void)state;
	ferry_gguf_writer_u32(w, "gemma3.attention.sliding_window_pattern", 2);
	ferry_gguf_writer_f32(w, "gemma3.rope.freq_base_swa", 20000);
	ferry_gguf_writer_f32(w, "gemma3.final_logit_softcapping", 30);
	ferry_gguf_writer_f32(w, "gemma3.attn_logit_softcapping", 50);
	l = load(w);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(l.m->layers[i].sliding, i % 2 == 0);
	assert_true(l.m->hp.rope_base_local == 20000.0f);
	assert_true(l.m->hp.logit_softcap == 30.0f);
	assert_true(l.m->hp.attention_softcap == 50.0f);
	drop(&l);
}

static void test_gemma3_without_a_window_attends_everywhere(void **state)
{
	struct ferry_gguf_writer *w =
		ferry_tiny_model_new(&(struct ferry_tiny_model){.arch = "gemma3"});
	struct loaded l;

	(void)state;
	ferry_gguf_writer_drop_key(w, "gemma3.attention.sliding_window");
	l = load(w);
	assert_int_equal(l.m->hp.n_swa, 0);
	for (uint32_t i = 0; i < 7; i++)
		assert_false(l.m->layers[i].sliding);
	drop(&l);
}

static void test_gemma3_27b_scales_by_the_hidden_state(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.arch = "gemma3",
							      .n_layers = 62,
							      .n_head = 4,
							      .n_embd = 32,
							      .n_ff = 32,
							      .n_head_dim = 32,
							      .tokenizer = FERRY_TINY_NONE,
							      .n_vocab = 4});

	(void)state;
	assert_true(l.m->hp.attention_scale == 1.0f / sqrtf(8)); /* 32 / 4, not 32 */
	drop(&l);
}

/* Sizes that a file may leave out. */
static void test_defaults(void **state)
{
	struct ferry_gguf_writer *w =
		ferry_tiny_model_new(&(struct ferry_tiny_model){.n_head_kv = 8});
	struct loaded l;

	(void)state;
	ferry_gguf_writer_drop_key(w, "llama.attention.head_count_kv");
	ferry_gguf_writer_drop_key(w, "llama.attention.key_length");
	ferry_gguf_writer_drop_key(w, "llama.attention.value_length");
	ferry_gguf_writer_drop_key(w, "llama.rope.dimension_count");
	ferry_gguf_writer_drop_key(w, "llama.rope.freq_base");
	ferry_gguf_writer_drop_key(w, "general.name");
	l = load(w);
	assert_int_equal(l.m->hp.n_head_kv, 8);
	assert_int_equal(l.m->hp.n_head_dim, 32);
	assert_int_equal(l.m->hp.n_value_dim, 32);
	assert_int_equal(l.m->hp.n_rot, 32);
	assert_true(l.m->hp.rope_base == 10000.0f);
	assert_string_equal(l.m->name, "test.gguf");
	drop(&l);

	w = ferry_tiny_model_new(&(struct ferry_tiny_model){.arch = "gemma3", .n_head_dim = 256});
	ferry_gguf_writer_drop_key(w, "gemma3.attention.key_length");
	ferry_gguf_writer_drop_key(w, "gemma3.attention.value_length");
	l = load(w);
	assert_int_equal(l.m->hp.n_head_dim, 256);
	drop(&l);
}

static void test_numbers_given_per_layer(void **state)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){0});
	static const uint8_t kv[8] = {2, 0, 0, 0, 2, 0, 0, 0}, ff[4] = {0, 2, 0, 2};
	struct loaded l;

	(void)state;
	ferry_gguf_writer_drop_key(w, "llama.attention.head_count_kv");
	ferry_gguf_writer_array(w, "llama.attention.head_count_kv", FERRY_GGUF_I32, kv, 2);
	ferry_gguf_writer_drop_key(w, "llama.feed_forward_length");
	ferry_gguf_writer_array(w, "llama.feed_forward_length", FERRY_GGUF_U16, ff, 2);
	l = load(w);
	assert_int_equal(l.m->hp.n_head_kv, 2);
	assert_int_equal(l.m->hp.n_ff, 512);
	drop(&l);
}

static float rope_scale_of(const char *type, const char *factor_key, float factor)
{
	struct ferry_gguf_writer *w =
		ferry_tiny_model_new(&(struct ferry_tiny_model){.tokenizer = FERRY_TINY_NONE});
	struct loaded l;
	float scale;

	if (type)
		ferry_gguf_writer_string(w, "llama.rope.scaling.type", type);
	ferry_gguf_writer_f32(w, factor_key, factor);
	l = load(w);
	scale = l.m->hp.rope_scale;
	drop(&l);
	return scale;
}

static void test_rope_scaling(void **state)
{
	(void)state;
	assert_true(rope_scale_of("linear", "llama.rope.scaling.factor", 4) == 0.25f);
	assert_true(rope_scale_of("linear", "llama.rope.scaling.factor", 0) == 1);
	assert_true(rope_scale_of("none", "llama.rope.scaling.factor", 4) == 1);
	assert_true(rope_scale_of(NULL, "llama.rope.scaling.factor", 2) == 0.5f);
	assert_true(rope_scale_of(NULL, "llama.rope.scale_linear", 8) == 0.125f);
}

/* Mistral and Qwen2 files name a window that no runtime applies. */
static void test_windows_of_other_architectures_are_ignored(void **state)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){0});
	struct loaded l;

	(void)state;
	ferry_gguf_writer_u32(w, "llama.attention.sliding_window", 4096);
	l = load(w);
	assert_int_equal(l.m->hp.n_swa, 0);
	assert_false(l.m->layers[0].sliding);
	drop(&l);
}

static void test_every_type(void **state)
{
	unsigned n;
	const struct ferry_type_traits *types = ferry_type_table(&n);

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		struct loaded l =
			load_tiny((struct ferry_tiny_model){.type = types[i].type,
							    .n_layers = 1,
							    .n_ff = 256,
							    .n_vocab = 8,
							    .tokenizer = FERRY_TINY_NONE});
		struct ferry_error err;

		assert_int_equal(l.m->layers[0].w_down->type, types[i].type);
		assert_int_equal(ferry_model_find_bad_tensor(l.m, &err), -ERANGE);
		drop(&l);
	}
}

static void id_of(struct ferry_gguf_writer *w, uint8_t id[32])
{
	struct loaded l = load(w);

	memcpy(id, l.m->id, 32);
	drop(&l);
}

static void test_identity_ignores_what_does_not_compute(void **state)
{
	struct ferry_tiny_model options = {.type = FERRY_TYPE_Q8_0};
	struct ferry_gguf_writer *w;
	uint8_t id[32], other[32];

	(void)state;
	id_of(ferry_tiny_model_new(&options), id);
	options.version = 2;
	options.tokenizer = FERRY_TINY_BPE;
	options.chat_template = "none";
	w = ferry_tiny_model_new(&options);
	ferry_gguf_writer_alignment(w, 256);
	ferry_gguf_writer_drop_key(w, "general.name");
	id_of(w, other);
	assert_memory_equal(id, other, 32);
}

static void test_identity_tells_models_apart(void **state)
{
	static const struct ferry_tiny_model variants[] = {
		{.type = FERRY_TYPE_Q8_0},
		{.type = FERRY_TYPE_Q4_0},
		{.type = FERRY_TYPE_Q8_0, .seed = 1},
		{.type = FERRY_TYPE_Q8_0, .tied = true},
		{.type = FERRY_TYPE_Q8_0, .rope_freqs = true},
		{.type = FERRY_TYPE_Q8_0, .n_ctx = 1024},
		{.type = FERRY_TYPE_Q8_0, .n_layers = 3},
		{.type = FERRY_TYPE_Q8_0, .rope_linear = 2},
		{.type = FERRY_TYPE_Q8_0, .arch = "qwen2"},
		{.type = FERRY_TYPE_Q8_0, .biases = true},
	};
	enum { N = sizeof(variants) / sizeof(variants[0]) };
	uint8_t id[N][32];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		id_of(ferry_tiny_model_new(&variants[i]), id[i]);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(id[i], id[j], 32);
	}
}

/* Training moves every weight; the first, the last and one in the middle are always looked at. */
static void test_identity_sees_weights(void **state)
{
	static const char *const name = "blk.1.ffn_up.weight";
	struct ferry_tiny_model options = {.tokenizer = FERRY_TINY_NONE};
	size_t at[3];
	uint8_t id[32], other[32];

	(void)state;
	id_of(ferry_tiny_model_new(&options), id);
	at[0] = 0;
	at[1] = 512 * 256 * 4 / 2;
	at[2] = 512 * 256 * 4 - 1;
	for (unsigned i = 0; i < 3; i++) {
		struct ferry_gguf_writer *w = ferry_tiny_model_new(&options);

		ferry_gguf_writer_data(w, name)[at[i]] ^= 1;
		id_of(w, other);
		assert_memory_not_equal(id, other, 32);
	}
}

static void expect_name(const char *given, const char *want)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){0});
	struct loaded l;

	ferry_gguf_writer_drop_key(w, "general.name");
	ferry_gguf_writer_string(w, "general.name", given);
	l = load(w);
	assert_string_equal(l.m->name, want);
	drop(&l);
}

static void test_names_are_printable(void **state)
{
	(void)state;
	expect_name("red \033[31m\nname", "red ?[31m?name");
	expect_name("red \xc2\x9b"
		    "31m name",
		    "red ??31m name"); /* U+009B is a CSI too */
	expect_name("caf\xe9 \xc3\xa9", "caf? \xc3\xa9");
}

/* A name that was cut inside a character left `ferry bench --json` without any output. */
static void test_long_names_end_with_a_whole_character(void **state)
{
	char given[202] = "x", want[129];

	(void)state;
	for (size_t i = 1; i + 1 < sizeof(given); i += 2)
		memcpy(given + i, "\xc3\xa9", 2);
	given[201] = 0;
	memcpy(want, given, 127);
	want[127] = 0;
	expect_name(given, want);
	memset(given, 0x80, 200);
	given[200] = 0;
	memset(want, '?', 125);
	want[125] = 0;
	expect_name(given, want);
}

static void test_loads_without_a_tokenizer(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.tokenizer = FERRY_TINY_NONE});

	(void)state;
	assert_null(l.m->tokenizer);
	assert_true(strlen(l.m->tokenizer_error) > 0);
	drop(&l);
	for (enum ferry_tiny_tokenizer kind = FERRY_TINY_SPM; kind <= FERRY_TINY_BPE; kind++) {
		l = load_tiny((struct ferry_tiny_model){.tokenizer = kind});
		assert_string_equal(l.m->tokenizer_error, "");
		assert_non_null(l.m->tokenizer);
		drop(&l);
	}
}

/* Ids that the embedding has no rows for would fail far from here. */
static void test_tokenizer_larger_than_the_embedding(void **state)
{
	struct loaded l = load_tiny((struct ferry_tiny_model){.n_vocab = 500});

	(void)state;
	assert_null(l.m->tokenizer);
	assert_non_null(strstr(l.m->tokenizer_error, "512 tokens, the embedding 500"));
	drop(&l);
}

static void test_damaged_tokenizer(void **state)
{
	struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){0});
	struct loaded l;

	(void)state;
	ferry_gguf_writer_drop_key(w, "tokenizer.ggml.tokens");
	l = load(w);
	assert_null(l.m->tokenizer);
	assert_non_null(strstr(l.m->tokenizer_error, "tokenizer.ggml.tokens"));
	drop(&l);
}

static void test_finds_the_bad_tensor(void **state)
{
	static const char *const names[] = {"token_embd.weight", "blk.0.attn_norm.weight",
					    "blk.1.ffn_down.weight", "output.weight"};
	unsigned n;
	const struct ferry_type_traits *types = ferry_type_table(&n);

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		const char *name = names[i % 4];
		struct ferry_gguf_writer *w = ferry_tiny_model_new(&(struct ferry_tiny_model){
			.type = types[i].type,
			.n_ff = 256,
			.n_vocab = 8,
			.tokenizer = FERRY_TINY_NONE,
		});
		struct ferry_error err = {0};
		struct loaded l;

		assert_int_equal(ferry_gguf_writer_poison(w, name), 0);
		l = load(w);
		assert_int_equal(ferry_model_find_bad_tensor(l.m, &err), -EBADMSG);
		if (!strstr(err.text, name))
			fail_msg("%s, %s: %s", types[i].name, name, err.text);
		drop(&l);
	}
}

/* Every floating-point field of a block counts, and every block, not the first alone. */
static void test_finds_infinite_minimums_in_the_last_block(void **state)
{
	static const struct {
		enum ferry_tensor_type type;
		size_t offset;
	} fields[] = {
		{FERRY_TYPE_Q4_1, 2}, {FERRY_TYPE_Q5_1, 2},   {FERRY_TYPE_Q4_K, 2},
		{FERRY_TYPE_Q5_K, 2}, {FERRY_TYPE_Q2_K, 82},  {FERRY_TYPE_F32, 0},
		{FERRY_TYPE_BF16, 0}, {FERRY_TYPE_Q6_K, 208}, {FERRY_TYPE_IQ4_XS, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct ferry_type_traits *t = ferry_type_traits((uint32_t)fields[i].type);
		struct ferry_gguf_writer *w = ferry_tiny_model_new(
			&(struct ferry_tiny_model){.type = fields[i].type,
						   .n_layers = 1,
						   .n_ff = 256,
						   .n_vocab = 8,
						   .tokenizer = FERRY_TINY_NONE});
		size_t last =
			ferry_gguf_writer_find(w, "blk.0.attn_k.weight")->n_bytes - t->block_bytes;
		uint8_t *block = ferry_gguf_writer_data(w, "blk.0.attn_k.weight") + last;
		struct ferry_error err = {0};
		struct loaded l;
		char wanted[64];

		if (t->type == FERRY_TYPE_F32)
			ferry_store_lef32(block, -INFINITY);
		else
			ferry_store_le16(block + fields[i].offset,
					 t->type == FERRY_TYPE_BF16 ? 0xff80 : 0xfc00);
		l = load(w);
		assert_int_equal(ferry_model_find_bad_tensor(l.m, &err), -EBADMSG);
		snprintf(wanted, sizeof(wanted), "blk.0.attn_k.weight is not finite at weight %u",
			 64 * 256 - t->block_len);
		if (!strstr(err.text, wanted))
			fail_msg("%s: %s", t->name, err.text);
		drop(&l);
	}
}

static void test_loads_a_file(void **state)
{
	char *path = ferry_tiny_model_temp(&(struct ferry_tiny_model){.type = FERRY_TYPE_Q5_K});
	struct ferry_error err = {0};
	struct ferry_model *m;

	(void)state;
	assert_non_null(path);
	if (ferry_model_load(path, &m, &err))
		fail_msg("%s", err.text);
	assert_int_equal(m->hp.n_embd, 256);
	ferry_model_free(m);
	ferry_model_free(NULL);
	unlink(path);
	assert_int_equal(ferry_model_load(path, &m, &err), -ENOENT);
	assert_null(m);
	free(path);
}

static void test_architectures_by_name(void **state)
{
	unsigned n;
	const struct ferry_arch *table = ferry_arch_table(&n);

	(void)state;
	assert_int_equal(n, 5);
	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(ferry_arch_by_name(table[i].name), &table[i]);
	assert_null(ferry_arch_by_name("gpt2"));
	assert_null(ferry_arch_by_name("llam"));
	assert_null(ferry_arch_by_name(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_llama),
		cmocka_unit_test(test_tied_output_counts_once),
		cmocka_unit_test(test_llama_with_experts),
		cmocka_unit_test(test_mixtral_names_one_width),
		cmocka_unit_test(test_qwen),
		cmocka_unit_test(test_gemma3),
		cmocka_unit_test(test_gemma3_keys_of_newer_files),
		cmocka_unit_test(test_gemma3_without_a_window_attends_everywhere),
		cmocka_unit_test(test_gemma3_27b_scales_by_the_hidden_state),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_numbers_given_per_layer),
		cmocka_unit_test(test_rope_scaling),
		cmocka_unit_test(test_windows_of_other_architectures_are_ignored),
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_identity_ignores_what_does_not_compute),
		cmocka_unit_test(test_identity_tells_models_apart),
		cmocka_unit_test(test_identity_sees_weights),
		cmocka_unit_test(test_names_are_printable),
		cmocka_unit_test(test_long_names_end_with_a_whole_character),
		cmocka_unit_test(test_loads_without_a_tokenizer),
		cmocka_unit_test(test_tokenizer_larger_than_the_embedding),
		cmocka_unit_test(test_damaged_tokenizer),
		cmocka_unit_test(test_finds_the_bad_tensor),
		cmocka_unit_test(test_finds_infinite_minimums_in_the_last_block),
		cmocka_unit_test(test_loads_a_file),
		cmocka_unit_test(test_architectures_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
