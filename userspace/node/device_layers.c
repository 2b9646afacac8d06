// SPDX-License-Identifier: MIT
/* The layers that run on the device, and those that it could run as well as the edge. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/activation.h"
#include "node/device_private.h"

enum {
	WARM_TOKENS = 16,      /* computed together: a weight is read once for all of them */
	WARM_MOST_US = 200000, /* of computing that may be saved up */
};

int ferry_device_layers_crossed(struct ferry_device *d, uint32_t first, uint32_t n, uint32_t begin,
				uint32_t end, float *hidden, struct ferry_error *err)
{
	struct ferry_span span = {.kv = d->kv, .n_tokens = n};
	int ret;

	if (begin == end)
		return 0;
	/* The layers of the cache are not equally far: each has its own length. */
	d->kv->n_past = first;
	ret = ferry_forward_layers(d->forward, &span, 1, begin, end, hidden, err);
	for (uint32_t i = begin; i < end; i++) {
		/* Positions that were there were written again, with the same bits; or, on failure,
		 * with nobody knows what. */
		if (ret)
			d->past[i] = ferry_device_smaller(d->past[i], first);
		else if (d->past[i] < first + n)
			d->past[i] = first + n;
	}
	return ret;
}

int ferry_device_cross(struct ferry_device *d, uint32_t layer, uint32_t n, float *hidden,
		       struct ferry_error *err)
{
	const struct ferry_kernels *k = ferry_forward_kernels(d->forward);
	const struct ferry_device_split *s = &d->crossed;
	bool up = layer && layer == s->begin;
	bool down = layer == s->end && (s->end < d->n_layers || s->head_here);
	int ret = 0;

	/* Nothing crosses both ways before one layer but where the edge has none. */
	if (s->encoding == FERRY_ENCODING_F32 || (!up && !down))
		return 0;
	for (int times = up + down; !ret && times; times--) {
		ret = ferry_activation_encode(k, (uint8_t)s->encoding, hidden, n, d->n_embd,
					      d->payload, err);
		if (!ret)
			ret = ferry_activation_decode(k, (uint8_t)s->encoding, d->payload, n,
						      d->n_embd, hidden, err);
	}
	return ret;
}

int ferry_device_layers(struct ferry_device *d, uint32_t first, uint32_t n, uint32_t begin,
			uint32_t end, float *hidden, struct ferry_error *err)
{
	int ret = 0;

	for (uint32_t at = begin, next; !ret && at < end; at = next) {
		ret = ferry_device_cross(d, at, n, hidden, err);
		next = end;
		if (d->crossed.begin > at && d->crossed.begin < next)
			next = d->crossed.begin;
		if (d->crossed.end > at && d->crossed.end < next)
			next = d->crossed.end;
		if (!ret)
			ret = ferry_device_layers_crossed(d, first, n, at, next, hidden, err);
	}
	return ret;
}

int ferry_device_embed(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n,
		       struct ferry_error *err)
{
	return ferry_forward_embed(d->forward, ids + first, n, d->hidden, err);
}

void ferry_device_set_boundary(struct ferry_device *d, uint32_t layer)
{
	if (d->boundary_layer != layer)
		d->n_boundary = 0;
	d->boundary_layer = layer;
}

void ferry_device_keep_boundary(struct ferry_device *d, uint32_t layer, uint32_t first, uint32_t n)
{
	if (layer != d->boundary_layer || first > d->n_boundary)
		return;
	memcpy(d->boundary + (size_t)first * d->n_embd, d->hidden,
	       (size_t)n * d->n_embd * sizeof(float));
	if (d->n_boundary < first + n)
		d->n_boundary = first + n;
}

static bool knows_input(const struct ferry_device *d, uint32_t layer, uint32_t until)
{
	return layer && layer == d->boundary_layer && d->n_boundary >= until;
}

