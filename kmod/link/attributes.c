// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of a link in sysfs. What nobody knows reads `unknown`. Documentation/ABI describes
 * them, and tests/vm/sysfs_abi holds the two together.
 *
 * No file waits for RTNL: a notifier that holds it may be waiting for the readers of this link.
 */
#include <linux/sysfs.h>

#include "../core/provenance.h"
#include "../qdisc/stats.h"
#include "link.h"

#define FERRY_UNKNOWN "unknown\n"

/* One of the readings that can be pushed. */
struct ferry_link_value_attribute {
	struct device_attribute attr;
	enum ferry_link_value value;
};

static ssize_t ferry_link_value_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const enum ferry_link_value value =
		container_of(attr, struct ferry_link_value_attribute, attr)->value;
	struct ferry_link_snapshot now;

	ferry_link_snapshot(ferry_link_of(dev), &now);
	if (!(now.known & BIT(value)))
		return sysfs_emit(buf, FERRY_UNKNOWN);
	return sysfs_emit(buf, "%lld\n", now.value[value]);
}

#define FERRY_LINK_VALUE_ATTR(name_, value_)                              \
	static struct ferry_link_value_attribute ferry_link_##name_ = {   \
		.attr = __ATTR(name_, 0444, ferry_link_value_show, NULL), \
		.value = value_,                                          \
	}

FERRY_LINK_VALUE_ATTR(tx_rate_kbps, FERRY_LINK_TX_RATE_KBPS);
FERRY_LINK_VALUE_ATTR(rx_rate_kbps, FERRY_LINK_RX_RATE_KBPS);
FERRY_LINK_VALUE_ATTR(capacity_kbps, FERRY_LINK_CAPACITY_KBPS);
FERRY_LINK_VALUE_ATTR(srtt_us, FERRY_LINK_SRTT_US);
FERRY_LINK_VALUE_ATTR(rttvar_us, FERRY_LINK_RTTVAR_US);
FERRY_LINK_VALUE_ATTR(retransmit_ppm, FERRY_LINK_RETRANSMIT_PPM);
FERRY_LINK_VALUE_ATTR(signal_dbm, FERRY_LINK_SIGNAL_DBM);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
#define ferry_row(state_, name_) [state_] = name_,
		FERRY_LINK_STATE_TABLE(ferry_row)
#undef ferry_row
	};
	struct ferry_link_snapshot now;

	ferry_link_snapshot(ferry_link_of(dev), &now);
	return sysfs_emit(buf, "%s\n", names[now.value[FERRY_LINK_STATE]]);
}
static DEVICE_ATTR_RO(state);

static ssize_t source_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_link_snapshot now;

	ferry_link_snapshot(ferry_link_of(dev), &now);
	return sysfs_emit(buf, "%s\n", ferry_provenance_name(now.provenance));
}
static DEVICE_ATTR_RO(source);

static ssize_t age_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_link_snapshot now;

	ferry_link_snapshot(ferry_link_of(dev), &now);
	if (!now.age_known)
		return sysfs_emit(buf, FERRY_UNKNOWN);
	return sysfs_emit(buf, "%u\n", now.age_ms);
}
static DEVICE_ATTR_RO(age_ms);

static ssize_t backlog_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_link_snapshot now;

	ferry_link_snapshot(ferry_link_of(dev), &now);
	return sysfs_emit(buf, "%u\n", now.backlog_bytes);
}
static DEVICE_ATTR_RO(backlog_bytes);

static struct attribute *ferry_link_attrs[] = {
	&dev_attr_state.attr,
	&ferry_link_tx_rate_kbps.attr.attr,
	&ferry_link_rx_rate_kbps.attr.attr,
	&ferry_link_capacity_kbps.attr.attr,
	&ferry_link_srtt_us.attr.attr,
	&ferry_link_rttvar_us.attr.attr,
	&ferry_link_retransmit_ppm.attr.attr,
	&ferry_link_signal_dbm.attr.attr,
	&dev_attr_backlog_bytes.attr,
	&dev_attr_source.attr,
	&dev_attr_age_ms.attr,
	NULL,
};

static const struct attribute_group ferry_link_group = {
	.attrs = ferry_link_attrs,
};

/* A counter of one traffic class: where it lies in struct ferry_class_stats. */
struct ferry_link_class_attribute {
	struct device_attribute attr;
	u8 class;
	u8 offset;
	u8 size;
};

