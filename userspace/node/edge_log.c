// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "base/clock.h"
#include "node/edge_private.h"

enum { SECOND_US = 1000000 };

static void write_limited(void *data, enum ferry_log_level level, const char *text)
{
	struct edge_log *l = data;
	uint64_t now = ferry_now_us();
	char dropped[64];

	if (now - l->second_us >= SECOND_US) {
		if (l->n_dropped) {
			snprintf(dropped, sizeof(dropped), "%u lines before this were left out",
				 l->n_dropped);
			l->to->write(l->to->data, FERRY_LOG_WARNING, dropped);
		}
		l->second_us = now;
		l->n_written = l->n_dropped = 0;
	}
	if (l->n_written < EDGE_LOG_LINES) {
		l->n_written++;
		l->to->write(l->to->data, level, text);
	} else {
		l->n_dropped++;
	}
}

const struct ferry_log *ferry_edge_log_limit(struct edge_log *l, const struct ferry_log *to)
{
	if (!to || !to->write)
		return NULL;
	l->to = to;
	l->limited = (struct ferry_log){.level = to->level, .write = write_limited, .data = l};
	return &l->limited;
}
