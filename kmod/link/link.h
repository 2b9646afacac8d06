/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links: one for each network device, in the namespace of the device, from its registration to its
 * end there. A device that moves to another namespace gets a new link.
 *
 * Locks, in the order in which they are taken: RTNL (which notifiers hold when they come), the
 * mutex of a namespace's links, the spinlock of one link. Nobody waits for RTNL here.
 */
#ifndef FERRY_LINK_LINK_H
#define FERRY_LINK_LINK_H

#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/net_namespace.h>

#include "../core/link.h"

struct notifier_block;

struct ferry_link {
	struct device dev;	   /* its directory in sysfs */
	struct net_device *netdev; /* stays for as long as the link is in ferry_link_net.links */

	/* Of ferry_link_net.lock. */
	u32 holding;	   /* ferry_link_holding() when it was last looked at */
	bool speed_wanted; /* the driver has to be asked */
	unsigned long speed_asked;

	spinlock_t lock; /* what follows; show() takes it, so nobody sleeps with it */
	char name[IFNAMSIZ];
	struct ferry_link_readings readings;
	struct ferry_link_sample sample;
	u32 speed_kbps; /* 0 where the driver states none */
};

/* The links of one network namespace. */
struct ferry_link_net {
	struct net *net;
	struct mutex lock;   /* links, and that they stay */
	struct xarray links; /* by ifindex; FERRY_LINK_CHANGED_MARK on those to tell about */
	struct delayed_work sample_work;
	struct delayed_work event_work;
	unsigned long event_time; /* jiffies of the last events */
	unsigned long speed_next; /* ifindex from which drivers are asked next */
};

#define FERRY_LINK_CHANGED_MARK	   XA_MARK_0

#define FERRY_LINK_SAMPLE_INTERVAL HZ

/* What is known of a link at one moment. */
struct ferry_link_snapshot {
	char name[IFNAMSIZ];
	int ifindex;
	u32 known; /* bit of each enum ferry_link_value that has a value */
	s64 value[FERRY_LINK_VALUE_COUNT];
	u32 backlog_bytes;
	u8 provenance;
	bool age_known;
	u32 age_ms;
};

/* What a collector pushes: the readings of @given. */
struct ferry_link_push {
	u32 given; /* a bit for each enum ferry_link_value */
	s64 value[FERRY_LINK_VALUE_COUNT];
	u8 provenance;
	u32 age_ms;
	u32 valid_ms;
};

/* What ferry_link_register_notifier() tells; the data is the struct ferry_link. */
enum ferry_link_event {
	FERRY_LINK_CHANGED,
	FERRY_LINK_GONE,
};

/**
 * ferry_links_register() - make a link of every network device that is there or comes
 *
 * The class has to be there.
 *
 * Context: process context, may sleep; takes RTNL.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_links_register(void);

/**
 * ferry_links_unregister() - undo ferry_links_register()
 *
 * Context: process context, may sleep; takes RTNL.
 */
void ferry_links_unregister(void);

/**
 * ferry_link_visit() - call a function for one link, or for those from an ifindex on
 * @net:     namespace
 * @ifindex: in: of the link, or of the first that may be visited; out: that of the last visited
 * @exactly: only the link that has this ifindex
 * @visit:   called with the link and @data; the link stays meanwhile, but may change. Must not
 *           visit in turn. Anything but 0 ends the walk
 * @data:    for @visit
 *
 * Context: process context, may sleep.
 * Return: what @visit returned last, or -ENODEV where no link was visited.
 */
int ferry_link_visit(struct net *net, unsigned long *ifindex, bool exactly,
		     int (*visit)(struct ferry_link *link, void *data), void *data);

/**
 * ferry_link_snapshot() - what is known of a link now
 * @link:     a link that stays: one that is visited, or that a notifier was called with
 * @snapshot: filled
 *
 * Context: process context; does not sleep.
 */
void ferry_link_snapshot(struct ferry_link *link, struct ferry_link_snapshot *snapshot);

/**
 * ferry_link_take() - take what a collector pushes
 * @link: a link that is visited
 * @push: checked by the caller: values in range, age less than validity
 *
 * Context: process context, from a visit.
 */
void ferry_link_take(struct ferry_link *link, const struct ferry_link_push *push);

/**
 * ferry_link_register_notifier() - be told of changes
 * @nb: called in process context with an enum ferry_link_event and the link, which stays meanwhile.
 *      Changes of a link that follow each other within a tenth of a second are told once
 *
 * Return: 0, or -EEXIST where @nb is registered already.
 */
int ferry_link_register_notifier(struct notifier_block *nb);

/**
 * ferry_link_unregister_notifier() - undo ferry_link_register_notifier()
 * @nb: as registered; not called any more when this returns
 *
 * Return: 0, or -ENOENT where @nb is not registered.
 */
int ferry_link_unregister_notifier(struct notifier_block *nb);

/* Inside this room. */

struct ferry_link_net *ferry_link_net(const struct net *net);

/* The clock of readings: it goes on while the machine sleeps, so that what is old looks old. */
u64 ferry_link_now_us(void);

/* Tells about @link soon. The caller holds @links->lock. */
void ferry_link_changed(struct ferry_link_net *links, struct ferry_link *link);

/* Has the worker of sample.c come in @delay jiffies, unless it is on its way already. */
void ferry_link_sample_start(struct ferry_link_net *links, unsigned long delay);
void ferry_link_sample_work(struct work_struct *work);

extern const struct attribute_group *ferry_link_groups[];

static inline struct ferry_link *ferry_link_of(struct device *dev)
{
	return container_of(dev, struct ferry_link, dev);
}

#endif /* FERRY_LINK_LINK_H */
