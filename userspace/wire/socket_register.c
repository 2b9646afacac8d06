// SPDX-License-Identifier: MIT
#include "wire/socket_register.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/classify.h"

enum {
	PATH_BYTES = 512,
	MAX_CLASSIFIERS = 64, /* that are told; a gateway has a few interfaces */
};

/* libbpf would be a dependency of every application, for three calls. */
static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* The pin could be of another release, whose keys mean something else. */
static bool is_register(int map)
{
	struct bpf_map_info info = {0};
	union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)map,
					.info_len = sizeof(info),
					.info = (uintptr_t)&info}};

	return !bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) && info.type == BPF_MAP_TYPE_HASH &&
	       info.key_size == sizeof(uint64_t) &&
	       info.value_size == sizeof(struct ferry_classify_socket);
}

/* The map of one classifier, or -1. */
static int open_register(const char *directory, const char *name)
{
	char path[PATH_BYTES];
	union bpf_attr attr = {.pathname = (uintptr_t)path};
	int map;

	if (snprintf(path, sizeof(path), "%s/%s/sockets", directory, name) >= PATH_BYTES)
		return -1;
	map = bpf(BPF_OBJ_GET, &attr);
	if (map >= 0 && !is_register(map)) {
		close(map);
		map = -1;
	}
	return map;
}

/* Drops the sockets of processes that have ended; returns how many. */
static unsigned drop_dead(int map)
{
	struct ferry_classify_socket socket;
	uint64_t key = 0, next;
	union bpf_attr step = {.map_fd = (uint32_t)map, .next_key = (uintptr_t)&next};
	union bpf_attr look = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)&next, .value = (uintptr_t)&socket};
	union bpf_attr drop = {.map_fd = (uint32_t)map, .key = (uintptr_t)&next};
	unsigned dropped = 0;

	/* Bounded, though others may add and take away meanwhile. */
	for (int i = 0; i < 2 * FERRY_CLASSIFY_SOCKETS; i++) {
		if (bpf(BPF_MAP_GET_NEXT_KEY, &step))
			break;
		if (!bpf(BPF_MAP_LOOKUP_ELEM, &look) && socket.owner &&
		    kill((pid_t)socket.owner, 0) && errno == ESRCH &&
		    !bpf(BPF_MAP_DELETE_ELEM, &drop)) {
			dropped++;
			continue; /* from the same place */
		}
		key = next;
		step.key = (uintptr_t)&key;
	}
	return dropped;
}

static bool change(int map, uint64_t cookie, const struct ferry_classify_socket *socket)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)&cookie, .value = (uintptr_t)socket};

	if (!socket)
		return !bpf(BPF_MAP_DELETE_ELEM, &attr);
	return !bpf(BPF_MAP_UPDATE_ELEM, &attr) ||
	       (errno == E2BIG && drop_dead(map) && !bpf(BPF_MAP_UPDATE_ELEM, &attr));
}

/* Which socket it is, to classifiers. */
struct name {
	uint64_t cookie; /* 0: none */
	uint64_t netns;	 /* 0: the kernel does not say (before 5.14) */
};

static struct name name_of(int fd)
{
	struct name name = {0};
	socklen_t bytes = sizeof(name.cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &name.cookie, &bytes))
		name.cookie = 0;
	bytes = sizeof(name.netns);
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &name.netns, &bytes))
		name.netns = 0;
	return name;
}

/* Tells each classifier of the socket's network namespace; @socket NULL: to forget it. */
static int tell(struct name name, const struct ferry_classify_socket *socket, const char *directory)
{
	const struct dirent *e;
	char prefix[24];
	int told = 0, map;
	DIR *dir;

	if (!directory)
		directory = FERRY_CLASSIFY_DIRECTORY;
	dir = opendir(directory);
	if (!dir)
		return 0;
	if (!name.cookie)
		goto out;
	/* A classifier's pins are in NETNS-IFINDEX. */
	snprintf(prefix, sizeof(prefix), "%" PRIu64 "-", name.netns);
	while (told < MAX_CLASSIFIERS && (e = readdir(dir))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' ||
		    /* without a namespace: the cookie is that of no other socket anyway */
		    (name.netns && strncmp(e->d_name, prefix, strlen(prefix))))
			continue;
		map = open_register(directory, e->d_name);
		if (map < 0)
			continue;
		told += change(map, name.cookie, socket);
		close(map);
	}
out:
	closedir(dir);
	return told;
}

int ferry_socket_register(int fd, enum ferry_traffic_class c, uint64_t deadline_us,
			  const char *directory)
{
	const uint64_t units = deadline_us / FERRY_DEADLINE_UNIT_US;
	struct ferry_classify_socket socket = {.class = (uint8_t)c, .owner = (uint32_t)getpid()};

	if ((unsigned)c >= FERRY_TRAFFIC_CLASSES)
		return 0;
	if (deadline_us)
		socket.bucket = (uint16_t)(!units			? 1
					   : units < FERRY_DEADLINE_MAX ? units
									: FERRY_DEADLINE_MAX);
	return tell(name_of(fd), &socket, directory);
}

int ferry_socket_close(int fd, const char *directory)
{
	const struct name name = name_of(fd);

	close(fd);
	return tell(name, NULL, directory);
}
