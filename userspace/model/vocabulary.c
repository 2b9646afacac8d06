// SPDX-License-Identifier: MIT
#include "model/vocabulary.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "model/byte_alphabet.h"
#include "model/gguf_parse.h"
#include "model/turn_marks.h"
#include "model/vocabulary_index.h"

enum {
	SPM_BOS = 1, /* where a SentencePiece file names none */
	SPM_EOS = 2,
	SPM_UNK = 0,
};

/* U+2581, which SentencePiece writes for a space. */
static const uint8_t space_mark[3] = {0xe2, 0x96, 0x81};

struct loader {
	struct ferry_vocab *v;
	const struct ferry_gguf *g;
	struct ferry_arena *arena;
	struct ferry_error *err;
	const struct ferry_gguf_string *texts;
};

static bool text_is(const struct ferry_gguf_string *s, const char *text)
{
	return s->n == strlen(text) && !memcmp(s->bytes, text, s->n);
}

/* An array of the vocabulary's length, or NULL in *out where the file has none. */
static int find_array(const struct loader *l, const char *key, bool floats,
		      const struct ferry_gguf_value **out)
{
	const struct ferry_gguf_value *v = ferry_gguf_find(l->g, key);

	*out = v;
	if (!v)
		return 0;
	if (v->type != FERRY_GGUF_ARRAY || v->array.type == FERRY_GGUF_STRING ||
	    (!floats && (v->array.type == FERRY_GGUF_F32 || v->array.type == FERRY_GGUF_F64)))
		return ferry_gguf_damaged(l->g, l->err, "key %s is not an array of %s", key,
					  floats ? "numbers" : "whole numbers");
	if (v->array.n != l->v->n)
		return ferry_gguf_damaged(l->g, l->err,
					  "key %s has %" PRIu64 " elements for %" PRIu32 " tokens",
					  key, v->array.n, l->v->n);
	return 0;
}

static int load_texts(struct loader *l)
{
	const struct ferry_gguf_value *list = ferry_gguf_find(l->g, "tokenizer.ggml.tokens");

	if (!list || list->type != FERRY_GGUF_ARRAY || list->array.type != FERRY_GGUF_STRING)
		return ferry_gguf_damaged(l->g, l->err, "key tokenizer.ggml.tokens is %s",
					  list ? "not an array of strings" : "missing");
	if (!list->array.n || list->array.n > FERRY_VOCAB_MAX)
		return ferry_gguf_damaged(l->g, l->err,
					  "key tokenizer.ggml.tokens has %" PRIu64 " elements",
					  list->array.n);
	for (uint64_t i = 0; i < list->array.n; i++)
		if (list->array.strings[i].n > FERRY_TOKEN_BYTES_MAX)
			return ferry_gguf_damaged(l->g, l->err,
						  "token %" PRIu64 " of tokenizer.ggml.tokens has "
						  "%zu bytes where at most %d make sense",
						  i, list->array.strings[i].n,
						  FERRY_TOKEN_BYTES_MAX);
	l->texts = list->array.strings;
	l->v->n = (uint32_t)list->array.n;
	l->v->tokens = ferry_arena_alloc(l->arena, l->v->n, sizeof(*l->v->tokens));
	if (!l->v->tokens)
		return ferry_fail_memory(l->err, "the vocabulary",
					 (uint64_t)l->v->n * sizeof(*l->v->tokens));
	return 0;
}

/* Larger scores become smaller numbers; equal ones stay equal. */
static uint32_t order_of_score(float score)
{
	uint32_t bits;

	score += 0.0f; /* -0 and 0 are one score */
	memcpy(&bits, &score, sizeof(bits));
	return bits >> 31 ? bits : 0x7fffffffu - bits;
}

