// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

static atomic_uint n_calls;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);

void *__wrap_malloc(size_t n)
{
	atomic_fetch_add(&n_calls, 1);
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	atomic_fetch_add(&n_calls, 1);
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	atomic_fetch_add(&n_calls, 1);
	return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
	atomic_fetch_add(&n_calls, 1);
	return __real_aligned_alloc(alignment, n);
}

static void check_pass(const struct ferry_tiny_model *options, enum ferry_path path)
{
	struct ferry_model *m = load_fixture(options);
	const int32_t ids[5] = {1, 2, 3, 4, 5};
	struct ferry_kv_cache *kv = new_cache(m, 8, FERRY_KV_F16);
	float *hidden = calloc(5 * (size_t)m->hp.n_embd, sizeof(*hidden));
	float *logits = calloc(5 * (size_t)m->hp.n_vocab, sizeof(*logits));
	const struct ferry_span span = {kv, 5};
	struct ferry_forward *f;
	struct ferry_pool *pool;
	struct ferry_error err;
	unsigned before;

	assert_true(hidden && logits);
	assert_int_equal(ferry_pool_new(2, &pool, &err), 0);
	assert_int_equal(ferry_forward_new(m, pool, 5, path, &f, &err), 0);
	before = n_calls;
	assert_true(before > 0);
	assert_int_equal(ferry_forward_embed(f, ids, 5, hidden, &err), 0);
	assert_int_equal(ferry_forward_layers(f, &span, 1, 0, m->hp.n_layers, hidden, &err), 0);
	ferry_forward_advance(&span, 1);
	assert_int_equal(ferry_forward_head(f, hidden, 5, logits, &err), 0);
	assert_int_equal(n_calls, before);
	ferry_forward_free(f);
	ferry_pool_free(pool);
	free(logits);
	free(hidden);
	ferry_kv_cache_free(kv);
	ferry_model_free(m);
}

static void test_a_pass_allocates_nothing(void **state)
{
	(void)state;
	check_pass(&(struct ferry_tiny_model){.type = FERRY_TYPE_Q4_K}, FERRY_PATH_DEFAULT);
	check_pass(&(struct ferry_tiny_model){.n_experts = 4}, FERRY_PATH_DEFAULT);
	check_pass(&(struct ferry_tiny_model){.arch = "gemma3"}, FERRY_PATH_DEFAULT);
	check_pass(&(struct ferry_tiny_model){.n_experts = 4}, FERRY_PATH_REFERENCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pass_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
