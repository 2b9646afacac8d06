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

enum { DIM = 80, POSITIONS = 2 * FERRY_ATTENTION_TILE };

struct cache {
	struct ferry_attention_kv kv;
	size_t key_bytes, value_bytes;
};

static void cache_new(struct cache *c, enum ferry_attention_type type, uint32_t dim)
{
	const size_t tiles = POSITIONS / FERRY_ATTENTION_TILE;

	*c = (struct cache){.kv = {.key_dim = dim, .value_dim = dim, .type = type},
			    .key_bytes = tiles * ferry_attention_key_tile(type, dim),
			    .value_bytes = tiles * ferry_attention_value_tile(type, dim)};
	c->kv.keys = calloc(1, c->key_bytes);
	c->kv.values = calloc(1, c->value_bytes);
	assert_non_null(c->kv.keys);
	assert_non_null(c->kv.values);
}

static void cache_free(struct cache *c)
{
	free(c->kv.keys);
	free(c->kv.values);
}

/* Every position has a place of its own, and all sets write the same bytes. */
static void check_round_trip(enum ferry_attention_type type, uint32_t dim, float step)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	struct cache first = {0}, c;
	float x[256], back[256];

	for (unsigned k = 0; k < n_sets; k++) {
		cache_new(&c, type, dim);
		for (uint32_t j = 0; j < POSITIONS; j++) {
			for (uint32_t d = 0; d < dim; d++)
				x[d] = sinf((float)(j * 131 + d * 7)) * (float)(1 + j % 5);
			sets[k]->put_key(&c.kv, j, x);
			for (uint32_t d = 0; d < dim; d++)
				x[d] = -2.0f * x[d];
			sets[k]->put_value(&c.kv, j, x);
		}
		for (uint32_t j = 0; j < POSITIONS; j++)
			for (int value = 0; value < 2; value++) {
				if (value)
					ferry_attention_get_value(&c.kv, j, back);
				else
					ferry_attention_get_key(&c.kv, j, back);
				for (uint32_t d = 0; d < dim; d++) {
					const float want = sinf((float)(j * 131 + d * 7)) *
							   (float)(1 + j % 5) *
							   (value ? -2.0f : 1.0f);

					assert_true(fabsf(back[d] - want) <= step * 10.0f / 2.0f);
				}
			}
		if (!k) {
			first = c;
			continue;
		}
		assert_memory_equal(c.kv.keys, first.kv.keys, c.key_bytes);
		assert_memory_equal(c.kv.values, first.kv.values, c.value_bytes);
		cache_free(&c);
	}
	cache_free(&first);
}

static void test_round_trip(void **state)
{
	static const uint32_t dims[] = {1, 8, 31, 64, 80, 131, 256};

	(void)state;
	for (unsigned i = 0; i < sizeof(dims) / sizeof(dims[0]); i++) {
		check_round_trip(FERRY_ATTENTION_F32, dims[i], 0.0f);
		check_round_trip(FERRY_ATTENTION_F16, dims[i], 1.0f / 1024.0f);
		check_round_trip(FERRY_ATTENTION_Q8, dims[i], 1.0f / 126.0f);
	}
}

/* One float through every set and both tiles of F16: the bits of ferry_f32_to_f16(). */
static void check_halves(const struct cache *c, const struct ferry_kernels *set, const float *x)
{
	uint16_t h;

	set->put_key(&c->kv, 3, x);
	set->put_value(&c->kv, 3, x);
	for (uint32_t d = 0; d < DIM; d++) {
		const uint16_t want = ferry_f32_to_f16(x[d]);

		memcpy(&h, c->kv.keys + 2 * ferry_attention_key_at(c->kv.type, DIM, 3, d), 2);
		if (h != want)
			fail_msg("%s: key %a is %04x, not %04x", set->name, (double)x[d], h, want);
		memcpy(&h, c->kv.values + 2 * ferry_attention_value_at(c->kv.type, 3, d), 2);
		if (h != want)
			fail_msg("%s: value %a is %04x, not %04x", set->name, (double)x[d], h,
				 want);
	}
}

/* Around every binary16 number, every midpoint of two, and anything at all. */
static void test_f16_is_rounded_as_by_the_reference(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	uint64_t seed = 5;
	struct cache c;
	float x[DIM];

	(void)state;
	cache_new(&c, FERRY_ATTENTION_F16, DIM);
	for (uint32_t h = 0; h < 65536; h += DIM / 8) {
		for (uint32_t i = 0; i < DIM / 8; i++) {
			const float f = ferry_f16_to_f32((uint16_t)(h + i));
			const float g = ferry_f16_to_f32((uint16_t)(h + i + 1));
			const float middle = (f + g) / 2.0f;
			const uint32_t bits[2] = {random_bits(&seed), random_bits(&seed)};

			x[8 * i] = f;
			x[8 * i + 1] = nextafterf(f, INFINITY);
			x[8 * i + 2] = nextafterf(f, -INFINITY);
			x[8 * i + 3] = middle;
			x[8 * i + 4] = nextafterf(middle, INFINITY);
			x[8 * i + 5] = nextafterf(middle, -INFINITY);
			memcpy(&x[8 * i + 6], bits, sizeof(bits));
		}
		for (unsigned k = 0; k < n_sets; k++)
			check_halves(&c, sets[k], x);
	}
	cache_free(&c);
}

/* Steps of a Q8 block are a 127th of its largest number, or by up to a 128th of that longer. */
static void test_q8_blocks_have_scales_of_their_own(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	static const float sizes[] = {1.0f, 1e-30f, 3e38f, 0.0f, 1e-38f, 1234.5f};
	float x[192], back[192];
	struct cache c;

	(void)state;
	for (unsigned k = 0; k < n_sets; k++) {
		cache_new(&c, FERRY_ATTENTION_Q8, 192);
		for (uint32_t d = 0; d < 192; d++)
			x[d] = sizes[d / 32] * ((float)((int)(d * 37 % 64) - 32) / 32.0f);
		sets[k]->put_key(&c.kv, 70, x);
		ferry_attention_get_key(&c.kv, 70, back);
		for (uint32_t d = 0; d < 192; d++)
			if (!(fabsf(back[d] - x[d]) <=
			      sizes[d / 32] * (sizes[d / 32] < 1e-36f ? 1.0f : 0.51f / 126.0f)))
				fail_msg("%s: dimension %u is %g, not %g", sets[k]->name, d,
					 (double)back[d], (double)x[d]);
		cache_free(&c);
	}
}

static void test_q8_of_what_is_not_a_number_is_none(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	static const float bad[] = {INFINITY, -INFINITY, NAN};
	float x[64] = {0}, back[64];
	struct cache c;

	(void)state;
	for (unsigned k = 0; k < n_sets; k++)
		for (int b = 0; b < 3; b++) {
			cache_new(&c, FERRY_ATTENTION_Q8, 64);
			x[40] = bad[b];
			sets[k]->put_key(&c.kv, 0, x);
			ferry_attention_get_key(&c.kv, 0, back);
			assert_true(back[0] == 0.0f && isnan(back[32]) && isnan(back[63]));
			sets[k]->put_value(&c.kv, 0, x);
			ferry_attention_get_value(&c.kv, 0, back);
			assert_true(isnan(back[0]) && isnan(back[63]));
			cache_free(&c);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_f16_is_rounded_as_by_the_reference),
		cmocka_unit_test(test_q8_blocks_have_scales_of_their_own),
		cmocka_unit_test(test_q8_of_what_is_not_a_number_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
