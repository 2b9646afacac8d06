/* SPDX-License-Identifier: MIT */
/* The machine as a whole: sensors that show up twice, sources that overlap, the estimate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/energy_model.h"
#include "core/energy_total.h"

__extension__ typedef unsigned __int128 wide;

enum { W = 1000000, SELF = 255 };

static struct ferry_energy_part part(uint8_t kind, uint64_t power_uw)
{
	return (struct ferry_energy_part){
		.kind = kind,
		.power_uw = power_uw,
		.energy_uj = power_uw,
		.provenance = FERRY_PROVENANCE_MEASURED,
		.same_as = SELF,
		.known = 1,
	};
}

static void test_rails_of_a_board_add_up(void **state)
{
	struct ferry_energy_part parts[] = {
		part(FERRY_ENERGY_KIND_BOARD, 3 * W),
		part(FERRY_ENERGY_KIND_BOARD, 4 * W),
		part(FERRY_ENERGY_KIND_THERMAL, 100 * W),
		part(FERRY_ENERGY_KIND_PERIPHERAL, 100 * W),
	};
	const struct ferry_energy_sum sum = ferry_energy_total(parts, 4);

	(void)state;
	assert_int_equal(sum.power_uw, 7 * W);
	assert_int_equal(sum.energy_uj, 7 * W);
	assert_int_equal(sum.scope, FERRY_ENERGY_SCOPE_BOARD);
	assert_int_equal(sum.provenance, FERRY_PROVENANCE_MEASURED);
}

/* What flows through two meters one after the other counts once, as the one that sees more. */
static void test_sources_of_different_reach_are_not_added(void **state)
{
	struct ferry_energy_part parts[] = {
		part(FERRY_ENERGY_KIND_PACKAGE, 9 * W),
		part(FERRY_ENERGY_KIND_BATTERY, 20 * W),
		part(FERRY_ENERGY_KIND_BOARD, 2 * W),
		part(FERRY_ENERGY_KIND_MODEL, 90 * W),
	};
	struct ferry_energy_sum sum = ferry_energy_total(parts, 4);

	(void)state;
	assert_int_equal(sum.power_uw, 20 * W);
	assert_int_equal(sum.scope, FERRY_ENERGY_SCOPE_SUPPLY);
	/* On mains a battery charges, which is no part of what the machine takes. */
	parts[1].charging = 1;
	sum = ferry_energy_total(parts, 4);
	assert_int_equal(sum.power_uw, 9 * W);
	assert_int_equal(sum.scope, FERRY_ENERGY_SCOPE_PACKAGE);
	/* The estimate is for machines without any meter. */
	parts[0].known = parts[2].known = 0;
	sum = ferry_energy_total(parts, 4);
	assert_int_equal(sum.power_uw, 90 * W);
	assert_int_equal(sum.scope, FERRY_ENERGY_SCOPE_MODEL);
	parts[3].known = 0;
	assert_int_equal(ferry_energy_total(parts, 4).scope, FERRY_ENERGY_SCOPE_NONE);
	assert_int_equal(ferry_energy_total(parts, 0).scope, FERRY_ENERGY_SCOPE_NONE);
}

static void test_charging_is_taken_off_the_supply(void **state)
{
	struct ferry_energy_part parts[] = {
		part(FERRY_ENERGY_KIND_SUPPLY, 30 * W),
		part(FERRY_ENERGY_KIND_BATTERY, 12 * W),
	};

	(void)state;
	assert_int_equal(ferry_energy_total(parts, 2).power_uw, 42 * W);
	parts[1].charging = 1;
	assert_int_equal(ferry_energy_total(parts, 2).power_uw, 18 * W);
	/* Two meters that disagree do not make a machine that gives power back. */
	parts[1].power_uw = parts[1].energy_uj = 31 * W;
	assert_int_equal(ferry_energy_total(parts, 2).power_uw, 0);
	assert_int_equal(ferry_energy_total(parts, 2).energy_uj, 0);
}

static void test_a_total_is_as_good_as_its_worst_part(void **state)
{
	struct ferry_energy_part parts[] = {
		part(FERRY_ENERGY_KIND_BOARD, 3 * W),
		part(FERRY_ENERGY_KIND_BOARD, 4 * W),
	};

	(void)state;
	parts[1].provenance = FERRY_PROVENANCE_ESTIMATE;
	parts[1].uncertainty_uw = W;
	assert_int_equal(ferry_energy_total(parts, 2).provenance, FERRY_PROVENANCE_ESTIMATE);
	assert_int_equal(ferry_energy_total(parts, 2).uncertainty_uw, W);
	parts[0].provenance = FERRY_PROVENANCE_FAKE;
	assert_int_equal(ferry_energy_total(parts, 2).provenance, FERRY_PROVENANCE_FAKE);
}

