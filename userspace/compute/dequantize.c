// SPDX-License-Identifier: MIT
#include "compute/dequantize.h"

#include <string.h>

#include "base/bytes.h"
#include "compute/dequantize_block.h"

static inline float from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

float ferry_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;

	if (exponent == 31) /* infinity, or a NaN, which comes out quiet as from the hardware */
		return from_bits(sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
	if (exponent)
		return from_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
	/* Zero or denormal: mantissa * 2^-24 is exact in F32. */
	return from_bits(sign | 0x3f800000) * ((float)mantissa * 0x1p-24f);
}

uint16_t ferry_f32_to_f16(float f)
{
	uint32_t bits, magnitude, sign, shift, rest, half;

	memcpy(&bits, &f, sizeof(bits));
	sign = bits >> 16 & 0x8000;
	magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000) /* NaN: quiet, with what fits of its payload */
		return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
	if (magnitude >= 0x477ff000) /* 65520, halfway to the next power of two, and above */
		return (uint16_t)(sign | 0x7c00);
	if (magnitude < 0x33000000) /* under 2^-25, half of the smallest denormal */
		return (uint16_t)sign;
	if (magnitude < 0x38800000) { /* under 2^-14: a denormal; make the hidden bit explicit */
		shift = 126 - (magnitude >> 23);
		magnitude = (magnitude & 0x7fffff) | 0x800000;
	} else {
		shift = 13;
		magnitude -= (127 - 15) << 23;
	}
	rest = magnitude & ((1u << shift) - 1);
	half = 1u << (shift - 1);
	magnitude >>= shift;
	/* A carry out of the mantissa increments the exponent, which is what rounding up means. */
	if (rest > half || (rest == half && magnitude & 1))
		magnitude++;
	return (uint16_t)(sign | magnitude);
}

static void dequantize_f32(const uint8_t *src, float *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = ferry_load_lef32(src + 4 * i);
}

static void dequantize_f16(const uint8_t *src, float *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = ferry_f16_to_f32(ferry_load_le16(src + 2 * i));
}

static void dequantize_bf16(const uint8_t *src, float *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = from_bits((uint32_t)ferry_load_le16(src + 2 * i) << 16);
}

void ferry_dequantize_row(enum ferry_tensor_type type, const void *src, float *dst, size_t n)
{
	switch (type) {
	case FERRY_TYPE_F32:
		dequantize_f32(src, dst, n);
		break;
	case FERRY_TYPE_F16:
		dequantize_f16(src, dst, n);
		break;
	case FERRY_TYPE_BF16:
		dequantize_bf16(src, dst, n);
		break;
	case FERRY_TYPE_Q4_0:
		ferry_dequantize_q4_0(src, dst, n);
		break;
	case FERRY_TYPE_Q4_1:
		ferry_dequantize_q4_1(src, dst, n);
		break;
	case FERRY_TYPE_Q5_0:
		ferry_dequantize_q5_0(src, dst, n);
		break;
	case FERRY_TYPE_Q5_1:
		ferry_dequantize_q5_1(src, dst, n);
		break;
	case FERRY_TYPE_Q8_0:
		ferry_dequantize_q8_0(src, dst, n);
		break;
	case FERRY_TYPE_Q2_K:
		ferry_dequantize_q2_k(src, dst, n);
		break;
	case FERRY_TYPE_Q3_K:
		ferry_dequantize_q3_k(src, dst, n);
		break;
	case FERRY_TYPE_Q4_K:
		ferry_dequantize_q4_k(src, dst, n);
		break;
	case FERRY_TYPE_Q5_K:
		ferry_dequantize_q5_k(src, dst, n);
		break;
	case FERRY_TYPE_Q6_K:
		ferry_dequantize_q6_k(src, dst, n);
		break;
	case FERRY_TYPE_IQ4_NL:
		ferry_dequantize_iq4_nl(src, dst, n);
		break;
	case FERRY_TYPE_IQ4_XS:
		ferry_dequantize_iq4_xs(src, dst, n);
		break;
	}
}
