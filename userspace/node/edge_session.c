// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/edge_private.h"

struct edge_session *ferry_edge_session_find(struct edge_peer *p, uint32_t id)
{
	struct edge_session *s = p->edge->sessions;

	while (s && (s->peer != p || s->id != id || s->closing))
		s = s->next;
	return s;
}

struct edge_item *ferry_edge_session_pop(struct edge_session *s)
{
	struct edge_item *item = s->items;
	struct edge_peer *p = s->peer;

	s->items = item->next;
	if (!s->items)
		s->items_tail = &s->items;
	p->n_items--;
	if (item->message.type == FERRY_MESSAGE_WORK) {
		p->n_works--;
		p->n_work_bytes -= item->n_body;
	}
	return item;
}

void ferry_edge_session_free(struct edge_session *s)
{
	ferry_kv_cache_free(s->kv);
	free(s->ids);
	free(s);
}

void ferry_edge_session_unlink(struct edge_session *s)
{
	struct edge_peer *p = s->peer;
	struct ferry_edge *e = p->edge;
	struct edge_session **at = &e->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	p->n_sessions--;
	e->stats.n_sessions--;
}

void ferry_edge_session_close(struct edge_session *s)
{
	struct ferry_edge *e = s->peer->edge;

	while (s->items)
		free(ferry_edge_session_pop(s));
	if (s->job) {
		s->closing = true;
		return;
	}
	ferry_edge_session_unlink(s);
	e->stats.kv_bytes -= s->kv_bytes;
	ferry_edge_session_free(s);
}

static struct ferry_sampling from_wire(const struct ferry_wire_sampling *w)
{
	return (struct ferry_sampling){
		.temperature = w->temperature,
		.top_k = w->top_k,
		.top_p = w->top_p,
		.min_p = w->min_p,
		.repeat_penalty = w->repeat_penalty,
		.repeat_window = w->repeat_window,
		.seed = w->seed,
	};
}

static struct ferry_wire_sampling to_wire(const struct ferry_sampling *s)
{
	return (struct ferry_wire_sampling){
		.temperature = s->temperature,
		.top_k = s->top_k,
		.top_p = s->top_p,
		.min_p = s->min_p,
		.repeat_penalty = s->repeat_penalty,
		.repeat_window = s->repeat_window,
		.seed = s->seed,
	};
}

/* 0, or the code of what is wrong, in @why. */
static uint16_t check_open(const struct edge_peer *p, const struct ferry_wire_open *o,
			   struct ferry_error *why)
{
	const struct ferry_edge *e = p->edge;
	const struct edge_model *m = p->serves;
	struct ferry_sampling sampling = from_wire(&o->sampling);
	uint64_t kv_bytes, free_bytes;

