// SPDX-License-Identifier: MIT
/*
 * See attention.h for the layout and for what makes a row's result independent of its
 * surroundings. A few rows go through a tile together, so that a key or value is loaded and widened
 * once for all heads that share it; how they are grouped never changes a row's arithmetic.
 */
#include <math.h>

#include "compute/variant.h"
#include "compute/vector_math.h"

enum {
	TILE = FERRY_ATTENTION_TILE,
	GROUP = 4, /* rows at once: with sixteen lanes of sums each, what AVX2 has registers for */
};

/* A row on its way through the tiles. */
struct query {
	const struct ferry_attention_row *row;
	float *out; /* [padded value_dim] sum of exp(score - max) * value, so far */
	float max, sum;

	/* the same for the present tile alone */
	uint32_t begin, end; /* what it sees of the tile */
	float *p;	     /* [TILE] scores, then their exponentials */
	float *tile_out;
	float tile_max, tile_sum;
};

FERRY_INLINE struct v16 load_sixteen(const uint8_t *elements, size_t i, const bool f16)
{
	return f16 ? v16_load_f16(elements + 2 * i) : v16_load(elements + 4 * i);
}

/* p[j] = q . k_j for the whole tile; dimensions are summed in order. */
FERRY_INLINE void score(const struct ferry_attention_kv *kv, size_t tile, struct query *const *q,
			const bool f16, const int n)
{
	size_t at = tile * ferry_attention_key_tile(kv->key_dim);

	for (int j = 0; j < TILE; j += 16) {
		struct v16 sum[GROUP];

		for (int r = 0; r < n; r++)
			sum[r] = v16_set(0.0f);
		for (uint32_t d = 0; d < kv->key_dim; d++, at += 16) {
			struct v16 k = load_sixteen(kv->keys, at, f16);

			for (int r = 0; r < n; r++)
				sum[r] = v16_mul_add(v16_set(q[r]->row->q[d]), k, sum[r]);
		}
		for (int r = 0; r < n; r++)
			v16_store(q[r]->p + j, sum[r]);
	}
}

/* Scores to exponentials; a position that the row does not see gets zero. */
static void soften(struct query *q, const struct ferry_attention_scale *scale)
{
	struct v16 sum = v16_set(0.0f);
	float *p = q->p;

	for (int j = 0; j < TILE; j += FERRY_LANES) {
		vec s = vec_load(p + j) * scale->scale;

		if (scale->softcap > 0.0f)
			s = scale->softcap * vec_tanh(s / scale->softcap);
		vec_store(p + j, s);
	}
	for (uint32_t j = 0; j < TILE; j++)
		if (j < q->begin || j >= q->end)
			p[j] = -INFINITY;
	q->tile_max = -INFINITY;
	for (int j = 0; j < TILE; j++)
		q->tile_max = p[j] > q->tile_max ? p[j] : q->tile_max;
	for (int j = 0; j < TILE; j += FERRY_LANES)
		vec_store(p + j, vec_exp(vec_load(p + j) - q->tile_max));
	for (int j = 0; j < TILE; j += 16)
		sum = v16_add(sum, v16_load(p + j));
	q->tile_sum = v16_sum(sum);
}

/* tile_out = sum of p[j] v_j over the visible positions, in order, the same ones for all n rows. */
FERRY_INLINE void weigh(const struct ferry_attention_kv *kv, size_t tile, struct query *const *q,
			const bool f16, const int n)
{
	const uint32_t begin = q[0]->begin, end = q[0]->end;
	size_t at = tile * ferry_attention_value_tile(kv->value_dim);

	for (uint32_t d = 0; d < kv->value_dim; d += 16, at += 16 * TILE) {
		struct v16 sum[GROUP];

		for (int r = 0; r < n; r++)
			sum[r] = v16_set(0.0f);
		for (uint32_t j = begin; j < end; j++) {
			struct v16 v = load_sixteen(kv->values, at + 16 * j, f16);

			for (int r = 0; r < n; r++)
				sum[r] = v16_mul_add(v16_set(q[r]->p[j]), v, sum[r]);
		}
		for (int r = 0; r < n; r++)
			v16_store(q[r]->tile_out + d, sum[r]);
	}
}

