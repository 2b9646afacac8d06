// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* setns, SO_TIMESTAMPNS */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	NS_PER_S = 1000000000,
	NAP_NS = 50000000,	 /* how long a sleeper may fail to see that it should stop */
	RECEIVE_BYTES = 4 << 20, /* the receiver must never be what loses a datagram */
};

int ferry_enter_namespace(const char *name)
{
	char path[PATH_MAX];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET))
		err = -errno;
	close(fd);
	return err;
}

static int open_socket(const char *name, int type)
{
	int err = ferry_enter_namespace(name);
	int fd;

	if (err)
		return err;
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int set_marks(int fd, const struct ferry_marks *marks)
{
	int tos = marks->dscp << 2;

	if (marks->dscp >= 0 && setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)))
		return -errno;
	/* After IP_TOS, which sets a priority as well. */
	if (marks->priority >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &marks->priority, sizeof(marks->priority)))
		return -errno;
	return 0;
}

static int listen_at(int fd, const struct sockaddr_in *address, int type)
{
	int on = 1, room = RECEIVE_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	/* Of a connection the kernel finds out by itself how much it needs. */
	if (type == SOCK_DGRAM &&
	    (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	     setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on))))
		return -errno;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	if (type == SOCK_STREAM && listen(fd, 1))
		return -errno;
	return 0;
}

static int open_path(struct ferry_path *path, const char *from, const char *to, int type,
		     const struct sockaddr_in *address, const struct ferry_marks *marks)
{
	int err;

	*path = (struct ferry_path){-1, -1};
	path->in = open_socket(to, type);
	if (path->in < 0)
		return path->in;
	err = listen_at(path->in, address, type);
	if (err)
		return err;
	path->out = open_socket(from, type);
	if (path->out < 0)
		return path->out;
	err = set_marks(path->out, marks);
	if (err)
		return err;
	if (connect(path->out, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	return 0;
}

int ferry_open_datagrams(struct ferry_path *path, const char *from, const char *to,
			 const struct sockaddr_in *address, const struct ferry_marks *marks)
{
	return open_path(path, from, to, SOCK_DGRAM, address, marks);
}

int ferry_open_stream(struct ferry_path *path, const char *from, const char *to,
		      const struct sockaddr_in *address, const struct ferry_marks *marks)
{
	int err = open_path(path, from, to, SOCK_STREAM, address, marks);
	struct linger abort = {.l_onoff = 1, .l_linger = 0};
	int on = 1, fd;

	if (err)
		return err;
	fd = accept4(path->in, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(path->in);
	path->in = fd;
	/* What is still in flight at the end must not be there in the next measurement. */
	if (setsockopt(path->out, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) ||
	    setsockopt(path->in, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) ||
	    setsockopt(path->out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		return -errno;
	return 0;
}

void ferry_path_end(const struct ferry_path *path)
{
	/* An unconnected datagram socket says ENOTCONN, and wakes all the same. */
	shutdown(path->in, SHUT_RDWR);
	shutdown(path->out, SHUT_RDWR);
}

uint64_t ferry_realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void ferry_sleep_until(uint64_t ns, const atomic_bool *stop)
{
	for (;;) {
		uint64_t now = ferry_realtime_ns();
		uint64_t wake = ns > now + NAP_NS ? now + NAP_NS : ns;
		struct timespec until = {(time_t)(wake / NS_PER_S), (long)(wake % NS_PER_S)};

		if (now >= ns || *stop)
			return;
		clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
	}
}
