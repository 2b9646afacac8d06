// SPDX-License-Identifier: GPL-2.0-only
/* Commands and events of links. */
#include <linux/ferry.h>
#include <linux/notifier.h>
#include <net/sock.h>

#include "../compat/genl.h"
#include "../link/link.h"
#include "../qdisc/stats.h"
#include "family.h"

/* Attribute of each reading, and whether it is signed. */
static const struct {
	u8 attribute;
	bool is_signed;
} ferry_link_attributes[FERRY_LINK_VALUE_COUNT] = {
	[FERRY_LINK_STATE] = {FERRY_LINK_A_STATE},
	[FERRY_LINK_TX_RATE_KBPS] = {FERRY_LINK_A_TX_RATE_KBPS},
	[FERRY_LINK_RX_RATE_KBPS] = {FERRY_LINK_A_RX_RATE_KBPS},
	[FERRY_LINK_CAPACITY_KBPS] = {FERRY_LINK_A_CAPACITY_KBPS},
	[FERRY_LINK_SRTT_US] = {FERRY_LINK_A_SRTT_US},
	[FERRY_LINK_RTTVAR_US] = {FERRY_LINK_A_RTTVAR_US},
	[FERRY_LINK_RETRANSMIT_PPM] = {FERRY_LINK_A_RETRANSMIT_PPM},
	[FERRY_LINK_SIGNAL_DBM] = {FERRY_LINK_A_SIGNAL_DBM, true},
};

/* Enough for one link, with its classes. */
#define FERRY_LINK_MESSAGE_BYTES 4096

/* A message about a link, in the making. */
struct ferry_link_message {
	struct sk_buff *skb;
	u32 portid;
	u32 seq;
	int flags;
	u8 cmd;
};

