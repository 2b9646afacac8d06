/* SPDX-License-Identifier: MIT */
/*
 * What is known about the links and the energy of this machine: from ferry.ko where it is loaded,
 * else from the stock kernel's own sources. One look after another, since rates and powers of
 * counters are differences. For an event loop: ferry_telemetry_next_us() says when to look again;
 * there is nothing else to wait for. Needs no privilege; with more, more can be read.
 */
#ifndef FERRY_TELEMETRY_TELEMETRY_H
#define FERRY_TELEMETRY_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "telemetry/reading.h"

struct ferry_telemetry;

struct ferry_telemetry_options {
	size_t size;	      /* of this struct */
	const char *root;     /* NULL: /sys */
	uint32_t interval_ms; /* between two looks; 0: 1000, at least 100 */
	/* Leave ferry.ko out, as whoever pushes into it has to: it would read its own readings. */
	bool stock_only;
};

/* @options: NULL for the defaults. Return: NULL and @err on failure. */
struct ferry_telemetry *ferry_telemetry_new(const struct ferry_telemetry_options *options,
					    struct ferry_error *err);
void ferry_telemetry_free(struct ferry_telemetry *t);

/**
 * ferry_telemetry_look - read everything there is
 * @now_us: CLOCK_MONOTONIC
 *
 * A counter of energy that has not moved for ten seconds says nothing: its provenance becomes
 * FERRY_PROVENANCE_NONE, and it has no power. Return: the readings, valid until the next look.
 */
const struct ferry_reading_list *ferry_telemetry_look(struct ferry_telemetry *t, uint64_t now_us);

/* When to look again; 0 before the first look. CLOCK_MONOTONIC. */
uint64_t ferry_telemetry_next_us(const struct ferry_telemetry *t);

/* Whether the latest look was at ferry.ko. */
bool ferry_telemetry_has_module(const struct ferry_telemetry *t);

/**
 * ferry_energy_total - the machine as a whole
 * @total: power_uw, where anybody knows it; the provenance is that of the least trustworthy part
 *
 * The module's own total, if it is in @list. Else boards, supplies and packages are added up each
 * for themselves, mirrors left out, and the largest sum counts: what one meter sees may flow
 * through another. What a battery takes while it charges is taken off its supply.
 */
void ferry_energy_total(const struct ferry_reading_list *list, uint64_t now_us,
			struct ferry_reading *total);

/* Whether ferry.ko reads such a source itself, so that it refuses to have it pushed. */
bool ferry_reading_is_of_kernel(const struct ferry_reading *r);

#endif
