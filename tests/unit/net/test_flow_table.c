// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "linux/ferry.h"
#include "net/flow_table.h"

#define SECOND 1000000000ull

static struct ferry_flow_event event_of(uint64_t cookie, uint64_t time_ns)
{
	return (struct ferry_flow_event){
		.cookie = cookie,
		.time_ns = time_ns,
		.kind = FERRY_FLOW_ROUND,
		.class = FERRY_CLASS_DECODE,
		.flags = FERRY_FLOW_HAS_RTTVAR,
		.srtt_us = 20000,
		.rttvar_us = 1000,
	};
}

static struct ferry_flow_summary summary_of(struct ferry_flow_table *table, int64_t ifindex,
					    int class, uint64_t now)
{
	struct ferry_flow_summary summary;

	ferry_flow_table_summary(table, ifindex, class, now, &summary);
	return summary;
}

static void readings_of_a_device_and_a_class_are_those_of_its_flows(void **state)
{
	struct ferry_flow_table *table = ferry_flow_table_new(8, NULL);
	struct ferry_flow_event a = event_of(1, SECOND), b = event_of(2, SECOND),
				c = event_of(3, SECOND);
	struct ferry_flow_summary s;

	(void)state;
	assert_non_null(table);
	b.srtt_us = 40000;
	c.class = FERRY_CLASS_MODEL;
	c.srtt_us = 90000;
	assert_int_equal(ferry_flow_table_add(table, &a, 7), 0);
	assert_int_equal(ferry_flow_table_add(table, &b, 7), 0);
	assert_int_equal(ferry_flow_table_add(table, &c, 8), 0);

	s = summary_of(table, 7, FERRY_FLOW_ANY, 2 * SECOND);
	assert_int_equal(s.flows, 2);
	assert_int_equal(s.srtt_us, 30000);
	assert_int_equal(s.newest_ns, SECOND);
	s = summary_of(table, FERRY_FLOW_ANY, FERRY_CLASS_MODEL, 2 * SECOND);
	assert_int_equal(s.flows, 1);
	assert_int_equal(s.srtt_us, 90000);
	s = summary_of(table, FERRY_FLOW_ANY, FERRY_FLOW_ANY, 2 * SECOND);
	assert_int_equal(s.flows, 3);
	s = summary_of(table, 9, FERRY_FLOW_ANY, 2 * SECOND);
	assert_int_equal(s.flows, 0);
	assert_int_equal(s.srtt_us, 0);
	ferry_flow_table_free(table);
}

static void a_flow_that_carries_much_weighs_much(void **state)
{
	struct ferry_flow_table *table = ferry_flow_table_new(8, NULL);
	struct ferry_flow_event a = event_of(1, SECOND), b = event_of(2, SECOND);
	struct ferry_flow_summary s;

	(void)state;
	ferry_flow_table_add(table, &a, 1);
	ferry_flow_table_add(table, &b, 1);
	b.time_ns += SECOND;
	b.srtt_us = 80000;
	b.bytes_acked = 10 << 20;
	b.segments = 7000;
	b.retransmits = 70;
	b.delivery_bytes_s = 12 << 20;
	ferry_flow_table_add(table, &b, 1);
	s = summary_of(table, 1, FERRY_FLOW_ANY, 2 * SECOND);
	assert_in_range(s.srtt_us, 79900, 80000);
	assert_int_equal(s.retransmit_ppm, 10000);
	assert_int_equal(s.delivery_bytes_s, 12 << 20);
	assert_int_equal(s.acked_bytes_s, 10 << 20);
	ferry_flow_table_free(table);
}

