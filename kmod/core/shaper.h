/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shaper in deficit mode: it knows when the link will have finished what it was given, and lets the
 * next packet go then. There is no bucket of saved time, so there is no burst after silence; but a
 * timer that fires late is made up for while there is a backlog, up to FERRY_SHAPER_CATCH_UP.
 *
 * Beside it runs the link clock, by which guarantees are counted (share.h): it moves on by the
 * link time of each packet that is sent, and by the time that the link had nothing to do. Where no
 * rate is configured, the link time of a packet follows from the speed at which packets were seen
 * to drain.
 */
#ifndef FERRY_CORE_SHAPER_H
#define FERRY_CORE_SHAPER_H

#include "rate.h"

/*
 * How much lost time is made up for, in nanoseconds. Enough for a timer on a busy machine; a link
 * that stood still for longer does not get its whole silence as a burst.
 */
#define FERRY_SHAPER_CATCH_UP  (25 * FERRY_NS_PER_MS)

/* How long packets are counted for one sample of an unshaped link's speed. */
#define FERRY_DRAIN_WINDOW     (20 * FERRY_NS_PER_MS)

/* Nanoseconds of a byte on an unshaped link that has not been seen to drain: 1 Gbit/s. */
#define FERRY_DRAIN_UNKNOWN_NS 8

struct ferry_shaper {
	struct ferry_rate rate;	 /* bytes_ps 0: unshaped */
	struct ferry_rate drain; /* of an unshaped link; bytes_ps 0: not seen yet */
	__u64 free_at;		 /* ns: when a shaped link has finished what it was given */
	__u64 clock;		 /* ns: link clock */
	__u64 idle_from;	 /* ns: when the link last ran out of packets, if it is idle */
	__u64 window_start;	 /* ns; of the sample of the drain that is being taken */
	__u64 window_bytes;	 /* 0: no sample is being taken */
};

static inline void ferry_shaper_init(struct ferry_shaper *shaper, __u64 now)
{
	ferry_rate_set(&shaper->rate, 0);
	ferry_rate_set(&shaper->drain, 0);
	shaper->rate.overhead = 0;
	shaper->rate.mpu = 0;
	shaper->drain.overhead = 0;
	shaper->drain.mpu = 0;
	shaper->free_at = now;
	shaper->clock = now;
	shaper->idle_from = now;
	shaper->window_start = now;
	shaper->window_bytes = 0;
}

static inline _Bool ferry_shaper_shapes(const struct ferry_shaper *shaper)
{
	return shaper->rate.bytes_ps != 0;
}

/* Whether the next packet must wait until shaper->free_at. */
static inline _Bool ferry_shaper_busy(const struct ferry_shaper *shaper, __u64 now)
{
	return ferry_shaper_shapes(shaper) && ferry_after(shaper->free_at, now);
}

/* To be called when there is nothing to send any more. */
static inline void ferry_shaper_idle(struct ferry_shaper *shaper, __u64 now)
{
	shaper->idle_from = ferry_shaper_busy(shaper, now) ? shaper->free_at : now;
	shaper->window_bytes = 0;
}

/* To be called when there is something to send again. Silence is not saved up. */
static inline void ferry_shaper_wake(struct ferry_shaper *shaper, __u64 now)
{
	shaper->free_at = ferry_later(shaper->free_at, now);
	shaper->clock += ferry_elapsed(shaper->idle_from, now);
}

/* Link time of a packet of @bytes that leaves as @segments packets, in nanoseconds. */
static inline __u64 ferry_shaper_ns(const struct ferry_shaper *shaper, __u32 bytes, __u32 segments)
{
	if (ferry_shaper_shapes(shaper))
		return ferry_rate_ns(&shaper->rate,
				     ferry_rate_wire_bytes(&shaper->rate, bytes, segments));
	if (shaper->drain.bytes_ps)
		return ferry_rate_ns(&shaper->drain, bytes);
	return (__u64)bytes * FERRY_DRAIN_UNKNOWN_NS;
}

/*
 * Takes a sample of the speed at which an unshaped link drains, from the packets between two calls
 * of ferry_shaper_idle(): the speed of a link that waits for packets is that of whoever sends them.
 */
static inline void ferry_shaper_watch(struct ferry_shaper *shaper, __u64 now, __u32 bytes)
{
	const __u64 most = 1ULL << 33; /* times 10^9 it stays below 2^64 */
	__u64 elapsed;
	__u64 sample;

	if (!shaper->window_bytes) {
		/* This packet opens the window; what it occupies the link with comes after. */
		shaper->window_start = now;
		shaper->window_bytes = bytes;
		return;
	}
	elapsed = ferry_elapsed(shaper->window_start, now);
	if (elapsed < FERRY_DRAIN_WINDOW) {
		shaper->window_bytes += bytes;
		return;
	}
	if (shaper->window_bytes > most)
		shaper->window_bytes = most;
	sample = ferry_div64(shaper->window_bytes * FERRY_NS_PER_SEC, elapsed);
	if (shaper->drain.bytes_ps)
		sample = (3 * shaper->drain.bytes_ps + sample) / 4;
	if (sample < FERRY_RATE_MIN)
		sample = FERRY_RATE_MIN;
	if (sample > FERRY_RATE_MAX)
		sample = FERRY_RATE_MAX;
	ferry_rate_set(&shaper->drain, sample);
	shaper->window_start = now;
	shaper->window_bytes = bytes;
}

/* Charges a packet of @ns link time and @bytes that leaves at @now. */
static inline void ferry_shaper_charge(struct ferry_shaper *shaper, __u64 now, __u64 ns,
				       __u32 bytes)
{
	shaper->clock += ns;
	if (ferry_shaper_shapes(shaper))
		shaper->free_at = ferry_later(shaper->free_at, now - FERRY_SHAPER_CATCH_UP) + ns;
	else
		ferry_shaper_watch(shaper, now, bytes);
}

/*
 * Changes the speed while packets wait. What the link still owes for packets already sent is
 * converted to the new speed, so the change holds from now on, not from the end of a packet that
 * was long at the old one.
 */
static inline void ferry_shaper_change(struct ferry_shaper *shaper, __u64 bytes_ps, __u64 now)
{
	const __u32 owed = ferry_rate_bytes(&shaper->rate, ferry_elapsed(now, shaper->free_at));
	const _Bool shaped = ferry_shaper_shapes(shaper);

	if (shaper->rate.bytes_ps == bytes_ps)
		return;
	ferry_rate_set(&shaper->rate, bytes_ps);
	shaper->window_bytes = 0;
	if (!shaped)
		shaper->free_at = now;
	else if (owed)
		shaper->free_at = now + ferry_rate_ns(&shaper->rate, owed);
	/* An idle link is one from the moment on at which it owes nothing. */
	if (ferry_after(shaper->idle_from, now))
		shaper->idle_from = ferry_later(shaper->free_at, now);
}

#endif /* FERRY_CORE_SHAPER_H */
