/* SPDX-License-Identifier: MIT */
/*
 * exp() of Ferry's own, so that every machine computes the same bits; the C library's differ
 * between versions and processors. Within 2 ulp of the true value, denormal results included.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 p(r), where p is the minimax polynomial
 * of degree 5 (relative error 5e-11); then times 2^n. ln 2 is split so that n * LN2_HIGH is exact.
 * vector_math.h has the same steps for vectors.
 */
#ifndef FERRY_COMPUTE_EXP_H
#define FERRY_COMPUTE_EXP_H

#include <stdint.h>
#include <string.h>

#define FERRY_EXP_MAX	   89.0f   /* above: infinity */
#define FERRY_EXP_MIN	   -105.0f /* below: zero */
#define FERRY_EXP_LOG2E	   1.44269504f
#define FERRY_EXP_LN2_HIGH 0.693359375f
#define FERRY_EXP_LN2_LOW  -2.12194440e-4f
/* 1.5 * 2^23: adding it rounds to an integer, to even, and leaves that in the low bits. */
#define FERRY_EXP_ROUND	   12582912.0f
#define FERRY_EXP_P0	   0.5f
#define FERRY_EXP_P1	   0.166666657f
#define FERRY_EXP_P2	   0.0416662954f
#define FERRY_EXP_P3	   0.00833349675f
#define FERRY_EXP_P4	   0.00139446603f
#define FERRY_EXP_P5	   0.000197903413f

/* 2^n for -126 <= n <= 127 */
static inline float ferry_exp_power(int32_t n)
{
	uint32_t bits = (uint32_t)(n + 127) << 23;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static inline float ferry_exp(float x)
{
	float t, n, r, p;
	uint32_t bits;
	int32_t i;

	if (x != x)
		return x;
	x = x > FERRY_EXP_MAX ? FERRY_EXP_MAX : x;
	x = x < FERRY_EXP_MIN ? FERRY_EXP_MIN : x;
	t = x * FERRY_EXP_LOG2E + FERRY_EXP_ROUND;
	memcpy(&bits, &t, sizeof(bits));
	i = (int32_t)(bits - 0x4b400000);
	n = t - FERRY_EXP_ROUND;
	r = x - n * FERRY_EXP_LN2_HIGH;
	r = r - n * FERRY_EXP_LN2_LOW;
	p = FERRY_EXP_P5 * r + FERRY_EXP_P4;
	p = p * r + FERRY_EXP_P3;
	p = p * r + FERRY_EXP_P2;
	p = p * r + FERRY_EXP_P1;
	p = p * r + FERRY_EXP_P0;
	p = p * (r * r) + r;
	p = p + 1.0f;
	/* In two steps, since 2^128 and 2^-150 are no floats; only the second one rounds. */
	return p * ferry_exp_power(i >> 1) * ferry_exp_power(i - (i >> 1));
}

#endif
