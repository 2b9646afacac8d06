/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_GGUF_PARSE_H
#define FERRY_MODEL_GGUF_PARSE_H

#include "model/gguf.h"

/*
 * Read and check the header in g->map. Memory comes from g->arena and is at most a small
 * multiple of the file's size; what the file claims is compared with what is left of it
 * before anything is allocated.
 *
 * Return: 0 or a negative errno with @err filled; the caller releases g->arena in either case.
 */
int ferry_gguf_read_header(struct ferry_gguf *g, struct ferry_error *err);

/* -EBADMSG with "<path>: <sentence>; the file is damaged: download or convert it again". */
int ferry_gguf_damaged(const struct ferry_gguf *g, struct ferry_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* @code with "<path>: <sentence>". */
int ferry_gguf_fail(const struct ferry_gguf *g, struct ferry_error *err, int code, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5), cold));

#endif
