/* SPDX-License-Identifier: MIT */
/*
 * The plain matrix product that the kernels' matmul is compared with.
 */
#ifndef FERRY_COMPUTE_MATMUL_H
#define FERRY_COMPUTE_MATMUL_H

#include <stddef.h>

#include "compute/matrix.h"

/**
 * ferry_matmul_reference - y[t][o] = sum over i of W[o][i] * x[t][i], summed in double precision.
 * @w: any type; ferry_dequantize_row() turns one row at a time to F32
 * @x: [n_tokens][n_in]
 * @y: [n_tokens][n_out]
 * @row_begin, @row_end: the rows o to compute; other elements of @y stay
 * @row: scratch, [n_in]
 */
void ferry_matmul_reference(const struct ferry_matrix *w, const float *x, size_t n_tokens, float *y,
			    size_t row_begin, size_t row_end, float *row);

#endif
