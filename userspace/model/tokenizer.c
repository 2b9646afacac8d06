// SPDX-License-Identifier: MIT
#include "model/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/chat_template.h"
#include "model/encoder.h"
#include "model/gguf_parse.h"
#include "model/vocabulary_index.h"

enum {
	TEXT_MAX = 1 << 30,
	FIRST_IDS = 64,
};

static bool string_is(const struct ferry_gguf_string *s, const char *text)
{
	return s->n == strlen(text) && !memcmp(s->bytes, text, s->n);
}

static int find_kind(const struct ferry_gguf *g, enum ferry_vocab_kind *kind,
		     struct ferry_error *err)
{
	struct ferry_gguf_string name;
	int rc = ferry_gguf_get_string(g, "tokenizer.ggml.model", &name, err);

	if (rc < 0)
		return rc;
	if (!rc)
		return ferry_gguf_fail(g, err, -ENODATA, "the file has no tokenizer");
	if (string_is(&name, "llama"))
		*kind = FERRY_VOCAB_SPM;
	else if (string_is(&name, "gpt2"))
		*kind = FERRY_VOCAB_BPE;
	else
		return ferry_gguf_fail(g, err, -ENOTSUP,
				       "tokenizer.ggml.model is %.*s, a kind of tokenizer that "
				       "Ferry does not have (it has llama and gpt2)",
				       (int)(name.n < 64 ? name.n : 64), name.bytes);
	return 0;
}

static int load_bpe(struct ferry_tokenizer *t, const struct ferry_gguf *g, struct ferry_error *err)
{
	struct ferry_gguf_string pre = {.bytes = "default", .n = 7};
	int rc = ferry_gguf_get_string(g, "tokenizer.ggml.pre", &pre, err);

	if (rc < 0)
		return rc;
	rc = ferry_pretokenizer_new(pre.bytes, pre.n, &t->pretokenizer, err);
	if (rc) {
		ferry_fail_within(err, "%s", g->path);
		return rc;
	}
	t->adds_bos = ferry_pretokenizer_adds_bos(t->pretokenizer);
	return ferry_merge_table_load(&t->merges, &t->vocab, g, &t->arena, err);
}

static int load(struct ferry_tokenizer *t, const struct ferry_gguf *g, struct ferry_error *err)
{
	int rc = find_kind(g, &t->vocab.kind, err);

	if (rc)
		return rc;
	rc = ferry_vocab_load(&t->vocab, g, &t->arena, err);
	if (rc)
		return rc;
	t->texts = ferry_gguf_find(g, "tokenizer.ggml.tokens")->array.strings;
	rc = ferry_special_trie_build(&t->specials, &t->vocab, &t->arena, err);
	if (rc)
		return rc;
	if (t->vocab.kind == FERRY_VOCAB_SPM) {
		t->adds_bos = true;
		t->adds_space = true;
		rc = ferry_gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &t->adds_space, err);
	} else {
		rc = load_bpe(t, g, err);
	}
	if (rc < 0)
		return rc;
	rc = ferry_gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &t->adds_bos, err);
	if (rc < 0)
		return rc;
	t->adds_bos &= t->vocab.bos >= 0;
	return 0;
}

