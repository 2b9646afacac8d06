// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

enum { PPM_PER_PERCENT = FERRY_PPM / 100, MDEG_PER_TENTH = 100, MICRO = 1000000 };

/* A value that nobody sane has, and whose product with another one fits. */
static bool is_plausible(int64_t micro)
{
	return micro > -1000000000000 && micro < 1000000000000;
}

/* Product of two values in millionths, in millionths. */
static int64_t times(int64_t a, int64_t b)
{
	return (int64_t)((double)a * (double)b / MICRO);
}

static bool number(const char *supply, const char *name, int64_t *value)
{
	return !ferry_sysfs_number(supply, name, value) && is_plausible(*value);
}

static void read_power(const char *supply, struct ferry_reading *r)
{
	int64_t power, volts, amperes;

	/* Some drivers say by the sign of the current which way it flows, some do not. */
	if (number(supply, "power_now", &power))
		ferry_reading_set(r, FERRY_POWER_UW, power < 0 ? -power : power);
	else if (number(supply, "voltage_now", &volts) && number(supply, "current_now", &amperes))
		ferry_reading_set(r, FERRY_POWER_UW,
				  times(volts, amperes < 0 ? -amperes : amperes));
}

static void read_charge(const char *supply, struct ferry_reading *r)
{
	int64_t now, full, volts, percent;
	char status[FERRY_SYSFS_TEXT];

	if (number(supply, "energy_now", &now)) {
		ferry_reading_set(r, FERRY_BATTERY_UWH, now);
		if (number(supply, "energy_full", &full) && full > 0)
			ferry_reading_set(r, FERRY_BATTERY_PPM,
					  (int64_t)((double)now / (double)full * FERRY_PPM));
	} else if (number(supply, "charge_now", &now)) {
		if (number(supply, "voltage_min_design", &volts) ||
		    number(supply, "voltage_now", &volts))
			ferry_reading_set(r, FERRY_BATTERY_UWH, times(now, volts));
		if (number(supply, "charge_full", &full) && full > 0)
			ferry_reading_set(r, FERRY_BATTERY_PPM,
					  (int64_t)((double)now / (double)full * FERRY_PPM));
	}
	/* A battery that is fuller than full is an old one that was measured when it was new. */
	if (!ferry_reading_has(r, FERRY_BATTERY_PPM) && number(supply, "capacity", &percent))
		ferry_reading_set(r, FERRY_BATTERY_PPM, percent * PPM_PER_PERCENT);
	if (!ferry_sysfs_text(supply, "status", status))
		ferry_reading_set(r, FERRY_CHARGING, !strcmp(status, "Charging"));
}

void ferry_collect_power_supply(const char *root, uint64_t now_us, struct ferry_reading_list *list)
{
	char base[PATH_MAX], supply[PATH_MAX];
	struct ferry_sysfs_names names;

	if (!ferry_sysfs_path(base, sizeof(base), root, "class/power_supply"))
		return;
	ferry_sysfs_list(base, "", &names);
	for (size_t i = 0; i < names.n; i++) {
		char type[FERRY_SYSFS_TEXT], scope[FERRY_SYSFS_TEXT], name[FERRY_SYSFS_TEXT];
		struct ferry_reading r;
		int64_t there = 1, tenths;

		if (!ferry_sysfs_path(supply, sizeof(supply), base, names.name[i]) ||
		    ferry_sysfs_text(supply, "type", type))
			continue;
		snprintf(name, sizeof(name), "psy-%s", names.name[i]);
		ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, name, now_us);
		r.kind = !strcmp(type, "Battery") ? FERRY_ENERGY_KIND_BATTERY
						  : FERRY_ENERGY_KIND_SUPPLY;
		if (!ferry_sysfs_text(supply, "scope", scope) && !strcmp(scope, "Device"))
			r.kind = FERRY_ENERGY_KIND_PERIPHERAL;
		/* An empty bay, and a plug with nothing in it. */
		ferry_sysfs_number(
			supply, r.kind == FERRY_ENERGY_KIND_SUPPLY ? "online" : "present", &there);
		if (!there)
			continue;
		read_power(supply, &r);
		if (r.kind != FERRY_ENERGY_KIND_SUPPLY)
			read_charge(supply, &r);
		if (number(supply, "temp", &tenths))
			ferry_reading_set(&r, FERRY_TEMPERATURE_MDEG, tenths * MDEG_PER_TENTH);
		ferry_reading_list_add(list, &r);
	}
}
