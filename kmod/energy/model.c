// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bits.h>
#include <linux/cpumask.h>
#include <linux/kernel_stat.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/tick.h>
#include <linux/ktime.h>
#include <net/net_namespace.h>

#include "model.h"
#include "sampler.h"
#include "source.h"

static DEFINE_MUTEX(ferry_model_lock);
static struct ferry_energy_model ferry_model;
static u32 ferry_model_airtime_ppm;

/* What was counted at the last sample; of the sampler alone. */
static struct {
	u64 taken_ns;
	u64 idle_us;
	u64 tx_bytes;
	u64 rx_bytes;
	unsigned int cpus;
} ferry_model_counted;

static u64 ferry_model_idle_us(unsigned int *cpus)
{
	u64 sum = 0;
	int cpu;

	*cpus = 0;
	for_each_online_cpu(cpu)
	{
		const u64 idle_us = get_cpu_idle_time_us(cpu, NULL);
		const u64 waiting_us = get_cpu_iowait_time_us(cpu, NULL);

		/* Kernels that tick on idle processors count by ticks. */
		if (idle_us == ~0ULL || waiting_us == ~0ULL)
			sum += div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE] +
					       kcpustat_cpu(cpu).cpustat[CPUTIME_IOWAIT],
				       NSEC_PER_USEC);
		else
			sum += idle_us + waiting_us;
		(*cpus)++;
	}
	return sum;
}

/*
 * Bytes of devices with hardware behind them, in any namespace: a bridge, a tunnel or a veth passes
 * on what one of these sends.
 */
static void ferry_model_bytes(u64 *tx_bytes, u64 *rx_bytes)
{
	struct rtnl_link_stats64 stats;
	struct net_device *dev;
	struct net *net;

	*tx_bytes = 0;
	*rx_bytes = 0;
	rcu_read_lock();
	for_each_net_rcu(net)
	{
		for_each_netdev_rcu(net, dev)
		{
			if (!dev->dev.parent)
				continue;
			dev_get_stats(dev, &stats);
			*tx_bytes += stats.tx_bytes;
			*rx_bytes += stats.rx_bytes;
		}
	}
	rcu_read_unlock();
}

void ferry_energy_model_watch(struct ferry_energy_activity *activity)
{
	const u64 now_ns = ktime_get_boottime_ns();
	const u64 elapsed_us = div_u64(now_ns - ferry_model_counted.taken_ns, NSEC_PER_USEC);
	u64 idle_us, tx_bytes, rx_bytes;
	unsigned int cpus;

	memset(activity, 0, sizeof(*activity));
	idle_us = ferry_model_idle_us(&cpus);
	ferry_model_bytes(&tx_bytes, &rx_bytes);
	if (ferry_model_counted.taken_ns && elapsed_us) {
		const u64 whole_us = elapsed_us * cpus;
		u64 slept_us = idle_us - ferry_model_counted.idle_us;

		/* Processors come and go, with all the time that they were ever idle. */
		if (cpus != ferry_model_counted.cpus || slept_us > whole_us)
			slept_us = whole_us;
		activity->elapsed_ns = now_ns - ferry_model_counted.taken_ns;
		activity->busy_ppm = ferry_energy_scale(whole_us - slept_us, FERRY_PPM, whole_us);
		/* Devices too: a sum that is smaller than it was says nothing. */
		if (tx_bytes >= ferry_model_counted.tx_bytes)
			activity->tx_bytes = tx_bytes - ferry_model_counted.tx_bytes;
		if (rx_bytes >= ferry_model_counted.rx_bytes)
			activity->rx_bytes = rx_bytes - ferry_model_counted.rx_bytes;
	}
	ferry_model_counted.taken_ns = now_ns;
	ferry_model_counted.idle_us = idle_us;
	ferry_model_counted.cpus = cpus;
	ferry_model_counted.tx_bytes = tx_bytes;
	ferry_model_counted.rx_bytes = rx_bytes;
}

void ferry_energy_model_feed(const struct ferry_energy_activity *activity)
{
	struct ferry_energy_reading reading = {
		.taken_ns = ktime_get_boottime_ns(),
		.valid_ms = ferry_energy_sampler_valid_ms(),
		.has = FERRY_ENERGY_HAS_POWER | FERRY_ENERGY_HAS_ERROR,
		.provenance = FERRY_PROVENANCE_ESTIMATE,
	};
	struct ferry_energy_activity told = *activity;

	mutex_lock(&ferry_model_lock);
	told.airtime_ppm = ferry_model_airtime_ppm;
	if (ferry_energy_model_is_set(&ferry_model) && activity->elapsed_ns) {
		reading.power_uw = ferry_energy_estimate(&ferry_model, &told);
		reading.error_ppm = ferry_model.error_ppm;
		ferry_energy_source_feed("model", FERRY_ENERGY_OWNER_MODEL, FERRY_ENERGY_KIND_MODEL,
					 &reading, NULL);
	}
	mutex_unlock(&ferry_model_lock);
}

void ferry_energy_model_set(const struct ferry_energy_model *model, u32 airtime_ppm, u32 has)
{
	bool is_set;

	mutex_lock(&ferry_model_lock);
	if (has & FERRY_MODEL_HAS_IDLE)
		ferry_model.idle_uw = model->idle_uw;
	if (has & FERRY_MODEL_HAS_BUSY)
		ferry_model.busy_uw = model->busy_uw;
	if (has & FERRY_MODEL_HAS_TX)
		ferry_model.tx_nj_per_byte = model->tx_nj_per_byte;
	if (has & FERRY_MODEL_HAS_RX)
		ferry_model.rx_nj_per_byte = model->rx_nj_per_byte;
	if (has & FERRY_MODEL_HAS_ERROR)
		ferry_model.error_ppm = model->error_ppm;
	if (has & FERRY_MODEL_HAS_AIRTIME_UW)
		ferry_model.airtime_uw = model->airtime_uw;
	if (has & FERRY_MODEL_HAS_AIRTIME)
		ferry_model_airtime_ppm = airtime_ppm;
	is_set = ferry_energy_model_is_set(&ferry_model);
	if (!is_set)
		ferry_energy_source_remove("model", FERRY_ENERGY_OWNER_MODEL, NULL);
	mutex_unlock(&ferry_model_lock);
	if (is_set)
		ferry_energy_sampler_kick();
}
