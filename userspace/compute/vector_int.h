/* SPDX-License-Identifier: MIT */
/*
 * Sums of products of bytes, lane by lane: what every quantized matrix product is made of. All
 * of it is exact, so instruction sets differ in speed only.
 *
 * A slab is a register whose lanes are rows and whose bytes are four weights of a row
 * (packed.h); it meets four activations that are the same for all lanes.
 */
#ifndef FERRY_COMPUTE_VECTOR_INT_H
#define FERRY_COMPUTE_VECTOR_INT_H

#include "compute/activation.h"
#include "compute/vector.h"

/* How products are added: four at once, or pairs where the processor has only those. */
#if FERRY_LANES == 16 && defined(__AVX512VNNI__)
#define FERRY_DOT_VNNI 1
#elif FERRY_LANES == 8 && defined(__AVXVNNI__)
#define FERRY_DOT_VNNI 1
#elif (FERRY_LANES == 16 && defined(__AVX512BW__)) || (FERRY_LANES == 8 && defined(__AVX2__))
#define FERRY_DOT_PAIRS 1
#endif
#ifndef FERRY_DOT_VNNI
#define FERRY_DOT_VNNI 0
#endif
#ifndef FERRY_DOT_PAIRS
#define FERRY_DOT_PAIRS 0
#endif
/* NEON without the dot product: two slabs at once, by long multiplications. */
#if FERRY_LANES == 4 && defined(__aarch64__) && !defined(__ARM_FEATURE_DOTPROD)
#define FERRY_DOT_LONG 1
#else
#define FERRY_DOT_LONG 0
#endif
/* NEON that multiplies matrices: two rows and two tokens at once. */
#if FERRY_LANES == 4 && defined(__ARM_FEATURE_MATMUL_INT8)
#define FERRY_DOT_MATRIX 1
#else
#define FERRY_DOT_MATRIX 0
#endif

FERRY_INLINE vecu slab_load(const uint8_t *p)
{
	vecu v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Every byte of a register */
FERRY_INLINE vecu slab_set(uint8_t byte)
{
	return (vecu){0} + byte * 0x01010101u;
}

/* table[byte] for every byte of @index, all below 16 */
FERRY_INLINE vecu slab_lookup(bytes16 table, vecu index)
{
#if FERRY_LANES == 16 && defined(__AVX512BW__)
	return (vecu)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)table), (__m512i)index);
#elif FERRY_LANES == 8 && defined(__AVX2__)
	return (vecu)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256((__m128i)table),
					 (__m256i)index);
#else
	bytes16 part[FERRY_LANES / 4];
	vecu v;

	memcpy(part, &index, sizeof(part));
	for (int i = 0; i < FERRY_LANES / 4; i++)
		part[i] = bytes16_lookup(table, part[i]);
	memcpy(&v, part, sizeof(v));
	return v;
#endif
}

/* Sixteen bytes, again and again */
FERRY_INLINE vecu slab_repeat(bytes16 b)
{
	bytes16 part[FERRY_LANES / 4];
	vecu v;

	for (int i = 0; i < FERRY_LANES / 4; i++)
		part[i] = b;
	memcpy(&v, part, sizeof(v));
	return v;
}

FERRY_INLINE vec vec_from_int(veci v)
{
	return __builtin_convertvector(v, vec);
}

/* Two bytes or four, the same in every lane */
FERRY_INLINE veci broadcast16x2(const int16_t *p)
{
	int32_t bits;

	memcpy(&bits, p, sizeof(bits));
	return (veci){0} + bits;
}

FERRY_INLINE veci broadcast8x4(const int8_t *p)
{
	int32_t bits;

	memcpy(&bits, p, sizeof(bits));
	return (veci){0} + bits;
}

/* The scales of two groups of sixteen weights, in the form that dot_groups() wants. */
struct group_scales {
	veci scale[2];
};

#if FERRY_DOT_PAIRS

/*
 * Without an instruction that adds four products: two are added into sixteen bits, then those
 * pairs. Bounds, for weights w of magnitude after the offset and |x| <= 127: a lane's half sees
 * sixteen products of 32 weights, so w <= 16 keeps it within 16 * 16 * 127 = 32512; or eight
 * products of a group of sixteen, so w <= 32 does. Sums wrap, so only the end has to fit; a pair
 * saturates, and 2 * 63 * 127 does not reach that.
 */
