/* SPDX-License-Identifier: MIT */
/*
 * The vector layer. A kernel works on sixteen lanes, whatever the machine has: one 512-bit
 * register, two of 256 bits or four of 128. Lanes never mix except in v16_sum(), whose order is
 * fixed, so the same bits come out on every instruction set.
 *
 * Only for kernel sources, which are compiled once per instruction set.
 */
#ifndef FERRY_COMPUTE_VECTOR_H
#define FERRY_COMPUTE_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSSE3__)
#include <tmmintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "blocks of weights are little-endian and are loaded as they are"
#endif

/* Lanes of a register. A test may set it to something that the machine lacks. */
#ifndef FERRY_LANES
#if defined(__AVX512F__) && defined(__AVX512BW__)
#define FERRY_LANES 16
#elif defined(__AVX2__)
#define FERRY_LANES 8
#else
#define FERRY_LANES 4
#endif
#endif

enum { V16_PARTS = 16 / FERRY_LANES };

#define FERRY_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * FERRY_LANES)));
typedef int32_t veci __attribute__((vector_size(4 * FERRY_LANES)));
typedef uint32_t vecu __attribute__((vector_size(4 * FERRY_LANES)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));

struct v16 {
	vec part[V16_PARTS];
};

/* One register */

FERRY_INLINE vec vec_load(const void *p)
{
	vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

FERRY_INLINE void vec_store(void *p, vec v)
{
	memcpy(p, &v, sizeof(v));
}

FERRY_INLINE vec vec_set(float f)
{
	return f - (vec){0}; /* not +: that makes +0 of -0 */
}

/* Lane by lane: mask ? a : b, where the mask is all ones or all zeros. */
FERRY_INLINE vec vec_select(veci mask, vec a, vec b)
{
	return (vec)((mask & (veci)a) | (~mask & (veci)b));
}

/* Sixteen lanes */

FERRY_INLINE struct v16 v16_load(const void *p)
{
	struct v16 v;

	for (int k = 0; k < V16_PARTS; k++)
		v.part[k] = vec_load((const uint8_t *)p + k * sizeof(vec));
	return v;
}

FERRY_INLINE void v16_store(void *p, struct v16 v)
{
	for (int k = 0; k < V16_PARTS; k++)
		vec_store((uint8_t *)p + k * sizeof(vec), v.part[k]);
}

FERRY_INLINE struct v16 v16_set(float f)
{
	struct v16 v;

	for (int k = 0; k < V16_PARTS; k++)
		v.part[k] = vec_set(f);
	return v;
}

FERRY_INLINE struct v16 v16_add(struct v16 a, struct v16 b)
{
	for (int k = 0; k < V16_PARTS; k++)
		a.part[k] += b.part[k];
	return a;
}

FERRY_INLINE struct v16 v16_mul(struct v16 a, struct v16 b)
{
	for (int k = 0; k < V16_PARTS; k++)
		a.part[k] *= b.part[k];
	return a;
}

/* Two roundings, never fused: not every machine can. */
FERRY_INLINE struct v16 v16_mul_add(struct v16 a, struct v16 b, struct v16 c)
{
	return v16_add(v16_mul(a, b), c);
}

/* Lane l takes lane l + 8, then l + 4, l + 2, l + 1. */
FERRY_INLINE float v16_sum(struct v16 v)
{
#if FERRY_LANES == 4 && defined(__aarch64__)
	const vec four = (v.part[0] + v.part[2]) + (v.part[1] + v.part[3]);
	const float32x2_t two =
		vadd_f32(vget_low_f32((float32x4_t)four), vget_high_f32((float32x4_t)four));

	return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
#else
	float lane[16];

	v16_store(lane, v);
	for (int l = 0; l < 8; l++)
		lane[l] += lane[l + 8];
	for (int l = 0; l < 4; l++)
		lane[l] += lane[l + 4];
	return (lane[0] + lane[2]) + (lane[1] + lane[3]);
#endif
}

/* The first n < 16 floats at p, then zeros. */
FERRY_INLINE struct v16 v16_load_some(const void *p, size_t n)
{
	float lane[16] = {0};

	memcpy(lane, p, n * sizeof(float));
	return v16_load(lane);
}

FERRY_INLINE void v16_store_some(void *p, struct v16 v, size_t n)
{
	float lane[16];

	v16_store(lane, v);
	memcpy(p, lane, n * sizeof(float));
}

/* Sixteen bytes */

FERRY_INLINE bytes16 bytes16_load(const uint8_t *p)
{
	bytes16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Bytes 0..3 are those of a, the lowest first. */
FERRY_INLINE bytes16 bytes16_from_words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	typedef uint32_t words __attribute__((vector_size(16)));

	return (bytes16)(words){a, b, c, d};
}

/*
 * Shifts by less than a byte. Bits of a neighbour come in, and the caller masks them: the
 * instruction shifts 16 bits, and a shift of bytes costs a mask more.
 */
typedef uint16_t halves8 __attribute__((vector_size(16)));

FERRY_INLINE bytes16 bytes16_up(bytes16 v, const int n)
{
	return (bytes16)((halves8)v << (uint16_t)n);
}

FERRY_INLINE bytes16 bytes16_down(bytes16 v, const int n)
{
	return (bytes16)((halves8)v >> (uint16_t)n);
}

/* Lane l is 0xff where bit l of the low sixteen is set, else 0. */
FERRY_INLINE bytes16 bytes16_from_bits(uint32_t bits)
{
	const bytes16 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
#if defined(__SSSE3__)
	const bytes16 byte = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
	bytes16 v = (bytes16)_mm_shuffle_epi8(_mm_cvtsi32_si128((int)bits), (__m128i)byte);
#else
	uint32_t low = (bits & 0xff) * 0x01010101u, high = (bits >> 8 & 0xff) * 0x01010101u;
	bytes16 v = bytes16_from_words(low, low, high, high);
#endif
	return (bytes16)((v & bit) == bit);
}

/* table[index[l]]; every index is below 16. */
FERRY_INLINE bytes16 bytes16_lookup(bytes16 table, bytes16 index)
{
#if defined(__SSSE3__)
	return (bytes16)_mm_shuffle_epi8((__m128i)table, (__m128i)index);
#elif defined(__aarch64__)
	return (bytes16)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)index);
