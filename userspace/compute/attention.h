/* SPDX-License-Identifier: MIT */
/*
 * Attention of query rows over the keys and values of one head, and how these lie in memory.
 *
 * Arithmetic. Positions are cut into tiles of FERRY_ATTENTION_TILE and runs of FERRY_ATTENTION_RUN,
 * both aligned to absolute positions. Within a run a row goes through the tiles that it sees in
 * order, with a maximum, a sum of exponentials and weighted values so far; runs begin anew, and
 * their records are merged in order. So a row's result depends on its query, its range and the
 * cache only; not on what else is computed, by which thread, or whether runs are computed apart.
 * ferry_attention_reference() is the same in plain C, bit for bit.
 *
 * The query is first multiplied by log2(e) times the scale, so that scores are in units of ln 2 and
 * exponentials are powers of 2 (exp2.h); with a soft cap by scale / cap, and log2(e) comes in
 * behind it. Dimensions, then positions, are summed in order; sums of exponentials in sixteen
 * lanes, position j in lane j % 16, added as by v16_sum().
 *
 * Q8. A key has a scale for each 32 dimensions, a value one for each 64; scales are BF16, rounded
 * up, and codes whole numbers up to 127. The query is rounded once to the blocks of activation.h:
 *   score = sum over blocks, in order, of (float)(integer sum) * (key scale * query scale)
 * Values: the exponentials of a tile, times the scales of its values, are rounded to whole numbers
 * up to FERRY_ATTENTION_WEIGHT, so that their products with the codes have an exact sum too.
 */
#ifndef FERRY_COMPUTE_ATTENTION_H
#define FERRY_COMPUTE_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum {
	FERRY_ATTENTION_TILE = 64, /* positions */
	FERRY_ATTENTION_RUN = 8 * FERRY_ATTENTION_TILE,
	FERRY_ATTENTION_ROWS = 64, /* at most so many rows in one call */
	FERRY_ATTENTION_KEY_BLOCK = 32,
	FERRY_ATTENTION_VALUE_BLOCK = 64,
	FERRY_ATTENTION_WEIGHT = 16383, /* two groups of seven bits */
};

enum ferry_attention_type {
	FERRY_ATTENTION_F16,
	FERRY_ATTENTION_F32,
	FERRY_ATTENTION_Q8,
};

/*
 * Tiles, one after the other.
 *
 * F16, F32. A tile of keys is [TILE / 16][key_dim][16 positions]: a lane is a position, so a
 * score needs no sum across lanes. A tile of values is
 * [value_dim / 16, rounded up][TILE positions][16 dimensions].
 *
 * Q8. Scales first, [blocks][TILE positions]; then codes, four to a lane. Of keys
 * [TILE / 16][blocks][8][16 positions][4 dimensions]; of values
 * [value_dim / 16, rounded up][TILE / 4][16 dimensions][4 positions].
 */
struct ferry_attention_kv {
	uint8_t *keys, *values;
	uint32_t key_dim, value_dim;
	enum ferry_attention_type type;
};

struct ferry_attention_row {
	const float *q;	     /* [key_dim] */
	float *out;	     /* [value_dim]; or a record */
	uint32_t begin, end; /* the positions it sees; begin < end */
};

struct ferry_attention_scale {
	float scale;   /* of the scores */
	float softcap; /* 0: none; else s = cap * tanh(s / cap) */
};

static inline size_t ferry_attention_blocks(uint32_t dim, uint32_t block)
{
	return ((size_t)dim + block - 1) / block;
}

/* Value dimensions, rounded up to whole registers. */
static inline size_t ferry_attention_padded(uint32_t value_dim)
{
	return ferry_attention_blocks(value_dim, 16) * 16;
}

