// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compute/kernels.h"
#include "engine/kv_layout.h"
#include "fixture.h"

static void fill(float *x, uint32_t n, uint32_t layer, uint32_t head, uint32_t position, bool key)
{
	for (uint32_t d = 0; d < n; d++)
		x[d] = (float)(((layer * 3 + head) * 97 + position) * 2 + key) + (float)d / 64.0f;
}

/* Every position of every head and layer has a place of its own. */
static void check_round_trip(enum ferry_kv_type type, uint32_t n_ctx)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){.n_head_kv = 2});
	const uint32_t key_dim = m->hp.n_head_dim, value_dim = m->hp.n_value_dim;
	struct ferry_kv_cache *kv = new_cache(m, n_ctx, type);
	const struct ferry_kernels *k = ferry_kernels_best();
	struct ferry_attention_kv head;
	float key[256], value[256], want[256];

	assert_true(key_dim <= 256 && value_dim <= 256);
	for (uint32_t l = 0; l < m->hp.n_layers; l++)
		for (uint32_t h = 0; h < m->hp.n_head_kv; h++)
			for (uint32_t p = 0; p < n_ctx; p++) {
				fill(key, key_dim, l, h, p, true);
				fill(value, value_dim, l, h, p, false);
				head = ferry_kv_head(kv, l, h);
				k->put_key(&head, p, key);
				k->put_value(&head, p, value);
			}
	for (uint32_t l = 0; l < m->hp.n_layers; l++)
		for (uint32_t h = 0; h < m->hp.n_head_kv; h++)
			for (uint32_t p = 0; p < n_ctx; p++) {
				/* of numbers up to 2400 */
				const float off = type == FERRY_KV_Q8	 ? 9.6f
						  : type == FERRY_KV_F16 ? 1.0f
									 : 0.0f;

				head = ferry_kv_head(kv, l, h);
				ferry_attention_get_key(&head, p, key);
				ferry_attention_get_value(&head, p, value);
				fill(want, key_dim, l, h, p, true);
				for (uint32_t d = 0; d < key_dim; d++)
					assert_true(fabsf(key[d] - want[d]) <= off);
				fill(want, value_dim, l, h, p, false);
				for (uint32_t d = 0; d < value_dim; d++)
					assert_true(fabsf(value[d] - want[d]) <= off);
			}
	ferry_kv_cache_free(kv);
	ferry_model_free(m);
}

static void test_round_trip_f32(void **state)
{
	(void)state;
	check_round_trip(FERRY_KV_F32, 130);
}

static void test_round_trip_f16(void **state)
{
	(void)state;
	check_round_trip(FERRY_KV_F16, 64);
	check_round_trip(FERRY_KV_F16, 1);
}

static void test_round_trip_q8(void **state)
{
	(void)state;
	check_round_trip(FERRY_KV_Q8, 64);
	check_round_trip(FERRY_KV_Q8, 67);
}

static void test_type_names(void **state)
{
	(void)state;
	assert_string_equal(ferry_kv_type_name(FERRY_KV_F16), "f16");
	assert_string_equal(ferry_kv_type_name(FERRY_KV_F32), "f32");
	assert_string_equal(ferry_kv_type_name(FERRY_KV_Q8), "q8");
	assert_null(ferry_kv_type_name(FERRY_KV_TYPES));
	assert_null(ferry_kv_type_name((enum ferry_kv_type) - 1));
}

/* Half of F16, and the scales. */
static void test_size_of_q8(void **state)
{
	struct ferry_model m = {
		.hp = {.n_layers = 2, .n_head_kv = 3, .n_head_dim = 128, .n_value_dim = 64}};

	(void)state;
	assert_int_equal(ferry_kv_cache_bytes(&m, 0, 2, 64, FERRY_KV_Q8),
			 2 * 3 * 64 * (128 + 2 * 4 + 64 + 2 * 1));
	m.hp.n_head_dim = 80; /* three blocks */
	assert_int_equal(ferry_kv_cache_bytes(&m, 0, 2, 64, FERRY_KV_Q8),
			 2 * 3 * 64 * (96 + 2 * 3 + 64 + 2 * 1));
}

