/* SPDX-License-Identifier: MIT */
/*
 * One meter over time: counters that wrap, start anew, jump, freeze and vanish, power
 * that comes late, and clocks on the far side of 2^32 and 49 days. The oracle is an integer of 128
 * bits that simply adds up what the device really used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/energy.h"

__extension__ typedef unsigned __int128 wide;

static const uint64_t SECOND = 1000000000ULL, MS = 1000000ULL;
static const uint64_t VALID = 2000000000ULL;
static const uint64_t BUSY = FERRY_PPM, IDLE = 0;

/* Where clocks of 32 bits end, in nanoseconds, microseconds, milliseconds (49 days), and others. */
static const uint64_t starts_ns[] = {
	0,
	1,
	(1ULL << 32) - 2500000000ULL,
	(1ULL << 32) * 1000 - 2500000000ULL,
	(1ULL << 32) * 1000000 - 2500000000ULL,
	(1ULL << 63) - 2500000000ULL,
	UINT64_MAX - 2500000000ULL, /* the clock itself goes round, five hundred years on */
};
enum { STARTS = sizeof(starts_ns) / sizeof(starts_ns[0]) };

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

static struct ferry_energy_meter fresh(void)
{
	struct ferry_energy_meter meter;

	ferry_energy_init(&meter);
	return meter;
}

static enum ferry_energy_taken count(struct ferry_energy_meter *meter, uint64_t value,
				     unsigned bits, uint64_t now_ns)
{
	return ferry_energy_take_counter(meter, value, ferry_energy_counter_max(bits), now_ns,
					 VALID, BUSY);
}

static enum ferry_energy_taken power(struct ferry_energy_meter *meter, uint64_t uw, uint64_t now_ns)
{
	return ferry_energy_take_power(meter, uw, now_ns, VALID, BUSY);
}

/* every width from 16 to 64 bits, wrapped many times where the width allows it. */
static void test_counters_of_every_width_add_up_exactly(void **state)
{
	(void)state;
	for (unsigned bits = 16; bits <= 64; bits++) {
		const uint64_t max = ferry_energy_counter_max(bits);
		/* Less than half a round at a time, and no more than 250 W. */
		const uint64_t step = max / 4 < 250000000 ? max / 4 : 250000000;
		struct ferry_energy_meter meter = fresh();
		uint64_t now = starts_ns[bits % STARTS];
		wide used = max - step; /* soon to wrap */
		const wide before = used;

		random_state = bits;
		assert_int_equal(count(&meter, (uint64_t)(used & max), bits, now),
				 FERRY_ENERGY_FIRST);
		for (int i = 0; i < 2000; i++) {
			const enum ferry_energy_taken added = FERRY_ENERGY_ADDED;

			used += random_below(step + 1);
			/* Half a round at the power it had before would be too late to tell. */
			now += bits < 34 ? SECOND : SECOND + random_below(SECOND);
			assert_int_equal(count(&meter, (uint64_t)(used & max), bits, now), added);
			assert_true(used - before == meter.energy_uj);
		}
		assert_int_equal(meter.resets, 0);
		assert_int_equal(meter.gaps, 0);
		if (bits < 38)
			assert_true((used >> bits) > 1);
		else
			assert_true((used >> bits) <= 1);
	}
}

/* powercap states the largest value of a counter, and it is no power of two. */
static void test_a_counter_may_end_anywhere(void **state)
{
	const uint64_t max = 262143328850ULL;
	struct ferry_energy_meter meter = fresh();

	(void)state;
	ferry_energy_take_counter(&meter, max - 9, max, SECOND, VALID, BUSY);
	assert_int_equal(ferry_energy_take_counter(&meter, 20, max, 2 * SECOND, VALID, BUSY),
			 FERRY_ENERGY_ADDED);
	assert_int_equal(meter.energy_uj, 30);
	assert_int_equal(ferry_energy_take_counter(&meter, max + 1, max, 3 * SECOND, VALID, BUSY),
			 FERRY_ENERGY_INVALID);
	assert_int_equal(meter.energy_uj, 30);
	assert_int_equal(meter.count, 20);
}

