// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* fallocate, MADV_HUGEPAGE */
#include "engine/weight_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/weight_header.h"

enum {
	NAME_BYTES = 64,
	ID_BYTES = 16, /* of the model's identity, in the name */
	SHOWN_BYTES = 200,
	WAIT_MS = 10000,
	POLL_MS = 10,
	/* Back to what any file system can store, and before whatever is written from now on. */
	SEAL_GRAIN_S = 2,
};

struct search {
	const struct ferry_model *model;
	struct ferry_weights *weights;
	struct ferry_pool *pool;
	const struct ferry_log *log;
	uint64_t deadline_us;
	uint8_t *expected, *found; /* [header_bytes] */
	size_t header_bytes, file_bytes;
	uint8_t boot[FERRY_BOOT_ID_BYTES];
	char name[NAME_BYTES], part[NAME_BYTES + 8];
	const char *dir, *shown; /* where we are; the end of it, for messages */
	int dirfd;
	struct stat rejected; /* the last file that was no good: not looked at again */
};

/* ---- the file that is there ---- */

/* Zero where it cannot be read: seals then never hold. */
static void read_boot_id(uint8_t boot[FERRY_BOOT_ID_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[40] = "";
	unsigned n = 0;

	memset(boot, 0, FERRY_BOOT_ID_BYTES);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0)
		for (const char *s = text; *s && *s != '\n' && n < 2 * FERRY_BOOT_ID_BYTES; s++) {
			const int digit = *s >= 'a' ? *s - 'a' + 10 : *s - '0';

			if (*s != '-')
				boot[n / 2] |= (uint8_t)((digit & 15) << (n % 2 ? 0 : 4)), n++;
		}
	close(fd);
}

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whoever could write this file can write the model, or is who we are. */
static const char *access_problem(const struct search *s, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "no regular file";
	if (st->st_uid && st->st_uid != geteuid() && st->st_uid != s->model->gguf->stamp.owner)
		return "another user's";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "open to be written by others";
	return (uint64_t)st->st_size == s->file_bytes ? NULL : "of another length";
}

