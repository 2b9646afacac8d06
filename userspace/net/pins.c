/* SPDX-License-Identifier: MIT */
#include "net/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <bpf/bpf.h>
#include <classify.h>

#include "base/error.h"
#include "net/device.h"

enum { LOCK_TRIES = 300, LOCK_PAUSE_MS = 100, NAME_BYTES = 40, OPEN_TRIES = 10 };

static int make_directory(const char *path, struct ferry_error *err)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -EPERM,
				  "%s cannot be made: the classifier takes root", path);
	return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "%s cannot be made: %s", path,
			  ferry_errno_text(-errno));
}

/*
 * Whoever holds the lock loads a program, which has been seen to take 8 s on a busy machine, but
 * not for ever.
 */
static int take_lock(struct ferry_pins *pins, struct ferry_error *err)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(pins->lock, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno,
					  "%s cannot be locked: %s", pins->path,
					  ferry_errno_text(-errno));
		nanosleep(&pause, NULL);
	}
	return ferry_fail(err, FERRY_ERROR_SYSTEM, -EBUSY,
			  "another process is changing the classifier in %s; try again",
			  pins->path);
}

/* The nearest directory that exists has to be on a BPF file system. */
static int check_file_system(const char *root, struct ferry_error *err)
{
	char parent[FERRY_PIN_PATH];
	struct statfs fs;
	char *slash;

	snprintf(parent, sizeof(parent), "%s", root);
	if (statfs(parent, &fs) && errno == ENOENT) {
		slash = strrchr(parent, '/');
		if (slash && slash != parent)
			*slash = 0;
		if (statfs(parent, &fs))
			fs.f_type = 0;
	}
	if ((unsigned long)fs.f_type == BPF_FS_MAGIC)
		return 0;
	return ferry_fail(
		err, FERRY_ERROR_SYSTEM, -ENOTDIR,
		"%s is not on a BPF file system; `mount -t bpf bpf /sys/fs/bpf` makes one", root);
}

static int make_directories(const struct ferry_pins *pins, struct ferry_error *err)
{
	int ret = check_file_system(pins->root, err);

	if (!ret)
		ret = make_directory(pins->root, err);
	return ret ? ret : make_directory(pins->path, err);
}

/* Whether the descriptor is still what the path leads to. */
static bool is_the_same(int fd, const char *path)
{
	struct stat here, there;

	return !fstat(fd, &here) && !stat(path, &there) && here.st_ino == there.st_ino;
}

/* Opens and locks the directory of the interface. */
static int open_directory(struct ferry_pins *pins, struct ferry_error *err)
{
	int ret;

	pins->lock = open(pins->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pins->lock < 0 && errno != ENOENT)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, errno == EACCES ? -EPERM : -errno,
				  "%s cannot be opened: %s", pins->path, ferry_errno_text(-errno));
	ret = pins->lock < 0 ? -ENOENT : take_lock(pins, err);
	/* Whoever had the lock may have taken the directory away. */
	if (!ret && !is_the_same(pins->lock, pins->path))
		ret = -ENOENT;
	if (ret)
		ferry_pins_close(pins);
	return ret == -ENOENT ? ferry_fail(err, FERRY_ERROR_CALLER, ret,
					   "no classifier runs there: %s is missing", pins->path)
			      : ret;
}

/*
 * A map of devices with one entry, the interface, which the kernel empties when that goes: by it
 * somebody in another network namespace, who cannot ask there, can tell that it has gone.
 */
static void put_witness(const struct ferry_pins *pins, unsigned int device)
{
	char path[FERRY_PIN_PATH + 64];
	const uint32_t zero = 0, index = device;
	int map;

	ferry_pins_path(pins, "witness", path);
	map = bpf_obj_get(path);
	if (map < 0) {
		map = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "ferry_witness", sizeof(zero),
				     sizeof(index), 1, NULL);
		if (map >= 0)
			bpf_obj_pin(map, path);
	}
	/* Where the kernel refuses, the directory stays until somebody takes it down. */
	if (map >= 0) {
		bpf_map_update_elem(map, &zero, &index, BPF_ANY);
		close(map);
	}
}

