/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What classify.bpf.c and the programs that load it agree on: how its maps are keyed and what is in
 * them. Ports and addresses are in network byte order where the type says so.
 */
#ifndef FERRY_BPF_CLASSIFY_H
#define FERRY_BPF_CLASSIFY_H

#include <linux/ferry.h>
#include <linux/types.h>

#include "behaviour.h"

/*
 * Changes with every change of a map or of its meaning, and with a program that decides otherwise:
 * what is pinned of another one is replaced, not adopted.
 */
#define FERRY_CLASSIFY_ABI	 3

/*
 * Where maps and programs are pinned, in a directory NETNS-IFINDEX for each interface:
 * SO_NETNS_COOKIE of its network namespace and its index, in decimal.
 */
#define FERRY_CLASSIFY_DIRECTORY "/sys/fs/bpf/ferry"

/*
 * Who decided. Each packet is counted once, at [source][class]; where nobody did, with the default
 * class. In the order in which they are asked, but for the last three.
 */
enum ferry_classify_source {
	FERRY_CLASSIFY_KEPT,	  /* carried a verdict for the qdisc already */
	FERRY_CLASSIFY_SOCKET,	  /* its socket is registered */
	FERRY_CLASSIFY_CGROUP,	  /* its socket belongs to a control group with a rule */
	FERRY_CLASSIFY_INNER,	  /* a tunnel carries it, and the packet inside had a verdict */
	FERRY_CLASSIFY_DSCP,	  /* a trusted peer marked it */
	FERRY_CLASSIFY_PORT,	  /* rule for a port */
	FERRY_CLASSIFY_PREFIX,	  /* rule for an address */
	FERRY_CLASSIFY_SNI,	  /* rule for the server's name in a TLS ClientHello */
	FERRY_CLASSIFY_BEHAVIOUR, /* sizes and gaps of its flow */
	FERRY_CLASSIFY_UNSET,	  /* nobody knows it */
	FERRY_CLASSIFY_NOT_IP,	  /* neither IPv4 nor IPv6, or below more than two VLAN tags */
	FERRY_CLASSIFY_MALFORMED, /* ends within its headers, or they contradict each other */
	FERRY_CLASSIFY_SOURCES,
};

enum ferry_classify_limits {
	FERRY_CLASSIFY_COUNTERS = FERRY_CLASSIFY_SOURCES * FERRY_CLASS_COUNT,
	FERRY_CLASSIFY_RULES = 1024, /* rule numbers are 1 .. this - 1; 0 is no rule */
	/* In one set of rules; the maps have room for two, since the new one comes before the old
	 * one goes. */
	FERRY_CLASSIFY_PORTS = 8192,
	FERRY_CLASSIFY_PREFIXES = 2048,
	FERRY_CLASSIFY_NAMES = 1024,
	FERRY_CLASSIFY_CGROUPS = 1024,
	FERRY_CLASSIFY_SOCKETS = 16384,
	FERRY_CLASSIFY_FLOWS = 16384,
	FERRY_CLASSIFY_HELLOS = 4096,
	FERRY_CLASSIFY_FRAGMENTS = 1024,
	FERRY_CLASSIFY_INNERS = 4096,
	FERRY_CLASSIFY_NAME_BYTES = 128, /* a power of two; names are shorter */
	FERRY_CLASSIFY_CGROUP_LEVELS = 16,
	FERRY_CLASSIFY_KINDS = 8, /* a power of two, not less than there are */
};

struct ferry_classify_counter {
	__u64 packets; /* as the qdisc gets them: a GSO packet is one */
	__u64 bytes;   /* with the link header */
};

/* Which end of a packet a rule asks for. Neither bit: both ends. */
enum ferry_classify_end {
	FERRY_CLASSIFY_FROM = 1,
	FERRY_CLASSIFY_TO = 2,
	FERRY_CLASSIFY_GENERATION = 0x80, /* for userspace: which set of rules it belongs to */
};

/* What a rule map says. */
struct ferry_classify_rule {
	__u16 id; /* index into `hits` */
	__u8 class;
	__u8 ends;    /* enum ferry_classify_end */
	__u32 device; /* ifindex by which the packet must have come in; 0: any, and our own */
};

