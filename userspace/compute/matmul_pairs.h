/* SPDX-License-Identifier: MIT */
/*
 * Many tokens on processors that add products by pairs: fewer instructions for the same sums.
 *
 * Four groups of rows are taken together. Their slices are unpacked into the first-level cache as
 * signed bytes, offset taken off, and are operands in memory from there on; activations are the
 * unsigned operand, 128 more than they are, so that one broadcast serves all the registers of rows.
 * The 128 is taken back by a start value for each lane: -128 times the sum of its weights. Sums
 * wrap on their way and fit at the end, by the bounds of vector_int.h; a pair of products does not
 * saturate, 2 * 255 * 32 being the largest.
 *
 * Weights of a whole byte would saturate: they are widened to sixteen bits, and so are their
 * activations.
 *
 * Part of matmul_packed.c.
 */
#ifndef FERRY_COMPUTE_MATMUL_PAIRS_H
#define FERRY_COMPUTE_MATMUL_PAIRS_H

enum {
	WIDE_GROUPS = 4,
	WIDE = WIDE_GROUPS * V16_PARTS, /* registers of rows */
	WIDE_TOKENS = 5,		/* from so many on, unpacking into memory pays */
};

struct wide_slice {
	PAIRS_TYPE w[8][WIDE];	   /* slab, register */
	PAIRS_TYPE w16[16][WIDE];  /* of signed types: two weights of sixteen bits per lane */
	PAIRS_TYPE start[2][WIDE]; /* of each group of sixteen weights; else of all, in [0] */
	PAIRS_TYPE scales[2][WIDE];
	struct group_mins mins[WIDE];
	vec scale[WIDE], min[WIDE];
};

/*
 * Compilers turn a chain of additions into a tree, whose leaves do not fit the registers, and copy
 * what lies in memory to where it need not be. These keep a sum in its register, and an opened
 * slice where it is.
 */
#ifndef KEEP_SUM /* emulated instructions have no registers of that size */
#define KEEP_SUM(sum) __asm__("" : "+v"(sum))
#endif
#define KEEP_SLICE(p) __asm__("" : "+r"(p) : : "memory")

#if FERRY_LANES == 16
#define PAIRS_SUB8(a, b)   _mm512_sub_epi8(a, b)
#define PAIRS_SET8(byte)   _mm512_set1_epi8(byte)
#define PAIRS_ZERO()	   _mm512_setzero_si512()
#define PAIRS_WIDEN(v, ab) _mm512_srai_epi16(_mm512_shuffle_epi8(v, ab), 8)
#else
#define PAIRS_SUB8(a, b)   _mm256_sub_epi8(a, b)
#define PAIRS_SET8(byte)   _mm256_set1_epi8(byte)
#define PAIRS_ZERO()	   _mm256_setzero_si256()
#define PAIRS_WIDEN(v, ab) _mm256_srai_epi16(_mm256_shuffle_epi8(v, ab), 8)
#endif

/* An opened slice of register r's rows to where the tokens find it. */
FERRY_INLINE void widen(struct wide_slice *o, const struct slice *s, enum multiply how, int r)
{
	/* Bytes 0 and 1, or 2 and 3, of each lane to the upper halves of sixteen bits; 128: zero */
	const bytes16 first = {128, 0, 128, 1, 128, 4, 128, 5, 128, 8, 128, 9, 128, 12, 128, 13};
	const bytes16 second = {128, 2, 128, 3, 128, 6, 128, 7, 128, 10, 128, 11, 128, 14, 128, 15};
	PAIRS_TYPE sum[2] = {PAIRS_ZERO(), PAIRS_ZERO()};

	o->scale[r] = s->scale;
	o->min[r] = s->min;
	if (how == SIGNED) {
		for (int i = 0; i < 8; i++) {
			o->w16[2 * i][r] =
				PAIRS_WIDEN((PAIRS_TYPE)s->w[i], (PAIRS_TYPE)slab_repeat(first));
			o->w16[2 * i + 1][r] =
				PAIRS_WIDEN((PAIRS_TYPE)s->w[i], (PAIRS_TYPE)slab_repeat(second));
		}
		return;
	}
	for (int i = 0; i < 8; i++) {
		const PAIRS_TYPE w =
			PAIRS_SUB8((PAIRS_TYPE)s->w[i], PAIRS_SET8((char)offset_of(how)));
		const int g = in_groups(how) ? i / 4 : 0;

		o->w[i][r] = w;
		sum[g] = PAIRS_ADD(sum[g], PAIRS_MULTIPLY(PAIRS_SET8((char)128), w));
	}
	for (int g = 0; g < 2; g++) {
		o->start[g][r] = PAIRS_SUB(PAIRS_ZERO(), sum[g]);
		if (in_groups(how))
			o->scales[g][r] = (PAIRS_TYPE)s->scales.scale[g];
	}
	if (how == GROUPS_MIN)
		o->mins[r] = s->mins;
}

/* Slabs [begin, end) of n registers from r on, to sums that begin with @start. */
FERRY_INLINE void add_slabs(const struct wide_slice *o, const struct ferry_q8_block *x,
			    const PAIRS_TYPE *start, PAIRS_TYPE *sum, int r, int n, int begin,
			    int end)
{
	for (int k = 0; k < n; k++)
		sum[k] = start[r + k];
#pragma GCC unroll 8
	for (int i = begin; i < end; i++) {
		const PAIRS_TYPE a = (PAIRS_TYPE)((vecu)broadcast8x4(x->x + 4 * i) ^ slab_set(128));

#pragma GCC unroll 8
		for (int k = 0; k < n; k++) {
			sum[k] = PAIRS_ADD(sum[k], PAIRS_MULTIPLY(a, o->w[i][r + k]));
			KEEP_SUM(sum[k]);
		}
	}
}

