/* SPDX-License-Identifier: MIT */
/*
 * A persistent pool of threads that run one function together. Idle threads sleep; nothing
 * spins while a session waits.
 */
#ifndef FERRY_COMPUTE_POOL_H
#define FERRY_COMPUTE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

struct ferry_pool;

enum { FERRY_POOL_MAX_THREADS = 256 };

/**
 * ferry_pool_new - start n_threads - 1 threads; the caller of ferry_pool_run() is the first.
 * @n_threads: 1..FERRY_POOL_MAX_THREADS; 0 means the CPUs this process may run on
 *
 * Return: 0, -EINVAL, -EAGAIN where the system refuses a thread, -ENOMEM.
 */
int ferry_pool_new(uint32_t n_threads, struct ferry_pool **out, struct ferry_error *err);
void ferry_pool_free(struct ferry_pool *p);

uint32_t ferry_pool_n_threads(const struct ferry_pool *p);

/*
 * Runs fn(data, thread, n_threads) on every thread, thread = 0..n_threads-1, and returns when all
 * have returned. Not re-entrant; one caller at a time. @p may be NULL: fn(data, 0, 1) here.
 */
void ferry_pool_run(struct ferry_pool *p,
		    void (*fn)(void *data, uint32_t thread, uint32_t n_threads), void *data);

/* Inside fn: wait until every thread of this run has come here. */
void ferry_pool_barrier(struct ferry_pool *p);

/*
 * Inside fn: some of n items that no thread has taken since the run began or the last barrier was
 * passed; false: none are left. All threads give the same n and grain, and begin with *begin = *end
 * = 0. Threads whose core is slower, or shared, so take less. What is taken at once is half of what
 * would be a thread's part of the rest, in whole grains (the last may be less): large pieces first,
 * and at the end small ones, so that all threads finish within the time of a grain.
 */
bool ferry_pool_take(struct ferry_pool *p, size_t n, size_t grain, size_t *begin, size_t *end);

/* The part of n items, in units of `grain`, that one of n_threads threads takes. */
static inline void ferry_pool_share(size_t n, size_t grain, uint32_t thread, uint32_t n_threads,
				    size_t *begin, size_t *end)
{
	size_t units = (n + grain - 1) / grain;
	size_t b = units * thread / n_threads * grain, e = units * (thread + 1) / n_threads * grain;

	*begin = b < n ? b : n;
	*end = e < n ? e : n;
}

#endif