static int ferry_genl_put_class(struct sk_buff *skb, unsigned int class,
				const struct ferry_class_stats *stats)
{
	struct nlattr *nest = nla_nest_start(skb, TCA_FERRY_STATS_CLASS);

	if (!nest || nla_put_u8(skb, TCA_FERRY_CSTATS_ID, class) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_PACKETS, stats->packets,
			      TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_BYTES, stats->bytes, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_DROPS, stats->drops, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_MARKS, stats->marks, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u64_64bit(skb, TCA_FERRY_CSTATS_LATE, stats->late, TCA_FERRY_CSTATS_PAD) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_BACKLOG, stats->backlog_bytes) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_QLEN, stats->backlog_packets) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_P50, stats->sojourn_p50_us) ||
	    nla_put_u32(skb, TCA_FERRY_CSTATS_P99, stats->sojourn_p99_us) ||
	    nla_put_64bit(skb, TCA_FERRY_CSTATS_SOURCES, sizeof(stats->by_source), stats->by_source,
			  TCA_FERRY_CSTATS_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int ferry_genl_put_classes(struct sk_buff *skb, struct net_device *netdev)
{
	struct ferry_class_stats stats;
	struct nlattr *nest;
	unsigned int class;

	if (ferry_qdisc_class_stats(netdev, 0, &stats))
		return 0;
	nest = nla_nest_start(skb, FERRY_LINK_A_CLASSES);
	if (!nest)
		return -EMSGSIZE;
	for (class = 0; class < FERRY_CLASS_COUNT; class ++) {
		/* The qdisc may go in between; then there is nothing to tell. */
		if (ferry_qdisc_class_stats(netdev, class, &stats)) {
			nla_nest_cancel(skb, nest);
			return 0;
		}
		if (ferry_genl_put_class(skb, class, &stats))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int ferry_genl_put_link(struct sk_buff *skb, const struct ferry_link_snapshot *now)
{
	int i;

	if (nla_put_u32(skb, FERRY_LINK_A_IFINDEX, now->ifindex) ||
	    nla_put_string(skb, FERRY_LINK_A_NAME, now->name) ||
	    nla_put_u32(skb, FERRY_LINK_A_BACKLOG_BYTES, now->backlog_bytes) ||
	    nla_put_u32(skb, FERRY_LINK_A_PROVENANCE, now->provenance))
		return -EMSGSIZE;
	if (now->age_known && nla_put_u32(skb, FERRY_LINK_A_AGE_MS, now->age_ms))
		return -EMSGSIZE;
	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++) {
		const u8 attribute = ferry_link_attributes[i].attribute;

		/* The bits of a negative number are those of an s32 as well. */
		if (now->known & BIT(i) && nla_put_u32(skb, attribute, (u32)now->value[i]))
			return -EMSGSIZE;
	}
	return 0;
}

/* @data: struct ferry_link_message. Adds the link, or leaves the message as it was. */
static int ferry_genl_add_link(struct ferry_link *link, void *data)
{
	const struct ferry_link_message *message = data;
	struct sk_buff *skb = message->skb;
	struct ferry_link_snapshot now;
	void *header;

	ferry_link_snapshot(link, &now);
	header = genlmsg_put(skb, message->portid, message->seq, &ferry_family, message->flags,
			     message->cmd);
	if (!header)
		return -EMSGSIZE;
	if (ferry_genl_put_link(skb, &now) ||
	    (message->cmd == FERRY_CMD_LINK_GET && ferry_genl_put_classes(skb, link->netdev))) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

static int ferry_genl_no_link(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "no network device of this namespace has this index");
	return -ENODEV;
}

static int ferry_genl_ifindex(struct genl_info *info, unsigned long *ifindex)
{
	struct nlattr *attr = info->attrs[FERRY_LINK_A_IFINDEX];

	if (!attr) {
		NL_SET_ERR_MSG(info->extack, "the index of a network device is missing");
		return -EINVAL;
	}
	*ifindex = nla_get_u32(attr);
	return 0;
}

int ferry_genl_link_get(struct sk_buff *skb, struct genl_info *info)
{
	struct ferry_link_message message = {
		.portid = info->snd_portid,
		.seq = info->snd_seq,
		.cmd = FERRY_CMD_LINK_GET,
	};
	unsigned long ifindex;
	int err;

	err = ferry_genl_ifindex(info, &ifindex);
	if (err)
		return err;
	message.skb = genlmsg_new(FERRY_LINK_MESSAGE_BYTES, GFP_KERNEL);
	if (!message.skb)
		return -ENOMEM;
	err = ferry_link_visit(genl_info_net(info), &ifindex, true, ferry_genl_add_link, &message);
	if (err) {
		nlmsg_free(message.skb);
		return err == -ENODEV ? ferry_genl_no_link(info->extack) : err;
	}
	return genlmsg_reply(message.skb, info);
}

/* In cb->args: the ifindex to go on from, and whether that was the last. */
int ferry_genl_link_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr **attrs = ferry_genl_dump_attrs(cb);
	struct nlattr *only = attrs ? attrs[FERRY_LINK_A_IFINDEX] : NULL;
	struct ferry_link_message message = {
		.skb = skb,
		.portid = NETLINK_CB(cb->skb).portid,
		.seq = cb->nlh->nlmsg_seq,
		.flags = NLM_F_MULTI,
		.cmd = FERRY_CMD_LINK_GET,
	};
	unsigned long ifindex = only ? nla_get_u32(only) : cb->args[0];
	int err;

	if (cb->args[1])
		return 0;
	err = ferry_link_visit(sock_net(cb->skb->sk), &ifindex, only, ferry_genl_add_link,
			       &message);
	if (err == -EMSGSIZE && skb->len) {
		/* Full: the one that did not fit comes first next time. */
		cb->args[0] = ifindex;
		return skb->len;
	}
	if (err == -ENODEV && only)
		return ferry_genl_no_link(cb->extack);
	if (err && err != -ENODEV)
		return err;
	cb->args[1] = 1;
	return skb->len;
}

/* @data: const struct ferry_link_push. */
static int ferry_genl_push(struct ferry_link *link, void *data)
{
	ferry_link_take(link, data);
	return 0;
}

int ferry_genl_link_set(struct sk_buff *skb, struct genl_info *info)
{
	struct ferry_link_push push = {.valid_ms = FERRY_VALID_MS_DEFAULT};
	struct nlattr **attrs = info->attrs;
	unsigned long ifindex;
	int i, err;

	err = ferry_genl_ifindex(info, &ifindex);
	if (err)
		return err;
	if (!attrs[FERRY_LINK_A_PROVENANCE]) {
		NL_SET_ERR_MSG(info->extack,
			       "where the readings come from (provenance) is missing");
		return -EINVAL;
	}
	push.provenance = nla_get_u32(attrs[FERRY_LINK_A_PROVENANCE]);
	if (attrs[FERRY_LINK_A_AGE_MS])
		push.age_ms = nla_get_u32(attrs[FERRY_LINK_A_AGE_MS]);
	if (attrs[FERRY_LINK_A_VALID_MS])
		push.valid_ms = nla_get_u32(attrs[FERRY_LINK_A_VALID_MS]);
	if (push.age_ms >= push.valid_ms) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[FERRY_LINK_A_AGE_MS],
				    "the readings are too old to hold");
		return -EINVAL;
	}
	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++) {
		struct nlattr *attr = attrs[ferry_link_attributes[i].attribute];

		if (!attr)
			continue;
		push.given |= BIT(i);
		/* Not in one expression: u32 and s32 would meet as u32. */
		if (ferry_link_attributes[i].is_signed)
			push.value[i] = nla_get_s32(attr);
		else
			push.value[i] = nla_get_u32(attr);
	}
	if (!push.given) {
		NL_SET_ERR_MSG(info->extack, "there is no reading in the message");
		return -EINVAL;
	}
	err = ferry_link_visit(genl_info_net(info), &ifindex, true, ferry_genl_push, &push);
	return err == -ENODEV ? ferry_genl_no_link(info->extack) : err;
}