static int read_header(struct search *s, int fd)
{
	size_t at = 0;

	while (at < s->header_bytes) {
		ssize_t n = pread(fd, s->found + at, s->header_bytes - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

/* Stamps a file with the time that its seal names. */
static int set_mtime(int fd, int64_t mtime_ns)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					  {.tv_sec = mtime_ns / 1000000000}};

	return futimens(fd, times) ? -errno : 0;
}

/* A whole number of seconds, of which the file's next change will be after. */
static int64_t seal_time(void)
{
	return ((int64_t)time(NULL) / SEAL_GRAIN_S - 1) * SEAL_GRAIN_S * 1000000000;
}

/*
 * What we just checked will be trusted until the file is written or the system starts again. Where
 * we may not write it, the next process checks again.
 */
static void renew_seal(struct search *s, const struct stat *st, struct ferry_weight_seal seal)
{
	struct stat again;
	int fd = openat(s->dirfd, s->name,
			O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	seal.mtime_ns = seal_time();
	ferry_weight_header_seal(s->found, &seal);
	if (!fstat(fd, &again) && same_file(st, &again) && mtime_of(st) == mtime_of(&again) &&
	    !flock(fd, LOCK_EX | LOCK_NB) &&
	    pwrite(fd, s->found + FERRY_WEIGHT_SEAL_OFFSET, FERRY_WEIGHT_SEAL_BYTES,
		   FERRY_WEIGHT_SEAL_OFFSET) == FERRY_WEIGHT_SEAL_BYTES)
		set_mtime(fd, seal.mtime_ns);
	close(fd);
}

/* Maps a file whose owner and length are right. */
static const char *attach(struct search *s, int fd, const struct stat *st)
{
	struct ferry_weight_seal seal = {.mtime_ns = mtime_of(st)};
	struct ferry_weights *w = s->weights;
	const char *problem;
	uint8_t *map;

	if (read_header(s, fd))
		return "not readable";
	problem = ferry_weight_header_problem(s->expected, s->found, s->header_bytes);
	if (problem)
		return problem;
	map = mmap(NULL, s->file_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return "not mapped by the system";
	madvise(map, s->file_bytes, MADV_HUGEPAGE);
	memcpy(seal.boot, s->boot, sizeof(seal.boot));
	if (!ferry_weight_header_is_sealed(s->found, &seal)) {
		if (ferry_weights_checksum(map + s->header_bytes, w->n_bytes, s->pool,
					   s->header_bytes) !=
		    ferry_weight_header_data_checksum(s->found)) {
			munmap(map, s->file_bytes);
			return "damaged";
		}
		renew_seal(s, st, seal);
	}
	w->file = NULL;
	if (asprintf(&w->file, "%s/%s", s->dir, s->name) < 0) {
		munmap(map, s->file_bytes);
		return "too much for the memory of this machine";
	}
	w->map = map;
	w->map_bytes = s->file_bytes;
	w->data = map + s->header_bytes;
	w->origin = FERRY_WEIGHTS_FOUND;
	return NULL;
}

/* 0 where the directory has a file that is good; -ENOENT, -ESTALE with @err filled. */
static int find(struct search *s, struct ferry_error *err)
{
	const char *problem;
	struct stat st = {0};
	int fd = openat(s->dirfd, s->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "%s/%s cannot be opened: %s",
				  s->shown, s->name, ferry_errno_text(errno));
	if (fstat(fd, &st)) {
		problem = "not to be examined";
	} else if (same_file(&st, &s->rejected) && mtime_of(&st) == mtime_of(&s->rejected)) {
		close(fd);
		return -ESTALE; /* @err says why since then */
	} else {
		problem = access_problem(s, &st);
		if (!problem)
			problem = attach(s, fd, &st);
	}
	close(fd);
	if (!problem)
		return 0;
	s->rejected = st;
	ferry_log(s->log, FERRY_LOG_INFO, "%s/%s is %s, and is not used", s->shown, s->name,
		  problem);
	return ferry_fail(err, FERRY_ERROR_FILE, -ESTALE, "%s/%s is %s; remove it", s->shown,
			  s->name, problem);
}

/* ---- a new one ---- */

/* Whether the temporary file is still the one that is open here. */
static bool is_named(const struct search *s, int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstatat(s->dirfd, s->part, &b, AT_SYMLINK_NOFOLLOW) &&
	       same_file(&a, &b);
}

/* Over a network, who locks a file alone has to be able to write it. */
static int open_leftover(const struct search *s)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(s->dirfd, s->part, O_RDWR | flags);

	return fd < 0 && errno == EACCES ? openat(s->dirfd, s->part, O_RDONLY | flags) : fd;
}

/* Of a process that was killed. -EBUSY where it lives, and where the name is free now. */
static int remove_leftover(const struct search *s)
{
	struct stat st;
	int ret = -EBUSY;
	int fd = open_leftover(s);

	if (fd < 0)
		return errno == ENOENT ? -EBUSY : -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		ret = -EEXIST;
	else if (flock(fd, LOCK_EX | LOCK_NB))
		ret = errno == EWOULDBLOCK ? -EBUSY : -errno; /* no lock at all: no use to wait */
	else if (is_named(s, fd) && unlinkat(s->dirfd, s->part, 0))
		ret = -errno;
	close(fd);
	return ret;
}

/* The temporary file, ours and locked; -EBUSY where another process may be at it. */
static int create(const struct search *s, int *out)
{
	/* Readable for whom the model is. */
	const mode_t mode = 0600 | (s->model->gguf->stamp.mode & 0044);
	int ret = 0;
	int fd = openat(s->dirfd, s->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			mode);

	if (fd < 0)
		return errno == EEXIST ? remove_leftover(s) : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		ret = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (ret != -EBUSY)
			unlinkat(s->dirfd, s->part, 0);
	} else if (!is_named(s, fd)) {
		ret = -EBUSY; /* taken for a leftover before it was locked */
	}
	if (ret)
		close(fd);
	*out = fd;
	return ret;
}

/* A full disk shows here. *done: whether the file system can promise that there is room. */
static int reserve(int fd, size_t n, bool *done)
{
	struct rlimit limit;
	int ret;

	/* Beyond it, the system would end the process by a signal. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < n)
		return -EFBIG;
	do
		ret = fallocate(fd, 0, 0, (off_t)n) ? -errno : 0;
	while (ret == -EINTR);
	*done = !ret;
	return ret == -EOPNOTSUPP || ret == -ENOSYS ? 0 : ret;
}

static int write_file(struct search *s, int fd)
{
	struct ferry_weight_seal seal = {.mtime_ns = seal_time()};
	struct ferry_error err;
	uint64_t checksum;
	ssize_t n;
	bool reserved;
	int ret = reserve(fd, s->file_bytes, &reserved);

	if (!ret)
		ret = ferry_weights_pack_to_file(s->model, s->weights, s->pool, fd, s->header_bytes,
						 &checksum, &err);
	if (ret)
		return ret;
	memcpy(seal.boot, s->boot, sizeof(seal.boot));
	ferry_weight_header_finish(s->expected, s->header_bytes, checksum);
	ferry_weight_header_seal(s->expected, &seal);
	n = pwrite(fd, s->expected, s->header_bytes, 0);
	if (n != (ssize_t)s->header_bytes)
		return n < 0 ? -errno : -EIO;
	/* Without a promise, what was written may yet fail, and later be read as something else. */
	if (!reserved && fdatasync(fd))
		return -errno;
	ret = set_mtime(fd, seal.mtime_ns);
	if (!ret && renameat(s->dirfd, s->part, s->dirfd, s->name))
		ret = -errno;
	return ret;
}

/* With the temporary file locked. */
static int make(struct search *s, int fd, struct ferry_error *err)
{
	int ret = find(s, err); /* somebody may have been quicker */

	if (!ret) {
		unlinkat(s->dirfd, s->part, 0);
		return 0;
	}
	ret = write_file(s, fd);
	if (ret) {
		unlinkat(s->dirfd, s->part, 0);
		return ferry_fail(err, FERRY_ERROR_FILE, ret,
				  "%s/%s (%zu MB) cannot be written: %s", s->shown, s->name,
				  s->file_bytes / 1000000, ferry_errno_text(ret));
	}
	ret = find(s, err);
	if (!ret)
		s->weights->origin = FERRY_WEIGHTS_MADE;
	return ret;
}

static int find_or_make(struct search *s, struct ferry_error *err)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000};

	for (;;) {
		int fd = -1, ret = find(s, err);

		if (!ret)
			return 0;
		ret = create(s, &fd);
		if (!ret) {
			ret = make(s, fd, err);
			flock(fd, LOCK_UN); /* also of a copy that a fork() made */
			close(fd);
			return ret;
		}
		if (ret != -EBUSY)
			return ferry_fail(err, FERRY_ERROR_FILE, ret, "%s/%s cannot be created: %s",
					  s->shown, s->part, ferry_errno_text(ret));
		if (ferry_now_us() >= s->deadline_us)
			return ferry_fail(err, FERRY_ERROR_FILE, -EAGAIN,
					  "another process is still writing %s/%s", s->shown,
					  s->part);
		nanosleep(&pause, NULL);
	}
}

