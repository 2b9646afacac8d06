// SPDX-License-Identifier: MIT
/*
 * A file from anywhere: read its header, touch all it points to, load it as a model.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "compute/dequantize.h"
#include "fixtures/tiny_model.h"
#include "fuzz/fuzz.h"
#include "model/gguf.h"
#include "model/model.h"

static const char path[] = "fuzz.gguf";

/* Reads through a volatile, so that no compiler leaves a read out. */
static void touch(const void *bytes, size_t n)
{
	const volatile unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		(void)p[i];
}

static void check_error(const struct ferry_error *err, int rc)
{
	FUZZ_CHECK(rc < 0);
	FUZZ_CHECK(err->code == rc);
	FUZZ_CHECK(err->kind != FERRY_ERROR_NONE);
	FUZZ_CHECK(strstr(err->text, path));
	FUZZ_CHECK(!strchr(err->text, '\n'));
}

static void touch_array(const struct ferry_gguf_value *v)
{
	for (uint64_t i = 0; i < v->array.n; i++) {
		if (v->array.type == FERRY_GGUF_STRING) {
			touch(v->array.strings[i].bytes, v->array.strings[i].n);
			continue;
		}
		(void)ferry_gguf_array_f32(v, i);
		(void)ferry_gguf_array_i64(v, i);
	}
}

static void check_value(const struct ferry_gguf *g, const struct ferry_gguf_value *v)
{
	struct ferry_gguf_string s = {0};
	struct ferry_error err;
	uint32_t u;
	float f;
	bool b;
	int rc;

	FUZZ_CHECK(ferry_gguf_find(g, v->key) == v);
	if (v->type == FERRY_GGUF_ARRAY)
		touch_array(v);
	rc = ferry_gguf_get_u32(g, v->key, &u, &err);
	if (rc != 1)
		check_error(&err, rc);
	rc = ferry_gguf_get_f32(g, v->key, &f, &err);
	if (rc != 1)
		check_error(&err, rc);
	rc = ferry_gguf_get_bool(g, v->key, &b, &err);
	if (rc != 1)
		check_error(&err, rc);
	rc = ferry_gguf_get_string(g, v->key, &s, &err);
	if (rc == 1)
		touch(s.bytes, s.n);
	else
		check_error(&err, rc);
}

static void check_tensor(const struct ferry_gguf *g, const struct ferry_tensor *t)
{
	const struct ferry_type_traits *traits = ferry_type_traits((uint32_t)t->type);
	uint64_t row_bytes;
	float *row;

	FUZZ_CHECK(ferry_gguf_tensor(g, t->name) == t);
	FUZZ_CHECK(traits);
	FUZZ_CHECK(t->dim[0] % traits->block_len == 0);
	row_bytes = ferry_type_row_bytes(traits, t->dim[0]);
	FUZZ_CHECK(t->n_bytes == row_bytes * t->dim[1] * t->dim[2] * t->dim[3]);
	FUZZ_CHECK((uintptr_t)t->data % FERRY_GGUF_DATA_ALIGN == 0);
	touch(t->data, (size_t)t->n_bytes);
	row = malloc((size_t)t->dim[0] * sizeof(*row));
	FUZZ_CHECK(row);
	ferry_dequantize_row(t->type, t->data + t->n_bytes - row_bytes, row, (size_t)t->dim[0]);
	free(row);
}

