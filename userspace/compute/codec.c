// SPDX-License-Identifier: MIT
/*
 * Hidden states to bytes and back, sixteen at a time. codec.h has the formats, codec_reference.c
 * the same in plain C: the same bits.
 */
#include "compute/codec.h"

#include "compute/dequantize.h"
#include "compute/variant.h"
#include "compute/vector.h"

enum {
	GROUP = FERRY_CODEC_GROUP,
	SECTION_GROUPS = FERRY_CODEC_SECTION / GROUP,
	MAX_F16 = 0x7bff,
	INFINITE = 0x7f800000,	   /* bits of a float from which on it is not finite */
	F16_OVERFLOW = 0x477ff000, /* from which on it rounds to an infinite f16 */
};

/* 1.5 * 2^23: adding it rounds to an integer, to even, which is then in the low bits. */
#define ROUND	   12582912.0f
#define ROUND_BITS 0x4b400000

typedef int8_t narrow __attribute__((vector_size(FERRY_LANES)));

struct largest {
	veci part[V16_PARTS]; /* bits of magnitudes, lane by lane */
};

FERRY_INLINE void take_larger(struct largest *l, struct v16 v)
{
	for (int k = 0; k < V16_PARTS; k++) {
		const veci bits = (veci)v.part[k] & 0x7fffffff, more = bits > l->part[k];

		l->part[k] = (bits & more) | (l->part[k] & ~more);
	}
}

FERRY_INLINE int32_t largest_bits(struct largest l)
{
	int32_t lane[FERRY_LANES];

	for (int k = 1; k < V16_PARTS; k++) {
		const veci more = l.part[k] > l.part[0];

		l.part[0] = (l.part[k] & more) | (l.part[0] & ~more);
	}
	memcpy(lane, &l.part[0], sizeof(lane));
	for (int n = FERRY_LANES / 2; n; n /= 2)
		for (int i = 0; i < n; i++)
			lane[i] = lane[i] > lane[i + n] ? lane[i] : lane[i + n];
	return lane[0];
}

FERRY_INLINE int32_t largest_of_group(const float *x)
{
	struct largest l = {{{0}}};

	take_larger(&l, v16_load(x));
	take_larger(&l, v16_load(x + 16));
	return largest_bits(l);
}

FERRY_INLINE float float_of_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

/* Rows of numbers as they are */

FERRY_INLINE bool all_below(struct largest l, int32_t limit)
{
	return largest_bits(l) < limit;
}

static bool copy_f32(const void *from, size_t n, void *to)
{
	struct largest l = {{{0}}};
	const uint8_t *p = from;
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		take_larger(&l, v16_load(p + 4 * i));
	if (i < n)
		take_larger(&l, v16_load_some(p + 4 * i, n - i));
	memcpy(to, from, 4 * n);
	return all_below(l, INFINITE);
}

static bool encode_f16(const float *x, size_t n, uint8_t *bytes)
{
	struct largest l = {{{0}}};
	uint8_t last[32];
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const struct v16 v = v16_load(x + i);

		take_larger(&l, v);
		v16_store_f16(bytes + 2 * i, v);
	}
	if (i < n) {
		const struct v16 v = v16_load_some(x + i, n - i);

		take_larger(&l, v);
		v16_store_f16(last, v);
		memcpy(bytes + 2 * i, last, 2 * (n - i));
	}
	return all_below(l, F16_OVERFLOW);
}

static bool decode_f16(const uint8_t *bytes, size_t n, float *x)
{
	struct largest l = {{{0}}};
	uint8_t last[32] = {0};
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const struct v16 v = v16_load_f16(bytes + 2 * i);

		take_larger(&l, v);
		v16_store(x + i, v);
	}
	if (i < n) {
		struct v16 v;

		memcpy(last, bytes + 2 * i, 2 * (n - i));
		v = v16_load_f16(last);
		take_larger(&l, v);
		v16_store_some(x + i, v, n - i);
	}
	return all_below(l, INFINITE);
}

/* Groups */

/* The scale of a group whose largest magnitude has these bits; its inverse. */
FERRY_INLINE uint32_t choose_scale(int32_t largest, float levels, float *inverse)
{
	const uint32_t h = ferry_codec_scale(float_of_bits((uint32_t)largest) / levels);

	*inverse = h ? 1.0f / float_of_bits(f16_bits_to_f32(h)) : 0.0f;
	return h;
}

/* Lane by lane, the nearest whole number. */
FERRY_INLINE veci round_lanes(vec x, float inverse)
{
	return (veci)(x * inverse + ROUND) - ROUND_BITS;
}

FERRY_INLINE void store_narrow(uint8_t *p, veci v)
{
	const narrow n = __builtin_convertvector(v, narrow);

	memcpy(p, &n, sizeof(n));
}

