// SPDX-License-Identifier: MIT
/* Where users expect Ferry to keep what it keeps. */
#define _GNU_SOURCE /* secure_getenv */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "ferry/ferry.h"

/* Variables in the order in which they count, and what lies below $HOME where none is set. */
struct place {
	const char *what;
	const char *service; /* set by systemd */
	const char *xdg;
	const char *below_home;
};

/* An absolute path, as the XDG specification wants it; a relative one counts as none. */
static const char *path_of(const char *variable)
{
	const char *path = secure_getenv(variable);

	return path && path[0] == '/' ? path : NULL;
}

static int default_directory(const struct place *p, char *path, size_t size,
			     struct ferry_error *err)
{
	const char *base, *below = "";
	size_t n;

	/* systemd may give several, separated by colons. */
	if ((base = path_of(p->service)))
		n = strcspn(base, ":");
	else if ((base = path_of(p->xdg)))
		n = strlen(base), below = "/ferry";
	else if ((base = path_of("HOME")))
		n = strlen(base), below = p->below_home;
	else
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
				  "there is no %s directory: neither %s nor HOME is set to an "
				  "absolute path",
				  p->what, p->xdg);
	if (n + strlen(below) >= size)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
				  "the path of the %s directory is longer than %zu bytes", p->what,
				  size);
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

int ferry_default_cache(char *path, size_t size, struct ferry_error *err)
{
	static const struct place cache = {"cache", "CACHE_DIRECTORY", "XDG_CACHE_HOME",
					   "/.cache/ferry"};

	return default_directory(&cache, path, size, err);
}

int ferry_default_keys(char *path, size_t size, struct ferry_error *err)
{
	static const struct place keys = {"key", "CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME",
					  "/.config/ferry"};

	return default_directory(&keys, path, size, err);
}
