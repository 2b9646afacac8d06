/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_HWMON_H
#define FERRY_COMPAT_HWMON_H

#include <linux/hwmon.h>

/* An element of the list of channels of a chip; the list is const since Linux 6.4. */
#ifdef FERRY_HWMON_INFO_IS_CONST
#define ferry_hwmon_info const struct hwmon_channel_info *const
#else
#define ferry_hwmon_info const struct hwmon_channel_info *
#endif

#endif /* FERRY_COMPAT_HWMON_H */
