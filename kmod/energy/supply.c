// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power supplies may go at any time, and who unregisters one complains if somebody else still has
 * a counted reference to it (power_supply_get_by_name()). So none is taken: supplies are walked,
 * which holds the device, and read under the lock of the device, which its unregistering waits for
 * before it frees what the driver's functions need.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/notifier.h>
#include <linux/ktime.h>

#include "../compat/supply.h"
#include "sampler.h"
#include "source.h"
#include "supply.h"

#define FERRY_SUPPLY_PREFIX "psy-"

/* Reads @property if the driver says that it has it. */
static bool ferry_supply_get(struct power_supply *psy, enum power_supply_property property,
			     int *value)
{
	union power_supply_propval read;
	size_t i;

	for (i = 0; i < psy->desc->num_properties; i++)
		if (psy->desc->properties[i] == property)
			break;
	if (i == psy->desc->num_properties || power_supply_get_property(psy, property, &read))
		return false;
	*value = read.intval;
	return true;
}

/* Some drivers count what a battery gives as negative, some what it takes: status tells which. */
static u64 ferry_supply_magnitude(int value)
{
	return abs((s64)value);
}

static void ferry_supply_read_power(struct power_supply *psy, struct ferry_energy_reading *reading)
{
	int power_uw, current_ua, voltage_uv;

	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_POWER_NOW, &power_uw)) {
		reading->power_uw = ferry_supply_magnitude(power_uw);
	} else if (ferry_supply_get(psy, POWER_SUPPLY_PROP_CURRENT_NOW, &current_ua) &&
		   ferry_supply_get(psy, POWER_SUPPLY_PROP_VOLTAGE_NOW, &voltage_uv)) {
		reading->power_uw = ferry_energy_scale(ferry_supply_magnitude(voltage_uv),
						       ferry_supply_magnitude(current_ua), 1000000);
	} else {
		return;
	}
	reading->has |= FERRY_ENERGY_HAS_POWER;
}

static void ferry_supply_read_battery(struct power_supply *psy,
				      struct ferry_energy_reading *reading)
{
	int status, percent, now_uwh, full_uwh;

	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_STATUS, &status)) {
		reading->charging = status == POWER_SUPPLY_STATUS_CHARGING;
		reading->has |= FERRY_ENERGY_HAS_CHARGING;
	}
	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_ENERGY_NOW, &now_uwh) && now_uwh >= 0) {
		reading->battery_uwh = now_uwh;
		reading->has |= FERRY_ENERGY_HAS_UWH;
		if (ferry_supply_get(psy, POWER_SUPPLY_PROP_ENERGY_FULL, &full_uwh) &&
		    full_uwh > 0) {
			reading->battery_ppm =
				min_t(u64, div_u64((u64)now_uwh * FERRY_PPM, full_uwh), FERRY_PPM);
			reading->has |= FERRY_ENERGY_HAS_CHARGE;
			return;
		}
	}
	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_CAPACITY, &percent)) {
		reading->battery_ppm = clamp(percent, 0, 100) * (FERRY_PPM / 100);
		reading->has |= FERRY_ENERGY_HAS_CHARGE;
	}
}

/* Reads @psy, which cannot go away meanwhile. Returns its kind, or -1 if it says nothing. */
static int ferry_supply_take(struct power_supply *psy, struct ferry_energy_reading *reading,
			     char *name, size_t room)
{
	const bool battery = psy->desc->type == POWER_SUPPLY_TYPE_BATTERY ||
			     psy->desc->type == POWER_SUPPLY_TYPE_UPS;
	int scope, tenths, there;

	if (snprintf(name, room, FERRY_SUPPLY_PREFIX "%s", psy->desc->name) >= room) {
		dev_notice_once(&psy->dev, "name too long for a source of energy telemetry\n");
		return -1;
	}
	/* An empty slot, or a supply that is being unregistered. */
	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_PRESENT, &there) && !there)
		return -1;
	reading->taken_ns = ktime_get_boottime_ns();
	if (!ferry_supply_get(psy, POWER_SUPPLY_PROP_ONLINE, &there) || there)
		ferry_supply_read_power(psy, reading);
	if (battery)
		ferry_supply_read_battery(psy, reading);
	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_TEMP, &tenths)) {
		reading->temperature_mdeg = clamp(tenths, FERRY_TEMPERATURE_MDEG_MIN / 100,
						  FERRY_TEMPERATURE_MDEG_MAX / 100) *
					    100;
		reading->has |= FERRY_ENERGY_HAS_TEMPERATURE;
	}
	if (!reading->has)
		return -1;
	if (ferry_supply_get(psy, POWER_SUPPLY_PROP_SCOPE, &scope) &&
	    scope == POWER_SUPPLY_SCOPE_DEVICE)
		return FERRY_ENERGY_KIND_PERIPHERAL;
	return battery ? FERRY_ENERGY_KIND_BATTERY : FERRY_ENERGY_KIND_SUPPLY;
}

static int ferry_supply_visit_one(struct power_supply *psy, void *unused)
{
	struct ferry_energy_reading reading = {
		.valid_ms = ferry_energy_sampler_valid_ms(),
		.provenance = FERRY_PROVENANCE_MEASURED,
	};
	char name[FERRY_ENERGY_NAME_MAX + 1];
	int kind;

	device_lock(&psy->dev);
	kind = ferry_supply_take(psy, &reading, name, sizeof(name));
	device_unlock(&psy->dev);
	/* A refusal (one source too many, or one of another kind) is no reason to stop here. */
	if (kind >= 0)
		ferry_energy_source_feed(name, FERRY_ENERGY_OWNER_SUPPLY, kind, &reading, NULL);
	return 0;
}

void ferry_supply_read(void)
{
	ferry_supply_for_each(ferry_supply_visit_one, NULL);
}

/* May be called in atomic context. */
static int ferry_supply_changed(struct notifier_block *nb, unsigned long event, void *psy)
{
	ferry_energy_sampler_kick();
	return NOTIFY_DONE;
}

static struct notifier_block ferry_supply_notifier = {
	.notifier_call = ferry_supply_changed,
};

int ferry_supply_start(void)
{
	return power_supply_reg_notifier(&ferry_supply_notifier);
}

void ferry_supply_stop(void)
{
	power_supply_unreg_notifier(&ferry_supply_notifier);
}
