/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_ENERGY_ENERGY_H
#define FERRY_ENERGY_ENERGY_H

/**
 * ferry_energy_register() - create /sys/class/ferry_energy, and begin to sample
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno with nothing left behind.
 */
int ferry_energy_register(void);

/**
 * ferry_energy_unregister() - undo ferry_energy_register()
 *
 * Nobody may feed a source any more.
 *
 * Context: process context, may sleep. Waits for readers of files.
 */
void ferry_energy_unregister(void);

#endif /* FERRY_ENERGY_ENERGY_H */
