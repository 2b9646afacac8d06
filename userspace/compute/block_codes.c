// SPDX-License-Identifier: MIT
/*
 * One function per layout of bits, used in both directions: `join` says which. The layouts are
 * described in dequantize_*.c.
 */
#include "compute/block_codes.h"

#include <string.h>

#include "base/bytes.h"

/* @width bits of a byte at @shift are a code. Joining expects the byte's bits to be clear. */
static void bits(uint8_t *byte, int shift, int width, uint8_t *code, int code_shift, bool join)
{
	const unsigned mask = (1u << width) - 1;

	if (join)
		*byte |= (uint8_t)((*code >> code_shift & mask) << shift);
	else
		*code |= (uint8_t)((*byte >> shift & mask) << code_shift);
}

static void half(uint8_t *bytes, uint16_t *h, bool join)
{
	if (join)
		ferry_store_le16(bytes, *h);
	else
		*h = ferry_load_le16(bytes);
}

/* 32 weights: byte j has weight j in its low nibble and weight j + 16 in its high one. */
static void nibbles(uint8_t *bytes, uint8_t *weight, bool join)
{
	for (int j = 0; j < 32; j++)
		bits(&bytes[j % 16], j / 16 * 4, 4, &weight[j], 0, join);
}

static void q4(uint8_t *b, struct ferry_block_codes *c, bool has_min, bool join)
{
	half(b, &c->d, join);
	if (has_min)
		half(b + 2, &c->m, join);
	nibbles(b + (has_min ? 4 : 2), c->weight, join);
}

static void q5(uint8_t *b, struct ferry_block_codes *c, bool has_min, bool join)
{
	half(b, &c->d, join);
	if (has_min)
		half(b + 2, &c->m, join);
	b += has_min ? 4 : 2;
	for (int j = 0; j < 32; j++)
		bits(&b[j / 8], j % 8, 1, &c->weight[j], 4, join);
	nibbles(b + 4, c->weight, join);
}

static void q8_0(uint8_t *b, struct ferry_block_codes *c, bool join)
{
	half(b, &c->d, join);
	for (int j = 0; j < 32; j++)
		bits(&b[2 + j], 0, 8, &c->weight[j], 0, join);
}

/* Two bits per weight: each half of 128 has 32 bytes, each quarter of it a pair of bits there. */
static void pairs(uint8_t *bytes, uint8_t *weight, int code_shift, bool join)
{
	for (int i = 0; i < 256; i++)
		bits(&bytes[i / 128 * 32 + i % 32], i % 128 / 32 * 2, 2, &weight[i], code_shift,
		     join);
}

static void q2_k(uint8_t *b, struct ferry_block_codes *c, bool join)
{
	for (int g = 0; g < 16; g++)
		bits(&b[g], 0, 8, &c->scale[g], 0, join); /* with the minimum: as it is */
	pairs(b + 16, c->weight, 0, join);
	half(b + 80, &c->d, join);
	half(b + 82, &c->m, join);
}

static void q3_k(uint8_t *b, struct ferry_block_codes *c, bool join)
{
	for (int i = 0; i < 256; i++)
		bits(&b[i % 32], i / 32, 1, &c->weight[i], 2, join);
	pairs(b + 32, c->weight, 0, join);
	for (int g = 0; g < 16; g++) {
		bits(&b[96 + g % 8], g / 8 * 4, 4, &c->scale[g], 0, join);
		bits(&b[104 + g % 4], g / 4 * 2, 2, &c->scale[g], 4, join);
	}
	half(b + 108, &c->d, join);
}

/* Of Q4_K and Q5_K: eight scales and eight minimums of six bits */
static void k_scales(uint8_t *b, struct ferry_block_codes *c, bool join)
{
	for (int g = 0; g < 4; g++) {
		bits(&b[g], 0, 6, &c->scale[g], 0, join);
		bits(&b[g + 4], 0, 6, &c->min[g], 0, join);
		bits(&b[g + 8], 0, 4, &c->scale[g + 4], 0, join);
		bits(&b[g], 6, 2, &c->scale[g + 4], 4, join);
		bits(&b[g + 8], 4, 4, &c->min[g + 4], 0, join);
		bits(&b[g + 4], 6, 2, &c->min[g + 4], 4, join);
	}
}

