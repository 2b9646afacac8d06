// SPDX-License-Identifier: MIT
#include "model/byte_alphabet.h"

#include <string.h>

#include "model/utf8.h"

enum {
	FIRST_CONTROL = 0x100, /* stands for byte 0; up to byte 32, the space */
	FIRST_DELETE = 0x121,  /* stands for byte 127; up to byte 160 */
	SOFT_HYPHEN = 0x143,   /* stands for byte 173 */
};

static int byte_of_char(uint32_t code)
{
	if ((code >= 33 && code <= 126) || (code >= 161 && code <= 172) ||
	    (code >= 174 && code <= 255))
		return (int)code;
	if (code >= FIRST_CONTROL && code < FIRST_DELETE)
		return (int)(code - FIRST_CONTROL);
	if (code >= FIRST_DELETE && code < SOFT_HYPHEN)
		return (int)(code - FIRST_DELETE + 127);
	return code == SOFT_HYPHEN ? 173 : -1;
}

bool ferry_byte_alphabet_decode(const uint8_t *text, size_t n, uint8_t *out, size_t *n_out)
{
	bool all_bytes = true;
	size_t at = 0, w = 0;

	while (at < n) {
		struct ferry_utf8_char c = ferry_utf8_next(text + at, n - at);
		int byte = c.valid ? byte_of_char(c.code) : -1;

		if (byte >= 0) {
			out[w++] = (uint8_t)byte;
		} else {
			memcpy(out + w, text + at, c.n);
			w += c.n;
			all_bytes = false;
		}
		at += c.n;
	}
	*n_out = w;
	return all_bytes;
}
