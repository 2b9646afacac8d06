// SPDX-License-Identifier: MIT
/* The edges of a session: reaching one, losing it, finding it again. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/activation.h"
#include "node/session_private.h"

enum {
	FIRST_BACKOFF_MS = 50,
	MOST_BACKOFF_MS = 10000,
	DEFAULT_SILENCE_MS = 150,
	DEFAULT_DEADLINE_MS = 5000,
	FORGIVE_US =
		60000000, /* attached for so long: an edge is not known as a slow one any more */
	LOOK_US = 20000,  /* while there is nothing to do but wait */
};

int ferry_session_name_edges(struct ferry_node_session *s, struct ferry_error *err)
{
	uint32_t n = 1, silence = s->o.silence_ms ? s->o.silence_ms : DEFAULT_SILENCE_MS;
	char *at;

	if (!s->o.edge)
		return 0;
	for (const char *c = s->o.edge; *c; c++)
		n += *c == ',';
	s->addresses = strdup(s->o.edge);
	s->edges = calloc(n, sizeof(*s->edges));
	if (!s->addresses || !s->edges)
		return ferry_fail_memory(err, "the list of edges", n * sizeof(*s->edges));
	for (at = s->addresses; at; s->n_edges++) {
		char *comma = strchr(at, ',');

		if (comma)
			*comma = '\0';
		s->edges[s->n_edges] = (struct session_edge){.address = at, .silence_ms = silence};
		at = comma ? comma + 1 : NULL;
	}
	return 0;
}

struct ferry_wire_hello ferry_session_hello(const struct ferry_node_session *s,
					    const struct ferry_device_split *split)
{
	const struct ferry_model *m = s->model;
	struct ferry_wire_hello h = {
		.n_layers = m->hp.n_layers,
		.n_embd = m->hp.n_embd,
		.n_vocab = m->hp.n_vocab,
		.layer_begin = split ? split->begin : m->hp.n_layers,
		.layer_end = split ? split->end : m->hp.n_layers,
		.encodings = ferry_activation_encodings(),
		.max_frame = FERRY_FRAME_MAX,
	};

	memcpy(h.model, m->id, sizeof(h.model));
	if (!split)
		return h;
	if (!split->begin)
		h.parts |= FERRY_PART_EMBEDDING;
	if (split->end == m->hp.n_layers && !split->head_here)
		h.parts |= FERRY_PART_HEAD;
	return h;
}

struct ferry_uplink_options ferry_session_uplink_options(struct ferry_node_session *s,
							 uint32_t edge)
{
	return (struct ferry_uplink_options){
		.edge = s->edges[edge].address,
		.tls = s->tls,
		.insecure = s->o.insecure,
		.deadline_ms = s->o.deadline_ms,
		.cancel = &s->cancel,
		.wake_fd = s->wake_fd,
		.silence_ms = s->o.fallback == FERRY_NODE_FALLBACK_FAIL ? 0
									: s->edges[edge].silence_ms,
	};
}

int ferry_session_connect(struct ferry_node_session *s, const struct ferry_device_split *split,
			  struct ferry_uplink **out, struct ferry_error *err)
{
	struct ferry_wire_hello hello = ferry_session_hello(s, split);
	uint64_t us;
	int ret = 0;

	for (uint32_t i = 0; i < s->n_edges; i++) {
		struct ferry_uplink_options uo = ferry_session_uplink_options(s, i);

		ret = ferry_uplink_connect(&uo, &hello, out, err);
		if (!ret)
			ret = ferry_uplink_ping(*out, 0, 0, &us, err);
		if (!ret) {
			s->at_edge = i;
			return 0;
		}
		ferry_uplink_free(*out);
		*out = NULL;
		if (ret == -ECANCELED)
			return ret;
	}
	return ret;
}

bool ferry_session_is_away(const struct ferry_error *why)
{
	return why->kind == FERRY_ERROR_LINK ||
	       (why->kind == FERRY_ERROR_PEER &&
		(why->code == -EBUSY || why->code == -ENOMEM || why->code == -ESHUTDOWN));
}

const char *ferry_session_where(const struct ferry_node_session *s, char *text)
{
	const struct ferry_device_split *split = ferry_device_split(s->device);
	uint32_t n = s->model->hp.n_layers;

	if (ferry_device_state(s->device) != FERRY_DEVICE_SHARED)
		snprintf(text, FERRY_ERROR_TEXT, "all %u layers here", n);
	else
		snprintf(text, FERRY_ERROR_TEXT, "layers %u to %u of %u%s on %s", split->begin,
			 split->end, n, split->end == n && !split->head_here ? " and the head" : "",
			 s->edges[s->at_edge].address);
	return text;
}

