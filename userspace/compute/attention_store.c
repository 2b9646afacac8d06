// SPDX-License-Identifier: MIT
/*
 * Keys and values into the tiles of attention.h.
 */
#include "compute/attention.h"

#include "compute/variant.h"
#include "compute/vector_weigh.h"

enum { TILE = FERRY_ATTENTION_TILE };

/* Elements [d, d + n) of x, filled up with zeros to sixteen. */
static struct v16 load_up_to(const float *x, uint32_t d, uint32_t dim)
{
	return dim - d >= 16 ? v16_load(x + d) : v16_load_some(x + d, dim - d);
}

/*
 * n numbers, whole registers of them, to codes; returns their scale: largest magnitude / 127,
 * rounded up to BF16, so that no code is beyond 127. What is not finite makes a scale that is not.
 */
static uint16_t codes_of(const float *x, const size_t n, int8_t *codes)
{
	const float round = 12582912.0f; /* leaves the nearest whole number in the low bits */
	vecu most = {0};
	uint32_t bits;
	float largest, scale, inverse;

	for (size_t i = 0; i < n; i += FERRY_LANES) {
		const vecu v = (vecu)vec_load(x + i) & 0x7fffffff;

		most = (vecu)vec_select((veci)(v > most), (vec)v, (vec)most);
	}
	bits = vecu_largest(most);
	if (bits >= 0x7f800000) {
		memset(codes, 0, n);
		return 0x7fc0; /* NaN */
	}
	memcpy(&largest, &bits, sizeof(largest));
	scale = largest / 127.0f;
	memcpy(&bits, &scale, sizeof(bits));
	bits = (bits + 0xffff) & 0xffff0000;
	memcpy(&scale, &bits, sizeof(scale));
	/* Below this the inverse would overflow; and such numbers are nothing. */
	inverse = largest > 1e-36f ? 1.0f / scale : 0.0f;
	for (size_t i = 0; i < n; i += FERRY_LANES) {
		const vec v = vec_load(x + i) * inverse + round;
		uint32_t lane[FERRY_LANES];

		memcpy(lane, &v, sizeof(lane));
		for (size_t l = 0; l < FERRY_LANES; l++)
			codes[i + l] = (int8_t)(uint8_t)lane[l];
	}
	return (uint16_t)(bits >> 16);
}

static void put_key_q8(uint8_t *tile, uint32_t key_dim, uint32_t position, const float *key)
{
	enum { BLOCK = FERRY_ATTENTION_KEY_BLOCK };
	uint8_t *codes = tile + ferry_attention_codes(key_dim, BLOCK) +
			 ferry_attention_key_at(FERRY_ATTENTION_Q8, key_dim, position, 0);

	for (uint32_t d = 0; d < key_dim; d += BLOCK, codes += 16 * BLOCK) {
		float x[BLOCK] = {0};
		int8_t c[BLOCK];

		memcpy(x, key + d, (key_dim - d < BLOCK ? key_dim - d : BLOCK) * sizeof(*x));
		ferry_store_le16(tile + 2 * (d / BLOCK * TILE + position % TILE),
				 codes_of(x, BLOCK, c));
		for (size_t s = 0; s < BLOCK / 4; s++)
			memcpy(codes + 64 * s, c + 4 * s, 4);
	}
}

static void put_value_q8(uint8_t *tile, uint32_t value_dim, uint32_t position, const float *value)
{
	enum { BLOCK = FERRY_ATTENTION_VALUE_BLOCK };

	for (uint32_t d = 0; d < value_dim; d += BLOCK) {
		const uint32_t n = value_dim - d < BLOCK ? value_dim - d : BLOCK;
		float x[BLOCK] = {0};
		int8_t c[BLOCK];

		memcpy(x, value + d, n * sizeof(*x));
		ferry_store_le16(tile + 2 * (d / BLOCK * TILE + position % TILE),
				 codes_of(x, BLOCK, c));
		for (uint32_t i = 0; i < n; i++)
			tile[ferry_attention_codes(value_dim, BLOCK) +
			     ferry_attention_value_at(FERRY_ATTENTION_Q8, position, d + i)] =
				(uint8_t)c[i];
	}
}

static void put_key_f16(uint8_t *tile, uint32_t key_dim, uint32_t position, const float *key)
{
	uint8_t *at = tile + 2 * ferry_attention_key_at(FERRY_ATTENTION_F16, key_dim, position, 0);

	for (uint32_t d = 0; d < key_dim; d += 16) {
		const uint32_t n = key_dim - d < 16 ? key_dim - d : 16;
		uint8_t h[32];

		v16_store_f16(h, load_up_to(key, d, key_dim));
		for (uint32_t i = 0; i < n; i++, at += 32)
			memcpy(at, h + 2 * i, 2);
	}
}

void FERRY_VARIANT(ferry_put_key)(const struct ferry_attention_kv *kv, uint32_t position,
				  const float *key)
{
	uint8_t *tile =
		kv->keys + position / TILE * ferry_attention_key_tile(kv->type, kv->key_dim);
	uint8_t *at;

	if (kv->type == FERRY_ATTENTION_Q8) {
		put_key_q8(tile, kv->key_dim, position, key);
	} else if (kv->type == FERRY_ATTENTION_F16) {
		put_key_f16(tile, kv->key_dim, position, key);
	} else {
		at = tile + 4 * ferry_attention_key_at(kv->type, kv->key_dim, position, 0);
		for (uint32_t d = 0; d < kv->key_dim; d++, at += 64)
			memcpy(at, key + d, 4);
	}
}

void FERRY_VARIANT(ferry_put_value)(const struct ferry_attention_kv *kv, uint32_t position,
				    const float *value)
{
	uint8_t *tile =
		kv->values + position / TILE * ferry_attention_value_tile(kv->type, kv->value_dim);

	if (kv->type == FERRY_ATTENTION_Q8) {
		put_value_q8(tile, kv->value_dim, position, value);
		return;
	}
	for (uint32_t d = 0; d < kv->value_dim; d += 16) {
		const size_t at = ferry_attention_value_at(kv->type, position, d);
		const struct v16 v = load_up_to(value, d, kv->value_dim);

		if (kv->type == FERRY_ATTENTION_F16)
			v16_store_f16(tile + 2 * at, v);
		else
			v16_store(tile + 4 * at, v);
	}
}
