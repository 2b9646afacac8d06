/* SPDX-License-Identifier: MIT */
/*
 * Activations for the integer kernels: signed bytes with a scale for every 32, and the sums that
 * weights with an offset or a minimum are corrected by, so that no kernel sums them again.
 */
#ifndef FERRY_COMPUTE_ACTIVATION_H
#define FERRY_COMPUTE_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

enum { FERRY_ACTIVATION_BLOCK = 32 };

/*
 * 32 activations, about x[i] * d; |x[i]| <= 127. One cache line.
 *
 * P is the pair of sums of x[i] with i % 4 < 2 and with i % 4 >= 2: where a processor adds
 * products by pairs, it is what an offset of one adds to either half of a lane.
 */
struct ferry_q8_block {
	int8_t x[32];
	float d;	   /* see ferry_quantize_reference(); not finite where an input was not */
	float d_sum;	   /* d * sum */
	int32_t sum;	   /* of all x */
	int16_t sum16[2];  /* of each sixteen */
	int16_t p8[2];	   /* 8 P */
	int16_t p16[2];	   /* 16 P */
	int16_t p32[2][2]; /* 32 P of each sixteen */
};

_Static_assert(sizeof(struct ferry_q8_block) == 64, "one cache line");

/* Activations of several tokens: block b of token t is blocks[b * n_tokens + t]. */
struct ferry_activations {
	struct ferry_q8_block *blocks; /* [n_in / 32][n_tokens], aligned to 64 bytes */
	size_t n_tokens;
};

#endif