static void check_model(const struct ferry_model *m)
{
	const struct ferry_hparams *hp = &m->hp;
	struct ferry_error err = {0};

	FUZZ_CHECK(hp->n_layers && hp->n_embd && hp->n_vocab && hp->n_head_dim && hp->n_value_dim);
	FUZZ_CHECK(hp->n_head % hp->n_head_kv == 0);
	FUZZ_CHECK(hp->n_rot % 2 == 0 && hp->n_rot <= hp->n_head_dim);
	FUZZ_CHECK(hp->n_experts_used <= hp->n_experts);
	FUZZ_CHECK(hp->n_experts ? hp->n_ff_expert : hp->n_ff);
	FUZZ_CHECK(isfinite(hp->norm_eps) && isfinite(hp->rope_base) && hp->rope_base > 0);
	FUZZ_CHECK(isfinite(hp->rope_scale) && hp->rope_scale > 0);
	FUZZ_CHECK(isfinite(hp->attention_scale) && hp->attention_scale > 0);
	for (uint32_t i = 0; i < hp->n_layers; i++)
		FUZZ_CHECK(m->layers[i].attn_norm->type == FERRY_TYPE_F32);
	FUZZ_CHECK(!m->tokenizer == (m->tokenizer_error[0] != 0));
	check_error(&err, ferry_model_find_bad_tensor(m, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ferry_error err = {0};
	struct ferry_gguf *g;
	struct ferry_model *m;
	int rc = ferry_gguf_parse(data, size, path, &g, &err);

	if (rc) {
		FUZZ_CHECK(!g);
		check_error(&err, rc);
		return 0;
	}
	for (uint64_t i = 0; i < g->n_values; i++)
		check_value(g, &g->values[i]);
	for (uint64_t i = 0; i < g->n_tensors; i++)
		check_tensor(g, &g->tensors[i]);
	rc = ferry_model_from_gguf(g, &m, &err);
	if (rc) {
		FUZZ_CHECK(!m);
		check_error(&err, rc);
		return 0;
	}
	check_model(m);
	ferry_model_free(m);
	return 0;
}

static void emit_writer(struct ferry_gguf_writer *w, ferry_fuzz_emit *emit, void *arg)
{
	size_t n;
	uint8_t *bytes = ferry_gguf_writer_bytes(w, &n, NULL);

	emit(arg, bytes, n);
	free(bytes);
	ferry_gguf_writer_free(w);
}

static struct ferry_gguf_writer *small(struct ferry_tiny_model options)
{
	options.n_layers = 1;
	options.n_embd = 32;
	options.n_ff = 32;
	options.n_ff_expert = 32;
	options.n_head = 2;
	options.n_head_kv = 1;
	options.n_head_dim = 16;
	if (options.tokenizer == FERRY_TINY_NONE)
		options.n_vocab = 8;
	return ferry_tiny_model_new(&options);
}

/* One key and one tensor of each type. */
static struct ferry_gguf_writer *every_type(void)
{
	static const struct ferry_gguf_string strings[] = {{"some", 4}, {"text", 4}};
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	unsigned n;
	const struct ferry_type_traits *types = ferry_type_table(&n);
	char key[16];

	for (uint32_t type = FERRY_GGUF_U8; type <= FERRY_GGUF_F64; type++) {
		snprintf(key, sizeof(key), "key.%u", (unsigned)type);
		if (type == FERRY_GGUF_ARRAY || type == FERRY_GGUF_STRING)
			continue;
		ferry_gguf_writer_number(w, key, type, 1);
		key[0] = 'a';
		ferry_gguf_writer_array(w, key, type, "0123456789abcdef", 2);
	}
	ferry_gguf_writer_string(w, "string", "text");
	ferry_gguf_writer_strings(w, "strings", strings, 2);
	ferry_gguf_writer_alignment(w, 16);
	for (unsigned i = 0; i < n; i++)
		ferry_gguf_writer_tensor(w, &(struct ferry_gguf_writer_tensor){
						    .name = types[i].name,
						    .type = (uint32_t)types[i].type,
						    .n_dims = 1 + i % 4,
						    .dim = {256, 1, 1, 1},
						    .n_bytes = ferry_type_row_bytes(&types[i], 256),
					    });
	return w;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	emit_writer(every_type(), emit, arg);
	emit_writer(small((struct ferry_tiny_model){.tokenizer = FERRY_TINY_NONE,
						    .type = FERRY_TYPE_Q8_0,
						    .rope_freqs = true,
						    .biases = true,
						    .rope_linear = 2}),
		    emit, arg);
	emit_writer(small((struct ferry_tiny_model){.arch = "gemma3",
						    .tokenizer = FERRY_TINY_NONE,
						    .type = FERRY_TYPE_F16,
						    .version = 2}),
		    emit, arg);
	emit_writer(small((struct ferry_tiny_model){.arch = "qwen3moe",
						    .tokenizer = FERRY_TINY_NONE,
						    .type = FERRY_TYPE_Q4_0}),
		    emit, arg);
	emit_writer(small((struct ferry_tiny_model){.tokenizer = FERRY_TINY_SPM,
						    .type = FERRY_TYPE_Q5_1}),
		    emit, arg);
	emit_writer(small((struct ferry_tiny_model){.arch = "qwen2",
						    .tokenizer = FERRY_TINY_BPE,
						    .type = FERRY_TYPE_IQ4_NL}),
		    emit, arg);
}
