/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sources in the shape of hwmon chips, so that sensors(1) and exporters of metrics show them
 * without knowing Ferry. The names of these chips begin with "ferry_", and no source may be pushed under
 * such a name: whoever reads all of hwmon cannot feed a source with itself.
 */
#ifndef FERRY_ENERGY_HWMON_H
#define FERRY_ENERGY_HWMON_H

#include <linux/kconfig.h>

struct device;
struct ferry_energy_source;

#if IS_REACHABLE(CONFIG_HWMON)
/**
 * ferry_energy_hwmon_add() - show a source in hwmon
 * @source: what it has said until now decides which channels there are
 *
 * Context: process context, may sleep.
 * Return: the device, or NULL where there is nothing to show or no room.
 */
struct device *ferry_energy_hwmon_add(struct ferry_energy_source *source);

/**
 * ferry_energy_hwmon_remove() - undo ferry_energy_hwmon_add()
 * @hwmon: what that returned
 *
 * Context: process context, may sleep. Waits for readers.
 */
void ferry_energy_hwmon_remove(struct device *hwmon);
#else
static inline struct device *ferry_energy_hwmon_add(struct ferry_energy_source *source)
{
	return NULL;
}

static inline void ferry_energy_hwmon_remove(struct device *hwmon)
{
}
#endif

#endif /* FERRY_ENERGY_HWMON_H */
