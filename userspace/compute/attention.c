// SPDX-License-Identifier: MIT
/*
 * See attention.h for the layout and the arithmetic. A tile of keys, then one of values, meets all
 * rows of the call before the next one is looked at.
 */
#include <math.h>

#include "compute/attention_float.h"
#include "compute/attention_q8.h"
#include "compute/variant.h"

enum {
	TILE = FERRY_ATTENTION_TILE,
	GROUP = ATTENTION_GROUP,
	WIDEN = 12, /* rows from which it pays to bring a tile to F32 once for all */
};

/* The largest score that the row sees of the tile, or has seen before in the run. */
static float largest_score(const struct query *q)
{
	float lane[FERRY_LANES], most = q->max;
	vec v = vec_load(q->p);

	for (int j = FERRY_LANES; j < TILE; j += FERRY_LANES) {
		const vec w = vec_load(q->p + j);

		v = vec_select(w > v, w, v);
	}
	vec_store(lane, v);
	for (int l = 0; l < FERRY_LANES; l++)
		most = lane[l] > most ? lane[l] : most;
	return most;
}

/* Scores to exponentials; a position that the row does not see gets zero. */
static void soften(struct query *q, float softcap)
{
	struct v16 sum = v16_set(0.0f);
	float *p = q->p, most, old[FERRY_LANES];

	for (int j = 0; j < TILE && softcap > 0.0f; j += FERRY_LANES)
		vec_store(p + j, softcap * FERRY_LOG2E * vec_tanh(vec_load(p + j)));
	for (uint32_t j = 0; j < q->begin; j++)
		p[j] = -INFINITY;
	for (uint32_t j = q->end; j < TILE; j++)
		p[j] = -INFINITY;
	most = largest_score(q);
	for (int j = 0; j < TILE; j += 16)
		for (int k = 0; k < V16_PARTS; k++) {
			const vec e = vec_exp2(vec_load(p + j + k * FERRY_LANES) - most);

			vec_store(p + j + k * FERRY_LANES, e);
			sum.part[k] += e;
		}
	vec_store(old, vec_exp2(vec_set(q->max - most)));
	q->old = old[0];
	q->sum = q->sum * q->old + v16_sum(sum);
	q->max = most;
}

/* The kernels of a type for n rows. */
FERRY_INLINE void score(enum ferry_attention_type type, const uint8_t *keys, uint32_t key_dim,
			struct query *const *q, const int n)
{
	if (type == FERRY_ATTENTION_Q8)
		score_q8(keys, key_dim, q, n);
	else
		score_floats(keys, key_dim, q, type == FERRY_ATTENTION_F16, n);
}

FERRY_INLINE void weigh(enum ferry_attention_type type, const uint8_t *values, uint32_t value_dim,
			struct query *const *q, const int n)
{
	if (type == FERRY_ATTENTION_Q8)
		weigh_q8(values, value_dim, q, n);
	else
		weigh_floats(values, value_dim, q, type == FERRY_ATTENTION_F16, n);
}

#define DEFINE_TYPE(name, type)                                                    \
	static void score_##name##_rows(const uint8_t *keys, uint32_t key_dim,     \
					struct query *const *q, uint32_t n)        \
	{                                                                          \
		for (; n >= GROUP; n -= GROUP, q += GROUP)                         \
			score(type, keys, key_dim, q, GROUP);                      \
		for (; n; n--, q++)                                                \
			score(type, keys, key_dim, q, 1);                          \
	}                                                                          \
                                                                                   \
	static void weigh_##name##_rows(const uint8_t *values, uint32_t value_dim, \
					struct query *const *q, uint32_t n)        \
	{                                                                          \
		for (; n >= GROUP; n -= GROUP, q += GROUP)                         \
			weigh(type, values, value_dim, q, GROUP);                  \
		for (; n; n--, q++)                                                \
			weigh(type, values, value_dim, q, 1);                      \
	}

DEFINE_TYPE(f16, FERRY_ATTENTION_F16)
DEFINE_TYPE(f32, FERRY_ATTENTION_F32)
DEFINE_TYPE(q8, FERRY_ATTENTION_Q8)

static void widen(const uint8_t *elements, size_t n, float *wide)
{
	for (size_t i = 0; i < n; i += 16)
		v16_store(wide + i, v16_load_f16(elements + 2 * i));
}

