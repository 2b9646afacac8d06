/* SPDX-License-Identifier: MIT */
/*
 * Sums of products of whole numbers of fifteen bits and bytes: weights of values in attention.
 * All of it is exact, so instruction sets differ in speed only.
 *
 * A slab is a register whose lanes are dimensions and whose bytes are four positions
 * (attention.h); it meets four weights that are the same for all lanes.
 */
#ifndef FERRY_COMPUTE_VECTOR_WEIGH_H
#define FERRY_COMPUTE_VECTOR_WEIGH_H

#include "compute/vector.h"

FERRY_INLINE uint32_t vecu_largest(vecu v)
{
	uint32_t lane[FERRY_LANES], most = 0;

	memcpy(lane, &v, sizeof(lane));
	for (int l = 0; l < FERRY_LANES; l++)
		most = lane[l] > most ? lane[l] : most;
	return most;
}

/*
 * w[i] = weight[i] * inverse, rounded to the nearest whole number, to even; [64], products below
 * 2^15. Adding 1.5 * 2^23 leaves it in the low bits.
 */
FERRY_INLINE void weights_round(const float *weight, float inverse, int16_t *w)
{
#if FERRY_LANES >= 8 && defined(__AVX2__)
	typedef float vec8 __attribute__((vector_size(32)));
	const __m256i bias = _mm256_set1_epi32(0x4b400000);

	for (int i = 0; i < 64; i += 16) {
		vec8 a, b;
		__m256i both;

		memcpy(&a, weight + i, sizeof(a));
		memcpy(&b, weight + i + 8, sizeof(b));
		a = a * inverse + 12582912.0f;
		b = b * inverse + 12582912.0f;
		both = _mm256_packs_epi32(_mm256_sub_epi32((__m256i)a, bias),
					  _mm256_sub_epi32((__m256i)b, bias));
		both = _mm256_permute4x64_epi64(both, 0xd8);
		memcpy(w + i, &both, sizeof(both));
	}
#else
	for (int i = 0; i < 64; i++) {
		const float t = weight[i] * inverse + 12582912.0f;
		uint32_t bits;

		memcpy(&bits, &t, sizeof(bits));
		w[i] = (int16_t)(bits & 0x7fff);
	}
#endif
}

/* The four weights at @w */
FERRY_INLINE uint64_t four_weights(const int16_t *w)
{
	uint64_t bits;

	memcpy(&bits, w, sizeof(bits));
	return bits;
}

/*
 * Codes of a register's dimensions are opened into WEIGH_HALVES registers, each of which has a sum
 * of its own: weigh_codes(), weigh_add() with the four weights, and at last weigh_end().
 */
#if FERRY_LANES == 16 && defined(__AVX512BW__)

/* A half is eight dimensions: four positions each, then two sums of pairs. */
FERRY_INLINE vecu weigh_codes(const uint8_t *p, const int half)
{
	return (vecu)_mm512_cvtepi8_epi16(
		_mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * half)));
}

FERRY_INLINE vecu weigh_weights(const int16_t *w)
{
	typedef uint64_t fours __attribute__((vector_size(64)));

	return (vecu)((fours){0} + four_weights(w));
}

FERRY_INLINE veci weigh_add(veci sum, vecu codes, vecu weights, const int half)
{
	(void)half;
	return sum + (veci)_mm512_madd_epi16((__m512i)codes, (__m512i)weights);
}

FERRY_INLINE veci weigh_end(veci low, veci high)
{
	return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26,
				       28, 30) +
	       __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27,
				       29, 31);
}

#elif FERRY_LANES == 8 && defined(__AVX2__)

/* A half is four dimensions: four positions each, then two sums of pairs. */
FERRY_INLINE vecu weigh_codes(const uint8_t *p, const int half)
{
	return (vecu)_mm256_cvtepi8_epi16(
		_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * half)));
}

FERRY_INLINE vecu weigh_weights(const int16_t *w)
{
	return (vecu)_mm256_set1_epi64x((long long)four_weights(w));
}

FERRY_INLINE veci weigh_add(veci sum, vecu codes, vecu weights, const int half)
{
	(void)half;
	return sum + (veci)_mm256_madd_epi16((__m256i)codes, (__m256i)weights);
}

FERRY_INLINE veci weigh_end(veci low, veci high)
{
	return (veci)_mm256_permute4x64_epi64(_mm256_hadd_epi32((__m256i)low, (__m256i)high), 0xd8);
}

#elif FERRY_LANES == 4 && defined(__SSE2__)

/* A half is two dimensions: four positions each, then two sums of pairs. */
FERRY_INLINE vecu weigh_codes(const uint8_t *p, const int half)
{
	const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (vecu)_mm_srai_epi16(half ? _mm_unpackhi_epi8(b, b) : _mm_unpacklo_epi8(b, b), 8);
}

FERRY_INLINE vecu weigh_weights(const int16_t *w)
{
	return (vecu)_mm_set1_epi64x((long long)four_weights(w));
}

FERRY_INLINE veci weigh_add(veci sum, vecu codes, vecu weights, const int half)
{
	(void)half;
	return sum + (veci)_mm_madd_epi16((__m128i)codes, (__m128i)weights);
}

FERRY_INLINE veci weigh_end(veci low, veci high)
{
	const __m128 a = _mm_castsi128_ps((__m128i)low), b = _mm_castsi128_ps((__m128i)high);

	return (veci)_mm_shuffle_ps(a, b, 0x88) + (veci)_mm_shuffle_ps(a, b, 0xdd);
}

#else

/* A half is two positions of every dimension. */
FERRY_INLINE vecu weigh_codes(const uint8_t *p, const int half)
{
	vecu slab;

	memcpy(&slab, p, sizeof(slab));
	return half ? slab : slab << 16;
}

struct weigh_weights {
	int32_t w[4];
};

FERRY_INLINE struct weigh_weights weigh_weights(const int16_t *w)
{
	return (struct weigh_weights){{w[0], w[1], w[2], w[3]}};
}

FERRY_INLINE veci weigh_add(veci sum, vecu codes, struct weigh_weights weights, const int half)
{
	return sum + ((veci)(codes << 8) >> 24) * weights.w[2 * half] +
	       ((veci)codes >> 24) * weights.w[2 * half + 1];
}

FERRY_INLINE veci weigh_end(veci low, veci high)
{
	return low + high;
}

#endif

#endif
