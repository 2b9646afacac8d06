/* SPDX-License-Identifier: MIT */
/*
 * Hidden states as bytes, for a link. All numbers are little-endian; a row has n numbers.
 *
 * F32, F16: one number after the other. F16 rounds to nearest, to even.
 *
 * INT8: groups of 32 numbers, each a scale (f16) and 32 signed bytes; x = scale * byte. The scale
 * is the group's largest magnitude / 127, rounded up to an f16, so that no byte is clipped: an
 * error is half a scale at most.
 *
 * INT4: the row in sections of 4096 numbers. Each begins with its outliers, one for each 128
 * numbers or part of them: index in the section (u16) and value (f16), indices increasing. Groups
 * of 32 follow, each a scale (f16) and 16 bytes: number i in the low half of byte i % 16 where i <
 * 16, else in the high half; x = scale * (half - 8), but for the outliers. The scale is the
 * largest magnitude that is no outlier / 7, rounded up.
 *
 * Why outliers: a residual stream has a few dimensions that are tens (Dettmers et al. 2022,
 * "LLM.int8()", outlier features) to thousands of times as large as the rest, and above all at the
 * first token (Sun et al. 2024, "Massive Activations in Large Language Models"). With fifteen
 * levels, one of them turns the 31 numbers beside it into zeros, and rounding such a dimension
 * itself moves every layer behind it. There are fewer than one in a hundred and they are not the
 * same for all tokens, so the largest of each row are taken, wherever they are: a fifth of a bit
 * per number.
 *
 * In the last group of a row, numbers beyond n are written as zeros and not looked at.
 */
#ifndef FERRY_COMPUTE_CODEC_H
#define FERRY_COMPUTE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As on the wire: enum ferry_wire_encoding. */
enum ferry_codec {
	FERRY_CODEC_F32 = 0,
	FERRY_CODEC_F16 = 1,
	FERRY_CODEC_INT8 = 2,
	FERRY_CODEC_INT4 = 3,
	FERRY_CODECS,
};

enum {
	FERRY_CODEC_GROUP = 32,
	FERRY_CODEC_INT8_GROUP_BYTES = 2 + FERRY_CODEC_GROUP,
	FERRY_CODEC_INT4_GROUP_BYTES = 2 + FERRY_CODEC_GROUP / 2,
	FERRY_CODEC_SECTION = 4096,
	FERRY_CODEC_PER_OUTLIER = 128,
	FERRY_CODEC_OUTLIER_BYTES = 4,
};

/* Bytes of a row of @n numbers. */
static inline size_t ferry_codec_bytes(enum ferry_codec codec, size_t n)
{
	const size_t groups = (n + FERRY_CODEC_GROUP - 1) / FERRY_CODEC_GROUP;
	const size_t outliers = (n + FERRY_CODEC_PER_OUTLIER - 1) / FERRY_CODEC_PER_OUTLIER;

	switch (codec) {
	case FERRY_CODEC_F32:
		return 4 * n;
	case FERRY_CODEC_F16:
		return 2 * n;
	case FERRY_CODEC_INT8:
		return groups * FERRY_CODEC_INT8_GROUP_BYTES;
	case FERRY_CODEC_INT4:
		return groups * FERRY_CODEC_INT4_GROUP_BYTES + outliers * FERRY_CODEC_OUTLIER_BYTES;
	default:
		return 0;
	}
}

/*
 * f16 of the smallest value that is not below @s, which is positive or zero and finite; above
 * 0x7bff where there is none.
 */
uint32_t ferry_codec_scale(float s);

/**
 * ferry_codec_encode_reference - a row of @n numbers to bytes, in plain C.
 * @bytes: [ferry_codec_bytes(codec, n)]
 *
 * Return: whether all numbers are finite, and not too large for the codec (65504 for F16, and for
 * an outlier of INT4; 127 times that for INT8). Else @bytes are undefined.
 */
bool ferry_codec_encode_reference(enum ferry_codec codec, const float *x, size_t n, uint8_t *bytes);

/*
 * The reverse; bytes may be any. Return: false where they are none that an encoder writes: a scale
 * or value that is not finite, a scale below zero, an outlier's index that is too large or not
 * above the one before; @x is undefined then.
 */
bool ferry_codec_decode_reference(enum ferry_codec codec, const uint8_t *bytes, size_t n, float *x);

#endif
