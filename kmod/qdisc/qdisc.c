// SPDX-License-Identifier: GPL-2.0-only
/*
 * The qdisc "ferry": hands packets to the scheduler of core/queue.h and takes them from it. What is
 * here is what a scheduler in the kernel has to know of the kernel: the carriers of a verdict on an
 * sk_buff, segmentation, the watchdog, and what parents want to be told.
 *
 * It is classless: all queues are its own. And it has no module alias on purpose. With one, any
 * user could have the kernel load it, by naming it in a network namespace of his own.
 */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/skbuff.h>
#include <net/inet_ecn.h>
#include <net/netlink.h>

#include "../compat/classify.h"
#include "../compat/gso.h"
#include "../energy/mode.h"
#include "private.h"
#include "qdisc.h"

/* A packet that holds up the link for longer is taken apart: 1 ms. */
#define FERRY_SPLIT_NS (1 * FERRY_NS_PER_MS)

void ferry_qdisc_free_dropped(struct Qdisc *sch, struct sk_buff **to_free)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	struct sk_buff *skb = qdisc->queue->dropped;

	qdisc->queue->dropped = NULL;
	while (skb) {
		struct sk_buff *next = skb->next;
		const u32 bytes = ferry_packet_bytes(skb);

		skb_mark_not_on_list(skb);
		sch->q.qlen--;
		sch->qstats.backlog -= bytes;
		qdisc_qstats_drop(sch);
		qdisc->untold_packets++;
		qdisc->untold_bytes += bytes;
		if (to_free)
			__qdisc_drop(skb, to_free);
		else
			kfree_skb(skb);
		skb = next;
	}
}

/*
 * What the carriers say, in the order of enum ferry_source. Returns false where a filter took the
 * packet away, with the answer for our caller in @answer.
 */
static bool ferry_classify(struct sk_buff *skb, struct Qdisc *sch, struct ferry_ruling *ruling,
			   int *answer)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	const u16 major = TC_H_MAJ(sch->handle) >> 16;
	struct tcf_proto *filters;
	struct tcf_result result;
	int dsfield;

	if (ferry_classify_priority(skb->priority, major, ruling))
		return true;
	if (ferry_classify_mark(skb->mark, qdisc->fwmark_mask, ruling))
		return true;
	filters = rcu_dereference_bh(qdisc->filters);
	if (filters) {
		const int verdict = tcf_classify_qdisc(skb, filters, &result, false);

		switch (verdict) {
		case TC_ACT_STOLEN:
		case TC_ACT_QUEUED:
		case TC_ACT_TRAP:
			*answer = NET_XMIT_SUCCESS | __NET_XMIT_STOLEN;
			return false;
		case TC_ACT_SHOT:
			*answer = NET_XMIT_SUCCESS | __NET_XMIT_BYPASS;
			return false;
		}
		if (verdict >= 0 && ferry_classify_filter(result.classid, major, ruling))
			return true;
	}
	dsfield = skb_get_dsfield(skb);
	ferry_classify_dscp(dsfield < 0 ? 0 : dsfield >> 2, qdisc->dscp, ruling);
	return true;
}

/* Clears the code point, and leaves the ECN bits alone. */
static void ferry_wash(struct sk_buff *skb)
{
	const int offset = skb_network_offset(skb);

	switch (skb_protocol(skb, true)) {
	case htons(ETH_P_IP):
		if (!skb_ensure_writable(skb, offset + sizeof(struct iphdr)) &&
		    ipv4_get_dsfield(ip_hdr(skb)) & ~INET_ECN_MASK)
			ipv4_change_dsfield(ip_hdr(skb), INET_ECN_MASK, 0);
		break;
	case htons(ETH_P_IPV6):
		if (!skb_ensure_writable(skb, offset + sizeof(struct ipv6hdr)) &&
		    ipv6_get_dsfield(ipv6_hdr(skb)) & ~INET_ECN_MASK)
			ipv6_change_dsfield(ipv6_hdr(skb), INET_ECN_MASK, 0);
		break;
	}
}

static bool ferry_splits(const struct ferry_qdisc *qdisc, const struct sk_buff *skb)
{
	const struct ferry_shaper *shaper = &qdisc->queue->shaper;

	if (!skb_is_gso(skb) || qdisc->split == FERRY_SPLIT_GSO_NEVER)
		return false;
	if (qdisc->split == FERRY_SPLIT_GSO_ALWAYS)
		return true;
	return ferry_shaper_shapes(shaper) &&
	       ferry_shaper_ns(shaper, ferry_packet_bytes(skb), ferry_packet_segments(skb)) >
		       FERRY_SPLIT_NS;
}

