/* SPDX-License-Identifier: MIT */
/*
 * Weights of every tensor type to F32, in plain C: the reference that every faster kernel is
 * compared with.
 */
#ifndef FERRY_COMPUTE_DEQUANTIZE_H
#define FERRY_COMPUTE_DEQUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensor_type.h"

/* IEEE 754 binary16 to binary32, exact, denormals and NaNs included. */
float ferry_f16_to_f32(uint16_t h);

/* Round to nearest even; overflow gives infinity, as the hardware does. */
uint16_t ferry_f32_to_f16(float f);

/* @n weights, a multiple of the type's block length; @src needs no alignment. */
void ferry_dequantize_row(enum ferry_tensor_type type, const void *src, float *dst, size_t n);

#endif
