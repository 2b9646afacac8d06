// SPDX-License-Identifier: GPL-2.0-only
/* Energy telemetry as a whole: its parts, in the order in which they come and go. */
#include "class.h"
#include "energy.h"
#include "sampler.h"
#include "source.h"
#include "supply.h"
#include "thermal.h"

int ferry_energy_register(void)
{
	int err;

	err = ferry_energy_class_register();
	if (err)
		return err;
	err = ferry_energy_sources_start();
	if (err)
		goto unregister_class;
	err = ferry_thermal_start();
	if (err)
		goto stop_sources;
	err = ferry_supply_start();
	if (err)
		goto stop_sources;
	/* What there is already is found by the first sample. */
	ferry_energy_sampler_kick();
	return 0;

stop_sources:
	ferry_energy_sources_stop();
unregister_class:
	ferry_energy_class_unregister();
	return err;
}

void ferry_energy_unregister(void)
{
	ferry_supply_stop();
	ferry_energy_sampler_stop();
	ferry_energy_sources_stop();
	ferry_energy_class_unregister();
}
