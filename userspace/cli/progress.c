// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	PROGRESS_AFTER_US = 1000000,
	PROGRESS_EVERY_US = 200000,
};

struct ferry_progress ferry_progress_start(const char *what, uint64_t total)
{
	return (struct ferry_progress){
		.what = what,
		.total = total,
		.start_us = ferry_now_us(),
		.on_terminal = isatty(STDERR_FILENO),
	};
}

void ferry_progress_at(struct ferry_progress *p, uint64_t done)
{
	uint64_t now;

	if (!p->on_terminal || !p->total)
		return;
	now = ferry_now_us();
	if (now - p->start_us < PROGRESS_AFTER_US || now - p->shown_us < PROGRESS_EVERY_US)
		return;
	fprintf(stderr, "\r%s %3llu %%, %.0f s left ", p->what,
		(unsigned long long)(done * 100 / p->total),
		done ? (double)(now - p->start_us) / 1e6 * (double)(p->total - done) / (double)done
		     : 0.0);
	fflush(stderr);
	p->shown_us = now;
	p->shown = true;
}

void ferry_progress_end(struct ferry_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
