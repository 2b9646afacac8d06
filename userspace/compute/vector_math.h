/* SPDX-License-Identifier: MIT */
/*
 * exp, tanh and the sums that kernels are made of, lane by lane with a fixed order of operations.
 */
#ifndef FERRY_COMPUTE_VECTOR_MATH_H
#define FERRY_COMPUTE_VECTOR_MATH_H

#include "compute/exp.h"
#include "compute/exp2.h"
#include "compute/vector.h"

/* The steps of ferry_exp(), same bits; NaN stays NaN. */
FERRY_INLINE vec vec_exp(vec x)
{
	vec t, n, r, p;
	vecu i, low;

	x = vec_select(x > FERRY_EXP_MAX, vec_set(FERRY_EXP_MAX), x);
	x = vec_select(x < FERRY_EXP_MIN, vec_set(FERRY_EXP_MIN), x);
	t = x * FERRY_EXP_LOG2E + FERRY_EXP_ROUND;
	i = (vecu)t - 0x4b400000;
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
	low = (vecu)((veci)i >> 1);
	return p * (vec)((low + 127) << 23) * (vec)((i - low + 127) << 23);
}

/* The steps of ferry_exp2(), same bits, for x <= 0; NaN stays NaN. */
FERRY_INLINE vec vec_exp2(vec x)
{
	const vec t = x + FERRY_EXP2_ROUND;
	const vec r = x - (t - FERRY_EXP2_ROUND);
	const vecu power = ((vecu)t << 23) + 0x3f800000;
	vec p = FERRY_EXP2_P5 * r + FERRY_EXP2_P4;

	p = p * r + FERRY_EXP2_P3;
	p = p * r + FERRY_EXP2_P2;
	p = p * r + FERRY_EXP2_P1;
	p = p * r + FERRY_EXP2_P0;
	p = p * r + 1.0f;
	return (vec)((veci)(p * (vec)power) & ~(x < FERRY_EXP2_MIN));
}

/*
 * Below 0.625 an odd polynomial (relative error 4e-9), where 1 - 2 / (e^2x + 1) would cancel.
 */
FERRY_INLINE vec vec_tanh(vec x)
{
	const vecu sign = (vecu)x & 0x80000000;
	vec a = (vec)((vecu)x ^ sign);
	vec z = a * a, p, big;

	p = -0.00570498547f * z + 0.0206390861f;
	p = p * z - 0.0537397154f;
	p = p * z + 0.133314416f;
	p = p * z - 0.333332807f;
	p = p * z * a + a;
	big = 1.0f - 2.0f / (vec_exp(a + a) + 1.0f);
	return (vec)((vecu)vec_select(a < 0.625f, p, big) | sign);
}

#endif
