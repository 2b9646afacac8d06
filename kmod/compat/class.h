/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_CLASS_H
#define FERRY_COMPAT_CLASS_H

#include <linux/device/class.h>

/* The device that a callback of struct class gets: const since Linux 6.2. */
#ifdef FERRY_CLASS_DEVICE_IS_CONST
#define ferry_class_device const struct device
#else
#define ferry_class_device struct device
#endif

/* What the show() of a class's own attribute gets: const since Linux 6.4. */
#ifdef FERRY_CLASS_SHOW_IS_CONST
#define ferry_show_class     const struct class
#define ferry_show_attribute const struct class_attribute
#else
#define ferry_show_class     struct class
#define ferry_show_attribute struct class_attribute
#endif

#endif /* FERRY_COMPAT_CLASS_H */
