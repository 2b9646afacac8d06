// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/uplink_private.h"

enum { BEAT_AGE_US = 10000000 };

int ferry_uplink_errno(uint16_t code)
{
	static const int codes[] = {
		[FERRY_CODE_PROTOCOL] = -EPROTO,    [FERRY_CODE_VERSION] = -EPROTONOSUPPORT,
		[FERRY_CODE_MODEL] = -EINVAL,	    [FERRY_CODE_RANGE] = -ERANGE,
		[FERRY_CODE_LIMIT] = -EBUSY,	    [FERRY_CODE_MEMORY] = -ENOMEM,
		[FERRY_CODE_SESSION] = -ENOENT,	    [FERRY_CODE_HISTORY] = -ESTALE,
		[FERRY_CODE_INPUT] = -EINVAL,	    [FERRY_CODE_CANCELLED] = -ECANCELED,
		[FERRY_CODE_DEADLINE] = -ETIMEDOUT, [FERRY_CODE_STOPPING] = -ESHUTDOWN,
		[FERRY_CODE_COMPUTE] = -EBADMSG,    [FERRY_CODE_AUTH] = -EACCES,
	};
	int e = code < sizeof(codes) / sizeof(codes[0]) ? codes[code] : 0;

	return e ? e : -EPROTO;
}

int ferry_uplink_lost(const struct ferry_uplink *u, struct ferry_error *err)
{
	if (err)
		*err = u->lost;
	return u->lost.code;
}

/* The first reason counts: what follows from it would only confuse. */
static void lose(struct ferry_uplink *u, const struct ferry_error *why)
{
	if (u->link)
		ferry_link_close(u->link);
	u->link = NULL;
	if (!u->lost.code)
		u->lost = *why;
}

int ferry_uplink_lose(struct ferry_uplink *u, enum ferry_error_kind kind, int code,
		      struct ferry_error *err, const char *fmt, ...)
{
	struct ferry_error why;
	va_list ap;

	va_start(ap, fmt);
	ferry_vfail(&why, kind, code, fmt, ap);
	va_end(ap);
	lose(u, &why);
	return ferry_uplink_lost(u, err);
}

static void edge_error(const struct ferry_uplink *u, const struct ferry_wire_error *e,
		       struct ferry_error *out)
{
	const char *name = ferry_wire_code_name(e->code);

	ferry_fail(out, FERRY_ERROR_PEER, ferry_uplink_errno(e->code), "%s says %s: %.*s", u->name,
		   name ? name : "that something failed", (int)e->n_text, (const char *)e->text);
}

/* Frames behind the WELCOME may be here already, so the handshake ends with this one. */
static void take_welcome(struct ferry_uplink *u, const struct ferry_wire_welcome *w)
{
	const struct ferry_wire_hello *hello = &u->hello;
	const char *wrong = NULL;

	if (w->version < hello->version_min || w->version > hello->version_max)
		wrong = "chose a version that was not offered";
	else if (w->layer_end > hello->n_layers)
		wrong = "serves layers that the model does not have";
	else if (w->layer_begin > hello->layer_begin || w->layer_end < hello->layer_end ||
		 hello->parts & ~w->parts)
		wrong = "welcomes this device but does not serve what it asked for";
	else if (!(w->encodings & hello->encodings))
		wrong = "speaks no encoding of hidden states that this device does";
	else if (w->max_frame > hello->max_frame || w->max_frame < FERRY_FRAME_MAX_GREETING)
		wrong = "chose a frame size out of bounds";
	if (wrong) {
		ferry_uplink_lose(u, FERRY_ERROR_PEER, -EPROTO, NULL, "%s %s", u->name, wrong);
		return;
	}
	u->welcome = *w;
	ferry_uplink_learn_rtt(u, ferry_now_us() - u->greeting->asked_us);
	ferry_link_establish(u->link, w->version, w->max_frame);
}

static void carrier_news(void *data)
{
	struct ferry_uplink *u = data;

	if (u->link && ferry_carrier_is_down(u->carrier))
		ferry_uplink_lose(u, FERRY_ERROR_LINK, -ENETDOWN, NULL,
				  "lost %s: %s, which leads to it, has no carrier or address",
				  u->name, ferry_carrier_name(u->carrier));
}

static void opened(void *data, struct ferry_link *link)
{
	struct ferry_uplink *u = data;
	struct ferry_endpoint local;

	u->connected = true;
	if (ferry_link_local(link, &local))
		u->carrier = ferry_carrier_new(&local);
	if (u->carrier)
		ferry_loop_watch(u->loop, ferry_carrier_fd(u->carrier), carrier_news, u);
	ferry_uplink_greet(u);
}

static void failed(void *data, struct ferry_link *link, const struct ferry_error *why)
{
	struct ferry_uplink *u = data;
	struct ferry_error full = *why;

	(void)link;
	/* The link names the endpoint; here it is known what the peer is. */
	ferry_fail_within(&full, "lost %s", u->name);
	lose(u, u->connected ? &full : why);
}

