/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a packet occupies a link.
 */
#ifndef FERRY_CORE_RATE_H
#define FERRY_CORE_RATE_H

#include "time.h"

#define FERRY_RATE_MIN 125ULL	    /* bytes/s */
#define FERRY_RATE_MAX (1ULL << 40) /* bytes/s */

struct ferry_rate {
	__u64 bytes_ps; /* bytes per second; 0 where there is no rate */
	__u32 mult;	/* nanoseconds of a byte are mult / 2^shift */
	__u8 shift;
	__s16 overhead; /* bytes that the link adds to each packet; negative: takes away */
	__u16 mpu;	/* bytes that the shortest packet occupies */
};

/*
 * Sets the speed to @bytes_ps (FERRY_RATE_MIN .. FERRY_RATE_MAX, or 0). Overhead and mpu stay. The
 * multiplier has 32 significant bits, and still 23 at the highest rate, where the division runs out
 * of them: an error of less than a millionth.
 */
static inline void ferry_rate_set(struct ferry_rate *rate, __u64 bytes_ps)
{
	__u64 factor = FERRY_NS_PER_SEC;
	__u64 mult;
	__u8 shift = 0;

	rate->bytes_ps = bytes_ps;
	rate->mult = 0;
	rate->shift = 0;
	if (!bytes_ps)
		return;
	mult = ferry_div64(factor, bytes_ps);
	/* As many bits of the quotient as fit into 32, as long as the dividend keeps its own. */
	while (mult < 1ULL << 31 && factor < 1ULL << 62) {
		factor <<= 1;
		shift++;
		mult = ferry_div64(factor, bytes_ps);
	}
	rate->mult = (__u32)mult;
	rate->shift = shift;
}

/*
 * Bytes that a packet of @bytes, which leaves as @segments packets (at least 1), occupies on the
 * link.
 */
static inline __u32 ferry_rate_wire_bytes(const struct ferry_rate *rate, __u32 bytes,
					  __u32 segments)
{
	__s64 wire = (__s64)bytes + (__s64)rate->overhead * (__s64)segments;
	const __s64 least = (__s64)rate->mpu * (__s64)segments;

	if (wire < least)
		wire = least;
	return wire < 1 ? 1 : (__u32)wire;
}

/* Nanoseconds of @wire_bytes, 0 where there is no rate. */
static inline __u64 ferry_rate_ns(const struct ferry_rate *rate, __u32 wire_bytes)
{
	/* Both factors are below 2^32. */
	return ((__u64)wire_bytes * rate->mult) >> rate->shift;
}

/* Wire bytes of @ns, rounded down, at most 2^31: the way back. 0 where there is no rate. */
static inline __u32 ferry_rate_bytes(const struct ferry_rate *rate, __u64 ns)
{
	const __u64 most = 1ULL << 31;
	__u64 bytes;

	if (!rate->mult)
		return 0;
	if (ns >= ferry_rate_ns(rate, (__u32)most))
		return (__u32)most;
	/* Below 2^31 * 2^32, as just seen. */
	bytes = ferry_div64(ns << rate->shift, rate->mult);
	return bytes > most ? (__u32)most : (__u32)bytes;
}

#endif /* FERRY_CORE_RATE_H */
