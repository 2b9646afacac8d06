// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_sets.h"

enum { MAX_N = 300 };

/*
 * Runs fn of every set on copies of x, for all lengths, and compares the bits; the result is in x.
 */
static void check_same_bits(float *x, const float *b, size_t n,
			    void (*fn)(const struct ferry_kernels *k, float *x, const float *b,
				       size_t n))
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	float y[MAX_N + 1], first[MAX_N + 1];

	for (unsigned k = 0; k < n_sets; k++) {
		memcpy(y, x, n * sizeof(float));
		y[n] = 77.0f;
		fn(sets[k], y, b, n);
		assert_true(y[n] == 77.0f);
		if (!k)
			memcpy(first, y, sizeof(y));
		assert_memory_equal(y, first, n * sizeof(float));
	}
	memcpy(x, first, n * sizeof(float));
}

static void run_silu(const struct ferry_kernels *k, float *x, const float *b, size_t n)
{
	k->silu_mul(x, b, n);
}

static void run_gelu(const struct ferry_kernels *k, float *x, const float *b, size_t n)
{
	k->gelu_mul(x, b, n);
}

static void run_softcap(const struct ferry_kernels *k, float *x, const float *b, size_t n)
{
	k->softcap(x, n, b[0]);
}

static void run_norm(const struct ferry_kernels *k, float *x, const float *b, size_t n)
{
	k->rms_norm(x, x, b, n, 1e-5f);
}

static double silu(double x)
{
	return x / (1.0 + exp(-x));
}

static double gelu(double x)
{
	return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void check_activation(double (*expected)(double x),
			     void (*fn)(const struct ferry_kernels *k, float *x, const float *b,
					size_t n))
{
	float x[MAX_N], in[MAX_N], up[MAX_N];
	uint64_t seed = 3;

	for (size_t n = 1; n <= MAX_N; n += n < 40 ? 1 : 37) {
		for (size_t i = 0; i < n; i++) {
			const float range = i % 3 == 0 ? 100.0f : i % 3 == 1 ? 5.0f : 0.01f;

			in[i] = x[i] = random_float(&seed) * range;
			up[i] = random_float(&seed) * 4.0f;
		}
		check_same_bits(x, up, n, fn);
		for (size_t i = 0; i < n; i++) {
			const double want = expected((double)in[i]) * (double)up[i];

			if (!(fabs((double)x[i] - want) <=
			      1e-6 * (fabs(want) + fabs((double)up[i]) * 1e-3)))
				fail_msg("f(%g) * %g is %g, not %g", (double)in[i], (double)up[i],
					 (double)x[i], want);
		}
	}
}

static void test_silu(void **state)
{
	(void)state;
	check_activation(silu, run_silu);
}

static void test_gelu(void **state)
{
	(void)state;
	check_activation(gelu, run_gelu);
}

/* Neither may turn an infinity or a NaN into a number. */
static void test_activations_keep_what_is_not_finite(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);

	(void)state;
	for (unsigned k = 0; k < n_sets; k++) {
		static const float bad[] = {INFINITY, -INFINITY, NAN};

		for (int i = 0; i < 3; i++) {
			float x[2] = {bad[i], 1.0f}, y[2] = {bad[i], 1.0f}, up[2] = {1.0f, 1.0f};

			sets[k]->silu_mul(x, up, 2);
			sets[k]->gelu_mul(y, up, 2);
			assert_false(isfinite(x[0]));
			assert_false(isfinite(y[0]));
			assert_true(isfinite(x[1]) && isfinite(y[1]));
		}
	}
}

static void test_softcap_is_tanh(void **state)
{
	float x[MAX_N], in[MAX_N];
	uint64_t seed = 5;

	(void)state;
	for (size_t n = 1; n <= MAX_N; n += n < 40 ? 1 : 37) {
		const float cap = n % 2 ? 1.0f : 50.0f;

		for (size_t i = 0; i < n; i++)
			in[i] = x[i] = random_float(&seed) * (i % 4 == 0   ? 1e-3f
							      : i % 4 == 1 ? 1.3f
							      : i % 4 == 2 ? 20
									   : 500);
		check_same_bits(x, &cap, n, run_softcap);
		for (size_t i = 0; i < n; i++) {
			const double want = (double)cap * tanh((double)in[i] / (double)cap);

			assert_true(fabs((double)x[i] - want) <= 4e-7 * fabs(want));
		}
	}
}

static void test_softcap_keeps_nan_and_sign_of_zero(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);

	(void)state;
	for (unsigned k = 0; k < n_sets; k++) {
		float x[5] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f};

		sets[k]->softcap(x, 5, 30.0f);
		assert_true(isnan(x[0]));
		assert_true(x[1] == 30.0f && x[2] == -30.0f);
		assert_true(x[3] == 0.0f && !signbit(x[3]));
		assert_true(x[4] == 0.0f && signbit(x[4]));
	}
}

static void test_rms_norm(void **state)
{
	float x[MAX_N], in[MAX_N], w[MAX_N];
	uint64_t seed = 9;

	(void)state;
	for (size_t n = 1; n <= MAX_N; n += n < 40 ? 1 : 37) {
		double squares = 0.0;

		for (size_t i = 0; i < n; i++) {
			in[i] = x[i] = random_float(&seed) * 10.0f;
			w[i] = random_float(&seed);
			squares += (double)x[i] * (double)x[i];
		}
		check_same_bits(x, w, n, run_norm);
		for (size_t i = 0; i < n; i++) {
			const double want = (double)in[i] * (double)w[i] /
					    sqrt(squares / (double)n + (double)1e-5f);

			assert_true(fabs((double)x[i] - want) <= 1e-6 * fabs(want));
		}
	}
}

static void test_rms_norm_of_zeros_is_zero(void **state)
{
	float x[20] = {0}, w[20] = {1.0f, 1.0f};

	(void)state;
	check_same_bits(x, w, 20, run_norm);
	for (int i = 0; i < 20; i++)
		assert_true(x[i] == 0.0f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silu),
		cmocka_unit_test(test_gelu),
		cmocka_unit_test(test_activations_keep_what_is_not_finite),
		cmocka_unit_test(test_softcap_is_tanh),
		cmocka_unit_test(test_softcap_keeps_nan_and_sign_of_zero),
		cmocka_unit_test(test_rms_norm),
		cmocka_unit_test(test_rms_norm_of_zeros_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
