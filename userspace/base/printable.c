// SPDX-License-Identifier: MIT
#include "base/printable.h"

#include <stdint.h>

/* Bytes of the UTF-8 character at @p that may be printed, 0 for anything else. The terminating
 * NUL is no continuation byte, so nothing behind it is looked at. */
static unsigned printable_length(const unsigned char *p)
{
	unsigned n = p[0] < 0x80		   ? 1
		     : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		     : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
		     : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
						   : 0;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7f >> n);

	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0; /* longer than it need be, or beyond Unicode */
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

void ferry_make_printable(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		unsigned n = printable_length(p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
}

void ferry_tame_controls(char *text, size_t n)
{
	unsigned char *p = (unsigned char *)text;

	for (size_t i = 0; i < n; i++) {
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f) {
			p[i] = '?';
		} else if (p[i] == 0xc2 && i + 1 < n && p[i + 1] < 0xa0) { /* U+0080 to U+009F */
			p[i] = '?';
			p[++i] = '?';
		}
	}
}
