/* SPDX-License-Identifier: MIT */
/*
 * Loads bpf/flow.bpf.c, attaches it to a cgroup and reads what it tells. The program goes with the
 * watch, or with the process: there is nothing to clean up after a crash, and no other program on
 * the cgroup is touched. A watch belongs to one thread at a time.
 *
 * For an event loop: wait until ferry_flow_watch_fd() is readable, then call
 * ferry_flow_watch_read() with a deadline that is over (0).
 */
#ifndef FERRY_NET_FLOW_WATCH_H
#define FERRY_NET_FLOW_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/flow_table.h"
#include "telemetry/reading.h"

struct ferry_flow_watch;

struct ferry_flow_watch_options {
	size_t size;	      /* of this struct */
	const char *cgroup;   /* directory of a cgroup v2; NULL: the topmost one */
	uint32_t interval_us; /* at most one event of a connection in this time; 0: 1000 */
	size_t flows_max;     /* 0: 1024 */
	bool without_btf;     /* as on a kernel without BTF: no rttvar */
};

struct ferry_flow_watch_counts {
	uint64_t events;    /* written by the program */
	uint64_t lost;	    /* not written, because nobody read */
	uint64_t untracked; /* connections without memory for them */
	uint64_t refused;   /* events that no program of this version writes */
};

/**
 * ferry_flow_watch_open - start watching
 * @options: NULL for the defaults
 *
 * Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN. Return: 0, or a negative errno with @err filled.
 */
int ferry_flow_watch_open(struct ferry_flow_watch **watch,
			  const struct ferry_flow_watch_options *options, struct ferry_error *err);
void ferry_flow_watch_close(struct ferry_flow_watch *watch);

/* Readable while there are events. It stays the watch's own. */
int ferry_flow_watch_fd(const struct ferry_flow_watch *watch);

/* What the events so far add up to. */
const struct ferry_flow_table *ferry_flow_watch_table(const struct ferry_flow_watch *watch);

/* "T1" where the kernel's BTF tells where rttvar is, else "T0". */
const char *ferry_flow_watch_tier(const struct ferry_flow_watch *watch);

/**
 * ferry_flow_watch_read - wait for events and take them in
 * @deadline_us: CLOCK_MONOTONIC; a time that is over takes what is there
 * @visit: called for each event after the table has it; may be NULL
 *
 * Returns after the first event, or the first few thousand of a flood. Return: how many events
 * there were, 0 if none came before the deadline, or a negative errno with @err filled.
 */
int ferry_flow_watch_read(struct ferry_flow_watch *watch, uint64_t deadline_us,
			  void (*visit)(const struct ferry_flow_event *event, uint32_t ifindex,
					void *data),
			  void *data, struct ferry_error *err);

/**
 * ferry_flow_watch_socket - register a TCP socket
 * @fd: best before it is connected; of an established one the marks come with its next round trip
 *
 * It counts for sockets of processes in the cgroup that is watched. The registration ends with the
 * connection. Return: 0, or a negative errno with @err filled.
 */
int ferry_flow_watch_socket(struct ferry_flow_watch *watch, int fd,
			    const struct ferry_flow_policy *policy, struct ferry_error *err);

/* As ferry_flow_watch_socket(), by the number that SO_COOKIE gives. */
int ferry_flow_watch_cookie(struct ferry_flow_watch *watch, uint64_t cookie,
			    const struct ferry_flow_policy *policy, struct ferry_error *err);

/**
 * ferry_flow_watch_cgroup - register all connections of a cgroup and those below it
 * @cgroup: directory of a cgroup v2
 * @policy: NULL ends it for connections to come
 *
 * Return: 0, -ENOSPC beyond 64 cgroups, or another negative errno with @err filled.
 */
int ferry_flow_watch_cgroup(struct ferry_flow_watch *watch, const char *cgroup,
			    const struct ferry_flow_policy *policy, struct ferry_error *err);

/**
 * ferry_flow_watch_reading - what to push about a network device
 * @now_us: CLOCK_MONOTONIC
 * @reading: srtt_us, rttvar_us and retransmit_ppm of @ifindex; none is present if nothing was
 *           heard of it within the window
 */
void ferry_flow_watch_reading(const struct ferry_flow_watch *watch, const char *name,
			      uint32_t ifindex, uint64_t now_us, struct ferry_reading *reading);

/* Return: 0, or a negative errno with @err filled. */
int ferry_flow_watch_counts(const struct ferry_flow_watch *watch,
			    struct ferry_flow_watch_counts *counts, struct ferry_error *err);

#endif
