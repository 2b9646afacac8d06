/* SPDX-License-Identifier: MIT */
/*
 * Sockets in named network namespaces. One process holds both ends of a flow, so it needs neither
 * a second clock nor anybody to tell it what the other end saw.
 */
#ifndef FERRY_PROBE_ENDPOINT_H
#define FERRY_PROBE_ENDPOINT_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How a sender's packets are marked; -1 leaves a mark as the system has it. */
struct ferry_marks {
	int dscp;     /* 0 .. 63 */
	int priority; /* SO_PRIORITY */
};

/* Both ends of a flow: @out sends, @in receives. */
struct ferry_path {
	int out, in;
};

/* Makes @name the namespace of the calling thread, as `ip netns` knows it. 0 or -errno. */
int ferry_enter_namespace(const char *name);

/*
 * Datagrams from namespace @from to @address in namespace @to. The receiver notes when the kernel
 * got each (CLOCK_REALTIME), so that the wait for a processor is not counted. 0 or -errno.
 */
int ferry_open_datagrams(struct ferry_path *path, const char *from, const char *to,
			 const struct sockaddr_in *address, const struct ferry_marks *marks);

/* A connection from @from to @address in @to, without Nagle's delay. 0 or -errno. */
int ferry_open_stream(struct ferry_path *path, const char *from, const char *to,
		      const struct sockaddr_in *address, const struct ferry_marks *marks);

/* Wakes whoever sleeps in one of the two sockets. They stay open. */
void ferry_path_end(const struct ferry_path *path);

uint64_t ferry_realtime_ns(void);

/* Returns no earlier than @ns, or a little after *@stop has become true. */
void ferry_sleep_until(uint64_t ns, const atomic_bool *stop);

#endif /* FERRY_PROBE_ENDPOINT_H */
