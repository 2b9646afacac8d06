/* SPDX-License-Identifier: MIT */
#ifndef FERRY_BASE_CLOCK_H
#define FERRY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Monotonic time. A deadline is such a time, in microseconds. */
static inline uint64_t ferry_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t ferry_now_us(void)
{
	return ferry_now_ns() / 1000u;
}

#endif
