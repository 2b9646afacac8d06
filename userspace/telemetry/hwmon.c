// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

enum { CHANNELS_MAX = 32 };

/*
 * Which voltage and which current of a chip belong together. Nothing may be paired without such a
 * rule: numbers alone do not tell that in4 of an INA3221 is not the voltage of a fourth rail but
 * what drops over the first one's shunt. For the drivers see Documentation/hwmon of the kernel.
 */
struct rule {
	const char *chip;
	int first, last; /* channels N for which inN x currN is a power */
	enum ferry_energy_kind kind;
};

static const struct rule rules[] = {
	{"ina3221", 1, 3, FERRY_ENERGY_KIND_BOARD}, /* in4..6: shunts, in7 and curr4: sums */
	{"ltc4151", 1, 1, FERRY_ENERGY_KIND_BOARD}, /* in2: a pin for anything */
	{"max34407", 1, 4, FERRY_ENERGY_KIND_BOARD},
	/* These have powerN, and what it is of is no board. */
	{"fam15h_power", 1, 0, FERRY_ENERGY_KIND_PACKAGE},
	{"amdgpu", 1, 0, FERRY_ENERGY_KIND_PACKAGE},
	{"amd_energy", 1, 0, FERRY_ENERGY_KIND_PACKAGE},
	{"zenergy", 1, 0, FERRY_ENERGY_KIND_PACKAGE},
	{"i915", 1, 0, FERRY_ENERGY_KIND_PACKAGE},
	{"xe", 1, 0, FERRY_ENERGY_KIND_PACKAGE},
};

static const struct rule any_chip = {"", 1, 0, FERRY_ENERGY_KIND_BOARD};

static const struct rule *rule_of(const char *chip)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(chip, rules[i].chip))
			return &rules[i];
	return &any_chip;
}

static bool ends_with(const char *text, const char *end)
{
	const size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcasecmp(text + n - m, end);
}

/* Where everything that the chip measures flows in: VDD_IN of a Jetson, pin of a PMBus chip. */
static bool is_inlet(const char *label)
{
	return ends_with(label, "_in") || !strcasecmp(label, "vin") || !strcasecmp(label, "pin") ||
	       !strncmp(label, "Esocket", 7);
}

static int channel_number(const char *chip, const char *kind, int n, const char *suffix,
			  int64_t *value)
{
	char name[32];

	snprintf(name, sizeof(name), "%s%d_%s", kind, n, suffix);
	return ferry_sysfs_number(chip, name, value);
}

static bool channel_label(const char *chip, const char *kind, int n, char label[FERRY_SYSFS_TEXT])
{
	char name[32];

	snprintf(name, sizeof(name), "%s%d_label", kind, n);
	return !ferry_sysfs_text(chip, name, label) && label[0];
}

/* One channel of a chip as a reading that has a power, a counter, or nothing. */
static void read_channel(const char *chip, const struct rule *rule, int n, struct ferry_reading *r,
			 struct ferry_reading_list *list)
{
	int64_t value, volts, amperes;
	int ret;

	/* An average over some time says more than a moment. */
	if (!channel_number(chip, "power", n, "average", &value) ||
	    !channel_number(chip, "power", n, "input", &value))
		ferry_reading_set(r, FERRY_POWER_UW, value);
	else if (n >= rule->first && n <= rule->last &&
		 !channel_number(chip, "in", n, "input", &volts) &&
		 !channel_number(chip, "curr", n, "input", &amperes) && volts >= 0 &&
		 volts < INT_MAX && amperes >= 0 && amperes < INT_MAX)
		ferry_reading_set(r, FERRY_POWER_UW, volts * amperes); /* mV x mA */
	ret = channel_number(chip, "energy", n, "input", &value);
	list->denied += ret == -EACCES || ret == -EPERM;
	if (!ret)
		ferry_reading_set(r, FERRY_COUNTER_UJ, value);
}

static void collect_chip(const char *chip, const char *name, uint64_t now_us,
			 struct ferry_reading_list *list)
{
	static const char *const labelled[] = {"power", "energy", "in"};
	const struct rule *rule = rule_of(name);
	const size_t begin = list->n;
	const struct ferry_reading *inlet = NULL;
	int64_t mdeg;

	for (int n = 1; n <= CHANNELS_MAX; n++) {
		char label[FERRY_SYSFS_TEXT] = "", full[3 * FERRY_SYSFS_TEXT];
		struct ferry_reading r, *added;

		for (size_t i = 0; i < 3 && !label[0]; i++)
			if (!channel_label(chip, labelled[i], n, label))
				label[0] = '\0';
		if (label[0])
			snprintf(full, sizeof(full), "hw-%s-%s", name, label);
		else
			snprintf(full, sizeof(full), "hw-%s-%d", name, n);
		ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, full, now_us);
		r.kind = rule->kind;
		read_channel(chip, rule, n, &r, list);
		added = ferry_reading_list_add(list, &r);
		if (added && !inlet && is_inlet(label))
			inlet = added;
	}
	for (size_t i = begin; i < list->n; i++) {
		struct ferry_reading *r = &list->reading[i];

		if (inlet && r != inlet)
			snprintf(r->mirror_of, sizeof(r->mirror_of), "%s", inlet->name);
		if (i == begin && !ferry_sysfs_number(chip, "temp1_input", &mdeg))
			ferry_reading_set(r, FERRY_TEMPERATURE_MDEG, mdeg);
	}
}

/* What the kernel shows here a second time, or what ferry.ko shows of what we pushed into it. */
static bool is_mirror(const char *chip)
{
	return ferry_sysfs_is_below(chip, "power_supply") ||
	       ferry_sysfs_is_below(chip, "thermal") || ferry_sysfs_is_below(chip, "ferry_energy");
}

void ferry_collect_hwmon(const char *root, uint64_t now_us, struct ferry_reading_list *list)
{
	char base[PATH_MAX], chip[PATH_MAX], name[FERRY_SYSFS_TEXT];
	struct ferry_sysfs_names names;

	if (!ferry_sysfs_path(base, sizeof(base), root, "class/hwmon"))
		return;
	ferry_sysfs_list(base, "hwmon", &names);
	for (size_t i = 0; i < names.n; i++)
		if (ferry_sysfs_path(chip, sizeof(chip), base, names.name[i]) && !is_mirror(chip) &&
		    !ferry_sysfs_text(chip, "name", name))
			collect_chip(chip, name, now_us, list);
}
