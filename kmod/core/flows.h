/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flows of one class: which queue a packet belongs to, and whose turn it is.
 *
 * A fixed table, 8-way set associative: a flow that meets another in its place takes one of the
 * seven beside it, so that 100 flows practically never share a queue (with a plain table of 1024,
 * every tenth would). Nothing is allocated, whatever the traffic.
 *
 * Turns are deficit round robin with two lists (DRR++): a flow that has just begun to send goes
 * ahead of those with a backlog, for one quantum. So a flow that sends less than its share never
 * waits behind one that does not. What a flow sent beyond its quantum it owes, also after its queue
 * has run empty: otherwise one that keeps a single long packet in the queue would be new with each
 * of them.
 */
#ifndef FERRY_CORE_FLOWS_H
#define FERRY_CORE_FLOWS_H

#include "codel.h"

#define FERRY_FLOWS	 1024
#define FERRY_FLOW_WAYS	 8
#define FERRY_FLOWS_SETS (FERRY_FLOWS / FERRY_FLOW_WAYS)

enum ferry_flow_list {
	FERRY_FLOW_IDLE, /* on no list, no packets */
	FERRY_FLOW_NEW,
	FERRY_FLOW_OLD,
};

/* One cache line: a packet that comes or goes touches no other of its flow. */
struct ferry_flow {
	struct ferry_packet *head;
	struct ferry_packet *tail;
	struct ferry_codel codel;
	__s32 deficit; /* bytes that the flow may still send in this round */
	__u32 guests;  /* packets in this queue of flows that found no place of their own */
	__u16 next;    /* 1 + the index of the flow behind this one on its list; 0: none */
	__u8 list;     /* enum ferry_flow_list */
} __attribute__((aligned(64)));

/* Indices plus one; 0: the list is empty. */
struct ferry_flow_list_ends {
	__u16 first;
	__u16 last;
};

struct ferry_flows {
	struct ferry_flow flow[FERRY_FLOWS];
	/* Of queued packets; apart from the flows: the fattest is found in 64 cache lines. */
	__u32 memory[FERRY_FLOWS];
	__u32 tag[FERRY_FLOWS]; /* hash of the flow that has the place */
	struct ferry_flow_list_ends new;
	struct ferry_flow_list_ends old;
	__u32 active; /* flows on a list */
	__u64 collisions;
};

static inline void ferry_flows_init(struct ferry_flows *flows)
{
	unsigned int i;

	for (i = 0; i < FERRY_FLOWS; i++) {
		flows->flow[i].head = (struct ferry_packet *)0;
		flows->flow[i].tail = (struct ferry_packet *)0;
		ferry_codel_init(&flows->flow[i].codel);
		flows->flow[i].deficit = 0;
		flows->flow[i].guests = 0;
		flows->flow[i].next = 0;
		flows->flow[i].list = FERRY_FLOW_IDLE;
		flows->memory[i] = 0;
		flows->tag[i] = 0;
	}
	flows->new.first = flows->new.last = 0;
	flows->old.first = flows->old.last = 0;
	flows->active = 0;
	flows->collisions = 0;
}

/*
 * Index of the queue for packets of the flow with @hash. A flow is never in two queues: where it
 * found no place and went into another's queue, it stays there until no such packet is left.
 */
static inline unsigned int ferry_flows_find(struct ferry_flows *flows, __u32 hash)
{
	const unsigned int set = hash % FERRY_FLOWS_SETS * FERRY_FLOW_WAYS;
	const unsigned int own = set + (hash / FERRY_FLOWS_SETS) % FERRY_FLOW_WAYS;
	unsigned int way;

	if (flows->tag[own] == hash)
		return own;
	for (way = set; way < set + FERRY_FLOW_WAYS; way++) {
		if (flows->tag[way] == hash && flows->flow[way].list != FERRY_FLOW_IDLE)
			return way;
	}
	if (flows->flow[own].list == FERRY_FLOW_IDLE) {
		way = own;
	} else {
		for (way = set; way < set + FERRY_FLOW_WAYS; way++) {
			if (flows->flow[way].list == FERRY_FLOW_IDLE)
				break;
		}
		if (way == set + FERRY_FLOW_WAYS || flows->flow[own].guests) {
			flows->collisions++;
			return own;
		}
	}
	/* Another flow's history says nothing about this one. */
	flows->tag[way] = hash;
	ferry_codel_init(&flows->flow[way].codel);
	return way;
}

