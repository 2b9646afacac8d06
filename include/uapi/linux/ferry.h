/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What the kernel module, the BPF programs and userspace agree on. This file is the
 * specification: nothing else in the tree writes one of these numbers down again.
 *
 * Numbers here never change their meaning. A new class takes a free number.
 */
#ifndef _UAPI_LINUX_FERRY_H
#define _UAPI_LINUX_FERRY_H

#include <linux/types.h>

/*
 * Deadlines
 *
 * A deadline bucket is the time that a packet may still take, counted from the moment it
 * enters the qdisc, in units of FERRY_DEADLINE_UNIT_US. It is 12 bits wide:
 *
 *   FERRY_DEADLINE_NONE       the packet carries no deadline of its own; the budget of its
 *                             class holds
 *   1 .. FERRY_DEADLINE_MAX-1 that many units, rounded down, so that the qdisc never plans for
 *                             later than the sender asked for; anything under one unit is 1
 *   FERRY_DEADLINE_MAX        2047.5 ms or more
 */
#define FERRY_DEADLINE_UNIT_US 500
#define FERRY_DEADLINE_BITS    12
#define FERRY_DEADLINE_NONE    0
#define FERRY_DEADLINE_MAX     ((1 << FERRY_DEADLINE_BITS) - 1)

/**
 * enum ferry_class - traffic classes, in the order in which they matter
 * @FERRY_CLASS_CTRL:    heartbeats, leases, telemetry, planner. Strict priority, capped at 2 %.
 * @FERRY_CLASS_TOKEN:   token streams, API and SSE answers, draft ids. Earliest deadline first,
 *                       capped at 10 %.
 * @FERRY_CLASS_DECODE:  hidden states of single tokens. Earliest deadline first.
 * @FERRY_CLASS_PREFILL: hidden states of prompt chunks. Earliest deadline first, with a minimum
 *                       rate.
 * @FERRY_CLASS_KV:      KV-cache migration. Earliest deadline first until late, then weighted.
 * @FERRY_CLASS_DEFAULT: everything that is not Ferry's. Weighted, never below 25 %.
 * @FERRY_CLASS_MODEL:   weights, adapters, blocks. Weighted, low.
 * @FERRY_CLASS_SYNC:    gradients, adapter sync, backup. Scavenger, never below 1 %.
 *
 * Percentages are of the qdisc's rate.
 */
enum ferry_class {
	FERRY_CLASS_CTRL = 0,
	FERRY_CLASS_TOKEN = 1,
	FERRY_CLASS_DECODE = 2,
	FERRY_CLASS_PREFILL = 3,
	FERRY_CLASS_KV = 4,
	FERRY_CLASS_DEFAULT = 5,
	FERRY_CLASS_MODEL = 6,
	FERRY_CLASS_SYNC = 7,
};

#define FERRY_CLASS_COUNT	   8

/*
 * FERRY_CLASS_TABLE - one row for each class, in class order
 * @row: macro of five arguments (class, name, dscp, budget, share)
 *
 *   class   enum ferry_class
 *   name    lower case, as it stands in sysfs, in metrics and in tc's output
 *   dscp    the 6-bit code point (RFC 2474) that marks the class on the wire unless an operator
 *           chose another. The values differ from class to class. That of the default class is 0,
 *           which the rest of the world sends as well: it says nothing about whose packet it is
 *   budget  how long a packet without a deadline of its own may take, as a deadline bucket;
 *           FERRY_DEADLINE_NONE for a class without deadlines. A default that can be set for each
 *           qdisc
 *   share   thousandths of the qdisc's rate that the class is sure of while it has packets; a class
 *           with deadlines goes ahead of others only within it. A default, likewise
 */
/* clang-format off */
#define FERRY_CLASS_TABLE(row)                                                        \
	row(FERRY_CLASS_CTRL,    "ctrl",    16 /* CS2 */,  10 /* 5 ms */,        20)  \
	row(FERRY_CLASS_TOKEN,   "token",   46 /* EF */,   20 /* 10 ms */,       100) \
	row(FERRY_CLASS_DECODE,  "decode",  34 /* AF41 */, 100 /* 50 ms */,      230) \
	row(FERRY_CLASS_PREFILL, "prefill", 36 /* AF42 */, 1000 /* 500 ms */,    230) \
	row(FERRY_CLASS_KV,      "kv",      26 /* AF31 */, 4000 /* 2 s */,       100) \
	row(FERRY_CLASS_DEFAULT, "default", 0 /* CS0 */,   FERRY_DEADLINE_NONE,  250) \
	row(FERRY_CLASS_MODEL,   "model",   10 /* AF11 */, FERRY_DEADLINE_NONE,  50)  \
	row(FERRY_CLASS_SYNC,    "sync",    1 /* LE */,    FERRY_DEADLINE_NONE,  10)
/* clang-format on */

