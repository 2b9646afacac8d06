// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_sets.h"

enum {
	N_POSITIONS = 3 * FERRY_ATTENTION_RUN + 320,
	MAX_ROWS = 70,
	MAX_RUNS = N_POSITIONS / FERRY_ATTENTION_RUN + 1,
};

struct problem {
	struct ferry_attention_kv kv;
	struct ferry_attention_scale scale;
	struct ferry_attention_row rows[MAX_ROWS];
	float *q;	 /* [MAX_ROWS][key_dim] */
	float *out;	 /* [MAX_ROWS][value_dim] */
	float *expected; /* likewise, of the reference */
};

static void *take(size_t n, size_t size)
{
	void *p = calloc(n, size);

	assert_non_null(p);
	return p;
}

/* Positions from n_written on are NaN, as a failed pass may leave them. */
static void problem_new(struct problem *p, enum ferry_attention_type type, uint32_t key_dim,
			uint32_t value_dim, float softcap, uint32_t n_written)
{
	const size_t n_tiles = (N_POSITIONS + FERRY_ATTENTION_TILE - 1) / FERRY_ATTENTION_TILE;
	const struct ferry_kernels *k = ferry_kernels_best();
	const uint32_t dim = key_dim > value_dim ? key_dim : value_dim;
	uint64_t seed = key_dim * 7 + value_dim;
	float *x = take(dim, sizeof(*x));

	*p = (struct problem){.kv = {.key_dim = key_dim, .value_dim = value_dim, .type = type}};
	p->scale = (struct ferry_attention_scale){3.0f / sqrtf((float)key_dim), softcap};
	p->kv.keys = take(n_tiles, ferry_attention_key_tile(type, key_dim));
	p->kv.values = take(n_tiles, ferry_attention_value_tile(type, value_dim));
	p->q = take((size_t)MAX_ROWS * key_dim, sizeof(float));
	p->out = take((size_t)MAX_ROWS * value_dim, sizeof(float));
	p->expected = take((size_t)MAX_ROWS * value_dim, sizeof(float));
	for (uint32_t j = 0; j < N_POSITIONS; j++) {
		for (uint32_t d = 0; d < dim; d++)
			x[d] = j < n_written ? random_float(&seed) * 2.0f : NAN;
		k->put_key(&p->kv, j, x);
		for (uint32_t d = 0; d < dim; d++)
			x[d] = j < n_written ? random_float(&seed) : NAN;
		k->put_value(&p->kv, j, x);
	}
	for (size_t i = 0; i < (size_t)MAX_ROWS * key_dim; i++)
		p->q[i] = random_float(&seed);
	for (uint32_t r = 0; r < MAX_ROWS; r++)
		p->rows[r] = (struct ferry_attention_row){
			.q = p->q + (size_t)r * key_dim,
			.out = p->out + (size_t)r * value_dim,
		};
	free(x);
}

static void problem_free(struct problem *p)
{
	free(p->kv.keys);
	free(p->kv.values);
	free(p->q);
	free(p->out);
	free(p->expected);
}

static float *new_scratch(const struct problem *p)
{
	const size_t n = ferry_attention_scratch(p->kv.key_dim, p->kv.value_dim);
	float *scratch = take(n, sizeof(*scratch));

	memset(scratch, 0xff, n * sizeof(*scratch)); /* NaN */
	return scratch;
}