/* Queues one packet. Returns whether its flow had to lose some. */
static bool ferry_put(struct sk_buff *skb, struct Qdisc *sch, struct ferry_ruling ruling, u64 now)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);

	sch->q.qlen++;
	sch->qstats.backlog += ferry_packet_bytes(skb);
	return ferry_queue_put(qdisc->queue, skb, ruling, now);
}

/*
 * After @packets of @bytes have been queued for a packet of which the parent will count @counted
 * bytes: frees what was dropped, and tells the parent the difference. @own: of its own flow.
 */
static int ferry_settle(struct Qdisc *sch, struct sk_buff **to_free, bool own, int packets,
			int bytes, int counted)
{
	const bool was_empty = sch->q.qlen == packets;
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	int lost_packets;
	int lost_bytes;

	ferry_qdisc_free_dropped(sch, to_free);
	lost_packets = qdisc->untold_packets;
	lost_bytes = qdisc->untold_bytes;
	qdisc->untold_packets = 0;
	qdisc->untold_bytes = 0;
	/*
	 * The parent counts nothing where it hears of congestion, and does not begin to ask either:
	 * it must not hear of it while it takes this qdisc for empty, and it is not.
	 */
	if (own && !(was_empty && sch->q.qlen)) {
		qdisc_tree_reduce_backlog(sch, lost_packets - packets, lost_bytes - bytes);
		return NET_XMIT_CN;
	}
	qdisc_tree_reduce_backlog(sch, lost_packets - packets + 1, lost_bytes - bytes + counted);
	return NET_XMIT_SUCCESS;
}

static int ferry_put_segments(struct sk_buff *skb, struct Qdisc *sch, struct ferry_ruling ruling,
			      u64 now, struct sk_buff **to_free)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	const netdev_features_t features = netif_skb_features(skb) & ~NETIF_F_GSO_MASK;
	const int counted = ferry_packet_bytes(skb);
	struct sk_buff *segment;
	struct sk_buff *next;
	struct sk_buff *all;
	int packets = 0;
	int bytes = 0;
	bool own = false;

	/* Once for all: the segments inherit it. */
	skb_get_hash(skb);
	all = skb_gso_segment(skb, features);
	if (IS_ERR_OR_NULL(all))
		return qdisc_drop(skb, sch, to_free);
	skb_list_walk_safe(all, segment, next)
	{
		skb_mark_not_on_list(segment);
		qdisc_skb_cb(segment)->pkt_len = segment->len;
		packets++;
		bytes += ferry_packet_bytes(segment);
		own |= ferry_put(segment, sch, ruling, now);
	}
	consume_skb(skb);
	qdisc->splits++;
	return ferry_settle(sch, to_free, own, packets, bytes, counted);
}

static int ferry_enqueue(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	const u64 now = ktime_get_ns();
	struct ferry_ruling ruling;
	int answer;
	bool own;
	int bytes;

	if (!ferry_classify(skb, sch, &ruling, &answer)) {
		if (answer & __NET_XMIT_BYPASS)
			qdisc_qstats_drop(sch);
		__qdisc_drop(skb, to_free);
		return answer;
	}
	if (qdisc->wash)
		ferry_wash(skb);

	u64_stats_update_begin(&qdisc->sync);
	if (ferry_splits(qdisc, skb)) {
		answer = ferry_put_segments(skb, sch, ruling, now, to_free);
	} else {
		bytes = ferry_packet_bytes(skb);
		own = ferry_put(skb, sch, ruling, now);
		answer = NET_XMIT_SUCCESS;
		if (unlikely(qdisc->queue->dropped))
			answer = ferry_settle(sch, to_free, own, 1, bytes, bytes);
	}
	u64_stats_update_end(&qdisc->sync);
	return answer;
}

static struct sk_buff *ferry_dequeue(struct Qdisc *sch)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	struct ferry_queue *queue = qdisc->queue;
	struct sk_buff *skb;
	u64 wake;

	if (!queue->packets) {
		ferry_queue_rest(queue);
		return NULL;
	}
	queue->mode = ferry_mode();
	u64_stats_update_begin(&qdisc->sync);
	skb = ferry_queue_get(queue, ktime_get_ns(), &wake);
	u64_stats_update_end(&qdisc->sync);
	if (skb) {
		sch->q.qlen--;
		sch->qstats.backlog -= ferry_packet_bytes(skb);
		_bstats_update(&sch->bstats, ferry_packet_bytes(skb), ferry_packet_segments(skb));
	} else if (wake) {
		if (queue->backlog && ferry_shaper_shapes(&queue->shaper))
			qdisc_qstats_overlimit(sch);
		qdisc_watchdog_schedule_ns(&qdisc->watchdog, wake);
	}
	if (unlikely(queue->dropped)) {
		ferry_qdisc_free_dropped(sch, NULL);
		qdisc_tree_reduce_backlog(sch, qdisc->untold_packets, qdisc->untold_bytes);
		qdisc->untold_packets = 0;
		qdisc->untold_bytes = 0;
	}
	return skb;
}

