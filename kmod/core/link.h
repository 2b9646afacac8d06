/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Readings of a link. Two sides have some: the kernel, which counts bytes and knows the carrier,
 * and a collector in userspace, which knows radios and round trips and pushes what it read. What is
 * pushed goes before the kernel's own for as long as it holds, and leaves no trace afterwards.
 *
 * Times are 64-bit counts of a clock that never goes back; only their differences matter.
 */
#ifndef FERRY_CORE_LINK_H
#define FERRY_CORE_LINK_H

#include <linux/types.h>
#include <linux/ferry.h>

#include "time.h"

/* What can be pushed. */
enum ferry_link_value {
	FERRY_LINK_STATE,
	FERRY_LINK_TX_RATE_KBPS,
	FERRY_LINK_RX_RATE_KBPS,
	FERRY_LINK_CAPACITY_KBPS,
	FERRY_LINK_SRTT_US,
	FERRY_LINK_RTTVAR_US,
	FERRY_LINK_RETRANSMIT_PPM,
	FERRY_LINK_SIGNAL_DBM,
	FERRY_LINK_VALUE_COUNT,
};

/* One pushed reading. All zero: none. */
struct ferry_reading {
	__u64 taken_ms;
	__s64 value;	 /* in the unit of its attribute; wide enough for u32 and s32 */
	__u32 valid_ms;	 /* from taken_ms on */
	__u8 provenance; /* enum ferry_provenance; NONE where nothing was pushed */
};

struct ferry_link_readings {
	struct ferry_reading pushed[FERRY_LINK_VALUE_COUNT];
};

/* What the kernel's own counters say. All zero: nothing yet. */
struct ferry_link_sample {
	__u64 taken_us;
	__u64 tx_bytes;
	__u64 rx_bytes;
	__u32 tx_rate_kbps;
	__u32 rx_rate_kbps;
	__u8 counted; /* the counters above are of taken_us */
	__u8 rated;   /* the rates are known */
};

static inline _Bool ferry_reading_holds(const struct ferry_reading *reading, __u64 now_ms)
{
	return reading->provenance != FERRY_PROVENANCE_NONE &&
	       now_ms - reading->taken_ms < reading->valid_ms;
}

/* Which readings hold, a bit for each enum ferry_link_value. */
static inline __u32 ferry_link_holding(const struct ferry_link_readings *readings, __u64 now_ms)
{
	__u32 mask = 0;
	int i;

	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++)
		if (ferry_reading_holds(&readings->pushed[i], now_ms))
			mask |= 1U << i;
	return mask;
}

/* The least trustworthy of the readings that hold, FERRY_PROVENANCE_KERNEL where none does. */
static inline __u8 ferry_link_provenance(const struct ferry_link_readings *readings, __u64 now_ms)
{
	__u8 worst = FERRY_PROVENANCE_KERNEL;
	int i;

	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++)
		if (ferry_reading_holds(&readings->pushed[i], now_ms) &&
		    readings->pushed[i].provenance < worst)
			worst = readings->pushed[i].provenance;
	return worst;
}

/*
 * Age in milliseconds of the oldest reading that holds, or where none does of @sample. Returns
 * false, and leaves @age_ms alone, where there is no sample either. A sample whose counters are
 * known has an age even before it has rates.
 */
static inline _Bool ferry_link_age_ms(const struct ferry_link_readings *readings,
				      const struct ferry_link_sample *sample, __u64 now_us,
				      __u32 *age_ms)
{
	const __u64 now_ms = ferry_div64(now_us, 1000);
	_Bool found = 0;
	__u64 oldest = 0;
	int i;

	for (i = 0; i < FERRY_LINK_VALUE_COUNT; i++) {
		const __u64 age = now_ms - readings->pushed[i].taken_ms;

		if (!ferry_reading_holds(&readings->pushed[i], now_ms) || age < oldest)
			continue;
		oldest = age;
		found = 1;
	}
	if (!found) {
		if (!sample->counted)
			return 0;
		oldest = ferry_div64(now_us - sample->taken_us, 1000);
	}
	*age_ms = oldest > 0xffffffffULL ? 0xffffffff : (__u32)oldest;
	return 1;
}

/*
 * State of a link of which the kernel says @kernel: what a collector says counts only where the
 * kernel has no objection.
 */
static inline __u32 ferry_link_state(const struct ferry_link_readings *readings, __u64 now_ms,
				     enum ferry_link_state kernel)
{
	const struct ferry_reading *pushed = &readings->pushed[FERRY_LINK_STATE];

	if (kernel == FERRY_LINK_STATE_UP && ferry_reading_holds(pushed, now_ms))
		return (__u32)pushed->value;
	return kernel;
}

/* @bytes in @elapsed_us as kbit/s, rounded down, saturating at 2^32 - 1. @elapsed_us is not 0. */
static inline __u32 ferry_rate_kbps(__u64 bytes, __u64 elapsed_us)
{
	/* Bits per millisecond are kbit/s. Beyond this the product would not fit 64 bits. */
	const __u64 most = 0xffffffffffffffffULL / 8000;
	const __u64 rate = ferry_div64((bytes < most ? bytes : most) * 8000, elapsed_us);

	return rate > 0xffffffffULL ? 0xffffffff : (__u32)rate;
}

/* Over a shorter time than this a rate says more about single packets than about the link. */
#define FERRY_LINK_SAMPLE_MIN_US 100000

/*
 * Takes the counters of @now_us into @sample. A counter that runs backwards (a driver that starts
 * anew) gives no rate: the rates stay what they were until there are two counts to compare.
 */
static inline void ferry_link_sample_take(struct ferry_link_sample *sample, __u64 tx_bytes,
					  __u64 rx_bytes, __u64 now_us)
{
	const __u64 elapsed_us = now_us - sample->taken_us;

	if (sample->counted && elapsed_us < FERRY_LINK_SAMPLE_MIN_US)
		return;
	if (sample->counted && tx_bytes >= sample->tx_bytes && rx_bytes >= sample->rx_bytes) {
		sample->tx_rate_kbps = ferry_rate_kbps(tx_bytes - sample->tx_bytes, elapsed_us);
		sample->rx_rate_kbps = ferry_rate_kbps(rx_bytes - sample->rx_bytes, elapsed_us);
		sample->rated = 1;
	}
	sample->tx_bytes = tx_bytes;
	sample->rx_bytes = rx_bytes;
	sample->taken_us = now_us;
	sample->counted = 1;
}

#endif /* FERRY_CORE_LINK_H */
