// SPDX-License-Identifier: MIT
/*
 * Who waits looks a bounded number of times, then sleeps in the kernel (futex): a decode step has
 * hundreds of short waits, and a session that waits for its user must cost nothing.
 *
 * Sleepers are counted, so that nobody makes a system call to wake threads that are awake. The
 * counter and the word slept on are sequentially consistent: either the waker sees the sleeper's
 * count, or the sleeper (in the kernel, which compares the word again) sees the waker's change.
 */
#define _GNU_SOURCE /* sched_getaffinity, pthread_setname_np */
#include "compute/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

enum {
	/*
	 * Looks before sleeping. Between the parts of a pass they last as long as one thread may be
	 * late because others use the machine, about a millisecond: a wake-up costs tens of
	 * microseconds, and there are hundreds of parts in a token. Between passes, a few wake-ups.
	 */
	SPINS = 40000,
	IDLE_SPINS = 2000,
	CACHE_LINE = 64,
};

/* A number that threads wait to change. */
struct event {
	_Alignas(CACHE_LINE) atomic_uint value;
	atomic_uint sleepers;
};

struct worker {
	struct ferry_pool *pool;
	pthread_t thread;
	uint32_t index;
};

struct ferry_pool {
	uint32_t n_threads;
	int spins;		/* within a pass */
	struct worker *workers; /* [n_threads - 1], threads 1... */

	/* written before `run` changes, read after */
	void (*fn)(void *data, uint32_t thread, uint32_t n_threads);
	void *data;
	bool stop;

	struct event run;			  /* counts runs */
	struct event barrier;			  /* counts barriers passed */
	struct event done;			  /* counts runs finished */
	_Alignas(CACHE_LINE) atomic_uint arrived; /* at the present barrier */
	_Alignas(CACHE_LINE) atomic_size_t next;  /* item that nobody has taken yet */
	_Alignas(CACHE_LINE) atomic_uint running; /* workers that have not returned from fn */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void event_wait(struct event *e, unsigned old, int spins)
{
	for (int i = 0; i < spins; i++) {
		if (atomic_load_explicit(&e->value, memory_order_acquire) != old)
			return;
		relax();
	}
	atomic_fetch_add(&e->sleepers, 1);
	while (atomic_load(&e->value) == old)
		syscall(SYS_futex, &e->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
	atomic_fetch_sub(&e->sleepers, 1);
}

static void event_advance(struct event *e)
{
	atomic_fetch_add(&e->value, 1);
	if (atomic_load(&e->sleepers))
		syscall(SYS_futex, &e->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *work(void *data)
{
	struct worker *w = data;
	struct ferry_pool *p = w->pool;

	for (unsigned seen = 0;; seen++) {
		event_wait(&p->run, seen, IDLE_SPINS);
		if (p->stop)
			return NULL;
		p->fn(p->data, w->index, p->n_threads);
		if (atomic_fetch_sub(&p->running, 1) == 1)
			event_advance(&p->done);
	}
}

void ferry_pool_run(struct ferry_pool *p,
		    void (*fn)(void *data, uint32_t thread, uint32_t n_threads), void *data)
{
	unsigned done;

	if (!p || p->n_threads == 1) {
		fn(data, 0, 1);
		return;
	}
	done = atomic_load(&p->done.value);
	p->fn = fn;
	p->data = data;
	atomic_store(&p->running, p->n_threads - 1);
	atomic_store(&p->next, 0);
	event_advance(&p->run);
	fn(data, 0, p->n_threads);
	event_wait(&p->done, done, p->spins);
}

void ferry_pool_barrier(struct ferry_pool *p)
{
	unsigned passed;

	if (!p || p->n_threads == 1)
		return;
	passed = atomic_load(&p->barrier.value);
	if (atomic_fetch_add(&p->arrived, 1) + 1 < p->n_threads) {
		event_wait(&p->barrier, passed, p->spins);
		return;
	}
	/* The last one: nobody counts for the next barrier before this one is passed. */
	atomic_store(&p->arrived, 0);
	atomic_store(&p->next, 0);
	event_advance(&p->barrier);
}

bool ferry_pool_take(struct ferry_pool *p, size_t n, size_t grain, size_t *begin, size_t *end)
{
	size_t taken, share;

	if (!p || p->n_threads == 1) {
		*begin = *end;
		*end = n;
		return *begin < n;
	}
	taken = atomic_load_explicit(&p->next, memory_order_relaxed);
	do {
		if (taken >= n)
			return false;
		share = (n - taken) / (2 * (size_t)p->n_threads) / grain * grain;
		if (!share)
			share = grain < n - taken ? grain : n - taken;
	} while (!atomic_compare_exchange_weak_explicit(
		&p->next, &taken, taken + share, memory_order_relaxed, memory_order_relaxed));
	*begin = taken;
	*end = taken + share;
	return true;
}

static uint32_t cpus_of_this_process(void)
{
	cpu_set_t set;
	int n;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	n = CPU_COUNT(&set);
	return n > FERRY_POOL_MAX_THREADS ? FERRY_POOL_MAX_THREADS : n > 0 ? (uint32_t)n : 1;
}

/* The application's signals are the application's threads' business. */
static int start(struct worker *w)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ret)
		pthread_setname_np(w->thread, "ferry-pool");
	return ret;
}

static void stop(struct ferry_pool *p, uint32_t n_started)
{
	p->stop = true;
	event_advance(&p->run);
	for (uint32_t i = 0; i < n_started; i++)
		pthread_join(p->workers[i].thread, NULL);
}

int ferry_pool_new(uint32_t n_threads, struct ferry_pool **out, struct ferry_error *err)
{
	struct ferry_pool *p;
	uint32_t i;
	int ret;

	*out = NULL;
	if (n_threads > FERRY_POOL_MAX_THREADS)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "%u threads are too many: at most %u are possible", n_threads,
				  (unsigned)FERRY_POOL_MAX_THREADS);
	if (!n_threads)
		n_threads = cpus_of_this_process();
	p = aligned_alloc(CACHE_LINE, sizeof(*p));
	if (!p)
		return ferry_fail_memory(err, "the thread pool", sizeof(*p));
	/* Where threads share a core, who looks keeps the one that is waited for from working. */
	*p = (struct ferry_pool){
		.n_threads = n_threads,
		.spins = n_threads <= cpus_of_this_process() ? SPINS : IDLE_SPINS,
	};
	p->workers = calloc(n_threads, sizeof(*p->workers));
	if (!p->workers) {
		ret = ferry_fail_memory(err, "the thread pool", n_threads * sizeof(*p->workers));
		goto free_pool;
	}
	for (i = 0; i + 1 < n_threads; i++) {
		p->workers[i] = (struct worker){.pool = p, .index = i + 1};
		ret = start(&p->workers[i]);
		if (ret) {
			ret = ferry_fail(err, FERRY_ERROR_SYSTEM, -EAGAIN,
					 "cannot start thread %u of %u (%s): use fewer threads",
					 i + 1, n_threads, ferry_errno_text(ret));
			goto stop;
		}
	}
	*out = p;
	return 0;
stop:
	stop(p, i);
	free(p->workers);
free_pool:
	free(p);
	return ret;
}

void ferry_pool_free(struct ferry_pool *p)
{
	if (!p)
		return;
	stop(p, p->n_threads - 1);
	free(p->workers);
	free(p);
}

uint32_t ferry_pool_n_threads(const struct ferry_pool *p)
{
	return p ? p->n_threads : 1;
}
