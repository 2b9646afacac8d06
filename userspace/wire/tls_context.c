// SPDX-License-Identifier: MIT
/* Keys, trust, and what of TLS is allowed. */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "base/error.h"
#include "base/printable.h"
#include "wire/tls_private.h"

enum {
	MAX_CHAIN_BYTES = 32 << 10, /* of certificates that a stranger may make us read */
	SESSION_SECONDS = 2 * 3600,
};

bool ferry_tls_is_wanted(const struct ferry_tls_files *f)
{
	return f->keys || f->ca || f->certificate || f->key;
}

/* Without its instructions AES is several times slower than ChaCha20, and leaks by its timing. */
static bool cpu_has_aes(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return getauxval(AT_HWCAP) & 1 << 3; /* HWCAP_AES */
#else
	return false;
#endif
}

int ferry_tls_authorize(const struct ferry_tls_context *c, const struct ferry_fingerprint *key,
			struct ferry_grant *grant, int *verify, struct ferry_error *err)
{
	const struct ferry_grant *g = ferry_trust_find(&c->trust, key);
	uint8_t role = c->role == FERRY_ROLE_EDGE ? FERRY_TRUST_DEVICE : FERRY_TRUST_EDGE;
	const char *as = role == FERRY_TRUST_DEVICE ? "device" : "edge";
	char text[FERRY_FINGERPRINT_TEXT];

	ferry_fingerprint_text(key, text);
	/* Who holds our own key is us: a device and an edge of one machine. */
	if (!g && !c->has_ca && ferry_fingerprint_equal(key, &c->identity->fingerprint)) {
		*grant = (struct ferry_grant){.key = *key, .name = "this-machine", .roles = role};
		return 0;
	}
	if (!g && c->has_ca) {
		*grant = (struct ferry_grant){.key = *key, .roles = role};
		return 0;
	}
	if (!g) {
		*verify = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "its key %s is not trusted; if it is the right one: ferry keys "
				  "trust --role %s %s",
				  text, as, text);
	}
	if (g->revoked[0]) {
		*verify = X509_V_ERR_CERT_REVOKED;
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES, "the key of %s was revoked on %s",
				  g->name, g->revoked);
	}
	if (g->expires[0] && ferry_trust_date_over(g->expires, time(NULL))) {
		*verify = X509_V_ERR_CERT_HAS_EXPIRED;
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "the key of %s was trusted until %s only", g->name, g->expires);
	}
	if (!(g->roles & role)) {
		*verify = X509_V_ERR_INVALID_PURPOSE;
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "the key of %s is not trusted as that of a %s", g->name, as);
	}
	*grant = *g;
	return 0;
}

static void name_by_certificate(X509 *certificate, struct ferry_grant *g)
{
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
					  g->name, sizeof(g->name));

	if (n <= 0)
		snprintf(g->name, sizeof(g->name), "(no name)");
	ferry_make_printable(g->name);
}

int ferry_tls_authorize_certificate(const struct ferry_tls_context *c, X509 *certificate,
				    struct ferry_grant *grant, int *verify, struct ferry_error *err)
{
	struct ferry_fingerprint key;
	EVP_PKEY *public_key = X509_get0_pubkey(certificate);
	int ret = ferry_certificate_fingerprint(certificate, &key, err);

	*verify = X509_V_ERR_UNSPECIFIED;
	if (!ret && !c->has_ca && (!public_key || !EVP_PKEY_is_a(public_key, "ED25519"))) {
		*verify = X509_V_ERR_INVALID_PURPOSE;
		ret = ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				 "it shows a key that is not of type Ed25519; this node goes by "
				 "pinned keys, not by a CA");
	}
	/* What is resumed was checked when it was new: its end may have come since. */
	if (!ret && c->has_ca && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
		*verify = X509_V_ERR_CERT_HAS_EXPIRED;
		ret = ferry_fail(err, FERRY_ERROR_PEER, -EACCES, "its certificate has expired");
	}
	if (!ret)
		ret = ferry_tls_authorize(c, &key, grant, verify, err);
	if (!ret && !grant->name[0])
		name_by_certificate(certificate, grant);
	return ret;
}

