// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "compute/matmul_packed.h"
#include "kernel_sets.h"

enum { N = 32 * 8 };

static void check_some(const float *x, size_t n)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	struct ferry_q8_block expected[N / 32 * 3], blocks[N / 32 * 3];

	memset(expected, 0x55, sizeof(expected));
	ferry_quantize_reference(x, n, expected + 1, 3);
	for (unsigned k = 0; k < n_sets; k++) {
		memset(blocks, 0x55, sizeof(blocks));
		sets[k]->quantize(x, n, blocks + 1, 3);
		for (size_t b = 0; b < N / 32 * 3; b++) {
			if (isfinite(expected[b].d)) {
				assert_memory_equal(&blocks[b], &expected[b], sizeof(blocks[b]));
				continue;
			}
			assert_false(isfinite(blocks[b].d));
			assert_memory_equal(blocks[b].x, expected[b].x, sizeof(blocks[b].x));
			assert_int_equal(blocks[b].sum, 0);
		}
	}
}

/* Kernels take some blocks together, and what is left one by one. */
static void check(const float *x)
{
	for (size_t n = 32; n <= N; n += 32)
		check_some(x, n);
}

static void all_sets_give_the_bits_of_the_reference(void **state)
{
	uint64_t seed = 1;
	float x[N];

	(void)state;
	for (int scale = -148; scale < 127; scale++) {
		for (int i = 0; i < N; i++)
			x[i] = ldexpf(random_float(&seed), scale);
		check(x);
	}
}

/* Halves are where rounding differs. */
static void halves_go_to_the_even_number(void **state)
{
	float x[N] = {0};

	(void)state;
	for (int b = 0; b < N / 32; b++) {
		x[32 * b] = b % 2 ? -127.0f : 127.0f;
		for (int i = 1; i < 32; i++)
			x[32 * b + i] = (float)(i * 4 - 64) + (float)b + 0.5f;
	}
	check(x);
}

static void zeros_are_zero(void **state)
{
	struct ferry_q8_block blocks[N / 32];
	float x[N] = {0};

	(void)state;
	x[1] = -0.0f;
	check(x);
	ferry_kernels_best()->quantize(x, N, blocks, 1);
	assert_true(blocks[0].d == 0.0f);
	assert_int_equal(blocks[0].sum, 0);
}

static void what_is_not_finite_stays_so(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	float x[N];

	(void)state;
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
		for (int at = 0; at < 32; at++) {
			for (int i = 0; i < N; i++)
				x[i] = (float)i;
			x[32 + at] = bad[k];
			check(x);
		}
}

/* Blocks that are taken together have nothing to do with each other. */
static void a_block_does_not_see_its_neighbours(void **state)
{
	static const float kinds[] = {1.0f, 1e-37f, INFINITY, 1e38f, 0.0f, 1e-36f, NAN, 1.1e-36f};
	enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };
	uint64_t seed = 7;
	float x[N];

	(void)state;
	for (int round = 0; round < 200; round++) {
		for (int b = 0; b < N / 32; b++) {
			const float kind = kinds[random_bits(&seed) % N_KINDS];

			for (int i = 0; i < 32; i++)
				x[32 * b + i] = random_float(&seed) * (isfinite(kind) ? kind : 1);
			x[32 * b + (int)(random_bits(&seed) % 32)] = kind;
		}
		check(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sets_give_the_bits_of_the_reference),
		cmocka_unit_test(halves_go_to_the_even_number),
		cmocka_unit_test(zeros_are_zero),
		cmocka_unit_test(what_is_not_finite_stays_so),
		cmocka_unit_test(a_block_does_not_see_its_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
