// SPDX-License-Identifier: MIT
/* One look after another at a tree that changes, with a clock that the test holds. */
#define _GNU_SOURCE
#include "tree.h"

#include "telemetry/telemetry.h"

#define SECOND 1000000ull

static struct tree tree;
static struct ferry_telemetry *telemetry;

static int make(void **state)
{
	struct ferry_telemetry_options options = {.size = sizeof(options), .root = tree.root};

	(void)state;
	tree_make(&tree);
	telemetry = ferry_telemetry_new(&options, NULL);
	return telemetry ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	ferry_telemetry_free(telemetry);
	tree_remove(&tree);
	return 0;
}

static void write_counter(uint64_t uj)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)uj);
	tree_write(&tree, "class/powercap/intel-rapl:0/name", "package-0");
	tree_write(&tree, "class/powercap/intel-rapl:0/energy_uj", text);
	tree_write(&tree, "class/powercap/intel-rapl:0/max_energy_range_uj", "1000000000");
}

static const struct ferry_reading *look(uint64_t now_us, enum ferry_reading_of of, const char *name)
{
	return ferry_reading_list_find(ferry_telemetry_look(telemetry, now_us), of, name);
}

static int64_t power_at(uint64_t now_us)
{
	const struct ferry_reading *r = look(now_us, FERRY_READING_OF_ENERGY, "rapl-package-0");

	assert_non_null(r);
	return ferry_reading_has(r, FERRY_POWER_UW) ? r->value[FERRY_POWER_UW] : -1;
}

/* */
static void power_of_a_counter_across_its_wrap(void **state)
{
	(void)state;
	write_counter(990000000);
	assert_int_equal(power_at(SECOND), -1);
	write_counter(995000000);
	assert_int_equal(power_at(2 * SECOND), 5000000);
	write_counter(5000000);
	assert_int_equal(power_at(3 * SECOND), 10000000);
	/* Too soon to say anything new. */
	write_counter(5000001);
	assert_int_equal(power_at(3 * SECOND + 1000), 10000000);
	/* Set back, by a sleep of the machine: nobody knows, and then it goes on. */
	write_counter(1);
	assert_int_equal(power_at(4 * SECOND), -1);
	write_counter(3000001);
	assert_int_equal(power_at(5 * SECOND), 3000000);
}

/* emulators and guests have counters that say 0 for ever. */
static void a_counter_that_never_moves_is_none_and_not_0_watt(void **state)
{
	const struct ferry_reading *r;
	struct ferry_reading total;

	(void)state;
	write_counter(0);
	for (uint64_t s = 1; s <= 10; s++)
		power_at(s * SECOND);
	r = look(11 * SECOND, FERRY_READING_OF_ENERGY, "rapl-package-0");
	assert_int_equal(r->provenance, FERRY_PROVENANCE_NONE);
	assert_false(ferry_reading_has(r, FERRY_POWER_UW));
	ferry_energy_total(ferry_telemetry_look(telemetry, 12 * SECOND), 12 * SECOND, &total);
	assert_int_equal(total.provenance, FERRY_PROVENANCE_NONE);
	assert_int_equal(total.present, 0);
	/* It does after all. */
	write_counter(4000000);
	r = look(13 * SECOND, FERRY_READING_OF_ENERGY, "rapl-package-0");
	assert_int_equal(r->provenance, FERRY_PROVENANCE_MEASURED);
	assert_int_equal(r->value[FERRY_POWER_UW], 4000000);
}

static void write_bytes(const char *tx, const char *rx)
{
	tree_write(&tree, "class/net/eth0/ifindex", "2");
	tree_write(&tree, "class/net/eth0/flags", "0x1003");
	tree_write(&tree, "class/net/eth0/statistics/tx_bytes", tx);
	tree_write(&tree, "class/net/eth0/statistics/rx_bytes", rx);
}

static void rates_of_a_network_device(void **state)
{
	const struct ferry_reading *r;

	(void)state;
	write_bytes("1000", "0");
	r = look(SECOND, FERRY_READING_OF_LINK, "eth0");
	assert_false(ferry_reading_has(r, FERRY_TX_RATE_KBPS));
	write_bytes("251000", "1000");
	r = look(3 * SECOND, FERRY_READING_OF_LINK, "eth0");
	assert_int_equal(r->value[FERRY_TX_RATE_KBPS], 1000);
	assert_int_equal(r->value[FERRY_RX_RATE_KBPS], 4);
	/* The driver was loaded again: not an hour's worth of traffic in a second. */
	write_bytes("5", "5");
	r = look(4 * SECOND, FERRY_READING_OF_LINK, "eth0");
	assert_int_equal(r->value[FERRY_TX_RATE_KBPS], 0);
	assert_true(r->value[FERRY_RX_RATE_KBPS] == 0);
}

