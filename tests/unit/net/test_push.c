// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/push.h"

enum { NOW = 5000000, VALID_MS = 3000 };

static uint64_t number(const struct ferry_key_values *values, const char *name)
{
	const struct ferry_key_value *value = ferry_key_find(values, name);

	if (!value)
		fail_msg("there is no %s", name);
	return value->number;
}

static void a_link_is_pushed_with_its_age(void **state)
{
	struct ferry_key_values values;
	struct ferry_reading r;

	(void)state;
	ferry_reading_begin(&r, FERRY_READING_OF_LINK, "wlan0", NOW - 700000);
	ferry_reading_set(&r, FERRY_SRTT_US, 12000);
	ferry_reading_set(&r, FERRY_SIGNAL_DBM, -61);
	ferry_reading_set(&r, FERRY_STATE, FERRY_LINK_STATE_DEGRADED);
	ferry_reading_set(&r, FERRY_BACKLOG_BYTES, 5);
	assert_true(ferry_push_values(&r, VALID_MS, NOW, &values));
	assert_int_equal(number(&values, "srtt_us"), 12000);
	assert_int_equal((int64_t)number(&values, "signal_dbm"), -61);
	assert_int_equal(number(&values, "state"), FERRY_LINK_STATE_DEGRADED);
	assert_int_equal(number(&values, "age_ms"), 700);
	assert_int_equal(number(&values, "valid_ms"), VALID_MS);
	assert_int_equal(number(&values, "source"), FERRY_PROVENANCE_MEASURED);
	assert_null(ferry_key_find(&values, "backlog_bytes"));
	assert_null(ferry_key_find(&values, "kind"));
}

static void a_counter_is_pushed_instead_of_its_power(void **state)
{
	struct ferry_key_values values;
	struct ferry_reading r;

	(void)state;
	ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, "rapl-package-0-core", NOW);
	r.kind = FERRY_ENERGY_KIND_PACKAGE;
	strcpy(r.mirror_of, "rapl-package-0");
	ferry_reading_set(&r, FERRY_POWER_UW, 7);
	ferry_reading_set(&r, FERRY_COUNTER_UJ, 262143328849);
	ferry_reading_set(&r, FERRY_COUNTER_MAX_UJ, 262143328850);
	assert_true(ferry_push_values(&r, VALID_MS, NOW, &values));
	assert_int_equal(number(&values, "counter_uj"), 262143328849);
	assert_int_equal(number(&values, "counter_max_uj"), 262143328850);
	assert_int_equal(number(&values, "kind"), FERRY_ENERGY_KIND_PACKAGE);
	assert_string_equal(ferry_key_find(&values, "mirror_of")->text, "rapl-package-0");
	assert_null(ferry_key_find(&values, "power_uw"));
}

static void what_is_not_ours_to_say_is_not_pushed(void **state)
{
	struct ferry_key_values values;
	struct ferry_reading r;

	(void)state;
	ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, "hw-ina226-1", NOW);
	assert_false(ferry_push_values(&r, VALID_MS, NOW, &values));
	ferry_reading_set(&r, FERRY_POWER_UW, 7);
	assert_true(ferry_push_values(&r, VALID_MS, NOW, &values));
	assert_false(ferry_push_values(&r, VALID_MS, NOW + VALID_MS * 1000, &values));
	r.provenance = FERRY_PROVENANCE_NONE;
	assert_false(ferry_push_values(&r, VALID_MS, NOW, &values));
	r.provenance = FERRY_PROVENANCE_KERNEL;
	assert_false(ferry_push_values(&r, VALID_MS, NOW, &values));
	strcpy(r.name, "psy-BAT0");
	r.provenance = FERRY_PROVENANCE_MEASURED;
	assert_false(ferry_push_values(&r, VALID_MS, NOW, &values));
	assert_int_equal(ferry_push_reading(NULL, &r, VALID_MS, NOW, NULL), 0);
}

/* One table has the names, so that a new quantity cannot be forgotten in the other. */
static void every_quantity_has_a_key(void **state)
{
	(void)state;
	for (int q = 0; q < FERRY_QUANTITIES; q++) {
		const bool link = q <= FERRY_BACKLOG_BYTES;
		struct ferry_key_values values;
		struct ferry_reading r;

		ferry_reading_begin(&r, link ? FERRY_READING_OF_LINK : FERRY_READING_OF_ENERGY, "x",
				    NOW);
		r.kind = FERRY_ENERGY_KIND_BOARD;
		ferry_reading_set(&r, (enum ferry_quantity)q, 1);
		assert_int_equal(ferry_push_values(&r, VALID_MS, NOW, &values),
				 q != FERRY_BACKLOG_BYTES && q != FERRY_ENERGY_UJ);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_pushed_with_its_age),
		cmocka_unit_test(a_counter_is_pushed_instead_of_its_power),
		cmocka_unit_test(what_is_not_ours_to_say_is_not_pushed),
		cmocka_unit_test(every_quantity_has_a_key),
	};

	return cmocka_run_group_tests_name("net/push", tests, NULL, NULL);
}