static void ferry_reset(struct Qdisc *sch)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);

	if (!qdisc->queue)
		return;
	qdisc_watchdog_cancel(&qdisc->watchdog);
	ferry_queue_purge(qdisc->queue, ktime_get_ns());
	kfree_skb_list(qdisc->queue->dropped);
	qdisc->queue->dropped = NULL;
	sch->q.qlen = 0;
	sch->qstats.backlog = 0;
}

static int ferry_init(struct Qdisc *sch, struct nlattr *options, struct netlink_ext_ack *extack)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	int err;

	/* First, because a failing init is followed by destroy. */
	qdisc->sch = sch;
	qdisc_watchdog_init(&qdisc->watchdog, sch);
	u64_stats_init(&qdisc->sync);
	INIT_LIST_HEAD(&qdisc->entry);

	/* CAP_NET_ADMIN in a user namespace of one's own is what everybody can have. */
	if (!capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack, "only root of the machine may attach the qdisc ferry");
		return -EPERM;
	}
	qdisc->queue = kvzalloc(sizeof(*qdisc->queue), GFP_KERNEL);
	if (!qdisc->queue) {
		NL_SET_ERR_MSG(extack, "not enough memory for the flow tables");
		return -ENOMEM;
	}
	ferry_queue_init(qdisc->queue, ferry_options_limit(0), ktime_get_ns());
	ferry_classify_table_init(qdisc->dscp);
	qdisc->split = FERRY_SPLIT_GSO_AUTO;
	err = tcf_block_get(&qdisc->block, &qdisc->filters, sch, extack);
	if (err)
		return err;
	if (options) {
		err = ferry_options_change(sch, options, extack);
		if (err)
			return err;
	}
	ferry_stats_enlist(qdisc);
	return 0;
}

static void ferry_destroy(struct Qdisc *sch)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);

	ferry_stats_delist(qdisc);
	qdisc_watchdog_cancel(&qdisc->watchdog);
	tcf_block_put(qdisc->block);
	kvfree(qdisc->queue);
}

/* The rest is what the kernel asks of a qdisc that takes filters; there are no classes to name. */
static struct Qdisc *ferry_leaf(struct Qdisc *sch, unsigned long class)
{
	return NULL;
}

static unsigned long ferry_find(struct Qdisc *sch, u32 classid)
{
	return 0;
}

static unsigned long ferry_bind_filter(struct Qdisc *sch, unsigned long parent, u32 classid)
{
	return 0;
}

static void ferry_unbind_filter(struct Qdisc *sch, unsigned long class)
{
}

static struct tcf_block *ferry_filter_block(struct Qdisc *sch, unsigned long class,
					    struct netlink_ext_ack *extack)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);

	return class ? NULL : qdisc->block;
}

static void ferry_walk(struct Qdisc *sch, struct qdisc_walker *walker)
{
}

static const struct Qdisc_class_ops ferry_class_ops = {
	.leaf = ferry_leaf,
	.find = ferry_find,
	.walk = ferry_walk,
	.tcf_block = ferry_filter_block,
	.bind_tcf = ferry_bind_filter,
	.unbind_tcf = ferry_unbind_filter,
};

static struct Qdisc_ops ferry_qdisc_ops __read_mostly = {
	.id = "ferry",
	.cl_ops = &ferry_class_ops,
	.priv_size = sizeof(struct ferry_qdisc),
	.enqueue = ferry_enqueue,
	.dequeue = ferry_dequeue,
	.peek = qdisc_peek_dequeued,
	.init = ferry_init,
	.reset = ferry_reset,
	.destroy = ferry_destroy,
	.change = ferry_options_change,
	.dump = ferry_options_dump,
	.dump_stats = ferry_stats_dump,
	.owner = THIS_MODULE,
};

static int ferry_mode_changed(struct notifier_block *nb, unsigned long mode, void *data)
{
	ferry_stats_kick_all();
	return NOTIFY_OK;
}

static struct notifier_block ferry_mode_notifier = {
	.notifier_call = ferry_mode_changed,
};

int ferry_qdisc_register(void)
{
	int err;

	err = ferry_mode_register_notifier(&ferry_mode_notifier);
	if (err)
		return err;
	err = register_qdisc(&ferry_qdisc_ops);
	if (err)
		ferry_mode_unregister_notifier(&ferry_mode_notifier);
	return err;
}

void ferry_qdisc_unregister(void)
{
	unregister_qdisc(&ferry_qdisc_ops);
	ferry_mode_unregister_notifier(&ferry_mode_notifier);
}
