/* SPDX-License-Identifier: MIT */
/*
 * A device's connection to one edge: the handshake, one session, work in flight, and the limits
 * on how long any of it may take. Knows the protocol, not the model.
 *
 * All calls are made by one thread and return within the deadline; between calls nothing happens
 * but what the kernel does. Once the connection is lost, every call says so.
 */
#ifndef FERRY_NODE_UPLINK_H
#define FERRY_NODE_UPLINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry/error.h"
#include "wire/message.h"
#include "wire/traffic_class.h"

struct ferry_tls_context;
struct ferry_uplink;

struct ferry_uplink_options {
	const char *edge;	       /* HOST:PORT or [V6]:PORT */
	struct ferry_tls_context *tls; /* NULL: not encrypted; must outlive the uplink */
	bool insecure;
	/*
	 * How long to connect, to greet, and to hear nothing at all from an edge that owes an
	 * answer; 0: 5000. An edge that is slow but alive answers pings and is waited for.
	 */
	uint32_t deadline_ms;
	uint32_t
		answer_ms; /* the longest wait for an answer from an edge that is alive; 0: 24 times
			     * deadline_ms */
	const atomic_bool *cancel; /* set: waits end with -ECANCELED; may be NULL */
	int wake_fd;		   /* an eventfd that makes waits look at `cancel`; 0: none */
	/*
	 * Not 0: somebody can go on without this edge. Then silence is judged by the round trip: an
	 * edge that owes an answer is lost when heartbeats get no sign of life for so long, or for
	 * some round trips where these are longer.
	 */
	uint32_t silence_ms;
	const struct ferry_wire_attach *attach; /* asked for right behind the HELLO; may be NULL */
};

/**
 * ferry_uplink_connect - connect and shake hands.
 * @hello: everything but the versions, which are this library's
 *
 * Return: 0; -EINVAL, -ENOENT, -EPERM for the address; -ECONNREFUSED, -ETIMEDOUT and others of the
 * link; -EPROTO; the codes of ferry_uplink_errno() where the edge refuses.
 */
int ferry_uplink_connect(const struct ferry_uplink_options *o, const struct ferry_wire_hello *hello,
			 struct ferry_uplink **out, struct ferry_error *err);

/*
 * The same in steps. begin() only starts; poll() lets the sockets make progress without waiting and
 * returns 1 once the edge has welcomed us (and answered options.attach), 0 before that, or what
 * went wrong.
 */
int ferry_uplink_begin(const struct ferry_uplink_options *o, const struct ferry_wire_hello *hello,
		       struct ferry_uplink **out, struct ferry_error *err);
int ferry_uplink_poll(struct ferry_uplink *u, struct ferry_error *err);

/* What the edge said to options.attach: 0 and *attached, or why there is no such session. */
int ferry_uplink_attached(const struct ferry_uplink *u, struct ferry_wire_attached *attached,
			  struct ferry_error *err);

/* Takes leave of the edge, for a third of a second at most. */
void ferry_uplink_free(struct ferry_uplink *u);

/* "the edge 127.0.0.1:7070" */
const char *ferry_uplink_name(const struct ferry_uplink *u);
/* Whether the connection is gone; lets the link make progress. */
bool ferry_uplink_is_lost(struct ferry_uplink *u);
/* 0, or why it is gone. */
int ferry_uplink_check(const struct ferry_uplink *u, struct ferry_error *err);
/* Lets time pass until something happens, @until_us at most. */
void ferry_uplink_pause(struct ferry_uplink *u, uint64_t until_us);

const struct ferry_wire_welcome *ferry_uplink_welcome(const struct ferry_uplink *u);

/* The negative errno that stands for an error of the edge. */
int ferry_uplink_errno(uint16_t code);

/* Asks for a session; open_poll() and open_wait() return 1 when the edge has granted it, poll() 0
 * before that. */
int ferry_uplink_open_begin(struct ferry_uplink *u, const struct ferry_wire_open *open,
			    struct ferry_error *err);
int ferry_uplink_open_poll(struct ferry_uplink *u, struct ferry_wire_opened *opened,
			   struct ferry_error *err);
int ferry_uplink_open_wait(struct ferry_uplink *u, struct ferry_wire_opened *opened,
			   struct ferry_error *err);

/*
 * Queue a message that has no answer (SAMPLING, TRUNCATE, CANCEL) and let it leave.
 */
int ferry_uplink_tell(struct ferry_uplink *u, const struct ferry_wire_message *m,
		      struct ferry_error *err);

/* Whether a WORK of @n_body bytes may be sent now, within the window that the edge allows. */
bool ferry_uplink_has_room(const struct ferry_uplink *u, size_t n_body);

/* What a WORK asked for, kept for when its answer comes. */
struct ferry_uplink_asked {
	uint32_t position, n_tokens;
	uint8_t output;
};

/* Sends a WORK; the caller has seen that there is room. @n_answer: bytes of data that the answer
 * will have; an edge that sends more breaks the protocol. */
int ferry_uplink_work(struct ferry_uplink *u, const struct ferry_wire_work *work, uint32_t n_answer,
		      struct ferry_error *err);

/* Whether the answer to the oldest WORK is here already; lets the link make progress. */
bool ferry_uplink_ready(struct ferry_uplink *u);

/**
 * ferry_uplink_result - wait for the answer to the oldest WORK.
 * @asked: receives what it was
 * @result: its data is valid until the next call
 */
int ferry_uplink_result(struct ferry_uplink *u, struct ferry_uplink_asked *asked,
			struct ferry_wire_result *result, struct ferry_error *err);

/* Answers to WORKs sent so far are of no interest any more. */
void ferry_uplink_forget(struct ferry_uplink *u);

/* Wait until the forgotten answers have come, so that the window is free again. */
int ferry_uplink_settle(struct ferry_uplink *u, struct ferry_error *err);

/* One PING with @n_payload bytes and @reply_bytes back; *us receives how long it took. */
int ferry_uplink_ping(struct ferry_uplink *u, uint32_t n_payload, uint32_t reply_bytes,
		      uint64_t *us, struct ferry_error *err);

/* Asks for a sign of life, from which the round trip is learned; @rate: and for one behind so many
 * bytes that the rate of the link is. The answers come when they come. */
void ferry_uplink_probe(struct ferry_uplink *u, bool rate);

/* The edge's speed; *profiled points into memory that the next call reuses. */
int ferry_uplink_profile(struct ferry_uplink *u, uint32_t n_tokens,
			 struct ferry_wire_profiled *profiled, struct ferry_error *err);

void ferry_uplink_set_class(struct ferry_uplink *u, enum ferry_traffic_class c);

struct ferry_uplink_stats {
	uint64_t bytes_sent, bytes_received; /* framing included */
	uint64_t wait_us;		     /* spent waiting for answers to WORK */
	uint64_t edge_us;		     /* of the edge's computing, as it reports */
	uint64_t queue_us;		     /* of waiting on the edge before that */
	uint64_t rtt_us;		     /* smoothed over the pings; 0 before the first */
	uint64_t rttvar_us;		     /* its mean deviation */
	uint64_t up_bytes_per_s; /* of WORKs that took long enough to tell; 0: none did */
};
void ferry_uplink_get_stats(const struct ferry_uplink *u, struct ferry_uplink_stats *stats);
/* Sums begin again with 0; what was learned of the link stays. */
void ferry_uplink_count_anew(struct ferry_uplink *u);

#endif
