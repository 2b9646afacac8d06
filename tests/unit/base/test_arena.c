// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void test_zeroed_aligned_and_apart(void **state)
{
	struct ferry_arena a = {0};
	unsigned char *p[200];

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		p[i] = ferry_arena_alloc(&a, i + 1, 7);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 64, 0);
		for (size_t k = 0; k < (i + 1) * 7; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)i + 1, (i + 1) * 7);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < (i + 1) * 7; k++)
			assert_int_equal(p[i][k], (unsigned char)(i + 1));
	ferry_arena_free(&a);
	assert_null(a.chunks);
}

static void test_overflow_fails(void **state)
{
	struct ferry_arena a = {0};

	(void)state;
	assert_null(ferry_arena_alloc(&a, SIZE_MAX, 2));
	assert_null(ferry_arena_alloc(&a, SIZE_MAX, 1));
	assert_null(ferry_arena_alloc(&a, SIZE_MAX / 2 + 1, 2));
	assert_null(ferry_arena_string(&a, "x", SIZE_MAX));
	ferry_arena_free(&a);
}

static void test_limit_holds(void **state)
{
	struct ferry_arena a = {.limit = 200 * 1024};

	(void)state;
	assert_non_null(ferry_arena_alloc(&a, 100 * 1024, 1));
	assert_null(ferry_arena_alloc(&a, 150 * 1024, 1));
	assert_non_null(ferry_arena_alloc(&a, 64 * 1024, 1));
	ferry_arena_free(&a);
	assert_int_equal(a.limit, 200 * 1024);
}

static void test_string_is_terminated(void **state)
{
	struct ferry_arena a = {0};
	char *s;

	(void)state;
	s = ferry_arena_string(&a, "ferryboat", 5);
	assert_string_equal(s, "ferry");
	assert_string_equal(ferry_arena_string(&a, NULL, 0), "");
	ferry_arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_aligned_and_apart),
		cmocka_unit_test(test_overflow_fails),
		cmocka_unit_test(test_limit_holds),
		cmocka_unit_test(test_string_is_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
