// SPDX-License-Identifier: MIT
/*
 * Attention in plain C, one number at a time: what the kernels have to give, bit for bit.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "compute/attention.h"
#include "compute/dequantize.h"
#include "compute/exp2.h"
#include "compute/kernels.h"
#include "compute/matmul_packed.h"

enum { TILE = FERRY_ATTENTION_TILE };

static float bf16_at(const uint8_t *p)
{
	const uint32_t bits = (uint32_t)ferry_load_le16(p) << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static const uint8_t *key_tile(const struct ferry_attention_kv *kv, uint32_t position)
{
	return kv->keys + position / TILE * ferry_attention_key_tile(kv->type, kv->key_dim);
}

static const uint8_t *value_tile(const struct ferry_attention_kv *kv, uint32_t position)
{
	return kv->values + position / TILE * ferry_attention_value_tile(kv->type, kv->value_dim);
}

/* The scale of block @b, and the code of a dimension. */
static float scale_at(const uint8_t *tile, uint32_t position, size_t b)
{
	return bf16_at(tile + 2 * (b * TILE + position % TILE));
}

static int32_t key_code(const struct ferry_attention_kv *kv, uint32_t position, uint32_t d)
{
	return (int8_t)key_tile(
		kv, position)[ferry_attention_codes(kv->key_dim, FERRY_ATTENTION_KEY_BLOCK) +
			      ferry_attention_key_at(kv->type, kv->key_dim, position, d)];
}

static int32_t value_code(const struct ferry_attention_kv *kv, uint32_t position, uint32_t d)
{
	return (int8_t)value_tile(
		kv, position)[ferry_attention_codes(kv->value_dim, FERRY_ATTENTION_VALUE_BLOCK) +
			      ferry_attention_value_at(kv->type, position, d)];
}

static float float_at(enum ferry_attention_type type, const uint8_t *tile, size_t i)
{
	return type == FERRY_ATTENTION_F16 ? ferry_f16_to_f32(ferry_load_le16(tile + 2 * i))
					   : ferry_load_lef32(tile + 4 * i);
}

static float key_at(const struct ferry_attention_kv *kv, uint32_t position, uint32_t d)
{
	const uint8_t *tile = key_tile(kv, position);

	if (kv->type == FERRY_ATTENTION_Q8)
		return (float)key_code(kv, position, d) *
		       scale_at(tile, position, d / FERRY_ATTENTION_KEY_BLOCK);
	return float_at(kv->type, tile, ferry_attention_key_at(kv->type, kv->key_dim, position, d));
}

static float value_at(const struct ferry_attention_kv *kv, uint32_t position, uint32_t d)
{
	const uint8_t *tile = value_tile(kv, position);

	if (kv->type == FERRY_ATTENTION_Q8)
		return (float)value_code(kv, position, d) *
		       scale_at(tile, position, d / FERRY_ATTENTION_VALUE_BLOCK);
	return float_at(kv->type, tile, ferry_attention_value_at(kv->type, position, d));
}

void ferry_attention_get_key(const struct ferry_attention_kv *kv, uint32_t position, float *key)
{
	for (uint32_t d = 0; d < kv->key_dim; d++)
		key[d] = key_at(kv, position, d);
}

void ferry_attention_get_value(const struct ferry_attention_kv *kv, uint32_t position, float *value)
{
	for (uint32_t d = 0; d < kv->value_dim; d++)
		value[d] = value_at(kv, position, d);
}

/* A row, and what it has seen of a run or of all runs so far. */
struct sums {
	float *out; /* [value_dim] */
	float max, sum;
};

struct reference {
	const struct ferry_attention_kv *kv;
	const struct ferry_attention_row *row;
	const struct ferry_attention_scale *scale;
	float *q;		   /* scaled; whole blocks, filled up with zeros */
	struct ferry_q8_block *q8; /* [blocks] */
};

static float score_of(const struct reference *a, uint32_t position)
{
	enum { BLOCK = FERRY_ATTENTION_KEY_BLOCK };
	const struct ferry_attention_kv *kv = a->kv;
	float s = 0.0f;

	for (uint32_t d = 0; d < kv->key_dim && kv->type != FERRY_ATTENTION_Q8; d++)
		s += a->q[d] * key_at(kv, position, d);
	for (uint32_t b = 0; b * BLOCK < kv->key_dim && kv->type == FERRY_ATTENTION_Q8; b++) {
		int32_t sum = 0;

		for (uint32_t i = 0; i < BLOCK && b * BLOCK + i < kv->key_dim; i++)
			sum += a->q8[b].x[i] * key_code(kv, position, b * BLOCK + i);
		s += (float)sum * (scale_at(key_tile(kv, position), position, b) * a->q8[b].d);
	}
	if (a->scale->softcap > 0.0f) {
		ferry_kernels_best()->softcap(&s, 1, 1.0f); /* which has a test of its own */
		s *= a->scale->softcap * FERRY_LOG2E;
	}
	return s;
}