/* One tile and the n rows that see something of it. @wide: room for a tile in F32 */
static void attend_tile(const struct ferry_attention_kv *kv, size_t tile, struct query *const *q,
			uint32_t n, float softcap, float *wide)
{
	const size_t padded = ferry_attention_padded(kv->value_dim);
	const uint8_t *keys = kv->keys + tile * ferry_attention_key_tile(kv->type, kv->key_dim);
	const uint8_t *values =
		kv->values + tile * ferry_attention_value_tile(kv->type, kv->value_dim);
	const bool widened = kv->type == FERRY_ATTENTION_F16 && n >= WIDEN;

	if (widened)
		widen(keys, (size_t)TILE * kv->key_dim, wide);
	if (kv->type == FERRY_ATTENTION_Q8)
		score_q8_rows(keys, kv->key_dim, q, n);
	else if (kv->type == FERRY_ATTENTION_F16 && !widened)
		score_f16_rows(keys, kv->key_dim, q, n);
	else
		score_f32_rows(widened ? (const uint8_t *)wide : keys, kv->key_dim, q, n);
	for (uint32_t r = 0; r < n; r++)
		soften(q[r], softcap);
	if (widened)
		widen(values, TILE * padded, wide);
	if (kv->type == FERRY_ATTENTION_Q8)
		weigh_q8_rows(values, kv->value_dim, q, n);
	else if (kv->type == FERRY_ATTENTION_F16 && !widened)
		weigh_f16_rows(values, kv->value_dim, q, n);
	else
		weigh_f32_rows(widened ? (const uint8_t *)wide : values, kv->value_dim, q, n);
}

/* All tiles that any of the rows sees, which is a part of one run. */
static void attend(const struct ferry_attention_kv *kv, struct query *queries, uint32_t n_rows,
		   float softcap, uint32_t begin, uint32_t end, float *wide)
{
	struct query *seeing[FERRY_ATTENTION_ROWS];

	for (size_t tile = begin / TILE; tile * TILE < end; tile++) {
		const size_t at = tile * TILE;
		const size_t limit = at + TILE < end ? at + TILE : end;
		uint32_t n = 0;

		for (uint32_t r = 0; r < n_rows; r++) {
			struct query *q = &queries[r];
			const size_t b = q->row_begin > at ? q->row_begin : at;
			const size_t e = q->row_end < limit ? q->row_end : limit;

			if (b >= e)
				continue;
			q->begin = (uint32_t)(b - at);
			q->end = (uint32_t)(e - at);
			seeing[n++] = q;
		}
		attend_tile(kv, tile, seeing, n, softcap, wide);
	}
}

/* Queries that have seen nothing, on scratch memory. Returns what is left of that. */
static float *begin_queries(struct query *queries, const struct ferry_attention_kv *kv,
			    const struct ferry_attention_row *rows, uint32_t n_rows,
			    const struct ferry_attention_scale *scale, float *scratch)
{
	const size_t n = ferry_attention_blocks(kv->key_dim, FERRY_ATTENTION_KEY_BLOCK) *
			 FERRY_ATTENTION_KEY_BLOCK;
	const float factor = scale->softcap > 0.0f ? scale->scale / scale->softcap
						   : scale->scale * FERRY_LOG2E;

	for (uint32_t r = 0; r < n_rows; r++) {
		struct ferry_q8_block *blocks = (struct ferry_q8_block *)(void *)scratch;
		float *q = scratch + n / FERRY_ATTENTION_KEY_BLOCK * 16, *p = q + n;

		for (uint32_t d = 0; d < kv->key_dim; d++)
			q[d] = rows[r].q[d] * factor;
		for (size_t d = kv->key_dim; d < n; d++)
			q[d] = 0.0f;
		if (kv->type == FERRY_ATTENTION_Q8)
			FERRY_VARIANT(ferry_quantize)(q, n, blocks, 1);
		queries[r] = (struct query){
			.q = q,
			.q8 = blocks,
			.row_begin = rows[r].begin,
			.row_end = rows[r].end,
			.p = p,
		};
		scratch = p + TILE;
	}
	return scratch;
}

static void begin_run(struct query *q, float *record, uint32_t value_dim)
{
	memset(record, 0, ferry_attention_record(value_dim) * sizeof(*record));
	q->out = record;
	q->max = -INFINITY;
	q->sum = 0.0f;
}

