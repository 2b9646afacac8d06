/* SPDX-License-Identifier: MIT */
/*
 * What the integer kernels compute, in plain C: the same bits, one element after the other, from
 * the blocks of the file.
 */
#ifndef FERRY_COMPUTE_MATMUL_PACKED_H
#define FERRY_COMPUTE_MATMUL_PACKED_H

#include <stddef.h>

#include "compute/activation.h"
#include "compute/matrix.h"

/**
 * ferry_quantize_reference - activations of one token to blocks.
 * @x: [n], n a multiple of 32
 * @blocks: block b goes to blocks[b * stride]
 *
 * x[i] / d rounded to the nearest integer, to the even one of two, where d is that of largest
 * magnitude / 127, / 126 and / 125 that leaves the smallest sum of squared errors, the first among
 * equals: an eighth less error than the first alone. The squares are added lane by lane, i and
 * i + 16 in lane i, then as by v16_sum(). Where an input is not finite, neither is d, and all x
 * are zero.
 */
void ferry_quantize_reference(const float *x, size_t n, struct ferry_q8_block *blocks,
			      size_t stride);

/**
 * ferry_matmul_packed_reference - y[t][o] = sum over i of W[o][i] * x[t][i].
 * @w: a type that has codes
 * @x: tokens [0, x->n_tokens)
 * @y: [n_tokens][n_out]
 *
 * Slices of 32 weights are added in order, as the head of matmul_packed.c says.
 */
void ferry_matmul_packed_reference(const struct ferry_matrix *w, const struct ferry_activations *x,
				   float *y);

#endif
