// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/free_memory.h"

/* Made up after a small machine that has run for long: half of MemFree would be 63 MB. */
static void files_that_the_kernel_keeps_are_no_loss(void **state)
{
	static const char text[] = "MemTotal:        3884052 kB\n"
				   "MemFree:          129000 kB\n"
				   "MemAvailable:    3104052 kB\n"
				   "Buffers:          212012 kB\n";

	(void)state;
	assert_int_equal(ferry_free_memory_in(text), 3104052ull << 10);
}

static void strange_texts_are_no_answer(void **state)
{
	(void)state;
	assert_int_equal(ferry_free_memory_in(""), 0);
	assert_int_equal(ferry_free_memory_in("MemFree: 12 kB\n"), 0);
	assert_int_equal(ferry_free_memory_in("MemAvailable:"), 0);
	assert_int_equal(ferry_free_memory_in("MemAvailable: much"), 0);
	assert_true(ferry_free_memory_in("MemAvailable: 99999999999999999999999999 kB") > 0);
}

static void this_machine_has_some(void **state)
{
	(void)state;
	assert_true(ferry_free_memory() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_the_kernel_keeps_are_no_loss),
		cmocka_unit_test(strange_texts_are_no_answer),
		cmocka_unit_test(this_machine_has_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
