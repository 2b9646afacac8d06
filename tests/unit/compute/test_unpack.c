// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compute/dequantize.h"
#include "kernel_sets.h"

enum { N = 256 * 7 };

/* The same bits, or both NaN, whose payload is nobody's business. */
static bool same(float a, float b)
{
	return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof(a));
}

static void check_bytes(const struct ferry_type_traits *t, const uint8_t *src, size_t n)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	float expected[N], got[N + 1];

	ferry_dequantize_row(t->type, src, expected, n);
	for (unsigned k = 0; k < n_sets; k++) {
		got[n] = 1234.5f;
		sets[k]->unpack(t->type, src, got, n);
		for (size_t i = 0; i < n; i++)
			if (!same(got[i], expected[i]))
				fail_msg("%s by %s: weight %zu of %zu is %a, not %a", t->name,
					 sets[k]->name, i, n, (double)got[i], (double)expected[i]);
		assert_float_equal(got[n], 1234.5f, 0.0f);
	}
}

static void for_all_types(void (*check)(const struct ferry_type_traits *t, uint8_t *bytes,
					size_t n_bytes))
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	assert_true(n_types >= 15);
	for (unsigned i = 0; i < n_types; i++) {
		const size_t n_bytes = ferry_type_row_bytes(&types[i], N);
		uint8_t *bytes = malloc(n_bytes + 1);

		assert_non_null(bytes);
		check(&types[i], bytes, n_bytes);
		free(bytes);
	}
}

/* Any bytes are weights: every scale, denormal, infinity and NaN. One byte off any alignment. */
static void check_random(const struct ferry_type_traits *t, uint8_t *bytes, size_t n_bytes)
{
	uint64_t seed = t->type + 1;

	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i <= n_bytes; i++)
			bytes[i] = (uint8_t)random_bits(&seed);
		check_bytes(t, bytes + 1, N);
	}
}

static void test_random_bytes(void **state)
{
	(void)state;
	for_all_types(check_random);
}

static void check_constant(const struct ferry_type_traits *t, uint8_t *bytes, size_t n_bytes)
{
	for (int value = 0; value < 256; value++) {
		memset(bytes, value, n_bytes);
		check_bytes(t, bytes, N);
	}
}

static void test_constant_bytes(void **state)
{
	(void)state;
	for_all_types(check_constant);
}

/* A memory checker sees a read behind the last block, which is the end of the allocation. */
static void check_lengths(const struct ferry_type_traits *t, uint8_t *bytes, size_t n_bytes)
{
	uint64_t seed = t->type;

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = (uint8_t)random_bits(&seed);
	for (size_t n = t->block_len; n <= 300 || n == t->block_len; n += t->block_len) {
		const size_t size = ferry_type_row_bytes(t, n);
		uint8_t *exact = malloc(size);

		assert_non_null(exact);
		memcpy(exact, bytes, size);
		check_bytes(t, exact, n);
		free(exact);
	}
}

static void test_all_lengths(void **state)
{
	(void)state;
	for_all_types(check_lengths);
}

static void test_every_binary16(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	uint16_t *all = malloc(65536 * sizeof(*all));
	float *got = malloc(65536 * sizeof(*got));

	(void)state;
	assert_non_null(all);
	assert_non_null(got);
	for (uint32_t i = 0; i < 65536; i++)
		all[i] = (uint16_t)i;
	for (unsigned k = 0; k < n_sets; k++) {
		sets[k]->unpack(FERRY_TYPE_F16, all, got, 65536);
		for (uint32_t i = 0; i < 65536; i++)
			assert_true(same(got[i], ferry_f16_to_f32((uint16_t)i)));
	}
	free(got);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_constant_bytes),
		cmocka_unit_test(test_all_lengths),
		cmocka_unit_test(test_every_binary16),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
