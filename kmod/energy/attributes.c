// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/ferry_energy/SOURCE/: Documentation/ABI/testing/sysfs-class-ferry_energy. Whatever
 * everybody may read is averaged and rounded; exact energy is for root. What nobody knows reads
 * "unknown", not 0, as it does in ferry_link.
 */
#include <linux/device.h>
#include <linux/minmax.h>
#include <linux/sysfs.h>

#include "../core/provenance.h"
#include "attributes.h"
#include "source.h"

/* The charge of a small battery in ppm would tell its power to the milliwatt. */
#define FERRY_ENERGY_CHARGE_STEP_PPM 1000

/* What dev's source is now; the driver core keeps the device while a file of it is read. */
static void ferry_energy_look(struct device *dev, struct ferry_energy_view *view)
{
	ferry_energy_source_view(dev_get_drvdata(dev), view);
}

static ssize_t ferry_energy_emit(char *buf, bool known, s64 value)
{
	return known ? sysfs_emit(buf, "%lld\n", value) : sysfs_emit(buf, "unknown\n");
}

static ssize_t kind_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
#define ferry_row(kind_, name_) [kind_] = name_,
		FERRY_ENERGY_KIND_TABLE(ferry_row)
#undef ferry_row
	};
	struct ferry_energy_view view;

	ferry_energy_look(dev, &view);
	return sysfs_emit(buf, "%s\n", names[view.kind]);
}
static DEVICE_ATTR_RO(kind);

static ssize_t source_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_energy_view view;

	ferry_energy_look(dev, &view);
	return sysfs_emit(buf, "%s\n", ferry_provenance_name(view.provenance));
}
static DEVICE_ATTR_RO(source);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_energy_view view;

	ferry_energy_look(dev, &view);
	return sysfs_emit(buf, "%s\n", ferry_energy_state_name(view.state));
}
static DEVICE_ATTR_RO(state);

/* The file @name_ shows the number @value_ of a view, if @known_. */
#define FERRY_ENERGY_NUMBER(name_, mode_, known_, value_)                                         \
	static ssize_t name_##_show(struct device *dev, struct device_attribute *attr, char *buf) \
	{                                                                                         \
		struct ferry_energy_view view;                                                    \
                                                                                                  \
		ferry_energy_look(dev, &view);                                                    \
		return ferry_energy_emit(buf, known_, value_);                                    \
	}                                                                                         \
	static DEVICE_ATTR(name_, mode_, name_##_show, NULL)

#define FERRY_ENERGY_FRESH(value_) (view.fresh & FERRY_ENERGY_HAS_##value_)

FERRY_ENERGY_NUMBER(age_ms, 0444, view.age_ms != U32_MAX, view.age_ms);
FERRY_ENERGY_NUMBER(power_uw, 0444, view.known, view.public_uw);
FERRY_ENERGY_NUMBER(uncertainty_uw, 0444, view.known, view.uncertainty_uw);
FERRY_ENERGY_NUMBER(energy_uj, 0400, true, min_t(u64, view.energy_uj, S64_MAX));
FERRY_ENERGY_NUMBER(temperature_mdeg, 0444, FERRY_ENERGY_FRESH(TEMPERATURE), view.temperature_mdeg);
FERRY_ENERGY_NUMBER(battery_ppm, 0444, FERRY_ENERGY_FRESH(CHARGE),
		    rounddown(view.battery_ppm, FERRY_ENERGY_CHARGE_STEP_PPM));
FERRY_ENERGY_NUMBER(battery_uwh, 0400, FERRY_ENERGY_FRESH(UWH),
		    min_t(u64, view.battery_uwh, S64_MAX));
FERRY_ENERGY_NUMBER(charging, 0444, FERRY_ENERGY_FRESH(CHARGING), view.charging);

static ssize_t mirror_of_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_energy_view view;

	ferry_energy_look(dev, &view);
	return sysfs_emit(buf, "%s\n", view.mirror_of[0] ? view.mirror_of : "none");
}
static DEVICE_ATTR_RO(mirror_of);

static ssize_t scope_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct ferry_energy_view view;

	ferry_energy_look(dev, &view);
	return sysfs_emit(
		buf, "%s\n",
		ferry_energy_scope_name(view.known ? view.scope : FERRY_ENERGY_SCOPE_NONE));
}
static DEVICE_ATTR_RO(scope);

/* What a source has to have said for a file of it to be there. */
static const struct {
	struct attribute *attr;
	u32 has;
} ferry_energy_files[] = {
	{&dev_attr_power_uw.attr, FERRY_ENERGY_HAS_POWER},
	{&dev_attr_energy_uj.attr, FERRY_ENERGY_HAS_POWER},
	{&dev_attr_uncertainty_uw.attr, FERRY_ENERGY_HAS_ERROR},
	{&dev_attr_temperature_mdeg.attr, FERRY_ENERGY_HAS_TEMPERATURE},
	{&dev_attr_battery_ppm.attr, FERRY_ENERGY_HAS_CHARGE},
	{&dev_attr_battery_uwh.attr, FERRY_ENERGY_HAS_UWH},
	{&dev_attr_charging.attr, FERRY_ENERGY_HAS_CHARGING},
	{&dev_attr_scope.attr, FERRY_ENERGY_HAS_SCOPE},
};

static umode_t ferry_energy_is_visible(struct kobject *kobj, struct attribute *attr, int index)
{
	const struct ferry_energy_source *source = dev_get_drvdata(kobj_to_dev(kobj));
	int i;

	for (i = 0; i < ARRAY_SIZE(ferry_energy_files); i++)
		if (ferry_energy_files[i].attr == attr)
			return source->last.has & ferry_energy_files[i].has ? attr->mode : 0;
	/* A sum is made of sources, and mirrors none. */
	if (attr == &dev_attr_mirror_of.attr && source->owner == FERRY_ENERGY_OWNER_TOTAL)
		return 0;
	return attr->mode;
}

static struct attribute *ferry_energy_attrs[] = {
	&dev_attr_kind.attr,
	&dev_attr_source.attr,
	&dev_attr_state.attr,
	&dev_attr_age_ms.attr,
	&dev_attr_mirror_of.attr,
	&dev_attr_power_uw.attr,
	&dev_attr_energy_uj.attr,
	&dev_attr_uncertainty_uw.attr,
	&dev_attr_temperature_mdeg.attr,
	&dev_attr_battery_ppm.attr,
	&dev_attr_battery_uwh.attr,
	&dev_attr_charging.attr,
	&dev_attr_scope.attr,
	NULL,
};

static const struct attribute_group ferry_energy_group = {
	.attrs = ferry_energy_attrs,
	.is_visible = ferry_energy_is_visible,
};

const struct attribute_group *ferry_energy_groups[] = {
	&ferry_energy_group,
	NULL,
};