	if (e->draining) {
		ferry_fail(why, FERRY_ERROR_PEER, -ESHUTDOWN, "this edge is stopping");
		return FERRY_CODE_STOPPING;
	}
	if (p->n_sessions >= EDGE_MAX_PEER_SESSIONS ||
	    e->stats.n_sessions >= e->options.max_sessions) {
		ferry_fail(why, FERRY_ERROR_PEER, -EBUSY, "this edge has %u sessions already",
			   e->stats.n_sessions);
		return FERRY_CODE_LIMIT;
	}
	if (o->layer_begin < m->begin || o->layer_end > m->end ||
	    (o->head && m->end != m->model->hp.n_layers)) {
		ferry_fail(why, FERRY_ERROR_PEER, -ERANGE,
			   "this edge serves layers %u to %u, not %u to %u%s", m->begin, m->end,
			   o->layer_begin, o->layer_end, o->head ? " with the head" : "");
		return FERRY_CODE_RANGE;
	}
	if (!o->n_ctx || o->n_ctx > m->max_context) {
		ferry_fail(why, FERRY_ERROR_PEER, -EINVAL,
			   "a context of %u positions: this edge takes 1 to %u", o->n_ctx,
			   m->max_context);
		return FERRY_CODE_LIMIT;
	}
	if (!ferry_kv_type_name((enum ferry_kv_type)o->kv)) {
		ferry_fail(why, FERRY_ERROR_PEER, -EINVAL, "KV cache type %u is unknown", o->kv);
		return FERRY_CODE_INPUT;
	}
	if (e->options.kv_q8_only && o->kv != FERRY_KV_Q8) {
		ferry_fail(why, FERRY_ERROR_PEER, -EINVAL,
			   "this edge keeps KV caches of type q8 only, not %s: use --kv q8",
			   ferry_kv_type_name((enum ferry_kv_type)o->kv));
		return FERRY_CODE_INPUT;
	}
	if (ferry_sampling_check(&sampling, why))
		return FERRY_CODE_INPUT;
	if (o->layer_begin == o->layer_end)
		return 0;
	kv_bytes = ferry_kv_cache_bytes(m->model, o->layer_begin, o->layer_end, o->n_ctx,
					(enum ferry_kv_type)o->kv);
	/* Lost sessions give way, but not for one that does not fit anyway. */
	free_bytes = ferry_edge_free_kv(e);
	if (kv_bytes > free_bytes) {
		ferry_fail(why, FERRY_ERROR_PEER, -ENOMEM,
			   "a KV cache of %llu bytes: this edge has %llu left; ask for a shorter "
			   "context",
			   (unsigned long long)kv_bytes, (unsigned long long)free_bytes);
		return FERRY_CODE_MEMORY;
	}
	ferry_edge_lease_make_room(p->edge, kv_bytes);
	return 0;
}

static struct edge_session *new_session(struct edge_peer *p, const struct ferry_wire_open *o,
					struct ferry_error *why)
{
	struct edge_session *s = calloc(1, sizeof(*s));
	struct ferry_edge *e = p->edge;

	if (!s) {
		ferry_fail_memory(why, "a session", sizeof(*s));
		return NULL;
	}
	if (o->layer_begin < o->layer_end &&
	    ferry_kv_cache_new(p->serves->model, o->layer_begin, o->layer_end, o->n_ctx,
			       (enum ferry_kv_type)o->kv, &s->kv, why)) {
		free(s);
		return NULL;
	}
	s->peer = p;
	s->serves = p->serves;
	s->id = o->session;
	s->begin = o->layer_begin;
	s->end = o->layer_end;
	s->head = o->head;
	s->n_ctx = o->n_ctx;
	s->kv_bytes = s->kv ? s->kv->n_bytes : 0;
	s->sampling = from_wire(&o->sampling);
	s->items_tail = &s->items;
	ferry_edge_auth_opened(s);
	ferry_edge_lease_new(s);
	s->next = e->sessions;
	e->sessions = s;
	p->n_sessions++;
	e->stats.n_sessions++;
	e->stats.kv_bytes += s->kv_bytes;
	return s;
}

/* A session as @o asks for, and the word about it; NULL where it was refused. */
static struct edge_session *open_session(struct edge_peer *p, uint32_t request,
					 const struct ferry_wire_open *o)
{
	struct edge_session *s;
	struct ferry_error why;
	uint16_t code;

	if (ferry_edge_session_find(p, o->session)) {
		ferry_edge_peer_refuse(p, request, o->session, FERRY_CODE_SESSION,
				       "session %u is open already", o->session);
		return NULL;
	}
	code = check_open(p, o, &why);
	if (!code)
		code = ferry_edge_auth_open(p, o, &why);
	s = code ? NULL : new_session(p, o, &why);
	if (!s)
		ferry_edge_peer_refuse(p, request, o->session, code ? code : FERRY_CODE_MEMORY,
				       "%s", why.text);
	return s;
}

