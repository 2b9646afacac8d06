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
#include "compute/matmul.h"
#include "compute/matmul_packed.h"
#include "compute/packed.h"
#include "fixtures/quantize.h"
#include "kernel_sets.h"

enum { MAX_TOKENS = 70 };

/* What a matrix is made of. */
enum weights {
	QUANTIZED,   /* random floats */
	ALL_BITS,    /* random bytes, but scales that are numbers */
	LARGEST,     /* codes all ones, scales of one */
	LARGEST_NEG, /* codes all zeros */
};

/* What tokens are made of. */
enum tokens { ORDINARY, OUTLIERS, EXTREMES, ZEROS };

struct problem {
	const struct ferry_type_traits *type;
	struct ferry_matrix w;
	struct ferry_packed packed;
	uint8_t *rows, *groups;
	float *x;		      /* [MAX_TOKENS][n_in] */
	struct ferry_activations act; /* [n_in / 32][MAX_TOKENS] */
};

static void *allocate(size_t n)
{
	void *p = NULL;

	assert_int_equal(posix_memalign(&p, 64, n ? n : 1), 0);
	return p;
}

static void fill_row(const struct problem *p, enum weights weights, uint8_t *row, uint64_t *seed)
{
	const size_t n_in = p->w.n_in;

	if (weights == QUANTIZED) {
		float *f = allocate(n_in * sizeof(*f));

		for (size_t i = 0; i < n_in; i++)
			f[i] = random_float(seed);
		ferry_quantize_row(p->type->type, f, row, n_in);
		free(f);
		return;
	}
	for (size_t b = 0; b < n_in / p->type->block_len; b++, row += p->type->block_bytes) {
		struct ferry_block_codes c;

		for (size_t i = 0; i < p->type->block_bytes; i++)
			row[i] = weights == ALL_BITS  ? (uint8_t)random_bits(seed)
				 : weights == LARGEST ? 0xff
						      : 0;
		ferry_block_split(p->type->type, row, &c);
		c.d = weights == ALL_BITS ? ferry_f32_to_f16(random_float(seed)) : 0x3c00;
		c.m = weights == ALL_BITS ? ferry_f32_to_f16(random_float(seed)) : 0x3c00;
		ferry_block_join(p->type->type, &c, row);
	}
}

static float token_value(enum tokens tokens, uint64_t *seed)
{
	switch (tokens) {
	case OUTLIERS: /* of very different magnitudes, so that every change of order shows */
		return ldexpf(random_float(seed), (int)(random_bits(seed) % 24) - 12);
	case EXTREMES:
		return random_bits(seed) % 2 ? 1.0f : -1.0f;
	case ZEROS:
		return random_bits(seed) % 2 ? 0.0f : -1e-42f;
	default:
		return random_float(seed);
	}
}

static void problem_new(struct problem *p, const struct ferry_type_traits *t, size_t n_in,
			size_t n_out, enum weights weights, enum tokens tokens)
{
	uint64_t seed = t->type * 1000003u + n_in * 31 + n_out + weights * 7u + tokens;

	*p = (struct problem){.type = t};
	p->w = (struct ferry_matrix){.type = t->type,
				     .n_in = n_in,
				     .n_out = n_out,
				     .row_bytes = ferry_type_row_bytes(t, n_in)};
	p->w.rows = p->rows = allocate(n_out * p->w.row_bytes);
	for (size_t o = 0; o < n_out; o++)
		fill_row(p, weights, p->rows + o * p->w.row_bytes, &seed);
	p->groups = allocate(ferry_packed_bytes(&p->w));
	ferry_pack_groups(&p->w, 0, ferry_packed_n_groups(n_out), p->groups);
	p->packed = ferry_packed_like(&p->w, p->groups);
	p->x = allocate(MAX_TOKENS * n_in * sizeof(float));
	for (size_t i = 0; i < MAX_TOKENS * n_in; i++)
		p->x[i] = token_value(tokens, &seed);
	p->act.n_tokens = MAX_TOKENS;
	p->act.blocks = allocate(MAX_TOKENS * n_in / 32 * sizeof(*p->act.blocks));
	for (size_t i = 0; i < MAX_TOKENS; i++)
		ferry_quantize_reference(p->x + i * n_in, n_in, p->act.blocks + i, MAX_TOKENS);
}

static void problem_free(struct problem *p)
{
	free(p->rows);
	free(p->groups);
	free(p->x);
	free(p->act.blocks);
}

static void check_bits(const struct problem *p)
{
	static const size_t batches[] = {1, 2, 4, 5, 6, 31, 32, 33, 65};
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	const size_t n_out = p->w.n_out, size = MAX_TOKENS * n_out * sizeof(float);
	const size_t n_groups = ferry_packed_n_groups(n_out);
	float *expected = allocate(size), *y = allocate(size);

	ferry_matmul_packed_reference(&p->w, &p->act, expected);
	for (unsigned k = 0; k < n_sets; k++)
		for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
			const size_t first = b % 4, n = batches[b];

			memset(y, 0x55, size);
			for (size_t g = 0, step = 2; g < n_groups; g += step, step += 3)
				sets[k]->matmul_packed(&p->packed, &p->act, first, n, y, n_out, g,
						       g + step < n_groups ? g + step : n_groups);
			if (memcmp(y, expected + first * n_out, n * n_out * sizeof(*y)) != 0)
				fail_msg("%s [%zu][%zu], %zu tokens by %s: other bits",
					 p->type->name, n_out, p->w.n_in, n, sets[k]->name);
			for (size_t i = n * n_out; i < MAX_TOKENS * n_out; i++)
				if (memcmp(&y[i], "UUUU", 4) != 0)
					fail_msg("%s: wrote behind its rows", sets[k]->name);
		}
	free(expected);
	free(y);
}

