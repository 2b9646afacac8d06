// SPDX-License-Identifier: MIT
/*
 * Packing at the speed of memory: a type's own function moves a block four bytes at a time from
 * the layout of the file to that of the lanes, both of which keep fields of one weight within a
 * byte. What goes where is in packed.h and dequantize_*.c; packed.c does the same bit by bit and
 * is what the tests compare with.
 */
#include <string.h>

#include "base/bytes.h"
#include "compute/packed.h"

enum { LANES = FERRY_PACKED_LANES, SLAB = FERRY_PACKED_SLAB, SLICE_WORDS = 8 };

#define NIBBLES 0x0f0f0f0fu
#define PAIRS	0x03030303u
#define BITS	0x01010101u

#define INLINE	static inline __attribute__((always_inline))

/* One block of a row to its lane of a chunk: a field of n bytes is at n * lane from its first. */
typedef void pack_block(const uint8_t *block, uint8_t *chunk, size_t lane);

INLINE uint32_t word(const uint8_t *bytes, size_t i)
{
	return ferry_load_le32(bytes + 4 * i);
}

INLINE void put_half(uint8_t *field, size_t lane, const uint8_t *half)
{
	memcpy(field + 2 * lane, half, 2);
}

/* Nibbles as Q4_0 pairs them, 16 weights apart: the pairs that the slice wants. */
INLINE void put_nibbles(uint8_t *plane, size_t lane, const uint8_t bytes[16])
{
	for (size_t s = 0; s < 4; s++)
		memcpy(plane + SLAB * s + 4 * lane, bytes + 4 * s, 4);
}

/* The low (@shift 0) or high (4) nibbles of 32 bytes are a slice. */
INLINE void gather_nibbles(uint8_t *plane, size_t lane, const uint8_t bytes[32], int shift)
{
	for (size_t s = 0; s < 4; s++)
		ferry_store_le32(plane + SLAB * s + 4 * lane,
				 (word(bytes, s) >> shift & NIBBLES) |
					 (word(bytes, s + 4) >> shift & NIBBLES) << 4);
}

/* Two bits of each of 32 bytes */
INLINE void gather_pairs(uint8_t *plane, size_t lane, const uint8_t bytes[32], int shift)
{
	for (size_t half = 0; half < 2; half++) {
		uint32_t w = 0;

		for (size_t s = 0; s < 4; s++)
			w |= (word(bytes, 4 * half + s) >> shift & PAIRS) << 2 * s;
		ferry_store_le32(plane + SLAB * half + 4 * lane, w);
	}
}

/* One bit of each of 32 bytes */
INLINE void gather_bits(uint8_t *plane, size_t lane, const uint8_t bytes[32], int shift)
{
	uint32_t w = 0;

	for (size_t s = 0; s < SLICE_WORDS; s++)
		w |= (word(bytes, s) >> shift & BITS) << s;
	ferry_store_le32(plane + 4 * lane, w);
}

/* 32 bits in a row. The product puts bits 0..3 of a nibble at 0, 8, 16, 24, and others between. */
INLINE void spread_bits(uint8_t *plane, size_t lane, const uint8_t bytes[4])
{
	uint32_t bits = ferry_load_le32(bytes), w = 0;

	for (size_t s = 0; s < SLICE_WORDS; s++)
		w |= ((bits >> 4 * s & 15) * 0x00204081u & BITS) << s;
	ferry_store_le32(plane + 4 * lane, w);
}

/* @n bytes, each to a field of its own */
INLINE uint8_t *put_bytes(uint8_t *fields, size_t lane, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fields[LANES * i + lane] = bytes[i];
	return fields + LANES * n;
}

/* Q4_0, IQ4_NL: d, 16 bytes of nibbles */
INLINE void pack_q4_0(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b);
	put_nibbles(c + 2 * LANES, lane, b + 2);
}

