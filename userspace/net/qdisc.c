/* SPDX-License-Identifier: MIT */
#include "net/qdisc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "base/error.h"
#include "net/route.h"

enum { QDISCS_MAX = 4096 };

static const char kind_ferry[] = "ferry";

static uint64_t number(const struct nlattr *a)
{
	uint64_t value = 0;
	const int bytes = a ? nla_len(a) : 0;

	if (bytes >= 8)
		memcpy(&value, nla_data(a), 8);
	else if (bytes >= 4)
		value = nla_get_u32(a);
	else if (bytes >= 1)
		value = nla_get_u8(a);
	return value;
}

/* The attributes of a nest; none of one that is cut short. */
static void open_nest(struct nlattr **attrs, int max, const struct nlattr *nest)
{
	memset(attrs, 0, sizeof(*attrs) * (size_t)(max + 1));
	if (nest)
		nla_parse(attrs, max, nla_data(nest), nla_len(nest), NULL);
}

static void read_class_options(struct ferry_qdisc *q, const struct nlattr *nest)
{
	struct nlattr *attrs[TCA_FERRY_CLASS_MAX + 1];
	uint64_t id;

	open_nest(attrs, TCA_FERRY_CLASS_MAX, nest);
	id = number(attrs[TCA_FERRY_CLASS_ID]);
	if (!attrs[TCA_FERRY_CLASS_ID] || id >= FERRY_CLASS_COUNT)
		return;
	q->classes[id].budget_us = (uint32_t)number(attrs[TCA_FERRY_CLASS_BUDGET]);
	q->classes[id].share = (uint32_t)number(attrs[TCA_FERRY_CLASS_SHARE]);
}

static void read_class_statistics(struct ferry_qdisc *q, const struct nlattr *nest)
{
	struct nlattr *attrs[TCA_FERRY_CSTATS_MAX + 1];
	struct ferry_qdisc_class *class;
	const struct nlattr *sources;
	uint64_t id;

	open_nest(attrs, TCA_FERRY_CSTATS_MAX, nest);
	id = number(attrs[TCA_FERRY_CSTATS_ID]);
	if (!attrs[TCA_FERRY_CSTATS_ID] || id >= FERRY_CLASS_COUNT)
		return;
	class = &q->classes[id];
	class->packets = number(attrs[TCA_FERRY_CSTATS_PACKETS]);
	class->bytes = number(attrs[TCA_FERRY_CSTATS_BYTES]);
	class->drops = number(attrs[TCA_FERRY_CSTATS_DROPS]);
	class->limit_drops = number(attrs[TCA_FERRY_CSTATS_LIMIT_DROPS]);
	class->marks = number(attrs[TCA_FERRY_CSTATS_MARKS]);
	class->late = number(attrs[TCA_FERRY_CSTATS_LATE]);
	class->backlog = (uint32_t)number(attrs[TCA_FERRY_CSTATS_BACKLOG]);
	class->qlen = (uint32_t)number(attrs[TCA_FERRY_CSTATS_QLEN]);
	class->flows = (uint32_t)number(attrs[TCA_FERRY_CSTATS_FLOWS]);
	class->p50_us = (uint32_t)number(attrs[TCA_FERRY_CSTATS_P50]);
	class->p99_us = (uint32_t)number(attrs[TCA_FERRY_CSTATS_P99]);
	sources = attrs[TCA_FERRY_CSTATS_SOURCES];
	if (sources && nla_len(sources) >= (int)sizeof(class->sources))
		memcpy(class->sources, nla_data(sources), sizeof(class->sources));
}

static void each_class(struct ferry_qdisc *q, const struct nlattr *nest,
		       void (*read)(struct ferry_qdisc *q, const struct nlattr *nest))
{
	struct nlattr *a;
	int left;

	if (!nest)
		return;
	nla_for_each_nested(a, nest, left)
	{
		/* TCA_FERRY_CLASS and TCA_FERRY_STATS_CLASS */
		if (nla_type(a) == 1)
			read(q, a);
	}
}

