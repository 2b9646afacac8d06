// SPDX-License-Identifier: MIT
/* One end of an encrypted connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/tls_private.h"

/* A certificate of a CA must be made out to the host, be that a name or an address. */
static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	uint8_t address[16];

	if (inet_pton(AF_INET, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, address, 4);
	if (inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, address, 16);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host, 0) && SSL_set_tlsext_host_name(ssl, host);
}

static bool set_up(struct ferry_tls *t, const char *host)
{
	struct ferry_tls_context *c = t->context;
	SSL_SESSION *session;
	BIO *bio;

	t->ssl = SSL_new(c->ssl);
	bio = t->ssl ? BIO_new(c->bio) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	if (c->role == FERRY_ROLE_EDGE) {
		SSL_set_accept_state(t->ssl);
		return true;
	}
	SSL_set_connect_state(t->ssl);
	if (host) {
		strncpy(t->host, host, sizeof(t->host) - 1);
		session = ferry_tls_saved_session(c, host);
		if (session && !SSL_set_session(t->ssl, session))
			return false;
	}
	return !c->has_ca || (host && expect_host(t->ssl, host));
}

int ferry_tls_new(struct ferry_tls_context *c, const char *host, struct ferry_tls **out,
		  struct ferry_error *err)
{
	struct ferry_tls *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (!t)
		return ferry_fail_memory(err, "an encrypted connection", sizeof(*t));
	t->context = c;
	c->n_holders++;
	ERR_clear_error();
	if (!set_up(t, host)) {
		ferry_tls_free(t);
		return ferry_fail_openssl(err, FERRY_ERROR_MEMORY, -ENOMEM,
					  "cannot set up an encrypted connection");
	}
	*out = t;
	return 0;
}

void ferry_tls_free(struct ferry_tls *t)
{
	if (!t)
		return;
	/* OpenSSL forgets the session of a connection that was cut: that is when it is wanted. */
	if (t->ssl && t->state != TLS_FAILED)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	ferry_tls_context_free(t->context);
	free(t->out);
	free(t);
}

static void begin_record(struct ferry_tls *t)
{
	t->n_left = t->n_record = (uint32_t)t->header[3] << 8 | t->header[4];
	t->n_header = t->n_left ? t->n_header : 0;
	t->n_idle++;
}

/* Follows the records' own framing: whether one has begun is a question of deadlines. */
static void follow(struct ferry_tls *t, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n && t->n_first < sizeof(t->first); i++)
		t->first[t->n_first++] = data[i];
	while (n) {
		size_t take = t->n_left < n ? t->n_left : n;

		if (t->n_header < TLS_RECORD_HEADER) {
			t->header[t->n_header++] = *data++;
			n--;
			if (t->n_header == TLS_RECORD_HEADER)
				begin_record(t);
			continue;
		}
		t->n_left -= (uint32_t)take;
		data += take;
		n -= take;
		if (!t->n_left)
			t->n_header = 0;
	}
}

void ferry_tls_input(struct ferry_tls *t, const uint8_t *data, size_t n)
{
	follow(t, data, n);
	t->in = data;
	t->n_in = n;
	t->brought = false;
}

bool ferry_tls_in_record(const struct ferry_tls *t, uint32_t *n)
{
	*n = t->n_header == TLS_RECORD_HEADER ? t->n_record : 0;
	return t->n_header;
}

static int fail(struct ferry_tls *t, struct ferry_error *err)
{
	int ret = ferry_tls_reason(t, err);

	t->state = TLS_FAILED;
	t->n_in = 0;
	return ret;
}

/*
 * Both sides have proved their keys; a resumed one has not been looked at by verify(). Where ours
 * refuses here, there is no alert to say so: that tickets and saved sessions are looked at before
 * they are used makes it rare.
 */