/*
 * The verdict on a packet
 *
 * Whoever classifies a packet writes it into skb->priority (a socket does by SO_PRIORITY) before
 * the packet reaches the qdisc:
 *
 *    31            16 15   12 11               0
 *   +----------------+-------+------------------+
 *   | major of the   | class | deadline bucket  |
 *   | qdisc's handle |       |                  |
 *   +----------------+-------+------------------+
 *
 * The qdisc takes the verdict only where the upper half is the major of its own handle, so the
 * values that other software puts into skb->priority mean nothing to it. Major 0 belongs to no
 * qdisc. Class numbers from FERRY_CLASS_COUNT up are refused, which also keeps every verdict
 * apart from TC_H_ROOT and TC_H_INGRESS. Setting a priority above 6 on a socket takes
 * CAP_NET_ADMIN.
 */
#define FERRY_MINOR_CLASS_SHIFT	   FERRY_DEADLINE_BITS
#define FERRY_MINOR_CLASS_MASK	   0xf

/* Minor of @class and @bucket; the caller keeps both in range. */
#define FERRY_MINOR(class, bucket) (((__u32)(class) << FERRY_MINOR_CLASS_SHIFT) | (__u32)(bucket))

/* What a minor, or a whole verdict, says. The class may be one that does not exist. */
#define FERRY_MINOR_CLASS(minor) \
	(((__u32)(minor) >> FERRY_MINOR_CLASS_SHIFT) & FERRY_MINOR_CLASS_MASK)
#define FERRY_MINOR_BUCKET(minor)    (FERRY_DEADLINE_MAX & (__u32)(minor))

/* Verdict for the qdisc whose handle is @major: as `tc` prints it, but as a number. */
#define FERRY_VERDICT(major, minor)  (((__u32)(major) << 16) | ((__u32)(minor)&0xffff))
#define FERRY_VERDICT_MAJOR(verdict) ((__u32)(verdict) >> 16)

/**
 * enum ferry_source - which carrier set the class of a packet, in the order in which they are asked
 * @FERRY_SOURCE_PRIORITY: skb->priority held a verdict for this qdisc.
 * @FERRY_SOURCE_MARK:     the masked firewall mark named a class.
 * @FERRY_SOURCE_FILTER:   a filter attached to the qdisc answered.
 * @FERRY_SOURCE_DSCP:     the code point stands for another class than default.
 * @FERRY_SOURCE_DEFAULT:  nobody said anything.
 */
enum ferry_source {
	FERRY_SOURCE_PRIORITY = 0,
	FERRY_SOURCE_MARK = 1,
	FERRY_SOURCE_FILTER = 2,
	FERRY_SOURCE_DSCP = 3,
	FERRY_SOURCE_DEFAULT = 4,
};

#define FERRY_SOURCE_COUNT 5

/**
 * enum ferry_mode - how much energy the machine wants to spend; one for the whole machine
 * @FERRY_MODE_NORMAL:   every class is sent.
 * @FERRY_MODE_SAVER:    classes model and sync are sent in short windows only, the same on every
 *                       link, so that a radio can sleep between them.
 * @FERRY_MODE_CRITICAL: classes model and sync wait until the mode changes.
 */
enum ferry_mode {
	FERRY_MODE_NORMAL = 0,
	FERRY_MODE_SAVER = 1,
	FERRY_MODE_CRITICAL = 2,
};

#define FERRY_MODE_COUNT 3

/*
 * Options of the qdisc, kind "ferry": attributes inside TCA_OPTIONS
 *
 * All of them travel both ways: from tc to the kernel, where those that are absent keep their
 * value (at creation: the default), and back in a dump, which has all of them. Creating and
 * changing takes CAP_NET_ADMIN in the initial user namespace. Nothing is changed by a message
 * with a value out of range; the answer says which.
 *
 *   attribute                type    unit           range                 default
 *   TCA_FERRY_RATE64         u64     bytes/s        0, 125 .. 2^40        0: unshaped
 *   TCA_FERRY_OVERHEAD       s32     bytes/packet   -64 .. 256            0
 *   TCA_FERRY_MPU            u32     bytes          0 .. 256              0
 *   TCA_FERRY_LIMIT          u32     bytes of memory  0, 65536 .. 2^30    0: chosen by the rate
 *   TCA_FERRY_ECN            u8      flag           0, 1                  1
 *   TCA_FERRY_TARGET         u32     microseconds   100 .. 1000000        5000
 *   TCA_FERRY_INTERVAL       u32     microseconds   1000 .. 10000000      100000
 *   TCA_FERRY_CE_THRESHOLD   u32     microseconds   0 (off) .. 1000000    1000
 *   TCA_FERRY_SPLIT_GSO      u8      enum ferry_split_gso                 auto
 *   TCA_FERRY_FWMARK         u32     mask           one run of bits       0: not looked at
 *   TCA_FERRY_DSCP           64 x u8 class of each code point             FERRY_CLASS_TABLE
 *   TCA_FERRY_WASH           u8      flag           0, 1                  0
 *   TCA_FERRY_CLASSES        nest    of TCA_FERRY_CLASS nests, one for each class that changes
 *
 * TARGET is a lower bound: a class with a budget has the larger of it and a quarter of its budget.
 * CE_THRESHOLD concerns ECT(1) packets only. FWMARK: (mark & mask), shifted down to bit 0, is 1 +
 * the class; 0 and anything above 8 say nothing. WASH clears the code point (not the ECN bits) of
 * every packet that leaves. In a dump TCA_FERRY_LIMIT is what was asked for, so 0 stays 0; what
 * holds stands in the statistics.
 */
