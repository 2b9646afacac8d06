// SPDX-License-Identifier: MIT
/* Why TLS failed, as a sentence that a user can act on. It goes behind the name of the peer. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <string.h>

#include "base/error.h"
#include "wire/tls_private.h"

/* RFC 8446, 6.2: what the other side says about us. */
static int by_alert(const struct ferry_tls *t, int alert, struct ferry_error *err)
{
	const char *as = t->context->role == FERRY_ROLE_DEVICE ? "device" : "edge";
	char key[FERRY_FINGERPRINT_TEXT];

	ferry_fingerprint_text(ferry_tls_context_key(t->context), key);
	switch (alert) {
	case SSL_AD_UNKNOWN_CA:
		if (t->context->has_ca)
			return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
					  "it does not know the CA of this node's certificate");
		return ferry_fail(
			err, FERRY_ERROR_PEER, -EACCES,
			"it does not trust this node's key; let its owner run: ferry keys "
			"trust --role %s %s",
			as, key);
	case SSL_AD_CERTIFICATE_EXPIRED:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "its trust in this node's key (%s) has expired", key);
	case SSL_AD_CERTIFICATE_REVOKED:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "it has revoked its trust in this node's key (%s)", key);
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "it does not take this node's key (%s) as that of a %s", key, as);
	case SSL_AD_BAD_CERTIFICATE:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "it does not accept this node's certificate");
	case SSL_AD_PROTOCOL_VERSION:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "it does not speak TLS 1.3; nothing older is secure enough");
	default:
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "it ended the encryption: %s",
				  SSL_alert_desc_string_long(alert));
	}
}

static int by_reason(int reason, struct ferry_error *err)
{
	const char *text;

	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES, "it shows no key");
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_WRONG_SSL_VERSION:
		return ferry_fail(err, FERRY_ERROR_PEER, -EACCES,
				  "it offers no TLS 1.3; nothing older is secure enough");
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "what it sends is not TLS");
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "a record was changed on its way, or repeated, or is missing");
	case ERR_R_MALLOC_FAILURE:
		return ferry_fail_memory(err, "an encrypted connection", FERRY_TLS_RECORD);
	default:
		text = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "what it sends breaks TLS: %s",
				  text ? text : "for a reason without a name");
	}
}

int ferry_tls_reason(struct ferry_tls *t, struct ferry_error *err)
{
	unsigned long first = ERR_peek_error();
	int reason = ERR_GET_REASON(first);

	ERR_clear_error();
	if (t->out_failed)
		return ferry_fail_memory(err, "an encrypted connection", t->out_size);
	if (t->flooded)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "it sends records without end that bring nothing");
	if (t->refusal.code) {
		if (err)
			*err = t->refusal;
		return t->refusal.code;
	}
	if (t->state == TLS_HANDSHAKE && ferry_tls_peer_is_plain(t))
		return ferry_fail(
			err, FERRY_ERROR_PEER, -EACCES,
			"it does not encrypt: its keys are missing ('ferry keys new'), or "
			"it was started with --insecure");
	if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
		return by_alert(t, reason - SSL_AD_REASON_OFFSET, err);
	return by_reason(reason, err);
}