static inline size_t ferry_attention_key_tile(enum ferry_attention_type type, uint32_t key_dim)
{
	const size_t blocks = ferry_attention_blocks(key_dim, FERRY_ATTENTION_KEY_BLOCK);

	if (type == FERRY_ATTENTION_Q8)
		return FERRY_ATTENTION_TILE * blocks * (2 + FERRY_ATTENTION_KEY_BLOCK);
	return FERRY_ATTENTION_TILE * (size_t)key_dim * (type == FERRY_ATTENTION_F16 ? 2 : 4);
}

static inline size_t ferry_attention_value_tile(enum ferry_attention_type type, uint32_t value_dim)
{
	const size_t blocks = ferry_attention_blocks(value_dim, FERRY_ATTENTION_VALUE_BLOCK);
	const size_t padded = ferry_attention_padded(value_dim);

	if (type == FERRY_ATTENTION_Q8)
		return FERRY_ATTENTION_TILE * (2 * blocks + padded);
	return FERRY_ATTENTION_TILE * padded * (type == FERRY_ATTENTION_F16 ? 2 : 4);
}

/* Where the codes of a Q8 tile begin, in bytes. */
static inline size_t ferry_attention_codes(uint32_t dim, uint32_t block)
{
	return 2 * FERRY_ATTENTION_TILE * ferry_attention_blocks(dim, block);
}

/*
 * Where dimension d of a position lies in its tile: in elements, or in codes for Q8.
 */
static inline size_t ferry_attention_key_at(enum ferry_attention_type type, uint32_t key_dim,
					    uint32_t position, uint32_t d)
{
	const size_t group = position % FERRY_ATTENTION_TILE / 16;
	const size_t blocks = ferry_attention_blocks(key_dim, FERRY_ATTENTION_KEY_BLOCK);

	if (type == FERRY_ATTENTION_Q8)
		return group * 16 * FERRY_ATTENTION_KEY_BLOCK * blocks + (size_t)(d / 4) * 64 +
		       position % 16 * 4 + d % 4;
	return group * 16 * key_dim + (size_t)d * 16 + position % 16;
}

static inline size_t ferry_attention_value_at(enum ferry_attention_type type, uint32_t position,
					      uint32_t d)
{
	const uint32_t p = position % FERRY_ATTENTION_TILE;
	const size_t chunk = (size_t)(d / 16) * (16 * FERRY_ATTENTION_TILE);

	if (type == FERRY_ATTENTION_Q8)
		return chunk + p / 4 * 64 + d % 16 * 4 + p % 4;
	return chunk + p * 16 + d % 16;
}

/*
 * What a row has seen of a run: [padded] sums of exp(score - maximum) * value, then the maximum
 * and the sum of exp(score - maximum), which is 0 where it has seen nothing.
 */
static inline size_t ferry_attention_record(uint32_t value_dim)
{
	return ferry_attention_padded(value_dim) + 16; /* no two in one cache line */
}

/* Floats of scratch memory that a kernel needs. */
static inline size_t ferry_attention_scratch(uint32_t key_dim, uint32_t value_dim)
{
	const size_t blocks = ferry_attention_blocks(key_dim, FERRY_ATTENTION_KEY_BLOCK);

	const size_t padded = ferry_attention_padded(value_dim);
	const size_t wide = key_dim > padded ? key_dim : padded;

	/* Of each row its scores, query, quantized query and sums; and a tile in F32. */
	return FERRY_ATTENTION_ROWS *
		       (FERRY_ATTENTION_TILE + (FERRY_ATTENTION_KEY_BLOCK + 16) * blocks +
			2 * ferry_attention_record(value_dim)) +
	       FERRY_ATTENTION_TILE * wide;
}

/* Reads a position back, in plain C. */
void ferry_attention_get_key(const struct ferry_attention_kv *kv, uint32_t position, float *key);
void ferry_attention_get_value(const struct ferry_attention_kv *kv, uint32_t position,
			       float *value);

/*
 * The plain version of the kernels; allocates.
 * Return: 0 or -ENOMEM
 */
int ferry_attention_reference(const struct ferry_attention_kv *kv,
			      const struct ferry_attention_row *row,
			      const struct ferry_attention_scale *scale);

#endif
