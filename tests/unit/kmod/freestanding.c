/* SPDX-License-Identifier: MIT */
/*
 * All of kmod/core as one object without a C library, for test_freestanding.py to compile for 32
 * bits and to look at. It is never run.
 */
#include "packet.h"

#include "core/class.h"
#include "core/queue.h"

_Bool freestanding_put(struct ferry_queue *queue, struct ferry_packet *packet, __u32 priority,
		       __u32 mark, const __u8 *table, __u64 now);
struct ferry_packet *freestanding_get(struct ferry_queue *queue, __u64 now, __u64 *wake);
void freestanding_change(struct ferry_queue *queue, __u64 rate, __u64 now);
__u32 freestanding_read(struct ferry_queue *queue, __u8 *table, __u64 us);

_Bool freestanding_put(struct ferry_queue *queue, struct ferry_packet *packet, __u32 priority,
		       __u32 mark, const __u8 *table, __u64 now)
{
	struct ferry_ruling ruling;

	if (!ferry_classify_priority(priority, 1, &ruling) &&
	    !ferry_classify_mark(mark, 0xf0, &ruling) && !ferry_classify_filter(mark, 1, &ruling))
		ferry_classify_dscp(mark, table, &ruling);
	return ferry_queue_put(queue, packet, ruling, now);
}

struct ferry_packet *freestanding_get(struct ferry_queue *queue, __u64 now, __u64 *wake)
{
	ferry_queue_rest(queue);
	return ferry_queue_get(queue, now, wake);
}

void freestanding_change(struct ferry_queue *queue, __u64 rate, __u64 now)
{
	if (!queue->limit)
		ferry_queue_init(queue, 1 << 20, now);
	ferry_shaper_change(&queue->shaper, rate, now);
	ferry_queue_update(queue);
	ferry_queue_shrink(queue);
	if (!rate)
		ferry_queue_purge(queue, now);
}

__u32 freestanding_read(struct ferry_queue *queue, __u8 *table, __u64 us)
{
	ferry_classify_table_init(table);
	return ferry_histogram_percentile(&queue->class[0].sojourn, 99) +
	       ferry_verdict_make(1, 2, ferry_deadline_bucket(us)) +
	       ferry_mark_mask_valid((__u32)us) + (__u32)ferry_class_name(table[0])[0] +
	       ferry_class_dscp(table[1]) + (__u32)ferry_earlier(us, queue->shaper.clock);
}
