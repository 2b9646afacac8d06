// SPDX-License-Identifier: MIT
#include "net/flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "linux/ferry.h"

#define WINDOW_NS ((uint64_t)FERRY_FLOW_WINDOW_MS * 1000000u)

enum { NOBODY = UINT32_MAX, FLOWS_MAX = 65536, NSEC_PER_SEC = 1000000000, NSEC_PER_USEC = 1000 };

/* What has been counted up to a moment. */
struct mark {
	uint64_t time_ns;
	uint64_t bytes_acked;
	uint32_t retransmits;
	uint32_t segments;
};

/*
 * The window of a connection begins at `from`. Half a window later `next` is where the following
 * one will begin, so that it always covers between a half and a whole of its length.
 */
struct flow {
	struct ferry_flow_event last;
	struct mark from, next;
	struct mark first;	/* when it was first seen */
	uint32_t least_srtt_us; /* 0: not known yet */
	uint32_t ifindex;
	uint32_t chain;	       /* next in the bucket */
	uint32_t newer, older; /* in the order of the last events */
};

struct ferry_flow_table {
	struct flow *flow;
	uint32_t *bucket;
	uint32_t n_buckets; /* a power of two */
	uint32_t n, max;
	uint32_t newest, oldest;
};

static struct mark mark_of(const struct ferry_flow_event *event)
{
	return (struct mark){
		.time_ns = event->time_ns,
		.bytes_acked = event->bytes_acked,
		.retransmits = event->retransmits,
		.segments = event->segments,
	};
}

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

struct ferry_flow_table *ferry_flow_table_new(size_t flows_max, struct ferry_error *err)
{
	struct ferry_flow_table *table = calloc(1, sizeof(*table));
	uint32_t n_buckets = 1;

	if (flows_max < 1 || flows_max > FLOWS_MAX) {
		free(table);
		ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			   "a table of flows holds 1 to %d, not %zu", FLOWS_MAX, flows_max);
		return NULL;
	}
	while (n_buckets < flows_max)
		n_buckets *= 2;
	if (table) {
		table->max = (uint32_t)flows_max;
		table->n_buckets = n_buckets;
		table->newest = table->oldest = NOBODY;
		table->flow = calloc(flows_max, sizeof(*table->flow));
		table->bucket = malloc(n_buckets * sizeof(*table->bucket));
	}
	if (!table || !table->flow || !table->bucket) {
		ferry_flow_table_free(table);
		ferry_fail_memory(err, "the table of flows", flows_max * sizeof(struct flow));
		return NULL;
	}
	memset(table->bucket, 0xff, n_buckets * sizeof(*table->bucket));
	return table;
}

void ferry_flow_table_free(struct ferry_flow_table *table)
{
	if (!table)
		return;
	free(table->flow);
	free(table->bucket);
	free(table);
}

/* Cookies count up: neighbours go to different buckets as they are. */
static uint32_t *bucket_of(const struct ferry_flow_table *table, uint64_t cookie)
{
	return &table->bucket[cookie & (table->n_buckets - 1)];
}

static void unlink_age(struct ferry_flow_table *table, uint32_t i)
{
	const struct flow *flow = &table->flow[i];

	*(flow->newer == NOBODY ? &table->newest : &table->flow[flow->newer].older) = flow->older;
	*(flow->older == NOBODY ? &table->oldest : &table->flow[flow->older].newer) = flow->newer;
}

static void link_newest(struct ferry_flow_table *table, uint32_t i)
{
	struct flow *flow = &table->flow[i];

	flow->newer = NOBODY;
	flow->older = table->newest;
	*(table->newest == NOBODY ? &table->oldest : &table->flow[table->newest].newer) = i;
	table->newest = i;
}

static uint32_t find(const struct ferry_flow_table *table, uint64_t cookie)
{
	uint32_t i = *bucket_of(table, cookie);

	while (i != NOBODY && table->flow[i].last.cookie != cookie)
		i = table->flow[i].chain;
	return i;
}

