// SPDX-License-Identifier: MIT
/*
 * bench_read: how fast threads can stream a model's weights: the roofline of decoding, which reads
 * them all once per token. Through the mapping of the file, or out of a copy in huge pages, as
 * runtimes have it that rearrange the weights. Shares no code with `ferry bench`, whose own
 * reading can so be checked.
 */
#define _GNU_SOURCE /* MADV_HUGEPAGE */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/gguf.h"

enum {
	FAILED = 1,
	USAGE = 2,
	MAX_THREADS = 256,
	ROUNDS = 9,
	CHAINS = 8, /* independent sums of 32 bytes: loads in flight to fill a core's buffers */
	CACHE_LINE = 64,
	AHEAD = 1024, /* bytes; the best of 0, 1024, 2048 and 4096 on Zen 3 */
};

#define ROUND_NS 100000000u /* small models are read several times per round */

typedef uint64_t lane __attribute__((vector_size(32), aligned(1)));

struct options {
	const char *path;
	uint32_t n_threads;
	bool copy, json;
};

struct reader {
	pthread_t thread;
	const uint8_t *begin;
	size_t n;
	unsigned repeats;
	pthread_barrier_t *barrier;
	uint64_t sum; /* so that the loads have a use */
};

struct weights {
	const uint8_t *begin;
	size_t n;
	uint64_t per_token; /* bytes that decoding one token reads */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;
	unsigned long v;

