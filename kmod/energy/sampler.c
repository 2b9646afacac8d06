// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/workqueue.h>

#include "model.h"
#include "sampler.h"
#include "source.h"
#include "supply.h"
#include "thermal.h"

/* A jiffy more than a second: a public value averages over no less, and the first may be cut. */
#define FERRY_ENERGY_SAMPLE_JIFFIES (HZ + 1)

/* What drivers may take together, and be believed; the rest is stale. */
#define FERRY_ENERGY_LONGEST_NS	    (10 * NSEC_PER_SEC)

static void ferry_energy_sample(struct work_struct *work);
static DECLARE_DELAYED_WORK(ferry_energy_sampler, ferry_energy_sample);
static u32 ferry_energy_load_ppm;
static u32 ferry_energy_period_ms = MSEC_PER_SEC;

static void ferry_energy_sample(struct work_struct *work)
{
	struct ferry_energy_activity activity;
	bool more;

	ferry_energy_model_watch(&activity);
	/* Not one that it was not there for, or asleep. */
	if (activity.elapsed_ns && activity.elapsed_ns < FERRY_ENERGY_LONGEST_NS)
		WRITE_ONCE(ferry_energy_period_ms,
			   max_t(u32, ferry_energy_ms(activity.elapsed_ns), MSEC_PER_SEC));
	WRITE_ONCE(ferry_energy_load_ppm, activity.busy_ppm);
	ferry_energy_model_feed(&activity);
	ferry_supply_read();
	more = ferry_thermal_read();
	/*
	 * Modified, not queued: who kicked while this ran, as every reading does, made it due much
	 * earlier. With nothing to sample that stays: it may be the news of a supply.
	 */
	if (ferry_energy_sources_settle() || more)
		mod_delayed_work(system_freezable_wq, &ferry_energy_sampler,
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

u32 ferry_energy_sampler_valid_ms(void)
{
	return 2 * READ_ONCE(ferry_energy_period_ms);
}

u32 ferry_energy_sampler_load_ppm(void)
{
	return READ_ONCE(ferry_energy_load_ppm);
}
