/* SPDX-License-Identifier: MIT */
/*
 * A key's name: SHA-256 of its SubjectPublicKeyInfo. That is the same whether the key comes in a
 * certificate or by itself (RFC 7250), so what is written down today stays true.
 */
#ifndef FERRY_WIRE_FINGERPRINT_H
#define FERRY_WIRE_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

enum {
	FERRY_FINGERPRINT_BYTES = 32,
	FERRY_FINGERPRINT_CHARS = 7 + 52, /* "ferry1:" and base32 */
	FERRY_FINGERPRINT_TEXT = FERRY_FINGERPRINT_CHARS + 1,
};

struct ferry_fingerprint {
	uint8_t bytes[FERRY_FINGERPRINT_BYTES];
};

/* "ferry1:" and 52 characters a-z, 2-7 (RFC 4648 base32, small letters, no padding). */
void ferry_fingerprint_text(const struct ferry_fingerprint *f, char text[FERRY_FINGERPRINT_TEXT]);

/*
 * The other way, for exactly FERRY_FINGERPRINT_CHARS characters at @text; nothing but what
 * ferry_fingerprint_text() writes is taken. -EINVAL; @at then receives the offset of the first
 * character that is wrong.
 */
int ferry_fingerprint_parse(const char *text, size_t n, struct ferry_fingerprint *f, size_t *at,
			    struct ferry_error *err);

bool ferry_fingerprint_equal(const struct ferry_fingerprint *a, const struct ferry_fingerprint *b);

#endif
