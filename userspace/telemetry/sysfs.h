/* SPDX-License-Identifier: MIT */
/*
 * Small files below a directory like those of sysfs: one value each, which may vanish or fail at
 * any moment. Nothing here waits for anybody but the driver that answers.
 */
#ifndef FERRY_TELEMETRY_SYSFS_H
#define FERRY_TELEMETRY_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FERRY_SYSFS_NAMES_MAX = 256, FERRY_SYSFS_NAME = 64, FERRY_SYSFS_TEXT = 128 };

struct ferry_sysfs_names {
	size_t n;
	char name[FERRY_SYSFS_NAMES_MAX][FERRY_SYSFS_NAME];
};

/* "class/hwmon" below @root; false if it does not fit. */
bool ferry_sysfs_path(char *path, size_t size, const char *directory, const char *name);

/**
 * ferry_sysfs_text - read a file of one line
 * @text: what stands there, without the blanks around it, cut to its size
 *
 * Return: 0, or a negative errno; -EACCES means that root may read it.
 */
int ferry_sysfs_text(const char *directory, const char *name, char text[FERRY_SYSFS_TEXT]);

/* A whole number, decimal or 0x...; -EINVAL where there is none, -ERANGE beyond 64 bits. */
int ferry_sysfs_number(const char *directory, const char *name, int64_t *value);

/**
 * ferry_sysfs_list - names in a directory that begin with @prefix
 * @names: hwmon2 before hwmon10; none where there is no such directory. What is longer than the
 *         room for a name, or begins with a dot, is left out
 */
void ferry_sysfs_list(const char *directory, const char *prefix, struct ferry_sysfs_names *names);

/* Whether the true path of @directory has a component of that name, as "power_supply". */
bool ferry_sysfs_is_below(const char *directory, const char *component);

#endif
