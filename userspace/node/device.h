/* SPDX-License-Identifier: MIT */
/*
 * The device role: runs layers [0, k) here, has [k, m) run by an edge, runs [m, n_layers) and the
 * head here again; or everything here. It holds the caches of its own layers; the token history is
 * its caller's.
 *
 * Where the layers run may change between any two runs. What is known here about layers that an
 * edge runs is one state of each position, the hidden state that entered them, so that these
 * layers can be computed here, or another edge can be told, without beginning at the first layer.
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
	/* While an edge is waited for, this share of the time (0 .. 1) goes into computing its
	 * layers here, too, so that the device can go on alone at once. */
	float warm_share;
};

/* What an edge runs. */
struct ferry_device_split {
	uint32_t begin, end; /* layers */
	bool head_here;	     /* even where `end` is the last layer */
	enum ferry_wire_encoding encoding;
};

/**
 * ferry_device_new - caches for all layers; without an edge, everything runs here.
 * @pool: may be NULL; must outlive the device
 *
 * Memory of layers that run elsewhere is not touched. Return: 0, -EINVAL, -ENOMEM.
 */
int ferry_device_new(const struct ferry_model *model, struct ferry_pool *pool,
		     const struct ferry_device_options *o, struct ferry_device **out,
		     struct ferry_error *err);
void ferry_device_free(struct ferry_device *d);

/* ---- with an edge (device_remote.c) ---- */

/**
 * ferry_device_join - begin a session on an edge; layers run here until ferry_device_activate().
 * @uplink: a connection that the edge has welcomed, taken over by the device (freed with it, and
 *          on failure); where it attached to a session, that one is taken
 *
 * Return: 0, -EINVAL, -EMSGSIZE, -ENOMEM, the codes of the link.
 */
int ferry_device_join(struct ferry_device *d, struct ferry_uplink *uplink,
		      const struct ferry_device_split *split, struct ferry_error *err);

/* Another split on the connection that is there: its session ends, and another one begins. */
int ferry_device_rejoin(struct ferry_device *d, const struct ferry_device_split *split,
			struct ferry_error *err);

/**
 * ferry_device_feed - bring the edge that was joined up to the history.
 * @ids: the history; positions [0, n_ids) are to be known there
 * @wait: until that is done; else what can be done without waiting for the edge is done: one chunk
 *
 * Return: 1 when the edge has all of it, or has it under way; 0 when there is more to do; or what
 * went wrong, upon which the caller leaves the edge.
 */
int ferry_device_feed(struct ferry_device *d, const int32_t *ids, uint32_t n_ids, bool wait,
		      struct ferry_error *err);

/* From now on the edge that was joined and fed runs its layers. */
void ferry_device_activate(struct ferry_device *d);

/* From now on everything runs here; the connection ends. Its lease is kept where it was lost. */
void ferry_device_leave(struct ferry_device *d);
/* The same, and the connection stays: the session on it ends. NULL where it is lost. */
struct ferry_uplink *ferry_device_release(struct ferry_device *d);

enum ferry_device_state {
	FERRY_DEVICE_ALONE,
	FERRY_DEVICE_JOINING, /* everything runs here, and an edge is being fed */
	FERRY_DEVICE_SHARED,  /* an edge runs its layers */
};
enum ferry_device_state ferry_device_state(const struct ferry_device *d);

/* The connection that is joined; NULL: none. */
struct ferry_uplink *ferry_device_uplink(const struct ferry_device *d);
const struct ferry_device_split *ferry_device_split(const struct ferry_device *d);

/* How to attach to the session that was lost last; false: it had no lease. */
bool ferry_device_lease(const struct ferry_device *d, struct ferry_wire_attach *attach,
			struct ferry_device_split *split);
void ferry_device_forget_lease(struct ferry_device *d);

/* Positions that all layers have in their caches here, of use for going on alone. */
uint32_t ferry_device_warm(const struct ferry_device *d);

/* ---- tokens (device_run.c) ---- */

enum ferry_want {
	FERRY_WANT_NOTHING, /* only the caches */
	FERRY_WANT_TOKEN,   /* the token after the last */
	FERRY_WANT_LAST,    /* logits of the last */
	FERRY_WANT_LOGITS,  /* logits of every token from `from` on */
};

struct ferry_device_run {
	const int32_t *ids; /* the whole history, positions 0 ... n_ids - 1 */
	uint32_t n_ids;	    /* > ferry_device_n_past() */
	enum ferry_want want;
	uint32_t from; /* for LOGITS, at least n_past as it was before anything failed */
	const struct ferry_sampling *sampling; /* for TOKEN */
	int32_t *id;			       /* for TOKEN */
	float *logits;			       /* [n_ids - from][n_vocab], for LAST [n_vocab] */
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

/* Whether the last failure of a run was the edge's or its link's: the device could go on alone. */
bool ferry_device_edge_failed(const struct ferry_device *d);

/* Positions that have passed all layers or are on their way. */
uint32_t ferry_device_n_past(const struct ferry_device *d);

/* Forget positions >= @n, which is at most n_past. The edge hears of it with the next run. */
void ferry_device_truncate(struct ferry_device *d, uint32_t n);

struct ferry_device_stats {
	uint64_t local_us; /* computing here, for tokens */
	uint64_t warm_us;  /* computing here what an edge computed, too */
	struct ferry_uplink_stats
		uplink; /* of all connections so far; the round trip of this one */
};
void ferry_device_get_stats(const struct ferry_device *d, struct ferry_device_stats *stats);

#endif
