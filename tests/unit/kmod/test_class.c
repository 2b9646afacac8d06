/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/class.h"
#include "version.h"

/* The table of classes as it is promised, written out once more. */
static const struct {
	const char *name;
	unsigned int dscp;
	unsigned int budget_us;
} promised[] = {
	{"ctrl", 16, 5000},  {"token", 46, 10000}, {"decode", 34, 50000}, {"prefill", 36, 500000},
	{"kv", 26, 2000000}, {"default", 0, 0},	   {"model", 10, 0},	  {"sync", 1, 0},
};

enum { PROMISED = sizeof(promised) / sizeof(promised[0]), NO_CLASS = PROMISED };

static void test_table(void **state)
{
	(void)state;
	assert_int_equal(FERRY_CLASS_COUNT, PROMISED);
	for (unsigned int class = 0; class < PROMISED; class ++) {
		assert_string_equal(ferry_class_name(class), promised[class].name);
		assert_int_equal(ferry_class_dscp(class), promised[class].dscp);
		assert_int_equal(ferry_deadline_us(ferry_class_budget(class)),
				 promised[class].budget_us);
	}
	for (unsigned int class = NO_CLASS; class < 20; class ++) {
		assert_null(ferry_class_name(class));
		assert_int_equal(ferry_class_dscp(class), 0);
		assert_int_equal(ferry_class_budget(class), FERRY_DEADLINE_NONE);
	}
	assert_null(ferry_class_name(UINT32_MAX));
}

static void test_dscp(void **state)
{
	(void)state;
	for (unsigned int dscp = 0; dscp < 300; dscp++) {
		unsigned int expected = FERRY_CLASS_DEFAULT;

		for (unsigned int class = 0; class < PROMISED; class ++)
			if (promised[class].dscp == dscp)
				expected = class;
		assert_int_equal(ferry_class_from_dscp(dscp), expected);
	}
}

static void test_deadline_buckets_round_down(void **state)
{
	(void)state;
	for (uint64_t us = 500; us < 2047500; us++) {
		const uint16_t bucket = ferry_deadline_bucket(us);

		assert_true(ferry_deadline_us(bucket) <= us);
		assert_true(us - ferry_deadline_us(bucket) < FERRY_DEADLINE_UNIT_US);
	}
	for (unsigned int bucket = 1; bucket <= FERRY_DEADLINE_MAX; bucket++)
		assert_int_equal(ferry_deadline_bucket(ferry_deadline_us((uint16_t)bucket)),
				 bucket);
}

/* Too late is the shortest deadline, not none; too far away is the longest, not a short one. */
static void test_deadline_buckets_at_the_ends(void **state)
{
	static const uint64_t far[] = {
		2047500, 2048000, 4294967, UINT32_MAX, 1ULL << 32, (1ULL << 32) + 500, UINT64_MAX};

	(void)state;
	for (uint64_t us = 0; us < 1000; us++)
		assert_int_equal(ferry_deadline_bucket(us), 1);
	assert_int_equal(ferry_deadline_bucket(2047499), FERRY_DEADLINE_MAX - 1);
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		assert_int_equal(ferry_deadline_bucket(far[i]), FERRY_DEADLINE_MAX);
	assert_int_equal(ferry_deadline_us(FERRY_DEADLINE_NONE), 0);
}

static void test_every_verdict_reads_back(void **state)
{
	static const uint16_t majors[] = {1, 0x12, 0x8001, 0xffff};

	(void)state;
	for (size_t i = 0; i < sizeof(majors) / sizeof(majors[0]); i++) {
		for (unsigned int class = 0; class < PROMISED; class ++) {
			for (unsigned int bucket = 0; bucket <= FERRY_DEADLINE_MAX; bucket++) {
				const uint32_t made = ferry_verdict_make(majors[i], class, bucket);
				struct ferry_verdict read;

				assert_int_equal(made,
						 (uint32_t)majors[i] << 16 | class << 12 | bucket);
				assert_true(ferry_verdict_read(made, majors[i], &read));
				assert_int_equal(read.class, class);
				assert_int_equal(read.bucket, bucket);
			}
		}
	}
}

static void test_verdicts_of_others_are_refused(void **state)
{
	struct ferry_verdict verdict = {.class = 99, .bucket = 999};

	(void)state;
	/* Small priorities are what unprivileged sockets and the TOS table set. */
	for (uint32_t priority = 0; priority < 0x10000; priority++) {
		assert_false(ferry_verdict_read(priority, 1, &verdict));
		assert_false(ferry_verdict_read(priority, 0, &verdict));
	}
	assert_false(ferry_verdict_read(0x00021000, 1, &verdict));
	for (uint32_t class = NO_CLASS; class < 16; class ++)
		assert_false(ferry_verdict_read(0x00010000 | class << 12, 1, &verdict));
	/* TC_H_ROOT and TC_H_INGRESS */
	assert_false(ferry_verdict_read(0xffffffff, 0xffff, &verdict));
	assert_false(ferry_verdict_read(0xfffffff1, 0xffff, &verdict));
	assert_int_equal(verdict.class, 99);
	assert_int_equal(verdict.bucket, 999);
}

static void test_arguments_out_of_range_stay_in_their_bits(void **state)
{
	(void)state;
	assert_int_equal(ferry_verdict_make(7, NO_CLASS, 0), 0x00075000);
	assert_int_equal(ferry_verdict_make(7, 16, 0), 0x00075000);
	assert_int_equal(ferry_verdict_make(7, UINT32_MAX, UINT32_MAX), 0x00075fff);
	assert_int_equal(ferry_verdict_make(7, 1, 4096), 0x00071fff);
}

static void test_module_version_is_the_projects(void **state)
{
	(void)state;
	assert_string_equal(FERRY_VERSION, PROJECT_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_dscp),
		cmocka_unit_test(test_deadline_buckets_round_down),
		cmocka_unit_test(test_deadline_buckets_at_the_ends),
		cmocka_unit_test(test_every_verdict_reads_back),
		cmocka_unit_test(test_verdicts_of_others_are_refused),
		cmocka_unit_test(test_arguments_out_of_range_stay_in_their_bits),
		cmocka_unit_test(test_module_version_is_the_projects),
	};

	return cmocka_run_group_tests_name("kmod/class", tests, NULL, NULL);
}
