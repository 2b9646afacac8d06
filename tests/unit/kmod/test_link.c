/* SPDX-License-Identifier: MIT */
/* Readings of a link: R-44 (clocks at their boundaries) for kmod/core/link.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/link.h"

/* Starts that a counter of milliseconds or microseconds might stumble over. */
static const uint64_t starts_ms[] = {
	0,	    1,		4294967295ULL - 5 /* 49 days in 32 bits */,
	1ULL << 32, 1ULL << 53, 18446744073709551ULL};

static struct ferry_reading reading(uint64_t taken_ms, uint32_t valid_ms, int64_t value,
				    uint8_t provenance)
{
	return (struct ferry_reading){
		.taken_ms = taken_ms,
		.value = value,
		.valid_ms = valid_ms,
		.provenance = provenance,
	};
}

static void test_a_reading_holds_for_as_long_as_it_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(starts_ms) / sizeof(starts_ms[0]); i++) {
		const uint64_t t = starts_ms[i];
		struct ferry_link_readings r = {0};

		assert_int_equal(ferry_link_holding(&r, t), 0);
		r.pushed[FERRY_LINK_SRTT_US] = reading(t, 1000, 7, FERRY_PROVENANCE_MEASURED);
		assert_int_equal(ferry_link_holding(&r, t), 1 << FERRY_LINK_SRTT_US);
		assert_int_equal(ferry_link_holding(&r, t + 999), 1 << FERRY_LINK_SRTT_US);
		assert_int_equal(ferry_link_holding(&r, t + 1000), 0);
		assert_int_equal(ferry_link_holding(&r, t + (1ULL << 32)), 0);
	}
}

static void test_a_reading_may_be_older_than_the_clock(void **state)
{
	struct ferry_link_readings r = {0};
	struct ferry_link_sample none = {0};
	uint32_t age = 0;

	(void)state;
	/* Taken 600 ms before a clock that stands at 200 ms. */
	r.pushed[FERRY_LINK_SRTT_US] =
		reading(200 - (uint64_t)600, 1000, 7, FERRY_PROVENANCE_MEASURED);
	assert_int_equal(ferry_link_holding(&r, 200), 1 << FERRY_LINK_SRTT_US);
	assert_true(ferry_link_age_ms(&r, &none, 200000, &age));
	assert_int_equal(age, 600);
	assert_int_equal(ferry_link_holding(&r, 600), 0);
}

static void test_the_least_trustworthy_reading_counts(void **state)
{
	struct ferry_link_readings r = {0};

	(void)state;
	assert_int_equal(ferry_link_provenance(&r, 0), FERRY_PROVENANCE_KERNEL);
	r.pushed[FERRY_LINK_SRTT_US] = reading(0, 1000, 7, FERRY_PROVENANCE_MEASURED);
	assert_int_equal(ferry_link_provenance(&r, 0), FERRY_PROVENANCE_MEASURED);
	r.pushed[FERRY_LINK_SIGNAL_DBM] = reading(0, 300, -60, FERRY_PROVENANCE_FAKE);
	r.pushed[FERRY_LINK_CAPACITY_KBPS] = reading(0, 600, 1, FERRY_PROVENANCE_ESTIMATE);
	assert_int_equal(ferry_link_provenance(&r, 299), FERRY_PROVENANCE_FAKE);
	assert_int_equal(ferry_link_provenance(&r, 300), FERRY_PROVENANCE_ESTIMATE);
	assert_int_equal(ferry_link_provenance(&r, 600), FERRY_PROVENANCE_MEASURED);
	assert_int_equal(ferry_link_provenance(&r, 1000), FERRY_PROVENANCE_KERNEL);
}

