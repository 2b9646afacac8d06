// SPDX-License-Identifier: MIT
#include "node/device.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/device_private.h"

enum {
	DEFAULT_CHUNK = 64,
};

static int new_memory(struct ferry_device *d, const struct ferry_device_options *o,
		      struct ferry_error *err)
{
	size_t rows = (size_t)d->chunk * d->n_embd;
	size_t boundary = (size_t)o->n_ctx * d->n_embd;

	d->past = calloc(d->n_layers, sizeof(*d->past));
	/* Large, and so not touched before positions come. */
	d->boundary = malloc(boundary * sizeof(float));
	d->hidden = malloc(rows * sizeof(float));
	d->warming.hidden = malloc(rows * sizeof(float));
	d->payload = malloc(rows * sizeof(float));
	d->logits = malloc((size_t)d->model->hp.n_vocab * sizeof(float));
	d->prefix = calloc((size_t)o->n_ctx + 1, sizeof(*d->prefix));
	d->id_bytes = malloc(4 * (size_t)o->n_ctx);
	if (!d->past || !d->boundary || !d->hidden || !d->warming.hidden || !d->payload ||
	    !d->logits || !d->prefix || !d->id_bytes)
		return ferry_fail_memory(err, "a session", (boundary + 2 * rows) * sizeof(float));
	return 0;
}

int ferry_device_new(const struct ferry_model *model, struct ferry_pool *pool,
		     const struct ferry_device_options *o, struct ferry_device **out,
		     struct ferry_error *err)
{
	struct ferry_device *d;
	int ret;

	*out = NULL;
	if (!o->n_ctx)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "a context of 0 positions");
	d = calloc(1, sizeof(*d));
	if (!d)
		return ferry_fail_memory(err, "a session", sizeof(*d));
	d->model = model;
	d->cancel = o->cancel;
	d->n_ctx = o->n_ctx;
	d->n_layers = model->hp.n_layers;
	d->n_embd = model->hp.n_embd;
	d->warm_share = o->warm_share;
	d->chunk =
		ferry_device_smaller(o->chunk_tokens ? o->chunk_tokens : DEFAULT_CHUNK, o->n_ctx);
	ret = ferry_prefix_key_new(&d->key);
	if (ret)
		ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "cannot get random bytes: %s",
			   ferry_errno_text(ret));
	if (!ret)
		ret = ferry_forward_new(model, pool, d->chunk, FERRY_PATH_DEFAULT, &d->forward,
					err);
	if (!ret)
		ret = ferry_kv_cache_new(model, 0, d->n_layers, o->n_ctx, o->kv, &d->kv, err);
	if (!ret)
		ret = new_memory(d, o, err);
	if (ret) {
		ferry_device_free(d);
		return ret;
	}
	*out = d;
	return 0;
}

void ferry_device_free(struct ferry_device *d)
{
	if (!d)
		return;
	ferry_uplink_free(d->remote.uplink);
	ferry_kv_cache_free(d->kv);
	ferry_forward_free(d->forward);
	free(d->past);
	free(d->boundary);
	free(d->hidden);
	free(d->warming.hidden);
	free(d->payload);
	free(d->logits);
	free(d->prefix);
	free(d->id_bytes);
	free(d);
}

uint32_t ferry_device_n_past(const struct ferry_device *d)
{
	return d->remote.state == REMOTE_ACTIVE ? d->remote.n_sent : d->n_past;
}

static void cut(uint32_t *value, uint32_t n)
{
	*value = ferry_device_smaller(*value, n);
}

void ferry_device_truncate(struct ferry_device *d, uint32_t n)
{
	struct device_remote *r = &d->remote;

	cut(&d->n_past, n);
	cut(&d->n_prefix, n);
	cut(&d->n_boundary, n);
	cut(&d->lease.position, n);
	for (uint32_t i = 0; i < d->n_layers; i++)
		cut(&d->past[i], n);
	if (d->warming.first + d->warming.n > n)
		d->warming.running = false;
	if (n >= r->n_sent)
		return;
	/* What is on its way is not certain: the next run begins where it is. */
	if (r->n_sent > r->n_past)
		ferry_device_recover(d);
	cut(&r->n_past, n);
	r->n_sent = r->n_past;
	cut(&r->ids_end, n);
}

void ferry_device_get_stats(const struct ferry_device *d, struct ferry_device_stats *stats)
{
	struct ferry_uplink_stats now = {0};

	if (d->remote.uplink)
		ferry_uplink_get_stats(d->remote.uplink, &now);
	now.bytes_sent += d->before.bytes_sent;
	now.bytes_received += d->before.bytes_received;
	now.wait_us += d->before.wait_us;
	now.edge_us += d->before.edge_us;
	now.queue_us += d->before.queue_us;
	*stats = (struct ferry_device_stats){
		.local_us = d->local_us, .warm_us = d->warm_us, .uplink = now};
}
