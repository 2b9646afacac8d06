// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine with a battery, a thermal zone, a powercap zone and a hwmon chip, none of which exist.
 * Each says what the module parameter of its name says at the moment. The kernel mirrors the first
 * two in hwmon, and the battery's temperature as a thermal zone, as it does for real ones.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hwmon.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/platform_device.h>
#include <linux/power_supply.h>
#include <linux/powercap.h>
#include <linux/thermal.h>

static int battery_uw = 5000000;
module_param(battery_uw, int, 0644);
MODULE_PARM_DESC(battery_uw, "what the battery gives; some drivers count that as negative");
static bool charging;
module_param(charging, bool, 0644);
MODULE_PARM_DESC(charging, "the battery takes that, it does not give it");
static int temperature_mdeg = 45000;
module_param(temperature_mdeg, int, 0644);
MODULE_PARM_DESC(temperature_mdeg, "of the thermal zone fake_soc");
static ulong counter_uj;
module_param(counter_uj, ulong, 0644);
MODULE_PARM_DESC(counter_uj, "of the powercap zone");
static int slow_ms;
module_param(slow_ms, int, 0644);
MODULE_PARM_DESC(slow_ms, "how long the battery and the thermal zone take for an answer");

static struct platform_device *parent;

/* In the memory of the module, which is gone with it: who comes too late touches freed pages. */
static void answer_slowly(void)
{
	if (slow_ms)
		msleep(slow_ms);
}

static enum power_supply_property battery_properties[] = {
	POWER_SUPPLY_PROP_STATUS,      POWER_SUPPLY_PROP_PRESENT,     POWER_SUPPLY_PROP_POWER_NOW,
	POWER_SUPPLY_PROP_ENERGY_FULL, POWER_SUPPLY_PROP_ENERGY_NOW,  POWER_SUPPLY_PROP_CAPACITY,
	POWER_SUPPLY_PROP_TEMP,	       POWER_SUPPLY_PROP_VOLTAGE_NOW,
};

static int battery_get(struct power_supply *psy, enum power_supply_property property,
		       union power_supply_propval *value)
{
	switch (property) {
	case POWER_SUPPLY_PROP_STATUS:
		value->intval = charging ? POWER_SUPPLY_STATUS_CHARGING
					 : POWER_SUPPLY_STATUS_DISCHARGING;
		return 0;
	case POWER_SUPPLY_PROP_PRESENT:
		value->intval = 1;
		return 0;
	case POWER_SUPPLY_PROP_POWER_NOW:
		answer_slowly();
		value->intval = battery_uw;
		return 0;
	case POWER_SUPPLY_PROP_ENERGY_FULL:
		value->intval = 50000000;
		return 0;
	case POWER_SUPPLY_PROP_ENERGY_NOW:
		value->intval = 37528912;
		return 0;
	case POWER_SUPPLY_PROP_CAPACITY:
		value->intval = 75;
		return 0;
	case POWER_SUPPLY_PROP_TEMP:
		value->intval = 312;
		return 0;
	case POWER_SUPPLY_PROP_VOLTAGE_NOW:
		value->intval = 12000000;
		return 0;
	default:
		return -EINVAL;
	}
}

static const struct power_supply_desc battery_desc = {
	.name = "fake_battery",
	.type = POWER_SUPPLY_TYPE_BATTERY,
	.properties = battery_properties,
	.num_properties = ARRAY_SIZE(battery_properties),
	.get_property = battery_get,
};

static struct power_supply *battery;

static int zone_get_temp(struct thermal_zone_device *zone, int *temperature)
{
	answer_slowly();
	*temperature = temperature_mdeg;
	return 0;
}

static struct thermal_zone_device_ops zone_ops = {.get_temp = zone_get_temp};
static struct thermal_zone_device *zone;

