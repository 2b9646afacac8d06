/* SPDX-License-Identifier: MIT */
/*
 * One row of each quantization type to F32. @src: n / block_len blocks, unaligned; @n: weights,
 * a multiple of the block length. Block layouts are those of GGUF files, little-endian.
 */
#ifndef FERRY_COMPUTE_DEQUANTIZE_BLOCK_H
#define FERRY_COMPUTE_DEQUANTIZE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "compute/dequantize.h"

static inline float ferry_load_f16(const uint8_t *p)
{
	return ferry_f16_to_f32(ferry_load_le16(p));
}

/* dequantize_legacy.c: 32 weights, one scale, perhaps one minimum */
void ferry_dequantize_q4_0(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q4_1(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q5_0(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q5_1(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q8_0(const uint8_t *src, float *dst, size_t n);

/* dequantize_k.c: 256 weights in groups whose scales are quantized themselves */
void ferry_dequantize_q2_k(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q3_k(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q4_k(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q5_k(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_q6_k(const uint8_t *src, float *dst, size_t n);

/* dequantize_iq.c: nibbles choose from sixteen levels that are not evenly spaced */
void ferry_dequantize_iq4_nl(const uint8_t *src, float *dst, size_t n);
void ferry_dequantize_iq4_xs(const uint8_t *src, float *dst, size_t n);

#endif
