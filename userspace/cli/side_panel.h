/* SPDX-License-Identifier: MIT */
/*
 * Text on the left, wrapped at blanks, and beside each line what happened while it was written.
 * Plain lines: the same on a terminal, in a file and in a test.
 */
#ifndef FERRY_CLI_SIDE_PANEL_H
#define FERRY_CLI_SIDE_PANEL_H

#include <stddef.h>
#include <stdio.h>

enum {
	SIDE_PANEL_COLUMNS = 58,     /* characters of text in a line */
	SIDE_PANEL_LINE_BYTES = 512, /* a character may take 4 bytes, and then some combine */
};

struct ferry_side_panel {
	FILE *out;
	/* Writes the note for the line that ends now; called once for each line. */
	void (*note)(void *data, char *text, size_t size);
	void *data;
	char line[SIDE_PANEL_LINE_BYTES];
	size_t n_bytes;
	unsigned n_columns;
};

/* @n bytes of whole UTF-8 characters. */
void ferry_side_panel_write(struct ferry_side_panel *p, const char *text, size_t n);

/* The last line, if one is begun. */
void ferry_side_panel_end(struct ferry_side_panel *p);

#endif
