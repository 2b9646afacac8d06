// SPDX-License-Identifier: MIT
/* The words of tc: numbers with units and names, and nothing that only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "linux/ferry.h"
#include "tc/units.h"

static void numbers_with_units_are_read(void **state)
{
	uint64_t rate;
	uint32_t value;
	long number;

	(void)state;
	assert_true(ferry_tc_read_rate("20mbit", &rate) && rate == 2500000);
	assert_true(ferry_tc_read_rate("20Mbit", &rate) && rate == 2500000);
	assert_true(ferry_tc_read_rate("2.5mbps", &rate) && rate == 2500000);
	assert_true(ferry_tc_read_rate("8", &rate) && rate == 1);
	assert_true(ferry_tc_read_rate("0", &rate) && rate == 0);
	assert_true(ferry_tc_read_time("1.5s", &value) && value == 1500000);
	assert_true(ferry_tc_read_time("250", &value) && value == 250);
	assert_true(ferry_tc_read_size("64k", &value) && value == 65536);
	assert_true(ferry_tc_read_size("4294967295", &value) && value == UINT32_MAX);
	assert_true(ferry_tc_read_share("0.1%", &value) && value == 1);
	assert_true(ferry_tc_read_share("29%", &value) && value == 290);
	assert_true(ferry_tc_read_integer("-64", -64, 256, &number) && number == -64);
	assert_true(ferry_tc_read_integer("0xf0", 0, UINT32_MAX, &number) && number == 0xf0);
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const nothing[] = {"",	"-1",	  "+1",	  " 1",	   "1 ",
					      "inf",	"nan",	  "0x10", "1e400", "mbit",
					      "1mbit1", "1 mbit", ".5s",  "one"};
	uint64_t rate;
	uint32_t value;
	long number;

	(void)state;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		assert_false(ferry_tc_read_rate(nothing[i], &rate));
		assert_false(ferry_tc_read_time(nothing[i], &value));
		assert_false(ferry_tc_read_size(nothing[i], &value));
		assert_false(ferry_tc_read_share(nothing[i], &value));
	}
	assert_false(ferry_tc_read_rate("7bit", &rate)); /* would be 0, which means unshaped */
	assert_false(ferry_tc_read_rate("1000000000tbit", &rate));
	assert_false(ferry_tc_read_time("4295s", &value));
	assert_false(ferry_tc_read_size("4gb", &value));
	assert_false(ferry_tc_read_share("5", &value));
	assert_false(ferry_tc_read_share("0.05%", &value));
	assert_false(ferry_tc_read_integer("257", -64, 256, &number));
	assert_false(ferry_tc_read_integer("", -64, 256, &number));
	assert_false(ferry_tc_read_integer(" 1", -64, 256, &number));
	assert_false(ferry_tc_read_integer("99999999999999999999", INT64_MIN, INT64_MAX, &number));
}

static void what_is_written_is_read_as_the_same(void **state)
{
	static const uint64_t numbers[] = {1,	    125,      625,	  999,	  1000,
					   1023,    1024,     65535,	  65536,  100000,
					   2500000, 33554432, 4294967295, 1543125};
	char text[FERRY_TC_TEXT];
	uint64_t rate;
	uint32_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_true(ferry_tc_read_rate(ferry_tc_write_rate(text, numbers[i]), &rate));
		assert_int_equal(rate, numbers[i]);
		assert_true(ferry_tc_read_time(ferry_tc_write_time(text, (uint32_t)numbers[i]),
					       &value));
		assert_int_equal(value, numbers[i]);
		assert_true(ferry_tc_read_size(ferry_tc_write_size(text, (uint32_t)numbers[i]),
					       &value));
		assert_int_equal(value, numbers[i]);
	}
	for (uint32_t share = 1; share <= 1000; share++) {
		assert_true(ferry_tc_read_share(ferry_tc_write_share(text, share), &value));
		assert_int_equal(value, share);
	}
}

static int point(const char *text)
{
	return ferry_tc_code_point(text, strlen(text));
}

static void code_points_have_the_names_of_their_standards(void **state)
{
	(void)state;
	assert_int_equal(point("CS0"), 0);
	assert_int_equal(point("cs7"), 56);
	assert_int_equal(point("AF11"), 10);
	assert_int_equal(point("AF43"), 38);
	assert_int_equal(point("EF"), 46);
	assert_int_equal(point("VA"), 44);
	assert_int_equal(point("LE"), 1);
	assert_int_equal(point("63"), 63);
	assert_int_equal(point("64"), -1);
	assert_int_equal(point("CS8"), -1);
	assert_int_equal(point("AF44"), -1);
	assert_int_equal(point("AF01"), -1);
	assert_int_equal(point("EFF"), -1);
	assert_int_equal(point(""), -1);
	assert_int_equal(ferry_tc_code_point("EF:token", 2), 46);
}

static void classes_have_the_names_of_the_table(void **state)
{
	uint8_t classes[FERRY_DSCP_COUNT];

	(void)state;
	ferry_tc_default_code_points(classes);
#define CHECK(class, name, dscp, budget, share)                      \
	assert_int_equal(ferry_tc_class(name, strlen(name)), class); \
	assert_string_equal(ferry_tc_class_name(class), name);       \
	assert_int_equal(classes[dscp], class);
	FERRY_CLASS_TABLE(CHECK)
#undef CHECK
	assert_int_equal(classes[63], FERRY_CLASS_DEFAULT);
	assert_int_equal(ferry_tc_class("TOKEN", 5), FERRY_CLASS_TOKEN);
	assert_int_equal(ferry_tc_class("token", 4), -1);
	assert_int_equal(ferry_tc_class("7", 1), FERRY_CLASS_SYNC);
	assert_int_equal(ferry_tc_class("8", 1), -1);
	assert_string_equal(ferry_tc_class_name(8), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_with_units_are_read),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(what_is_written_is_read_as_the_same),
		cmocka_unit_test(code_points_have_the_names_of_their_standards),
		cmocka_unit_test(classes_have_the_names_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
