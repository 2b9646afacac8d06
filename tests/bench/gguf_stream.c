// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* mkostemp, fallocate */
#include "gguf_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

static bool failed(const struct ferry_gguf_stream *s)
{
	return s->err && s->err->code;
}

void ferry_gguf_stream_count(struct ferry_gguf_stream *s)
{
	s->at = 0;
	s->path = NULL;
	s->fd = -1;
	s->cancel = NULL;
	s->err = NULL;
	s->n_held = 0;
}

static void discard(struct ferry_gguf_stream *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	unlink(s->temporary);
	s->fd = -1;
}

static int fail_write(struct ferry_gguf_stream *s, int error)
{
	return ferry_fail(s->err, FERRY_ERROR_SYSTEM, -error,
			  "cannot write %s: %s; the unfinished file was removed", s->path,
			  ferry_errno_text(-error));
}

static int fail_room(struct ferry_gguf_stream *s, uint64_t n_bytes)
{
	struct statvfs fs;
	uint64_t free_bytes = 0;

	if (!fstatvfs(s->fd, &fs))
		free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return ferry_fail(s->err, FERRY_ERROR_SYSTEM, -ENOSPC,
			  "%s needs %" PRIu64 " MB and its disk has %" PRIu64
			  " MB left; free some or name another folder",
			  s->path, (n_bytes + 999999) / 1000000, free_bytes / 1000000);
}

/* rename() would replace a device or a pipe by a file. */
static int check_target(struct ferry_gguf_stream *s)
{
	struct stat st;

	if (!stat(s->path, &st) && !S_ISREG(st.st_mode))
		return ferry_fail(s->err, FERRY_ERROR_CALLER, -EINVAL,
				  "%s is no regular file; name a file to create", s->path);
	return 0;
}

int ferry_gguf_stream_open(struct ferry_gguf_stream *s, const char *path, uint64_t n_bytes,
			   const volatile sig_atomic_t *cancel, struct ferry_error *err)
{
	mode_t mask;
	int ret, n;

	ferry_gguf_stream_count(s);
	s->path = path;
	s->cancel = cancel;
	s->err = err;
	ret = check_target(s);
	if (ret)
		return ret;
	n = snprintf(s->temporary, sizeof(s->temporary), "%s.XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof(s->temporary))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG, "the path %s is too long",
				  path);
	s->fd = mkostemp(s->temporary, O_CLOEXEC);
	if (s->fd < 0)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "cannot create %s: %s", path,
				  ferry_errno_text(-errno));
	mask = umask(0);
	umask(mask);
	if (fchmod(s->fd, 0666 & ~mask)) {
		ret = fail_write(s, errno);
		discard(s);
		return ret;
	}
	/* Where the file system cannot reserve, a write will fail later instead. */
	if (fallocate(s->fd, 0, 0, (off_t)n_bytes) && errno != EOPNOTSUPP && errno != ENOSYS) {
		ret = errno == ENOSPC ? fail_room(s, n_bytes) : fail_write(s, errno);
		discard(s);
		return ret;
	}
	return 0;
}

static void flush(struct ferry_gguf_stream *s)
{
	const uint8_t *p = s->held;

	while (s->n_held) {
		ssize_t n;

		if (s->cancel && *s->cancel) {
			ferry_fail(s->err, FERRY_ERROR_CANCELLED, -EINTR,
				   "interrupted; the unfinished %s was removed", s->path);
			return;
		}
		n = write(s->fd, p, s->n_held);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail_write(s, n ? errno : EIO);
			return;
		}
		p += n;
		s->n_held -= (size_t)n;
	}
}

int ferry_gguf_stream_finish(struct ferry_gguf_stream *s)
{
	int fd;

	if (s->fd < 0)
		return failed(s) ? s->err->code : 0;
	if (!failed(s))
		flush(s);
	/* Before the rename, so that a crash leaves the old file or the whole new one. */
	if (!failed(s) && fdatasync(s->fd))
		fail_write(s, errno);
	if (failed(s)) {
		discard(s);
		return s->err->code;
	}
	fd = s->fd;
	s->fd = -1;
	if (close(fd) || rename(s->temporary, s->path)) {
		int error = errno;

		unlink(s->temporary);
		return fail_write(s, error);
	}
	return 0;
}

