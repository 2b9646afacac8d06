// SPDX-License-Identifier: MIT
/* The collectors, each on a tree that is made up: what machines show, and what nobody should. */
#define _GNU_SOURCE
#include "tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "telemetry/collect.h"
#include "telemetry/sysfs.h"

enum { NOW = 1000000 };

static struct tree tree;
static struct ferry_reading_list list;

static int make(void **state)
{
	(void)state;
	tree_make(&tree);
	memset(&list, 0, sizeof(list));
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

static const struct ferry_reading *source(const char *name)
{
	const struct ferry_reading *r =
		ferry_reading_list_find(&list, FERRY_READING_OF_ENERGY, name);

	if (!r)
		fail_msg("there is no source %s", name);
	return r;
}

static void assert_value(const struct ferry_reading *r, enum ferry_quantity q, int64_t value)
{
	if (!ferry_reading_has(r, q))
		fail_msg("%s has no %s", r->name, ferry_quantity_name(q));
	assert_int_equal(r->value[q], value);
}

static void nothing_there_is_nothing_found(void **state)
{
	struct ferry_netdev_bytes bytes[FERRY_READINGS_OF_SCAN_MAX];
	size_t n;

	(void)state;
	ferry_collect_hwmon(tree.root, NOW, &list);
	ferry_collect_powercap(tree.root, NOW, &list);
	ferry_collect_power_supply(tree.root, NOW, &list);
	ferry_collect_thermal(tree.root, NOW, &list);
	ferry_collect_netdev(tree.root, NOW, &list, bytes, &n);
	assert_false(ferry_collect_module(tree.root, NOW, &list));
	assert_int_equal(list.n + n, 0);
}

/* A Jetson: the rails are parts of VDD_IN, and in4 to in6 are no voltages of a rail. */
static void an_ina3221_is_paired_by_its_rules(void **state)
{
	(void)state;
	tree_write(&tree, "class/hwmon/hwmon4/name", "ina3221");
	tree_write(&tree, "class/hwmon/hwmon4/in1_label", "VDD_IN");
	tree_write(&tree, "class/hwmon/hwmon4/in2_label", "VDD_CPU_GPU_CV");
	tree_write(&tree, "class/hwmon/hwmon4/in3_label", "VDD_SOC");
	tree_write(&tree, "class/hwmon/hwmon4/in1_input", "5000");
	tree_write(&tree, "class/hwmon/hwmon4/curr1_input", "1200");
	tree_write(&tree, "class/hwmon/hwmon4/in2_input", "5000");
	tree_write(&tree, "class/hwmon/hwmon4/curr2_input", "400");
	tree_write(&tree, "class/hwmon/hwmon4/in3_input", "5000");
	tree_write(&tree, "class/hwmon/hwmon4/curr3_input", "300");
	tree_write(&tree, "class/hwmon/hwmon4/in4_input", "6");
	tree_write(&tree, "class/hwmon/hwmon4/curr4_input", "1900");
	ferry_collect_hwmon(tree.root, NOW, &list);
	assert_int_equal(list.n, 3);
	assert_value(source("hw-ina3221-VDD_IN"), FERRY_POWER_UW, 6000000);
	assert_string_equal(source("hw-ina3221-VDD_IN")->mirror_of, "");
	assert_string_equal(source("hw-ina3221-VDD_CPU_GPU_CV")->mirror_of, "hw-ina3221-VDD_IN");
	assert_value(source("hw-ina3221-VDD_SOC"), FERRY_POWER_UW, 1500000);
	assert_int_equal(source("hw-ina3221-VDD_SOC")->kind, FERRY_ENERGY_KIND_BOARD);
	assert_int_equal(source("hw-ina3221-VDD_SOC")->provenance, FERRY_PROVENANCE_MEASURED);
}

/* A voltage and a current of a chip without a rule may be of different things. */
static void an_unknown_chip_is_not_paired(void **state)
{
	(void)state;
	tree_write(&tree, "class/hwmon/hwmon0/name", "nct6775");
	tree_write(&tree, "class/hwmon/hwmon0/in1_input", "5000");
	tree_write(&tree, "class/hwmon/hwmon0/curr1_input", "1200");
	tree_write(&tree, "class/hwmon/hwmon1/name", "ina226");
	tree_write(&tree, "class/hwmon/hwmon1/in0_input", "2");
	tree_write(&tree, "class/hwmon/hwmon1/in1_input", "12000");
	tree_write(&tree, "class/hwmon/hwmon1/curr1_input", "1000");
	tree_write(&tree, "class/hwmon/hwmon1/power1_input", "11950000");
	tree_write(&tree, "class/hwmon/hwmon1/temp1_input", "41000");
	ferry_collect_hwmon(tree.root, NOW, &list);
	assert_int_equal(list.n, 1);
	assert_value(source("hw-ina226-1"), FERRY_POWER_UW, 11950000);
	assert_value(source("hw-ina226-1"), FERRY_TEMPERATURE_MDEG, 41000);
}

/* the kernel shows batteries and thermal zones as chips, and ferry.ko what is pushed. */
static void what_is_mirrored_in_hwmon_is_left_out(void **state)
{
	static const char *const parents[] = {"devices/acpi/power_supply/BAT0",
					      "devices/virtual/thermal/thermal_zone0",
					      "devices/virtual/ferry_energy/hw-ina226-1"};
	char name[160], target[160];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s/hwmon%d/name", parents[i], i);
		tree_write(&tree, name, "mirror");
		snprintf(name, sizeof(name), "%s/hwmon%d/power1_input", parents[i], i);
		tree_write(&tree, name, "5000000");
		snprintf(target, sizeof(target), "%s/hwmon%d", parents[i], i);
		snprintf(name, sizeof(name), "class/hwmon/hwmon%d", i);
		tree_link(&tree, target, name);
	}
	tree_write(&tree, "devices/i2c-1/1-0040/hwmon/hwmon3/name", "ina219");
	tree_write(&tree, "devices/i2c-1/1-0040/hwmon/hwmon3/power1_input", "5000000");
	tree_link(&tree, "devices/i2c-1/1-0040/hwmon/hwmon3", "class/hwmon/hwmon3");
	ferry_collect_hwmon(tree.root, NOW, &list);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.reading[0].name, "hw-ina219-1");
}

