/* SPDX-License-Identifier: MIT */
/* When the next packet may leave: late timers, silence, changes of speed, and links without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dice.h"

#include "core/shaper.h"

static const uint64_t MS = 1000000;
static const uint64_t SECOND = 1000000000;
static const uint64_t MBIT = 1000000 / 8;

static struct ferry_shaper shaper_at(uint64_t bytes_ps, uint64_t now)
{
	struct ferry_shaper shaper;

	ferry_shaper_init(&shaper, now);
	ferry_shaper_change(&shaper, bytes_ps, now);
	ferry_shaper_wake(&shaper, now);
	return shaper;
}

static void transmit(struct ferry_shaper *shaper, uint64_t now, uint32_t bytes)
{
	ferry_shaper_charge(shaper, now, ferry_shaper_ns(shaper, bytes, 1), bytes);
}

/* Sends frames of @bytes for as long as the shaper lets it, and returns how many. */
static unsigned int burst(struct ferry_shaper *shaper, uint64_t now, uint32_t bytes)
{
	unsigned int n = 0;

	while (!ferry_shaper_busy(shaper, now)) {
		transmit(shaper, now, bytes);
		assert_true(++n < 1000000);
	}
	return n;
}

/* Timers that fire up to 20 ms late cost nothing: the rate holds to a part in a thousand. R-17 */
static void test_late_timers_are_made_up_for(void **state)
{
	static const uint64_t starts[] = {0, 5 * 1000000, 1ULL << 32, UINT64_MAX - 1000000000};
	uint64_t dice = 1;

	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		const uint64_t rate = dice_scale(&dice, 125000, 1250000000);
		const uint64_t start = starts[i % 4];
		struct ferry_shaper shaper = shaper_at(rate, start);
		uint64_t now = start;
		uint64_t bytes = 0;

		while (now - start < 10 * SECOND) {
			bytes += burst(&shaper, now, 1514) * 1514ULL;
			now = shaper.free_at + dice_below(&dice, 20 * MS);
		}
		assert_in_range(bytes, rate * 10 - rate / 25, rate * 10 + rate / 25 + 1514);
	}
}

/* Neither silence nor a link that stood still is saved up beyond what a late timer may cost. */
static void test_lost_time_is_bounded(void **state)
{
	struct ferry_shaper shaper = shaper_at(20 * MBIT, SECOND);
	uint64_t now = SECOND;

	(void)state;
	burst(&shaper, now, 1514);
	/* It had packets all the time, but nobody asked: 25 ms are 41 frames. */
	now += 100 * SECOND;
	assert_in_range(burst(&shaper, now, 1514), 41, 43);
	ferry_shaper_idle(&shaper, now);
	now += 100 * SECOND;
	ferry_shaper_wake(&shaper, now);
	assert_int_equal(burst(&shaper, now, 1514), 1);
	/* Asked for again before the link was free, it waits for that. */
	ferry_shaper_idle(&shaper, now);
	ferry_shaper_wake(&shaper, now + 1);
	assert_int_equal(burst(&shaper, now + 1, 1514), 0);
}

/* The link clock moves by what was sent, and by silence: never back, and with time in the end. */
static void test_link_clock_keeps_time(void **state)
{
	struct ferry_shaper shaper = shaper_at(20 * MBIT, SECOND);
	uint64_t now = SECOND;
	uint64_t dice = 2;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		const uint64_t before = shaper.clock;

		if (dice_below(&dice, 4)) {
			if (ferry_shaper_busy(&shaper, now))
				now = shaper.free_at;
			transmit(&shaper, now, 64 + (uint32_t)dice_below(&dice, 1450));
		} else {
			ferry_shaper_idle(&shaper, now);
			now += dice_below(&dice, 3 * MS);
			ferry_shaper_wake(&shaper, now);
		}
		assert_true(shaper.clock >= before);
	}
	now = ferry_later(now, shaper.free_at);
	assert_in_range(shaper.clock, now - MS, now + MS);
}

