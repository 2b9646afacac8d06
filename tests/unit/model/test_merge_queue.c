// SPDX-License-Identifier: MIT
/*
 * The queue against the rule itself: look at all pairs, merge the best, start again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/merge_queue.h"

enum { MAX_SYMBOLS = 200, N_TEXTS = 300 };

struct rule {
	uint32_t seed;
	uint32_t n_orders; /* few, so that many pairs tie */
};

/* Any two symbols become one of an order that depends on what they are, or stay apart. */
static bool pair(const void *data, const struct ferry_symbol *left,
		 const struct ferry_symbol *right, uint32_t *order, int32_t *id)
{
	const struct rule *r = data;
	uint32_t h = (uint32_t)left->id * 2654435761u ^ (uint32_t)right->id * 40503u ^ r->seed;

	h ^= h >> 15;
	h *= 2246822519u;
	h ^= h >> 13;
	if (h % 4 == 0)
		return false;
	*order = (h >> 4) % r->n_orders;
	*id = (int32_t)(h >> 8 & 0xffff);
	return true;
}

static size_t merge_by_rule(struct ferry_symbol *s, size_t n, const struct rule *r)
{
	for (;;) {
		uint32_t order, best_order = UINT32_MAX;
		int32_t id, best_id = -1;
		size_t best = n;

		for (size_t i = 0; i + 1 < n; i++)
			if (pair(r, &s[i], &s[i + 1], &order, &id) && order < best_order) {
				best_order = order;
				best_id = id;
				best = i;
			}
		if (best == n)
			return n;
		s[best].n += s[best + 1].n;
		s[best].id = best_id;
		memmove(&s[best + 1], &s[best + 2], (n - best - 2) * sizeof(*s));
		n--;
	}
}

static void check(struct ferry_merge_queue *q, uint32_t seed)
{
	struct ferry_symbol want[MAX_SYMBOLS];
	struct rule r = {.seed = seed, .n_orders = seed % 3 ? 1000 : 3};
	size_t n = seed % MAX_SYMBOLS, n_want, k = 0;

	ferry_merge_queue_clear(q);
	for (size_t i = 0; i < n; i++) {
		int32_t id = (int32_t)((uint32_t)(i * 7919 + seed) * 2654435761u >> 30);

		want[i] = (struct ferry_symbol){.start = (uint32_t)i, .n = 1, .id = id};
		assert_int_equal(ferry_merge_queue_add(q, (uint32_t)i, 1, id), 0);
	}
	n_want = merge_by_rule(want, n, &r);
	assert_int_equal(ferry_merge_queue_run(q, pair, &r), 0);
	for (int32_t i = n ? 0 : -1; i >= 0; i = q->symbols[i].next, k++) {
		assert_true(k < n_want);
		assert_int_equal(q->symbols[i].start, want[k].start);
		assert_int_equal(q->symbols[i].n, want[k].n);
		assert_int_equal(q->symbols[i].id, want[k].id);
	}
	assert_int_equal(k, n_want);
}

static void test_merges_in_the_order_of_the_rule(void **state)
{
	struct ferry_merge_queue q = {0};

	(void)state;
	for (uint32_t seed = 0; seed < N_TEXTS; seed++)
		check(&q, seed);
	ferry_merge_queue_free(&q);
	assert_null(q.symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merges_in_the_order_of_the_rule),
	};

	return cmocka_run_group_tests_name("model/merge_queue", tests, NULL, NULL);
}
