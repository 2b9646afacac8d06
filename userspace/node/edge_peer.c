// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/activation.h"
#include "node/edge_private.h"

void ferry_edge_peer_sweep(struct ferry_edge *e)
{
	struct edge_peer **at = &e->peers, *p;

	while ((p = *at)) {
		if (p->link) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		ferry_edge_lease_detach(p);
		e->stats.n_connections--;
		e->stats.n_rejected += !p->established;
		free(p);
	}
}

/* Results come no faster than they are taken (edge.c); everything else comes as it is asked for. */
static int check_talk(struct edge_peer *p, const struct ferry_wire_message *m,
		      struct ferry_error *why)
{
	if (m->type == FERRY_MESSAGE_RESULT)
		return 0;
	if (!ferry_link_unsent(p->link))
		p->n_talk = 0;
	p->n_talk += FERRY_FRAME_HEADER + ferry_wire_message_bytes(m);
	if (p->n_talk <= EDGE_MAX_TALK)
		return 0;
	return ferry_fail(why, FERRY_ERROR_PEER, -ENOBUFS,
			  "%s asks without reading the answers; closing", ferry_link_name(p->link));
}

void ferry_edge_peer_send(struct edge_peer *p, const struct ferry_wire_message *m)
{
	struct ferry_error why;

	if (!p->link || (!check_talk(p, m, &why) && !ferry_link_send(p->link, m, &why)))
		return;
	ferry_log(p->edge->options.log, FERRY_LOG_WARNING, "%s", why.text);
	ferry_link_close(p->link);
	p->link = NULL;
}

static void send_error(struct edge_peer *p, uint32_t request, uint32_t session, uint16_t code,
		       bool fatal, const char *text)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_ERROR, .request = request};

	m.error = (struct ferry_wire_error){
		.code = code,
		.fatal = fatal,
		.session = session,
		.n_text = (uint16_t)strnlen(text, FERRY_WIRE_ERROR_TEXT),
		.text = (const uint8_t *)text,
	};
	ferry_log(p->edge->options.log, FERRY_LOG_WARNING, "%s: %s%s",
		  p->link ? ferry_link_name(p->link) : "a lost peer", text,
		  fatal ? "; closing" : "");
	ferry_edge_peer_send(p, &m);
}