static void send_opened(struct edge_session *s, uint32_t request)
{
	struct ferry_wire_message reply = {.type = FERRY_MESSAGE_OPENED, .request = request};
	struct edge_peer *p = s->peer;

	reply.opened = (struct ferry_wire_opened){
		.session = s->id,
		.n_ctx = s->n_ctx,
		.kv_bytes = s->kv_bytes,
		.lease_ms = ferry_edge_lease_ms(p->edge, s),
	};
	memcpy(reply.opened.lease, s->lease, sizeof(s->lease));
	ferry_log(p->edge->options.log, FERRY_LOG_DEBUG,
		  "%s: session %u, layers %u to %u%s, %u positions, %llu KiB",
		  ferry_link_name(p->link), s->id, s->begin, s->end, s->head ? " and the head" : "",
		  s->n_ctx, (unsigned long long)(s->kv_bytes >> 10));
	ferry_edge_peer_send(p, &reply);
}

void ferry_edge_session_open(struct edge_peer *p, const struct ferry_wire_message *m)
{
	struct edge_session *s = open_session(p, m->request, &m->open);

	if (s)
		send_opened(s, m->request);
}

static bool window_allows(struct edge_peer *p, const struct ferry_frame *frame)
{
	const struct ferry_frame_header *h = &frame->header;

	if (p->n_items >= EDGE_MAX_ITEMS)
		goto beyond;
	if (h->type != FERRY_MESSAGE_WORK || !p->n_works)
		return true;
	if (p->n_works < EDGE_WINDOW_WORKS &&
	    p->n_work_bytes + (uint64_t)h->n_body <= EDGE_WINDOW_FRAMES * (uint64_t)p->max_frame)
		return true;
beyond:
	ferry_edge_peer_expel(p, h->request, FERRY_CODE_LIMIT,
			      "more is under way than the window allows: %u requests of %u bytes",
			      p->n_items, p->n_work_bytes);
	return false;
}

void ferry_edge_session_queue(struct edge_peer *p, uint32_t session,
			      const struct ferry_frame *frame)
{
	const struct ferry_frame_header *h = &frame->header;
	struct edge_session *s = ferry_edge_session_find(p, session);
	struct edge_item *item;

	if (!s) {
		ferry_edge_peer_refuse(p, h->request, session, FERRY_CODE_SESSION,
				       "there is no session %u", session);
		return;
	}
	if (!window_allows(p, frame))
		return;
	if (p->edge->draining && h->type == FERRY_MESSAGE_WORK) {
		ferry_edge_peer_refuse(p, h->request, session, FERRY_CODE_STOPPING,
				       "this edge is stopping");
		return;
	}
	item = malloc(sizeof(*item) + h->n_body);
	if (!item) {
		ferry_edge_peer_refuse(p, h->request, session, FERRY_CODE_MEMORY,
				       "out of memory for a request of %u bytes", h->n_body);
		return;
	}
	item->next = NULL;
	item->cancelled = false;
	item->arrived_us = ferry_now_us();
	item->n_body = h->n_body;
	memcpy(item->body, frame->body, h->n_body);
	/* It was decoded before, so this cannot fail: now it points into the copy. */
	ferry_wire_message_decode(h->type, h->request, item->body, h->n_body, &item->message, NULL);
	*s->items_tail = item;
	s->items_tail = &item->next;
	p->n_items++;
	if (h->type == FERRY_MESSAGE_WORK) {
		p->n_works++;
		p->n_work_bytes += h->n_body;
	}
}

static bool is_cancelled(const struct edge_item *item, const struct ferry_wire_cancel *c)
{
	return item->message.type == FERRY_MESSAGE_WORK &&
	       (!c->request || item->message.request == c->request);
}

void ferry_edge_session_cancel(struct edge_peer *p, const struct ferry_wire_cancel *c)
{
	struct edge_session *s = ferry_edge_session_find(p, c->session);

	if (!s) /* it may have gone while the CANCEL was on its way */
		return;
	if (s->job && is_cancelled(s->job->item, c))
		s->job->cancelled = true;
	for (struct edge_item *item = s->items; item; item = item->next)
		item->cancelled |= is_cancelled(item, c);
}

