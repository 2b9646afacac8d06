/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which class a packet belongs to, by what its carriers say. The order is that of enum
 * ferry_source: the first that says anything decides.
 */
#ifndef FERRY_CORE_CLASSIFY_H
#define FERRY_CORE_CLASSIFY_H

#include "class.h"

/* Class and deadline of a packet, and who said so. */
struct ferry_ruling {
	__u8 class;
	__u8 source;
	__u16 bucket;
};

/* By the @priority of a packet, for the qdisc with the handle @major. */
static inline _Bool ferry_classify_priority(__u32 priority, __u16 major,
					    struct ferry_ruling *ruling)
{
	struct ferry_verdict verdict;

	if (!ferry_verdict_read(priority, major, &verdict))
		return 0;
	ruling->class = verdict.class;
	ruling->bucket = verdict.bucket;
	ruling->source = FERRY_SOURCE_PRIORITY;
	return 1;
}

/* By the firewall @mark: 1 + class in the bits of @mask, an unbroken run of them or 0. */
static inline _Bool ferry_classify_mark(__u32 mark, __u32 mask, struct ferry_ruling *ruling)
{
	__u32 value;

	if (!mask)
		return 0;
	value = (mark & mask) >> __builtin_ctz(mask);
	if (!value || value > FERRY_CLASS_COUNT)
		return 0;
	ruling->class = (__u8)(value - 1);
	ruling->bucket = FERRY_DEADLINE_NONE;
	ruling->source = FERRY_SOURCE_MARK;
	return 1;
}

/* Whether @mask is 0 or one unbroken run of bits. */
static inline _Bool ferry_mark_mask_valid(__u32 mask)
{
	const __u32 filled = mask | (mask - 1U);

	return !mask || !(filled & (filled + 1U));
}

/*
 * By the minor of the class id that a filter answered with: the minor of a verdict
 * (include/uapi/linux/ferry.h). Class id 0 is that of a filter which matched and named none.
 */
static inline _Bool ferry_classify_filter(__u32 classid, __u16 major, struct ferry_ruling *ruling)
{
	if (!classid)
		return 0;
	/* A filter that names no major means the qdisc it is attached to. */
	if (!FERRY_VERDICT_MAJOR(classid))
		classid = FERRY_VERDICT(major, classid);
	if (!ferry_classify_priority(classid, major, ruling))
		return 0;
	ruling->source = FERRY_SOURCE_FILTER;
	return 1;
}

/* By the code point, @table of FERRY_DSCP_COUNT classes. The default class needs nobody's word. */
static inline void ferry_classify_dscp(unsigned int dscp, const __u8 *table,
				       struct ferry_ruling *ruling)
{
	ruling->class = table[dscp & (FERRY_DSCP_COUNT - 1)];
	ruling->bucket = FERRY_DEADLINE_NONE;
	ruling->source = ruling->class == FERRY_CLASS_DEFAULT ? FERRY_SOURCE_DEFAULT
							      : FERRY_SOURCE_DSCP;
}

static inline void ferry_classify_table_init(__u8 *table)
{
	unsigned int i;

	for (i = 0; i < FERRY_DSCP_COUNT; i++)
		table[i] = (__u8)ferry_class_from_dscp(i);
}

#endif /* FERRY_CORE_CLASSIFY_H */
