/* SPDX-License-Identifier: MIT */
/*
 * Memory that lives and dies together: many small allocations, one release.
 */
#ifndef FERRY_BASE_ARENA_H
#define FERRY_BASE_ARENA_H

#include <stddef.h>

struct ferry_arena_chunk;

struct ferry_arena {
	struct ferry_arena_chunk *chunks; /* newest first */
	size_t used;			  /* bytes taken from the newest chunk */
	size_t total;			  /* bytes asked of malloc, for limits */
	size_t limit;			  /* 0: none; else allocations past it fail */
};

/* Zeroed memory aligned to 64 bytes, or NULL: no memory, or @count * @size overflows. */
void *ferry_arena_alloc(struct ferry_arena *a, size_t count, size_t size);

/* A NUL-terminated copy of @n bytes, or NULL. */
char *ferry_arena_string(struct ferry_arena *a, const void *bytes, size_t n);

void ferry_arena_free(struct ferry_arena *a);

#endif