static void two_chips_of_one_kind_have_two_names(void **state)
{
	(void)state;
	tree_write(&tree, "class/hwmon/hwmon2/name", "ina219");
	tree_write(&tree, "class/hwmon/hwmon2/power1_input", "2000000");
	tree_write(&tree, "class/hwmon/hwmon10/name", "ina219");
	tree_write(&tree, "class/hwmon/hwmon10/power1_input", "10000000");
	ferry_collect_hwmon(tree.root, NOW, &list);
	assert_value(source("hw-ina219-1"), FERRY_POWER_UW, 2000000);
	assert_value(source("hw-ina219-1-2"), FERRY_POWER_UW, 10000000);
}

static void write_zone(const char *zone, const char *name, const char *energy)
{
	char path[160];

	snprintf(path, sizeof(path), "class/powercap/%s/name", zone);
	tree_write(&tree, path, name);
	snprintf(path, sizeof(path), "class/powercap/%s/energy_uj", zone);
	tree_write(&tree, path, energy);
	snprintf(path, sizeof(path), "class/powercap/%s/max_energy_range_uj", zone);
	tree_write(&tree, path, "262143328850");
}

/* Cores are in the package, memory is not, and MMIO shows the package a second time. */
static void parts_of_a_package_count_once(void **state)
{
	(void)state;
	tree_write(&tree, "class/powercap/intel-rapl/enabled", "1");
	write_zone("intel-rapl:0", "package-0", "1000");
	write_zone("intel-rapl:0:0", "core", "600");
	write_zone("intel-rapl:0:1", "uncore", "100");
	write_zone("intel-rapl:0:2", "dram", "300");
	write_zone("intel-rapl:1", "psys", "5000");
	write_zone("intel-rapl:10", "package-1", "2000");
	write_zone("intel-rapl:10:0", "core", "1200");
	write_zone("intel-rapl-mmio:0", "package-0", "1000");
	ferry_collect_powercap(tree.root, NOW, &list);
	assert_int_equal(list.n, 8);
	assert_value(source("rapl-package-0"), FERRY_COUNTER_UJ, 1000);
	assert_value(source("rapl-package-0"), FERRY_COUNTER_MAX_UJ, 262143328850);
	assert_string_equal(source("rapl-package-0-core")->mirror_of, "rapl-package-0");
	assert_string_equal(source("rapl-package-0-uncore")->mirror_of, "rapl-package-0");
	assert_string_equal(source("rapl-package-0-dram")->mirror_of, "");
	assert_string_equal(source("rapl-package-1-core")->mirror_of, "rapl-package-1");
	assert_int_equal(source("rapl-psys")->kind, FERRY_ENERGY_KIND_BOARD);
	assert_string_equal(source("rapl-package-0-2")->mirror_of, "rapl-package-0");
}