static void test_size(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){.n_layers = 3});
	const size_t position = (size_t)m->hp.n_head_kv * (m->hp.n_head_dim + m->hp.n_value_dim);
	struct ferry_kv_cache *kv;

	(void)state;
	assert_int_equal(ferry_kv_cache_bytes(m, 0, 3, 64, FERRY_KV_F16), 3 * 64 * position * 2);
	assert_int_equal(ferry_kv_cache_bytes(m, 1, 2, 64, FERRY_KV_F32), 64 * position * 4);
	assert_int_equal(ferry_kv_cache_bytes(m, 1, 1, 64, FERRY_KV_F32), 0);
	assert_int_equal(ferry_kv_cache_bytes(m, 0, 3, 65, FERRY_KV_F16),
			 ferry_kv_cache_bytes(m, 0, 3, 128, FERRY_KV_F16));
	kv = new_cache(m, 65, FERRY_KV_F16);
	assert_int_equal(kv->n_bytes, ferry_kv_cache_bytes(m, 0, 3, 65, FERRY_KV_F16));
	assert_int_equal(kv->n_ctx, 65);
	assert_int_equal(kv->n_past, 0);
	ferry_kv_cache_free(kv);
	ferry_model_free(m);
}

static void test_size_that_overflows(void **state)
{
	struct ferry_model m = {
		.hp = {.n_layers = 1u << 31,
		       .n_head_kv = 1u << 31,
		       .n_head_dim = 1u << 30,
		       .n_value_dim = 1u << 30},
	};
	struct ferry_kv_cache *kv = (struct ferry_kv_cache *)&m;
	struct ferry_error err;

	(void)state;
	assert_true(ferry_kv_cache_bytes(&m, 0, 1u << 31, UINT32_MAX, FERRY_KV_F32) == SIZE_MAX);
	assert_int_equal(ferry_kv_cache_new(&m, 0, 1u << 31, UINT32_MAX, FERRY_KV_F32, &kv, &err),
			 -ENOMEM);
	assert_null(kv);
	assert_int_equal(err.kind, FERRY_ERROR_MEMORY);
}

static void test_layers_outside_the_model_are_refused(void **state)
{
	struct ferry_model *m = load_fixture(&(struct ferry_tiny_model){.n_layers = 2});
	struct ferry_kv_cache *kv;
	struct ferry_error err;

	(void)state;
	assert_int_equal(ferry_kv_cache_new(m, 0, 3, 8, FERRY_KV_F16, &kv, &err), -EINVAL);
	assert_null(kv);
	assert_int_equal(ferry_kv_cache_new(m, 2, 1, 8, FERRY_KV_F16, &kv, &err), -EINVAL);
	assert_int_equal(ferry_kv_cache_new(m, 0, 2, 8, (enum ferry_kv_type)9, &kv, &err), -EINVAL);
	assert_int_equal(ferry_kv_cache_new(m, 2, 2, 8, FERRY_KV_F16, &kv, &err), 0);
	ferry_kv_cache_free(kv);
	ferry_kv_cache_free(NULL);
	ferry_model_free(m);
}

static void test_truncate_only_shortens(void **state)
{
	struct ferry_kv_cache kv = {.n_past = 10};

	(void)state;
	ferry_kv_cache_truncate(&kv, 20);
	assert_int_equal(kv.n_past, 10);
	ferry_kv_cache_truncate(&kv, 4);
	assert_int_equal(kv.n_past, 4);
	ferry_kv_cache_truncate(&kv, 0);
	assert_int_equal(kv.n_past, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip_f32),
		cmocka_unit_test(test_round_trip_f16),
		cmocka_unit_test(test_round_trip_q8),
		cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_size_of_q8),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_size_that_overflows),
		cmocka_unit_test(test_layers_outside_the_model_are_refused),
		cmocka_unit_test(test_truncate_only_shortens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
