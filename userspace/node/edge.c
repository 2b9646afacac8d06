// SPDX-License-Identifier: MIT
#include "node/edge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/free_memory.h"
#include "node/edge_private.h"

enum {
	DEFAULT_CONNECTIONS = 64,
	DEFAULT_SESSIONS = 16,
	DEFAULT_BATCH = 64,
	DEFAULT_FRAME = 8 << 20,
	DEFAULT_WAIT_MS = 5000,
	DEFAULT_IDLE_MS = 600000,
	MAX_CONTEXT = 1 << 20,
	MAX_BATCH = 4096,
	N_BUFFERS = 64,
	SPARE_LINKS = 64, /* connections that are being refused, or that linger */
};

static void default_u32(uint32_t *value, uint32_t otherwise)
{
	if (!*value)
		*value = otherwise;
}

/* A row of logits must fit a frame, and so must one hidden state; of batches, what fits, fits. */
static int choose_frame(const struct ferry_model *m, struct ferry_edge_options *o,
			struct ferry_error *err)
{
	uint64_t row = 4ull * m->hp.n_embd, spare = FERRY_FRAME_MAX_GREETING;
	uint64_t least =
		4ull * (m->hp.n_vocab > m->hp.n_embd ? m->hp.n_vocab : m->hp.n_embd) + spare;
	uint64_t want = o->max_batch * row + spare;

	if (!o->max_frame) {
		if (want < DEFAULT_FRAME)
			want = DEFAULT_FRAME;
		if (want < least)
			want = least;
		o->max_frame = want < FERRY_FRAME_MAX ? (uint32_t)want : FERRY_FRAME_MAX;
	}
	if (o->max_frame < least || o->max_frame > FERRY_FRAME_MAX)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "frames of %u bytes: %s needs at least %llu, and %d is the most",
				  o->max_frame, m->name, (unsigned long long)least,
				  FERRY_FRAME_MAX);
	if (o->max_batch > (o->max_frame - spare) / row)
		o->max_batch = (uint32_t)((o->max_frame - spare) / row);
	return 0;
}

static int complete_options(const struct ferry_model *m, struct ferry_edge_options *o,
			    struct ferry_error *err)
{
	if (!o->layer_begin && !o->layer_end)
		o->layer_end = m->hp.n_layers;
	if (o->layer_begin > o->layer_end || o->layer_end > m->hp.n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot serve layers %u to %u: %s has %u", o->layer_begin,
				  o->layer_end, m->name, m->hp.n_layers);
	default_u32(&o->max_connections, DEFAULT_CONNECTIONS);
	default_u32(&o->max_sessions, DEFAULT_SESSIONS);
	default_u32(&o->max_context, m->hp.n_ctx_train ? m->hp.n_ctx_train : 4096);
	default_u32(&o->max_batch, DEFAULT_BATCH);
	default_u32(&o->times.connect_ms, DEFAULT_WAIT_MS);
	default_u32(&o->times.greeting_ms, DEFAULT_WAIT_MS);
	default_u32(&o->times.stall_ms, DEFAULT_WAIT_MS);
	default_u32(&o->times.idle_ms, DEFAULT_IDLE_MS);
	if (o->max_context > MAX_CONTEXT)
		o->max_context = MAX_CONTEXT;
	if (o->max_batch > MAX_BATCH)
		o->max_batch = MAX_BATCH;
	if (!o->kv_budget_bytes)
		o->kv_budget_bytes = ferry_free_memory() / 2;
	return choose_frame(m, o, err);
}

static int listen_on(struct ferry_edge *e, struct ferry_error *err)
{
	struct ferry_loop_options lo = {
		.max_links = e->options.max_connections + SPARE_LINKS,
		.n_buffers = N_BUFFERS,
		.single_shot = e->options.single_shot,
		.times = e->options.times,
		.log = e->options.log,
	};
	struct ferry_endpoint endpoints[FERRY_MAX_ENDPOINTS];
	struct ferry_address address;
	unsigned n;
	int ret;

	ret = ferry_address_parse(e->options.listen, &address, err);
	if (!ret)
		ret = ferry_address_resolve(&address, endpoints, &n, err);
	if (!ret)
		ret = ferry_endpoint_check_plaintext(&endpoints[0], e->options.insecure,
						     "listen on", err);
	if (!ret)
		ret = ferry_loop_new(&lo, &e->loop, err);
	if (!ret)
		ret = ferry_loop_listen(e->loop, &endpoints[0], ferry_edge_peer_accept, e,
					&e->bound, err);
	if (!ret)
		ferry_endpoint_text(&e->bound, e->address);
	return ret;
}

static int new_scratch(struct ferry_edge *e, struct ferry_error *err)
{
	const struct ferry_hparams *hp = &e->model->hp;
	size_t hidden = (size_t)e->options.max_batch * hp->n_embd * sizeof(float);

	e->hidden = malloc(hidden);
	e->logits = malloc((size_t)EDGE_HEAD_ROWS * hp->n_vocab * sizeof(float));
	e->payload = malloc(e->options.max_frame);
	if (!e->hidden || !e->logits || !e->payload)
		return ferry_fail_memory(err, "the edge", hidden + e->options.max_frame);
	return 0;
}