/* any shape of links between sources of one sensor, a ring of mirrors included. */
static void test_mirrors_count_once(void **state)
{
	(void)state;
	for (unsigned a = 0; a < 4; a++) {
		for (unsigned b = 0; b < 4; b++) {
			struct ferry_energy_part parts[] = {
				part(FERRY_ENERGY_KIND_BOARD, 5 * W),
				part(FERRY_ENERGY_KIND_BOARD, 5 * W),
				part(FERRY_ENERGY_KIND_BOARD, 5 * W),
				part(FERRY_ENERGY_KIND_BOARD, 1 * W),
			};

			/* 0, 1, 2 in a chain or a ring; 3 is another sensor. */
			parts[a % 3].same_as = (uint8_t)((a + 1) % 3);
			parts[(a + 1) % 3].same_as = (uint8_t)((a + 2) % 3);
			if (b < 3)
				parts[(a + 2) % 3].same_as = (uint8_t)(a % 3);
			parts[a % 3].declared = b & 1;
			assert_int_equal(ferry_energy_total(parts, 4).power_uw, 6 * W);
		}
	}
}

static void test_a_mirror_stands_in_for_what_it_mirrors(void **state)
{
	struct ferry_energy_part parts[] = {
		part(FERRY_ENERGY_KIND_BATTERY, 5 * W),
		part(FERRY_ENERGY_KIND_BOARD, 6 * W),
	};
	struct ferry_energy_sum sum;

	(void)state;
	parts[1].same_as = 0;
	parts[1].declared = 1;
	sum = ferry_energy_total(parts, 2);
	assert_int_equal(sum.power_uw, 5 * W);
	assert_int_equal(sum.scope, FERRY_ENERGY_SCOPE_SUPPLY);
	parts[0].known = 0;
	assert_int_equal(ferry_energy_total(parts, 2).power_uw, 6 * W);
	/* A link to a source that is gone, or far outside, is none. */
	parts[0].known = 1;
	parts[1].same_as = 2;
	assert_int_equal(ferry_energy_total(parts, 2).power_uw, 6 * W);
}

static void fill(struct ferry_energy_trace *trace, const uint64_t *uw, int n)
{
	*trace = (struct ferry_energy_trace){.length = 0};
	for (int i = 0; i < n; i++)
		ferry_energy_trace_add(trace, uw[i]);
}

/* readings of one sensor, a second apart and with its noise, are found out. */
static void test_identical_readings_are_one_sensor(void **state)
{
	const uint64_t walk[] = {5 * W, 6 * W, 6 * W, 9 * W, 4 * W, 3 * W,
				 8 * W, 8 * W, 2 * W, 5 * W, 7 * W};
	uint64_t noisy[11];
	struct ferry_energy_trace a, b;

	(void)state;
	for (int i = 0; i < 11; i++)
		noisy[i] = walk[i] + 15000;
	fill(&a, walk + 1, 10);
	fill(&b, noisy + 1, 10);
	assert_true(ferry_energy_is_twin(&a, &b));
	assert_true(ferry_energy_still_twin(&a, &b));
	fill(&b, noisy, 10); /* a second late */
	assert_true(ferry_energy_is_twin(&a, &b));
	assert_true(ferry_energy_is_twin(&b, &a));
	assert_true(ferry_energy_still_twin(&a, &b));
	fill(&b, noisy + 1, 9); /* too short to tell */
	assert_false(ferry_energy_is_twin(&a, &b));
	noisy[5] += 200000;
	fill(&b, noisy + 1, 10);
	assert_false(ferry_energy_is_twin(&a, &b));
}

static void test_constant_readings_are_not_taken_for_one_sensor(void **state)
{
	uint64_t flat[10], step[10];
	struct ferry_energy_trace a, b;

	(void)state;
	for (int i = 0; i < 10; i++) {
		flat[i] = 5 * W;
		step[i] = i < 5 ? 5 * W : 6 * W;
	}
	fill(&a, flat, 10);
	fill(&b, flat, 10);
	assert_false(ferry_energy_is_twin(&a, &b));
	/* Two rails that were switched on by the same load. */
	fill(&a, step, 10);
	fill(&b, step, 10);
	assert_false(ferry_energy_is_twin(&a, &b));
}