/* A free slot: one that was never used, else that of the connection that was silent for longest. */
static uint32_t take_slot(struct ferry_flow_table *table)
{
	uint32_t i = table->oldest, *link;

	if (table->n < table->max)
		return table->n++;
	link = bucket_of(table, table->flow[i].last.cookie);
	while (*link != i)
		link = &table->flow[*link].chain;
	*link = table->flow[i].chain;
	unlink_age(table, i);
	return i;
}

int ferry_flow_table_add(struct ferry_flow_table *table, const struct ferry_flow_event *event,
			 uint32_t ifindex)
{
	struct flow *flow;
	uint32_t i;

	if (event->class >= FERRY_CLASS_COUNT || event->kind < FERRY_FLOW_SEEN ||
	    event->kind > FERRY_FLOW_CLOSED)
		return -EPROTO;
	i = find(table, event->cookie);
	if (i != NOBODY) {
		unlink_age(table, i);
	} else {
		uint32_t *bucket = bucket_of(table, event->cookie);

		i = take_slot(table);
		table->flow[i] = (struct flow){
			.from = mark_of(event), .next = mark_of(event), .first = mark_of(event)};
		table->flow[i].chain = *bucket;
		*bucket = i;
	}
	link_newest(table, i);
	flow = &table->flow[i];
	if (since(event->time_ns, flow->next.time_ns) >= WINDOW_NS / 2) {
		flow->from = flow->next;
		/* After a silence that is too far away; an event is about a round trip. */
		if (since(event->time_ns, flow->next.time_ns) >= WINDOW_NS) {
			flow->from = mark_of(&flow->last);
			flow->from.time_ns =
				event->time_ns - NSEC_PER_USEC * (event->srtt_us + 1ull);
		}
		flow->next = mark_of(event);
	}
	if (event->srtt_us && (!flow->least_srtt_us || event->srtt_us < flow->least_srtt_us))
		flow->least_srtt_us = event->srtt_us;
	flow->last = *event;
	flow->ifindex = ifindex;
	return 0;
}

const struct ferry_flow_event *ferry_flow_table_find(const struct ferry_flow_table *table,
						     uint64_t cookie, uint32_t *ifindex)
{
	const uint32_t i = find(table, cookie);

	if (i == NOBODY)
		return NULL;
	if (ifindex)
		*ifindex = table->flow[i].ifindex;
	return &table->flow[i].last;
}

static uint64_t weighted(uint64_t sum, uint64_t weight)
{
	return weight ? sum / weight : 0;
}

void ferry_flow_table_summary(const struct ferry_flow_table *table, int64_t ifindex, int class,
			      uint64_t now_ns, struct ferry_flow_summary *summary)
{
	uint64_t srtt = 0, srtt_weight = 0, rttvar = 0, rttvar_weight = 0, resent = 0, sent = 0;

	memset(summary, 0, sizeof(*summary));
	for (uint32_t i = table->newest; i != NOBODY; i = table->flow[i].older) {
		const struct flow *flow = &table->flow[i];
		const struct ferry_flow_event *last = &flow->last;
		const uint64_t acked = since(last->bytes_acked, flow->from.bytes_acked);
		const uint64_t took_ns = since(last->time_ns, flow->from.time_ns);
		/* Bounded, so that no sum overflows: 2^16 flows x 2^32 us x 2^15. */
		const uint64_t weight = 1 + (acked >> 10 < 32767 ? acked >> 10 : 32767);

		if (since(now_ns, last->time_ns) > WINDOW_NS)
			continue;
		if ((ifindex != FERRY_FLOW_ANY && ifindex != flow->ifindex) ||
		    (class != FERRY_FLOW_ANY && class != last->class))
			continue;
		summary->flows++;
		if (last->time_ns > summary->newest_ns)
			summary->newest_ns = last->time_ns;
		if (last->srtt_us) {
			srtt += last->srtt_us * weight;
			srtt_weight += weight;
		}
		if (last->flags & FERRY_FLOW_HAS_RTTVAR) {
			rttvar += last->rttvar_us * weight;
			rttvar_weight += weight;
		}
		/* Segments are counted as they leave, a round trip before they are lost. */
		resent += since(last->retransmits, flow->from.retransmits);
		sent += since(last->segments, flow->from.segments);
		if (took_ns >= 1000)
			summary->acked_bytes_s +=
				(uint64_t)((double)acked * NSEC_PER_SEC / (double)took_ns);
		if (last->kind == FERRY_FLOW_CLOSED)
			continue;
		summary->delivery_bytes_s += last->delivery_bytes_s;
		summary->in_flight_bytes += last->in_flight_bytes;
	}
	summary->srtt_us = (uint32_t)weighted(srtt, srtt_weight);
	summary->rttvar_us = (uint32_t)weighted(rttvar, rttvar_weight);
	summary->has_rttvar = rttvar_weight;
	if (sent)
		summary->retransmit_ppm =
			(uint32_t)(resent < sent ? resent * FERRY_PPM / sent : FERRY_PPM);
}