/* Their weights: groups 2k and 2k + 1 share 32 bytes. */
static void k_nibbles(uint8_t *bytes, uint8_t *weight, bool join)
{
	for (int i = 0; i < 256; i++)
		bits(&bytes[i / 64 * 32 + i % 32], i / 32 % 2 * 4, 4, &weight[i], 0, join);
}

static void q45_k(uint8_t *b, struct ferry_block_codes *c, bool five, bool join)
{
	half(b, &c->d, join);
	half(b + 2, &c->m, join);
	k_scales(b + 4, c, join);
	if (five)
		for (int i = 0; i < 256; i++)
			bits(&b[16 + i % 32], i / 32, 1, &c->weight[i], 4, join);
	k_nibbles(b + (five ? 48 : 16), c->weight, join);
}

static void q6_k(uint8_t *b, struct ferry_block_codes *c, bool join)
{
	for (int i = 0; i < 256; i++)
		bits(&b[i / 128 * 64 + i % 64], i % 128 / 64 * 4, 4, &c->weight[i], 0, join);
	pairs(b + 128, c->weight, 4, join);
	for (int g = 0; g < 16; g++)
		bits(&b[192 + g], 0, 8, &c->scale[g], 0, join);
	half(b + 208, &c->d, join);
}

static void iq4_xs(uint8_t *b, struct ferry_block_codes *c, bool join)
{
	half(b, &c->d, join);
	for (int g = 0; g < 8; g++) {
		bits(&b[2 + g / 4], g % 4 * 2, 2, &c->scale[g], 4, join);
		bits(&b[4 + g / 2], g % 2 * 4, 4, &c->scale[g], 0, join);
		nibbles(b + 8 + 16 * g, c->weight + 32 * g, join);
	}
}

static void move(enum ferry_tensor_type type, uint8_t *b, struct ferry_block_codes *c, bool join)
{
	switch (type) {
	case FERRY_TYPE_Q4_0:
	case FERRY_TYPE_IQ4_NL:
		q4(b, c, false, join);
		break;
	case FERRY_TYPE_Q4_1:
		q4(b, c, true, join);
		break;
	case FERRY_TYPE_Q5_0:
		q5(b, c, false, join);
		break;
	case FERRY_TYPE_Q5_1:
		q5(b, c, true, join);
		break;
	case FERRY_TYPE_Q8_0:
		q8_0(b, c, join);
		break;
	case FERRY_TYPE_Q2_K:
		q2_k(b, c, join);
		break;
	case FERRY_TYPE_Q3_K:
		q3_k(b, c, join);
		break;
	case FERRY_TYPE_Q4_K:
		q45_k(b, c, false, join);
		break;
	case FERRY_TYPE_Q5_K:
		q45_k(b, c, true, join);
		break;
	case FERRY_TYPE_Q6_K:
		q6_k(b, c, join);
		break;
	case FERRY_TYPE_IQ4_XS:
		iq4_xs(b, c, join);
		break;
	case FERRY_TYPE_F32:
	case FERRY_TYPE_F16:
	case FERRY_TYPE_BF16:
		break;
	}
}

bool ferry_type_has_codes(enum ferry_tensor_type type)
{
	return type != FERRY_TYPE_F32 && type != FERRY_TYPE_F16 && type != FERRY_TYPE_BF16;
}

void ferry_block_split(enum ferry_tensor_type type, const uint8_t *block,
		       struct ferry_block_codes *codes)
{
	uint8_t copy[256];

	memcpy(copy, block, ferry_type_traits(type)->block_bytes);
	memset(codes, 0, sizeof(*codes));
	move(type, copy, codes, false);
}

void ferry_block_join(enum ferry_tensor_type type, const struct ferry_block_codes *codes,
		      uint8_t *block)
{
	struct ferry_block_codes copy = *codes;

	memset(block, 0, ferry_type_traits(type)->block_bytes);
	move(type, block, &copy, true);
}