/* Dimension d of a tile's values times exponentials, which are at @p by position in the tile. */
static float weigh(const struct reference *a, const float *p, uint32_t begin, uint32_t end,
		   uint32_t d)
{
	const struct ferry_attention_kv *kv = a->kv;
	float weight[TILE], largest = 0.0f, inverse, out = 0.0f;
	int32_t sum = 0;

	if (kv->type != FERRY_ATTENTION_Q8) {
		for (uint32_t j = begin; j < end; j++)
			out += p[j % TILE] * value_at(kv, j, d);
		return out;
	}
	for (uint32_t j = begin; j < end; j++) {
		float *w = &weight[j % TILE];

		*w = p[j % TILE] * scale_at(value_tile(kv, j), j, d / FERRY_ATTENTION_VALUE_BLOCK);
		if (!isfinite(*w))
			return NAN;
		largest = *w > largest ? *w : largest;
	}
	inverse = largest > 1e-30f ? FERRY_ATTENTION_WEIGHT / largest : 0.0f;
	for (uint32_t j = begin; j < end; j++)
		sum += (int32_t)lrintf(weight[j % TILE] * inverse) * value_code(kv, j, d);
	return (float)sum * (largest / FERRY_ATTENTION_WEIGHT);
}

/* Positions [begin, end) of one tile. */
static void see_tile(const struct reference *a, uint32_t begin, uint32_t end, struct sums *run)
{
	float p[TILE], lane[16] = {0}, max = -INFINITY, old;

	for (uint32_t j = begin; j < end; j++) {
		p[j % TILE] = score_of(a, j);
		max = p[j % TILE] > max ? p[j % TILE] : max;
	}
	max = max > run->max ? max : run->max;
	for (uint32_t j = begin; j < end; j++) {
		p[j % TILE] = ferry_exp2(p[j % TILE] - max);
		lane[j % 16] += p[j % TILE];
	}
	for (int width = 8; width; width /= 2)
		for (int l = 0; l < width; l++)
			lane[l] += lane[l + width];
	old = ferry_exp2(run->max - max);
	run->sum = run->sum * old + lane[0];
	run->max = max;
	for (uint32_t d = 0; d < a->kv->value_dim; d++)
		run->out[d] = run->out[d] * old + weigh(a, p, begin, end, d);
}

static void merge(struct sums *total, const struct sums *run, uint32_t value_dim)
{
	const float max = total->max > run->max ? total->max : run->max;
	const float old = ferry_exp2(total->max - max), new = ferry_exp2(run->max - max);

	for (uint32_t d = 0; d < value_dim; d++)
		total->out[d] = total->out[d] * old + run->out[d] * new;
	total->max = max;
	total->sum = total->sum * old + run->sum * new;
}

static uint32_t next_multiple(uint32_t position, uint32_t of, uint32_t limit)
{
	const uint32_t left = of - position % of;

	return limit - position < left ? limit : position + left;
}

/* run->out and total->out are zero */
static void see_all(const struct reference *a, struct sums *run, struct sums *total)
{
	const uint32_t value_dim = a->kv->value_dim;
	struct sums now;

	for (uint32_t at = a->row->begin, end; at < a->row->end; at = end) {
		end = next_multiple(at, FERRY_ATTENTION_RUN, a->row->end);
		now = (struct sums){.out = total->sum == 0.0f ? total->out : run->out,
				    .max = -INFINITY};
		memset(now.out, 0, value_dim * sizeof(float));
		for (uint32_t t = at, next; t < end; t = next) {
			next = next_multiple(t, TILE, end);
			see_tile(a, t, next, &now);
		}
		if (now.out == total->out)
			*total = now;
		else
			merge(total, &now, value_dim);
	}
}

static void scale_query(struct reference *a, size_t blocks)
{
	const float scale = a->scale->softcap > 0.0f ? a->scale->scale / a->scale->softcap
						     : a->scale->scale * FERRY_LOG2E;

	for (uint32_t d = 0; d < a->kv->key_dim; d++)
		a->q[d] = a->row->q[d] * scale;
	ferry_quantize_reference(a->q, blocks * FERRY_ATTENTION_KEY_BLOCK, a->q8, 1);
}

int ferry_attention_reference(const struct ferry_attention_kv *kv,
			      const struct ferry_attention_row *row,
			      const struct ferry_attention_scale *scale)
{
	const size_t blocks = ferry_attention_blocks(kv->key_dim, FERRY_ATTENTION_KEY_BLOCK);
	struct reference a = {.kv = kv, .row = row, .scale = scale};
	struct sums run = {0}, total = {.max = -INFINITY};
	int ret = -ENOMEM;

	a.q = calloc(blocks * FERRY_ATTENTION_KEY_BLOCK, sizeof(*a.q));
	a.q8 = calloc(blocks, sizeof(*a.q8));
	run.out = calloc(kv->value_dim, sizeof(float));
	total.out = calloc(kv->value_dim, sizeof(float));
	if (a.q && a.q8 && run.out && total.out) {
		scale_query(&a, blocks);
		see_all(&a, &run, &total);
		for (uint32_t d = 0; d < kv->value_dim; d++)
			row->out[d] = total.out[d] / total.sum;
		ret = 0;
	}
	free(a.q);
	free(a.q8);
	free(run.out);
	free(total.out);
	return ret;
}
