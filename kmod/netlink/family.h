/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The generic netlink family `ferry`. family.c has the table of commands with their policies and
 * permissions; the commands themselves stand in link.c, energy.c and mode.c.
 */
#ifndef FERRY_NETLINK_FAMILY_H
#define FERRY_NETLINK_FAMILY_H

#include <net/genetlink.h>

/* Multicast groups, in the order of their offsets. */
enum {
	FERRY_GROUP_LINK,
	FERRY_GROUP_ENERGY,
	FERRY_GROUP_MODE,
	FERRY_GROUP_COUNT,
};

extern struct genl_family ferry_family;

/**
 * ferry_netlink_register() - make the family known, and send events from now on
 *
 * The rooms that the commands act on have to be there already.
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_netlink_register(void);

/**
 * ferry_netlink_unregister() - undo ferry_netlink_register()
 *
 * Context: process context, may sleep. No command runs any more when this returns.
 */
void ferry_netlink_unregister(void);

/* Commands: as struct genl_ops calls them. Policies have been checked, permissions too. */
int ferry_genl_link_get(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_link_dump(struct sk_buff *skb, struct netlink_callback *cb);
int ferry_genl_link_set(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_energy_get(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_energy_dump(struct sk_buff *skb, struct netlink_callback *cb);
int ferry_genl_energy_set(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_energy_del(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_model_set(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_mode_get(struct sk_buff *skb, struct genl_info *info);
int ferry_genl_mode_set(struct sk_buff *skb, struct genl_info *info);

/* Events: subscribe to what the rooms tell, and stop it; no event is sent after the latter. */
int ferry_genl_link_start(void);
void ferry_genl_link_stop(void);
int ferry_genl_energy_start(void);
void ferry_genl_energy_stop(void);
int ferry_genl_mode_start(void);
void ferry_genl_mode_stop(void);

#endif /* FERRY_NETLINK_FAMILY_H */