void ferry_gguf_stream_bytes(struct ferry_gguf_stream *s, const void *data, size_t n)
{
	const uint8_t *p = data;

	s->at += n;
	if (s->fd < 0)
		return;
	while (n && !failed(s)) {
		size_t room = sizeof(s->held) - s->n_held, part = n < room ? n : room;

		memcpy(s->held + s->n_held, p, part);
		s->n_held += part;
		p += part;
		n -= part;
		if (s->n_held == sizeof(s->held))
			flush(s);
	}
}

void ferry_gguf_stream_u32(struct ferry_gguf_stream *s, uint32_t v)
{
	uint8_t b[4];

	ferry_store_le32(b, v);
	ferry_gguf_stream_bytes(s, b, sizeof(b));
}

void ferry_gguf_stream_u64(struct ferry_gguf_stream *s, uint64_t v)
{
	uint8_t b[8];

	ferry_store_le64(b, v);
	ferry_gguf_stream_bytes(s, b, sizeof(b));
}

void ferry_gguf_stream_f32(struct ferry_gguf_stream *s, float v)
{
	uint8_t b[4];

	ferry_store_lef32(b, v);
	ferry_gguf_stream_bytes(s, b, sizeof(b));
}

void ferry_gguf_stream_string(struct ferry_gguf_stream *s, const char *text)
{
	size_t n = strlen(text);

	ferry_gguf_stream_u64(s, n);
	ferry_gguf_stream_bytes(s, text, n);
}

void ferry_gguf_stream_pad(struct ferry_gguf_stream *s)
{
	static const uint8_t zeros[FERRY_GGUF_STREAM_ALIGN];

	ferry_gguf_stream_bytes(s, zeros, -s->at % FERRY_GGUF_STREAM_ALIGN);
}

void ferry_gguf_stream_header(struct ferry_gguf_stream *s, uint64_t n_tensors, uint64_t n_values)
{
	ferry_gguf_stream_bytes(s, "GGUF", 4);
	ferry_gguf_stream_u32(s, 3);
	ferry_gguf_stream_u64(s, n_tensors);
	ferry_gguf_stream_u64(s, n_values);
}

static void key_and_type(struct ferry_gguf_stream *s, const char *key, enum ferry_gguf_type type)
{
	ferry_gguf_stream_string(s, key);
	ferry_gguf_stream_u32(s, (uint32_t)type);
}

void ferry_gguf_stream_value_u32(struct ferry_gguf_stream *s, const char *key, uint32_t v)
{
	key_and_type(s, key, FERRY_GGUF_U32);
	ferry_gguf_stream_u32(s, v);
}

void ferry_gguf_stream_value_f32(struct ferry_gguf_stream *s, const char *key, float v)
{
	key_and_type(s, key, FERRY_GGUF_F32);
	ferry_gguf_stream_f32(s, v);
}

void ferry_gguf_stream_value_bool(struct ferry_gguf_stream *s, const char *key, bool v)
{
	uint8_t b = v;

	key_and_type(s, key, FERRY_GGUF_BOOL);
	ferry_gguf_stream_bytes(s, &b, 1);
}

void ferry_gguf_stream_value_string(struct ferry_gguf_stream *s, const char *key, const char *text)
{
	key_and_type(s, key, FERRY_GGUF_STRING);
	ferry_gguf_stream_string(s, text);
}

void ferry_gguf_stream_array(struct ferry_gguf_stream *s, const char *key,
			     enum ferry_gguf_type type, uint64_t n)
{
	key_and_type(s, key, FERRY_GGUF_ARRAY);
	ferry_gguf_stream_u32(s, (uint32_t)type);
	ferry_gguf_stream_u64(s, n);
}
