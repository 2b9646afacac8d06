// SPDX-License-Identifier: MIT
/*
 * Any bytes as rows of hidden states, as a peer may send them. Input: the codec, two bytes of the
 * number of numbers, then the row. The kernels say the same as the plain version; what they take is
 * finite, and can be written again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "compute/kernels.h"
#include "fuzz/fuzz.h"

enum { MOST = 5000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ferry_kernels *k = ferry_kernels_best();
	static float x[MOST], y[MOST];
	enum ferry_codec codec;
	uint8_t *row, *again; /* exactly as long as they are: a sanitizer sees who goes on */
	size_t n, bytes;
	bool right;

	if (size < 3)
		return 0;
	codec = (enum ferry_codec)(data[0] % FERRY_CODECS);
	n = 1 + ferry_load_le16(data + 1) % MOST;
	bytes = ferry_codec_bytes(codec, n);
	row = calloc(1, bytes);
	FUZZ_CHECK(row);
	memcpy(row, data + 3, size - 3 < bytes ? size - 3 : bytes);
	right = ferry_codec_decode_reference(codec, row, n, x);
	FUZZ_CHECK(k->decode(codec, row, n, y) == right);
	if (right) {
		FUZZ_CHECK(!memcmp(x, y, n * sizeof(*x)));
		for (size_t i = 0; i < n; i++)
			FUZZ_CHECK(isfinite(x[i]));
		/* Of such rows some are beyond what a sender could have had: both say so. */
		again = calloc(1, bytes);
		FUZZ_CHECK(again);
		right = ferry_codec_encode_reference(codec, x, n, again);
		FUZZ_CHECK(k->encode(codec, x, n, row) == right);
		FUZZ_CHECK(!right || !memcmp(row, again, bytes));
		free(again);
	}
	free(row);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static const uint16_t lengths[] = {0, 31, 63, 200, 2047, 4200};
	static uint8_t seed[3 + 4 * MOST];
	static float x[MOST];

	for (size_t i = 0; i < MOST; i++)
		x[i] = sinf((float)i) * (i % 97 ? 1.0f : 200.0f);
	for (uint8_t codec = 0; codec < FERRY_CODECS; codec++) {
		for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			const size_t n = 1 + (size_t)lengths[k];

			seed[0] = codec;
			ferry_store_le16(seed + 1, lengths[k]);
			FUZZ_CHECK(ferry_codec_encode_reference((enum ferry_codec)codec, x, n,
								seed + 3));
			emit(arg, seed, 3 + ferry_codec_bytes((enum ferry_codec)codec, n));
		}
	}
}
