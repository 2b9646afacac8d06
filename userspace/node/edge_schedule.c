// SPDX-License-Identifier: MIT
/*
 * Whose turn it is.
 *
 * Decode steps: everybody who has one takes part in the next pass. Where not all fit, sessions take
 * turns. Prompts: a chunk of one session at a time, by start-time fair queueing over connections
 * (Goyal, Vin, Cheng 1996): a connection's next chunk begins, in virtual time, where its last one
 * ended, or now if it had none; the earliest beginning is next. So a connection with many sessions
 * gets no more than one with a single one, and within a connection sessions take turns.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "node/edge_private.h"

/* Whether it has something to do and its device takes what was done before: over a link that is
 * slower than this edge, the work waits instead of its results. */
static bool is_ready(const struct edge_session *s)
{
	const struct ferry_link *link = s->peer->link;

	return s->items && !s->job && link && ferry_link_unsent(link) <= EDGE_SEND_AHEAD;
}

bool ferry_edge_has_work(const struct ferry_edge *e)
{
	for (const struct edge_session *s = e->sessions; s; s = s->next)
		if (is_ready(s))
			return true;
	return false;
}

static bool needs_no_pass(const struct edge_item *item)
{
	return item->cancelled || item->message.type != FERRY_MESSAGE_WORK;
}

static void serve_quickly(struct edge_session *s)
{
	struct edge_item *item = ferry_edge_session_pop(s);

	if (item->cancelled)
		ferry_edge_peer_refuse(s->peer, item->message.request, s->id, FERRY_CODE_CANCELLED,
				       "cancelled");
	else if (item->message.type == FERRY_MESSAGE_TRUNCATE)
		ferry_edge_session_truncate(s, &item->message);
	else if (item->message.type == FERRY_MESSAGE_FORK)
		ferry_edge_session_fork(s, &item->message);
	else
		ferry_edge_session_set_sampling(s, &item->message);
	free(item);
}

static bool is_step(const struct edge_session *s)
{
	return s->items->message.work.n_tokens <= EDGE_DECODE_TOKENS;
}

static void move_to_end(struct ferry_edge *e, struct edge_session *s)
{
	struct edge_session **at = &e->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	while (*at)
		at = &(*at)->next;
	*at = s;
	s->next = NULL;
}

struct edge_session *
ferry_edge_next_step(struct ferry_edge *e, const struct edge_model *m,
		     bool (*fits)(const void *data, const struct edge_session *s), const void *data)
{
	for (struct edge_session *s = e->sessions; s; s = s->next) {
		if (s->serves != m || !is_ready(s))
			continue;
		while (is_ready(s) && needs_no_pass(s->items))
			serve_quickly(s);
		if (!is_ready(s) || !is_step(s) || !fits(data, s))
			continue;
		move_to_end(e, s);
		return s;
	}
	return NULL;
}

/* Where the next chunk of a connection begins, in virtual time. */
static uint64_t beginning(const struct ferry_edge *e, const struct edge_peer *p)
{
	return p->prompt_work > e->prompt_work ? p->prompt_work : e->prompt_work;
}

/*
 * How far that is, by the multiplications of a chunk as far as they matter. Not by the clock: what
 * else this machine does would be taken for the connection's.
 */
static uint64_t work_of(const struct edge_session *s, uint32_t n_tokens)
{
	const struct ferry_hparams *hp = &s->serves->model->hp;
	const uint64_t wide = hp->n_experts ? (uint64_t)hp->n_ff_expert * hp->n_experts_used
					    : hp->n_ff;

	return n_tokens * (uint64_t)(s->end - s->begin + 1) * hp->n_embd * (hp->n_embd + wide);
}

struct edge_session *ferry_edge_next_prompt(struct ferry_edge *e)
{
	struct edge_session *best = NULL;

	for (struct edge_session *s = e->sessions; s; s = s->next)
		if (is_ready(s) && !needs_no_pass(s->items) && !is_step(s) &&
		    (!best || beginning(e, s->peer) < beginning(e, best->peer)))
			best = s;
	if (best)
		move_to_end(e, best);
	return best;
}

bool ferry_edge_serve_steps(struct ferry_edge *e)
{
	bool any = false;

	for (uint32_t i = 0; i < e->n_models; i++)
		any |= ferry_edge_decode(e, e->models[i]);
	return any;
}

void ferry_edge_serve_prompt(struct ferry_edge *e)
{
	struct edge_session *s = ferry_edge_next_prompt(e);
	struct edge_peer *p;
	struct edge_job j;

	if (!s)
		return;
	p = s->peer;
	e->prompt_work = beginning(e, p);
	p->prompt_work = e->prompt_work + work_of(s, s->items->message.work.n_tokens);
	if (ferry_edge_job_begin(&j, s, s->serves->prompt))
		ferry_edge_prefill(&j);
}

int ferry_edge_pause(struct edge_job *j)
{
	const uint64_t start = ferry_now_us();
	int ret = ferry_edge_breathe(j->edge);

	/* What came of it leaves before this job goes on. */
	if (!ret && ferry_edge_serve_steps(j->edge))
		ret = ferry_edge_breathe(j->edge);
	j->waited_us += ferry_now_us() - start;
	return ret ? ret : ferry_edge_job_wanted(j);
}
