/* SPDX-License-Identifier: MIT */
/*
 * A row on its way through the tiles: what the parts of the attention kernel share. Only for
 * kernel sources.
 */
#ifndef FERRY_COMPUTE_ATTENTION_QUERY_H
#define FERRY_COMPUTE_ATTENTION_QUERY_H

#include "compute/activation.h"
#include "compute/attention.h"
#include "compute/vector_math.h"

/*
 * Rows that meet a key or value while it is in a register; how rows are grouped never changes
 * their arithmetic. As many sums as there are registers for.
 */
#if FERRY_LANES == 4 && !defined(__aarch64__)
enum { ATTENTION_GROUP = 2 };
#else
enum { ATTENTION_GROUP = 4 };
#endif

struct query {
	const float *q;			 /* [key_dim] */
	const struct ferry_q8_block *q8; /* [key_dim / 32], for Q8 keys */
	uint32_t row_begin, row_end;	 /* positions that it sees */
	float *out;			 /* [padded]: of the present run, so far */
	float max, sum;			 /* likewise */

	/* the present tile */
	uint32_t begin, end; /* what it sees of it */
	float *p;	     /* [TILE] scores, then their exponentials */
	float old;	     /* what `out` is multiplied by before the tile is added */
};

#endif