static void a_counter_for_root_only_is_counted_as_denied(void **state)
{
	const bool is_root = geteuid() == 0;
	char path[160];

	(void)state;
	write_zone("intel-rapl:0", "package-0", "1000");
	snprintf(path, sizeof(path), "%s/class/powercap/intel-rapl:0/energy_uj", tree.root);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(chmod(tree.root, 0755), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	ferry_collect_powercap(tree.root, NOW, &list);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(list.n, 0);
	assert_int_equal(list.denied, 1);
}

static void batteries_of_every_kind(void **state)
{
	(void)state;
	tree_write(&tree, "class/power_supply/BAT0/type", "Battery");
	tree_write(&tree, "class/power_supply/BAT0/status", "Discharging");
	tree_write(&tree, "class/power_supply/BAT0/energy_now", "25000000");
	tree_write(&tree, "class/power_supply/BAT0/energy_full", "50000000");
	tree_write(&tree, "class/power_supply/BAT0/power_now", "7500000");
	tree_write(&tree, "class/power_supply/BAT0/temp", "312");
	/* One that counts charge, and whose current is negative while it gives. */
	tree_write(&tree, "class/power_supply/BAT1/type", "Battery");
	tree_write(&tree, "class/power_supply/BAT1/status", "Charging");
	tree_write(&tree, "class/power_supply/BAT1/charge_now", "2000000");
	tree_write(&tree, "class/power_supply/BAT1/charge_full", "4000000");
	tree_write(&tree, "class/power_supply/BAT1/voltage_now", "3700000");
	tree_write(&tree, "class/power_supply/BAT1/current_now", "-1000000");
	/* An empty bay, a mouse, a plug with nothing in it, one with something. */
	tree_write(&tree, "class/power_supply/BAT2/type", "Battery");
	tree_write(&tree, "class/power_supply/BAT2/present", "0");
	tree_write(&tree, "class/power_supply/BAT2/capacity", "0");
	tree_write(&tree, "class/power_supply/hid-00:11:22-battery/type", "Battery");
	tree_write(&tree, "class/power_supply/hid-00:11:22-battery/scope", "Device");
	tree_write(&tree, "class/power_supply/hid-00:11:22-battery/capacity", "80");
	tree_write(&tree, "class/power_supply/AC/type", "Mains");
	tree_write(&tree, "class/power_supply/AC/online", "0");
	tree_write(&tree, "class/power_supply/AC/power_now", "9");
	tree_write(&tree, "class/power_supply/usb/type", "USB");
	tree_write(&tree, "class/power_supply/usb/online", "1");
	tree_write(&tree, "class/power_supply/usb/voltage_now", "5000000");
	tree_write(&tree, "class/power_supply/usb/current_now", "2000000");
	ferry_collect_power_supply(tree.root, NOW, &list);
	assert_int_equal(list.n, 4);
	assert_value(source("psy-BAT0"), FERRY_POWER_UW, 7500000);
	assert_value(source("psy-BAT0"), FERRY_BATTERY_PPM, 500000);
	assert_value(source("psy-BAT0"), FERRY_BATTERY_UWH, 25000000);
	assert_value(source("psy-BAT0"), FERRY_CHARGING, 0);
	assert_value(source("psy-BAT0"), FERRY_TEMPERATURE_MDEG, 31200);
	assert_value(source("psy-BAT1"), FERRY_POWER_UW, 3700000);
	assert_value(source("psy-BAT1"), FERRY_BATTERY_UWH, 7400000);
	assert_value(source("psy-BAT1"), FERRY_CHARGING, 1);
	assert_int_equal(source("psy-hid-00-11-22-battery")->kind, FERRY_ENERGY_KIND_PERIPHERAL);
	assert_value(source("psy-usb"), FERRY_POWER_UW, 10000000);
	assert_int_equal(source("psy-usb")->kind, FERRY_ENERGY_KIND_SUPPLY);
}

static void thermal_zones(void **state)
{
	(void)state;
	tree_write(&tree, "class/thermal/thermal_zone0/type", "cpu-thermal");
	tree_write(&tree, "class/thermal/thermal_zone0/temp", "45123");
	tree_write(&tree, "class/thermal/thermal_zone1/type", "cpu-thermal");
	tree_write(&tree, "class/thermal/thermal_zone1/temp", "-3000");
	tree_write(&tree, "class/thermal/thermal_zone2/type", "broken");
	tree_write(&tree, "class/thermal/thermal_zone2/temp", "-274000");
	tree_write(&tree, "class/thermal/cooling_device0/type", "fan");
	ferry_collect_thermal(tree.root, NOW, &list);
	assert_int_equal(list.n, 2);
	assert_value(source("thermal-cpu-thermal"), FERRY_TEMPERATURE_MDEG, 45123);
	assert_value(source("thermal-cpu-thermal-2"), FERRY_TEMPERATURE_MDEG, -3000);
}

static void write_device(const char *name, const char *file, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "class/net/%s/%s", name, file);
	tree_write(&tree, path, text);
}

