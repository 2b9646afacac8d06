// SPDX-License-Identifier: MIT
/*
 * Products of packed weights and quantized activations.
 *
 * A slice of 32 weights of a register's worth of rows is unpacked into eight registers of bytes
 * and meets the same slice of every token of a tile before the next one is looked at; so what
 * unpacking costs is shared by the tokens. Slices are added in order:
 *
 *   y += (float)(integer sum) * (scale * d)		each rounded once, never fused,
 *   y += minimum * d_sum				where the type has one,
 *
 * so an element depends on its row and its token only, and all instruction sets agree. The plain
 * version of the same is matmul_packed_reference.c.
 */
#include "compute/packed.h"
#include "compute/variant.h"
#include "compute/vector_int.h"

enum {
	TILE = 128,		 /* tokens that share an opened slice */
	STRIP_BYTES = 128 << 10, /* of weights, which meet all tiles while they are there, too */
	AHEAD = 2048,		 /* bytes; the prefetcher of the processor stops at a page */
	LANES = FERRY_PACKED_LANES,
	SLAB = FERRY_PACKED_SLAB,
	WIDTH = 4 * FERRY_LANES, /* bytes of a slab in one register */
};

typedef float lanes[LANES];

/* One slice of the rows of one register. */
struct slice {
	vecu w[8];
	vecu w_signed[8]; /* types of signed weights: see slab_signed() */
	vec scale, min;
	struct group_scales scales; /* types with a scale per sixteen weights */
	struct group_mins mins;
};

static const bytes16 iq4_levels = {129, 152, 173, 191, 207, 221, 234, 246,
				   1,	13,  25,  38,  53,  69,	 89,  113};

/* Header fields: lanes of register k */

FERRY_INLINE vec half_lanes(const uint8_t *p, int k)
{
	return v16_load_f16(p).part[k];
}

FERRY_INLINE veci byte_lanes(bytes16 b, int k)
{
	uint8_t in[LANES];
	int32_t lane[FERRY_LANES];
	veci v;

#if FERRY_LANES == 16 && defined(__AVX512F__)
	(void)in, (void)lane, (void)k;
	return (veci)_mm512_cvtepu8_epi32((__m128i)b);
#elif FERRY_LANES == 8 && defined(__AVX2__)
	(void)in, (void)lane, (void)v;
	return (veci)_mm256_cvtepu8_epi32(k ? _mm_unpackhi_epi64((__m128i)b, (__m128i)b)
					    : (__m128i)b);
#elif FERRY_LANES == 4 && defined(__aarch64__)
	/* An index beyond the table gives zero. */
	const uint32x4_t first = {0xffffff00, 0xffffff01, 0xffffff02, 0xffffff03};

	(void)in, (void)lane, (void)v;
	return (veci)vqtbl1q_u8((uint8x16_t)b, (uint8x16_t)(first + 4 * (uint32_t)k));
#endif
	memcpy(in, &b, sizeof(in));
	for (int l = 0; l < FERRY_LANES; l++)
		lane[l] = in[k * FERRY_LANES + l];
	memcpy(&v, lane, sizeof(v));
	return v;
}

FERRY_INLINE veci signed_lanes(bytes16 b, int k)
{
	return byte_lanes(b, k) << 24 >> 24;
}

/* Planes: registers k of a slice */

FERRY_INLINE void unpack_bytes(const uint8_t *p, int k, vecu *w)
{
	for (int s = 0; s < 8; s++)
		w[s] = slab_load(p + s * SLAB + k * WIDTH);
}

FERRY_INLINE void unpack_nibbles(const uint8_t *p, int k, vecu *w)
{
	for (int s = 0; s < 4; s++) {
		const vecu both = slab_load(p + s * SLAB + k * WIDTH);

		w[s] = both & 0x0f0f0f0f;
		w[s + 4] = both >> 4 & 0x0f0f0f0f;
	}
}

FERRY_INLINE void unpack_pairs(const uint8_t *p, int k, vecu *w)
{
	for (int s = 0; s < 8; s++)
		w[s] = slab_load(p + s / 4 * SLAB + k * WIDTH) >> (2 * (s % 4)) & 0x03030303;
}

