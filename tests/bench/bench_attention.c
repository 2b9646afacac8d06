// SPDX-License-Identifier: MIT
/*
 * bench_attention: the attention kernel alone, one thread, by type of the cache.
 *
 * Prefill: a prompt of 512 tokens and eight query heads of one key head, in multiplications per
 * nanosecond. Decode: the eight query rows of one token at a context of 4096, over more caches
 * than fit the processor's, in GB/s of keys and values beside a streaming read of the same bytes.
 * Rounds are interleaved; medians.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "compute/kernels.h"

enum {
	DIM = 64,
	GROUP = 8,
	PROMPT = 512,
	CONTEXT = 4096,
	HEADS = 48,
	TYPES = 3,
	ROUNDS = 11,
};

static const char *const names[TYPES] = {"f16", "f32", "q8"};

static void *allocate(size_t n)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, n)) {
		fprintf(stderr, "bench_attention: no memory for %zu bytes\n", n);
		exit(1);
	}
	memset(p, 0, n);
	return p;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

typedef uint64_t wide __attribute__((vector_size(32), aligned(1)));

static double read_gb_s(const uint8_t *p, size_t n)
{
	static volatile uint64_t use __attribute__((unused));
	const uint64_t start = ferry_now_ns();
	wide sum[4] = {{0}};

	for (size_t i = 0; i + 128 <= n; i += 128)
		for (size_t k = 0; k < 4; k++)
			sum[k] += *(const wide *)(const void *)(p + i + 32 * k);
	sum[0] += sum[1] + sum[2] + sum[3];
	use = sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
	return (double)n / (double)(ferry_now_ns() - start);
}

struct bench {
	const struct ferry_kernels *kernels;
	struct ferry_attention_kv kv[HEADS];
	uint8_t *cache;
	size_t bytes; /* of the cache */
	float *q, *out, *scratch;
};

static void open_type(struct bench *b, enum ferry_attention_type type)
{
	const size_t tiles = CONTEXT / FERRY_ATTENTION_TILE;
	const size_t key_bytes = tiles * ferry_attention_key_tile(type, DIM);
	const size_t value_bytes = tiles * ferry_attention_value_tile(type, DIM);
	uint32_t seed = 1;
	float x[DIM];

	b->bytes = HEADS * (key_bytes + value_bytes);
	b->cache = allocate(b->bytes);
	for (size_t h = 0; h < HEADS; h++) {
		uint8_t *at = b->cache + h * (key_bytes + value_bytes);

		b->kv[h] = (struct ferry_attention_kv){at, at + key_bytes, DIM, DIM, type};
		for (uint32_t j = 0; j < CONTEXT; j++) {
			for (int d = 0; d < DIM; d++) {
				seed = seed * 1664525u + 1013904223u;
				x[d] = (float)(int32_t)seed * 0x1p-31f;
			}
			b->kernels->put_key(&b->kv[h], j, x);
			b->kernels->put_value(&b->kv[h], j, x);
		}
	}
}

static void run(const struct bench *b, const struct ferry_attention_kv *kv, uint32_t first,
		uint32_t n, uint32_t position)
{
	const struct ferry_attention_scale scale = {0.125f, 0.0f};
	struct ferry_attention_row rows[FERRY_ATTENTION_ROWS];

	for (uint32_t r = 0; r < n; r++)
		rows[r] = (struct ferry_attention_row){
			.q = b->q + (size_t)(first + r) * DIM,
			.out = b->out + (size_t)(first + r) * DIM,
			.end = position + r / GROUP + 1,
		};
	b->kernels->attention(kv, rows, n, &scale, b->scratch);
}

/* Multiplications per nanosecond, of positions that are seen. */
static double prefill(const struct bench *b)
{
	const uint64_t start = ferry_now_ns();

	for (uint32_t r = 0; r < PROMPT * GROUP; r += FERRY_ATTENTION_ROWS)
		run(b, &b->kv[0], r, FERRY_ATTENTION_ROWS, r / GROUP);
	return 2.0 * DIM * GROUP * PROMPT * (PROMPT + 1) / 2 / (double)(ferry_now_ns() - start);
}

static double decode_gb_s(const struct bench *b)
{
	const uint64_t start = ferry_now_ns();

	for (int h = 0; h < HEADS; h++)
		run(b, &b->kv[h], 0, GROUP, CONTEXT - 1);
	return (double)b->bytes / (double)(ferry_now_ns() - start);
}

int main(int argc, char **argv)
{
	static double many[TYPES][ROUNDS], one[TYPES][ROUNDS], read[TYPES][ROUNDS];
	struct bench b[TYPES];
	float *q = allocate(sizeof(float) * DIM * GROUP * PROMPT);

	for (size_t i = 0; i < (size_t)DIM * GROUP * PROMPT; i++)
		q[i] = (float)((int)(i * 2654435761u >> 9 & 1023) - 512) / 256.0f;
	for (int t = 0; t < TYPES; t++) {
		b[t] = (struct bench){
			.kernels = ferry_kernels_best(),
			.q = q,
			.out = allocate(sizeof(float) * DIM * GROUP * PROMPT),
			.scratch = allocate(sizeof(float) * ferry_attention_scratch(DIM, DIM)),
		};
		for (unsigned i = 0; argc > 1 && ferry_kernels_at(i); i++)
			if (!strcmp(ferry_kernels_at(i)->name, argv[1]))
				b[t].kernels = ferry_kernels_at(i);
		open_type(&b[t], (enum ferry_attention_type)t);
	}
	for (int r = 0; r < ROUNDS; r++)
		for (int t = 0; t < TYPES; t++) {
			many[t][r] = prefill(&b[t]);
			one[t][r] = decode_gb_s(&b[t]);
			read[t][r] = read_gb_s(b[t].cache, b[t].bytes);
		}
	printf("%s, one thread\n%-5s %16s %14s %10s %7s %16s\n", b[0].kernels->name, "cache",
	       "prefill MAC/ns", "decode GB/s", "read GB/s", "ratio", "decode MAC/ns");
	for (int t = 0; t < TYPES; t++) {
		const double seconds = (double)b[t].bytes / median(one[t]);

		printf("%-5s %16.1f %14.1f %10.1f %7.2f %16.1f\n", names[t], median(many[t]),
		       median(one[t]), median(read[t]), median(one[t]) / median(read[t]),
		       2.0 * DIM * GROUP * CONTEXT * HEADS / seconds);
	}
	return 0;
}