/* a counter that starts anew adds nothing, wherever it stood, and counts from there on. */
static void test_a_reset_is_no_wrap(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct ferry_energy_meter meter = fresh();
		/* Below the last 250 J and the time that meters may be late. */
		const uint64_t stood = random_below((1ULL << 32) - 2000000000ULL) + 1;
		const uint64_t again = random_below(stood < 50000000 ? stood : 50000000);
		uint64_t used;

		count(&meter, stood, 32, SECOND);
		assert_int_equal(count(&meter, stood + 1000000, 32, 2 * SECOND),
				 FERRY_ENERGY_ADDED);
		used = meter.energy_uj;
		assert_int_equal(count(&meter, again, 32, 3 * SECOND), FERRY_ENERGY_RESET);
		assert_int_equal(meter.energy_uj, used);
		assert_int_equal(count(&meter, again + 5, 32, 4 * SECOND), FERRY_ENERGY_ADDED);
		assert_int_equal(meter.energy_uj, used + 5);
		assert_int_equal(meter.resets, 1);
	}
}

/* A counter of 64 bits that runs backwards, by little or much, has not wrapped. */
static void test_a_step_back_adds_nothing(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	count(&meter, 1000, 64, SECOND);
	assert_int_equal(count(&meter, 999, 64, 2 * SECOND), FERRY_ENERGY_RESET);
	assert_int_equal(count(&meter, 1ULL << 63, 64, 3 * SECOND), FERRY_ENERGY_RESET);
	assert_int_equal(count(&meter, 0, 64, 4 * SECOND), FERRY_ENERGY_RESET);
	assert_int_equal(meter.energy_uj, 0);
}

/* Another device under the same name: its counter stands where no power would have brought it. */
static void test_a_jump_ahead_adds_nothing(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	count(&meter, 5, 64, SECOND);
	assert_int_equal(count(&meter, 5 + 1000000000000ULL, 64, 2 * SECOND), FERRY_ENERGY_RESET);
	assert_int_equal(meter.energy_uj, 0);
	assert_int_equal(meter.resets, 1);
}

/* A machine that slept: what a wide counter counted meanwhile is real, a narrow one went round. */
static void test_sleep_is_told_from_a_wrap(void **state)
{
	struct ferry_energy_meter wide_one = fresh(), narrow = fresh();
	const uint64_t night = 8 * 3600 * SECOND;

	(void)state;
	count(&wide_one, 0, 64, SECOND);
	count(&wide_one, 10000000, 64, 2 * SECOND);
	assert_int_equal(count(&wide_one, 100000000, 64, night), FERRY_ENERGY_ADDED);
	assert_int_equal(wide_one.energy_uj, 100000000);

	count(&narrow, 0, 32, SECOND);
	count(&narrow, 10000000, 32, 2 * SECOND);
	/* 10 W over eight hours are 67 rounds of 2^32 uJ. */
	assert_int_equal(count(&narrow, 20000000, 32, night), FERRY_ENERGY_GAP);
	assert_int_equal(narrow.energy_uj, 10000000);
	assert_int_equal(count(&narrow, 30000000, 32, night + SECOND), FERRY_ENERGY_ADDED);
	assert_int_equal(narrow.energy_uj, 20000000);
	assert_int_equal(narrow.gaps, 1);
}

/* Random lives with resets: the sum never runs backwards, and never says more than was used. */
static void test_the_sum_never_exceeds_what_was_used(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 200; seed++) {
		struct ferry_energy_meter meter = fresh();
		uint64_t now = starts_ns[seed % STARTS], value = 0;
		wide used = 0, lost = 0;

		random_state = seed;
		count(&meter, 0, 48, now);
		for (int i = 0; i < 300; i++) {
			const uint64_t step = random_below(30000000);

			now += SECOND;
			used += step;
			value += step;
			if (!random_below(20)) {
				value = random_below(step + 1);
				lost += step; /* or less, where it stands ahead of where it stood */
			}
			count(&meter, value, 48, now);
			assert_true(meter.energy_uj <= used);
			assert_true(meter.energy_uj + lost >= used);
		}
	}
}