static void run(const struct problem *p, const struct ferry_kernels *k, uint32_t first, uint32_t n)
{
	float *scratch = new_scratch(p);

	k->attention(&p->kv, p->rows + first, n, &p->scale, scratch);
	free(scratch);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Run after run, the last one first, then merged. */
static void run_in_parts(const struct problem *p, const struct ferry_kernels *k, uint32_t first,
			 uint32_t n)
{
	const size_t size = ferry_attention_record(p->kv.value_dim);
	float *records = take(n * MAX_RUNS * size, sizeof(*records)), *scratch = new_scratch(p);
	struct ferry_attention_row rows[FERRY_ATTENTION_ROWS];

	for (uint32_t i = MAX_RUNS; i--;) {
		for (uint32_t r = 0; r < n; r++) {
			rows[r] = p->rows[first + r];
			rows[r].begin = larger(rows[r].begin, i * FERRY_ATTENTION_RUN);
			rows[r].end = smaller(rows[r].end, (i + 1) * FERRY_ATTENTION_RUN);
			rows[r].out = records + (r * MAX_RUNS + i) * size;
		}
		k->attention_run(&p->kv, rows, n, &p->scale, scratch);
	}
	for (uint32_t r = 0; r < n; r++)
		k->attention_merge(records + r * MAX_RUNS * size, MAX_RUNS, size, p->kv.value_dim,
				   p->rows[first + r].out);
	free(records);
	free(scratch);
}

/*
 * The definition, in double precision. What a Q8 cache adds is the rounding of the query: scores
 * are off by some of its steps, and results by as much of the values' size.
 */
static void check_row(const struct problem *p, uint32_t r)
{
	const struct ferry_attention_row *row = &p->rows[r];
	const double tolerance = p->kv.type == FERRY_ATTENTION_Q8 ? 3e-2 : 4e-6;
	float *key = take(p->kv.key_dim, sizeof(*key));
	float *value = take(p->kv.value_dim, sizeof(*value));
	double *want = take(p->kv.value_dim, sizeof(*want));
	double *score = take(row->end, sizeof(*score)), max = -INFINITY, sum = 0.0;

	for (uint32_t j = row->begin; j < row->end; j++) {
		ferry_attention_get_key(&p->kv, j, key);
		for (uint32_t d = 0; d < p->kv.key_dim; d++)
			score[j] += (double)row->q[d] * (double)key[d];
		score[j] *= (double)p->scale.scale;
		if (p->scale.softcap > 0.0f)
			score[j] = (double)p->scale.softcap *
				   tanh(score[j] / (double)p->scale.softcap);
		max = fmax(max, score[j]);
	}
	for (uint32_t j = row->begin; j < row->end; j++)
		sum += exp(score[j] - max);
	for (uint32_t j = row->begin; j < row->end; j++) {
		ferry_attention_get_value(&p->kv, j, value);
		for (uint32_t d = 0; d < p->kv.value_dim; d++)
			want[d] += exp(score[j] - max) / sum * (double)value[d];
	}
	for (uint32_t d = 0; d < p->kv.value_dim; d++)
		if (!(fabs((double)row->out[d] - want[d]) <= tolerance))
			fail_msg("type %d, row %u (%u..%u), dimension %u is %g, not %g",
				 (int)p->kv.type, r, row->begin, row->end, d, (double)row->out[d],
				 want[d]);
	free(key);
	free(value);
	free(want);
	free(score);
}

static bool same(float a, float b)
{
	return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static void check_same(const struct problem *p, uint32_t n, const char *set, uint32_t together)
{
	for (size_t i = 0; i < (size_t)n * p->kv.value_dim; i++)
		if (!same(p->out[i], p->expected[i]))
			fail_msg("%s, type %d, dimensions %u and %u, %u of %u rows together: row "
				 "%zu, dimension %zu is %a, not %a",
				 set, (int)p->kv.type, p->kv.key_dim, p->kv.value_dim, together, n,
				 i / p->kv.value_dim, i % p->kv.value_dim, (double)p->out[i],
				 (double)p->expected[i]);
}

static void forget(struct problem *p)
{
	memset(p->out, 0, (size_t)MAX_ROWS * p->kv.value_dim * sizeof(float));
}

/* Together, in groups, one by one, run by run, and by every set: the bits of the reference. */
static void check_bits(struct problem *p, uint32_t n)
{
	static const uint32_t groups[] = {1, 2, 3, 5, 8, 13, 64};
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);

	for (uint32_t r = 0; r < n; r++)
		assert_int_equal(ferry_attention_reference(&p->kv, &p->rows[r], &p->scale), 0);
	memcpy(p->expected, p->out, (size_t)n * p->kv.value_dim * sizeof(float));
	for (unsigned k = 0; k < n_sets; k++)
		for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
			const uint32_t most = groups[i];

			forget(p);
			for (uint32_t r = 0; r < n; r += most)
				run(p, sets[k], r, smaller(n - r, most));
			check_same(p, n, sets[k]->name, most);
			if (most == 5 || most >= n) {
				forget(p);
				for (uint32_t r = 0; r < n; r += most)
					run_in_parts(p, sets[k], r, smaller(n - r, most));
				check_same(p, n, sets[k]->name, most);
			}
		}
}