static void read_ferry(struct ferry_qdisc *q, const struct nlattr *options,
		       const struct nlattr *statistics)
{
	struct nlattr *o[TCA_FERRY_MAX + 1], *s[TCA_FERRY_STATS_MAX + 1];

	open_nest(o, TCA_FERRY_MAX, options);
	open_nest(s, TCA_FERRY_STATS_MAX, statistics);
	q->rate = number(o[TCA_FERRY_RATE64]);
	each_class(q, o[TCA_FERRY_CLASSES], read_class_options);
	q->mode = (uint8_t)number(s[TCA_FERRY_STATS_MODE]);
	q->memory = (uint32_t)number(s[TCA_FERRY_STATS_MEMORY]);
	q->memory_limit = (uint32_t)number(s[TCA_FERRY_STATS_MEMORY_LIMIT]);
	each_class(q, s[TCA_FERRY_STATS_CLASSES], read_class_statistics);
}

static void read_statistics(struct ferry_qdisc *q, struct nlattr **stats)
{
	const struct nlattr *basic = stats[TCA_STATS_BASIC], *queue = stats[TCA_STATS_QUEUE];
	struct gnet_stats_basic b = {0};
	struct gnet_stats_queue s = {0};

	if (basic)
		memcpy(&b, nla_data(basic),
		       (size_t)nla_len(basic) < sizeof(b) ? (size_t)nla_len(basic) : sizeof(b));
	if (queue)
		memcpy(&s, nla_data(queue),
		       (size_t)nla_len(queue) < sizeof(s) ? (size_t)nla_len(queue) : sizeof(s));
	q->bytes = b.bytes;
	q->packets = stats[TCA_STATS_PKT64] ? number(stats[TCA_STATS_PKT64]) : b.packets;
	q->drops = s.drops;
	q->backlog = s.backlog;
	q->qlen = s.qlen;
}

