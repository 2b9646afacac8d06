/* SPDX-License-Identifier: MIT */
/* Who may say which class a packet is of, and what each carrier may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dice.h"

#include "core/classify.h"

enum { MAJOR = 0x8001, FOREIGN = 0x8002, MASK = 0xf00, NOBODY = 0xee };

/* What the carriers of a packet say; each a class of its own. */
struct packet_marks {
	uint32_t priority;
	uint32_t mark;
	uint32_t classid;
	unsigned int dscp;
};

/* As the qdisc asks them. A classid of UINT32_MAX: no filter matched. */
static struct ferry_ruling classify(const struct packet_marks *packet)
{
	struct ferry_ruling ruling = {.class = NOBODY};
	uint8_t table[FERRY_DSCP_COUNT];

	ferry_classify_table_init(table);
	if (ferry_classify_priority(packet->priority, MAJOR, &ruling))
		return ruling;
	if (ferry_classify_mark(packet->mark, MASK, &ruling))
		return ruling;
	if (packet->classid != UINT32_MAX && ferry_classify_filter(packet->classid, MAJOR, &ruling))
		return ruling;
	ferry_classify_dscp(packet->dscp, table, &ruling);
	return ruling;
}

/* for each pair of carriers, the one that is asked first decides. */
static void test_first_carrier_that_speaks_decides(void **state)
{
	static const struct {
		uint8_t class, source;
	} speakers[] = {
		{FERRY_CLASS_TOKEN, FERRY_SOURCE_PRIORITY},
		{FERRY_CLASS_DECODE, FERRY_SOURCE_MARK},
		{FERRY_CLASS_KV, FERRY_SOURCE_FILTER},
		{FERRY_CLASS_MODEL, FERRY_SOURCE_DSCP},
		{FERRY_CLASS_DEFAULT, FERRY_SOURCE_DEFAULT},
	};

	(void)state;
	for (unsigned int said = 0; said < 16; said++) {
		const struct packet_marks packet = {
			.priority = said & 1 ? FERRY_VERDICT(MAJOR, FERRY_MINOR(1, 7)) : 0,
			.mark = said & 2 ? 3 << 8 : 0,
			.classid = said & 4 ? FERRY_MINOR(4, 9) : UINT32_MAX,
			.dscp = said & 8 ? 10 : 0,
		};
		const unsigned int first = said ? (unsigned int)__builtin_ctz(said) : 4;
		const struct ferry_ruling ruling = classify(&packet);

		assert_int_equal(ruling.class, speakers[first].class);
		assert_int_equal(ruling.source, speakers[first].source);
		assert_int_equal(ruling.bucket, first == 0 ? 7 : first == 2 ? 9 : 0);
	}
}

/* Those that say nothing, or nothing that makes sense, are passed over. R-09 */
static void test_nonsense_is_passed_over(void **state)
{
	static const struct packet_marks packets[] = {
		{.priority = FERRY_VERDICT(FOREIGN, FERRY_MINOR(1, 7)), .classid = UINT32_MAX},
		{.priority = 6, .classid = UINT32_MAX},
		{.priority = FERRY_VERDICT(MAJOR, FERRY_MINOR(8, 7)), .classid = UINT32_MAX},
		{.priority = FERRY_VERDICT(MAJOR, FERRY_MINOR(15, 4095)), .classid = UINT32_MAX},
		{.mark = 9 << 8, .classid = UINT32_MAX},
		{.mark = 15 << 8, .classid = UINT32_MAX},
		{.mark = 0xfffff0ff, .classid = UINT32_MAX},
		{.classid = FERRY_VERDICT(FOREIGN, FERRY_MINOR(1, 7))},
		{.classid = FERRY_MINOR(8, 0)},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		const struct ferry_ruling ruling = classify(&packets[i]);

		assert_int_equal(ruling.class, FERRY_CLASS_DEFAULT);
		assert_int_equal(ruling.source, FERRY_SOURCE_DEFAULT);
	}
}

/*
 * A filter that matches but names no class (a BPF program that returns TC_ACT_OK, a matchall
 * without flowid) leaves class id 0. That was ctrl, the class above all others.
 */