#if FERRY_LANES == 16
#define PAIRS_TYPE		 __m512i
#define PAIRS_MULTIPLY(u, s)	 _mm512_maddubs_epi16(u, s)
#define PAIRS_ADD(a, b)		 _mm512_add_epi16(a, b)
#define PAIRS_SUB(a, b)		 _mm512_sub_epi16(a, b)
#define PAIRS_SHIFT_RIGHT(a, n)	 _mm512_srai_epi16(a, n)
#define PAIRS_MULTIPLY_ADD(a, b) _mm512_madd_epi16(a, b)
#define PAIRS_ONES()		 _mm512_set1_epi16(1)
#else
#define PAIRS_TYPE		 __m256i
#define PAIRS_MULTIPLY(u, s)	 _mm256_maddubs_epi16(u, s)
#define PAIRS_ADD(a, b)		 _mm256_add_epi16(a, b)
#define PAIRS_SUB(a, b)		 _mm256_sub_epi16(a, b)
#define PAIRS_SHIFT_RIGHT(a, n)	 _mm256_srai_epi16(a, n)
#define PAIRS_MULTIPLY_ADD(a, b) _mm256_madd_epi16(a, b)
#define PAIRS_ONES()		 _mm256_set1_epi16(1)
#endif

FERRY_INLINE PAIRS_TYPE pairs_of(vecu w, const int8_t *x)
{
	return PAIRS_MULTIPLY((PAIRS_TYPE)w, (PAIRS_TYPE)broadcast8x4(x));
}

/* Sum of (w - offset) * x over 32 weights; @offset is 0, 8 or 16 and w < 32. */
FERRY_INLINE veci dot_offset(const vecu *w, const struct ferry_q8_block *x, const int offset)
{
	PAIRS_TYPE sum = pairs_of(w[0], x->x);

	if (offset)
		sum = PAIRS_SUB(sum, (PAIRS_TYPE)broadcast16x2(offset == 8 ? x->p8 : x->p16));
	for (int s = 1; s < 8; s++)
		sum = PAIRS_ADD(sum, pairs_of(w[s], x->x + 4 * s));
	return (veci)PAIRS_MULTIPLY_ADD(sum, PAIRS_ONES());
}

FERRY_INLINE struct group_scales group_scales_of(veci a, veci b)
{
	return (struct group_scales){{(a & 0xffff) | a << 16, (b & 0xffff) | b << 16}};
}

/*
 * Sum over two groups of sixteen weights of scale * (sum of (w - offset) * x); @offset is 0, 4 or
 * 32, w < 64.
 */
FERRY_INLINE veci dot_groups(const vecu *w, const struct ferry_q8_block *x,
			     const struct group_scales *scales, const int offset)
{
	veci total = {0};

	for (int g = 0; g < 2; g++) {
		PAIRS_TYPE sum = pairs_of(w[4 * g], x->x + 16 * g);
		PAIRS_TYPE p = (PAIRS_TYPE)broadcast16x2(x->p32[g]);

		if (offset)
			sum = PAIRS_SUB(sum, offset == 4 ? PAIRS_SHIFT_RIGHT(p, 3) : p);
		for (int s = 1; s < 4; s++)
			sum = PAIRS_ADD(sum, pairs_of(w[4 * g + s], x->x + 16 * g + 4 * s));
		total += (veci)PAIRS_MULTIPLY_ADD(sum, (PAIRS_TYPE)scales->scale[g]);
	}
	return total;
}

struct group_mins {
	veci both;
};

FERRY_INLINE struct group_mins group_mins_of(veci a, veci b)
{
	return (struct group_mins){(a & 0xffff) | b << 16};
}

/* Sum over two groups of sixteen of min * (sum of x) */
FERRY_INLINE veci dot_mins(const struct group_mins *mins, const struct ferry_q8_block *x)
{
	return (veci)PAIRS_MULTIPLY_ADD((PAIRS_TYPE)mins->both,
					(PAIRS_TYPE)broadcast16x2(x->sum16));
}

/* What signed weights become before they meet many activations. */
FERRY_INLINE vecu slab_signed(vecu w)
{
#if FERRY_LANES == 16
	return (vecu)_mm512_abs_epi8((__m512i)w);
#else
	return (vecu)_mm256_abs_epi8((__m256i)w);
#endif
}

/*
 * Adds w * x of one slab of signed weights; @abs is slab_signed() of w. A pair is at most
 * 2 * 128 * 127, but two pairs together are more than sixteen bits hold.
 */
FERRY_INLINE veci dot4_signed(veci sum, vecu w, vecu abs, const int8_t *x)
{
#if FERRY_LANES == 16
	const __mmask64 negative = _mm512_movepi8_mask((__m512i)w);
	const __m512i a = (__m512i)broadcast8x4(x);
	const __m512i b = _mm512_mask_sub_epi8(a, negative, _mm512_setzero_si512(), a);
#else
	const __m256i b = _mm256_sign_epi8((__m256i)broadcast8x4(x), (__m256i)w);
#endif

	return sum + (veci)PAIRS_MULTIPLY_ADD(PAIRS_MULTIPLY((PAIRS_TYPE)abs, b), PAIRS_ONES());
}

