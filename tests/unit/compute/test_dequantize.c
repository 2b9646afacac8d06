// SPDX-License-Identifier: MIT
/*
 * Halves bit by bit; blocks by hand and through the fixtures' quantizers. That the layouts are
 * those of other programs' files is shown by tests/conformance/test_dequantize.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "compute/dequantize.h"
#include "fixtures/quantize.h"

static uint32_t bits_of(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static float float_of(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* The definition of binary16, in double arithmetic. */
static double half_value(uint16_t h)
{
	int exponent = h >> 10 & 31, mantissa = h & 1023;
	double magnitude;

	if (exponent == 31)
		magnitude = mantissa ? NAN : INFINITY;
	else if (exponent)
		magnitude = ldexp(1024 + mantissa, exponent - 25);
	else
		magnitude = ldexp(mantissa, -24);
	return h & 0x8000 ? -magnitude : magnitude;
}

static void test_every_half(void **state)
{
	(void)state;
	for (uint32_t h = 0; h <= 0xffff; h++) {
		double wanted = half_value((uint16_t)h);
		float f = ferry_f16_to_f32((uint16_t)h);

		assert_int_equal(bits_of(f) >> 31, h >> 15);
		if (isnan(wanted)) {
			assert_true(isnan(f));
			assert_true(bits_of(f) & 0x400000);		       /* quiet */
			assert_int_equal(bits_of(f) >> 13 & 0x1ff, h & 0x1ff); /* the payload */
			assert_int_equal(ferry_f32_to_f16(f), h | 0x200);
		} else {
			assert_true((double)f == wanted);
			assert_int_equal(ferry_f32_to_f16(f), h);
		}
	}
}

/* Between two neighbouring halves: the nearer one, and at the middle the even one. */
static void test_rounding_to_half(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 0x7c00; h++) {
		/* above the largest half, the next would be 2^16 */
		double low = half_value((uint16_t)h);
		double high = h == 0x7bff ? 65536 : half_value((uint16_t)(h + 1));
		float middle = (float)((low + high) / 2); /* exact: it has one bit more */
		float below = nextafterf(middle, -INFINITY), above = nextafterf(middle, INFINITY);
		uint16_t even = (uint16_t)(h % 2 ? h + 1 : h);

		assert_true((double)middle == (low + high) / 2);
		assert_int_equal(ferry_f32_to_f16(middle), even);
		assert_int_equal(ferry_f32_to_f16(below), h);
		assert_int_equal(ferry_f32_to_f16(above), h + 1);
		assert_int_equal(ferry_f32_to_f16(-middle), 0x8000 | even);
		assert_int_equal(ferry_f32_to_f16(-below), 0x8000 | h);
		assert_int_equal(ferry_f32_to_f16(-above), 0x8000 | (h + 1));
	}
	assert_int_equal(ferry_f32_to_f16(1e30f), 0x7c00);
	assert_int_equal(ferry_f32_to_f16(-INFINITY), 0xfc00);
	assert_int_equal(ferry_f32_to_f16(1e-30f), 0);
	assert_int_equal(ferry_f32_to_f16(-0.0f), 0x8000);
	assert_int_equal(ferry_f32_to_f16(0x1p-149f), 0);
	/* a NaN whose payload lies below what a half holds must stay one */
	assert_int_equal(ferry_f32_to_f16(float_of(0x7f800001)), 0x7e00);
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("f16c"))) static uint16_t hardware_f16(float f)
{
	return (uint16_t)_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(f), _MM_FROUND_TO_NEAREST_INT),
					   0);
}

__attribute__((target("f16c"))) static float hardware_f32(uint16_t h)
{
	return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}
#endif

static void test_halves_as_the_hardware_has_them(void **state)
{
	(void)state;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2")) {
		for (uint32_t h = 0; h <= 0xffff; h++)
			assert_int_equal(bits_of(ferry_f16_to_f32((uint16_t)h)),
					 bits_of(hardware_f32((uint16_t)h)));
		/* a prime step visits all exponents and, over the range, all low bits */
		for (uint64_t u = 0; u <= UINT32_MAX; u += 4093) {
			float f = float_of((uint32_t)u);

			if (ferry_f32_to_f16(f) != hardware_f16(f))
				fail_msg("%#x: %#x, hardware %#x", (unsigned)u, ferry_f32_to_f16(f),
					 hardware_f16(f));
		}
		return;
	}
#endif
	print_message("SKIP: no F16C (which comes with AVX2) here\n");
	skip();
}

static void test_bf16_is_the_upper_half(void **state)
{
	uint8_t src[6];
	float dst[3];

	(void)state;
	ferry_store_le16(src, 0x3f80);
	ferry_store_le16(src + 2, 0xc2c8);
	ferry_store_le16(src + 4, 0x7f80);
	ferry_dequantize_row(FERRY_TYPE_BF16, src, dst, 3);
	assert_true(dst[0] == 1 && dst[1] == -100 && dst[2] == INFINITY);
}