/* The same order of operations on floats as multiply() has. */
FERRY_INLINE void finish(const struct wide_slice *o, enum multiply how,
			 const struct ferry_q8_block *x, veci dot, int r, float *y)
{
	vec sum = vec_load(y);

	sum += vec_from_int(dot) * (o->scale[r] * x->d);
	if (how == OFFSET_0_MIN || how == OFFSET_16_MIN)
		sum += o->min[r] * x->d_sum;
	else if (how == GROUPS_MIN)
		sum += vec_from_int(dot_mins(&o->mins[r], x)) * (o->min[r] * x->d);
	vec_store(y, sum);
}

FERRY_INLINE void multiply_wide_offset(const struct wide_slice *o, enum multiply how,
				       const struct ferry_q8_block *x, float *y)
{
	enum { AT_ONCE = WIDE < 8 ? WIDE : 8 };

	for (int r = 0; r < WIDE; r += AT_ONCE) {
		PAIRS_TYPE sum[AT_ONCE];

		add_slabs(o, x, o->start[0], sum, r, AT_ONCE, 0, 8);
#pragma GCC unroll 8
		for (int k = 0; k < AT_ONCE; k++)
			finish(o, how, x, (veci)PAIRS_MULTIPLY_ADD(sum[k], PAIRS_ONES()), r + k,
			       y + (r + k) * FERRY_LANES);
	}
}

FERRY_INLINE void multiply_wide_groups(const struct wide_slice *o, enum multiply how,
				       const struct ferry_q8_block *x, float *y)
{
	enum { AT_ONCE = 4 };

	for (int r = 0; r < WIDE; r += AT_ONCE) {
		PAIRS_TYPE sum[AT_ONCE];
		veci dot[AT_ONCE];

		add_slabs(o, x, o->start[0], sum, r, AT_ONCE, 0, 4);
#pragma GCC unroll 4
		for (int k = 0; k < AT_ONCE; k++)
			dot[k] = (veci)PAIRS_MULTIPLY_ADD(sum[k], o->scales[0][r + k]);
		add_slabs(o, x, o->start[1], sum, r, AT_ONCE, 4, 8);
#pragma GCC unroll 4
		for (int k = 0; k < AT_ONCE; k++)
			finish(o, how, x,
			       dot[k] + (veci)PAIRS_MULTIPLY_ADD(sum[k], o->scales[1][r + k]),
			       r + k, y + (r + k) * FERRY_LANES);
	}
}

FERRY_INLINE void multiply_wide_signed(const struct wide_slice *o, enum multiply how,
				       const struct ferry_q8_block *x, float *y)
{
	enum { AT_ONCE = WIDE < 8 ? WIDE : 8 };
	int16_t x16[32] __attribute__((aligned(64)));

	for (int i = 0; i < 32; i += 16)
		_mm256_store_si256((__m256i *)(void *)(x16 + i),
				   _mm256_cvtepi8_epi16(_mm_loadu_si128(
					   (const __m128i *)(const void *)(x->x + i))));
	for (int r = 0; r < WIDE; r += AT_ONCE) {
		veci dot[AT_ONCE] = {{0}};

#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			const PAIRS_TYPE a = (PAIRS_TYPE)broadcast16x2(x16 + 2 * i);

#pragma GCC unroll 8
			for (int k = 0; k < AT_ONCE; k++) {
				dot[k] += (veci)PAIRS_MULTIPLY_ADD(a, o->w16[i][r + k]);
				KEEP_SUM(dot[k]);
			}
		}
#pragma GCC unroll 8
		for (int k = 0; k < AT_ONCE; k++)
			finish(o, how, x, dot[k], r + k, y + (r + k) * FERRY_LANES);
	}
}

FERRY_INLINE void multiply_wide(const struct wide_slice *o, enum multiply how,
				const struct ferry_q8_block *x, float *y)
{
	if (how == SIGNED)
		multiply_wide_signed(o, how, x, y);
	else if (in_groups(how))
		multiply_wide_groups(o, how, x, y);
	else
		multiply_wide_offset(o, how, x, y);
}

/* wide_*(): WIDE_GROUPS groups, @group_bytes apart, times n <= TILE tokens. */
#define DEFINE_WIDE(TYPE, name, how, n_slices, header, bytes)                                   \
	static void wide_##name(const uint8_t *chunk, size_t group_bytes, size_t n_chunks,      \
				const struct ferry_q8_block *x, size_t stride, size_t n,        \
				wide_lanes *sums)                                               \
	{                                                                                       \
		struct wide_slice o, *p = &o;                                                   \
                                                                                                \
		for (; n_chunks; n_chunks--, chunk += (header) + (n_slices) * (bytes))          \
			for (int g = 0; g < (n_slices); g++, x += stride) {                     \
				for (int r = 0; r < WIDE; r++) {                                \
					const uint8_t *c = chunk + r / V16_PARTS * group_bytes; \
					struct slice s = {0};                                   \
                                                                                                \
					open_##name(&s, c, c + (header) + g * (bytes), g,       \
						    r % V16_PARTS);                             \
					widen(&o, &s, how, r);                                  \
				}                                                               \
				KEEP_SLICE(p);                                                  \
				for (size_t t = 0; t < n; t++)                                  \
					multiply_wide(p, how, &x[t], sums[t]);                  \
			}                                                                       \
	}

typedef float wide_lanes[WIDE_GROUPS * LANES];

#endif
