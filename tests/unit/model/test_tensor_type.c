// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "model/tensor_type.h"

static void test_found_by_number_and_name(void **state)
{
	unsigned n;
	const struct ferry_type_traits *table = ferry_type_table(&n);

	(void)state;
	assert_int_equal(n, 15);
	for (unsigned i = 0; i < n; i++) {
		char lower[16];
		size_t len = strlen(table[i].name);

		assert_true(len < sizeof(lower));
		for (size_t j = 0; j <= len; j++)
			lower[j] = (char)tolower((unsigned char)table[i].name[j]);
		assert_ptr_equal(ferry_type_traits((uint32_t)table[i].type), &table[i]);
		assert_ptr_equal(ferry_type_by_name(table[i].name), &table[i]);
		assert_ptr_equal(ferry_type_by_name(lower), &table[i]);
		if (i)
			assert_true(table[i].type > table[i - 1].type);
	}
}

static void test_unknown_ones_are_null(void **state)
{
	(void)state;
	assert_null(ferry_type_traits(4));
	assert_null(ferry_type_traits(9));
	assert_null(ferry_type_traits(UINT32_MAX));
	assert_null(ferry_type_by_name(""));
	assert_null(ferry_type_by_name("Q4"));
	assert_null(ferry_type_by_name("Q4_K_M"));
	assert_string_equal(ferry_type_foreign_name(39), "MXFP4");
	assert_string_equal(ferry_type_foreign_name(4711), "an unknown type");
}

static void test_row_bytes(void **state)
{
	(void)state;
	assert_int_equal(ferry_type_row_bytes(ferry_type_traits(FERRY_TYPE_F32), 7), 28);
	assert_int_equal(ferry_type_row_bytes(ferry_type_traits(FERRY_TYPE_Q4_0), 64), 36);
	assert_int_equal(ferry_type_row_bytes(ferry_type_traits(FERRY_TYPE_Q6_K), 4096), 3360);
	/* more weights than 32 bits count */
	assert_int_equal(ferry_type_row_bytes(ferry_type_traits(FERRY_TYPE_Q8_0), 1ull << 40),
			 (1ull << 35) * 34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_by_number_and_name),
		cmocka_unit_test(test_unknown_ones_are_null),
		cmocka_unit_test(test_row_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