enum {
	TCA_FERRY_UNSPEC,
	TCA_FERRY_PAD,
	TCA_FERRY_RATE64,
	TCA_FERRY_OVERHEAD,
	TCA_FERRY_MPU,
	TCA_FERRY_LIMIT,
	TCA_FERRY_ECN,
	TCA_FERRY_TARGET,
	TCA_FERRY_INTERVAL,
	TCA_FERRY_CE_THRESHOLD,
	TCA_FERRY_SPLIT_GSO,
	TCA_FERRY_FWMARK,
	TCA_FERRY_DSCP,
	TCA_FERRY_WASH,
	TCA_FERRY_CLASSES,
	__TCA_FERRY_MAX,
};

#define TCA_FERRY_MAX	 (__TCA_FERRY_MAX - 1)

#define FERRY_DSCP_COUNT 64

/**
 * enum ferry_split_gso - when a packet of many segments (GSO) is taken apart before it is queued
 * @FERRY_SPLIT_GSO_NEVER:  never.
 * @FERRY_SPLIT_GSO_AUTO:   when sending it in one piece would hold up the link for over a
 *                          millisecond.
 * @FERRY_SPLIT_GSO_ALWAYS: always.
 */
enum ferry_split_gso {
	FERRY_SPLIT_GSO_NEVER = 0,
	FERRY_SPLIT_GSO_AUTO = 1,
	FERRY_SPLIT_GSO_ALWAYS = 2,
};

#define FERRY_SPLIT_GSO_COUNT 3

/*
 * Inside TCA_FERRY_CLASSES, an attribute TCA_FERRY_CLASS is a nest that holds
 *
 *   TCA_FERRY_CLASS_ID      u8    enum ferry_class; required, each class at most once
 *   TCA_FERRY_CLASS_BUDGET  u32   microseconds: 500 .. 60000000; only for classes ctrl to kv
 *   TCA_FERRY_CLASS_SHARE   u32   thousandths of the rate that are guaranteed: 1 .. 1000; over all
 *                                 classes at most 1000
 */
enum {
	TCA_FERRY_CLASSES_UNSPEC,
	TCA_FERRY_CLASS,
	__TCA_FERRY_CLASSES_MAX,
};

#define TCA_FERRY_CLASSES_MAX (__TCA_FERRY_CLASSES_MAX - 1)

enum {
	TCA_FERRY_CLASS_UNSPEC,
	TCA_FERRY_CLASS_ID,
	TCA_FERRY_CLASS_BUDGET,
	TCA_FERRY_CLASS_SHARE,
	__TCA_FERRY_CLASS_MAX,
};

#define TCA_FERRY_CLASS_MAX (__TCA_FERRY_CLASS_MAX - 1)

/*
 * Statistics of the qdisc: attributes inside TCA_STATS_APP, kernel to user, readable by everyone
 * who may read the qdisc
 *
 *   TCA_FERRY_STATS_MEMORY        u32   bytes that queued packets occupy now
 *   TCA_FERRY_STATS_MEMORY_LIMIT  u32   bytes that they may occupy
 *   TCA_FERRY_STATS_MEMORY_PEAK   u32   the most they occupied since the qdisc was created
 *   TCA_FERRY_STATS_FLOWS         u32   flows that have packets queued or had some a moment ago
 *   TCA_FERRY_STATS_COLLISIONS    u64   packets of a flow that had to share another flow's queue
 *   TCA_FERRY_STATS_SPLITS        u64   GSO packets that were taken apart
 *   TCA_FERRY_STATS_DRAIN64       u64   bytes/s at which an unshaped link was last seen to drain;
 *                                       0 where the qdisc shapes or has not seen it yet
 *   TCA_FERRY_STATS_MODE          u8    enum ferry_mode
 *   TCA_FERRY_STATS_CLASSES       nest  of 8 TCA_FERRY_STATS_CLASS nests in class order, each with
 *
 *     TCA_FERRY_CSTATS_ID           u8    enum ferry_class
 *     TCA_FERRY_CSTATS_PACKETS      u64   packets sent; over the classes they add up to the qdisc's
 *     TCA_FERRY_CSTATS_BYTES        u64   bytes sent, likewise
 *     TCA_FERRY_CSTATS_DROPS        u64   packets dropped, for whatever reason
 *     TCA_FERRY_CSTATS_LIMIT_DROPS  u64   those of them that were dropped for want of memory
 *     TCA_FERRY_CSTATS_MARKS        u64   packets that got CE here
 *     TCA_FERRY_CSTATS_LATE         u64   packets sent after their deadline
 *     TCA_FERRY_CSTATS_BACKLOG      u32   bytes queued
 *     TCA_FERRY_CSTATS_QLEN         u32   packets queued
 *     TCA_FERRY_CSTATS_FLOWS        u32   as TCA_FERRY_STATS_FLOWS
 *     TCA_FERRY_CSTATS_P50          u32   microseconds: median time in the queue of the last
 *     TCA_FERRY_CSTATS_P99          u32   thousands of packets, and its 99th percentile; at most
 *                                         an eighth too high
 *     TCA_FERRY_CSTATS_SOURCES      5 x u64, by enum ferry_source: packets sent whose class that
 *                                         carrier set; they add up to PACKETS
 */
