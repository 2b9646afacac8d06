// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry/attribution.h"

#define SECOND 1000000000ull

static const struct ferry_attribution_model by_time;
static const struct ferry_attribution_model linear = {
	.idle_uw = 2000000,
	.cpu_uw = 3000000,
	.tx_nj_per_byte = 100,
	.rx_nj_per_byte = 50,
};

static uint64_t parts_of(const struct ferry_attribution *a)
{
	const struct ferry_service *service;
	uint64_t sum = ferry_attribution_rest_uj(a);
	size_t n;

	service = ferry_attribution_services(a, &n);
	for (size_t i = 0; i < n; i++)
		sum += service[i].energy_uj;
	return sum;
}

static uint64_t energy_of(const struct ferry_attribution *a, uint64_t id)
{
	const struct ferry_service *service;
	size_t n;

	service = ferry_attribution_services(a, &n);
	for (size_t i = 0; i < n; i++)
		if (service[i].id == id)
			return service[i].energy_uj;
	return UINT64_MAX;
}

static void time_on_the_processors_is_what_counts_without_a_model(void **state)
{
	const struct ferry_use use[] = {{.id = 1, .cpu_ns = SECOND / 2},
					{.id = 2, .cpu_ns = SECOND}};
	uint64_t share[2];

	(void)state;
	/* Two processors for a second: half a second of them was idle. */
	assert_int_equal(ferry_attribute(&by_time, 8000000, SECOND, 2, use, 2, share), 2000000);
	assert_int_equal(share[0], 2000000);
	assert_int_equal(share[1], 4000000);
}

static void cycles_weigh_more_than_time(void **state)
{
	const struct ferry_use use[] = {{.id = 1, .cpu_ns = SECOND, .cycles = 3000000},
					{.id = 2, .cpu_ns = SECOND, .cycles = 1000000}};
	uint64_t share[2];

	(void)state;
	assert_int_equal(ferry_attribute(&by_time, 8000000, SECOND, 2, use, 2, share), 0);
	assert_int_equal(share[0], 6000000);
	assert_int_equal(share[1], 2000000);
}

static void the_model_weighs_and_the_meter_counts(void **state)
{
	const struct ferry_use use[] = {{.id = 1, .cpu_ns = SECOND},
					{.id = 2, .tx_bytes = 10000000, .rx_bytes = 20000000}};
	uint64_t share[2];

	(void)state;
	/* As the model has it: 3 J, 1 J + 1 J, and 2 J idle; the meter says twice as much. */
	assert_int_equal(ferry_attribute(&linear, 14000000, SECOND, 4, use, 2, share), 4000000);
	assert_in_range(share[0], 5999999, 6000000);
	assert_in_range(share[1], 3999999, 4000000);
}

static void nobody_and_nothing(void **state)
{
	const struct ferry_use idle = {.id = 1};
	uint64_t share = 1;

	(void)state;
	assert_int_equal(ferry_attribute(&by_time, 5, SECOND, 1, NULL, 0, NULL), 5);
	assert_int_equal(ferry_attribute(&by_time, 5, 0, 0, &idle, 1, &share), 5);
	assert_int_equal(share, 0);
	assert_int_equal(ferry_attribute(&linear, 0, SECOND, 1, &idle, 1, &share), 0);
	assert_int_equal(share, 0);
}

