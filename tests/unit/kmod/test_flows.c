/* SPDX-License-Identifier: MIT */
/* The flow table and its turns: who shares a queue, who waits for whom, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dice.h"
#include "packet.h"

#include "core/flows.h"

enum { QUANTUM = 1514, FLOWS = 40 };

/* A table, and what it takes to queue packets in it. */
struct table {
	struct ferry_flows flows;
	struct ferry_packet packets[FERRY_FLOWS];
};

static struct table *table_new(void)
{
	struct table *table = aligned_alloc(64, (sizeof(*table) + 63) / 64 * 64);

	assert_non_null(table);
	memset(table->packets, 0, sizeof(table->packets));
	ferry_flows_init(&table->flows);
	return table;
}

/* Lets the flow at @index have a backlog that never ends. */
static void fill(struct table *table, unsigned int index)
{
	table->flows.flow[index].head = &table->packets[index];
	ferry_flows_wake(&table->flows, index, QUANTUM);
}

static void drain(struct table *table, unsigned int index)
{
	table->flows.flow[index].head = NULL;
}

/* Charges whose turn it is with its @bytes. */
static unsigned int serve(struct table *table, int32_t quantum, const uint32_t *bytes)
{
	const unsigned int index = ferry_flows_turn(&table->flows, quantum);

	assert_true(index < FERRY_FLOWS);
	assert_non_null(table->flows.flow[index].head);
	table->flows.flow[index].deficit -= (int32_t)bytes[index];
	return index;
}

/* How many of @n flows find all places of their set taken, on average: binomial by sets. */
static double expected_collisions(unsigned int n)
{
	const double p = 1.0 / FERRY_FLOWS_SETS;
	double chance = 1; /* of k flows in a set */
	double sum = 0;

	for (unsigned int i = 0; i < n; i++)
		chance *= 1 - p;
	for (unsigned int k = 0; k < n && k < 4000; k++) {
		if (k > FERRY_FLOW_WAYS)
			sum += (k - FERRY_FLOW_WAYS) * chance;
		chance *= (double)(n - k) / (k + 1) * p / (1 - p);
	}
	return FERRY_FLOWS_SETS * sum;
}

static void test_collisions_are_those_of_eight_ways(void **state)
{
	static const unsigned int counts[] = {100, 500, 1000, 10000};
	uint64_t dice = 1;

	(void)state;
	for (unsigned int c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		const unsigned int rounds = counts[c] > 1000 ? 20 : 200;
		double collisions = 0;

		for (unsigned int round = 0; round < rounds; round++) {
			struct table *table = table_new();

			for (unsigned int i = 0; i < counts[c]; i++) {
				const uint32_t hash = (uint32_t)dice_roll(&dice);
				const unsigned int index = ferry_flows_find(&table->flows, hash);

				fill(table, index);
				/* Who has a place keeps it. */
				if (table->flows.tag[index] == hash)
					assert_int_equal(ferry_flows_find(&table->flows, hash),
							 index);
			}
			collisions += (double)table->flows.collisions;
			free(table);
		}
		collisions /= rounds;
		/* 100 flows: 0. 1000: 1 in 8. */
		assert_true(collisions <= expected_collisions(counts[c]) * 1.1 + 0.1);
		assert_true(collisions >= expected_collisions(counts[c]) * 0.9 - 0.1);
	}
	assert_true(expected_collisions(100) < 0.001);
}

/* Hashes chosen to meet in one set take its eight places and nobody else's. */
static void test_flows_of_one_set_leave_the_others_alone(void **state)
{
	struct table *table = table_new();

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		const unsigned int index =
			ferry_flows_find(&table->flows, 5 + i * FERRY_FLOWS_SETS);

		assert_int_equal(index / FERRY_FLOW_WAYS, 5);
		fill(table, index);
	}
	assert_int_equal(table->flows.active, FERRY_FLOW_WAYS);
	assert_int_equal(table->flows.collisions, 10000 - FERRY_FLOW_WAYS);
	for (uint32_t set = 0; set < FERRY_FLOWS_SETS; set++) {
		if (set != 5)
			assert_int_equal(ferry_flows_find(&table->flows, set) / FERRY_FLOW_WAYS,
					 set);
	}
	assert_int_equal(table->flows.collisions, 10000 - FERRY_FLOW_WAYS);
	free(table);
}

/* A place that was given away forgets the queue that its former flow had. */
static void test_new_flow_does_not_inherit_history(void **state)
{
	struct table *table = table_new();
	const unsigned int index = ferry_flows_find(&table->flows, 77);

	(void)state;
	table->flows.flow[index].codel.count = 1000;
	table->flows.flow[index].codel.dropping = 1;
	assert_int_equal(ferry_flows_find(&table->flows, 77), index);
	assert_int_equal(table->flows.flow[index].codel.count, 1000);
	assert_int_equal(ferry_flows_find(&table->flows, 77 + (1 << 20)), index);
	assert_int_equal(table->flows.flow[index].codel.count, 0);
	assert_false(table->flows.flow[index].codel.dropping);
	free(table);
}

