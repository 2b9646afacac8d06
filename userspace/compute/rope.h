/* SPDX-License-Identifier: MIT */
/*
 * Rotary position embedding (Su et al., "RoFormer", 2021): pair i of a head is rotated by
 * position * base^(-2i / n_rot).
 */
#ifndef FERRY_COMPUTE_ROPE_H
#define FERRY_COMPUTE_ROPE_H

#include <stdint.h>

#include "model/arch.h"

/*
 * freq [n_rot / 2]: what a position is multiplied by, rounded to F32 as is usual.
 * @divisors: [n_rot / 2], or NULL
 * Like the angles, computed without the C library, whose last bits differ between machines. NaN
 * where @base is not a positive number.
 */
void ferry_rope_frequencies(float *freq, uint32_t n_rot, float base, const float *divisors);

/*
 * cos_sin [n_rot]: the cosines of a position's angles, then their sines. @scale multiplies the
 * position.
 */
void ferry_rope_angles(float *cos_sin, const float *freq, uint32_t n_rot, uint32_t position,
		       float scale);

/* Rotates the first n_rot dimensions of each of @n_heads heads, @stride apart, in place. */
void ferry_rope_rotate(enum ferry_rope_kind kind, float *x, uint32_t n_heads, uint32_t stride,
		       const float *cos_sin, uint32_t n_rot);

#endif
