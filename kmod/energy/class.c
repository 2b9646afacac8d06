// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sysfs class of energy sources. Batteries and meters belong to the machine, not to a
 * network namespace, so this class carries no tag.
 */
#include <linux/device.h>
#include <linux/kdev_t.h>
#include <linux/sysfs.h>

#include "../version.h"
#include "class.h"
#include "mode.h"

static CLASS_ATTR_STRING(version, 0444, FERRY_VERSION);

static struct attribute *ferry_energy_class_attrs[] = {
	&class_attr_version.attr.attr,
	&ferry_mode_attribute.attr,
	NULL,
};
ATTRIBUTE_GROUPS(ferry_energy_class);

static struct class ferry_energy_class = {
	.name = "ferry_energy",
	.class_groups = ferry_energy_class_groups,
};

int ferry_energy_class_register(void)
{
	return class_register(&ferry_energy_class);
}

struct device *ferry_energy_class_add(const char *name, void *data,
				      const struct attribute_group **groups)
{
	return device_create_with_groups(&ferry_energy_class, NULL, MKDEV(0, 0), data, groups, "%s",
					 name);
}

void ferry_energy_class_unregister(void)
{
	class_unregister(&ferry_energy_class);
}
