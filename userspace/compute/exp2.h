/* SPDX-License-Identifier: MIT */
/*
 * 2^x for x <= 0, as attention needs it: the exponentials of a softmax, whose scores are in units
 * of ln 2. Below -126 it is zero, so there are no denormal results; relative error 1e-7.
 *
 * x = n + r with |r| <= 1 / 2; 2^r = 1 + r p(r), where p is the minimax polynomial of degree 5
 * (relative error 3e-9). vector_math.h has the same steps for vectors.
 */
#ifndef FERRY_COMPUTE_EXP2_H
#define FERRY_COMPUTE_EXP2_H

#include <stdint.h>
#include <string.h>

#define FERRY_LOG2E	 1.44269504f
#define FERRY_EXP2_MIN	 -126.0f
#define FERRY_EXP2_ROUND 12582912.0f /* 1.5 * 2^23: leaves the whole number in the low bits */
#define FERRY_EXP2_P0	 0.693147242f
#define FERRY_EXP2_P1	 0.240226522f
#define FERRY_EXP2_P2	 0.0555031039f
#define FERRY_EXP2_P3	 0.00961769279f
#define FERRY_EXP2_P4	 0.00134066434f
#define FERRY_EXP2_P5	 0.000155946778f

static inline float ferry_exp2(float x)
{
	float t, r, p, power;
	uint32_t bits;

	if (x < FERRY_EXP2_MIN)
		return 0.0f;
	t = x + FERRY_EXP2_ROUND;
	r = x - (t - FERRY_EXP2_ROUND);
	p = FERRY_EXP2_P5 * r + FERRY_EXP2_P4;
	p = p * r + FERRY_EXP2_P3;
	p = p * r + FERRY_EXP2_P2;
	p = p * r + FERRY_EXP2_P1;
	p = p * r + FERRY_EXP2_P0;
	p = p * r + 1.0f;
	memcpy(&bits, &t, sizeof(bits));
	bits = (bits << 23) + 0x3f800000;
	memcpy(&power, &bits, sizeof(power));
	return p * power;
}

#endif
