// SPDX-License-Identifier: MIT
#include "base/bytes.h"
#include "compute/dequantize_block.h"

enum { BLOCK = 32 };

/* {f16 d; u8 qs[16]}: byte j holds weight j (low nibble) and weight j + 16; (q - 8) * d */
void ferry_dequantize_q4_0(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 18; src < end; src += 18, dst += BLOCK) {
		const uint8_t *qs = src + 2;
		float d = ferry_load_f16(src);

		for (int j = 0; j < 16; j++) {
			dst[j] = (float)((qs[j] & 15) - 8) * d;
			dst[j + 16] = (float)((qs[j] >> 4) - 8) * d;
		}
	}
}

/* {f16 d, m; u8 qs[16]}: q * d + m */
void ferry_dequantize_q4_1(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 20; src < end; src += 20, dst += BLOCK) {
		const uint8_t *qs = src + 4;
		float d = ferry_load_f16(src), m = ferry_load_f16(src + 2);

		for (int j = 0; j < 16; j++) {
			dst[j] = (float)(qs[j] & 15) * d + m;
			dst[j + 16] = (float)(qs[j] >> 4) * d + m;
		}
	}
}

/* {f16 d; u32 qh; u8 qs[16]}: bit j of qh is the fifth bit of weight j; (q - 16) * d */
void ferry_dequantize_q5_0(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 22; src < end; src += 22, dst += BLOCK) {
		const uint8_t *qs = src + 6;
		float d = ferry_load_f16(src);
		uint32_t qh = ferry_load_le32(src + 2);

		for (int j = 0; j < 16; j++) {
			int low = (int)((qs[j] & 15) | (qh >> j & 1) << 4);
			int high = (int)(qs[j] >> 4 | (qh >> (j + 16) & 1) << 4);

			dst[j] = (float)(low - 16) * d;
			dst[j + 16] = (float)(high - 16) * d;
		}
	}
}

/* {f16 d, m; u32 qh; u8 qs[16]}: q * d + m */
void ferry_dequantize_q5_1(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 24; src < end; src += 24, dst += BLOCK) {
		const uint8_t *qs = src + 8;
		float d = ferry_load_f16(src), m = ferry_load_f16(src + 2);
		uint32_t qh = ferry_load_le32(src + 4);

		for (int j = 0; j < 16; j++) {
			uint32_t low = (qs[j] & 15) | (qh >> j & 1) << 4;
			uint32_t high = qs[j] >> 4 | (qh >> (j + 16) & 1) << 4;

			dst[j] = (float)low * d + m;
			dst[j + 16] = (float)high * d + m;
		}
	}
}

/* {f16 d; i8 qs[32]}: q * d */
void ferry_dequantize_q8_0(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / BLOCK * 34; src < end; src += 34, dst += BLOCK) {
		float d = ferry_load_f16(src);

		for (int j = 0; j < BLOCK; j++)
			dst[j] = (float)(int8_t)src[2 + j] * d;
	}
}