static void check_problem(struct problem *p, uint32_t n)
{
	run(p, ferry_kernels_best(), 0, smaller(n, FERRY_ATTENTION_ROWS));
	for (uint32_t r = 0; r < smaller(n, FERRY_ATTENTION_ROWS); r++)
		check_row(p, r);
	check_bits(p, n);
}

static void check_dims(enum ferry_attention_type type, uint32_t key_dim, uint32_t value_dim,
		       float softcap)
{
	static const uint32_t ends[] = {1, 2, 63, 64, 65, 129, 200, 255, 513};
	struct problem p;

	for (unsigned e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
		problem_new(&p, type, key_dim, value_dim, softcap, ends[e]);
		/* heads of one token, as in decoding */
		for (uint32_t r = 0; r < 7; r++)
			p.rows[r].end = ends[e];
		check_problem(&p, 7);
		/* tokens of a prompt, two heads each */
		for (uint32_t r = 0; r < 16; r++)
			p.rows[r].end = ends[e] > r / 2 ? ends[e] - r / 2 : 1;
		check_problem(&p, 16);
		/* windows of 20 positions */
		for (uint32_t r = 0; r < 16; r++)
			p.rows[r].begin = p.rows[r].end > 20 ? p.rows[r].end - 20 : 0;
		check_problem(&p, 16);
		problem_free(&p);
	}
}

static void test_f16(void **state)
{
	(void)state;
	check_dims(FERRY_ATTENTION_F16, 64, 64, 0.0f);
}

static void test_f32(void **state)
{
	(void)state;
	check_dims(FERRY_ATTENTION_F32, 48, 64, 0.0f);
}

static void test_q8(void **state)
{
	(void)state;
	check_dims(FERRY_ATTENTION_Q8, 64, 64, 0.0f);
}

static void test_odd_dimensions(void **state)
{
	(void)state;
	check_dims(FERRY_ATTENTION_F16, 8, 8, 0.0f);
	check_dims(FERRY_ATTENTION_F32, 20, 33, 0.0f);
	check_dims(FERRY_ATTENTION_Q8, 20, 33, 0.0f);
	check_dims(FERRY_ATTENTION_Q8, 1, 1, 0.0f);
	check_dims(FERRY_ATTENTION_Q8, 97, 131, 0.0f);
}

static void test_softcap(void **state)
{
	(void)state;
	check_dims(FERRY_ATTENTION_F16, 32, 16, 2.0f);
	check_dims(FERRY_ATTENTION_Q8, 32, 80, 2.0f);
}

/* Every number of rows up to more than a call takes, each behind the one before. */
static void test_any_number_of_rows(void **state)
{
	struct problem p;

	(void)state;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 36, 20, 0.0f, 300);
		for (uint32_t r = 0; r < MAX_ROWS; r++)
			p.rows[r].end = 231 + r;
		for (uint32_t n = 1; n <= MAX_ROWS; n += n < 10 ? 1 : 15)
			check_bits(&p, n);
		problem_free(&p);
	}
}

/* Several runs, and windows that begin within one. */
static void test_long_contexts(void **state)
{
	struct problem p;

	(void)state;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 32, 24, 0.0f, N_POSITIONS);
		for (uint32_t r = 0; r < 9; r++)
			p.rows[r].end = N_POSITIONS - r * 211;
		check_problem(&p, 9);
		for (uint32_t r = 0; r < 9; r++)
			p.rows[r].begin = p.rows[r].end > 700 ? p.rows[r].end - 700 : 0;
		check_problem(&p, 9);
		problem_free(&p);
	}
}

/* Rows that see nothing in common with each other. */
static void test_ranges_far_apart(void **state)
{
	struct problem p;

	(void)state;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 32, 32, 0.0f, N_POSITIONS);
		for (uint32_t r = 0; r < 40; r++) {
			p.rows[r].begin = r * 29;
			p.rows[r].end = r * 29 + 1 + r;
		}
		check_problem(&p, 40);
		problem_free(&p);
	}
}

/* Scores of thousands: all weight on few positions, and exponentials that are zero. */
static void test_large_scores(void **state)
{
	struct problem p;

	(void)state;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 64, 48, 0.0f, 700);
		p.scale.scale = 1000.0f;
		for (uint32_t r = 0; r < 6; r++)
			p.rows[r].end = 700 - 9 * r;
		check_bits(&p, 6);
		problem_free(&p);
	}
}

