// SPDX-License-Identifier: MIT
/*
 * Byte-level BPE: in each word, the pair of neighbours whose merge was learned first merges first.
 */
#include "model/encoder.h"
#include "model/vocabulary_index.h"

static bool pair(const void *data, const struct ferry_symbol *left,
		 const struct ferry_symbol *right, uint32_t *order, int32_t *id)
{
	const struct ferry_merge_table *merges = data;
	const struct ferry_merge_slot *m;

	if (left->id < 0 || right->id < 0)
		return false;
	m = ferry_merge_table_find(merges, left->id, right->id);
	if (!m)
		return false;
	*order = m->rank;
	*id = m->merged;
	return true;
}

/*
 * A byte for which the vocabulary has no token; some leave out those that never occur in UTF-8.
 * It becomes the unknown token or, as vocabularies of this kind rarely have one, U+FFFD.
 */
static int push_unencodable(struct ferry_encoder *e)
{
	static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd};
	const struct ferry_vocab *v = &e->t->vocab;
	int rc = 0;

	if (v->unk >= 0)
		return ferry_encoder_push(e, v->unk);
	for (unsigned i = 0; i < sizeof(replacement) && !rc; i++)
		if (v->byte_token[replacement[i]] >= 0)
			rc = ferry_encoder_push(e, v->byte_token[replacement[i]]);
	return rc;
}

static int encode_word(void *data, const uint8_t *word, size_t n)
{
	struct ferry_encoder *e = data;
	const struct ferry_vocab *v = &e->t->vocab;
	int rc;

	if (ferry_pretokenizer_ignores_merges(e->t->pretokenizer)) {
		int32_t id = ferry_vocab_find(v, word, n);

		if (id >= 0)
			return ferry_encoder_push(e, id);
	}
	ferry_merge_queue_clear(&e->queue);
	for (size_t i = 0; i < n; i++) {
		rc = ferry_merge_queue_add(&e->queue, (uint32_t)i, 1, v->byte_token[word[i]]);
		if (rc)
			return rc;
	}
	rc = ferry_merge_queue_run(&e->queue, pair, &e->t->merges);
	for (int32_t i = 0; i >= 0 && !rc; i = e->queue.symbols[i].next) {
		int32_t id = e->queue.symbols[i].id;

		rc = id >= 0 ? ferry_encoder_push(e, id) : push_unencodable(e);
	}
	return rc;
}

int ferry_encoder_bpe(struct ferry_encoder *e, const uint8_t *text, size_t n)
{
	return ferry_pretokenize(e->scratch, text, n, encode_word, e);
}
