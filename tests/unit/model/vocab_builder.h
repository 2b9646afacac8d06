/* SPDX-License-Identifier: MIT */
/*
 * Vocabularies of a few tokens, written down in the test that needs them.
 */
#ifndef FERRY_TESTS_VOCAB_BUILDER_H
#define FERRY_TESTS_VOCAB_BUILDER_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/gguf_writer.h"
#include "model/tokenizer.h"

enum {
	BUILDER_MAX = 600,
	BUILDER_TEXT = 16,
	T_NORMAL = 1,
	T_UNKNOWN = 2,
	T_CONTROL = 3,
	T_USER = 4,
	T_UNUSED = 5,
	T_BYTE = 6,
};

/* Texts may point into it: it must stay where it is. */
struct vocab_builder {
	const char *model, *pre; /* pre NULL: no such key */
	struct ferry_gguf_string text[BUILDER_MAX], merge[BUILDER_MAX];
	int32_t type[BUILDER_MAX];
	float score[BUILDER_MAX];
	char made[BUILDER_MAX][BUILDER_TEXT]; /* texts that no literal holds */
	unsigned n, n_merges, n_made;
	int64_t bos, eos, unk; /* -1: no such key */
	bool no_types;
};

/* A tokenizer with everything that it points into. */
struct vocab_view {
	uint8_t *bytes;
	struct ferry_gguf *g;
	struct ferry_tokenizer *t;
};

/* Returns the id of the token. */
static inline int32_t add_token(struct vocab_builder *b, const char *text, int32_t type,
				float score)
{
	assert_true(b->n < BUILDER_MAX);
	b->text[b->n] = (struct ferry_gguf_string){text, strlen(text)};
	b->type[b->n] = type;
	b->score[b->n] = score;
	return (int32_t)b->n++;
}

static inline void add_merge(struct vocab_builder *b, const char *text)
{
	assert_true(b->n_merges < BUILDER_MAX);
	b->merge[b->n_merges++] = (struct ferry_gguf_string){text, strlen(text)};
}

/* <unk> <s> </s> as ids 0, 1 and 2. */
static inline void init_spm(struct vocab_builder *b)
{
	*b = (struct vocab_builder){.model = "llama", .bos = 1, .eos = 2, .unk = 0};
	add_token(b, "<unk>", T_UNKNOWN, 0);
	add_token(b, "<s>", T_CONTROL, 0);
	add_token(b, "</s>", T_CONTROL, 0);
}

static inline void add_spm_bytes(struct vocab_builder *b)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char *text = b->made[b->n_made++];

		snprintf(text, BUILDER_TEXT, "<0x%02X>", byte);
		add_token(b, text, T_BYTE, 0);
	}
}

/* The character that stands for a byte in byte-level BPE. */
static inline const char *byte_char(struct vocab_builder *b, unsigned byte)
{
	char *text = b->made[b->n_made++];
	unsigned code = byte;

	if (byte <= 32)
		code = 0x100 + byte;
	else if (byte >= 127 && byte <= 160)
		code = 0x121 + byte - 127;
	else if (byte == 173)
		code = 0x143;
	if (code < 0x80)
		snprintf(text, BUILDER_TEXT, "%c", (char)code);
	else
		snprintf(text, BUILDER_TEXT, "%c%c", (char)(0xc0 | code >> 6),
			 (char)(0x80 | (code & 0x3f)));
	return text;
}

/* The 256 bytes as ids 0 to 255. */
static inline void init_bpe(struct vocab_builder *b, const char *pre)
{
	*b = (struct vocab_builder){.model = "gpt2", .pre = pre, .bos = -1, .eos = -1, .unk = -1};
	for (unsigned byte = 0; byte < 256; byte++)
		add_token(b, byte_char(b, byte), T_NORMAL, 0);
}

