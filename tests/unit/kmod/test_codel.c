/* SPDX-License-Identifier: MIT */
/* CoDel against RFC 8289, section 5, written once more in doubles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "dice.h"

#include "core/codel.h"

static const uint64_t MS = 1000000;
static const uint64_t SECOND = 1000000000;

/* Times in seconds from the start of a trace, so the clock plays no part. */
struct reference {
	double first_above;
	double next;
	double count;
	double last_count;
	_Bool dropping;
};

static double control_law(double from, double interval, double count)
{
	return from + interval / sqrt(count);
}

/* As ferry_codel_judges(): asked for each packet, and after a drop for the one behind it. */
static _Bool reference_judges(struct reference *codel, double sojourn, double target,
			      double interval, _Bool last, double now)
{
	_Bool ok = 0;

	if (sojourn < target || last) {
		codel->first_above = 0;
	} else if (codel->first_above == 0) {
		codel->first_above = now + interval;
	} else if (now > codel->first_above) {
		ok = 1;
	}
	if (codel->dropping) {
		if (!ok)
			codel->dropping = 0;
		else if (now >= codel->next) {
			codel->count++;
			codel->next = control_law(codel->next, interval, codel->count);
			return 1;
		}
		return 0;
	}
	if (ok) {
		const double delta = codel->count - codel->last_count;

		codel->dropping = 1;
		codel->count = delta > 1 && now - codel->next <= 16 * interval ? delta : 1;
		codel->next = control_law(now, interval, codel->count);
		codel->last_count = codel->count;
	}
	return ok;
}

/* 1 / sqrt(count), while the count goes up by one: within a percent, and two of its last bits. */
static void test_root_follows_the_count(void **state)
{
	struct ferry_codel codel;

	(void)state;
	ferry_codel_init(&codel);
	codel.count = 1;
	for (uint32_t count = 2; count < 20000000; count++) {
		const double exact = 65536 / sqrt(count);
		/* The first steps are those of the method. */
		const double tolerance = count < 8 ? 0.3 : 0.01;

		codel.count = count;
		ferry_codel_newton(&codel);
		if (fabs(codel.root - exact) > tolerance * exact + 2)
			fail_msg("count %u: root %u, should be %.1f", count, codel.root, exact);
	}
}

/* Up to what a quarter of an hour of drops makes of it; beyond, the root is its last bits. */
static void test_root_of_any_count(void **state)
{
	uint64_t dice = 1;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		const uint32_t count = i < 2000 ? i + 1 : (uint32_t)dice_scale(&dice, 1, 1 << 24);
		const double exact = 65536 / sqrt(count);
		struct ferry_codel codel;

		ferry_codel_init(&codel);
		ferry_codel_restart(&codel, count);
		assert_int_equal(codel.count, count);
		if (fabs(codel.root - exact) > 0.01 * exact + 2)
			fail_msg("count %u: root %u, should be %.1f", count, codel.root, exact);
	}
}

/* The times of 200 000 drops from a queue that never shrinks: 89 s, with the count beyond 2^17. */
static void test_drops_of_a_flood_come_when_they_should(void **state)
{
	const uint64_t start = UINT64_MAX - 30 * SECOND;
	struct ferry_codel codel;
	struct reference reference = {0};
	uint64_t drops = 0;
	uint64_t expected = 0;

	(void)state;
	ferry_codel_init(&codel);
	for (uint64_t t = 1000; t < 100 * SECOND; t += 20000) {
		while (ferry_codel_judges(&codel, 50 * MS, 5 * MS, 100 * MS, 0, start + t))
			drops++;
		while (reference_judges(&reference, 0.05, 0.005, 0.1, 0, (double)t / 1e9))
			expected++;
		/* Off by a few of the first drops, which Newton's first steps make late. */
		if (fabs((double)drops - (double)expected) > 3 + 0.01 * (double)expected)
			fail_msg("after %.3f s %llu drops, should be %llu", (double)t / 1e9,
				 (unsigned long long)drops, (unsigned long long)expected);
	}
	assert_true(drops > 200000);
}