/* Jain's index of what flows got: 1 where all got the same. */
static double jain(const uint64_t *got, unsigned int n)
{
	double sum = 0;
	double squares = 0;

	for (unsigned int i = 0; i < n; i++) {
		sum += (double)got[i];
		squares += (double)got[i] * (double)got[i];
	}
	return sum * sum / (n * squares);
}

/* Flows with a backlog get the same bytes, whatever the size of their packets and the quantum. */
static void test_turns_are_fair_in_bytes(void **state)
{
	static const uint32_t sizes[] = {40, 64, 300, 577, 1514, 9000, 65536, 524288};
	static const int32_t quanta[] = {300, 610, 1514};

	(void)state;
	for (unsigned int q = 0; q < sizeof(quanta) / sizeof(quanta[0]); q++) {
		struct table *table = table_new();
		uint32_t bytes[FERRY_FLOWS] = {0};
		uint64_t got[FLOWS] = {0};

		for (unsigned int i = 0; i < FLOWS; i++) {
			bytes[i] = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];
			fill(table, i);
		}
		for (unsigned int i = 0; i < 3000000; i++) {
			const unsigned int index = serve(table, quanta[q], bytes);

			got[index] += bytes[index];
		}
		/* Within two of the longest packets of each other. */
		for (unsigned int i = 1; i < FLOWS; i++)
			assert_true(llabs((long long)(got[i] - got[0])) <= 2 * 524288);
		assert_true(jain(got, FLOWS) > 0.99);
		free(table);
	}
}

static void test_sparse_flows_go_first(void **state)
{
	struct table *table = table_new();
	uint32_t bytes[FERRY_FLOWS];

	(void)state;
	for (unsigned int i = 0; i < FERRY_FLOWS; i++)
		bytes[i] = i < FLOWS ? 1514 : 100;
	for (unsigned int i = 0; i < FLOWS; i++)
		fill(table, i);
	for (unsigned int i = 0; i < 1000; i++)
		serve(table, QUANTUM, bytes);
	for (unsigned int i = 0; i < 1000; i++) {
		const unsigned int sparse = 500 + i % 20;

		fill(table, sparse);
		assert_int_equal(serve(table, QUANTUM, bytes), sparse);
		drain(table, sparse);
		/* A round of the others, in which it leaves its list. */
		for (unsigned int k = 0; k <= FLOWS; k++)
			assert_true(serve(table, QUANTUM, bytes) < FLOWS);
	}
	free(table);
}

/* However many flows begin, one that is waiting gets its turn after a quantum of each. */
static void test_flood_of_new_flows_ends(void **state)
{
	struct table *table = table_new();
	uint32_t bytes[FERRY_FLOWS];
	unsigned int waited = 0;

	(void)state;
	for (unsigned int i = 0; i < FERRY_FLOWS; i++)
		bytes[i] = 1514;
	fill(table, 0);
	serve(table, QUANTUM, bytes); /* its quantum is gone: it is old with its next packet */
	for (unsigned int i = 1; i < FERRY_FLOWS; i++)
		fill(table, i);
	for (;;) {
		const unsigned int index = serve(table, QUANTUM, bytes);

		if (!index)
			break;
		/* It sent all it had, and comes back at once with the next packet. */
		drain(table, index);
		fill(table, index);
		waited++;
		assert_true(waited <= FERRY_FLOWS);
	}
	free(table);
}

/*
 * A flow that keeps one packet in the queue, longer than its quantum, was new with each: it got
 * half of the link whoever else was there.
 */
static void test_single_long_packets_pay_for_themselves(void **state)
{
	static const struct {
		uint32_t bytes;
		int32_t quantum;
	} cases[] = {{1514, 610}, {1514, 300}, {65536, 1514}, {9000, 1514}};

	(void)state;
	for (unsigned int c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct table *table = table_new();
		uint32_t bytes[FERRY_FLOWS];
		uint64_t got[FERRY_FLOWS] = {0};
		uint64_t sum = 0;

		for (unsigned int i = 0; i < FERRY_FLOWS; i++)
			bytes[i] = cases[c].bytes;
		for (unsigned int i = 0; i < 11; i++)
			fill(table, i);
		for (unsigned int i = 0; i < 100000; i++) {
			const unsigned int index = serve(table, cases[c].quantum, bytes);

			got[index] += bytes[index];
			sum += bytes[index];
			if (!index)
				drain(table, 0);
			else
				fill(table, 0);
		}
		assert_true(got[0] <= sum / 11 + 2 * bytes[0]);
		assert_true(got[0] >= sum / 11 / 2);
		free(table);
	}
}