INLINE void pack_q4_1(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b);
	put_half(c + 2 * LANES, lane, b + 2);
	put_nibbles(c + 4 * LANES, lane, b + 4);
}

INLINE void pack_q5_0(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b);
	put_nibbles(c + 2 * LANES, lane, b + 6);
	spread_bits(c + 2 * LANES + 4 * SLAB, lane, b + 2);
}

INLINE void pack_q5_1(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b);
	put_half(c + 2 * LANES, lane, b + 2);
	put_nibbles(c + 4 * LANES, lane, b + 8);
	spread_bits(c + 4 * LANES + 4 * SLAB, lane, b + 4);
}

INLINE void pack_q8_0(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b);
	for (size_t s = 0; s < SLICE_WORDS; s++)
		memcpy(c + 2 * LANES + SLAB * s + 4 * lane, b + 2 + 4 * s, 4);
}

INLINE void pack_q2_k(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b + 80);
	put_half(c + 2 * LANES, lane, b + 82);
	c = put_bytes(c + 4 * LANES, lane, b, 16);
	for (size_t i = 0; i < 8; i++, c += 2 * SLAB)
		gather_pairs(c, lane, b + 16 + i / 4 * 32, (int)(i % 4) * 2);
}

/* The low nibbles of scales g and g + 8 share a byte in the file, those of g and g + 1 here. */
INLINE void pack_q3_k(const uint8_t *b, uint8_t *c, size_t lane)
{
	const uint8_t *low = b + 96, *high = b + 104;

	put_half(c, lane, b + 108);
	c += 2 * LANES + lane;
	for (size_t i = 0; i < 8; i++, c += LANES) {
		const size_t g = i * 2 % 8;
		const int shift = i < 4 ? 0 : 4;

		*c = (uint8_t)((low[g] >> shift & 15) | (low[g + 1] >> shift & 15) << 4);
	}
	for (int i = 0; i < 4; i++, c += LANES) {
		*c = 0;
		for (int k = 0; k < 4; k++)
			*c |= (uint8_t)((high[k] >> 2 * i & 3) << 2 * k);
	}
	c -= lane;
	for (size_t i = 0; i < 8; i++, c += 3 * SLAB) {
		gather_pairs(c, lane, b + 32 + i / 4 * 32, (int)(i % 4) * 2);
		gather_bits(c + 2 * SLAB, lane, b, (int)i);
	}
}

/* Of Q4_K and Q5_K. Byte g + 8 of the file has the low nibbles of scale and minimum g + 4. */
INLINE uint8_t *pack_k_header(const uint8_t *b, uint8_t *c, size_t lane)
{
	const uint8_t *scale = b + 4, *min = b + 8;

	put_half(c, lane, b);
	put_half(c + 2 * LANES, lane, b + 2);
	c += 4 * LANES + lane;
	for (size_t g = 0; g < 4; g++, c += LANES)
		*c = (uint8_t)((scale[g] & 15) | min[g] << 4);
	for (size_t g = 0; g < 4; g++, c += LANES)
		*c = b[12 + g];
	for (size_t i = 0; i < 4; i++, c += LANES) {
		const size_t g = i * 2 % 4;
		const int shift = i < 2 ? 4 : 6; /* bits 4, 5 of groups 0..3; 6, 7 have 4..7's */

		*c = (uint8_t)((scale[g] >> shift & 3) | (min[g] >> shift & 3) << 2 |
			       (scale[g + 1] >> shift & 3) << 4 | (min[g + 1] >> shift & 3) << 6);
	}
	return c - lane;
}

INLINE void pack_q4_k(const uint8_t *b, uint8_t *c, size_t lane)
{
	c = pack_k_header(b, c, lane);
	for (size_t i = 0; i < 8; i++, c += 4 * SLAB)
		gather_nibbles(c, lane, b + 16 + i / 2 * 32, (int)(i % 2) * 4);
}

