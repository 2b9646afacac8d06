// SPDX-License-Identifier: MIT
#include "net/push.h"

#include <inttypes.h>
#include <stdio.h>

#include "telemetry/telemetry.h"

#define row(number, name) [number] = name,
static const char *const states[] = {FERRY_LINK_STATE_TABLE(row)};
static const char *const kinds[] = {FERRY_ENERGY_KIND_TABLE(row)};
static const char *const provenances[] = {FERRY_PROVENANCE_TABLE(row)};
#undef row

/* Quantities that ferry.ko computes itself. */
static bool is_computed(enum ferry_quantity q)
{
	return q == FERRY_BACKLOG_BYTES || q == FERRY_ENERGY_UJ;
}

static bool add(enum ferry_net_object object, struct ferry_key_values *values, const char *format,
		...) __attribute__((format(printf, 3, 4)));
static bool add(enum ferry_net_object object, struct ferry_key_values *values, const char *format,
		...)
{
	char word[96];
	va_list ap;

	va_start(ap, format);
	vsnprintf(word, sizeof(word), format, ap);
	va_end(ap);
	return !ferry_key_parse(object, word, values, NULL);
}

bool ferry_push_values(const struct ferry_reading *r, uint32_t valid_ms, uint64_t now_us,
		       struct ferry_key_values *values)
{
	const enum ferry_net_object object = r->of == FERRY_READING_OF_LINK ? FERRY_NET_LINK
									    : FERRY_NET_ENERGY;
	const uint32_t age_ms = ferry_reading_age_ms(r, now_us);
	bool any = false;

	values->n = 0;
	if (r->provenance < FERRY_PROVENANCE_FAKE || r->provenance > FERRY_PROVENANCE_MEASURED ||
	    ferry_reading_is_of_kernel(r) || age_ms >= valid_ms)
		return false;
	for (int q = 0; q < FERRY_QUANTITIES; q++) {
		const char *name = ferry_quantity_name((enum ferry_quantity)q);

		if (!ferry_reading_has(r, (enum ferry_quantity)q) ||
		    is_computed((enum ferry_quantity)q))
			continue;
		/* Where there is a counter, the power is what ferry.ko makes of it. */
		if (q == FERRY_POWER_UW && ferry_reading_has(r, FERRY_COUNTER_UJ))
			continue;
		/* A quantity that an older ferry.ko does not take is left out alone. */
		if (q == FERRY_STATE)
			any |= add(object, values, "%s=%s", name, states[r->value[q]]);
		else
			any |= add(object, values, "%s=%" PRId64, name, r->value[q]);
	}
	if (!any)
		return false;
	if (object == FERRY_NET_ENERGY) {
		any = add(object, values, "kind=%s", kinds[r->kind]);
		if (r->mirror_of[0])
			any = any && add(object, values, "mirror_of=%s", r->mirror_of);
	}
	return any && add(object, values, "source=%s", provenances[r->provenance]) &&
	       add(object, values, "age_ms=%" PRIu32, age_ms) &&
	       add(object, values, "valid_ms=%" PRIu32, valid_ms);
}

int ferry_push_reading(struct ferry_family *family, const struct ferry_reading *reading,
		       uint32_t valid_ms, uint64_t now_us, struct ferry_error *err)
{
	struct ferry_key_values values;

	if (!ferry_push_values(reading, valid_ms, now_us, &values))
		return 0;
	return ferry_net_push(
		family, reading->of == FERRY_READING_OF_LINK ? FERRY_NET_LINK : FERRY_NET_ENERGY,
		reading->name, &values, err);
}
