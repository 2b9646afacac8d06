/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_LINK_CLASS_H
#define FERRY_LINK_CLASS_H

#include <linux/types.h>

struct class;

extern struct class ferry_link_class;

/**
 * ferry_link_class_has_file() - whether a name is taken by a file of the class itself
 * @name: of a network device, which may be called like one of them
 */
bool ferry_link_class_has_file(const char *name);

/**
 * ferry_link_class_register() - create /sys/class/ferry_link in every network namespace
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_link_class_register(void);

/**
 * ferry_link_class_unregister() - remove what ferry_link_class_register() created
 *
 * Context: process context, may sleep. Waits for readers of the class's attributes.
 */
void ferry_link_class_unregister(void);

#endif /* FERRY_LINK_CLASS_H */
