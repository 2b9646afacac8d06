/* SPDX-License-Identifier: MIT */
/*
 * Small files that decide who is trusted: read only where nobody else could have written (or, of a
 * key, read) them, and written so that a crash leaves the old or the new one.
 */
#ifndef FERRY_WIRE_GUARDED_FILE_H
#define FERRY_WIRE_GUARDED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "ferry/error.h"

enum ferry_guard {
	FERRY_GUARD_PUBLIC, /* anybody may have written it: a certificate */
	FERRY_GUARD_TRUST,  /* nobody but its owner may write it */
	FERRY_GUARD_SECRET, /* nor read it */
};

/* What tells that a file has changed. All zero: there was none. */
struct ferry_file_stamp {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns;
};

/* All zero where there is no file, or it cannot be looked at. */
struct ferry_file_stamp ferry_file_stamp(const char *path);

/**
 * ferry_guarded_read - a whole file.
 * @max: bytes that it may have
 * @text: receives them and a NUL behind them, released with free(); *n how many
 * @stamp: of what was read; may be NULL
 *
 * Links are followed, except by a secret's last name. Return: 0; -ENOENT and others where it cannot
 * be opened; -EPERM where its owner is neither this user nor root, or others have rights that they
 * must not have; -EFBIG; -ENOMEM.
 */
int ferry_guarded_read(const char *path, enum ferry_guard guard, size_t max, char **text, size_t *n,
		       struct ferry_file_stamp *stamp, struct ferry_error *err);

/**
 * ferry_guarded_write - a whole file, with mode 0600, at once.
 * @replace: or -EEXIST where there is one
 */
int ferry_guarded_write(const char *path, const char *text, size_t n, bool replace,
			struct ferry_error *err);

/*
 * One writer at a time: a descriptor to be closed, or -EAGAIN where another one holds it for 2 s.
 * Makes the directory where only it is missing, with mode 0700. -EPERM where others may write it.
 */
int ferry_guarded_lock(const char *directory, struct ferry_error *err);

#endif
