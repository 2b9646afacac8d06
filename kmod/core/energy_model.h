/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The linear estimate of a machine's power, for machines that have no meter:
 *
 *   P = idle + busy * utilisation + tx * bytes sent per second + rx * bytes received per second
 *       + airtime * share of the time that the radio is on
 *
 * The form and its limits are those of the literature on power models (Rivoire et al., "A
 * comparison of high-level full-system power models", HotPower 2008); the coefficients come from
 * whoever has measured the machine once.
 */
#ifndef FERRY_CORE_ENERGY_MODEL_H
#define FERRY_CORE_ENERGY_MODEL_H

#include <linux/types.h>
#include <linux/ferry.h>

#include "energy.h"

/* Coefficients. All zero: there is no estimate. */
struct ferry_energy_model {
	__u64 idle_uw;
	__u64 busy_uw;
	__u64 airtime_uw;
	__u32 tx_nj_per_byte;
	__u32 rx_nj_per_byte;
	__u32 error_ppm; /* how far the estimate may be off */
};

/* What the machine did over @elapsed_ns. */
struct ferry_energy_activity {
	__u64 elapsed_ns;
	__u64 tx_bytes;
	__u64 rx_bytes;
	__u32 busy_ppm;	   /* share of the time of all processors; more than FERRY_PPM is that */
	__u32 airtime_ppm; /* likewise of the radio */
};

static inline _Bool ferry_energy_model_is_set(const struct ferry_energy_model *model)
{
	return model->idle_uw || model->busy_uw || model->airtime_uw || model->tx_nj_per_byte ||
	       model->rx_nj_per_byte;
}

/* @ppm of @uw, @ppm at most FERRY_PPM. */
static inline __u64 ferry_energy_share(__u64 uw, __u32 ppm)
{
	return ferry_energy_scale(uw, ppm < FERRY_PPM ? ppm : FERRY_PPM, FERRY_PPM);
}

/* Microwatts of @bytes in @elapsed_us, at @nj_per_byte each. */
static inline __u64 ferry_energy_of_bytes(__u64 bytes, __u32 nj_per_byte, __u64 elapsed_us)
{
	__u64 per_second;

	if (!elapsed_us || elapsed_us >= ~0ULL / 1000000)
		return 0;
	per_second = ferry_energy_scale(bytes, 1000000, elapsed_us);
	/* nJ per second are nW. */
	return ferry_energy_scale(per_second, nj_per_byte, 1000);
}

/* Microwatts that @model says @activity took, at most FERRY_POWER_UW_MAX. */
static inline __u64 ferry_energy_estimate(const struct ferry_energy_model *model,
					  const struct ferry_energy_activity *activity)
{
	const __u64 elapsed_us = ferry_div64(activity->elapsed_ns, FERRY_NS_PER_US);
	const __u64 terms[] = {
		model->idle_uw,
		ferry_energy_share(model->busy_uw, activity->busy_ppm),
		ferry_energy_share(model->airtime_uw, activity->airtime_ppm),
		ferry_energy_of_bytes(activity->tx_bytes, model->tx_nj_per_byte, elapsed_us),
		ferry_energy_of_bytes(activity->rx_bytes, model->rx_nj_per_byte, elapsed_us),
	};
	__u64 sum = 0;
	unsigned int i;

	for (i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		if (terms[i] >= FERRY_POWER_UW_MAX - sum)
			return FERRY_POWER_UW_MAX;
		sum += terms[i];
	}
	return sum;
}

/* How far an estimate of @power_uw may be off, rounded up: a band that is too narrow is a lie. */
static inline __u64 ferry_energy_uncertainty(__u64 power_uw, __u32 error_ppm)
{
	const __u64 error_uw = ferry_energy_scale(power_uw, error_ppm, FERRY_PPM);

	if (error_uw > ~0ULL - FERRY_ENERGY_QUANTUM_UW)
		return ~0ULL;
	return ferry_div64(error_uw + FERRY_ENERGY_QUANTUM_UW - 1, FERRY_ENERGY_QUANTUM_UW) *
	       FERRY_ENERGY_QUANTUM_UW;
}

#endif /* FERRY_CORE_ENERGY_MODEL_H */
