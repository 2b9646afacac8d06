// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* strerrordesc_np: the thread-safe strerror without a buffer */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"

int ferry_vfail(struct ferry_error *err, enum ferry_error_kind kind, int code, const char *fmt,
		va_list ap)
{
	if (!err)
		return code;
	err->code = code;
	err->kind = kind;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	ferry_make_printable(err->text);
	return code;
}

int ferry_fail(struct ferry_error *err, enum ferry_error_kind kind, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ferry_vfail(err, kind, code, fmt, ap);
	va_end(ap);
	return code;
}

int ferry_fail_within(struct ferry_error *err, const char *fmt, ...)
{
	char inner[FERRY_ERROR_TEXT];
	va_list ap;
	int n;

	if (!err)
		return -EIO;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", inner);
	ferry_make_printable(err->text);
	return err->code;
}

int ferry_fail_memory(struct ferry_error *err, const char *what, unsigned long long bytes)
{
	return ferry_fail(err, FERRY_ERROR_MEMORY, -ENOMEM, "out of memory: %s needs %llu bytes",
			  what, bytes);
}

const char *ferry_errno_text(int code)
{
	const char *text = strerrordesc_np(code < 0 ? -code : code);

	return text ? text : "unknown error";
}