/* Called by OpenSSL in place of its own check: without a CA, the key alone counts. */
static int verify(X509_STORE_CTX *store, void *context)
{
	struct ferry_tls_context *c = context;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct ferry_tls *t = SSL_get_app_data(ssl);
	struct ferry_grant grant;
	int why = X509_V_OK;

	if (c->has_ca && X509_verify_cert(store) != 1) {
		ferry_fail(&t->refusal, FERRY_ERROR_PEER, -EACCES,
			   "its certificate is not accepted: %s",
			   X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
		return 0;
	}
	if (ferry_tls_authorize_certificate(c, X509_STORE_CTX_get0_cert(store), &grant, &why,
					    &t->refusal)) {
		X509_STORE_CTX_set_error(store, why);
		return 0;
	}
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

/* Whether the key that a session was made with would still be let in. */
static bool session_holds(const struct ferry_tls_context *c, SSL_SESSION *session)
{
	X509 *certificate = SSL_SESSION_get0_peer(session);
	struct ferry_grant grant;
	int why;

	return certificate && !ferry_tls_authorize_certificate(c, certificate, &grant, &why, NULL);
}

/* A ticket of somebody who has been revoked counts as none: the full handshake says why. */
static SSL_TICKET_RETURN take_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				     size_t n_name, SSL_TICKET_STATUS status, void *context)
{
	(void)ssl;
	(void)name;
	(void)n_name;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return session_holds(context, session) ? SSL_TICKET_RETURN_USE_RENEW
					       : SSL_TICKET_RETURN_IGNORE;
}

static int give_ticket(SSL *ssl, void *context)
{
	(void)ssl;
	(void)context;
	return 1;
}

static struct tls_saved *saved_of(struct ferry_tls_context *c, const char *host)
{
	for (unsigned i = 0; i < TLS_SESSIONS; i++)
		if (c->saved[i].session && !strcmp(c->saved[i].host, host))
			return &c->saved[i];
	return NULL;
}

/* A device got a ticket. Returns 1 where the session is kept. */
static int save_session(SSL *ssl, SSL_SESSION *session)
{
	struct ferry_tls *t = SSL_get_app_data(ssl);
	struct ferry_tls_context *c = t->context;
	struct tls_saved *s;

	if (!t->host[0] || !t->known)
		return 0;
	s = saved_of(c, t->host);
	if (!s) {
		s = &c->saved[c->next_saved];
		c->next_saved = (c->next_saved + 1) % TLS_SESSIONS;
	}
	SSL_SESSION_free(s->session);
	s->session = session;
	memcpy(s->host, t->host, sizeof(s->host));
	return 1;
}

SSL_SESSION *ferry_tls_saved_session(struct ferry_tls_context *c, const char *host)
{
	struct tls_saved *s = saved_of(c, host);

	if (!s)
		return NULL;
	if (SSL_SESSION_is_resumable(s->session) && session_holds(c, s->session))
		return s->session;
	SSL_SESSION_free(s->session);
	s->session = NULL;
	return NULL;
}

static bool set_protocol(struct ferry_tls_context *c)
{
	static const uint8_t session_id_context[] = "ferry";
	const char *ciphers = cpu_has_aes() ? "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
					    : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

	/* The edge decides, but a device that puts ChaCha20 first has no AES instructions. */
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					    SSL_OP_CIPHER_SERVER_PREFERENCE |
					    SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_max_cert_list(c->ssl, MAX_CHAIN_BYTES);
	SSL_CTX_set_timeout(c->ssl, SESSION_SECONDS);
	return SSL_CTX_set_min_proto_version(c->ssl, TLS1_3_VERSION) &&
	       SSL_CTX_set_max_proto_version(c->ssl, TLS1_3_VERSION) &&
	       SSL_CTX_set_ciphersuites(c->ssl, ciphers) &&
	       SSL_CTX_set1_groups_list(c->ssl, "X25519:P-256") &&
	       SSL_CTX_set_max_early_data(c->ssl, 0) &&
	       SSL_CTX_set_recv_max_early_data(c->ssl, 0) && SSL_CTX_set_num_tickets(c->ssl, 1) &&
	       SSL_CTX_set_session_id_context(c->ssl, session_id_context,
					      sizeof(session_id_context));
}

static bool set_sessions(struct ferry_tls_context *c)
{
	if (c->role == FERRY_ROLE_EDGE) {
		SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
		return SSL_CTX_set_session_ticket_cb(c->ssl, give_ticket, take_ticket, c);
	}
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ssl, save_session);
	return true;
}

static bool set_identity(struct ferry_tls_context *c)
{
	const struct ferry_identity *id = c->identity;

	SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(c->ssl, verify, c);
	return SSL_CTX_use_certificate(c->ssl, id->certificate) &&
	       SSL_CTX_use_PrivateKey(c->ssl, id->key) &&
	       (!id->chain || SSL_CTX_set1_chain(c->ssl, id->chain));
}

/* OpenSSL asks for bytes: those of the input, then "later". */
static int bio_read(BIO *bio, char *to, size_t size, size_t *n)
{
	struct ferry_tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*n = size < t->n_in ? size : t->n_in;
	if (!*n) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(to, t->in, *n);
	t->in += *n;
	t->n_in -= *n;
	return 1;
}

