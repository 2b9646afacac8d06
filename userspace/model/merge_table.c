// SPDX-License-Identifier: MIT
#include "model/merge_table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "model/byte_alphabet.h"
#include "model/gguf_parse.h"
#include "model/vocabulary_index.h"

static size_t slot_of(const struct ferry_merge_table *t, int32_t left, int32_t right)
{
	uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

	return (size_t)(pair * t->multiplier >> t->shift) & t->mask;
}

const struct ferry_merge_slot *ferry_merge_table_find(const struct ferry_merge_table *t,
						      int32_t left, int32_t right)
{
	for (size_t i = slot_of(t, left, right); t->slots[i].merged >= 0; i = (i + 1) & t->mask)
		if (t->slots[i].left == left && t->slots[i].right == right)
			return &t->slots[i];
	return NULL;
}

/* The first of equal merges wins; a file full of them must not make one long chain. */
static void insert(struct ferry_merge_table *t, struct ferry_merge_slot m)
{
	size_t i = slot_of(t, m.left, m.right);

	if (ferry_merge_table_find(t, m.left, m.right))
		return;
	while (t->slots[i].merged >= 0)
		i = (i + 1) & t->mask;
	t->slots[i] = m;
}

/* Both halves and the whole as tokens. Return: whether all three are. */
static bool resolve(const struct ferry_vocab *v, const uint8_t *text, size_t n, size_t space,
		    struct ferry_merge_slot *m)
{
	uint8_t bytes[2 * FERRY_TOKEN_BYTES_MAX];
	size_t n_left, n_right;

	if (n > sizeof(bytes) || !ferry_byte_alphabet_decode(text, space, bytes, &n_left) ||
	    !ferry_byte_alphabet_decode(text + space + 1, n - space - 1, bytes + n_left, &n_right))
		return false;
	m->left = ferry_vocab_find(v, bytes, n_left);
	m->right = ferry_vocab_find(v, bytes + n_left, n_right);
	m->merged = ferry_vocab_find(v, bytes, n_left + n_right);
	return m->left >= 0 && m->right >= 0 && m->merged >= 0;
}

int ferry_merge_table_load(struct ferry_merge_table *t, const struct ferry_vocab *v,
			   const struct ferry_gguf *g, struct ferry_arena *arena,
			   struct ferry_error *err)
{
	const struct ferry_gguf_value *list = ferry_gguf_find(g, "tokenizer.ggml.merges");
	unsigned bits = 1;

	if (!list || list->type != FERRY_GGUF_ARRAY || list->array.type != FERRY_GGUF_STRING)
		return ferry_gguf_damaged(g, err, "key tokenizer.ggml.merges is %s",
					  list ? "not an array of strings" : "missing");
	if (list->array.n > FERRY_VOCAB_MAX)
		return ferry_gguf_damaged(g, err,
					  "key tokenizer.ggml.merges has %" PRIu64 " elements",
					  list->array.n);
	while ((uint64_t)1 << bits < 2 * list->array.n)
		bits++;
	t->mask = ((size_t)1 << bits) - 1;
	t->shift = 64 - bits;
	t->multiplier = (v->hash_base * UINT64_C(0x9e3779b97f4a7c15)) | 1;
	t->slots = ferry_arena_alloc(arena, t->mask + 1, sizeof(*t->slots));
	if (!t->slots)
		return ferry_fail_memory(err, "the merges of the vocabulary",
					 (t->mask + 1) * sizeof(*t->slots));
	for (size_t i = 0; i <= t->mask; i++)
		t->slots[i].merged = -1;
	for (uint64_t i = 0; i < list->array.n; i++) {
		const struct ferry_gguf_string *s = &list->array.strings[i];
		struct ferry_merge_slot m = {.rank = (uint32_t)i};
		/* The left text may itself begin with a space. */
		const char *space = s->n > 2 ? memchr(s->bytes + 1, ' ', s->n - 2) : NULL;

		if (!space)
			return ferry_gguf_damaged(g, err,
						  "element %" PRIu64 " of tokenizer.ggml.merges is "
						  "not two texts with a space between them",
						  i);
		if (resolve(v, (const uint8_t *)s->bytes, s->n, (size_t)(space - s->bytes), &m))
			insert(t, m);
	}
	return 0;
}