static inline struct ferry_gguf_writer *write_vocab(const struct vocab_builder *b)
{
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

	ferry_gguf_writer_string(w, "tokenizer.ggml.model", b->model);
	if (b->pre)
		ferry_gguf_writer_string(w, "tokenizer.ggml.pre", b->pre);
	ferry_gguf_writer_strings(w, "tokenizer.ggml.tokens", b->text, b->n);
	if (!b->no_types)
		ferry_gguf_writer_array(w, "tokenizer.ggml.token_type", FERRY_GGUF_I32, b->type,
					b->n);
	if (!strcmp(b->model, "llama"))
		ferry_gguf_writer_array(w, "tokenizer.ggml.scores", FERRY_GGUF_F32, b->score, b->n);
	else
		ferry_gguf_writer_strings(w, "tokenizer.ggml.merges", b->merge, b->n_merges);
	if (b->bos >= 0)
		ferry_gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)b->bos);
	if (b->eos >= 0)
		ferry_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)b->eos);
	if (b->unk >= 0)
		ferry_gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)b->unk);
	return w;
}

/* Frees the writer. */
static inline int try_vocab(struct ferry_gguf_writer *w, struct vocab_view *v,
			    struct ferry_error *err)
{
	size_t n;

	*v = (struct vocab_view){0};
	v->bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	if (ferry_gguf_parse(v->bytes, n, "vocab.gguf", &v->g, err))
		fail_msg("%s", err->text);
	return ferry_tokenizer_new(v->g, &v->t, err);
}

static inline void close_vocab(struct vocab_view *v)
{
	ferry_tokenizer_free(v->t);
	ferry_gguf_close(v->g);
	free(v->bytes);
}

static inline struct vocab_view open_writer(struct ferry_gguf_writer *w)
{
	struct ferry_error err = {0};
	struct vocab_view v;

	if (try_vocab(w, &v, &err))
		fail_msg("%s", err.text);
	return v;
}

static inline struct vocab_view open_vocab(const struct vocab_builder *b)
{
	return open_writer(write_vocab(b));
}

/* The ids of @text must be those that follow, up to -1. */
static inline void expect_ids_n(const struct ferry_tokenizer *t, const char *text, size_t n,
				unsigned flags, const int32_t *want)
{
	size_t n_ids, n_want = 0;
	int32_t *ids;

	assert_int_equal(ferry_tokenizer_encode(t, text, n, flags, &ids, &n_ids, NULL), 0);
	while (want[n_want] >= 0)
		n_want++;
	for (size_t i = 0; i < n_ids || i < n_want; i++)
		if (i >= n_ids || i >= n_want || ids[i] != want[i])
			fail_msg("\"%s\": id %zu of %zu is %d where %d of %zu is right", text, i,
				 n_ids, i < n_ids ? ids[i] : -1, i < n_want ? want[i] : -1, n_want);
	free(ids);
}

#define expect_ids(t, text, flags, ...) \
	expect_ids_n(t, text, strlen(text), flags, (const int32_t[]){__VA_ARGS__})

static inline void expect_text(const struct ferry_tokenizer *t, unsigned flags, const char *want,
			       const int32_t *ids)
{
	size_t n, n_ids = 0;
	char *text;

	while (ids[n_ids] >= 0)
		n_ids++;
	assert_int_equal(ferry_tokenizer_decode(t, ids, n_ids, flags, &text, &n, NULL), 0);
	assert_int_equal(n, strlen(text));
	assert_string_equal(text, want);
	free(text);
}

#define expect_decoded(t, flags, want, ...) \
	expect_text(t, flags, want, (const int32_t[]){__VA_ARGS__})

/* decode(encode(text)) is the text. */
static inline void expect_round_trip(const struct ferry_tokenizer *t, const char *text, size_t n,
				     unsigned flags)
{
	size_t n_ids, n_back;
	int32_t *ids;
	char *back;

	assert_int_equal(ferry_tokenizer_encode(t, text, n, flags, &ids, &n_ids, NULL), 0);
	assert_int_equal(ferry_tokenizer_decode(t, ids, n_ids,
						FERRY_DECODE_FIRST | FERRY_DECODE_SPECIAL, &back,
						&n_back, NULL),
			 0);
	assert_int_equal(n_back, n);
	assert_memory_equal(back, text, n);
	free(back);
	free(ids);
}

/* Texts of any bytes, the same on every machine. */
static inline void fill_bytes(char *bytes, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = (char)(seed >> 56);
	}
}

#endif