/* Two bits more, on top of four */
FERRY_INLINE void add_high_pairs(const uint8_t *p, int k, vecu *w)
{
	for (int s = 0; s < 8; s++) {
		const vecu v = slab_load(p + s / 4 * SLAB + k * WIDTH);

		w[s] |= (s % 4 < 2 ? v << (4 - 2 * (s % 4)) : v >> (2 * (s % 4) - 4)) & 0x30303030;
	}
}

/* A bit more, on top of @n bits */
FERRY_INLINE void add_high_bits(const uint8_t *p, int k, vecu *w, const int n)
{
	const vecu v = slab_load(p + k * WIDTH), mask = slab_set((uint8_t)(1 << n));

	for (int s = 0; s < 8; s++)
		w[s] |= (s < n ? v << (n - s) : v >> (s - n)) & mask;
}

/*
 * Per type: where a chunk's slices begin, their bytes, slices per chunk; how a slice is opened;
 * and how it is multiplied with a token's block.
 */
enum multiply {
	OFFSET_0_MIN,
	OFFSET_8,
	OFFSET_16,
	OFFSET_16_MIN,
	SIGNED,
	GROUPS_4,
	GROUPS_32,
	GROUPS_MIN,
};

/* What is taken off a code to make it a weight. */
FERRY_INLINE int offset_of(const enum multiply how)
{
	switch (how) {
	case GROUPS_4:
		return 4;
	case OFFSET_8:
		return 8;
	case OFFSET_16:
	case OFFSET_16_MIN:
		return 16;
	case GROUPS_32:
		return 32;
	default:
		return 0;
	}
}

FERRY_INLINE bool in_groups(const enum multiply how)
{
	return how == GROUPS_4 || how == GROUPS_32 || how == GROUPS_MIN;
}

FERRY_INLINE veci dot_slice(const enum multiply how, const struct slice *s,
			    const struct ferry_q8_block *x)
{
	if (in_groups(how))
		return dot_groups(s->w, x, &s->scales, offset_of(how));
	if (how == SIGNED)
		return dot_signed(s->w, s->w_signed, x);
	return dot_offset(s->w, x, offset_of(how));
}

FERRY_INLINE vec add_slice(const enum multiply how, const struct slice *s,
			   const struct ferry_q8_block *x, veci dot, vec sum)
{
	sum += vec_from_int(dot) * (s->scale * x->d);
	if (how == OFFSET_0_MIN || how == OFFSET_16_MIN)
		sum += s->min * x->d_sum;
	else if (how == GROUPS_MIN)
		sum += vec_from_int(dot_mins(&s->mins, x)) * (s->min * x->d);
	return sum;
}

FERRY_INLINE vec multiply(const enum multiply how, const struct slice *s,
			  const struct ferry_q8_block *x, vec sum)
{
	return add_slice(how, s, x, dot_slice(how, s, x), sum);
}

/* The slice times n tokens, whose sums begin at sums[t][lane]. */
#if FERRY_DOT_MATRIX

FERRY_INLINE void multiply_tile(const enum multiply how, struct slice *s,
				const struct ferry_q8_block *x, size_t n, lanes *sums, int lane)
{
	slabs_to_matrices(s->w);
	for (size_t t = 0; t < n; t += 2) {
		const size_t u = t + 1 < n ? t + 1 : t; /* without a partner, its own */
		float *y = sums[t] + lane, *z = sums[u] + lane;
		const struct dot_two dot =
			in_groups(how)
				? dot_two_groups(s->w, &x[t], &x[u], &s->scales, offset_of(how))
				: dot_two_offset(s->w, &x[t], &x[u], offset_of(how));
		const vec first = add_slice(how, s, &x[t], dot.token[0], vec_load(y));

		vec_store(z, add_slice(how, s, &x[u], dot.token[1], vec_load(z)));
		vec_store(y, first);
	}
}

#else

FERRY_INLINE void multiply_tile(const enum multiply how, struct slice *s,
				const struct ferry_q8_block *x, size_t n, lanes *sums, int lane)
{
	for (size_t t = 0; t < n; t++) {
		float *y = sums[t] + lane;

		vec_store(y, multiply(how, s, &x[t], vec_load(y)));
	}
}

#endif

FERRY_INLINE void open_signed(struct slice *s)
{
	for (int i = 0; i < 8; i++)
		s->w_signed[i] = slab_signed(s->w[i]);
}

