/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_ENERGY_CLASS_H
#define FERRY_ENERGY_CLASS_H

struct attribute_group;
struct device;

/**
 * ferry_energy_class_register() - create /sys/class/ferry_energy
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_energy_class_register(void);

/**
 * ferry_energy_class_add() - create the directory of a source
 * @name:   of the source; nothing of the class may be called like that
 * @data:   driver data of the device
 * @groups: its files
 *
 * device_unregister() removes it. The device is the driver core's own: nothing of this module is
 * called when its last user lets go of it.
 *
 * Context: process context, may sleep.
 * Return: the device, or an error pointer.
 */
struct device *ferry_energy_class_add(const char *name, void *data,
				      const struct attribute_group **groups);

/**
 * ferry_energy_class_unregister() - remove what ferry_energy_class_register() created
 *
 * Context: process context, may sleep. Waits for readers of the class's attributes.
 */
void ferry_energy_class_unregister(void);

#endif /* FERRY_ENERGY_CLASS_H */