void ferry_flow_table_pulse(const struct ferry_flow_table *table, uint32_t ifindex, uint64_t now_ns,
			    uint64_t window_ns, struct ferry_flow_pulse *pulse)
{
	uint64_t srtt = 0, growth = 0, weights = 0, rttvar = 0, rttvar_weights = 0;

	memset(pulse, 0, sizeof(*pulse));
	for (uint32_t i = table->newest; i != NOBODY; i = table->flow[i].older) {
		const struct flow *flow = &table->flow[i];
		const struct ferry_flow_event *last = &flow->last;
		/* Those that fill the queue know of it; 2^16 flows x 2^32 us x 2^15. */
		const uint64_t kbytes = last->in_flight_bytes >> 10;
		const uint64_t weight = 1 + (kbytes < 32767 ? kbytes : 32767);

		if (flow->ifindex != ifindex)
			continue;
		pulse->acked_bytes += since(last->bytes_acked, flow->first.bytes_acked);
		pulse->segments += since(last->segments, flow->first.segments);
		pulse->retransmits += since(last->retransmits, flow->first.retransmits);
		if (last->kind == FERRY_FLOW_CLOSED || !last->srtt_us ||
		    since(now_ns, last->time_ns) > window_ns)
			continue;
		pulse->flows++;
		if (last->time_ns > pulse->newest_ns)
			pulse->newest_ns = last->time_ns;
		srtt += last->srtt_us * weight;
		growth += (last->srtt_us - flow->least_srtt_us) * weight;
		weights += weight;
		if (last->flags & FERRY_FLOW_HAS_RTTVAR) {
			rttvar += last->rttvar_us * weight;
			rttvar_weights += weight;
		}
	}
	pulse->srtt_us = (uint32_t)weighted(srtt, weights);
	pulse->growth_us = (uint32_t)weighted(growth, weights);
	pulse->rttvar_us = (uint32_t)weighted(rttvar, rttvar_weights);
	pulse->has_rttvar = rttvar_weights;
}

int ferry_flow_table_each(const struct ferry_flow_table *table, uint64_t now_ns,
			  int (*visit)(const struct ferry_flow_event *event, uint32_t ifindex,
				       void *data),
			  void *data)
{
	int ret = 0;

	for (uint32_t i = table->newest; !ret && i != NOBODY; i = table->flow[i].older) {
		const struct flow *flow = &table->flow[i];

		if (flow->last.kind != FERRY_FLOW_CLOSED ||
		    since(now_ns, flow->last.time_ns) <= WINDOW_NS)
			ret = visit(&flow->last, flow->ifindex, data);
	}
	return ret;
}
