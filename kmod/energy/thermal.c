// SPDX-License-Identifier: GPL-2.0-only
/*
 * thermal_zone_get_zone_by_name() returns a zone without a reference: it may be gone before its
 * temperature is asked for. So the devices of the thermal class are walked, which holds each, and
 * the name is looked up while the device is locked: the zone that is found is used only if it is
 * the one whose device is held. Its unregistering waits for the lock before it frees anything.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/ktime.h>

#include "../compat/thermal.h"
#include "sampler.h"
#include "source.h"
#include "thermal.h"

#define FERRY_THERMAL_PREFIX "thermal-"
#define FERRY_THERMAL_MAX    8

static char *ferry_thermal_names[FERRY_THERMAL_MAX];
static unsigned int ferry_thermal_count;
module_param_array_named(thermal, ferry_thermal_names, charp, &ferry_thermal_count, 0444);
MODULE_PARM_DESC(thermal,
		 "types of the thermal zones to sample, as in /sys/class/thermal/*/type; up to 8");

/* The thermal class, which is nobody's to see but its devices'; NULL where no zones are wanted. */
static typeof(((struct device *)NULL)->class) ferry_thermal_class;

static int ferry_thermal_no_state(struct thermal_cooling_device *cooler, unsigned long *state)
{
	*state = 0;
	return 0;
}

static int ferry_thermal_set_state(struct thermal_cooling_device *cooler, unsigned long state)
{
	return 0;
}

static const struct thermal_cooling_device_ops ferry_thermal_probe_ops = {
	.get_max_state = ferry_thermal_no_state,
	.get_cur_state = ferry_thermal_no_state,
	.set_cur_state = ferry_thermal_set_state,
};

int ferry_thermal_start(void)
{
	/* Registers the cooler with the least to say, for as long as it takes to see its class. */
	struct thermal_cooling_device *cooler;
	unsigned int i;

	if (!ferry_thermal_count)
		return 0;
	for (i = 0; i < ferry_thermal_count; i++) {
		if (!*ferry_thermal_names[i] ||
		    strlen(FERRY_THERMAL_PREFIX) + strlen(ferry_thermal_names[i]) >
			    FERRY_ENERGY_NAME_MAX ||
		    strchr(ferry_thermal_names[i], '/')) {
			pr_err("parameter thermal: '%s' is no type of a thermal zone\n",
			       ferry_thermal_names[i]);
			return -EINVAL;
		}
	}
	/* The core keeps its own pointer to what it is given as const. */
	cooler = thermal_cooling_device_register("ferry", NULL, &ferry_thermal_probe_ops);
	if (IS_ERR(cooler))
		return PTR_ERR(cooler);
	ferry_thermal_class = cooler->device.class;
	thermal_cooling_device_unregister(cooler);
	return 0;
}

/* Reads the zone called @type into @temperature, if @dev is its device. */
static bool ferry_thermal_read_device(struct device *dev, const char *type, int *temperature)
{
	struct thermal_zone_device *zone;
	bool read = false;

	ferry_thermal_hold(dev);
	zone = thermal_zone_get_zone_by_name(type);
	if (!IS_ERR(zone) && ferry_thermal_device(zone) == dev)
		read = !thermal_zone_get_temp(zone, temperature);
	ferry_thermal_release(dev);
	return read;
}

static int ferry_thermal_visit(struct device *dev, void *unused)
{
	struct ferry_energy_reading reading = {
		.valid_ms = ferry_energy_sampler_valid_ms(),
		.has = FERRY_ENERGY_HAS_TEMPERATURE,
		.provenance = FERRY_PROVENANCE_MEASURED,
	};
	char name[FERRY_ENERGY_NAME_MAX + 1];
	int temperature;
	unsigned int i;

	/* Coolers are of the same class. */
	if (strncmp(dev_name(dev), "thermal_zone", strlen("thermal_zone")))
		return 0;
	for (i = 0; i < ferry_thermal_count; i++) {
		if (!ferry_thermal_read_device(dev, ferry_thermal_names[i], &temperature))
			continue;
		reading.taken_ns = ktime_get_boottime_ns();
		reading.temperature_mdeg =
			clamp(temperature, FERRY_TEMPERATURE_MDEG_MIN, FERRY_TEMPERATURE_MDEG_MAX);
		snprintf(name, sizeof(name), FERRY_THERMAL_PREFIX "%s", ferry_thermal_names[i]);
		ferry_energy_source_feed(name, FERRY_ENERGY_OWNER_THERMAL,
					 FERRY_ENERGY_KIND_THERMAL, &reading, NULL);
	}
	return 0;
}

bool ferry_thermal_read(void)
{
	if (!ferry_thermal_class)
		return false;
	class_for_each_device(ferry_thermal_class, NULL, NULL, ferry_thermal_visit);
	return true;
}
