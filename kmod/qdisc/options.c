// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of the qdisc: read from netlink, checked as a whole, and only then put to use; and told
 * again in a dump. include/uapi/linux/ferry.h specifies them.
 */
#include <net/netlink.h>
#include <net/pkt_sched.h>

#include "../core/classify.h"
#include "private.h"

#define FERRY_LIMIT_MIN	    65536U
#define FERRY_LIMIT_MAX	    (1U << 30)
#define FERRY_TARGET_MIN    100U
#define FERRY_TARGET_MAX    1000000U
#define FERRY_INTERVAL_MIN  1000U
#define FERRY_INTERVAL_MAX  10000000U
#define FERRY_THRESHOLD_MAX 1000000U
#define FERRY_BUDGET_MIN    500U
#define FERRY_BUDGET_MAX    60000000U
#define FERRY_OVERHEAD_MIN  (-64)
#define FERRY_OVERHEAD_MAX  256
#define FERRY_MPU_MAX	    256U

static const struct nla_policy ferry_policy[TCA_FERRY_MAX + 1] = {
	[TCA_FERRY_RATE64] = {.type = NLA_U64},
	[TCA_FERRY_OVERHEAD] = {.type = NLA_S32},
	[TCA_FERRY_MPU] = {.type = NLA_U32},
	[TCA_FERRY_LIMIT] = {.type = NLA_U32},
	[TCA_FERRY_ECN] = {.type = NLA_U8},
	[TCA_FERRY_TARGET] = {.type = NLA_U32},
	[TCA_FERRY_INTERVAL] = {.type = NLA_U32},
	[TCA_FERRY_CE_THRESHOLD] = {.type = NLA_U32},
	[TCA_FERRY_SPLIT_GSO] = {.type = NLA_U8},
	[TCA_FERRY_FWMARK] = {.type = NLA_U32},
	[TCA_FERRY_DSCP] = NLA_POLICY_EXACT_LEN(FERRY_DSCP_COUNT),
	[TCA_FERRY_WASH] = {.type = NLA_U8},
	[TCA_FERRY_CLASSES] = {.type = NLA_NESTED},
};

static const struct nla_policy ferry_class_policy[TCA_FERRY_CLASS_MAX + 1] = {
	[TCA_FERRY_CLASS_ID] = {.type = NLA_U8},
	[TCA_FERRY_CLASS_BUDGET] = {.type = NLA_U32},
	[TCA_FERRY_CLASS_SHARE] = {.type = NLA_U32},
};

/* Everything that can be set, as it will be. */
struct ferry_options {
	u64 rate;
	s32 overhead;
	u32 mpu;
	u32 limit;
	u32 target;
	u32 interval;
	u32 ce_threshold;
	u32 fwmark_mask;
	u8 ecn;
	u8 split;
	u8 wash;
	u8 dscp[FERRY_DSCP_COUNT];
	u32 budget[FERRY_CLASS_COUNT];
	u32 share[FERRY_CLASS_COUNT];
};

/* One second and a half of the link, within reason: what CoDel needs is far less. */
u32 ferry_options_limit(u64 rate)
{
	const u64 bytes = rate + rate / 2;

	return rate ? clamp_t(u64, bytes, 4U << 20, 64U << 20) : 32U << 20;
}

static void ferry_options_current(const struct ferry_qdisc *qdisc, struct ferry_options *options)
{
	const struct ferry_queue *queue = qdisc->queue;
	unsigned int i;

	options->rate = queue->shaper.rate.bytes_ps;
	options->overhead = queue->shaper.rate.overhead;
	options->mpu = queue->shaper.rate.mpu;
	options->limit = qdisc->limit;
	options->target = ferry_us(queue->target);
	options->interval = ferry_us(queue->interval);
	options->ce_threshold = ferry_us(queue->ce_threshold);
	options->fwmark_mask = qdisc->fwmark_mask;
	options->ecn = queue->ecn;
	options->split = qdisc->split;
	options->wash = qdisc->wash;
	memcpy(options->dscp, qdisc->dscp, sizeof(options->dscp));
	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		options->budget[i] = queue->class[i].budget_us;
		options->share[i] = queue->class[i].share;
	}
}

/*
 * Parses the attributes of @nest. Strictly: unknown, misshapen and repeated ones are refused. But
 * tc does not flag TCA_OPTIONS itself as a nest, so that is not asked for.
 */
