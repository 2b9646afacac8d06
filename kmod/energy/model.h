/* SPDX-License-Identifier: GPL-2.0-only */
/* The source "model": the linear estimate, from what the kernel sees of processors and links. */
#ifndef FERRY_ENERGY_MODEL_H
#define FERRY_ENERGY_MODEL_H

#include "../core/energy_model.h"

/* What a change of the model brings. */
#define FERRY_MODEL_HAS_IDLE	   BIT(0)
#define FERRY_MODEL_HAS_BUSY	   BIT(1)
#define FERRY_MODEL_HAS_TX	   BIT(2)
#define FERRY_MODEL_HAS_RX	   BIT(3)
#define FERRY_MODEL_HAS_ERROR	   BIT(4)
#define FERRY_MODEL_HAS_AIRTIME	   BIT(5)
#define FERRY_MODEL_HAS_AIRTIME_UW BIT(6)

/**
 * ferry_energy_model_set() - change coefficients
 * @model:	 new values
 * @airtime_ppm: share of the time that the radio is on: the kernel does not know it
 * @has:	 which of them to take, FERRY_MODEL_HAS_*
 *
 * With all coefficients 0 there is no source "model".
 *
 * Context: process context, may sleep.
 */
void ferry_energy_model_set(const struct ferry_energy_model *model, u32 airtime_ppm, u32 has);

/**
 * ferry_energy_model_watch() - what the machine did since the last call
 * @activity: gets it; all 0 at the first call
 *
 * For the sampler only.
 *
 * Context: process context.
 */
void ferry_energy_model_watch(struct ferry_energy_activity *activity);

/**
 * ferry_energy_model_feed() - let the model estimate the power of @activity
 * @activity: as ferry_energy_model_watch() gave it
 *
 * Context: process context, may sleep.
 */
void ferry_energy_model_feed(const struct ferry_energy_activity *activity);

#endif /* FERRY_ENERGY_MODEL_H */