FERRY_INLINE void open_q4_0(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	(void)g;
	s->scale = half_lanes(chunk, k);
	unpack_nibbles(p, k, s->w);
}

FERRY_INLINE void open_q4_1(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	open_q4_0(s, chunk, p, g, k);
	s->min = half_lanes(chunk + 32, k);
}

FERRY_INLINE void open_q5_0(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	open_q4_0(s, chunk, p, g, k);
	add_high_bits(p + 4 * SLAB, k, s->w, 4);
}

/* The kernel takes 16 off every weight, and the minimum gives it back. */
FERRY_INLINE void open_q5_1(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	open_q5_0(s, chunk, p, g, k);
	s->min = half_lanes(chunk + 32, k) + s->scale * 16.0f;
}

FERRY_INLINE void open_q8_0(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	(void)g;
	s->scale = half_lanes(chunk, k);
	unpack_bytes(p, k, s->w);
	open_signed(s);
}

FERRY_INLINE void open_iq4_nl(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	open_q4_0(s, chunk, p, g, k);
	for (int i = 0; i < 8; i++)
		s->w[i] = slab_lookup(iq4_levels, s->w[i]);
	open_signed(s);
}

FERRY_INLINE void open_q2_k(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	const bytes16 a = bytes16_load(chunk + 64 + 2 * g * LANES);
	const bytes16 b = bytes16_load(chunk + 64 + (2 * g + 1) * LANES);

	s->scale = half_lanes(chunk, k);
	s->min = -half_lanes(chunk + 32, k);
	s->scales = group_scales_of(byte_lanes(a & 15, k), byte_lanes(b & 15, k));
	s->mins = group_mins_of(byte_lanes(a >> 4, k), byte_lanes(b >> 4, k));
	unpack_pairs(p, k, s->w);
}

FERRY_INLINE void open_q3_k(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	const bytes16 low = bytes16_load(chunk + 32 + g * LANES);
	const bytes16 high = bytes16_down(bytes16_load(chunk + 160 + g / 2 * LANES), g % 2 * 4);
	const bytes16 a = (low & 15) | bytes16_up(high & 3, 4);
	const bytes16 b = (low >> 4) | bytes16_up(high & 12, 2);

	s->scale = half_lanes(chunk, k);
	s->scales = group_scales_of(byte_lanes(a, k) - 32, byte_lanes(b, k) - 32);
	unpack_pairs(p, k, s->w);
	add_high_bits(p + 2 * SLAB, k, s->w, 2);
}

FERRY_INLINE void open_k_scales(struct slice *s, const uint8_t *chunk, int g, int k)
{
	const bytes16 low = bytes16_load(chunk + 64 + g * LANES);
	const bytes16 high = bytes16_down(bytes16_load(chunk + 192 + g / 2 * LANES), g % 2 * 4);
	const bytes16 scale = (low & 15) | bytes16_up(high & 3, 4);
	const bytes16 min = (low >> 4) | bytes16_up(high & 12, 2);

	s->scale = half_lanes(chunk, k) * vec_from_int(byte_lanes(scale, k));
	s->min = -half_lanes(chunk + 32, k) * vec_from_int(byte_lanes(min, k));
}

FERRY_INLINE void open_q4_k(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	open_k_scales(s, chunk, g, k);
	unpack_nibbles(p, k, s->w);
}

FERRY_INLINE void open_q5_k(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	open_k_scales(s, chunk, g, k);
	s->min += s->scale * 16.0f;
	unpack_nibbles(p, k, s->w);
	add_high_bits(p + 4 * SLAB, k, s->w, 4);
}

FERRY_INLINE void open_q6_k(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	const bytes16 a = bytes16_load(chunk + 32 + 2 * g * LANES);
	const bytes16 b = bytes16_load(chunk + 32 + (2 * g + 1) * LANES);

	s->scale = half_lanes(chunk, k);
	s->scales = group_scales_of(signed_lanes(a, k), signed_lanes(b, k));
	unpack_nibbles(p, k, s->w);
	add_high_pairs(p + 4 * SLAB, k, s->w);
}

