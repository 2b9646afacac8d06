// SPDX-License-Identifier: MIT
#include "compute/activation.h"

#include "compute/variant.h"
#include "compute/vector.h"

enum { N = FERRY_ACTIVATION_BLOCK, PARTS = N / FERRY_LANES };

/* 1.5 * 2^23: adding it rounds to an integer, to even, which is then in the low bits. */
#define ROUND 12582912.0f

/*
 * The bits of the largest magnitude. As integers, magnitudes compare as they do as floats, and
 * infinities and NaNs are larger than every number: one of them makes d not finite.
 */
FERRY_INLINE uint32_t largest(const vec *x)
{
	veci most = {0};
	int32_t lane[FERRY_LANES], bits = 0;

	for (int k = 0; k < PARTS; k++) {
		veci v = (veci)x[k] & 0x7fffffff;
		veci more = v > most;

		most = (v & more) | (most & ~more);
	}
	memcpy(lane, &most, sizeof(lane));
	for (int l = 0; l < FERRY_LANES; l++)
		bits = lane[l] > bits ? lane[l] : bits;
	return (uint32_t)bits;
}

/* The sum of squared errors in units of d: lane l of sixteen has those of i = l and l + 16. */
FERRY_INLINE float squared_error(const vec *x, float inverse)
{
	struct v16 sum;

	for (int k = 0; k < V16_PARTS; k++) {
		const vec v = x[k] * inverse, w = x[k + V16_PARTS] * inverse;
		const vec e = v - (v + ROUND - ROUND), f = w - (w + ROUND - ROUND);

		sum.part[k] = e * e + f * f;
	}
	return v16_sum(sum);
}

#if FERRY_LANES == 8 && defined(__AVX2__)

FERRY_INLINE void store_rounded(const vec *x, float inverse, struct ferry_q8_block *a)
{
	const __m256 by = _mm256_set1_ps(inverse);
	__m256i v[4];

	for (int k = 0; k < 4; k++)
		v[k] = _mm256_cvtps_epi32(_mm256_mul_ps((__m256)x[k], by));
	v[0] = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
	/* Packing goes on within halves: put the fours in order. */
	v[0] = _mm256_permutevar8x32_epi32(v[0], _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
	_mm256_storeu_si256((__m256i *)(void *)a->x, v[0]);
}

/* Each 32 bits of the low half, and of the high one: both numbers of P of a group of sixteen. */
FERRY_INLINE __m256i pair_sums(const struct ferry_q8_block *a)
{
	const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)a->x);
	__m256i p = _mm256_maddubs_epi16(_mm256_set1_epi8(1), x);

	p = _mm256_add_epi16(p, _mm256_shuffle_epi32(p, 0xb1));
	return _mm256_add_epi16(p, _mm256_shuffle_epi32(p, 0x4e));
}

FERRY_INLINE void sum_up(struct ferry_q8_block *a)
{
	const __m256i p = pair_sums(a);
	const __m128i low = _mm256_castsi256_si128(p), high = _mm256_extracti128_si256(p, 1);
	const __m128i both = _mm_unpacklo_epi32(low, high), all = _mm_add_epi16(low, high);
	const __m128i sums = _mm_madd_epi16(both, _mm_set1_epi16(1));
	const int sum0 = _mm_cvtsi128_si32(sums), sum1 = _mm_extract_epi32(sums, 1);

	a->sum16[0] = (int16_t)sum0;
	a->sum16[1] = (int16_t)sum1;
	a->sum = sum0 + sum1;
	_mm_storeu_si32(a->p8, _mm_slli_epi16(all, 3));
	_mm_storeu_si32(a->p16, _mm_slli_epi16(all, 4));
	_mm_storel_epi64((__m128i *)(void *)a->p32, _mm_slli_epi16(both, 5));
}

#else

FERRY_INLINE void store_rounded(const vec *x, float inverse, struct ferry_q8_block *a)
{
	for (int k = 0; k < PARTS; k++) {
		const vec v = x[k] * inverse + ROUND;
		uint32_t lane[FERRY_LANES];

		memcpy(lane, &v, sizeof(lane));
		for (int l = 0; l < FERRY_LANES; l++)
			a->x[k * FERRY_LANES + l] = (int8_t)(uint8_t)lane[l];
	}
}

FERRY_INLINE void sum_up(struct ferry_q8_block *a)
{
	int p[2][2] = {{0}};

	for (int g = 0; g < 2; g++)
		for (int i = 0; i < 16; i++)
			p[g][i % 4 / 2] += a->x[16 * g + i];
	for (int k = 0; k < 2; k++) {
		a->sum16[k] = (int16_t)(p[k][0] + p[k][1]);
		a->p8[k] = (int16_t)(8 * (p[0][k] + p[1][k]));
		a->p16[k] = (int16_t)(16 * (p[0][k] + p[1][k]));
		for (int g = 0; g < 2; g++)
			a->p32[g][k] = (int16_t)(32 * p[g][k]);
	}
	a->sum = a->sum16[0] + a->sum16[1];
}

#endif

/* The scale of three that leaves the smallest error: @inverse and what it is the inverse of. */
FERRY_INLINE void choose(const vec *x, float most, float *inverse, float *d)
{
	const float i127 = 127.0f / most, i126 = 126.0f / most, i125 = 125.0f / most;
	float best = squared_error(x, i127) * (1.0f / (127 * 127));
	float error = squared_error(x, i126) * (1.0f / (126 * 126));
	float k = 127.0f;

	*inverse = i127;
	if (error < best) {
		best = error;
		k = 126.0f;
		*inverse = i126;
	}
	error = squared_error(x, i125) * (1.0f / (125 * 125));
	if (error < best) {
		k = 125.0f;
		*inverse = i125;
	}
	*d = most / k;
}

FERRY_INLINE void quantize_block(const float *in, struct ferry_q8_block *a)
{
	float most, inverse = 0.0f;
	uint32_t bits;
	vec x[PARTS];

	for (int k = 0; k < PARTS; k++)
		x[k] = vec_load(in + k * FERRY_LANES);
	bits = largest(x);
	memcpy(&most, &bits, sizeof(most));
	a->d = most / 127.0f;
	/* Smaller ones are nothing, and their inverse would overflow. */
	if (most > 1e-36f && bits < 0x7f800000)
		choose(x, most, &inverse, &a->d);
	store_rounded(x, inverse, a);
	if (bits >= 0x7f800000) /* a NaN times zero is not zero */
		memset(a->x, 0, sizeof(a->x));
	sum_up(a);
	a->d_sum = a->d * (float)a->sum;
}

void FERRY_VARIANT(ferry_quantize)(const float *x, size_t n, struct ferry_q8_block *blocks,
				   size_t stride)
{
	for (size_t b = 0; b < n / N; b++)
		quantize_block(x + b * N, blocks + b * stride);
}