int ferry_edge_new(const struct ferry_model *model, const struct ferry_edge_options *o,
		   struct ferry_edge **out, struct ferry_error *err)
{
	struct ferry_edge *e = calloc(1, sizeof(*e));
	int ret;

	*out = NULL;
	if (!e)
		return ferry_fail_memory(err, "the edge", sizeof(*e));
	e->model = model;
	e->options = *o;
	e->options.log = ferry_edge_log_limit(&e->log, o->log);
	ret = complete_options(model, &e->options, err);
	if (!ret)
		ret = listen_on(e, err);
	if (!ret)
		ret = ferry_pool_new(e->options.n_threads, &e->pool, err);
	if (!ret)
		ret = ferry_forward_new(model, e->pool, e->options.max_batch, FERRY_PATH_DEFAULT,
					&e->forward, err);
	if (!ret)
		ret = new_scratch(e, err);
	if (ret) {
		ferry_edge_free(e);
		return ret;
	}
	*out = e;
	return 0;
}

void ferry_edge_free(struct ferry_edge *e)
{
	if (!e)
		return;
	ferry_edge_peer_close_all(e);
	ferry_loop_free(e->loop);
	ferry_forward_free(e->forward);
	ferry_pool_free(e->pool);
	ferry_profile_free(&e->profile);
	free(e->hidden);
	free(e->logits);
	free(e->payload);
	free(e);
}

const char *ferry_edge_address(const struct ferry_edge *e)
{
	return e->address;
}

uint16_t ferry_edge_port(const struct ferry_edge *e)
{
	return ferry_endpoint_port(&e->bound);
}

/* Whether it has something to do and its device takes what was done before: over a link that is
 * slower than this edge, the work waits instead of its results. */
static bool is_ready(const struct edge_session *s)
{
	const struct ferry_link *link = s->peer->link;

	return s->items && (!link || ferry_link_unsent(link) <= EDGE_SEND_AHEAD);
}

/* The next session in turn that is ready, moved to the end of the line; or NULL. */
static struct edge_session *next_session(struct ferry_edge *e)
{
	struct edge_session **at = &e->sessions, *s;

	while (*at && !is_ready(*at))
		at = &(*at)->next;
	s = *at;
	if (!s || !s->next)
		return s;
	*at = s->next;
	while (*at)
		at = &(*at)->next;
	*at = s;
	s->next = NULL;
	return s;
}

static void serve(struct ferry_edge *e, struct edge_session *s)
{
	struct edge_item *item = ferry_edge_session_pop(s);

	if (item->cancelled) {
		ferry_edge_peer_refuse(s->peer, item->message.request, s->id, FERRY_CODE_CANCELLED,
				       "cancelled");
	} else if (item->message.type == FERRY_MESSAGE_WORK) {
		e->running = s;
		e->running_item = item;
		s->cancel_running = false;
		ferry_edge_work(e, s, item);
		e->running = NULL;
		e->running_item = NULL;
		if (s->closing)
			ferry_edge_session_close(s);
	} else if (item->message.type == FERRY_MESSAGE_TRUNCATE) {
		ferry_edge_session_truncate(s, &item->message);
	} else {
		ferry_edge_session_set_sampling(s, &item->message);
	}
	free(item);
}

bool ferry_edge_has_work(const struct ferry_edge *e)
{
	for (const struct edge_session *s = e->sessions; s; s = s->next)
		if (is_ready(s))
			return true;
	return false;
}

int ferry_edge_breathe(struct ferry_edge *e)
{
	if (atomic_load(&e->stop))
		return -ESHUTDOWN;
	ferry_loop_turn(e->loop, 0, NULL);
	return 0;
}

int ferry_edge_step(struct ferry_edge *e, uint64_t until_us, struct ferry_error *err)
{
	struct edge_session *s;
	int ret = ferry_loop_turn(e->loop, ferry_edge_has_work(e) ? 0 : until_us, err);

	ferry_edge_peer_sweep(e);
	if (ret)
		return ret;
	/* Beside the work, not instead of it: a device may ask without pause. */
	ferry_edge_peer_profile(e);
	s = next_session(e);
	if (s)
		serve(e, s);
	return 0;
}

int ferry_edge_run(struct ferry_edge *e, struct ferry_error *err)
{
	int ret = 0;

	ferry_log(e->options.log, FERRY_LOG_INFO,
		  "serving layers %u to %u of %s on %s: %u sessions, %u tokens a batch, %llu MiB "
		  "for caches",
		  e->options.layer_begin, e->options.layer_end, e->model->name, e->address,
		  e->options.max_sessions, e->options.max_batch,
		  (unsigned long long)(e->options.kv_budget_bytes >> 20));
	while (!ret && !atomic_load(&e->stop))
		ret = ferry_edge_step(e, UINT64_MAX, err);
	ferry_edge_peer_close_all(e);
	ferry_log(e->options.log, FERRY_LOG_INFO, "stopped");
	return ret;
}

void ferry_edge_stop(struct ferry_edge *e)
{
	atomic_store(&e->stop, true);
	ferry_loop_wake(e->loop);
}

void ferry_edge_get_stats(const struct ferry_edge *e, struct ferry_edge_stats *stats)
{
	*stats = e->stats;
}
