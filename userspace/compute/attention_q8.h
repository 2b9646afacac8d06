/* SPDX-License-Identifier: MIT */
/*
 * Scores and weighted values of Q8 tiles. Only for attention.c.
 */
#ifndef FERRY_COMPUTE_ATTENTION_Q8_H
#define FERRY_COMPUTE_ATTENTION_Q8_H

#include "compute/attention_query.h"
#include "compute/vector_int.h"
#include "compute/vector_weigh.h"

/* Scores of the positions of one register; blocks are summed in order. */
FERRY_INLINE void score_lanes(const uint8_t *scales, const uint8_t *codes, uint32_t key_dim,
			      const struct ferry_q8_block *const *x, vec *score, const int k,
			      const int n)
{
	for (int r = 0; r < n; r++)
		score[r] = vec_set(0.0f);
	for (uint32_t d = 0, b = 0; d < key_dim; d += FERRY_ATTENTION_KEY_BLOCK, b++) {
		const vec scale = v16_load_bf16(scales + 2 * FERRY_ATTENTION_TILE * b).part[k];
		const uint32_t left = (key_dim - d + 3) / 4, n_slabs = left < 8 ? left : 8;
		veci sum[ATTENTION_GROUP] = {{0}};

		for (uint32_t s = 0; s < n_slabs; s++) {
			const vecu w = slab_load(codes + 64 * s), w_signed = slab_signed(w);

			for (int r = 0; r < n; r++)
				sum[r] = dot4_signed(sum[r], w, w_signed, x[r][b].x + 4 * s);
		}
		for (int r = 0; r < n; r++)
			score[r] += vec_from_int(dot_signed_end(sum[r], &x[r][b])) *
				    (scale * x[r][b].d);
		codes += 16 * FERRY_ATTENTION_KEY_BLOCK;
	}
}

/* p[j] = q . k_j for the whole tile */
FERRY_INLINE void score_q8(const uint8_t *keys, uint32_t key_dim, struct query *const *q,
			   const int n)
{
	const size_t blocks = ferry_attention_blocks(key_dim, FERRY_ATTENTION_KEY_BLOCK);
	const uint8_t *codes = keys + ferry_attention_codes(key_dim, FERRY_ATTENTION_KEY_BLOCK);
	const struct ferry_q8_block *x[ATTENTION_GROUP];

	for (int r = 0; r < n; r++)
		x[r] = q[r]->q8;
	for (int j = 0; j < FERRY_ATTENTION_TILE; j += 16) {
		for (int k = 0; k < V16_PARTS; k++) {
			vec score[ATTENTION_GROUP];

			score_lanes(keys + 2 * j, codes + 4 * k * FERRY_LANES, key_dim, x, score, k,
				    n);
			for (int r = 0; r < n; r++)
				vec_store(q[r]->p + j + k * FERRY_LANES, score[r]);
		}
		codes += blocks * 16 * FERRY_ATTENTION_KEY_BLOCK;
	}
}

/*
 * The weights of a tile's values: p times the values' scales, to whole numbers; what the row does
 * not see is zero, whatever its scale. Returns what one unit of them is worth.
 */
FERRY_INLINE float weights_of(const struct query *q, const uint8_t *scales, int16_t *w)
{
	float weight[FERRY_ATTENTION_TILE] __attribute__((aligned(64)));
	vecu most = {0};
	uint32_t bits;
	float largest, inverse;

	for (int j = 0; j < FERRY_ATTENTION_TILE; j += 16)
		v16_store(weight + j, v16_mul(v16_load(q->p + j), v16_load_bf16(scales + 2 * j)));
	for (uint32_t j = 0; j < q->begin; j++)
		weight[j] = 0.0f;
	for (uint32_t j = q->end; j < FERRY_ATTENTION_TILE; j++)
		weight[j] = 0.0f;
	/* As integers, so that what is not finite is larger than every number. */
	for (int j = 0; j < FERRY_ATTENTION_TILE; j += FERRY_LANES) {
		const vecu v = (vecu)vec_load(weight + j) & 0x7fffffff;

		most = (vecu)vec_select((veci)(v > most), (vec)v, (vec)most);
	}
	bits = vecu_largest(most);
	memcpy(&largest, &bits, sizeof(largest));
	inverse = largest > 1e-30f && bits < 0x7f800000 ? FERRY_ATTENTION_WEIGHT / largest : 0.0f;
	if (bits < 0x7f800000)
		weights_round(weight, inverse, w);
	else
		memset(w, 0, FERRY_ATTENTION_TILE * sizeof(*w));
	return largest / FERRY_ATTENTION_WEIGHT;
}

/* out = out * old + (float)(sum of weights and codes) * unit */
FERRY_INLINE void weigh_q8(const uint8_t *values, uint32_t value_dim, struct query *const *q,
			   const int n)
{
	int16_t w[ATTENTION_GROUP][FERRY_ATTENTION_TILE] __attribute__((aligned(64)));
	const uint8_t *codes =
		values + ferry_attention_codes(value_dim, FERRY_ATTENTION_VALUE_BLOCK);
	uint32_t begin = FERRY_ATTENTION_TILE, end = 0; /* what any of the rows sees */
	float unit[ATTENTION_GROUP] = {0};

	for (int r = 0; r < n; r++) {
		begin = q[r]->begin < begin ? q[r]->begin : begin;
		end = q[r]->end > end ? q[r]->end : end;
	}
	end = (end + 3) / 4 * 4;
	for (uint32_t d = 0; d < value_dim; d += 16, codes += 16 * FERRY_ATTENTION_TILE) {
		if (d % FERRY_ATTENTION_VALUE_BLOCK == 0)
			for (int r = 0; r < n; r++)
				unit[r] = weights_of(q[r],
						     values + d / FERRY_ATTENTION_VALUE_BLOCK * 2 *
								      FERRY_ATTENTION_TILE,
						     w[r]);
		for (int k = 0; k < V16_PARTS; k++) {
			const uint8_t *at = codes + 4 * k * FERRY_LANES;
			veci low[ATTENTION_GROUP] = {{0}}, high[ATTENTION_GROUP] = {{0}};

			for (size_t j = begin / 4 * 4; j < end; j += 4) {
				const vecu v0 = weigh_codes(at + 16 * j, 0);
				const vecu v1 = weigh_codes(at + 16 * j, 1);

				for (int r = 0; r < n; r++) {
					low[r] = weigh_add(low[r], v0, weigh_weights(w[r] + j), 0);
					high[r] =
						weigh_add(high[r], v1, weigh_weights(w[r] + j), 1);
				}
			}
			for (int r = 0; r < n; r++) {
				float *out = q[r]->out + d + k * FERRY_LANES;

				vec_store(out, vec_load(out) * q[r]->old +
						       vec_from_int(weigh_end(low[r], high[r])) *
							       unit[r]);
			}
		}
	}
}

#endif
