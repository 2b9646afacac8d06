/* SPDX-License-Identifier: MIT */
/*
 * The edge role: holds models, serves ranges of their layers to any number of devices.
 *
 * One loop, one thread, one forward pass at a time, on a pool of compute threads. The decode steps
 * of all sessions with a model share a pass, in which they go by what is there, never waiting for
 * more. Prompts take turns, a chunk each, in slices of a bounded time; between two slices decode
 * steps go first. Between the layers of a pass the loop turns, so that connections are accepted and
 * pings are answered whatever is being computed.
 */
#ifndef FERRY_NODE_EDGE_H
#define FERRY_NODE_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "ferry/error.h"
#include "model/model.h"
#include "wire/link.h"
#include "wire/tls.h"

struct ferry_edge;

#define FERRY_EDGE_NO_LEASE UINT32_MAX

/* Zero stands for the default in brackets. */
struct ferry_edge_options {
	const char *listen;		 /* HOST:PORT; port 0: the system chooses */
	uint32_t layer_begin, layer_end; /* served [all] */
	uint32_t n_threads;		 /* [the CPUs of this process] */
	uint32_t max_connections;	 /* [64] */
	uint32_t max_sessions;		 /* of all connections together [16] */
	uint32_t max_context;		 /* positions of a session [the model's own] */
	uint32_t max_batch;		 /* tokens of a WORK [64] */
	uint32_t max_frame;	  /* bytes of a frame's body [8 MiB, or what a row of logits and
					  * a batch of hidden states need] */
	uint64_t kv_budget_bytes; /* for all KV caches [half of the memory that is free] */
	/* The session of a lost connection is kept for so long, if the budget allows; or
	 * FERRY_EDGE_NO_LEASE [60 s] */
	uint32_t lease_ms;
	bool kv_q8_only;	       /* refuse sessions whose caches would be larger */
	struct ferry_link_times times; /* [5 s each; idle 10 min] */
	struct ferry_tls_files tls;    /* who this edge is and whom it serves [not encrypted] */
	bool insecure;		       /* nothing is encrypted, on loopback or off */
	bool single_shot;	       /* as on kernels without multishot operations */
	int listen_fd;	   /* 1 + a listening socket to take over instead of `listen`; 0: none */
	uint32_t slice_us; /* of a prompt, for which others may have to wait [20 ms] */
	uint32_t drain_ms; /* for what is queued, after ferry_edge_drain() [10 s] */
	/*
	 * Called whenever the loop has turned, but not before turned_ms have passed since the last
	 * time, and not much later, however long passes are. For a watchdog. [NULL]
	 */
	void (*turned)(void *data);
	void *turned_data;
	uint32_t turned_ms;
	const struct ferry_log *log; /* may be NULL; must outlive the edge */
};

/**
 * ferry_edge_new - check the options, make the pool, listen.
 * @model: must outlive the edge
 *
 * Return: 0; -EINVAL; -EPERM for an address off loopback without keys; the codes of
 * ferry_tls_context_new(); -EADDRINUSE, -EACCES and others where
 * the address is not to be had; -ENOSYS without io_uring; -ENOMEM.
 */
int ferry_edge_new(const struct ferry_model *model, const struct ferry_edge_options *o,
		   struct ferry_edge **out, struct ferry_error *err);
void ferry_edge_free(struct ferry_edge *e);

/*
 * Serves another model beside the first, all of its layers; devices choose by its identity.
 * Before ferry_edge_run(). -EEXIST where it is served already, -ENOSPC beyond 16; -EINVAL, -ENOMEM.
 */
int ferry_edge_add_model(struct ferry_edge *e, const struct ferry_model *model,
			 struct ferry_error *err);

/* Where it listens: "127.0.0.1:7070". */
const char *ferry_edge_address(const struct ferry_edge *e);
uint16_t ferry_edge_port(const struct ferry_edge *e);

/* Serves until ferry_edge_stop(); tells the devices. Return: 0, or where io_uring fails. */
int ferry_edge_run(struct ferry_edge *e, struct ferry_error *err);

/* Ends ferry_edge_run(), between two layers if need be. Any thread, any signal handler. */
void ferry_edge_stop(struct ferry_edge *e);

/*
 * Ends ferry_edge_run() when what is queued by now is computed and sent, at the latest after
 * drain_ms: what comes from now on is refused with STOPPING. Any thread, any signal handler.
 */
void ferry_edge_drain(struct ferry_edge *e);

struct ferry_edge_stats {
	uint64_t n_accepted; /* connections, ever */
	uint64_t n_rejected; /* that never got through the handshake */
	uint64_t n_works;    /* done */
	uint64_t n_tokens;   /* in them */
	uint64_t n_passes;   /* of decode steps */
	uint64_t n_steps;    /* decode steps that were done in them */
	uint64_t compute_us;
	uint32_t n_connections, n_sessions; /* now */
	uint32_t n_leased;		    /* sessions without a connection, now */
	uint64_t kv_bytes;		    /* of all sessions, now */
	uint64_t leased_bytes;		    /* in them, of those without a connection */
};

/* From the thread that runs the edge, or while nobody does. */
void ferry_edge_get_stats(const struct ferry_edge *e, struct ferry_edge_stats *stats);

#endif
