/* SPDX-License-Identifier: MIT */
#ifndef FERRY_BASE_ERROR_H
#define FERRY_BASE_ERROR_H

#include <stdarg.h>

#include "ferry/error.h"

/**
 * ferry_fail - fill an error and return its code.
 * @err: where to write, or NULL
 * @kind: whose fault it was
 * @code: a negative errno
 * @fmt: one sentence, printf-style, no newline
 *
 * Bytes of the text that are not printable become '?', so a hostile file or peer cannot
 * send control sequences to a terminal through an error message.
 * Return: @code, so that callers can write `return ferry_fail(...)`.
 */
int ferry_fail(struct ferry_error *err, enum ferry_error_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/* As ferry_fail(), for callers that already have a va_list. */
int ferry_vfail(struct ferry_error *err, enum ferry_error_kind kind, int code, const char *fmt,
		va_list ap) __attribute__((format(printf, 4, 0), cold));

/**
 * ferry_fail_within - put a context in front of an error that a callee has already filled.
 * @err: the filled error, or NULL
 * @fmt: the context, printf-style; ": " is added behind it
 *
 * Return: err->code, or -EIO where @err is NULL.
 */
int ferry_fail_within(struct ferry_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));

/* Out of memory: -ENOMEM, naming what the memory was for and how much. */
int ferry_fail_memory(struct ferry_error *err, const char *what, unsigned long long bytes)
	__attribute__((cold));

/* The text of a negative errno; thread-safe. */
const char *ferry_errno_text(int code);

#endif