int ferry_tokenizer_new(const struct ferry_gguf *g, struct ferry_tokenizer **out,
			struct ferry_error *err)
{
	struct ferry_tokenizer *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (!t)
		return ferry_fail_memory(err, "the tokenizer", sizeof(*t));
	rc = load(t, g, err);
	if (rc) {
		ferry_tokenizer_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void ferry_tokenizer_free(struct ferry_tokenizer *t)
{
	if (!t)
		return;
	ferry_pretokenizer_free(t->pretokenizer);
	ferry_arena_free(&t->arena);
	free(t);
}

uint32_t ferry_tokenizer_n_vocab(const struct ferry_tokenizer *t)
{
	return t->vocab.n;
}

int32_t ferry_tokenizer_bos(const struct ferry_tokenizer *t)
{
	return t->vocab.bos;
}

int32_t ferry_tokenizer_eos(const struct ferry_tokenizer *t)
{
	return t->vocab.eos;
}

bool ferry_tokenizer_adds_bos(const struct ferry_tokenizer *t)
{
	return t->adds_bos;
}

static bool is_id(const struct ferry_tokenizer *t, int32_t id)
{
	return id >= 0 && (uint32_t)id < t->vocab.n;
}

bool ferry_tokenizer_is_end(const struct ferry_tokenizer *t, int32_t id)
{
	return is_id(t, id) && t->vocab.tokens[id].ends;
}

int32_t ferry_tokenizer_find(const struct ferry_tokenizer *t, const char *text)
{
	for (uint32_t id = 0; id < t->vocab.n; id++)
		if (string_is(&t->texts[id], text))
			return (int32_t)id;
	return -1;
}

int ferry_encoder_push(struct ferry_encoder *e, int32_t id)
{
	if (e->n_ids == e->ids_size) {
		size_t size = e->ids_size ? 2 * e->ids_size : FIRST_IDS;
		int32_t *p = reallocarray(e->ids, size, sizeof(*p));

		if (!p)
			return -ENOMEM;
		e->ids = p;
		e->ids_size = size;
	}
	e->ids[e->n_ids++] = id;
	return 0;
}

/* The parts as one text, and the walk over it. */
struct walk {
	struct ferry_encoder *e;
	const uint8_t *text;
	size_t plain; /* where the plain text that waits for its end began */
	bool in_mark; /* ... and whether that was inside a mark */
	bool fresh;   /* nothing but control tokens in front of it: SentencePiece puts a space */
};

static int flush(struct walk *w, size_t end)
{
	const struct ferry_tokenizer *t = w->e->t;
	size_t n = end - w->plain;
	bool add_space;

	if (!n)
		return 0;
	add_space = t->adds_space && w->fresh && !(w->in_mark && w->text[w->plain] == ' ');
	if (t->vocab.kind == FERRY_VOCAB_SPM)
		return ferry_encoder_spm(w->e, w->text + w->plain, n, add_space);
	return ferry_encoder_bpe(w->e, w->text + w->plain, n);
}

/*
 * One part. @control: control tokens are recognised in it. @is_mark: a space at its start is the
 * one that SentencePiece would add.
 */
static int walk_part(struct walk *w, size_t begin, size_t end, bool control, bool is_mark)
{
	const struct ferry_tokenizer *t = w->e->t;
	size_t at = begin;
	int rc;

	if (w->plain == begin)
		w->in_mark = is_mark;
	while (at < end) {
		uint32_t n = 0;
		int32_t id =
			ferry_special_trie_match(&t->specials, w->text + at, end - at, control, &n);

		if (id < 0) {
			at++;
			continue;
		}
		rc = flush(w, at);
		if (rc)
			return rc;
		rc = ferry_encoder_push(w->e, id);
		if (rc)
			return rc;
		at += n;
		w->plain = at;
		w->in_mark = is_mark;
		w->fresh = t->vocab.tokens[id].type == FERRY_TOKEN_CONTROL;
	}
	return 0;
}

static int encode(struct ferry_encoder *e, const uint8_t *text, size_t n,
		  const struct ferry_chat_part *parts, size_t n_parts, unsigned flags)
{
	struct walk w = {.e = e, .text = text, .fresh = true};
	size_t at = 0;
	int rc = 0;

	if ((flags & FERRY_ENCODE_BOS) && e->t->vocab.bos >= 0)
		rc = ferry_encoder_push(e, e->t->vocab.bos);
	if (!rc && e->t->pretokenizer) {
		e->scratch = ferry_pretokenizer_scratch_new(e->t->pretokenizer);
		if (!e->scratch)
			rc = -ENOMEM;
	}
	if (!rc && !parts)
		rc = walk_part(&w, 0, n, flags & FERRY_ENCODE_SPECIAL, false);
	for (size_t i = 0; i < n_parts && !rc; i++) {
		rc = walk_part(&w, at, at + parts[i].n, parts[i].is_mark, parts[i].is_mark);
		at += parts[i].n;
	}
	return rc ? rc : flush(&w, n);
}

static int encode_text(const struct ferry_tokenizer *t, const uint8_t *text, size_t n,
		       const struct ferry_chat_part *parts, size_t n_parts, unsigned flags,
		       int32_t **ids, size_t *n_ids, struct ferry_error *err)
{
	struct ferry_encoder e = {.t = t};
	int rc = encode(&e, text, n, parts, n_parts, flags);

	ferry_merge_queue_free(&e.queue);
	ferry_pretokenizer_scratch_free(e.scratch);
	free(e.hashes);
	free(e.text);
	if (rc) {
		free(e.ids);
		return ferry_fail(err, FERRY_ERROR_MEMORY, rc,
				  "out of memory while turning a text of %zu bytes into tokens", n);
	}
	*ids = e.ids;
	*n_ids = e.n_ids;
	return 0;
}

static int too_long(struct ferry_error *err)
{
	return ferry_fail(
		err, FERRY_ERROR_CALLER, -E2BIG,
		"the text is longer than the %d bytes that one call can turn into tokens; "
		"pass it in pieces",
		TEXT_MAX);
}

int ferry_tokenizer_encode(const struct ferry_tokenizer *t, const char *text, size_t n,
			   unsigned flags, int32_t **ids, size_t *n_ids, struct ferry_error *err)
{
	*ids = NULL;
	*n_ids = 0;
	if (n > TEXT_MAX)
		return too_long(err);
	return encode_text(t, (const uint8_t *)text, n, NULL, 0, flags, ids, n_ids, err);
}

int ferry_tokenizer_encode_parts(const struct ferry_tokenizer *t,
				 const struct ferry_chat_part *parts, size_t n_parts,
				 unsigned flags, int32_t **ids, size_t *n_ids,
				 struct ferry_error *err)
{
	size_t n = 0, at = 0;
	uint8_t *text;
	int rc;

	*ids = NULL;
	*n_ids = 0;
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].n > TEXT_MAX - n)
			return too_long(err);
		n += parts[i].n;
	}
	text = malloc(n + 1);
	if (!text)
		return ferry_fail_memory(err, "the conversation", n + 1);
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].n)
			memcpy(text + at, parts[i].text, parts[i].n);
		at += parts[i].n;
	}
	rc = encode_text(t, text, n, parts, n_parts, flags & FERRY_ENCODE_BOS, ids, n_ids, err);
	free(text);
	return rc;
}

