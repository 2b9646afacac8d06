/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_ENERGY_MODE_H
#define FERRY_ENERGY_MODE_H

#include <linux/ferry.h>

struct class_attribute;
struct notifier_block;

/**
 * ferry_mode() - how much energy the machine wants to spend
 *
 * Context: any. One atomic read.
 * Return: the mode that was set last, FERRY_MODE_NORMAL at the start.
 */
enum ferry_mode ferry_mode(void);

/**
 * ferry_mode_set() - change the mode of the machine
 * @mode: the new one
 *
 * Everybody who registered has been told when this returns; nobody is if @mode is what it was.
 *
 * Context: process context, may sleep. Not from a notifier of the mode.
 * Return: 0, or -EINVAL where @mode is none.
 */
int ferry_mode_set(enum ferry_mode mode);

/**
 * ferry_mode_register_notifier() - be told of changes
 * @nb: called in process context with the new enum ferry_mode as action and no data, in the
 *      order of the changes; ferry_mode() says the same by then
 *
 * Return: 0, or -EEXIST where @nb is registered already.
 */
int ferry_mode_register_notifier(struct notifier_block *nb);

/**
 * ferry_mode_unregister_notifier() - undo ferry_mode_register_notifier()
 * @nb: as registered; not called any more when this returns
 *
 * Return: 0, or -ENOENT where @nb is not registered.
 */
int ferry_mode_unregister_notifier(struct notifier_block *nb);

/* The file `mode` of /sys/class/ferry_energy. */
extern struct class_attribute ferry_mode_attribute;

#endif /* FERRY_ENERGY_MODE_H */
