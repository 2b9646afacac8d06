// SPDX-License-Identifier: MIT
/* Hidden states as bytes: every kernel set against the plain version, errors, bad bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "compute/codec.h"
#include "compute/dequantize.h"
#include "kernel_sets.h"

enum { MOST = 2 * FERRY_CODEC_SECTION + 77 };

static const size_t lengths[] = {1,
				 2,
				 15,
				 16,
				 31,
				 32,
				 33,
				 64,
				 127,
				 128,
				 129,
				 288,
				 896,
				 2048,
				 FERRY_CODEC_SECTION,
				 FERRY_CODEC_SECTION + 1,
				 MOST};
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static float x[MOST], y[MOST], z[MOST];
static uint8_t a[4 * MOST + 1], b[4 * MOST + 1]; /* and a byte that nobody writes */

/* What hidden states may look like, and what they hardly do. */
static void fill(size_t n, unsigned kind, uint64_t *dice)
{
	for (size_t i = 0; i < n; i++)
		x[i] = random_float(dice);
	for (size_t i = 0; i < n; i++) {
		if (kind == 1) /* massive activations */
			x[i] *= random_bits(dice) % 300 ? 1.0f : 3000.0f;
		else if (kind == 2) /* ties */
			x[i] = (float)(random_bits(dice) % 3) - 1.0f;
		else if (kind == 3) /* denormal scales */
			x[i] *= ldexpf(1.0f, -(int)(random_bits(dice) % 40));
		else if (kind == 4)
			x[i] = 0.0f;
		else if (kind == 5) /* the largest that int8 carries, and some that int4 does */
			x[i] *= i % 5 ? 1.0f : 60000.0f;
	}
	if (kind == 4 && n > 40)
		x[40] = -0.0f;
}
enum { N_KINDS = 6 };

static void all_sets_write_the_same_bytes(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	uint64_t dice = 1;

	(void)state;
	for (unsigned trial = 0; trial < N_LENGTHS * N_KINDS * FERRY_CODECS; trial++) {
		const enum ferry_codec codec = (enum ferry_codec)(trial % FERRY_CODECS);
		const size_t n = lengths[trial / FERRY_CODECS % N_LENGTHS];
		const unsigned kind = trial / FERRY_CODECS / N_LENGTHS;
		const size_t bytes = ferry_codec_bytes(codec, n);

		fill(n, kind, &dice);
		memset(a, 0xaa, bytes);
		assert_true(ferry_codec_encode_reference(codec, x, n, a));
		assert_true(ferry_codec_decode_reference(codec, a, n, y));
		for (unsigned s = 0; s < n_sets; s++) {
			memset(b, 0x55, bytes + 1);
			memset(z, 0x55, sizeof(z));
			assert_true(sets[s]->encode(codec, x, n, b));
			if (memcmp(a, b, bytes) || b[bytes] != 0x55)
				fail_msg("%s: codec %d, %zu numbers of kind %u: other bytes",
					 sets[s]->name, (int)codec, n, kind);
			assert_true(sets[s]->decode(codec, b, n, z));
			if (memcmp(y, z, n * sizeof(*y)) ||
			    (n < MOST && ((uint8_t *)&z[n])[0] != 0x55))
				fail_msg("%s: codec %d, %zu numbers of kind %u: other numbers",
					 sets[s]->name, (int)codec, n, kind);
		}
	}
}

/* The same verdict, and the same numbers where it is a good one, for whatever bytes. */
static void all_sets_read_any_bytes_alike(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	unsigned n_right = 0, n_wrong = 0;
	uint64_t dice = 2;

	(void)state;
	for (unsigned trial = 0; trial < 3000; trial++) {
		const enum ferry_codec codec = (enum ferry_codec)(trial % FERRY_CODECS);
		const size_t n = 1 + random_bits(&dice) % 300;
		const size_t bytes = ferry_codec_bytes(codec, n);
		bool right;

		fill(n, trial % N_KINDS, &dice);
		assert_true(ferry_codec_encode_reference(codec, x, n, a));
		for (unsigned i = random_bits(&dice) % 4; i; i--)
			a[random_bits(&dice) % bytes] = (uint8_t)random_bits(&dice);
		right = ferry_codec_decode_reference(codec, a, n, y);
		right ? n_right++ : n_wrong++;
		for (size_t i = 0; right && i < n; i++)
			assert_true(isfinite(y[i]));
		for (unsigned s = 0; s < n_sets; s++) {
			if (sets[s]->decode(codec, a, n, z) != right)
				fail_msg("%s: codec %d: other verdict", sets[s]->name, (int)codec);
			if (right)
				assert_memory_equal(y, z, n * sizeof(*y));
		}
	}
	assert_true(n_right > 100 && n_wrong > 100);
}

