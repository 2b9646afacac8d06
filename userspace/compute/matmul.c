// SPDX-License-Identifier: MIT
/*
 * The default matrix product, by two ways that give the same bits: lane l of a sum takes the
 * products i = l, l + 16, ... in that order.
 *
 * One token: weights go from the block straight into the sums. More tokens: a stretch of a few
 * rows is unpacked into the first-level cache and multiplied with every token before the next one.
 */
#include "compute/kernels.h"
#include "compute/unpack.h"
#include "compute/variant.h"

enum {
	ROWS = 4,	/* weight rows at once */
	COLUMNS = 3,	/* tokens at once: ROWS * COLUMNS sums fit the sixteen registers of AVX2 */
	TOKENS = 32,	/* whose sums are kept between stretches */
	STRETCH = 1024, /* weights of a row; a multiple of every block length */
	PAIR = 2,	/* rows at once for one token: two chains of additions hide their latency */
};

typedef float lanes[16];

/*
 * Per type: n weights (whole blocks) to dst; and the sums of PAIR rows times x.
 */
#define DEFINE_TYPE(TYPE, name, block_len, block_bytes)                                       \
	static void store_##name(const uint8_t *src, float *dst, size_t n)                    \
	{                                                                                     \
		struct sink s = {.out = dst};                                                 \
                                                                                              \
		for (; n; n -= block_len, src += block_bytes)                                 \
			take_##name(&s, src);                                                 \
	}                                                                                     \
                                                                                              \
	static void dot_##name(const uint8_t *const *src, const float *x, size_t n, float *y) \
	{                                                                                     \
		struct sink a = {.x = x, .multiply = true}, b = a;                            \
		const uint8_t *p = src[0], *q = src[1];                                       \
                                                                                              \
		for (; n; n -= block_len, p += block_bytes, q += block_bytes) {               \
			take_##name(&a, p);                                                   \
			take_##name(&b, q);                                                   \
		}                                                                             \
		y[0] = v16_sum(a.sum);                                                        \
		y[1] = v16_sum(b.sum);                                                        \
	}

FERRY_UNPACK_TYPES(DEFINE_TYPE)

