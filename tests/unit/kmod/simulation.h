/* SPDX-License-Identifier: MIT */
/*
 * A link with the scheduler of kmod/core/queue.h in front of it, and senders, on a clock that is
 * only a number.
 */
#ifndef FERRY_TEST_SIMULATION_H
#define FERRY_TEST_SIMULATION_H

#include <stdint.h>

#include "packet.h"

#include "core/queue.h"

static const uint64_t MS = 1000000;	   /* ns */
static const uint64_t SECOND = 1000000000; /* ns */
static const uint64_t MBIT = 1000000;	   /* bits */
static const uint32_t LIMIT = 4 << 20;	   /* bytes of memory */

enum sender_kind {
	/* `message` bytes every `period`, in packets of at most `packet` bytes. */
	SENDER_PERIODIC,
	/* Has always `window` packets of `packet` bytes in the queue. */
	SENDER_GREEDY,
	/*
	 * Greedy with a window that grows by a packet each `period` (its round trip) and halves, at
	 * most once in that time, when a packet is dropped or marked: a TCP in short.
	 */
	SENDER_ADAPTIVE,
};

struct sender {
	/* Set by the test. */
	enum sender_kind kind;
	uint8_t class;
	uint8_t source;	 /* enum ferry_source, FERRY_SOURCE_PRIORITY by default */
	uint16_t bucket; /* deadline bucket */
	uint32_t hash;	 /* of its flow; each `flows` > 1: so many flows in turn */
	uint32_t flows;
	uint32_t message;  /* bytes */
	uint32_t packet;   /* bytes; 0: 1514 */
	uint32_t segments; /* 0: 1 */
	uint32_t memory;   /* 0: 1.5 x the bytes */
	uint32_t window;   /* packets */
	uint64_t period;   /* ns */
	uint64_t start;	   /* ns after the start of the simulation */
	uint64_t stop;	   /* likewise; 0: never */
	enum packet_ecn ecn;

	/* What came of it. */
	uint64_t sent;	    /* packets */
	uint64_t delivered; /* packets */
	uint64_t delivered_bytes;
	uint64_t dropped;
	uint64_t marked;
	uint64_t late;	     /* packets */
	uint64_t disordered; /* packets that came after one that was sent later, in one flow */
	uint64_t *delays;    /* ns, of each packet delivered (periodic senders: of each message) */
	uint64_t delay_count;

	/* The simulation's own. */
	uint64_t next; /* ns */
	uint64_t last_cut;
	uint64_t last_growth;
	uint32_t inside; /* packets in the queue */
	uint64_t last_sequence;
	uint32_t messages;
	uint32_t *missing; /* of each message: bytes not delivered */
	uint64_t *begun;   /* of each message */
	uint64_t delay_room;
};

struct simulation {
	struct ferry_queue *queue;
	uint64_t now;		/* ns since the start */
	uint64_t origin;	/* what the queue's clock shows at the start */
	uint64_t link_bytes_ps; /* of the device below; 0: as fast as the shaper lets it be */
	uint64_t link_free;
	uint64_t timer_slack; /* ns: how late a timer may fire; drawn evenly */
	uint64_t seed;
	uint64_t delivered_bytes;
	struct sender *senders;
	unsigned int sender_count;
};

/* Starts when the queue's clock shows @origin. The queue has the defaults and @limit bytes. */
void simulation_init(struct simulation *simulation, struct sender *senders,
		     unsigned int sender_count, uint32_t limit, uint64_t origin);
void simulation_free(struct simulation *simulation);

/* Sets the rate of the shaper. */
void simulation_rate(struct simulation *simulation, uint64_t bits_ps);

/* Lets @ns pass. Checks the sums of the queue's counters on the way. */
void simulation_run(struct simulation *simulation, uint64_t ns);

/* A sender of one message of @bytes each @period, as tokens come. */
struct sender token(uint32_t bytes, uint64_t period);

/* One that has always @window packets in the queue. */
struct sender bulk(uint8_t class, uint32_t window);

/* Part of all delivered bytes that is @sender's. */
double share_of(const struct simulation *simulation, const struct sender *sender);

/* @percent-th percentile of @sender's delays in ns. */
uint64_t sender_percentile(const struct sender *sender, unsigned int percent);

/* Forgets what came of all senders so far. */
void simulation_forget(struct simulation *simulation);

#endif /* FERRY_TEST_SIMULATION_H */
