// SPDX-License-Identifier: MIT
#include "compute/activation.h"

#include "compute/variant.h"
#include "compute/vector.h"

/*
 * The bits of the largest magnitude. As integers, magnitudes compare as they do as floats, and
 * infinities and NaNs are larger than every number: one of them makes d not finite.
 */
static uint32_t largest(const float *x)
{
	vecu most = {0};
	uint32_t lane[FERRY_LANES], bits = 0;

	for (int i = 0; i < FERRY_ACTIVATION_BLOCK; i += FERRY_LANES) {
		vecu v = (vecu)vec_load(x + i) & 0x7fffffff;
		vecu more = (vecu)(v > most);

		most = (v & more) | (most & ~more);
	}
	memcpy(lane, &most, sizeof(lane));
	for (int l = 0; l < FERRY_LANES; l++)
		bits = lane[l] > bits ? lane[l] : bits;
	return bits;
}

static void sum_up(struct ferry_q8_block *a)
{
	int p[2][2] = {{0}};

	for (int g = 0; g < 2; g++)
		for (int i = 0; i < 16; i++)
			p[g][i % 4 / 2] += a->x[16 * g + i];
	for (int k = 0; k < 2; k++) {
		a->sum16[k] = (int16_t)(p[k][0] + p[k][1]);
		a->p8[k] = (int16_t)(8 * (p[0][k] + p[1][k]));
		a->p16[k] = (int16_t)(16 * (p[0][k] + p[1][k]));
		for (int g = 0; g < 2; g++)
			a->p32[g][k] = (int16_t)(32 * p[g][k]);
	}
	a->sum = a->sum16[0] + a->sum16[1];
	a->d_sum = a->d * (float)a->sum;
}

static void quantize_block(const float *x, struct ferry_q8_block *a)
{
	/* Adding it rounds to an integer, to even, which is then in the low bits. */
	const float round = 12582912.0f;
	const uint32_t bits = largest(x);
	float most, inverse;

	memcpy(&most, &bits, sizeof(most));
	a->d = most / 127.0f;
	/* Below this the inverse would overflow; and such activations are nothing. */
	inverse = most > 1e-36f && bits < 0x7f800000 ? 127.0f / most : 0.0f;
	for (int i = 0; i < FERRY_ACTIVATION_BLOCK; i += FERRY_LANES) {
		vec v = vec_load(x + i) * inverse + round;
		uint32_t lane[FERRY_LANES];

		memcpy(lane, &v, sizeof(lane));
		for (int l = 0; l < FERRY_LANES; l++)
			a->x[i + l] = (int8_t)(uint8_t)lane[l];
	}
	if (bits >= 0x7f800000) /* a NaN times zero is not zero */
		memset(a->x, 0, sizeof(a->x));
	sum_up(a);
}

void FERRY_VARIANT(ferry_quantize)(const float *x, size_t n, struct ferry_q8_block *blocks,
				   size_t stride)
{
	for (size_t b = 0; b < n / FERRY_ACTIVATION_BLOCK; b++)
		quantize_block(x + b * FERRY_ACTIVATION_BLOCK, blocks + b * stride);
}