static void test_the_oldest_reading_gives_the_age(void **state)
{
	struct ferry_link_readings r = {0};
	struct ferry_link_sample sample = {0};
	uint32_t age = 77;

	(void)state;
	assert_false(ferry_link_age_ms(&r, &sample, 5000000, &age));
	assert_int_equal(age, 77);
	ferry_link_sample_take(&sample, 0, 0, 4000000);
	assert_true(ferry_link_age_ms(&r, &sample, 5000000, &age));
	assert_int_equal(age, 1000);
	r.pushed[FERRY_LINK_SRTT_US] = reading(4990, 1000, 7, FERRY_PROVENANCE_MEASURED);
	r.pushed[FERRY_LINK_RTTVAR_US] = reading(4500, 1000, 7, FERRY_PROVENANCE_MEASURED);
	assert_true(ferry_link_age_ms(&r, &sample, 5000000, &age));
	assert_int_equal(age, 500);
	/* The older one holds no longer, then neither does. */
	assert_true(ferry_link_age_ms(&r, &sample, 5600000, &age));
	assert_int_equal(age, 610);
	assert_true(ferry_link_age_ms(&r, &sample, 6000000, &age));
	assert_int_equal(age, 2000);
	/* A machine that slept for two months. */
	assert_true(ferry_link_age_ms(&r, &sample, 5184000000000ULL, &age));
	assert_int_equal(age, UINT32_MAX);
}

static void test_a_pushed_state_never_beats_a_dead_link(void **state)
{
	struct ferry_link_readings r = {0};

	(void)state;
	r.pushed[FERRY_LINK_STATE] =
		reading(0, 1000, FERRY_LINK_STATE_DEGRADED, FERRY_PROVENANCE_MEASURED);
	for (unsigned int s = 0; s < FERRY_LINK_STATE_COUNT; s++) {
		const unsigned int expected = s == FERRY_LINK_STATE_UP ? FERRY_LINK_STATE_DEGRADED
								       : s;

		assert_int_equal(ferry_link_state(&r, 0, s), expected);
		assert_int_equal(ferry_link_state(&r, 1000, s), s);
	}
}

static void test_rates(void **state)
{
	struct ferry_link_sample s = {0};
	const uint64_t t = 1ULL << 42;

	(void)state;
	ferry_link_sample_take(&s, 1000, 5000, t);
	assert_false(s.rated);
	ferry_link_sample_take(&s, 1000 + 125000, 5000 + 250, t + 1000000);
	assert_true(s.rated);
	assert_int_equal(s.tx_rate_kbps, 1000);
	assert_int_equal(s.rx_rate_kbps, 2);
	/* Too soon to say anything: nothing is lost for the next one. */
	ferry_link_sample_take(&s, 500000, 5250, t + 1000000 + FERRY_LINK_SAMPLE_MIN_US - 1);
	assert_int_equal(s.tx_rate_kbps, 1000);
	ferry_link_sample_take(&s, 126000 + 250000, 5250, t + 3000000);
	assert_int_equal(s.tx_rate_kbps, 1000);
	assert_int_equal(s.rx_rate_kbps, 0);
}

static void test_a_counter_that_starts_anew_gives_no_rate(void **state)
{
	struct ferry_link_sample s = {0};

	(void)state;
	ferry_link_sample_take(&s, 1ULL << 40, 0, 1000000);
	ferry_link_sample_take(&s, (1ULL << 40) + 125000, 0, 2000000);
	assert_int_equal(s.tx_rate_kbps, 1000);
	ferry_link_sample_take(&s, 0, 0, 3000000);
	assert_int_equal(s.tx_rate_kbps, 1000);
	ferry_link_sample_take(&s, 250000, 0, 4000000);
	assert_int_equal(s.tx_rate_kbps, 2000);
}

static void test_rates_saturate(void **state)
{
	(void)state;
	assert_int_equal(ferry_rate_kbps(UINT64_MAX, 1), UINT32_MAX);
	assert_int_equal(ferry_rate_kbps(UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(ferry_rate_kbps(UINT64_MAX / 8000 + 1, 1000), UINT32_MAX);
	/* 400 Gbit/s for one second, and the largest rate that fits. */
	assert_int_equal(ferry_rate_kbps(50000000000ULL, 1000000), 400000000);
	assert_int_equal(ferry_rate_kbps(536870911875ULL, 1000000), UINT32_MAX);
	assert_int_equal(ferry_rate_kbps(0, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_reading_holds_for_as_long_as_it_said),
		cmocka_unit_test(test_a_reading_may_be_older_than_the_clock),
		cmocka_unit_test(test_the_least_trustworthy_reading_counts),
		cmocka_unit_test(test_the_oldest_reading_gives_the_age),
		cmocka_unit_test(test_a_pushed_state_never_beats_a_dead_link),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_a_counter_that_starts_anew_gives_no_rate),
		cmocka_unit_test(test_rates_saturate),
	};

	return cmocka_run_group_tests_name("kmod/link", tests, NULL, NULL);
}