static ssize_t ferry_link_class_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct ferry_link_class_attribute *counter =
		container_of(attr, struct ferry_link_class_attribute, attr);
	struct ferry_class_stats stats;
	const void *field = (const char *)&stats + counter->offset;

	if (ferry_qdisc_class_stats(ferry_link_of(dev)->netdev, counter->class, &stats))
		return sysfs_emit(buf, FERRY_UNKNOWN);
	if (counter->size == sizeof(u32))
		return sysfs_emit(buf, "%u\n", *(const u32 *)field);
	return sysfs_emit(buf, "%llu\n", *(const u64 *)field);
}

static_assert(sizeof(struct ferry_class_stats) <= U8_MAX);

#define FERRY_LINK_COUNTER(class_, name_, field_)                                               \
	{                                                                                       \
		.attr = {.attr = {.name = name_, .mode = 0444}, .show = ferry_link_class_show}, \
		.class = (class_), .offset = offsetof(struct ferry_class_stats, field_),        \
		.size = sizeof_field(struct ferry_class_stats, field_),                         \
	}

/* A directory for each class, with a file for each counter. */
#define ferry_row(class_, name_, dscp_, budget_, ...)                                        \
	static struct ferry_link_class_attribute ferry_link_counters_##class_[] = {          \
		FERRY_LINK_COUNTER(class_, "packets", packets),                              \
		FERRY_LINK_COUNTER(class_, "bytes", bytes),                                  \
		FERRY_LINK_COUNTER(class_, "drops", drops),                                  \
		FERRY_LINK_COUNTER(class_, "marks", marks),                                  \
		FERRY_LINK_COUNTER(class_, "late", late),                                    \
		FERRY_LINK_COUNTER(class_, "backlog_bytes", backlog_bytes),                  \
		FERRY_LINK_COUNTER(class_, "backlog_packets", backlog_packets),              \
		FERRY_LINK_COUNTER(class_, "sojourn_p50_us", sojourn_p50_us),                \
		FERRY_LINK_COUNTER(class_, "sojourn_p99_us", sojourn_p99_us),                \
		FERRY_LINK_COUNTER(class_, "by_priority", by_source[FERRY_SOURCE_PRIORITY]), \
		FERRY_LINK_COUNTER(class_, "by_mark", by_source[FERRY_SOURCE_MARK]),         \
		FERRY_LINK_COUNTER(class_, "by_filter", by_source[FERRY_SOURCE_FILTER]),     \
		FERRY_LINK_COUNTER(class_, "by_dscp", by_source[FERRY_SOURCE_DSCP]),         \
		FERRY_LINK_COUNTER(class_, "by_default", by_source[FERRY_SOURCE_DEFAULT]),   \
	};                                                                                   \
	static struct attribute *ferry_link_attrs_##class_[] = {                             \
		&ferry_link_counters_##class_[0].attr.attr,                                  \
		&ferry_link_counters_##class_[1].attr.attr,                                  \
		&ferry_link_counters_##class_[2].attr.attr,                                  \
		&ferry_link_counters_##class_[3].attr.attr,                                  \
		&ferry_link_counters_##class_[4].attr.attr,                                  \
		&ferry_link_counters_##class_[5].attr.attr,                                  \
		&ferry_link_counters_##class_[6].attr.attr,                                  \
		&ferry_link_counters_##class_[7].attr.attr,                                  \
		&ferry_link_counters_##class_[8].attr.attr,                                  \
		&ferry_link_counters_##class_[9].attr.attr,                                  \
		&ferry_link_counters_##class_[10].attr.attr,                                 \
		&ferry_link_counters_##class_[11].attr.attr,                                 \
		&ferry_link_counters_##class_[12].attr.attr,                                 \
		&ferry_link_counters_##class_[13].attr.attr,                                 \
		NULL,                                                                        \
	};                                                                                   \
	static_assert(ARRAY_SIZE(ferry_link_attrs_##class_) ==                               \
		      ARRAY_SIZE(ferry_link_counters_##class_) + 1);                         \
	static const struct attribute_group ferry_link_group_##class_ = {                    \
		.name = name_,                                                               \
		.attrs = ferry_link_attrs_##class_,                                          \
	};
FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row

const struct attribute_group *ferry_link_groups[] = {
	&ferry_link_group,
#define ferry_row(class_, name_, dscp_, budget_, ...) &ferry_link_group_##class_,
	FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row
		NULL,
};
