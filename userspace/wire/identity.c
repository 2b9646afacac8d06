// SPDX-License-Identifier: MIT
#include "wire/identity.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/guarded_file.h"
#include "wire/identity_private.h"

enum {
	MAX_PEM = 64 << 10,
	MAX_CHAIN = 8,
};

int ferry_fail_openssl(struct ferry_error *err, enum ferry_error_kind kind, int code,
		       const char *fmt, ...)
{
	unsigned long last = ERR_peek_last_error();
	const char *reason = last ? ERR_reason_error_string(last) : NULL;
	char text[FERRY_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return ferry_fail(err, kind, code, "%s%s%s", text, reason ? ": " : "",
			  reason ? reason : "");
}

int ferry_keys_path(const char *directory, const char *file, char path[FERRY_KEYS_PATH],
		    struct ferry_error *err)
{
	int n = snprintf(path, FERRY_KEYS_PATH, "%s/%s", directory, file);

	if (n > 0 && n < FERRY_KEYS_PATH)
		return 0;
	return ferry_fail(err, FERRY_ERROR_CALLER, -ENAMETOOLONG,
			  "the path of the key directory is too long");
}

int ferry_certificate_fingerprint(const X509 *certificate, struct ferry_fingerprint *f,
				  struct ferry_error *err)
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	unsigned n_digest = sizeof(f->bytes);
	int ok;

	if (n <= 0)
		return ferry_fail_openssl(err, FERRY_ERROR_PEER, -EINVAL,
					  "a certificate without a key");
	ok = EVP_Digest(der, (size_t)n, f->bytes, &n_digest, EVP_sha256(), NULL);
	OPENSSL_free(der);
	return ok ? 0
		  : ferry_fail_openssl(err, FERRY_ERROR_SYSTEM, -ENOMEM, "cannot compute SHA-256");
}

/* Others look at the key alone, so the rest is as constant as X.509 allows. */
static X509 *wrap(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = x ? X509_get_subject_name(x) : NULL;

	if (x && X509_set_version(x, X509_VERSION_3) &&
	    ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
	    ASN1_TIME_set_string(X509_getm_notBefore(x), "20000101000000Z") &&
	    ASN1_TIME_set_string(X509_getm_notAfter(x), "99991231235959Z") &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"ferry", -1, -1,
				       0) &&
	    X509_set_issuer_name(x, name) && X509_set_pubkey(x, key) && X509_sign(x, key, NULL) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* An encrypted key must not make OpenSSL ask the terminal. */
static int no_password(char *buffer, int size, int writing, void *data)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)data;
	return -1;
}

static int read_key(const char *path, EVP_PKEY **key, struct ferry_error *err)
{
	size_t n;
	char *text;
	BIO *bio;
	int ret = ferry_guarded_read(path, FERRY_GUARD_SECRET, MAX_PEM, &text, &n, NULL, err);

	if (ret)
		return ret;
	bio = BIO_new_mem_buf(text, (int)n);
	*key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	BIO_free(bio);
	OPENSSL_cleanse(text, n);
	free(text);
	if (*key)
		return 0;
	return ferry_fail_openssl(err, FERRY_ERROR_FILE, -EBADMSG,
				  "%s holds no private key in PEM form without a password", path);
}

static int complete(struct ferry_identity *id, struct ferry_error *err)
{
	return ferry_certificate_fingerprint(id->certificate, &id->fingerprint, err);
}

int ferry_identity_load(const char *directory, struct ferry_identity **out, struct ferry_error *err)
{
	struct ferry_identity *id = calloc(1, sizeof(*id));
	char path[FERRY_KEYS_PATH];
	int ret;

	*out = NULL;
	if (!id)
		return ferry_fail_memory(err, "a key", sizeof(*id));
	ret = ferry_keys_path(directory, "key.pem", path, err);
	if (!ret)
		ret = read_key(path, &id->key, err);
	if (!ret && !EVP_PKEY_is_a(id->key, "ED25519"))
		ret = ferry_fail(err, FERRY_ERROR_FILE, -EINVAL,
				 "%s is no Ed25519 key: 'ferry keys new' makes one; others go with "
				 "a CA's certificate (--ca, --cert, --key)",
				 path);
	if (!ret) {
		id->certificate = wrap(id->key);
		ret = id->certificate ? complete(id, err)
				      : ferry_fail_openssl(err, FERRY_ERROR_MEMORY, -ENOMEM,
							   "cannot make a certificate of %s", path);
	}
	if (ret) {
		ferry_identity_free(id);
		return ret;
	}
	*out = id;
	return 0;
}

static int read_chain(const char *path, struct ferry_identity *id, struct ferry_error *err)
{
	size_t n;
	char *text;
	BIO *bio;
	int ret = ferry_guarded_read(path, FERRY_GUARD_PUBLIC, MAX_PEM, &text, &n, NULL, err);

	if (ret)
		return ret;
	bio = BIO_new_mem_buf(text, (int)n);
	id->certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	id->chain = sk_X509_new_null();
	if (!id->certificate || !id->chain)
		ret = ferry_fail_openssl(err, FERRY_ERROR_FILE, -EBADMSG,
					 "%s holds no certificate in PEM form", path);
	while (!ret && sk_X509_num(id->chain) < MAX_CHAIN) {
		X509 *above = PEM_read_bio_X509(bio, NULL, no_password, NULL);

		if (!above)
			break;
		if (!sk_X509_push(id->chain, above)) {
			X509_free(above);
			ret = ferry_fail_memory(err, path, n);
		}
	}
	ERR_clear_error();
	BIO_free(bio);
	free(text);
	return ret;
}

int ferry_identity_load_certificate(const char *certificate, const char *key,
				    struct ferry_identity **out, struct ferry_error *err)
{
	struct ferry_identity *id = calloc(1, sizeof(*id));
	int ret;

	*out = NULL;
	if (!id)
		return ferry_fail_memory(err, "a certificate", sizeof(*id));
	ret = read_chain(certificate, id, err);
	if (!ret)
		ret = read_key(key, &id->key, err);
	if (!ret && X509_check_private_key(id->certificate, id->key) != 1)
		ret = ferry_fail_openssl(err, FERRY_ERROR_FILE, -EINVAL, "%s is not the key of %s",
					 key, certificate);
	if (!ret)
		ret = complete(id, err);
	if (ret) {
		ferry_identity_free(id);
		return ret;
	}
	*out = id;
	return 0;
}

void ferry_identity_free(struct ferry_identity *id)
{
	if (!id)
		return;
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
	sk_X509_pop_free(id->chain, X509_free);
	free(id);
}

const struct ferry_fingerprint *ferry_identity_fingerprint(const struct ferry_identity *id)
{
	return &id->fingerprint;
}

int ferry_identity_create(const char *directory, struct ferry_error *err)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_secmem());
	char path[FERRY_KEYS_PATH];
	char *text = NULL;
	int lock = -1, ret;
	long n;

	ret = ferry_keys_path(directory, "key.pem", path, err);
	if (ret)
		goto out;
	if (!key || !bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
		ret = ferry_fail_openssl(err, FERRY_ERROR_SYSTEM, -EIO, "cannot make a key");
		goto out;
	}
	n = BIO_get_mem_data(bio, &text);
	lock = ret = ferry_guarded_lock(directory, err);
	if (ret < 0)
		goto out;
	ret = ferry_guarded_write(path, text, (size_t)n, false, err);
out:
	if (lock >= 0)
		close(lock);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return ret < 0 ? ret : 0;
}
