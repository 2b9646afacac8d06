// SPDX-License-Identifier: MIT
#include "base/bytes.h"
#include "compute/dequantize_block.h"

enum { BLOCK = 256 };

/*
 * {u8 scales[16]; u8 qs[64]; f16 d, dmin}. Groups of 16 weights; the low nibble of a group's byte
 * is its scale, the high one its minimum: d * s * q - dmin * m. Each half of 128 weights
 * takes 32 bytes of qs: bits 2k..2k+1 of byte j are weight 32 k + j.
 */
void ferry_dequantize_q2_k(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 84; src < end; src += 84, dst += BLOCK) {
		const uint8_t *qs = src + 16;
		float d = ferry_load_f16(src + 80), dmin = ferry_load_f16(src + 82);

		for (int i = 0; i < BLOCK; i++) {
			uint8_t scale = src[i / 16];
			int q = qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;

			dst[i] = d * (float)(scale & 15) * (float)q - dmin * (float)(scale >> 4);
		}
	}
}

/*
 * Sixteen 6-bit scales in 12 bytes: the low nibbles of bytes 0..7 are the low four bits of
 * scales 0..7, the high nibbles those of 8..15; bits 2k..2k+1 of byte 8 + i are the upper two
 * bits of scale 4 k + i. Stored with an offset of 32.
 */
static int q3_k_scale(const uint8_t *scales, int group)
{
	int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
	int high = scales[8 + group % 4] >> (group / 4 * 2) & 3;

	return (low | high << 4) - 32;
}

/*
 * {u8 hmask[32]; u8 qs[64]; u8 scales[12]; f16 d}. Low two bits as in Q2_K; bit i / 32 of
 * hmask[i % 32] is the third bit of weight i, and four is taken off where it is clear.
 */
void ferry_dequantize_q3_k(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 110; src < end; src += 110, dst += BLOCK) {
		const uint8_t *hmask = src, *qs = src + 32, *scales = src + 96;
		float d = ferry_load_f16(src + 108);

		for (int i = 0; i < BLOCK; i++) {
			int q = qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;

			if (!(hmask[i % 32] >> (i / 32) & 1))
				q -= 4;
			dst[i] = d * (float)q3_k_scale(scales, i / 16) * (float)q;
		}
	}
}

/*
 * Eight 6-bit scales and eight 6-bit minimums in 12 bytes. Groups 0..3: the low six bits of
 * bytes 0..3 and 4..7. Groups 4..7: the nibbles of bytes 8..11, with the upper two bits
 * of bytes 0..3 and 4..7 above them.
 */
static void k_scale_min(const uint8_t *scales, int group, float *scale, float *min)
{
	int s, m;

	if (group < 4) {
		s = scales[group] & 63;
		m = scales[group + 4] & 63;
	} else {
		s = (scales[group + 4] & 15) | scales[group - 4] >> 6 << 4;
		m = scales[group + 4] >> 4 | scales[group] >> 6 << 4;
	}
	*scale = (float)s;
	*min = (float)m;
}

/*
 * {f16 d, dmin; u8 scales[12]; u8 qs[128]}. Groups of 32: d * s * q - dmin * m. Group 2k has
 * the low nibbles of qs[32 k ...], group 2k + 1 the high ones.
 */
void ferry_dequantize_q4_k(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 144; src < end; src += 144) {
		float d = ferry_load_f16(src), dmin = ferry_load_f16(src + 2), scale, min;

		for (int group = 0; group < 8; group++, dst += 32) {
			const uint8_t *qs = src + 16 + group / 2 * 32;
			int shift = group % 2 * 4;

			k_scale_min(src + 4, group, &scale, &min);
			for (int j = 0; j < 32; j++)
				dst[j] = d * scale * (float)(qs[j] >> shift & 15) - dmin * min;
		}
	}
}

/* {f16 d, dmin; u8 scales[12]; u8 qh[32]; u8 qs[128]}: as Q4_K; bit g of qh[j] is the fifth bit
 * of weight j of group g. */
void ferry_dequantize_q5_k(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 176; src < end; src += 176) {
		const uint8_t *qh = src + 16;
		float d = ferry_load_f16(src), dmin = ferry_load_f16(src + 2), scale, min;

		for (int group = 0; group < 8; group++, dst += 32) {
			const uint8_t *qs = src + 48 + group / 2 * 32;
			int shift = group % 2 * 4;

			k_scale_min(src + 4, group, &scale, &min);
			for (int j = 0; j < 32; j++) {
				int q = (qs[j] >> shift & 15) | (qh[j] >> group & 1) << 4;

				dst[j] = d * scale * (float)q - dmin * min;
			}
		}
	}
}

/*
 * {u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d}. Groups of 16: d * s * (q - 32). Each half of 128
 * weights takes 64 bytes of ql (weights 0..63 in the low nibbles, 64..127 in the high ones)
 * and 32 of qh (bits 2k..2k+1 of byte j are the upper bits of weight 32 k + j).
 */
void ferry_dequantize_q6_k(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 210; src < end; src += 210, dst += BLOCK) {
		const uint8_t *ql = src, *qh = src + 128, *scales = src + 192;
		float d = ferry_load_f16(src + 208);

		for (int i = 0; i < BLOCK; i++) {
			int half = i / 128, at = i % 128;
			int low = ql[64 * half + at % 64] >> (at / 64 * 4) & 15;
			int high = qh[32 * half + at % 32] >> (at / 32 * 2) & 3;

			dst[i] =
				d * (float)(int8_t)scales[i / 16] * (float)((low | high << 4) - 32);
		}
	}
}
