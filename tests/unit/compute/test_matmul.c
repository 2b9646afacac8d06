// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compute/dequantize.h"
#include "compute/matmul.h"
#include "compute/pool.h"
#include "fixtures/quantize.h"
#include "kernel_sets.h"

enum { MAX_TOKENS = 70 };

/* What tokens and weights are made of. */
enum values { ORDINARY, WIDE, ZEROS_AND_SIGNS };

static float value(enum values values, uint64_t *seed)
{
	const float f = random_float(seed);

	switch (values) {
	case WIDE: /* of very different magnitudes, so that every change of order shows */
		return ldexpf(f, (int)(random_bits(seed) % 32) - 20);
	case ZEROS_AND_SIGNS:
		return random_bits(seed) % 3 ? (random_bits(seed) % 2 ? -0.0f : 0.0f) : f * 1e-42f;
	default:
		return f;
	}
}

struct problem {
	struct ferry_matrix w;
	uint8_t *rows;
	float *x; /* [MAX_TOKENS][n_in] */
};

static void problem_new(struct problem *p, const struct ferry_type_traits *t, size_t n_in,
			size_t n_out, enum values values)
{
	uint64_t seed = t->type * 1000003u + n_in * 31 + n_out;
	float *row = calloc(n_in, sizeof(*row));

	assert_non_null(row);
	p->w = (struct ferry_matrix){.type = t->type,
				     .n_in = n_in,
				     .n_out = n_out,
				     .row_bytes = ferry_type_row_bytes(t, n_in)};
	p->w.rows = p->rows = malloc(n_out * p->w.row_bytes);
	p->x = calloc(MAX_TOKENS * n_in, sizeof(*p->x));
	assert_non_null(p->rows);
	assert_non_null(p->x);
	for (size_t o = 0; o < n_out; o++) {
		for (size_t i = 0; i < n_in; i++)
			row[i] = value(values, &seed);
		ferry_quantize_row(t->type, row, p->rows + o * p->w.row_bytes, n_in);
	}
	for (size_t i = 0; i < MAX_TOKENS * n_in; i++)
		p->x[i] = value(values, &seed);
	free(row);
}

static void problem_free(struct problem *p)
{
	free(p->rows);
	free(p->x);
}

static float *new_output(const struct problem *p)
{
	float *y = calloc(MAX_TOKENS * p->w.n_out, sizeof(*y));

	assert_non_null(y);
	return y;
}

/* Every set, every batch size given: close to the reference, and the same bits. */
static void check_problem(const struct problem *p, const size_t *batches, size_t n_batches)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	const size_t n_in = p->w.n_in, n_out = p->w.n_out;
	float *expected = new_output(p), *y = new_output(p), *row = calloc(n_in, sizeof(*row));
	size_t n_tokens = 0;

	assert_non_null(row);
	for (size_t b = 0; b < n_batches; b++)
		n_tokens = batches[b] > n_tokens ? batches[b] : n_tokens;
	assert_true(n_tokens <= MAX_TOKENS);
	ferry_matmul_reference(&p->w, p->x, n_tokens, y, 0, n_out, row);
	for (size_t t = 0; t < n_tokens; t++)
		sets[0]->matmul(&p->w, p->x + t * n_in, n_in, 1, expected + t * n_out, n_out, 0,
				n_out);
	for (size_t o = 0; o < n_out; o++) {
		ferry_dequantize_row(p->w.type, p->w.rows + o * p->w.row_bytes, row, n_in);
		for (size_t t = 0; t < n_tokens; t++) {
			double sum = 0.0;

			for (size_t i = 0; i < n_in; i++)
				sum += fabs((double)row[i] * (double)p->x[t * n_in + i]);
			if (!(fabs((double)expected[t * n_out + o] - (double)y[t * n_out + o]) <=
			      1e-5 * sum + 1e-44))
				fail_msg("type %d, [%zu][%zu]: y[%zu][%zu] is %g, reference %g",
					 (int)p->w.type, n_out, n_in, t, o,
					 (double)expected[t * n_out + o], (double)y[t * n_out + o]);
		}
	}
	for (unsigned k = 0; k < n_sets; k++)
		for (size_t b = 0; b < n_batches; b++) {
			memset(y, 0x55, MAX_TOKENS * n_out * sizeof(*y));
			sets[k]->matmul(&p->w, p->x, n_in, batches[b], y, n_out, 0, n_out);
			if (memcmp(y, expected, batches[b] * n_out * sizeof(*y)) != 0)
				fail_msg("type %d, [%zu][%zu], %zu tokens by %s: other bits",
					 (int)p->w.type, n_out, n_in, batches[b], sets[k]->name);
		}
	free(row);
	free(y);
	free(expected);
}

static void for_all_types(const size_t (*shapes)[2], size_t n_shapes, enum values values)
{
	static const size_t batches[] = {1, 2, 3, 4, 5, 31, 32, 33, 67};
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	for (unsigned i = 0; i < n_types; i++)
		for (size_t s = 0; s < n_shapes; s++) {
			struct problem p;

			if (shapes[s][0] % types[i].block_len)
				continue;
			problem_new(&p, &types[i], shapes[s][0], shapes[s][1], values);
			check_problem(&p, batches, sizeof(batches) / sizeof(batches[0]));
			problem_free(&p);
		}
}

static void test_shapes(void **state)
{
	/* n_in, n_out: ragged ones are for the float types, and around a stretch of 1024 */
	static const size_t shapes[][2] = {
		{1, 1},	   {3, 5},    {15, 4},	 {16, 1},   {17, 3},   {31, 2},	  {32, 7},
		{96, 6},   {256, 9},  {512, 1},	 {768, 3},  {1023, 2}, {1024, 5}, {1025, 2},
		{1056, 4}, {1280, 2}, {2047, 1}, {2048, 3}, {2064, 2},
	};

	(void)state;
	for_all_types(shapes, sizeof(shapes) / sizeof(shapes[0]), ORDINARY);
}

