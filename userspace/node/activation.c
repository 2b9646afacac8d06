// SPDX-License-Identifier: MIT
#include "node/activation.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "compute/dequantize.h"
#include "wire/message.h"

uint8_t ferry_activation_encodings(void)
{
	return 1 << FERRY_ENCODING_F32 | 1 << FERRY_ENCODING_F16;
}

static void store_f32(const float *x, size_t n, uint8_t *bytes)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(bytes, x, 4 * n);
#else
	for (size_t i = 0; i < n; i++)
		ferry_store_lef32(bytes + 4 * i, x[i]);
#endif
}

static void load_f32(const uint8_t *bytes, size_t n, float *x)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(x, bytes, 4 * n);
#else
	for (size_t i = 0; i < n; i++)
		x[i] = ferry_load_lef32(bytes + 4 * i);
#endif
}

int ferry_activation_encode(uint8_t encoding, const float *x, size_t n, uint8_t *bytes,
			    struct ferry_error *err)
{
	if (encoding == FERRY_ENCODING_F32) {
		store_f32(x, n, bytes);
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		uint16_t h = ferry_f32_to_f16(x[i]);

		if ((h & 0x7fff) == 0x7c00 && isfinite(x[i]))
			return ferry_fail(
				err, FERRY_ERROR_CALLER, -ERANGE,
				"a hidden state reaches %g, which f16 cannot carry to the "
				"other node; send f32",
				(double)x[i]);
		ferry_store_le16(bytes + 2 * i, h);
	}
	return 0;
}

void ferry_activation_decode(uint8_t encoding, const uint8_t *bytes, size_t n, float *x)
{
	if (encoding == FERRY_ENCODING_F32) {
		load_f32(bytes, n, x);
		return;
	}
	for (size_t i = 0; i < n; i++)
		x[i] = ferry_f16_to_f32(ferry_load_le16(bytes + 2 * i));
}
