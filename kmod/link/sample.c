// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has to be looked at from time to time: byte counters, for rates; the speed that a driver
 * states, for which it has to be asked with RTNL held; and pushed readings that hold no longer.
 * One worker for each namespace, at rest while no device of it is up. Its timer wakes no idle
 * processor.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>

#include "link.h"

/* Drivers say when a speed changes, but not all of them do. */
#define FERRY_LINK_SPEED_INTERVAL (10 * HZ)

/* Some drivers talk to slow hardware, and everybody else waits for RTNL. */
#define FERRY_LINK_SPEEDS_AT_ONCE 8

void ferry_link_sample_start(struct ferry_link_net *links, unsigned long delay)
{
	queue_delayed_work(system_power_efficient_wq, &links->sample_work, delay);
}

/* What a round of the worker has found. */
struct ferry_link_round {
	bool again;  /* there is a reason to come again */
	bool speeds; /* a driver has to be asked */
};

static int ferry_link_sample_one(struct ferry_link *link, void *data)
{
	struct ferry_link_net *links = ferry_link_net(dev_net(link->netdev));
	struct rtnl_link_stats64 stats;
	struct ferry_link_round *round = data;
	u64 now_us;
	u32 holding;

	if (link->netdev->flags & IFF_UP) {
		dev_get_stats(link->netdev, &stats);
		now_us = ferry_link_now_us();
		spin_lock(&link->lock);
		ferry_link_sample_take(&link->sample, stats.tx_bytes, stats.rx_bytes, now_us);
		spin_unlock(&link->lock);
		if (time_after(jiffies, link->speed_asked + FERRY_LINK_SPEED_INTERVAL))
			link->speed_wanted = true;
		round->speeds |= link->speed_wanted;
		round->again = true;
	}

	if (!link->holding)
		return 0;
	spin_lock(&link->lock);
	holding = ferry_link_holding(&link->readings, div_u64(ferry_link_now_us(), USEC_PER_MSEC));
	spin_unlock(&link->lock);
	if (holding != link->holding) {
		link->holding = holding;
		ferry_link_changed(links, link);
	}
	if (holding)
		round->again = true;
	return 0;
}

/* Speeds that were asked for in one go. */
struct ferry_link_speeds {
	struct ferry_link *link[FERRY_LINK_SPEEDS_AT_ONCE];
	unsigned int n;
};

static int ferry_link_choose_speed(struct ferry_link *link, void *data)
{
	struct ferry_link_speeds *speeds = data;

	if (!link->speed_wanted || !(link->netdev->flags & IFF_UP))
		return 0;
	link->speed_wanted = false;
	link->speed_asked = jiffies;
	speeds->link[speeds->n++] = link;
	return speeds->n == FERRY_LINK_SPEEDS_AT_ONCE;
}

/*
 * Asks drivers for speeds. Links go with RTNL held only, so that while it is held here they stay
 * although their lock is not: a driver may have a lock of its own that its notifiers come with.
 */
static void ferry_link_ask_speeds(struct ferry_link_net *links)
{
	struct ferry_link_speeds speeds = {};
	unsigned int i;

	/* A holder of RTNL may be waiting for this worker: come again instead. */
	if (!rtnl_trylock())
		return;
	ferry_link_visit(links->net, &links->speed_next, false, ferry_link_choose_speed, &speeds);
	/* Go on behind the last one, so that every link has its turn; after all of them, anew. */
	links->speed_next = speeds.n < FERRY_LINK_SPEEDS_AT_ONCE ? 0 : links->speed_next + 1;
	for (i = 0; i < speeds.n; i++) {
		struct ferry_link *link = speeds.link[i];
		struct ethtool_link_ksettings settings = {};
		u32 kbps = 0;

		if (netif_device_present(link->netdev) &&
		    !__ethtool_get_link_ksettings(link->netdev, &settings) &&
		    settings.base.speed != (u32)SPEED_UNKNOWN)
			kbps = min_t(u64, settings.base.speed * 1000ULL, U32_MAX);
		mutex_lock(&links->lock);
		if (kbps != link->speed_kbps) {
			spin_lock(&link->lock);
			link->speed_kbps = kbps;
			spin_unlock(&link->lock);
			ferry_link_changed(links, link);
		}
		mutex_unlock(&links->lock);
	}
	rtnl_unlock();
}

void ferry_link_sample_work(struct work_struct *work)
{
	struct ferry_link_net *links =
		container_of(to_delayed_work(work), struct ferry_link_net, sample_work);
	unsigned long ifindex = 0;
	struct ferry_link_round round = {};

	ferry_link_visit(links->net, &ifindex, false, ferry_link_sample_one, &round);
	if (round.speeds)
		ferry_link_ask_speeds(links);
	if (round.again)
		ferry_link_sample_start(links, FERRY_LINK_SAMPLE_INTERVAL);
}
