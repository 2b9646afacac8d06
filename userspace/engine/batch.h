/* SPDX-License-Identifier: MIT */
/*
 * Passes of several sequences through layers that they share. Each has its own cache, position,
 * layers and hidden states; a layer's weights are read once for all that are at it.
 *
 * Sequences join and leave between two steps. Who is furthest behind goes first, so that who came
 * late catches up with the others, and all go on together from there. By the promise of
 * forward.h nobody's result shows who else was there.
 */
#ifndef FERRY_ENGINE_BATCH_H
#define FERRY_ENGINE_BATCH_H

#include "engine/forward.h"

struct ferry_batch_item {
	struct ferry_kv_cache *kv; /* of layers [at, end) at least; may be NULL where at == end */
	uint32_t n_tokens;	   /* at positions kv->n_past ..., which does not move */
	uint32_t at, end;	   /* layers that are left; moved by ferry_batch_step() */
	float *hidden;		   /* [n_tokens][n_embd] */
	bool failed; /* its numbers are not finite any more; it takes part in no further step */
};

struct ferry_batch;

/**
 * ferry_batch_new - memory for steps of at most @max_items sequences.
 * @f: does the passes; must outlive the batch, and bounds the tokens of a step by its max_tokens
 *
 * Return: 0, -ENOMEM.
 */
int ferry_batch_new(struct ferry_forward *f, uint32_t max_items, struct ferry_batch **out,
		    struct ferry_error *err);
void ferry_batch_free(struct ferry_batch *b);

/* Whether an item has nothing left to do. */
static inline bool ferry_batch_done(const struct ferry_batch_item *item)
{
	return item->failed || item->at >= item->end;
}

/**
 * ferry_batch_step - take those that are furthest behind some layers further.
 * @items: [n]; those that are done are passed over
 * @max_layers: at least one; the step ends earlier where an item waits, or one is done
 *
 * Return: the layers of the step, 0 where all are done; or the errors of ferry_forward_layers().
 * But numbers that are not finite only mark the item whose they are: its hidden states are
 * undefined then, those of others as they should be.
 */
int ferry_batch_step(struct ferry_batch *b, struct ferry_batch_item *const *items, uint32_t n,
		     uint32_t max_layers, struct ferry_error *err);

#endif