int ferry_device_input_of(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n,
			  uint32_t layer, struct ferry_error *err)
{
	uint64_t start = ferry_now_us();
	bool known = knows_input(d, layer, first + n);
	int ret = 0;

	/* The layers below must hold the positions, too. */
	for (uint32_t i = 0; known && i < layer; i++)
		known = d->past[i] >= first + n;
	if (known) {
		memcpy(d->hidden, d->boundary + (size_t)first * d->n_embd,
		       (size_t)n * d->n_embd * sizeof(float));
	} else {
		ret = ferry_device_embed(d, ids, first, n, err);
		if (!ret)
			ret = ferry_device_layers(d, first, n, 0, layer, d->hidden, err);
		if (!ret)
			ferry_device_keep_boundary(d, layer, first, n);
	}
	d->local_us += ferry_now_us() - start;
	return ret;
}

/* Which layers lack position @first, and so which to begin and end with. */
static void missing_layers(const struct ferry_device *d, uint32_t first, uint32_t n,
			   uint32_t *begin, uint32_t *end)
{
	*end = 0;
	*begin = d->n_layers;
	for (uint32_t i = 0; i < d->n_layers; i++) {
		if (d->past[i] >= first + n)
			continue;
		if (*begin > i)
			*begin = i;
		*end = i + 1;
	}
	if (*begin >= d->boundary_layer && knows_input(d, d->boundary_layer, first + n))
		*begin = d->boundary_layer;
	else
		*begin = 0;
}

uint32_t ferry_device_warm(const struct ferry_device *d)
{
	uint32_t n = UINT32_MAX;

	for (uint32_t i = 0; i < d->n_layers; i++)
		n = ferry_device_smaller(n, d->past[i]);
	return n;
}

int ferry_device_catch_up(struct ferry_device *d, const int32_t *ids, uint32_t n_ids,
			  struct ferry_error *err)
{
	uint32_t first = ferry_device_warm(d), n, begin, end;
	uint64_t start = ferry_now_us();
	int ret = 0;

	if (first >= n_ids)
		return 1;
	n = ferry_device_smaller(n_ids - first, d->chunk);
	missing_layers(d, first, n, &begin, &end);
	if (begin)
		memcpy(d->hidden, d->boundary + (size_t)first * d->n_embd,
		       (size_t)n * d->n_embd * sizeof(float));
	else
		ret = ferry_device_embed(d, ids, first, n, err);
	if (!ret)
		ret = ferry_device_layers(d, first, n, begin, end, d->hidden, err);
	d->local_us += ferry_now_us() - start;
	return ret;
}

/* Time is earned as it passes, and cannot be saved up for long. */
static bool may_warm(struct ferry_device *d, uint64_t now)
{
	struct device_warming *w = &d->warming;

	if (!(d->warm_share > 0))
		return false;
	if (w->credited_us)
		w->credit_us += d->warm_share * (double)(now - w->credited_us);
	w->credited_us = now;
	if (w->credit_us > WARM_MOST_US)
		w->credit_us = WARM_MOST_US;
	return w->credit_us > 0;
}

static bool begin_warming(struct ferry_device *d, const int32_t *ids)
{
	struct device_warming *w = &d->warming;
	uint32_t first = ferry_device_warm(d), n = ferry_device_smaller(WARM_TOKENS, d->chunk);
	uint32_t begin, end;

	if (d->remote.n_past < first + n)
		return false;
	missing_layers(d, first, n, &begin, &end);
	if (begin)
		memcpy(w->hidden, d->boundary + (size_t)first * d->n_embd,
		       (size_t)n * d->n_embd * sizeof(float));
	else if (ferry_forward_embed(d->forward, ids + first, n, w->hidden, NULL))
		return false;
	w->first = first;
	w->n = n;
	w->layer = begin;
	w->end = end;
	w->running = true;
	return true;
}

bool ferry_device_warm_step(struct ferry_device *d, const int32_t *ids)
{
	struct device_warming *w = &d->warming;
	uint64_t start = ferry_now_us(), took;

	if (!may_warm(d, start) || (!w->running && !begin_warming(d, ids)))
		return false;
	if (ferry_device_layers(d, w->first, w->n, w->layer, w->layer + 1, w->hidden, NULL)) {
		/* It will say why when it has to compute this for a token. */
		w->running = false;
		d->warm_share = 0;
		return false;
	}
	w->running = ++w->layer < w->end;
	took = ferry_now_us() - start;
	w->credit_us -= (double)took;
	d->warm_us += took;
	return true;
}
