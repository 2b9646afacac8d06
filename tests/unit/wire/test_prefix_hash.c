// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/prefix_hash.h"

/* The key and the inputs of the reference implementation: 00 01 02 ... */
static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static void siphash_gives_the_published_values(void **state)
{
	static const struct {
		size_t n;
		uint64_t want;
	} cases[] = {
		{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
		{8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5},
	};
	uint8_t bytes[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(ferry_siphash(key, bytes, cases[i].n) == cases[i].want);
}

static void the_chain_depends_on_order_and_key(void **state)
{
	struct ferry_prefix_key a = {{1, 2}}, b = {{1, 3}};
	uint64_t one_two, two_one, other;

	(void)state;
	one_two = ferry_prefix_hash(&a, ferry_prefix_hash(&a, FERRY_PREFIX_EMPTY, 1), 2);
	two_one = ferry_prefix_hash(&a, ferry_prefix_hash(&a, FERRY_PREFIX_EMPTY, 2), 1);
	other = ferry_prefix_hash(&b, ferry_prefix_hash(&b, FERRY_PREFIX_EMPTY, 1), 2);
	assert_true(one_two != two_one);
	assert_true(one_two != other);
	assert_true(one_two == ferry_prefix_hash(&a, ferry_prefix_hash(&a, 0, 1), 2));
}

static void keys_differ(void **state)
{
	struct ferry_prefix_key a, b;

	(void)state;
	assert_int_equal(ferry_prefix_key_new(&a), 0);
	assert_int_equal(ferry_prefix_key_new(&b), 0);
	assert_true(a.k[0] != b.k[0] || a.k[1] != b.k[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_gives_the_published_values),
		cmocka_unit_test(the_chain_depends_on_order_and_key),
		cmocka_unit_test(keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
