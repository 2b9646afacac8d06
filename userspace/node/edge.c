// SPDX-License-Identifier: MIT
#include "node/edge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/free_memory.h"
#include "node/edge_private.h"

enum {
	DEFAULT_CONNECTIONS = 64,
	DEFAULT_SESSIONS = 16,
	DEFAULT_WAIT_MS = 5000,
	DEFAULT_IDLE_MS = 600000,
	DEFAULT_SLICE_US = 20000,
	DEFAULT_DRAIN_MS = 10000,
	DEFAULT_TURNED_MS = 1000,
	DEFAULT_LEASE_MS = 60000,
	N_BUFFERS = 64,
	SPARE_LINKS = 64, /* connections that are being refused, or that linger */
	DRAIN_LOOK_US = 10000,
};

static void default_u32(uint32_t *value, uint32_t otherwise)
{
	if (!*value)
		*value = otherwise;
}

static void complete_options(struct ferry_edge_options *o)
{
	default_u32(&o->max_connections, DEFAULT_CONNECTIONS);
	default_u32(&o->max_sessions, DEFAULT_SESSIONS);
	default_u32(&o->lease_ms, DEFAULT_LEASE_MS);
	default_u32(&o->times.connect_ms, DEFAULT_WAIT_MS);
	default_u32(&o->times.greeting_ms, DEFAULT_WAIT_MS);
	default_u32(&o->times.stall_ms, DEFAULT_WAIT_MS);
	default_u32(&o->times.idle_ms, DEFAULT_IDLE_MS);
	default_u32(&o->slice_us, DEFAULT_SLICE_US);
	default_u32(&o->drain_ms, DEFAULT_DRAIN_MS);
	default_u32(&o->turned_ms, DEFAULT_TURNED_MS);
	if (!o->kv_budget_bytes)
		o->kv_budget_bytes = ferry_free_memory() / 2;
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
	int ret = 0;

	if (!e->options.insecure && ferry_tls_is_wanted(&e->options.tls))
		ret = ferry_tls_context_new(&e->options.tls, FERRY_ROLE_EDGE, &e->tls, err);
	lo.tls = e->tls;
	if (!ret)
		ret = ferry_loop_new(&lo, &e->loop, err);
	if (!ret && e->options.listen_fd) {
		ret = ferry_loop_listen_on(e->loop, e->options.listen_fd - 1,
					   ferry_edge_peer_accept, e, &e->bound, err);
		if (!ret && !e->tls)
			ret = ferry_endpoint_check_plaintext(&e->bound, e->options.insecure,
							     "listen on", err);
		if (!ret)
			ferry_endpoint_text(&e->bound, e->address);
		return ret;
	}
	if (!ret)
		ret = ferry_address_parse(e->options.listen, &address, err);
	if (!ret)
		ret = ferry_address_resolve(&address, endpoints, &n, err);
	if (!ret && !e->tls)
		ret = ferry_endpoint_check_plaintext(&endpoints[0], e->options.insecure,
						     "listen on", err);
	if (!ret)
		ret = ferry_loop_listen(e->loop, &endpoints[0], ferry_edge_peer_accept, e,
					&e->bound, err);
	if (!ret) {
		ferry_endpoint_text(&e->bound, e->address);
		ferry_edge_auth_listening(e);
	}
	return ret;
}

int ferry_edge_new(const struct ferry_model *model, const struct ferry_edge_options *o,
		   struct ferry_edge **out, struct ferry_error *err)
{
	struct ferry_edge *e = calloc(1, sizeof(*e));
	int ret;

	*out = NULL;
	if (!e)
		return ferry_fail_memory(err, "the edge", sizeof(*e));
	e->options = *o;
	e->options.log = ferry_edge_log_limit(&e->log, o->log);
	complete_options(&e->options);
	ret = ferry_pool_new(e->options.n_threads, &e->pool, err);
	if (!ret)
		ret = ferry_edge_model_new(e, model, &e->models[0], err);
	e->n_models = !ret;
	if (!ret)
		ret = listen_on(e, err);
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
	ferry_tls_context_free(e->tls);
	for (uint32_t i = 0; i < e->n_models; i++)
		ferry_edge_model_free(e->models[i]);
	ferry_pool_free(e->pool);
	free(e);
}

int ferry_edge_add_model(struct ferry_edge *e, const struct ferry_model *model,
			 struct ferry_error *err)
{
	int ret;

