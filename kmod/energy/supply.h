/* SPDX-License-Identifier: GPL-2.0-only */
/* The power supplies of the kernel, as sources "psy-NAME". */
#ifndef FERRY_ENERGY_SUPPLY_H
#define FERRY_ENERGY_SUPPLY_H

#include <linux/kconfig.h>

#if IS_REACHABLE(CONFIG_POWER_SUPPLY)
/**
 * ferry_supply_start() - have the sampler woken by supplies that come or change
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_supply_start(void);

/**
 * ferry_supply_stop() - undo ferry_supply_start()
 *
 * Context: process context, may sleep.
 */
void ferry_supply_stop(void);

/**
 * ferry_supply_read() - read all supplies into their sources
 *
 * Context: process context, may sleep: drivers ask their devices.
 */
void ferry_supply_read(void);
#else
static inline int ferry_supply_start(void)
{
	return 0;
}

static inline void ferry_supply_stop(void)
{
}

static inline void ferry_supply_read(void)
{
}
#endif

#endif /* FERRY_ENERGY_SUPPLY_H */
