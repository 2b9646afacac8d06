/* SPDX-License-Identifier: MIT */
/*
 * What the files of the uplink share: uplink.c (the connection and waiting), uplink_receive.c (what
 * the edge says), uplink_request.c (what is asked of it).
 */
#ifndef FERRY_NODE_UPLINK_PRIVATE_H
#define FERRY_NODE_UPLINK_PRIVATE_H

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
	struct ferry_wire_hello hello;
	struct ferry_wire_welcome welcome; /* version 0: not greeted yet */
	uint32_t last_request;
	struct uplink_pending *works, **works_tail; /* answers come in this order */
	uint32_t n_works, n_work_bytes;
	struct uplink_pending
		*query;	  /* the one question besides WORK: OPEN, PING, PROFILE, HELLO */
	uint8_t *kept;	  /* body of the answer that the caller looks at */
	uint64_t ping_us; /* when the last heartbeat left */
	size_t unacked;	  /* bytes, as last seen, and when they last became fewer */
	uint64_t acked_us;
	uint64_t beats_begin, beats_end; /* of all bytes sent: the last heartbeats in a row */
	struct ferry_uplink_stats stats;
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

/* uplink_request.c */
uint32_t ferry_uplink_next_request(struct ferry_uplink *u);
/* Asks one question and waits for the answer, which stays in u->query. */
int ferry_uplink_ask(struct ferry_uplink *u, struct ferry_wire_message *m, uint8_t answer_type,
		     struct ferry_error *err);
void ferry_uplink_free_pending(struct uplink_pending *p);
/* Frees the oldest WORK; or all that are answered and forgotten. */
void ferry_uplink_pop(struct ferry_uplink *u);
void ferry_uplink_drop_forgotten(struct ferry_uplink *u);

#endif
