/* SPDX-License-Identifier: MIT */
/*
 * A socket of a loop: frames in, frames out, and a deadline on everything that it waits for.
 */
#ifndef FERRY_WIRE_LINK_H
#define FERRY_WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "wire/address.h"
#include "wire/connection.h"
#include "wire/traffic_class.h"

struct ferry_grant;
struct ferry_link;

enum {
	/* A frame may take stall_ms (six times that when sent) and what this rate gives, in bytes
	 * per second: enough for a poor radio link, too much for one that dribbles on purpose. */
	FERRY_LINK_MIN_RATE = 16 << 10,
};

struct ferry_link_times {
	uint32_t connect_ms;
	uint32_t greeting_ms; /* from connected to ferry_link_establish(), TLS included */
	uint32_t stall_ms;    /* no byte inside a frame; six times that: nothing sent is taken */
	uint32_t idle_ms;     /* no byte between frames; 0: for ever */
};

struct ferry_link_handler {
	/* A connection that we began stands, and is encrypted where it shall be. */
	void (*opened)(void *data, struct ferry_link *link);
	/* A frame came; it is valid during the call. */
	void (*frame)(void *data, struct ferry_link *link, const struct ferry_frame *frame);
	/*
	 * The link is of no more use: the peer went away (-EPIPE where it did so between frames),
	 * broke the protocol (-EPROTO), missed a deadline (-ETIMEDOUT), or one of the two does not
	 * accept the other's key (-EACCES). The callback must end
	 * with ferry_link_close() or ferry_link_finish(), before which it may send a last word.
	 */
	void (*failed)(void *data, struct ferry_link *link, const struct ferry_error *why);
};

void ferry_link_handle(struct ferry_link *link, const struct ferry_link_handler *handler,
		       void *data);

/* Our end of the connection; false where it has none. */
bool ferry_link_local(const struct ferry_link *link, struct ferry_endpoint *local);

/* Name for messages: the peer's endpoint. */
const char *ferry_link_name(const struct ferry_link *link);

/* Whose key the other side has shown, and what it may do; NULL where the link is not encrypted, or
 * the handshake of TLS is not over. */
const struct ferry_grant *ferry_link_peer(const struct ferry_link *link);

/* Whether that still holds (ferry_tls_check_peer()); 0 where the link is not encrypted. */
int ferry_link_check_peer(struct ferry_link *link, struct ferry_error *err);

/* The handshake is over: the greeting deadline falls away, larger frames may come. */
void ferry_link_establish(struct ferry_link *link, uint16_t version, uint32_t max_body);

/**
 * ferry_link_send - queue a message; it leaves with the next turn of the loop.
 *
 * Before TLS has come to an agreement nothing can be said: the message is dropped, without an
 * error.
 *
 * Return: 0; -ENOBUFS where the peer does not take what is queued already; -EMSGSIZE above the
 * agreed frame size; -ENOMEM.
 */
int ferry_link_send(struct ferry_link *link, const struct ferry_wire_message *m,
		    struct ferry_error *err);

/* Bytes that are queued or given to the kernel and not taken by it yet. */
size_t ferry_link_unsent(const struct ferry_link *link);

/* The same and what the peer's kernel has not acknowledged. */
size_t ferry_link_unacked(const struct ferry_link *link);

/* Class of what is sent from now on. */
void ferry_link_set_class(struct ferry_link *link, enum ferry_traffic_class c);

/* Bytes of all frames so far. */
uint64_t ferry_link_sent(const struct ferry_link *link);
uint64_t ferry_link_received(const struct ferry_link *link);

/* When the last byte came, in ferry_now_us(). */
uint64_t ferry_link_heard_us(const struct ferry_link *link);

/* Drop the link and what is queued; its handler is not called any more. */
void ferry_link_close(struct ferry_link *link);

/* Let the queue drain, say goodbye, and drop the link; its handler is not called any more. */
void ferry_link_finish(struct ferry_link *link);

#endif
