/* SPDX-License-Identifier: MIT */
/* What device.c (life) and device_run.c (tokens through layers) share. */
#ifndef FERRY_NODE_DEVICE_PRIVATE_H
#define FERRY_NODE_DEVICE_PRIVATE_H

#include "node/device.h"
#include "wire/prefix_hash.h"

struct ferry_device {
	const struct ferry_model *model;
	struct ferry_uplink *uplink; /* NULL: everything runs here */
	struct ferry_forward *forward;
	const atomic_bool *cancel;
	uint32_t n_ctx, n_layers, n_embd, chunk;
	uint32_t begin, end; /* layers that run on the edge; empty and at the end without one */
	bool head_there;
	uint8_t encoding;

	struct ferry_kv_cache *front,
		*back;	    /* of [0, begin) and [end, n_layers); NULL where empty */
	uint32_t n_past;    /* positions that have passed all layers for certain */
	uint32_t n_sent;    /* and those that are on their way through the edge */
	uint32_t run_begin; /* n_sent at the start of the run */
	float *hidden;	    /* [chunk][n_embd] */
	float *logits;	    /* [n_vocab] */
	uint8_t *payload;   /* input of a WORK on its way out */
	uint8_t *id_bytes;  /* [4 * n_ctx]: ids for the penalty */

	struct ferry_prefix_key key;
	uint64_t *prefix;		     /* [n_ctx + 1]: of the history up to each position */
	uint32_t edge_past;		     /* positions that the edge should hold */
	bool edge_unknown;		     /* it may hold anything */
	uint32_t ids_begin, ids_end;	     /* positions whose ids the edge was told */
	struct ferry_wire_sampling sampling; /* that the edge has */
	uint64_t local_us;
};

enum { FERRY_DEVICE_SESSION = 1 }; /* there is one per connection */

/* Cuts the caches here back to what is certain; or everything, after a failure. */
void ferry_device_cut(struct ferry_device *d);
void ferry_device_recover(struct ferry_device *d);

void ferry_device_wire_sampling(const struct ferry_sampling *s, struct ferry_wire_sampling *w);

#endif
