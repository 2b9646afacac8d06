// SPDX-License-Identifier: MIT
#include "compute/codec.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "compute/dequantize.h"

enum { GROUP = FERRY_CODEC_GROUP, MAX_F16 = 0x7bff };

uint32_t ferry_codec_scale(float s)
{
	uint32_t bits, units;

	if (s >= 0x1p-14f) {
		memcpy(&bits, &s, sizeof(bits));
		return ((bits + 0x1fff) >> 13) - (112u << 10);
	}
	units = (uint32_t)(s * 0x1p24f);
	return units + ((float)units < s * 0x1p24f);
}

static bool encode_f32(const float *x, size_t n, uint8_t *bytes)
{
	bool finite = true;

	for (size_t i = 0; i < n; i++) {
		ferry_store_lef32(bytes + 4 * i, x[i]);
		finite &= isfinite(x[i]) != 0;
	}
	return finite;
}

static bool decode_f32(const uint8_t *bytes, size_t n, float *x)
{
	bool finite = true;

	for (size_t i = 0; i < n; i++) {
		x[i] = ferry_load_lef32(bytes + 4 * i);
		finite &= isfinite(x[i]) != 0;
	}
	return finite;
}

static bool encode_f16(const float *x, size_t n, uint8_t *bytes)
{
	bool finite = true;

	for (size_t i = 0; i < n; i++) {
		const uint16_t h = ferry_f32_to_f16(x[i]);

		ferry_store_le16(bytes + 2 * i, h);
		finite &= (h & 0x7fff) <= MAX_F16;
	}
	return finite;
}

static bool decode_f16(const uint8_t *bytes, size_t n, float *x)
{
	bool finite = true;

	for (size_t i = 0; i < n; i++) {
		x[i] = ferry_f16_to_f32(ferry_load_le16(bytes + 2 * i));
		finite &= isfinite(x[i]) != 0;
	}
	return finite;
}

/*
 * Codes of a group of which @n <= 32 are there, those of numbers in @skip zero. Writes the scale;
 * false where there is none.
 */
static bool round_group(const float *x, size_t n, uint32_t skip, int most, uint8_t *scale,
			int8_t *codes)
{
	float largest = 0.0f, inverse;
	uint32_t h;

	for (size_t i = 0; i < n; i++) {
		if (skip >> i & 1)
			continue;
		if (!isfinite(x[i]))
			return false;
		largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
	}
	h = ferry_codec_scale(largest / (float)most);
	if (h > MAX_F16)
		return false;
	ferry_store_le16(scale, (uint16_t)h);
	inverse = h ? 1.0f / ferry_f16_to_f32((uint16_t)h) : 0.0f;
	for (size_t i = 0; i < GROUP; i++)
		codes[i] = i < n && !(skip >> i & 1) ? (int8_t)rintf(x[i] * inverse) : 0;
	return true;
}

static bool encode_int8(const float *x, size_t n, uint8_t *bytes)
{
	for (size_t i = 0; i < n; i += GROUP, bytes += FERRY_CODEC_INT8_GROUP_BYTES) {
		int8_t codes[GROUP];

		if (!round_group(x + i, n - i < GROUP ? n - i : GROUP, 0, 127, bytes, codes))
			return false;
		memcpy(bytes + 2, codes, GROUP);
	}
	return true;
}

static bool decode_int8(const uint8_t *bytes, size_t n, float *x)
{
	for (size_t i = 0; i < n; i += GROUP, bytes += FERRY_CODEC_INT8_GROUP_BYTES) {
		const uint16_t h = ferry_load_le16(bytes);

		if (h > MAX_F16)
			return false;
		for (size_t k = i; k < n && k < i + GROUP; k++)
			x[k] = (float)(int8_t)bytes[2 + k - i] * ferry_f16_to_f32(h);
	}
	return true;
}

/* The largest number that is not marked yet, the first among equals. */
static size_t find_outlier(const float *x, size_t n, const uint32_t *marks)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++)
		if (!(marks[i / GROUP] >> i % GROUP & 1) &&
		    (best == n || fabsf(x[i]) > fabsf(x[best])))
			best = i;
	return best;
}

