/* SPDX-License-Identifier: MIT */
/*
 * What the files of the device share: device.c (life), device_layers.c (layers that run here),
 * device_remote.c (the session on an edge), device_run.c (tokens through all of them).
 */
#ifndef FERRY_NODE_DEVICE_PRIVATE_H
#define FERRY_NODE_DEVICE_PRIVATE_H

#include "engine/forward.h"
#include "node/device.h"
#include "wire/prefix_hash.h"

enum remote_state {
	REMOTE_NONE,
	REMOTE_OPENING, /* OPEN is under way */
	REMOTE_FEEDING,
	REMOTE_ACTIVE,
};

/* The session on an edge. */
struct device_remote {
	enum remote_state state;
	struct ferry_uplink *uplink;
	struct ferry_device_split split;
	uint32_t session;
	bool head_there;
	uint32_t chunk;	    /* tokens of a WORK at most */
	uint32_t n_past;    /* positions that have come back, so that the edge holds them */
	uint32_t n_sent;    /* and those that are on their way */
	uint32_t edge_past; /* positions that the edge should hold */
	bool edge_unknown;  /* it may hold anything */
	uint32_t ids_begin, ids_end;	     /* positions whose ids the edge was told */
	struct ferry_wire_sampling sampling; /* that the edge has */
	bool sampling_known;
};

/* Layers of an edge on their way through the device, a layer at a time. */
struct device_warming {
	bool running;
	uint32_t first, n; /* positions */
	uint32_t layer, end;
	float *hidden; /* [WARM_TOKENS][n_embd] */
	uint64_t credited_us;
	double credit_us; /* that may be spent now */
};

struct ferry_device {
	const struct ferry_model *model;
	struct ferry_forward *forward;
	const atomic_bool *cancel;
	uint32_t n_ctx, n_layers, n_embd, chunk;
	float warm_share;

	struct ferry_kv_cache *kv; /* all layers; those of the edge may be behind */
	uint32_t *past;		   /* [n_layers]: positions that each layer holds here */
	uint32_t n_past;	   /* without an edge: that have passed all layers */

	/* The hidden states that enter a layer: of positions [0, n_boundary). */
	float *boundary; /* [n_ctx][n_embd]; pages are touched as positions come */
	uint32_t boundary_layer, n_boundary;

	/* Where hidden states cross to the edge and back, and as what: they lose the same here. */
	struct ferry_device_split crossed;

	float *hidden;	   /* [chunk][n_embd] */
	float *logits;	   /* [n_vocab] */
	uint8_t *payload;  /* input of a WORK on its way out */
	uint8_t *id_bytes; /* [4 * n_ctx]: ids for the penalty */

	struct ferry_prefix_key key;
	uint64_t *prefix;  /* [n_ctx + 1]: of the history up to each position */
	uint32_t n_prefix; /* the last position that is known */

	struct device_remote remote;
	bool edge_failed;
	bool has_lease;
	struct ferry_wire_attach lease; /* of the session that was lost */
	struct ferry_device_split lease_split;
	struct device_warming warming;
	uint64_t local_us, warm_us;
	struct ferry_uplink_stats before; /* of connections that are over */
};

/*
 * device_layers.c: layers [begin, end) over @n hidden states at positions @first ... States that
 * would cross to an edge before one of these layers lose what its encoding would have lost.
 */
int ferry_device_layers(struct ferry_device *d, uint32_t first, uint32_t n, uint32_t begin,
			uint32_t end, float *hidden, struct ferry_error *err);
/* The same for states that have crossed already. */
int ferry_device_layers_crossed(struct ferry_device *d, uint32_t first, uint32_t n, uint32_t begin,
				uint32_t end, float *hidden, struct ferry_error *err);
/* What crossing before @layer makes of states; that of the head is n_layers. */
int ferry_device_cross(struct ferry_device *d, uint32_t layer, uint32_t n, float *hidden,
		       struct ferry_error *err);
/* The embedding of ids[first ...] into d->hidden. */
int ferry_device_embed(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n,
		       struct ferry_error *err);
/* Remembers the states that enter layer @layer, if they follow those that are known. */
void ferry_device_keep_boundary(struct ferry_device *d, uint32_t layer, uint32_t first, uint32_t n);
/* From now on those of another layer are kept. */
void ferry_device_set_boundary(struct ferry_device *d, uint32_t layer);
/* d->hidden receives what enters @layer at positions first ..., from memory where it is known. */
int ferry_device_input_of(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n,
			  uint32_t layer, struct ferry_error *err);
/* Runs a chunk of positions through layers that do not hold them, at most up to @n_ids; the
 * lowest of them. Nothing to do: 1. */
int ferry_device_catch_up(struct ferry_device *d, const int32_t *ids, uint32_t n_ids,
			  struct ferry_error *err);
/* The same in the time that an edge leaves: one layer of a few tokens. False: nothing may be done
 * now. */
bool ferry_device_warm_step(struct ferry_device *d, const int32_t *ids);

/* device_remote.c: tokens first ... of the history as a WORK. */
int ferry_device_send(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n,
		      struct ferry_wire_work *work, uint32_t n_answer, struct ferry_error *err);
bool ferry_device_has_room(const struct ferry_device *d, uint32_t n, uint32_t n_ids);
/* Tells the edge where its caches end, if it may think otherwise. */
int ferry_device_tell_position(struct ferry_device *d, struct ferry_error *err);
/* What is on its way is not certain any more. */
void ferry_device_recover(struct ferry_device *d);

void ferry_device_wire_sampling(const struct ferry_sampling *s, struct ferry_wire_sampling *w);

static inline uint32_t ferry_device_smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

#endif
