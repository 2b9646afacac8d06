// SPDX-License-Identifier: GPL-2.0-only
/* Commands and events of energy sources and of the linear estimate. */
#include <linux/ferry.h>
#include <linux/ktime.h>
#include <linux/notifier.h>

#include "../energy/model.h"
#include "../energy/source.h"
#include "family.h"

/* Room for all attributes of one source, names included. */
#define FERRY_ENERGY_MESSAGE_BYTES 512

static int ferry_genl_put_source(struct sk_buff *skb, const struct ferry_energy_view *view)
{
	if (nla_put_string(skb, FERRY_ENERGY_A_NAME, view->name) ||
	    nla_put_u32(skb, FERRY_ENERGY_A_KIND, view->kind) ||
	    nla_put_u32(skb, FERRY_ENERGY_A_PROVENANCE, view->provenance) ||
	    (view->age_ms != U32_MAX && nla_put_u32(skb, FERRY_ENERGY_A_AGE_MS, view->age_ms)))
		return -EMSGSIZE;
	if (view->has & FERRY_ENERGY_HAS_POWER &&
	    nla_put_u64_64bit(skb, FERRY_ENERGY_A_ENERGY_UJ, view->energy_uj, FERRY_ENERGY_A_PAD))
		return -EMSGSIZE;
	if (view->known &&
	    nla_put_u64_64bit(skb, FERRY_ENERGY_A_POWER_UW, view->power_uw, FERRY_ENERGY_A_PAD))
		return -EMSGSIZE;
	if (view->has & FERRY_ENERGY_HAS_ERROR &&
	    nla_put_u32(skb, FERRY_ENERGY_A_ERROR_PPM, view->error_ppm))
		return -EMSGSIZE;
	if (view->mirror_of[0] && nla_put_string(skb, FERRY_ENERGY_A_MIRROR_OF, view->mirror_of))
		return -EMSGSIZE;
	if (view->fresh & FERRY_ENERGY_HAS_TEMPERATURE &&
	    nla_put_s32(skb, FERRY_ENERGY_A_TEMPERATURE_MDEG, view->temperature_mdeg))
		return -EMSGSIZE;
	if (view->fresh & FERRY_ENERGY_HAS_CHARGE &&
	    nla_put_u32(skb, FERRY_ENERGY_A_BATTERY_PPM, view->battery_ppm))
		return -EMSGSIZE;
	if (view->fresh & FERRY_ENERGY_HAS_UWH &&
	    nla_put_u64_64bit(skb, FERRY_ENERGY_A_BATTERY_UWH, view->battery_uwh,
			      FERRY_ENERGY_A_PAD))
		return -EMSGSIZE;
	if (view->fresh & FERRY_ENERGY_HAS_CHARGING &&
	    nla_put_u8(skb, FERRY_ENERGY_A_CHARGING, view->charging))
		return -EMSGSIZE;
	return 0;
}

