/* SPDX-License-Identifier: MIT */
/* Percentiles from bins against those of the sorted numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dice.h"

#include "core/histogram.h"

/* The end of the last bin; times beyond it count as this. */
static const uint32_t LONGEST = (1U << 27) - 1;

static void test_bins_have_no_gaps(void **state)
{
	uint64_t dice = 1;

	(void)state;
	for (unsigned int bin = 0; bin < FERRY_HISTOGRAM_BINS; bin++) {
		const uint32_t top = ferry_histogram_top(bin);

		assert_int_equal(ferry_histogram_bin(top), bin);
		assert_int_equal(ferry_histogram_bin(top + 1),
				 bin + 1 < FERRY_HISTOGRAM_BINS ? bin + 1 : bin);
	}
	assert_int_equal(ferry_histogram_top(FERRY_HISTOGRAM_BINS - 1), LONGEST);
	assert_int_equal(ferry_histogram_bin(UINT32_MAX), FERRY_HISTOGRAM_BINS - 1);
	for (unsigned int i = 0; i < 1000000; i++) {
		const uint32_t us = (uint32_t)dice_scale(&dice, 1, LONGEST);
		const uint32_t top = ferry_histogram_top(ferry_histogram_bin(us));

		assert_true(top >= us);
		assert_true(top - us <= us / 8);
	}
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Never below the true percentile, and at most an eighth above. */
static void test_percentiles_against_sorted_numbers(void **state)
{
	static uint32_t sorted[FERRY_HISTOGRAM_FADE];
	uint64_t dice = 2;

	(void)state;
	for (unsigned int round = 0; round < 300; round++) {
		const uint32_t n = 1 + (uint32_t)dice_below(&dice, FERRY_HISTOGRAM_FADE - 1);
		const uint32_t longest = (uint32_t)dice_scale(&dice, 1, LONGEST);
		struct ferry_histogram histogram;

		memset(&histogram, 0, sizeof(histogram));
		for (uint32_t i = 0; i < n; i++) {
			sorted[i] = (uint32_t)(round % 2 ? dice_below(&dice, longest)
							 : dice_scale(&dice, 1, longest));
			ferry_histogram_add(&histogram, sorted[i]);
		}
		assert_int_equal(histogram.count, n);
		qsort(sorted, n, sizeof(sorted[0]), compare);
		for (uint32_t percent = 1; percent <= 100; percent++) {
			const uint32_t exact = sorted[(n * percent + 99) / 100 - 1];
			const uint32_t got = ferry_histogram_percentile(&histogram, percent);

			assert_true(got >= exact);
			assert_true(got - exact <= exact / 8);
		}
	}
}

static void test_nothing_counted(void **state)
{
	struct ferry_histogram histogram;

	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	assert_int_equal(ferry_histogram_percentile(&histogram, 50), 0);
	ferry_histogram_add(&histogram, UINT32_MAX);
	assert_int_equal(ferry_histogram_percentile(&histogram, 1), LONGEST);
	assert_int_equal(ferry_histogram_percentile(&histogram, 100), LONGEST);
}

/* After a change the median follows within a fade or two, and nothing overflows before. */
static void test_old_counts_fade(void **state)
{
	struct ferry_histogram histogram;
	uint32_t sum = 0;

	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	for (unsigned int i = 0; i < 5000000; i++)
		ferry_histogram_add(&histogram, 1000);
	assert_true(histogram.count < FERRY_HISTOGRAM_FADE);
	assert_in_range(ferry_histogram_percentile(&histogram, 50), 1000, 1125);
	for (unsigned int i = 0; i < 2 * FERRY_HISTOGRAM_FADE; i++)
		ferry_histogram_add(&histogram, 20);
	assert_in_range(ferry_histogram_percentile(&histogram, 50), 20, 22);
	for (unsigned int i = 0; i < FERRY_HISTOGRAM_BINS; i++)
		sum += histogram.bins[i];
	assert_int_equal(sum, histogram.count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bins_have_no_gaps),
		cmocka_unit_test(test_percentiles_against_sorted_numbers),
		cmocka_unit_test(test_nothing_counted),
		cmocka_unit_test(test_old_counts_fade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
