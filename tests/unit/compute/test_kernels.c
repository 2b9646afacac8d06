// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
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
	/* Which has every extension: no set goes untested there. */
	if (getenv("FERRY_EMULATED"))
		assert_int_equal(i, 0);
}

static void test_unknown_set_is_not_supported(void **state)
{
	(void)state;
	assert_false(ferry_kernels_supported(&ferry_kernels_lanes16));
	assert_null(ferry_kernels_at(1000));
}

static void test_environment_forces_a_set(void **state)
{
	const struct ferry_kernels *k;
	struct ferry_error err;

	(void)state;
	setenv("FERRY_CPU", "portable", 1);
	assert_int_equal(ferry_kernels_choose(&k, &err), 0);
	assert_string_equal(k->name, "portable");
	for (int i = 0; i < 3; i++) {
		const char *const bad[] = {"sse9", "portable2", "PORTABLE"};

		setenv("FERRY_CPU", bad[i], 1);
		assert_int_equal(ferry_kernels_choose(&k, &err), -EINVAL);
		assert_null(k);
		assert_non_null(strstr(err.text, bad[i]));
		assert_non_null(strstr(err.text, "portable"));
	}
	setenv("FERRY_CPU", "", 1);
	assert_int_equal(ferry_kernels_choose(&k, &err), 0);
	assert_ptr_equal(k, ferry_kernels_best());
	unsetenv("FERRY_CPU");
	assert_int_equal(ferry_kernels_choose(&k, &err), 0);
	assert_ptr_equal(k, ferry_kernels_best());
}

static void test_a_set_that_this_processor_lacks_is_refused(void **state)
{
	const struct ferry_kernels *k;
	struct ferry_error err;

	(void)state;
	for (unsigned i = 0; ferry_kernels_at(i); i++) {
		const bool can = ferry_kernels_supported(ferry_kernels_at(i));

		setenv("FERRY_CPU", ferry_kernels_at(i)->name, 1);
		assert_int_equal(ferry_kernels_choose(&k, &err), can ? 0 : -EINVAL);
		assert_ptr_equal(k, can ? ferry_kernels_at(i) : NULL);
	}
	unsetenv("FERRY_CPU");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portable_set_is_last_and_always_runs),
		cmocka_unit_test(test_best_set_is_the_first_supported),
		cmocka_unit_test(test_unknown_set_is_not_supported),
		cmocka_unit_test(test_environment_forces_a_set),
		cmocka_unit_test(test_a_set_that_this_processor_lacks_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
