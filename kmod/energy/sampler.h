/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One delayed work, once a second, only while there is something to sample. It does not run while
 * the machine sleeps or goes to sleep: drivers are not there to be asked then.
 */
#ifndef FERRY_ENERGY_SAMPLER_H
#define FERRY_ENERGY_SAMPLER_H

#include <linux/types.h>

/**
 * ferry_energy_sampler_kick() - sample soon, and then once a second, if that is not done already
 *
 * Context: any.
 */
void ferry_energy_sampler_kick(void);

/**
 * ferry_energy_sampler_stop() - sample no more
 *
 * Nobody may kick any more.
 *
 * Context: process context, may sleep.
 */
void ferry_energy_sampler_stop(void);

/**
 * ferry_energy_sampler_valid_ms() - how long a reading of the sampler's own readers holds
 *
 * Two periods. A period is a second, and the time that the slowest of the drivers take.
 *
 * Context: any.
 * Return: milliseconds.
 */
u32 ferry_energy_sampler_valid_ms(void);

/**
 * ferry_energy_sampler_load_ppm() - how busy the machine is
 *
 * Context: any.
 * Return: share of the time of all processors over the last second; 0 before the first.
 */
u32 ferry_energy_sampler_load_ppm(void);

#endif /* FERRY_ENERGY_SAMPLER_H */
