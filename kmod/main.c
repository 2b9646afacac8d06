// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

#include "energy/energy.h"
#include "link/class.h"
#include "link/link.h"
#include "netlink/family.h"
#include "qdisc/kfunc.h"
#include "qdisc/qdisc.h"
#include "version.h"

static int __init ferry_init(void)
{
	int err;

	err = ferry_link_class_register();
	if (err) {
		pr_err("cannot create /sys/class/ferry_link: error %d\n", err);
		return err;
	}
	err = ferry_energy_register();
	if (err) {
		pr_err("cannot start energy telemetry: error %d\n", err);
		goto unregister_link;
	}
	err = ferry_links_register();
	if (err) {
		pr_err("cannot follow the network devices: error %d\n", err);
		goto unregister_energy;
	}
	err = ferry_netlink_register();
	if (err) {
		pr_err("cannot register the netlink family: error %d\n", err);
		goto unregister_links;
	}
	err = ferry_qdisc_register();
	if (err) {
		pr_err("cannot register the qdisc ferry: error %d\n", err);
		goto unregister_netlink;
	}
	ferry_kfunc_register();
	return 0;

unregister_netlink:
	ferry_netlink_unregister();
unregister_links:
	ferry_links_unregister();
unregister_energy:
	ferry_energy_unregister();
unregister_link:
	ferry_link_class_unregister();
	return err;
}

static void __exit ferry_exit(void)
{
	ferry_qdisc_unregister();
	ferry_netlink_unregister();
	ferry_links_unregister();
	ferry_energy_unregister();
	ferry_link_class_unregister();
}

module_init(ferry_init);
module_exit(ferry_exit);

MODULE_DESCRIPTION("Link and energy telemetry and traffic classes for shared LLM inference");
MODULE_LICENSE("GPL");
MODULE_VERSION(FERRY_VERSION);
