// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "compute/rope.h"

static void test_angles_match_libm(void **state)
{
	static const uint32_t positions[] = {0,	   1,	  2,	  3,	   17,	     511,
					     4095, 32767, 131071, 1048575, 100000000};
	float freq[64], cos_sin[128];

	(void)state;
	ferry_rope_frequencies(freq, 128, 10000.0f, NULL);
	for (unsigned p = 0; p < sizeof(positions) / sizeof(positions[0]); p++) {
		ferry_rope_angles(cos_sin, freq, 128, positions[p], 1.0f);
		for (int i = 0; i < 64; i++) {
			const double angle = (double)positions[p] * (double)freq[i];

			assert_true(fabs((double)cos_sin[i] - cos(angle)) <= 6e-8);
			assert_true(fabs((double)cos_sin[64 + i] - sin(angle)) <= 6e-8);
		}
	}
}

static void test_every_quadrant(void **state)
{
	const float freq[1] = {0.001f};
	float cos_sin[2];

	(void)state;
	for (uint32_t p = 0; p < 13000; p++) {
		const double angle = (double)p * (double)freq[0];

		ferry_rope_angles(cos_sin, freq, 2, p, 1.0f);
		assert_true(fabs((double)cos_sin[0] - cos(angle)) <= 6e-8);
		assert_true(fabs((double)cos_sin[1] - sin(angle)) <= 6e-8);
	}
}

static void test_frequencies_scale_and_divisors(void **state)
{
	const float divisors[4] = {1.0f, 2.0f, 4.0f, 8.0f};
	float freq[4], cos_sin[8];

	(void)state;
	ferry_rope_frequencies(freq, 8, 10000.0f, divisors);
	assert_true(freq[0] == 1.0f);
	for (int i = 0; i < 4; i++) {
		const double want = pow(10.0, -i) / (double)divisors[i];

		assert_true(fabs((double)freq[i] - want) <= 1e-7 * want);
	}
	ferry_rope_angles(cos_sin, freq, 8, 12, 0.25f); /* as position 3 */
	assert_true(fabs((double)cos_sin[0] - cos(3.0)) <= 6e-8);
	assert_true(fabs((double)cos_sin[4] - sin(3.0)) <= 6e-8);
}

/* Both kinds, by an angle of 90 degrees and one of 180; dimensions behind n_rot stay. */
static void test_rotation(void **state)
{
	const float cos_sin[4] = {0.0f, -1.0f, 1.0f, 0.0f};
	float pairs[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	float halves[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	const float want_pairs[12] = {-2, 1, -3, -4, 5, 6, -8, 7, -9, -10, 11, 12};
	const float want_halves[12] = {-3, -2, 1, -4, 5, 6, -9, -8, 7, -10, 11, 12};

	(void)state;
	ferry_rope_rotate(FERRY_ROPE_PAIRS, pairs, 2, 6, cos_sin, 4);
	ferry_rope_rotate(FERRY_ROPE_HALVES, halves, 2, 6, cos_sin, 4);
	for (int i = 0; i < 12; i++) {
		assert_true(pairs[i] == want_pairs[i]);
		assert_true(halves[i] == want_halves[i]);
	}
}

static void test_infinite_frequency_gives_nan(void **state)
{
	const float freq[1] = {INFINITY};
	float cos_sin[2];

	(void)state;
	ferry_rope_angles(cos_sin, freq, 2, 1, 1.0f);
	assert_true(isnan(cos_sin[0]) && isnan(cos_sin[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_angles_match_libm),
		cmocka_unit_test(test_every_quadrant),
		cmocka_unit_test(test_frequencies_scale_and_divisors),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_infinite_frequency_gives_nan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