static void test_twins_part_when_they_differ(void **state)
{
	const uint64_t here[] = {5 * W, 5 * W, 5 * W}, there[] = {5 * W, 6 * W, 6 * W};
	struct ferry_energy_trace a, b;

	(void)state;
	fill(&a, here, 3);
	fill(&b, there, 3);
	assert_true(ferry_energy_still_twin(&a, &b)); /* it may be late */
	ferry_energy_trace_add(&a, 5 * W);
	ferry_energy_trace_add(&b, 6 * W);
	assert_false(ferry_energy_still_twin(&a, &b));
	ferry_energy_trace_break(&b);
	assert_true(ferry_energy_still_twin(&a, &b)); /* nothing to compare */
}

static void test_estimate(void **state)
{
	const struct ferry_energy_model model = {
		.idle_uw = 2 * W,
		.busy_uw = 6 * W,
		.airtime_uw = W,
		.tx_nj_per_byte = 50,
		.rx_nj_per_byte = 20,
		.error_ppm = 150000,
	};
	struct ferry_energy_activity activity = {
		.elapsed_ns = 2 * FERRY_NS_PER_SEC,
		.busy_ppm = 500000,
		.airtime_ppm = 250000,
		.tx_bytes = 20 * W,
		.rx_bytes = 10 * W,
	};

	(void)state;
	/* 2 + 6/2 + 1/4 W, 10 MB/s of 50 nJ, 5 MB/s of 20 nJ */
	assert_int_equal(ferry_energy_estimate(&model, &activity), 5850000);
	assert_int_equal(ferry_energy_uncertainty(5850000, model.error_ppm), 880000);
	activity.busy_ppm = UINT32_MAX;
	assert_int_equal(ferry_energy_estimate(&model, &activity), 8850000);
	activity.elapsed_ns = 0;
	assert_int_equal(ferry_energy_estimate(&model, &activity), 8250000);
	assert_true(ferry_energy_model_is_set(&model));
	assert_false(ferry_energy_model_is_set(&(struct ferry_energy_model){.error_ppm = 5}));
}

static void test_estimates_saturate(void **state)
{
	const struct ferry_energy_model most = {
		.idle_uw = UINT64_MAX,
		.busy_uw = UINT64_MAX,
		.airtime_uw = UINT64_MAX,
		.tx_nj_per_byte = UINT32_MAX,
		.rx_nj_per_byte = UINT32_MAX,
	};
	const struct ferry_energy_model radio = {.tx_nj_per_byte = UINT32_MAX};
	struct ferry_energy_activity activity = {
		.elapsed_ns = 1000,
		.tx_bytes = UINT64_MAX,
		.rx_bytes = UINT64_MAX,
		.busy_ppm = FERRY_PPM,
		.airtime_ppm = FERRY_PPM,
	};

	(void)state;
	assert_int_equal(ferry_energy_estimate(&most, &activity), FERRY_POWER_UW_MAX);
	assert_int_equal(ferry_energy_estimate(&radio, &activity), FERRY_POWER_UW_MAX);
	activity.elapsed_ns = UINT64_MAX;
	assert_true(ferry_energy_estimate(&radio, &activity) <= FERRY_POWER_UW_MAX);
	assert_true(ferry_energy_uncertainty(UINT64_MAX, UINT32_MAX) == UINT64_MAX);
	assert_int_equal(ferry_energy_uncertainty(0, 1000000), 0);
	assert_int_equal(ferry_energy_uncertainty(1000000, 1), 10000);
}

static void test_a_scaled_number_is_exact_or_the_largest(void **state)
{
	(void)state;
	for (uint64_t i = 1; i < 5000; i++) {
		const uint64_t a = i * 0x9e3779b97f4a7c15ULL, b = i * 7919, c = 1000000;
		const wide exact = (wide)a * b / c;

		assert_true(ferry_energy_scale(a, b, c) ==
			    (exact > UINT64_MAX ? UINT64_MAX : (uint64_t)exact));
		assert_true(ferry_energy_scale(a >> 30, b, c) ==
			    (uint64_t)((wide)(a >> 30) * b / c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rails_of_a_board_add_up),
		cmocka_unit_test(test_sources_of_different_reach_are_not_added),
		cmocka_unit_test(test_charging_is_taken_off_the_supply),
		cmocka_unit_test(test_a_total_is_as_good_as_its_worst_part),
		cmocka_unit_test(test_mirrors_count_once),
		cmocka_unit_test(test_a_mirror_stands_in_for_what_it_mirrors),
		cmocka_unit_test(test_identical_readings_are_one_sensor),
		cmocka_unit_test(test_constant_readings_are_not_taken_for_one_sensor),
		cmocka_unit_test(test_twins_part_when_they_differ),
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_estimates_saturate),
		cmocka_unit_test(test_a_scaled_number_is_exact_or_the_largest),
	};

	return cmocka_run_group_tests_name("kmod/energy_total", tests, NULL, NULL);
}