/* power samples at any distance, against the exact sum of their trapezoids. */
static void test_power_adds_up_like_trapezoids(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 100; seed++) {
		struct ferry_energy_meter meter = fresh();
		uint64_t now = starts_ns[seed % STARTS] + seed, began = now, last_us = 0, last_uw;
		wide twice = 0; /* in uW us, twice */
		unsigned gaps = 0;

		random_state = seed;
		last_uw = random_below(100000000);
		power(&meter, last_uw, now);
		for (int i = 0; i < 2000; i++) {
			const uint64_t distance = random_below(10) ? 1 + random_below(SECOND)
								   : 1 + random_below(3 * SECOND);
			const uint64_t uw = random_below(50) ? random_below(100000000)
							     : random_below(FERRY_POWER_UW_MAX + 1);
			uint64_t us;

			now += distance;
			us = (now - began) / 1000;
			if (distance > VALID) {
				gaps++;
				began = now;
				us = 0;
			} else {
				twice += (wide)(last_uw + uw) * (us - last_us);
			}
			power(&meter, uw, now);
			last_us = us;
			last_uw = uw;
			assert_true(meter.energy_uj == (uint64_t)(twice / 2000000));
		}
		assert_int_equal(meter.gaps, gaps);
	}
}

/* More power than there is: taken as the most that may be said, and nothing overflows. */
static void test_the_largest_power_for_the_longest_time(void **state)
{
	struct ferry_energy_meter meter = fresh();
	uint64_t now = SECOND;

	(void)state;
	ferry_energy_take_power(&meter, UINT64_MAX, now, UINT64_MAX, BUSY);
	for (int i = 0; i < 1000; i++) {
		now += 600 * SECOND;
		assert_int_equal(ferry_energy_take_power(&meter, UINT64_MAX, now, UINT64_MAX, BUSY),
				 FERRY_ENERGY_ADDED);
	}
	assert_true((wide)meter.energy_uj == (wide)FERRY_POWER_UW_MAX * 600 * 1000);
	assert_int_equal(meter.average_uw, FERRY_POWER_UW_MAX);
	/* Ten minutes are the longest that a reading may hold, whatever its sender says. */
	now += 600 * SECOND + 1;
	assert_int_equal(ferry_energy_take_power(&meter, 1, now, UINT64_MAX, BUSY),
			 FERRY_ENERGY_GAP);
}

/* A reading that was taken before the one that is known already, or at the same time. */
static void test_old_readings_are_not_used(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	power(&meter, 5000000, 2 * SECOND);
	assert_int_equal(power(&meter, 9000000, 2 * SECOND), FERRY_ENERGY_OLD);
	assert_int_equal(power(&meter, 9000000, SECOND), FERRY_ENERGY_OLD);
	assert_int_equal(ferry_energy_take_none(&meter, SECOND, VALID), FERRY_ENERGY_OLD);
	assert_int_equal(count(&meter, 5, 64, SECOND), FERRY_ENERGY_OLD);
	power(&meter, 5000000, 3 * SECOND);
	assert_int_equal(meter.energy_uj, 5000000);
}

