/* SPDX-License-Identifier: MIT */
/*
 * The hot loops, one set per instruction set. All sets give the same bits
 * (Documentation/architecture.md, "Same bits"): operations and their order are fixed here and in
 * vector.h, never by the width of a register.
 *
 * Pointers need no alignment. Outputs may not overlap inputs unless it is said.
 */
#ifndef FERRY_COMPUTE_KERNELS_H
#define FERRY_COMPUTE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compute/activation.h"
#include "compute/attention.h"
#include "compute/codec.h"
#include "compute/matrix.h"
#include "compute/packed.h"
#include "ferry/error.h"

struct ferry_kernels {
	/*
	 * "portable", which has what every processor of the architecture has: SSE2, NEON;
	 * "avx2", "avxvnni", "avx512", "avx512vnni" on x86-64; "dotprod", "i8mm" on aarch64
	 */
	const char *name;

	/*
	 * y[t][o] = sum over i of W[o][i] * x[t][i], for rows o in [row_begin, row_end) and all
	 * n_tokens tokens; x[t] begins at x + t * x_stride, y[t] at y + t * y_stride.
	 *
	 * Lane l sums i = l, l + 16, ... in that order; the lanes are added as by v16_sum(). So an
	 * element depends on its row and token only. Weights are those of ferry_dequantize_row().
	 */
	void (*matmul)(const struct ferry_matrix *w, const float *x, size_t x_stride,
		       size_t n_tokens, float *y, size_t y_stride, size_t row_begin,
		       size_t row_end);

	/*
	 * Activations of one token, n a multiple of 32, to blocks: block b to blocks[b * stride].
	 * The same bits as ferry_quantize_reference().
	 */
	void (*quantize)(const float *x, size_t n, struct ferry_q8_block *blocks, size_t stride);

	/*
	 * As matmul, for packed weights and quantized activations: rows of groups
	 * [group_begin, group_end), tokens first ... first + n_tokens - 1 of @x, of which token
	 * @first goes to y. The same bits as ferry_matmul_packed_reference().
	 */
	void (*matmul_packed)(const struct ferry_packed *w, const struct ferry_activations *x,
			      size_t first, size_t n_tokens, float *y, size_t y_stride,
			      size_t group_begin, size_t group_end);

	/* ferry_dequantize_row(): the same floats */
	void (*unpack)(enum ferry_tensor_type type, const void *src, float *dst, size_t n);

	/* y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]; y may be x */
	void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);

	/* gate[i] = activation(gate[i]) * up[i] */
	void (*silu_mul)(float *gate, const float *up, size_t n);
	void (*gelu_mul)(float *gate, const float *up, size_t n); /* the tanh form */

	/* x[i] = cap * tanh(x[i] / cap) */
	void (*softcap)(float *x, size_t n, float cap);

	void (*exp)(float *x, size_t n); /* ferry_exp() */

	/*
	 * Rows to out [value_dim]; see attention.h. n_rows is at most FERRY_ATTENTION_ROWS,
	 * @scratch has ferry_attention_scratch() floats. The same bits as
	 * ferry_attention_reference().
	 */
	void (*attention)(const struct ferry_attention_kv *kv,
			  const struct ferry_attention_row *rows, uint32_t n_rows,
			  const struct ferry_attention_scale *scale, float *scratch);

	/*
	 * The same in parts: positions of one run, of which a row may see none (begin >= end), to
	 * records of ferry_attention_record() floats at out; and n records of a row, @stride
	 * floats apart, in the order of their runs, to out. The first record is overwritten.
	 */
	void (*attention_run)(const struct ferry_attention_kv *kv,
			      const struct ferry_attention_row *rows, uint32_t n_rows,
			      const struct ferry_attention_scale *scale, float *scratch);
	void (*attention_merge)(float *records, size_t n, size_t stride, uint32_t value_dim,
				float *out);

	/* key [key_dim] or value [value_dim] to @position of its tiles */
	void (*put_key)(const struct ferry_attention_kv *kv, uint32_t position, const float *key);
	void (*put_value)(const struct ferry_attention_kv *kv, uint32_t position,
			  const float *value);

	/* A row of hidden states to bytes and back; ferry_codec_encode_reference(): the same. */
	bool (*encode)(enum ferry_codec codec, const float *x, size_t n, uint8_t *bytes);
	bool (*decode)(enum ferry_codec codec, const uint8_t *bytes, size_t n, float *x);
};

/* The best set for this processor. */
const struct ferry_kernels *ferry_kernels_best(void);

/*
 * The best set, or the one that the environment variable FERRY_CPU names. -EINVAL where this
 * processor cannot run that one or there is none of the name; the message lists those it can.
 */
int ferry_kernels_choose(const struct ferry_kernels **out, struct ferry_error *err);

/* Set @i of those that were built, best first, whether this processor can run them or not;
 * NULL past the end. */
const struct ferry_kernels *ferry_kernels_at(unsigned i);

/* Whether this processor has what a set needs. */
bool ferry_kernels_supported(const struct ferry_kernels *k);

#endif
