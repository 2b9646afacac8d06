// SPDX-License-Identifier: MIT
#include "telemetry/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry/attribution.h"
#include "telemetry/collect.h"

enum {
	INTERVAL_MS_DEFAULT = 1000,
	INTERVAL_MS_MIN = 100,
	USEC_PER_MSEC = 1000,
	FROZEN_AFTER_US = 10000000,
	/* Of two looks closer together, the difference says little: one tick of a RAPL counter
	 * is a millisecond. */
	DIFFERENCE_US_MIN = 50000,
};

/* A counter of energy as it was. */
struct meter {
	char name[FERRY_READING_NAME];
	int64_t counter;
	uint64_t at_us;	   /* of the counter */
	uint64_t moved_us; /* when it last moved, or was first seen */
	int64_t power_uw;  /* of the last difference; -1 before it */
};

struct ferry_telemetry {
	char *root;
	uint64_t interval_us, next_us;
	bool stock_only, has_module;
	struct ferry_reading_list list;
	struct meter meter[FERRY_READINGS_OF_SCAN_MAX];
	size_t n_meters;
	struct ferry_netdev_bytes bytes[FERRY_READINGS_OF_SCAN_MAX];
	size_t n_bytes;
	uint64_t bytes_us;
};

struct ferry_telemetry *ferry_telemetry_new(const struct ferry_telemetry_options *options,
					    struct ferry_error *err)
{
	struct ferry_telemetry_options o = {.size = sizeof(o)};
	struct ferry_telemetry *t = calloc(1, sizeof(*t));

	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	if (t)
		t->root = strdup(o.root ? o.root : "/sys");
	if (!t || !t->root) {
		free(t);
		ferry_fail_memory(err, "telemetry", sizeof(*t));
		return NULL;
	}
	if (!o.interval_ms)
		o.interval_ms = INTERVAL_MS_DEFAULT;
	if (o.interval_ms < INTERVAL_MS_MIN)
		o.interval_ms = INTERVAL_MS_MIN;
	t->interval_us = (uint64_t)o.interval_ms * USEC_PER_MSEC;
	t->stock_only = o.stock_only;
	return t;
}

void ferry_telemetry_free(struct ferry_telemetry *t)
{
	if (!t)
		return;
	free(t->root);
	free(t);
}

static struct meter *meter_of(struct meter *meter, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(meter[i].name, name))
			return &meter[i];
	return NULL;
}

static void advance(struct meter *meter, const struct ferry_reading *r)
{
	const int64_t counter = r->value[FERRY_COUNTER_UJ];
	const uint64_t max = ferry_reading_has(r, FERRY_COUNTER_MAX_UJ)
				     ? (uint64_t)r->value[FERRY_COUNTER_MAX_UJ]
				     : UINT64_MAX;
	const uint64_t took_us = r->taken_us > meter->at_us ? r->taken_us - meter->at_us : 0;
	uint64_t way;

	if (counter != meter->counter)
		meter->moved_us = r->taken_us;
	if (took_us < DIFFERENCE_US_MIN)
		return;
	way = ferry_counter_advance((uint64_t)meter->counter, (uint64_t)counter, max);
	/* Set back: nobody knows how much it was. */
	meter->power_uw = way || counter == meter->counter
				  ? (int64_t)((double)way * 1e6 / (double)took_us)
				  : -1;
	meter->counter = counter;
	meter->at_us = r->taken_us;
}

/* Power of the sources that only count energy. Meters that are gone are forgotten. */
static void read_meters(struct ferry_telemetry *t)
{
	static const struct meter none = {.power_uw = -1};
	struct meter fresh[FERRY_READINGS_OF_SCAN_MAX];
	size_t n = 0;

	for (size_t i = 0; i < t->list.n; i++) {
		struct ferry_reading *r = &t->list.reading[i];
		struct meter *old;

		if (!ferry_reading_has(r, FERRY_COUNTER_UJ))
			continue;
		old = meter_of(t->meter, t->n_meters, r->name);
		fresh[n] = old ? *old : none;
		if (old) {
			advance(&fresh[n], r);
		} else {
			snprintf(fresh[n].name, sizeof(fresh[n].name), "%s", r->name);
			fresh[n].counter = r->value[FERRY_COUNTER_UJ];
			fresh[n].at_us = fresh[n].moved_us = r->taken_us;
		}
		if (r->taken_us - fresh[n].moved_us >= FROZEN_AFTER_US)
			r->provenance = FERRY_PROVENANCE_NONE;
		else if (fresh[n].power_uw >= 0 && !ferry_reading_has(r, FERRY_POWER_UW))
			ferry_reading_set(r, FERRY_POWER_UW, fresh[n].power_uw);
		n++;
	}
	memcpy(t->meter, fresh, n * sizeof(fresh[0]));
	t->n_meters = n;
}

/* Bytes in a time in kbit/s; a counter that runs backwards is a device that began anew. */
static int64_t rate_of(uint64_t before, uint64_t after, uint64_t took_us)
{
	return after >= before ? (int64_t)((double)(after - before) * 8000 / (double)took_us) : 0;
}

