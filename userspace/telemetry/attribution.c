// SPDX-License-Identifier: MIT
#include "telemetry/attribution.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SERVICES_MAX = 65536 };

/* uW x ns in nJ. */
#define NJ_PER_UW_NS 1e-6
#define NSEC_PER_SEC 1e9

uint64_t ferry_counter_advance(uint64_t before, uint64_t after, uint64_t max)
{
	uint64_t way;

	if (after >= before)
		return after - before;
	if (before > max)
		return 0;
	way = max - before + after;
	return way <= max / 2 ? way : 0;
}

/* What the uses of an interval are worth against each other. */
struct weights {
	double ns_per_cycle; /* 0: by time */
	double cpu;	     /* for a nanosecond of a processor */
	double tx, rx;	     /* for a byte */
	double rest;
};

static double cost_of(const struct weights *w, const struct ferry_use *use)
{
	const double ns = w->ns_per_cycle > 0 ? (double)use->cycles * w->ns_per_cycle
					      : (double)use->cpu_ns;

	return ns * w->cpu + (double)use->tx_bytes * w->tx + (double)use->rx_bytes * w->rx;
}

static struct weights weigh(const struct ferry_attribution_model *model, uint64_t interval_ns,
			    unsigned int processors, const struct ferry_use *use, size_t n)
{
	const double machine_ns = (double)interval_ns * processors;
	double busy_ns = 0, cycles = 0;
	struct weights w = {0};

	for (size_t i = 0; i < n; i++) {
		busy_ns += (double)use[i].cpu_ns;
		cycles += (double)use[i].cycles;
	}
	/* Scaled so that cycles and nanoseconds add up to the same. */
	if (cycles > 0)
		w.ns_per_cycle = busy_ns / cycles;
	if (!model->cpu_uw && !model->idle_uw && !model->tx_nj_per_byte && !model->rx_nj_per_byte) {
		w.cpu = 1;
		w.rest = machine_ns > busy_ns ? machine_ns - busy_ns : 0;
		return w;
	}
	w.cpu = (double)model->cpu_uw * NJ_PER_UW_NS;
	w.tx = model->tx_nj_per_byte;
	w.rx = model->rx_nj_per_byte;
	w.rest = (double)model->idle_uw * (double)interval_ns * NJ_PER_UW_NS;
	return w;
}

uint64_t ferry_attribute(const struct ferry_attribution_model *model, uint64_t energy_uj,
			 uint64_t interval_ns, unsigned int processors, const struct ferry_use *use,
			 size_t n, uint64_t *share_uj)
{
	const struct weights w = weigh(model, interval_ns, processors, use, n);
	uint64_t left = energy_uj;
	double whole = w.rest;

	for (size_t i = 0; i < n; i++)
		whole += cost_of(&w, &use[i]);
	for (size_t i = 0; i < n; i++) {
		const double share = whole > 0 ? (double)energy_uj * (cost_of(&w, &use[i]) / whole)
					       : 0;

		/* Rounded down, and never more than there is: rounding cannot make energy. */
		share_uj[i] = share < (double)left ? (uint64_t)share : left;
		left -= share_uj[i];
	}
	return left;
}

struct ferry_attribution {
	struct ferry_service *service;
	struct ferry_use *delta;
	uint64_t *share;
	size_t n, max;
	uint64_t time_ns;
	uint64_t total_uj, rest_uj;
	bool begun;
};

struct ferry_attribution *ferry_attribution_new(size_t services_max, struct ferry_error *err)
{
	struct ferry_attribution *a;

	if (services_max < 1 || services_max > SERVICES_MAX) {
		ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			   "energy is attributed to 1 to %d services, not %zu", SERVICES_MAX,
			   services_max);
		return NULL;
	}
	a = calloc(1, sizeof(*a));
	if (a) {
		a->max = services_max;
		a->service = calloc(services_max, sizeof(*a->service));
		a->delta = calloc(services_max, sizeof(*a->delta));
		a->share = calloc(services_max, sizeof(*a->share));
	}
	if (!a || !a->service || !a->delta || !a->share) {
		ferry_attribution_free(a);
		ferry_fail_memory(err, "the table of services",
				  services_max * sizeof(struct ferry_service));
		return NULL;
	}
	return a;
}

void ferry_attribution_free(struct ferry_attribution *a)
{
	if (!a)
		return;
	free(a->service);
	free(a->delta);
	free(a->share);
	free(a);
}

