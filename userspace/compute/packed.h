/* SPDX-License-Identifier: MIT */
/*
 * Rows in lanes: how a quantized matrix lies in memory for the integer kernels.
 *
 * Sixteen rows are a group, and row r of it is lane r of every register. Four consecutive weights
 * of a row are the four bytes of a lane, so that four activations, broadcast, meet all sixteen
 * rows at once and sums never leave their lane. The last group is filled up with zero codes.
 *
 * A group is a sequence of chunks, one for each block of the type, of sixteen times its bytes:
 * nothing is lost and nothing is added, and ferry_packed_row() gives back the blocks of the file.
 * A chunk is a header of scales, then block_len / 32 slices of 32 weights.
 *
 * Slices. A slab is 64 bytes: four for each lane. Slab s = 0..7 holds weights 4 s .. 4 s + 3.
 *   8 bits: the eight slabs.
 *   4 bits: slab s in the low nibbles of the s-th 64 bytes, slab s + 4 in their high ones.
 *   2 bits: slab s in bits 2 (s % 4) of the (s / 4)-th 64 bytes.
 *   1 bit:  slab s in bit s of 64 bytes.
 * A type of five bits has the four low ones, then the high one; six: four, then two; three: two,
 * then one.
 *
 * Headers, each field sixteen times, lane after lane:
 *   F16 d, F16 m: Q4_1, Q5_1, Q2_K, Q4_K, Q5_K; d alone: the others. Then of
 *   Q4_K, Q5_K: u8 low[8], high[4]: low[g] = scale & 15 | min << 4; bits 4 (g % 2) of
 *     high[g / 2] = scale >> 4 | min >> 4 << 2
 *   Q6_K, Q2_K: u8 scale[16], signed, or scale | min << 4
 *   Q3_K: u8 low[8], high[4]: low[g / 2] has the low nibble of scale g at bits 4 (g % 2),
 *     high[g / 4] its upper two bits at bits 2 (g % 4)
 *   IQ4_XS: u8 low[4], high[2], likewise
 */
#ifndef FERRY_COMPUTE_PACKED_H
#define FERRY_COMPUTE_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "compute/block_codes.h"
#include "compute/matrix.h"

enum {
	FERRY_PACKED_LANES = 16, /* rows of a group */
	FERRY_PACKED_SLAB = 64,	 /* bytes */
};

/* W[n_out][n_in] in groups; any type that has codes. */
struct ferry_packed {
	enum ferry_tensor_type type;
	const uint8_t *groups; /* [n_groups][group_bytes]; need not be aligned, better is to 64 */
	size_t n_in, n_out;
	size_t group_bytes; /* 16 * bytes of a row */
};

static inline size_t ferry_packed_n_groups(size_t n_out)
{
	return (n_out + FERRY_PACKED_LANES - 1) / FERRY_PACKED_LANES;
}

/* Bytes that W takes. */
static inline size_t ferry_packed_bytes(const struct ferry_matrix *w)
{
	return ferry_packed_n_groups(w->n_out) * FERRY_PACKED_LANES * w->row_bytes;
}

/* Matrix like @w whose groups begin at @groups. */
static inline struct ferry_packed ferry_packed_like(const struct ferry_matrix *w,
						    const uint8_t *groups)
{
	return (struct ferry_packed){
		.type = w->type,
		.groups = groups,
		.n_in = w->n_in,
		.n_out = w->n_out,
		.group_bytes = FERRY_PACKED_LANES * w->row_bytes,
	};
}

/*
 * Groups [begin, end) of @w to @out, where group @begin goes first. @out may not overlap the rows.
 */
void ferry_pack_groups(const struct ferry_matrix *w, size_t begin, size_t end, uint8_t *out);

/* The same, bit by bit: for tests. */
void ferry_pack_groups_reference(const struct ferry_matrix *w, size_t begin, size_t end,
				 uint8_t *out);

/* The blocks of row @row as they were in the file, [row_bytes]. */
void ferry_packed_row(const struct ferry_packed *p, size_t row, uint8_t *out);

#endif