FERRY_INLINE veci dot_signed_end(veci sum, const struct ferry_q8_block *x)
{
	(void)x;
	return sum;
}

#else /* four products at once */

FERRY_INLINE veci dot4(veci sum, vecu w, const int8_t *x)
{
#if FERRY_DOT_VNNI && FERRY_LANES == 16
	return (veci)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)broadcast8x4(x));
#elif FERRY_DOT_VNNI
	return (veci)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w, (__m256i)broadcast8x4(x));
#elif FERRY_LANES == 4 && defined(__ARM_FEATURE_DOTPROD)
	/* Weights below 128 are the same signed and unsigned, others are signed: slab_signed(). */
	return (veci)vdotq_s32((int32x4_t)sum, (int8x16_t)w, (int8x16_t)broadcast8x4(x));
#elif FERRY_DOT_LONG /* signed too */
	const int8x16_t v = (int8x16_t)w, b = (int8x16_t)broadcast8x4(x);
	const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(v), vget_low_s8(b)));

	return sum + (veci)vpaddq_s32(low, vpaddlq_s16(vmull_high_s8(v, b)));
#elif FERRY_LANES == 4 && defined(__SSE2__)
	const __m128i zero = _mm_setzero_si128(), b = (__m128i)broadcast8x4(x);
	const __m128i four = _mm_srai_epi16(_mm_unpacklo_epi8(b, b), 8);
	const __m128i low = _mm_madd_epi16(_mm_unpacklo_epi8((__m128i)w, zero), four);
	const __m128i high = _mm_madd_epi16(_mm_unpackhi_epi8((__m128i)w, zero), four);
	const __m128 even = _mm_shuffle_ps(_mm_castsi128_ps(low), _mm_castsi128_ps(high), 0x88);
	const __m128 odd = _mm_shuffle_ps(_mm_castsi128_ps(low), _mm_castsi128_ps(high), 0xdd);

	return sum + (veci)_mm_castps_si128(even) + (veci)_mm_castps_si128(odd);
#else
	for (int i = 0; i < 4; i++)
		sum += (veci)(w >> (8 * i) & 0xff) * x[i];
	return sum;
#endif
}

/* Sum of w * x over n slabs, an even number */
FERRY_INLINE veci dot_slabs(const vecu *w, const int8_t *x, const int n)
{
#if FERRY_DOT_LONG
	int32x4_t low = vdupq_n_s32(0), high = low;

	for (int s = 0; s < n; s += 2) {
		const int8x16_t w0 = (int8x16_t)w[s], x0 = (int8x16_t)broadcast8x4(x + 4 * s);
		const int8x16_t w1 = (int8x16_t)w[s + 1],
				x1 = (int8x16_t)broadcast8x4(x + 4 * s + 4);
		/* Two products fit sixteen bits: 2 * 128 * 127 = 32512. */
		const int16x8_t a = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
		const int16x8_t b = vmull_high_s8(w0, x0);

		low = vpadalq_s16(low, vmlal_s8(a, vget_low_s8(w1), vget_low_s8(x1)));
		high = vpadalq_s16(high, vmlal_high_s8(b, w1, x1));
	}
	return (veci)vpaddq_s32(low, high);
#else
	veci sum = {0};

	for (int s = 0; s < n; s++)
		sum = dot4(sum, w[s], x + 4 * s);
	return sum;
#endif
}

FERRY_INLINE veci dot_offset(const vecu *w, const struct ferry_q8_block *x, const int offset)
{
	const veci sum = dot_slabs(w, x->x, 8);

	return offset ? sum - offset * x->sum : sum;
}

FERRY_INLINE struct group_scales group_scales_of(veci a, veci b)
{
	return (struct group_scales){{a, b}};
}

FERRY_INLINE veci dot_groups(const vecu *w, const struct ferry_q8_block *x,
			     const struct group_scales *scales, const int offset)
{
	veci total = {0};

	for (int g = 0; g < 2; g++) {
		veci sum = dot_slabs(w + 4 * g, x->x + 16 * g, 4);

		if (offset)
			sum -= offset * x->sum16[g];
		total += sum * scales->scale[g];
	}
	return total;
}

#if FERRY_LANES == 4 && defined(__aarch64__)

FERRY_INLINE vecu slab_signed(vecu w)
{
	return w;
}

FERRY_INLINE veci dot4_signed(veci sum, vecu w, vecu same, const int8_t *x)
{
	(void)same;
	return dot4(sum, w, x);
}

FERRY_INLINE veci dot_signed_end(veci sum, const struct ferry_q8_block *x)
{
	(void)x;
	return sum;
}

