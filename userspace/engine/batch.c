// SPDX-License-Identifier: MIT
#include "engine/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/pass.h"

struct ferry_batch {
	struct ferry_forward *f;
	uint32_t max_items;
	struct ferry_span *spans;	  /* [max_items] */
	struct ferry_batch_item **active; /* [max_items]: of the running step */
	float *hidden;			  /* [max_tokens of f][n_embd] */
};

int ferry_batch_new(struct ferry_forward *f, uint32_t max_items, struct ferry_batch **out,
		    struct ferry_error *err)
{
	const size_t hidden = (size_t)f->max_tokens * f->model->hp.n_embd * sizeof(float);
	struct ferry_batch *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return ferry_fail_memory(err, "a batch", sizeof(*b));
	b->f = f;
	b->max_items = max_items;
	b->spans = calloc(max_items, sizeof(*b->spans));
	b->active = calloc(max_items, sizeof(*b->active));
	b->hidden = malloc(hidden);
	if (!b->spans || !b->active || !b->hidden) {
		ferry_batch_free(b);
		return ferry_fail_memory(err, "a batch", hidden);
	}
	*out = b;
	return 0;
}

void ferry_batch_free(struct ferry_batch *b)
{
	if (!b)
		return;
	free(b->spans);
	free(b->active);
	free(b->hidden);
	free(b);
}

/* The layers of the next step: from the lowest where an item is to where something changes. */
static bool find_layers(struct ferry_batch_item *const *items, uint32_t n, uint32_t max_layers,
			uint32_t *begin, uint32_t *end)
{
	*begin = *end = UINT32_MAX;
	for (uint32_t i = 0; i < n; i++)
		if (!ferry_batch_done(items[i]) && items[i]->at < *begin)
			*begin = items[i]->at;
	if (*begin == UINT32_MAX)
		return false;
	if (max_layers < *end - *begin)
		*end = *begin + max_layers;
	for (uint32_t i = 0; i < n; i++) {
		if (ferry_batch_done(items[i]))
			continue;
		if (items[i]->at > *begin && items[i]->at < *end)
			*end = items[i]->at;
		if (items[i]->at == *begin && items[i]->end < *end)
			*end = items[i]->end;
	}
	return true;
}

static size_t row_floats(const struct ferry_batch *b, uint32_t n_tokens)
{
	return (size_t)n_tokens * b->f->model->hp.n_embd;
}

/* Hidden states of the step's items to b->hidden, or back; rows that are not there wait. */
static void copy_rows(const struct ferry_batch *b, uint32_t n, bool back)
{
	float *row = b->hidden;

	for (uint32_t i = 0; i < n; i++) {
		const size_t floats = row_floats(b, b->active[i]->n_tokens);

		if (back)
			memcpy(b->active[i]->hidden, row, floats * sizeof(float));
		else
			memcpy(row, b->active[i]->hidden, floats * sizeof(float));
		row += floats;
	}
}

static int collect(struct ferry_batch *b, struct ferry_batch_item *const *items, uint32_t n,
		   uint32_t begin, uint32_t *n_active, struct ferry_error *err)
{
	uint32_t n_tokens = 0;

	*n_active = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct ferry_batch_item *item = items[i];

		if (ferry_batch_done(item) || item->at != begin)
			continue;
		if (*n_active == b->max_items || item->n_tokens > b->f->max_tokens - n_tokens)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "a batch has more than the %u sequences or %u tokens "
					  "that it was made for",
					  b->max_items, b->f->max_tokens);
		n_tokens += item->n_tokens;
		b->spans[*n_active] = (struct ferry_span){item->kv, item->n_tokens};
		b->active[(*n_active)++] = item;
	}
	return 0;
}

int ferry_batch_step(struct ferry_batch *b, struct ferry_batch_item *const *items, uint32_t n,
		     uint32_t max_layers, struct ferry_error *err)
{
	uint32_t begin, end, n_active;
	bool finite, alone;
	int ret;

	if (!find_layers(items, n, max_layers ? max_layers : 1, &begin, &end))
		return 0;
	ret = collect(b, items, n, begin, &n_active, err);
	if (ret)
		return ret;
	alone = n_active == 1;
	if (!alone)
		copy_rows(b, n_active, false);
	ret = ferry_forward_try_layers(b->f, b->spans, n_active, begin, end,
				       alone ? b->active[0]->hidden : b->hidden, &finite, err);
	if (ret)
		return ret;
	if (!alone)
		copy_rows(b, n_active, true);
	for (uint32_t i = 0; i < n_active; i++) {
		struct ferry_batch_item *item = b->active[i];

		item->at = end;
		item->failed = !finite &&
			       !ferry_all_finite(item->hidden, row_floats(b, item->n_tokens));
	}
	return (int)(end - begin);
}
