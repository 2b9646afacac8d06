/* SPDX-License-Identifier: MIT */
/*
 * A reading: what is known about one link or one energy source at one moment, where it comes from
 * and when it was taken. Collectors fill it, whoever pushes into ferry.ko or plans by it takes it.
 * Quantities have the names and units that they have in sysfs and in include/uapi/linux/ferry.h.
 */
#ifndef FERRY_TELEMETRY_READING_H
#define FERRY_TELEMETRY_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/ferry.h"

/* clang-format off */
#define FERRY_QUANTITY_TABLE(row)                        \
	row(FERRY_STATE,            "state")             \
	row(FERRY_TX_RATE_KBPS,     "tx_rate_kbps")      \
	row(FERRY_RX_RATE_KBPS,     "rx_rate_kbps")      \
	row(FERRY_CAPACITY_KBPS,    "capacity_kbps")     \
	row(FERRY_SRTT_US,          "srtt_us")           \
	row(FERRY_RTTVAR_US,        "rttvar_us")         \
	row(FERRY_RETRANSMIT_PPM,   "retransmit_ppm")    \
	row(FERRY_SIGNAL_DBM,       "signal_dbm")        \
	row(FERRY_BACKLOG_BYTES,    "backlog_bytes")     \
	row(FERRY_POWER_UW,         "power_uw")          \
	row(FERRY_COUNTER_UJ,       "counter_uj")        \
	row(FERRY_COUNTER_MAX_UJ,   "counter_max_uj")    \
	row(FERRY_ENERGY_UJ,        "energy_uj")         \
	row(FERRY_TEMPERATURE_MDEG, "temperature_mdeg")  \
	row(FERRY_BATTERY_PPM,      "battery_ppm")       \
	row(FERRY_BATTERY_UWH,      "battery_uwh")       \
	row(FERRY_CHARGING,         "charging")          \
	row(FERRY_ERROR_PPM,        "error_ppm")
/* clang-format on */

/* clang-format off */
enum ferry_quantity {
#define row(quantity, name) quantity,
	FERRY_QUANTITY_TABLE(row)
#undef row
	FERRY_QUANTITIES,
};
/* clang-format on */

enum ferry_reading_of { FERRY_READING_OF_LINK, FERRY_READING_OF_ENERGY };

enum { FERRY_READING_NAME = FERRY_ENERGY_NAME_MAX + 1 };

struct ferry_reading {
	enum ferry_reading_of of;
	/* Network device, or energy source: then letters, digits, '_' and '-'. */
	char name[FERRY_READING_NAME];
	uint32_t ifindex;	     /* of a link */
	enum ferry_energy_kind kind; /* of an energy source */
	char mirror_of
		[FERRY_READING_NAME]; /* source that counts this energy as well; "" for none */
	enum ferry_provenance provenance;
	uint64_t taken_us; /* CLOCK_MONOTONIC */
	uint32_t present;  /* bit of each quantity that has a value */
	int64_t value[FERRY_QUANTITIES];
};

/* "srtt_us"; NULL outside the table. */
const char *ferry_quantity_name(enum ferry_quantity quantity);

static inline bool ferry_reading_has(const struct ferry_reading *r, enum ferry_quantity quantity)
{
	return r->present >> quantity & 1;
}

/* Sets a quantity; a value that is outside what ferry.ko takes is not one, and is left out. */
void ferry_reading_set(struct ferry_reading *r, enum ferry_quantity quantity, int64_t value);

/* Milliseconds since the reading was taken; 0 for one from the future. */
uint32_t ferry_reading_age_ms(const struct ferry_reading *r, uint64_t now_us);

/* Begins a reading; of @name what does not fit or has no place in a source's name becomes '-'. */
void ferry_reading_begin(struct ferry_reading *r, enum ferry_reading_of of, const char *name,
			 uint64_t now_us);

enum { FERRY_READINGS_OF_SCAN_MAX = 128 };

/* What one look at the machine finds. */
struct ferry_reading_list {
	size_t n;
	size_t dropped; /* readings for which there was no room */
	size_t denied;	/* files that this user may not read; root may */
	struct ferry_reading reading[FERRY_READINGS_OF_SCAN_MAX];
};

/*
 * Adds a copy, unless it has no quantity. An energy source whose name is taken gets "-2", "-3" ...
 * behind it. Return: the copy, or NULL.
 */
struct ferry_reading *ferry_reading_list_add(struct ferry_reading_list *list,
					     const struct ferry_reading *r);

/* The reading of that name, or NULL. */
const struct ferry_reading *ferry_reading_list_find(const struct ferry_reading_list *list,
						    enum ferry_reading_of of, const char *name);

#endif