static int order(const struct ferry_service *s, const struct ferry_use *use)
{
	if (s->kind != use->kind)
		return s->kind < use->kind ? -1 : 1;
	return s->id < use->id ? -1 : s->id > use->id;
}

/* Where the service is, or where it would be. */
static size_t place_of(const struct ferry_attribution *a, const struct ferry_use *use)
{
	size_t low = 0, high = a->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (order(&a->service[middle], use) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct ferry_attribution *a, size_t at, const struct ferry_use *use)
{
	return at < a->n && !order(&a->service[at], use);
}

/* Makes everything else of a service that is gone. False if all of them are there. */
static bool give_up_one(struct ferry_attribution *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->service[i].present)
			continue;
		a->rest_uj += a->service[i].energy_uj;
		memmove(&a->service[i], &a->service[i + 1], (a->n - i - 1) * sizeof(*a->service));
		a->n--;
		return true;
	}
	return false;
}

static void take_in(struct ferry_attribution *a, const struct ferry_use *use)
{
	size_t at = place_of(a, use);

	if (!is_at(a, at, use)) {
		if (a->n == a->max && !give_up_one(a))
			return;
		at = place_of(a, use);
		memmove(&a->service[at + 1], &a->service[at], (a->n - at) * sizeof(*a->service));
		a->service[at] = (struct ferry_service){.id = use->id, .kind = use->kind};
		a->n++;
	} else if (a->service[at].present) {
		return;
	}
	a->service[at].present = true;
}

/* A counter that runs backwards began anew at 0. */
static uint64_t moved(uint64_t before, uint64_t after)
{
	return after >= before ? after - before : after;
}

/* No counter is believed to have gone further than all processors together could have. */
static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

static struct ferry_use difference(const struct ferry_use *before, const struct ferry_use *after,
				   uint64_t machine_ns)
{
	return (struct ferry_use){
		.id = after->id,
		.kind = after->kind,
		.cpu_ns = at_most(moved(before->cpu_ns, after->cpu_ns), machine_ns),
		.cycles = moved(before->cycles, after->cycles),
		.tx_bytes = moved(before->tx_bytes, after->tx_bytes),
		.rx_bytes = moved(before->rx_bytes, after->rx_bytes),
	};
}

void ferry_attribution_add(struct ferry_attribution *a, const struct ferry_attribution_model *model,
			   uint64_t time_ns, uint64_t energy_uj, unsigned int processors,
			   const struct ferry_use *use, size_t n)
{
	const uint64_t interval_ns = time_ns > a->time_ns ? time_ns - a->time_ns : 0;
	const uint64_t machine_ns = interval_ns * (processors ? processors : 1);

	for (size_t i = 0; i < a->n; i++)
		a->service[i].present = false;
	for (size_t i = 0; i < n; i++)
		take_in(a, &use[i]);

	for (size_t i = 0; i < a->n; i++)
		a->delta[i] = (struct ferry_use){0};
	for (size_t i = 0; i < n; i++) {
		const size_t at = place_of(a, &use[i]);

		/* A second one of that name has a kind in its difference already. */
		if (!is_at(a, at, &use[i]) || !a->service[at].present)
			continue;
		a->service[at].present = false;
		a->delta[at] = difference(&a->service[at].at, &use[i], machine_ns);
		a->service[at].at = use[i];
	}
	for (size_t i = 0; i < n; i++) {
		const size_t at = place_of(a, &use[i]);

		if (is_at(a, at, &use[i]))
			a->service[at].present = true;
	}
	/* What is gone and comes back begins anew. */
	for (size_t i = 0; i < a->n; i++)
		if (!a->service[i].present)
			a->service[i].at = (struct ferry_use){0};
	a->time_ns = time_ns;
	if (!a->begun) {
		a->begun = true;
		return;
	}
	a->total_uj += energy_uj;
	a->rest_uj += ferry_attribute(model, energy_uj, interval_ns, processors, a->delta, a->n,
				      a->share);
	for (size_t i = 0; i < a->n; i++) {
		a->service[i].energy_uj += a->share[i];
		a->service[i].power_uw = interval_ns
						 ? (uint64_t)((double)a->share[i] * NSEC_PER_SEC /
							      (double)interval_ns)
						 : 0;
	}
}

const struct ferry_service *ferry_attribution_services(const struct ferry_attribution *a, size_t *n)
{
	*n = a->n;
	return a->service;
}

uint64_t ferry_attribution_total_uj(const struct ferry_attribution *a)
{
	return a->total_uj;
}

uint64_t ferry_attribution_rest_uj(const struct ferry_attribution *a)
{
	return a->rest_uj;
}
