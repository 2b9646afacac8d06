/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What flow.bpf.c and the programs that load it agree on. */
#ifndef FERRY_BPF_FLOW_H
#define FERRY_BPF_FLOW_H

#include <linux/types.h>

/* Sockets that may be registered at a time. A registration ends with its connection. */
#define FERRY_FLOW_SOCKETS_MAX 4096

#define FERRY_FLOW_DSCP_KEEP   0xff

/*
 * What a registration asks for: value of the map `sockets`, by cookie (SO_COOKIE), and of
 * `cgroups`, the storage of each cgroup that the program is attached to. A socket's own comes
 * first, then that of the innermost cgroup. Whatever is set is set once, when the connection is
 * established, or with the next round trip where the registration came later.
 */
struct ferry_flow_policy {
	__u32 priority;	      /* SO_PRIORITY: a verdict (linux/ferry.h); 0 leaves it alone */
	__u8 class;	      /* enum ferry_class */
	__u8 dscp;	      /* 0 .. 63, or FERRY_FLOW_DSCP_KEEP */
	__u8 wanted;	      /* 1; in a cgroup without a registration 0 */
	__u8 reserved;	      /* 0 */
	__u64 pacing_bytes_s; /* SO_MAX_PACING_RATE, below 2^32 - 1; 0 leaves it alone */
};

enum ferry_flow_kind {
	FERRY_FLOW_SEEN = 1, /* first event of a connection: it is established and registered */
	FERRY_FLOW_ROUND,    /* a round trip is over, or segments were sent again */
	FERRY_FLOW_CLOSED,   /* last event; its counts are final */
};

enum ferry_flow_flag {
	FERRY_FLOW_HAS_RTTVAR = 1, /* needs BTF of the kernel */
	FERRY_FLOW_REFUSED = 2,	   /* the kernel refused a part of the policy */
};

/* What the ring `events` carries. Times are CLOCK_MONOTONIC; addresses are as on the wire. */
struct ferry_flow_event {
	__u64 cookie;
	__u64 netns; /* SO_NETNS_COOKIE; 0 where the kernel does not say */
	__u64 time_ns;
	__u64 delivery_bytes_s; /* as tcpi_delivery_rate; 0 before it is known */
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 srtt_us; /* 0 before it is known */
	__u32 rttvar_us;
	__u32 in_flight_bytes;
	__u32 retransmits;	/* segments sent again since the connection began */
	__u32 segments;		/* segments with data that were sent, those included */
	__u32 cwnd;		/* segments */
	__u32 mss;		/* bytes */
	__u32 ifindex;		/* in its namespace; 0: nobody told, look at the local address */
	__u32 local_address[4]; /* IPv4: the first word */
	__u32 remote_address[4];
	__u16 local_port; /* host order, as all that follows */
	__u16 remote_port;
	__u16 family; /* AF_INET, AF_INET6 */
	__u8 kind;    /* enum ferry_flow_kind */
	__u8 class;   /* enum ferry_class */
	__u32 flags;  /* enum ferry_flow_flag */
	__u32 reserved;
};

/* Index into the per-CPU array `counters`. */
enum ferry_flow_slot {
	FERRY_FLOW_EVENTS,    /* events that were written */
	FERRY_FLOW_LOST,      /* events for which the ring had no room */
	FERRY_FLOW_UNTRACKED, /* connections for whose state there was no memory */
	FERRY_FLOW_SLOTS,
};

#endif
