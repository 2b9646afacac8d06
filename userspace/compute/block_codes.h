/* SPDX-License-Identifier: MIT */
/*
 * A block of a quantized type taken apart into numbers: whatever bit a file keeps where, a
 * weight's code is one byte here and so is a scale. Exact both ways; packed.h moves the codes of
 * sixteen rows into the lanes of a register.
 */
#ifndef FERRY_COMPUTE_BLOCK_CODES_H
#define FERRY_COMPUTE_BLOCK_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/tensor_type.h"

/* Unsigned codes; dequantize_*.c has the formulas that turn them into weights. */
struct ferry_block_codes {
	uint16_t d, m;	   /* binary16: scale; minimum, of types that have one */
	uint8_t scale[16]; /* of each group, of the types of 256 weights */
	uint8_t min[16];   /* likewise; Q4_K and Q5_K */
	uint8_t weight[256];
};

/* Whether a type has codes: every type but F32, F16 and BF16. */
bool ferry_type_has_codes(enum ferry_tensor_type type);

void ferry_block_split(enum ferry_tensor_type type, const uint8_t *block,
		       struct ferry_block_codes *codes);
void ferry_block_join(enum ferry_tensor_type type, const struct ferry_block_codes *codes,
		      uint8_t *block);

#endif
