// SPDX-License-Identifier: MIT
#include "cli/stream_read.h"

#include "base/clock.h"
#include "engine/weights.h"

enum {
	READ_GRAIN = 64 * 1024, /* bytes that a thread reads in one go */
	READ_AHEAD = 1024,	/* the best of 0, 1024, 2048 and 4096 on Zen 3 */
	CACHE_LINE = 64,
	CHAINS = 8, /* independent sums of 32 bytes: loads in flight to fill a core's buffers */
	READ_NS = 50000000, /* small models fit caches and read in microseconds: many times */
};

typedef uint64_t lane __attribute__((vector_size(32), aligned(1)));

struct read_job {
	const struct ferry_model *model;
	uint64_t sums[FERRY_POOL_MAX_THREADS]; /* so that the loads have a use */
	uint64_t bytes;			       /* written by thread 0 */
};

static inline __attribute__((always_inline)) uint64_t sum_bytes(const uint8_t *p, size_t n)
{
	lane acc[CHAINS] = {{0}};
	uint64_t sum = 0;
	size_t i = 0;

	for (; i + sizeof(acc) <= n; i += sizeof(acc)) {
		/* Hardware prefetchers stop at the end of each small page. */
		for (size_t line = 0; line < sizeof(acc); line += CACHE_LINE)
			__builtin_prefetch(p + i + line + READ_AHEAD);
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

static uint64_t read_part(const uint8_t *p, size_t n, uint32_t thread, uint32_t n_threads)
{
	size_t begin, end;

	ferry_pool_share(n, READ_GRAIN, thread, n_threads, &begin, &end);
	return stream(p + begin, end - begin);
}

static void read_share(void *data, uint32_t thread, uint32_t n_threads)
{
	struct read_job *job = data;
	const struct ferry_gguf *g = job->model->gguf;
	size_t bytes;
	const uint8_t *packed = ferry_weights_span(job->model, &bytes);
	uint64_t sum = packed ? read_part(packed, bytes, thread, n_threads) : 0;

	for (uint64_t i = 0; i < g->n_tensors; i++) {
		const struct ferry_tensor *t = &g->tensors[i];

		/* Of an embedding that is not the output too, a token reads one row. */
		if ((packed && ferry_weight_is_packed(t)) ||
		    (t == job->model->token_embd && t != job->model->output))
			continue;
		sum += read_part(t->data, t->n_bytes, thread, n_threads);
		bytes += t->n_bytes;
	}
	job->sums[thread] += sum;
	if (!thread)
		job->bytes = bytes;
}

double ferry_stream_read_gb_s(const struct ferry_model *m, struct ferry_pool *pool)
{
	struct read_job job = {.model = m};
	uint64_t start, now;
	unsigned n = 0;

	ferry_pool_run(pool, read_share, &job);
	start = ferry_now_ns();
	do {
		ferry_pool_run(pool, read_share, &job);
		n++;
		now = ferry_now_ns();
	} while (now - start < READ_NS);
	return (double)job.bytes * n / (double)(now - start);
}