enum {
	TCA_FERRY_STATS_UNSPEC,
	TCA_FERRY_STATS_PAD,
	TCA_FERRY_STATS_MEMORY,
	TCA_FERRY_STATS_MEMORY_LIMIT,
	TCA_FERRY_STATS_MEMORY_PEAK,
	TCA_FERRY_STATS_FLOWS,
	TCA_FERRY_STATS_COLLISIONS,
	TCA_FERRY_STATS_SPLITS,
	TCA_FERRY_STATS_DRAIN64,
	TCA_FERRY_STATS_MODE,
	TCA_FERRY_STATS_CLASSES,
	__TCA_FERRY_STATS_MAX,
};

#define TCA_FERRY_STATS_MAX (__TCA_FERRY_STATS_MAX - 1)

enum {
	TCA_FERRY_STATS_CLASSES_UNSPEC,
	TCA_FERRY_STATS_CLASS,
	__TCA_FERRY_STATS_CLASSES_MAX,
};

#define TCA_FERRY_STATS_CLASSES_MAX (__TCA_FERRY_STATS_CLASSES_MAX - 1)

enum {
	TCA_FERRY_CSTATS_UNSPEC,
	TCA_FERRY_CSTATS_PAD,
	TCA_FERRY_CSTATS_ID,
	TCA_FERRY_CSTATS_PACKETS,
	TCA_FERRY_CSTATS_BYTES,
	TCA_FERRY_CSTATS_DROPS,
	TCA_FERRY_CSTATS_LIMIT_DROPS,
	TCA_FERRY_CSTATS_MARKS,
	TCA_FERRY_CSTATS_LATE,
	TCA_FERRY_CSTATS_BACKLOG,
	TCA_FERRY_CSTATS_QLEN,
	TCA_FERRY_CSTATS_FLOWS,
	TCA_FERRY_CSTATS_P50,
	TCA_FERRY_CSTATS_P99,
	TCA_FERRY_CSTATS_SOURCES,
	__TCA_FERRY_CSTATS_MAX,
};

#define TCA_FERRY_CSTATS_MAX	(__TCA_FERRY_CSTATS_MAX - 1)

/*
 * Generic netlink family "ferry", version 1
 *
 * One socket belongs to one network namespace, and sees the links of that one only; energy and
 * mode are the machine's. What a message holds is checked strictly: an attribute that its command
 * does not know, a wrong length, a value out of range is an error, and the extended ack has a
 * sentence about it. A message that is refused changed nothing.
 *
 *   command                direction, form           who                          attributes
 *   FERRY_CMD_LINK_GET     request (do), dump        everyone                     FERRY_LINK_A_*
 *   FERRY_CMD_LINK_SET     request                   CAP_NET_ADMIN over the       FERRY_LINK_A_*
 *                                                    socket's network namespace
 *   FERRY_CMD_LINK_CHANGED event, group "link"       everyone                     FERRY_LINK_A_*
 *   FERRY_CMD_LINK_GONE    event, group "link"       everyone                     IFINDEX, NAME
 *   FERRY_CMD_ENERGY_GET   request (do), dump        CAP_NET_ADMIN (*)            FERRY_ENERGY_A_*
 *   FERRY_CMD_ENERGY_SET   request                   CAP_NET_ADMIN (*)            FERRY_ENERGY_A_*
 *   FERRY_CMD_ENERGY_DEL   request                   CAP_NET_ADMIN (*)            NAME
 *   FERRY_CMD_ENERGY_CHANGED event, group "energy"   CAP_NET_ADMIN (*)            FERRY_ENERGY_A_*
 *   FERRY_CMD_ENERGY_GONE  event, group "energy"     CAP_NET_ADMIN (*)            NAME
 *   FERRY_CMD_MODEL_SET    request                   CAP_NET_ADMIN (*)            FERRY_MODEL_A_*
 *   FERRY_CMD_MODE_GET     request (do)              everyone                     FERRY_MODE_A_*
 *   FERRY_CMD_MODE_SET     request                   CAP_NET_ADMIN (*)            FERRY_MODE_A_*
 *   FERRY_CMD_MODE_CHANGED event, group "mode"       everyone                     FERRY_MODE_A_*
 *
 *   (*) in the initial user namespace: root of a container is refused. What everyone may know about
 *       energy, averaged and rounded, stands in sysfs.
 *
 * An answer carries the command of its request. An energy event goes to the initial network
 * namespace only: elsewhere root of a container may join the group "energy", and hears nothing.
 *
 * Events say that something changed and what it is now. They are no record of every step: changes
 * of one link that follow each other closely are told once. A socket that does not keep up gets
 * ENOBUFS from its next read, and has missed events; a dump then says how things are, and the
 * events that follow hold from there. So: join the group, then dump, and dump again after ENOBUFS.
 */
