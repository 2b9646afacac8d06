// SPDX-License-Identifier: GPL-2.0-only
/*
 * The family: which commands there are, what they take and who may call them. The specification is
 * include/uapi/linux/ferry.h; tests/vm/netlink_rights holds this table to it.
 *
 * Commands run in parallel (parallel_ops): the rooms that they act on have locks of their own.
 */
#include <linux/ferry.h>
#include <linux/module.h>

#include "../compat/genl.h"
#include "family.h"

static ferry_const_range struct netlink_range_validation ferry_power_uw = {
	.max = FERRY_POWER_UW_MAX,
};
static ferry_const_range struct netlink_range_validation ferry_ifindex = {
	.min = 1,
	.max = INT_MAX,
};
static ferry_const_range struct netlink_range_validation ferry_rtt_us = {
	.max = FERRY_LINK_RTT_US_MAX,
};
static ferry_const_range struct netlink_range_validation ferry_ppm = {.max = FERRY_PPM};
static ferry_const_range struct netlink_range_validation ferry_age_ms = {.max = FERRY_AGE_MS_MAX};
static ferry_const_range struct netlink_range_validation ferry_valid_ms = {
	.min = FERRY_VALID_MS_MIN,
	.max = FERRY_VALID_MS_MAX,
};
static ferry_const_range struct netlink_range_validation_signed ferry_temperature_mdeg = {
	.min = FERRY_TEMPERATURE_MDEG_MIN,
	.max = FERRY_TEMPERATURE_MDEG_MAX,
};

#define FERRY_PROVENANCE_POLICY \
	NLA_POLICY_RANGE(NLA_U32, FERRY_PROVENANCE_FAKE, FERRY_PROVENANCE_MEASURED)
#define FERRY_NAME_POLICY                                            \
	{                                                            \
		.type = NLA_NUL_STRING, .len = FERRY_ENERGY_NAME_MAX \
	}

static const struct nla_policy ferry_link_get_policy[FERRY_LINK_A_MAX + 1] = {
	[FERRY_LINK_A_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ifindex),
};

static const struct nla_policy ferry_link_set_policy[FERRY_LINK_A_MAX + 1] = {
	[FERRY_LINK_A_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ifindex),
	[FERRY_LINK_A_STATE] = NLA_POLICY_MAX(NLA_U32, FERRY_LINK_STATE_COUNT - 1),
	[FERRY_LINK_A_TX_RATE_KBPS] = {.type = NLA_U32},
	[FERRY_LINK_A_RX_RATE_KBPS] = {.type = NLA_U32},
	[FERRY_LINK_A_CAPACITY_KBPS] = {.type = NLA_U32},
	[FERRY_LINK_A_SRTT_US] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_rtt_us),
	[FERRY_LINK_A_RTTVAR_US] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_rtt_us),
	[FERRY_LINK_A_RETRANSMIT_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ppm),
	[FERRY_LINK_A_SIGNAL_DBM] =
		NLA_POLICY_RANGE(NLA_S32, FERRY_LINK_SIGNAL_DBM_MIN, FERRY_LINK_SIGNAL_DBM_MAX),
	[FERRY_LINK_A_PROVENANCE] = FERRY_PROVENANCE_POLICY,
	[FERRY_LINK_A_AGE_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_age_ms),
	[FERRY_LINK_A_VALID_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_valid_ms),
};

static const struct nla_policy ferry_energy_get_policy[FERRY_ENERGY_A_MAX + 1] = {
	[FERRY_ENERGY_A_NAME] = FERRY_NAME_POLICY,
};

static const struct nla_policy ferry_energy_set_policy[FERRY_ENERGY_A_MAX + 1] = {
	[FERRY_ENERGY_A_NAME] = FERRY_NAME_POLICY,
	[FERRY_ENERGY_A_KIND] = NLA_POLICY_MAX(NLA_U32, FERRY_ENERGY_KIND_COUNT - 1),
	[FERRY_ENERGY_A_POWER_UW] = NLA_POLICY_FULL_RANGE(NLA_U64, &ferry_power_uw),
	[FERRY_ENERGY_A_COUNTER_UJ] = {.type = NLA_U64},
	[FERRY_ENERGY_A_COUNTER_BITS] = NLA_POLICY_RANGE(NLA_U32, 1, 64),
	[FERRY_ENERGY_A_TEMPERATURE_MDEG] =
		NLA_POLICY_FULL_RANGE_SIGNED(NLA_S32, &ferry_temperature_mdeg),
	[FERRY_ENERGY_A_BATTERY_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ppm),
	[FERRY_ENERGY_A_BATTERY_UWH] = {.type = NLA_U64},
	[FERRY_ENERGY_A_CHARGING] = NLA_POLICY_MAX(NLA_U8, 1),
	[FERRY_ENERGY_A_PROVENANCE] = FERRY_PROVENANCE_POLICY,
	[FERRY_ENERGY_A_ERROR_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ppm),
	[FERRY_ENERGY_A_MIRROR_OF] = FERRY_NAME_POLICY,
	[FERRY_ENERGY_A_AGE_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_age_ms),
	[FERRY_ENERGY_A_VALID_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_valid_ms),
	[FERRY_ENERGY_A_COUNTER_MAX_UJ] = {.type = NLA_U64},
};