static size_t n_outliers(size_t n)
{
	return (n + FERRY_CODEC_PER_OUTLIER - 1) / FERRY_CODEC_PER_OUTLIER;
}

static bool encode_section(const float *x, size_t n, uint8_t **bytes)
{
	uint32_t marks[FERRY_CODEC_SECTION / GROUP] = {0};

	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	for (size_t k = 0; k < n_outliers(n); k++) {
		const size_t i = find_outlier(x, n, marks);

		marks[i / GROUP] |= 1u << i % GROUP;
	}
	for (size_t i = 0; i < n; i++) {
		if (!(marks[i / GROUP] >> i % GROUP & 1))
			continue;
		ferry_store_le16(*bytes, (uint16_t)i);
		if (!encode_f16(&x[i], 1, *bytes + 2))
			return false;
		*bytes += FERRY_CODEC_OUTLIER_BYTES;
	}
	for (size_t i = 0; i < n; i += GROUP, *bytes += FERRY_CODEC_INT4_GROUP_BYTES) {
		int8_t codes[GROUP];

		if (!round_group(x + i, n - i < GROUP ? n - i : GROUP, marks[i / GROUP], 7, *bytes,
				 codes))
			return false;
		for (int k = 0; k < GROUP / 2; k++)
			(*bytes)[2 + k] =
				(uint8_t)((codes[k] + 8) | (codes[k + GROUP / 2] + 8) << 4);
	}
	return true;
}

static bool decode_section(const uint8_t **bytes, size_t n, float *x)
{
	const uint8_t *outliers = *bytes;
	int before = -1;

	*bytes += n_outliers(n) * FERRY_CODEC_OUTLIER_BYTES;
	for (size_t i = 0; i < n; i += GROUP, *bytes += FERRY_CODEC_INT4_GROUP_BYTES) {
		const uint16_t h = ferry_load_le16(*bytes);

		if (h > MAX_F16)
			return false;
		for (size_t k = 0; k < GROUP && i + k < n; k++) {
			const uint8_t both = (*bytes)[2 + k % (GROUP / 2)];
			const int code = k < GROUP / 2 ? both & 15 : both >> 4;

			x[i + k] = (float)(code - 8) * ferry_f16_to_f32(h);
		}
	}
	for (size_t k = 0; k < n_outliers(n); k++, outliers += FERRY_CODEC_OUTLIER_BYTES) {
		const int i = ferry_load_le16(outliers);

		if (i <= before || (size_t)i >= n || !decode_f16(outliers + 2, 1, &x[i]))
			return false;
		before = i;
	}
	return true;
}

bool ferry_codec_encode_reference(enum ferry_codec codec, const float *x, size_t n, uint8_t *bytes)
{
	if (codec == FERRY_CODEC_F32)
		return encode_f32(x, n, bytes);
	if (codec == FERRY_CODEC_F16)
		return encode_f16(x, n, bytes);
	if (codec == FERRY_CODEC_INT8)
		return encode_int8(x, n, bytes);
	for (; n > FERRY_CODEC_SECTION; n -= FERRY_CODEC_SECTION, x += FERRY_CODEC_SECTION)
		if (!encode_section(x, FERRY_CODEC_SECTION, &bytes))
			return false;
	return encode_section(x, n, &bytes);
}

bool ferry_codec_decode_reference(enum ferry_codec codec, const uint8_t *bytes, size_t n, float *x)
{
	if (codec == FERRY_CODEC_F32)
		return decode_f32(bytes, n, x);
	if (codec == FERRY_CODEC_F16)
		return decode_f16(bytes, n, x);
	if (codec == FERRY_CODEC_INT8)
		return decode_int8(bytes, n, x);
	for (; n > FERRY_CODEC_SECTION; n -= FERRY_CODEC_SECTION, x += FERRY_CODEC_SECTION)
		if (!decode_section(&bytes, FERRY_CODEC_SECTION, x))
			return false;
	return decode_section(&bytes, n, x);
}
