// SPDX-License-Identifier: MIT
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88};

static void test_little_endian_whatever_the_machine(void **state)
{
	uint8_t out[8];

	(void)state;
	assert_int_equal(ferry_load_le16(bytes + 6), 0x8807);
	assert_int_equal(ferry_load_le32(bytes + 4), 0x88070605);
	assert_true(ferry_load_le64(bytes) == 0x8807060504030201u);
	ferry_store_le16(out, 0x8807);
	assert_memory_equal(out, bytes + 6, 2);
	ferry_store_le32(out, 0x88070605);
	assert_memory_equal(out, bytes + 4, 4);
	ferry_store_le64(out, 0x8807060504030201u);
	assert_memory_equal(out, bytes, 8);
	ferry_store_lef32(out, -1.5f);
	assert_memory_equal(out, ((uint8_t[]){0, 0, 0xc0, 0xbf}), 4);
	assert_true(ferry_load_lef32(out) == -1.5f);
}

static void test_reader_stops_at_its_end(void **state)
{
	struct ferry_reader r = ferry_reader(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(ferry_read_u8(&r), 0x01);
	assert_int_equal(ferry_read_le16(&r), 0x0302);
	assert_int_equal(ferry_reader_left(&r), 5);
	assert_true(ferry_read_le64(&r) == 0);
	assert_true(r.failed);
	/* A failed reader stays failed, even where a smaller read would fit. */
	assert_int_equal(ferry_read_u8(&r), 0);
	assert_int_equal(ferry_reader_left(&r), 0);
}

static void test_reader_refuses_huge_lengths(void **state)
{
	struct ferry_reader r = ferry_reader(bytes, sizeof(bytes));

	(void)state;
	ferry_read_u8(&r);
	assert_null(ferry_read_bytes(&r, SIZE_MAX));
	assert_true(r.failed);
	r = ferry_reader(NULL, 0);
	assert_null(ferry_read_bytes(&r, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_little_endian_whatever_the_machine),
		cmocka_unit_test(test_reader_stops_at_its_end),
		cmocka_unit_test(test_reader_refuses_huge_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
