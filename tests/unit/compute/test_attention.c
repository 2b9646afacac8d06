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

enum { N_POSITIONS = 320, N_ROWS = FERRY_ATTENTION_ROWS };

struct problem {
	uint32_t key_dim, value_dim;
	bool f16;
	uint8_t *keys, *values;
	float *q;   /* [N_ROWS][key_dim] */
	float *out; /* [N_ROWS][value_dim] */
	struct ferry_attention_scale scale;
	struct ferry_attention_row rows[N_ROWS];
};

static void put(uint8_t *elements, size_t i, bool f16, float f)
{
	const uint16_t h = ferry_f32_to_f16(f);

	if (f16)
		memcpy(elements + 2 * i, &h, sizeof(h));
	else
		memcpy(elements + 4 * i, &f, sizeof(f));
}

static double get(const uint8_t *elements, size_t i, bool f16)
{
	uint16_t h;
	float f;

	if (f16) {
		memcpy(&h, elements + 2 * i, sizeof(h));
		return (double)ferry_f16_to_f32(h);
	}
	memcpy(&f, elements + 4 * i, sizeof(f));
	return (double)f;
}

/* Positions from n_written on are NaN, as a failed pass may leave them. */
static void problem_new(struct problem *p, uint32_t key_dim, uint32_t value_dim, bool f16,
			float softcap, uint32_t n_written)
{
	const size_t n_tiles = N_POSITIONS / FERRY_ATTENTION_TILE;
	uint64_t seed = key_dim * 7 + value_dim;

	*p = (struct problem){.key_dim = key_dim, .value_dim = value_dim, .f16 = f16};
	p->scale = (struct ferry_attention_scale){3.0f / sqrtf((float)key_dim), softcap};
	p->keys = calloc(n_tiles * ferry_attention_key_tile(key_dim), f16 ? 2 : 4);
	p->values = calloc(n_tiles * ferry_attention_value_tile(value_dim), f16 ? 2 : 4);
	p->q = calloc((size_t)N_ROWS * key_dim, sizeof(float));
	p->out = calloc((size_t)N_ROWS * value_dim, sizeof(float));
	assert_true(p->keys && p->values && p->q && p->out);
	for (uint32_t j = 0; j < N_POSITIONS; j++) {
		for (uint32_t d = 0; d < key_dim; d++)
			put(p->keys, ferry_attention_key_at(key_dim, j, d), f16,
			    j < n_written ? random_float(&seed) * 2.0f : NAN);
		for (uint32_t d = 0; d < value_dim; d++)
			put(p->values, ferry_attention_value_at(value_dim, j, d), f16,
			    j < n_written ? random_float(&seed) : NAN);
	}
	for (uint32_t r = 0; r < N_ROWS; r++) {
		for (uint32_t d = 0; d < key_dim; d++)
			p->q[(size_t)r * key_dim + d] = random_float(&seed);
		p->rows[r] = (struct ferry_attention_row){
			.q = p->q + (size_t)r * key_dim,
			.out = p->out + (size_t)r * value_dim,
		};
	}
}

static void problem_free(struct problem *p)
{
	free(p->keys);
	free(p->values);
	free(p->q);
	free(p->out);
}

static void run(const struct problem *p, const struct ferry_kernels *k, uint32_t first, uint32_t n)
{
	const struct ferry_attention_kv kv = {p->keys, p->values, p->key_dim, p->value_dim, p->f16};
	float *scratch = malloc(ferry_attention_scratch(p->value_dim) * sizeof(*scratch));

	assert_non_null(scratch);
	memset(scratch, 0xff, ferry_attention_scratch(p->value_dim) * sizeof(*scratch)); /* NaN */
	k->attention(&kv, p->rows + first, n, &p->scale, scratch);
	free(scratch);
}

static void check_row(const struct problem *p, uint32_t r)
{
	const struct ferry_attention_row *row = &p->rows[r];
	double score[N_POSITIONS], max = -INFINITY, sum = 0.0;

	for (uint32_t j = row->begin; j < row->end; j++) {
		score[j] = 0.0;
		for (uint32_t d = 0; d < p->key_dim; d++)
			score[j] += (double)row->q[d] *
				    get(p->keys, ferry_attention_key_at(p->key_dim, j, d), p->f16);
		score[j] *= (double)p->scale.scale;
		if (p->scale.softcap > 0.0f)
			score[j] = (double)p->scale.softcap *
				   tanh(score[j] / (double)p->scale.softcap);
		max = fmax(max, score[j]);
	}
	for (uint32_t j = row->begin; j < row->end; j++)
		sum += exp(score[j] - max);
	for (uint32_t d = 0; d < p->value_dim; d++) {
		double want = 0.0;

		for (uint32_t j = row->begin; j < row->end; j++)
			want += exp(score[j] - max) / sum *
				get(p->values, ferry_attention_value_at(p->value_dim, j, d),
				    p->f16);
		if (!(fabs((double)row->out[d] - want) <= 3e-6))
			fail_msg("row %u (%u..%u), dimension %u is %g, not %g", r, row->begin,
				 row->end, d, (double)row->out[d], want);
	}
}