FERRY_INLINE bool encode_int8_group(const float *x, uint8_t *bytes)
{
	const int32_t largest = largest_of_group(x);
	float inverse;
	uint32_t h;

	if (largest >= INFINITE)
		return false;
	h = choose_scale(largest, 127.0f, &inverse);
	ferry_store_le16(bytes, (uint16_t)h);
	for (int i = 0; i < GROUP; i += FERRY_LANES)
		store_narrow(bytes + 2 + i, round_lanes(vec_load(x + i), inverse));
	return h <= MAX_F16;
}

static bool encode_int8(const float *x, size_t n, uint8_t *bytes)
{
	float last[GROUP] = {0};
	bool fits = true;

	for (; n >= GROUP; n -= GROUP, x += GROUP, bytes += FERRY_CODEC_INT8_GROUP_BYTES)
		fits &= encode_int8_group(x, bytes);
	if (!n)
		return fits;
	memcpy(last, x, n * sizeof(*x));
	return encode_int8_group(last, bytes) && fits;
}

FERRY_INLINE bool decode_int8_group(const uint8_t *bytes, float *x)
{
	const uint32_t h = ferry_load_le16(bytes);
	const struct v16 scale = v16_set(float_of_bits(f16_bits_to_f32(h)));

	v16_store(x, v16_mul(v16_load_i8(bytes + 2), scale));
	v16_store(x + 16, v16_mul(v16_load_i8(bytes + 18), scale));
	return h <= MAX_F16;
}

static bool decode_int8(const uint8_t *bytes, size_t n, float *x)
{
	float last[GROUP];
	bool right = true;

	for (; n >= GROUP; n -= GROUP, x += GROUP, bytes += FERRY_CODEC_INT8_GROUP_BYTES)
		right &= decode_int8_group(bytes, x);
	if (!n)
		return right;
	right &= decode_int8_group(bytes, last);
	memcpy(x, last, n * sizeof(*x));
	return right;
}

/* What is known of a section while its outliers are looked for. */
struct section {
	int32_t largest[SECTION_GROUPS];   /* bits of what is no outlier; -1: nothing is left */
	uint32_t outliers[SECTION_GROUPS]; /* a bit for each number of a group */
};

/* A group with zeros behind its end and for its outliers. */
FERRY_INLINE void copy_group(const float *x, size_t n, uint32_t outliers, float *to)
{
	memset(to, 0, GROUP * sizeof(*to));
	memcpy(to, x, (n < GROUP ? n : GROUP) * sizeof(*x));
	for (; outliers; outliers &= outliers - 1)
		to[__builtin_ctz(outliers)] = 0.0f;
}

FERRY_INLINE int32_t magnitude(const float *x)
{
	int32_t bits;

	memcpy(&bits, x, sizeof(bits));
	return bits & 0x7fffffff;
}

/* Marks the largest number that is left, the first among equals. */
static void mark_outlier(struct section *s, const float *x, size_t n)
{
	const size_t n_groups = (n + GROUP - 1) / GROUP;
	const uint32_t all = ~0u;
	uint32_t there, left;
	size_t best = 0;
	int i = 0;

	for (size_t g = 1; g < n_groups; g++)
		if (s->largest[g] > s->largest[best])
			best = g;
	x += best * GROUP;
	n -= best * GROUP;
	there = n < GROUP ? all >> (GROUP - n) : all;
	for (left = there & ~s->outliers[best]; left; left &= left - 1) {
		i = __builtin_ctz(left);
		if (magnitude(&x[i]) == s->largest[best])
			break;
	}
	s->outliers[best] |= 1u << i;
	s->largest[best] = -1;
	for (left = there & ~s->outliers[best]; left; left &= left - 1) {
		const int32_t m = magnitude(&x[__builtin_ctz(left)]);

		s->largest[best] = m > s->largest[best] ? m : s->largest[best];
	}
}

static bool write_outliers(const struct section *s, const float *x, size_t n, uint8_t **bytes)
{
	bool fits = true;

	for (size_t g = 0; g * GROUP < n; g++) {
		for (uint32_t left = s->outliers[g]; left; left &= left - 1) {
			const size_t i = g * GROUP + (size_t)__builtin_ctz(left);

			fits &= magnitude(&x[i]) < F16_OVERFLOW;
			ferry_store_le16(*bytes, (uint16_t)i);
			ferry_store_le16(*bytes + 2, ferry_f32_to_f16(x[i]));
			*bytes += FERRY_CODEC_OUTLIER_BYTES;
		}
	}
	return fits;
}

FERRY_INLINE bool encode_int4_group(const float *x, int32_t largest, uint8_t *bytes)
{
	float inverse;
	const uint32_t h = choose_scale(largest > 0 ? largest : 0, 7.0f, &inverse);

	ferry_store_le16(bytes, (uint16_t)h);
	for (int i = 0; i < GROUP / 2; i += FERRY_LANES) {
		const veci low = round_lanes(vec_load(x + i), inverse) + 8;
		const veci high = round_lanes(vec_load(x + i + GROUP / 2), inverse) + 8;

		store_narrow(bytes + 2 + i, low | high << 4);
	}
	return h <= MAX_F16;
}

