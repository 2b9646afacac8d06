/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_TURN_MARKS_H
#define FERRY_MODEL_TURN_MARKS_H

#include <stdbool.h>
#include <stddef.h>

/* A token that opens or closes a turn in one of the chat formats. */
struct ferry_turn_mark {
	const char *text;
	bool ends;   /* generation ends at it, where it is a control token */
	bool forced; /* a control token even where the file calls it normal or user-defined */
};

/* NULL where the text is no such mark. */
const struct ferry_turn_mark *ferry_turn_mark_find(const char *text, size_t n);

#endif
