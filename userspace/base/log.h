/* SPDX-License-Identifier: MIT */
/*
 * The library itself never prints. Long-running roles (edge, agent) get a struct ferry_log
 * from their caller; NULL means silence.
 */
#ifndef FERRY_BASE_LOG_H
#define FERRY_BASE_LOG_H

enum ferry_log_level {
	FERRY_LOG_ERROR,
	FERRY_LOG_WARNING,
	FERRY_LOG_INFO,
	FERRY_LOG_DEBUG,
};

struct ferry_log {
	enum ferry_log_level level; /* nothing above this is written */
	void (*write)(void *data, enum ferry_log_level level, const char *text);
	void *data;
};

/* One line, printf-style, no newline. @log may be NULL. */
void ferry_log(const struct ferry_log *log, enum ferry_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