static void scales_are_rounded_up(void **state)
{
	static const float scales[] = {0.0f,	   0x1p-149f, 0x1p-25f,	       0x1p-24f,
				       0x1.8p-24f, 0x1p-14f,  0x1.fffffep-15f, 1.0f,
				       0x1.002p0f, 0.1f,      65504.0f,	       3.14159f};
	uint64_t dice = 3;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		const float s = i < 12 ? scales[i]
				       : ldexpf(fabsf(random_float(&dice)),
						(int)(random_bits(&dice) % 44) - 28);
		const uint32_t h = ferry_codec_scale(s);

		assert_true(h <= 0x7bff);
		assert_true(ferry_f16_to_f32((uint16_t)h) >= s);
		assert_true(!h || ferry_f16_to_f32((uint16_t)(h - 1)) < s);
	}
	assert_true(ferry_codec_scale(65504.01f) > 0x7bff);
	assert_true(ferry_codec_scale(FLT_MAX / 127) > 0x7bff);
}

/* Half a scale: 1/254 of the group's largest for int8, 1/14 of what is no outlier for int4. */
static void errors_are_bounded(void **state)
{
	uint64_t dice = 4;

	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		const size_t n = 2048;

		fill(n, kind, &dice);
		assert_true(ferry_codec_encode_reference(FERRY_CODEC_INT8, x, n, a));
		assert_true(ferry_codec_decode_reference(FERRY_CODEC_INT8, a, n, y));
		for (size_t g = 0; g < n; g += FERRY_CODEC_GROUP) {
			float most = 0;

			for (size_t i = g; i < g + FERRY_CODEC_GROUP; i++)
				most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
			for (size_t i = g; i < g + FERRY_CODEC_GROUP; i++)
				assert_true(fabsf(x[i] - y[i]) <= most / 254 * 1.002f);
		}
	}
	/* Sixteen numbers beyond all others do not disturb them. */
	fill(2048, 0, &dice);
	for (size_t i = 0; i < 16; i++)
		x[i * 101] = i % 2 ? 1000.0f : -2000.0f;
	assert_true(ferry_codec_encode_reference(FERRY_CODEC_INT4, x, 2048, a));
	assert_true(ferry_codec_decode_reference(FERRY_CODEC_INT4, a, 2048, y));
	for (size_t i = 0; i < 2048; i++)
		assert_true(fabsf(x[i]) > 1 ? x[i] == y[i] : fabsf(x[i] - y[i]) <= 1.002f / 14);
}

static void what_cannot_be_carried_is_refused(void **state)
{
	const struct ferry_kernels *sets[MAX_KERNEL_SETS];
	const unsigned n_sets = kernel_sets(sets);
	static const float bad[] = {NAN, INFINITY, -INFINITY, 70000.0f, 9e6f, FLT_MAX};
	uint64_t dice = 5;

	(void)state;
	for (unsigned k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		for (int codec = 0; codec < FERRY_CODECS; codec++) {
			for (size_t at = 0; at < 100; at += 33) {
				/* Finite numbers: f32 takes all, int8 those below 127 * 65504. */
				const bool fits = isfinite(bad[k]) &&
						  (codec == FERRY_CODEC_F32 ||
						   (codec == FERRY_CODEC_INT8 && bad[k] < 8e6f));

				fill(100, 0, &dice);
				x[at] = bad[k];
				assert_int_equal(ferry_codec_encode_reference(
							 (enum ferry_codec)codec, x, 100, a),
						 fits);
				for (unsigned s = 0; s < n_sets; s++)
					assert_int_equal(
						sets[s]->encode((enum ferry_codec)codec, x, 100, b),
						fits);
			}
		}
	}
}

static void bad_rows_are_refused(void **state)
{
	uint64_t dice = 6;

	(void)state;
	fill(256, 0, &dice);
	assert_true(ferry_codec_encode_reference(FERRY_CODEC_INT8, x, 256, a));
	ferry_store_le16(a + 34, 0x7c00); /* infinite */
	assert_false(ferry_codec_decode_reference(FERRY_CODEC_INT8, a, 256, y));
	ferry_store_le16(a + 34, 0x7e00); /* no number */
	assert_false(ferry_codec_decode_reference(FERRY_CODEC_INT8, a, 256, y));
	ferry_store_le16(a + 34, 0xb800); /* below zero */
	assert_false(ferry_codec_decode_reference(FERRY_CODEC_INT8, a, 256, y));

	assert_true(ferry_codec_encode_reference(FERRY_CODEC_INT4, x, 256, a));
	memcpy(b, a, sizeof(b));
	ferry_store_le16(b + 4, ferry_load_le16(b)); /* the same index again */
	assert_false(ferry_codec_decode_reference(FERRY_CODEC_INT4, b, 256, y));
	memcpy(b, a, sizeof(b));
	ferry_store_le16(b + 4, 256);
	assert_false(ferry_codec_decode_reference(FERRY_CODEC_INT4, b, 256, y));
	memcpy(b, a, sizeof(b));
	ferry_store_le16(b + 2, 0xfc00);
	assert_false(ferry_codec_decode_reference(FERRY_CODEC_INT4, b, 256, y));
	assert_true(ferry_codec_decode_reference(FERRY_CODEC_INT4, a, 256, y));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sets_write_the_same_bytes),
		cmocka_unit_test(all_sets_read_any_bytes_alike),
		cmocka_unit_test(scales_are_rounded_up),
		cmocka_unit_test(errors_are_bounded),
		cmocka_unit_test(what_cannot_be_carried_is_refused),
		cmocka_unit_test(bad_rows_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
