/* SPDX-License-Identifier: MIT */
/* One flow of a measurement: what it sends, from where to where, and what came of it. */
#ifndef FERRY_PROBE_FLOW_H
#define FERRY_PROBE_FLOW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "samples.h"

enum {
	FERRY_MAX_DATAGRAM = 1472, /* one Ethernet frame */
	FERRY_NS_PER_MS = 1000000,
};

enum ferry_flow_kind {
	FERRY_FLOW_TOKEN,   /* small datagrams at a steady pace; one-way latency of each */
	FERRY_FLOW_MESSAGE, /* messages over one connection; time until the last byte is there */
	FERRY_FLOW_BULK,    /* one connection that sends as much as it may */
	FERRY_FLOW_FLOOD,   /* datagrams of a given rate, whatever happens to them */
};

/* What a flow sends. The numbers of a kind that has no use for them are 0. */
struct ferry_flow_shape {
	enum ferry_flow_kind kind;
	const char *name;
	uint16_t port;
	uint32_t size; /* bytes of a datagram or message; 0 in a flood: mixed sizes */
	uint32_t every_ms;
	uint32_t deadline_ms;	/* of a message; 0: none */
	bool wait;		/* a message is not sent before the one before it has arrived */
	uint32_t answer;	/* bytes that the receiver of a message sends back */
	uint32_t kbit;		/* rate of a flood, as the shaper counts it */
	uint32_t overhead, mpu; /* as the shaper was told */
	struct ferry_marks marks;
};

struct ferry_flow {
	struct ferry_flow_shape shape;
	struct ferry_path path;
	pthread_t sender, receiver;
	bool has_sender, has_receiver;

	/* The measurement's own times, CLOCK_REALTIME: what is sent in [begin, end) counts. */
	uint64_t begin_ns, end_ns;
	const atomic_bool *stop;

	/* Sender to receiver: when each unit was due, 0 if not yet sent. */
	_Atomic uint64_t *sent_ns;
	uint32_t units; /* how many there can be */
	atomic_uint n_sent, n_arrived;

	/* Bytes that arrived while the measurement ran; as the shaper counts them in a flood. */
	atomic_ullong bytes;

	struct ferry_samples latency; /* filled by the receiver, completed by ferry_flow_finish() */
	uint32_t lost;		      /* sent in time, never arrived */
	int err;		      /* the first that a thread met, or 0 */
};

/* Opens the sockets. 0 or -errno. */
int ferry_flow_open(struct ferry_flow *flow, const char *from, const char *to,
		    struct in_addr address);

/* Starts the threads; times and @stop are set. 0 or -errno. */
int ferry_flow_start(struct ferry_flow *flow);

/* Whether everything that was sent in time has arrived; true for a flow that has no such thing. */
bool ferry_flow_settled(const struct ferry_flow *flow);

/* After *stop became true: waits for the threads and counts what is missing. */
void ferry_flow_finish(struct ferry_flow *flow);

void ferry_flow_free(struct ferry_flow *flow);

/* The threads of each kind; the argument is the flow. */
void *ferry_token_send(void *flow);
void *ferry_token_receive(void *flow);
void *ferry_message_send(void *flow);
void *ferry_message_receive(void *flow);
void *ferry_bulk_send(void *flow);
void *ferry_bulk_receive(void *flow);
void *ferry_flood_send(void *flow);
void *ferry_flood_receive(void *flow);

/*
 * Receives a datagram and when the kernel got it. Bytes received, or -errno; 0 once the flow has
 * ended.
 */
long ferry_receive_datagram(int fd, void *buffer, size_t size, uint64_t *arrival_ns);

#endif /* FERRY_PROBE_FLOW_H */