/* What a token prints, which may be nothing. */
static size_t piece(const struct ferry_tokenizer *t, int32_t id, unsigned flags,
		    const uint8_t **bytes)
{
	const struct ferry_token *token = &t->vocab.tokens[id];

	*bytes = token->bytes;
	if (token->type == FERRY_TOKEN_CONTROL || token->type == FERRY_TOKEN_UNKNOWN)
		return flags & FERRY_DECODE_SPECIAL ? token->n : 0;
	if ((flags & FERRY_DECODE_FIRST) && t->adds_space && token->n && token->bytes[0] == ' ' &&
	    token->type != FERRY_TOKEN_USER_DEFINED) {
		*bytes += 1;
		return token->n - 1;
	}
	return token->n;
}

int ferry_tokenizer_piece(const struct ferry_tokenizer *t, int32_t id, unsigned flags, char *buf,
			  size_t size)
{
	const uint8_t *bytes;
	size_t n;

	if (!is_id(t, id))
		return -EINVAL;
	n = piece(t, id, flags, &bytes);
	if (n && size)
		memcpy(buf, bytes, n < size ? n : size);
	return (int)n;
}

/* Into @text, or only counted where it is NULL. */
static uint64_t print_all(const struct ferry_tokenizer *t, const int32_t *ids, size_t n_ids,
			  unsigned flags, char *text)
{
	bool fresh = flags & FERRY_DECODE_FIRST;
	uint64_t at = 0;

	for (size_t i = 0; i < n_ids; i++) {
		const uint8_t *bytes;
		size_t n = piece(t, ids[i],
				 (flags & FERRY_DECODE_SPECIAL) | (fresh ? FERRY_DECODE_FIRST : 0),
				 &bytes);

		if (text && n)
			memcpy(text + at, bytes, n);
		at += n;
		fresh = (flags & FERRY_DECODE_FIRST) &&
			t->vocab.tokens[ids[i]].type == FERRY_TOKEN_CONTROL;
	}
	return at;
}

int ferry_tokenizer_decode(const struct ferry_tokenizer *t, const int32_t *ids, size_t n_ids,
			   unsigned flags, char **text, size_t *n, struct ferry_error *err)
{
	uint64_t n_bytes;

	*text = NULL;
	*n = 0;
	for (size_t i = 0; i < n_ids; i++)
		if (!is_id(t, ids[i]))
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "token %d at position %zu is outside the vocabulary of "
					  "%u tokens",
					  (int)ids[i], i, (unsigned)t->vocab.n);
	n_bytes = print_all(t, ids, n_ids, flags, NULL);
	*text = n_bytes < SIZE_MAX ? malloc((size_t)n_bytes + 1) : NULL;
	if (!*text)
		return ferry_fail_memory(err, "the text of the tokens", n_bytes);
	print_all(t, ids, n_ids, flags, *text);
	(*text)[n_bytes] = 0;
	*n = (size_t)n_bytes;
	return 0;
}
