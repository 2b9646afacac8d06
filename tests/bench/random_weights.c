// SPDX-License-Identifier: MIT
#include "random_weights.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "compute/dequantize.h"

enum {
	SMALL = 32,  /* weights in a block of the legacy types and IQ4_NL */
	LARGE = 256, /* in a block of the K-quants and IQ4_XS */
};

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint64_t rotate(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static inline uint64_t next(struct ferry_random *r)
{
	uint64_t *s = r->s, result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

struct ferry_random ferry_random(uint64_t seed, const char *name)
{
	uint64_t state = splitmix64(&seed) ^ 0xcbf29ce484222325u; /* FNV-1a over the name */
	struct ferry_random r;

	for (; *name; name++)
		state = (state ^ (uint8_t)*name) * 0x100000001b3u;
	for (int i = 0; i < 4; i++)
		r.s[i] = splitmix64(&state);
	return r;
}

/*
 * Codes of @bits bits, one per byte: two uniform numbers below half the range, plus one. They lie
 * symmetrically around 2^(bits-1), where zero is in every type, so that weights have no mean;
 * a mean would be the same for all rows, and would add up over n_embd inputs and all layers.
 */
static void draw_codes(struct ferry_random *r, unsigned bits, uint8_t *codes, size_t n)
{
	uint64_t ones = 0x0101010101010101u, mask = ones * ((1u << (bits - 1)) - 1);

	for (size_t i = 0; i < n; i += 8) {
		uint64_t a = next(r) & mask, b = next(r) & mask;

		ferry_store_le64(codes + i, a + b + ones);
	}
}

static double code_deviation(unsigned bits)
{
	double half = (double)(1u << (bits - 1));

	return sqrt((half * half - 1) / 6);
}

/* Levels of IQ4_NL and IQ4_XS under draw_codes(4): 8 - |code - 8| of 64 draws give each code. */
static double iq4_deviation(void)
{
	static const int level[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
				      1,    13,	  25,  38,  53,	 69,  89,  113};
	int sum = 0;

	for (int code = 1; code < 16; code++)
		sum += level[code] * level[code] * (code < 8 ? code : 16 - code);
	return sqrt(sum / 64.0);
}

/* Group scales lie in [half, 2 * half): their root mean square. */
static double group_scale_rms(unsigned half)
{
	double h = half;

	return sqrt((1.5 * h - 0.5) * (1.5 * h - 0.5) + (h * h - 1) / 12);
}

static void draw_group_scales(struct ferry_random *r, unsigned half, uint8_t *scales, int n)
{
	uint64_t bits = next(r);

	for (int i = 0; i < n; i++, bits = rotate(bits, 7))
		scales[i] = (uint8_t)(half + bits % half);
}

/* One group in two gets a negative scale. */
static void draw_signs(struct ferry_random *r, int8_t *signs, int n)
{
	uint64_t bits = next(r);

	for (int i = 0; i < n; i++)
		signs[i] = bits >> i & 1 ? -1 : 1;
}

static void store_f16(uint8_t *p, float f)
{
	ferry_store_le16(p, ferry_f32_to_f16(f));
}

/* @d times something in [0.75, 1.25), rounded to what F16 holds: minimums are multiples of it,
 * and the code in the middle must be zero exactly. */
static float vary(struct ferry_random *r, double d)
{
	float f = (float)(d * (0.75 + (double)(next(r) >> 40) / (1 << 25)));

	return ferry_f16_to_f32(ferry_f32_to_f16(f));
}

/* 32 codes of 4 bits: nibbles of byte j are weights j and j + 16. */
static void pack_nibbles(const uint8_t *codes, uint8_t *qs)
{
	for (int j = 0; j < 16; j++)
		qs[j] = (uint8_t)((codes[j] & 15) | codes[j + 16] << 4);
}

/* Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL: {d; [m;] [u32 fifth bits;] nibbles} */
static void small_block(struct ferry_random *r, unsigned bits, bool has_min, double d, uint8_t *dst)
{
	float scale = vary(r, next(r) & 1 ? -d : d);
	uint8_t codes[SMALL];
	uint32_t fifth = 0;

	store_f16(dst, scale);
	dst += 2;
	if (has_min) {
		store_f16(dst, -scale * (float)(1 << (bits - 1)));
		dst += 2;
	}
	draw_codes(r, bits, codes, SMALL);
	if (bits == 5) {
		for (int j = 0; j < SMALL; j++)
			fifth |= (uint32_t)(codes[j] >> 4) << j;
		ferry_store_le32(dst, fifth);
		dst += 4;
	}
	pack_nibbles(codes, dst);
}

/* {d; i8 qs[32]} */
static void q8_0_block(struct ferry_random *r, double d, uint8_t *dst)
{
	store_f16(dst, vary(r, d));
	draw_codes(r, 8, dst + 2, SMALL);
	for (int j = 0; j < SMALL; j++)
		dst[2 + j] ^= 0x80;
}

/* The low two bits of Q2_K and Q3_K: bits 2k..2k+1 of byte j of a half are weight 32 k + j. */
static void pack_pairs(const uint8_t *codes, uint8_t *qs)
{
	memset(qs, 0, LARGE / 4);
	for (int i = 0; i < LARGE; i++)
		qs[i / 128 * 32 + i % 32] |= (uint8_t)((codes[i] & 3) << (i % 128 / 32 * 2));
}

/* {u8 scales[16]; u8 qs[64]; f16 d, dmin}; a minimum of twice the scale makes code 2 zero */
static void q2_k_block(struct ferry_random *r, double d, uint8_t *dst)
{
	uint8_t codes[LARGE], scales[16];
	float scale = vary(r, d);

	draw_group_scales(r, 8, scales, 16);
	for (int g = 0; g < 16; g++)
		dst[g] = (uint8_t)(scales[g] | scales[g] << 4);
	draw_codes(r, 2, codes, LARGE);
	pack_pairs(codes, dst + 16);
	store_f16(dst + 80, scale);
	store_f16(dst + 82, 2 * scale);
}

/* {u8 hmask[32]; u8 qs[64]; u8 scales[12]; f16 d}; scales are stored with 32 added */
static void q3_k_block(struct ferry_random *r, double d, uint8_t *dst)
{
	uint8_t codes[LARGE], scales[16], *packed = dst + 96;
	int8_t signs[16];

	draw_group_scales(r, 16, scales, 16);
	draw_signs(r, signs, 16);
	draw_codes(r, 3, codes, LARGE);
	memset(dst, 0, 32);
	for (int i = 0; i < LARGE; i++)
		dst[i % 32] |= (uint8_t)((codes[i] >> 2 & 1) << (i / 32));
	pack_pairs(codes, dst + 32);
	memset(packed, 0, 12);
	for (int g = 0; g < 16; g++) {
		unsigned s = (unsigned)(32 + signs[g] * scales[g]);

		packed[g % 8] |= (uint8_t)((s & 15) << (g / 8 * 4));
		packed[8 + g % 4] |= (uint8_t)((s >> 4) << (g / 4 * 2));
	}
	store_f16(dst + 108, vary(r, d));
}

/*
 * Q4_K and Q5_K: {f16 d, dmin; u8 scales[12]; [u8 fifth bits[32];] u8 qs[128]}. Minimums equal
 * scales, and dmin is d times the middle code.
 */
static void scale_min_block(struct ferry_random *r, unsigned bits, double d, uint8_t *dst)
{
	uint8_t codes[LARGE], scales[8], *packed = dst + 4, *qs = dst + 16;
	float scale = vary(r, d);

	draw_group_scales(r, 32, scales, 8);
	draw_codes(r, bits, codes, LARGE);
	store_f16(dst, scale);
	store_f16(dst + 2, scale * (float)(1 << (bits - 1)));
	for (int g = 0; g < 4; g++) {
		uint8_t upper = scales[g + 4];

		packed[g] = packed[g + 4] = (uint8_t)(scales[g] | upper >> 4 << 6);
		packed[g + 8] = (uint8_t)((upper & 15) | upper << 4);
	}
	if (bits == 5) {
		memset(qs, 0, 32);
		for (int i = 0; i < LARGE; i++)
			qs[i % 32] |= (uint8_t)(codes[i] >> 4 << (i / 32));
		qs += 32;
	}
	for (int i = 0; i < LARGE / 2; i++) {
		const uint8_t *c = codes + i / 32 * 64 + i % 32;

		qs[i] = (uint8_t)((c[0] & 15) | c[32] << 4);
	}
}

/* {u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d} */
static void q6_k_block(struct ferry_random *r, double d, uint8_t *dst)
{
	uint8_t codes[LARGE], scales[16];
	int8_t signs[16];

	draw_group_scales(r, 64, scales, 16);
	draw_signs(r, signs, 16);
	draw_codes(r, 6, codes, LARGE);
	memset(dst, 0, 192);
	for (int i = 0; i < LARGE; i++) {
		int half = i / 128, at = i % 128;

		dst[64 * half + at % 64] |= (uint8_t)((codes[i] & 15) << (at / 64 * 4));
		dst[128 + 32 * half + at % 32] |= (uint8_t)(codes[i] >> 4 << (at / 32 * 2));
	}
	for (int g = 0; g < 16; g++)
		dst[192 + g] = (uint8_t)(signs[g] * scales[g]);
	store_f16(dst + 208, vary(r, d));
}

/* {f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]}; scales are stored with 32 added */
static void iq4_xs_block(struct ferry_random *r, double d, uint8_t *dst)
{
	uint8_t codes[LARGE], scales[8];
	uint32_t upper = 0;
	int8_t signs[8];

	draw_group_scales(r, 16, scales, 8);
	draw_signs(r, signs, 8);
	draw_codes(r, 4, codes, LARGE);
	store_f16(dst, vary(r, d));
	memset(dst + 4, 0, 4);
	for (int g = 0; g < 8; g++) {
		unsigned s = (unsigned)(32 + signs[g] * scales[g]);

		dst[4 + g / 2] |= (uint8_t)((s & 15) << (g % 2 * 4));
		upper |= (uint32_t)(s >> 4) << (2 * g);
		pack_nibbles(codes + 32 * g, dst + 8 + 16 * g);
	}
	ferry_store_le16(dst + 2, (uint16_t)upper);
}

/* Four numbers of about a normal distribution with deviation 1 from one draw each of 64 bits. */
static void draw_normal(struct ferry_random *r, float out[4])
{
	const float deviation = 37837.2f; /* of a sum of four numbers below 65536 */

	for (int i = 0; i < 4; i++) {
		uint64_t x = next(r);
		uint32_t sum = (uint32_t)((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) +
					  (x >> 48));

		out[i] = ((float)sum - 131070.0f) / deviation;
	}
}

static void plain_weights(struct ferry_random *r, enum ferry_tensor_type type, double sigma,
			  uint8_t *dst, size_t n)
{
	float w[4];

	for (size_t i = 0; i < n; i++) {
		if (i % 4 == 0)
			draw_normal(r, w);
		if (type == FERRY_TYPE_F32) {
			ferry_store_lef32(dst + 4 * i, w[i % 4] * (float)sigma);
		} else if (type == FERRY_TYPE_F16) {
			store_f16(dst + 2 * i, w[i % 4] * (float)sigma);
		} else { /* BF16: the upper half, truncated */
			uint8_t f32[4];

			ferry_store_lef32(f32, w[i % 4] * (float)sigma);
			memcpy(dst + 2 * i, f32 + 2, 2);
		}
	}
}

/* The block scale that gives weights of deviation 1. */
static double unit_scale(enum ferry_tensor_type type)
{
	switch (type) {
	case FERRY_TYPE_Q4_0:
	case FERRY_TYPE_Q4_1:
		return 1 / code_deviation(4);
	case FERRY_TYPE_Q5_0:
	case FERRY_TYPE_Q5_1:
		return 1 / code_deviation(5);
	case FERRY_TYPE_Q8_0:
		return 1 / code_deviation(8);
	case FERRY_TYPE_Q2_K:
		return 1 / (code_deviation(2) * group_scale_rms(8));
	case FERRY_TYPE_Q3_K:
		return 1 / (code_deviation(3) * group_scale_rms(16));
	case FERRY_TYPE_Q4_K:
		return 1 / (code_deviation(4) * group_scale_rms(32));
	case FERRY_TYPE_Q5_K:
		return 1 / (code_deviation(5) * group_scale_rms(32));
	case FERRY_TYPE_Q6_K:
		return 1 / (code_deviation(6) * group_scale_rms(64));
	case FERRY_TYPE_IQ4_NL:
		return 1 / iq4_deviation();
	case FERRY_TYPE_IQ4_XS:
		return 1 / (iq4_deviation() * group_scale_rms(16));
	case FERRY_TYPE_F32:
	case FERRY_TYPE_F16:
	case FERRY_TYPE_BF16:
		break;
	}
	return 1;
}

static void fill_block(struct ferry_random *r, enum ferry_tensor_type type, double d, uint8_t *dst)
{
	switch (type) {
	case FERRY_TYPE_Q4_0:
	case FERRY_TYPE_IQ4_NL:
		small_block(r, 4, false, d, dst);
		break;
	case FERRY_TYPE_Q4_1:
		small_block(r, 4, true, d, dst);
		break;
	case FERRY_TYPE_Q5_0:
		small_block(r, 5, false, d, dst);
		break;
	case FERRY_TYPE_Q5_1:
		small_block(r, 5, true, d, dst);
		break;
	case FERRY_TYPE_Q8_0:
		q8_0_block(r, d, dst);
		break;
	case FERRY_TYPE_Q2_K:
		q2_k_block(r, d, dst);
		break;
	case FERRY_TYPE_Q3_K:
		q3_k_block(r, d, dst);
		break;
	case FERRY_TYPE_Q4_K:
		scale_min_block(r, 4, d, dst);
		break;
	case FERRY_TYPE_Q5_K:
		scale_min_block(r, 5, d, dst);
		break;
	case FERRY_TYPE_Q6_K:
		q6_k_block(r, d, dst);
		break;
	case FERRY_TYPE_IQ4_XS:
		iq4_xs_block(r, d, dst);
		break;
	case FERRY_TYPE_F32:
	case FERRY_TYPE_F16:
	case FERRY_TYPE_BF16:
		break; /* plain_weights() */
	}
}

void ferry_random_weights(struct ferry_random *r, enum ferry_tensor_type type, double sigma,
			  uint8_t *dst, size_t n)
{
	const struct ferry_type_traits *traits = ferry_type_traits(type);
	double d = sigma * unit_scale(type);

	if (traits->block_len == 1) {
		plain_weights(r, type, sigma, dst, n);
		return;
	}
	for (; n; n -= traits->block_len, dst += traits->block_bytes)
		fill_block(r, type, d, dst);
}

void ferry_random_gains(struct ferry_random *r, uint8_t *dst, size_t n)
{
	float w[4];

	for (size_t i = 0; i < n; i++) {
		if (i % 4 == 0)
			draw_normal(r, w);
		ferry_store_lef32(dst + 4 * i, 1 + 0.1f * w[i % 4]);
	}
}