INLINE void pack_q5_k(const uint8_t *b, uint8_t *c, size_t lane)
{
	c = pack_k_header(b, c, lane);
	for (size_t i = 0; i < 8; i++, c += 5 * SLAB) {
		gather_nibbles(c, lane, b + 48 + i / 2 * 32, (int)(i % 2) * 4);
		gather_bits(c + 4 * SLAB, lane, b + 16, (int)i);
	}
}

INLINE void pack_q6_k(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b + 208);
	c = put_bytes(c + 2 * LANES, lane, b + 192, 16);
	for (size_t i = 0; i < 8; i++, c += 6 * SLAB) {
		gather_nibbles(c, lane, b + i / 4 * 64 + i % 2 * 32, (int)(i % 4 / 2) * 4);
		gather_pairs(c + 4 * SLAB, lane, b + 128 + i / 4 * 32, (int)(i % 4) * 2);
	}
}

/* The scales are divided in the file as they are here. */
INLINE void pack_iq4_xs(const uint8_t *b, uint8_t *c, size_t lane)
{
	put_half(c, lane, b);
	c = put_bytes(c + 2 * LANES, lane, b + 4, 4);
	c = put_bytes(c, lane, b + 2, 2);
	for (size_t i = 0; i < 8; i++, c += 4 * SLAB)
		put_nibbles(c, lane, b + 8 + 16 * i);
}

/* Rows 16 @g .. 16 @g + 15, as far as there are some. */
INLINE void pack_group(const struct ferry_matrix *w, size_t g, uint8_t *out, size_t block_bytes,
		       pack_block *pack)
{
	const size_t first = g * LANES;
	const size_t n = w->n_out - first < LANES ? w->n_out - first : LANES;

	if (n < LANES)
		memset(out, 0, LANES * w->row_bytes);
	for (size_t i = 0; i < w->row_bytes; i += block_bytes, out += LANES * block_bytes)
		for (size_t lane = 0; lane < n; lane++)
			pack(w->rows + (first + lane) * w->row_bytes + i, out, lane);
}

static void pack_one(const struct ferry_matrix *w, size_t g, uint8_t *out)
{
	/* Each call has a function of its own inlined into the loops. */
	switch (w->type) {
	case FERRY_TYPE_Q4_0:
	case FERRY_TYPE_IQ4_NL:
		pack_group(w, g, out, 18, pack_q4_0);
		break;
	case FERRY_TYPE_Q4_1:
		pack_group(w, g, out, 20, pack_q4_1);
		break;
	case FERRY_TYPE_Q5_0:
		pack_group(w, g, out, 22, pack_q5_0);
		break;
	case FERRY_TYPE_Q5_1:
		pack_group(w, g, out, 24, pack_q5_1);
		break;
	case FERRY_TYPE_Q8_0:
		pack_group(w, g, out, 34, pack_q8_0);
		break;
	case FERRY_TYPE_Q2_K:
		pack_group(w, g, out, 84, pack_q2_k);
		break;
	case FERRY_TYPE_Q3_K:
		pack_group(w, g, out, 110, pack_q3_k);
		break;
	case FERRY_TYPE_Q4_K:
		pack_group(w, g, out, 144, pack_q4_k);
		break;
	case FERRY_TYPE_Q5_K:
		pack_group(w, g, out, 176, pack_q5_k);
		break;
	case FERRY_TYPE_Q6_K:
		pack_group(w, g, out, 210, pack_q6_k);
		break;
	case FERRY_TYPE_IQ4_XS:
		pack_group(w, g, out, 136, pack_iq4_xs);
		break;
	case FERRY_TYPE_F32:
	case FERRY_TYPE_F16:
	case FERRY_TYPE_BF16:
		break; /* have no codes */
	}
}

void ferry_pack_groups(const struct ferry_matrix *w, size_t begin, size_t end, uint8_t *out)
{
	for (size_t g = begin; g < end; g++, out += LANES * w->row_bytes)
		pack_one(w, g, out);
}