void ferry_edge_session_forget(struct edge_session *s, uint32_t begin, uint32_t end)
{
	if (s->ids)
		for (uint32_t i = begin; i < end; i++)
			s->ids[i] = -1;
	if (s->kv)
		ferry_kv_cache_truncate(s->kv, begin);
}

void ferry_edge_session_truncate(struct edge_session *s, const struct ferry_wire_message *m)
{
	const struct ferry_wire_truncate *t = &m->truncate;

	if (t->position > s->n_past) {
		ferry_edge_peer_refuse(s->peer, m->request, s->id, FERRY_CODE_HISTORY,
				       "cannot truncate to position %u: session %u is at %u",
				       t->position, s->id, s->n_past);
		return;
	}
	if (t->position == s->n_past && t->prefix != s->prefix) {
		ferry_edge_peer_refuse(s->peer, m->request, s->id, FERRY_CODE_HISTORY,
				       "another history led to position %u of session %u",
				       s->n_past, s->id);
		return;
	}
	ferry_edge_session_forget(s, t->position, s->n_past);
	s->n_past = t->position;
	s->prefix = t->prefix;
}

void ferry_edge_session_fork(struct edge_session *s, const struct ferry_wire_message *m)
{
	const struct ferry_wire_fork *f = &m->fork;
	struct ferry_wire_open o = {
		.session = f->child,
		.layer_begin = s->begin,
		.layer_end = s->end,
		.n_ctx = s->n_ctx,
		.head = s->head,
		.kv = s->kv ? (uint8_t)s->kv->type : 0,
		.sampling = to_wire(&s->sampling),
	};
	struct edge_session *child;

	if (f->position > s->n_past || (f->position == s->n_past && f->prefix != s->prefix)) {
		ferry_edge_peer_refuse(s->peer, m->request, s->id, FERRY_CODE_HISTORY,
				       "cannot fork session %u at position %u: it holds %u, of "
				       "another history",
				       s->id, f->position, s->n_past);
		return;
	}
	child = open_session(s->peer, m->request, &o);
	if (!child)
		return;
	if (s->ids && ferry_edge_session_note_ids(child, 0, NULL, f->position)) {
		ferry_edge_peer_refuse(s->peer, m->request, f->child, FERRY_CODE_MEMORY,
				       "out of memory for token ids");
		ferry_edge_session_close(child);
		return;
	}
	if (s->ids)
		memcpy(child->ids, s->ids, f->position * sizeof(*s->ids));
	if (s->kv)
		ferry_kv_cache_copy(child->kv, s->kv, f->position);
	child->n_past = f->position;
	child->prefix = f->prefix;
	send_opened(child, m->request);
}

void ferry_edge_session_set_sampling(struct edge_session *s, const struct ferry_wire_message *m)
{
	struct ferry_sampling sampling = from_wire(&m->sampling.sampling);
	struct ferry_error why;

	if (ferry_sampling_check(&sampling, &why))
		ferry_edge_peer_refuse(s->peer, m->request, s->id, FERRY_CODE_INPUT, "%s",
				       why.text);
	else
		s->sampling = sampling;
}

int ferry_edge_session_note_ids(struct edge_session *s, uint32_t first, const uint8_t *ids,
				uint32_t n)
{
	if (!n)
		return 0;
	if (!s->ids) {
		s->ids = malloc((size_t)s->n_ctx * sizeof(*s->ids));
		if (!s->ids)
			return -ENOMEM;
		memset(s->ids, 0xff, (size_t)s->n_ctx * sizeof(*s->ids)); /* all -1 */
	}
	for (uint32_t i = 0; ids && i < n; i++)
		s->ids[first + i] = (int32_t)ferry_load_le32(ids + 4 * (size_t)i);
	return 0;
}
