/* SPDX-License-Identifier: MIT */
/*
 * Senders that choose their packets, their moments and what they say of themselves so as to get
 * more than others, or to make others lose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "simulation.h"

/* Twelve flows in the eight places of one set, which come and go: each stays in order. */
static void test_flows_without_a_place_stay_in_order(void **state)
{
	struct sender senders[12];
	struct simulation simulation;

	(void)state;
	for (unsigned int i = 0; i < 12; i++) {
		senders[i] = (struct sender){.kind = SENDER_PERIODIC,
					     .class = FERRY_CLASS_DEFAULT,
					     .hash = 5 + (i % 3 ? i : i + 8) * FERRY_FLOWS_SETS,
					     .message = 1514 * (1 + i % 5),
					     .period = (7 + i) * MS};
	}
	simulation_init(&simulation, senders, 12, LIMIT, SECOND);
	simulation_rate(&simulation, 30 * MBIT);
	simulation_run(&simulation, 20 * SECOND);
	assert_true(simulation.queue->class[FERRY_CLASS_DEFAULT].flows.collisions > 100);
	for (unsigned int i = 0; i < 12; i++) {
		assert_int_equal(senders[i].disordered, 0);
		assert_true(senders[i].delivered > 100);
	}
	simulation_free(&simulation);
}

/* Tiny packets in buffers of 2 KiB fill the memory; whose bytes are few does not pay for them. */
static void test_flood_of_tiny_packets_pays_for_its_memory(void **state)
{
	struct sender senders[2];
	struct simulation simulation;

	(void)state;
	senders[0] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_DEFAULT,
				     .packet = 40,
				     .memory = 2304,
				     .message = 40 * 50,
				     .period = MS / 2};
	senders[1] = (struct sender){.kind = SENDER_PERIODIC,
				     .class = FERRY_CLASS_DEFAULT,
				     .message = 30 * 1514,
				     .period = 60 * MS};
	simulation_init(&simulation, senders, 2, 1 << 20, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 5 * SECOND);
	assert_true(senders[0].dropped > 10000);
	assert_int_equal(senders[1].dropped, 0);
	simulation_free(&simulation);
}

/* A flood of one class in small packets, on a link where each takes 51 ns. */
static void test_flood_of_small_packets_on_a_fast_link(void **state)
{
	struct sender senders[3];
	struct simulation simulation;

	(void)state;
	senders[0] = bulk(FERRY_CLASS_PREFILL, 2000);
	senders[0].packet = 64;
	senders[1] = bulk(FERRY_CLASS_DEFAULT, 200);
	senders[2] = bulk(FERRY_CLASS_SYNC, 200);
	simulation_init(&simulation, senders, 3, 16 * LIMIT, SECOND);
	simulation_rate(&simulation, 10000 * MBIT);
	simulation.queue->class[FERRY_CLASS_PREFILL].budget_us = 1000;
	ferry_queue_update(simulation.queue);
	/* Until its burst is over: half of 250 ms, at a guarantee of 230 of 490. */
	simulation_run(&simulation, 150 * MS);
	simulation_forget(&simulation);
	simulation_run(&simulation, 50 * MS);
	assert_true(share_of(&simulation, &senders[1]) > 0.25);
	assert_true(share_of(&simulation, &senders[2]) > 0.01);
	simulation_free(&simulation);
}

/*
 * What an energy mode makes wait is no standing queue: CoDel drops no more in the windows of saver
 * than it would on a link as slow as the windows make it.
 */
static void test_gated_classes_are_not_dropped_for_waiting(void **state)
{
	struct sender senders[2];
	struct simulation simulation;

	(void)state;
	senders[0] = bulk(FERRY_CLASS_MODEL, 20);
	senders[1] = bulk(FERRY_CLASS_SYNC, 20);
	simulation_init(&simulation, senders, 2, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, SECOND);
	simulation.queue->mode = FERRY_MODE_CRITICAL;
	simulation_run(&simulation, 3600 * SECOND);
	simulation.queue->mode = FERRY_MODE_SAVER;
	simulation_forget(&simulation);
	simulation_run(&simulation, 20 * FERRY_SAVER_PERIOD);
	assert_true(senders[0].delivered + senders[1].delivered > 8000);
	/* A queue of 20 packets stands for 24 ms, which is more than the target of 5 ms. */
	assert_in_range(senders[0].dropped + senders[1].dropped, 0, 150);
	simulation_free(&simulation);
}

/*
 * Packets that were long on a slow link are not held against anybody once it is fast: an outage of
 * a radio link that the operator follows with the rate.
 */
