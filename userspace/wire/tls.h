/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.3 with both sides' keys, between the bytes of a socket and those of frames. Knows no
 * sockets and no time: bytes go in, bytes come out, nothing ever waits.
 *
 * A context is who this node is and whom it trusts; one thread uses it and all that is made of it.
 */
#ifndef FERRY_WIRE_TLS_H
#define FERRY_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "wire/connection.h"
#include "wire/fingerprint.h"
#include "wire/trust.h"

struct ferry_tls_context;
struct ferry_tls;

enum {
	FERRY_TLS_RECORD = 16384,	 /* bytes that one record carries at most */
	FERRY_TLS_OVERHEAD = 5 + 1 + 16, /* of a record: header, type, tag */
};

/* All NULL: no encryption. */
struct ferry_tls_files {
	const char *keys; /* directory with key.pem and trust */
	/* PEM: whose certificates the others have, and ours; all three or none. With them `keys`
	 * may be NULL; its trust file limits and revokes, its key is not used. */
	const char *ca, *certificate, *key;
};

bool ferry_tls_is_wanted(const struct ferry_tls_files *f);

/**
 * ferry_tls_context_new - read keys and trust.
 * @role: ours; an edge takes keys that are trusted as devices, a device those of edges
 *
 * Return: 0; -EINVAL; -ENOENT where a file is missing; -EPERM where others may read a key or write
 * the trust file; -EBADMSG; -ENOMEM.
 */
int ferry_tls_context_new(const struct ferry_tls_files *f, enum ferry_role role,
			  struct ferry_tls_context **out, struct ferry_error *err);
/* Its memory goes with the last connection that was made of it. */
void ferry_tls_context_free(struct ferry_tls_context *c);

const struct ferry_fingerprint *ferry_tls_context_key(const struct ferry_tls_context *c);

/*
 * Read the trust file again if it has changed. Return: 1 if so; 0; negative where it cannot be used
 * any more: what it said before still holds, and this is said once for each change.
 */
int ferry_tls_context_refresh(struct ferry_tls_context *c, struct ferry_error *err);

/**
 * ferry_tls_new - one end of a connection.
 * @host: that a device has connected to: a CA's certificate must be made out to it, and sessions
 *        are resumed by it; NULL for an edge
 */
int ferry_tls_new(struct ferry_tls_context *c, const char *host, struct ferry_tls **out,
		  struct ferry_error *err);
void ferry_tls_free(struct ferry_tls *t);

/*
 * What came from the socket. It must stay until ferry_tls_read() has returned 0 or an error. With
 * @n 0, a device begins the handshake.
 */
void ferry_tls_input(struct ferry_tls *t, const uint8_t *data, size_t n);

/**
 * ferry_tls_read - what the input says, as far as it is whole records.
 * @n: receives how many bytes were written to @plain
 *
 * Call it until it does not return 1. After each call there may be output.
 *
 * Return: 1 with at least one byte; 0 where all input is used up; -EACCES where one side does not
 * accept the other's key or certificate, or one of them does not encrypt; -EPROTO where TLS is
 * broken; -ENOMEM.
 */
int ferry_tls_read(struct ferry_tls *t, uint8_t *plain, size_t size, size_t *n,
		   struct ferry_error *err);

/* Both sides know each other: ferry_tls_send() may be called. */
bool ferry_tls_is_open(const struct ferry_tls *t);
/* The other side has said that it will send no more. */
bool ferry_tls_has_ended(const struct ferry_tls *t);
/* It speaks the node protocol without TLS. */
bool ferry_tls_peer_is_plain(const struct ferry_tls *t);
/* The handshake was a resumption. */
bool ferry_tls_was_resumed(const struct ferry_tls *t);
/* "TLS_AES_128_GCM_SHA256" */
const char *ferry_tls_cipher(const struct ferry_tls *t);

/* Bytes of a record have come and others of it have not; @n receives its announced size. */
bool ferry_tls_in_record(const struct ferry_tls *t, uint32_t *n);

/* Encrypt; what comes out is in the output. @n > 0. -ENOTCONN, -ENOMEM, -EPROTO. */
int ferry_tls_send(struct ferry_tls *t, const uint8_t *plain, size_t n, struct ferry_error *err);

/* Say that no more will be sent. */
void ferry_tls_end(struct ferry_tls *t);

/* What must go to the socket, in this order; the caller owns it. NULL: nothing. */
struct ferry_outgoing *ferry_tls_output(struct ferry_tls *t);

/* Whose key the other side has shown, and what it may do; NULL until the handshake is over. */
const struct ferry_grant *ferry_tls_peer(const struct ferry_tls *t);

/* Whether that still holds, by what the trust file says now: -EACCES. */
int ferry_tls_check_peer(struct ferry_tls *t, struct ferry_error *err);

#endif
