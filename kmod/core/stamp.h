/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the scheduler notes on a packet while it is queued. In the kernel it lives in the 20 bytes
 * that skb->cb leaves to a qdisc.
 */
#ifndef FERRY_CORE_STAMP_H
#define FERRY_CORE_STAMP_H

#include <linux/types.h>

struct ferry_stamp {
	__u64 enqueued;	 /* ns */
	__u32 budget_us; /* how long after that the packet is late; 0: never */
	__u32 memory;	 /* bytes charged for it */
	__u8 class;	 /* enum ferry_class */
	__u8 source;	 /* enum ferry_source */
	__u8 guest;	 /* 1: in the queue of another flow, having found no place of its own */
} __attribute__((packed, aligned(4)));

#endif /* FERRY_CORE_STAMP_H */