#define FERRY_GENL_NAME		"ferry"
#define FERRY_GENL_VERSION	1

#define FERRY_GROUP_LINK_NAME	"link"
#define FERRY_GROUP_ENERGY_NAME "energy"
#define FERRY_GROUP_MODE_NAME	"mode"

enum ferry_cmd {
	FERRY_CMD_UNSPEC,
	FERRY_CMD_LINK_GET,
	FERRY_CMD_LINK_SET,
	FERRY_CMD_LINK_CHANGED,
	FERRY_CMD_LINK_GONE,
	FERRY_CMD_ENERGY_GET,
	FERRY_CMD_ENERGY_SET,
	FERRY_CMD_ENERGY_DEL,
	FERRY_CMD_ENERGY_CHANGED,
	FERRY_CMD_ENERGY_GONE,
	FERRY_CMD_MODEL_SET,
	FERRY_CMD_MODE_GET,
	FERRY_CMD_MODE_SET,
	FERRY_CMD_MODE_CHANGED,
	__FERRY_CMD_MAX,
};

#define FERRY_CMD_MAX (__FERRY_CMD_MAX - 1)

/**
 * enum ferry_provenance - where a reading comes from
 * @FERRY_PROVENANCE_NONE:     there is no reading.
 * @FERRY_PROVENANCE_FAKE:     made up, for a test or a demonstration.
 * @FERRY_PROVENANCE_ESTIMATE: computed from something else, by a model that may be wrong.
 * @FERRY_PROVENANCE_MEASURED: a device measured it.
 * @FERRY_PROVENANCE_KERNEL:   the kernel's own counters; of links only, and never pushed.
 *
 * Up to MEASURED in the order of trust: of several readings the least trustworthy counts.
 */
enum ferry_provenance {
	FERRY_PROVENANCE_NONE = 0,
	FERRY_PROVENANCE_FAKE = 1,
	FERRY_PROVENANCE_ESTIMATE = 2,
	FERRY_PROVENANCE_MEASURED = 3,
	FERRY_PROVENANCE_KERNEL = 4,
};

#define FERRY_PROVENANCE_COUNT 5

/*
 * FERRY_PROVENANCE_TABLE - one row for each provenance: its name in sysfs and on command lines
 * @row: macro of two arguments (provenance, name)
 */
/* clang-format off */
#define FERRY_PROVENANCE_TABLE(row)                   \
	row(FERRY_PROVENANCE_NONE,     "none")        \
	row(FERRY_PROVENANCE_FAKE,     "fake")        \
	row(FERRY_PROVENANCE_ESTIMATE, "estimate")    \
	row(FERRY_PROVENANCE_MEASURED, "measured")    \
	row(FERRY_PROVENANCE_KERNEL,   "kernel")
/* clang-format on */

/*
 * How old a pushed reading may be when it arrives, and how long after it was taken it holds, in
 * milliseconds. A reading that no longer holds is as if it had never been pushed.
 */
#define FERRY_AGE_MS_MAX       600000
#define FERRY_VALID_MS_MIN     100
#define FERRY_VALID_MS_MAX     600000
#define FERRY_VALID_MS_DEFAULT 10000

/* FERRY_MODE_TABLE - one row (mode, name) for each mode, as it stands in sysfs */
/* clang-format off */
#define FERRY_MODE_TABLE(row)                  \
	row(FERRY_MODE_NORMAL,   "normal")     \
	row(FERRY_MODE_SAVER,    "saver")      \
	row(FERRY_MODE_CRITICAL, "critical")
/* clang-format on */

/**
 * enum ferry_link_state - what a link can do at the moment
 * @FERRY_LINK_STATE_DOWN:       switched off by its administrator.
 * @FERRY_LINK_STATE_NO_CARRIER: switched on; nobody at the other end.
 * @FERRY_LINK_STATE_DORMANT:    there is a carrier; it waits for something above it (802.1X, say).
 * @FERRY_LINK_STATE_DEGRADED:   a collector says that it works badly. Only ever pushed.
 * @FERRY_LINK_STATE_UP:         it works.
 *
 * The kernel knows best that a link does not work: a pushed state counts only while the kernel's
 * own is UP.
 */
