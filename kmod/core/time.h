/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time as the core sees it: unsigned nanoseconds of a clock that never goes back. Comparisons are
 * by difference, so they hold across the wrap of 2^64 as well, which costs nothing and frees every
 * caller from thinking about it.
 */
#ifndef FERRY_CORE_TIME_H
#define FERRY_CORE_TIME_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/math64.h>
#define ferry_div64(dividend, divisor) div64_u64(dividend, divisor)
#else
/* @dividend / @divisor in 64 bits: not an operator everywhere, a 32-bit kernel has none. */
static inline __u64 ferry_div64(__u64 dividend, __u64 divisor)
{
	return dividend / divisor;
}
#endif

#define FERRY_NS_PER_US	 1000ULL
#define FERRY_NS_PER_MS	 1000000ULL
#define FERRY_NS_PER_SEC 1000000000ULL

/* Whether @a is later than @b. */
static inline _Bool ferry_after(__u64 a, __u64 b)
{
	return (__s64)(a - b) > 0;
}

static inline __u64 ferry_later(__u64 a, __u64 b)
{
	return ferry_after(a, b) ? a : b;
}

static inline __u64 ferry_earlier(__u64 a, __u64 b)
{
	return ferry_after(a, b) ? b : a;
}

/* Nanoseconds from @from to @to, 0 where @to is not later. */
static inline __u64 ferry_elapsed(__u64 from, __u64 to)
{
	return ferry_after(to, from) ? to - from : 0;
}

/*
 * Microseconds of @ns, rounded down, saturating at 2^32 - 1. By multiplication below two seconds:
 * it is on the path of every packet, and a 32-bit kernel divides 64 bits in software.
 */
static inline __u32 ferry_us(__u64 ns)
{
	/* 2^42 / 1000, rounded up: below 2^31 ns off by less than 2^-10, so the floor is exact. */
	const __u64 reciprocal = 4398046512ULL;

	if (ns < 1ULL << 31)
		return (__u32)((ns * reciprocal) >> 42);
	ns = ferry_div64(ns, FERRY_NS_PER_US);
	return ns > 0xffffffffULL ? 0xffffffff : (__u32)ns;
}

#endif /* FERRY_CORE_TIME_H */