static void a_pulse_is_the_growth_of_round_trips_and_what_was_acknowledged(void **state)
{
	struct ferry_flow_table *table = ferry_flow_table_new(8, NULL);
	struct ferry_flow_event a = event_of(1, SECOND), b = event_of(2, SECOND),
				c = event_of(3, SECOND);
	struct ferry_flow_pulse p;

	(void)state;
	a.bytes_acked = 5000000; /* before it was first seen: nobody's of this interval */
	b.srtt_us = 50000;
	b.in_flight_bytes = 9 << 10;
	ferry_flow_table_add(table, &a, 1);
	ferry_flow_table_add(table, &b, 1);
	ferry_flow_table_add(table, &c, 2);
	ferry_flow_table_pulse(table, 1, SECOND, SECOND, &p);
	assert_int_equal(p.flows, 2);
	assert_int_equal(p.growth_us, 0);
	assert_int_equal(p.acked_bytes, 0);
	assert_int_equal(p.srtt_us, (20000 + 10 * 50000) / 11);

	a.time_ns = b.time_ns = 2 * SECOND;
	a.bytes_acked += 1000;
	b.bytes_acked = 70000;
	b.srtt_us = 72000;
	b.segments = 90;
	b.retransmits = 3;
	ferry_flow_table_add(table, &a, 1);
	ferry_flow_table_add(table, &b, 1);
	ferry_flow_table_pulse(table, 1, 2 * SECOND, SECOND, &p);
	assert_int_equal(p.growth_us, 22000 * 10 / 11);
	assert_int_equal(p.acked_bytes, 71000);
	assert_int_equal(p.segments, 90);
	assert_int_equal(p.retransmits, 3);
	assert_true(p.has_rttvar);
	assert_int_equal(p.newest_ns, 2 * SECOND);

	/* Silence: no means, but what was counted stays counted. */
	ferry_flow_table_pulse(table, 1, 5 * SECOND, SECOND, &p);
	assert_int_equal(p.flows, 0);
	assert_int_equal(p.srtt_us, 0);
	assert_int_equal(p.acked_bytes, 71000);
	ferry_flow_table_free(table);
}

static void what_is_old_says_nothing(void **state)
{
	struct ferry_flow_table *table = ferry_flow_table_new(8, NULL);
	struct ferry_flow_event e = event_of(1, SECOND);
	struct ferry_flow_summary s;

	(void)state;
	e.segments = 1000;
	ferry_flow_table_add(table, &e, 1);
	for (int i = 1; i <= 300; i++) { /* 30 s; a tenth is lost, but only in the first five */
		e.time_ns += SECOND / 10;
		e.segments += 10;
		e.retransmits += i <= 50;
		e.bytes_acked += 100000;
		ferry_flow_table_add(table, &e, 1);
	}
	s = summary_of(table, 1, FERRY_FLOW_ANY, e.time_ns);
	assert_int_equal(s.retransmit_ppm, 0);
	assert_in_range(s.acked_bytes_s, 999990, 1000010);
	s = summary_of(table, 1, FERRY_FLOW_ANY, e.time_ns + 11 * SECOND);
	assert_int_equal(s.flows, 0);

	/* After an hour of silence, the rate is that of now, not of the hour. */
	e.time_ns += 3600 * SECOND;
	e.bytes_acked += 40000;
	ferry_flow_table_add(table, &e, 1);
	s = summary_of(table, 1, FERRY_FLOW_ANY, e.time_ns);
	assert_in_range(s.acked_bytes_s, 1900000, 2100000);
	ferry_flow_table_free(table);
}

static int count_one(const struct ferry_flow_event *event, uint32_t ifindex, void *data)
{
	(void)event;
	(void)ifindex;
	++*(int *)data;
	return 0;
}

static void the_most_silent_flow_makes_room(void **state)
{
	enum { MAX = 5, MANY = 1000 };
	struct ferry_flow_table *table = ferry_flow_table_new(MAX, NULL);
	struct ferry_flow_event e;
	uint32_t ifindex = 0;
	int n = 0;

	(void)state;
	for (int i = 1; i <= MANY; i++) {
		e = event_of((uint64_t)i * 8, SECOND + i); /* all in one bucket */
		assert_int_equal(ferry_flow_table_add(table, &e, (uint32_t)i), 0);
		e = event_of(8, SECOND + i); /* and one that never falls silent */
		assert_int_equal(ferry_flow_table_add(table, &e, 77), 0);
	}
	assert_non_null(ferry_flow_table_find(table, 8, &ifindex));
	assert_int_equal(ifindex, 77);
	assert_null(ferry_flow_table_find(table, (MANY - MAX) * 8, NULL));
	for (int i = MANY - MAX + 2; i <= MANY; i++)
		assert_non_null(ferry_flow_table_find(table, (uint64_t)i * 8, NULL));
	ferry_flow_table_each(table, SECOND, count_one, &n);
	assert_int_equal(n, MAX);
	ferry_flow_table_free(table);
}

