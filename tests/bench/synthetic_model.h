/* SPDX-License-Identifier: MIT */
/*
 * Shapes of published models and the types that their tensors get, as a pure function of the
 * tensor's number: nothing here grows with the model.
 */
#ifndef FERRY_BENCH_SYNTHETIC_MODEL_H
#define FERRY_BENCH_SYNTHETIC_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/tensor_type.h"

/* Architecture "llama"; heads have n_embd / n_head dimensions. */
struct ferry_synthetic_shape {
	const char *name;
	uint32_t n_embd, n_ff, n_layers, n_head, n_head_kv, n_ctx, n_vocab;
	bool tied; /* the output is token_embd: there is no output.weight */
};

/*
 * What --type names. Most give every matrix the same type; the _M mixtures follow the rules of
 * llama.cpp's quantizer, which spends more bits where errors cost more.
 */
struct ferry_synthetic_mix {
	const char *name;
	enum ferry_tensor_type type; /* of most matrices */
	uint32_t file_type;	     /* general.file_type as llama.cpp numbers it */
	bool mixed;
};

struct ferry_synthetic_tensor {
	char name[48];
	uint32_t n_dims;
	uint64_t dim[2]; /* dim[0] varies fastest; dim[1] is 1 for a vector */
	const struct ferry_type_traits *traits;
	uint64_t n_bytes;
};

/* By name, any case; NULL where there is none. */
const struct ferry_synthetic_shape *ferry_synthetic_shape(const char *name);
const struct ferry_synthetic_mix *ferry_synthetic_mix(const char *name);

/* All of them; *n receives how many. */
const struct ferry_synthetic_shape *ferry_synthetic_shapes(unsigned *n);
const struct ferry_synthetic_mix *ferry_synthetic_mixes(unsigned *n);

uint64_t ferry_synthetic_n_tensors(const struct ferry_synthetic_shape *s);

/*
 * Tensor @i of [0, n_tensors). A matrix whose rows are no multiple of its type's block gets the
 * 32-weight type that llama.cpp's quantizer falls back to: Q2_K and Q3_K become Q4_0, Q4_K
 * Q5_0, Q5_K Q5_1, Q6_K Q8_0, IQ4_XS IQ4_NL. All rows of all shapes are multiples of 32.
 */
struct ferry_synthetic_tensor ferry_synthetic_tensor(const struct ferry_synthetic_shape *s,
						     const struct ferry_synthetic_mix *mix,
						     uint64_t i);

#endif