static int ferry_options_parse(struct nlattr **attrs, int max, const struct nlattr *nest,
			       const struct nla_policy *policy, struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	unsigned long seen = 0;
	int left;
	int err;

	err = __nla_parse(attrs, max, nla_data(nest), nla_len(nest), policy, NL_VALIDATE_STRICT,
			  extack);
	if (err)
		return err;
	nla_for_each_nested(attr, nest, left)
	{
		if (seen & BIT(nla_type(attr))) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "an option is given twice");
			return -EINVAL;
		}
		seen |= BIT(nla_type(attr));
	}
	return 0;
}

static int ferry_options_read_class(struct ferry_options *options, const struct nlattr *nest,
				    u32 *seen, struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[TCA_FERRY_CLASS_MAX + 1];
	u32 value;
	u8 class;
	int err;

	err = ferry_options_parse(attrs, TCA_FERRY_CLASS_MAX, nest, ferry_class_policy, extack);
	if (err)
		return err;
	if (!attrs[TCA_FERRY_CLASS_ID]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "options of a class do not say which class");
		return -EINVAL;
	}
	class = nla_get_u8(attrs[TCA_FERRY_CLASS_ID]);
	if (class >= FERRY_CLASS_COUNT) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[TCA_FERRY_CLASS_ID], "there are classes 0 to 7");
		return -EINVAL;
	}
	if (*seen & FERRY_CLASS_BIT(class)) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a class is given twice");
		return -EINVAL;
	}
	*seen |= FERRY_CLASS_BIT(class);
	if (attrs[TCA_FERRY_CLASS_BUDGET]) {
		const struct nlattr *attr = attrs[TCA_FERRY_CLASS_BUDGET];

		value = nla_get_u32(attr);
		if (FERRY_CLASS_BIT(class) & FERRY_CLASSES_WEIGHTED) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "classes default, model and sync have no deadlines");
			return -EINVAL;
		}
		if (value < FERRY_BUDGET_MIN || value > FERRY_BUDGET_MAX) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "a budget is 500 us to 60 s");
			return -ERANGE;
		}
		options->budget[class] = value;
	}
	if (attrs[TCA_FERRY_CLASS_SHARE]) {
		const struct nlattr *attr = attrs[TCA_FERRY_CLASS_SHARE];

		value = nla_get_u32(attr);
		if (value < 1 || value > 1000) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "a share is 1 to 1000 thousandths");
			return -ERANGE;
		}
		options->share[class] = value;
	}
	return 0;
}

static int ferry_options_read_classes(struct ferry_options *options, const struct nlattr *classes,
				      struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	u32 total = 0;
	u32 seen = 0;
	unsigned int i;
	int left;
	int err;

	nla_for_each_nested(attr, classes, left)
	{
		if (nla_type(attr) != TCA_FERRY_CLASS) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "only nests of one class may stand here");
			return -EINVAL;
		}
		err = ferry_options_read_class(options, attr, &seen, extack);
		if (err)
			return err;
	}
	if (left) {
		NL_SET_ERR_MSG_ATTR(extack, classes, "the options of classes end in the middle");
		return -EINVAL;
	}
	for (i = 0; i < FERRY_CLASS_COUNT; i++)
		total += options->share[i];
	if (total > 1000) {
		NL_SET_ERR_MSG_ATTR(extack, classes,
				    "the shares of all classes add up to more than 1000");
		return -ERANGE;
	}
	return 0;
}

/* Reads @attr, a flag of one byte, into @flag. */
static int ferry_options_read_flag(u8 *flag, const struct nlattr *attr,
				   struct netlink_ext_ack *extack)
{
	if (!attr)
		return 0;
	if (nla_get_u8(attr) > 1) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "a flag is 0 or 1");
		return -ERANGE;
	}
	*flag = nla_get_u8(attr);
	return 0;
}

/* Reads @attr, @least to @most, or 0 where @zero allows it, into @value. */
static int ferry_options_read_number(u32 *value, const struct nlattr *attr, u32 least, u32 most,
				     bool zero, const char *sentence,
				     struct netlink_ext_ack *extack)
{
	u32 number;

	if (!attr)
		return 0;
	number = nla_get_u32(attr);
	if ((number < least || number > most) && !(zero && !number)) {
		/* The macros want the text at compile time. */
		if (extack) {
			extack->_msg = sentence;
			extack->bad_attr = attr;
		}
		return -ERANGE;
	}
	*value = number;
	return 0;
}