static void states_of_network_devices(void **state)
{
	static const struct {
		const char *name, *flags, *carrier, *operstate;
		enum ferry_link_state state;
	} cases[] = {
		{"down0", "0x1002", "0", "down", FERRY_LINK_STATE_DOWN},
		{"nocable0", "0x1003", "0", "down", FERRY_LINK_STATE_NO_CARRIER},
		{"wlan0", "0x1003", "1", "dormant", FERRY_LINK_STATE_DORMANT},
		{"eth0", "0x1003", "1", "up", FERRY_LINK_STATE_UP},
		{"lo", "0x9", "1", "unknown", FERRY_LINK_STATE_UP},
	};
	struct ferry_netdev_bytes bytes[FERRY_READINGS_OF_SCAN_MAX];
	const struct ferry_reading *r;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char ifindex[4] = {(char)('1' + i)};

		write_device(cases[i].name, "ifindex", ifindex);
		write_device(cases[i].name, "flags", cases[i].flags);
		write_device(cases[i].name, "carrier", cases[i].carrier);
		write_device(cases[i].name, "operstate", cases[i].operstate);
	}
	write_device("eth0", "speed", "2500");
	write_device("nocable0", "speed", "-1");
	write_device("eth0", "statistics/tx_bytes", "1000");
	write_device("eth0", "statistics/rx_bytes", "2000");
	tree_write(&tree, "class/net/bonding_masters", "");
	ferry_collect_netdev(tree.root, NOW, &list, bytes, &n);
	assert_int_equal(list.n, 5);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = ferry_reading_list_find(&list, FERRY_READING_OF_LINK, cases[i].name);
		assert_non_null(r);
		assert_value(r, FERRY_STATE, cases[i].state);
		assert_int_equal(r->ifindex, i + 1);
	}
	r = ferry_reading_list_find(&list, FERRY_READING_OF_LINK, "eth0");
	assert_value(r, FERRY_CAPACITY_KBPS, 2500000);
	r = ferry_reading_list_find(&list, FERRY_READING_OF_LINK, "nocable0");
	assert_false(ferry_reading_has(r, FERRY_CAPACITY_KBPS));
	assert_int_equal(n, 1);
	assert_int_equal(bytes[0].ifindex, 4);
	assert_int_equal(bytes[0].rx, 2000);
}

