/* SPDX-License-Identifier: MIT */
/*
 * The AVX-512 and VNNI instructions that the kernels use, in plain C, one lane after the other:
 * with it in front (-include), the kernels' own AVX-512 and VNNI bodies run on any processor with
 * AVX2, and a test can compare their bits. EMULATE_AVX512 and EMULATE_VNNI say which.
 */
#ifndef FERRY_TESTS_EMULATED_AVX512_H
#define FERRY_TESTS_EMULATED_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define EMULATED static inline __attribute__((always_inline))

/* four products of unsigned and signed bytes, added to each lane; sums wrap */
EMULATED void emulated_dpbusd(int32_t *sum, const uint8_t *u, const int8_t *s, int n)
{
	for (int l = 0; l < n; l++)
		for (int i = 0; i < 4; i++)
			sum[l] = (int32_t)((uint32_t)sum[l] +
					   (uint32_t)(u[4 * l + i] * s[4 * l + i]));
}

#ifdef EMULATE_VNNI
EMULATED __m256i emulated_dpbusd_256(__m256i sum, __m256i u, __m256i s)
{
	int32_t lane[8];
	uint8_t a[32];
	int8_t b[32];

	memcpy(lane, &sum, sizeof(lane));
	memcpy(a, &u, sizeof(a));
	memcpy(b, &s, sizeof(b));
	emulated_dpbusd(lane, a, b, 8);
	memcpy(&sum, lane, sizeof(sum));
	return sum;
}
#ifndef EMULATE_AVX512
#define __AVXVNNI__		1
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd_256
#else
#define __AVX512VNNI__ 1
#endif
#endif

#ifdef EMULATE_AVX512
#define KEEP_SUM(sum) ((void)(sum))
#define __AVX512F__   1
#define __AVX512BW__  1

/* All lanes of type @type: result[l] = @expression of a[l], b[l] and l */
#define EMULATED_LANES(name, type, expression)                     \
	EMULATED __m512i emulated_##name(__m512i va, __m512i vb)   \
	{                                                          \
		type a[64 / sizeof(type)], b[64 / sizeof(type)];   \
		type r[64 / sizeof(type)];                         \
                                                                   \
		memcpy(a, &va, sizeof(a));                         \
		memcpy(b, &vb, sizeof(b));                         \
		for (int l = 0; l < (int)(64 / sizeof(type)); l++) \
			r[l] = (type)(expression);                 \
		memcpy(&va, r, sizeof(va));                        \
		return va;                                         \
	}

EMULATED_LANES(add16, uint16_t, a[l] + b[l])
EMULATED_LANES(sub16, uint16_t, a[l] - b[l])
EMULATED_LANES(abs8, int8_t, b[l] < 0 ? -b[l] : a[l]) /* a = b */
EMULATED_LANES(shuffle8, uint8_t, b[l] & 0x80 ? 0 : a[l / 16 * 16 + (b[l] & 15)])

