// SPDX-License-Identifier: MIT
#include "model/vocabulary_index.h"

#include <string.h>
#include <sys/random.h>

#include "base/error.h"

enum { FALLBACK_BASE = 1000003 };

uint32_t ferry_vocab_hash(const struct ferry_vocab *v, const uint8_t *bytes, size_t n)
{
	uint32_t h = 0;

	for (size_t i = 0; i < n; i++)
		h = ferry_vocab_hash_push(v, h, bytes[i]);
	return h;
}

int32_t ferry_vocab_find_hashed(const struct ferry_vocab *v, uint32_t hash, const uint8_t *bytes,
				size_t n)
{
	for (uint32_t i = hash & v->slot_mask; v->slots[i].id_plus_1; i = (i + 1) & v->slot_mask) {
		const struct ferry_token *t = &v->tokens[v->slots[i].id_plus_1 - 1];

		if (v->slots[i].hash == hash && t->n == n && !memcmp(t->bytes, bytes, n))
			return (int32_t)(v->slots[i].id_plus_1 - 1);
	}
	return -1;
}

int32_t ferry_vocab_find(const struct ferry_vocab *v, const uint8_t *bytes, size_t n)
{
	if (!n || n > v->longest)
		return -1;
	return ferry_vocab_find_hashed(v, ferry_vocab_hash(v, bytes, n), bytes, n);
}

/* Ids never depend on the base, only the places in the table do. */
static uint32_t random_base(void)
{
	uint32_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		return FALLBACK_BASE;
	r &= FERRY_VOCAB_PRIME;
	return r > 256 && r < FERRY_VOCAB_PRIME ? r : FALLBACK_BASE;
}

/* The first of equal tokens wins; a file full of them must not make one long chain. */
static void insert(struct ferry_vocab *v, uint32_t id)
{
	const struct ferry_token *t = &v->tokens[id];
	uint32_t hash = ferry_vocab_hash(v, t->bytes, t->n);
	uint32_t i = hash & v->slot_mask;

	if (ferry_vocab_find_hashed(v, hash, t->bytes, t->n) >= 0)
		return;
	while (v->slots[i].id_plus_1)
		i = (i + 1) & v->slot_mask;
	v->slots[i] = (struct ferry_vocab_slot){.id_plus_1 = id + 1, .hash = hash};
}

int ferry_vocab_build_index(struct ferry_vocab *v, struct ferry_arena *arena,
			    struct ferry_error *err)
{
	size_t n_mergeable = 0, n_slots = 2;

	v->longest = 0;
	for (uint32_t id = 0; id < v->n; id++) {
		if (!v->tokens[id].mergeable)
			continue;
		n_mergeable++;
		if (v->tokens[id].n > v->longest)
			v->longest = v->tokens[id].n;
	}
	while (n_slots < 2 * n_mergeable)
		n_slots *= 2;
	v->hash_power = ferry_arena_alloc(arena, (size_t)v->longest + 1, sizeof(*v->hash_power));
	v->slots = ferry_arena_alloc(arena, n_slots, sizeof(*v->slots));
	if (!v->hash_power || !v->slots)
		return ferry_fail_memory(err, "the index of the vocabulary",
					 n_slots * sizeof(*v->slots));
	v->slot_mask = (uint32_t)(n_slots - 1);
	v->hash_base = random_base();
	v->hash_power[0] = 1;
	for (uint32_t i = 0; i < v->longest; i++)
		v->hash_power[i + 1] = ferry_vocab_mod((uint64_t)v->hash_power[i] * v->hash_base);
	for (uint32_t id = 0; id < v->n; id++)
		if (v->tokens[id].mergeable)
			insert(v, id);
	return 0;
}
