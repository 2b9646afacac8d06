// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* mkostemp */
#include "wire/guarded_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

enum {
	LOCK_TRIES = 200,
	LOCK_PAUSE_NS = 10000000,
	PATH_BYTES = 4096,
};

static int64_t in_ns(struct timespec t)
{
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static struct ferry_file_stamp stamp_of(const struct stat *st)
{
	return (struct ferry_file_stamp){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.modified_ns = in_ns(st->st_mtim),
		.changed_ns = in_ns(st->st_ctim),
	};
}

struct ferry_file_stamp ferry_file_stamp(const char *path)
{
	struct stat st;

	return stat(path, &st) ? (struct ferry_file_stamp){0} : stamp_of(&st);
}

static int check_guard(const char *path, enum ferry_guard guard, const struct stat *st,
		       struct ferry_error *err)
{
	if (guard == FERRY_GUARD_PUBLIC)
		return 0;
	if (st->st_uid != geteuid() && st->st_uid)
		return ferry_fail(err, FERRY_ERROR_FILE, -EPERM,
				  "%s belongs to another user, so it is not used", path);
	if (guard == FERRY_GUARD_SECRET && st->st_mode & 077)
		return ferry_fail(err, FERRY_ERROR_FILE, -EPERM,
				  "%s is a secret that others may read (mode %03o), so it is not "
				  "used; make a new one, or: chmod 600 %s",
				  path, st->st_mode & 0777, path);
	if (st->st_mode & 022)
		return ferry_fail(err, FERRY_ERROR_FILE, -EPERM,
				  "%s may be written by others (mode %03o), so it is not used; "
				  "look at it, then: chmod go-w %s",
				  path, st->st_mode & 0777, path);
	return 0;
}

static int read_all(int fd, const char *path, size_t max, char **text, size_t *n,
		    struct ferry_error *err)
{
	char *bytes = malloc(max + 2);
	size_t at = 0;

	if (!bytes)
		return ferry_fail_memory(err, path, max);
	while (at <= max) {
		ssize_t got = read(fd, bytes + at, max + 1 - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int code = -errno;

			free(bytes);
			return ferry_fail(err, FERRY_ERROR_FILE, code, "cannot read %s: %s", path,
					  ferry_errno_text(code));
		}
		if (!got)
			break;
		at += (size_t)got;
	}
	if (at > max) {
		free(bytes);
		return ferry_fail(err, FERRY_ERROR_FILE, -EFBIG, "%s is longer than %zu bytes",
				  path, max);
	}
	bytes[at] = '\0';
	*text = bytes;
	*n = at;
	return 0;
}

int ferry_guarded_read(const char *path, enum ferry_guard guard, size_t max, char **text, size_t *n,
		       struct ferry_file_stamp *stamp, struct ferry_error *err)
{
	/* NONBLOCK: a pipe of that name must not hold us up. */
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags | (guard == FERRY_GUARD_SECRET ? O_NOFOLLOW : 0));
	struct stat st;
	int ret;

	*text = NULL;
	*n = 0;
	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot open %s: %s", path,
				  ferry_errno_text(-errno));
	if (fstat(fd, &st))
		ret = ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot look at %s: %s", path,
				 ferry_errno_text(-errno));
	else if (!S_ISREG(st.st_mode))
		ret = ferry_fail(err, FERRY_ERROR_FILE, -EINVAL, "%s is no file", path);
	else
		ret = check_guard(path, guard, &st, err);
	if (!ret)
		ret = read_all(fd, path, max, text, n, err);
	if (!ret && stamp)
		*stamp = stamp_of(&st);
	close(fd);
	return ret;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t put = write(fd, text, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		text += put;
		n -= (size_t)put;
	}
	return fsync(fd) ? -errno : 0;
}

/* The name is on the disk only when the directory is. */
static void sync_directory(const char *path)
{
	char directory[PATH_BYTES];
	char *slash;
	int fd;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash == directory)
		slash++;
	if (slash)
		*slash = '\0';
	fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int ferry_guarded_write(const char *path, const char *text, size_t n, bool replace,
			struct ferry_error *err)
{
	char temporary[PATH_BYTES];
	int fd, ret;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
				  "the path %.200s... is too long", path);
	fd = mkostemp(temporary, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot write beside %s: %s", path,
				  ferry_errno_text(-errno));
	ret = write_all(fd, text, n);
	close(fd);
	/* link() never replaces, rename() always does. */
	if (!ret && (replace ? rename(temporary, path) : link(temporary, path)))
		ret = -errno;
	if (ret || !replace)
		unlink(temporary);
	if (ret == -EEXIST)
		return ferry_fail(err, FERRY_ERROR_FILE, ret, "%s is there already", path);
	if (ret)
		return ferry_fail(err, FERRY_ERROR_FILE, ret, "cannot write %s: %s", path,
				  ferry_errno_text(ret));
	sync_directory(path);
	return 0;
}

int ferry_guarded_lock(const char *directory, struct ferry_error *err)
{
	struct stat st;
	int fd, ret;

	if (mkdir(directory, 0700) && errno != EEXIST)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "cannot make %s: %s", directory,
				  ferry_errno_text(-errno));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return ferry_fail(err, FERRY_ERROR_FILE, ret, "cannot open %s: %s", directory,
				  ferry_errno_text(ret));
	}
	ret = check_guard(directory, FERRY_GUARD_TRUST, &st, err);
	for (int i = 0; !ret && flock(fd, LOCK_EX | LOCK_NB); i++) {
		struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

		if ((errno != EWOULDBLOCK && errno != EINTR) || i == LOCK_TRIES)
			ret = ferry_fail(err, FERRY_ERROR_FILE, -EAGAIN,
					 "another program is writing in %s", directory);
		else
			nanosleep(&pause, NULL);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}
