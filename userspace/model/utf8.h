/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef FERRY_MODEL_UTF8_H
#define FERRY_MODEL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The maximal subpart at the start of a text: either one whole character, or the longest run of
 * bytes that could have begun one (Unicode 15, section 3.9, table 3-7), or one byte.
 */
struct ferry_utf8_char {
	unsigned n;    /* bytes, at least 1 */
	bool valid;    /* a whole character */
	bool cut;      /* not valid only because the text ended: more bytes could complete it */
	uint32_t code; /* of a valid one */
};

/* @n must be at least 1. */
static inline struct ferry_utf8_char ferry_utf8_next(const uint8_t *p, size_t n)
{
	struct ferry_utf8_char c = {.n = 1};
	uint8_t low = 0x80, high = 0xbf;
	unsigned want;

	if (p[0] < 0x80)
		return (struct ferry_utf8_char){.n = 1, .valid = true, .code = p[0]};
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return c;
	if (p[0] < 0xe0) {
		want = 2;
		c.code = p[0] & 0x1f;
	} else if (p[0] < 0xf0) {
		want = 3;
		c.code = p[0] & 0x0f;
		if (p[0] == 0xe0)
			low = 0xa0; /* overlong below */
		else if (p[0] == 0xed)
			high = 0x9f; /* surrogates above */
	} else {
		want = 4;
		c.code = p[0] & 0x07;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f; /* U+10FFFF is the last */
	}
	for (; c.n < want; c.n++) {
		if (c.n == n) {
			c.cut = true;
			return c;
		}
		if (p[c.n] < low || p[c.n] > high)
			return c;
		c.code = c.code << 6 | (p[c.n] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	c.valid = true;
	return c;
}

/* Bytes at the start of a text that are valid characters (@valid) or that are not. */
static inline size_t ferry_utf8_run(const uint8_t *p, size_t n, bool valid)
{
	size_t at = 0;

	while (at < n) {
		struct ferry_utf8_char c = ferry_utf8_next(p + at, n - at);

		if (c.valid != valid)
			break;
		at += c.n;
	}
	return at;
}

#endif
