// SPDX-License-Identifier: MIT
#include "model/gguf_index.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/clock.h"

#define EMPTY UINT32_MAX

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012; the rounds are those that hash tables use). */
static uint64_t hash_name(const uint64_t key[2], const char *name)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	size_t n = strlen(name), i;
	uint64_t m;

	for (i = 0; i + 8 <= n; i += 8) {
		m = ferry_load_le64(name + i);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)n << 56;
	for (unsigned shift = 0; i < n; i++, shift += 8)
		m |= (uint64_t)(unsigned char)name[i] << shift;
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int round = 0; round < 3; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint32_t *new_table(struct ferry_arena *arena, uint64_t n, uint32_t *mask)
{
	uint32_t n_slots = 8, *table;

	while (n_slots < 2 * n)
		n_slots *= 2;
	table = ferry_arena_alloc(arena, n_slots, sizeof(*table));
	if (table)
		memset(table, 0xff, n_slots * sizeof(*table)); /* EMPTY */
	*mask = n_slots - 1;
	return table;
}

int ferry_gguf_index_init(struct ferry_gguf *g)
{
	/* Early in boot the pool may not be ready; an address and the time must do then. */
	if (getrandom(g->hash_key, sizeof(g->hash_key), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(g->hash_key)) {
		g->hash_key[0] = (uintptr_t)g;
		g->hash_key[1] = ferry_now_ns();
	}
	g->value_index = new_table(&g->arena, g->n_values, &g->index_mask[0]);
	g->tensor_index = new_table(&g->arena, g->n_tensors, &g->index_mask[1]);
	return g->value_index && g->tensor_index ? 0 : -ENOMEM;
}

/* The slot that holds @name, or the empty one where it would go. */
static uint32_t *value_slot(const struct ferry_gguf *g, const char *name)
{
	uint32_t mask = g->index_mask[0], at = (uint32_t)hash_name(g->hash_key, name) & mask;

	while (g->value_index[at] != EMPTY && strcmp(g->values[g->value_index[at]].key, name))
		at = (at + 1) & mask;
	return &g->value_index[at];
}

static uint32_t *tensor_slot(const struct ferry_gguf *g, const char *name)
{
	uint32_t mask = g->index_mask[1], at = (uint32_t)hash_name(g->hash_key, name) & mask;

	while (g->tensor_index[at] != EMPTY && strcmp(g->tensors[g->tensor_index[at]].name, name))
		at = (at + 1) & mask;
	return &g->tensor_index[at];
}

int ferry_gguf_index_value(struct ferry_gguf *g, uint32_t i)
{
	uint32_t *slot = value_slot(g, g->values[i].key);

	if (*slot != EMPTY)
		return -EEXIST;
	*slot = i;
	return 0;
}

int ferry_gguf_index_tensor(struct ferry_gguf *g, uint32_t i)
{
	uint32_t *slot = tensor_slot(g, g->tensors[i].name);

	if (*slot != EMPTY)
		return -EEXIST;
	*slot = i;
	return 0;
}

const struct ferry_gguf_value *ferry_gguf_find(const struct ferry_gguf *g, const char *key)
{
	uint32_t i = *value_slot(g, key);

	return i == EMPTY ? NULL : &g->values[i];
}

const struct ferry_tensor *ferry_gguf_tensor(const struct ferry_gguf *g, const char *name)
{
	uint32_t i = *tensor_slot(g, name);

	return i == EMPTY ? NULL : &g->tensors[i];
}