/* Adds a message about @view to @skb, or leaves it as it was. */
static int ferry_genl_add_source(struct sk_buff *skb, u32 portid, u32 seq, int flags, u8 cmd,
				 const struct ferry_energy_view *view)
{
	void *header = genlmsg_put(skb, portid, seq, &ferry_family, flags, cmd);

	if (!header)
		return -EMSGSIZE;
	if (ferry_genl_put_source(skb, view)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

int ferry_genl_energy_get(struct sk_buff *skb, struct genl_info *info)
{
	struct ferry_energy_view view;

	if (!info->attrs[FERRY_ENERGY_A_NAME]) {
		NL_SET_ERR_MSG(info->extack, "the name of the source is missing");
		return -EINVAL;
	}
	if (ferry_energy_source_find(nla_data(info->attrs[FERRY_ENERGY_A_NAME]), &view)) {
		NL_SET_ERR_MSG(info->extack, "there is no such source");
		return -ENOENT;
	}
	skb = genlmsg_new(FERRY_ENERGY_MESSAGE_BYTES, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	if (ferry_genl_add_source(skb, info->snd_portid, info->snd_seq, 0, FERRY_CMD_ENERGY_GET,
				  &view)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	return genlmsg_reply(skb, info);
}

int ferry_genl_energy_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ferry_energy_view view;

	/* args[0] is the id of the last source that fitted. */
	while (ferry_energy_source_next(cb->args[0], &view)) {
		if (ferry_genl_add_source(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
					  NLM_F_MULTI, FERRY_CMD_ENERGY_GET, &view))
			return skb->len ? skb->len : -EMSGSIZE;
		cb->args[0] = view.id;
	}
	return skb->len;
}

/* Where the counter of @info ends. */
static int ferry_genl_counter_max(struct genl_info *info, u64 *max)
{
	struct nlattr *bits = info->attrs[FERRY_ENERGY_A_COUNTER_BITS];
	struct nlattr *end = info->attrs[FERRY_ENERGY_A_COUNTER_MAX_UJ];

	if (bits && end) {
		NL_SET_ERR_MSG(info->extack, "a counter has either bits or a largest value");
		return -EINVAL;
	}
	if (end)
		*max = nla_get_u64(end);
	else
		*max = ferry_energy_counter_max(bits ? nla_get_u32(bits) : 64);
	return 0;
}

/* What @info says, policies apart from the limits that depend on each other. */
static int ferry_genl_reading(struct genl_info *info, struct ferry_energy_reading *reading)
{
	struct nlattr **attrs = info->attrs;
	u32 age_ms = 0;
	int err;

	if (!attrs[FERRY_ENERGY_A_PROVENANCE]) {
		NL_SET_ERR_MSG(info->extack, "the provenance of the reading is missing");
		return -EINVAL;
	}
	reading->provenance = nla_get_u32(attrs[FERRY_ENERGY_A_PROVENANCE]);
	reading->valid_ms = attrs[FERRY_ENERGY_A_VALID_MS]
				    ? nla_get_u32(attrs[FERRY_ENERGY_A_VALID_MS])
				    : FERRY_VALID_MS_DEFAULT;
	if (attrs[FERRY_ENERGY_A_AGE_MS])
		age_ms = nla_get_u32(attrs[FERRY_ENERGY_A_AGE_MS]);
	if (age_ms >= reading->valid_ms) {
		NL_SET_ERR_MSG(info->extack, "the reading is too old to hold");
		return -EINVAL;
	}
	reading->taken_ns = ktime_get_boottime_ns();
	/* It cannot be older than the machine; a clock of 0 is its beginning. */
	reading->taken_ns -= min_t(u64, reading->taken_ns, (u64)age_ms * NSEC_PER_MSEC);
	if (attrs[FERRY_ENERGY_A_POWER_UW]) {
		reading->power_uw = nla_get_u64(attrs[FERRY_ENERGY_A_POWER_UW]);
		reading->has |= FERRY_ENERGY_HAS_POWER;
	}
	if (attrs[FERRY_ENERGY_A_COUNTER_UJ]) {
		reading->counter_uj = nla_get_u64(attrs[FERRY_ENERGY_A_COUNTER_UJ]);
		reading->has |= FERRY_ENERGY_HAS_COUNTER;
		err = ferry_genl_counter_max(info, &reading->counter_max);
		if (err)
			return err;
	}
	if (attrs[FERRY_ENERGY_A_TEMPERATURE_MDEG]) {
		reading->temperature_mdeg = nla_get_s32(attrs[FERRY_ENERGY_A_TEMPERATURE_MDEG]);
		reading->has |= FERRY_ENERGY_HAS_TEMPERATURE;
	}
	if (attrs[FERRY_ENERGY_A_BATTERY_PPM]) {
		reading->battery_ppm = nla_get_u32(attrs[FERRY_ENERGY_A_BATTERY_PPM]);
		reading->has |= FERRY_ENERGY_HAS_CHARGE;
	}
	if (attrs[FERRY_ENERGY_A_BATTERY_UWH]) {
		reading->battery_uwh = nla_get_u64(attrs[FERRY_ENERGY_A_BATTERY_UWH]);
		reading->has |= FERRY_ENERGY_HAS_UWH;
	}
	if (attrs[FERRY_ENERGY_A_CHARGING]) {
		reading->charging = nla_get_u8(attrs[FERRY_ENERGY_A_CHARGING]);
		reading->has |= FERRY_ENERGY_HAS_CHARGING;
	}
	if (attrs[FERRY_ENERGY_A_ERROR_PPM]) {
		reading->error_ppm = nla_get_u32(attrs[FERRY_ENERGY_A_ERROR_PPM]);
		reading->has |= FERRY_ENERGY_HAS_ERROR;
	}
	if (attrs[FERRY_ENERGY_A_MIRROR_OF]) {
		nla_strscpy(reading->mirror_of, attrs[FERRY_ENERGY_A_MIRROR_OF],
			    sizeof(reading->mirror_of));
		reading->has |= FERRY_ENERGY_HAS_MIRROR;
	}
	return 0;
}

int ferry_genl_energy_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *name = info->attrs[FERRY_ENERGY_A_NAME];
	struct nlattr *kind = info->attrs[FERRY_ENERGY_A_KIND];
	struct ferry_energy_reading reading = {};
	int err;

	if (!name) {
		NL_SET_ERR_MSG(info->extack, "the name of the source is missing");
		return -EINVAL;
	}
	if (kind && (nla_get_u32(kind) == FERRY_ENERGY_KIND_MODEL ||
		     nla_get_u32(kind) == FERRY_ENERGY_KIND_TOTAL)) {
		NL_SET_ERR_MSG_ATTR(info->extack, kind, "this kind is the kernel's own");
		return -EINVAL;
	}
	err = ferry_genl_reading(info, &reading);
	if (err)
		return err;
	return ferry_energy_source_feed(nla_data(name), FERRY_ENERGY_OWNER_PUSH,
					kind ? (int)nla_get_u32(kind) : -1, &reading, info->extack);
}

int ferry_genl_energy_del(struct sk_buff *skb, struct genl_info *info)
{
	if (!info->attrs[FERRY_ENERGY_A_NAME]) {
		NL_SET_ERR_MSG(info->extack, "the name of the source is missing");
		return -EINVAL;
	}
	return ferry_energy_source_remove(nla_data(info->attrs[FERRY_ENERGY_A_NAME]),
					  FERRY_ENERGY_OWNER_PUSH, info->extack);
}

int ferry_genl_model_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	struct ferry_energy_model model = {};
	u32 airtime_ppm = 0, has = 0;

#define ferry_take(attribute, get, field, bit)                         \
	do {                                                           \
		if (attrs[FERRY_MODEL_A_##attribute]) {                \
			field = get(attrs[FERRY_MODEL_A_##attribute]); \
			has |= FERRY_MODEL_HAS_##bit;                  \
		}                                                      \
	} while (0)
	ferry_take(IDLE_UW, nla_get_u64, model.idle_uw, IDLE);
	ferry_take(BUSY_UW, nla_get_u64, model.busy_uw, BUSY);
	ferry_take(TX_NJ_PER_BYTE, nla_get_u32, model.tx_nj_per_byte, TX);
	ferry_take(RX_NJ_PER_BYTE, nla_get_u32, model.rx_nj_per_byte, RX);
	ferry_take(ERROR_PPM, nla_get_u32, model.error_ppm, ERROR);
	ferry_take(AIRTIME_UW, nla_get_u64, model.airtime_uw, AIRTIME_UW);
	ferry_take(AIRTIME_PPM, nla_get_u32, airtime_ppm, AIRTIME);
#undef ferry_take
	if (!has) {
		NL_SET_ERR_MSG(info->extack, "there is no coefficient to set");
		return -EINVAL;
	}
	ferry_energy_model_set(&model, airtime_ppm, has);
	return 0;
}

/* To the initial namespace only: see ferry_groups in family.c. */
static int ferry_genl_energy_changed(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct ferry_energy_view *view = data;
	const u8 cmd = action == FERRY_ENERGY_GONE ? FERRY_CMD_ENERGY_GONE
						   : FERRY_CMD_ENERGY_CHANGED;
	struct sk_buff *skb;
	void *header;
	int err;

	if (!genl_has_listeners(&ferry_family, &init_net, FERRY_GROUP_ENERGY))
		return NOTIFY_DONE;
	skb = genlmsg_new(FERRY_ENERGY_MESSAGE_BYTES, GFP_KERNEL);
	if (!skb)
		goto lost;
	header = genlmsg_put(skb, 0, 0, &ferry_family, 0, cmd);
	if (!header)
		goto free;
	if (action == FERRY_ENERGY_GONE)
		err = nla_put_string(skb, FERRY_ENERGY_A_NAME, view->name);
	else
		err = ferry_genl_put_source(skb, view);
	if (err)
		goto free;
	genlmsg_end(skb, header);
	genlmsg_multicast_netns(&ferry_family, &init_net, skb, 0, FERRY_GROUP_ENERGY, GFP_KERNEL);
	return NOTIFY_DONE;

free:
	nlmsg_free(skb);
lost:
	/* Listeners have missed something, and learn it as if they had been too slow. */
	genl_set_err(&ferry_family, &init_net, 0, FERRY_GROUP_ENERGY, -ENOBUFS);
	return NOTIFY_DONE;
}

static struct notifier_block ferry_genl_energy_notifier = {
	.notifier_call = ferry_genl_energy_changed,
};

int ferry_genl_energy_start(void)
{
	return ferry_energy_register_notifier(&ferry_genl_energy_notifier);
}

void ferry_genl_energy_stop(void)
{
	ferry_energy_unregister_notifier(&ferry_genl_energy_notifier);
}
