/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_TENSOR_TYPE_H
#define FERRY_MODEL_TENSOR_TYPE_H

#include <stdint.h>

/* The numbers are those of the GGUF file format. */
enum ferry_tensor_type {
	FERRY_TYPE_F32 = 0,
	FERRY_TYPE_F16 = 1,
	FERRY_TYPE_Q4_0 = 2,
	FERRY_TYPE_Q4_1 = 3,
	FERRY_TYPE_Q5_0 = 6,
	FERRY_TYPE_Q5_1 = 7,
	FERRY_TYPE_Q8_0 = 8,
	FERRY_TYPE_Q2_K = 10,
	FERRY_TYPE_Q3_K = 11,
	FERRY_TYPE_Q4_K = 12,
	FERRY_TYPE_Q5_K = 13,
	FERRY_TYPE_Q6_K = 14,
	FERRY_TYPE_IQ4_NL = 20,
	FERRY_TYPE_IQ4_XS = 23,
	FERRY_TYPE_BF16 = 30,
};

/* How a type packs weights: a row is a sequence of blocks. */
struct ferry_type_traits {
	enum ferry_tensor_type type;
	const char *name;     /* as GGUF tools print it: "Q4_K" */
	uint32_t block_len;   /* weights in a block */
	uint32_t block_bytes; /* bytes of a block in the file */
};

/* NULL for a number that Ferry does not know. */
const struct ferry_type_traits *ferry_type_traits(uint32_t type);

/* By name, any case ("q8_0"); NULL where there is none. */
const struct ferry_type_traits *ferry_type_by_name(const char *name);

/* What GGUF tools call a type that Ferry does not read, for messages; never NULL. */
const char *ferry_type_foreign_name(uint32_t type);

/* All types in the order of their numbers; *n receives how many. */
const struct ferry_type_traits *ferry_type_table(unsigned *n);

/* Bytes of a row of @n_weights, which must be a multiple of block_len. */
static inline uint64_t ferry_type_row_bytes(const struct ferry_type_traits *t, uint64_t n_weights)
{
	return n_weights / t->block_len * t->block_bytes;
}

#endif