/* Blocks written by hand: scale 2 (0x4000), minimum 0.5 (0x3800). */
static void test_blocks_of_32_by_hand(void **state)
{
	uint8_t b[34] = {0x00, 0x40};
	float w[32];

	(void)state;
	for (int j = 0; j < 16; j++)
		b[2 + j] = (uint8_t)(j | (15 - j) << 4);
	ferry_dequantize_row(FERRY_TYPE_Q4_0, b, w, 32);
	for (int j = 0; j < 16; j++) {
		assert_true(w[j] == (float)(2 * (j - 8)));
		assert_true(w[j + 16] == (float)(2 * (7 - j)));
	}
	ferry_dequantize_row(FERRY_TYPE_IQ4_NL, b, w, 32);
	assert_true(w[0] == -254 && w[7] == -20 && w[8] == 2 && w[15] == 226);
	assert_true(w[16] == 226 && w[31] == -254);

	for (int j = 0; j < 32; j++)
		b[2 + j] = (uint8_t)(j * 8 - 128);
	ferry_dequantize_row(FERRY_TYPE_Q8_0, b, w, 32);
	for (int j = 0; j < 32; j++)
		assert_true(w[j] == (float)(2 * (j * 8 - 128)));

	/* d, m, then qh = bits 0 and 31, qs = 3 and 12 */
	memset(b, 0, sizeof(b));
	ferry_store_le16(b, 0x4000);
	ferry_store_le16(b + 2, 0x3800);
	memset(b + 4, 0xc3, 16);
	ferry_dequantize_row(FERRY_TYPE_Q4_1, b, w, 32);
	assert_true(w[0] == 6.5f && w[15] == 6.5f && w[16] == 24.5f && w[31] == 24.5f);
	ferry_store_le32(b + 4, 0x80000001);
	memset(b + 8, 0xc3, 16);
	ferry_dequantize_row(FERRY_TYPE_Q5_1, b, w, 32);
	assert_true(w[0] == 38.5f && w[1] == 6.5f && w[16] == 24.5f && w[31] == 56.5f);
	ferry_store_le32(b + 2, 0x80000001);
	memset(b + 6, 0xc3, 16);
	ferry_dequantize_row(FERRY_TYPE_Q5_0, b, w, 32);
	assert_true(w[0] == 6 && w[1] == -26 && w[16] == -8 && w[31] == 24);
}

static void test_blocks_of_256_by_hand(void **state)
{
	uint8_t b[210];
	float w[256];

	(void)state;
	/* Q2_K: group 9 (weights 144..159) has scale 3 and minimum 5; weight 150 is q = 2 */
	memset(b, 0, sizeof(b));
	b[9] = 3 | 5 << 4;
	b[16 + 32 + 22] = 2; /* second half, byte 22, its lowest two bits: weight 128 + 22 */
	ferry_store_le16(b + 80, 0x4000);
	ferry_store_le16(b + 82, 0x3800);
	ferry_dequantize_row(FERRY_TYPE_Q2_K, b, w, 256);
	assert_true(w[150] == 2 * 3 * 2 - 0.5f * 5);
	assert_true(w[149] == -2.5f && w[143] == 0 && w[160] == 0);

	/* Q3_K: all six bits of a scale count: 32 is zero, 63 is 31, 0 is -32 */
	memset(b, 0, sizeof(b));
	memset(b + 104, 0xaa, 4);   /* upper bits of all scales: 2 */
	b[96 + 5] = 0x0f;	    /* scale 5: 47 - 32 */
	b[104 + 1] = 0xaa | 3 << 2; /* scale 5: 63 - 32 */
	b[32 + 16] = 1 << 4;	    /* weight 64 + 16 = 80, in group 5: q = 1 */
	b[16] = 1 << 2;		    /* hmask bit 2 of byte 16: weight 80, no four off */
	ferry_store_le16(b + 108, 0x4000);
	ferry_dequantize_row(FERRY_TYPE_Q3_K, b, w, 256);
	assert_true(w[80] == 2 * 31 * 1);
	assert_true(w[81] == 2 * 31 * -4 && w[79] == 0 && w[96] == 0);

	/* Q4_K: group 6 has scale 37 and minimum 50; weight 200 is q = 9 */
	memset(b, 0, sizeof(b));
	ferry_store_le16(b, 0x4000);
	ferry_store_le16(b + 2, 0x3800);
	b[4 + 2] = 37 >> 4 << 6;
	b[4 + 6] = 50 >> 4 << 6;
	b[4 + 10] = (37 & 15) | (50 & 15) << 4;
	b[16 + 96 + 8] = 9;
	ferry_dequantize_row(FERRY_TYPE_Q4_K, b, w, 256);
	assert_true(w[200] == 2 * 37 * 9 - 0.5f * 50);
	assert_true(w[199] == -25 && w[191] == 0 && w[224] == 0);

	/* Q5_K: the same with the fifth bit of weight 200 (group 6, place 8) */
	memmove(b + 48, b + 16, 128);
	memset(b + 16, 0, 32);
	b[16 + 8] = 1 << 6;
	ferry_dequantize_row(FERRY_TYPE_Q5_K, b, w, 256);
	assert_true(w[200] == 2 * 37 * 25 - 0.5f * 50);
	assert_true(w[199] == -25 && w[232] == 0);

	/* Q6_K: weight 127 + 70 = 197 in group 12 of scale -3 is q = 61 */
	memset(b, 0, sizeof(b));
	b[192 + 12] = (uint8_t)-3;
	b[64 + 5] = 13 << 4;	  /* 197 - 128 = 69 = 64 + 5: high nibble */
	b[128 + 32 + 5] = 3 << 4; /* 69 = 2 * 32 + 5: bits 4..5 */
	ferry_store_le16(b + 208, 0x4000);
	ferry_dequantize_row(FERRY_TYPE_Q6_K, b, w, 256);
	assert_true(w[197] == 2 * -3 * (61 - 32));
	assert_true(w[196] == 2 * -3 * -32 && w[191] == 0 && w[208] == 0);

	/* IQ4_XS: group 5 of scale 52 - 32; weight 180 = 160 + 20 is level 15 */
	memset(b, 0, sizeof(b));
	ferry_store_le16(b, 0x4000);
	ferry_store_le16(b + 2, 3 << 10); /* upper bits: 3 */
	b[4 + 2] = 4 << 4;		  /* 4 + 48 = 52 */
	b[8 + 80 + 4] = 0xf0;
	ferry_dequantize_row(FERRY_TYPE_IQ4_XS, b, w, 256);
	assert_true(w[180] == 2 * 20 * 113);
	assert_true(w[164] == 2 * 20 * -127);
	assert_true(w[0] == 2 * -32 * -127);
}

