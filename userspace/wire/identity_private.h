/* SPDX-License-Identifier: MIT */
/* What identity.c and tls_context.c share. */
#ifndef FERRY_WIRE_IDENTITY_PRIVATE_H
#define FERRY_WIRE_IDENTITY_PRIVATE_H

#include <openssl/x509.h>

#include "wire/identity.h"

struct ferry_identity {
	EVP_PKEY *key;
	X509 *certificate;
	STACK_OF(X509) * chain; /* above it; NULL: none */
	struct ferry_fingerprint fingerprint;
};

/* Of the key that a certificate carries. */
int ferry_certificate_fingerprint(const X509 *certificate, struct ferry_fingerprint *f,
				  struct ferry_error *err);

/* Fails with OpenSSL's last reason behind the sentence, and empties its queue. */
int ferry_fail_openssl(struct ferry_error *err, enum ferry_error_kind kind, int code,
		       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
