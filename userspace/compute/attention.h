/* SPDX-License-Identifier: MIT */
/*
 * Attention of query rows over the keys and values of one head.
 *
 * Positions are cut into tiles at fixed multiples of FERRY_ATTENTION_TILE. Within a tile a row
 * gets a maximum, a sum of exponentials and a weighted sum of values; these are merged in the
 * order of the tiles. So a row's result depends on its query, its range and the cache only, not on
 * what else is computed or by which thread.
 */
#ifndef FERRY_COMPUTE_ATTENTION_H
#define FERRY_COMPUTE_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FERRY_ATTENTION_TILE = 64, /* positions */
	FERRY_ATTENTION_ROWS = 16, /* at most so many rows in one call */
};

/*
 * Tiles, one after the other. A tile of keys is [TILE / 16][key_dim][16 positions]: a lane is a
 * position, so a score needs no sum across lanes. A tile of values is
 * [value_dim / 16, rounded up][TILE positions][16 dimensions].
 */
struct ferry_attention_kv {
	const uint8_t *keys, *values;
	uint32_t key_dim, value_dim;
	bool f16; /* binary16, else binary32 */
};

struct ferry_attention_row {
	const float *q;	     /* [key_dim] */
	float *out;	     /* [value_dim] */
	uint32_t begin, end; /* the positions it sees; begin < end */
};

struct ferry_attention_scale {
	float scale;   /* of the scores */
	float softcap; /* 0: none; else s = cap * tanh(s / cap) */
};

static inline size_t ferry_attention_key_tile(uint32_t key_dim)
{
	return (size_t)FERRY_ATTENTION_TILE * key_dim;
}

static inline size_t ferry_attention_value_tile(uint32_t value_dim)
{
	return (size_t)FERRY_ATTENTION_TILE * ((value_dim + 15) / 16 * 16);
}

/* Where dimension d of a position lies, in elements from the beginning of keys or values. */
static inline size_t ferry_attention_key_at(uint32_t key_dim, uint32_t position, uint32_t d)
{
	return (size_t)(position / 16) * 16 * key_dim + (size_t)d * 16 + position % 16;
}

static inline size_t ferry_attention_value_at(uint32_t value_dim, uint32_t position, uint32_t d)
{
	return position / FERRY_ATTENTION_TILE * ferry_attention_value_tile(value_dim) +
	       (size_t)(d / 16) * (16 * FERRY_ATTENTION_TILE) +
	       position % FERRY_ATTENTION_TILE * 16 + d % 16;
}

/* Floats of scratch memory that the kernel needs. */
static inline size_t ferry_attention_scratch(uint32_t value_dim)
{
	size_t padded = (value_dim + 15) / 16 * 16;

	return FERRY_ATTENTION_ROWS * (FERRY_ATTENTION_TILE + 2 * padded);
}

#endif