/* What the history has to be fed up to: the last token waits for its successor to be asked for. */
static uint32_t to_feed(const struct ferry_node_session *s)
{
	return s->n_ids ? s->n_ids - 1 : 0;
}

static void activate(struct ferry_node_session *s)
{
	struct session_edge *e = &s->edges[s->at_edge];
	char where[FERRY_ERROR_TEXT];

	ferry_device_activate(s->device);
	e->backoff_ms = 0;
	s->n_moves++;
	ferry_log(s->o.log, FERRY_LOG_INFO, "position %u: %s", s->n_ids,
		  ferry_session_where(s, where));
}

int ferry_session_feed(struct ferry_node_session *s, struct ferry_error *err)
{
	int ret = ferry_device_feed(s->device, s->ids, to_feed(s), true, err);

	if (ret < 0)
		return ret;
	activate(s);
	return 0;
}

int ferry_session_enter(struct ferry_node_session *s, struct ferry_uplink *uplink,
			struct ferry_error *err)
{
	int ret = ferry_device_join(s->device, uplink, &s->plan, err);

	if (ret)
		return ret;
	ret = ferry_session_feed(s, err);
	if (ret)
		ferry_device_leave(s->device);
	return ret;
}

/* Not again for a while, longer each time. */
static void put_off(struct ferry_node_session *s, uint32_t edge, const struct ferry_error *why)
{
	struct session_edge *e = &s->edges[edge];

	e->backoff_ms = e->backoff_ms ? 2 * e->backoff_ms : FIRST_BACKOFF_MS;
	if (e->backoff_ms > MOST_BACKOFF_MS)
		e->backoff_ms = MOST_BACKOFF_MS;
	e->next_try_us = ferry_now_us() + 1000ull * e->backoff_ms;
	ferry_log(s->o.log, FERRY_LOG_DEBUG, "position %u: %s; the next try is in %u ms", s->n_ids,
		  why->text, e->backoff_ms);
}

/* An edge that was lost by silence may only have been slow: it is given more time, until it has
 * done well for long. */
static void judge_silence(struct ferry_node_session *s, struct session_edge *e,
			  const struct ferry_error *why)
{
	uint32_t most = s->o.deadline_ms ? s->o.deadline_ms : DEFAULT_DEADLINE_MS;
	uint32_t least = s->o.silence_ms ? s->o.silence_ms : DEFAULT_SILENCE_MS;
	uint64_t now = ferry_now_us();

	if (e->lost_us && now - e->lost_us > FORGIVE_US)
		e->silence_ms = least;
	e->lost_us = now;
	if (why->code != -ETIMEDOUT)
		return;
	e->silence_ms = 2 * e->silence_ms < most ? 2 * e->silence_ms : most;
}

void ferry_session_lose_edge(struct ferry_node_session *s, const struct ferry_error *why)
{
	bool shared = ferry_device_state(s->device) == FERRY_DEVICE_SHARED;
	uint32_t warm;

	ferry_device_leave(s->device);
	put_off(s, s->at_edge, why);
	if (!shared)
		return;
	/* It has the session: where only the connection broke it is tried at once, and first. */
	if (why->code != -ETIMEDOUT && s->edges[s->at_edge].backoff_ms == FIRST_BACKOFF_MS)
		s->edges[s->at_edge].next_try_us = 0;
	s->n_lost++;
	s->n_moves++;
	judge_silence(s, &s->edges[s->at_edge], why);
	warm = ferry_device_warm(s->device);
	if (s->o.fallback == FERRY_NODE_FALLBACK_LOCAL)
		ferry_log(s->o.log, FERRY_LOG_WARNING,
			  "position %u: %s; all %u layers here now, and %u positions to compute "
			  "again",
			  s->n_ids, why->text, s->model->hp.n_layers,
			  s->n_ids > warm ? s->n_ids - warm : 0);
	else
		ferry_log(s->o.log, FERRY_LOG_WARNING, "position %u: %s; waiting for an edge",
			  s->n_ids, why->text);
}

/* Which edge to try now: the one that may still have the session, else the first. */
static int next_edge(const struct ferry_node_session *s)
{
	uint64_t now = ferry_now_us();

	if (s->edges[s->at_edge].next_try_us <= now)
		return (int)s->at_edge;
	for (uint32_t i = 0; i < s->n_edges; i++)
		if (s->edges[i].next_try_us <= now)
			return (int)i;
	return -1;
}

static bool same_split(const struct ferry_device_split *a, const struct ferry_device_split *b)
{
	return a->begin == b->begin && a->end == b->end && a->head_here == b->head_here &&
	       a->encoding == b->encoding;
}