static const struct nla_policy ferry_model_set_policy[FERRY_MODEL_A_MAX + 1] = {
	[FERRY_MODEL_A_IDLE_UW] = NLA_POLICY_FULL_RANGE(NLA_U64, &ferry_power_uw),
	[FERRY_MODEL_A_BUSY_UW] = NLA_POLICY_FULL_RANGE(NLA_U64, &ferry_power_uw),
	[FERRY_MODEL_A_TX_NJ_PER_BYTE] = {.type = NLA_U32},
	[FERRY_MODEL_A_RX_NJ_PER_BYTE] = {.type = NLA_U32},
	[FERRY_MODEL_A_ERROR_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ppm),
	[FERRY_MODEL_A_AIRTIME_UW] = NLA_POLICY_FULL_RANGE(NLA_U64, &ferry_power_uw),
	[FERRY_MODEL_A_AIRTIME_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &ferry_ppm),
};

/* A policy without an entry: every attribute is refused. */
static const struct nla_policy ferry_mode_get_policy[FERRY_MODE_A_MAX + 1] = {};

static const struct nla_policy ferry_mode_set_policy[FERRY_MODE_A_MAX + 1] = {
	[FERRY_MODE_A_MODE] = NLA_POLICY_MAX(NLA_U32, FERRY_MODE_COUNT - 1),
};

/*
 * GENL_ADMIN_PERM asks for CAP_NET_ADMIN in the initial user namespace, GENL_UNS_ADMIN_PERM in the
 * one that owns the socket's network namespace. Energy is a side channel into other people's
 * computations, and belongs to the machine: root of a container has no business with it.
 */
static const struct genl_ops ferry_ops[] = {
	{
		.cmd = FERRY_CMD_LINK_GET,
		.policy = ferry_link_get_policy,
		.maxattr = FERRY_LINK_A_MAX,
		.doit = ferry_genl_link_get,
		.dumpit = ferry_genl_link_dump,
	},
	{
		.cmd = FERRY_CMD_LINK_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = ferry_link_set_policy,
		.maxattr = FERRY_LINK_A_MAX,
		.doit = ferry_genl_link_set,
	},
	{
		.cmd = FERRY_CMD_ENERGY_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = ferry_energy_get_policy,
		.maxattr = FERRY_ENERGY_A_MAX,
		.doit = ferry_genl_energy_get,
		.dumpit = ferry_genl_energy_dump,
	},
	{
		.cmd = FERRY_CMD_ENERGY_SET,
		.flags = GENL_ADMIN_PERM,
		.policy = ferry_energy_set_policy,
		.maxattr = FERRY_ENERGY_A_MAX,
		.doit = ferry_genl_energy_set,
	},
	{
		.cmd = FERRY_CMD_ENERGY_DEL,
		.flags = GENL_ADMIN_PERM,
		.policy = ferry_energy_get_policy,
		.maxattr = FERRY_ENERGY_A_MAX,
		.doit = ferry_genl_energy_del,
	},
	{
		.cmd = FERRY_CMD_MODEL_SET,
		.flags = GENL_ADMIN_PERM,
		.policy = ferry_model_set_policy,
		.maxattr = FERRY_MODEL_A_MAX,
		.doit = ferry_genl_model_set,
	},
	{
		.cmd = FERRY_CMD_MODE_GET,
		.policy = ferry_mode_get_policy,
		.maxattr = FERRY_MODE_A_MAX,
		.doit = ferry_genl_mode_get,
	},
	{
		.cmd = FERRY_CMD_MODE_SET,
		.flags = GENL_ADMIN_PERM,
		.policy = ferry_mode_set_policy,
		.maxattr = FERRY_MODE_A_MAX,
		.doit = ferry_genl_mode_set,
	},
};

/*
 * The capability that a group asks for is one over the listener's own network namespace, which root
 * of a container has: what is for root of the machine is sent to the initial namespace only.
 */
static const struct genl_multicast_group ferry_groups[FERRY_GROUP_COUNT] = {
	[FERRY_GROUP_LINK] = {.name = FERRY_GROUP_LINK_NAME},
	[FERRY_GROUP_ENERGY] =
		{
			.name = FERRY_GROUP_ENERGY_NAME,
			.flags = GENL_MCAST_CAP_NET_ADMIN,
		},
	[FERRY_GROUP_MODE] = {.name = FERRY_GROUP_MODE_NAME},
};

struct genl_family ferry_family __ro_after_init = {
	.name = FERRY_GENL_NAME,
	.version = FERRY_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.ops = ferry_ops,
	.n_ops = ARRAY_SIZE(ferry_ops),
	.mcgrps = ferry_groups,
	.n_mcgrps = ARRAY_SIZE(ferry_groups),
};

int ferry_netlink_register(void)
{
	int err;

	err = genl_register_family(&ferry_family);
	if (err)
		return err;
	err = ferry_genl_link_start();
	if (err)
		goto unregister_family;
	err = ferry_genl_energy_start();
	if (err)
		goto stop_link;
	err = ferry_genl_mode_start();
	if (err)
		goto stop_energy;
	return 0;

stop_energy:
	ferry_genl_energy_stop();
stop_link:
	ferry_genl_link_stop();
unregister_family:
	genl_unregister_family(&ferry_family);
	return err;
}

void ferry_netlink_unregister(void)
{
	ferry_genl_mode_stop();
	ferry_genl_energy_stop();
	ferry_genl_link_stop();
	genl_unregister_family(&ferry_family);
}
