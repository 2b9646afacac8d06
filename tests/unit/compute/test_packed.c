// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compute/packed.h"
#include "kernel_sets.h"

/* Rows of random bytes: every bit of every block counts. */
static struct ferry_matrix random_matrix(const struct ferry_type_traits *t, size_t n_in,
					 size_t n_out)
{
	struct ferry_matrix w = {
		.type = t->type,
		.n_in = n_in,
		.n_out = n_out,
		.row_bytes = ferry_type_row_bytes(t, n_in),
	};
	uint8_t *rows = malloc(n_out * w.row_bytes);
	uint64_t seed = t->type + n_in;

	assert_non_null(rows);
	for (size_t i = 0; i < n_out * w.row_bytes; i++)
		rows[i] = (uint8_t)random_bits(&seed);
	w.rows = rows;
	return w;
}

static void packed_rows_are_those_of_the_file(void **state)
{
	static const size_t rows[] = {1, 15, 16, 17, 40};
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	(void)state;
	for (unsigned i = 0; i < n_types; i++) {
		if (!ferry_type_has_codes(types[i].type))
			continue;
		for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			struct ferry_matrix w =
				random_matrix(&types[i], 3 * types[i].block_len, rows[r]);
			const size_t size = ferry_packed_bytes(&w);
			uint8_t *groups = malloc(size), *row = malloc(w.row_bytes);
			struct ferry_packed p = ferry_packed_like(&w, groups);

			assert_non_null(groups);
			assert_non_null(row);
			assert_int_equal(size, (rows[r] + 15) / 16 * 16 * w.row_bytes);
			memset(groups, 0x55, size);
			ferry_pack_groups(&w, 0, ferry_packed_n_groups(w.n_out), groups);
			for (size_t o = 0; o < w.n_out; o++) {
				ferry_packed_row(&p, o, row);
				if (memcmp(row, w.rows + o * w.row_bytes, w.row_bytes) != 0)
					fail_msg("%s: row %zu of %zu came back changed",
						 types[i].name, o, w.n_out);
			}
			free(groups);
			free(row);
			free((void *)(uintptr_t)w.rows);
		}
	}
}

static void groups_can_be_packed_one_by_one(void **state)
{
	struct ferry_matrix w = random_matrix(ferry_type_traits(FERRY_TYPE_Q6_K), 256, 37);
	uint8_t *all = malloc(ferry_packed_bytes(&w)), *some = malloc(ferry_packed_bytes(&w));

	(void)state;
	assert_non_null(all);
	assert_non_null(some);
	ferry_pack_groups(&w, 0, 3, all);
	for (size_t g = 0; g < 3; g++)
		ferry_pack_groups(&w, g, g + 1, some + g * 16 * w.row_bytes);
	assert_memory_equal(all, some, ferry_packed_bytes(&w));
	free(all);
	free(some);
	free((void *)(uintptr_t)w.rows);
}

/* Every type, whole groups and a broken one, against the packing that goes bit by bit. */
static void packing_by_words_gives_the_same_bytes(void **state)
{
	static const size_t rows[] = {3, 16, 50};
	unsigned n_types, n_seen = 0;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	(void)state;
	for (unsigned i = 0; i < n_types; i++) {
		if (!ferry_type_has_codes(types[i].type))
			continue;
		for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			struct ferry_matrix w =
				random_matrix(&types[i], 5 * types[i].block_len, rows[r]);
			const size_t size = ferry_packed_bytes(&w);
			uint8_t *fast = malloc(size), *plain = malloc(size);

			assert_non_null(fast);
			assert_non_null(plain);
			memset(fast, 0x55, size);
			memset(plain, 0xaa, size);
			ferry_pack_groups(&w, 0, ferry_packed_n_groups(w.n_out), fast);
			ferry_pack_groups_reference(&w, 0, ferry_packed_n_groups(w.n_out), plain);
			for (size_t at = 0; at < size; at++)
				if (fast[at] != plain[at])
					fail_msg("%s, %zu rows: byte %zu is %02x, not %02x",
						 types[i].name, rows[r], at, fast[at], plain[at]);
			n_seen++;
			free(fast);
			free(plain);
			free((void *)(uintptr_t)w.rows);
		}
	}
	assert_int_equal(n_seen, 3 * 12);
}

/* Kernels read whole groups: what lies beyond the last row must always be the same. */
static void rows_beyond_the_last_are_zero(void **state)
{
	struct ferry_matrix w = random_matrix(ferry_type_traits(FERRY_TYPE_Q8_0), 32, 5);
	uint8_t groups[16 * 34];

	(void)state;
	memset(groups, 0x55, sizeof(groups));
	ferry_pack_groups(&w, 0, 1, groups);
	for (int lane = 5; lane < 16; lane++) {
		assert_int_equal(groups[2 * lane] | groups[2 * lane + 1], 0);
		for (int s = 0; s < 8; s++)
			for (int i = 0; i < 4; i++)
				assert_int_equal(groups[32 + 64 * s + 4 * lane + i], 0);
	}
	free((void *)(uintptr_t)w.rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_rows_are_those_of_the_file),
		cmocka_unit_test(packing_by_words_gives_the_same_bytes),
		cmocka_unit_test(groups_can_be_packed_one_by_one),
		cmocka_unit_test(rows_beyond_the_last_are_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