static int add_qdisc(const struct tcmsg *tc, struct nlattr **attrs, void *data)
{
	struct nlattr *stats[TCA_STATS_MAX + 1];
	struct ferry_qdiscs *list = data;
	struct ferry_qdisc *grown, *q;

	if (list->n == QDISCS_MAX)
		return 0;
	grown = realloc(list->qdisc, (list->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->qdisc = grown;
	q = &grown[list->n++];
	memset(q, 0, sizeof(*q));
	if (attrs[TCA_KIND])
		nla_strlcpy(q->kind, attrs[TCA_KIND], sizeof(q->kind));
	q->handle = tc->tcm_handle;
	q->parent = tc->tcm_parent;
	q->sized = attrs[TCA_STAB] || attrs[TCA_INGRESS_BLOCK] || attrs[TCA_EGRESS_BLOCK];
	if (attrs[TCA_OPTIONS]) {
		q->option_bytes = (size_t)nla_len(attrs[TCA_OPTIONS]);
		if (q->option_bytes <= sizeof(q->options))
			memcpy(q->options, nla_data(attrs[TCA_OPTIONS]), q->option_bytes);
	}
	open_nest(stats, TCA_STATS_MAX, attrs[TCA_STATS2]);
	read_statistics(q, stats);
	q->sized = q->sized || stats[TCA_STATS_RATE_EST];
	q->is_ferry = !strcmp(q->kind, kind_ferry);
	if (q->is_ferry)
		read_ferry(q, attrs[TCA_OPTIONS], stats[TCA_STATS_APP]);
	if (q->parent == FERRY_QDISC_ROOT && list->n > 1) {
		struct ferry_qdisc first = grown[0];

		grown[0] = *q;
		*q = first;
	}
	return 0;
}

int ferry_qdiscs_read(struct ferry_qdiscs *list, unsigned int device, struct ferry_error *err)
{
	int ret;

	memset(list, 0, sizeof(*list));
	ret = ferry_route_dump(RTM_GETQDISC, device, 0, add_qdisc, list, err);
	if (ret)
		ferry_qdiscs_free(list);
	return ret;
}

void ferry_qdiscs_free(struct ferry_qdiscs *list)
{
	free(list->qdisc);
	memset(list, 0, sizeof(*list));
}

const struct ferry_qdisc *ferry_qdiscs_root(const struct ferry_qdiscs *list)
{
	return list->n && list->qdisc[0].parent == FERRY_QDISC_ROOT ? &list->qdisc[0] : NULL;
}

const struct ferry_qdisc *ferry_qdiscs_find(const struct ferry_qdiscs *list, uint32_t handle)
{
	for (size_t i = 0; handle && i < list->n; i++)
		if (list->qdisc[i].handle == handle)
			return &list->qdisc[i];
	return NULL;
}

static int count_filter(const struct tcmsg *tc, struct nlattr **attrs, void *data)
{
	int *n = data;

	(void)attrs;
	/* A priority without filters of its own is listed too, with handle 0. */
	*n += tc->tcm_handle != 0;
	return 0;
}

int ferry_qdisc_filters(unsigned int device, uint32_t handle, struct ferry_error *err)
{
	int n = 0;
	const int ret = ferry_route_dump(RTM_GETTFILTER, device, handle, count_filter, &n, err);

	return ret ? ret : n;
}

bool ferry_qdisc_restorable(const struct ferry_qdiscs *list, const struct ferry_qdisc *q,
			    const char **why)
{
	/*
	 * Kinds without classes whose options, as they are shown, are all that they were made from.
	 * Not red, choke, tbf (tables that are not shown), netem (distributions) nor fq_pie (it
	 * refuses what it shows).
	 */
	static const char *const kinds[] = {"pfifo", "bfifo", "fq",   "fq_codel", "codel",
					    "sfq",   "pie",   "cake", "noqueue",  "pfifo_fast"};
	bool known = false;

	*why = "";
	if (!q->handle)
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		known = known || !strcmp(q->kind, kinds[i]);
	if (!known) {
		*why = "it has classes, or options that cannot be read back";
		return false;
	}
	if (q->sized || q->option_bytes > sizeof(q->options)) {
		*why = "it has a size table, an estimator or shared filters";
		return false;
	}
	for (size_t i = 0; i < list->n; i++)
		if (list->qdisc[i].parent >> 16 == q->handle >> 16 && &list->qdisc[i] != q &&
		    list->qdisc[i].parent != FERRY_QDISC_ROOT) {
			*why = "there are others below it";
			return false;
		}
	return true;
}

bool ferry_qdisc_wishes(const struct ferry_qdisc_wish *wish)
{
	return wish->has_rate || wish->has_overhead || wish->has_mpu;
}

static int run(struct nl_msg *message, const char *doing, unsigned int device,
	       struct ferry_error *err)
{
	char reason[FERRY_ROUTE_REASON];
	int result = 0;
	const int ret = ferry_route_do(&message, 1, &result, reason, err);

	if (ret)
		return ret;
	switch (result) {
	case 0:
		return 0;
	case -EPERM:
		return ferry_fail(err, FERRY_ERROR_SYSTEM, result,
				  "%s takes root, or CAP_NET_ADMIN outside of any container",
				  doing);
	case -ENODEV:
		return ferry_fail(err, FERRY_ERROR_CALLER, result, "interface %u has gone", device);
	default:
		return ferry_fail(err, result == -EINVAL ? FERRY_ERROR_CALLER : FERRY_ERROR_SYSTEM,
				  result, "%s failed: %s", doing,
				  reason[0] ? reason : ferry_errno_text(result));
	}
}

static struct nl_msg *with_wish(struct nl_msg *message, const struct ferry_qdisc_wish *wish)
{
	struct nlattr *options;
	int ret;

	if (!message)
		return NULL;
	ret = nla_put_string(message, TCA_KIND, kind_ferry);
	options = ret ? NULL : nla_nest_start(message, TCA_OPTIONS);
	ret = options ? 0 : -1;
	if (!ret && wish->has_rate)
		ret = nla_put_u64(message, TCA_FERRY_RATE64, wish->rate);
	if (!ret && wish->has_overhead)
		ret = nla_put_s32(message, TCA_FERRY_OVERHEAD, wish->overhead);
	if (!ret && wish->has_mpu)
		ret = nla_put_u32(message, TCA_FERRY_MPU, wish->mpu);
	if (!ret) {
		/* An empty nest is not the same as none. */
		nla_nest_end_keep_empty(message, options);
		return message;
	}
	nlmsg_free(message);
	return NULL;
}

int ferry_qdisc_put(unsigned int device, uint32_t handle, const struct ferry_qdisc_wish *wish,
		    struct ferry_error *err)
{
	struct nl_msg *message = ferry_route_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE,
						     device, FERRY_QDISC_ROOT, handle);
	const int ret = run(with_wish(message, wish), "putting the qdisc ferry there", device, err);

	/* Nobody has heard of the kind. */
	if (ret == -ENOENT)
		return ferry_fail(
			err, FERRY_ERROR_SYSTEM, -ENOPKG,
			"the kernel module ferry is not loaded; `modprobe ferry` loads it");
	return ret;
}

int ferry_qdisc_change(unsigned int device, const struct ferry_qdisc *q,
		       const struct ferry_qdisc_wish *wish, struct ferry_error *err)
{
	struct nl_msg *message = ferry_route_message(RTM_NEWQDISC, 0, device, q->parent, q->handle);

	return run(with_wish(message, wish), "changing the qdisc ferry", device, err);
}

/* A message that has the kind and the options of a qdisc that was read. */
static struct nl_msg *as_it_was(int flags, unsigned int device, const struct ferry_qdisc *was)
{
	struct nl_msg *message =
		ferry_route_message(RTM_NEWQDISC, flags, device, was->parent, was->handle);

	if (message && !nla_put_string(message, TCA_KIND, was->kind) &&
	    (!was->option_bytes ||
	     !nla_put(message, TCA_OPTIONS, (int)was->option_bytes, was->options)))
		return message;
	nlmsg_free(message);
	return NULL;
}

/* How a kind keeps a time: microseconds times 1000, without its lowest bits. */
static uint32_t shown_us(uint32_t us, unsigned int bits)
{
	const uint64_t kept = (uint64_t)us * 1000 >> bits << bits;

	return (uint32_t)(kept / 1000);
}

/*
 * Some kinds show times rounded down, so that what they show would be rounded down once more. What
 * they were given was the next microsecond.
 */
static void undo_rounding(struct ferry_qdisc *q)
{
	enum { CODEL_BITS = 10, PIE_BITS = 6 };
	static const struct {
		const char *kind;
		int attribute;
		unsigned int bits;
	} times[] = {
		{"fq_codel", TCA_FQ_CODEL_TARGET, CODEL_BITS},
		{"fq_codel", TCA_FQ_CODEL_INTERVAL, CODEL_BITS},
		{"fq_codel", TCA_FQ_CODEL_CE_THRESHOLD, CODEL_BITS},
		{"codel", TCA_CODEL_TARGET, CODEL_BITS},
		{"codel", TCA_CODEL_INTERVAL, CODEL_BITS},
		{"codel", TCA_CODEL_CE_THRESHOLD, CODEL_BITS},
		{"pie", TCA_PIE_TARGET, PIE_BITS},
	};
	struct nlattr *a = (struct nlattr *)q->options;
	int left = (int)q->option_bytes;

	for (; nla_ok(a, left); a = nla_next(a, &left))
		for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
			uint32_t us;

			if (strcmp(q->kind, times[i].kind) || nla_type(a) != times[i].attribute ||
			    nla_len(a) != sizeof(us))
				continue;
			us = nla_get_u32(a);
			if (shown_us(us, times[i].bits) != us)
				us++;
			memcpy(nla_data(a), &us, sizeof(us));
		}
}

int ferry_qdisc_change_back(unsigned int device, const struct ferry_qdisc *was,
			    struct ferry_error *err)
{
	return run(as_it_was(0, device, was), "giving the qdisc its options back", device, err);
}

int ferry_qdisc_restore(unsigned int device, uint32_t handle, const struct ferry_qdisc *was,
			struct ferry_error *err)
{
	static const char doing[] = "giving the interface its qdisc back";
	struct ferry_qdisc again = *was;
	int ret;

	undo_rounding(&again);
	if (was->handle)
		return run(as_it_was(NLM_F_CREATE | NLM_F_REPLACE, device, &again), doing, device,
			   err);
	ret = run(ferry_route_message(RTM_DELQDISC, 0, device, FERRY_QDISC_ROOT, handle), doing,
		  device, err);
	return ret == -ENOENT ? 0 : ret;
}