/* Key of `sockets` is the socket's cookie (SO_COOKIE). */
struct ferry_classify_socket {
	__u8 class;
	__u8 unused;
	__u16 bucket; /* deadline bucket */
	__u32 owner;  /* process that registered it, so that what a dead one left can be found */
};

/* Key of `prefixes` and `trusted`. IPv4 is ::ffff:a.b.c.d, so its lengths are 96 more. */
struct ferry_classify_prefix {
	__u32 bits;
	__u8 address[16];
};

/*
 * Key of `names`: the name backwards in lower case, so that a longest prefix is a longest suffix
 * of the name. A rule for one name ends with a NUL, one for all names below a domain with a dot.
 */
struct ferry_classify_name {
	__u32 bits;
	__u8 reversed[FERRY_CLASSIFY_NAME_BYTES];
};

/* Key of `ports`; `port_bits` has a bit for each that is there, TCP before UDP. */
#define FERRY_CLASSIFY_PORT_KEY(protocol, port) ((__u32)(protocol) << 16 | (__u32)(port))

struct ferry_classify_flow_key {
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 unused[3];
};

struct ferry_classify_flow {
	struct ferry_behaviour behaviour;
	__u64 packets;
};

/* What the ClientHello of a flow said, or how far it has been read. */
struct ferry_classify_hello {
	__u32 next_sequence; /* of the segment that goes on with it */
	__u32 skip;	     /* bytes of that segment that belong to an extension already known */
	struct ferry_classify_rule rule; /* id 0: none */
	__u32 epoch;			 /* of the rules, when the name was looked up */
	struct ferry_classify_name name; /* bits 0: not known yet */
};

struct ferry_classify_fragment_key {
	__u8 source[16];
	__u8 destination[16];
	__u32 identification;
	__u32 protocol;
};

struct ferry_classify_verdict {
	__u8 class;
	__u8 source;
	__u16 rule;
	__u16 bucket;
	__u16 unused;
};

enum ferry_classify_flag {
	FERRY_CLASSIFY_REWRITE_DSCP = 1,  /* write the class's code point into the packet */
	FERRY_CLASSIFY_TUNNEL = 2,	  /* remember verdicts for what will carry the packet */
	FERRY_CLASSIFY_CARRIER = 4,	  /* ask what tunnels remembered */
	FERRY_CLASSIFY_HAS_TRUST = 8,	  /* `trusted` is not empty */
	FERRY_CLASSIFY_HAS_PREFIXES = 16, /* `prefixes` is not empty */
	FERRY_CLASSIFY_HAS_NAMES = 32,	  /* `names` is not empty */
};

#define FERRY_CLASSIFY_NO_CLASS 0xff

/* The one entry of `settings`; userspace writes it, the program reads it. */
struct ferry_classify_settings {
	__u32 abi;
	__u32 flags;
	__u32 cgroup_levels; /* bit n: there is a rule for a group n levels below the root */
	__u16 major;	     /* of the qdisc's handle; 0: leave every packet alone */
	__u8 link_header;    /* bytes before the network header: 14, or 0 on tun, wwan, wg */
	__u8 generation;     /* of the rules, for userspace */
	/* Class of each enum ferry_behaviour_kind, or FERRY_CLASSIFY_NO_CLASS. */
	__u8 kinds[FERRY_CLASSIFY_KINDS];
	/*
	 * What userspace has to know to take over from one that crashed; the program ignores it,
	 * but for the epoch.
	 */
	__u32 device;
	__u32 priority;
	__u32 handle;
	__u32 made_clsact;
	__u64 namespace;
	__u64 identity;
	__u32 epoch; /* changes with the rules: what was remembered of others is looked up again */
	__u32 unused;
};

/* What `explain` returns: the verdict as one number, which is never negative. */
#define FERRY_CLASSIFY_ANSWER(source, class, rule) \
	((__u32)(source) << 24 | (__u32)(class) << 16 | (__u32)(rule))

#endif
