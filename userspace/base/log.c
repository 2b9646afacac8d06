// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/printable.h"

void ferry_log(const struct ferry_log *log, enum ferry_log_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!log || !log->write || level > log->level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Peers choose part of what is logged: keep terminals and log files safe. */
	ferry_make_printable(text);
	log->write(log->data, level, text);
}
