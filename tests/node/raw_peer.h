/* SPDX-License-Identifier: MIT */
/*
 * A node that says exactly what a test tells it to, over a blocking socket with a time limit.
 */
#ifndef FERRY_TESTS_RAW_PEER_H
#define FERRY_TESTS_RAW_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "wire/connection.h"

struct raw_peer {
	int fd;
	bool forgiving; /* trouble is the other side's end: for threads that may not fail a test */
	struct ferry_connection in;
	uint8_t buffer[65536];
	size_t n, at;			   /* received and not used */
	struct ferry_wire_message message; /* the last one; points into body */
	uint8_t *body;
};

/* To a port on loopback; fails the running test where that does not work. */
void raw_peer_connect(struct raw_peer *p, uint16_t port);
/* Over a socket that is connected already; @role: ours. */
void raw_peer_adopt(struct raw_peer *p, int fd, enum ferry_role role);
void raw_peer_close(struct raw_peer *p);

/* A listening socket on a port of loopback that the system chose. */
int raw_peer_listen(uint16_t *port);

void raw_peer_send_bytes(struct raw_peer *p, const void *bytes, size_t n);
void raw_peer_send(struct raw_peer *p, const struct ferry_wire_message *m);

/* The next message into p->message: true; false where the other side ended. */
bool raw_peer_receive(struct raw_peer *p);

/* What a device of @m says first. */
struct ferry_wire_message raw_peer_hello(const struct ferry_model *m);
/* Says it, and takes the WELCOME. */
void raw_peer_greet(struct raw_peer *p, const struct ferry_model *m);

/* Receives; the message must be an ERROR of that code whose text contains @says. */
void raw_peer_expect_error(struct raw_peer *p, uint16_t code, const char *says);
/* The other side ends without a reset. */
void raw_peer_expect_end(struct raw_peer *p);

#endif
