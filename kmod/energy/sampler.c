// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/workqueue.h>

#include "model.h"
#include "sampler.h"
#include "source.h"
#include "supply.h"
#include "thermal.h"

/* A jiffy more than a second: a public value averages over no less, and the first may be cut. */
#define FERRY_ENERGY_SAMPLE_JIFFIES (HZ + 1)

static void ferry_energy_sample(struct work_struct *work);
static DECLARE_DELAYED_WORK(ferry_energy_sampler, ferry_energy_sample);
static u32 ferry_energy_load_ppm;

static void ferry_energy_sample(struct work_struct *work)
{
	struct ferry_energy_activity activity;
	bool more;

	ferry_energy_model_watch(&activity);
	WRITE_ONCE(ferry_energy_load_ppm, activity.busy_ppm);
	ferry_energy_model_feed(&activity);
	ferry_supply_read();
	more = ferry_thermal_read();
	if (ferry_energy_sources_settle() || more)
		queue_delayed_work(system_freezable_wq, &ferry_energy_sampler,
				   FERRY_ENERGY_SAMPLE_JIFFIES);
}

void ferry_energy_sampler_kick(void)
{
	/* Does nothing where it waits for its next turn: nobody makes it sample more often. */
	queue_delayed_work(system_freezable_wq, &ferry_energy_sampler, HZ / 10);
}

void ferry_energy_sampler_stop(void)
{
	cancel_delayed_work_sync(&ferry_energy_sampler);
}

u32 ferry_energy_sampler_load_ppm(void)
{
	return READ_ONCE(ferry_energy_load_ppm);
}