void ferry_edge_peer_refuse(struct edge_peer *p, uint32_t request, uint32_t session, uint16_t code,
			    const char *fmt, ...)
{
	char text[FERRY_WIRE_ERROR_TEXT + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_error(p, request, session, code, false, text);
}

void ferry_edge_peer_expel(struct edge_peer *p, uint32_t request, uint16_t code, const char *fmt,
			   ...)
{
	char text[FERRY_WIRE_ERROR_TEXT + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_error(p, request, 0, code, true, text);
	p->left |= code == FERRY_CODE_PROTOCOL || code == FERRY_CODE_LIMIT;
	if (p->link)
		ferry_link_finish(p->link);
	p->link = NULL;
}

void ferry_edge_peer_close_all(struct ferry_edge *e)
{
	for (struct edge_peer *p = e->peers; p; p = p->next)
		if (p->link)
			ferry_edge_peer_expel(p, 0, FERRY_CODE_STOPPING, "this edge is stopping");
	ferry_edge_peer_sweep(e);
	ferry_edge_lease_drop_all(e);
}

static void reject_model(struct edge_peer *p, uint32_t request, const struct ferry_wire_hello *h)
{
	const struct ferry_model *m = p->edge->models[0]->model;

	ferry_edge_peer_expel(
		p, request, FERRY_CODE_MODEL,
		"this edge serves another model: %s (%02x%02x%02x%02x..., %u layers), "
		"not %02x%02x%02x%02x... of %u layers; both nodes need the same file",
		m->name, m->id[0], m->id[1], m->id[2], m->id[3], m->hp.n_layers, h->model[0],
		h->model[1], h->model[2], h->model[3], h->n_layers);
}

static uint8_t offered_parts(const struct edge_model *m)
{
	return (uint8_t)((m->begin == 0 ? FERRY_PART_EMBEDDING : 0) |
			 (m->end == m->model->hp.n_layers ? FERRY_PART_HEAD : 0));
}

static struct edge_model *find_model(const struct ferry_edge *e, const struct ferry_wire_hello *h)
{
	for (uint32_t i = 0; i < e->n_models; i++) {
		const struct ferry_model *m = e->models[i]->model;

		if (!memcmp(h->model, m->id, sizeof(h->model)) && h->n_layers == m->hp.n_layers &&
		    h->n_embd == m->hp.n_embd && h->n_vocab == m->hp.n_vocab)
			return e->models[i];
	}
	return NULL;
}

/* Whether this edge can do what is wanted; else the peer is gone. */
static bool check_hello(struct edge_peer *p, uint32_t request, const struct ferry_wire_hello *h)
{
	const struct edge_model *m = find_model(p->edge, h);
	const struct ferry_hparams *hp;
	uint64_t least;
	struct ferry_error why;

	if (!m) {
		reject_model(p, request, h);
		return false;
	}
	if (ferry_edge_auth_model(p, h->model, &why)) {
		ferry_edge_peer_expel(p, request, FERRY_CODE_AUTH, "%s", why.text);
		return false;
	}
	hp = &m->model->hp;
	least = 4ull * (hp->n_vocab > hp->n_embd ? hp->n_vocab : hp->n_embd) +
		FERRY_FRAME_MAX_GREETING;
	if (h->layer_begin < m->begin || h->layer_end > m->end || h->parts & ~offered_parts(m)) {
		ferry_edge_peer_expel(
			p, request, FERRY_CODE_RANGE,
			"this edge serves layers %u to %u of %u%s%s, not layers %u to "
			"%u%s%s",
			m->begin, m->end, hp->n_layers,
			offered_parts(m) & FERRY_PART_EMBEDDING ? ", embedding" : "",
			offered_parts(m) & FERRY_PART_HEAD ? ", head" : "", h->layer_begin,
			h->layer_end, h->parts & FERRY_PART_EMBEDDING ? ", embedding" : "",
			h->parts & FERRY_PART_HEAD ? ", head" : "");
		return false;
	}
	if (!(h->encodings & ferry_activation_encodings()) || h->max_frame < least) {
		ferry_edge_peer_expel(
			p, request, FERRY_CODE_LIMIT,
			"no encoding of hidden states in common, or frames of %u bytes "
			"where this model needs %llu",
			h->max_frame, (unsigned long long)least);
		return false;
	}
	return true;
}

static void welcome(struct edge_peer *p, uint32_t request, const struct ferry_wire_hello *h)
{
	const struct ferry_edge *e = p->edge;
	const struct ferry_edge_options *o = &e->options;
	struct edge_model *serves = find_model(e, h);
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WELCOME, .request = request};
	uint16_t version = h->version_max < FERRY_WIRE_VERSION_MAX ? h->version_max
								   : FERRY_WIRE_VERSION_MAX;
	uint32_t fit;

	p->established = true;
	p->encodings = h->encodings & ferry_activation_encodings();
	p->serves = serves;
	p->max_frame = h->max_frame < serves->max_frame ? h->max_frame : serves->max_frame;
	fit = (p->max_frame - FERRY_FRAME_MAX_GREETING) / (4 * serves->model->hp.n_embd);
	p->max_batch = serves->max_batch < fit ? serves->max_batch : fit;
	m.welcome = (struct ferry_wire_welcome){
		.version = version,
		.parts = offered_parts(serves),
		.encodings = p->encodings,
		.layer_begin = serves->begin,
		.layer_end = serves->end,
		.max_frame = p->max_frame,
		.max_context = serves->max_context,
		.max_batch = p->max_batch,
		.max_sessions = EDGE_MAX_PEER_SESSIONS,
		.window_works = EDGE_WINDOW_WORKS,
		.window_bytes = EDGE_WINDOW_FRAMES * p->max_frame,
		.idle_ms = o->times.idle_ms,
		.free_kv_bytes = ferry_edge_free_kv(e),
	};
	ferry_edge_auth_welcome(p, &m.welcome);
	ferry_edge_peer_send(p, &m);
	if (p->link)
		ferry_link_establish(p->link, version, p->max_frame);
	ferry_edge_auth_connected(p);
}

static void take_hello(struct edge_peer *p, const struct ferry_frame *frame)
{
	uint32_t request = frame->header.request;
	struct ferry_wire_hello h;
	struct ferry_error why;

	if (ferry_wire_hello_decode(frame->body, frame->header.n_body, true, &h, &why)) {
		ferry_edge_peer_expel(p, request, FERRY_CODE_PROTOCOL, "%s", why.text);
	} else if (h.version_max < FERRY_WIRE_VERSION_MIN ||
		   h.version_min > FERRY_WIRE_VERSION_MAX) {
		ferry_edge_peer_expel(p, request, FERRY_CODE_VERSION,
				      "this edge speaks version %u.%u of the protocol, the device "
				      "%u.%u to %u.%u; update the older of the two",
				      FERRY_WIRE_VERSION_MAX >> 8, FERRY_WIRE_VERSION_MAX & 0xff,
				      h.version_min >> 8, h.version_min & 0xff, h.version_max >> 8,
				      h.version_max & 0xff);
	} else if (ferry_wire_hello_decode(frame->body, frame->header.n_body, false, &h, &why)) {
		ferry_edge_peer_expel(p, request, FERRY_CODE_PROTOCOL, "%s", why.text);
	} else if (check_hello(p, request, &h)) {
		welcome(p, request, &h);
	}
}

static void take_ping(struct edge_peer *p, const struct ferry_wire_message *m)
{
	struct ferry_wire_message pong = {
		.type = FERRY_MESSAGE_PONG,
		.request = m->request,
		.pong = {.stamp = m->ping.stamp, .n_payload = m->ping.reply_bytes},
	};

	ferry_edge_peer_send(p, &pong);
}

static void take_profile(struct edge_peer *p, const struct ferry_wire_message *m)
{
	if (p->wants_profile) {
		ferry_edge_peer_refuse(p, m->request, 0, FERRY_CODE_LIMIT,
				       "a profile is being measured already");
		return;
	}
	p->wants_profile = true;
	p->profile_request = m->request;
	p->profile_tokens = m->profile.n_tokens;
}

static void take_load(struct edge_peer *p, const struct ferry_wire_message *m)
{
	const struct ferry_edge *e = p->edge;
	struct ferry_wire_message reply = {.type = FERRY_MESSAGE_LOADED, .request = m->request};

	reply.loaded = (struct ferry_wire_loaded){
		.n_sessions = e->stats.n_sessions,
		.n_leased = e->stats.n_leased,
		.queue_us = e->queue_us,
		.free_kv_bytes = ferry_edge_free_kv(e),
	};
	for (const struct edge_peer *q = e->peers; q; q = q->next)
		reply.loaded.n_waiting += q->n_works;
	ferry_edge_peer_send(p, &reply);
}

/* Not now: a WORK may be running, of the session that is asked for. */
static void take_attach(struct edge_peer *p, const struct ferry_wire_message *m)
{
	if (p->wants_attach) {
		ferry_edge_peer_refuse(p, m->request, m->attach.session, FERRY_CODE_LIMIT,
				       "a session is being attached already");
		return;
	}
	p->wants_attach = true;
	p->attach_request = m->request;
	p->attach = m->attach;
}

static void take_close(struct edge_peer *p, const struct ferry_wire_message *m)
{
	struct edge_session *s = ferry_edge_session_find(p, m->close.session);

	if (s)
		ferry_edge_session_close(s);
	else
		ferry_edge_peer_refuse(p, m->request, m->close.session, FERRY_CODE_SESSION,
				       "there is no session %u", m->close.session);
}

static void take_message(struct edge_peer *p, const struct ferry_frame *frame,
			 const struct ferry_wire_message *m)
{
	switch (m->type) {
	case FERRY_MESSAGE_PING:
		take_ping(p, m);
		return;
	case FERRY_MESSAGE_PROFILE:
		take_profile(p, m);
		return;
	case FERRY_MESSAGE_LOAD:
		take_load(p, m);
		return;
	case FERRY_MESSAGE_OPEN:
		ferry_edge_session_open(p, m);
		return;
	case FERRY_MESSAGE_ATTACH:
		take_attach(p, m);
		return;
	case FERRY_MESSAGE_FORK:
		ferry_edge_session_queue(p, m->fork.session, frame);
		return;
	case FERRY_MESSAGE_CLOSE:
		take_close(p, m);
		return;
	case FERRY_MESSAGE_WORK:
		ferry_edge_session_queue(p, m->work.session, frame);
		return;
	case FERRY_MESSAGE_TRUNCATE:
		ferry_edge_session_queue(p, m->truncate.session, frame);
		return;
	case FERRY_MESSAGE_SAMPLING:
		ferry_edge_session_queue(p, m->sampling.session, frame);
		return;
	case FERRY_MESSAGE_CANCEL:
		ferry_edge_session_cancel(p, &m->cancel);
		return;
	case FERRY_MESSAGE_BYE:
		ferry_log(p->edge->options.log, FERRY_LOG_DEBUG, "%s: left",
			  ferry_link_name(p->link));
		ferry_link_close(p->link);
		p->link = NULL;
		p->left = true;
		return;
	case FERRY_MESSAGE_ERROR:
		ferry_log(p->edge->options.log, FERRY_LOG_WARNING, "%s says: %.*s",
			  ferry_link_name(p->link), (int)m->error.n_text,
			  (const char *)m->error.text);
		return;
	default: /* PONG, which nobody asked for */
		return;
	}
}

static void frame_came(void *data, struct ferry_link *link, const struct ferry_frame *frame)
{
	struct edge_peer *p = data;
	struct ferry_wire_message m;
	struct ferry_error why;

	(void)link;
	if (!p->established) {
		take_hello(p, frame);
		return;
	}
	if (ferry_wire_message_decode(frame->header.type, frame->header.request, frame->body,
				      frame->header.n_body, &m, &why))
		ferry_edge_peer_expel(p, frame->header.request, FERRY_CODE_PROTOCOL, "%s",
				      why.text);
	else
		take_message(p, frame, &m);
}

static void failed(void *data, struct ferry_link *link, const struct ferry_error *why)
{
	struct edge_peer *p = data;

	if (why->code == -EPROTO) {
		ferry_edge_peer_expel(p, 0, FERRY_CODE_PROTOCOL, "%s", why->text);
	} else if (why->code == -ETIMEDOUT) {
		ferry_edge_peer_expel(p, 0, FERRY_CODE_DEADLINE, "%s", why->text);
	} else if (why->code == -EACCES) {
		ferry_edge_auth_refused(p->edge, link, why);
		ferry_link_finish(link);
		p->link = NULL;
	} else {
		ferry_log(p->edge->options.log,
			  why->code == -EPIPE ? FERRY_LOG_DEBUG : FERRY_LOG_WARNING, "%s",
			  why->text);
		ferry_link_close(link);
		p->link = NULL;
	}
}

static const struct ferry_link_handler handler = {NULL, frame_came, failed};

void ferry_edge_peer_accept(void *edge, struct ferry_link *link)
{
	struct ferry_edge *e = edge;
	struct edge_peer *p = calloc(1, sizeof(*p));

	if (!p) {
		ferry_link_close(link);
		return;
	}
	p->edge = e;
	p->link = link;
	p->next = e->peers;
	e->peers = p;
	e->stats.n_connections++;
	e->stats.n_accepted++;
	ferry_link_handle(link, &handler, p);
	if (e->draining)
		ferry_edge_peer_expel(p, 0, FERRY_CODE_STOPPING, "this edge is stopping");
	else if (e->stats.n_connections > e->options.max_connections)
		ferry_edge_peer_expel(p, 0, FERRY_CODE_LIMIT,
				      "this edge has %u connections already",
				      e->options.max_connections);
	else
		ferry_link_set_class(link, FERRY_TRAFFIC_DECODE);
}