/* ten readings a second, and what everybody sees changes once, to a multiple of 10 mW. */
static void test_public_power_is_a_second_and_ten_milliwatts(void **state)
{
	(void)state;
	for (int start = 0; start < STARTS; start++) {
		struct ferry_energy_meter meter = fresh();
		uint64_t now = starts_ns[start], public_uw = 0, changed_ns = now;
		int changes = 0;

		random_state = 7;
		power(&meter, 3000000, now);
		for (int i = 0; i < 500; i++) {
			now += 20 * MS + random_below(160 * MS);
			power(&meter, 3000000 + random_below(4000000), now);
			if (!ferry_energy_known(&meter, now)) {
				assert_true(now - starts_ns[start] < SECOND);
				continue;
			}
			if (ferry_energy_round(meter.average_uw) == public_uw)
				continue;
			public_uw = ferry_energy_round(meter.average_uw);
			assert_true(now - changed_ns >= SECOND);
			assert_int_equal(public_uw % 10000, 0);
			/* An average of uniform noise between 3 and 7 W, not one of its samples. */
			assert_in_range(public_uw, 3800000, 6200000);
			changed_ns = now;
			changes++;
		}
		assert_true(changes > 20);
	}
}

static void test_rounding(void **state)
{
	(void)state;
	assert_int_equal(ferry_energy_round(0), 0);
	assert_int_equal(ferry_energy_round(4999), 0);
	assert_int_equal(ferry_energy_round(5000), 10000);
	assert_int_equal(ferry_energy_round(14999), 10000);
	assert_int_equal(ferry_energy_round(12345678), 12350000);
	assert_int_equal(ferry_energy_round(UINT64_MAX) % 10000, 0);
}

/* a counter that never moves (an MSR that a hypervisor answers with 0) proves nothing. */
static void test_a_counter_that_never_moves_is_not_0_watts(void **state)
{
	struct ferry_energy_meter meter = fresh();
	uint64_t now = SECOND;

	(void)state;
	for (int i = 0; i < 60; i++, now += SECOND) {
		count(&meter, 0, 32, now);
		assert_false(ferry_energy_known(&meter, now));
		assert_int_equal(ferry_energy_state(&meter, now),
				 i < 10 ? FERRY_ENERGY_WAITING : FERRY_ENERGY_FROZEN);
	}
	/* The first thing that it says: now it is a meter. */
	count(&meter, 2000000, 32, now);
	assert_true(ferry_energy_known(&meter, now));
	assert_int_equal(meter.average_uw, 2000000);
}

/* A meter that worked may freeze; but on an idle machine, 0 W for an hour is what it measures. */
static void test_a_meter_freezes_only_under_load(void **state)
{
	struct ferry_energy_meter meter = fresh();
	const uint64_t max = ferry_energy_counter_max(64);
	uint64_t now = SECOND;

	(void)state;
	count(&meter, 0, 64, now);
	count(&meter, 1000000, 64, now += SECOND);
	for (int i = 0; i < 3600; i++) {
		now += SECOND;
		ferry_energy_take_counter(&meter, 1000000, max, now, VALID, IDLE);
		assert_true(ferry_energy_known(&meter, now));
		assert_int_equal(meter.average_uw, 0);
	}
	for (int i = 0; i < 10; i++) {
		assert_true(ferry_energy_known(&meter, now));
		count(&meter, 1000000, 64, now += SECOND);
	}
	assert_int_equal(ferry_energy_state(&meter, now), FERRY_ENERGY_FROZEN);
	count(&meter, 1000001, 64, now += SECOND);
	assert_int_equal(ferry_energy_state(&meter, now), FERRY_ENERGY_LIVE);
}

/* One late reading after a busy hour is one observation. */
static void test_one_interval_proves_no_freeze(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	count(&meter, 0, 64, SECOND);
	count(&meter, 1000000, 64, 2 * SECOND);
	count(&meter, 1000000, 64, 3600 * SECOND);
	assert_int_equal(ferry_energy_state(&meter, 3600 * SECOND), FERRY_ENERGY_LIVE);
}

