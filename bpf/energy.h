/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What energy.bpf.c and the programs that load it agree on. */
#ifndef FERRY_BPF_ENERGY_H
#define FERRY_BPF_ENERGY_H

#include <linux/types.h>

#define FERRY_ENERGY_USERS_MAX	   1024
#define FERRY_ENERGY_PROCESSES_MAX 256

enum ferry_energy_user_kind {
	FERRY_ENERGY_USER_CGROUP = 1,  /* id: number of a cgroup v2 */
	FERRY_ENERGY_USER_PROCESS = 2, /* id: what the process was registered as */
};

/*
 * Key of the map `users`. Each slice of time and each packet belongs to one user: to a registered
 * process, else to the cgroup.
 */
struct ferry_energy_user {
	__u64 id;
	__u32 kind; /* enum ferry_energy_user_kind */
	__u32 reserved;
};

/* Value, for each processor. Sums since the entry was made; bytes are those of IP packets. */
struct ferry_energy_use {
	__u64 cpu_ns;
	__u64 cycles; /* thousands; grows only where the frequency is known */
	__u64 tx_bytes;
	__u64 rx_bytes;
};

/* Index into the per-CPU array `counters`, of struct ferry_energy_use: what no user got. */
enum ferry_energy_slot {
	FERRY_ENERGY_IDLE,     /* cpu_ns: nothing ran */
	FERRY_ENERGY_OVERFLOW, /* users for which the map had no room */
	FERRY_ENERGY_SLOTS,
};

/* Value of the array `processors`, by number of the processor. */
struct ferry_energy_processor {
	__u64 since_ns;	 /* what runs has been accounted for up to here; 0: not yet looked at */
	__u64 faster_ns; /* its cycles up to here */
	__u64 cycles;	 /* of what runs, since since_ns, in thousands */
	__u32 khz;	 /* 0: unknown */
	__u32 reserved;
};

#endif