static void a_closed_flow_still_counts_for_the_window(void **state)
{
	struct ferry_flow_table *table = ferry_flow_table_new(4, NULL);
	struct ferry_flow_event e = event_of(1, SECOND);
	struct ferry_flow_summary s;
	int n = 0;

	(void)state;
	ferry_flow_table_add(table, &e, 1);
	e.time_ns += SECOND;
	e.kind = FERRY_FLOW_CLOSED;
	e.segments = 100;
	e.retransmits = 50;
	e.delivery_bytes_s = 1000;
	ferry_flow_table_add(table, &e, 1);
	s = summary_of(table, 1, FERRY_FLOW_ANY, 3 * SECOND);
	assert_int_equal(s.retransmit_ppm, 500000);
	assert_int_equal(s.delivery_bytes_s, 0);
	ferry_flow_table_each(table, 3 * SECOND, count_one, &n);
	assert_int_equal(n, 1);
	ferry_flow_table_each(table, 30 * SECOND, count_one, &n);
	assert_int_equal(n, 1);
	ferry_flow_table_free(table);
}

static void nonsense_is_refused_or_harmless(void **state)
{
	struct ferry_flow_table *table = ferry_flow_table_new(4, NULL);
	struct ferry_flow_event e = event_of(1, SECOND), max;
	struct ferry_flow_summary s;
	struct ferry_error err = {0};

	(void)state;
	assert_null(ferry_flow_table_new(0, &err));
	assert_int_equal(err.code, -EINVAL);
	assert_null(ferry_flow_table_new((size_t)-1, &err));
	e.class = FERRY_CLASS_COUNT;
	assert_int_equal(ferry_flow_table_add(table, &e, 1), -EPROTO);
	e.class = 0;
	for (int kind = 0; kind < 256; kind++) {
		e.kind = (uint8_t)kind;
		assert_int_equal(ferry_flow_table_add(table, &e, 1),
				 kind >= FERRY_FLOW_SEEN && kind <= FERRY_FLOW_CLOSED ? 0
										      : -EPROTO);
	}
	/* Counters that run backwards, clocks that do, and the largest numbers there are. */
	memset(&max, 0xff, sizeof(max));
	max.cookie = 1;
	max.class = 0;
	max.kind = FERRY_FLOW_ROUND;
	assert_int_equal(ferry_flow_table_add(table, &max, 1), 0);
	s = summary_of(table, 1, FERRY_FLOW_ANY, UINT64_MAX);
	assert_true(s.retransmit_ppm <= FERRY_PPM);
	e.kind = FERRY_FLOW_ROUND;
	assert_int_equal(ferry_flow_table_add(table, &e, 1), 0);
	s = summary_of(table, 1, FERRY_FLOW_ANY, 0);
	assert_true(s.retransmit_ppm <= FERRY_PPM);
	ferry_flow_table_free(table);
	ferry_flow_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readings_of_a_device_and_a_class_are_those_of_its_flows),
		cmocka_unit_test(a_flow_that_carries_much_weighs_much),
		cmocka_unit_test(a_pulse_is_the_growth_of_round_trips_and_what_was_acknowledged),
		cmocka_unit_test(what_is_old_says_nothing),
		cmocka_unit_test(the_most_silent_flow_makes_room),
		cmocka_unit_test(a_closed_flow_still_counts_for_the_window),
		cmocka_unit_test(nonsense_is_refused_or_harmless),
	};

	return cmocka_run_group_tests_name("net/flow_table", tests, NULL, NULL);
}