static int ferry_options_read(struct ferry_options *options, struct nlattr **attrs,
			      struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	unsigned int i;
	int err;

	attr = attrs[TCA_FERRY_RATE64];
	if (attr) {
		options->rate = nla_get_u64(attr);
		if (options->rate &&
		    (options->rate < FERRY_RATE_MIN || options->rate > FERRY_RATE_MAX)) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "a rate is 1 kbit/s to 8.7 Tbit/s, or 0");
			return -ERANGE;
		}
	}
	attr = attrs[TCA_FERRY_OVERHEAD];
	if (attr) {
		options->overhead = nla_get_s32(attr);
		if (options->overhead < FERRY_OVERHEAD_MIN ||
		    options->overhead > FERRY_OVERHEAD_MAX) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "overhead is -64 to 256 bytes");
			return -ERANGE;
		}
	}
	err = ferry_options_read_number(&options->mpu, attrs[TCA_FERRY_MPU], 0, FERRY_MPU_MAX,
					false, "mpu is 0 to 256 bytes", extack);
	err = err
		      ?: ferry_options_read_number(&options->limit, attrs[TCA_FERRY_LIMIT],
						   FERRY_LIMIT_MIN, FERRY_LIMIT_MAX, true,
						   "the limit is 64 KiB to 1 GiB, or 0", extack);
	err = err
		      ?: ferry_options_read_number(&options->target, attrs[TCA_FERRY_TARGET],
						   FERRY_TARGET_MIN, FERRY_TARGET_MAX, false,
						   "target is 100 us to 1 s", extack);
	err = err
		      ?: ferry_options_read_number(&options->interval, attrs[TCA_FERRY_INTERVAL],
						   FERRY_INTERVAL_MIN, FERRY_INTERVAL_MAX, false,
						   "interval is 1 ms to 10 s", extack);
	err = err
		      ?: ferry_options_read_number(
				 &options->ce_threshold, attrs[TCA_FERRY_CE_THRESHOLD], 0,
				 FERRY_THRESHOLD_MAX, true, "ce_threshold is at most 1 s", extack);
	err = err ?: ferry_options_read_flag(&options->ecn, attrs[TCA_FERRY_ECN], extack);
	err = err ?: ferry_options_read_flag(&options->wash, attrs[TCA_FERRY_WASH], extack);
	if (err)
		return err;
	if (options->target >= options->interval) {
		NL_SET_ERR_MSG(extack, "target must be below interval");
		return -EINVAL;
	}
	attr = attrs[TCA_FERRY_SPLIT_GSO];
	if (attr) {
		options->split = nla_get_u8(attr);
		if (options->split >= FERRY_SPLIT_GSO_COUNT) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "there is no such way to split");
			return -ERANGE;
		}
	}
	attr = attrs[TCA_FERRY_FWMARK];
	if (attr) {
		options->fwmark_mask = nla_get_u32(attr);
		if (!ferry_mark_mask_valid(options->fwmark_mask)) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "the mask must be one run of bits");
			return -EINVAL;
		}
	}
	attr = attrs[TCA_FERRY_DSCP];
	if (attr) {
		memcpy(options->dscp, nla_data(attr), sizeof(options->dscp));
		for (i = 0; i < FERRY_DSCP_COUNT; i++) {
			if (options->dscp[i] >= FERRY_CLASS_COUNT) {
				NL_SET_ERR_MSG_ATTR(
					extack, attr,
					"a code point stands for a class that does not exist");
				return -ERANGE;
			}
		}
	}
	if (attrs[TCA_FERRY_CLASSES])
		return ferry_options_read_classes(options, attrs[TCA_FERRY_CLASSES], extack);
	return 0;
}