	if (e->n_models == EDGE_MAX_MODELS)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "an edge serves %d models at most", EDGE_MAX_MODELS);
	for (uint32_t i = 0; i < e->n_models; i++)
		if (!memcmp(e->models[i]->model->id, model->id, sizeof(model->id)))
			return ferry_fail(err, FERRY_ERROR_CALLER, -EEXIST,
					  "this edge serves %s already", model->name);
	ret = ferry_edge_model_new(e, model, &e->models[e->n_models], err);
	e->n_models += !ret;
	return ret;
}

const char *ferry_edge_address(const struct ferry_edge *e)
{
	return e->address;
}

uint16_t ferry_edge_port(const struct ferry_edge *e)
{
	return ferry_endpoint_port(&e->bound);
}

static void turned(struct ferry_edge *e)
{
	const uint64_t now = ferry_now_us();

	if (!e->options.turned || now - e->turned_us < e->options.turned_ms * 1000ull)
		return;
	e->turned_us = now;
	e->options.turned(e->options.turned_data);
}

int ferry_edge_breathe(struct ferry_edge *e)
{
	if (atomic_load(&e->stop) || (e->draining && ferry_now_us() >= e->drain_until_us))
		return -ESHUTDOWN;
	ferry_loop_turn(e->loop, 0, NULL);
	turned(e);
	return 0;
}

int ferry_edge_step(struct ferry_edge *e, uint64_t until_us, struct ferry_error *err)
{
	uint64_t lease_us = ferry_edge_lease_expire(e, ferry_now_us());
	int ret;

	if (ferry_edge_has_work(e))
		until_us = 0;
	else if (e->options.turned && until_us > e->turned_us + e->options.turned_ms * 1000ull)
		until_us = e->turned_us + e->options.turned_ms * 1000ull;
	ret = ferry_loop_turn(e->loop, lease_us < until_us ? lease_us : until_us, err);
	turned(e);
	ferry_edge_auth_sweep(e);
	ferry_edge_peer_sweep(e);
	ferry_edge_lease_attach_all(e);
	if (ret)
		return ret;
	/* Beside the work, not instead of it: a device may ask without pause. */
	ferry_edge_profile(e);
	ferry_edge_serve_steps(e);
	ferry_edge_serve_prompt(e);
	return 0;
}

static void begin_to_drain(struct ferry_edge *e)
{
	e->draining = true;
	e->drain_until_us = ferry_now_us() + e->options.drain_ms * 1000ull;
	ferry_log(e->options.log, FERRY_LOG_INFO,
		  "stopping: %u connections, what is queued is finished within %u ms",
		  e->stats.n_connections, e->options.drain_ms);
}

/* Whether all that was queued is computed and taken. */
static bool is_dry(const struct ferry_edge *e)
{
	for (const struct edge_session *s = e->sessions; s; s = s->next)
		if (s->items)
			return false;
	for (const struct edge_peer *p = e->peers; p; p = p->next)
		if (p->link && ferry_link_unsent(p->link))
			return false;
	return true;
}

/* How long to wait for the sockets; false: it is over. */
static bool goes_on(struct ferry_edge *e, uint64_t *until_us)
{
	*until_us = UINT64_MAX;
	if (atomic_load(&e->stop))
		return false;
	if (atomic_load(&e->drain) && !e->draining)
		begin_to_drain(e);
	if (!e->draining)
		return true;
	*until_us = ferry_now_us() + DRAIN_LOOK_US;
	return !is_dry(e) && ferry_now_us() < e->drain_until_us;
}

int ferry_edge_run(struct ferry_edge *e, struct ferry_error *err)
{
	uint64_t until_us;
	int ret = 0;

	for (uint32_t i = 0; i < e->n_models; i++)
		ferry_log(e->options.log, FERRY_LOG_INFO,
			  "serving layers %u to %u of %s on %s: %u sessions, %u tokens a batch, "
			  "%llu MiB for caches",
			  e->models[i]->begin, e->models[i]->end, e->models[i]->model->name,
			  e->address, e->options.max_sessions, e->models[i]->max_batch,
			  (unsigned long long)(e->options.kv_budget_bytes >> 20));
	while (!ret && goes_on(e, &until_us))
		ret = ferry_edge_step(e, until_us, err);
	ferry_edge_peer_close_all(e);
	ferry_log(e->options.log, FERRY_LOG_INFO, "stopped");
	return ret;
}

void ferry_edge_stop(struct ferry_edge *e)
{
	atomic_store(&e->stop, true);
	ferry_loop_wake(e->loop);
}

void ferry_edge_drain(struct ferry_edge *e)
{
	atomic_store(&e->drain, true);
	ferry_loop_wake(e->loop);
}

void ferry_edge_get_stats(const struct ferry_edge *e, struct ferry_edge_stats *stats)
{
	*stats = e->stats;
}
