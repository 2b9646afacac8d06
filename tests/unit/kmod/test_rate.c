/* SPDX-License-Identifier: MIT */
/* Times of packets against integers of 128 bits, over everything that can be configured. R-17 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dice.h"

#include "core/rate.h"

static const uint32_t LONGEST = 4 << 20; /* bytes; no packet is longer */

static struct ferry_rate rate_of(uint64_t bytes_ps, int overhead, unsigned int mpu)
{
	struct ferry_rate rate = {.overhead = (__s16)overhead, .mpu = (__u16)mpu};

	ferry_rate_set(&rate, bytes_ps);
	return rate;
}

/* Rounded down once, and the multiplier once more: off by 2^-22 of it and one nanosecond. */
static void check_ns(const struct ferry_rate *rate, uint32_t bytes)
{
	const unsigned __int128 exact = (unsigned __int128)bytes * 1000000000 / rate->bytes_ps;
	const uint64_t ns = ferry_rate_ns(rate, bytes);

	if (ns > exact || exact - ns > (exact >> 22) + 1)
		fail_msg("%u bytes at %llu B/s: %llu ns, should be %llu", bytes,
			 (unsigned long long)rate->bytes_ps, (unsigned long long)ns,
			 (unsigned long long)exact);
}

static void check_rate(uint64_t bytes_ps, uint64_t *dice)
{
	const struct ferry_rate rate = rate_of(bytes_ps, 0, 0);

	/* Still 23 significant bits at the highest rate. */
	assert_true(rate.mult >= 1U << 22);
	for (uint32_t bytes = 1; bytes <= LONGEST; bytes *= 2) {
		check_ns(&rate, bytes);
		check_ns(&rate, bytes - 1);
		check_ns(&rate, (uint32_t)dice_scale(dice, 1, LONGEST));
	}
	check_ns(&rate, LONGEST);
}

static void test_time_of_a_packet_is_exact(void **state)
{
	uint64_t dice = 1;

	(void)state;
	for (uint64_t rate = FERRY_RATE_MIN; rate <= FERRY_RATE_MAX; rate *= 2) {
		check_rate(rate, &dice);
		check_rate(rate + 1 <= FERRY_RATE_MAX ? rate + 1 : rate, &dice);
	}
	for (unsigned int bit = 7; bit <= 40; bit++) {
		check_rate(1ULL << bit, &dice);
		check_rate((1ULL << bit) - 1, &dice);
	}
	for (unsigned int i = 0; i < 20000; i++)
		check_rate(dice_scale(&dice, FERRY_RATE_MIN, FERRY_RATE_MAX), &dice);
}

/* A time and back gives the bytes, but for what rounding down twice takes. */
static void test_bytes_of_a_time_are_the_way_back(void **state)
{
	const uint64_t most = 1ULL << 31;
	uint64_t dice = 2;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		const struct ferry_rate rate =
			rate_of(dice_scale(&dice, FERRY_RATE_MIN, FERRY_RATE_MAX), 0, 0);
		const uint64_t ns = dice_scale(&dice, 1, UINT64_MAX);
		const unsigned __int128 exact = (unsigned __int128)ns * rate.bytes_ps / 1000000000;
		const uint64_t bytes = ferry_rate_bytes(&rate, ns);
		const uint64_t expected = exact > most ? most : (uint64_t)exact;

		assert_true(bytes <= most);
		assert_true(bytes + 1 + (expected >> 20) >= expected);
		assert_true(bytes <= expected + 1 + (expected >> 20));
		if (bytes < most)
			assert_true(ferry_rate_ns(&rate, (uint32_t)bytes) <= ns);
	}
}

static void test_no_rate_takes_no_time(void **state)
{
	struct ferry_rate rate = rate_of(1000, 7, 9);

	(void)state;
	ferry_rate_set(&rate, 0);
	assert_int_equal(ferry_rate_ns(&rate, UINT32_MAX), 0);
	assert_int_equal(ferry_rate_bytes(&rate, UINT64_MAX), 0);
	/* What the link adds outlives a change of its speed. */
	assert_int_equal(rate.overhead, 7);
	assert_int_equal(rate.mpu, 9);
}