/* ---- where to look ---- */

static int enter(struct search *s, const char *dir, bool create_it)
{
	const size_t n = strlen(dir);

	s->dir = dir;
	/* A message is cut behind, where the reason stands. */
	s->shown = n > SHOWN_BYTES ? dir + n - SHOWN_BYTES : dir;
	s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Another process may have been quicker. */
	if (s->dirfd < 0 && errno == ENOENT && create_it && (!mkdir(dir, 0700) || errno == EEXIST))
		s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dirfd < 0 ? -errno : 0;
}

static int look_beside(struct search *s, const char *model_path, struct ferry_error *err)
{
	const char *slash = strrchr(model_path, '/');
	char *dir = slash ? strndup(model_path, (size_t)(slash - model_path) + 1) : strdup(".");
	int ret = dir ? enter(s, dir, false) : -ENOMEM;

	if (!ret) {
		ret = find(s, err);
		close(s->dirfd);
	}
	free(dir);
	return ret;
}

static int look_in(struct search *s, const char *dir, struct ferry_error *err)
{
	int ret = enter(s, dir, true);

	if (ret)
		return ferry_fail(err, FERRY_ERROR_FILE, ret, "%s cannot be used: %s", s->shown,
				  ferry_errno_text(ret));
	ret = find_or_make(s, err);
	close(s->dirfd);
	return ret;
}

static void set_names(struct search *s)
{
	for (int i = 0; i < ID_BYTES; i++)
		snprintf(s->name + 2 * i, 3, "%02x", s->model->id[i]);
	snprintf(s->name + 2 * ID_BYTES, NAME_BYTES - 2 * ID_BYTES, "-%d.packed",
		 (int)FERRY_WEIGHT_FILE_VERSION);
	snprintf(s->part, sizeof(s->part), "%s.part", s->name);
}

int ferry_weight_cache_attach(const struct ferry_model *m, struct ferry_weights *w,
			      const struct ferry_weights_options *o, struct ferry_pool *pool,
			      struct ferry_error *err)
{
	struct search s = {.model = m, .weights = w, .pool = pool, .log = o->log};
	int ret = -ENOENT;

	s.deadline_us = ferry_now_us() + (uint64_t)(o->wait_ms ? o->wait_ms : WAIT_MS) * 1000;
	s.expected = ferry_weight_header_new(m, w, &s.header_bytes);
	s.found = s.expected ? malloc(s.header_bytes) : NULL;
	if (!s.found) {
		free(s.expected);
		return ferry_fail_memory(err, "the header of the packed weights", s.header_bytes);
	}
	s.file_bytes = s.header_bytes + w->n_bytes;
	read_boot_id(s.boot);
	set_names(&s);
	if (o->model_path)
		ret = look_beside(&s, o->model_path, err);
	if (ret && o->cache)
		ret = look_in(&s, o->cache, err);
	free(s.found);
	free(s.expected);
	return ret;
}