/* what no longer says anything is stale when its reading has held long enough. */
static void test_a_lost_source_is_stale(void **state)
{
	(void)state;
	for (int i = 0; i < STARTS; i++) {
		struct ferry_energy_meter meter = fresh();
		uint64_t now = starts_ns[i];

		assert_int_equal(ferry_energy_state(&meter, now), FERRY_ENERGY_WAITING);
		assert_int_equal(ferry_energy_age_ms(&meter, now), UINT32_MAX);
		power(&meter, 5000000, now);
		power(&meter, 5000000, now += SECOND);
		assert_int_equal(ferry_energy_state(&meter, now + VALID - 1), FERRY_ENERGY_LIVE);
		assert_int_equal(ferry_energy_state(&meter, now + VALID), FERRY_ENERGY_STALE);
		assert_false(ferry_energy_known(&meter, now + VALID));
		assert_int_equal(ferry_energy_age_ms(&meter, now + VALID), 2000);
		/* It comes back: nobody knows what was between, nor its power for a second. */
		now += VALID + SECOND;
		assert_int_equal(power(&meter, 5000000, now), FERRY_ENERGY_GAP);
		assert_false(ferry_energy_known(&meter, now));
		power(&meter, 5000000, now += SECOND);
		assert_true(ferry_energy_known(&meter, now));
		assert_int_equal(meter.energy_uj, 10000000);
	}
}

/* an age beyond 49 days does not start again at 0. */
static void test_ages_saturate(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	power(&meter, 1, 0);
	assert_int_equal(ferry_energy_age_ms(&meter, ((1ULL << 32) - 1) * MS), UINT32_MAX);
	assert_int_equal(ferry_energy_age_ms(&meter, (1ULL << 32) * MS), UINT32_MAX);
	assert_int_equal(ferry_energy_age_ms(&meter, ((1ULL << 32) + 5) * MS), UINT32_MAX);
}

/* A source that changes from a counter to power and back counts no time twice. */
static void test_counter_and_power_do_not_overlap(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	count(&meter, 0, 64, 1 * SECOND);
	count(&meter, 1000000, 64, 2 * SECOND);
	assert_int_equal(power(&meter, 1000000, 3 * SECOND), FERRY_ENERGY_FIRST);
	assert_int_equal(power(&meter, 1000000, 4 * SECOND), FERRY_ENERGY_ADDED);
	assert_int_equal(count(&meter, 4000000, 64, 5 * SECOND), FERRY_ENERGY_FIRST);
	assert_int_equal(meter.energy_uj, 2000000);
}

static void test_a_thermometer_has_no_power(void **state)
{
	struct ferry_energy_meter meter = fresh();

	(void)state;
	ferry_energy_take_none(&meter, SECOND, VALID);
	assert_int_equal(ferry_energy_state(&meter, SECOND), FERRY_ENERGY_LIVE);
	assert_false(ferry_energy_known(&meter, SECOND));
	assert_int_equal(ferry_energy_state(&meter, 3 * SECOND), FERRY_ENERGY_STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_of_every_width_add_up_exactly),
		cmocka_unit_test(test_a_counter_may_end_anywhere),
		cmocka_unit_test(test_a_reset_is_no_wrap),
		cmocka_unit_test(test_a_step_back_adds_nothing),
		cmocka_unit_test(test_a_jump_ahead_adds_nothing),
		cmocka_unit_test(test_sleep_is_told_from_a_wrap),
		cmocka_unit_test(test_the_sum_never_exceeds_what_was_used),
		cmocka_unit_test(test_power_adds_up_like_trapezoids),
		cmocka_unit_test(test_the_largest_power_for_the_longest_time),
		cmocka_unit_test(test_old_readings_are_not_used),
		cmocka_unit_test(test_public_power_is_a_second_and_ten_milliwatts),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_a_counter_that_never_moves_is_not_0_watts),
		cmocka_unit_test(test_a_meter_freezes_only_under_load),
		cmocka_unit_test(test_one_interval_proves_no_freeze),
		cmocka_unit_test(test_a_lost_source_is_stale),
		cmocka_unit_test(test_ages_saturate),
		cmocka_unit_test(test_counter_and_power_do_not_overlap),
		cmocka_unit_test(test_a_thermometer_has_no_power),
	};

	return cmocka_run_group_tests_name("kmod/energy", tests, NULL, NULL);
}