static void test_filter_without_a_class_says_nothing(void **state)
{
	const struct packet_marks packet = {.classid = 0, .dscp = 46};
	struct ferry_ruling ruling = {.class = NOBODY};

	(void)state;
	assert_false(ferry_classify_filter(0, MAJOR, &ruling));
	assert_int_equal(ruling.class, NOBODY);
	ruling = classify(&packet);
	assert_int_equal(ruling.class, FERRY_CLASS_TOKEN);
	assert_int_equal(ruling.source, FERRY_SOURCE_DSCP);
	/* Whoever means ctrl says so: with the qdisc's major, or a deadline. */
	assert_true(ferry_classify_filter(FERRY_VERDICT(MAJOR, 0), MAJOR, &ruling));
	assert_int_equal(ruling.class, FERRY_CLASS_CTRL);
	assert_int_equal(ruling.source, FERRY_SOURCE_FILTER);
	assert_true(ferry_classify_filter(FERRY_MINOR(0, 10), MAJOR, &ruling));
	assert_int_equal(ruling.class, FERRY_CLASS_CTRL);
}

/* Each run of bits there is, with each value in it, whatever the other bits are. */
static void test_marks_under_every_mask(void **state)
{
	uint64_t dice = 1;

	(void)state;
	for (unsigned int width = 1; width <= 32; width++) {
		for (unsigned int shift = 0; shift + width <= 32; shift++) {
			const uint32_t run = width == 32 ? UINT32_MAX : (1U << width) - 1;
			const uint32_t mask = run << shift;

			assert_true(ferry_mark_mask_valid(mask));
			for (uint32_t value = 0; value <= 20 && value <= run; value++) {
				const uint32_t others = (uint32_t)dice_roll(&dice) & ~mask;
				struct ferry_ruling ruling = {.class = NOBODY};
				const _Bool said =
					ferry_classify_mark(value << shift | others, mask, &ruling);

				assert_int_equal(said, value >= 1 && value <= FERRY_CLASS_COUNT);
				assert_int_equal(ruling.class, said ? value - 1 : NOBODY);
				if (said)
					assert_int_equal(ruling.source, FERRY_SOURCE_MARK);
			}
		}
	}
	assert_true(ferry_mark_mask_valid(0));
}

/* Masks with a hole are refused; counted bit by bit. */
static void test_masks_with_holes_are_refused(void **state)
{
	uint64_t dice = 2;

	(void)state;
	for (unsigned int i = 0; i < 1000000; i++) {
		const uint32_t mask = (uint32_t)(dice_roll(&dice) & dice_roll(&dice));
		unsigned int runs = 0;

		for (unsigned int bit = 0; bit < 32; bit++)
			runs += (mask >> bit & 1) && (!bit || !(mask >> (bit - 1) & 1));
		assert_int_equal(ferry_mark_mask_valid(mask), runs <= 1);
	}
}

static void test_no_mask_means_nobody_looks(void **state)
{
	struct ferry_ruling ruling = {.class = NOBODY};

	(void)state;
	assert_false(ferry_classify_mark(UINT32_MAX, 0, &ruling));
	assert_int_equal(ruling.class, NOBODY);
}

static void test_code_points(void **state)
{
	uint8_t table[FERRY_DSCP_COUNT];

	(void)state;
	ferry_classify_table_init(table);
	for (unsigned int dscp = 0; dscp < FERRY_DSCP_COUNT; dscp++) {
		struct ferry_ruling ruling = {.class = NOBODY};

		ferry_classify_dscp(dscp, table, &ruling);
		assert_int_equal(ruling.class, ferry_class_from_dscp(dscp));
		assert_int_equal(ruling.source, ruling.class == FERRY_CLASS_DEFAULT
							? FERRY_SOURCE_DEFAULT
							: FERRY_SOURCE_DSCP);
		assert_int_equal(ruling.bucket, FERRY_DEADLINE_NONE);
		/* Bits beyond six are not looked at. */
		ferry_classify_dscp(dscp + 64, table, &ruling);
		assert_int_equal(ruling.class, ferry_class_from_dscp(dscp));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_carrier_that_speaks_decides),
		cmocka_unit_test(test_nonsense_is_passed_over),
		cmocka_unit_test(test_filter_without_a_class_says_nothing),
		cmocka_unit_test(test_marks_under_every_mask),
		cmocka_unit_test(test_masks_with_holes_are_refused),
		cmocka_unit_test(test_no_mask_means_nobody_looks),
		cmocka_unit_test(test_code_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