static int load_scores(struct loader *l)
{
	const struct ferry_gguf_value *list;
	int rc = find_array(l, "tokenizer.ggml.scores", true, &list);

	if (rc || l->v->kind != FERRY_VOCAB_SPM)
		return rc;
	if (!list)
		return ferry_gguf_damaged(l->g, l->err,
					  "key tokenizer.ggml.scores is missing, without which "
					  "nothing says which tokens merge first");
	for (uint32_t id = 0; id < l->v->n; id++) {
		float score = ferry_gguf_array_f32(list, id);

		if (isnan(score))
			return ferry_gguf_damaged(l->g, l->err,
						  "element %" PRIu32 " of tokenizer.ggml.scores "
						  "is not a number",
						  id);
		l->v->tokens[id].order = order_of_score(score);
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* The byte of a text like "<0x0A>", or -1. */
static int byte_of_text(const struct ferry_gguf_string *s)
{
	int high, low;

	if (s->n != 6 || memcmp(s->bytes, "<0x", 3) != 0 || s->bytes[5] != '>')
		return -1;
	high = hex_digit(s->bytes[3]);
	low = hex_digit(s->bytes[4]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static int load_types(struct loader *l)
{
	const struct ferry_gguf_value *list;
	int rc = find_array(l, "tokenizer.ggml.token_type", false, &list);

	if (rc)
		return rc;
	for (uint32_t id = 0; id < l->v->n; id++) {
		int64_t type = list ? ferry_gguf_array_i64(list, id) : FERRY_TOKEN_NORMAL;

		if (type < FERRY_TOKEN_UNDEFINED || type > FERRY_TOKEN_BYTE)
			return ferry_gguf_damaged(l->g, l->err,
						  "element %" PRIu32
						  " of tokenizer.ggml.token_type "
						  "is %" PRId64 ", which is no type of token",
						  id, type);
		if (!list && l->v->kind == FERRY_VOCAB_SPM && byte_of_text(&l->texts[id]) >= 0)
			type = FERRY_TOKEN_BYTE;
		l->v->tokens[id].type = (uint8_t)type;
	}
	return 0;
}

/* *id receives -1 where the file has no such key. */
static int load_id(struct loader *l, const char *key, int32_t *id)
{
	uint32_t u;
	int rc = ferry_gguf_get_u32(l->g, key, &u, l->err);

	*id = -1;
	if (rc <= 0)
		return rc;
	if (u >= l->v->n)
		return ferry_gguf_damaged(
			l->g, l->err, "key %s is %" PRIu32 " in a vocabulary of %" PRIu32 " tokens",
			key, u, l->v->n);
	*id = (int32_t)u;
	return 0;
}

/*
 * Named tokens are control tokens where they look like one, even if the file forgot to say so.
 * Others may be ordinary text: some models end their turn with "\n\n".
 */
static void name_token(struct loader *l, int32_t id, bool ends)
{
	const struct ferry_gguf_string *s;
	struct ferry_token *t;

	if (id < 0)
		return;
	s = &l->texts[id];
	t = &l->v->tokens[id];
	if (s->n > 2 && s->bytes[0] == '<' && s->bytes[s->n - 1] == '>' &&
	    t->type != FERRY_TOKEN_UNKNOWN && t->type != FERRY_TOKEN_BYTE)
		t->type = FERRY_TOKEN_CONTROL;
	t->ends |= ends;
}

static int load_special_ids(struct loader *l)
{
	struct ferry_vocab *v = l->v;
	int32_t eot, eom;
	int rc;

	if ((rc = load_id(l, "tokenizer.ggml.bos_token_id", &v->bos)) ||
	    (rc = load_id(l, "tokenizer.ggml.eos_token_id", &v->eos)) ||
	    (rc = load_id(l, "tokenizer.ggml.unknown_token_id", &v->unk)) ||
	    (rc = load_id(l, "tokenizer.ggml.eot_token_id", &eot)) ||
	    (rc = load_id(l, "tokenizer.ggml.eom_token_id", &eom)))
		return rc;
	if (v->kind == FERRY_VOCAB_SPM) {
		if (v->bos < 0 && SPM_BOS < v->n && text_is(&l->texts[SPM_BOS], "<s>"))
			v->bos = SPM_BOS;
		if (v->eos < 0 && SPM_EOS < v->n && text_is(&l->texts[SPM_EOS], "</s>"))
			v->eos = SPM_EOS;
		if (v->unk < 0 && text_is(&l->texts[SPM_UNK], "<unk>"))
			v->unk = SPM_UNK;
	}
	name_token(l, v->bos, false);
	name_token(l, v->eos, true);
	name_token(l, eot, true);
	name_token(l, eom, true);
	return 0;
}

static void find_marks(struct loader *l)
{
	bool has_return = false, has_call = false;
	struct ferry_token *end = NULL;

	for (uint32_t id = 0; id < l->v->n; id++) {
		const struct ferry_gguf_string *s = &l->texts[id];
		const struct ferry_turn_mark *m = ferry_turn_mark_find(s->bytes, s->n);
		struct ferry_token *t = &l->v->tokens[id];

		if (!m)
			continue;
		if (m->forced)
			t->type = FERRY_TOKEN_CONTROL;
		t->ends |= m->ends && t->type == FERRY_TOKEN_CONTROL;
		has_return |= text_is(s, "<|return|>");
		has_call |= text_is(s, "<|call|>");
		if (text_is(s, "<|end|>"))
			end = t;
	}
	/* In the harmony format <|end|> separates messages of one turn. */
	if (end && has_return && has_call)
		end->ends = false;
}

/*
 * Some files name BOS or EOS as the unknown token, and what a user writes must never turn into
 * those.
 */
static void choose_unknown(struct loader *l)
{
	struct ferry_vocab *v = l->v;
	struct ferry_token *t;

	for (uint32_t id = 0; id < v->n && v->unk < 0; id++)
		if (v->tokens[id].type == FERRY_TOKEN_UNKNOWN)
			v->unk = (int32_t)id;
	if (v->unk < 0)
		return;
	t = &v->tokens[v->unk];
	if (v->unk == v->bos || t->ends || t->type == FERRY_TOKEN_BYTE ||
	    t->type == FERRY_TOKEN_USER_DEFINED)
		v->unk = -1;
	else
		t->type = FERRY_TOKEN_UNKNOWN;
}

/*
 * SentencePiece works on texts in which U+2581 stands for a space; here both stand for the
 * space itself. A token with a real space inside can then not be told from one with the mark,
 * and as it would never match in the original, it does not here.
 */
static void decode_spm(struct loader *l, uint32_t id, uint8_t *out)
{
	const struct ferry_gguf_string *s = &l->texts[id];
	struct ferry_token *t = &l->v->tokens[id];
	int byte = byte_of_text(s);
	bool has_space = false;
	uint32_t n = 0;

	t->bytes = out;
	if (t->type == FERRY_TOKEN_BYTE) {
		out[0] = (uint8_t)byte;
		t->n = 1;
		if (l->v->byte_token[byte] < 0)
			l->v->byte_token[byte] = (int32_t)id;
		return;
	}
	for (size_t i = 0; i < s->n;) {
		if (s->n - i >= sizeof(space_mark) &&
		    !memcmp(s->bytes + i, space_mark, sizeof(space_mark))) {
			out[n++] = ' ';
			i += sizeof(space_mark);
		} else {
			has_space |= s->bytes[i] == ' ';
			out[n++] = (uint8_t)s->bytes[i++];
		}
	}
	t->n = n;
	t->mergeable = n && !has_space && t->type != FERRY_TOKEN_USER_DEFINED;
}

static void decode_bpe(struct loader *l, uint32_t id, uint8_t *out)
{
	const struct ferry_gguf_string *s = &l->texts[id];
	struct ferry_token *t = &l->v->tokens[id];
	size_t n = 0;
	bool all_bytes = ferry_byte_alphabet_decode((const uint8_t *)s->bytes, s->n, out, &n);

	t->bytes = out;
	t->n = (uint32_t)n;
	t->mergeable = n && all_bytes;
	if (t->mergeable && n == 1 && l->v->byte_token[out[0]] < 0)
		l->v->byte_token[out[0]] = (int32_t)id;
}

/* Control tokens, and user-defined ones of byte-level BPE, print as the file writes them. */
static bool is_literal(const struct ferry_vocab *v, const struct ferry_token *t)
{
	return t->type == FERRY_TOKEN_CONTROL || t->type == FERRY_TOKEN_UNKNOWN ||
	       (t->type == FERRY_TOKEN_USER_DEFINED && v->kind == FERRY_VOCAB_BPE);
}

static int decode_tokens(struct loader *l)
{
	struct ferry_vocab *v = l->v;
	size_t n_bytes = 0;
	uint8_t *bytes;

	memset(v->byte_token, 0xff, sizeof(v->byte_token));
	for (uint32_t id = 0; id < v->n; id++) {
		if (v->kind == FERRY_VOCAB_SPM && v->tokens[id].type == FERRY_TOKEN_BYTE &&
		    byte_of_text(&l->texts[id]) < 0)
			return ferry_gguf_damaged(l->g, l->err,
						  "token %" PRIu32 " is a byte by its type but its "
						  "text is not like <0x0A>",
						  id);
		n_bytes += l->texts[id].n;
	}
	bytes = ferry_arena_alloc(l->arena, n_bytes, 1);
	if (!bytes)
		return ferry_fail_memory(l->err, "the texts of the vocabulary", n_bytes);
	for (uint32_t id = 0; id < v->n; id++) {
		const struct ferry_gguf_string *s = &l->texts[id];
		struct ferry_token *t = &v->tokens[id];

		if (is_literal(v, t)) {
			t->bytes = (const uint8_t *)s->bytes;
			t->n = (uint32_t)s->n;
		} else if (v->kind == FERRY_VOCAB_SPM) {
			decode_spm(l, id, bytes);
		} else {
			decode_bpe(l, id, bytes);
		}
		bytes += s->n;
	}
	return 0;
}

/* Whether words, each with the spaces in front of it, can never share a token. */
static bool words_are_separate(const struct ferry_vocab *v)
{
	for (uint32_t id = 0; id < v->n; id++) {
		const struct ferry_token *t = &v->tokens[id];

		if (!t->mergeable)
			continue;
		for (uint32_t i = 1; i < t->n; i++)
			if (t->bytes[i] == ' ' && t->bytes[i - 1] != ' ')
				return false;
	}
	return true;
}

static int check_bytes(const struct loader *l)
{
	if (l->v->kind != FERRY_VOCAB_SPM || l->v->unk >= 0)
		return 0;
	for (int byte = 0; byte < 256; byte++)
		if (l->v->byte_token[byte] < 0)
			return ferry_gguf_damaged(l->g, l->err,
						  "the vocabulary has neither a token <0x%02X> nor "
						  "an unknown token, so that some texts have none",
						  (unsigned)byte);
	return 0;
}

int ferry_vocab_load(struct ferry_vocab *v, const struct ferry_gguf *g, struct ferry_arena *arena,
		     struct ferry_error *err)
{
	struct loader l = {.v = v, .g = g, .arena = arena, .err = err};
	int rc;

	if ((rc = load_texts(&l)) || (rc = load_scores(&l)) || (rc = load_types(&l)) ||
	    (rc = load_special_ids(&l)))
		return rc;
	find_marks(&l);
	choose_unknown(&l);
	if ((rc = decode_tokens(&l)) || (rc = check_bytes(&l)) ||
	    (rc = ferry_vocab_build_index(v, arena, err)))
		return rc;
	v->words_separate = words_are_separate(v);
	return 0;
}
