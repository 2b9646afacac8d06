// SPDX-License-Identifier: MIT
/* Steps of a batch: who moves, how far, and whom a sequence that goes wrong does not touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "engine/batch.h"
#include "fixture.h"

enum { N_ITEMS = 3, N_LAYERS = 6 };

struct rig {
	struct ferry_model *model;
	struct ferry_forward *forward; /* of four tokens */
	struct ferry_batch *batch;     /* of three sequences */
	struct ferry_batch_item items[N_ITEMS + 1], *list[N_ITEMS + 1];
	struct ferry_error err;
};

static void open_rig(struct rig *r, const struct ferry_tiny_model *options)
{
	struct ferry_tiny_model o = options ? *options : (struct ferry_tiny_model){0};

	o.n_layers = N_LAYERS;
	*r = (struct rig){.model = load_fixture(&o)};
	r->forward = new_forward(r->model, 4, FERRY_PATH_DEFAULT);
	assert_int_equal(ferry_batch_new(r->forward, N_ITEMS, &r->batch, &r->err), 0);
	for (int i = 0; i <= N_ITEMS; i++) {
		const size_t n_embd = r->model->hp.n_embd;
		float *hidden = calloc(4 * n_embd, sizeof(float));

		assert_non_null(hidden);
		for (size_t k = 0; k < 4 * n_embd; k++)
			hidden[k] = sinf((float)(k + 1000 * (size_t)i));
		r->items[i] = (struct ferry_batch_item){.kv = new_cache(r->model, 8, FERRY_KV_F16),
							.n_tokens = 1,
							.end = N_LAYERS,
							.hidden = hidden};
		r->list[i] = &r->items[i];
	}
}

static void close_rig(struct rig *r)
{
	for (int i = 0; i <= N_ITEMS; i++) {
		ferry_kv_cache_free(r->items[i].kv);
		free(r->items[i].hidden);
	}
	ferry_batch_free(r->batch);
	ferry_forward_free(r->forward);
	ferry_model_free(r->model);
}

static int step(struct rig *r, uint32_t n, uint32_t max_layers)
{
	return ferry_batch_step(r->batch, r->list, n, max_layers, &r->err);
}

static void expect_at(const struct rig *r, uint32_t a, uint32_t b, uint32_t c)
{
	assert_int_equal(r->items[0].at, a);
	assert_int_equal(r->items[1].at, b);
	assert_int_equal(r->items[2].at, c);
}

static void the_last_one_goes_first(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, NULL);
	r.items[1].at = 3;
	r.items[2].at = 3;
	r.items[2].end = 4;
	assert_int_equal(step(&r, 3, 2), 2);
	expect_at(&r, 2, 3, 3);
	assert_int_equal(step(&r, 3, 9), 1); /* up to where the others wait */
	expect_at(&r, 3, 3, 3);
	assert_int_equal(step(&r, 3, 9), 1); /* until one is done */
	expect_at(&r, 4, 4, 4);
	assert_true(ferry_batch_done(&r.items[2]));
	assert_int_equal(step(&r, 3, 0), 1); /* at least one */
	expect_at(&r, 5, 5, 4);
	assert_int_equal(step(&r, 3, 9), 1);
	expect_at(&r, 6, 6, 4);
	assert_int_equal(step(&r, 3, 9), 0);
	expect_at(&r, 6, 6, 4);
	assert_int_equal(r.items[0].kv->n_past, 0);
	close_rig(&r);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, NULL);
	assert_int_equal(step(&r, 4, 1), -EINVAL); /* sequences */
	assert_non_null(strstr(r.err.text, "3 sequences"));
	r.items[0].n_tokens = 3;
	assert_int_equal(step(&r, 3, 1), -EINVAL); /* tokens */
	r.items[1].at = 1;			   /* not at the same time */
	assert_int_equal(step(&r, 2, 1), 1);
	r.items[0].kv->n_past = 6;
	assert_int_equal(step(&r, 1, 1), -ENOSPC);
	expect_at(&r, 1, 1, 0);
	close_rig(&r);
}

/* Whoever shares a pass must not pay for numbers that overflow elsewhere. */
static void what_is_not_finite_stays_with_its_sequence(void **state)
{
	static const struct ferry_tiny_model models[] = {
		{.arch = "llama"},
		{.arch = "llama", .type = FERRY_TYPE_Q4_0},
		{.arch = "qwen3moe", .type = FERRY_TYPE_Q8_0},
		{.arch = "gemma3", .type = FERRY_TYPE_Q8_0},
	};

	(void)state;
	for (unsigned k = 0; k < sizeof(models) / sizeof(models[0]); k++) {
		struct rig alone, company;
		size_t bytes;

		open_rig(&alone, &models[k]);
		open_rig(&company, &models[k]);
		bytes = alone.model->hp.n_embd * sizeof(float);
		for (uint32_t i = 0; i < alone.model->hp.n_embd; i++)
			company.items[1].hidden[i] = i % 2 ? INFINITY : NAN;
		for (int i = 0; i < 12; i++) {
			assert_true(step(&alone, 1, 1) >= 0);
			assert_true(step(&company, 3, 1) >= 0);
		}
		assert_true(company.items[1].failed);
		assert_false(company.items[0].failed || company.items[2].failed);
		assert_int_equal(company.items[0].at, N_LAYERS);
		assert_memory_equal(company.items[0].hidden, alone.items[0].hidden, bytes);
		close_rig(&alone);
		close_rig(&company);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_one_goes_first),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(what_is_not_finite_stays_with_its_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
