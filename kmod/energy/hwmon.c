// SPDX-License-Identifier: GPL-2.0-only
/* Sources as hwmon chips. The values are those of sysfs: averaged, rounded, for everybody. */
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/hwmon.h>
#include <linux/minmax.h>

#include "../compat/hwmon.h"
#include "hwmon.h"
#include "source.h"

static umode_t ferry_hwmon_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				      int channel)
{
	const struct ferry_energy_source *source = data;

	switch (type) {
	case hwmon_power:
		return source->last.has & FERRY_ENERGY_HAS_POWER ? 0444 : 0;
	case hwmon_temp:
		return source->last.has & FERRY_ENERGY_HAS_TEMPERATURE ? 0444 : 0;
	default:
		return 0;
	}
}

static int ferry_hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
			    long *value)
{
	struct ferry_energy_view view;

	ferry_energy_source_view(dev_get_drvdata(dev), &view);
	if (type == hwmon_power && attr == hwmon_power_average_interval) {
		*value = MSEC_PER_SEC;
		return 0;
	}
	if (type == hwmon_power && attr == hwmon_power_average) {
		if (!view.known)
			return -ENODATA;
		*value = min_t(u64, view.public_uw, LONG_MAX);
		return 0;
	}
	if (type == hwmon_temp && attr == hwmon_temp_input) {
		if (!(view.fresh & FERRY_ENERGY_HAS_TEMPERATURE))
			return -ENODATA;
		*value = view.temperature_mdeg;
		return 0;
	}
	return -EOPNOTSUPP;
}

static int ferry_hwmon_read_string(struct device *dev, enum hwmon_sensor_types type, u32 attr,
				   int channel, const char **text)
{
	const struct ferry_energy_source *source = dev_get_drvdata(dev);

	*text = source->name;
	return 0;
}

static const struct hwmon_ops ferry_hwmon_ops = {
	.is_visible = ferry_hwmon_is_visible,
	.read = ferry_hwmon_read,
	.read_string = ferry_hwmon_read_string,
};

static ferry_hwmon_info ferry_hwmon_channels[] = {
	HWMON_CHANNEL_INFO(power, HWMON_P_AVERAGE | HWMON_P_AVERAGE_INTERVAL | HWMON_P_LABEL),
	HWMON_CHANNEL_INFO(temp, HWMON_T_INPUT | HWMON_T_LABEL),
	NULL,
};

static const struct hwmon_chip_info ferry_hwmon_chip = {
	.ops = &ferry_hwmon_ops,
	.info = ferry_hwmon_channels,
};

struct device *ferry_energy_hwmon_add(struct ferry_energy_source *source)
{
	struct device *hwmon;
	char *letter;

	if (!(source->last.has & (FERRY_ENERGY_HAS_POWER | FERRY_ENERGY_HAS_TEMPERATURE)))
		return NULL;
	snprintf(source->hwmon_name, sizeof(source->hwmon_name), "ferry_%s", source->name);
	/* libsensors takes names apart at the hyphen. */
	for (letter = source->hwmon_name; *letter; letter++)
		if (!isalnum(*letter))
			*letter = '_';
	hwmon = hwmon_device_register_with_info(source->dev, source->hwmon_name, source,
						&ferry_hwmon_chip, NULL);
	return IS_ERR(hwmon) ? NULL : hwmon;
}

void ferry_energy_hwmon_remove(struct device *hwmon)
{
	if (hwmon)
		hwmon_device_unregister(hwmon);
}
