/* SPDX-License-Identifier: MIT */
/*
 * A frame: a header of 16 bytes and a body. The layout of the header is the same in every version
 * of the protocol; Documentation/protocol.md has the tables.
 */
#ifndef FERRY_WIRE_FRAME_H
#define FERRY_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

enum {
	FERRY_WIRE_MAGIC = 0x59525246, /* the bytes "FRRY" */
	FERRY_FRAME_HEADER = 16,

	/* A version is major << 8 | minor. */
	FERRY_WIRE_VERSION_MIN = 0x0100,
	FERRY_WIRE_VERSION_MAX = 0x0100,

	/* Of a body: until the handshake is over, and at most ever. A peer that has not said who it
	 * is cannot make this one allocate more than the first. */
	FERRY_FRAME_MAX_GREETING = 1024,
	FERRY_FRAME_MAX = 64 << 20,
};

enum ferry_message_type {
	FERRY_MESSAGE_HELLO = 1,     /* device: who I am and what I want */
	FERRY_MESSAGE_WELCOME = 2,   /* edge: what you get, and the limits */
	FERRY_MESSAGE_ERROR = 3,     /* either: what went wrong */
	FERRY_MESSAGE_BYE = 4,	     /* either: closing in good order */
	FERRY_MESSAGE_PING = 5,	     /* either */
	FERRY_MESSAGE_PONG = 6,	     /* either: answer to PING */
	FERRY_MESSAGE_PROFILE = 7,   /* device: how fast are you? */
	FERRY_MESSAGE_PROFILED = 8,  /* edge: answer to PROFILE */
	FERRY_MESSAGE_LOAD = 9,	     /* device: how busy are you? */
	FERRY_MESSAGE_LOADED = 10,   /* edge: answer to LOAD */
	FERRY_MESSAGE_OPEN = 16,     /* device: a session, please */
	FERRY_MESSAGE_OPENED = 17,   /* edge: answer to OPEN and FORK */
	FERRY_MESSAGE_CLOSE = 18,    /* device: forget the session; no answer */
	FERRY_MESSAGE_SAMPLING = 19, /* device: other sampling parameters; no answer */
	FERRY_MESSAGE_TRUNCATE = 20, /* device: forget positions; no answer */
	FERRY_MESSAGE_WORK = 21,     /* device: run tokens through the layers */
	FERRY_MESSAGE_RESULT = 22,   /* edge: answer to WORK */
	FERRY_MESSAGE_CANCEL = 23,   /* device: drop what is still queued; no answer */
	FERRY_MESSAGE_ATTACH = 24,   /* device: the session of a lost connection, by its lease */
	FERRY_MESSAGE_ATTACHED = 25, /* edge: answer to ATTACH */
	FERRY_MESSAGE_FORK = 26,     /* device: another session that begins like this one */
};

/* "WORK"; "message type 77" has no name: NULL. */
const char *ferry_message_name(uint8_t type);

struct ferry_frame_header {
	uint16_t version; /* that the sender speaks; its lowest before the handshake is over */
	uint8_t type;
	uint32_t n_body;
	uint32_t request; /* answers carry the id of the request; 0: none */
};

void ferry_frame_header_encode(uint8_t bytes[FERRY_FRAME_HEADER],
			       const struct ferry_frame_header *h);

/* -EPROTO for wrong magic or flags that no version has defined. */
int ferry_frame_header_decode(const uint8_t bytes[FERRY_FRAME_HEADER], struct ferry_frame_header *h,
			      struct ferry_error *err);

#endif