/* Where all positions are alike, the result is the value. */
static void test_equal_scores(void **state)
{
	float key[40], value[40];
	struct problem p;

	(void)state;
	for (int d = 0; d < 40; d++) {
		key[d] = 1.0f;
		value[d] = (float)(d - 20) / 16.0f;
	}
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 40, 40, 0.0f, 600);
		for (uint32_t j = 0; j < 600; j++) {
			ferry_kernels_best()->put_key(&p.kv, j, key);
			ferry_kernels_best()->put_value(&p.kv, j, value);
		}
		for (uint32_t r = 0; r < 5; r++)
			p.rows[r].end = 600 - r;
		check_bits(&p, 5);
		for (int d = 0; d < 40; d++)
			assert_true(fabsf(p.out[d] - value[d]) <= 0.01f);
		problem_free(&p);
	}
}

/* A large score in the last tile takes all the weight from what was summed before. */
static void test_maximum_in_a_later_tile(void **state)
{
	float key[16], value[16];
	struct problem p;

	(void)state;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 16, 16, 0.0f, N_POSITIONS);
		p.rows[0].end = 200;
		for (uint32_t d = 0; d < 16; d++)
			key[d] = p.q[d] * 1000.0f;
		ferry_kernels_best()->put_key(&p.kv, 190, key);
		check_bits(&p, 1);
		ferry_attention_get_value(&p.kv, 190, value);
		for (uint32_t d = 0; d < 16; d++)
			assert_true(fabsf(p.out[d] - value[d]) < 1e-6f);
		problem_free(&p);
	}
}

/* A score of minus infinity is as good as a mask. */
static void test_infinite_scores(void **state)
{
	float key[16] = {0};
	struct problem p;

	(void)state;
	key[0] = -INFINITY;
	for (int type = 0; type < 2; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 16, 16, 0.0f, 200);
		p.rows[0].end = 150;
		p.q[0] = 1.0f;
		for (uint32_t d = 1; d < 16; d++)
			p.q[d] = 0.5f;
		for (uint32_t j = 0; j < 150; j += 3)
			ferry_kernels_best()->put_key(&p.kv, j + 1, key);
		check_bits(&p, 1);
		for (uint32_t d = 0; d < 16; d++)
			assert_true(isfinite(p.out[d]));
		problem_free(&p);
	}
}

static void test_what_is_not_a_number_is_not_hidden(void **state)
{
	float x[16] = {0};
	struct problem p;

	(void)state;
	x[3] = INFINITY;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 16, 16, 0.0f, 100);
		p.rows[0].end = 101;
		run(&p, ferry_kernels_best(), 0, 1);
		for (uint32_t d = 0; d < 16; d++)
			assert_true(isnan(p.out[d]));
		/* a value alone */
		ferry_kernels_best()->put_value(&p.kv, 7, x);
		p.rows[0].end = 100;
		run(&p, ferry_kernels_best(), 0, 1);
		assert_false(isfinite(p.out[3]));
		problem_free(&p);
	}
}

/* What a later token left behind does not reach an earlier one of the same group. */
static void test_a_later_nan_stays_where_it_is(void **state)
{
	struct problem p;

	(void)state;
	for (int type = 0; type < 3; type++) {
		problem_new(&p, (enum ferry_attention_type)type, 16, 16, 0.0f, 66);
		for (uint32_t r = 0; r < 4; r++)
			p.rows[r].end = 65 + r;
		check_bits(&p, 4);
		for (uint32_t r = 0; r < 4; r++)
			for (uint32_t d = 0; d < 16; d++)
				assert_int_equal(!isnan(p.out[r * 16 + d]), r < 2);
		problem_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f16),
		cmocka_unit_test(test_f32),
		cmocka_unit_test(test_q8),
		cmocka_unit_test(test_odd_dimensions),
		cmocka_unit_test(test_softcap),
		cmocka_unit_test(test_any_number_of_rows),
		cmocka_unit_test(test_long_contexts),
		cmocka_unit_test(test_ranges_far_apart),
		cmocka_unit_test(test_large_scores),
		cmocka_unit_test(test_equal_scores),
		cmocka_unit_test(test_maximum_in_a_later_tile),
		cmocka_unit_test(test_infinite_scores),
		cmocka_unit_test(test_what_is_not_a_number_is_not_hidden),
		cmocka_unit_test(test_a_later_nan_stays_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
