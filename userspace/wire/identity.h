/* SPDX-License-Identifier: MIT */
/*
 * Who this node is: a private key and a certificate that carries its public half. Without a CA the
 * key is Ed25519 and the certificate is made of it on the spot: others pin the key, so the
 * certificate says nothing, is never stored and never runs out.
 */
#ifndef FERRY_WIRE_IDENTITY_H
#define FERRY_WIRE_IDENTITY_H

#include "ferry/error.h"
#include "wire/fingerprint.h"

struct ferry_identity;

enum { FERRY_KEYS_PATH = 4096 };

/* DIRECTORY/key.pem and DIRECTORY/trust; -ENAMETOOLONG. */
int ferry_keys_path(const char *directory, const char *file, char path[FERRY_KEYS_PATH],
		    struct ferry_error *err);

/*
 * A new Ed25519 key as DIRECTORY/key.pem (PKCS #8, mode 0600); makes the directory. -EEXIST where
 * there is one: who has pinned it would not know this machine any more.
 */
int ferry_identity_create(const char *directory, struct ferry_error *err);

/* DIRECTORY/key.pem; -ENOENT where there is none, -EPERM where others may read it. */
int ferry_identity_load(const char *directory, struct ferry_identity **out,
			struct ferry_error *err);

/* A certificate of a CA, PEM, with its intermediates behind it, and its key. */
int ferry_identity_load_certificate(const char *certificate, const char *key,
				    struct ferry_identity **out, struct ferry_error *err);

void ferry_identity_free(struct ferry_identity *id);

const struct ferry_fingerprint *ferry_identity_fingerprint(const struct ferry_identity *id);

#endif