/* Keeps the message with its bytes. */
static int keep(struct uplink_pending *p, const struct ferry_wire_message *m,
		const struct ferry_frame *frame)
{
	size_t n = frame->header.n_body;

	p->body = malloc(n ? n : 1);
	if (!p->body)
		return -ENOMEM;
	memcpy(p->body, frame->body, n);
	return ferry_wire_message_decode(m->type, m->request, p->body, n, &p->answer, NULL);
}

static void answer(struct ferry_uplink *u, struct uplink_pending *p,
		   const struct ferry_wire_message *m, const struct ferry_frame *frame)
{
	p->done = true;
	p->done_us = ferry_now_us();
	if (m->type == FERRY_MESSAGE_ERROR) {
		edge_error(u, &m->error, &p->error);
		p->code = p->error.code;
	} else if (!p->forgotten) {
		p->code = keep(p, m, frame);
		if (p->code)
			ferry_fail_memory(&p->error, "an answer of the edge", frame->header.n_body);
	}
}

static struct uplink_pending *find_work(struct ferry_uplink *u, uint32_t request)
{
	struct uplink_pending *p = u->works;

	while (p && (p->done || p->request != request))
		p = p->next;
	return p;
}

static bool answers_query(const struct uplink_pending *q, const struct ferry_wire_message *m)
{
	return q && !q->done && m->request == q->request &&
	       (m->type == FERRY_MESSAGE_ERROR || m->type == q->answer.type);
}

/* Whether a request that nobody waits for (any more) was made. */
static bool was_made(const struct ferry_uplink *u, uint32_t request)
{
	return request && (int32_t)(u->last_request - request) >= 0;
}

static void take_error(struct ferry_uplink *u, const struct ferry_wire_message *m)
{
	struct ferry_error why;

	edge_error(u, &m->error, &why);
	if (m->error.fatal || !m->request)
		lose(u, &why);
	/* Else it answers something that is told without waiting (TRUNCATE, SAMPLING): the edge
	 * will refuse the next WORK for the same reason, and that one has somebody waiting. */
}

/* Several heartbeats may be on their way. */
static bool is_beat(const struct ferry_uplink *u, uint64_t stamp)
{
	return stamp != u->probe_us && stamp <= u->ping_us && u->ping_us - stamp < BEAT_AGE_US;
}

static void frame_came(void *data, struct ferry_link *link, const struct ferry_frame *frame)
{
	struct ferry_uplink *u = data;
	struct ferry_wire_message m;
	struct ferry_error why;
	struct uplink_pending *work, *query;

	if (ferry_wire_message_decode(frame->header.type, frame->header.request, frame->body,
				      frame->header.n_body, &m, &why)) {
		ferry_fail_within(&why, "%s", u->name);
		lose(u, &why);
		return;
	}
	if (m.type == FERRY_MESSAGE_PING) {
		struct ferry_wire_message pong = {
			.type = FERRY_MESSAGE_PONG,
			.request = m.request,
			.pong = {.stamp = m.ping.stamp, .n_payload = m.ping.reply_bytes},
		};

		if (ferry_link_send(link, &pong, &why))
			lose(u, &why);
		return;
	}
	query = answers_query(u->greeting, &m) ? u->greeting : u->query;
	if (answers_query(query, &m)) {
		answer(u, query, &m, frame);
		if (m.type == FERRY_MESSAGE_ERROR && m.error.fatal)
			lose(u, &query->error);
		if (m.type == FERRY_MESSAGE_WELCOME)
			take_welcome(u, &m.welcome);
		return;
	}
	if (m.type == FERRY_MESSAGE_PONG && !m.request && is_beat(u, m.pong.stamp))
		ferry_uplink_learn_rtt(u, ferry_now_us() - m.pong.stamp);
	if (m.type == FERRY_MESSAGE_PONG && !m.request && m.pong.stamp == u->probe_us)
		ferry_uplink_learn_probe(u);
	work = m.request ? find_work(u, m.request) : NULL;
	if (work && m.type == FERRY_MESSAGE_RESULT && m.result.n_data > work->n_answer) {
		ferry_uplink_lose(u, FERRY_ERROR_PEER, -EPROTO, NULL,
				  "%s answers with %u bytes where %u were asked for", u->name,
				  m.result.n_data, work->n_answer);
		return;
	}
	if (work && (m.type == FERRY_MESSAGE_RESULT || m.type == FERRY_MESSAGE_ERROR)) {
		answer(u, work, &m, frame);
		if (m.type == FERRY_MESSAGE_ERROR && m.error.fatal)
			lose(u, &work->error);
		ferry_uplink_drop_forgotten(u);
		return;
	}
	if (m.type == FERRY_MESSAGE_ERROR)
		take_error(u, &m);
	else if (m.type == FERRY_MESSAGE_BYE)
		ferry_uplink_lose(u, FERRY_ERROR_LINK, -ESHUTDOWN, NULL, "%s is going away",
				  u->name);
	else if (m.type != FERRY_MESSAGE_PONG && !was_made(u, m.request))
		ferry_uplink_lose(u, FERRY_ERROR_PEER, -EPROTO, NULL,
				  "%s answers a request %u that was never made", u->name,
				  m.request);
}

const struct ferry_link_handler ferry_uplink_handler = {opened, frame_came, failed};