/* Whether the interface of a directory has gone, as far as one can know. */
static bool has_gone(const struct ferry_pins *pins)
{
	char path[FERRY_PIN_PATH + 64];
	const uint32_t zero = 0;
	uint32_t index = 0;
	bool gone;
	int map;

	ferry_pins_path(pins, "witness", path);
	map = bpf_obj_get(path);
	if (map < 0)
		return false;
	gone = bpf_map_lookup_elem(map, &zero, &index) ? errno == ENOENT : !index;
	close(map);
	return gone;
}

/* Removes what interfaces left that went with their network namespaces. */
static void sweep(const struct ferry_pins *mine)
{
	struct ferry_pins other = *mine;
	DIR *dir = opendir(mine->root);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' ||
		    strlen(mine->root) + strlen(e->d_name) + 2 > sizeof(other.path))
			continue;
		snprintf(other.path + strlen(mine->root), sizeof(other.path) - strlen(mine->root),
			 "/%s", e->d_name);
		if (!strcmp(other.path, mine->path))
			continue;
		other.lock = open(other.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Who is at work there needs no help. */
		if (other.lock >= 0 && !flock(other.lock, LOCK_EX | LOCK_NB) &&
		    is_the_same(other.lock, other.path) && has_gone(&other))
			ferry_pins_remove(&other);
		ferry_pins_close(&other);
	}
	if (dir)
		closedir(dir);
}

int ferry_pins_open(struct ferry_pins *pins, const char *root, unsigned int device, int make,
		    struct ferry_error *err)
{
	int ret = -ENOENT;

	pins->lock = -1;
	if (!root)
		root = FERRY_CLASSIFY_DIRECTORY;
	if (strlen(root) + NAME_BYTES > sizeof(pins->path))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
				  "the path of the pins is longer than %d bytes",
				  FERRY_PIN_PATH - NAME_BYTES);
	snprintf(pins->root, sizeof(pins->root), "%s", root);
	memcpy(pins->path, pins->root, sizeof(pins->path));
	/* Interfaces of different network namespaces have the same indices. */
	snprintf(pins->path + strlen(root), sizeof(pins->path) - strlen(root), "/%" PRIu64 "-%u",
		 ferry_network_namespace(), device);
	for (int i = 0; i < OPEN_TRIES; i++) {
		ret = make ? make_directories(pins, err) : 0;
		if (!ret)
			ret = open_directory(pins, err);
		/* Somebody else took it away in between. */
		if (ret != -ENOENT || !make)
			break;
	}
	if (!ret && make) {
		put_witness(pins, device);
		sweep(pins);
	}
	return ret;
}

void ferry_pins_close(struct ferry_pins *pins)
{
	if (pins->lock >= 0)
		close(pins->lock);
	pins->lock = -1;
}

void ferry_pins_path(const struct ferry_pins *pins, const char *name,
		     char path[FERRY_PIN_PATH + 64])
{
	snprintf(path, FERRY_PIN_PATH + 64, "%s/%s", pins->path, name);
}

void ferry_pins_remove(struct ferry_pins *pins)
{
	DIR *dir = opendir(pins->path);
	struct dirent *e;

	if (dir) {
		while ((e = readdir(dir)))
			if (e->d_name[0] != '.')
				unlinkat(dirfd(dir), e->d_name, 0);
		closedir(dir);
	}
	rmdir(pins->path);
	ferry_pins_tidy(pins);
}

void ferry_pins_tidy(const struct ferry_pins *pins)
{
	char shared[FERRY_PIN_PATH + 64];
	DIR *dir = opendir(pins->root);
	bool last = true;
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			last = false;
	if (dir)
		closedir(dir);
	if (!last)
		return;
	snprintf(shared, sizeof(shared), "%s/inners", pins->root);
	unlink(shared);
	rmdir(pins->root);
}
