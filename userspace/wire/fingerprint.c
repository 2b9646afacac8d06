// SPDX-License-Identifier: MIT
#include "wire/fingerprint.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static const char prefix[] = "ferry1:";
static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

enum { N_PREFIX = sizeof(prefix) - 1 };

void ferry_fingerprint_text(const struct ferry_fingerprint *f, char text[FERRY_FINGERPRINT_TEXT])
{
	uint32_t bits = 0, n_bits = 0;
	char *out = text + N_PREFIX;

	memcpy(text, prefix, N_PREFIX);
	for (unsigned i = 0; i < FERRY_FINGERPRINT_BYTES; i++) {
		bits = bits << 8 | f->bytes[i];
		for (n_bits += 8; n_bits >= 5; n_bits -= 5)
			*out++ = letters[bits >> (n_bits - 5) & 31];
	}
	*out++ = letters[bits << (5 - n_bits) & 31];
	*out = '\0';
}

static int fail_at(size_t where, size_t *at, struct ferry_error *err, const char *what)
{
	*at = where;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "%s: a fingerprint is \"ferry1:\" and 52 characters a-z, 2-7", what);
}

int ferry_fingerprint_parse(const char *text, size_t n, struct ferry_fingerprint *f, size_t *at,
			    struct ferry_error *err)
{
	uint32_t bits = 0, n_bits = 0;
	unsigned n_out = 0;

	for (size_t i = 0; i < N_PREFIX; i++)
		if (i >= n || text[i] != prefix[i])
			return fail_at(i, at, err, "this is no fingerprint");
	for (size_t i = N_PREFIX; i < FERRY_FINGERPRINT_CHARS; i++) {
		const char *letter = i < n && text[i] ? strchr(letters, text[i]) : NULL;

		if (i >= n)
			return fail_at(i, at, err, "this fingerprint is too short");
		if (!letter)
			return fail_at(i, at, err, "this fingerprint has another character");
		bits = bits << 5 | (uint32_t)(letter - letters);
		n_bits += 5;
		if (n_bits >= 8) {
			n_bits -= 8;
			f->bytes[n_out++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (n > FERRY_FINGERPRINT_CHARS)
		return fail_at(FERRY_FINGERPRINT_CHARS, at, err, "this fingerprint is too long");
	/* Four bits are left over: one key must not have sixteen names. */
	if (bits & 15)
		return fail_at(FERRY_FINGERPRINT_CHARS - 1, at, err,
			       "the last character of this fingerprint cannot be");
	return 0;
}

bool ferry_fingerprint_equal(const struct ferry_fingerprint *a, const struct ferry_fingerprint *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}
