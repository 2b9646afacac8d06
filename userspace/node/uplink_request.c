// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/uplink_private.h"

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

int ferry_uplink_ask(struct ferry_uplink *u, struct ferry_wire_message *m, uint8_t answer_type,
		     struct ferry_error *err)
{
	struct uplink_pending *q = calloc(1, sizeof(*q));
	uint64_t start = ferry_now_us();
	int ret = 0;

	ferry_uplink_free_pending(u->query);
	u->query = q;
	if (!q)
		return ferry_fail_memory(err, "a request", sizeof(*q));
	if (!u->link)
		return ferry_uplink_lost(u, err);
	m->request = ferry_uplink_next_request(u);
	q->request = m->request;
	q->answer.type = answer_type;
	ret = ferry_link_send(u->link, m, err);
	while (!ret && !q->done)
		ret = ferry_uplink_wait_step(u, start, err);
	if (!ret && q->code) {
		ret = q->code;
		if (err)
			*err = q->error;
	}
	return ret;
}

int ferry_uplink_open(struct ferry_uplink *u, const struct ferry_wire_open *open,
		      struct ferry_wire_opened *opened_out, struct ferry_error *err)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .open = *open};
	int ret = ferry_uplink_ask(u, &m, FERRY_MESSAGE_OPENED, err);

	if (ret)
		return ret;
	*opened_out = u->query->answer.opened;
	if (opened_out->session != open->session || opened_out->n_ctx < open->n_ctx)
		return ferry_uplink_lose(u, FERRY_ERROR_PEER, -EPROTO, err,
					 "%s opened another session than the one asked for",
					 u->name);
	return 0;
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
	*u->works_tail = p;
	u->works_tail = &p->next;
	u->n_works++;
	u->n_work_bytes += p->n_body;
	ret = ferry_loop_turn(u->loop, 0, err);
	return ret ? ret : u->link ? 0 : ferry_uplink_lost(u, err);
}

bool ferry_uplink_ready(struct ferry_uplink *u)
{
	if (u->link)
		ferry_loop_turn(u->loop, 0, NULL);
	return !u->link || (u->works && u->works->done);
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
		u->stats.rtt_us = u->stats.rtt_us ? (7 * u->stats.rtt_us + *us) / 8 : *us;
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