static void what_the_module_knows(void **state)
{
	const struct ferry_reading *r;

	(void)state;
	tree_write(&tree, "class/ferry_link/version", "0.1.0");
	tree_write(&tree, "class/ferry_link/eth0/state", "degraded");
	tree_write(&tree, "class/ferry_link/eth0/srtt_us", "12000");
	tree_write(&tree, "class/ferry_link/eth0/rttvar_us", "unknown");
	tree_write(&tree, "class/ferry_link/eth0/signal_dbm", "-61");
	tree_write(&tree, "class/ferry_link/eth0/source", "estimate");
	tree_write(&tree, "class/ferry_link/eth0/age_ms", "400");
	tree_write(&tree, "class/net/eth0/ifindex", "3");
	tree_write(&tree, "class/ferry_energy/version", "0.1.0");
	tree_write(&tree, "class/ferry_energy/mode", "normal");
	tree_write(&tree, "class/ferry_energy/total/kind", "total");
	tree_write(&tree, "class/ferry_energy/total/source", "measured");
	tree_write(&tree, "class/ferry_energy/total/power_uw", "4000000");
	tree_write(&tree, "class/ferry_energy/total/uncertainty_uw", "400000");
	tree_write(&tree, "class/ferry_energy/x/kind", "fusion");
	tree_write(&tree, "class/ferry_energy/x/power_uw", "1");
	assert_true(ferry_collect_module(tree.root, NOW, &list));
	r = ferry_reading_list_find(&list, FERRY_READING_OF_LINK, "eth0");
	assert_non_null(r);
	assert_value(r, FERRY_STATE, FERRY_LINK_STATE_DEGRADED);
	assert_value(r, FERRY_SRTT_US, 12000);
	assert_value(r, FERRY_SIGNAL_DBM, -61);
	assert_false(ferry_reading_has(r, FERRY_RTTVAR_US));
	assert_int_equal(r->provenance, FERRY_PROVENANCE_ESTIMATE);
	assert_int_equal(r->ifindex, 3);
	assert_int_equal(ferry_reading_age_ms(r, NOW), 400);
	assert_value(source("total"), FERRY_POWER_UW, 4000000);
	assert_value(source("total"), FERRY_ERROR_PPM, 100000);
	assert_null(ferry_reading_list_find(&list, FERRY_READING_OF_ENERGY, "x"));
}

/* Whatever stands in the files: no value, and no reading without one. */
static void nonsense_in_files_is_no_value(void **state)
{
	static const char *const nonsense[] = {
		"",
		"-",
		"x",
		"1x",
		"0x",
		"99999999999999999999",
		"1 2",
		"--1",
		"nan",
		"unknown",
		"\x01\x02",
		"0xffffffffffffffffff",
		"-99999999999999999999",
	};
	char path[300];

	(void)state;
	tree_write(&tree, "class/thermal/thermal_zone0/type",
		   "../../etc/\x1b[31m \xff name that is "
		   "longer than any name may be");
	tree_write(&tree, "class/power_supply/BAT0/type", "Battery");
	tree_write(&tree, "class/hwmon/hwmon0/name", "ina3221");
	tree_write(&tree, "class/powercap/intel-rapl:0/name", "package-0");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		int64_t value;

		tree_write(&tree, "class/thermal/thermal_zone0/temp", nonsense[i]);
		tree_write(&tree, "class/power_supply/BAT0/power_now", nonsense[i]);
		tree_write(&tree, "class/power_supply/BAT0/capacity", nonsense[i]);
		tree_write(&tree, "class/hwmon/hwmon0/in1_input", nonsense[i]);
		tree_write(&tree, "class/hwmon/hwmon0/curr1_input", "1000");
		tree_write(&tree, "class/hwmon/hwmon0/power2_input", nonsense[i]);
		tree_write(&tree, "class/powercap/intel-rapl:0/energy_uj", nonsense[i]);
		memset(&list, 0, sizeof(list));
		ferry_collect_hwmon(tree.root, NOW, &list);
		ferry_collect_powercap(tree.root, NOW, &list);
		ferry_collect_power_supply(tree.root, NOW, &list);
		ferry_collect_thermal(tree.root, NOW, &list);
		if (list.n)
			fail_msg("'%s' made %s", nonsense[i], list.reading[0].name);
		snprintf(path, sizeof(path), "%s/class/hwmon/hwmon0", tree.root);
		assert_true(ferry_sysfs_number(path, "in1_input", &value) < 0);
	}
	tree_write(&tree, "class/thermal/thermal_zone0/temp", "1000");
	ferry_collect_thermal(tree.root, NOW, &list);
	assert_int_equal(list.n, 1);
	for (const char *c = list.reading[0].name; *c; c++)
		assert_non_null(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-",
				       *c));
}