static void test_values_of_many_magnitudes(void **state)
{
	static const size_t shapes[][2] = {{1280, 5}, {1041, 2}, {288, 3}};

	(void)state;
	for_all_types(shapes, 3, WIDE);
}

static void test_zeros_of_both_signs_and_denormals(void **state)
{
	static const size_t shapes[][2] = {{1280, 5}, {1041, 2}, {288, 3}};

	(void)state;
	for_all_types(shapes, 3, ZEROS_AND_SIGNS);
}

struct shared_rows {
	const struct problem *p;
	const struct ferry_kernels *k;
	float *y;
	size_t n_tokens, grain;
};

static void multiply_share(void *data, uint32_t thread, uint32_t n_threads)
{
	const struct shared_rows *s = data;
	size_t begin, end;

	ferry_pool_share(s->p->w.n_out, s->grain, thread, n_threads, &begin, &end);
	s->k->matmul(&s->p->w, s->p->x, s->p->w.n_in, s->n_tokens, s->y, s->p->w.n_out, begin, end);
}

static void test_threads_and_row_ranges(void **state)
{
	static const enum ferry_tensor_type types[] = {FERRY_TYPE_F32, FERRY_TYPE_Q8_0,
						       FERRY_TYPE_Q4_K};
	const struct ferry_kernels *k = ferry_kernels_best();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct problem p;
		float *expected, *y;

		problem_new(&p, ferry_type_traits(types[i]), 512, 43, WIDE);
		expected = new_output(&p);
		y = new_output(&p);
		for (uint32_t n_threads = 1; n_threads <= 4; n_threads++) {
			struct ferry_pool *pool;

			assert_int_equal(ferry_pool_new(n_threads, &pool, NULL), 0);
			for (size_t grain = 1; grain <= 16; grain += 5) {
				struct shared_rows s = {&p, k, y, grain == 1 ? 1 : 40, grain};

				k->matmul(&p.w, p.x, 512, s.n_tokens, expected, 43, 0, 43);
				memset(y, 0x55, s.n_tokens * 43 * sizeof(*y));
				ferry_pool_run(pool, multiply_share, &s);
				assert_memory_equal(y, expected, s.n_tokens * 43 * sizeof(*y));
			}
			ferry_pool_free(pool);
		}
		free(y);
		free(expected);
		problem_free(&p);
	}
}

/* Tokens and outputs may have gaps; nothing else is written. */
static void test_strides(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	struct problem p;
	float x[4 * 40], y[4 * 9];

	(void)state;
	problem_new(&p, ferry_type_traits(FERRY_TYPE_Q4_0), 32, 5, ORDINARY);
	for (unsigned k = 0; k < n_sets; k++)
		for (size_t n = 1; n <= 4; n++) {
			for (int i = 0; i < 4 * 40; i++)
				x[i] = i % 40 < 32 ? p.x[i / 40 * 32 + i % 40] : NAN;
			for (int i = 0; i < 4 * 9; i++)
				y[i] = -7.0f;
			sets[k]->matmul(&p.w, x, 40, n, y, 9, 1, 4);
			for (size_t i = 0; i < 4 * 9; i++) {
				const bool written = i / 9 < n && i % 9 >= 1 && i % 9 < 4;

				assert_true(isfinite(y[i]));
				assert_int_equal(y[i] != -7.0f, written);
			}
		}
	problem_free(&p);
}

/* A NaN or infinity among the weights or activations reaches the result. */
static void test_what_is_not_finite_stays_so(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	float w[40] = {0}, x[3 * 40] = {0}, y[3];
	struct ferry_matrix m = {FERRY_TYPE_F32, (const uint8_t *)w, 40, 1, sizeof(w)};

	(void)state;
	for (unsigned k = 0; k < n_sets; k++)
		for (size_t at = 0; at < 40; at += 13) {
			w[at] = INFINITY;
			for (size_t n = 1; n <= 3; n++) {
				sets[k]->matmul(&m, x, 40, n, y, 1, 0, 1);
				for (size_t t = 0; t < n; t++)
					assert_true(isnan(y[t]));
			}
			w[at] = 0.0f;
		}
}

/* The plain product itself, against someone else's. */
static void test_reference_agrees_with_openblas(void **state)
{
	enum { N_IN = 300, N_OUT = 37, N_TOKENS = 21 };
	struct problem p;
	float *y, *row = calloc(N_IN, sizeof(*row)),
		  *blas = calloc(N_OUT * N_TOKENS, sizeof(*blas));

	(void)state;
	assert_non_null(row);
	assert_non_null(blas);
	problem_new(&p, ferry_type_traits(FERRY_TYPE_F32), N_IN, N_OUT, ORDINARY);
	y = new_output(&p);
	ferry_matmul_reference(&p.w, p.x, N_TOKENS, y, 0, N_OUT, row);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N_TOKENS, N_OUT, N_IN, 1.0f, p.x, N_IN,
		    (const float *)(const void *)p.rows, N_IN, 0.0f, blas, N_OUT);
	for (int i = 0; i < N_OUT * N_TOKENS; i++)
		assert_true(fabsf(y[i] - blas[i]) <= 1e-4f);
	free(y);
	problem_free(&p);
	free(blas);
	free(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_values_of_many_magnitudes),
		cmocka_unit_test(test_zeros_of_both_signs_and_denormals),
		cmocka_unit_test(test_threads_and_row_ranges),
		cmocka_unit_test(test_strides),
		cmocka_unit_test(test_what_is_not_finite_stays_so),
		cmocka_unit_test(test_reference_agrees_with_openblas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