EMULATED int16_t emulated_saturate(int v)
{
	return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

EMULATED __m512i emulated_maddubs(__m512i vu, __m512i vs)
{
	uint8_t u[64];
	int8_t s[64];
	int16_t r[32];

	memcpy(u, &vu, sizeof(u));
	memcpy(s, &vs, sizeof(s));
	for (int l = 0; l < 32; l++)
		r[l] = emulated_saturate(u[2 * l] * s[2 * l] + u[2 * l + 1] * s[2 * l + 1]);
	memcpy(&vu, r, sizeof(vu));
	return vu;
}

EMULATED __m512i emulated_madd(__m512i va, __m512i vb)
{
	int16_t a[32], b[32];
	int32_t r[16];

	memcpy(a, &va, sizeof(a));
	memcpy(b, &vb, sizeof(b));
	for (int l = 0; l < 16; l++)
		r[l] = (int32_t)((uint32_t)(a[2 * l] * b[2 * l]) +
				 (uint32_t)(a[2 * l + 1] * b[2 * l + 1]));
	memcpy(&va, r, sizeof(va));
	return va;
}

EMULATED __m512i emulated_dpbusd_512(__m512i sum, __m512i vu, __m512i vs)
{
	int32_t lane[16];
	uint8_t u[64];
	int8_t s[64];

	memcpy(lane, &sum, sizeof(lane));
	memcpy(u, &vu, sizeof(u));
	memcpy(s, &vs, sizeof(s));
	emulated_dpbusd(lane, u, s, 16);
	memcpy(&sum, lane, sizeof(sum));
	return sum;
}

EMULATED uint64_t emulated_signs8(__m512i v)
{
	uint64_t mask = 0;
	int8_t b[64];

	memcpy(b, &v, sizeof(b));
	for (int l = 0; l < 64; l++)
		mask |= (uint64_t)(b[l] < 0) << l;
	return mask;
}

EMULATED __m512i emulated_mask_sub8(__m512i vsrc, uint64_t mask, __m512i va, __m512i vb)
{
	uint8_t src[64], a[64], b[64];

	memcpy(src, &vsrc, sizeof(src));
	memcpy(a, &va, sizeof(a));
	memcpy(b, &vb, sizeof(b));
	for (int l = 0; l < 64; l++)
		src[l] = mask >> l & 1 ? (uint8_t)(a[l] - b[l]) : src[l];
	memcpy(&va, src, sizeof(va));
	return va;
}

EMULATED __m512i emulated_shift(__m512i v, int n, int right16)
{
	int16_t h[32];
	uint32_t w[16];

	memcpy(h, &v, sizeof(h));
	memcpy(w, &v, sizeof(w));
	for (int l = 0; l < 32; l++)
		h[l] = (int16_t)(h[l] >> n);
	for (int l = 0; l < 16; l++)
		w[l] <<= n;
	if (right16)
		memcpy(&v, h, sizeof(v));
	else
		memcpy(&v, w, sizeof(v));
	return v;
}

EMULATED __m512i emulated_broadcast128(__m128i v)
{
	__m512i r;

	for (int i = 0; i < 4; i++)
		memcpy((uint8_t *)&r + 16 * i, &v, 16);
	return r;
}

/* 256 bits become 512 by a function for each half. */
#define EMULATED_HALVES(name, from, to, low, high, half)                   \
	EMULATED to emulated_##name(from v)                                \
	{                                                                  \
		const __typeof__(half(low)) a = half(low), b = half(high); \
		to r;                                                      \
                                                                           \
		memcpy(&r, &a, 32);                                        \
		memcpy((uint8_t *)&r + 32, &b, 32);                        \
		return r;                                                  \
	}

EMULATED __m256i emulated_low(__m512i v)
{
	__m256i r;

	memcpy(&r, &v, sizeof(r));
	return r;
}

EMULATED __m256i emulated_high(__m512i v)
{
	__m256i r;

	memcpy(&r, (uint8_t *)&v + 32, sizeof(r));
	return r;
}

EMULATED_HALVES(u8_to_32, __m128i, __m512i, v, _mm_unpackhi_epi64(v, v), _mm256_cvtepu8_epi32)
EMULATED_HALVES(i8_to_32, __m128i, __m512i, v, _mm_unpackhi_epi64(v, v), _mm256_cvtepi8_epi32)
EMULATED_HALVES(u16_to_32, __m256i, __m512i, _mm256_castsi256_si128(v),
		_mm256_extracti128_si256(v, 1), _mm256_cvtepu16_epi32)
EMULATED_HALVES(half_to_float, __m256i, __m512, _mm256_castsi256_si128(v),
		_mm256_extracti128_si256(v, 1), _mm256_cvtph_ps)
EMULATED_HALVES(int_to_float, __m512i, __m512, emulated_low(v), emulated_high(v),
		_mm256_cvtepi32_ps)

EMULATED_HALVES(i8_to_16, __m256i, __m512i, _mm256_castsi256_si128(v),
		_mm256_extracti128_si256(v, 1), _mm256_cvtepi8_epi16)

EMULATED __m256i emulated_float_to_half(__m512 v)
{
	__m256 half[2];
	__m128i h[2];
	__m256i r;

	memcpy(half, &v, sizeof(half));
	h[0] = _mm256_cvtps_ph(half[0], _MM_FROUND_TO_NEAREST_INT);
	h[1] = _mm256_cvtps_ph(half[1], _MM_FROUND_TO_NEAREST_INT);
	memcpy(&r, h, sizeof(r));
	return r;
}

#define _mm512_abs_epi8(v)     emulated_abs8(v, v)
#define _mm512_add_epi16       emulated_add16
#define _mm512_sub_epi16       emulated_sub16
#define _mm512_shuffle_epi8    emulated_shuffle8
#define _mm512_broadcast_i32x4 emulated_broadcast128
#define _mm512_cvtepi32_ps     emulated_int_to_float
#define _mm512_cvtepi8_epi16   emulated_i8_to_16
#define _mm512_cvtepi8_epi32   emulated_i8_to_32
#define _mm512_cvtepu8_epi32   emulated_u8_to_32
#define _mm512_cvtepu16_epi32  emulated_u16_to_32
#define _mm512_cvtph_ps	       emulated_half_to_float
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(v, rounding) emulated_float_to_half(v)
#define _mm512_dpbusd_epi32	     emulated_dpbusd_512
#define _mm512_madd_epi16	     emulated_madd
#define _mm512_maddubs_epi16	     emulated_maddubs
#define _mm512_mask_sub_epi8	     emulated_mask_sub8
#define _mm512_movepi8_mask	     emulated_signs8
#define _mm512_slli_epi32(v, n)	     emulated_shift(v, n, 0)
#define _mm512_srai_epi16(v, n)	     emulated_shift(v, n, 1)
/* Functions with the attribute of the instruction set, which plain code cannot inline */
#undef _mm512_set1_epi16
#define _mm512_set1_epi16(n)   emulated_set16(n)
#define _mm512_setzero_si512() ((__m512i){0})

#define _mm512_set1_epi8(n)    emulated_set16((int16_t)((uint8_t)(n)*0x0101))
#define _mm512_sub_epi8(a, b)  emulated_mask_sub8(a, ~(uint64_t)0, a, b)

EMULATED __m512i emulated_set16(int16_t n)
{
	int16_t h[32];
	__m512i v;

	for (int l = 0; l < 32; l++)
		h[l] = n;
	memcpy(&v, h, sizeof(v));
	return v;
}
#endif

#endif
