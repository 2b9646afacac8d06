// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/uplink_private.h"

enum {
	RATE_LEAST_US = 1000,
	SMALL_BODY = 4 << 10,
};

void ferry_uplink_free_pending(struct uplink_pending *p)
{
	if (p)
		free(p->body);
	free(p);
}

void ferry_uplink_pop(struct ferry_uplink *u)
{
	struct uplink_pending *p = u->works;

	u->works = p->next;
	if (!u->works)
		u->works_tail = &u->works;
	u->n_works--;
	u->n_work_bytes -= p->n_body;
	ferry_uplink_free_pending(p);
}

void ferry_uplink_drop_forgotten(struct ferry_uplink *u)
{
	while (u->works && u->works->forgotten && u->works->done)
		ferry_uplink_pop(u);
}

/* 0 is no request. */
uint32_t ferry_uplink_next_request(struct ferry_uplink *u)
{
	if (!++u->last_request)
		u->last_request = 1;
	return u->last_request;
}

int ferry_uplink_ask_begin(struct ferry_uplink *u, struct uplink_pending **slot,
			   struct ferry_wire_message *m, uint8_t answer_type,
			   struct ferry_error *err)
{
	struct uplink_pending *q = calloc(1, sizeof(*q));

	ferry_uplink_free_pending(*slot);
	*slot = q;
	if (!q)
		return ferry_fail_memory(err, "a request", sizeof(*q));
	if (!u->link)
		return ferry_uplink_lost(u, err);
	m->request = ferry_uplink_next_request(u);
	q->request = m->request;
	q->answer.type = answer_type;
	q->asked_us = ferry_now_us();
	return ferry_link_send(u->link, m, err);
}

/* What the answer to the question is worth. */
static int query_result(const struct ferry_uplink *u, struct ferry_error *err)
{
	if (u->query->code && err)
		*err = u->query->error;
	return u->query->code;
}

int ferry_uplink_ask(struct ferry_uplink *u, struct ferry_wire_message *m, uint8_t answer_type,
		     struct ferry_error *err)
{
	int ret = ferry_uplink_ask_begin(u, &u->query, m, answer_type, err);

	while (!ret && !u->query->done)
		ret = ferry_uplink_wait_step(u, u->query->asked_us, err);
	return ret ? ret : query_result(u, err);
}

int ferry_uplink_open_begin(struct ferry_uplink *u, const struct ferry_wire_open *open,
			    struct ferry_error *err)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .open = *open};

	u->opening = *open;
	return ferry_uplink_ask_begin(u, &u->query, &m, FERRY_MESSAGE_OPENED, err);
}

/* The answer to OPEN is here. */
static int take_opened(struct ferry_uplink *u, struct ferry_wire_opened *out,
		       struct ferry_error *err)
{
	int ret = query_result(u, err);

	if (ret)
		return ret;
	*out = u->query->answer.opened;
	if (out->session != u->opening.session || out->n_ctx < u->opening.n_ctx)
		return ferry_uplink_lose(u, FERRY_ERROR_PEER, -EPROTO, err,
					 "%s opened another session than the one asked for",
					 u->name);
	return 0;
}

int ferry_uplink_open_poll(struct ferry_uplink *u, struct ferry_wire_opened *opened,
			   struct ferry_error *err)
{
	int ret = ferry_uplink_look(u, u->query->asked_us, err);

	if (ret || !u->query->done)
		return ret;
	ret = take_opened(u, opened, err);
	return ret ? ret : 1;
}

int ferry_uplink_open_wait(struct ferry_uplink *u, struct ferry_wire_opened *opened,
			   struct ferry_error *err)
{
	int ret = 0;

	while (!ret && !u->query->done)
		ret = ferry_uplink_wait_step(u, u->query->asked_us, err);
	if (!ret)
		ret = take_opened(u, opened, err);
	return ret ? ret : 1;
}

int ferry_uplink_tell(struct ferry_uplink *u, const struct ferry_wire_message *m,
		      struct ferry_error *err)
{
	struct ferry_wire_message copy = *m;
	int ret;

	if (!u->link)
		return ferry_uplink_lost(u, err);
	copy.request = ferry_uplink_next_request(u);
	ret = ferry_link_send(u->link, &copy, err);
	if (!ret)
		ret = ferry_loop_turn(u->loop, 0, err);
	return ret ? ret : u->link ? 0 : ferry_uplink_lost(u, err);
}

bool ferry_uplink_has_room(const struct ferry_uplink *u, size_t n_body)
{
	if (!u->n_works)
		return true;
	return u->n_works < u->welcome.window_works &&
	       n_body <= u->welcome.window_bytes - (uint64_t)u->n_work_bytes &&
	       u->n_work_bytes <= u->welcome.window_bytes;
}

int ferry_uplink_work(struct ferry_uplink *u, const struct ferry_wire_work *work, uint32_t n_answer,
		      struct ferry_error *err)
{
	struct ferry_wire_message m = {
		.type = FERRY_MESSAGE_WORK, .request = ferry_uplink_next_request(u), .work = *work};
	struct uplink_pending *p;
	int ret;

