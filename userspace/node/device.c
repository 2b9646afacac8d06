// SPDX-License-Identifier: MIT
#include "node/device.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/forward.h"
#include "node/device_private.h"

enum {
	DEFAULT_CHUNK = 64,
};

static int check_options(const struct ferry_model *m, const struct ferry_device_options *o,
			 const struct ferry_uplink *uplink, struct ferry_error *err)
{
	const struct ferry_wire_welcome *w;

	if (!o->n_ctx)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "a context of 0 positions");
	if (!uplink)
		return 0;
	w = ferry_uplink_welcome(uplink);
	if (o->split_begin > o->split_end || o->split_end > m->hp.n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot run layers [%u, %u) on the edge: the model has %u",
				  o->split_begin, o->split_end, m->hp.n_layers);
	if (!(w->encodings & 1u << o->encoding))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the edge does not speak the encoding %u of hidden states",
				  o->encoding);
	if (o->n_ctx > w->max_context)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the edge takes contexts of at most %u positions, not %u",
				  w->max_context, o->n_ctx);
	return 0;
}

/* Tokens of a chunk: as asked, as the edge takes them, and as a frame holds them. */
static uint32_t chunk_tokens(const struct ferry_device *d, const struct ferry_device_options *o)
{
	uint32_t n = o->chunk_tokens ? o->chunk_tokens : DEFAULT_CHUNK;
	const struct ferry_wire_welcome *w;
	size_t row, room;

	if (n > o->n_ctx)
		n = o->n_ctx;
	if (!d->uplink)
		return n;
	w = ferry_uplink_welcome(d->uplink);
	row = ferry_wire_row_bytes((uint8_t)o->encoding, d->n_embd);
	room = (w->max_frame - FERRY_FRAME_MAX_GREETING / 2) / row;
	if (n > w->max_batch)
		n = w->max_batch;
	return n < room ? n : (uint32_t)room;
}

static int open_session(struct ferry_device *d, const struct ferry_device_options *o,
			struct ferry_error *err)
{
	struct ferry_sampling greedy = ferry_sampling_greedy();
	struct ferry_wire_opened opened;
	struct ferry_wire_open open = {
		.session = FERRY_DEVICE_SESSION,
		.layer_begin = d->begin,
		.layer_end = d->end,
		.n_ctx = o->n_ctx,
		.head = d->head_there,
		.kv = (uint8_t)o->kv,
	};

	ferry_device_wire_sampling(&greedy, &d->sampling);
	open.sampling = d->sampling;
	return ferry_uplink_open(d->uplink, &open, &opened, err);
}

static int new_caches(struct ferry_device *d, const struct ferry_device_options *o,
		      struct ferry_error *err)
{
	int ret = 0;

	if (d->begin > 0)
		ret = ferry_kv_cache_new(d->model, 0, d->begin, o->n_ctx, o->kv, &d->front, err);
	if (!ret && d->end < d->n_layers)
		ret = ferry_kv_cache_new(d->model, d->end, d->n_layers, o->n_ctx, o->kv, &d->back,
					 err);
	return ret;
}

static int new_scratch(struct ferry_device *d, const struct ferry_device_options *o,
		       struct ferry_error *err)
{
	size_t rows = (size_t)d->chunk * d->n_embd;
	size_t row = ferry_wire_row_bytes((uint8_t)o->encoding, d->n_embd);

	d->hidden = malloc(rows * sizeof(float));
	d->payload = malloc(d->chunk * (row > 4 ? row : 4)); /* hidden states, or ids */
	d->logits = malloc((size_t)d->model->hp.n_vocab * sizeof(float));
	d->prefix = calloc((size_t)o->n_ctx + 1, sizeof(*d->prefix));
	d->id_bytes = malloc(4 * (size_t)o->n_ctx);
	if (!d->hidden || !d->payload || !d->logits || !d->prefix || !d->id_bytes)
		return ferry_fail_memory(err, "a session", 2 * rows * sizeof(float));
	return 0;
}

int ferry_device_new(const struct ferry_model *model, struct ferry_pool *pool,
		     struct ferry_uplink *uplink, const struct ferry_device_options *o,
		     struct ferry_device **out, struct ferry_error *err)
{
	struct ferry_device *d = calloc(1, sizeof(*d));
	int ret;

	*out = NULL;
	if (!d) {
		ferry_uplink_free(uplink);
		return ferry_fail_memory(err, "a session", sizeof(*d));
	}
	d->uplink = uplink;
	d->model = model;
	d->cancel = o->cancel;
	d->n_ctx = o->n_ctx;
	d->n_layers = model->hp.n_layers;
	d->n_embd = model->hp.n_embd;
	d->encoding = (uint8_t)o->encoding;
	d->begin = uplink ? o->split_begin : d->n_layers;
	d->end = uplink ? o->split_end : d->n_layers;
	d->head_there = uplink && d->end == d->n_layers && !o->head_here;
	ret = check_options(model, o, uplink, err);
	if (ret)
		goto fail;
	d->chunk = chunk_tokens(d, o);
	if (!d->chunk) {
		ret = ferry_fail(err, FERRY_ERROR_PEER, -EMSGSIZE,
				 "the edge's frames are too small for one hidden state");
		goto fail;
	}
	ret = ferry_prefix_key_new(&d->key);
	if (ret) {
		ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "cannot get random bytes: %s",
			   ferry_errno_text(ret));
		goto fail;
	}
	ret = ferry_forward_new(model, pool, d->chunk, FERRY_PATH_DEFAULT, &d->forward, err);
	if (!ret)
		ret = new_caches(d, o, err);
	if (!ret)
		ret = new_scratch(d, o, err);
	if (!ret && uplink)
		ret = open_session(d, o, err);
	if (ret)
		goto fail;
	*out = d;
	return 0;
fail:
	ferry_device_free(d);
	return ret;
}

void ferry_device_free(struct ferry_device *d)
{
	if (!d)
		return;
	ferry_uplink_free(d->uplink);
	ferry_kv_cache_free(d->front);
	ferry_kv_cache_free(d->back);
	ferry_forward_free(d->forward);
	free(d->hidden);
	free(d->payload);
	free(d->logits);
	free(d->prefix);
	free(d->id_bytes);
	free(d);
}

uint32_t ferry_device_n_past(const struct ferry_device *d)
{
	return d->n_sent;
}

void ferry_device_truncate(struct ferry_device *d, uint32_t n)
{
	if (n >= d->n_sent)
		return;
	/* What is on its way is not certain: the next run begins where it is. */
	if (d->n_sent > d->n_past)
		ferry_device_recover(d);
	if (n < d->n_past)
		d->n_past = n;
	d->n_sent = d->n_past;
	ferry_device_cut(d);
}

void ferry_device_wake(struct ferry_device *d)
{
	if (d->uplink)
		ferry_uplink_wake(d->uplink);
}

void ferry_device_get_stats(const struct ferry_device *d, struct ferry_device_stats *stats)
{
	*stats = (struct ferry_device_stats){.local_us = d->local_us};
	if (d->uplink)
		ferry_uplink_get_stats(d->uplink, &stats->uplink);
}

void ferry_device_wire_sampling(const struct ferry_sampling *s, struct ferry_wire_sampling *w)
{
	*w = (struct ferry_wire_sampling){
		.temperature = s->temperature,
		.top_k = s->top_k,
		.top_p = s->top_p,
		.min_p = s->min_p,
		.repeat_penalty = s->repeat_penalty,
		.repeat_window = s->repeat_window,
		.seed = s->seed,
	};
}
