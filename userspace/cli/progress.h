/* SPDX-License-Identifier: MIT */
/*
 * A progress line for what takes longer than a second, on terminals only.
 */
#ifndef FERRY_CLI_PROGRESS_H
#define FERRY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct ferry_progress {
	const char *what;
	uint64_t total;
	uint64_t start_us, shown_us;
	bool on_terminal, shown;
};

/* @what as in "prefill"; @total in units of whatever is counted. */
struct ferry_progress ferry_progress_start(const char *what, uint64_t total);
void ferry_progress_at(struct ferry_progress *p, uint64_t done);

/* Removes the line. */
void ferry_progress_end(struct ferry_progress *p);

#endif
