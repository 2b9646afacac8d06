/* SPDX-License-Identifier: MIT */
/*
 * What the events of bpf/flow.bpf.c add up to: connections, and for each network device and class
 * how they fare. No I/O and no clock of its own. Bounded: of too many connections the one that has
 * been silent for longest goes.
 */
#ifndef FERRY_NET_FLOW_TABLE_H
#define FERRY_NET_FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bpf/flow.h"

enum {
	FERRY_FLOW_ANY = -1,
	FERRY_FLOW_WINDOW_MS = 10000, /* what is older says nothing about how a link fares now */
};

/* How the connections of a class and a device have fared within the window. */
struct ferry_flow_summary {
	unsigned int flows; /* with an event in the window */
	uint64_t newest_ns; /* of the latest event, CLOCK_MONOTONIC; 0 without one */
	uint32_t srtt_us;   /* means, weighted by the bytes that were acknowledged */
	uint32_t rttvar_us; /* likewise; only with has_rttvar */
	bool has_rttvar;
	uint32_t retransmit_ppm;   /* of the segments sent */
	uint64_t delivery_bytes_s; /* sum of the connections' latest delivery rates */
	uint64_t acked_bytes_s;	   /* what was acknowledged, spread over the time it took */
	uint64_t in_flight_bytes;
};

/*
 * What a controller goes by: how the connections of a device fare at this moment, and counters
 * since they were first seen, of which it takes differences. They run backwards where a connection
 * had to go from the table.
 */
struct ferry_flow_pulse {
	unsigned int flows; /* open, with an event in the time that was asked about */
	uint64_t newest_ns; /* of the latest event of any of them */
	uint32_t srtt_us;   /* means, weighted by the bytes in flight */
	uint32_t growth_us; /* of srtt_us over the least that each connection has seen */
	uint32_t rttvar_us; /* only with has_rttvar */
	bool has_rttvar;
	uint64_t acked_bytes, segments, retransmits;
};

struct ferry_flow_table;

/* @flows_max: 1 .. 65536. Return: NULL and @err where there is no memory. */
struct ferry_flow_table *ferry_flow_table_new(size_t flows_max, struct ferry_error *err);
void ferry_flow_table_free(struct ferry_flow_table *table);

/**
 * ferry_flow_table_add - take an event
 * @ifindex: device that it belongs to, 0 where nobody knows
 *
 * Return: 0, or -EPROTO for an event that no program of this version writes.
 */
int ferry_flow_table_add(struct ferry_flow_table *table, const struct ferry_flow_event *event,
			 uint32_t ifindex);

/**
 * ferry_flow_table_summary - what is known about a device and a class
 * @ifindex: a device, or FERRY_FLOW_ANY
 * @class: enum ferry_class, or FERRY_FLOW_ANY
 * @now_ns: CLOCK_MONOTONIC
 */
void ferry_flow_table_summary(const struct ferry_flow_table *table, int64_t ifindex, int class,
			      uint64_t now_ns, struct ferry_flow_summary *summary);

/* @window_ns: of what is older than that no means are taken. */
void ferry_flow_table_pulse(const struct ferry_flow_table *table, uint32_t ifindex, uint64_t now_ns,
			    uint64_t window_ns, struct ferry_flow_pulse *pulse);

/* Latest event of a connection and its device, or NULL. @ifindex may be NULL. */
const struct ferry_flow_event *ferry_flow_table_find(const struct ferry_flow_table *table,
						     uint64_t cookie, uint32_t *ifindex);

/*
 * Latest event of each connection that is open or was closed within the window, in no order;
 * @visit ends it by anything but 0, which is returned.
 */
int ferry_flow_table_each(const struct ferry_flow_table *table, uint64_t now_ns,
			  int (*visit)(const struct ferry_flow_event *event, uint32_t ifindex,
				       void *data),
			  void *data);

#endif