enum ferry_link_state {
	FERRY_LINK_STATE_DOWN = 0,
	FERRY_LINK_STATE_NO_CARRIER = 1,
	FERRY_LINK_STATE_DORMANT = 2,
	FERRY_LINK_STATE_DEGRADED = 3,
	FERRY_LINK_STATE_UP = 4,
};

#define FERRY_LINK_STATE_COUNT 5

/* FERRY_LINK_STATE_TABLE - one row (state, name) for each state, as it stands in sysfs */
/* clang-format off */
#define FERRY_LINK_STATE_TABLE(row)                          \
	row(FERRY_LINK_STATE_DOWN,       "down")             \
	row(FERRY_LINK_STATE_NO_CARRIER, "no-carrier")       \
	row(FERRY_LINK_STATE_DORMANT,    "dormant")          \
	row(FERRY_LINK_STATE_DEGRADED,   "degraded")         \
	row(FERRY_LINK_STATE_UP,         "up")
/* clang-format on */

/*
 * Attributes of a link, one for each network device of the namespace
 *
 *   in    LINK_SET takes it; those that are absent keep the reading they have
 *   out   answers and events have it; readings that nobody knows are absent
 *
 *   attribute                       type   unit   dir.    range, meaning
 *   FERRY_LINK_A_IFINDEX            u32    –      in, out required; in LINK_GET which link. A
 *                                                         dump may have it: then of one link
 *   FERRY_LINK_A_NAME               string –      out     name of the network device
 *   FERRY_LINK_A_STATE              u32    –      in, out enum ferry_link_state
 *   FERRY_LINK_A_TX_RATE_KBPS       u32    kbit/s in, out what was sent over the last second or
 *                                                         so: the device's counters, if nobody
 *                                                         pushed it. 1 kbit = 1000 bits
 *   FERRY_LINK_A_RX_RATE_KBPS       u32    kbit/s in, out what was received, likewise
 *   FERRY_LINK_A_CAPACITY_KBPS      u32    kbit/s in, out what it could send: the speed that the
 *                                                         driver states, if nobody pushed it
 *   FERRY_LINK_A_SRTT_US            u32    us     in, out smoothed round trip; ..60000000
 *   FERRY_LINK_A_RTTVAR_US          u32    us     in, out its mean deviation; ..60000000
 *   FERRY_LINK_A_RETRANSMIT_PPM     u32    ppm    in, out segments sent again; ..1000000
 *   FERRY_LINK_A_SIGNAL_DBM         s32    dBm    in, out -200 .. 50
 *   FERRY_LINK_A_BACKLOG_BYTES      u32    bytes  out     what waits in its qdiscs
 *   FERRY_LINK_A_PROVENANCE         u32    –      in, out enum ferry_provenance; in: required,
 *                                                         FAKE to MEASURED. out: the least
 *                                                         trustworthy of the pushed readings
 *                                                         that hold, KERNEL where none does
 *   FERRY_LINK_A_AGE_MS             u32    ms     in, out in: age of the readings, 0 if absent;
 *                                                         ..FERRY_AGE_MS_MAX, and less than
 *                                                         VALID_MS. out: of the oldest that
 *                                                         holds, or where none does of the
 *                                                         kernel's sample; absent before it
 *   FERRY_LINK_A_VALID_MS           u32    ms     in      how long after they were taken the
 *                                                         readings hold: FERRY_VALID_MS_MIN ..
 *                                                         _MAX, FERRY_VALID_MS_DEFAULT if absent
 *   FERRY_LINK_A_CLASSES            nest   –      out     8 TCA_FERRY_STATS_CLASS nests as in the
 *                                                         statistics of the qdisc (ID, PACKETS,
 *                                                         BYTES, DROPS, MARKS, LATE, BACKLOG,
 *                                                         QLEN, P50, P99, SOURCES); absent where
 *                                                         no qdisc "ferry" is attached, and
 *                                                         in events
 */
enum {
	FERRY_LINK_A_UNSPEC,
	FERRY_LINK_A_PAD,
	FERRY_LINK_A_IFINDEX,
	FERRY_LINK_A_NAME,
	FERRY_LINK_A_STATE,
	FERRY_LINK_A_TX_RATE_KBPS,
	FERRY_LINK_A_RX_RATE_KBPS,
	FERRY_LINK_A_CAPACITY_KBPS,
	FERRY_LINK_A_SRTT_US,
	FERRY_LINK_A_RTTVAR_US,
	FERRY_LINK_A_RETRANSMIT_PPM,
	FERRY_LINK_A_SIGNAL_DBM,
	FERRY_LINK_A_BACKLOG_BYTES,
	FERRY_LINK_A_PROVENANCE,
	FERRY_LINK_A_AGE_MS,
	FERRY_LINK_A_VALID_MS,
	FERRY_LINK_A_CLASSES,
	__FERRY_LINK_A_MAX,
};

