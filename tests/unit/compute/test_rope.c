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

/* The bases of models in the field, and those near the ends of F32. */
static void test_frequencies_match_libm(void **state)
{
	static const float bases[] = {1.0f,	  1.5f, 10.0f, 10000.0f, 100000.0f, 500000.0f,
				      1000000.0f, 8e6f, 5e8f,  0.5f,	 1e-37f,    1e38f};
	static const uint32_t sizes[] = {2, 6, 10, 32, 64, 80, 96, 128, 256, 512};
	float freq[256];

	(void)state;
	for (unsigned b = 0; b < sizeof(bases) / sizeof(bases[0]); b++)
		for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			ferry_rope_frequencies(freq, sizes[s], bases[b], NULL);
			for (uint32_t i = 0; i < sizes[s] / 2; i++) {
				const double want = pow((double)bases[b], -2.0 * i / sizes[s]);

				/* That is the rounding to F32 and next to nothing else. */
				assert_true(fabs((double)freq[i] - want) <=
					    (0x1p-24 + 1e-13) * want);
			}
		}
}

static void test_bases_of_damaged_files_give_nan(void **state)
{
	static const float bases[] = {0.0f, -1.0f, -10000.0f, INFINITY, -INFINITY, NAN};
	float freq[4];

	(void)state;
	for (unsigned b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {
		ferry_rope_frequencies(freq, 8, bases[b], NULL);
		for (int i = 0; i < 4; i++)
			assert_true(isnan(freq[i]));
	}
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
		cmocka_unit_test(test_frequencies_match_libm),
		cmocka_unit_test(test_bases_of_damaged_files_give_nan),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_infinite_frequency_gives_nan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
