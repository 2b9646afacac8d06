// SPDX-License-Identifier: MIT
/* Sessions whose connection was lost: kept for a while, found again by their token, and the first
 * to go where memory is short. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/edge_private.h"

void ferry_edge_lease_new(struct edge_session *s)
{
	const struct ferry_edge *e = s->peer->edge;

	s->has_lease = e->options.lease_ms != FERRY_EDGE_NO_LEASE &&
		       getrandom(s->lease, sizeof(s->lease), 0) == sizeof(s->lease);
	if (!s->has_lease)
		memset(s->lease, 0, sizeof(s->lease));
}

uint32_t ferry_edge_lease_ms(const struct ferry_edge *e, const struct edge_session *s)
{
	return s->has_lease ? e->options.lease_ms : 0;
}

/* Takes a session out of the list of those that are kept. */
static void unlink_leased(struct ferry_edge *e, struct edge_session *s)
{
	struct edge_session **at = &e->leased;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	e->stats.n_leased--;
	e->stats.leased_bytes -= s->kv_bytes;
}

static void drop(struct ferry_edge *e, struct edge_session *s, const char *why)
{
	ferry_log(e->options.log, FERRY_LOG_DEBUG, "a lost session of %u positions ends: %s",
		  s->n_past, why);
	unlink_leased(e, s);
	e->stats.kv_bytes -= s->kv_bytes;
	ferry_edge_session_free(s);
}

void ferry_edge_lease_drop_all(struct ferry_edge *e)
{
	while (e->leased)
		drop(e, e->leased, "this edge is stopping");
}

static void detach(struct edge_session *s)
{
	struct ferry_edge *e = s->peer->edge;
	struct edge_session **end = &e->leased;

	while (s->items)
		free(ferry_edge_session_pop(s));
	ferry_edge_session_unlink(s);
	s->peer = NULL;
	s->next = NULL;
	s->expires_us = ferry_now_us() + 1000ull * e->options.lease_ms;
	while (*end)
		end = &(*end)->next;
	*end = s;
	e->stats.n_leased++;
	e->stats.leased_bytes += s->kv_bytes;
	if (e->stats.n_leased > e->options.max_sessions)
		drop(e, e->leased, "there are too many");
}

void ferry_edge_lease_detach(struct edge_peer *p)
{
	struct edge_session *s = p->edge->sessions, *next;

	for (; s; s = next) {
		next = s->next;
		if (s->peer != p)
			continue;
		/* One without history is as well opened again. */
		if (s->has_lease && !s->closing && !p->left && s->n_past)
			detach(s);
		else
			ferry_edge_session_close(s);
	}
}

uint64_t ferry_edge_lease_expire(struct ferry_edge *e, uint64_t now_us)
{
	while (e->leased && e->leased->expires_us <= now_us)
		drop(e, e->leased, "its lease is over");
	return e->leased ? e->leased->expires_us : UINT64_MAX;
}

void ferry_edge_lease_make_room(struct ferry_edge *e, uint64_t bytes)
{
	while (e->leased && bytes > e->options.kv_budget_bytes - e->stats.kv_bytes)
		drop(e, e->leased, "its memory is needed");
}

/* In the same time whatever is in it: it is all that protects a session from other devices. */
static bool same_lease(const uint8_t a[FERRY_WIRE_LEASE], const uint8_t b[FERRY_WIRE_LEASE])
{
	unsigned differs = 0;

	for (int i = 0; i < FERRY_WIRE_LEASE; i++)
		differs |= (unsigned)a[i] ^ b[i];
	return !differs;
}

static struct edge_session *find(struct edge_session *s, const uint8_t lease[FERRY_WIRE_LEASE])
{
	while (s && !(s->has_lease && !s->closing && same_lease(s->lease, lease)))
		s = s->next;
	return s;
}

/* A device that lost its link knows it before this edge does: its old connection may look well. */
static struct edge_session *take_over(struct edge_peer *p, const uint8_t lease[FERRY_WIRE_LEASE])
{
	struct edge_session *s = find(p->edge->sessions, lease);
	struct edge_peer *old = s ? s->peer : NULL;

	if (!s || old == p)
		return NULL;
	detach(s);
	if (old->link)
		ferry_edge_peer_expel(old, 0, FERRY_CODE_SESSION,
				      "the device took its session to another connection");
	return find(p->edge->leased, lease);
}

static bool agrees(const struct edge_session *s, const struct ferry_wire_attach *a)
{
	return a->position < s->n_past || (a->position == s->n_past && a->prefix == s->prefix);
}

static void attach(struct edge_peer *p, uint32_t request, const struct ferry_wire_attach *a)
{
	struct ferry_wire_message reply = {.type = FERRY_MESSAGE_ATTACHED, .request = request};
	struct ferry_edge *e = p->edge;
	struct edge_session *s;

	if (ferry_edge_session_find(p, a->session)) {
		ferry_edge_peer_refuse(p, request, a->session, FERRY_CODE_SESSION,
				       "session %u is open already", a->session);
		return;
	}
	if (e->draining) {
		ferry_edge_peer_refuse(p, request, a->session, FERRY_CODE_STOPPING,
				       "this edge is stopping");
		return;
	}
	if (p->n_sessions >= EDGE_MAX_PEER_SESSIONS ||
	    e->stats.n_sessions >= e->options.max_sessions) {
		ferry_edge_peer_refuse(p, request, a->session, FERRY_CODE_LIMIT,
				       "this edge has %u sessions already", e->stats.n_sessions);
		return;
	}
	s = find(e->leased, a->lease);
	if (!s)
		s = take_over(p, a->lease);
	if (!s || s->serves != p->serves || !ferry_edge_auth_owns(p, s)) {
		ferry_edge_peer_refuse(p, request, a->session, FERRY_CODE_SESSION,
				       "this edge keeps no session with this lease");
		return;
	}
	if (!agrees(s, a)) {
		ferry_edge_peer_refuse(p, request, a->session, FERRY_CODE_HISTORY,
				       "the lost session holds %u positions of another history",
				       s->n_past);
		drop(e, s, "its device has another history");
		return;
	}
	unlink_leased(e, s);
	s->peer = p;
	s->id = a->session;
	s->next = e->sessions;
	e->sessions = s;
	p->n_sessions++;
	e->stats.n_sessions++;
	reply.attached = (struct ferry_wire_attached){
		.session = s->id,
		.n_ctx = s->n_ctx,
		.position = s->n_past,
		.lease_ms = ferry_edge_lease_ms(e, s),
		.prefix = s->prefix,
	};
	ferry_log(e->options.log, FERRY_LOG_DEBUG, "%s: session %u is back, at position %u",
		  ferry_link_name(p->link), s->id, s->n_past);
	ferry_edge_peer_send(p, &reply);
}

void ferry_edge_lease_attach_all(struct ferry_edge *e)
{
	for (struct edge_peer *p = e->peers; p; p = p->next) {
		if (!p->wants_attach)
			continue;
		p->wants_attach = false;
		if (p->link)
			attach(p, p->attach_request, &p->attach);
	}
}