#define FERRY_LINK_A_MAX	  (__FERRY_LINK_A_MAX - 1)

#define FERRY_LINK_RTT_US_MAX	  60000000
#define FERRY_LINK_SIGNAL_DBM_MIN (-200)
#define FERRY_LINK_SIGNAL_DBM_MAX 50

/* A million parts are the whole. */
#define FERRY_PPM		  1000000

/**
 * enum ferry_energy_kind - what an energy source is
 * @FERRY_ENERGY_KIND_BATTERY: a battery; its power is what it gives.
 * @FERRY_ENERGY_KIND_PACKAGE: a processor package or a part of it (RAPL).
 * @FERRY_ENERGY_KIND_BOARD:   a meter in the supply of a board or a rail of it.
 * @FERRY_ENERGY_KIND_THERMAL: a thermometer; it has no power.
 * @FERRY_ENERGY_KIND_MODEL:   the linear estimate; there is one, and it is never pushed.
 * @FERRY_ENERGY_KIND_TOTAL:   the sum over the machine, without what is a mirror; never pushed.
 * @FERRY_ENERGY_KIND_SUPPLY:  what feeds the machine from outside: mains, USB.
 * @FERRY_ENERGY_KIND_PERIPHERAL: a battery of something else, such as a mouse; never in the total.
 */
enum ferry_energy_kind {
	FERRY_ENERGY_KIND_BATTERY = 0,
	FERRY_ENERGY_KIND_PACKAGE = 1,
	FERRY_ENERGY_KIND_BOARD = 2,
	FERRY_ENERGY_KIND_THERMAL = 3,
	FERRY_ENERGY_KIND_MODEL = 4,
	FERRY_ENERGY_KIND_TOTAL = 5,
	FERRY_ENERGY_KIND_SUPPLY = 6,
	FERRY_ENERGY_KIND_PERIPHERAL = 7,
};

#define FERRY_ENERGY_KIND_COUNT 8

/* FERRY_ENERGY_KIND_TABLE - one row (kind, name) for each kind, as it stands in sysfs */
/* clang-format off */
#define FERRY_ENERGY_KIND_TABLE(row)                       \
	row(FERRY_ENERGY_KIND_BATTERY,    "battery")       \
	row(FERRY_ENERGY_KIND_PACKAGE,    "package")       \
	row(FERRY_ENERGY_KIND_BOARD,      "board")         \
	row(FERRY_ENERGY_KIND_THERMAL,    "thermal")       \
	row(FERRY_ENERGY_KIND_MODEL,      "model")         \
	row(FERRY_ENERGY_KIND_TOTAL,      "total")         \
	row(FERRY_ENERGY_KIND_SUPPLY,     "supply")        \
	row(FERRY_ENERGY_KIND_PERIPHERAL, "peripheral")
/* clang-format on */

/*
 * Attributes of an energy source; directions as for a link
 *
 *   attribute                       type   unit   dir.    range, meaning
 *   FERRY_ENERGY_A_NAME             string –      in, out 1 to FERRY_ENERGY_NAME_MAX letters,
 *                                                         digits, '_' and '-': its directory in
 *                                                         sysfs; in ENERGY_GET which source. Not
 *                                                         "total", "model", "mode", "version",
 *                                                         "none", nor "psy-...", "thermal-...",
 *                                                         "ferry...": those are the kernel's own
 *   FERRY_ENERGY_A_KIND             u32    –      in, out enum ferry_energy_kind; in: not MODEL nor
 *                                                         TOTAL, required for a new source, and
 *                                                         fixed from then on
 *   FERRY_ENERGY_A_POWER_UW         u64    uW     in, out in: what it gives now, not used where the
 *                                                         message has a counter too;
 *                                                         ..FERRY_POWER_UW_MAX. out: average
 *                                                         over the last second or more; absent
 *                                                         where it is unknown
 *   FERRY_ENERGY_A_COUNTER_UJ       u64    uJ     in      its own counter, as the device has it
 *   FERRY_ENERGY_A_COUNTER_BITS     u32    bits   in      1 .. 64, 64 if absent: where the
 *                                                         counter wraps. It has to be pushed
 *                                                         before it has gone round by half
 *   FERRY_ENERGY_A_ENERGY_UJ        u64    uJ     out     energy since the source was created,
 *                                                         wraps of the counter put right
 *   FERRY_ENERGY_A_TEMPERATURE_MDEG s32    mdegC  in, out -273150 .. 1000000
 *   FERRY_ENERGY_A_BATTERY_PPM      u32    ppm    in, out charge of what it can hold; ..1000000
 *   FERRY_ENERGY_A_BATTERY_UWH      u64    uWh    in, out energy left
 *   FERRY_ENERGY_A_CHARGING         u8     flag   in, out 0, 1
 *   FERRY_ENERGY_A_PROVENANCE       u32    –      in, out enum ferry_provenance; in: required,
 *                                                         FAKE to MEASURED
 *   FERRY_ENERGY_A_ERROR_PPM        u32    ppm    in, out how far an estimate may be off
 *   FERRY_ENERGY_A_MIRROR_OF        string –      in, out name of another source that shows the
 *                                                         same sensor: this one is left out of
 *                                                         the total
 *   FERRY_ENERGY_A_AGE_MS           u32    ms     in, out as FERRY_LINK_A_AGE_MS
 *   FERRY_ENERGY_A_VALID_MS         u32    ms     in      as FERRY_LINK_A_VALID_MS, of what the
 *                                                         message says: temperature and battery
 *                                                         grow old where later ones leave them out
 *   FERRY_ENERGY_A_COUNTER_MAX_UJ   u64    uJ     in      largest value of a counter that does not
 *                                                         wrap at a power of two (powercap's
 *                                                         max_energy_range_uj); not with
 *                                                         COUNTER_BITS
 */