/* One trace: a queue that wanders above and below the target, on a clock that starts at @start. */
static void compare_traces(uint64_t start, uint64_t seed)
{
	uint64_t dice = seed;
	const uint64_t interval = (1 + dice_below(&dice, 200)) * MS;
	const uint64_t target = interval / (2 + dice_below(&dice, 30));
	struct ferry_codel codel;
	struct reference reference = {0};
	uint64_t drops = 0;
	uint64_t expected = 0;
	uint64_t episodes = 0;
	uint64_t sojourn = 0;
	uint64_t change = 0;
	uint64_t t = 1;

	ferry_codel_init(&codel);
	for (unsigned int i = 0; i < 60000; i++) {
		const _Bool last = !dice_below(&dice, 5000);
		const _Bool was = reference.dropping;

		t += 1 + dice_below(&dice, interval / 100);
		if (t >= change) {
			change = t + dice_below(&dice, 8 * interval);
			sojourn = dice_below(&dice, 3) ? target + dice_below(&dice, 10 * target)
						       : dice_below(&dice, target);
		}
		drops += ferry_codel_judges(&codel, sojourn, target, interval, last, start + t);
		expected += reference_judges(&reference, (double)sojourn, (double)target,
					     (double)interval, last, (double)t);
		assert_int_equal(codel.dropping, reference.dropping);
		episodes += reference.dropping && !was;
	}
	assert_true(expected > 0);
	/* One in each episode may fall on the other side of its edge; else within some percent. */
	if (fabs((double)drops - (double)expected) > 2 + (double)episodes + 0.04 * (double)expected)
		fail_msg("seed %llu: %llu drops, should be %llu", (unsigned long long)seed,
			 (unsigned long long)drops, (unsigned long long)expected);
}

static void test_random_traces(void **state)
{
	static const uint64_t starts[] = {0, 1ULL << 32, (1ULL << 63) - SECOND,
					  UINT64_MAX - SECOND};

	(void)state;
	for (uint64_t seed = 0; seed < 48; seed++)
		compare_traces(starts[seed % 4], seed);
}

/* The count may stand still at its end, but neither wraps nor stops the drops. */
static void test_count_does_not_wrap(void **state)
{
	struct ferry_codel codel;
	uint64_t now = SECOND;

	(void)state;
	ferry_codel_init(&codel);
	codel.dropping = 1;
	codel.standing_from = now - 1;
	codel.next = now;
	ferry_codel_restart(&codel, UINT32_MAX - 1);
	for (unsigned int i = 0; i < 10; i++) {
		assert_true(ferry_codel_judges(&codel, SECOND, MS, 100 * MS, 0, now));
		assert_true(codel.count >= UINT32_MAX - 1);
		assert_true(codel.root >= 1 && codel.root <= 2);
		assert_true(ferry_after(codel.next, now));
		now = codel.next;
	}
	/* Even from there, a new episode with a small count begins with its own root. */
	codel.dropping = 0;
	codel.last_count = codel.count - 4;
	assert_true(ferry_codel_judges(&codel, SECOND, MS, 100 * MS, 0, now));
	assert_int_equal(codel.count, 4);
	assert_in_range(codel.root, 32768 - 400, 32768 + 400);
}

/* Below target, or with nothing behind it, a packet is never dropped. */
static void test_short_queues_are_left_alone(void **state)
{
	struct ferry_codel codel;

	(void)state;
	ferry_codel_init(&codel);
	for (uint64_t t = 0; t < 100 * SECOND; t += MS) {
		assert_false(ferry_codel_judges(&codel, 5 * MS - 1, 5 * MS, 100 * MS, 0, t));
		assert_false(ferry_codel_judges(&codel, SECOND, 5 * MS, 100 * MS, 1, t));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_follows_the_count),
		cmocka_unit_test(test_root_of_any_count),
		cmocka_unit_test(test_drops_of_a_flood_come_when_they_should),
		cmocka_unit_test(test_random_traces),
		cmocka_unit_test(test_count_does_not_wrap),
		cmocka_unit_test(test_short_queues_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
