// SPDX-License-Identifier: MIT
#include "telemetry/reading.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const names[FERRY_QUANTITIES] = {
#define row(quantity, name) [quantity] = name,
	FERRY_QUANTITY_TABLE(row)
#undef row
};

/* Of include/uapi/linux/ferry.h; what has no row there may be anything that is not negative. */
static const struct {
	int64_t min, max;
} ranges[FERRY_QUANTITIES] = {
	[FERRY_STATE] = {0, FERRY_LINK_STATE_COUNT - 1},
	[FERRY_TX_RATE_KBPS] = {0, UINT32_MAX},
	[FERRY_RX_RATE_KBPS] = {0, UINT32_MAX},
	[FERRY_CAPACITY_KBPS] = {0, UINT32_MAX},
	[FERRY_SRTT_US] = {0, FERRY_LINK_RTT_US_MAX},
	[FERRY_RTTVAR_US] = {0, FERRY_LINK_RTT_US_MAX},
	[FERRY_RETRANSMIT_PPM] = {0, FERRY_PPM},
	[FERRY_SIGNAL_DBM] = {FERRY_LINK_SIGNAL_DBM_MIN, FERRY_LINK_SIGNAL_DBM_MAX},
	[FERRY_BACKLOG_BYTES] = {0, UINT32_MAX},
	[FERRY_POWER_UW] = {0, (int64_t)FERRY_POWER_UW_MAX},
	[FERRY_COUNTER_UJ] = {0, INT64_MAX},
	[FERRY_COUNTER_MAX_UJ] = {1, INT64_MAX},
	[FERRY_ENERGY_UJ] = {0, INT64_MAX},
	[FERRY_TEMPERATURE_MDEG] = {FERRY_TEMPERATURE_MDEG_MIN, FERRY_TEMPERATURE_MDEG_MAX},
	[FERRY_BATTERY_PPM] = {0, FERRY_PPM},
	[FERRY_BATTERY_UWH] = {0, INT64_MAX},
	[FERRY_CHARGING] = {0, 1},
	[FERRY_ERROR_PPM] = {0, FERRY_PPM},
};

const char *ferry_quantity_name(enum ferry_quantity quantity)
{
	return (unsigned int)quantity < FERRY_QUANTITIES ? names[quantity] : NULL;
}

void ferry_reading_set(struct ferry_reading *r, enum ferry_quantity quantity, int64_t value)
{
	if (value < ranges[quantity].min || value > ranges[quantity].max)
		return;
	r->present |= 1u << quantity;
	r->value[quantity] = value;
}

uint32_t ferry_reading_age_ms(const struct ferry_reading *r, uint64_t now_us)
{
	const uint64_t ms = now_us > r->taken_us ? (now_us - r->taken_us) / 1000 : 0;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

void ferry_reading_begin(struct ferry_reading *r, enum ferry_reading_of of, const char *name,
			 uint64_t now_us)
{
	memset(r, 0, sizeof(*r));
	r->of = of;
	r->provenance = FERRY_PROVENANCE_MEASURED;
	r->taken_us = now_us;
	snprintf(r->name, sizeof(r->name), "%s", name);
	/* A network device may have any name that is no path. */
	for (char *c = r->name; of == FERRY_READING_OF_ENERGY && *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			*c = '-';
}

const struct ferry_reading *ferry_reading_list_find(const struct ferry_reading_list *list,
						    enum ferry_reading_of of, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->reading[i].of == of && !strcmp(list->reading[i].name, name))
			return &list->reading[i];
	return NULL;
}

struct ferry_reading *ferry_reading_list_add(struct ferry_reading_list *list,
					     const struct ferry_reading *r)
{
	struct ferry_reading *copy;
	unsigned int number = 2;

	if (!r->present)
		return NULL;
	if (list->n >= FERRY_READINGS_OF_SCAN_MAX) {
		list->dropped++;
		return NULL;
	}
	copy = &list->reading[list->n];
	*copy = *r;
	while (r->of == FERRY_READING_OF_ENERGY && ferry_reading_list_find(list, r->of, copy->name))
		snprintf(copy->name, sizeof(copy->name), "%.*s-%u", FERRY_READING_NAME - 6, r->name,
			 number++);
	list->n++;
	return copy;
}
