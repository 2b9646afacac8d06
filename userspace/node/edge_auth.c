// SPDX-License-Identifier: MIT
/*
 * What a key may do on this edge. Limits are the key's, not the connection's: two devices with one
 * key share them.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/edge_private.h"

enum {
	LOOK_US = 1000000,   /* at most so often at the trust file */
	AGAIN_US = 60000000, /* what is refused for the same reason is said once in this time */
};

/* NULL: not encrypted, so nobody in particular, and there are no limits but the edge's own. */
static const struct ferry_grant *grant_of(const struct edge_peer *p)
{
	return p->link ? ferry_link_peer(p->link) : NULL;
}

int ferry_edge_auth_model(const struct edge_peer *p, const uint8_t id[FERRY_WIRE_MODEL_ID],
			  struct ferry_error *why)
{
	const struct ferry_grant *g = grant_of(p);

	if (!g || ferry_grant_has_model(g, id))
		return 0;
	return ferry_fail(why, FERRY_ERROR_PEER, -EACCES,
			  "the key of %s may not use this model (%02x%02x%02x%02x...)", g->name,
			  id[0], id[1], id[2], id[3]);
}

struct usage {
	uint32_t n_sessions;
	uint64_t kv_bytes;
};

static struct usage usage_of(const struct ferry_edge *e, const struct ferry_fingerprint *key)
{
	struct usage u = {0};

	for (const struct edge_session *s = e->sessions; s; s = s->next) {
		if (!s->has_key || !ferry_fingerprint_equal(&s->key, key))
			continue;
		u.n_sessions++;
		u.kv_bytes += s->kv_bytes;
	}
	return u;
}

uint16_t ferry_edge_auth_open(const struct edge_peer *p, const struct ferry_wire_open *o,
			      struct ferry_error *why)
{
	const struct ferry_grant *g = grant_of(p);
	struct usage u;
	uint64_t kv_bytes;

	if (!g)
		return 0;
	u = usage_of(p->edge, &g->key);
	if (g->max_sessions && u.n_sessions >= g->max_sessions) {
		ferry_fail(why, FERRY_ERROR_PEER, -EBUSY,
			   "the key of %s may have %u sessions, and has them", g->name,
			   g->max_sessions);
		return FERRY_CODE_LIMIT;
	}
	if (!g->kv_bytes || o->layer_begin >= o->layer_end)
		return 0;
	kv_bytes = ferry_kv_cache_bytes(p->serves->model, o->layer_begin, o->layer_end, o->n_ctx,
					(enum ferry_kv_type)o->kv);
	if (u.kv_bytes <= g->kv_bytes && kv_bytes <= g->kv_bytes - u.kv_bytes)
		return 0;
	ferry_fail(why, FERRY_ERROR_PEER, -ENOMEM,
		   "a KV cache of %llu bytes: the key of %s may have %llu and uses %llu; ask for a "
		   "shorter context",
		   (unsigned long long)kv_bytes, g->name, (unsigned long long)g->kv_bytes,
		   (unsigned long long)u.kv_bytes);
	return FERRY_CODE_MEMORY;
}

bool ferry_edge_auth_owns(const struct edge_peer *p, const struct edge_session *s)
{
	const struct ferry_grant *g = grant_of(p);

	return s->has_key == !!g && (!g || ferry_fingerprint_equal(&s->key, &g->key));
}

void ferry_edge_auth_opened(struct edge_session *s)
{
	const struct ferry_grant *g = grant_of(s->peer);

	s->has_key = g;
	if (g)
		s->key = g->key;
}

void ferry_edge_auth_welcome(const struct edge_peer *p, struct ferry_wire_welcome *w)
{
	const struct ferry_grant *g = grant_of(p);
	uint64_t used, left;

	if (!g)
		return;
	if (g->max_sessions && g->max_sessions < w->max_sessions)
		w->max_sessions = g->max_sessions;
	if (!g->kv_bytes)
		return;
	used = usage_of(p->edge, &g->key).kv_bytes;
	left = used < g->kv_bytes ? g->kv_bytes - used : 0;
	if (left < w->free_kv_bytes)
		w->free_kv_bytes = left;
}

void ferry_edge_auth_connected(const struct edge_peer *p)
{
	const struct ferry_grant *g = grant_of(p);

	if (p->link)
		ferry_log(p->edge->options.log, FERRY_LOG_DEBUG, "%s: connected%s%s",
			  ferry_link_name(p->link), g ? ", with the key of " : "",
			  g ? g->name : "");
}

void ferry_edge_auth_listening(const struct ferry_edge *e)
{
	char text[FERRY_FINGERPRINT_TEXT];

	if (!e->tls)
		return;
	ferry_fingerprint_text(ferry_tls_context_key(e->tls), text);
	ferry_log(e->options.log, FERRY_LOG_INFO, "links are encrypted; the key of this edge is %s",
		  text);
}

void ferry_edge_auth_sweep(struct ferry_edge *e)
{
	uint64_t now = ferry_now_us();
	struct ferry_error why;
	int ret;

	if (!e->tls || now - e->auth.looked_us < LOOK_US)
		return;
	e->auth.looked_us = now;
	ret = ferry_tls_context_refresh(e->tls, &why);
	if (ret < 0)
		ferry_log(e->options.log, FERRY_LOG_ERROR, "%s", why.text);
	else if (ret)
		ferry_log(e->options.log, FERRY_LOG_INFO, "the trust file has changed");
	/* Even where it has not: days end. */
	for (struct edge_peer *p = e->peers; p; p = p->next)
		if (grant_of(p) && ferry_link_check_peer(p->link, &why))
			ferry_edge_peer_expel(p, 0, FERRY_CODE_AUTH, "%s", why.text);
}

/* Of the peer's host and the reason: the port is another one each time. */
static uint64_t hash_refusal(const char *name, const char *reason)
{
	const char *end = strrchr(name, ':');
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (const char *c = name; c != end && *c; c++)
		h = (h ^ (uint8_t)*c) * 1099511628211u;
	for (const char *c = reason; *c; c++)
		h = (h ^ (uint8_t)*c) * 1099511628211u;
	return h;
}

void ferry_edge_auth_refused(struct ferry_edge *e, const struct ferry_link *link,
			     const struct ferry_error *why)
{
	const char *name = ferry_link_name(link);
	size_t n_name = strlen(name);
	const char *reason = strncmp(why->text, name, n_name) ? why->text : why->text + n_name;
	uint64_t now = ferry_now_us(), hash = hash_refusal(name, reason);
	struct edge_refusal *oldest = &e->auth.refusals[0];

	for (unsigned i = 0; i < EDGE_REFUSALS; i++) {
		struct edge_refusal *r = &e->auth.refusals[i];

		if (r->said_us && r->hash == hash && now - r->said_us < AGAIN_US)
			return;
		if (r->said_us < oldest->said_us)
			oldest = r;
	}
	/* A stranger with a new key each time fills the table, and is heard no more until the
	 * first of its entries is old. */
	if (oldest->said_us && now - oldest->said_us < AGAIN_US)
		return;
	*oldest = (struct edge_refusal){hash, now};
	ferry_log(e->options.log, FERRY_LOG_WARNING, "refused %s", why->text);
}
