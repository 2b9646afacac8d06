/* SPDX-License-Identifier: MIT */
/*
 * The kernel sets that a test goes through: those that this processor can run, and one that is
 * compiled for registers of sixteen lanes, which the compiler makes of smaller ones; and the bodies
 * for AVX-512 and VNNI, whose instructions emulated_avx512.h has in plain C.
 */
#ifndef FERRY_TESTS_KERNEL_SETS_H
#define FERRY_TESTS_KERNEL_SETS_H

#include <string.h>

#include "compute/kernels.h"

extern const struct ferry_kernels ferry_kernels_lanes16;
#ifdef FERRY_EMULATED_SETS
extern const struct ferry_kernels ferry_kernels_emulated_avxvnni, ferry_kernels_emulated_avx512,
	ferry_kernels_emulated_avx512vnni;
#endif

enum { MAX_KERNEL_SETS = 16 };

/* Return: how many; the last one is the portable set. */
static inline unsigned kernel_sets(const struct ferry_kernels *sets[MAX_KERNEL_SETS])
{
	unsigned n = 0;

	sets[n++] = &ferry_kernels_lanes16;
#ifdef FERRY_EMULATED_SETS
	if (strcmp(ferry_kernels_best()->name, "portable") != 0) { /* they are compiled for AVX2 */
		sets[n++] = &ferry_kernels_emulated_avxvnni;
		sets[n++] = &ferry_kernels_emulated_avx512;
		sets[n++] = &ferry_kernels_emulated_avx512vnni;
	}
#endif
	for (unsigned i = 0; ferry_kernels_at(i); i++)
		if (ferry_kernels_supported(ferry_kernels_at(i)))
			sets[n++] = ferry_kernels_at(i);
	return n;
}

/* A number from the whole range of a generator that is the same everywhere. */
static inline uint32_t random_bits(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}

/* [-1, 1) */
static inline float random_float(uint64_t *state)
{
	return (float)((int32_t)random_bits(state) >> 8) * 0x1p-23f;
}

#endif
