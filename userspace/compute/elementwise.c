// SPDX-License-Identifier: MIT
/*
 * Kernels that treat every element alike: norms and activations.
 */
#include <math.h>

#include "compute/variant.h"
#include "compute/vector_math.h"

/*
 * a[i] = f(a[i], b[i], parameter). The last ones go through a buffer of one register.
 */
FERRY_INLINE void each(float *a, const float *b, size_t n, float parameter,
		       vec (*f)(vec a, vec b, float parameter))
{
	size_t i = 0;

	for (; i + FERRY_LANES <= n; i += FERRY_LANES)
		vec_store(a + i, f(vec_load(a + i), b ? vec_load(b + i) : (vec){0}, parameter));
	if (i < n) {
		float rest[2][FERRY_LANES] = {0};

		memcpy(rest[0], a + i, (n - i) * sizeof(float));
		if (b)
			memcpy(rest[1], b + i, (n - i) * sizeof(float));
		vec_store(rest[0], f(vec_load(rest[0]), vec_load(rest[1]), parameter));
		memcpy(a + i, rest[0], (n - i) * sizeof(float));
	}
}

FERRY_INLINE vec silu_mul(vec gate, vec up, float unused)
{
	(void)unused;
	return gate / (1.0f + vec_exp(-gate)) * up;
}

/* x / 2 (1 + tanh u) = x / (1 + e^-2u), which does not cancel where tanh u is near -1. */
FERRY_INLINE vec gelu_mul(vec gate, vec up, float unused)
{
	const float sqrt_2_over_pi = 0.797884561f;
	vec u = sqrt_2_over_pi * (gate + 0.044715f * gate * gate * gate);

	(void)unused;
	return gate / (1.0f + vec_exp(-2.0f * u)) * up;
}

FERRY_INLINE vec softcap(vec x, vec unused, float cap)
{
	(void)unused;
	return cap * vec_tanh(x / cap);
}

FERRY_INLINE vec exponential(vec x, vec unused, float unused_too)
{
	(void)unused;
	(void)unused_too;
	return vec_exp(x);
}

void FERRY_VARIANT(ferry_silu_mul)(float *gate, const float *up, size_t n)
{
	each(gate, up, n, 0.0f, silu_mul);
}

void FERRY_VARIANT(ferry_gelu_mul)(float *gate, const float *up, size_t n)
{
	each(gate, up, n, 0.0f, gelu_mul);
}

void FERRY_VARIANT(ferry_softcap)(float *x, size_t n, float cap)
{
	each(x, NULL, n, cap, softcap);
}

void FERRY_VARIANT(ferry_exp)(float *x, size_t n)
{
	each(x, NULL, n, 0.0f, exponential);
}

void FERRY_VARIANT(ferry_rms_norm)(float *y, const float *x, const float *w, size_t n, float eps)
{
	struct v16 sum = v16_set(0.0f);
	size_t i = 0;
	float scale;

	for (; i + 16 <= n; i += 16)
		sum = v16_mul_add(v16_load(x + i), v16_load(x + i), sum);
	if (i < n) {
		struct v16 rest = v16_load_some(x + i, n - i);

		sum = v16_mul_add(rest, rest, sum);
	}
	scale = 1.0f / sqrtf(v16_sum(sum) / (float)n + eps);
	for (i = 0; i < n; i++)
		y[i] = x[i] * scale * w[i];
}
