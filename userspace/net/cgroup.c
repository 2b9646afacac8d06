// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* name_to_handle_at() */
#include "net/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

/* Of several mounts the first; of a hybrid set-up that is often /sys/fs/cgroup/unified. */
static int find_mount(char path[PATH_MAX], struct ferry_error *err)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	char line[2 * PATH_MAX];
	struct mntent entry;
	int ret = -ENOENT;

	while (mounts && ret && getmntent_r(mounts, &entry, line, sizeof(line)))
		if (!strcmp(entry.mnt_type, "cgroup2") && strlen(entry.mnt_dir) < PATH_MAX) {
			strcpy(path, entry.mnt_dir);
			ret = 0;
		}
	if (mounts)
		endmntent(mounts);
	if (ret)
		ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
			   "no cgroup2 file system is mounted; mount one at /sys/fs/cgroup");
	return ret;
}

/* The inode's number is cut to 32 bits on some machines; the handle is not. */
static int read_id(int fd, uint64_t *id)
{
	union {
		struct file_handle handle;
		unsigned char bytes[sizeof(struct file_handle) + sizeof(*id)];
	} u = {.handle.handle_bytes = sizeof(*id)};
	int mount;

	if (name_to_handle_at(fd, "", &u.handle, &mount, AT_EMPTY_PATH))
		return -errno;
	if (u.handle.handle_bytes != sizeof(*id))
		return -EPROTO;
	memcpy(id, u.bytes + sizeof(struct file_handle), sizeof(*id));
	return 0;
}

int ferry_cgroup_open(const char *path, uint64_t *id, struct ferry_error *err)
{
	char mount[PATH_MAX];
	struct statfs fs;
	int fd, ret;

	if (!path) {
		ret = find_mount(mount, err);
		if (ret)
			return ret;
		path = mount;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "cgroup %s cannot be opened: %s",
				  path, ferry_errno_text(-errno));
	if (fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC) {
		close(fd);
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "%s is no directory of a cgroup2 file system", path);
	}
	ret = id ? read_id(fd, id) : 0;
	if (ret) {
		close(fd);
		return ferry_fail(err, FERRY_ERROR_SYSTEM, ret,
				  "the kernel does not tell the number of cgroup %s: %s", path,
				  ferry_errno_text(ret));
	}
	return fd;
}
