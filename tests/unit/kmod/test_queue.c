/* SPDX-License-Identifier: MIT */
/*
 * The scheduler as its users would measure it: delays, shares and rates, on a simulated clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "simulation.h"

enum { COUNT = 32 };

/* 16 bulk flows hardly touch tokens and prompts. */
static void test_tokens_and_prompts_pass_bulk(void **state)
{
	struct sender senders[18] = {token(256, 20 * MS)};
	struct sender alone[1];
	struct simulation simulation;
	uint64_t idle;

	(void)state;
	senders[1] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_PREFILL,
				     .message = 128 << 10,
				     .period = 500 * MS};
	alone[0] = senders[1];
	simulation_init(&simulation, alone, 1, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 12 * SECOND);
	idle = sender_percentile(&alone[0], 95);
	simulation_free(&simulation);

	for (unsigned int i = 2; i < 18; i++) {
		senders[i] = bulk(FERRY_CLASS_DEFAULT, 40);
		senders[i].source = FERRY_SOURCE_DEFAULT;
	}
	simulation_init(&simulation, senders, 18, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 12 * SECOND);
	/* One packet may be on its way, and one of the prompt's or of another deadline class. */
	assert_in_range(sender_percentile(&senders[0], 95), 0, 1300000);
	assert_in_range(sender_percentile(&senders[1], 95), 0, idle * 115 / 100);
	assert_int_equal(senders[0].dropped, 0);
	assert_int_equal(senders[1].dropped, 0);
	/* The link never rests: tokens 0.5 %, prompts 11 %, bulk the rest. */
	assert_in_range(simulation.delivered_bytes, 29700000, 30100000);
	simulation_free(&simulation);
}

/* 100 ms and 400 ms deadlines at 90 % load, all met. */
static void test_deadlines_are_met_at_ninety_percent(void **state)
{
	struct sender senders[2];
	struct simulation simulation;

	(void)state;
	senders[0] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_DECODE,
				     .bucket = 200,
				     .message = 112500,
				     .period = 100 * MS};
	senders[1] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_PREFILL,
				     .bucket = 800,
				     .message = 450000,
				     .period = 400 * MS};
	simulation_init(&simulation, senders, 2, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 20 * SECOND);
	assert_in_range(senders[0].delivered, 14000, 20000);
	assert_int_equal(senders[0].late, 0);
	assert_int_equal(senders[1].late, 0);
	assert_int_equal(senders[0].dropped + senders[1].dropped, 0);
	simulation_free(&simulation);
}

/* a sender that says token of everything takes nothing that is guaranteed to others. */
static void test_liar_is_demoted(void **state)
{
	struct sender senders[4];
	struct simulation simulation;

	(void)state;
	senders[0] = token(256, 20 * MS);
	senders[1] = bulk(FERRY_CLASS_TOKEN, 100);
	senders[2] = bulk(FERRY_CLASS_DEFAULT, 100);
	senders[3] = token(100, 7 * MS);
	simulation_init(&simulation, senders, 4, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 10 * SECOND);
	assert_in_range(100 * share_of(&simulation, &senders[2]), 25, 89);
	assert_in_range(100 * share_of(&simulation, &senders[1]), 10, 74);
	assert_in_range(sender_percentile(&senders[0], 95), 0, 5 * MS);
	assert_in_range(sender_percentile(&senders[3], 95), 0, 5 * MS);
	simulation_free(&simulation);
}

/* The same, with every class flooded: each keeps its guarantee. */
static void test_floors_hold_when_everything_is_flooded(void **state)
{
	struct sender senders[FERRY_CLASS_COUNT];
	struct simulation simulation;

	(void)state;
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++)
		senders[i] = bulk((uint8_t)i, 100);
	simulation_init(&simulation, senders, FERRY_CLASS_COUNT, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 5 * SECOND);
	simulation_forget(&simulation);
	simulation_run(&simulation, 20 * SECOND);
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		const double guaranteed = ferry_class_share(i) / 1000.0;
		const double got = share_of(&simulation, &senders[i]);

		if (got < guaranteed * 0.98)
			fail_msg("%s got %.2f %%, is sure of %.2f %%", ferry_class_name(i),
				 100 * got, 100 * guaranteed);
	}
	simulation_free(&simulation);
}

