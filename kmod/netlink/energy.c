// SPDX-License-Identifier: GPL-2.0-only
/* Commands and events of energy sources and of the linear estimate. */
#include <linux/ferry.h>

#include "family.h"

static int ferry_genl_no_energy(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "this version of ferry.ko has no energy sources");
	return -EOPNOTSUPP;
}

int ferry_genl_energy_get(struct sk_buff *skb, struct genl_info *info)
{
	return ferry_genl_no_energy(info->extack);
}

int ferry_genl_energy_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return ferry_genl_no_energy(cb->extack);
}

int ferry_genl_energy_set(struct sk_buff *skb, struct genl_info *info)
{
	return ferry_genl_no_energy(info->extack);
}

int ferry_genl_energy_del(struct sk_buff *skb, struct genl_info *info)
{
	return ferry_genl_no_energy(info->extack);
}

int ferry_genl_model_set(struct sk_buff *skb, struct genl_info *info)
{
	return ferry_genl_no_energy(info->extack);
}

int ferry_genl_energy_start(void)
{
	return 0;
}

void ferry_genl_energy_stop(void)
{
}
