// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the qdisc tells of itself: to tc, and to whoever asks for the classes of a network device.
 */
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <net/gen_stats.h>
#include <net/netlink.h>
#include <net/pkt_sched.h>

#include "../energy/mode.h"
#include "private.h"
#include "stats.h"

/* Held for as long as one instance is read, so that it cannot go away meanwhile. */
static DEFINE_SPINLOCK(ferry_instances_lock);
static LIST_HEAD(ferry_instances);

void ferry_stats_enlist(struct ferry_qdisc *qdisc)
{
	spin_lock_bh(&ferry_instances_lock);
	list_add_tail(&qdisc->entry, &ferry_instances);
	spin_unlock_bh(&ferry_instances_lock);
}

void ferry_stats_delist(struct ferry_qdisc *qdisc)
{
	spin_lock_bh(&ferry_instances_lock);
	list_del_init(&qdisc->entry);
	spin_unlock_bh(&ferry_instances_lock);
}

void ferry_stats_kick_all(void)
{
	struct ferry_qdisc *qdisc;

	spin_lock_bh(&ferry_instances_lock);
	list_for_each_entry(qdisc, &ferry_instances, entry)
		qdisc_watchdog_schedule_ns(&qdisc->watchdog, ktime_get_ns());
	spin_unlock_bh(&ferry_instances_lock);
}

/* Adds what @qdisc says of @class to @sum. */
static void ferry_stats_add(struct ferry_class_stats *sum, const struct ferry_qdisc *qdisc,
			    unsigned int class)
{
	const struct ferry_queue_class *from = &qdisc->queue->class[class];
	struct ferry_class_stats one;
	unsigned int start;
	unsigned int i;

	do {
		start = u64_stats_fetch_begin(&qdisc->sync);
		one.packets = from->sent_packets;
		one.bytes = from->sent_bytes;
		one.drops = from->drops;
		one.marks = from->marks;
		one.late = from->late;
		for (i = 0; i < FERRY_SOURCE_COUNT; i++)
			one.by_source[i] = from->sent_by_source[i];
	} while (u64_stats_fetch_retry(&qdisc->sync, start));
	sum->packets += one.packets;
	sum->bytes += one.bytes;
	sum->drops += one.drops;
	sum->marks += one.marks;
	sum->late += one.late;
	for (i = 0; i < FERRY_SOURCE_COUNT; i++)
		sum->by_source[i] += one.by_source[i];
	sum->backlog_bytes += READ_ONCE(from->bytes);
	sum->backlog_packets += READ_ONCE(from->packets);
	sum->sojourn_p50_us =
		max(sum->sojourn_p50_us, ferry_histogram_percentile(&from->sojourn, 50));
	sum->sojourn_p99_us =
		max(sum->sojourn_p99_us, ferry_histogram_percentile(&from->sojourn, 99));
}

int ferry_qdisc_class_stats(struct net_device *dev, unsigned int class,
			    struct ferry_class_stats *stats)
{
	struct ferry_qdisc *qdisc;
	int err = -ENODEV;

	if (class >= FERRY_CLASS_COUNT)
		return -ENODEV;
	memset(stats, 0, sizeof(*stats));
	spin_lock_bh(&ferry_instances_lock);
	list_for_each_entry(qdisc, &ferry_instances, entry)
	{
		if (qdisc_dev(qdisc->sch) != dev)
			continue;
		ferry_stats_add(stats, qdisc, class);
		err = 0;
	}
	spin_unlock_bh(&ferry_instances_lock);
	return err;
}

static int ferry_stats_put_class(struct sk_buff *skb, const struct ferry_qdisc *qdisc,
				 unsigned int class)
{
	const struct ferry_queue_class *from = &qdisc->queue->class[class];
	struct ferry_class_stats sum = {};
	struct nlattr *nest = nla_nest_start(skb, TCA_FERRY_STATS_CLASS);

	if (!nest)
		return -EMSGSIZE;
	ferry_stats_add(&sum, qdisc, class);
	if (nla_put_u8(skb, TCA_FERRY_CSTATS_ID, class) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_PACKETS, sum.packets, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_BYTES, sum.bytes, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_DROPS, sum.drops, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_LIMIT_DROPS, from->limit_drops,
			      TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_MARKS, sum.marks, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_LATE, sum.late, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_BACKLOG, sum.backlog_bytes) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_QLEN, sum.backlog_packets) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_FLOWS, from->flows.active) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_P50, sum.sojourn_p50_us) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_P99, sum.sojourn_p99_us) ||
	    nla_put_64bit(skb, TCA_FERRY_CSTATS_SOURCES, sizeof(sum.by_source), sum.by_source,
			  TCA_FERRY_CSTATS_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* With the tree locked: all figures are of one moment. */
static int ferry_stats_put(struct sk_buff *skb, const struct ferry_qdisc *qdisc)
{
	const struct ferry_queue *queue = qdisc->queue;
	struct nlattr *classes;
	u64 collisions = 0;
	u32 flows = 0;
	unsigned int i;
	int err;

	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		flows += queue->class[i].flows.active;
		collisions += queue->class[i].flows.collisions;
	}
	if (nla_put_u32(skb, TCA_FERRY_STATS_MEMORY, queue->memory) ||
	    nla_put_u32(skb, TCA_FERRY_STATS_MEMORY_LIMIT, queue->limit) ||
	    nla_put_u32(skb, TCA_FERRY_STATS_MEMORY_PEAK, queue->memory_peak) ||
	    nla_put_u32(skb, TCA_FERRY_STATS_FLOWS, flows) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_STATS_COLLISIONS, collisions, TCA_FERRY_STATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_STATS_SPLITS, qdisc->splits, TCA_FERRY_STATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_STATS_DRAIN64,
			      ferry_shaper_shapes(&queue->shaper) ? 0
								  : queue->shaper.drain.bytes_ps,
			      TCA_FERRY_STATS_PAD) ||
	    nla_put_u8(skb, TCA_FERRY_STATS_MODE, ferry_mode()))
		return -EMSGSIZE;
	classes = nla_nest_start(skb, TCA_FERRY_STATS_CLASSES);
	if (!classes)
		return -EMSGSIZE;
	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		err = ferry_stats_put_class(skb, qdisc, i);
		if (err)
			return err;
	}
	nla_nest_end(skb, classes);
	return 0;
}

int ferry_stats_dump(struct Qdisc *sch, struct gnet_dump *dump)
{
	struct nlattr *nest = nla_nest_start_noflag(dump->skb, TCA_STATS_APP);
	int err;

	if (!nest)
		return -1;
	sch_tree_lock(sch);
	err = ferry_stats_put(dump->skb, qdisc_priv(sch));
	sch_tree_unlock(sch);
	if (err) {
		nla_nest_cancel(dump->skb, nest);
		return -1;
	}
	nla_nest_end(dump->skb, nest);
	return 0;
}