/* What is owed is bytes: whatever the rates in between, it ends as if the last had always held. */
static void test_change_of_rate_converts_what_is_owed(void **state)
{
	uint64_t dice = 3;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		const uint64_t now = dice_roll(&dice);
		const uint64_t from = dice_scale(&dice, FERRY_RATE_MIN, FERRY_RATE_MAX);
		const uint64_t to = dice_scale(&dice, FERRY_RATE_MIN, FERRY_RATE_MAX);
		const uint32_t bytes = (uint32_t)dice_scale(&dice, 64, 4 << 20);
		struct ferry_shaper shaper = shaper_at(from, now);
		unsigned __int128 exact;
		uint64_t owed;

		transmit(&shaper, now, bytes);
		ferry_shaper_change(&shaper, to, now);
		exact = (unsigned __int128)bytes * 1000000000 / to;
		owed = ferry_elapsed(now, shaper.free_at);
		/* To a nanosecond of the old rate, two bytes, and a millionth. */
		assert_true(owed <= exact + (exact >> 20) + 1);
		assert_true(owed + 2 * (SECOND / to + 1) + from / to + 2 + (exact >> 20) >= exact);
		ferry_shaper_change(&shaper, 0, now);
		assert_false(ferry_shaper_busy(&shaper, now));
		ferry_shaper_change(&shaper, from, now);
		assert_false(ferry_shaper_busy(&shaper, now));
	}
}

/* An idle link that owes minutes at the old rate goes on counting silence at the new one. */
static void test_silence_counts_after_a_change_of_rate(void **state)
{
	struct ferry_shaper shaper = shaper_at(125, SECOND);
	uint64_t before;

	(void)state;
	transmit(&shaper, SECOND, 65536); /* 524 s */
	ferry_shaper_idle(&shaper, SECOND);
	ferry_shaper_change(&shaper, 1000 * MBIT, 2 * SECOND);
	before = shaper.clock;
	ferry_shaper_wake(&shaper, 12 * SECOND);
	assert_in_range(shaper.clock - before, 10 * SECOND - MS, 10 * SECOND);
}

/* A device of @bytes_ps takes packets for @ns; asked again at once, it never runs out. */
static uint64_t drain(struct ferry_shaper *shaper, uint64_t now, uint64_t bytes_ps, uint64_t ns)
{
	const uint64_t end = now + ns;

	while (now < end) {
		transmit(shaper, now, 1514);
		now += 1514 * SECOND / bytes_ps;
	}
	return now;
}

static void test_drain_follows_the_device(void **state)
{
	static const uint64_t speeds[] = {10000, 125000, 2500000, 125000000, 12500000000};
	struct ferry_shaper shaper = shaper_at(0, SECOND);
	uint64_t now = SECOND;

	(void)state;
	for (unsigned int from = 0; from < 5; from++) {
		for (unsigned int to = 0; to < 5; to++) {
			now = drain(&shaper, now, speeds[from], 20 * SECOND);
			assert_in_range(shaper.drain.bytes_ps, speeds[from] * 95 / 100,
					speeds[from] * 106 / 100);
			now = drain(&shaper, now, speeds[to], 4 * SECOND);
		}
	}
}

/* Whoever sends a packet now and then says nothing of the link's speed. */
static void test_drain_is_not_that_of_slow_senders(void **state)
{
	struct ferry_shaper shaper = shaper_at(0, SECOND);
	uint64_t now = drain(&shaper, SECOND, 125000000, SECOND);
	const uint64_t seen = shaper.drain.bytes_ps;

	(void)state;
	for (unsigned int i = 0; i < 10000; i++) {
		ferry_shaper_idle(&shaper, now);
		now += 30 * MS;
		ferry_shaper_wake(&shaper, now);
		transmit(&shaper, now, 1514);
		transmit(&shaper, now, 64);
	}
	assert_int_equal(shaper.drain.bytes_ps, seen);
}

/* Any times, backward ones too, and any sizes: the estimate stays one that can be configured. */
static void test_drain_stays_in_range(void **state)
{
	struct ferry_shaper shaper = shaper_at(0, 0);
	uint64_t dice = 4;
	uint64_t now = 0;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		if (dice_below(&dice, 50))
			now += dice_scale(&dice, 1, dice_below(&dice, 10) ? 1 << 20 : UINT64_MAX);
		else
			now -= dice_below(&dice, SECOND);
		transmit(&shaper, now, (uint32_t)dice_scale(&dice, 1, UINT32_MAX));
		assert_true(!shaper.drain.bytes_ps || (shaper.drain.bytes_ps >= FERRY_RATE_MIN &&
						       shaper.drain.bytes_ps <= FERRY_RATE_MAX));
		if (!dice_below(&dice, 20))
			ferry_shaper_idle(&shaper, now);
	}
	assert_true(shaper.drain.bytes_ps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_timers_are_made_up_for),
		cmocka_unit_test(test_lost_time_is_bounded),
		cmocka_unit_test(test_link_clock_keeps_time),
		cmocka_unit_test(test_change_of_rate_converts_what_is_owed),
		cmocka_unit_test(test_silence_counts_after_a_change_of_rate),
		cmocka_unit_test(test_drain_follows_the_device),
		cmocka_unit_test(test_drain_is_not_that_of_slow_senders),
		cmocka_unit_test(test_drain_stays_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
