/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the machine as a whole takes, out of sources that overlap. They overlap in two ways. One
 * sensor may show up as several sources: a battery is mirrored in hwmon by the kernel itself. Those
 * count once. And what one meter sees may flow through another: the battery feeds the processor.
 * So sources are added up only with those of the same reach, and the largest sum is the total: a
 * meter that sees the whole machine never sees less than one that sees a part of it.
 */
#ifndef FERRY_CORE_ENERGY_TOTAL_H
#define FERRY_CORE_ENERGY_TOTAL_H

#include <linux/types.h>
#include <linux/ferry.h>

#include "energy.h"

/* How many sources there may be, the model among them. */
#define FERRY_ENERGY_SOURCES_MAX 32

/* So many seconds tell whether two sources are one sensor; so many others, that they are not. */
#define FERRY_ENERGY_TRACE	 10
#define FERRY_ENERGY_STEPS	 4
#define FERRY_ENERGY_DOUBTS	 3

/* Power of a source, a value for each second, the newest first. */
struct ferry_energy_trace {
	__u64 uw[FERRY_ENERGY_TRACE];
	__u8 length;
};

/* How far two readings of one sensor may differ: 0.5 %, and the step of public values. */
static inline __u64 ferry_energy_tolerance(__u64 uw)
{
	return ferry_div64(uw, 200) + FERRY_ENERGY_QUANTUM_UW;
}

static inline _Bool ferry_energy_alike(__u64 a, __u64 b)
{
	const __u64 difference = a > b ? a - b : b - a;

	return difference <= ferry_energy_tolerance(a > b ? a : b);
}

static inline void ferry_energy_trace_add(struct ferry_energy_trace *trace, __u64 uw)
{
	int i;

	for (i = FERRY_ENERGY_TRACE - 1; i > 0; i--)
		trace->uw[i] = trace->uw[i - 1];
	trace->uw[0] = uw;
	if (trace->length < FERRY_ENERGY_TRACE)
		trace->length++;
}

/* A second without a reading: what follows cannot be compared with what was. */
static inline void ferry_energy_trace_break(struct ferry_energy_trace *trace)
{
	trace->length = 0;
}

/* Whether @a, as it was @a_late seconds ago, ran like @b as it was @b_late seconds ago. */
static inline _Bool ferry_energy_ran_alike(const struct ferry_energy_trace *a, int a_late,
					   const struct ferry_energy_trace *b, int b_late)
{
	int i;

	for (i = 0; i + a_late < FERRY_ENERGY_TRACE && i + b_late < FERRY_ENERGY_TRACE; i++)
		if (!ferry_energy_alike(a->uw[i + a_late], b->uw[i + b_late]))
			return 0;
	return 1;
}

/*
 * Whether @a and @b are readings of one sensor: alike for the whole length of the trace, give or
 * take a second, while they changed often. Two rails that both give a constant 5 W are not.
 */
static inline _Bool ferry_energy_is_twin(const struct ferry_energy_trace *a,
					 const struct ferry_energy_trace *b)
{
	int i, steps = 0;

	if (a->length < FERRY_ENERGY_TRACE || b->length < FERRY_ENERGY_TRACE)
		return 0;
	for (i = 0; i < FERRY_ENERGY_TRACE - 1; i++)
		if (!ferry_energy_alike(a->uw[i], a->uw[i + 1]))
			steps++;
	if (steps < FERRY_ENERGY_STEPS)
		return 0;
	return ferry_energy_ran_alike(a, 0, b, 0) || ferry_energy_ran_alike(a, 1, b, 0) ||
	       ferry_energy_ran_alike(a, 0, b, 1);
}

/* Whether the newest value of @a agrees with any of the newest of @b, or nothing can be said. */
static inline _Bool ferry_energy_still_twin(const struct ferry_energy_trace *a,
					    const struct ferry_energy_trace *b)
{
	int i;

	if (a->length < FERRY_ENERGY_DOUBTS || b->length < FERRY_ENERGY_DOUBTS)
		return 1;
	for (i = 0; i < FERRY_ENERGY_DOUBTS; i++)
		if (ferry_energy_alike(a->uw[0], b->uw[i]) ||
		    ferry_energy_alike(a->uw[i], b->uw[0]))
			return 1;
	return 0;
}

/* One source, as the sum sees it. */
struct ferry_energy_part {
	__u64 power_uw;
	__u64 uncertainty_uw;
	__u64 energy_uj; /* since the sum was taken last */
	__u8 kind;	 /* enum ferry_energy_kind */
	__u8 provenance; /* enum ferry_provenance */
	__u8 same_as;	 /* index of another source that shows the same sensor; its own if none */
	_Bool declared;	 /* same_as is what the source says of itself */
	_Bool known;	 /* it has a power at the moment */
	_Bool charging;	 /* a battery that takes what others give */
};

/* What a sum is made of, in the order in which equals are preferred. */
enum ferry_energy_scope {
	FERRY_ENERGY_SCOPE_BOARD,   /* meters in the supply of the board */
	FERRY_ENERGY_SCOPE_SUPPLY,  /* power supplies and batteries */
	FERRY_ENERGY_SCOPE_PACKAGE, /* processors: there is more that takes power */
	FERRY_ENERGY_SCOPE_MODEL,   /* the estimate */
	FERRY_ENERGY_SCOPE_NONE,    /* nobody knows */
};

struct ferry_energy_sum {
	__u64 power_uw;
	__u64 uncertainty_uw;
	__u64 energy_uj;
	enum ferry_energy_scope scope;
	__u8 provenance; /* of the least trustworthy part */
};

