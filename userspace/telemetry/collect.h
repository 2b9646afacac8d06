/* SPDX-License-Identifier: MIT */
/*
 * The collectors: each looks at one kind of source of the stock kernel and adds a reading for each
 * source that it finds. What is missing, unreadable or nonsense is left out; of two sources that
 * count the same energy one names the other in mirror_of. @root is "/sys", or a tree made up for a
 * test; @now_us is CLOCK_MONOTONIC.
 */
#ifndef FERRY_TELEMETRY_COLLECT_H
#define FERRY_TELEMETRY_COLLECT_H

#include <stdint.h>

#include "telemetry/reading.h"

/*
 * Meters of boards: chips with power, or with voltage and current that belong together by the rules
 * of the chip. What the kernel mirrors there (batteries, thermal zones, ferry.ko's own sources) is
 * left out. Names are hw-CHIP-LABEL.
 */
void ferry_collect_hwmon(const char *root, uint64_t now_us, struct ferry_reading_list *list);

/* Counters of processor packages (RAPL), as counter_uj; the parts of a package are its mirrors. */
void ferry_collect_powercap(const char *root, uint64_t now_us, struct ferry_reading_list *list);

/* Batteries and what feeds the machine. Names are psy-NAME, as ferry.ko has them. */
void ferry_collect_power_supply(const char *root, uint64_t now_us, struct ferry_reading_list *list);

/* Temperatures. Names are thermal-TYPE, as ferry.ko has them. */
void ferry_collect_thermal(const char *root, uint64_t now_us, struct ferry_reading_list *list);

/* Bytes that a network device has carried. */
struct ferry_netdev_bytes {
	uint32_t ifindex;
	uint64_t tx, rx;
};

/*
 * Network devices: state and capacity. @bytes: [FERRY_READINGS_OF_SCAN_MAX] set to what the devices
 * have carried; @n_bytes to how many there are.
 */
void ferry_collect_netdev(const char *root, uint64_t now_us, struct ferry_reading_list *list,
			  struct ferry_netdev_bytes *bytes, size_t *n_bytes);

/* What ferry.ko knows, from its sysfs; false if it is not loaded. */
bool ferry_collect_module(const char *root, uint64_t now_us, struct ferry_reading_list *list);

/**
 * ferry_collect_tcp - what the kernel knows about a connection
 * @fd: a connected TCP socket
 * @name, @ifindex: of the network device that it goes over, as far as the caller knows
 *
 * Return: 0, or a negative errno.
 */
int ferry_collect_tcp(int fd, const char *name, uint32_t ifindex, uint64_t now_us,
		      struct ferry_reading *reading);

#endif