static void begin_coming(struct ferry_node_session *s)
{
	struct ferry_wire_hello hello = ferry_session_hello(s, s->wants_edge ? &s->plan : NULL);
	struct ferry_uplink_options uo;
	struct ferry_device_split split;
	struct ferry_wire_attach attach;
	struct ferry_error why;
	int edge = next_edge(s);

	if (edge < 0)
		return;
	s->coming_edge = (uint32_t)edge;
	uo = ferry_session_uplink_options(s, s->coming_edge);
	if (s->coming_edge == s->at_edge && ferry_device_lease(s->device, &attach, &split) &&
	    same_split(&split, &s->plan))
		uo.attach = &attach;
	if (ferry_uplink_begin(&uo, &hello, &s->coming, &why))
		put_off(s, s->coming_edge, &why);
}

static void count_attached(struct ferry_node_session *s, uint32_t edge)
{
	struct ferry_wire_attached attached;

	if (ferry_uplink_attached(s->coming, &attached, NULL))
		return;
	s->n_attached++;
	s->n_kept += attached.position;
	ferry_log(s->o.log, FERRY_LOG_INFO,
		  "position %u: %s still holds %u positions; %u are to be sent", s->n_ids,
		  s->edges[edge].address, attached.position,
		  s->n_ids > attached.position ? s->n_ids - attached.position : 0);
}

void ferry_session_begin_joining(struct ferry_node_session *s, struct ferry_uplink *uplink)
{
	struct ferry_error why;

	if (ferry_device_join(s->device, uplink, &s->plan, &why))
		put_off(s, s->at_edge, &why);
}

/* The connection in the background, a step further. */
static void advance_coming(struct ferry_node_session *s)
{
	struct ferry_uplink *uplink = s->coming;
	struct ferry_error why;
	int ret = ferry_uplink_poll(uplink, &why);

	if (!ret)
		return;
	if (ret > 0) {
		count_attached(s, s->coming_edge);
		if (s->at_edge != s->coming_edge)
			ferry_device_forget_lease(s->device);
		s->at_edge = s->coming_edge;
		s->coming = NULL;
		if (s->wants_edge) {
			ferry_session_begin_joining(s, uplink);
		} else {
			/* Only to see whether it is worth it. */
			s->spare = uplink;
			s->edges[s->at_edge].backoff_ms = 0;
		}
		return;
	}
	ferry_uplink_free(uplink);
	s->coming = NULL;
	put_off(s, s->coming_edge, &why);
}

void ferry_session_look_for_edge(struct ferry_node_session *s)
{
	struct ferry_error why;
	int ret;

	if ((!s->wants_edge && (!s->follow || s->spare)) ||
	    s->o.fallback == FERRY_NODE_FALLBACK_FAIL)
		return;
	switch (ferry_device_state(s->device)) {
	case FERRY_DEVICE_SHARED:
		return;
	case FERRY_DEVICE_JOINING:
		ret = ferry_device_feed(s->device, s->ids, ferry_device_n_past(s->device), false,
					&why);
		if (ret > 0)
			activate(s);
		else if (ret < 0)
			ferry_session_lose_edge(s, &why);
		return;
	case FERRY_DEVICE_ALONE:
		if (!s->coming)
			begin_coming(s);
		if (s->coming)
			advance_coming(s);
		return;
	}
}

/* Sleeps until something may have happened to the connection, or a try is due. */
static void pause_for_edge(struct ferry_node_session *s, uint64_t until_us)
{
	struct pollfd wake = {.fd = s->wake_fd, .events = POLLIN};
	uint64_t now = ferry_now_us(), at = now + LOOK_US;

	if (at > until_us)
		at = until_us;
	if (s->coming)
		ferry_uplink_pause(s->coming, at);
	else if (ferry_device_uplink(s->device))
		ferry_uplink_pause(ferry_device_uplink(s->device), at);
	else if (at > now)
		poll(&wake, 1, (int)((at - now) / 1000) + 1);
}

int ferry_session_wait_for_edge(struct ferry_node_session *s, uint64_t until_us,
				struct ferry_error *err)
{
	struct ferry_error why = *err;
	int ret;

	for (;;) {
		ret = ferry_session_check_cancel(s, err);
		if (ret)
			return ret;
		if (ferry_device_state(s->device) == FERRY_DEVICE_JOINING) {
			ret = ferry_device_feed(s->device, s->ids, to_feed(s), true, &why);
			if (ret > 0)
				activate(s);
			else if (ret != -ECANCELED)
				ferry_session_lose_edge(s, &why);
		} else {
			ferry_session_look_for_edge(s);
		}
		if (ferry_device_state(s->device) == FERRY_DEVICE_SHARED)
			return 0;
		if (ferry_now_us() >= until_us) {
			*err = why;
			return why.code;
		}
		pause_for_edge(s, until_us);
	}
}
