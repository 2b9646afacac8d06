// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

/*
 * Links come, are renamed and go with their network devices. The core of the network says so by
 * notifiers, with RTNL held; a device that changes its namespace goes in one, comes in the other.
 */
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/netns/generic.h>

#include "class.h"
#include "link.h"

/* Events of one namespace are told in rounds that are so far apart at least. */
#define FERRY_LINK_EVENT_INTERVAL (HZ / 10)

static unsigned int ferry_link_net_id __read_mostly;
static BLOCKING_NOTIFIER_HEAD(ferry_link_chain);

struct ferry_link_net *ferry_link_net(const struct net *net)
{
	return net_generic(net, ferry_link_net_id);
}

u64 ferry_link_now_us(void)
{
	return ktime_to_us(ktime_get_boottime());
}

int ferry_link_register_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_register(&ferry_link_chain, nb);
}

int ferry_link_unregister_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_unregister(&ferry_link_chain, nb);
}

void ferry_link_changed(struct ferry_link_net *links, struct ferry_link *link)
{
	const unsigned long next = links->event_time + FERRY_LINK_EVENT_INTERVAL;
	const unsigned long now = jiffies;

	xa_set_mark(&links->links, link->netdev->ifindex, FERRY_LINK_CHANGED_MARK);
	/* Does nothing while it is on its way, so that what happens until then is told at once. */
	queue_delayed_work(system_power_efficient_wq, &links->event_work,
			   time_after(next, now) ? next - now : 0);
}

static void ferry_link_event_work(struct work_struct *work)
{
	struct ferry_link_net *links =
		container_of(to_delayed_work(work), struct ferry_link_net, event_work);
	struct ferry_link *link;
	unsigned long ifindex;

	mutex_lock(&links->lock);
	links->event_time = jiffies;
	xa_for_each_marked(&links->links, ifindex, link, FERRY_LINK_CHANGED_MARK)
	{
		xa_clear_mark(&links->links, ifindex, FERRY_LINK_CHANGED_MARK);
		blocking_notifier_call_chain(&ferry_link_chain, FERRY_LINK_CHANGED, link);
	}
	mutex_unlock(&links->lock);
}

static void ferry_link_release(struct device *dev)
{
	kfree(ferry_link_of(dev));
}

/* Called with RTNL held, as everything is that comes from a notifier. */
static void ferry_link_create(struct net_device *netdev)
{
	struct ferry_link_net *links = ferry_link_net(dev_net(netdev));
	struct ferry_link *link;
	int err;

	/* Anybody may call a device of his namespace like that; it goes without telemetry. */
	if (ferry_link_class_has_file(netdev->name))
		return;
	link = kzalloc(sizeof(*link), GFP_KERNEL);
	if (!link) {
		err = -ENOMEM;
		goto failed;
	}
	device_initialize(&link->dev);
	link->dev.class = &ferry_link_class;
	link->dev.parent = &netdev->dev;
	link->dev.release = ferry_link_release;
	device_set_pm_not_required(&link->dev);
	spin_lock_init(&link->lock);
	link->netdev = netdev;
	link->speed_wanted = true;
	strscpy(link->name, netdev->name, sizeof(link->name));

	err = dev_set_name(&link->dev, "%s", netdev->name);
	if (err)
		goto put_link;
	/* Into the list last: whoever finds a link may use all of it. */
	err = device_add(&link->dev);
	if (err)
		goto put_link;
	mutex_lock(&links->lock);
	err = xa_insert(&links->links, netdev->ifindex, link, GFP_KERNEL);
	if (!err)
		ferry_link_changed(links, link);
	mutex_unlock(&links->lock);
	if (err)
		goto delete_device;
	return;

delete_device:
	device_del(&link->dev);
put_link:
	put_device(&link->dev);
failed:
	/* The device is more important than what is told about it. */
	pr_warn_ratelimited("no telemetry for %s: error %d\n", netdev->name, err);
}

static void ferry_link_destroy(struct net_device *netdev)
{
	struct ferry_link_net *links = ferry_link_net(dev_net(netdev));
	struct ferry_link *link;

	mutex_lock(&links->lock);
	link = xa_erase(&links->links, netdev->ifindex);
	if (link)
		blocking_notifier_call_chain(&ferry_link_chain, FERRY_LINK_GONE, link);
	mutex_unlock(&links->lock);
	/* Waits for readers of its files, so without the lock. */
	if (link)
		device_unregister(&link->dev);
}

