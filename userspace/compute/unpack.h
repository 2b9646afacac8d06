/* SPDX-License-Identifier: MIT */
/*
 * Blocks of weights to floats, fast. Layouts and formulas are those of dequantize_*.c, to the last
 * bit; the comments there say what lies where.
 *
 * A block is taken apart sixteen weights at a time, in order, and each sixteen go to a sink:
 * into memory, or straight into a sum of products with activations.
 */
#ifndef FERRY_COMPUTE_UNPACK_H
#define FERRY_COMPUTE_UNPACK_H

#include <stdbool.h>

#include "compute/vector.h"
#include "model/tensor_type.h"

struct sink {
	float *out;	/* where the weights go, or */
	const float *x; /* what they are multiplied with */
	struct v16 sum; /* lane l: the products i = l, l + 16, ... in that order */
	bool multiply;	/* which; known when the code is compiled */
};

FERRY_INLINE void sink_take(struct sink *s, struct v16 w)
{
	if (s->multiply) {
		s->sum = v16_mul_add(w, v16_load(s->x), s->sum);
		s->x += 16;
	} else {
		v16_store(s->out, w);
		s->out += 16;
	}
}

/* q * d, signed bytes */
FERRY_INLINE void take_scaled(struct sink *s, bytes16 q, float d)
{
	sink_take(s, v16_mul(v16_from_i8(q), v16_set(d)));
}

/* q * d + m, unsigned bytes */
FERRY_INLINE void take_affine(struct sink *s, bytes16 q, float d, float m)
{
	sink_take(s, v16_mul_add(v16_from_u8(q), v16_set(d), v16_set(m)));
}

/* The float types: sixteen weights */

FERRY_INLINE void take_f32(struct sink *s, const uint8_t *b)
{
	sink_take(s, v16_load(b));
}

FERRY_INLINE void take_f16(struct sink *s, const uint8_t *b)
{
	sink_take(s, v16_load_f16(b));
}

FERRY_INLINE void take_bf16(struct sink *s, const uint8_t *b)
{
	sink_take(s, v16_load_bf16(b));
}

/* Blocks of 32 weights */

FERRY_INLINE void take_q4_0(struct sink *s, const uint8_t *b)
{
	bytes16 q = bytes16_load(b + 2);
	float d = load_f16(b);

	take_scaled(s, (q & 15) - 8, d);
	take_scaled(s, (q >> 4) - 8, d);
}

FERRY_INLINE void take_q4_1(struct sink *s, const uint8_t *b)
{
	bytes16 q = bytes16_load(b + 4);
	float d = load_f16(b), m = load_f16(b + 2);

	take_affine(s, q & 15, d, m);
	take_affine(s, q >> 4, d, m);
}

FERRY_INLINE void take_q5_0(struct sink *s, const uint8_t *b)
{
	bytes16 q = bytes16_load(b + 6);
	uint32_t high = ferry_load_le32(b + 2);
	float d = load_f16(b);

	take_scaled(s, ((q & 15) | (bytes16_from_bits(high) & 16)) - 16, d);
	take_scaled(s, (q >> 4 | (bytes16_from_bits(high >> 16) & 16)) - 16, d);
}

FERRY_INLINE void take_q5_1(struct sink *s, const uint8_t *b)
{
	bytes16 q = bytes16_load(b + 8);
	uint32_t high = ferry_load_le32(b + 4);
	float d = load_f16(b), m = load_f16(b + 2);

	take_affine(s, (q & 15) | (bytes16_from_bits(high) & 16), d, m);
	take_affine(s, q >> 4 | (bytes16_from_bits(high >> 16) & 16), d, m);
}

FERRY_INLINE void take_q8_0(struct sink *s, const uint8_t *b)
{
	struct v16 d = v16_set(load_f16(b));

	sink_take(s, v16_mul(v16_load_i8(b + 2), d));
	sink_take(s, v16_mul(v16_load_i8(b + 18), d));
}

/* The sixteen levels of the IQ4 types, as bytes */
FERRY_INLINE bytes16 iq4_level(bytes16 q)
{
	const bytes16 levels = {129, 152, 173, 191, 207, 221, 234, 246,
				1,   13,  25,  38,  53,	 69,  89,  113};

	return bytes16_lookup(levels, q);
}

