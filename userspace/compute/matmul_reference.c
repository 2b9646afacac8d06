// SPDX-License-Identifier: MIT
#include "compute/matmul.h"

#include "compute/dequantize.h"

/* Tokens at once. Each has its own sum in plain order; four sums keep the adder busy. */
enum { TOKENS = 4 };

static void dot(const float *row, const float *const *x, size_t n, double *sum)
{
	for (int t = 0; t < TOKENS; t++)
		sum[t] = 0.0;
	for (size_t i = 0; i < n; i++)
		for (int t = 0; t < TOKENS; t++)
			sum[t] += (double)row[i] * (double)x[t][i];
}

void ferry_matmul_reference(const struct ferry_matrix *w, const float *x, size_t n_tokens, float *y,
			    size_t row_begin, size_t row_end, float *row)
{
	for (size_t o = row_begin; o < row_end; o++) {
		ferry_dequantize_row(w->type, w->rows + o * w->row_bytes, row, w->n_in);
		for (size_t t = 0; t < n_tokens; t += TOKENS) {
			const size_t n = n_tokens - t < TOKENS ? n_tokens - t : TOKENS;
			const float *tokens[TOKENS];
			double sum[TOKENS];

			for (size_t k = 0; k < TOKENS; k++) /* or the last one again */
				tokens[k] = x + (t + (k < n ? k : n - 1)) * w->n_in;
			dot(row, tokens, w->n_in, sum);
			for (size_t k = 0; k < n; k++)
				y[(t + k) * w->n_out + o] = (float)sum[k];
		}
	}
}
