// SPDX-License-Identifier: MIT
#include "node/activation.h"

#include <errno.h>
#include <math.h>

#include "base/error.h"
#include "wire/message.h"

_Static_assert((int)FERRY_CODEC_F32 == (int)FERRY_ENCODING_F32 &&
		       (int)FERRY_CODEC_F16 == (int)FERRY_ENCODING_F16 &&
		       (int)FERRY_CODEC_INT8 == (int)FERRY_ENCODING_INT8 &&
		       (int)FERRY_CODEC_INT4 == (int)FERRY_ENCODING_INT4 &&
		       (int)FERRY_CODECS == (int)FERRY_ENCODINGS,
	       "a codec has the number that it has on the wire");

uint8_t ferry_activation_encodings(void)
{
	return (1 << FERRY_ENCODINGS) - 1;
}

const char *ferry_activation_name(uint8_t encoding)
{
	static const char *const names[FERRY_ENCODINGS] = {"f32", "f16", "int8", "int4"};

	return encoding < FERRY_ENCODINGS ? names[encoding] : NULL;
}

static int too_large(uint8_t encoding, const float *x, size_t n, struct ferry_error *err)
{
	float most = 0.0f;

	for (size_t i = 0; i < n; i++)
		if (!(fabsf(x[i]) <= most))
			most = fabsf(x[i]);
	return ferry_fail(
		err, FERRY_ERROR_CALLER, -ERANGE,
		"a hidden state reaches %g, which %s cannot carry to the other node; send "
		"f32",
		(double)most, ferry_activation_name(encoding));
}

int ferry_activation_encode(const struct ferry_kernels *k, uint8_t encoding, const float *x,
			    size_t n_rows, size_t n, uint8_t *bytes, struct ferry_error *err)
{
	const size_t row = ferry_wire_row_bytes(encoding, n);

	for (size_t i = 0; i < n_rows; i++)
		if (!k->encode((enum ferry_codec)encoding, x + i * n, n, bytes + i * row))
			return too_large(encoding, x + i * n, n, err);
	return 0;
}

int ferry_activation_decode(const struct ferry_kernels *k, uint8_t encoding, const uint8_t *bytes,
			    size_t n_rows, size_t n, float *x, struct ferry_error *err)
{
	const size_t row = ferry_wire_row_bytes(encoding, n);

	for (size_t i = 0; i < n_rows; i++)
		if (!k->decode((enum ferry_codec)encoding, bytes + i * row, n, x + i * n))
			return ferry_fail(err, FERRY_ERROR_PEER, -EBADMSG,
					  "row %zu of numbers is not finite, or not what an "
					  "encoder of %s writes",
					  i, ferry_activation_name(encoding));
	return 0;
}