static void end_run(struct query *q, uint32_t value_dim)
{
	const size_t padded = ferry_attention_padded(value_dim);

	q->out[padded] = q->max;
	q->out[padded + 1] = q->sum;
}

/* total += run, relative to the larger of the two maxima */
static void merge(float *total, const float *run, uint32_t value_dim)
{
	const size_t padded = ferry_attention_padded(value_dim);
	const float max = total[padded] > run[padded] ? total[padded] : run[padded];
	const float old = ferry_exp2(total[padded] - max), new = ferry_exp2(run[padded] - max);

	if (run[padded + 1] == 0.0f)
		return;
	if (total[padded + 1] == 0.0f) {
		memcpy(total, run, (padded + 2) * sizeof(*total));
		return;
	}
	for (size_t d = 0; d < padded; d += 16)
		v16_store(total + d, v16_add(v16_mul(v16_load(total + d), v16_set(old)),
					     v16_mul(v16_load(run + d), v16_set(new))));
	total[padded] = max;
	total[padded + 1] = total[padded + 1] * old + run[padded + 1] * new;
}

static void finish(const float *total, uint32_t value_dim, float *out)
{
	const float sum = total[ferry_attention_padded(value_dim) + 1];

	for (uint32_t d = 0; d < value_dim; d++)
		out[d] = total[d] / sum;
}

void FERRY_VARIANT(ferry_attention)(const struct ferry_attention_kv *kv,
				    const struct ferry_attention_row *rows, uint32_t n_rows,
				    const struct ferry_attention_scale *scale, float *scratch)
{
	const size_t record = ferry_attention_record(kv->value_dim);
	struct query queries[FERRY_ATTENTION_ROWS];
	uint32_t first = UINT32_MAX, last = 0;
	float *totals = begin_queries(queries, kv, rows, n_rows, scale, scratch);
	float *runs = totals + n_rows * record, *wide = runs + n_rows * record;

	for (uint32_t r = 0; r < n_rows; r++) {
		first = rows[r].begin < first ? rows[r].begin : first;
		last = rows[r].end > last ? rows[r].end : last;
		memset(totals + r * record, 0, record * sizeof(*totals));
	}
	while (first < last) {
		const uint32_t left = FERRY_ATTENTION_RUN - first % FERRY_ATTENTION_RUN;
		const uint32_t end = last - first < left ? last : first + left;

		for (uint32_t r = 0; r < n_rows; r++)
			begin_run(&queries[r], runs + r * record, kv->value_dim);
		attend(kv, queries, n_rows, scale->softcap, first, end, wide);
		for (uint32_t r = 0; r < n_rows; r++) {
			end_run(&queries[r], kv->value_dim);
			merge(totals + r * record, queries[r].out, kv->value_dim);
		}
		first = end;
	}
	for (uint32_t r = 0; r < n_rows; r++)
		finish(totals + r * record, kv->value_dim, rows[r].out);
}

void FERRY_VARIANT(ferry_attention_run)(const struct ferry_attention_kv *kv,
					const struct ferry_attention_row *rows, uint32_t n_rows,
					const struct ferry_attention_scale *scale, float *scratch)
{
	struct query queries[FERRY_ATTENTION_ROWS];
	uint32_t first = UINT32_MAX, last = 0;
	float *wide;

	wide = begin_queries(queries, kv, rows, n_rows, scale, scratch);
	for (uint32_t r = 0; r < n_rows; r++) {
		begin_run(&queries[r], rows[r].out, kv->value_dim);
		if (rows[r].begin >= rows[r].end)
			continue;
		first = rows[r].begin < first ? rows[r].begin : first;
		last = rows[r].end > last ? rows[r].end : last;
	}
	if (first < last)
		attend(kv, queries, n_rows, scale->softcap, first, last, wide);
	for (uint32_t r = 0; r < n_rows; r++)
		end_run(&queries[r], kv->value_dim);
}

void FERRY_VARIANT(ferry_attention_merge)(float *records, size_t n, size_t stride,
					  uint32_t value_dim, float *out)
{
	for (size_t i = 1; i < n; i++)
		merge(records, records + i * stride, value_dim);
	finish(records, value_dim, out);
}
