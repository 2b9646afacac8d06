// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* secure_getenv */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "ferry/ferry.h"

/* An absolute path, as the XDG specification wants it; a relative one counts as none. */
static const char *path_of(const char *variable)
{
	const char *path = secure_getenv(variable);

	return path && path[0] == '/' ? path : NULL;
}

int ferry_default_cache(char *path, size_t size, struct ferry_error *err)
{
	const char *base, *below = "";
	size_t n;

	/* systemd may give several, separated by colons. */
	if ((base = path_of("CACHE_DIRECTORY")))
		n = strcspn(base, ":");
	else if ((base = path_of("XDG_CACHE_HOME")))
		n = strlen(base), below = "/ferry";
	else if ((base = path_of("HOME")))
		n = strlen(base), below = "/.cache/ferry";
	else
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
				  "there is no cache directory: neither XDG_CACHE_HOME nor HOME "
				  "is set to an absolute path");
	if (n + strlen(below) >= size)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
				  "the path of the cache directory is longer than %zu bytes", size);
	snprintf(path, size, "%.*s%s", (int)n, base, below);
	if (*below) {
		/* Whoever fills the directory makes it, but not the one above. */
		char *slash = strrchr(path, '/');

		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	return 0;
}
