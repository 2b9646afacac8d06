/* SPDX-License-Identifier: MIT */
#ifndef FERRY_BASE_PRINTABLE_H
#define FERRY_BASE_PRINTABLE_H

/*
 * Makes text that a file or a peer chose safe for a terminal or a log: control characters (C0,
 * DEL, and C1, which some terminals obey too) and bytes that are not UTF-8 become '?'. A character
 * that the end of the text cuts off does too.
 */
void ferry_make_printable(char *text);

#endif
