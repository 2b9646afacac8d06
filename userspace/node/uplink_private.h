/* SPDX-License-Identifier: MIT */
/*
 * What the files of the uplink share: uplink.c (the connection and waiting), uplink_receive.c (what
 * the edge says), uplink_request.c (what is asked of it).
 */
#ifndef FERRY_NODE_UPLINK_PRIVATE_H
#define FERRY_NODE_UPLINK_PRIVATE_H

#include "node/carrier.h"
#include "node/uplink.h"
#include "wire/loop.h"
#include "wire/tls.h"

/* An answer that is owed. */
struct uplink_pending {
	struct uplink_pending *next;
	uint32_t request;
	uint32_t n_body;   /* of the question, for the window */
	uint32_t n_answer; /* that the answer's data may have, at most */
	struct ferry_uplink_asked asked;
	uint64_t asked_us, done_us;
	bool alone; /* nothing else was on its way */
	bool forgotten;
	bool done;
	int code; /* 0, or why there is no answer */
	struct ferry_error error;
	struct ferry_wire_message answer; /* points into body */
	uint8_t *body;
};

struct ferry_uplink {
	struct ferry_uplink_options options;
	char name[FERRY_ENDPOINT_TEXT + 16]; /* "the edge 127.0.0.1:7070" */
	struct ferry_address address;
	struct ferry_loop *loop;
	struct ferry_link *link; /* NULL: lost, and `lost` says why */
	struct ferry_error lost;
	bool connected;
	struct ferry_endpoint endpoints[FERRY_MAX_ENDPOINTS];
	unsigned n_endpoints, next_endpoint;
	uint64_t began_us; /* the connection to the endpoint that is being tried */
	struct ferry_wire_attach attach;
	bool attaches;
	struct ferry_wire_open opening;
	struct ferry_carrier *carrier; /* NULL: not known */
	struct ferry_wire_hello hello;
	struct ferry_wire_welcome welcome; /* version 0: not greeted yet */
	uint32_t last_request;
	struct uplink_pending *works, **works_tail; /* answers come in this order */
	uint32_t n_works, n_work_bytes;
	struct uplink_pending *greeting; /* HELLO, until it is answered */
	struct uplink_pending *query;	 /* the one question besides: OPEN, PING, PROFILE, ATTACH */
	uint8_t *kept;			 /* body of the answer that the caller looks at */
	uint64_t ping_us;		 /* when the last heartbeat left */
	uint64_t probe_us;	     /* when the last probe of the rate left, which is its stamp */
	uint64_t looked_us, back_us; /* the last look at the sockets; the end of an absence */
	uint64_t beat_us; /* when the first one left that nothing was heard after; 0: none */
	size_t unacked;	  /* bytes, as last seen, and when they last became fewer */
	uint64_t acked_us;
	uint64_t beats_begin, beats_end; /* of all bytes sent: the last heartbeats in a row */
	struct ferry_uplink_stats stats;
	struct ferry_uplink_stats counted; /* bytes that the caller knows already */
};

/* uplink.c: one step of waiting for an answer that was asked for at @start: returns after something
 * happened, or with an error where it has taken too long. */
int ferry_uplink_wait_step(struct ferry_uplink *u, uint64_t start, struct ferry_error *err);

/* uplink_receive.c */
extern const struct ferry_link_handler ferry_uplink_handler;
/* Why the link was lost, as a return code and in @err. */
int ferry_uplink_lost(const struct ferry_uplink *u, struct ferry_error *err);
/* Gives the link up; the first reason counts. */
int ferry_uplink_lose(struct ferry_uplink *u, enum ferry_error_kind kind, int code,
		      struct ferry_error *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* The same without waiting: lets the link make progress, and gives it up in time. */
int ferry_uplink_look(struct ferry_uplink *u, uint64_t start, struct ferry_error *err);
/* Sends what comes first on a connection that stands. */
void ferry_uplink_greet(struct ferry_uplink *u);
/* The answer to a probe of the rate came. */
void ferry_uplink_learn_probe(struct ferry_uplink *u);
/* A round trip that was measured. */
void ferry_uplink_learn_rtt(struct ferry_uplink *u, uint64_t us);

/* uplink_request.c */
uint32_t ferry_uplink_next_request(struct ferry_uplink *u);
/* Asks one question; the answer comes into *slot. */
int ferry_uplink_ask_begin(struct ferry_uplink *u, struct uplink_pending **slot,
			   struct ferry_wire_message *m, uint8_t answer_type,
			   struct ferry_error *err);
/* Asks one question and waits for the answer, which stays in u->query. */
int ferry_uplink_ask(struct ferry_uplink *u, struct ferry_wire_message *m, uint8_t answer_type,
		     struct ferry_error *err);
void ferry_uplink_free_pending(struct uplink_pending *p);
/* Frees the oldest WORK; or all that are answered and forgotten. */
void ferry_uplink_pop(struct ferry_uplink *u);
void ferry_uplink_drop_forgotten(struct ferry_uplink *u);

#endif