static void a_pipe_and_a_directory_hold_nobody_up(void **state)
{
	char path[300];

	(void)state;
	tree_write(&tree, "class/thermal/thermal_zone0/type", "pipe");
	snprintf(path, sizeof(path), "%s/class/thermal/thermal_zone0/temp", tree.root);
	assert_int_equal(mkfifo(path, 0600), 0);
	tree_write(&tree, "class/thermal/thermal_zone1/type", "directory");
	tree_write(&tree, "class/thermal/thermal_zone1/temp/x", "1");
	ferry_collect_thermal(tree.root, NOW, &list);
	assert_int_equal(list.n, 0);
}

static void more_sources_than_room(void **state)
{
	char path[160];

	(void)state;
	for (int i = 0; i < FERRY_READINGS_OF_SCAN_MAX + 20; i++) {
		snprintf(path, sizeof(path), "class/thermal/thermal_zone%d/type", i);
		tree_write(&tree, path, "zone");
		snprintf(path, sizeof(path), "class/thermal/thermal_zone%d/temp", i);
		tree_write(&tree, path, "1000");
	}
	ferry_collect_thermal(tree.root, NOW, &list);
	assert_int_equal(list.n, FERRY_READINGS_OF_SCAN_MAX);
	assert_int_equal(list.dropped, 20);
	for (size_t i = 0; i < list.n; i++)
		assert_ptr_equal(source(list.reading[i].name), &list.reading[i]);
}

static void a_connection_tells_its_round_trip(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(to);
	const int listener = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0);
	struct ferry_reading r;
	int in;
	char c;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(out, (struct sockaddr *)&to, sizeof(to)), 0);
	in = accept(listener, NULL, NULL);
	assert_int_equal(write(out, "x", 1), 1);
	assert_int_equal(read(in, &c, 1), 1);
	assert_int_equal(ferry_collect_tcp(out, "lo", 1, NOW, &r), 0);
	assert_true(ferry_reading_has(&r, FERRY_SRTT_US));
	assert_true(r.value[FERRY_SRTT_US] > 0);
	assert_true(ferry_reading_has(&r, FERRY_RTTVAR_US));
	assert_value(&r, FERRY_RETRANSMIT_PPM, 0);
	close(in);
	close(out);
	close(listener);
	assert_int_equal(ferry_collect_tcp(-1, "lo", 1, NOW, &r), -EBADF);
	assert_int_equal(r.present, 0);
}

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(nothing_there_is_nothing_found),
		in_a_tree(an_ina3221_is_paired_by_its_rules),
		in_a_tree(an_unknown_chip_is_not_paired),
		in_a_tree(what_is_mirrored_in_hwmon_is_left_out),
		in_a_tree(two_chips_of_one_kind_have_two_names),
		in_a_tree(parts_of_a_package_count_once),
		in_a_tree(a_counter_for_root_only_is_counted_as_denied),
		in_a_tree(batteries_of_every_kind),
		in_a_tree(thermal_zones),
		in_a_tree(states_of_network_devices),
		in_a_tree(what_the_module_knows),
		in_a_tree(nonsense_in_files_is_no_value),
		in_a_tree(a_pipe_and_a_directory_hold_nobody_up),
		in_a_tree(more_sources_than_room),
		cmocka_unit_test(a_connection_tells_its_round_trip),
	};

	return cmocka_run_group_tests_name("telemetry/collect", tests, NULL, NULL);
}
