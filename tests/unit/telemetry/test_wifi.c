// SPDX-License-Identifier: MIT
/* What nl80211 says of a station, and what it might; with a true one in tests/vm/wifi.test.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/nl80211.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "telemetry/wifi.h"

static const uint8_t address[FERRY_WIFI_ADDRESS] = {2, 0, 0, 0, 0, 1};

/* A station with all there is; @old: without what kernels have learnt later. */
static struct nl_msg *make_station(bool old)
{
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *info, *rate;

	assert_non_null(msg);
	nlmsg_put(msg, 0, 0, 0, 0, 0);
	nla_put_u32(msg, NL80211_ATTR_IFINDEX, 4);
	nla_put(msg, NL80211_ATTR_MAC, sizeof(address), address);
	info = nla_nest_start(msg, NL80211_ATTR_STA_INFO);
	nla_put_u8(msg, NL80211_STA_INFO_SIGNAL, (uint8_t)-61);
	rate = nla_nest_start(msg, NL80211_STA_INFO_TX_BITRATE);
	nla_put_u16(msg, NL80211_RATE_INFO_BITRATE, 540);
	if (!old)
		nla_put_u32(msg, NL80211_RATE_INFO_BITRATE32, 96000);
	nla_nest_end(msg, rate);
	nla_put_u32(msg, NL80211_STA_INFO_TX_PACKETS, 900);
	nla_put_u32(msg, NL80211_STA_INFO_TX_RETRIES, 100);
	if (!old) {
		nla_put_u8(msg, NL80211_STA_INFO_SIGNAL_AVG, (uint8_t)-58);
		nla_put_u32(msg, NL80211_STA_INFO_EXPECTED_THROUGHPUT, 120000);
	}
	nla_nest_end(msg, info);
	return msg;
}

static int parse(struct nl_msg *msg, struct ferry_wifi_station *station)
{
	return ferry_wifi_parse(nlmsg_data(nlmsg_hdr(msg)), (size_t)nlmsg_datalen(nlmsg_hdr(msg)),
				station);
}

static void a_station_is_understood(void **state)
{
	struct nl_msg *msg = make_station(false);
	struct ferry_wifi_station s;
	struct ferry_reading r;

	(void)state;
	assert_int_equal(parse(msg, &s), 0);
	assert_int_equal(s.ifindex, 4);
	assert_memory_equal(s.address, address, sizeof(address));
	assert_int_equal(s.signal_dbm, -58);
	assert_int_equal(s.tx_bitrate_kbps, 9600000);
	assert_int_equal(s.expected_kbps, 120000);
	ferry_wifi_reading(&s, 1, "wlan0", 4, 7, &r);
	assert_int_equal(r.value[FERRY_SIGNAL_DBM], -58);
	assert_int_equal(r.value[FERRY_CAPACITY_KBPS], 120000);
	assert_int_equal(r.value[FERRY_RETRANSMIT_PPM], 100000);
	assert_int_equal(r.provenance, FERRY_PROVENANCE_MEASURED);
	nlmsg_free(msg);
}

static void a_bit_rate_is_only_an_estimate(void **state)
{
	struct nl_msg *msg = make_station(true);
	struct ferry_wifi_station s;
	struct ferry_reading r;

	(void)state;
	assert_int_equal(parse(msg, &s), 0);
	assert_int_equal(s.signal_dbm, -61);
	assert_int_equal(s.tx_bitrate_kbps, 54000);
	ferry_wifi_reading(&s, 1, "wlan0", 4, 7, &r);
	assert_int_equal(r.value[FERRY_CAPACITY_KBPS], 32400);
	assert_int_equal(r.provenance, FERRY_PROVENANCE_ESTIMATE);
	nlmsg_free(msg);
}

static void of_several_stations_the_weakest_counts(void **state)
{
	const struct ferry_wifi_station s[] = {
		{.ifindex = 4, .has = FERRY_WIFI_SIGNAL, .signal_dbm = -40, .expected_kbps = 9000},
		{.ifindex = 4, .has = FERRY_WIFI_SIGNAL, .signal_dbm = -80, .expected_kbps = 900},
		{.ifindex = 5, .has = FERRY_WIFI_SIGNAL, .signal_dbm = -99, .expected_kbps = 1},
	};
	struct ferry_reading r;

	(void)state;
	ferry_wifi_reading(s, 3, "wlan0", 4, 7, &r);
	assert_int_equal(r.value[FERRY_SIGNAL_DBM], -80);
	assert_int_equal(r.value[FERRY_CAPACITY_KBPS], 900);
	ferry_wifi_reading(s, 3, "wlan1", 6, 7, &r);
	assert_int_equal(r.present, 0);
}

/* Each prefix and each changed byte of a station; with sanitizers, nothing beyond is read. */
static void cut_and_damaged_stations_are_refused_or_harmless(void **state)
{
	struct nl_msg *msg = make_station(false);
	const size_t size = (size_t)nlmsg_datalen(nlmsg_hdr(msg));
	struct ferry_wifi_station s;

	(void)state;
	for (size_t n = 0; n <= size; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, nlmsg_data(nlmsg_hdr(msg)), n);
		ferry_wifi_parse(copy, n, &s);
		for (size_t i = 0; n == size && i < n; i++)
			for (int bit = 0; bit < 8; bit++) {
				copy[i] ^= (uint8_t)(1 << bit);
				ferry_wifi_parse(copy, n, &s);
				copy[i] ^= (uint8_t)(1 << bit);
			}
		free(copy);
	}
	assert_int_equal(ferry_wifi_parse("", 0, &s), -EPROTO);
	nlmsg_free(msg);
}

static void without_wireless_there_is_one_sentence(void **state)
{
	struct ferry_wifi_station stations[FERRY_WIFI_STATIONS_MAX];
	struct ferry_error err = {0};
	struct ferry_wifi *wifi;
	size_t n;
	int ret = ferry_wifi_open(&wifi, &err);

	(void)state;
	if (ret) {
		assert_true(strlen(err.text) > 0);
		return;
	}
	assert_true(ferry_wifi_fd(wifi) >= 0);
	ferry_wifi_changed(wifi);
	assert_int_equal(ferry_wifi_stations(wifi, 0, stations, &n, &err), -ETIMEDOUT);
	assert_int_equal(ferry_wifi_stations(wifi, ferry_now_us() + 5000000, stations, &n, &err),
			 0);
	ferry_wifi_close(wifi);
	ferry_wifi_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_station_is_understood),
		cmocka_unit_test(a_bit_rate_is_only_an_estimate),
		cmocka_unit_test(of_several_stations_the_weakest_counts),
		cmocka_unit_test(cut_and_damaged_stations_are_refused_or_harmless),
		cmocka_unit_test(without_wireless_there_is_one_sentence),
	};

	return cmocka_run_group_tests_name("telemetry/wifi", tests, NULL, NULL);
}
