/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Traffic classes, deadline buckets and verdicts: the arithmetic behind the tables of
 * include/uapi/linux/ferry.h.
 */
#ifndef FERRY_CORE_CLASS_H
#define FERRY_CORE_CLASS_H

#include <linux/types.h>
#include <linux/ferry.h>

/* A verdict taken apart. */
struct ferry_verdict {
	__u8 class;   /* enum ferry_class */
	__u16 bucket; /* deadline bucket */
};

/* Name of @class as it stands in sysfs and metrics, NULL where there is no such class. */
static inline const char *ferry_class_name(unsigned int class)
{
	switch (class) {
#define ferry_row(class_, name_, dscp_, budget_, share_) \
	case class_:                                     \
		return name_;
		FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row
	default:
		return (const char *)0;
	}
}

/* Code point (0..63) that marks @class, 0 (that of the default class) where there is none. */
static inline __u8 ferry_class_dscp(unsigned int class)
{
	switch (class) {
#define ferry_row(class_, name_, dscp_, budget_, share_) \
	case class_:                                     \
		return dscp_;
		FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row
	default:
		return 0;
	}
}

/* Budget of @class as a deadline bucket, FERRY_DEADLINE_NONE for a class without deadlines. */
static inline __u16 ferry_class_budget(unsigned int class)
{
	switch (class) {
#define ferry_row(class_, name_, dscp_, budget_, share_) \
	case class_:                                     \
		return budget_;
		FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row
	default:
		return FERRY_DEADLINE_NONE;
	}
}

/* Guaranteed share of @class in thousandths of the rate, 0 where there is no such class. */
static inline __u32 ferry_class_share(unsigned int class)
{
	switch (class) {
#define ferry_row(class_, name_, dscp_, budget_, share_) \
	case class_:                                     \
		return share_;
		FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row
	default:
		return 0;
	}
}

/* Class that @dscp marks; the default class for a code point that is not in the table. */
static inline enum ferry_class ferry_class_from_dscp(unsigned int dscp)
{
	switch (dscp) {
#define ferry_row(class_, name_, dscp_, budget_, share_) \
	case dscp_:                                      \
		return class_;
		FERRY_CLASS_TABLE(ferry_row)
#undef ferry_row
	default:
		return FERRY_CLASS_DEFAULT;
	}
}

/*
 * Bucket for a packet that may take @us from now. Never FERRY_DEADLINE_NONE: a packet that is
 * late already gets the shortest deadline there is, not the comfortable budget of its class.
 */
static inline __u16 ferry_deadline_bucket(__u64 us)
{
	const __u32 longest = FERRY_DEADLINE_MAX * FERRY_DEADLINE_UNIT_US;
	/* In 32 bits before the division: a 32-bit kernel has none of 64 bits. */
	const __u32 bucket = (us < longest ? (__u32)us : longest) / FERRY_DEADLINE_UNIT_US;

	return (__u16)(bucket ? bucket : 1);
}

/* Microseconds of @bucket, 0 for FERRY_DEADLINE_NONE. */
static inline __u32 ferry_deadline_us(__u16 bucket)
{
	return FERRY_MINOR_BUCKET(bucket) * FERRY_DEADLINE_UNIT_US;
}

/*
 * Takes skb->priority apart. Returns false, and leaves @verdict alone, where @priority is no
 * verdict for the qdisc with the handle @major: another major, no major at all, or a class that
 * does not exist.
 */
static inline _Bool ferry_verdict_read(__u32 priority, __u16 major, struct ferry_verdict *verdict)
{
	const __u32 class = FERRY_MINOR_CLASS(priority);

	if (!major || FERRY_VERDICT_MAJOR(priority) != major || class >= FERRY_CLASS_COUNT)
		return 0;
	verdict->class = (__u8) class;
	verdict->bucket = (__u16)FERRY_MINOR_BUCKET(priority);
	return 1;
}

/*
 * Value for skb->priority. A class that does not exist becomes the default class and a bucket
 * beyond 12 bits the longest deadline, so that no argument spills into its neighbour's bits.
 */
static inline __u32 ferry_verdict_make(__u16 major, unsigned int class, unsigned int bucket)
{
	if (class >= FERRY_CLASS_COUNT)
		class = FERRY_CLASS_DEFAULT;
	if (bucket > FERRY_DEADLINE_MAX)
		bucket = FERRY_DEADLINE_MAX;
	return FERRY_VERDICT(major, FERRY_MINOR(class, bucket));
}

#endif /* FERRY_CORE_CLASS_H */
