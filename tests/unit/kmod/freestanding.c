/* SPDX-License-Identifier: MIT */
/*
 * All of kmod/core as one object without a C library, for test_freestanding.py to compile for 32
 * bits and to look at. It is never run.
 */
#include "packet.h"

#include "core/class.h"
#include "core/energy_total.h"
#include "core/energy_model.h"
#include "core/link.h"
#include "core/provenance.h"
#include "core/queue.h"

_Bool freestanding_put(struct ferry_queue *queue, struct ferry_packet *packet, __u32 priority,
		       __u32 mark, const __u8 *table, __u64 now);
struct ferry_packet *freestanding_get(struct ferry_queue *queue, __u64 now, __u64 *wake);
void freestanding_change(struct ferry_queue *queue, __u64 rate, __u64 now);
__u32 freestanding_read(struct ferry_queue *queue, __u8 *table, __u64 us);
__u64 freestanding_energy(struct ferry_energy_meter *meter, struct ferry_energy_trace *traces,
			  const struct ferry_energy_model *model,
			  const struct ferry_energy_activity *activity, __u64 now);
__u64 freestanding_total(const struct ferry_energy_part *parts, unsigned int n);
__u32 freestanding_link(struct ferry_link_readings *readings, struct ferry_link_sample *sample,
			__u64 bytes, __u64 now);

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

__u64 freestanding_energy(struct ferry_energy_meter *meter, struct ferry_energy_trace *traces,
			  const struct ferry_energy_model *model,
			  const struct ferry_energy_activity *activity, __u64 now)
{
	const __u64 estimate = ferry_energy_estimate(model, activity);

	if (!now)
		ferry_energy_init(meter);
	ferry_energy_take_counter(meter, estimate, ferry_energy_counter_max(32), now, now, 0);
	ferry_energy_take_power(meter, estimate, now, now, 0);
	ferry_energy_take_none(meter, now, now);
	ferry_energy_trace_add(&traces[0], meter->average_uw);
	if (ferry_energy_is_twin(&traces[0], &traces[1]))
		ferry_energy_trace_break(&traces[1]);
	return ferry_energy_round(meter->average_uw) + ferry_energy_age_ms(meter, now) +
	       ferry_energy_uncertainty(estimate, model->error_ppm) +
	       (__u32)ferry_energy_state_name(ferry_energy_state(meter, now))[0] +
	       ferry_energy_known(meter, now) + ferry_energy_model_is_set(model) +
	       ferry_energy_still_twin(&traces[0], &traces[1]);
}

__u64 freestanding_total(const struct ferry_energy_part *parts, unsigned int n)
{
	const struct ferry_energy_sum sum = ferry_energy_total(parts, n);

	return sum.power_uw + (__u32)ferry_energy_scope_name(sum.scope)[0];
}

__u32 freestanding_link(struct ferry_link_readings *readings, struct ferry_link_sample *sample,
			__u64 bytes, __u64 now)
{
	__u32 age_ms = 0;

	ferry_link_sample_take(sample, bytes, bytes, now);
	return ferry_link_holding(readings, now) + ferry_link_provenance(readings, now) +
	       ferry_link_age_ms(readings, sample, now, &age_ms) + age_ms +
	       ferry_link_state(readings, now, FERRY_LINK_STATE_UP) +
	       (__u32)ferry_provenance_name(ferry_link_provenance(readings, now))[0];
}
