// SPDX-License-Identifier: MIT
/*
 * bench_matmul: the integer kernels alone, one thread. Per type: one token on a matrix larger than
 * the caches, in GB/s of weights beside a streaming read of the same bytes; and 128 tokens, in
 * multiplications per nanosecond, beside the float kernel. Rounds are interleaved; medians. First
 * what quantizing activations costs, by a block of 32.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "compute/kernels.h"
#include "model/tensor_type.h"

enum { N_IN = 2048, N_OUT = 65536, N_OUT_MANY = 2048, TOKENS = 128, ROUNDS = 9 };

static void *allocate(size_t n)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, n)) {
		fprintf(stderr, "bench_matmul: no memory for %zu bytes\n", n);
		exit(1);
	}
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

	for (size_t i = 0; i + 128 <= n; i += 128) {
		__builtin_prefetch(p + i + 1024);
		__builtin_prefetch(p + i + 1088);
		for (size_t k = 0; k < 4; k++)
			sum[k] += *(const wide *)(const void *)(p + i + 32 * k);
	}
	sum[0] += sum[1] + sum[2] + sum[3];
	use = sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
	return (double)n / (double)(ferry_now_ns() - start);
}

static double quantize_ns(const struct ferry_kernels *k, const float *f,
			  const struct ferry_activations *x)
{
	double ns[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		const uint64_t start = ferry_now_ns();

		for (size_t t = 0; t < TOKENS; t++)
			k->quantize(f + t * N_IN, N_IN, x->blocks + t, TOKENS);
		ns[r] = (double)(ferry_now_ns() - start);
	}
	return median(ns) / ((double)TOKENS * N_IN / FERRY_ACTIVATION_BLOCK);
}

int main(int argc, char **argv)
{
	const struct ferry_kernels *k = ferry_kernels_best();
	const size_t bytes = (size_t)N_OUT * N_IN; /* of the largest type, about */
	uint8_t *weights = allocate(bytes + bytes / 8);
	struct ferry_activations x = {allocate(TOKENS * N_IN * 2), TOKENS};
	float *f = allocate((size_t)TOKENS * N_IN * sizeof(float));
	float *y = allocate((size_t)TOKENS * N_OUT * sizeof(float));
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);

	for (size_t i = 0; i < bytes + bytes / 8; i++)
		weights[i] = (uint8_t)(i * 2654435761u >> 13 & 0x3b); /* scales that are numbers */
	for (size_t i = 0; i < (size_t)TOKENS * N_IN; i++)
		f[i] = (float)((int)(i * 2654435761u >> 9 & 1023) - 512);
	printf("%s, one thread\nquantizing %.1f ns\n", k->name, quantize_ns(k, f, &x));
	printf("%-7s %10s %10s %8s %12s %12s %7s %7s %7s\n", "type", "1 tok GB/s", "read GB/s",
	       "ratio", "128 MAC/ns", "float MAC/ns", "2 of 1", "4 of 1", "8 of 1");
	for (unsigned i = 0; i < n_types; i++) {
		struct ferry_matrix w = {.type = types[i].type,
					 .rows = weights,
					 .n_in = N_IN,
					 .n_out = N_OUT,
					 .row_bytes = ferry_type_row_bytes(&types[i], N_IN)};
		struct ferry_packed p = ferry_packed_like(&w, weights), q = p;
		double one[ROUNDS], read[ROUNDS], many[ROUNDS], floats[ROUNDS], few[3][ROUNDS];
		const double macs = (double)TOKENS * N_IN * N_OUT_MANY;

		if (!ferry_type_has_codes(w.type) || (argc > 1 && strcmp(argv[1], types[i].name)))
			continue;
		q.n_out = N_OUT_MANY;
		for (int r = 0; r < ROUNDS; r++) {
			uint64_t start;

			read[r] = read_gb_s(weights, ferry_packed_bytes(&w));
			start = ferry_now_ns();
			k->matmul_packed(&p, &x, 0, 1, y, N_OUT, 0, N_OUT / 16);
			one[r] = (double)ferry_packed_bytes(&w) / (double)(ferry_now_ns() - start);
			for (size_t n = 0; n < 3; n++) { /* sessions in a pass */
				start = ferry_now_ns();
				k->matmul_packed(&p, &x, 0, (size_t)2 << n, y, N_OUT, 0,
						 N_OUT / 16);
				few[n][r] = (double)(ferry_now_ns() - start) * one[r] /
					    (double)ferry_packed_bytes(&w);
			}
			start = ferry_now_ns();
			k->matmul_packed(&q, &x, 0, TOKENS, y, N_OUT, 0, N_OUT_MANY / 16);
			many[r] = macs / (double)(ferry_now_ns() - start);
			start = ferry_now_ns();
			k->matmul(&w, f, N_IN, TOKENS, y, N_OUT, 0, N_OUT_MANY / 8);
			floats[r] = macs / 8 / (double)(ferry_now_ns() - start);
		}
		printf("%-7s %10.1f %10.1f %8.2f %12.1f %12.1f %7.2f %7.2f %7.2f\n", types[i].name,
		       median(one), median(read), median(one) / median(read), median(many),
		       median(floats), median(few[0]), median(few[1]), median(few[2]));
		fflush(stdout);
	}
	return 0;
}
