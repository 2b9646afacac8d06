/* SPDX-License-Identifier: MIT */
/*
 * The device role: runs layers [0, k) here, has [k, m) run by an edge, runs [m, n_layers) and the
 * head here again; or everything here, without an edge. It holds the caches of its own layers;
 * the token history is its caller's.
 *
 * Edge and device agree on a position at all times, or find out: after any failure the next run
 * begins by cutting the edge's caches back to what is certain.
 */
#ifndef FERRY_NODE_DEVICE_H
#define FERRY_NODE_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compute/pool.h"
#include "engine/kv_cache.h"
#include "engine/sampler.h"
#include "ferry/error.h"
#include "model/model.h"
#include "node/uplink.h"
#include "wire/message.h"

struct ferry_device;

struct ferry_device_options {
	uint32_t n_ctx; /* positions */
	enum ferry_kv_type kv;
	uint32_t chunk_tokens;	   /* of a prompt, at once; 0: 64 */
	const atomic_bool *cancel; /* may be NULL */

	/* With an edge only: */
	uint32_t split_begin, split_end; /* layers [k, m) run there */
	bool head_here;			 /* even where m is the last layer */
	enum ferry_wire_encoding encoding;
};

/**
 * ferry_device_new - caches and, on the edge, a session.
 * @pool: may be NULL; must outlive the device
 * @uplink: a connection whose WELCOME serves the range, taken over by the device (freed with it,
 *          and on failure); NULL: everything runs here
 *
 * Return: 0, -EINVAL, -ENOMEM, the codes of ferry_uplink_open().
 */
int ferry_device_new(const struct ferry_model *model, struct ferry_pool *pool,
		     struct ferry_uplink *uplink, const struct ferry_device_options *o,
		     struct ferry_device **out, struct ferry_error *err);
void ferry_device_free(struct ferry_device *d);

enum ferry_want {
	FERRY_WANT_NOTHING, /* only the caches */
	FERRY_WANT_TOKEN,   /* the token after the last */
	FERRY_WANT_LAST,    /* logits of the last */
	FERRY_WANT_LOGITS,  /* logits of every token that the run passes */
};

struct ferry_device_run {
	const int32_t *ids; /* the whole history, positions 0 ... n_ids - 1 */
	uint32_t n_ids;	    /* > ferry_device_n_past() */
	enum ferry_want want;
	const struct ferry_sampling *sampling; /* for TOKEN */
	int32_t *id;			       /* for TOKEN */
	float *logits;			       /* [n_ids - n_past][n_vocab], for LAST [n_vocab] */
};

/**
 * ferry_device_run - pass positions n_past ... n_ids - 1 through all layers.
 *
 * Prompt chunks overlap: while one travels and is computed on the edge, the next is computed here.
 * Where nothing is wanted, the call returns when all is sent; what fails then fails the next call.
 * On failure n_past is where it was certain to be, and the call may be repeated. Return: 0;
 * -EINVAL; -ENOSPC beyond the context; -ECANCELED; -EBADMSG for results that are not finite; the
 * codes of a lost edge.
 */
int ferry_device_run(struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err);

/* Positions that have passed all layers or are on their way. */
uint32_t ferry_device_n_past(const struct ferry_device *d);

/* Forget positions >= @n, which is at most n_past. The edge hears of it with the next run. */
void ferry_device_truncate(struct ferry_device *d, uint32_t n);

/* Makes a wait look at options.cancel. Any thread, any signal handler. */
void ferry_device_wake(struct ferry_device *d);

struct ferry_device_stats {
	uint64_t local_us; /* computing here */
	struct ferry_uplink_stats uplink;
};
void ferry_device_get_stats(const struct ferry_device *d, struct ferry_device_stats *stats);

#endif