enum {
	FERRY_ENERGY_A_UNSPEC,
	FERRY_ENERGY_A_PAD,
	FERRY_ENERGY_A_NAME,
	FERRY_ENERGY_A_KIND,
	FERRY_ENERGY_A_POWER_UW,
	FERRY_ENERGY_A_COUNTER_UJ,
	FERRY_ENERGY_A_COUNTER_BITS,
	FERRY_ENERGY_A_ENERGY_UJ,
	FERRY_ENERGY_A_TEMPERATURE_MDEG,
	FERRY_ENERGY_A_BATTERY_PPM,
	FERRY_ENERGY_A_BATTERY_UWH,
	FERRY_ENERGY_A_CHARGING,
	FERRY_ENERGY_A_PROVENANCE,
	FERRY_ENERGY_A_ERROR_PPM,
	FERRY_ENERGY_A_MIRROR_OF,
	FERRY_ENERGY_A_AGE_MS,
	FERRY_ENERGY_A_VALID_MS,
	FERRY_ENERGY_A_COUNTER_MAX_UJ,
	__FERRY_ENERGY_A_MAX,
};

#define FERRY_ENERGY_A_MAX	   (__FERRY_ENERGY_A_MAX - 1)

#define FERRY_ENERGY_NAME_MAX	   31
#define FERRY_POWER_UW_MAX	   1000000000000ULL
#define FERRY_TEMPERATURE_MDEG_MIN (-273150)
#define FERRY_TEMPERATURE_MDEG_MAX 1000000

/*
 * Coefficients of the linear estimate of the machine's power. All are in; what is absent keeps its
 * value, at the start 0: then there is no estimate.
 *
 *   FERRY_MODEL_A_IDLE_UW        u64   uW        idle machine; ..FERRY_POWER_UW_MAX, as BUSY_UW
 *   FERRY_MODEL_A_BUSY_UW        u64   uW        on top, with every processor busy
 *   FERRY_MODEL_A_TX_NJ_PER_BYTE u32   nJ/byte   on top, for each byte that a link sends
 *   FERRY_MODEL_A_RX_NJ_PER_BYTE u32   nJ/byte   and for each that it receives
 *   FERRY_MODEL_A_ERROR_PPM      u32   ppm       how far the estimate may be off; ..1000000
 *   FERRY_MODEL_A_AIRTIME_UW     u64   uW        on top, with the radio always on
 *   FERRY_MODEL_A_AIRTIME_PPM    u32   ppm       how much of the time it is on: no coefficient, but
 *                                                what the kernel cannot see; ..1000000
 */
enum {
	FERRY_MODEL_A_UNSPEC,
	FERRY_MODEL_A_PAD,
	FERRY_MODEL_A_IDLE_UW,
	FERRY_MODEL_A_BUSY_UW,
	FERRY_MODEL_A_TX_NJ_PER_BYTE,
	FERRY_MODEL_A_RX_NJ_PER_BYTE,
	FERRY_MODEL_A_ERROR_PPM,
	FERRY_MODEL_A_AIRTIME_UW,
	FERRY_MODEL_A_AIRTIME_PPM,
	__FERRY_MODEL_A_MAX,
};

#define FERRY_MODEL_A_MAX (__FERRY_MODEL_A_MAX - 1)

/*
 * The mode of the machine
 *
 *   FERRY_MODE_A_MODE   u32   in, out   enum ferry_mode; required in MODE_SET
 */
enum {
	FERRY_MODE_A_UNSPEC,
	FERRY_MODE_A_MODE,
	__FERRY_MODE_A_MAX,
};

#define FERRY_MODE_A_MAX (__FERRY_MODE_A_MAX - 1)

#endif /* _UAPI_LINUX_FERRY_H */
