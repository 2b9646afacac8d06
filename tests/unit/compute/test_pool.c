// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* sched_getaffinity */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "compute/pool.h"

struct visit {
	atomic_uint calls[16];
	atomic_uint n_threads;
};

static void visit(void *data, uint32_t thread, uint32_t n_threads)
{
	struct visit *v = data;

	atomic_fetch_add(&v->calls[thread], 1);
	atomic_store(&v->n_threads, n_threads);
}

static void test_every_thread_runs_once(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 16; n += 3) {
		struct ferry_pool *pool;
		struct visit v = {0};

		assert_int_equal(ferry_pool_new(n, &pool, NULL), 0);
		assert_int_equal(ferry_pool_n_threads(pool), n);
		for (unsigned run = 1; run <= 60; run++) {
			ferry_pool_run(pool, visit, &v);
			for (uint32_t t = 0; t < 16; t++)
				assert_int_equal(v.calls[t], t < n ? run : 0);
			assert_int_equal(v.n_threads, n);
		}
		ferry_pool_free(pool);
	}
}

static void test_without_a_pool_the_caller_runs(void **state)
{
	struct visit v = {0};

	(void)state;
	ferry_pool_run(NULL, visit, &v);
	assert_int_equal(v.calls[0], 1);
	assert_int_equal(v.n_threads, 1);
	assert_int_equal(ferry_pool_n_threads(NULL), 1);
	ferry_pool_barrier(NULL);
	ferry_pool_free(NULL);
}

enum { STEPS = 100 };

struct relay {
	struct ferry_pool *pool;
	uint32_t value[8]
		      [16]; /* one cache line each; plain, so that a thread checker sees a race */
	atomic_uint wrong;
};

/* In every step each thread writes, then all read what the others wrote in this step. */
static void relay(void *data, uint32_t thread, uint32_t n_threads)
{
	struct relay *r = data;

	for (uint32_t step = 1; step <= STEPS; step++) {
		r->value[thread][0] = step;
		ferry_pool_barrier(r->pool);
		for (uint32_t t = 0; t < n_threads; t++)
			if (r->value[t][0] != step)
				atomic_fetch_add(&r->wrong, 1);
		ferry_pool_barrier(r->pool);
	}
}

static void test_barrier_separates_writers_from_readers(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 8; n += n < 4 ? 1 : 4) {
		struct relay r = {0};

		assert_int_equal(ferry_pool_new(n, &r.pool, NULL), 0);
		ferry_pool_run(r.pool, relay, &r);
		ferry_pool_run(r.pool, relay, &r);
		assert_int_equal(r.wrong, 0);
		ferry_pool_free(r.pool);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Of this process' own processor time, which a busy machine cannot make longer. */
static void test_idle_threads_sleep(void **state)
{
	const struct timespec idle = {.tv_nsec = 300000000};
	struct ferry_pool *pool;
	struct visit v = {0};
	uint64_t before;

	(void)state;
	assert_int_equal(ferry_pool_new(4, &pool, NULL), 0);
	ferry_pool_run(pool, visit, &v);
	before = cpu_ns();
	nanosleep(&idle, NULL);
	assert_true(cpu_ns() - before <
		    100000000); /* a spinning thread alone takes three times that */
	ferry_pool_run(pool, visit, &v);
	assert_int_equal(v.calls[3], 2);
	ferry_pool_free(pool);
}

static void test_zero_means_the_cpus_of_this_process(void **state)
{
	struct ferry_pool *pool;
	cpu_set_t all, one;

	(void)state;
	CPU_ZERO(&one);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(ferry_pool_new(0, &pool, NULL), 0);
	if (CPU_COUNT(&all) <= FERRY_POOL_MAX_THREADS)
		assert_int_equal(ferry_pool_n_threads(pool), CPU_COUNT(&all));
	ferry_pool_free(pool);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(ferry_pool_new(0, &pool, NULL), 0);
	assert_int_equal(ferry_pool_n_threads(pool), 1);
	ferry_pool_free(pool);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void test_too_many_threads_are_refused(void **state)
{
	struct ferry_pool *pool = (struct ferry_pool *)&pool;
	struct ferry_error err;

	(void)state;
	assert_int_equal(ferry_pool_new(FERRY_POOL_MAX_THREADS + 1, &pool, &err), -EINVAL);
	assert_null(pool);
	assert_int_equal(err.kind, FERRY_ERROR_CALLER);
	assert_non_null(strstr(err.text, "257"));
}

static void test_shares_cover_everything_once(void **state)
{
	(void)state;
	for (size_t n = 0; n < 100; n += 7)
		for (size_t grain = 1; grain <= 16; grain *= 4)
			for (uint32_t n_threads = 1; n_threads <= 9; n_threads++) {
				size_t next = 0;

				for (uint32_t t = 0; t < n_threads; t++) {
					size_t begin, end;

					ferry_pool_share(n, grain, t, n_threads, &begin, &end);
					assert_int_equal(begin, next);
					assert_true(begin <= end && end <= n);
					assert_true(begin % grain == 0 || begin == n);
					next = end;
				}
				assert_int_equal(next, n);
			}
}

/* Two sections with a barrier between them: every item of each is taken once. */
struct taking {
	struct ferry_pool *pool;
	size_t n, grain;
	atomic_uint *taken[2]; /* [n] */
};

static void take_all(void *data, uint32_t thread, uint32_t n_threads)
{
	struct taking *t = data;

	(void)thread, (void)n_threads;
	for (int section = 0; section < 2; section++) {
		for (size_t b = 0, e = 0; ferry_pool_take(t->pool, t->n, t->grain, &b, &e);)
			for (size_t i = b; i < e; i++)
				atomic_fetch_add(&t->taken[section][i], 1);
		ferry_pool_barrier(t->pool);
	}
}

static void test_every_item_is_taken_once(void **state)
{
	static const size_t sizes[][2] = {{0, 1}, {1, 1}, {7, 3}, {64, 64}, {65, 64}, {1000, 7}};
	struct ferry_error err;

	(void)state;
	for (uint32_t n_threads = 0; n_threads <= 5; n_threads++) {
		struct taking t = {0};

		if (n_threads)
			assert_int_equal(ferry_pool_new(n_threads, &t.pool, &err), 0);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			for (int run = 0; run < 20; run++) {
				t.n = sizes[k][0];
				t.grain = sizes[k][1];
				for (int s = 0; s < 2; s++) {
					t.taken[s] = calloc(t.n + 1, sizeof(*t.taken[s]));
					assert_non_null(t.taken[s]);
				}
				ferry_pool_run(t.pool, take_all, &t);
				for (int s = 0; s < 2; s++) {
					for (size_t i = 0; i < t.n; i++)
						assert_int_equal(atomic_load(&t.taken[s][i]), 1);
					assert_int_equal(atomic_load(&t.taken[s][t.n]), 0);
					free(t.taken[s]);
				}
			}
		ferry_pool_free(t.pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_thread_runs_once),
		cmocka_unit_test(test_without_a_pool_the_caller_runs),
		cmocka_unit_test(test_barrier_separates_writers_from_readers),
		cmocka_unit_test(test_idle_threads_sleep),
		cmocka_unit_test(test_zero_means_the_cpus_of_this_process),
		cmocka_unit_test(test_too_many_threads_are_refused),
		cmocka_unit_test(test_shares_cover_everything_once),
		cmocka_unit_test(test_every_item_is_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
