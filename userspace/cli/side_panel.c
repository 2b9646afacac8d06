// SPDX-License-Identifier: MIT
#include "cli/side_panel.h"

#include <stdbool.h>
#include <string.h>

enum { SIDE_PANEL_NOTE_BYTES = 128 };

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static unsigned count_columns(const char *text, size_t n)
{
	unsigned columns = 0;

	for (size_t i = 0; i < n; i++)
		columns += starts_character(text[i]);
	return columns;
}

/* Prints the first @n bytes of the line and keeps what stands behind them (and one blank). */
static void print_line(struct ferry_side_panel *p, size_t n)
{
	char note[SIDE_PANEL_NOTE_BYTES] = "";
	unsigned columns = count_columns(p->line, n);
	int pad = columns < SIDE_PANEL_COLUMNS ? (int)(SIDE_PANEL_COLUMNS - columns) : 0;
	size_t keep = n;

	p->note(p->data, note, sizeof(note));
	fprintf(p->out, "%.*s%*s | %s\n", (int)n, p->line, pad, "", note);
	fflush(p->out);
	while (keep < p->n_bytes && p->line[keep] == ' ')
		keep++;
	memmove(p->line, p->line + keep, p->n_bytes - keep);
	p->n_bytes -= keep;
	p->n_columns = count_columns(p->line, p->n_bytes);
}

static size_t last_blank(const struct ferry_side_panel *p)
{
	size_t i = p->n_bytes;

	while (i > 0 && p->line[i - 1] != ' ')
		i--;
	return i ? i - 1 : p->n_bytes;
}

void ferry_side_panel_write(struct ferry_side_panel *p, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n') {
			print_line(p, p->n_bytes);
			continue;
		}
		if (p->n_bytes + 1 == sizeof(p->line) ||
		    (starts_character(text[i]) && p->n_columns == SIDE_PANEL_COLUMNS))
			print_line(p, text[i] == ' ' ? p->n_bytes : last_blank(p));
		if (text[i] == ' ' && !p->n_bytes)
			continue;
		p->line[p->n_bytes++] = text[i];
		p->n_columns += starts_character(text[i]);
	}
}

void ferry_side_panel_end(struct ferry_side_panel *p)
{
	if (p->n_bytes)
		print_line(p, p->n_bytes);
}
