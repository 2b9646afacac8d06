// SPDX-License-Identifier: GPL-2.0-only
/* What is known of a link: pushed readings that hold, or else what the kernel knows by itself. */
#include <linux/math64.h>
#include <net/sch_generic.h>

#include "link.h"

static enum ferry_link_state ferry_link_kernel_state(const struct net_device *netdev)
{
	if (!(READ_ONCE(netdev->flags) & IFF_UP))
		return FERRY_LINK_STATE_DOWN;
	if (!netif_carrier_ok(netdev))
		return FERRY_LINK_STATE_NO_CARRIER;
	if (netif_dormant(netdev))
		return FERRY_LINK_STATE_DORMANT;
	return FERRY_LINK_STATE_UP;
}

/* Bytes that wait in the qdiscs that the device sends from. */
static u32 ferry_link_backlog(struct net_device *netdev)
{
	const struct Qdisc *last = NULL;
	u64 sum = 0;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < netdev->num_tx_queues; i++) {
		struct Qdisc *qdisc = rcu_dereference(netdev_get_tx_queue(netdev, i)->qdisc);
		u32 packets, bytes;

		/* One qdisc for all queues, or one for each: counted once either way. */
		if (!qdisc || qdisc == last)
			continue;
		last = qdisc;
		qdisc_qstats_qlen_backlog(qdisc, &packets, &bytes);
		sum += bytes;
	}
	rcu_read_unlock();
	return min_t(u64, sum, U32_MAX);
}

static void ferry_link_know(struct ferry_link_snapshot *snapshot, enum ferry_link_value value,
			    s64 number)
{
	snapshot->value[value] = number;
	snapshot->known |= BIT(value);
}

void ferry_link_snapshot(struct ferry_link *link, struct ferry_link_snapshot *snapshot)
{
	const enum ferry_link_state state = ferry_link_kernel_state(link->netdev);
	const u64 now_us = ferry_link_now_us();
	const u64 now_ms = div_u64(now_us, USEC_PER_MSEC);
	int i;

	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->ifindex = link->netdev->ifindex;
	snapshot->backlog_bytes = ferry_link_backlog(link->netdev);

	spin_lock(&link->lock);
	strscpy(snapshot->name, link->name, sizeof(snapshot->name));
	if (link->sample.rated) {
		ferry_link_know(snapshot, FERRY_LINK_TX_RATE_KBPS, link->sample.tx_rate_kbps);
		ferry_link_know(snapshot, FERRY_LINK_RX_RATE_KBPS, link->sample.rx_rate_kbps);
	}
	if (link->speed_kbps)
		ferry_link_know(snapshot, FERRY_LINK_CAPACITY_KBPS, link->speed_kbps);
	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++)
		if (ferry_reading_holds(&link->readings.pushed[i], now_ms))
			ferry_link_know(snapshot, i, link->readings.pushed[i].value);
	ferry_link_know(snapshot, FERRY_LINK_STATE,
			ferry_link_state(&link->readings, now_ms, state));
	snapshot->provenance = ferry_link_provenance(&link->readings, now_ms);
	snapshot->age_known =
		ferry_link_age_ms(&link->readings, &link->sample, now_us, &snapshot->age_ms);
	spin_unlock(&link->lock);
}

void ferry_link_take(struct ferry_link *link, const struct ferry_link_push *push)
{
	struct ferry_link_net *links = ferry_link_net(dev_net(link->netdev));
	const u64 now_ms = div_u64(ferry_link_now_us(), USEC_PER_MSEC);
	int i;

	spin_lock(&link->lock);
	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++) {
		if (!(push->given & BIT(i)))
			continue;
		link->readings.pushed[i] = (struct ferry_reading){
			.taken_ms = now_ms - push->age_ms,
			.value = push->value[i],
			.valid_ms = push->valid_ms,
			.provenance = push->provenance,
		};
	}
	link->holding = ferry_link_holding(&link->readings, now_ms);
	spin_unlock(&link->lock);
	/* On a device that is down nobody looks until there is something to grow old. */
	ferry_link_sample_start(links, FERRY_LINK_SAMPLE_INTERVAL);
	ferry_link_changed(links, link);
}
