// SPDX-License-Identifier: MIT
/* Going on when an edge fails, and moving layers between two tokens. */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/session_private.h"

enum { DEFAULT_WAIT_MS = 60000 };

int ferry_session_check_cancel(const struct ferry_node_session *s, struct ferry_error *err)
{
	if (!atomic_load(&s->cancel))
		return 0;
	return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
}

/* 0: the run may be tried again. */
static int recover(struct ferry_node_session *s, uint64_t until_us, struct ferry_error *why)
{
	if (s->o.fallback == FERRY_NODE_FALLBACK_FAIL)
		return why->code;
	ferry_session_lose_edge(s, why);
	if (s->o.fallback == FERRY_NODE_FALLBACK_LOCAL)
		return 0;
	return ferry_session_wait_for_edge(s, until_us, why);
}

int ferry_session_run(struct ferry_node_session *s, const struct ferry_device_run *run,
		      struct ferry_error *err)
{
	uint64_t wait_ms = s->o.wait_ms ? s->o.wait_ms : DEFAULT_WAIT_MS;
	uint64_t until_us = ferry_now_us() + 1000 * wait_ms;
	struct ferry_error why = {0};
	int ret;

	ferry_session_look_for_edge(s);
	ferry_session_reconsider(s);
	do {
		if (run->n_ids <= ferry_device_n_past(s->device))
			return 0;
		ret = ferry_device_run(s->device, run, &why);
		if (!ret)
			return 0;
		if (ferry_device_edge_failed(s->device))
			ret = recover(s, until_us, &why);
		else
			break;
	} while (!ret && ferry_now_us() < until_us);
	if (err)
		*err = why;
	return why.code;
}

static int move_there(struct ferry_node_session *s, struct ferry_error *err)
{
	struct ferry_uplink *uplink;
	int ret;

	if (ferry_device_state(s->device) == FERRY_DEVICE_ALONE) {
		ret = ferry_session_connect(s, &s->plan, &uplink, err);
		return ret ? ret : ferry_session_enter(s, uplink, err);
	}
	ret = ferry_device_rejoin(s->device, &s->plan, err);
	return ret ? ret : ferry_session_feed(s, err);
}

int ferry_node_session_move(struct ferry_node_session *s, int32_t split, uint32_t split_end,
			    bool head_here, struct ferry_error *err)
{
	struct ferry_error why = {0};
	int ret = ferry_session_check_split(s, split, split_end, err);

	if (!ret)
		ret = ferry_session_check_cancel(s, err);
	if (ret)
		return ret;
	/* Who moves by hand decides from now on. */
	ferry_session_follow_end(s);
	ferry_uplink_free(s->coming);
	s->coming = NULL;
	s->wants_edge = split >= 0;
	if (!s->wants_edge) {
		if (ferry_device_state(s->device) == FERRY_DEVICE_SHARED)
			s->n_moves++;
		ferry_device_leave(s->device);
		ferry_log(s->o.log, FERRY_LOG_INFO, "position %u: all %u layers here, as asked",
			  s->n_ids, s->model->hp.n_layers);
		return 0;
	}
	s->plan.begin = (uint32_t)split;
	s->plan.end = split_end ? split_end : s->model->hp.n_layers;
	s->plan.head_here = head_here;
	ret = move_there(s, &why);
	if (ret && ferry_device_uplink(s->device))
		ferry_session_lose_edge(s, &why);
	if (ret == -ECANCELED)
		atomic_store(&s->cancel, false);
	if (ret && err)
		*err = why;
	return ret;
}