static const struct {
	void (*store)(const uint8_t *src, float *dst, size_t n);
	void (*dot)(const uint8_t *const *src, const float *x, size_t n, float *y);
} by_type[] = {
#define LIST_TYPE(TYPE, name, block_len, block_bytes) \
	[FERRY_TYPE_##TYPE] = {store_##name, dot_##name},
	FERRY_UNPACK_TYPES(LIST_TYPE)};

static void unpack(enum ferry_tensor_type type, const void *src, float *dst, size_t n)
{
	size_t rest = n % 16; /* of float types only */

	by_type[type].store(src, dst, n - rest);
	if (rest) {
		const size_t size = type == FERRY_TYPE_F32 ? 4 : 2;
		uint8_t padded[16 * 4] = {0};
		float some[16];

		memcpy(padded, (const uint8_t *)src + (n - rest) * size, rest * size);
		by_type[type].store(padded, some, 16);
		memcpy(dst + n - rest, some, rest * sizeof(float));
	}
}

void FERRY_VARIANT(ferry_unpack)(enum ferry_tensor_type type, const void *src, float *dst, size_t n)
{
	unpack(type, src, dst, n);
}

/*
 * Adds n products, a multiple of sixteen, to the sums of ROWS rows and n_columns tokens. Lanes are
 * independent, so one register's worth of them is taken through all n at a time.
 */
FERRY_INLINE void multiply(const float *const *w, const float *x, size_t x_stride, size_t n,
			   lanes (*sums)[ROWS], const int n_columns)
{
	for (int k = 0; k < 16; k += FERRY_LANES) {
		vec sum[COLUMNS][ROWS];

		for (int c = 0; c < n_columns; c++)
			for (int r = 0; r < ROWS; r++)
				sum[c][r] = vec_load(&sums[c][r][k]);
		for (size_t i = (size_t)k; i < n; i += 16) {
			vec row[ROWS];

			for (int r = 0; r < ROWS; r++)
				row[r] = vec_load(w[r] + i);
			for (int c = 0; c < n_columns; c++) {
				vec token = vec_load(x + (size_t)c * x_stride + i);

				for (int r = 0; r < ROWS; r++)
					sum[c][r] += row[r] * token;
			}
		}
		for (int c = 0; c < n_columns; c++)
			for (int r = 0; r < ROWS; r++)
				vec_store(&sums[c][r][k], sum[c][r]);
	}
}

static void multiply_tokens(const float *const *w, const float *x, size_t x_stride, size_t n,
			    size_t n_tokens, lanes (*sums)[ROWS])
{
	size_t t = 0;

	for (; t + COLUMNS <= n_tokens; t += COLUMNS)
		multiply(w, x + t * x_stride, x_stride, n, sums + t, COLUMNS);
	for (; t < n_tokens; t++)
		multiply(w, x + t * x_stride, x_stride, n, sums + t, 1);
}

/* The last n < 16 products of each row, filled up with zeros. */
static void multiply_rest(const float *const *w, const float *x, size_t x_stride, size_t n,
			  size_t n_tokens, lanes (*sums)[ROWS])
{
	lanes rest[ROWS] = {0};
	const float *rows[ROWS];

	for (int r = 0; r < ROWS; r++) {
		memcpy(rest[r], w[r], n * sizeof(float));
		rows[r] = rest[r];
	}
	for (size_t t = 0; t < n_tokens; t++) {
		lanes token = {0};

		memcpy(token, x + t * x_stride, n * sizeof(float));
		multiply(rows, token, 0, 16, sums + t, 1);
	}
}

/* Rows [o, o + n_rows), n_rows <= ROWS, of at most TOKENS tokens. */
static void multiply_rows(const struct ferry_matrix *w, size_t o, size_t n_rows, const float *x,
			  size_t x_stride, size_t n_tokens, float *y, size_t y_stride)
{
	const struct ferry_type_traits *traits = ferry_type_traits(w->type);
	float unpacked[ROWS][STRETCH] __attribute__((aligned(64)));
	lanes sums[TOKENS][ROWS] __attribute__((aligned(64)));
	const float *rows[ROWS];

	memset(sums, 0, n_tokens * sizeof(sums[0]));
	for (size_t i = 0; i < w->n_in; i += STRETCH) {
		size_t n = w->n_in - i < STRETCH ? w->n_in - i : STRETCH, whole = n / 16 * 16;
		const uint8_t *src = w->rows + o * w->row_bytes + ferry_type_row_bytes(traits, i);

		for (size_t r = 0; r < ROWS; r++) {
			rows[r] = unpacked[r < n_rows ? r : 0]; /* the others are not stored */
			if (r < n_rows)
				unpack(w->type, src + r * w->row_bytes, unpacked[r], n);
		}
		multiply_tokens(rows, x + i, x_stride, whole, n_tokens, sums);
		if (whole < n) {
			for (size_t r = 0; r < ROWS; r++)
				rows[r] += whole;
			multiply_rest(rows, x + i + whole, x_stride, n - whole, n_tokens, sums);
		}
	}
	for (size_t t = 0; t < n_tokens; t++)
		for (size_t r = 0; r < n_rows; r++)
			y[t * y_stride + o + r] = v16_sum(v16_load(sums[t][r]));
}

static void multiply_one_token(const struct ferry_matrix *w, const float *x, float *y,
			       size_t row_begin, size_t row_end)
{
	for (size_t o = row_begin; o < row_end; o += PAIR) {
		bool last = o + 1 == row_end;
		const uint8_t *row = w->rows + o * w->row_bytes;
		const uint8_t *src[PAIR] = {row, last ? row : row + w->row_bytes};
		float pair[PAIR];

		by_type[w->type].dot(src, x, w->n_in, pair);
		y[o] = pair[0];
		if (!last)
			y[o + 1] = pair[1];
	}
}

void FERRY_VARIANT(ferry_matmul)(const struct ferry_matrix *w, const float *x, size_t x_stride,
				 size_t n_tokens, float *y, size_t y_stride, size_t row_begin,
				 size_t row_end)
{
	if (n_tokens == 1 && w->n_in % 16 == 0) {
		multiply_one_token(w, x, y, row_begin, row_end);
		return;
	}
	for (size_t t = 0; t < n_tokens; t += TOKENS) {
		size_t n = n_tokens - t < TOKENS ? n_tokens - t : TOKENS;

		for (size_t o = row_begin; o < row_end; o += ROWS)
			multiply_rows(w, o, row_end - o < ROWS ? row_end - o : ROWS,
				      x + t * x_stride, x_stride, n, y + t * y_stride, y_stride);
	}
}
