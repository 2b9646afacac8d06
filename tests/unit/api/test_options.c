// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/options.h"

struct old {
	size_t size;
	int a;
};

struct now {
	size_t size;
	int a;
	int b;
};

struct newer {
	size_t size;
	int a;
	int b;
	long c;
};

static const struct now defaults = {.size = sizeof(struct now), .a = 1, .b = 2};

static void test_null_means_defaults(void **state)
{
	struct now o;

	(void)state;
	assert_int_equal(ferry_options_copy(&o, sizeof(o), NULL, &defaults, "now", NULL), 0);
	assert_int_equal(o.a, 1);
	assert_int_equal(o.b, 2);
}

static void test_an_older_caller_gets_defaults_for_the_rest(void **state)
{
	struct old theirs = {.size = offsetof(struct now, b), .a = 7};
	struct now o;

	(void)state;
	assert_int_equal(ferry_options_copy(&o, sizeof(o), &theirs, &defaults, "now", NULL), 0);
	assert_int_equal(o.a, 7);
	assert_int_equal(o.b, 2);
}

static void test_a_newer_caller_may_not_ask_for_the_unknown(void **state)
{
	struct newer theirs = {.size = sizeof(theirs), .a = 3, .b = 4};
	struct ferry_error err;
	struct now o;

	(void)state;
	assert_int_equal(ferry_options_copy(&o, sizeof(o), &theirs, &defaults, "now", &err), 0);
	assert_int_equal(o.b, 4);
	theirs.c = 1;
	assert_int_equal(ferry_options_copy(&o, sizeof(o), &theirs, &defaults, "now", &err),
			 -E2BIG);
	assert_non_null(strstr(err.text, "now"));
}

static void test_a_size_that_was_not_set(void **state)
{
	struct now theirs = {0}, o;
	struct ferry_error err;

	(void)state;
	assert_int_equal(ferry_options_copy(&o, sizeof(o), &theirs, &defaults, "now", &err),
			 -EINVAL);
	assert_int_equal(ferry_options_return(&theirs, &defaults, sizeof(defaults), "now", &err),
			 -EINVAL);
	/* Nor is one that only uninitialised memory can have. */
	theirs.size = SIZE_MAX / 2;
	assert_int_equal(ferry_options_copy(&o, sizeof(o), &theirs, &defaults, "now", &err),
			 -EINVAL);
	assert_int_equal(ferry_options_return(&theirs, &defaults, sizeof(defaults), "now", &err),
			 -EINVAL);
}

static void test_return_fills_as_far_as_the_caller_goes(void **state)
{
	struct {
		struct old theirs;
		int guard;
	} o = {.theirs.size = offsetof(struct now, b), .guard = 99};
	struct newer big = {.size = sizeof(big), .c = 5};

	(void)state;
	assert_int_equal(ferry_options_return(&o.theirs, &defaults, sizeof(defaults), "now", NULL),
			 0);
	assert_int_equal(o.theirs.a, 1);
	assert_int_equal(o.theirs.size, offsetof(struct now, b));
	assert_int_equal(o.guard, 99);
	assert_int_equal(ferry_options_return(&big, &defaults, sizeof(defaults), "now", NULL), 0);
	assert_int_equal(big.b, 2);
	assert_int_equal(big.c, 0);
	assert_int_equal(big.size, sizeof(big));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null_means_defaults),
		cmocka_unit_test(test_an_older_caller_gets_defaults_for_the_rest),
		cmocka_unit_test(test_a_newer_caller_may_not_ask_for_the_unknown),
		cmocka_unit_test(test_a_size_that_was_not_set),
		cmocka_unit_test(test_return_fills_as_far_as_the_caller_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