FERRY_INLINE void open_iq4_xs(struct slice *s, const uint8_t *chunk, const uint8_t *p, int g, int k)
{
	const bytes16 low = bytes16_down(bytes16_load(chunk + 32 + g / 2 * LANES), g % 2 * 4);
	const bytes16 high = bytes16_down(bytes16_load(chunk + 96 + g / 4 * LANES), g % 4 * 2);
	const bytes16 scale = (low & 15) | bytes16_up(high & 3, 4);

	s->scale = half_lanes(chunk, k) * vec_from_int(byte_lanes(scale, k) - 32);
	unpack_nibbles(p, k, s->w);
	for (int i = 0; i < 8; i++)
		s->w[i] = slab_lookup(iq4_levels, s->w[i]);
	open_signed(s);
}

/* A type: how to multiply, slices in a chunk, bytes of its header and of a slice */
#define PACKED_TYPES(X)                           \
	X(Q4_0, q4_0, OFFSET_8, 1, 32, 256)       \
	X(Q4_1, q4_1, OFFSET_0_MIN, 1, 64, 256)   \
	X(Q5_0, q5_0, OFFSET_16, 1, 32, 320)      \
	X(Q5_1, q5_1, OFFSET_16_MIN, 1, 64, 320)  \
	X(Q8_0, q8_0, SIGNED, 1, 32, 512)         \
	X(Q2_K, q2_k, GROUPS_MIN, 8, 320, 128)    \
	X(Q3_K, q3_k, GROUPS_4, 8, 224, 192)      \
	X(Q4_K, q4_k, OFFSET_0_MIN, 8, 256, 256)  \
	X(Q5_K, q5_k, OFFSET_16_MIN, 8, 256, 320) \
	X(Q6_K, q6_k, GROUPS_32, 8, 288, 384)     \
	X(IQ4_NL, iq4_nl, SIGNED, 1, 32, 256)     \
	X(IQ4_XS, iq4_xs, SIGNED, 8, 128, 256)

/*
 * one_*(): a group times one token; sums stay in registers.
 * tile_*(): a group times n <= TILE tokens; their sums are in the first-level cache.
 * @x: block b of token t is x[b * stride + t]
 */
#define DEFINE_TYPE(TYPE, name, how, n_slices, header, bytes)                               \
	static void one_##name(const uint8_t *chunk, size_t n_chunks,                       \
			       const struct ferry_q8_block *x, size_t stride, float *y)     \
	{                                                                                   \
		vec sum[V16_PARTS] = {{0}};                                                 \
                                                                                            \
		for (; n_chunks; n_chunks--, chunk += (header) + (n_slices) * (bytes))      \
			for (int g = 0; g < (n_slices); g++, x += stride) {                 \
				const uint8_t *p = chunk + (header) + g * (bytes);          \
                                                                                            \
				for (int i = 0; i < (bytes); i += 64)                       \
					__builtin_prefetch(p + AHEAD + i);                  \
				for (int k = 0; k < V16_PARTS; k++) {                       \
					struct slice s;                                     \
                                                                                            \
					open_##name(&s, chunk, p, g, k);                    \
					sum[k] = multiply(how, &s, x, sum[k]);              \
				}                                                           \
			}                                                                   \
		for (int k = 0; k < V16_PARTS; k++)                                         \
			vec_store(y + k * FERRY_LANES, sum[k]);                             \
	}                                                                                   \
                                                                                            \
	static void tile_##name(const uint8_t *chunk, size_t n_chunks,                      \
				const struct ferry_q8_block *x, size_t stride, size_t n,    \
				lanes *sums)                                                \
	{                                                                                   \
		for (; n_chunks; n_chunks--, chunk += (header) + (n_slices) * (bytes))      \
			for (int g = 0; g < (n_slices); g++, x += stride)                   \
				for (int k = 0; k < V16_PARTS; k++) {                       \
					const uint8_t *p = chunk + (header) + g * (bytes);  \
					struct slice s;                                     \
                                                                                            \
					open_##name(&s, chunk, p, g, k);                    \
					multiply_tile(how, &s, x, n, sums, k *FERRY_LANES); \
				}                                                           \
	}

PACKED_TYPES(DEFINE_TYPE)

#if FERRY_DOT_PAIRS
#include "compute/matmul_pairs.h"

PACKED_TYPES(DEFINE_WIDE)
#else
enum { WIDE_GROUPS = 1, WIDE_TOKENS = TILE + 1 }; /* never */
typedef lanes wide_lanes;
#endif