enum { N = 1024 };

static float uniform(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

static void fill(int kind, float *x)
{
	uint64_t state = (uint64_t)kind;

	for (int i = 0; i < N; i++) {
		float u = uniform(&state), v = uniform(&state);

		switch (kind) {
		case 0: /* one scale for all */
			x[i] = u;
			break;
		case 1: /* groups of very different scale */
			x[i] = u * ldexpf(1, i / 16 % 7 - 3);
			break;
		case 2: /* outliers */
			x[i] = i % 97 ? 0.01f * u : 3 * v;
			break;
		case 3: /* one sign */
			x[i] = fabsf(u) + 0.25f;
			break;
		case 4: /* the other */
			x[i] = -fabsf(u * v);
			break;
		case 5: /* constant */
			x[i] = 0.75f;
			break;
		default: /* nothing */
			x[i] = 0;
			break;
		}
	}
}

static void test_quantized_weights_come_back(void **state)
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);
	static float x[N], y[N];
	static uint8_t q[4 * N];

	(void)state;
	for (unsigned t = 0; t < n_types; t++) {
		uint32_t block = types[t].block_len;
		float tolerance = ferry_quantize_tolerance(types[t].type);
		double worst = 0;

		for (int kind = 0; kind <= 6; kind++) {
			fill(kind, x);
			ferry_quantize_row(types[t].type, x, q, N);
			ferry_dequantize_row(types[t].type, q, y, N);
			for (uint32_t b = 0; b < N; b += block) {
				float largest = 0;

				for (uint32_t i = b; i < b + block; i++)
					largest = fmaxf(largest, fabsf(x[i]));
				for (uint32_t i = b; i < b + block; i++) {
					float error = fabsf(x[i] - y[i]);

					/* half of the smallest F16 on top */
					if (!(error <= tolerance * largest + 0x1p-25f))
						fail_msg("%s, kind %d, weight %u: %g from %g",
							 types[t].name, kind, i, (double)y[i],
							 (double)x[i]);
					if (largest > 0 && types[t].block_len > 1)
						worst = fmax(worst, (double)(error / largest));
				}
			}
		}
		print_message("%s: error at most %.4f of a block's largest weight\n", types[t].name,
			      worst);
	}
}

/* Rows lie anywhere in a mapping, and a row is its blocks one after the other. */
static void test_unaligned_rows_block_by_block(void **state)
{
	unsigned n_types;
	const struct ferry_type_traits *types = ferry_type_table(&n_types);
	static float x[N], y[N], z[N];
	static uint8_t q[4 * N + 1];

	(void)state;
	fill(1, x);
	for (unsigned t = 0; t < n_types; t++) {
		uint32_t block = types[t].block_len;

		ferry_quantize_row(types[t].type, x, q + 1, N);
		ferry_dequantize_row(types[t].type, q + 1, y, N);
		for (uint32_t b = 0; b < N / block; b++)
			ferry_dequantize_row(types[t].type, q + 1 + b * types[t].block_bytes,
					     z + b * block, block);
		assert_memory_equal(y, z, sizeof(y));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_half),
		cmocka_unit_test(test_rounding_to_half),
		cmocka_unit_test(test_halves_as_the_hardware_has_them),
		cmocka_unit_test(test_bf16_is_the_upper_half),
		cmocka_unit_test(test_blocks_of_32_by_hand),
		cmocka_unit_test(test_blocks_of_256_by_hand),
		cmocka_unit_test(test_quantized_weights_come_back),
		cmocka_unit_test(test_unaligned_rows_block_by_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
