/* SPDX-License-Identifier: MIT */
/*
 * What the files of TLS share: tls_context.c (keys, trust, settings), tls.c (one connection),
 * tls_reason.c (why it failed, in words).
 */
#ifndef FERRY_WIRE_TLS_PRIVATE_H
#define FERRY_WIRE_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "wire/identity_private.h"
#include "wire/tls.h"

enum {
	TLS_SESSIONS = 8, /* that a device keeps for resumption, one for each host */
	TLS_HOST = 256,
	TLS_RECORD_HEADER = 5,
	TLS_IDLE_RECORDS = 64, /* in a row that bring nothing: then somebody wants us to work */
};

struct tls_saved {
	char host[TLS_HOST];
	SSL_SESSION *session;
};

struct ferry_tls_context {
	unsigned n_holders; /* its owner and its connections */
	enum ferry_role role;
	bool has_ca;
	char *keys; /* directory of the trust file; NULL: none */
	struct ferry_identity *identity;
	struct ferry_trust trust;
	struct ferry_file_stamp refused; /* a trust file that could not be used */
	SSL_CTX *ssl;
	BIO_METHOD *bio;
	struct tls_saved saved[TLS_SESSIONS];
	unsigned next_saved; /* the one to be replaced where there is no room */
};

enum tls_state {
	TLS_HANDSHAKE,
	TLS_OPEN,
	TLS_ENDED, /* by the other side */
	TLS_FAILED,
};

struct ferry_tls {
	struct ferry_tls_context *context;
	SSL *ssl;
	enum tls_state state;
	char host[TLS_HOST];

	const uint8_t *in; /* not used up */
	size_t n_in;

	struct ferry_outgoing *out;
	size_t out_size;
	bool out_failed; /* memory ran out */

	/* Where in a record the input is. */
	uint8_t header[TLS_RECORD_HEADER];
	uint32_t n_header, n_record, n_left;
	uint32_t n_idle; /* records since the last byte for our owner */
	bool brought;	 /* the input did */
	bool flooded;
	uint8_t first[4]; /* bytes that ever came */
	uint32_t n_first;

	bool known; /* `peer` is filled */
	struct ferry_grant peer;
	struct ferry_error refusal; /* why we did not accept it; code 0: we did */
};

/* Whether the owner of a key may connect, and what it may do. -EACCES. @verify: X509_V_... */
int ferry_tls_authorize(const struct ferry_tls_context *c, const struct ferry_fingerprint *key,
			struct ferry_grant *grant, int *verify, struct ferry_error *err);
/* The same by a certificate, whose common name is the name of one that no line names. */
int ferry_tls_authorize_certificate(const struct ferry_tls_context *c, X509 *certificate,
				    struct ferry_grant *grant, int *verify,
				    struct ferry_error *err);

/* The session to offer to a host; NULL: none. */
SSL_SESSION *ferry_tls_saved_session(struct ferry_tls_context *c, const char *host);

/* Says why OpenSSL's last call failed, and empties its queue. */
int ferry_tls_reason(struct ferry_tls *t, struct ferry_error *err);

#endif