struct type_kernels {
	void (*one)(const uint8_t *chunk, size_t n_chunks, const struct ferry_q8_block *x,
		    size_t stride, float *y);
	void (*tile)(const uint8_t *chunk, size_t n_chunks, const struct ferry_q8_block *x,
		     size_t stride, size_t n, lanes *sums);
	void (*wide)(const uint8_t *chunk, size_t group_bytes, size_t n_chunks,
		     const struct ferry_q8_block *x, size_t stride, size_t n, wide_lanes *sums);
};

#if FERRY_DOT_PAIRS
#define WIDE_KERNEL(name) wide_##name
#else
#define WIDE_KERNEL(name) NULL
#endif

static const struct type_kernels by_type[] = {
#define LIST_TYPE(TYPE, name, how, n_slices, header, bytes) \
	[FERRY_TYPE_##TYPE] = {one_##name, tile_##name, WIDE_KERNEL(name)},
	PACKED_TYPES(LIST_TYPE)};

/* Group @g and n <= TILE tokens, to rows of y. */
static void multiply_group(const struct ferry_packed *w, size_t n_chunks, size_t g,
			   const struct ferry_q8_block *x, size_t stride, size_t n, float *y,
			   size_t y_stride)
{
	const size_t row = g * LANES, n_rows = w->n_out - row < LANES ? w->n_out - row : LANES;
	const uint8_t *group = w->groups + g * w->group_bytes;
	lanes sums[TILE] __attribute__((aligned(64)));

	if (n == 1) {
		by_type[w->type].one(group, n_chunks, x, stride, sums[0]);
	} else {
		memset(sums, 0, n * sizeof(sums[0]));
		by_type[w->type].tile(group, n_chunks, x, stride, n, sums);
	}
	for (size_t t = 0; t < n; t++)
		if (n_rows == LANES) /* a length that the compiler knows needs no call */
			memcpy(y + t * y_stride + row, sums[t], sizeof(sums[t]));
		else
			memcpy(y + t * y_stride + row, sums[t], n_rows * sizeof(float));
}

/* The same for WIDE_GROUPS groups. */
static void multiply_groups(const struct ferry_packed *w, size_t n_chunks, size_t g,
			    const struct ferry_q8_block *x, size_t stride, size_t n, float *y,
			    size_t y_stride)
{
	enum { ROWS = WIDE_GROUPS * LANES };
	const size_t row = g * LANES, n_rows = w->n_out - row < ROWS ? w->n_out - row : ROWS;
	wide_lanes sums[TILE] __attribute__((aligned(64)));

	memset(sums, 0, n * sizeof(sums[0]));
	by_type[w->type].wide(w->groups + g * w->group_bytes, w->group_bytes, n_chunks, x, stride,
			      n, sums);
	for (size_t t = 0; t < n; t++)
		memcpy(y + t * y_stride + row, sums[t], n_rows * sizeof(float));
}

void FERRY_VARIANT(ferry_matmul_packed)(const struct ferry_packed *w,
					const struct ferry_activations *x, size_t first,
					size_t n_tokens, float *y, size_t y_stride,
					size_t group_begin, size_t group_end)
{
	const size_t n_chunks = w->n_in / ferry_type_traits(w->type)->block_len;
	const size_t fit = STRIP_BYTES / w->group_bytes / WIDE_GROUPS * WIDE_GROUPS;
	const size_t strip = fit ? fit : WIDE_GROUPS;

	for (size_t s = group_begin; s < group_end; s += strip) {
		const size_t end = group_end - s < strip ? group_end : s + strip;

		for (size_t t = 0; t < n_tokens; t += TILE) {
			const size_t n = n_tokens - t < TILE ? n_tokens - t : TILE;

			for (size_t g = s; g < end;) {
				const struct ferry_q8_block *b = x->blocks + first + t;
				float *to = y + t * y_stride;

				if (n >= WIDE_TOKENS && end - g >= WIDE_GROUPS) {
					multiply_groups(w, n_chunks, g, b, x->n_tokens, n, to,
							y_stride);
					g += WIDE_GROUPS;
				} else {
					multiply_group(w, n_chunks, g++, b, x->n_tokens, n, to,
						       y_stride);
				}
			}
		}
	}
}