static struct thermal_zone_device *register_zone(void)
{
#ifdef FAKE_TRIPLESS
	return thermal_tripless_zone_device_register("fake_soc", NULL, &zone_ops, NULL);
#else
	return thermal_zone_device_register("fake_soc", 0, 0, NULL, &zone_ops, NULL, 0, 0);
#endif
}

static int cap_energy(struct powercap_zone *cap, u64 *uj)
{
	*uj = counter_uj;
	return 0;
}

static int cap_range(struct powercap_zone *cap, u64 *uj)
{
	*uj = 262143328850ULL;
	return 0;
}

static int cap_release(struct powercap_zone *cap)
{
	return 0;
}

static const struct powercap_zone_ops cap_ops = {
	.get_energy_uj = cap_energy,
	.get_max_energy_range_uj = cap_range,
	.release = cap_release,
};

static int no_limit(struct powercap_zone *cap, int id, u64 *value)
{
	return -EOPNOTSUPP;
}

static int no_set_limit(struct powercap_zone *cap, int id, u64 value)
{
	return -EOPNOTSUPP;
}

/* All of them have to be there, although there are no constraints. */
static const struct powercap_zone_constraint_ops cap_limits = {
	.set_power_limit_uw = no_set_limit,
	.get_power_limit_uw = no_limit,
	.set_time_window_us = no_set_limit,
	.get_time_window_us = no_limit,
};

static struct powercap_control_type *cap_type;
static struct powercap_zone cap;

static umode_t chip_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
			       int channel)
{
	return 0444;
}

static int chip_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
		     long *value)
{
	*value = abs(battery_uw);
	return 0;
}

static const struct hwmon_ops chip_ops = {.is_visible = chip_is_visible, .read = chip_read};
static const struct hwmon_channel_info chip_power = {
	.type = hwmon_power,
	.config = (const u32[]){HWMON_P_INPUT, 0},
};
static const struct hwmon_channel_info *chip_channels[] = {&chip_power, NULL};
static const struct hwmon_chip_info chip_info = {.ops = &chip_ops, .info = chip_channels};
static struct device *chip;

static int __init fake_init(void)
{
	struct powercap_zone *made;
	int err;

	parent = platform_device_register_simple("fake", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	battery = power_supply_register(&parent->dev, &battery_desc, NULL);
	err = PTR_ERR_OR_ZERO(battery);
	if (err)
		goto no_battery;
	zone = register_zone();
	err = PTR_ERR_OR_ZERO(zone);
	if (err)
		goto no_zone;
	thermal_zone_device_enable(zone);
	cap_type = powercap_register_control_type(NULL, "fake-rapl", NULL);
	err = PTR_ERR_OR_ZERO(cap_type);
	if (err)
		goto no_type;
	made = powercap_register_zone(&cap, cap_type, "package-0", NULL, &cap_ops, 0, &cap_limits);
	err = PTR_ERR_OR_ZERO(made);
	if (err)
		goto no_cap;
	chip = hwmon_device_register_with_info(&parent->dev, "fake_ina", NULL, &chip_info, NULL);
	err = PTR_ERR_OR_ZERO(chip);
	if (err)
		goto no_chip;
	return 0;

no_chip:
	powercap_unregister_zone(cap_type, &cap);
no_cap:
	powercap_unregister_control_type(cap_type);
no_type:
	thermal_zone_device_unregister(zone);
no_zone:
	power_supply_unregister(battery);
no_battery:
	platform_device_unregister(parent);
	return err;
}

static void __exit fake_exit(void)
{
	hwmon_device_unregister(chip);
	powercap_unregister_zone(cap_type, &cap);
	powercap_unregister_control_type(cap_type);
	thermal_zone_device_unregister(zone);
	power_supply_unregister(battery);
	platform_device_unregister(parent);
}

module_init(fake_init);
module_exit(fake_exit);

MODULE_DESCRIPTION("Power supply, thermal zone, powercap zone and hwmon chip for tests");
MODULE_LICENSE("GPL");