FERRY_INLINE size_t n_outliers(size_t n)
{
	return (n + FERRY_CODEC_PER_OUTLIER - 1) / FERRY_CODEC_PER_OUTLIER;
}

static bool encode_section(const float *x, size_t n, uint8_t **bytes)
{
	struct section s;
	float copy[GROUP];
	bool fits = true;

	for (size_t g = 0; g * GROUP < n; g++) {
		const size_t left = n - g * GROUP;

		s.outliers[g] = 0;
		if (left < GROUP)
			copy_group(x + g * GROUP, left, 0, copy);
		s.largest[g] = largest_of_group(left < GROUP ? copy : x + g * GROUP);
		fits &= s.largest[g] < INFINITE;
	}
	if (!fits)
		return false;
	for (size_t k = 0; k < n_outliers(n); k++)
		mark_outlier(&s, x, n);
	fits = write_outliers(&s, x, n, bytes);
	for (size_t g = 0; g * GROUP < n; g++, *bytes += FERRY_CODEC_INT4_GROUP_BYTES) {
		const size_t left = n - g * GROUP;
		const bool whole = left >= GROUP && !s.outliers[g];

		if (!whole)
			copy_group(x + g * GROUP, left, s.outliers[g], copy);
		fits &= encode_int4_group(whole ? x + g * GROUP : copy, s.largest[g], *bytes);
	}
	return fits;
}

FERRY_INLINE bool decode_int4_group(const uint8_t *bytes, float *x)
{
	const uint32_t h = ferry_load_le16(bytes);
	const struct v16 scale = v16_set(float_of_bits(f16_bits_to_f32(h)));
	const bytes16 both = bytes16_load(bytes + 2);
	const struct v16 eight = v16_set(-8.0f);

	v16_store(x, v16_mul(v16_add(v16_from_u8(both & 15), eight), scale));
	v16_store(x + 16, v16_mul(v16_add(v16_from_u8(bytes16_down(both, 4) & 15), eight), scale));
	return h <= MAX_F16;
}

static bool decode_section(const uint8_t **bytes, size_t n, float *x)
{
	const uint8_t *outliers = *bytes;
	int before = -1;
	bool right = true;
	size_t g = 0;

	*bytes += n_outliers(n) * FERRY_CODEC_OUTLIER_BYTES;
	for (; g + GROUP <= n; g += GROUP, *bytes += FERRY_CODEC_INT4_GROUP_BYTES)
		right &= decode_int4_group(*bytes, x + g);
	if (g < n) {
		float last[GROUP];

		right &= decode_int4_group(*bytes, last);
		memcpy(x + g, last, (n - g) * sizeof(*x));
		*bytes += FERRY_CODEC_INT4_GROUP_BYTES;
	}
	for (size_t k = 0; k < n_outliers(n); k++, outliers += FERRY_CODEC_OUTLIER_BYTES) {
		const int i = ferry_load_le16(outliers);
		const uint32_t h = ferry_load_le16(outliers + 2);

		if (i <= before || (size_t)i >= n || (h & 0x7fff) > MAX_F16)
			return false;
		x[i] = float_of_bits(f16_bits_to_f32(h));
		before = i;
	}
	return right;
}

bool FERRY_VARIANT(ferry_encode)(enum ferry_codec codec, const float *x, size_t n, uint8_t *bytes)
{
	if (codec == FERRY_CODEC_F32)
		return copy_f32(x, n, bytes);
	if (codec == FERRY_CODEC_F16)
		return encode_f16(x, n, bytes);
	if (codec == FERRY_CODEC_INT8)
		return encode_int8(x, n, bytes);
	for (; n > FERRY_CODEC_SECTION; n -= FERRY_CODEC_SECTION, x += FERRY_CODEC_SECTION)
		if (!encode_section(x, FERRY_CODEC_SECTION, &bytes))
			return false;
	return encode_section(x, n, &bytes);
}

bool FERRY_VARIANT(ferry_decode)(enum ferry_codec codec, const uint8_t *bytes, size_t n, float *x)
{
	if (codec == FERRY_CODEC_F32)
		return copy_f32(bytes, n, x);
	if (codec == FERRY_CODEC_F16)
		return decode_f16(bytes, n, x);
	if (codec == FERRY_CODEC_INT8)
		return decode_int8(bytes, n, x);
	for (; n > FERRY_CODEC_SECTION; n -= FERRY_CODEC_SECTION, x += FERRY_CODEC_SECTION)
		if (!decode_section(&bytes, FERRY_CODEC_SECTION, x))
			return false;
	return decode_section(&bytes, n, x);
}