/* R-17, and mixed sizes with what the link adds. */
static void test_shaped_rate_is_exact(void **state)
{
	static const uint64_t rates[] = {1, 10, 50, 1000};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct sender senders[3];
		struct simulation simulation;
		uint64_t wire;

		senders[0] = bulk(FERRY_CLASS_DEFAULT, 50);
		senders[1] = bulk(FERRY_CLASS_DEFAULT, 50);
		senders[1].packet = 64;
		senders[2] = bulk(FERRY_CLASS_SYNC, 50);
		senders[2].packet = 577;
		simulation_init(&simulation, senders, 3, LIMIT, SECOND);
		simulation.timer_slack = MS;
		simulation.queue->shaper.rate.overhead = 18;
		simulation.queue->shaper.rate.mpu = 84;
		simulation_rate(&simulation, rates[i] * MBIT);
		simulation_run(&simulation, 10 * SECOND);
		wire = senders[0].delivered * (1514 + 18) + senders[1].delivered * 84 +
		       senders[2].delivered * (577 + 18);
		assert_in_range(wire * 8 / 10, rates[i] * MBIT * 99 / 100,
				rates[i] * MBIT * 101 / 100);
		simulation_free(&simulation);
	}
}

/* a thousand changes under load lose nothing and hold at once. */
static void test_rate_changes_under_load(void **state)
{
	struct sender senders[2] = {token(256, 20 * MS)};
	struct simulation simulation;
	double expected = 0;

	(void)state;
	senders[1] = bulk(FERRY_CLASS_DEFAULT, 20);
	simulation_init(&simulation, senders, 2, LIMIT, SECOND);
	for (unsigned int i = 0; i < 1000; i++) {
		const uint64_t rate = (i * 7919 % 50 + 1) * MBIT;

		simulation_rate(&simulation, rate);
		simulation_run(&simulation, 10 * MS);
		expected += (double)rate / 8 / 100;
	}
	assert_int_equal(senders[0].dropped, 0);
	assert_int_equal(senders[0].disordered + senders[1].disordered, 0);
	assert_in_range((double)simulation.delivered_bytes, expected * 0.99, expected * 1.01);
	simulation_free(&simulation);
}

static void test_rate_change_does_not_wait_for_a_long_packet(void **state)
{
	struct sender senders[1] = {bulk(FERRY_CLASS_DEFAULT, 20)};
	struct simulation simulation;

	(void)state;
	simulation_init(&simulation, senders, 1, LIMIT, SECOND);
	simulation_rate(&simulation, 8000); /* a packet takes 1.5 s */
	simulation_run(&simulation, 10 * MS);
	simulation_forget(&simulation);
	simulation_rate(&simulation, 50 * MBIT);
	simulation_run(&simulation, 10 * MS);
	assert_in_range(simulation.delivered_bytes, 61000, 63000);
	simulation_free(&simulation);
}

/* whoever is alone has the whole link. */
static void test_every_class_alone_gets_the_link(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < FERRY_CLASS_COUNT; i++) {
		struct sender senders[1] = {bulk((uint8_t)i, 100)};
		struct simulation simulation;

		simulation_init(&simulation, senders, 1, LIMIT, SECOND);
		simulation_rate(&simulation, 20 * MBIT);
		simulation_run(&simulation, 4 * SECOND);
		assert_in_range(simulation.delivered_bytes, 9950000, 10002000);
		simulation_free(&simulation);
	}
}

/* Without a rate of its own, the shares follow the speed at which the device takes packets. */
static void test_unshaped_shares_follow_the_device(void **state)
{
	static const uint64_t speeds[] = {2, 20, 900};

	(void)state;
	for (unsigned int i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		struct sender senders[3];
		struct simulation simulation;

		senders[0] = bulk(FERRY_CLASS_TOKEN, 100);
		senders[1] = bulk(FERRY_CLASS_DEFAULT, 100);
		senders[2] = bulk(FERRY_CLASS_SYNC, 100);
		simulation_init(&simulation, senders, 3, LIMIT, SECOND);
		simulation.link_bytes_ps = speeds[i] * MBIT / 8;
		simulation_run(&simulation, 3 * SECOND);
		assert_in_range(simulation.queue->shaper.drain.bytes_ps,
				speeds[i] * MBIT / 8 * 9 / 10, speeds[i] * MBIT / 8 * 11 / 10);
		simulation_forget(&simulation);
		simulation_run(&simulation, 5 * SECOND);
		assert_in_range(100 * share_of(&simulation, &senders[1]), 25, 89);
		assert_in_range(1000 * share_of(&simulation, &senders[2]), 10, 60);
		simulation_free(&simulation);
	}
}

