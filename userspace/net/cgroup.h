/* SPDX-License-Identifier: MIT */
/* Directories of the cgroup v2 hierarchy, and the numbers by which the kernel knows them. */
#ifndef FERRY_NET_CGROUP_H
#define FERRY_NET_CGROUP_H

#include <stdint.h>

#include "base/error.h"

/**
 * ferry_cgroup_open - open the directory of a cgroup
 * @path: NULL: the topmost cgroup, wherever it is mounted
 * @id: set to its number, which bpf_get_current_cgroup_id() gives as well; may be NULL
 *
 * Return: a descriptor, or a negative errno with @err filled; -EINVAL for what is no cgroup v2.
 */
int ferry_cgroup_open(const char *path, uint64_t *id, struct ferry_error *err);

#endif