/* Relative to the larger of the two maxima. */
static void merge(struct query *q, uint32_t value_dim)
{
	float max = q->tile_max > q->max ? q->tile_max : q->max;
	float old = ferry_exp(q->max - max), new = ferry_exp(q->tile_max - max);

	q->sum = q->sum * old + q->tile_sum * new;
	q->max = max;
	for (uint32_t d = 0; d < value_dim; d += 16)
		v16_store(q->out + d, v16_add(v16_mul(v16_load(q->out + d), v16_set(old)),
					      v16_mul(v16_load(q->tile_out + d), v16_set(new))));
}

/* n rows that see something of the tile. */
FERRY_INLINE void attend(const struct ferry_attention_kv *kv, size_t tile, struct query *const *q,
			 const struct ferry_attention_scale *scale, const bool f16, const int n)
{
	bool same = true;

	score(kv, tile, q, f16, n);
	for (int r = 0; r < n; r++) {
		soften(q[r], scale);
		same = same && q[r]->begin == q[0]->begin && q[r]->end == q[0]->end;
	}
	if (same)
		weigh(kv, tile, q, f16, n);
	else
		for (int r = 0; r < n; r++)
			weigh(kv, tile, q + r, f16, 1);
	for (int r = 0; r < n; r++)
		merge(q[r], kv->value_dim);
}

FERRY_INLINE void attend_all(const struct ferry_attention_kv *kv, size_t tile,
			     struct query *const *q, uint32_t n,
			     const struct ferry_attention_scale *scale, const bool f16)
{
	for (; n >= GROUP; n -= GROUP, q += GROUP)
		attend(kv, tile, q, scale, f16, GROUP);
	if (n >= 2) {
		attend(kv, tile, q, scale, f16, 2);
		n -= 2;
		q += 2;
	}
	if (n)
		attend(kv, tile, q, scale, f16, 1);
}

static void attend_f16(const struct ferry_attention_kv *kv, size_t tile, struct query *const *q,
		       uint32_t n, const struct ferry_attention_scale *scale)
{
	attend_all(kv, tile, q, n, scale, true);
}

static void attend_f32(const struct ferry_attention_kv *kv, size_t tile, struct query *const *q,
		       uint32_t n, const struct ferry_attention_scale *scale)
{
	attend_all(kv, tile, q, n, scale, false);
}

void FERRY_VARIANT(ferry_attention)(const struct ferry_attention_kv *kv,
				    const struct ferry_attention_row *rows, uint32_t n_rows,
				    const struct ferry_attention_scale *scale, float *scratch)
{
	const size_t padded = (kv->value_dim + 15) / 16 * 16;
	struct query queries[FERRY_ATTENTION_ROWS], *seeing[FERRY_ATTENTION_ROWS];
	uint32_t first = UINT32_MAX, last = 0;

	for (uint32_t r = 0; r < n_rows; r++) {
		queries[r] = (struct query){
			.row = &rows[r],
			.max = -INFINITY,
			.p = scratch,
			.tile_out = scratch + TILE,
			.out = scratch + TILE + padded,
		};
		scratch += TILE + 2 * padded;
		memset(queries[r].out, 0, padded * sizeof(float));
		first = rows[r].begin < first ? rows[r].begin : first;
		last = rows[r].end > last ? rows[r].end : last;
	}
	for (size_t tile = first / TILE; tile * TILE < last; tile++) {
		const size_t at = tile * TILE;
		uint32_t n = 0;

		for (uint32_t r = 0; r < n_rows; r++) {
			struct query *q = &queries[r];

			if (rows[r].begin >= at + TILE || rows[r].end <= at)
				continue;
			q->begin = rows[r].begin > at ? (uint32_t)(rows[r].begin - at) : 0;
			q->end = rows[r].end < at + TILE ? (uint32_t)(rows[r].end - at) : TILE;
			seeing[n++] = q;
		}
		if (kv->f16)
			attend_f16(kv, tile, seeing, n, scale);
		else
			attend_f32(kv, tile, seeing, n, scale);
	}
	for (uint32_t r = 0; r < n_rows; r++)
		for (uint32_t d = 0; d < kv->value_dim; d++)
			rows[r].out[d] = queries[r].out[d] / queries[r].sum;
}
