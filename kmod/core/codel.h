/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CoDel (RFC 8289): tells a standing queue from a burst by the shortest time that packets spent in
 * it over an interval, and then drops or marks at a rate that grows with the square root of their
 * number.
 */
#ifndef FERRY_CORE_CODEL_H
#define FERRY_CORE_CODEL_H

#include "time.h"

/* Of a class. Times in nanoseconds. */
struct ferry_codel_params {
	__u64 target;	/* a queue may be that long for ever */
	__u64 interval; /* longer than a round trip of those who are to react */
};

/* Of a flow. */
struct ferry_codel {
	__u64 standing_from; /* ns: when a queue above target counts as standing; 0: is not above */
	__u64 next;	     /* ns: the next drop while dropping */
	__u32 count;	     /* drops of this episode */
	__u32 last_count;    /* drops when the last episode began to be rated */
	__u16 root;	     /* 2^16 / sqrt(count) */
	_Bool dropping;
};

static inline void ferry_codel_init(struct ferry_codel *codel)
{
	codel->standing_from = 0;
	codel->next = 0;
	codel->count = 0;
	codel->last_count = 0;
	codel->root = 0xffff;
	codel->dropping = 0;
}

/*
 * One step of Newton's method for 1 / sqrt(count): x * (3 - count * x^2) / 2. From below, and each
 * count by one after the other, it stays close. The square keeps its 32 bits: with 16 of them the
 * root is off by a third from count 2^16 on, and breaks down at 3 * 2^16.
 */
static inline void ferry_codel_newton(struct ferry_codel *codel)
{
	const __u32 x = codel->root;		    /* Q0.16 */
	__u64 rest = codel->count * ((__u64)x * x); /* Q.32, 1 where x is exact */
	__u64 next;

	rest = rest < 3ULL << 32 ? (3ULL << 32) - rest : 0;
	next = (rest * x) >> 33;
	codel->root = next > 0xffff ? 0xffff : next < 1 ? 1 : (__u16)next;
}

/* The root of a count that does not follow from the one before. */
static inline void ferry_codel_restart(struct ferry_codel *codel, __u32 count)
{
	unsigned int i;

	codel->count = count;
	/* 2^-k, at most the root and at least half of it: five steps make 16 bits of that. */
	codel->root = (__u16)(0xffff >> ((33 - __builtin_clz(count)) / 2));
	for (i = 0; i < 5; i++)
		ferry_codel_newton(codel);
}

static inline __u64 ferry_codel_law(const struct ferry_codel *codel, __u64 from, __u64 interval)
{
	return from + ((interval * codel->root) >> 16);
}

/* Whether the queue, whose head spent @sojourn in it, has been above @target for an interval. */
static inline _Bool ferry_codel_standing(struct ferry_codel *codel, __u64 sojourn, __u64 target,
					 __u64 interval, _Bool last, __u64 now)
{
	if (sojourn < target || last) {
		codel->standing_from = 0;
		return 0;
	}
	if (!codel->standing_from) {
		codel->standing_from = now + interval;
		if (!codel->standing_from)
			codel->standing_from = 1;
		return 0;
	}
	return ferry_after(now, codel->standing_from);
}

/*
 * Whether the packet at the head is to be dropped or marked. @sojourn is its time in the queue,
 * @target that of the class or more, and @last says that nothing stands behind it. To be asked once
 * for each packet that is taken from the flow's queue; after a drop, again for the next one.
 */
static inline _Bool ferry_codel_judges(struct ferry_codel *codel, __u64 sojourn, __u64 target,
				       __u64 interval, _Bool last, __u64 now)
{
	const _Bool standing = ferry_codel_standing(codel, sojourn, target, interval, last, now);
	__u32 delta;

	if (codel->dropping) {
		if (!standing) {
			codel->dropping = 0;
			return 0;
		}
		if (ferry_after(codel->next, now))
			return 0;
		if (codel->count < 0xffffffff)
			codel->count++;
		ferry_codel_newton(codel);
		codel->next = ferry_codel_law(codel, codel->next, interval);
		return 1;
	}
	if (!standing)
		return 0;
	/*
	 * A new episode. Shortly after the last one, the rate that controlled the queue then is the
	 * best guess of what controls it now.
	 */
	codel->dropping = 1;
	delta = codel->count - codel->last_count;
	if (delta > 1 && !ferry_after(now, codel->next + 16 * interval)) {
		ferry_codel_restart(codel, delta);
	} else {
		codel->count = 1;
		codel->root = 0xffff;
	}
	codel->last_count = codel->count;
	codel->next = ferry_codel_law(codel, now, interval);
	return 1;
}

#endif /* FERRY_CORE_CODEL_H */
