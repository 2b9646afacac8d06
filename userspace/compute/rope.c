// SPDX-License-Identifier: MIT
#include "compute/rope.h"

#include <math.h>

/*
 * ln x for finite x > 0: x = m 2^e with m in [0.7, 1.42), and ln m by the series of
 * 2 artanh((m - 1) / (m + 1)), whose first term left out is below 1e-18. frexp() is exact in any
 * library.
 */
static double natural_log(double x)
{
	const double ln2 = 0.69314718055994530942;
	int e;
	double m = frexp(x, &e), s, z, sum = 0.0;

	if (m < 0.70710678118654752440) {
		m *= 2.0;
		e--;
	}
	s = (m - 1.0) / (m + 1.0);
	z = s * s;
	for (int k = 23; k >= 1; k -= 2)
		sum = sum * z + 1.0 / k;
	return e * ln2 + 2.0 * s * sum;
}

/*
 * e^x for |x| < 700: the Taylor series within ln 2 / 2, whose first term left out is below
 * 1e-17.
 */
static double exponential(double x)
{
	const double log2_e = 1.44269504088896340736;
	/* ln 2 in two parts; n times the first is exact. */
	const double high = 0x1.62e42feep-1, low = 0x1.a39ef35793c76p-33;
	const double n = floor(x * log2_e + 0.5);
	const double r = (x - n * high) - n * low;
	double sum = 1.0;

	for (int k = 13; k >= 1; k--)
		sum = sum * r / k + 1.0;
	return ldexp(sum, (int)n);
}

/*
 * base^y for 0 <= -y <= 1, in F64 so that rounding to F32 hides the last bits; NaN for the base of
 * a damaged file.
 */
static double power(float base, double y)
{
	return base > 0.0f && isfinite(base) ? exponential(y * natural_log((double)base)) : NAN;
}

void ferry_rope_frequencies(float *freq, uint32_t n_rot, float base, const float *divisors)
{
	for (uint32_t i = 0; i < n_rot / 2; i++) {
		double f = power(base, -2.0 * i / n_rot);

		freq[i] = (float)(divisors ? f / (double)divisors[i] : f);
	}
}

/*
 * Taylor series on [-pi/4, pi/4], where the first term left out is below 3e-14: far under the
 * rounding to F32 that follows.
 */
static void sine_cosine(double x, float *sine, float *cosine)
{
	const double two_over_pi = 0.63661977236758134308;
	/* pi / 2 in three parts; products with the first two are exact below 2^20 quarter turns. */
	const double part1 = 0x1.921fb544p+0, part2 = 0x1.0b4611a6p-34,
		     part3 = 0x1.3198a2e037073p-69;
	const double quarters = floor(x * two_over_pi + 0.5);
	const double r = ((x - quarters * part1) - quarters * part2) - quarters * part3;
	const double z = r * r;
	double s = 1.0 / 6227020800.0, c = -1.0 / 87178291200.0;

	s = s * z - 1.0 / 39916800.0;
	s = s * z + 1.0 / 362880.0;
	s = s * z - 1.0 / 5040.0;
	s = s * z + 1.0 / 120.0;
	s = s * z - 1.0 / 6.0;
	s = s * z * r + r;
	c = c * z + 1.0 / 479001600.0;
	c = c * z - 1.0 / 3628800.0;
	c = c * z + 1.0 / 40320.0;
	c = c * z - 1.0 / 720.0;
	c = c * z + 1.0 / 24.0;
	c = c * z - 0.5;
	c = c * z + 1.0;
	if (!isfinite(x)) { /* a frequency from a damaged file */
		*sine = *cosine = NAN;
		return;
	}
	switch ((int)(quarters - 4.0 * floor(quarters * 0.25))) {
	case 0:
		*sine = (float)s;
		*cosine = (float)c;
		break;
	case 1:
		*sine = (float)c;
		*cosine = (float)-s;
		break;
	case 2:
		*sine = (float)-s;
		*cosine = (float)-c;
		break;
	default:
		*sine = (float)-c;
		*cosine = (float)s;
		break;
	}
}

void ferry_rope_angles(float *cos_sin, const float *freq, uint32_t n_rot, uint32_t position,
		       float scale)
{
	const uint32_t n = n_rot / 2;

	for (uint32_t i = 0; i < n; i++)
		sine_cosine((double)position * (double)scale * (double)freq[i], &cos_sin[n + i],
			    &cos_sin[i]);
}

void ferry_rope_rotate(enum ferry_rope_kind kind, float *x, uint32_t n_heads, uint32_t stride,
		       const float *cos_sin, uint32_t n_rot)
{
	const uint32_t n = n_rot / 2;
	const uint32_t step = kind == FERRY_ROPE_PAIRS ? 2 : 1;
	const uint32_t apart = kind == FERRY_ROPE_PAIRS ? 1 : n;

	for (; n_heads; n_heads--, x += stride) {
		for (uint32_t i = 0; i < n; i++) {
			float a = x[i * step], b = x[i * step + apart];

			x[i * step] = a * cos_sin[i] - b * cos_sin[n + i];
			x[i * step + apart] = a * cos_sin[n + i] + b * cos_sin[i];
		}
	}
}
