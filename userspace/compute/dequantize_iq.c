// SPDX-License-Identifier: MIT
#include "base/bytes.h"
#include "compute/dequantize_block.h"

static const int8_t levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
				  1,	13,   25,  38,	53,  69,  89,  113};

static void dequantize_32(const uint8_t *qs, float d, float *dst)
{
	for (int j = 0; j < 16; j++) {
		dst[j] = d * (float)levels[qs[j] & 15];
		dst[j + 16] = d * (float)levels[qs[j] >> 4];
	}
}

/* {f16 d; u8 qs[16]}: nibbles as in Q4_0; d * level */
void ferry_dequantize_iq4_nl(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / 32 * 18; src < end; src += 18, dst += 32)
		dequantize_32(src + 2, ferry_load_f16(src), dst);
}

/*
 * {f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]}. Groups of 32: d * (s - 32) * level. A
 * group's scale has its low four bits in a nibble of scales_l, its upper two in scales_h.
 */
void ferry_dequantize_iq4_xs(const uint8_t *src, float *dst, size_t n)
{
	for (const uint8_t *end = src + n / 256 * 136; src < end; src += 136) {
		uint32_t scales_h = ferry_load_le16(src + 2);
		float d = ferry_load_f16(src);

		for (int group = 0; group < 8; group++, dst += 32) {
			int low = src[4 + group / 2] >> (group % 2 * 4) & 15;
			int high = (int)(scales_h >> (2 * group) & 3);

			dequantize_32(src + 8 + 16 * group, d * (float)((low | high << 4) - 32),
				      dst);
		}
	}
}