static void read_rates(struct ferry_telemetry *t, const struct ferry_netdev_bytes *bytes, size_t n,
		       uint64_t now_us)
{
	const uint64_t took_us = now_us > t->bytes_us ? now_us - t->bytes_us : 0;

	if (t->n_bytes && took_us < DIFFERENCE_US_MIN)
		return;
	for (size_t i = 0; i < t->list.n; i++) {
		struct ferry_reading *r = &t->list.reading[i];

		if (r->of != FERRY_READING_OF_LINK)
			continue;
		for (size_t j = 0; j < n; j++)
			for (size_t k = 0; bytes[j].ifindex == r->ifindex && k < t->n_bytes; k++) {
				if (t->bytes[k].ifindex != r->ifindex)
					continue;
				ferry_reading_set(r, FERRY_TX_RATE_KBPS,
						  rate_of(t->bytes[k].tx, bytes[j].tx, took_us));
				ferry_reading_set(r, FERRY_RX_RATE_KBPS,
						  rate_of(t->bytes[k].rx, bytes[j].rx, took_us));
			}
	}
	memcpy(t->bytes, bytes, n * sizeof(bytes[0]));
	t->n_bytes = n;
	t->bytes_us = now_us;
}

const struct ferry_reading_list *ferry_telemetry_look(struct ferry_telemetry *t, uint64_t now_us)
{
	struct ferry_netdev_bytes bytes[FERRY_READINGS_OF_SCAN_MAX];
	size_t n_bytes;

	memset(&t->list, 0, sizeof(t->list));
	t->next_us = now_us + t->interval_us;
	t->has_module = !t->stock_only && ferry_collect_module(t->root, now_us, &t->list);
	if (t->has_module)
		return &t->list;
	ferry_collect_netdev(t->root, now_us, &t->list, bytes, &n_bytes);
	ferry_collect_powercap(t->root, now_us, &t->list);
	ferry_collect_hwmon(t->root, now_us, &t->list);
	ferry_collect_power_supply(t->root, now_us, &t->list);
	ferry_collect_thermal(t->root, now_us, &t->list);
	read_meters(t);
	read_rates(t, bytes, n_bytes, now_us);
	return &t->list;
}

uint64_t ferry_telemetry_next_us(const struct ferry_telemetry *t)
{
	return t->next_us;
}

bool ferry_telemetry_has_module(const struct ferry_telemetry *t)
{
	return t->has_module;
}

bool ferry_reading_is_of_kernel(const struct ferry_reading *r)
{
	return r->of == FERRY_READING_OF_ENERGY &&
	       (!strncmp(r->name, "psy-", 4) || !strncmp(r->name, "thermal-", 8));
}

enum scope { BOARD, SUPPLY, PACKAGE, SCOPES, NOT_COUNTED };

static enum scope scope_of(const struct ferry_reading *r)
{
	switch (r->kind) {
	case FERRY_ENERGY_KIND_BOARD:
		return BOARD;
	case FERRY_ENERGY_KIND_SUPPLY:
	case FERRY_ENERGY_KIND_BATTERY:
		return SUPPLY;
	case FERRY_ENERGY_KIND_PACKAGE:
		return PACKAGE;
	default:
		return NOT_COUNTED;
	}
}

void ferry_energy_total(const struct ferry_reading_list *list, uint64_t now_us,
			struct ferry_reading *total)
{
	const struct ferry_reading *module =
		ferry_reading_list_find(list, FERRY_READING_OF_ENERGY, "total");
	enum ferry_provenance trust[SCOPES] = {0};
	bool known[SCOPES] = {false};
	int64_t sum[SCOPES] = {0};
	enum scope best = SCOPES;

	if (module && module->kind == FERRY_ENERGY_KIND_TOTAL) {
		*total = *module;
		return;
	}
	ferry_reading_begin(total, FERRY_READING_OF_ENERGY, "total", now_us);
	total->kind = FERRY_ENERGY_KIND_TOTAL;
	total->provenance = FERRY_PROVENANCE_NONE;
	for (size_t i = 0; i < list->n; i++) {
		const struct ferry_reading *r = &list->reading[i];
		const enum scope scope = r->of == FERRY_READING_OF_ENERGY ? scope_of(r) : SCOPES;
		int64_t power = r->value[FERRY_POWER_UW];

		if (scope >= SCOPES || !ferry_reading_has(r, FERRY_POWER_UW) || r->mirror_of[0] ||
		    r->provenance == FERRY_PROVENANCE_NONE)
			continue;
		if (ferry_reading_has(r, FERRY_CHARGING) && r->value[FERRY_CHARGING])
			power = -power;
		if (!known[scope] || r->provenance < trust[scope])
			trust[scope] = r->provenance;
		known[scope] = true;
		sum[scope] += power;
	}
	for (enum scope scope = BOARD; scope < SCOPES; scope++)
		if (known[scope] && (best == SCOPES || sum[scope] > sum[best]))
			best = scope;
	/* A battery that charges from nothing that anybody measures tells nothing of the whole. */
	if (best == SCOPES || sum[best] < 0)
		return;
	total->provenance = trust[best];
	ferry_reading_set(total, FERRY_POWER_UW, sum[best]);
}