#else
	uint8_t t[16], i[16];
	bytes16 v;

	memcpy(t, &table, sizeof(t));
	memcpy(i, &index, sizeof(i));
	for (int l = 0; l < 16; l++)
		i[l] = t[i[l] & 15];
	memcpy(&v, i, sizeof(v));
	return v;
#endif
}

/*
 * Widening. The plain versions are loops that compilers turn into unpack instructions; where
 * one instruction does it, it is named.
 */

FERRY_INLINE struct v16 v16_from_u8(bytes16 b)
{
	struct v16 v;
#if FERRY_LANES == 16 && defined(__AVX512F__)
	v.part[0] = (vec)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32((__m128i)b));
#elif FERRY_LANES == 8 && defined(__AVX2__)
	v.part[0] = (vec)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32((__m128i)b));
	v.part[1] = (vec)_mm256_cvtepi32_ps(
		_mm256_cvtepu8_epi32(_mm_unpackhi_epi64((__m128i)b, (__m128i)b)));
#elif FERRY_LANES == 4 && defined(__aarch64__)
	const uint16x8_t low = vmovl_u8(vget_low_u8((uint8x16_t)b));
	const uint16x8_t high = vmovl_high_u8((uint8x16_t)b);

	v.part[0] = (vec)vcvtq_f32_u32(vmovl_u16(vget_low_u16(low)));
	v.part[1] = (vec)vcvtq_f32_u32(vmovl_high_u16(low));
	v.part[2] = (vec)vcvtq_f32_u32(vmovl_u16(vget_low_u16(high)));
	v.part[3] = (vec)vcvtq_f32_u32(vmovl_high_u16(high));
#else
	uint8_t in[16];
	float lane[16];

	memcpy(in, &b, sizeof(in));
	for (int l = 0; l < 16; l++)
		lane[l] = (float)in[l];
	v = v16_load(lane);
#endif
	return v;
}

FERRY_INLINE struct v16 v16_from_i8(bytes16 b)
{
	struct v16 v;
#if FERRY_LANES == 16 && defined(__AVX512F__)
	v.part[0] = (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)b));
#elif FERRY_LANES == 8 && defined(__AVX2__)
	v.part[0] = (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32((__m128i)b));
	v.part[1] = (vec)_mm256_cvtepi32_ps(
		_mm256_cvtepi8_epi32(_mm_unpackhi_epi64((__m128i)b, (__m128i)b)));
#elif FERRY_LANES == 4 && defined(__aarch64__)
	const int16x8_t low = vmovl_s8(vget_low_s8((int8x16_t)b));
	const int16x8_t high = vmovl_high_s8((int8x16_t)b);

	v.part[0] = (vec)vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
	v.part[1] = (vec)vcvtq_f32_s32(vmovl_high_s16(low));
	v.part[2] = (vec)vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
	v.part[3] = (vec)vcvtq_f32_s32(vmovl_high_s16(high));
#else
	int8_t in[16];
	float lane[16];

	memcpy(in, &b, sizeof(in));
	for (int l = 0; l < 16; l++)
		lane[l] = (float)in[l];
	v = v16_load(lane);
#endif
	return v;
}

/* Sixteen signed bytes in memory */
FERRY_INLINE struct v16 v16_load_i8(const uint8_t *p)
{
#if FERRY_LANES == 8 && defined(__AVX2__)
	struct v16 v;

	for (int k = 0; k < 2; k++)
		v.part[k] = (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
			_mm_loadl_epi64((const __m128i *)(const void *)(p + 8 * k))));
	return v;
#else
	return v16_from_i8(bytes16_load(p));
#endif
}