/* Debts of millions of rounds are settled at once; round by round this would not end. */
static void test_turn_after_long_packets_is_found_at_once(void **state)
{
	struct table *table = table_new();
	uint32_t bytes[FERRY_FLOWS];

	(void)state;
	for (unsigned int i = 0; i < FERRY_FLOWS; i++) {
		bytes[i] = (1U << 30) + i;
		fill(table, i);
	}
	for (unsigned int i = 0; i < FERRY_FLOWS; i++)
		assert_int_equal(serve(table, QUANTUM, bytes), i);
	for (unsigned int i = 0; i < FERRY_FLOWS; i += 2)
		drain(table, i);
	for (unsigned int i = 0; i < 10000; i++)
		assert_int_equal(serve(table, 300, bytes) % 2, 1);
	free(table);
}

/* The same turns, written as the rules say them: one quantum at a time, without a shortcut. */
struct plain {
	unsigned int lists[2][FERRY_FLOWS]; /* new, old */
	unsigned int length[2];
	int64_t deficit[FERRY_FLOWS];
	_Bool listed[FERRY_FLOWS];
	_Bool filled[FERRY_FLOWS];
};

static unsigned int plain_pop(struct plain *plain, unsigned int list)
{
	const unsigned int index = plain->lists[list][0];

	plain->length[list]--;
	memmove(plain->lists[list], plain->lists[list] + 1, plain->length[list] * sizeof(index));
	return index;
}

static unsigned int plain_turn(struct plain *plain, int32_t quantum)
{
	for (;;) {
		const unsigned int list = plain->length[0] ? 0 : 1;
		const unsigned int index = plain->lists[list][0];

		assert_true(plain->length[list]);
		if (plain->deficit[index] > 0) {
			if (plain->filled[index])
				return index;
			if (list == 1 || !plain->length[1]) {
				plain->listed[plain_pop(plain, list)] = 0;
				continue;
			}
		} else if (plain->filled[index] && list == 1 && plain->length[1] == 1) {
			plain->deficit[index] = 0;
		}
		if (plain->deficit[index] <= 0)
			plain->deficit[index] += quantum;
		plain_pop(plain, list);
		plain->lists[1][plain->length[1]++] = index;
	}
}

static void test_turns_are_those_of_the_plain_rules(void **state)
{
	uint64_t dice = 5;

	(void)state;
	for (unsigned int round = 0; round < 60; round++) {
		struct table *table = table_new();
		struct plain *plain = calloc(1, sizeof(*plain));
		const unsigned int n = 1 + (unsigned int)dice_below(&dice, 30);
		const int32_t quantum = 300 + (int32_t)dice_below(&dice, 1215);
		unsigned int filled = 0;

		assert_non_null(plain);
		for (unsigned int i = 0; i < 4000; i++) {
			const unsigned int one = (unsigned int)dice_below(&dice, n);

			if (!filled || dice_below(&dice, 2)) {
				fill(table, one);
				if (!plain->listed[one]) {
					plain->listed[one] = 1;
					plain->deficit[one] = QUANTUM;
					plain->lists[0][plain->length[0]++] = one;
				}
				filled += !plain->filled[one];
				plain->filled[one] = 1;
			} else {
				const unsigned int index = ferry_flows_turn(&table->flows, quantum);
				const uint32_t bytes = (uint32_t)dice_scale(&dice, 40, 65536);

				assert_int_equal(index, plain_turn(plain, quantum));
				table->flows.flow[index].deficit -= (int32_t)bytes;
				plain->deficit[index] -= bytes;
				if (dice_below(&dice, 3)) {
					drain(table, index);
					plain->filled[index] = 0;
					filled--;
				}
				assert_int_equal(table->flows.active,
						 plain->length[0] + plain->length[1]);
			}
		}
		free(plain);
		free(table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_collisions_are_those_of_eight_ways),
		cmocka_unit_test(test_flows_of_one_set_leave_the_others_alone),
		cmocka_unit_test(test_new_flow_does_not_inherit_history),
		cmocka_unit_test(test_turns_are_fair_in_bytes),
		cmocka_unit_test(test_sparse_flows_go_first),
		cmocka_unit_test(test_flood_of_new_flows_ends),
		cmocka_unit_test(test_single_long_packets_pay_for_themselves),
		cmocka_unit_test(test_turn_after_long_packets_is_found_at_once),
		cmocka_unit_test(test_turns_are_those_of_the_plain_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
