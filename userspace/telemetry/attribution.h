/* SPDX-License-Identifier: MIT */
/*
 * Whose joules were they: the energy of an interval is handed out by what each service used in it.
 * What nobody used, the idle machine above all, is everything else. Whatever the inputs, the parts
 * and everything else are exactly the whole. Pure functions and tables; no I/O, no clock.
 */
#ifndef FERRY_TELEMETRY_ATTRIBUTION_H
#define FERRY_TELEMETRY_ATTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What a service has used since some beginning of its own. Services do not overlap. */
struct ferry_use {
	uint64_t id;
	uint32_t kind; /* enum ferry_energy_user_kind of bpf/energy.h: a part of the name */
	uint64_t cpu_ns;
	uint64_t cycles; /* any unit; 0 in all where frequencies are unknown */
	uint64_t tx_bytes;
	uint64_t rx_bytes;
};

/*
 * Coefficients as of FERRY_CMD_MODEL_SET. They only weigh the uses against each other: what is
 * handed out is what was measured. All 0: by the time on the processors, bytes cost nothing.
 */
struct ferry_attribution_model {
	uint64_t idle_uw;	 /* of the idle machine: everything else's */
	uint64_t cpu_uw;	 /* on top, for one busy processor */
	uint32_t tx_nj_per_byte; /* and for each byte */
	uint32_t rx_nj_per_byte;
};

/**
 * ferry_attribute - hand out the energy of one interval
 * @energy_uj: what the whole machine took
 * @interval_ns: its length
 * @processors: how many the machine has
 * @use: [n] what each service used in the interval
 * @share_uj: [n] set to what each of them took
 *
 * Cycles weigh instead of time where there are any. Return: what is left for everything else; with
 * the shares it adds up to @energy_uj.
 */
uint64_t ferry_attribute(const struct ferry_attribution_model *model, uint64_t energy_uj,
			 uint64_t interval_ns, unsigned int processors, const struct ferry_use *use,
			 size_t n, uint64_t *share_uj);

/**
 * ferry_counter_advance - how far a counter has gone
 * @max: its largest value, behind which comes 0
 *
 * Return: the way from @before to @after, over the end if need be; 0 where that would be more than
 * half way round: such a counter has been set back, and nobody knows from where.
 */
uint64_t ferry_counter_advance(uint64_t before, uint64_t after, uint64_t max);

struct ferry_service {
	uint64_t id;
	uint32_t kind;
	bool present;	     /* in the latest interval */
	uint64_t energy_uj;  /* since it was first seen */
	uint64_t power_uw;   /* in the latest interval */
	struct ferry_use at; /* its counters then */
};

struct ferry_attribution;

/* @services_max: 1 .. 65536. Return: NULL and @err where there is no memory. */
struct ferry_attribution *ferry_attribution_new(size_t services_max, struct ferry_error *err);
void ferry_attribution_free(struct ferry_attribution *a);

/**
 * ferry_attribution_add - take the counters at the end of an interval
 * @time_ns: when they were read; the interval began with the call before. The first call only
 *           notes where the counters are
 * @energy_uj: energy of the interval
 * @use: [n] counters of all services that there are; a service that is missing is gone, and one
 *       whose counters run backwards began anew. Of two with one name the first counts
 *
 * Where there is no room for a service, one that is gone becomes a part of everything else; if all
 * are there, the new one does.
 */
void ferry_attribution_add(struct ferry_attribution *a, const struct ferry_attribution_model *model,
			   uint64_t time_ns, uint64_t energy_uj, unsigned int processors,
			   const struct ferry_use *use, size_t n);

/* [*n] in the order of kind and id; valid until the next call with @a. */
const struct ferry_service *ferry_attribution_services(const struct ferry_attribution *a,
						       size_t *n);

/* Energy of the whole machine, and what of it is no service's, since the first call. */
uint64_t ferry_attribution_total_uj(const struct ferry_attribution *a);
uint64_t ferry_attribution_rest_uj(const struct ferry_attribution *a);

#endif
