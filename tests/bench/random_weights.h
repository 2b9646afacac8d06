/* SPDX-License-Identifier: MIT */
/*
 * Random weights of every tensor type, packed directly: the codes and scales are drawn, so
 * nothing is quantized. Same seed, same bytes, on every machine.
 */
#ifndef FERRY_BENCH_RANDOM_WEIGHTS_H
#define FERRY_BENCH_RANDOM_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensor_type.h"

/* xoshiro256++ (Blackman, Vigna 2019), public domain algorithm */
struct ferry_random {
	uint64_t s[4];
};

/* A stream of its own for each (seed, name), so that tensors do not depend on their order. */
struct ferry_random ferry_random(uint64_t seed, const char *name);

/**
 * ferry_random_weights - fill a row, or several rows that lie one behind the other.
 * @sigma: standard deviation of the weights, whose mean is zero
 * @n: a multiple of the type's block length; of 4 for F32, F16 and BF16
 * @dst: n / block_len * block_bytes bytes
 *
 * Bell-shaped: the sum of two uniform codes, or of four uniform numbers for the types without
 * blocks. Scales vary by a quarter from block to block (K-quants: by a third from group to group)
 * and have either sign where the type's may.
 */
void ferry_random_weights(struct ferry_random *r, enum ferry_tensor_type type, double sigma,
			  uint8_t *dst, size_t n);

/* Gains of a norm: around 1, F32. @n: a multiple of 4 */
void ferry_random_gains(struct ferry_random *r, uint8_t *dst, size_t n);

#endif
