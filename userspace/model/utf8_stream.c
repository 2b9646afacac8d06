// SPDX-License-Identifier: MIT
#include <string.h>

#include "model/tokenizer.h"
#include "model/utf8.h"

static const char replacement[3] = "\xef\xbf\xbd"; /* U+FFFD */

static size_t put_replacement(char *out)
{
	memcpy(out, replacement, sizeof(replacement));
	return sizeof(replacement);
}

/*
 * Complete the held bytes with as few new ones as decide them. Returns how many of @bytes were
 * used; all of them where the character is still unfinished.
 */
static size_t finish_held(struct ferry_utf8_stream *s, const char *bytes, size_t n, char *out,
			  size_t *n_out)
{
	size_t used = 0;

	while (s->n_held) {
		struct ferry_utf8_char c = ferry_utf8_next(s->held, s->n_held);

		if (c.valid) {
			memcpy(out + *n_out, s->held, c.n);
			*n_out += c.n;
			s->n_held = 0;
		} else if (!c.cut) {
			/* The byte that broke the character may itself begin one: give it back. */
			*n_out += put_replacement(out + *n_out);
			used -= s->n_held - c.n;
			s->n_held = 0;
		} else if (used < n) {
			s->held[s->n_held++] = (unsigned char)bytes[used++];
		} else {
			break;
		}
	}
	return used;
}

size_t ferry_utf8_stream_push(struct ferry_utf8_stream *s, const char *bytes, size_t n, char *out)
{
	size_t n_out = 0, at = finish_held(s, bytes, n, out, &n_out);

	while (at < n) {
		struct ferry_utf8_char c = ferry_utf8_next((const uint8_t *)bytes + at, n - at);

		if (c.cut) {
			memcpy(s->held, bytes + at, c.n);
			s->n_held = c.n;
		} else if (c.valid) {
			memcpy(out + n_out, bytes + at, c.n);
			n_out += c.n;
		} else {
			n_out += put_replacement(out + n_out);
		}
		at += c.n;
	}
	return n_out;
}

size_t ferry_utf8_stream_end(struct ferry_utf8_stream *s, char *out)
{
	size_t n_out = s->n_held ? put_replacement(out) : 0;

	s->n_held = 0;
	return n_out;
}