static int meet(struct ferry_tls *t, struct ferry_error *err)
{
	X509 *certificate = SSL_get0_peer_certificate(t->ssl);
	int why;

	if (!certificate)
		ferry_fail(&t->refusal, FERRY_ERROR_PEER, -EACCES, "it shows no key");
	else
		ferry_tls_authorize_certificate(t->context, certificate, &t->peer, &why,
						&t->refusal);
	if (t->refusal.code)
		return fail(t, err);
	t->n_idle = 0;
	t->known = true;
	t->state = TLS_OPEN;
	return 0;
}

static int shake_hands(struct ferry_tls *t, struct ferry_error *err)
{
	int ret = SSL_do_handshake(t->ssl);

	if (ret == 1)
		return meet(t, err);
	if (SSL_get_error(t->ssl, ret) == SSL_ERROR_WANT_READ && !t->out_failed)
		return 0;
	return fail(t, err);
}

/* Empty records, key updates and tickets are lawful, one by one, and OpenSSL counts few of them. */
static int look_for_flood(struct ferry_tls *t, struct ferry_error *err)
{
	if (t->brought)
		t->n_idle = 0;
	if (t->n_idle <= TLS_IDLE_RECORDS)
		return 0;
	t->flooded = true;
	return fail(t, err);
}

int ferry_tls_read(struct ferry_tls *t, uint8_t *plain, size_t size, size_t *n,
		   struct ferry_error *err)
{
	int ret;

	*n = 0;
	if (t->state == TLS_FAILED)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "the encryption has failed");
	ERR_clear_error();
	if (t->state == TLS_HANDSHAKE) {
		ret = shake_hands(t, err);
		if (ret || t->state == TLS_HANDSHAKE)
			return ret;
	}
	if (t->state == TLS_ENDED) {
		t->n_in = 0; /* nothing that comes behind the end counts */
		return 0;
	}
	ret = SSL_read_ex(t->ssl, plain, size, n);
	if (t->out_failed)
		return fail(t, err);
	if (ret == 1) {
		t->brought = true;
		return 1;
	}
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return look_for_flood(t, err);
	case SSL_ERROR_ZERO_RETURN:
		t->state = TLS_ENDED;
		t->n_in = 0;
		return 0;
	default:
		return fail(t, err);
	}
}

bool ferry_tls_is_open(const struct ferry_tls *t)
{
	return t->state == TLS_OPEN;
}

bool ferry_tls_has_ended(const struct ferry_tls *t)
{
	return t->state == TLS_ENDED;
}

bool ferry_tls_peer_is_plain(const struct ferry_tls *t)
{
	return t->n_first == sizeof(t->first) && !memcmp(t->first, "FRRY", 4);
}

bool ferry_tls_was_resumed(const struct ferry_tls *t)
{
	return SSL_session_reused(t->ssl);
}

const char *ferry_tls_cipher(const struct ferry_tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

int ferry_tls_send(struct ferry_tls *t, const uint8_t *plain, size_t n, struct ferry_error *err)
{
	size_t sent;

	if (t->state != TLS_OPEN && t->state != TLS_ENDED)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOTCONN,
				  "the connection is not encrypted");
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, plain, n, &sent) == 1 && sent == n && !t->out_failed)
		return 0;
	return fail(t, err);
}

void ferry_tls_end(struct ferry_tls *t)
{
	if (t->state != TLS_OPEN && t->state != TLS_ENDED)
		return;
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

struct ferry_outgoing *ferry_tls_output(struct ferry_tls *t)
{
	struct ferry_outgoing *out = t->out;

	t->out = NULL;
	t->out_size = 0;
	return out;
}

const struct ferry_grant *ferry_tls_peer(const struct ferry_tls *t)
{
	return t->known ? &t->peer : NULL;
}

int ferry_tls_check_peer(struct ferry_tls *t, struct ferry_error *err)
{
	struct ferry_grant grant;
	int ret, why;

	if (!t->known)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOTCONN, "nobody is known yet");
	ret = ferry_tls_authorize(t->context, &t->peer.key, &grant, &why, err);
	if (ret)
		return ret;
	if (!grant.name[0])
		memcpy(grant.name, t->peer.name, sizeof(grant.name));
	t->peer = grant;
	return 0;
}