FERRY_INLINE void take_iq4_nl(struct sink *s, const uint8_t *b)
{
	bytes16 q = bytes16_load(b + 2);
	float d = load_f16(b);

	take_scaled(s, iq4_level(q & 15), d);
	take_scaled(s, iq4_level(q >> 4), d);
}

/* Blocks of 256 weights */

FERRY_INLINE void take_q2_k(struct sink *s, const uint8_t *b)
{
	bytes16 both = bytes16_load(b);
	float scale[16], min[16];

	v16_store(scale, v16_mul(v16_from_u8(both & 15), v16_set(load_f16(b + 80))));
	v16_store(min, v16_mul(v16_from_u8(both >> 4), v16_set(-load_f16(b + 82))));
	for (int i = 0; i < 16; i += 8) {
		bytes16 p = bytes16_load(b + 16 + 4 * i), q = bytes16_load(b + 32 + 4 * i);

		for (int j = i; j < i + 8; j += 2, p = bytes16_down(p, 2), q = bytes16_down(q, 2)) {
			take_affine(s, p & 3, scale[j], min[j]);
			take_affine(s, q & 3, scale[j + 1], min[j + 1]);
		}
	}
}

FERRY_INLINE void take_q3_k(struct sink *s, const uint8_t *b)
{
	uint32_t low[2] = {ferry_load_le32(b + 96), ferry_load_le32(b + 100)};
	uint32_t high = ferry_load_le32(b + 104), four[4];
	bytes16 h = bytes16_load(b), k = bytes16_load(b + 16), scales;
	float scale[16];

	for (int i = 0; i < 4; i++)
		four[i] = (low[i % 2] >> (i / 2 * 4) & 0x0f0f0f0f) | (high >> (2 * i) & 0x03030303)
									     << 4;
	scales = bytes16_from_words(four[0], four[1], four[2], four[3]);
	v16_store(scale, v16_mul(v16_from_i8(scales - 32), v16_set(load_f16(b + 108))));
	for (int i = 0; i < 16; i += 8) {
		bytes16 p = bytes16_load(b + 32 + 4 * i), q = bytes16_load(b + 48 + 4 * i);

		for (int j = i; j < i + 8; j += 2, p = bytes16_down(p, 2), q = bytes16_down(q, 2)) {
			take_scaled(s, ((p & 3) | (bytes16_up(h, 2) & 4)) - 4, scale[j]);
			take_scaled(s, ((q & 3) | (bytes16_up(k, 2) & 4)) - 4, scale[j + 1]);
			h = bytes16_down(h, 1);
			k = bytes16_down(k, 1);
		}
	}
}

/*
 * The eight scales times d, then the eight minimums times -dmin, of Q4_K and Q5_K: four 6-bit
 * numbers at a time, one in each byte of a word.
 */
FERRY_INLINE void k_scales(const uint8_t *b, float *scale)
{
	uint32_t s = ferry_load_le32(b + 4), m = ferry_load_le32(b + 8);
	uint32_t low = ferry_load_le32(b + 12);
	bytes16 all = bytes16_from_words(
		s & 0x3f3f3f3f, (low & 0x0f0f0f0f) | (s >> 6 & 0x03030303) << 4, m & 0x3f3f3f3f,
		(low >> 4 & 0x0f0f0f0f) | (m >> 6 & 0x03030303) << 4);
	float d = load_f16(b), dmin = -load_f16(b + 2);
	float factor[16] = {d, d, d, d, d, d, d, d, dmin, dmin, dmin, dmin, dmin, dmin, dmin, dmin};

	v16_store(scale, v16_mul(v16_from_u8(all), v16_load(factor)));
}

FERRY_INLINE void take_q4_k(struct sink *s, const uint8_t *b)
{
	float scale[16];

	k_scales(b, scale);
	for (int g = 0; g < 8; g += 2) {
		bytes16 p = bytes16_load(b + 16 + 16 * g), q = bytes16_load(b + 32 + 16 * g);

		take_affine(s, p & 15, scale[g], scale[g + 8]);
		take_affine(s, q & 15, scale[g], scale[g + 8]);
		take_affine(s, p >> 4, scale[g + 1], scale[g + 9]);
		take_affine(s, q >> 4, scale[g + 1], scale[g + 9]);
	}
}

