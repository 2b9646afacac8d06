/* SPDX-License-Identifier: MIT */
#ifndef FERRY_BASE_PRINTABLE_H
#define FERRY_BASE_PRINTABLE_H

#include <stddef.h>

/*
 * Makes text that a file or a peer chose safe for a terminal or a log: control characters (C0,
 * DEL, and C1, which some terminals obey too) and bytes that are not UTF-8 become '?'. A character
 * that the end of the text cuts off does too.
 */
void ferry_make_printable(char *text);

/*
 * The same for running text of @n bytes, whole UTF-8 characters: its line ends and tabs stay. The
 * length does too.
 */
void ferry_tame_controls(char *text, size_t n);

#endif
