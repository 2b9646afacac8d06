// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

/* "intel-rapl:0" is a zone of its control type, "intel-rapl:0:1" a part of that zone. */
static int depth_of(const char *zone)
{
	int depth = 0;

	for (; *zone; zone++)
		depth += *zone == ':';
	return depth;
}

/*
 * A package counts its cores and its graphics; its memory it does not (Intel SDM 15.10). One
 * package may show up by MSR and by MMIO: the same counter, under the same name.
 */
static void find_twin(const struct ferry_reading_list *list, struct ferry_reading *r)
{
	const struct ferry_reading *twin =
		ferry_reading_list_find(list, FERRY_READING_OF_ENERGY, r->name);

	if (twin)
		snprintf(r->mirror_of, sizeof(r->mirror_of), "%s", twin->name);
}

/* The zones whose names begin with @prefix, or all but those. */
static void collect_zones(const char *base, const struct ferry_sysfs_names *names,
			  const char *prefix, bool with, uint64_t now_us,
			  struct ferry_reading_list *list)
{
	char zone[PATH_MAX], parent[FERRY_READING_NAME] = "";
	char parent_zone[FERRY_SYSFS_NAME] = "";

	for (size_t i = 0; i < names->n; i++) {
		const int depth = depth_of(names->name[i]);
		char label[FERRY_SYSFS_TEXT], name[2 * FERRY_SYSFS_TEXT];
		struct ferry_reading r, *added;
		int64_t counter, max;
		bool is_part;
		int ret;

		if (!strncmp(names->name[i], prefix, strlen(prefix)) != with || !depth ||
		    !ferry_sysfs_path(zone, sizeof(zone), base, names->name[i]) ||
		    ferry_sysfs_text(zone, "name", label))
			continue;
		ret = ferry_sysfs_number(zone, "energy_uj", &counter);
		list->denied += ret == -EACCES || ret == -EPERM;
		if (ret)
			continue;
		is_part = depth > 1 && parent[0] &&
			  !strncmp(names->name[i], parent_zone, strlen(parent_zone)) &&
			  names->name[i][strlen(parent_zone)] == ':';
		snprintf(name, sizeof(name), "rapl-%s", label);
		if (is_part)
			snprintf(name, sizeof(name), "%s-%s", parent, label);
		ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, name, now_us);
		r.kind = !strcmp(label, "psys") ? FERRY_ENERGY_KIND_BOARD
						: FERRY_ENERGY_KIND_PACKAGE;
		if (is_part && strcmp(label, "dram"))
			snprintf(r.mirror_of, sizeof(r.mirror_of), "%s", parent);
		else
			find_twin(list, &r);
		ferry_reading_set(&r, FERRY_COUNTER_UJ, counter);
		if (!ferry_sysfs_number(zone, "max_energy_range_uj", &max))
			ferry_reading_set(&r, FERRY_COUNTER_MAX_UJ, max);
		added = ferry_reading_list_add(list, &r);
		if (added && depth == 1) {
			snprintf(parent, sizeof(parent), "%s", added->name);
			snprintf(parent_zone, sizeof(parent_zone), "%s", names->name[i]);
		}
	}
}

void ferry_collect_powercap(const char *root, uint64_t now_us, struct ferry_reading_list *list)
{
	char base[PATH_MAX];
	struct ferry_sysfs_names names;

	if (!ferry_sysfs_path(base, sizeof(base), root, "class/powercap"))
		return;
	/* Sorted, a zone comes before its parts. MMIO last: it has no parts, so that it is the
	 * mirror, not what is mirrored. */
	ferry_sysfs_list(base, "", &names);
	collect_zones(base, &names, "intel-rapl-mmio", false, now_us, list);
	collect_zones(base, &names, "intel-rapl-mmio", true, now_us, list);
}