static void test_debts_of_a_slow_link_end_with_it(void **state)
{
	static const uint64_t slow[] = {1, 8, 64};
	static const uint64_t fast[] = {50, 0};

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		struct sender senders[FERRY_CLASS_COUNT];
		struct simulation simulation;

		for (unsigned int c = 0; c < FERRY_CLASS_COUNT; c++)
			senders[c] = bulk((uint8_t)c, 30);
		simulation_init(&simulation, senders, FERRY_CLASS_COUNT, LIMIT, SECOND);
		simulation.link_bytes_ps = 50 * MBIT / 8;
		simulation_rate(&simulation, slow[i % 3] * 1000);
		simulation_run(&simulation, 120 * SECOND);
		simulation_rate(&simulation, fast[i / 3] * MBIT);
		simulation_run(&simulation, 5 * SECOND);
		simulation_forget(&simulation);
		simulation_run(&simulation, 3 * SECOND);
		for (unsigned int c = 0; c < FERRY_CLASS_COUNT; c++) {
			const double got = share_of(&simulation, &senders[c]);

			if (got < 0.9 * ferry_class_share(c) / 1000.0)
				fail_msg("after %d kbit/s %s gets %.2f %%", (int)slow[i % 3],
					 ferry_class_name(c), 100 * got);
		}
		simulation_free(&simulation);
	}
}

/* A liar that paces itself so as to look sparse does not take the burst from tokens. */
static void test_paced_liars_leave_tokens_in_time(void **state)
{
	static const uint64_t periods[] = {600, 1000, 2500, 5000, 11000}; /* us */

	(void)state;
	for (unsigned int p = 0; p < sizeof(periods) / sizeof(periods[0]); p++) {
		struct sender senders[4];
		struct simulation simulation;

		senders[0] = token(256, 20 * MS);
		senders[1] = token(1514, periods[p] * 1000);
		senders[2] = bulk(FERRY_CLASS_DEFAULT, 100);
		senders[3] = token(300, 33 * MS);
		simulation_init(&simulation, senders, 4, LIMIT, SECOND);
		simulation_rate(&simulation, 20 * MBIT);
		simulation_run(&simulation, 20 * SECOND);
		assert_in_range(sender_percentile(&senders[0], 95), 0, 5 * MS);
		assert_in_range(sender_percentile(&senders[3], 95), 0, 5 * MS);
		assert_true(share_of(&simulation, &senders[2]) > 0.25);
		simulation_free(&simulation);
	}
}

/* Deadlines that cannot be met: whoever names the earliest takes no more than its class has. */
static void test_impossible_deadlines_take_no_guarantee(void **state)
{
	struct sender senders[6];
	struct simulation simulation;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		senders[i] = bulk((uint8_t)(FERRY_CLASS_CTRL + i), 200);
		senders[i].bucket = 1;
	}
	senders[5] = bulk(FERRY_CLASS_DEFAULT, 200);
	senders[3].bucket = FERRY_DEADLINE_MAX;
	simulation_init(&simulation, senders, 6, LIMIT, SECOND);
	simulation_rate(&simulation, 20 * MBIT);
	simulation_run(&simulation, 8 * SECOND);
	simulation_forget(&simulation);
	simulation_run(&simulation, 10 * SECOND);
	assert_true(share_of(&simulation, &senders[5]) > 0.25);
	assert_true(share_of(&simulation, &senders[3]) > 0.225);
	assert_true(share_of(&simulation, &senders[2]) > 0.225);
	simulation_free(&simulation);
}

static struct ferry_packet *put(struct ferry_queue *queue, struct ferry_packet *packet,
				uint64_t now)
{
	const struct ferry_ruling ruling = {.class = FERRY_CLASS_DEFAULT};

	*packet = (struct ferry_packet){.bytes = 1000, .segments = 1, .memory = 1000, .hash = 7};
	ferry_queue_put(queue, packet, ruling, now);
	return packet;
}

/* A queue that was emptied for want of memory does not stand until it is filled again. */
static void test_emptied_queue_is_not_standing(void **state)
{
	struct ferry_packet packets[5];
	struct simulation simulation;
	struct ferry_queue *queue;
	__u64 wake;

	(void)state;
	simulation_init(&simulation, NULL, 0, LIMIT, 0);
	queue = simulation.queue;
	for (unsigned int i = 0; i < 3; i++)
		put(queue, &packets[i], 0);
	/* Above the target from here on. */
	assert_ptr_equal(ferry_queue_get(queue, 50 * MS, &wake), &packets[0]);
	queue->limit = 1;
	ferry_queue_shrink(queue);
	assert_int_equal(queue->packets, 0);
	queue->dropped = NULL;
	queue->limit = LIMIT;
	put(queue, &packets[3], SECOND);
	put(queue, &packets[4], SECOND);
	assert_ptr_equal(ferry_queue_get(queue, SECOND + 10 * MS, &wake), &packets[3]);
	assert_null(queue->dropped);
	assert_ptr_equal(ferry_queue_get(queue, SECOND + 10 * MS, &wake), &packets[4]);
	simulation_free(&simulation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_without_a_place_stay_in_order),
		cmocka_unit_test(test_flood_of_tiny_packets_pays_for_its_memory),
		cmocka_unit_test(test_flood_of_small_packets_on_a_fast_link),
		cmocka_unit_test(test_gated_classes_are_not_dropped_for_waiting),
		cmocka_unit_test(test_debts_of_a_slow_link_end_with_it),
		cmocka_unit_test(test_paced_liars_leave_tokens_in_time),
		cmocka_unit_test(test_impossible_deadlines_take_no_guarantee),
		cmocka_unit_test(test_emptied_queue_is_not_standing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
