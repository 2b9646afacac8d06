/* SPDX-License-Identifier: MIT */
#ifndef FERRY_COMPUTE_MATRIX_H
#define FERRY_COMPUTE_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "model/gguf.h"
#include "model/tensor_type.h"

/* W[n_out][n_in] of any tensor type: n_out rows of row_bytes each, unaligned. */
struct ferry_matrix {
	enum ferry_tensor_type type;
	const uint8_t *rows;
	size_t n_in, n_out; /* n_in is a multiple of the type's block length */
	size_t row_bytes;
};

/*
 * Matrix @i of a tensor of two or three dimensions ([n_experts][n_out][n_in]). The shapes were
 * checked when the file was opened.
 */
static inline struct ferry_matrix ferry_matrix_of(const struct ferry_tensor *t, size_t i)
{
	struct ferry_matrix w = {
		.type = t->type,
		.n_in = t->dim[0],
		.n_out = t->dim[1],
		.row_bytes = ferry_type_row_bytes(ferry_type_traits(t->type), t->dim[0]),
	};

	w.rows = t->data + i * w.n_out * w.row_bytes;
	return w;
}

#endif