FERRY_INLINE void take_q5_k(struct sink *s, const uint8_t *b)
{
	bytes16 h = bytes16_load(b + 16), i = bytes16_load(b + 32);
	float scale[16];

	k_scales(b, scale);
	for (int g = 0; g < 8; g += 2, h = bytes16_down(h, 2), i = bytes16_down(i, 2)) {
		bytes16 p = bytes16_load(b + 48 + 16 * g), q = bytes16_load(b + 64 + 16 * g);

		take_affine(s, (p & 15) | (bytes16_up(h, 4) & 16), scale[g], scale[g + 8]);
		take_affine(s, (q & 15) | (bytes16_up(i, 4) & 16), scale[g], scale[g + 8]);
		take_affine(s, p >> 4 | (bytes16_up(h, 3) & 16), scale[g + 1], scale[g + 9]);
		take_affine(s, q >> 4 | (bytes16_up(i, 3) & 16), scale[g + 1], scale[g + 9]);
	}
}

FERRY_INLINE void take_q6_k(struct sink *s, const uint8_t *b)
{
	float scale[16];

	v16_store(scale, v16_mul(v16_load_i8(b + 192), v16_set(load_f16(b + 208))));
	for (int half = 0; half < 2; half++) {
		const uint8_t *ql = b + 64 * half, *qh = b + 128 + 32 * half;
		const float *d = scale + 8 * half;
		bytes16 h = bytes16_load(qh), i = bytes16_load(qh + 16);
		bytes16 p = bytes16_load(ql), q = bytes16_load(ql + 16);
		bytes16 r = bytes16_load(ql + 32), t = bytes16_load(ql + 48);

		take_scaled(s, ((p & 15) | (bytes16_up(h, 4) & 48)) - 32, d[0]);
		take_scaled(s, ((q & 15) | (bytes16_up(i, 4) & 48)) - 32, d[1]);
		take_scaled(s, ((r & 15) | (bytes16_up(h, 2) & 48)) - 32, d[2]);
		take_scaled(s, ((t & 15) | (bytes16_up(i, 2) & 48)) - 32, d[3]);
		take_scaled(s, (p >> 4 | (h & 48)) - 32, d[4]);
		take_scaled(s, (q >> 4 | (i & 48)) - 32, d[5]);
		take_scaled(s, (r >> 4 | (bytes16_down(h, 2) & 48)) - 32, d[6]);
		take_scaled(s, (t >> 4 | (bytes16_down(i, 2) & 48)) - 32, d[7]);
	}
}

FERRY_INLINE void take_iq4_xs(struct sink *s, const uint8_t *b)
{
	uint32_t low = ferry_load_le32(b + 4), high = ferry_load_le16(b + 2);
	float d = load_f16(b);

	for (int g = 0; g < 8; g++, low >>= 4, high >>= 2) {
		bytes16 q = bytes16_load(b + 8 + 16 * g);
		float scale = d * (float)((int)((low & 15) | (high & 3) << 4) - 32);

		take_scaled(s, iq4_level(q & 15), scale);
		take_scaled(s, iq4_level(q >> 4), scale);
	}
}

/*
 * X(suffix of the type, suffix of its function, weights, bytes). The float types have no blocks:
 * the sixteen weights that their functions take count as one.
 */
#define FERRY_UNPACK_TYPES(X)     \
	X(F32, f32, 16, 64)       \
	X(F16, f16, 16, 32)       \
	X(BF16, bf16, 16, 32)     \
	X(Q4_0, q4_0, 32, 18)     \
	X(Q4_1, q4_1, 32, 20)     \
	X(Q5_0, q5_0, 32, 22)     \
	X(Q5_1, q5_1, 32, 24)     \
	X(Q8_0, q8_0, 32, 34)     \
	X(Q2_K, q2_k, 256, 84)    \
	X(Q3_K, q3_k, 256, 110)   \
	X(Q4_K, q4_k, 256, 144)   \
	X(Q5_K, q5_k, 256, 176)   \
	X(Q6_K, q6_k, 256, 210)   \
	X(IQ4_NL, iq4_nl, 32, 18) \
	X(IQ4_XS, iq4_xs, 256, 136)

#endif
