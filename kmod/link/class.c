// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sysfs class of network links. Two namespaces may each have a wan0, and neither may see the
 * other's, so the class carries the network namespace as a tag. sysfs then demands the tag of
 * every entry below the class, the class's own attributes included: those are created once in
 * each namespace.
 */
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "../compat/class.h"
#include "../version.h"
#include "class.h"
#include "link.h"

/* The parent of a device of this class is the network device that it describes. */
static const void *ferry_link_namespace(ferry_class_device *dev)
{
	return dev_net(to_net_dev(dev->parent));
}

struct class ferry_link_class = {
	.name = "ferry_link",
	.ns_type = &net_ns_type_operations,
	.namespace = ferry_link_namespace,
	.dev_groups = ferry_link_groups,
};

static CLASS_ATTR_STRING(version, 0444, FERRY_VERSION);

bool ferry_link_class_has_file(const char *name)
{
	return !strcmp(name, class_attr_version.attr.attr.name);
}

static int __net_init ferry_link_class_net_init(struct net *net)
{
	return class_create_file_ns(&ferry_link_class, &class_attr_version.attr, net);
}

static void __net_exit ferry_link_class_net_exit(struct net *net)
{
	class_remove_file_ns(&ferry_link_class, &class_attr_version.attr, net);
}

static struct pernet_operations ferry_link_class_net_ops = {
	.init = ferry_link_class_net_init,
	.exit = ferry_link_class_net_exit,
};

int ferry_link_class_register(void)
{
	int err;

	err = class_register(&ferry_link_class);
	if (err)
		return err;
	/* Runs the init callback for each namespace that exists, and for each that follows. */
	err = register_pernet_subsys(&ferry_link_class_net_ops);
	if (err)
		goto unregister_class;
	return 0;

unregister_class:
	class_unregister(&ferry_link_class);
	return err;
}

void ferry_link_class_unregister(void)
{
	unregister_pernet_subsys(&ferry_link_class_net_ops);
	class_unregister(&ferry_link_class);
}
