/* SPDX-License-Identifier: MIT */
/*
 * Loads bpf/energy.bpf.c and reads who used the processors and the network: what
 * telemetry/attribution.h hands the joules out by. Everything goes with the watch, or with the
 * process. A watch belongs to one thread at a time; it has nothing to wait for, read it once in
 * the interval over which energy is attributed.
 */
#ifndef FERRY_NET_ENERGY_WATCH_H
#define FERRY_NET_ENERGY_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "bpf/energy.h"
#include "telemetry/attribution.h"

struct ferry_energy_watch;

struct ferry_energy_watch_options {
	size_t size;	      /* of this struct */
	const char *cgroup;   /* bytes are counted in it and below; NULL: the topmost one */
	bool without_network; /* count no bytes */
	/* For /sys/devices/system/cpu, where the frequencies are at the start; or NULL. */
	const char *cpu_directory;
};

struct ferry_energy_snapshot {
	uint64_t time_ns;	 /* CLOCK_MONOTONIC */
	unsigned int processors; /* online */
	bool has_cycles;	 /* of all of them the frequency is known */
	uint64_t idle_ns;	 /* sum over the processors since the start */
	uint64_t overflow_ns;	 /* of users for which there was no room */
	size_t n;
	const struct ferry_use *use; /* [n] by kind and id; valid until the next read */
};

/**
 * ferry_energy_watch_open - start counting
 * @options: NULL for the defaults
 *
 * Needs CAP_BPF, CAP_PERFMON and, for bytes, CAP_NET_ADMIN. Return: 0, or a negative errno with
 * @err filled.
 */
int ferry_energy_watch_open(struct ferry_energy_watch **watch,
			    const struct ferry_energy_watch_options *options,
			    struct ferry_error *err);
void ferry_energy_watch_close(struct ferry_energy_watch *watch);

/**
 * ferry_energy_watch_process - count a process for itself, and no longer for its cgroup
 * @id: under which it is counted; several processes may have one. From now on, with the sockets
 *      that it makes from now on
 *
 * Return: 0, -ENOSPC if there are too many, or another negative errno with @err filled.
 */
int ferry_energy_watch_process(struct ferry_energy_watch *watch, pid_t process, uint64_t id,
			       struct ferry_error *err);

/* Ends that, at the latest when the process is gone and its number might be another's. */
void ferry_energy_watch_forget(struct ferry_energy_watch *watch, pid_t process);

/**
 * ferry_energy_watch_read - read all counters, up to this moment
 *
 * A user of which nothing was heard for a minute is left out from then on, and begins anew at 0.
 * Return: 0, or a negative errno with @err filled.
 */
int ferry_energy_watch_read(struct ferry_energy_watch *watch,
			    struct ferry_energy_snapshot *snapshot, struct ferry_error *err);

#endif
