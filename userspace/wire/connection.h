/* SPDX-License-Identifier: MIT */
/*
 * What a connection makes of the bytes that it receives, whichever way they come: frames, and
 * whether a frame of this type may come now. Knows no sockets and no time.
 */
#ifndef FERRY_WIRE_CONNECTION_H
#define FERRY_WIRE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "wire/frame.h"
#include "wire/message.h"

enum ferry_role {
	FERRY_ROLE_DEVICE, /* speaks first */
	FERRY_ROLE_EDGE,
};

struct ferry_frame {
	struct ferry_frame_header header;
	const uint8_t *body; /* [header.n_body]; valid until the next call of feed */
};

struct ferry_connection {
	enum ferry_role role; /* ours */
	bool established;     /* the handshake is over */
	bool failed;
	uint16_t version;  /* agreed */
	uint32_t max_body; /* of a frame that we accept */

	/* private */
	uint8_t header_bytes[FERRY_FRAME_HEADER];
	uint32_t n_header_bytes;
	struct ferry_frame_header header;
	uint8_t *body;
	size_t n_body, body_size; /* received; allocated, which follows what was received */
};

void ferry_connection_init(struct ferry_connection *c, enum ferry_role role);
void ferry_connection_release(struct ferry_connection *c);

/* The handshake is over: from now on, frames of @version with bodies up to @max_body. */
void ferry_connection_establish(struct ferry_connection *c, uint16_t version, uint32_t max_body);

/**
 * ferry_connection_feed - take received bytes.
 * @used: receives how many of the @n bytes were taken; call again with the rest
 * @frame: receives the frame where one is complete
 *
 * Return: 1 with a frame; 0 where more bytes are needed (all were taken); -EPROTO where the peer
 * broke the framing or sent what may not come now; -ENOMEM. After an error nothing more is taken.
 */
int ferry_connection_feed(struct ferry_connection *c, const uint8_t *data, size_t n, size_t *used,
			  struct ferry_frame *frame, struct ferry_error *err);

/* Whether a frame has begun and is not complete; @n_body receives its announced size, or 0. */
bool ferry_connection_in_frame(const struct ferry_connection *c, uint32_t *n_body);

/* A frame on its way out. */
struct ferry_outgoing {
	struct ferry_outgoing *next;
	size_t n, at; /* bytes; sent */
	uint8_t bytes[];
};

/* Header and body of a message; released with free(). -ENOMEM, -EMSGSIZE above @max_body. */
int ferry_outgoing_new(uint16_t version, uint32_t max_body, const struct ferry_wire_message *m,
		       struct ferry_outgoing **out, struct ferry_error *err);

#endif