	if (!u->link)
		return ferry_uplink_lost(u, err);
	p = calloc(1, sizeof(*p));
	if (!p)
		return ferry_fail_memory(err, "a request", sizeof(*p));
	ret = ferry_link_send(u->link, &m, err);
	if (ret) {
		ferry_uplink_free_pending(p);
		return ret;
	}
	p->request = m.request;
	p->n_body = (uint32_t)ferry_wire_message_bytes(&m);
	p->n_answer = n_answer;
	p->asked = (struct ferry_uplink_asked){work->position, work->n_tokens, work->output};
	p->asked_us = ferry_now_us();
	p->alone = !u->n_works;
	*u->works_tail = p;
	u->works_tail = &p->next;
	u->n_works++;
	u->n_work_bytes += p->n_body;
	ret = ferry_loop_turn(u->loop, 0, err);
	return ret ? ret : u->link ? 0 : ferry_uplink_lost(u, err);
}

bool ferry_uplink_ready(struct ferry_uplink *u)
{
	if (u->link && u->works && !u->works->done)
		ferry_uplink_look(u, u->works->asked_us, NULL);
	else if (u->link)
		ferry_loop_turn(u->loop, 0, NULL);
	return !u->link || (u->works && u->works->done);
}

/* From a WORK that is small, or whose time on the way up is known. */
static void learn_exchange(struct ferry_uplink *u, const struct uplink_pending *p,
			   const struct ferry_wire_result *r)
{
	uint64_t took = p->done_us - p->asked_us, other = r->compute_us + (uint64_t)r->queue_us;
	uint64_t rate = u->stats.up_bytes_per_s;

	if (!p->alone || (!rate && p->n_body > SMALL_BODY))
		return;
	if (rate)
		other += p->n_body * 1000000ull / rate;
	if (took > other)
		ferry_uplink_learn_rtt(u, took - other);
}

/* From a WORK that was large enough for its time on the way up to mean something. */
static void learn_rate(struct ferry_uplink *u, const struct uplink_pending *p,
		       const struct ferry_wire_result *r)
{
	uint64_t took = p->done_us - p->asked_us;
	uint64_t other = u->stats.rtt_us + r->compute_us + (uint64_t)r->queue_us;
	uint64_t rate, was = u->stats.up_bytes_per_s;

	if (!p->alone || took < other + RATE_LEAST_US)
		return;
	rate = p->n_body * 1000000ull / (took - other);
	u->stats.up_bytes_per_s = was ? (3 * was + rate) / 4 : rate;
}

int ferry_uplink_result(struct ferry_uplink *u, struct ferry_uplink_asked *asked,
			struct ferry_wire_result *result, struct ferry_error *err)
{
	uint64_t start = ferry_now_us();
	struct uplink_pending *p = u->works;
	int ret = 0;

	if (!p && !u->link)
		return ferry_uplink_lost(u, err);
	if (!p)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA, "no work is under way");
	while (!ret && !u->works->done)
		ret = ferry_uplink_wait_step(u, start, err);
	u->stats.wait_us += ferry_now_us() - start;
	if (ret)
		return ret;
	p = u->works;
	*asked = p->asked;
	ret = p->code;
	if (ret) {
		if (err)
			*err = p->error;
	} else {
		*result = p->answer.result;
		free(u->kept);
		u->kept = p->body;
		p->body = NULL;
		learn_rate(u, p, result);
		learn_exchange(u, p, result);
		u->stats.edge_us += result->compute_us;
		u->stats.queue_us += result->queue_us;
	}
	ferry_uplink_pop(u);
	return ret;
}

void ferry_uplink_forget(struct ferry_uplink *u)
{
	for (struct uplink_pending *p = u->works; p; p = p->next)
		p->forgotten = true;
	ferry_uplink_drop_forgotten(u);
}

int ferry_uplink_settle(struct ferry_uplink *u, struct ferry_error *err)
{
	uint64_t start = ferry_now_us();
	int ret = 0;

	while (!ret && u->works && u->works->forgotten)
		ret = ferry_uplink_wait_step(u, start, err);
	return ret;
}

int ferry_uplink_ping(struct ferry_uplink *u, uint32_t n_payload, uint32_t reply_bytes,
		      uint64_t *us, struct ferry_error *err)
{
	uint64_t start = ferry_now_us();
	struct ferry_wire_message m = {
		.type = FERRY_MESSAGE_PING,
		.ping = {.stamp = start, .reply_bytes = reply_bytes, .n_payload = n_payload},
	};
	int ret = ferry_uplink_ask(u, &m, FERRY_MESSAGE_PONG, err);

	if (ret)
		return ret;
	*us = ferry_now_us() - start;
	if (!n_payload && !reply_bytes)
		ferry_uplink_learn_rtt(u, *us);
	return 0;
}

int ferry_uplink_profile(struct ferry_uplink *u, uint32_t n_tokens,
			 struct ferry_wire_profiled *profiled, struct ferry_error *err)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_PROFILE,
				       .profile = {.n_tokens = n_tokens}};
	int ret = ferry_uplink_ask(u, &m, FERRY_MESSAGE_PROFILED, err);

	if (ret)
		return ret;
	*profiled = u->query->answer.profiled;
	if (profiled->layer_begin != u->welcome.layer_begin ||
	    profiled->n_layers != u->welcome.layer_end - u->welcome.layer_begin)
		return ferry_uplink_lose(u, FERRY_ERROR_PEER, -EPROTO, err,
					 "%s reports the speed of other layers than it serves",
					 u->name);
	return 0;
}
