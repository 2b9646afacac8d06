// SPDX-License-Identifier: GPL-2.0-only
/*
 * One word for the whole machine: how much energy it wants to spend. Who decides is userspace; the
 * qdisc obeys. It is read for every packet, so it is one atomic word and nothing else.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sysfs.h>

#include "../compat/class.h"
#include "mode.h"

static atomic_t ferry_mode_now = ATOMIC_INIT(FERRY_MODE_NORMAL);

/* Held while a change is told, so that everybody sees the changes in the same order. */
static DEFINE_MUTEX(ferry_mode_lock);
static BLOCKING_NOTIFIER_HEAD(ferry_mode_chain);

enum ferry_mode ferry_mode(void)
{
	return atomic_read(&ferry_mode_now);
}

int ferry_mode_set(enum ferry_mode mode)
{
	if ((unsigned int)mode >= FERRY_MODE_COUNT)
		return -EINVAL;
	mutex_lock(&ferry_mode_lock);
	if (mode != ferry_mode()) {
		atomic_set(&ferry_mode_now, mode);
		blocking_notifier_call_chain(&ferry_mode_chain, mode, NULL);
	}
	mutex_unlock(&ferry_mode_lock);
	return 0;
}

int ferry_mode_register_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_register(&ferry_mode_chain, nb);
}

int ferry_mode_unregister_notifier(struct notifier_block *nb)
{
	return blocking_notifier_chain_unregister(&ferry_mode_chain, nb);
}

static ssize_t mode_show(ferry_show_class *class, ferry_show_attribute *attr, char *buf)
{
	static const char *const names[] = {
#define ferry_row(mode_, name_) [mode_] = name_,
		FERRY_MODE_TABLE(ferry_row)
#undef ferry_row
	};

	return sysfs_emit(buf, "%s\n", names[ferry_mode()]);
}

struct class_attribute ferry_mode_attribute = __ATTR_RO(mode);