static int ferry_genl_put_gone(struct sk_buff *skb, struct ferry_link *link)
{
	void *header = genlmsg_put(skb, 0, 0, &ferry_family, 0, FERRY_CMD_LINK_GONE);

	/* The name changes with RTNL held only, as it is when a link goes. */
	if (!header || nla_put_u32(skb, FERRY_LINK_A_IFINDEX, link->netdev->ifindex) ||
	    nla_put_string(skb, FERRY_LINK_A_NAME, link->name))
		return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

static int ferry_genl_link_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct ferry_link_message message = {.cmd = FERRY_CMD_LINK_CHANGED};
	struct ferry_link *link = data;
	struct net *net = dev_net(link->netdev);
	int err;

	if (!genl_has_listeners(&ferry_family, net, FERRY_GROUP_LINK))
		return NOTIFY_DONE;
	message.skb = genlmsg_new(FERRY_LINK_MESSAGE_BYTES, GFP_KERNEL);
	if (message.skb) {
		if (event == FERRY_LINK_GONE)
			err = ferry_genl_put_gone(message.skb, link);
		else
			err = ferry_genl_add_link(link, &message);
		if (!err) {
			genlmsg_multicast_netns(&ferry_family, net, message.skb, 0,
						FERRY_GROUP_LINK, GFP_KERNEL);
			return NOTIFY_DONE;
		}
		nlmsg_free(message.skb);
	}
	/* Listeners have missed something, and learn it as if they had been too slow. */
	genl_set_err(&ferry_family, net, 0, FERRY_GROUP_LINK, -ENOBUFS);
	return NOTIFY_DONE;
}

static struct notifier_block ferry_genl_link_notifier = {
	.notifier_call = ferry_genl_link_event,
};

int ferry_genl_link_start(void)
{
	return ferry_link_register_notifier(&ferry_genl_link_notifier);
}

void ferry_genl_link_stop(void)
{
	ferry_link_unregister_notifier(&ferry_genl_link_notifier);
}