static void for_all_types(const size_t (*shapes)[2], size_t n_shapes, enum weights weights,
			  enum tokens tokens)
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	for (unsigned i = 0; i < n_types; i++)
		for (size_t s = 0; s < n_shapes; s++) {
			struct problem p;

			if (!ferry_type_has_codes(types[i].type) ||
			    shapes[s][0] % types[i].block_len)
				continue;
			problem_new(&p, &types[i], shapes[s][0], shapes[s][1], weights, tokens);
			check_bits(&p);
			problem_free(&p);
		}
}

static const size_t shapes[][2] = {{32, 1},   {96, 17},	 {256, 5},  {512, 33},
				   {768, 16}, {256, 70}, {512, 133}};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void all_sets_give_the_bits_of_the_reference(void **state)
{
	(void)state;
	for_all_types(shapes, N_SHAPES, QUANTIZED, ORDINARY);
	for_all_types(shapes, N_SHAPES, QUANTIZED, OUTLIERS);
	for_all_types(shapes, N_SHAPES, QUANTIZED, ZEROS);
}

/* Every code and scale, and the largest sums that sixteen bits ever hold. */
static void nothing_overflows(void **state)
{
	(void)state;
	for_all_types(shapes, N_SHAPES, ALL_BITS, ORDINARY);
	for_all_types(shapes, N_SHAPES, ALL_BITS, EXTREMES);
	for_all_types(shapes, N_SHAPES, LARGEST, EXTREMES);
	for_all_types(shapes, N_SHAPES, LARGEST_NEG, EXTREMES);
}

/* All weights and activations of one sign and as large as they get: the worst of all sums. */
static void the_largest_sums_are_exact(void **state)
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	(void)state;
	for (unsigned i = 0; i < n_types; i++)
		for (int corner = 0; corner < 4; corner++) {
			struct problem p;

			if (!ferry_type_has_codes(types[i].type))
				continue;
			problem_new(&p, &types[i], 512, 16, corner & 1 ? LARGEST : LARGEST_NEG,
				    ORDINARY);
			for (size_t k = 0; k < MAX_TOKENS * p.w.n_in; k++)
				p.x[k] = corner & 2 ? 3.0f : -3.0f;
			for (size_t t = 0; t < MAX_TOKENS; t++)
				ferry_quantize_reference(p.x + t * p.w.n_in, p.w.n_in,
							 p.act.blocks + t, MAX_TOKENS);
			assert_int_equal(abs(p.act.blocks[0].x[0]), 127);
			check_bits(&p);
			problem_free(&p);
		}
}

/* The reference itself: its error against exact products is that of rounding activations. */
static void the_reference_is_close_to_the_exact_product(void **state)
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	(void)state;
	for (unsigned i = 0; i < n_types; i++) {
		const size_t n_in = 1024, n_out = 24;
		struct problem p;
		double error = 0.0, power = 0.0;
		float *exact, *y, *row;

		if (!ferry_type_has_codes(types[i].type))
			continue;
		problem_new(&p, &types[i], n_in, n_out, ALL_BITS, ORDINARY);
		exact = allocate(MAX_TOKENS * n_out * sizeof(float));
		y = allocate(MAX_TOKENS * n_out * sizeof(float));
		row = allocate(n_in * sizeof(float));
		ferry_matmul_reference(&p.w, p.x, MAX_TOKENS, exact, 0, n_out, row);
		ferry_matmul_packed_reference(&p.w, &p.act, y);
		for (size_t k = 0; k < MAX_TOKENS * n_out; k++) {
			error += pow((double)y[k] - (double)exact[k], 2);
			power += pow((double)exact[k], 2);
		}
		if (!(error <= 5e-5 * power))
			fail_msg("%s: normalized error %g", types[i].name, error / power);
		free(exact);
		free(y);
		free(row);
		problem_free(&p);
	}
}

static void an_infinite_scale_is_seen(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	struct problem p;
	float y[16];

	(void)state;
	problem_new(&p, ferry_type_traits(FERRY_TYPE_Q4_0), 64, 16, QUANTIZED, ORDINARY);
	p.rows[3 * p.w.row_bytes + 1] = 0x7c;
	ferry_pack_groups(&p.w, 0, 1, p.groups);
	for (unsigned k = 0; k < n_sets; k++) {
		sets[k]->matmul_packed(&p.packed, &p.act, 0, 1, y, 16, 0, 1);
		assert_false(isfinite(y[3]));
		assert_true(isfinite(y[2]));
	}
	problem_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sets_give_the_bits_of_the_reference),
		cmocka_unit_test(nothing_overflows),
		cmocka_unit_test(the_largest_sums_are_exact),
		cmocka_unit_test(the_reference_is_close_to_the_exact_product),
		cmocka_unit_test(an_infinite_scale_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