#else

/* Unsigned, 128 more */
FERRY_INLINE vecu slab_signed(vecu w)
{
	return w ^ slab_set(128);
}

FERRY_INLINE veci dot4_signed(veci sum, vecu w, vecu unsigned_w, const int8_t *x)
{
	(void)w;
	return dot4(sum, unsigned_w, x);
}

FERRY_INLINE veci dot_signed_end(veci sum, const struct ferry_q8_block *x)
{
	return sum - 128 * x->sum;
}

#endif

#if FERRY_DOT_MATRIX

/*
 * An instruction multiplies two rows by eight weights with two tokens by eight activations: four
 * sums at half the cost, from the same four bytes of each lane.
 */
struct dot_two {
	veci token[2];
};

/* Slabs [8] in place: slabs s and s + 1, s even, become rows 0 and 1, and rows 2 and 3. */
FERRY_INLINE void slabs_to_matrices(vecu *w)
{
	for (int s = 0; s < 8; s += 2) {
		const uint32x4_t a = (uint32x4_t)w[s], b = (uint32x4_t)w[s + 1];

		w[s] = (vecu)vzip1q_u32(a, b);
		w[s + 1] = (vecu)vzip2q_u32(a, b);
	}
}

/* Sums of w * x and of w * y over n slabs that are matrices now; n is a multiple of four. */
FERRY_INLINE struct dot_two dot_matrices(const vecu *m, const int8_t *x, const int8_t *y,
					 const int n)
{
	int32x4_t a = vdupq_n_s32(0), b = a;

	for (int s = 0; s < n; s += 4) {
		const int64x2_t p = vreinterpretq_s64_s8(vld1q_s8(x + 4 * s));
		const int64x2_t q = vreinterpretq_s64_s8(vld1q_s8(y + 4 * s));
		const int8x16_t low = vreinterpretq_s8_s64(vzip1q_s64(p, q));
		const int8x16_t high = vreinterpretq_s8_s64(vzip2q_s64(p, q));

		a = vmmlaq_s32(a, (int8x16_t)m[s], low);
		b = vmmlaq_s32(b, (int8x16_t)m[s + 1], low);
		a = vmmlaq_s32(a, (int8x16_t)m[s + 2], high);
		b = vmmlaq_s32(b, (int8x16_t)m[s + 3], high);
	}
	return (struct dot_two){{(veci)vuzp1q_s32(a, b), (veci)vuzp2q_s32(a, b)}};
}

/* dot_offset() of two tokens; with offset 0 weights may be signed. */
FERRY_INLINE struct dot_two dot_two_offset(const vecu *m, const struct ferry_q8_block *x,
					   const struct ferry_q8_block *y, const int offset)
{
	struct dot_two sum = dot_matrices(m, x->x, y->x, 8);

	if (offset) {
		sum.token[0] -= offset * x->sum;
		sum.token[1] -= offset * y->sum;
	}
	return sum;
}

/* dot_groups() of two tokens */
FERRY_INLINE struct dot_two dot_two_groups(const vecu *m, const struct ferry_q8_block *x,
					   const struct ferry_q8_block *y,
					   const struct group_scales *scales, const int offset)
{
	struct dot_two total = {{{0}}};

	for (int g = 0; g < 2; g++) {
		struct dot_two sum = dot_matrices(m + 4 * g, x->x + 16 * g, y->x + 16 * g, 4);

		if (offset) {
			sum.token[0] -= offset * x->sum16[g];
			sum.token[1] -= offset * y->sum16[g];
		}
		total.token[0] += sum.token[0] * scales->scale[g];
		total.token[1] += sum.token[1] * scales->scale[g];
	}
	return total;
}

#endif

struct group_mins {
	veci min[2];
};

FERRY_INLINE struct group_mins group_mins_of(veci a, veci b)
{
	return (struct group_mins){{a, b}};
}

FERRY_INLINE veci dot_mins(const struct group_mins *mins, const struct ferry_q8_block *x)
{
	return mins->min[0] * x->sum16[0] + mins->min[1] * x->sum16[1];
}

#endif

/* Sum of w * x over 32 signed weights; @w_signed [8] is slab_signed() of w. */
FERRY_INLINE veci dot_signed(const vecu *w, const vecu *w_signed, const struct ferry_q8_block *x)
{
#if FERRY_DOT_LONG
	(void)w_signed;
	return dot_slabs(w, x->x, 8);
#else
	veci sum = {0};

	for (int s = 0; s < 8; s++)
		sum = dot4_signed(sum, w[s], w_signed[s], x->x + 4 * s);
	return dot_signed_end(sum, x);
#endif
}

#endif
