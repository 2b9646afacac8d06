/* SPDX-License-Identifier: MIT */
/*
 * Writes a GGUF v3 file from front to back through one small buffer, to a temporary file beside
 * its final name.
 *
 * Errors stick: after the first one all calls do nothing, and ferry_gguf_stream_finish()
 * reports it. A stream that was opened without a path only counts.
 */
#ifndef FERRY_BENCH_GGUF_STREAM_H
#define FERRY_BENCH_GGUF_STREAM_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "model/gguf.h"

enum {
	FERRY_GGUF_STREAM_BUFFER = 256 * 1024,
	FERRY_GGUF_STREAM_ALIGN = 32,
	FERRY_GGUF_STREAM_PATH = 4096,
};

struct ferry_gguf_stream {
	uint64_t at;	  /* bytes so far */
	const char *path; /* NULL: only count */
	char temporary[FERRY_GGUF_STREAM_PATH];
	int fd;
	const volatile sig_atomic_t *cancel; /* when it becomes non-zero, the stream fails */
	struct ferry_error *err;
	size_t n_held;
	uint8_t held[FERRY_GGUF_STREAM_BUFFER];
};

/* Starts counting. */
void ferry_gguf_stream_count(struct ferry_gguf_stream *s);

/**
 * ferry_gguf_stream_open - create the temporary file and reserve room for all of it.
 * @n_bytes: the file's final size
 * @cancel: or NULL
 * @err: receives the first error, now or later
 *
 * Return: 0, or a negative errno: -EINVAL where @path is there and is no regular file, -ENOSPC
 * where the disk has no room.
 */
int ferry_gguf_stream_open(struct ferry_gguf_stream *s, const char *path, uint64_t n_bytes,
			   const volatile sig_atomic_t *cancel, struct ferry_error *err);

/* Writes what is held and renames the file, or removes it. Return: 0 or the first error. */
int ferry_gguf_stream_finish(struct ferry_gguf_stream *s);

void ferry_gguf_stream_bytes(struct ferry_gguf_stream *s, const void *data, size_t n);
void ferry_gguf_stream_u32(struct ferry_gguf_stream *s, uint32_t v);
void ferry_gguf_stream_u64(struct ferry_gguf_stream *s, uint64_t v);
void ferry_gguf_stream_f32(struct ferry_gguf_stream *s, float v);
void ferry_gguf_stream_string(struct ferry_gguf_stream *s, const char *text);

/* Zeros up to a multiple of FERRY_GGUF_STREAM_ALIGN. */
void ferry_gguf_stream_pad(struct ferry_gguf_stream *s);

/* Magic, version and the two counts. */
void ferry_gguf_stream_header(struct ferry_gguf_stream *s, uint64_t n_tensors, uint64_t n_values);

void ferry_gguf_stream_value_u32(struct ferry_gguf_stream *s, const char *key, uint32_t v);
void ferry_gguf_stream_value_f32(struct ferry_gguf_stream *s, const char *key, float v);
void ferry_gguf_stream_value_bool(struct ferry_gguf_stream *s, const char *key, bool v);
void ferry_gguf_stream_value_string(struct ferry_gguf_stream *s, const char *key, const char *text);

/* The caller writes @n elements behind it. */
void ferry_gguf_stream_array(struct ferry_gguf_stream *s, const char *key,
			     enum ferry_gguf_type type, uint64_t n);

#endif