static inline void ferry_flow_list_append(struct ferry_flows *flows,
					  struct ferry_flow_list_ends *ends, unsigned int index)
{
	flows->flow[index].next = 0;
	if (ends->last)
		flows->flow[ends->last - 1].next = (__u16)(index + 1);
	else
		ends->first = (__u16)(index + 1);
	ends->last = (__u16)(index + 1);
}

static inline void ferry_flow_list_pop(struct ferry_flows *flows, struct ferry_flow_list_ends *ends)
{
	struct ferry_flow *flow = &flows->flow[ends->first - 1];

	ends->first = flow->next;
	if (!ends->first)
		ends->last = 0;
	flow->next = 0;
}

/* To be called when the flow at @index has got a packet. */
static inline void ferry_flows_wake(struct ferry_flows *flows, unsigned int index, __s32 quantum)
{
	struct ferry_flow *flow = &flows->flow[index];

	if (flow->list != FERRY_FLOW_IDLE)
		return;
	flow->list = FERRY_FLOW_NEW;
	flow->deficit = quantum;
	ferry_flow_list_append(flows, &flows->new, index);
	flows->active++;
}

/* Takes all flows off their lists, none of which has packets. */
static inline void ferry_flows_release(struct ferry_flows *flows)
{
	while (flows->active) {
		struct ferry_flow_list_ends *ends = flows->new.first ? &flows->new : &flows->old;

		flows->flow[ends->first - 1].list = FERRY_FLOW_IDLE;
		ferry_flow_list_pop(flows, ends);
		flows->active--;
	}
}

/*
 * To be called when a whole round has found nobody whose turn it is: goes at once as many rounds as
 * it takes until somebody is one quantum short. After packets of 64 KiB, or a change to a small
 * quantum, that may be hundreds.
 */
static inline void ferry_flows_skip(struct ferry_flows *flows, __s32 quantum)
{
	unsigned int left = flows->active;
	__s32 owed = 1 << 30; /* by who owes least */
	__s32 granted;
	__u32 at;

	for (at = flows->old.first; at; at = flows->flow[at - 1].next) {
		const struct ferry_flow *const flow = &flows->flow[at - 1];

		if (flow->head && -flow->deficit < owed)
			owed = -flow->deficit;
	}
	if (owed < quantum)
		return;
	granted = owed / quantum * quantum;
	while (left--) {
		const unsigned int index = flows->old.first - 1U;
		struct ferry_flow *const flow = &flows->flow[index];

		ferry_flow_list_pop(flows, &flows->old);
		flow->deficit += granted;
		if (flow->head || flow->deficit <= quantum) {
			ferry_flow_list_append(flows, &flows->old, index);
			continue;
		}
		/* Paid before the last of these rounds, in which it left. */
		flow->list = FERRY_FLOW_IDLE;
		flows->active--;
	}
}

/*
 * Index of the flow whose turn it is, FERRY_FLOWS where no flow has packets. Flows without any
 * leave their list on the way, once they owe nothing; but one that sent as a new flow goes behind
 * the old ones first, lest it be new again with its next packet.
 */
static inline unsigned int ferry_flows_turn(struct ferry_flows *flows, __s32 quantum)
{
	unsigned int walked = 0;

	for (;;) {
		struct ferry_flow_list_ends *ends = flows->new.first ? &flows->new : &flows->old;
		const unsigned int index = ends->first - 1U;
		struct ferry_flow *flow;

		if (!ends->first)
			return FERRY_FLOWS;
		flow = &flows->flow[index];
		if (flow->deficit > 0) {
			if (flow->head)
				return index;
			if (ends == &flows->old || !flows->old.first) {
				ferry_flow_list_pop(flows, ends);
				flow->list = FERRY_FLOW_IDLE;
				flows->active--;
				continue;
			}
		} else if (flow->head && ends == &flows->old && ends->first == ends->last) {
			/* Alone, it would only go around until its debt is paid. */
			flow->deficit = quantum;
			return index;
		} else {
			flow->deficit += quantum;
		}
		ferry_flow_list_pop(flows, ends);
		flow->list = FERRY_FLOW_OLD;
		ferry_flow_list_append(flows, &flows->old, index);
		if (++walked > flows->active) {
			ferry_flows_skip(flows, quantum);
			walked = 0;
		}
	}
}

/* Index of the flow that occupies the most memory. */
static inline unsigned int ferry_flows_fattest(const struct ferry_flows *flows)
{
	unsigned int fattest = 0;
	unsigned int i;

	for (i = 1; i < FERRY_FLOWS; i++) {
		if (flows->memory[i] > flows->memory[fattest])
			fattest = i;
	}
	return fattest;
}

#endif /* FERRY_CORE_FLOWS_H */
