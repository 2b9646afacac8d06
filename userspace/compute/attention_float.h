/* SPDX-License-Identifier: MIT */
/*
 * Scores and weighted values of F16 and F32 tiles. Only for attention.c.
 */
#ifndef FERRY_COMPUTE_ATTENTION_FLOAT_H
#define FERRY_COMPUTE_ATTENTION_FLOAT_H

#include "compute/attention_query.h"

FERRY_INLINE struct v16 load_sixteen(const uint8_t *elements, size_t i, const bool f16)
{
	return f16 ? v16_load_f16(elements + 2 * i) : v16_load(elements + 4 * i);
}

/* p[j] = q . k_j for the whole tile; dimensions are summed in order. */
FERRY_INLINE void score_floats(const uint8_t *keys, uint32_t key_dim, struct query *const *q,
			       const bool f16, const int n)
{
	const float *x[ATTENTION_GROUP];
	size_t at = 0;

	for (int r = 0; r < n; r++)
		x[r] = q[r]->q;
	for (int j = 0; j < FERRY_ATTENTION_TILE; j += 16) {
		struct v16 sum[ATTENTION_GROUP];

		for (int r = 0; r < n; r++)
			sum[r] = v16_set(0.0f);
		for (uint32_t d = 0; d < key_dim; d++, at += 16) {
			const struct v16 k = load_sixteen(keys, at, f16);

			for (int r = 0; r < n; r++)
				sum[r] = v16_mul_add(v16_set(x[r][d]), k, sum[r]);
		}
		for (int r = 0; r < n; r++)
			v16_store(q[r]->p + j, sum[r]);
	}
}

/* sum += p[j] v_j for j in [begin, end) */
FERRY_INLINE struct v16 weigh_some(const uint8_t *values, struct v16 sum, const float *p,
				   uint32_t begin, uint32_t end, const bool f16)
{
	for (uint32_t j = begin; j < end; j++)
		sum = v16_mul_add(v16_set(p[j]), load_sixteen(values, 16 * (size_t)j, f16), sum);
	return sum;
}

/*
 * out = out * old + sum of p[j] v_j over the positions that a row sees, in order. What another
 * row does not see it does not multiply by zero either: it may not be a number.
 */
FERRY_INLINE void weigh_floats(const uint8_t *values, uint32_t value_dim, struct query *const *q,
			       const bool f16, const int n)
{
	const float *p[ATTENTION_GROUP];
	uint32_t begin = 0, end = FERRY_ATTENTION_TILE; /* what all rows see */

	for (int r = 0; r < n; r++) {
		begin = q[r]->begin > begin ? q[r]->begin : begin;
		end = q[r]->end < end ? q[r]->end : end;
		p[r] = q[r]->p;
	}
	if (begin >= end)
		begin = end = FERRY_ATTENTION_TILE;
	for (uint32_t d = 0; d < value_dim; d += 16) {
		struct v16 sum[ATTENTION_GROUP];

		for (int r = 0; r < n; r++)
			sum[r] = weigh_some(values, v16_set(0.0f), p[r], q[r]->begin,
					    q[r]->end < begin ? q[r]->end : begin, f16);
		for (uint32_t j = begin; j < end; j++) {
			const struct v16 v = load_sixteen(values, 16 * (size_t)j, f16);

			for (int r = 0; r < n; r++)
				sum[r] = v16_mul_add(v16_set(p[r][j]), v, sum[r]);
		}
		for (int r = 0; r < n; r++) {
			float *out = q[r]->out + d;

			sum[r] = weigh_some(values, sum[r], p[r], end, q[r]->end, f16);
			v16_store(out, v16_mul_add(v16_load(out), v16_set(q[r]->old), sum[r]));
		}
		values += (size_t)16 * FERRY_ATTENTION_TILE * (f16 ? 2 : 4);
	}
}

#endif
