/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the qdisc share. */
#ifndef FERRY_QDISC_PRIVATE_H
#define FERRY_QDISC_PRIVATE_H

#include <linux/list.h>
#include <linux/u64_stats_sync.h>
#include <net/pkt_sched.h>

#include "packet.h"

#include "../core/queue.h"

struct gnet_dump;
struct netlink_ext_ack;
struct tcf_block;
struct tcf_proto;

/* One instance of the qdisc. The root lock of its queue protects what nothing else is said of. */
struct ferry_qdisc {
	struct ferry_queue *queue;
	struct Qdisc *sch;
	struct qdisc_watchdog watchdog;
	struct tcf_proto __rcu *filters;
	struct tcf_block *block;
	u8 dscp[FERRY_DSCP_COUNT]; /* class of each code point */
	u32 fwmark_mask;
	u32 limit; /* as asked for: 0 lets the rate decide */
	u8 split;  /* enum ferry_split_gso */
	bool wash;
	u64 splits; /* GSO packets that were taken apart */
	/* Drops that the parent has yet to be told of. */
	u32 untold_packets;
	u32 untold_bytes;
	struct u64_stats_sync sync; /* around every change of 64-bit counters */
	struct list_head entry;	    /* of all instances, under the lock of stats.c */
};

/* options.c */
int ferry_options_change(struct Qdisc *sch, struct nlattr *options, struct netlink_ext_ack *extack);
int ferry_options_dump(struct Qdisc *sch, struct sk_buff *skb);

/* Bytes of memory where the operator named no limit. */
u32 ferry_options_limit(u64 rate);

/* qdisc.c: frees what the scheduler dropped, and accounts for it. */
void ferry_qdisc_free_dropped(struct Qdisc *sch, struct sk_buff **to_free);

/* stats.c */
int ferry_stats_dump(struct Qdisc *sch, struct gnet_dump *dump);
void ferry_stats_enlist(struct ferry_qdisc *qdisc);
void ferry_stats_delist(struct ferry_qdisc *qdisc);

/* Lets every instance look again whether it has something to send. */
void ferry_stats_kick_all(void);

#endif /* FERRY_QDISC_PRIVATE_H */
