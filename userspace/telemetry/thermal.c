// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

void ferry_collect_thermal(const char *root, uint64_t now_us, struct ferry_reading_list *list)
{
	char base[PATH_MAX], zone[PATH_MAX];
	struct ferry_sysfs_names names;

	if (!ferry_sysfs_path(base, sizeof(base), root, "class/thermal"))
		return;
	ferry_sysfs_list(base, "thermal_zone", &names);
	for (size_t i = 0; i < names.n; i++) {
		char type[FERRY_SYSFS_TEXT], name[2 * FERRY_SYSFS_TEXT];
		struct ferry_reading r;
		int64_t mdeg;

		if (!ferry_sysfs_path(zone, sizeof(zone), base, names.name[i]) ||
		    ferry_sysfs_text(zone, "type", type) || ferry_sysfs_number(zone, "temp", &mdeg))
			continue;
		snprintf(name, sizeof(name), "thermal-%s", type);
		ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, name, now_us);
		r.kind = FERRY_ENERGY_KIND_THERMAL;
		ferry_reading_set(&r, FERRY_TEMPERATURE_MDEG, mdeg);
		ferry_reading_list_add(list, &r);
	}
}