static inline const char *ferry_energy_scope_name(enum ferry_energy_scope scope)
{
	switch (scope) {
	case FERRY_ENERGY_SCOPE_BOARD:
		return "board";
	case FERRY_ENERGY_SCOPE_SUPPLY:
		return "supply";
	case FERRY_ENERGY_SCOPE_PACKAGE:
		return "package";
	case FERRY_ENERGY_SCOPE_MODEL:
		return "model";
	default:
		return "none";
	}
}

/* In which sum a source of @kind counts, FERRY_ENERGY_SCOPE_NONE for in none. */
static inline enum ferry_energy_scope ferry_energy_scope_of(unsigned int kind)
{
	switch (kind) {
	case FERRY_ENERGY_KIND_BOARD:
		return FERRY_ENERGY_SCOPE_BOARD;
	case FERRY_ENERGY_KIND_SUPPLY:
	case FERRY_ENERGY_KIND_BATTERY:
		return FERRY_ENERGY_SCOPE_SUPPLY;
	case FERRY_ENERGY_KIND_PACKAGE:
		return FERRY_ENERGY_SCOPE_PACKAGE;
	case FERRY_ENERGY_KIND_MODEL:
		return FERRY_ENERGY_SCOPE_MODEL;
	default:
		return FERRY_ENERGY_SCOPE_NONE;
	}
}

/* Whether @a is the better one of two sources that show the same sensor. */
static inline _Bool ferry_energy_better(const struct ferry_energy_part *a,
					const struct ferry_energy_part *b)
{
	if (a->known != b->known)
		return a->known;
	if (a->declared != b->declared)
		return b->declared;
	return a->provenance > b->provenance;
}

/*
 * Finds for each of @n sources (at most FERRY_ENERGY_SOURCES_MAX) the one that counts for all that
 * show its sensor: counts[i] says whether that is the source i itself. Rings of mirrors and mirrors
 * of mirrors are one sensor; the mirror of a source that has no power at the moment stands in.
 */
static inline void ferry_energy_count_once(const struct ferry_energy_part *parts, unsigned int n,
					   _Bool *counts)
{
	unsigned int sensor[FERRY_ENERGY_SOURCES_MAX];
	unsigned int best[FERRY_ENERGY_SOURCES_MAX];
	unsigned int i;
	_Bool changed = 1;

	for (i = 0; i < n; i++) {
		sensor[i] = i;
		best[i] = n;
	}
	/* The lowest number of a group spreads over its links; no more than n times. */
	while (changed) {
		changed = 0;
		for (i = 0; i < n; i++) {
			const unsigned int other = parts[i].same_as < n ? parts[i].same_as : i;

			if (sensor[i] == sensor[other])
				continue;
			if (sensor[i] < sensor[other])
				sensor[other] = sensor[i];
			else
				sensor[i] = sensor[other];
			changed = 1;
		}
	}
	for (i = 0; i < n; i++)
		if (best[sensor[i]] == n || ferry_energy_better(&parts[i], &parts[best[sensor[i]]]))
			best[sensor[i]] = i;
	for (i = 0; i < n; i++)
		counts[i] = best[sensor[i]] == i;
}

/* Adds up those of @scope that count. Returns a sum of FERRY_ENERGY_SCOPE_NONE if it is unknown. */
static inline struct ferry_energy_sum ferry_energy_sum_of(const struct ferry_energy_part *parts,
							  unsigned int n, const _Bool *counts,
							  enum ferry_energy_scope scope)
{
	struct ferry_energy_sum sum = {.scope = FERRY_ENERGY_SCOPE_NONE};
	__u64 taken_uw = 0, taken_uj = 0;
	__u8 worst = FERRY_PROVENANCE_MEASURED;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct ferry_energy_part *part = &parts[i];

		if (!counts[i] || !part->known || ferry_energy_scope_of(part->kind) != scope)
			continue;
		if (part->provenance < worst)
			worst = part->provenance;
		sum.uncertainty_uw += part->uncertainty_uw;
		if (part->charging) {
			taken_uw += part->power_uw;
			taken_uj += part->energy_uj;
			continue;
		}
		sum.scope = scope;
		sum.power_uw += part->power_uw;
		sum.energy_uj += part->energy_uj;
	}
	/* A battery that charges from a supply without a meter says nothing about the machine. */
	if (sum.scope == FERRY_ENERGY_SCOPE_NONE)
		return (struct ferry_energy_sum){.scope = FERRY_ENERGY_SCOPE_NONE};
	sum.power_uw -= taken_uw < sum.power_uw ? taken_uw : sum.power_uw;
	sum.energy_uj -= taken_uj < sum.energy_uj ? taken_uj : sum.energy_uj;
	sum.provenance = worst;
	return sum;
}

/*
 * What the machine takes, out of @n sources (at most FERRY_ENERGY_SOURCES_MAX). The model counts
 * only where nothing else does.
 */
static inline struct ferry_energy_sum ferry_energy_total(const struct ferry_energy_part *parts,
							 unsigned int n)
{
	struct ferry_energy_sum total = {.scope = FERRY_ENERGY_SCOPE_NONE};
	_Bool counts[FERRY_ENERGY_SOURCES_MAX];
	int scope;

	ferry_energy_count_once(parts, n, counts);
	for (scope = FERRY_ENERGY_SCOPE_BOARD; scope < FERRY_ENERGY_SCOPE_NONE; scope++) {
		const struct ferry_energy_sum sum =
			ferry_energy_sum_of(parts, n, counts, (enum ferry_energy_scope)scope);

		if (sum.scope == FERRY_ENERGY_SCOPE_NONE)
			continue;
		if (total.scope != FERRY_ENERGY_SCOPE_NONE &&
		    (scope == FERRY_ENERGY_SCOPE_MODEL || sum.power_uw <= total.power_uw))
			continue;
		total = sum;
	}
	return total;
}

#endif /* FERRY_CORE_ENERGY_TOTAL_H */
