/* SPDX-License-Identifier: MIT */
/* The place on the way out of an interface where a BPF program runs, beside those of others. */
#ifndef FERRY_NET_HOOK_H
#define FERRY_NET_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry/error.h"

enum {
	/*
	 * Neither is what people type. A filter in front that answers hides packets from those
	 * behind.
	 */
	FERRY_FILTER_PRIORITY = 254,
	FERRY_FILTER_HANDLE = 0xfe,
	FERRY_FILTER_PRIORITIES = 16, /* how many further ones to try where that is taken */
};

struct ferry_filter {
	unsigned int device;
	uint32_t priority, handle;
	bool made_clsact; /* and may take it away, where nobody else uses it */
};

/* Whether the interface has clsact: 1 or 0; negative errno. */
int ferry_hook_has_clsact(unsigned int device, struct ferry_error *err);

/* Filters on both sides of clsact; negative errno. */
int ferry_hook_count_filters(unsigned int device, struct ferry_error *err);

/*
 * Adds the filter at the first priority that is free, and with it, where @filter->made_clsact asks
 * for that, clsact. Of @filter what was done is set.
 */
int ferry_hook_attach(struct ferry_filter *filter, int program, struct ferry_error *err);

/* Whether the program (an id) is there; then priority and handle of @filter say where. */
bool ferry_hook_find(struct ferry_filter *filter, uint32_t program);

/*
 * Takes the filter with @program (an id) away, and clsact where we made it and it is empty. What is
 * gone already is no error.
 */
int ferry_hook_detach(struct ferry_filter *filter, uint32_t program, struct ferry_error *err);

/* A tcx link: descriptor, or negative errno; -EOPNOTSUPP where the kernel has none. */
int ferry_hook_link(unsigned int device, int program);

/* Whether the link still leads to its interface. */
bool ferry_hook_link_lives(int link);

#endif
