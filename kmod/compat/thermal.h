/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_COMPAT_THERMAL_H
#define FERRY_COMPAT_THERMAL_H

#include <linux/device.h>
#include <linux/thermal.h>
#include <linux/version.h>

/* The address of a zone's device: what is there is not looked at. Zones are opaque since 6.4. */
static inline struct device *ferry_thermal_device(struct thermal_zone_device *zone)
{
#ifdef FERRY_HAVE_THERMAL_ZONE_DEVICE
	return thermal_zone_device(zone);
#else
	return &zone->device;
#endif
}

/*
 * Keeps a zone, to whose device the caller has a reference, from being unregistered: that takes
 * the lock of the device. From Linux 6.2 to 6.7 it does so while it holds the lock of the zone,
 * which reading a temperature takes second; but there reading one asks, under the lock of the
 * zone, whether it is still registered.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline void ferry_thermal_hold(struct device *dev)
{
}

static inline void ferry_thermal_release(struct device *dev)
{
}
#else
static inline void ferry_thermal_hold(struct device *dev)
{
	device_lock(dev);
}

static inline void ferry_thermal_release(struct device *dev)
{
	device_unlock(dev);
}
#endif

#endif /* FERRY_COMPAT_THERMAL_H */