/* Puts @options to use, with the tree locked. Packets and what is known of flows stay. */
static void ferry_options_apply(struct Qdisc *sch, const struct ferry_options *options)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	struct ferry_queue *queue = qdisc->queue;
	unsigned int i;

	queue->shaper.rate.overhead = options->overhead;
	queue->shaper.rate.mpu = options->mpu;
	ferry_shaper_change(&queue->shaper, options->rate, ktime_get_ns());
	qdisc->limit = options->limit;
	queue->limit = options->limit ?: ferry_options_limit(options->rate);
	queue->target = options->target * FERRY_NS_PER_US;
	queue->interval = options->interval * FERRY_NS_PER_US;
	queue->ce_threshold = options->ce_threshold * FERRY_NS_PER_US;
	queue->ecn = options->ecn;
	qdisc->fwmark_mask = options->fwmark_mask;
	qdisc->split = options->split;
	qdisc->wash = options->wash;
	memcpy(qdisc->dscp, options->dscp, sizeof(qdisc->dscp));
	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		queue->class[i].budget_us = options->budget[i];
		queue->class[i].share = options->share[i];
	}
	ferry_queue_update(queue);
	ferry_queue_shrink(queue);
	ferry_qdisc_free_dropped(sch, NULL);
	qdisc_tree_reduce_backlog(sch, qdisc->untold_packets, qdisc->untold_bytes);
	qdisc->untold_packets = 0;
	qdisc->untold_bytes = 0;
}

int ferry_options_change(struct Qdisc *sch, struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct ferry_qdisc *qdisc = qdisc_priv(sch);
	struct nlattr *attrs[TCA_FERRY_MAX + 1];
	struct ferry_options options;
	int err;

	if (!attr)
		return 0;
	err = ferry_options_parse(attrs, TCA_FERRY_MAX, attr, ferry_policy, extack);
	if (err)
		return err;
	ferry_options_current(qdisc, &options);
	err = ferry_options_read(&options, attrs, extack);
	if (err)
		return err;
	sch_tree_lock(sch);
	u64_stats_update_begin(&qdisc->sync);
	ferry_options_apply(sch, &options);
	u64_stats_update_end(&qdisc->sync);
	sch_tree_unlock(sch);
	/* What the old rate let wait, the new one may not. */
	if (sch->q.qlen)
		qdisc_watchdog_schedule_ns(&qdisc->watchdog, ktime_get_ns());
	return 0;
}

static int ferry_options_put_classes(struct sk_buff *skb, const struct ferry_options *options)
{
	struct nlattr *classes = nla_nest_start(skb, TCA_FERRY_CLASSES);
	struct nlattr *class;
	unsigned int i;

	if (!classes)
		return -EMSGSIZE;
	for (i = 0; i < FERRY_CLASS_COUNT; i++) {
		class = nla_nest_start(skb, TCA_FERRY_CLASS);
		if (!class || nla_put_u8(skb, TCA_FERRY_CLASS_ID, i) ||
		    nla_put_u32(skb, TCA_FERRY_CLASS_SHARE, options->share[i]))
			return -EMSGSIZE;
		if (options->budget[i] &&
		    nla_put_u32(skb, TCA_FERRY_CLASS_BUDGET, options->budget[i]))
			return -EMSGSIZE;
		nla_nest_end(skb, class);
	}
	nla_nest_end(skb, classes);
	return 0;
}

int ferry_options_dump(struct Qdisc *sch, struct sk_buff *skb)
{
	struct ferry_options options;
	struct nlattr *nest;

	ferry_options_current(qdisc_priv(sch), &options);
	nest = nla_nest_start_noflag(skb, TCA_OPTIONS);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, TCA_FERRY_RATE64, options.rate, TCA_FERRY_PAD) ||
	    nla_put_s32(skb, TCA_FERRY_OVERHEAD, options.overhead) ||
	    nla_put_u32(skb, TCA_FERRY_MPU, options.mpu) ||
	    nla_put_u32(skb, TCA_FERRY_LIMIT, options.limit) ||
	    nla_put_u8(skb, TCA_FERRY_ECN, options.ecn) ||
	    nla_put_u32(skb, TCA_FERRY_TARGET, options.target) ||
	    nla_put_u32(skb, TCA_FERRY_INTERVAL, options.interval) ||
	    nla_put_u32(skb, TCA_FERRY_CE_THRESHOLD, options.ce_threshold) ||
	    nla_put_u8(skb, TCA_FERRY_SPLIT_GSO, options.split) ||
	    nla_put_u32(skb, TCA_FERRY_FWMARK, options.fwmark_mask) ||
	    nla_put(skb, TCA_FERRY_DSCP, sizeof(options.dscp), options.dscp) ||
	    nla_put_u8(skb, TCA_FERRY_WASH, options.wash) ||
	    ferry_options_put_classes(skb, &options)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	return nla_nest_end(skb, nest);
}
