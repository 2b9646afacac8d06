// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_sets.h"

static void test_portable_set_is_last_and_always_runs(void **state)
{
	const struct ferry_kernels *last = NULL;

	(void)state;
	for (unsigned i = 0; ferry_kernels_at(i); i++)
		last = ferry_kernels_at(i);
	assert_non_null(last);
	assert_string_equal(last->name, "portable");
	assert_true(ferry_kernels_supported(last));
}

static void test_best_set_is_the_first_supported(void **state)
{
	unsigned i = 0;

	(void)state;
	while (!ferry_kernels_supported(ferry_kernels_at(i)))
		i++;
	assert_ptr_equal(ferry_kernels_best(), ferry_kernels_at(i));
}

static void test_unknown_set_is_not_supported(void **state)
{
	(void)state;
	assert_false(ferry_kernels_supported(&ferry_kernels_lanes16));
	assert_null(ferry_kernels_at(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portable_set_is_last_and_always_runs),
		cmocka_unit_test(test_best_set_is_the_first_supported),
		cmocka_unit_test(test_unknown_set_is_not_supported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