static void counters_wrap_and_are_set_back(void **state)
{
	(void)state;
	assert_int_equal(ferry_counter_advance(10, 30, 100), 20);
	assert_int_equal(ferry_counter_advance(90, 5, 100), 15);
	assert_int_equal(ferry_counter_advance(60, 5, 100), 45);
	/* Set back, not round: that would be more than half of the way. */
	assert_int_equal(ferry_counter_advance(30, 5, 100), 0);
	/* What a counter of this range cannot have said. */
	assert_int_equal(ferry_counter_advance(300, 5, 100), 0);
	assert_int_equal(ferry_counter_advance(UINT64_MAX, 4, UINT64_MAX), 4);
	assert_int_equal(ferry_counter_advance(0, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

static void the_first_counters_are_only_noted(void **state)
{
	struct ferry_attribution *a = ferry_attribution_new(4, NULL);
	struct ferry_use use = {.id = 1, .cpu_ns = 3600 * SECOND};

	(void)state;
	ferry_attribution_add(a, &by_time, SECOND, 1000000, 1, &use, 1);
	assert_int_equal(ferry_attribution_total_uj(a), 0);
	assert_int_equal(energy_of(a, 1), 0);
	use.cpu_ns += SECOND / 4;
	ferry_attribution_add(a, &by_time, 2 * SECOND, 1000000, 1, &use, 1);
	assert_int_equal(energy_of(a, 1), 250000);
	assert_int_equal(ferry_attribution_rest_uj(a), 750000);
	ferry_attribution_free(a);
}

/* A process that ends keeps what it took; one that comes under its name begins at 0. */
static void a_service_that_is_gone_and_comes_back(void **state)
{
	struct ferry_attribution *a = ferry_attribution_new(4, NULL);
	struct ferry_use use = {.id = 1, .cpu_ns = 100};
	const struct ferry_service *service;
	size_t n;

	(void)state;
	ferry_attribution_add(a, &by_time, 0, 0, 1, &use, 1);
	use.cpu_ns += SECOND;
	ferry_attribution_add(a, &by_time, SECOND, 1000000, 1, &use, 1);
	ferry_attribution_add(a, &by_time, 2 * SECOND, 1000000, 1, NULL, 0);
	assert_int_equal(energy_of(a, 1), 1000000);
	service = ferry_attribution_services(a, &n);
	assert_false(service[0].present);
	assert_int_equal(service[0].power_uw, 0);
	/* More than it had when it went: of a new counter, all of it is new. */
	use.cpu_ns = SECOND + SECOND / 2;
	ferry_attribution_add(a, &by_time, 4 * SECOND, 4000000, 1, &use, 1);
	assert_int_equal(energy_of(a, 1), 4000000);
	/* And one that is set back without having been away. */
	use.cpu_ns = SECOND / 2;
	ferry_attribution_add(a, &by_time, 5 * SECOND, 1000000, 1, &use, 1);
	assert_int_equal(energy_of(a, 1), 4500000);
	assert_int_equal(parts_of(a), ferry_attribution_total_uj(a));
	ferry_attribution_free(a);
}

static void services_without_room_are_everything_else(void **state)
{
	struct ferry_attribution *a = ferry_attribution_new(2, NULL);
	struct ferry_use use[3] = {{.id = 1}, {.id = 2}, {.id = 3}};
	size_t n;

	(void)state;
	ferry_attribution_add(a, &by_time, 0, 0, 4, use, 3);
	for (int i = 0; i < 3; i++)
		use[i].cpu_ns = SECOND;
	ferry_attribution_add(a, &by_time, SECOND, 4000000, 4, use, 3);
	ferry_attribution_services(a, &n);
	assert_int_equal(n, 2);
	assert_int_equal(energy_of(a, 3), UINT64_MAX);
	assert_int_equal(ferry_attribution_rest_uj(a), 2000000);
	/* When the first one goes, its place is free, and its energy everything else's. */
	ferry_attribution_add(a, &by_time, 2 * SECOND, 0, 4, use + 1, 2);
	assert_int_equal(energy_of(a, 1), UINT64_MAX);
	assert_int_equal(energy_of(a, 2), 1000000);
	assert_int_equal(ferry_attribution_rest_uj(a), 3000000);
	assert_int_equal(parts_of(a), ferry_attribution_total_uj(a));
	ferry_attribution_free(a);
}

static void of_two_of_one_name_the_first_counts(void **state)
{
	struct ferry_attribution *a = ferry_attribution_new(4, NULL);
	struct ferry_use use[2] = {{.id = 1}, {.id = 1}};

	(void)state;
	ferry_attribution_add(a, &by_time, 0, 0, 1, use, 2);
	use[0].cpu_ns = SECOND / 2;
	use[1].cpu_ns = SECOND;
	ferry_attribution_add(a, &by_time, SECOND, 1000000, 1, use, 2);
	assert_int_equal(energy_of(a, 1), 500000);
	assert_int_equal(parts_of(a), ferry_attribution_total_uj(a));
	ferry_attribution_free(a);
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The parts are the whole, whatever comes: to the microjoule, for minutes of anything. */
static void the_parts_are_exactly_the_whole_of_anything(void **state)
{
	enum { SERVICES = 40, ROOM = 16, STEPS = 3000 };
	struct ferry_use use[SERVICES];
	uint64_t seed = 88172645463325252ull, time_ns = 0;

	(void)state;
	for (int wild = 0; wild < 2; wild++) {
		struct ferry_attribution *a = ferry_attribution_new(ROOM, NULL);

		assert_non_null(a);
		for (int step = 0; step < STEPS; step++) {
			const size_t n = next(&seed) % SERVICES;
			const uint64_t energy = next(&seed) % (wild ? 1ull << 50 : 20000000);

			time_ns = wild ? next(&seed) : time_ns + next(&seed) % SECOND;
			for (size_t i = 0; i < n; i++)
				use[i] = (struct ferry_use){
					.id = next(&seed) % SERVICES,
					.kind = next(&seed) % 2,
					.cpu_ns = next(&seed) >> (wild ? next(&seed) % 64 : 30),
					.cycles = next(&seed) >> (wild ? next(&seed) % 64 : 30),
					.tx_bytes = next(&seed) >> (wild ? next(&seed) % 64 : 40),
					.rx_bytes = next(&seed) >> (wild ? next(&seed) % 64 : 40),
				};
			ferry_attribution_add(a, step % 2 ? &linear : &by_time, time_ns, energy,
					      (unsigned int)next(&seed) % 8, use, n);
			assert_int_equal(parts_of(a), ferry_attribution_total_uj(a));
		}
		assert_true(ferry_attribution_total_uj(a) > 0);
		assert_true(ferry_attribution_rest_uj(a) < ferry_attribution_total_uj(a));
		ferry_attribution_free(a);
	}
}

static void sixty_seconds_of_two_services(void **state)
{
	struct ferry_attribution *a = ferry_attribution_new(8, NULL);
	struct ferry_use use[2] = {{.id = 1}, {.id = 2}};
	const uint64_t range = 262143328850ull / 1000; /* wraps four times in the minute */
	uint64_t counter = range - 100, seen = counter;

	(void)state;
	ferry_attribution_add(a, &by_time, 0, 0, 2, use, 2);
	for (int i = 1; i <= 600; i++) {
		const uint64_t before = seen;

		use[0].cpu_ns += SECOND / 40;
		use[1].cpu_ns += SECOND / 40 * 3;
		counter += 1800000; /* 18 W */
		seen = counter % range;
		ferry_attribution_add(a, &by_time, (uint64_t)i * SECOND / 10,
				      ferry_counter_advance(before, seen, range), 2, use, 2);
	}
	assert_in_range(ferry_attribution_total_uj(a), 1080000000ull - 1000, 1080000000ull + 1000);
	assert_int_equal(parts_of(a), ferry_attribution_total_uj(a));
	assert_in_range(energy_of(a, 2), 3 * energy_of(a, 1) - 3000, 3 * energy_of(a, 1) + 3000);
	ferry_attribution_free(a);
}

static void sizes_are_checked(void **state)
{
	struct ferry_error err = {0};

	(void)state;
	assert_null(ferry_attribution_new(0, &err));
	assert_int_equal(err.code, -EINVAL);
	assert_null(ferry_attribution_new((size_t)-1, &err));
	ferry_attribution_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_on_the_processors_is_what_counts_without_a_model),
		cmocka_unit_test(cycles_weigh_more_than_time),
		cmocka_unit_test(the_model_weighs_and_the_meter_counts),
		cmocka_unit_test(nobody_and_nothing),
		cmocka_unit_test(counters_wrap_and_are_set_back),
		cmocka_unit_test(the_first_counters_are_only_noted),
		cmocka_unit_test(a_service_that_is_gone_and_comes_back),
		cmocka_unit_test(services_without_room_are_everything_else),
		cmocka_unit_test(of_two_of_one_name_the_first_counts),
		cmocka_unit_test(the_parts_are_exactly_the_whole_of_anything),
		cmocka_unit_test(sixty_seconds_of_two_services),
		cmocka_unit_test(sizes_are_checked),
	};

	return cmocka_run_group_tests_name("telemetry/attribution", tests, NULL, NULL);
}
