/* SPDX-License-Identifier: MIT */
/* Numbers drawn for tests: always the same ones. */
#ifndef FERRY_TEST_DICE_H
#define FERRY_TEST_DICE_H

#include <stdint.h>

static inline uint64_t dice_roll(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15; /* SplitMix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint64_t dice_below(uint64_t *state, uint64_t bound)
{
	return bound ? dice_roll(state) % bound : 0;
}

/* As often between 2^k and 2^(k+1) for each k: @least to @most, not 0. */
static inline uint64_t dice_scale(uint64_t *state, uint64_t least, uint64_t most)
{
	for (;;) {
		const uint64_t value = (1ULL << 63 | dice_roll(state)) >> dice_below(state, 64);

		if (value >= least && value <= most)
			return value;
	}
}

#endif /* FERRY_TEST_DICE_H */
