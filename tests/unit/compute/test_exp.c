// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "compute/exp.h"
#include "compute/exp2.h"
#include "kernel_sets.h"

/* Distance in representable numbers; both are positive. */
static uint32_t ulps(float a, float b)
{
	uint32_t x, y;

	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	return x > y ? x - y : y - x;
}

static float from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

enum { STRIDE = 1499 }; /* of bit patterns: three million of them */

static void test_within_two_ulp_of_libm(void **state)
{
	uint32_t worst = 0;

	(void)state;
	for (uint64_t bits = 0; bits < 0x100000000u; bits += STRIDE) {
		const float x = from_bits((uint32_t)bits);
		const float expected = (float)exp((double)x);

		if (x != x)
			continue;
		if (ulps(ferry_exp(x), expected) > worst)
			worst = ulps(ferry_exp(x), expected);
	}
	print_message("largest error of exp: %u ulp\n", worst);
	assert_true(worst <= 2);
}

/* Of softmax: from 0 down to where it ends in zero. */
static void test_exp2_is_close_to_libm(void **state)
{
	double worst = 0.0;

	(void)state;
	for (uint32_t i = 0; i <= 126 * 8192; i++) {
		const double x = -(double)i / 8192.0;

		worst = fmax(worst, fabs((double)ferry_exp2((float)x) / exp2(x) - 1.0));
	}
	print_message("largest relative error of exp2: %.1e\n", worst);
	assert_true(worst <= 1.3e-7);
	assert_true(ferry_exp2(0.0f) == 1.0f);
	assert_true(ferry_exp2(-126.0f) == 0x1p-126f);
	assert_true(ferry_exp2(-126.01f) == 0.0f);
	assert_true(ferry_exp2(-1e30f) == 0.0f);
	assert_true(ferry_exp2(-INFINITY) == 0.0f);
	assert_true(isnan(ferry_exp2(NAN)));
}

static void test_special_values(void **state)
{
	(void)state;
	assert_true(ferry_exp(0.0f) == 1.0f);
	assert_true(ferry_exp(-0.0f) == 1.0f);
	assert_true(ferry_exp(INFINITY) == INFINITY);
	assert_true(ferry_exp(-INFINITY) == 0.0f);
	assert_true(ferry_exp(-200.0f) == 0.0f);
	assert_true(ferry_exp(200.0f) == INFINITY);
	assert_true(isnan(ferry_exp(NAN)));
	assert_true(ferry_exp(-103.0f) > 0.0f); /* a denormal */
}

static void test_vectors_have_the_same_bits(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	float x[101], y[101];
	uint64_t bits = 12345;

	(void)state;
	while (bits < 0x100000000u) {
		for (int i = 0; i < 101; i++, bits += 10007)
			x[i] = from_bits((uint32_t)bits);
		for (unsigned k = 0; k < n_sets; k++) {
			memcpy(y, x, sizeof(x));
			sets[k]->exp(y, 101);
			for (int i = 0; i < 101; i++) {
				const float expected = ferry_exp(x[i]);

				assert_true((isnan(y[i]) && isnan(expected)) ||
					    !memcmp(&y[i], &expected, sizeof(float)));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_within_two_ulp_of_libm),
		cmocka_unit_test(test_exp2_is_close_to_libm),
		cmocka_unit_test(test_special_values),
		cmocka_unit_test(test_vectors_have_the_same_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