/* packets whose sender knows ECN are marked, ECT(1) early, and not dropped. */
static void test_ecn_packets_are_marked_not_dropped(void **state)
{
	struct sender senders[3];
	struct simulation simulation;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		senders[i] = (struct sender){.kind = SENDER_ADAPTIVE,
					     .class = FERRY_CLASS_DEFAULT,
					     .window = 40,
					     .period = 20 * MS};
	}
	senders[0].ecn = ECT0;
	senders[1].ecn = ECT1;
	senders[2].ecn = NOT_ECT;
	simulation_init(&simulation, senders, 3, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 10 * SECOND);
	assert_int_equal(senders[0].dropped, 0);
	assert_true(senders[0].marked > 0);
	assert_int_equal(senders[1].dropped, 0);
	assert_true(senders[1].marked > 4 * senders[0].marked);
	assert_true(senders[2].dropped > 0);
	assert_int_equal(senders[2].marked, 0);
	assert_int_equal(simulation.queue->class[FERRY_CLASS_DEFAULT].marks,
			 senders[0].marked + senders[1].marked);
	simulation_free(&simulation);
}

/* A deadline that has passed costs a mark, never the packet. */
static void test_late_packets_are_marked_and_counted(void **state)
{
	struct sender senders[1];
	struct simulation simulation;
	const struct ferry_queue_class *class;

	(void)state;
	senders[0] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_DECODE,
				     .bucket = 10,	   /* 5 ms */
				     .message = 40 * 1514, /* 24 ms */
				     .period = 100 * MS,
				     .stop = SECOND,
				     .ecn = ECT0};
	simulation_init(&simulation, senders, 1, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 2 * SECOND);
	class = &simulation.queue->class[FERRY_CLASS_DECODE];
	assert_int_equal(senders[0].delivered, 400);
	assert_int_equal(class->late, senders[0].late);
	assert_in_range(class->late, 300, 320);
	assert_int_equal(class->marks, class->late);
	assert_int_equal(class->drops, 0);
	simulation_free(&simulation);
}

/* memory is bounded whoever floods, and the one who floods pays. */
static void test_memory_is_bounded_and_the_fattest_pays(void **state)
{
	struct sender senders[3];
	struct simulation simulation;

	(void)state;
	senders[0] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_DEFAULT,
				     .flows = 10000,
				     .message = 5000 * 1514,
				     .period = 100 * MS};
	senders[1] = token(256, 20 * MS);
	senders[2] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_DEFAULT,
				     .message = 300,
				     .period = 5 * MS};
	simulation_init(&simulation, senders, 3, 1 << 20, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 3 * SECOND);
	assert_in_range(simulation.queue->memory_peak, 1000000, 1 << 20);
	assert_true(senders[0].dropped > 100000);
	assert_int_equal(senders[1].dropped, 0);
	assert_in_range(sender_percentile(&senders[1], 95), 0, 2 * MS);
	assert_int_equal(simulation.queue->class[FERRY_CLASS_DEFAULT].limit_drops +
				 simulation.queue->class[FERRY_CLASS_TOKEN].limit_drops,
			 senders[0].dropped + senders[2].dropped);
	simulation_free(&simulation);
}

/* A class of low importance cannot push out one of high importance, however full the memory. */
static void test_memory_is_taken_from_the_least_important(void **state)
{
	struct sender senders[2];
	struct simulation simulation;

	(void)state;
	senders[0] = bulk(FERRY_CLASS_SYNC, 2000);
	senders[1] = bulk(FERRY_CLASS_PREFILL, 90);
	simulation_init(&simulation, senders, 2, 1 << 20, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, SECOND);
	assert_int_equal(senders[1].dropped, 0);
	assert_true(simulation.queue->class[FERRY_CLASS_SYNC].limit_drops > 0);
	simulation_free(&simulation);
}

/* A smaller limit takes effect at once. */
static void test_lower_limit_is_drained_to(void **state)
{
	struct sender senders[2];
	struct simulation simulation;

	(void)state;
	senders[0] = bulk(FERRY_CLASS_DEFAULT, 500);
	senders[1] = bulk(FERRY_CLASS_KV, 500);
	simulation_init(&simulation, senders, 2, LIMIT, SECOND);
	simulation_rate(&simulation, MBIT);
	simulation_run(&simulation, 10 * MS);
	assert_true(simulation.queue->memory > 1000000);
	simulation.queue->limit = 100000;
	ferry_queue_shrink(simulation.queue);
	assert_in_range(simulation.queue->memory, 1, 100000);
	simulation_run(&simulation, SECOND);
	simulation_free(&simulation);
}

