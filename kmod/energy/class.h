/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_ENERGY_CLASS_H
#define FERRY_ENERGY_CLASS_H

/**
 * ferry_energy_class_register() - create /sys/class/ferry_energy
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_energy_class_register(void);

/**
 * ferry_energy_class_unregister() - remove what ferry_energy_class_register() created
 *
 * Context: process context, may sleep. Waits for readers of the class's attributes.
 */
void ferry_energy_class_unregister(void);

#endif /* FERRY_ENERGY_CLASS_H */