static void ferry_link_rename(struct net_device *netdev)
{
	struct ferry_link_net *links = ferry_link_net(dev_net(netdev));
	struct ferry_link *link;
	bool renamed = false;

	mutex_lock(&links->lock);
	link = xa_load(&links->links, netdev->ifindex);
	if (link && !ferry_link_class_has_file(netdev->name) &&
	    !device_rename(&link->dev, netdev->name)) {
		spin_lock(&link->lock);
		strscpy(link->name, netdev->name, sizeof(link->name));
		spin_unlock(&link->lock);
		ferry_link_changed(links, link);
		renamed = true;
	}
	mutex_unlock(&links->lock);
	if (renamed)
		return;
	/* It had a name that is none here, or gets one. */
	ferry_link_destroy(netdev);
	ferry_link_create(netdev);
}

/* Its flags or its carrier changed. */
static void ferry_link_look_again(struct net_device *netdev)
{
	struct ferry_link_net *links = ferry_link_net(dev_net(netdev));
	struct ferry_link *link;

	mutex_lock(&links->lock);
	link = xa_load(&links->links, netdev->ifindex);
	if (link) {
		link->speed_wanted = true;
		ferry_link_changed(links, link);
		if (netdev->flags & IFF_UP) {
			ferry_link_sample_start(links, 0);
		} else {
			/* Nobody counts any more: the last rates would grow old. */
			spin_lock(&link->lock);
			memset(&link->sample, 0, sizeof(link->sample));
			spin_unlock(&link->lock);
		}
	}
	mutex_unlock(&links->lock);
}

static int ferry_link_netdev_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *netdev = netdev_notifier_info_to_dev(info);

	switch (event) {
	case NETDEV_REGISTER:
		ferry_link_create(netdev);
		break;
	case NETDEV_UNREGISTER:
		ferry_link_destroy(netdev);
		break;
	case NETDEV_CHANGENAME:
		ferry_link_rename(netdev);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		ferry_link_look_again(netdev);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block ferry_link_netdev_notifier = {
	.notifier_call = ferry_link_netdev_event,
};

int ferry_link_visit(struct net *net, unsigned long *ifindex, bool exactly,
		     int (*visit)(struct ferry_link *link, void *data), void *data)
{
	struct ferry_link_net *links = ferry_link_net(net);
	const unsigned long last = exactly ? *ifindex : ULONG_MAX;
	unsigned long next = *ifindex;
	struct ferry_link *link;
	int ret = -ENODEV;

	/* The lock is given back between two links: who waits for it may hold RTNL. */
	for (;;) {
		mutex_lock(&links->lock);
		link = xa_find(&links->links, &next, last, XA_PRESENT);
		if (link) {
			*ifindex = next;
			ret = visit(link, data);
		}
		mutex_unlock(&links->lock);
		if (!link || ret || next == last)
			return ret;
		next++;
		cond_resched();
	}
}

static int __net_init ferry_link_net_init(struct net *net)
{
	struct ferry_link_net *links = ferry_link_net(net);

	links->net = net;
	mutex_init(&links->lock);
	xa_init(&links->links);
	INIT_DEFERRABLE_WORK(&links->sample_work, ferry_link_sample_work);
	INIT_DELAYED_WORK(&links->event_work, ferry_link_event_work);
	links->event_time = jiffies - FERRY_LINK_EVENT_INTERVAL;
	return 0;
}

/* Its network devices, and with them its links, are gone by now: nobody starts the work again. */
static void __net_exit ferry_link_net_exit(struct net *net)
{
	struct ferry_link_net *links = ferry_link_net(net);

	cancel_delayed_work_sync(&links->sample_work);
	cancel_delayed_work_sync(&links->event_work);
	xa_destroy(&links->links);
}

static struct pernet_operations ferry_link_net_ops = {
	.init = ferry_link_net_init,
	.exit = ferry_link_net_exit,
	.id = &ferry_link_net_id,
	.size = sizeof(struct ferry_link_net),
};

int ferry_links_register(void)
{
	int err;

	err = register_pernet_subsys(&ferry_link_net_ops);
	if (err)
		return err;
	/* Tells of every device that is there already. */
	err = register_netdevice_notifier(&ferry_link_netdev_notifier);
	if (err)
		goto unregister_pernet;
	return 0;

unregister_pernet:
	unregister_pernet_subsys(&ferry_link_net_ops);
	return err;
}

void ferry_links_unregister(void)
{
	/* Tells that every device goes. */
	unregister_netdevice_notifier(&ferry_link_netdev_notifier);
	unregister_pernet_subsys(&ferry_link_net_ops);
}