static int bio_write(BIO *bio, const char *from, size_t n, size_t *written)
{
	struct ferry_tls *t = BIO_get_data(bio);
	size_t have = t->out ? t->out->n : 0, size = t->out_size ? t->out_size : 2048;
	struct ferry_outgoing *more;

	BIO_clear_retry_flags(bio);
	while (size < have + n)
		size *= 2;
	if (!t->out || size > t->out_size) {
		more = realloc(t->out, sizeof(*more) + size);
		if (!more) {
			t->out_failed = true;
			return 0;
		}
		if (!t->out)
			*more = (struct ferry_outgoing){0};
		t->out = more;
		t->out_size = size;
	}
	memcpy(t->out->bytes + have, from, n);
	t->out->n = have + n;
	*written = n;
	return 1;
}

static long bio_control(BIO *bio, int what, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return what == BIO_CTRL_FLUSH;
}

static bool set_bio(struct ferry_tls_context *c)
{
	c->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ferry link");
	return c->bio && BIO_meth_set_read_ex(c->bio, bio_read) &&
	       BIO_meth_set_write_ex(c->bio, bio_write) && BIO_meth_set_ctrl(c->bio, bio_control);
}

static int set_up(struct ferry_tls_context *c, const char *ca, struct ferry_error *err)
{
	ERR_clear_error();
	c->ssl =
		SSL_CTX_new(c->role == FERRY_ROLE_EDGE ? TLS_server_method() : TLS_client_method());
	if (!c->ssl || !set_protocol(c) || !set_sessions(c) || !set_bio(c))
		return ferry_fail_openssl(err, FERRY_ERROR_SYSTEM, -ENOTSUP,
					  "OpenSSL does not offer what a link needs");
	if (!set_identity(c))
		return ferry_fail_openssl(err, FERRY_ERROR_FILE, -EINVAL,
					  "OpenSSL does not take this node's key");
	if (ca && !SSL_CTX_load_verify_file(c->ssl, ca))
		return ferry_fail_openssl(err, FERRY_ERROR_FILE, -EBADMSG,
					  "cannot read the CA's certificates from %s", ca);
	return 0;
}

int ferry_tls_context_new(const struct ferry_tls_files *f, enum ferry_role role,
			  struct ferry_tls_context **out, struct ferry_error *err)
{
	struct ferry_tls_context *c;
	int ret = 0;

	*out = NULL;
	if (!ferry_tls_is_wanted(f) || !f->ca != !f->certificate || !f->ca != !f->key)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a CA, a certificate and its key (--ca, --cert, --key) go "
				  "together");
	c = calloc(1, sizeof(*c));
	if (!c)
		return ferry_fail_memory(err, "a TLS context", sizeof(*c));
	c->n_holders = 1;
	c->role = role;
	c->has_ca = f->ca;
	if (f->keys) {
		c->keys = strdup(f->keys);
		ret = c->keys ? ferry_trust_load(c->keys, &c->trust, err)
			      : ferry_fail_memory(err, f->keys, strlen(f->keys));
	}
	if (!ret)
		ret = c->has_ca ? ferry_identity_load_certificate(f->certificate, f->key,
								  &c->identity, err)
				: ferry_identity_load(f->keys, &c->identity, err);
	if (!ret)
		ret = set_up(c, f->ca, err);
	if (ret) {
		ferry_tls_context_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void ferry_tls_context_free(struct ferry_tls_context *c)
{
	if (!c || --c->n_holders)
		return;
	for (unsigned i = 0; i < TLS_SESSIONS; i++)
		SSL_SESSION_free(c->saved[i].session);
	SSL_CTX_free(c->ssl);
	BIO_meth_free(c->bio);
	ferry_identity_free(c->identity);
	ferry_trust_release(&c->trust);
	free(c->keys);
	free(c);
}

const struct ferry_fingerprint *ferry_tls_context_key(const struct ferry_tls_context *c)
{
	return ferry_identity_fingerprint(c->identity);
}

static bool same(const struct ferry_file_stamp *a, const struct ferry_file_stamp *b)
{
	return !memcmp(a, b, sizeof(*a));
}

int ferry_tls_context_refresh(struct ferry_tls_context *c, struct ferry_error *err)
{
	char path[FERRY_KEYS_PATH];
	struct ferry_file_stamp now;
	struct ferry_trust t;
	int ret;

	if (!c->keys || ferry_keys_path(c->keys, "trust", path, NULL))
		return 0;
	now = ferry_file_stamp(path);
	if (same(&now, &c->trust.stamp) || same(&now, &c->refused))
		return 0;
	ret = ferry_trust_load(c->keys, &t, err);
	if (ret) {
		c->refused = now;
		ferry_fail_within(err, "whom to trust stays as it was");
		return ret;
	}
	ferry_trust_release(&c->trust);
	c->trust = t;
	c->refused = (struct ferry_file_stamp){0};
	return 1;
}
