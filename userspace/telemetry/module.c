// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

enum { USEC_PER_MSEC = 1000 };

#define row(number, name) [number] = name,
static const char *const states[] = {FERRY_LINK_STATE_TABLE(row)};
static const char *const kinds[] = {FERRY_ENERGY_KIND_TABLE(row)};
static const char *const provenances[] = {FERRY_PROVENANCE_TABLE(row)};
#undef row

/* Number of the word in a file; -1 for one that this version does not know. */
static int word(const char *directory, const char *file, const char *const *words, int n)
{
	char text[FERRY_SYSFS_TEXT];

	if (ferry_sysfs_text(directory, file, text))
		return -1;
	for (int i = 0; i < n; i++)
		if (!strcmp(words[i], text))
			return i;
	return -1;
}

/* What is unknown reads "unknown", which is no number. */
static void read_quantities(const char *directory, int first, int last, struct ferry_reading *r)
{
	int64_t value;

	for (int q = first; q <= last; q++)
		if (!ferry_sysfs_number(directory, ferry_quantity_name((enum ferry_quantity)q),
					&value))
			ferry_reading_set(r, (enum ferry_quantity)q, value);
	if (!ferry_sysfs_number(directory, "age_ms", &value) && value > 0) {
		const uint64_t age_us = (uint64_t)value * USEC_PER_MSEC;

		r->taken_us = age_us < r->taken_us ? r->taken_us - age_us : 0;
	}
}

static void read_link(const char *root, const char *directory, const char *name, uint64_t now_us,
		      struct ferry_reading_list *list)
{
	const int state = word(directory, "state", states, FERRY_LINK_STATE_COUNT);
	const int source = word(directory, "source", provenances, FERRY_PROVENANCE_COUNT);
	char device[PATH_MAX], path[PATH_MAX];
	struct ferry_reading r;
	int64_t ifindex;

	ferry_reading_begin(&r, FERRY_READING_OF_LINK, name, now_us);
	if (ferry_sysfs_path(path, sizeof(path), root, "class/net") &&
	    ferry_sysfs_path(device, sizeof(device), path, name) &&
	    !ferry_sysfs_number(device, "ifindex", &ifindex) && ifindex > 0 && ifindex <= INT_MAX)
		r.ifindex = (uint32_t)ifindex;
	r.provenance = source < 0 ? FERRY_PROVENANCE_NONE : (enum ferry_provenance)source;
	if (state >= 0)
		ferry_reading_set(&r, FERRY_STATE, state);
	read_quantities(directory, FERRY_TX_RATE_KBPS, FERRY_BACKLOG_BYTES, &r);
	ferry_reading_list_add(list, &r);
}

static void read_source(const char *directory, const char *name, uint64_t now_us,
			struct ferry_reading_list *list)
{
	const int kind = word(directory, "kind", kinds, FERRY_ENERGY_KIND_COUNT);
	const int source = word(directory, "source", provenances, FERRY_PROVENANCE_COUNT);
	char mirror[FERRY_SYSFS_TEXT];
	struct ferry_reading r;
	int64_t uncertainty;

	if (kind < 0)
		return;
	ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, name, now_us);
	r.kind = (enum ferry_energy_kind)kind;
	r.provenance = source < 0 ? FERRY_PROVENANCE_NONE : (enum ferry_provenance)source;
	if (!ferry_sysfs_text(directory, "mirror_of", mirror) && strcmp(mirror, "none"))
		snprintf(r.mirror_of, sizeof(r.mirror_of), "%.*s", FERRY_READING_NAME - 1, mirror);
	read_quantities(directory, FERRY_POWER_UW, FERRY_CHARGING, &r);
	if (ferry_reading_has(&r, FERRY_POWER_UW) && r.value[FERRY_POWER_UW] > 0 &&
	    !ferry_sysfs_number(directory, "uncertainty_uw", &uncertainty) && uncertainty >= 0)
		ferry_reading_set(&r, FERRY_ERROR_PPM,
				  (int64_t)((double)uncertainty / (double)r.value[FERRY_POWER_UW] *
					    FERRY_PPM));
	ferry_reading_list_add(list, &r);
}

bool ferry_collect_module(const char *root, uint64_t now_us, struct ferry_reading_list *list)
{
	char base[PATH_MAX], directory[PATH_MAX], version[FERRY_SYSFS_TEXT];
	struct ferry_sysfs_names names;

	if (!ferry_sysfs_path(base, sizeof(base), root, "class/ferry_link") ||
	    ferry_sysfs_text(base, "version", version))
		return false;
	ferry_sysfs_list(base, "", &names);
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.name[i], "version") &&
		    ferry_sysfs_path(directory, sizeof(directory), base, names.name[i]))
			read_link(root, directory, names.name[i], now_us, list);
	if (!ferry_sysfs_path(base, sizeof(base), root, "class/ferry_energy"))
		return true;
	ferry_sysfs_list(base, "", &names);
	for (size_t i = 0; i < names.n; i++)
		if (ferry_sysfs_path(directory, sizeof(directory), base, names.name[i]))
			read_source(directory, names.name[i], now_us, list);
	return true;
}