/* what one meter sees may flow through another. */
static void the_total_counts_nothing_twice(void **state)
{
	struct ferry_reading total;

	(void)state;
	tree_write(&tree, "class/hwmon/hwmon0/name", "ina3221");
	tree_write(&tree, "class/hwmon/hwmon0/in1_label", "VDD_IN");
	tree_write(&tree, "class/hwmon/hwmon0/in1_input", "5000");
	tree_write(&tree, "class/hwmon/hwmon0/curr1_input", "2000");
	tree_write(&tree, "class/hwmon/hwmon0/in2_input", "5000");
	tree_write(&tree, "class/hwmon/hwmon0/curr2_input", "1000");
	ferry_energy_total(ferry_telemetry_look(telemetry, SECOND), SECOND, &total);
	assert_int_equal(total.value[FERRY_POWER_UW], 10000000);
	assert_int_equal(total.provenance, FERRY_PROVENANCE_MEASURED);
	/* The plug gives more than the board takes: what it gives beyond that charges a battery. */
	tree_write(&tree, "class/power_supply/usb/type", "USB");
	tree_write(&tree, "class/power_supply/usb/online", "1");
	tree_write(&tree, "class/power_supply/usb/power_now", "15000000");
	tree_write(&tree, "class/power_supply/BAT0/type", "Battery");
	tree_write(&tree, "class/power_supply/BAT0/power_now", "4000000");
	tree_write(&tree, "class/power_supply/BAT0/status", "Charging");
	ferry_energy_total(ferry_telemetry_look(telemetry, 2 * SECOND), 2 * SECOND, &total);
	assert_int_equal(total.value[FERRY_POWER_UW], 11000000);
	tree_write(&tree, "class/power_supply/usb/online", "0");
	tree_write(&tree, "class/power_supply/BAT0/status", "Discharging");
	ferry_energy_total(ferry_telemetry_look(telemetry, 3 * SECOND), 3 * SECOND, &total);
	assert_int_equal(total.value[FERRY_POWER_UW], 10000000);
}

static void the_module_is_asked_where_it_is_loaded(void **state)
{
	const struct ferry_telemetry_options options = {
		.size = sizeof(options), .root = tree.root, .stock_only = true};
	struct ferry_telemetry *stock = ferry_telemetry_new(&options, NULL);
	struct ferry_reading total;

	(void)state;
	write_counter(0);
	assert_false(ferry_telemetry_has_module(telemetry));
	assert_int_equal(ferry_telemetry_next_us(telemetry), 0);
	power_at(SECOND);
	assert_int_equal(ferry_telemetry_next_us(telemetry), 2 * SECOND);
	tree_write(&tree, "class/ferry_link/version", "0.1.0");
	tree_write(&tree, "class/ferry_energy/total/kind", "total");
	tree_write(&tree, "class/ferry_energy/total/source", "fake");
	tree_write(&tree, "class/ferry_energy/total/power_uw", "7000000");
	ferry_energy_total(ferry_telemetry_look(telemetry, 2 * SECOND), 2 * SECOND, &total);
	assert_true(ferry_telemetry_has_module(telemetry));
	assert_int_equal(total.value[FERRY_POWER_UW], 7000000);
	assert_int_equal(total.provenance, FERRY_PROVENANCE_FAKE);
	assert_null(look(3 * SECOND, FERRY_READING_OF_ENERGY, "rapl-package-0"));
	/* Who pushes into it must not read it. */
	assert_non_null(ferry_reading_list_find(ferry_telemetry_look(stock, SECOND),
						FERRY_READING_OF_ENERGY, "rapl-package-0"));
	ferry_telemetry_free(stock);
	ferry_telemetry_free(NULL);
}

static void the_kernels_own_are_not_pushed(void **state)
{
	struct ferry_reading r;

	(void)state;
	ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, "psy-BAT0", 0);
	assert_true(ferry_reading_is_of_kernel(&r));
	ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, "hw-ina219-1", 0);
	assert_false(ferry_reading_is_of_kernel(&r));
	ferry_reading_begin(&r, FERRY_READING_OF_LINK, "psy-1", 0);
	assert_false(ferry_reading_is_of_kernel(&r));
}

/* Ranges are those of ferry.ko, so that one value that is no value does not cost all others. */
static void values_out_of_range_are_left_out(void **state)
{
	struct ferry_reading r;

	(void)state;
	ferry_reading_begin(&r, FERRY_READING_OF_ENERGY, "x", 5 * SECOND);
	ferry_reading_set(&r, FERRY_POWER_UW, -1);
	ferry_reading_set(&r, FERRY_POWER_UW, (int64_t)FERRY_POWER_UW_MAX + 1);
	ferry_reading_set(&r, FERRY_SIGNAL_DBM, FERRY_LINK_SIGNAL_DBM_MIN - 1);
	ferry_reading_set(&r, FERRY_BATTERY_PPM, FERRY_PPM + 1);
	assert_int_equal(r.present, 0);
	for (int q = 0; q < FERRY_QUANTITIES; q++)
		assert_non_null(ferry_quantity_name((enum ferry_quantity)q));
	assert_null(ferry_quantity_name(FERRY_QUANTITIES));
	assert_int_equal(ferry_reading_age_ms(&r, 6 * SECOND), 1000);
	assert_int_equal(ferry_reading_age_ms(&r, SECOND), 0);
}

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(power_of_a_counter_across_its_wrap),
		in_a_tree(a_counter_that_never_moves_is_none_and_not_0_watt),
		in_a_tree(rates_of_a_network_device),
		in_a_tree(the_total_counts_nothing_twice),
		in_a_tree(the_module_is_asked_where_it_is_loaded),
		cmocka_unit_test(the_kernels_own_are_not_pushed),
		cmocka_unit_test(values_out_of_range_are_left_out),
	};

	return cmocka_run_group_tests_name("telemetry/telemetry", tests, NULL, NULL);
}
