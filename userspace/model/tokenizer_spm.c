// SPDX-License-Identifier: MIT
/*
 * SentencePiece: the pair of neighbours that makes the token with the best score merges first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder.h"
#include "model/utf8.h"
#include "model/vocabulary_index.h"

static const uint8_t space_mark[3] = {0xe2, 0x96, 0x81}; /* U+2581 */

struct word {
	const struct ferry_vocab *vocab;
	const uint8_t *text;
	const uint32_t *hashes; /* of the prefixes: [n + 1] */
};

static int32_t find(const struct word *w, uint32_t start, uint32_t n)
{
	if (n > w->vocab->longest)
		return -1;
	return ferry_vocab_find_hashed(
		w->vocab,
		ferry_vocab_hash_between(w->vocab, w->hashes[start], w->hashes[start + n], n),
		w->text + start, n);
}

static bool pair(const void *data, const struct ferry_symbol *left,
		 const struct ferry_symbol *right, uint32_t *order, int32_t *id)
{
	const struct word *w = data;

	*id = find(w, left->start, left->n + right->n);
	if (*id < 0)
		return false;
	*order = w->vocab->tokens[*id].order;
	return true;
}

/* A stretch that is no token: its bytes where they all are, else one unknown token. */
static int push_bytes(struct ferry_encoder *e, const uint8_t *bytes, uint32_t n, size_t first_id)
{
	const struct ferry_vocab *v = &e->t->vocab;
	int rc = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (v->byte_token[bytes[i]] >= 0)
			continue;
		/* SentencePiece writes one for a run of unknown characters. */
		if (e->n_ids > first_id && e->ids[e->n_ids - 1] == v->unk)
			return 0;
		return ferry_encoder_push(e, v->unk);
	}
	for (uint32_t i = 0; i < n && !rc; i++)
		rc = ferry_encoder_push(e, v->byte_token[bytes[i]]);
	return rc;
}

static int encode_word(struct ferry_encoder *e, const uint8_t *text, size_t n, size_t first_id)
{
	const struct ferry_vocab *v = &e->t->vocab;
	struct word w = {.vocab = v, .text = text};
	int rc;

	if (e->hashes_size < n + 1) {
		uint32_t *p = reallocarray(e->hashes, n + 1, sizeof(*p));

		if (!p)
			return -ENOMEM;
		e->hashes = p;
		e->hashes_size = n + 1;
	}
	e->hashes[0] = 0;
	for (size_t i = 0; i < n; i++)
		e->hashes[i + 1] = ferry_vocab_hash_push(v, e->hashes[i], text[i]);
	w.hashes = e->hashes;

	ferry_merge_queue_clear(&e->queue);
	for (size_t at = 0; at < n;) {
		struct ferry_utf8_char c = ferry_utf8_next(text + at, n - at);
		uint32_t len = c.valid ? c.n : 1;

		rc = ferry_merge_queue_add(&e->queue, (uint32_t)at, len,
					   find(&w, (uint32_t)at, len));
		if (rc)
			return rc;
		at += len;
	}
	rc = ferry_merge_queue_run(&e->queue, pair, &w);
	for (int32_t i = 0; i >= 0 && !rc; i = e->queue.symbols[i].next) {
		const struct ferry_symbol *s = &e->queue.symbols[i];

		rc = s->id >= 0 ? ferry_encoder_push(e, s->id)
				: push_bytes(e, text + s->start, s->n, first_id);
	}
	return rc;
}

int ferry_encoder_spm(struct ferry_encoder *e, const uint8_t *text, size_t n, bool add_space)
{
	size_t first_id = e->n_ids, n_text = 0, begin = 0;
	int rc = 0;

	if (!n)
		return 0;
	if (e->text_size < n + 1) {
		uint8_t *p = realloc(e->text, n + 1);

		if (!p)
			return -ENOMEM;
		e->text = p;
		e->text_size = n + 1;
	}
	if (add_space)
		e->text[n_text++] = ' ';
	for (size_t i = 0; i < n;) {
		if (n - i >= sizeof(space_mark) &&
		    !memcmp(text + i, space_mark, sizeof(space_mark))) {
			e->text[n_text++] = ' ';
			i += sizeof(space_mark);
		} else {
			e->text[n_text++] = text[i++];
		}
	}
	for (size_t i = 1; i <= n_text && !rc; i++) {
		if (i < n_text &&
		    (!e->t->vocab.words_separate || e->text[i] != ' ' || e->text[i - 1] == ' '))
			continue;
		rc = encode_word(e, e->text + begin, i - begin, first_id);
		begin = i;
	}
	return rc;
}