FERRY_INLINE struct v16 v16_load_bf16(const uint8_t *p)
{
	struct v16 v;
#if FERRY_LANES == 16 && defined(__AVX512F__)
	__m256i h = _mm256_loadu_si256((const __m256i *)(const void *)p);

	v.part[0] = (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
#elif FERRY_LANES == 8 && defined(__AVX2__)
	for (int k = 0; k < 2; k++) {
		__m128i h = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * k));

		v.part[k] = (vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16);
	}
#elif FERRY_LANES == 4 && defined(__aarch64__)
	for (int k = 0; k < 2; k++) {
		const uint16x8_t h = (uint16x8_t)bytes16_load(p + 16 * k);

		v.part[2 * k] = (vec)vshll_n_u16(vget_low_u16(h), 16);
		v.part[2 * k + 1] = (vec)vshll_high_n_u16(h, 16);
	}
#else
	uint32_t lane[16];

	for (int l = 0; l < 16; l++)
		lane[l] = (uint32_t)ferry_load_le16(p + 2 * l) << 16;
	v = v16_load(lane);
#endif
	return v;
}

/*
 * Binary16 without the instruction. Shifted into place, exponent and mantissa read as a binary32
 * are 2^-112 of the value, denormals included; infinities and NaNs get the full exponent back.
 */
FERRY_INLINE uint32_t f16_bits_to_f32(uint32_t h)
{
	uint32_t bits = (h & 0x7fff) << 13;
	float f;

	memcpy(&f, &bits, sizeof(f));
	f *= 0x1p112f;
	memcpy(&bits, &f, sizeof(bits));
	bits |= (h & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
	return bits | (h & 0x8000) << 16;
}

FERRY_INLINE struct v16 v16_load_f16(const uint8_t *p)
{
	struct v16 v;
#if FERRY_LANES == 16 && defined(__AVX512F__)
	v.part[0] = (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif FERRY_LANES == 8 && defined(__F16C__)
	for (int k = 0; k < 2; k++)
		v.part[k] = (vec)_mm256_cvtph_ps(
			_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * k)));
#elif FERRY_LANES == 4 && defined(__aarch64__)
	for (int k = 0; k < 2; k++) {
		const float16x8_t h = (float16x8_t)bytes16_load(p + 16 * k);

		v.part[2 * k] = (vec)vcvt_f32_f16(vget_low_f16(h));
		v.part[2 * k + 1] = (vec)vcvt_high_f32_f16(h);
	}
#else
	uint32_t lane[16];

	for (int l = 0; l < 16; l++)
		lane[l] = f16_bits_to_f32(ferry_load_le16(p + 2 * l));
	v = v16_load(lane);
#endif
	return v;
}

/* To nearest, to even; the same bits as ferry_f32_to_f16(). */
FERRY_INLINE void v16_store_f16(uint8_t *p, struct v16 v)
{
#if FERRY_LANES == 16 && defined(__AVX512F__)
	_mm256_storeu_si256((__m256i *)(void *)p,
			    _mm512_cvtps_ph((__m512)v.part[0], _MM_FROUND_TO_NEAREST_INT));
#elif FERRY_LANES == 8 && defined(__F16C__)
	for (int k = 0; k < 2; k++)
		_mm_storeu_si128((__m128i *)(void *)(p + 16 * k),
				 _mm256_cvtps_ph((__m256)v.part[k], _MM_FROUND_TO_NEAREST_INT));
#else
	uint32_t lane[16];

	for (int k = 0; k < V16_PARTS; k++) {
		const vecu bits = (vecu)v.part[k], size = bits & 0x7fffffff;
		/* Rebiased; rounding carries from mantissa to exponent, and to infinity. */
		const vecu normal = (size - (112u << 23) + 0xfff + (size >> 13 & 1)) >> 13;
		/* Adding 0.5 leaves multiples of 2^-24 in the low bits, rounded. */
		const vecu denormal = (vecu)((vec)size + 0.5f) - 0x3f000000;
		const vecu nan = 0x7e00 | (size >> 13 & 0x3ff);
		vecu h = (vecu)vec_select((veci)(size < 0x38800000), (vec)denormal, (vec)normal);

		h = (vecu)vec_select((veci)(size >= 0x477ff000), (vec)((vecu){0} + 0x7c00), (vec)h);
		h = (vecu)vec_select((veci)(size > 0x7f800000), (vec)nan, (vec)h);
		vec_store(lane + k * FERRY_LANES, (vec)(h | (bits >> 16 & 0x8000)));
	}
	for (int l = 0; l < 16; l++)
		ferry_store_le16(p + 2 * l, (uint16_t)lane[l]);
#endif
}

/* One binary16: the scale of a block. */
FERRY_INLINE float load_f16(const uint8_t *p)
{
#if defined(__F16C__)
	return _cvtsh_ss(ferry_load_le16(p));
#elif defined(__aarch64__)
	__fp16 h;

	memcpy(&h, p, sizeof(h));
	return (float)h;
#else
	uint32_t bits = f16_bits_to_f32(ferry_load_le16(p));
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
#endif
}

#endif
