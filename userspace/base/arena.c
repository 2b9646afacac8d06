// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_ALIGN = 64, /* one cache line, and the widest vector */
	ARENA_CHUNK = 64 * 1024,
};

struct ferry_arena_chunk {
	struct ferry_arena_chunk *next;
	size_t size; /* bytes behind the header */
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

void *ferry_arena_alloc(struct ferry_arena *a, size_t count, size_t size)
{
	struct ferry_arena_chunk *c = a->chunks;
	size_t bytes, want;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes) ||
	    bytes > SIZE_MAX - 2 * ARENA_ALIGN - sizeof(*c))
		return NULL;
	bytes = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (!c || bytes > c->size - a->used) {
		want = bytes > ARENA_CHUNK ? bytes : ARENA_CHUNK;
		if (a->limit && (a->total > a->limit || want > a->limit - a->total))
			return NULL;
		c = aligned_alloc(ARENA_ALIGN, sizeof(*c) + want);
		if (!c)
			return NULL;
		c->next = a->chunks;
		c->size = want;
		a->chunks = c;
		a->used = 0;
		a->total += want;
	}
	p = c->data + a->used;
	a->used += bytes;
	return memset(p, 0, bytes);
}

char *ferry_arena_string(struct ferry_arena *a, const void *bytes, size_t n)
{
	char *s = n < SIZE_MAX ? ferry_arena_alloc(a, n + 1, 1) : NULL;

	return s && n ? memcpy(s, bytes, n) : s;
}

void ferry_arena_free(struct ferry_arena *a)
{
	while (a->chunks) {
		struct ferry_arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	*a = (struct ferry_arena){.limit = a->limit};
}
