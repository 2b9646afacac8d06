// SPDX-License-Identifier: MIT
#include "net/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8192 };

static void add(struct ferry_exposition *e, const char *text, size_t n)
{
	if (e->failed)
		return;
	if (e->size + n + 1 > e->room) {
		size_t room = e->room ? e->room : FIRST_ROOM;
		char *more;

		while (room < e->size + n + 1)
			room *= 2;
		more = room <= FERRY_EXPOSITION_MAX ? realloc(e->text, room) : NULL;
		if (!more) {
			e->failed = true;
			return;
		}
		e->text = more;
		e->room = room;
	}
	memcpy(e->text + e->size, text, n);
	e->size += n;
	e->text[e->size] = 0;
}

static void add_text(struct ferry_exposition *e, const char *text)
{
	add(e, text, strlen(text));
}

void ferry_exposition_family(struct ferry_exposition *e, const char *name,
			     enum ferry_exposition_type type, const char *help)
{
	e->family = name;
	add_text(e, "# HELP ");
	add_text(e, name);
	add_text(e, " ");
	add_text(e, help);
	add_text(e, "\n# TYPE ");
	add_text(e, name);
	add_text(e, type == FERRY_EXPOSITION_COUNTER ? " counter\n" : " gauge\n");
}

/* Only what is ASCII: names of cgroups and devices are any bytes, and the format wants UTF-8. */
static void add_label(struct ferry_exposition *e, const char *separator, const char *name,
		      const char *value)
{
	add_text(e, separator);
	add_text(e, name);
	add_text(e, "=\"");
	for (const char *c = value; *c; c++) {
		if (*c == '\\' || *c == '"')
			add(e, "\\", 1);
		if (*c == '\n')
			add_text(e, "\\n");
		else
			add(e, *c >= ' ' && *c <= '~' ? c : "?", 1);
	}
	add_text(e, "\"");
}

static void add_sample(struct ferry_exposition *e, const char *number, const char *label1,
		       const char *value1, const char *label2, const char *value2)
{
	add_text(e, e->family);
	if (label1) {
		add_label(e, "{", label1, value1);
		if (label2)
			add_label(e, ",", label2, value2);
		add_text(e, "}");
	}
	add_text(e, " ");
	add_text(e, number);
	add_text(e, "\n");
}

void ferry_exposition_sample(struct ferry_exposition *e, double value, const char *label1,
			     const char *value1, const char *label2, const char *value2)
{
	char number[40];

	if (isfinite(value))
		snprintf(number, sizeof(number), "%.9g", value);
	else
		snprintf(number, sizeof(number), "NaN");
	add_sample(e, number, label1, value1, label2, value2);
}

void ferry_exposition_count(struct ferry_exposition *e, uint64_t value, const char *label1,
			    const char *value1, const char *label2, const char *value2)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	add_sample(e, number, label1, value1, label2, value2);
}
