// SPDX-License-Identifier: GPL-2.0-only
/* Commands and event of the mode word. */
#include <linux/ferry.h>
#include <linux/notifier.h>

#include "../energy/mode.h"
#include "family.h"

static struct sk_buff *ferry_genl_mode_message(u32 portid, u32 seq, u8 cmd, enum ferry_mode mode)
{
	struct sk_buff *skb;
	void *header;

	skb = genlmsg_new(nla_total_size(sizeof(u32)), GFP_KERNEL);
	if (!skb)
		return NULL;
	header = genlmsg_put(skb, portid, seq, &ferry_family, 0, cmd);
	if (!header || nla_put_u32(skb, FERRY_MODE_A_MODE, mode)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, header);
	return skb;
}

int ferry_genl_mode_get(struct sk_buff *skb, struct genl_info *info)
{
	skb = ferry_genl_mode_message(info->snd_portid, info->snd_seq, FERRY_CMD_MODE_GET,
				      ferry_mode());
	return skb ? genlmsg_reply(skb, info) : -ENOMEM;
}

int ferry_genl_mode_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *mode = info->attrs[FERRY_MODE_A_MODE];

	if (!mode) {
		NL_SET_ERR_MSG(info->extack, "the new mode is missing");
		return -EINVAL;
	}
	return ferry_mode_set(nla_get_u32(mode));
}

/* The mode is the machine's: every namespace hears of it, or that it has missed something. */
static int ferry_genl_mode_changed(struct notifier_block *nb, unsigned long mode, void *unused)
{
	struct sk_buff *skb = ferry_genl_mode_message(0, 0, FERRY_CMD_MODE_CHANGED, mode);

	struct net *net;

	if (skb) {
		genlmsg_multicast_allns(&ferry_family, skb, 0, FERRY_GROUP_MODE);
		return NOTIFY_DONE;
	}
	rcu_read_lock();
	for_each_net_rcu(net) genl_set_err(&ferry_family, net, 0, FERRY_GROUP_MODE, -ENOBUFS);
	rcu_read_unlock();
	return NOTIFY_DONE;
}

static struct notifier_block ferry_genl_mode_notifier = {
	.notifier_call = ferry_genl_mode_changed,
};

int ferry_genl_mode_start(void)
{
	return ferry_mode_register_notifier(&ferry_genl_mode_notifier);
}

void ferry_genl_mode_stop(void)
{
	ferry_mode_unregister_notifier(&ferry_genl_mode_notifier);
}