/* The same written the slow way: segment by segment. */
static uint64_t wire_bytes(uint32_t bytes, uint32_t segments, int overhead, unsigned int mpu)
{
	int64_t wire = bytes;
	int64_t least = 1;

	for (uint32_t i = 0; i < segments; i++) {
		wire += overhead;
		least = i ? least + mpu : mpu;
	}
	if (wire < least)
		wire = least;
	return wire > 1 ? (uint64_t)wire : 1;
}

static void test_overhead_and_mpu(void **state)
{
	static const struct {
		uint32_t bytes, segments, mpu, wire;
		int overhead;
	} cases[] = {
		{100, 1, 0, 100, 0},	{100, 1, 0, 118, 18}, {64, 1, 84, 84, 18},
		{66, 1, 84, 84, 18},	{67, 1, 84, 85, 18},  {100, 1, 0, 86, -14},
		{10, 1, 0, 1, -64},	{64, 1, 0, 1, -64},   {0, 1, 0, 1, 0},
		{3000, 2, 0, 3036, 18}, {100, 2, 84, 168, 0}, {3000, 2, 0, 2872, -64},
	};
	uint64_t dice = 3;

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ferry_rate rate = rate_of(1000, cases[i].overhead, cases[i].mpu);

		assert_int_equal(ferry_rate_wire_bytes(&rate, cases[i].bytes, cases[i].segments),
				 cases[i].wire);
	}
	for (unsigned int i = 0; i < 100000; i++) {
		const int overhead = (int)dice_below(&dice, 321) - 64;
		const unsigned int mpu = (unsigned int)dice_below(&dice, 257);
		const uint32_t bytes = (uint32_t)dice_scale(&dice, 1, LONGEST);
		const uint32_t segments = (uint32_t)dice_scale(&dice, 1, 512);
		const struct ferry_rate rate = rate_of(1000, overhead, mpu);

		assert_int_equal(ferry_rate_wire_bytes(&rate, bytes, segments),
				 wire_bytes(bytes, segments, overhead, mpu));
	}
}

static void check_us(uint64_t ns)
{
	const uint64_t us = ns / 1000;

	assert_int_equal(ferry_us(ns), us > UINT32_MAX ? UINT32_MAX : us);
}

static void test_microseconds_are_exact(void **state)
{
	const uint64_t corners[] = {0,
				    1ULL << 31,
				    1ULL << 32,
				    UINT32_MAX * 1000ULL,
				    (UINT32_MAX + 1ULL) * 1000,
				    1ULL << 63,
				    UINT64_MAX};
	uint64_t dice = 4;

	(void)state;
	for (unsigned int i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
		for (uint64_t step = 0; step < 3000; step++) {
			check_us(corners[i] + step);
			check_us(corners[i] - step);
		}
	}
	/* Where a reciprocal would go wrong: beside each multiple. */
	for (uint64_t ns = 1000; ns < 1ULL << 32; ns += 1000 * (1 + dice_below(&dice, 64))) {
		check_us(ns);
		check_us(ns - 1);
	}
}

static void test_comparisons_hold_across_the_wrap(void **state)
{
	const uint64_t corners[] = {0, 1, 1ULL << 32, 1ULL << 63, UINT64_MAX};

	(void)state;
	for (unsigned int i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
		const uint64_t at = corners[i];

		for (uint64_t step = 1; step < 1ULL << 62; step *= 3) {
			assert_true(ferry_after(at + step, at));
			assert_false(ferry_after(at, at + step));
			assert_int_equal(ferry_later(at, at + step), at + step);
			assert_int_equal(ferry_earlier(at, at + step), at);
			assert_int_equal(ferry_elapsed(at, at + step), step);
			assert_int_equal(ferry_elapsed(at + step, at), 0);
		}
		assert_false(ferry_after(at, at));
		assert_int_equal(ferry_elapsed(at, at), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_of_a_packet_is_exact),
		cmocka_unit_test(test_bytes_of_a_time_are_the_way_back),
		cmocka_unit_test(test_no_rate_takes_no_time),
		cmocka_unit_test(test_overhead_and_mpu),
		cmocka_unit_test(test_microseconds_are_exact),
		cmocka_unit_test(test_comparisons_hold_across_the_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