	switch (key) {
	case 't':
		v = strtoul(arg, &end, 10);
		if (end == arg || *end || !v || v > MAX_THREADS)
			argp_error(state, "-t %s: a number from 1 to %d is needed", arg,
				   MAX_THREADS);
		o->n_threads = (uint32_t)v;
		return 0;
	case 'c':
		o->copy = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->path)
			argp_error(state, "one model is enough");
		o->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->path)
			argp_error(state, "MODEL is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"threads", 't', "N", 0, "threads (default 2)", 0},
	{"copy", 'c', NULL, 0, "read a copy of the weights in huge pages, not the file's mapping",
	 0},
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

static inline __attribute__((always_inline)) uint64_t sum_bytes(const uint8_t *p, size_t n)
{
	lane acc[CHAINS] = {{0}};
	uint64_t sum = 0;
	size_t i = 0;

	for (; i + sizeof(acc) <= n; i += sizeof(acc)) {
		/* Hardware prefetchers stop at the end of each small page. */
		for (size_t line = 0; line < sizeof(acc); line += CACHE_LINE)
			__builtin_prefetch(p + i + line + AHEAD);
		for (int k = 0; k < CHAINS; k++)
			acc[k] += *(const lane *)(p + i + (size_t)k * sizeof(lane));
	}
	for (int k = 0; k < CHAINS; k++)
		for (int l = 0; l < 4; l++)
			sum += acc[k][l];
	for (; i < n; i++)
		sum += p[i];
	return sum;
}

#if defined(__x86_64__)
/* Loads of 16 bytes, which is what a program for any x86-64 has, do not reach the same speed. */
__attribute__((target("avx2"))) static uint64_t sum_bytes_avx2(const uint8_t *p, size_t n)
{
	return sum_bytes(p, n);
}

static uint64_t stream(const uint8_t *p, size_t n)
{
	return __builtin_cpu_supports("avx2") ? sum_bytes_avx2(p, n) : sum_bytes(p, n);
}
#else
static uint64_t stream(const uint8_t *p, size_t n)
{
	return sum_bytes(p, n);
}
#endif

static void *read_share(void *data)
{
	struct reader *r = data;

	pthread_barrier_wait(r->barrier);
	for (unsigned i = 0; i < r->repeats; i++) {
		r->sum += stream(r->begin, r->n);
		/* or the compiler may read once and multiply */
		__asm__ volatile("" ::: "memory");
	}
	pthread_barrier_wait(r->barrier);
	return NULL;
}

/* All threads read their part @repeats times. Returns the time in ns, 0 where threads fail. */
static uint64_t read_all(const struct weights *w, uint32_t n_threads, unsigned repeats,
			 uint64_t *sum)
{
	static struct reader readers[MAX_THREADS];
	pthread_barrier_t barrier;
	size_t part = w->n / n_threads & ~(size_t)4095;
	uint64_t start;

	if (pthread_barrier_init(&barrier, NULL, n_threads + 1))
		return 0;
	for (uint32_t t = 0; t < n_threads; t++) {
		struct reader *r = &readers[t];

		*r = (struct reader){
			.begin = w->begin + t * part,
			.n = t + 1 < n_threads ? part : w->n - t * part,
			.repeats = repeats,
			.barrier = &barrier,
		};
		/* Those that run wait at the barrier for ever; the program ends without them. */
		if (pthread_create(&r->thread, NULL, read_share, r))
			return 0;
	}
	pthread_barrier_wait(&barrier);
	start = ferry_now_ns();
	pthread_barrier_wait(&barrier);
	start = ferry_now_ns() - start;
	for (uint32_t t = 0; t < n_threads; t++) {
		pthread_join(readers[t].thread, NULL);
		*sum += readers[t].sum;
	}
	pthread_barrier_destroy(&barrier);
	return start ? start : 1;
}

/* The tensors lie one behind the other; all but the embedding (of which a token reads one row) are
 * read once per token, unless the embedding is the output too. Experts all count. */
static struct weights weights_of(const struct ferry_gguf *g)
{
	const struct ferry_tensor *embd = ferry_gguf_tensor(g, "token_embd.weight");
	struct weights w = {0};
	const uint8_t *end = NULL;

	for (uint64_t i = 0; i < g->n_tensors; i++) {
		const struct ferry_tensor *t = &g->tensors[i];

		if (!w.begin || t->data < w.begin)
			w.begin = t->data;
		if (!end || t->data + t->n_bytes > end)
			end = t->data + t->n_bytes;
		w.per_token += t->n_bytes;
	}
	if (embd && ferry_gguf_tensor(g, "output.weight"))
		w.per_token -= embd->n_bytes;
	w.n = w.begin ? (size_t)(end - w.begin) : 0;
	return w;
}

/* Moves the weights to anonymous memory, which ends with the program. */
static bool copy_weights(struct weights *w)
{
	uint8_t *copy =
		mmap(NULL, w->n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return false;
	/* Where huge pages are forbidden, small ones are what runtimes get too. */
	madvise(copy, w->n, MADV_HUGEPAGE);
	memcpy(copy, w->begin, w->n);
	w->begin = copy;
	return true;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool measure(const struct weights *w, uint32_t n_threads, double gb_s[ROUNDS])
{
	uint64_t sum = 0, ns;
	unsigned repeats;

	/* The first pass maps the pages, the second finds how often a round must repeat. */
	if (!read_all(w, n_threads, 1, &sum))
		return false;
	ns = read_all(w, n_threads, 1, &sum);
	if (!ns)
		return false;
	repeats = (unsigned)(ROUND_NS / ns + 1);
	for (int i = 0; i < ROUNDS; i++) {
		ns = read_all(w, n_threads, repeats, &sum);
		if (!ns)
			return false;
		gb_s[i] = (double)w->n * repeats / (double)ns;
	}
	qsort(gb_s, ROUNDS, sizeof(*gb_s), compare_doubles);
	return true;
}

static void print_result(const struct options *o, const struct weights *w, const double *gb_s)
{
	double median = gb_s[ROUNDS / 2], limit = gb_s[ROUNDS - 1] * 1e9 / (double)w->per_token;

	if (o->json)
		printf("{\"n_threads\": %" PRIu32 ", \"copy\": %s, \"n_bytes\": %zu, "
		       "\"bytes_per_token\": %" PRIu64 ", \"read_gb_s\": %.3f, "
		       "\"min_gb_s\": %.3f, \"max_gb_s\": %.3f}\n",
		       o->n_threads, o->copy ? "true" : "false", w->n, w->per_token, median,
		       gb_s[0], gb_s[ROUNDS - 1]);
	else
		printf("%" PRIu32 " threads read %.2f GB/s (%.2f to %.2f) %s; a token takes "
		       "%.1f MB, so decoding cannot pass %.1f tok/s\n",
		       o->n_threads, median, gb_s[0], gb_s[ROUNDS - 1],
		       o->copy ? "in huge pages" : "through the mapping",
		       (double)w->per_token / 1e6, limit);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "The speed at which threads can stream a model's weights.",
		.args_doc = "MODEL",
	};
	struct options o = {.n_threads = 2};
	struct ferry_error err = {0};
	struct ferry_gguf *g;
	struct weights w;
	double gb_s[ROUNDS];
	bool measured;

	argp_err_exit_status = USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (ferry_gguf_open(o.path, &g, &err)) {
		fprintf(stderr, "bench_read: %s\n", err.text);
		return FAILED;
	}
	w = weights_of(g);
	if (!w.n || !w.per_token) {
		fprintf(stderr, "bench_read: %s has no weights; name a model file\n", o.path);
		ferry_gguf_close(g);
		return FAILED;
	}
	if (o.copy && !copy_weights(&w)) {
		fprintf(stderr, "bench_read: no memory for a copy of %zu MB\n", w.n / 1000000);
		ferry_gguf_close(g);
		return FAILED;
	}
	measured = measure(&w, o.n_threads, gb_s);
	if (measured)
		print_result(&o, &w, gb_s);
	else
		fprintf(stderr, "bench_read: cannot start %" PRIu32 " threads\n", o.n_threads);
	ferry_gguf_close(g);
	return measured && !fflush(stdout) ? 0 : FAILED;
}
