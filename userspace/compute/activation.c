// SPDX-License-Identifier: MIT
#include "compute/activation.h"

#include <float.h>

#include "compute/variant.h"
#include "compute/vector.h"

enum { N = FERRY_ACTIVATION_BLOCK };

/* Magnitudes that are not larger are nothing, and their inverse would overflow. */
#define LEAST 1e-36f

/*
 * Magnitudes are compared as integers. Numbers compare as they do as floats; infinities and NaNs
 * are larger than every number, and one of them makes d not finite.
 */

#if defined(__AVX2__)

/*
 * Blocks are independent, but each is one long chain of operations that wait for each other. So
 * several take every step together, and where a step is a number per block, that is a lane. A block
 * is four registers of 256 bits, also where there are larger ones.
 */
enum { GROUP = 4 };

FERRY_INLINE __m256 load(const float *x, int block, int k)
{
	return _mm256_loadu_ps(x + N * block + 8 * k);
}

FERRY_INLINE int32_t largest(const float *x, int block)
{
	const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
	__m256i v[4];
	__m128i most;

	for (int k = 0; k < 4; k++)
		v[k] = _mm256_castps_si256(_mm256_and_ps(load(x, block, k), magnitude));
	v[0] = _mm256_max_epi32(_mm256_max_epi32(v[0], v[1]), _mm256_max_epi32(v[2], v[3]));
	most = _mm_max_epi32(_mm256_castsi256_si128(v[0]), _mm256_extracti128_si256(v[0], 1));
	most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
	most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
	return _mm_cvtsi128_si32(most);
}

/* Squared errors in units of d, added as by v16_sum() as far as to the last four lanes. */
FERRY_INLINE __m128 squared_errors(const float *x, int block, float inverse)
{
	const __m256 by = _mm256_set1_ps(inverse);
	__m256 e[4];

	for (int k = 0; k < 4; k++) {
		e[k] = _mm256_mul_ps(load(x, block, k), by);
		e[k] = _mm256_sub_ps(
			e[k], _mm256_round_ps(e[k], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
		e[k] = _mm256_mul_ps(e[k], e[k]);
	}
	e[0] = _mm256_add_ps(_mm256_add_ps(e[0], e[2]), _mm256_add_ps(e[1], e[3]));
	return _mm_add_ps(_mm256_castps256_ps128(e[0]), _mm256_extractf128_ps(e[0], 1));
}

/* The errors of a block by the three inverses; a fourth lane has no meaning. */
FERRY_INLINE __m128 errors_of(const float *x, int block, const float (*inverse)[GROUP])
{
	const __m128 units =
		_mm_setr_ps(1.0f / (127 * 127), 1.0f / (126 * 126), 1.0f / (125 * 125), 0.0f);
	const __m128 a = squared_errors(x, block, inverse[0][block]);
	const __m128 b = squared_errors(x, block, inverse[1][block]);
	const __m128 c = squared_errors(x, block, inverse[2][block]);
	/* Lanes 0 and 2, 1 and 3 of each, then the sums of these. */
	const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
	const __m128 cc = _mm_add_ps(c, _mm_movehl_ps(c, c));

	return _mm_mul_ps(_mm_add_ps(_mm_shuffle_ps(ab, cc, 0x08), _mm_shuffle_ps(ab, cc, 0x5d)),
			  units);
}

/* The scales of @n blocks: of three the one that leaves the smallest error, and its inverse. */
FERRY_INLINE void choose(const float *x, const int n, float *most, float *scale, float *inverse)
{
	const __m128 size = _mm_loadu_ps(most);
	const __m128 usual = _mm_and_ps(_mm_cmpgt_ps(size, _mm_set1_ps(LEAST)),
					_mm_cmple_ps(size, _mm_set1_ps(FLT_MAX)));
	__m128 by[3], error[GROUP] = {_mm_setzero_ps()}, divisor = _mm_set1_ps(127.0f), better;
	float inverses[3][GROUP];

	for (int k = 0; k < 3; k++) {
		by[k] = _mm_div_ps(_mm_set1_ps(127.0f - (float)k), size);
		_mm_storeu_ps(inverses[k], by[k]);
	}
	for (int i = 0; i < n; i++)
		error[i] = errors_of(x, i, inverses);
	_MM_TRANSPOSE4_PS(error[0], error[1], error[2], error[3]);
	for (int k = 1; k < 3; k++) {
		better = _mm_and_ps(_mm_cmplt_ps(error[k], error[0]), usual);
		error[0] = _mm_blendv_ps(error[0], error[k], better);
		by[0] = _mm_blendv_ps(by[0], by[k], better);
		divisor = _mm_blendv_ps(divisor, _mm_set1_ps(127.0f - (float)k), better);
	}
	_mm_storeu_ps(inverse, _mm_and_ps(by[0], usual));
	_mm_storeu_ps(scale, _mm_div_ps(size, divisor));
}

FERRY_INLINE void store_rounded(const float *x, int block, float inverse, struct ferry_q8_block *a)
{
	const __m256 by = _mm256_set1_ps(inverse);
	__m256i v[4];

	for (int k = 0; k < 4; k++)
		v[k] = _mm256_cvtps_epi32(_mm256_mul_ps(load(x, block, k), by));
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

FERRY_INLINE void quantize_group(const float *x, const int n, struct ferry_q8_block *a,
				 size_t stride)
{
	float most[GROUP] = {0}, scale[GROUP], inverse[GROUP];

	for (int i = 0; i < n; i++) {
		const int32_t bits = largest(x, i);

		memcpy(&most[i], &bits, sizeof(bits));
	}
	choose(x, n, most, scale, inverse);
	for (int i = 0; i < n; i++, a += stride) {
		store_rounded(x, i, inverse[i], a);
		if (!(most[i] <= FLT_MAX)) /* a NaN times zero is not zero */
			memset(a->x, 0, sizeof(a->x));
		sum_up(a);
		a->d = scale[i];
		a->d_sum = a->d * (float)a->sum;
	}
}

#else

enum { GROUP = 1, PARTS = N / FERRY_LANES };

/* 1.5 * 2^23: adding it rounds to an integer, to even, which is then in the low bits. */
#define ROUND 12582912.0f

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

FERRY_INLINE void quantize_group(const float *in, const int n, struct ferry_q8_block *a,
				 size_t stride)
{
	float most, inverse = 0.0f;
	uint32_t bits;
	vec x[PARTS];

	(void)n, (void)stride;
	for (int k = 0; k < PARTS; k++)
		x[k] = vec_load(in + k * FERRY_LANES);
	bits = largest(x);
	memcpy(&most, &bits, sizeof(most));
	a->d = most / 127.0f;
	if (most > LEAST && most <= FLT_MAX)
		choose(x, most, &inverse, &a->d);
	store_rounded(x, inverse, a);
	if (!(most <= FLT_MAX)) /* a NaN times zero is not zero */
		memset(a->x, 0, sizeof(a->x));
	sum_up(a);
	a->d_sum = a->d * (float)a->sum;
}

#endif

void FERRY_VARIANT(ferry_quantize)(const float *x, size_t n, struct ferry_q8_block *blocks,
				   size_t stride)
{
	size_t b = 0;

	for (; b + GROUP <= n / N; b += GROUP)
		quantize_group(x + b * N, GROUP, blocks + b * stride, stride);
	for (; b < n / N; b++)
		quantize_group(x + b * N, 1, blocks + b * stride, stride);
}
