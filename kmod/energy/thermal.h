/* SPDX-License-Identifier: GPL-2.0-only */
/* Thermal zones that the module parameter `thermal` names, as sources "thermal-NAME". */
#ifndef FERRY_ENERGY_THERMAL_H
#define FERRY_ENERGY_THERMAL_H

#include <linux/kconfig.h>
#include <linux/types.h>

#if IS_REACHABLE(CONFIG_THERMAL)
/**
 * ferry_thermal_start() - prepare to find zones
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_thermal_start(void);

/**
 * ferry_thermal_read() - read the zones into their sources
 *
 * Context: process context, may sleep: drivers ask their devices.
 * Return: whether any were named: they may come later.
 */
bool ferry_thermal_read(void);
#else
static inline int ferry_thermal_start(void)
{
	return 0;
}

static inline bool ferry_thermal_read(void)
{
	return false;
}
#endif

#endif /* FERRY_ENERGY_THERMAL_H */
