/* SPDX-License-Identifier: MIT */
/*
 * Stations of wireless interfaces, by nl80211: how strong, how fast, what may be expected. For an
 * event loop: ferry_wifi_fd() becomes readable when a station came or left; then look again.
 */
#ifndef FERRY_TELEMETRY_WIFI_H
#define FERRY_TELEMETRY_WIFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "telemetry/reading.h"

enum { FERRY_WIFI_STATIONS_MAX = 128, FERRY_WIFI_ADDRESS = 6 };

enum ferry_wifi_has {
	FERRY_WIFI_SIGNAL = 1,
	FERRY_WIFI_TX_BITRATE = 2,
	FERRY_WIFI_RX_BITRATE = 4,
	FERRY_WIFI_EXPECTED = 8,
	FERRY_WIFI_RETRIES = 16,
};

struct ferry_wifi_station {
	uint32_t ifindex;
	uint8_t address[FERRY_WIFI_ADDRESS];
	unsigned int has;			   /* enum ferry_wifi_has */
	int signal_dbm;				   /* averaged where the driver does */
	uint32_t tx_bitrate_kbps, rx_bitrate_kbps; /* on the air */
	uint32_t expected_kbps; /* what the rate control expects to get through */
	uint32_t tx_packets, tx_retries;
};

struct ferry_wifi;

/**
 * ferry_wifi_open - connect to nl80211 in the network namespace of the caller
 *
 * Needs no privilege. Return: 0, -ENOENT where the kernel has no cfg80211, or another negative
 * errno; @err is filled.
 */
int ferry_wifi_open(struct ferry_wifi **wifi, struct ferry_error *err);
void ferry_wifi_close(struct ferry_wifi *wifi);

int ferry_wifi_fd(const struct ferry_wifi *wifi);

/* Takes what the descriptor has, without waiting. Return: whether a station came or left. */
bool ferry_wifi_changed(struct ferry_wifi *wifi);

/**
 * ferry_wifi_stations - all stations of all interfaces
 * @deadline_us: CLOCK_MONOTONIC; past it, the answers that have come are lost as well. A kernel
 *               that does not answer at all is waited for a second longer
 * @stations: [FERRY_WIFI_STATIONS_MAX]; more are left out
 * @n: set to how many there are
 *
 * Return: 0, -ETIMEDOUT, or another negative errno with @err filled.
 */
int ferry_wifi_stations(struct ferry_wifi *wifi, uint64_t deadline_us,
			struct ferry_wifi_station *stations, size_t *n, struct ferry_error *err);

/**
 * ferry_wifi_reading - what the stations of one interface say about it as a link
 * @station: [n] of any interfaces
 *
 * The weakest signal, and the smallest throughput that is to be expected: of a client there is one
 * station anyway. Where the driver expects nothing, a share of the bit rate stands for it, and the
 * reading is an estimate. The reading has nothing if the interface has no station.
 */
void ferry_wifi_reading(const struct ferry_wifi_station *station, size_t n, const char *name,
			uint32_t ifindex, uint64_t now_us, struct ferry_reading *reading);

/**
 * ferry_wifi_parse - the attributes of one NL80211_CMD_NEW_STATION
 * @attributes: [size] bytes behind the generic netlink header
 *
 * Return: 0, or -EPROTO for what is no station.
 */
int ferry_wifi_parse(const void *attributes, size_t size, struct ferry_wifi_station *station);

#endif