/* Together, one by one, and by every set: correct, and the same bits. */
static void check_problem(struct problem *p, uint32_t n)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	const size_t bytes = (size_t)n * p->value_dim * sizeof(float);
	float *expected = malloc(bytes);

	assert_non_null(expected);
	run(p, sets[0], 0, n);
	memcpy(expected, p->out, bytes);
	for (uint32_t r = 0; r < n; r++)
		check_row(p, r);
	for (unsigned k = 0; k < n_sets; k++) {
		for (uint32_t together = 1; together <= n; together++) {
			memset(p->out, 0, bytes);
			for (uint32_t r = 0; r < n; r += together)
				run(p, sets[k], r, n - r < together ? n - r : together);
			assert_memory_equal(p->out, expected, bytes);
		}
	}
	free(expected);
}

static void check_dims(uint32_t key_dim, uint32_t value_dim, bool f16, float softcap)
{
	static const uint32_t ends[] = {1, 2, 63, 64, 65, 127, 128, 129, 200, 255};
	struct problem p;

	for (unsigned e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
		problem_new(&p, key_dim, value_dim, f16, softcap, ends[e]);
		/* heads of one token, as in decoding */
		for (uint32_t r = 0; r < 7; r++)
			p.rows[r].end = ends[e];
		check_problem(&p, 7);
		/* tokens of a prompt, two heads each */
		for (uint32_t r = 0; r < N_ROWS; r++)
			p.rows[r].end = ends[e] > r / 2 ? ends[e] - r / 2 : 1;
		check_problem(&p, N_ROWS);
		/* windows of 20 positions */
		for (uint32_t r = 0; r < N_ROWS; r++)
			p.rows[r].begin = p.rows[r].end > 20 ? p.rows[r].end - 20 : 0;
		check_problem(&p, N_ROWS);
		problem_free(&p);
	}
}

static void test_f16(void **state)
{
	(void)state;
	check_dims(64, 64, true, 0.0f);
}

static void test_f32(void **state)
{
	(void)state;
	check_dims(48, 64, false, 0.0f);
}

static void test_odd_dimensions(void **state)
{
	(void)state;
	check_dims(8, 8, true, 0.0f);
	check_dims(20, 33, false, 0.0f);
}

static void test_softcap(void **state)
{
	(void)state;
	check_dims(32, 16, true, 2.0f);
}

/* Rows that see nothing in common with each other. */
static void test_ranges_far_apart(void **state)
{
	struct problem p;

	(void)state;
	problem_new(&p, 32, 32, true, 0.0f, N_POSITIONS);
	for (uint32_t r = 0; r < N_ROWS; r++) {
		p.rows[r].begin = r * 19;
		p.rows[r].end = r * 19 + 1 + r;
	}
	check_problem(&p, N_ROWS);
	problem_free(&p);
}

/* A large score in the last tile takes all the weight from what was summed before. */
static void test_maximum_in_a_later_tile(void **state)
{
	struct problem p;

	(void)state;
	problem_new(&p, 16, 16, false, 0.0f, N_POSITIONS);
	p.rows[0].end = 200;
	for (uint32_t d = 0; d < 16; d++)
		put(p.keys, ferry_attention_key_at(16, 190, d), false, p.q[d] * 1000.0f);
	check_problem(&p, 1);
	for (uint32_t d = 0; d < 16; d++) {
		const double value = get(p.values, ferry_attention_value_at(16, 190, d), false);

		assert_true(fabs((double)p.out[d] - value) < 1e-6);
	}
	problem_free(&p);
}

static void test_a_nan_key_is_not_hidden(void **state)
{
	struct problem p;

	(void)state;
	problem_new(&p, 16, 16, true, 0.0f, 100);
	p.rows[0].end = 101;
	run(&p, ferry_kernels_best(), 0, 1);
	for (uint32_t d = 0; d < 16; d++)
		assert_true(isnan(p.out[d]));
	problem_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f16),
		cmocka_unit_test(test_f32),
		cmocka_unit_test(test_odd_dimensions),
		cmocka_unit_test(test_softcap),
		cmocka_unit_test(test_ranges_far_apart),
		cmocka_unit_test(test_maximum_in_a_later_tile),
		cmocka_unit_test(test_a_nan_key_is_not_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
