// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* strverscmp() */
#include "telemetry/sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ferry_sysfs_path(char *path, size_t size, const char *directory, const char *name)
{
	const int n = snprintf(path, size, "%s/%s", directory, name);

	return n > 0 && (size_t)n < size;
}

int ferry_sysfs_text(const char *directory, const char *name, char text[FERRY_SYSFS_TEXT])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, ret = 0;
	char *end;

	if (!ferry_sysfs_path(path, sizeof(path), directory, name))
		return -ENAMETOOLONG;
	/* Without O_NONBLOCK a pipe in a tree that somebody made up would never open. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = read(fd, text, FERRY_SYSFS_TEXT - 1);
	if (n < 0)
		ret = -errno;
	close(fd);
	if (ret)
		return ret;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	for (end = text + strlen(text); end > text && isspace((unsigned char)end[-1]); end--)
		end[-1] = '\0';
	n = (ssize_t)strspn(text, " \t");
	memmove(text, text + n, strlen(text + n) + 1);
	return 0;
}

int ferry_sysfs_number(const char *directory, const char *name, int64_t *value)
{
	char text[FERRY_SYSFS_TEXT], *end;
	const char *digits = text;
	long long number;
	int ret = ferry_sysfs_text(directory, name, text);

	if (ret)
		return ret;
	if (digits[0] == '-')
		digits++;
	if (!isdigit((unsigned char)digits[0]))
		return -EINVAL;
	errno = 0;
	/* Not octal: "010" is ten. */
	number = strtoll(text, &end, digits[0] == '0' && digits[1] == 'x' ? 16 : 10);
	if (errno)
		return -errno;
	if (*end)
		return -EINVAL;
	*value = number;
	return 0;
}

static int by_version(const void *a, const void *b)
{
	return strverscmp(a, b);
}

void ferry_sysfs_list(const char *directory, const char *prefix, struct ferry_sysfs_names *names)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	names->n = 0;
	while (dir && names->n < FERRY_SYSFS_NAMES_MAX && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) ||
		    strlen(entry->d_name) >= FERRY_SYSFS_NAME)
			continue;
		strcpy(names->name[names->n++], entry->d_name);
	}
	if (dir)
		closedir(dir);
	qsort(names->name, names->n, sizeof(names->name[0]), by_version);
}

bool ferry_sysfs_is_below(const char *directory, const char *component)
{
	char *path = realpath(directory, NULL), *next = path, *part;
	bool found = false;

	while (path && !found && (part = strsep(&next, "/")))
		found = !strcmp(part, component);
	free(path);
	return found;
}
