/* SPDX-License-Identifier: MIT */
/* Readings of telemetry/ on their way into ferry.ko. */
#ifndef FERRY_NET_PUSH_H
#define FERRY_NET_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/family.h"
#include "net/reading.h"
#include "telemetry/reading.h"

/**
 * ferry_push_values - what of a reading can be pushed
 * @valid_ms: how long it holds; FERRY_VALID_MS_MIN .. _MAX
 * @now_us: CLOCK_MONOTONIC
 * @values: what ferry_net_push() takes
 *
 * Return: whether there is anything: not of a reading that is the kernel's own, that nobody
 * vouches for, or that is older than it would hold.
 */
bool ferry_push_values(const struct ferry_reading *reading, uint32_t valid_ms, uint64_t now_us,
		       struct ferry_key_values *values);

/**
 * ferry_push_reading - push what of a reading can be pushed
 *
 * Return: 0, also where there is nothing to push, or a negative errno with @err filled.
 */
int ferry_push_reading(struct ferry_family *family, const struct ferry_reading *reading,
		       uint32_t valid_ms, uint64_t now_us, struct ferry_error *err);

#endif
