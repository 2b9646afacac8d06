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
 * @row: macro of four arguments (class, name, dscp, budget)
 *
 *   class   enum ferry_class
 *   name    lower case, as it stands in sysfs, in metrics and in tc's output
 *   dscp    the 6-bit code point (RFC 2474) that marks the class on the wire unless an operator
 *           chose another. The values differ from class to class. That of the default class is 0,
 *           which the rest of the world sends as well: it says nothing about whose packet it is
 *   budget  how long a packet without a deadline of its own may take, as a deadline bucket;
 *           FERRY_DEADLINE_NONE for a class without deadlines. Those of decode, prefill and kv
 *           are defaults that can be set for each qdisc
 */
/* clang-format off */
#define FERRY_CLASS_TABLE(row)                                                      \
	row(FERRY_CLASS_CTRL,    "ctrl",    16 /* CS2 */,    10 /* 5 ms */)         \
	row(FERRY_CLASS_TOKEN,   "token",   46 /* EF */,     20 /* 10 ms */)        \
	row(FERRY_CLASS_DECODE,  "decode",  34 /* AF41 */,   100 /* 50 ms */)       \
	row(FERRY_CLASS_PREFILL, "prefill", 36 /* AF42 */,   1000 /* 500 ms */)     \
	row(FERRY_CLASS_KV,      "kv",      26 /* AF31 */,   4000 /* 2 s */)        \
	row(FERRY_CLASS_DEFAULT, "default", 0 /* CS0 */,     FERRY_DEADLINE_NONE)   \
	row(FERRY_CLASS_MODEL,   "model",   10 /* AF11 */,   FERRY_DEADLINE_NONE)   \
	row(FERRY_CLASS_SYNC,    "sync",    1 /* LE */,      FERRY_DEADLINE_NONE)
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

#endif /* _UAPI_LINUX_FERRY_H */
