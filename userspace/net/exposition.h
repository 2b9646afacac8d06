/* SPDX-License-Identifier: MIT */
/*
 * Text as Prometheus reads it (exposition format 0.0.4): families with HELP and TYPE, samples below
 * them. Labels may hold any bytes.
 */
#ifndef FERRY_NET_EXPOSITION_H
#define FERRY_NET_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FERRY_EXPOSITION_MAX = 1 << 20 };

struct ferry_exposition {
	char *text; /* [size], to be freed by whoever began it */
	size_t size, room;
	bool failed; /* no memory, or more than a megabyte: then the text is of no use */
	const char *family;
};

enum ferry_exposition_type { FERRY_EXPOSITION_COUNTER, FERRY_EXPOSITION_GAUGE };

/* Begins a family; a counter's name ends in _total. Both strings stay the caller's. */
void ferry_exposition_family(struct ferry_exposition *e, const char *name,
			     enum ferry_exposition_type type, const char *help);

/* One sample of the family; up to two labels, NULL ends them earlier. */
void ferry_exposition_sample(struct ferry_exposition *e, double value, const char *label1,
			     const char *value1, const char *label2, const char *value2);

/* A whole number, exactly. */
void ferry_exposition_count(struct ferry_exposition *e, uint64_t value, const char *label1,
			    const char *value1, const char *label2, const char *value2);

#endif