/* an energy mode holds back model and sync, and nothing else. */
static void test_energy_modes_hold_back_the_background(void **state)
{
	struct sender senders[3];
	struct simulation simulation;

	(void)state;
	senders[0] = bulk(FERRY_CLASS_MODEL, 60);
	senders[1] = bulk(FERRY_CLASS_SYNC, 60);
	senders[2] = token(256, 20 * MS);
	simulation_init(&simulation, senders, 3, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, SECOND);
	simulation.queue->mode = FERRY_MODE_CRITICAL;
	simulation_forget(&simulation);
	simulation_run(&simulation, 10 * SECOND);
	assert_int_equal(senders[0].delivered + senders[1].delivered, 0);
	assert_in_range(senders[2].delivered, 499, 501);

	simulation.queue->mode = FERRY_MODE_SAVER;
	simulation_forget(&simulation);
	simulation_run(&simulation, 8 * FERRY_SAVER_PERIOD);
	/* An eighth of the time. */
	assert_in_range(simulation.delivered_bytes, 42950000 / 8 * 95 / 100,
			42950000 / 8 * 115 / 100);

	simulation.queue->mode = FERRY_MODE_NORMAL;
	simulation_forget(&simulation);
	simulation_run(&simulation, 2 * SECOND);
	assert_in_range(simulation.delivered_bytes, 4750000, 5002000);
	simulation_free(&simulation);
}

/* Order within a flow is kept, whatever class it is in. */
static void test_flows_stay_in_order(void **state)
{
	struct sender senders[COUNT];
	struct simulation simulation;

	(void)state;
	for (unsigned int i = 0; i < COUNT; i++) {
		senders[i] = bulk((uint8_t)(i % FERRY_CLASS_COUNT), 5 + i);
		senders[i].packet = 40 + 40 * i;
	}
	simulation_init(&simulation, senders, COUNT, LIMIT, SECOND);
	simulation_rate(&simulation, 10 * MBIT);
	simulation_run(&simulation, 10 * SECOND);
	for (unsigned int i = 0; i < COUNT; i++) {
		assert_int_equal(senders[i].disordered, 0);
		assert_true(senders[i].delivered > 0);
	}
	simulation_free(&simulation);
}

/* nothing depends on where the clock stands. */
static void test_clock_boundaries(void **state)
{
	static const uint64_t starts[] = {
		0,
		(1ULL << 32) - SECOND,		    /* 2^32 ns */
		(1ULL << 32) * 1000000 - SECOND,    /* 2^32 ms: 49.7 days */
		(1ULL << 32) * 1000000000 - SECOND, /* 2^32 s */
		(1ULL << 63) - SECOND,
		UINT64_MAX - SECOND,
	};
	uint64_t first[8] = {0};

	(void)state;
	for (unsigned int i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct sender senders[4];
		struct simulation simulation;

		senders[0] = token(256, 20 * MS);
		senders[1] = bulk(FERRY_CLASS_DEFAULT, 50);
		senders[2] = bulk(FERRY_CLASS_KV, 50);
		senders[3] = (struct sender){.kind = SENDER_ADAPTIVE,
					     .class = FERRY_CLASS_DEFAULT,
					     .window = 20,
					     .period = 30 * MS};
		simulation_init(&simulation, senders, 4, LIMIT, starts[i]);
		simulation_rate(&simulation, 20 * MBIT);
		simulation_run(&simulation, 4 * SECOND);
		for (unsigned int s = 0; s < 4; s++) {
			if (!i) {
				first[2 * s] = senders[s].delivered;
				first[2 * s + 1] = senders[s].dropped;
			}
			assert_int_equal(senders[s].delivered, first[2 * s]);
			assert_int_equal(senders[s].dropped, first[2 * s + 1]);
		}
		simulation_free(&simulation);
	}
	assert_true(first[7] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens_and_prompts_pass_bulk),
		cmocka_unit_test(test_deadlines_are_met_at_ninety_percent),
		cmocka_unit_test(test_liar_is_demoted),
		cmocka_unit_test(test_floors_hold_when_everything_is_flooded),
		cmocka_unit_test(test_shaped_rate_is_exact),
		cmocka_unit_test(test_rate_changes_under_load),
		cmocka_unit_test(test_rate_change_does_not_wait_for_a_long_packet),
		cmocka_unit_test(test_every_class_alone_gets_the_link),
		cmocka_unit_test(test_unshaped_shares_follow_the_device),
		cmocka_unit_test(test_ecn_packets_are_marked_not_dropped),
		cmocka_unit_test(test_late_packets_are_marked_and_counted),
		cmocka_unit_test(test_memory_is_bounded_and_the_fattest_pays),
		cmocka_unit_test(test_memory_is_taken_from_the_least_important),
		cmocka_unit_test(test_lower_limit_is_drained_to),
		cmocka_unit_test(test_energy_modes_hold_back_the_background),
		cmocka_unit_test(test_flows_stay_in_order),
		cmocka_unit_test(test_clock_boundaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
