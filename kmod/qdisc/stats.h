/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_QDISC_STATS_H
#define FERRY_QDISC_STATS_H

#include <linux/ferry.h>
#include <linux/types.h>

struct net_device;

/**
 * struct ferry_class_stats - what one class of a link has done
 * @packets: sent
 * @bytes: sent
 * @drops: packets, for whatever reason
 * @marks: packets that got CE here
 * @late: packets sent after their deadline
 * @backlog_bytes: queued
 * @backlog_packets: queued
 * @sojourn_p50_us: median time in the queue, of the last thousands of packets
 * @sojourn_p99_us: its 99th percentile
 * @by_source: packets sent, by the carrier that set the class (enum ferry_source)
 */
struct ferry_class_stats {
	u64 packets;
	u64 bytes;
	u64 drops;
	u64 marks;
	u64 late;
	u32 backlog_bytes;
	u32 backlog_packets;
	u32 sojourn_p50_us;
	u32 sojourn_p99_us;
	u64 by_source[FERRY_SOURCE_COUNT];
};

/**
 * ferry_qdisc_class_stats() - read what one class of a network device has done
 * @dev: the device
 * @class: enum ferry_class
 * @stats: filled in on success: sums, and the largest of the percentiles, over all ferry qdiscs of
 *         the device (a device with several queues may have one for each)
 *
 * Context: any but hard interrupts. Takes no RTNL and does not sleep.
 * Return: 0, or -ENODEV where no ferry qdisc is attached.
 */
int ferry_qdisc_class_stats(struct net_device *dev, unsigned int class,
			    struct ferry_class_stats *stats);

#endif /* FERRY_QDISC_STATS_H */
