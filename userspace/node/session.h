/* SPDX-License-Identifier: MIT */
/*
 * A conversation with a model, wherever its layers run. It owns the token history, so any edge can
 * be lost without losing what was said: the conversation goes on here, with the same tokens, and
 * comes back to an edge when one can be reached. Between two tokens layers may move.
 *
 * The history may be longer than what the layers have seen: the last token waits until its
 * successor is asked for. One thread at a time, except for ferry_node_session_cancel().
 */
#ifndef FERRY_NODE_SESSION_H
#define FERRY_NODE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "compute/pool.h"
#include "engine/kv_cache.h"
#include "engine/sampler.h"
#include "ferry/error.h"
#include "model/model.h"
#include "wire/message.h"
#include "wire/tls.h"

struct ferry_node_session;

enum {
	FERRY_NODE_SPLIT_NONE = -1, /* everything here, even with an edge */
	FERRY_NODE_SPLIT_AUTO =
		-2, /* measure and choose; everything here if the edge is not there */
};

/* When no edge can be reached that should run layers. */
enum ferry_node_fallback {
	FERRY_NODE_FALLBACK_LOCAL, /* go on here; come back when an edge is there */
	FERRY_NODE_FALLBACK_WAIT,  /* wait for an edge, wait_ms at most */
	FERRY_NODE_FALLBACK_FAIL,  /* the call fails */
};

struct ferry_node_session_options {
	uint32_t n_ctx; /* positions; 0: the model's own, 4096 at most */
	enum ferry_kv_type kv;
	uint32_t chunk_tokens; /* of a prompt, at once; 0: 64 */

	/* HOST:PORT or [V6]:PORT, or several with commas between them, the best one first; NULL:
	 * everything here, the rest does not count */
	const char *edge;
	int32_t split; /* layers [0, split) run here, or one of the above */
	uint32_t
		split_end; /* the edge runs [split, split_end), the rest runs here; 0: all others */
	bool head_here;	   /* logits and tokens never leave this machine */
	enum ferry_wire_encoding encoding; /* of hidden states; F32 is exact */
	bool choose_encoding; /* instead: the fewest bytes that the edge speaks and quality bears */
	uint32_t deadline_ms; /* for every wait on the edge; 0: 5000 */
	/* With a fallback an edge is lost after a shorter silence, judged by the round trip, of at
	 * least so long; 0: 150 */
	uint32_t silence_ms;
	enum ferry_node_fallback fallback; /* once the session is open */
	uint32_t wait_ms;		   /* for FALLBACK_WAIT; 0: 60000 */
	float warm_share; /* of the time spent waiting, see struct ferry_device_options */
	const struct ferry_log *log; /* each decision in a line; may be NULL; must outlive it */
	struct ferry_tls_files tls;  /* who this device is and which edges it trusts */
	bool insecure;		     /* nothing is encrypted */
	uint32_t n_prompt_hint, n_new_hint; /* tokens, for AUTO; 0: 64 and 128 */
};

/**
 * ferry_node_session_open - caches here, and a session on the edge.
 * @model, @pool: must outlive the session; @pool may be NULL
 *
 * Return: 0; -EINVAL; -ENOMEM; -EPERM for an edge off loopback without keys; -EACCES where one does
 * not trust the other; the codes of ferry_tls_context_new(), ferry_uplink_connect() and
 * ferry_device_new().
 */
int ferry_node_session_open(const struct ferry_model *model, struct ferry_pool *pool,
			    const struct ferry_node_session_options *o,
			    struct ferry_node_session **out, struct ferry_error *err);
void ferry_node_session_close(struct ferry_node_session *s);

/*
 * Add tokens to the history and run all but the last of it through the layers. On failure the
 * tokens stay in the history and run with the next call. -ENOSPC where they do not fit the
 * context (nothing is added then), -EINVAL for ids outside the vocabulary.
 */
int ferry_node_session_append(struct ferry_node_session *s, const int32_t *ids, size_t n,
			      struct ferry_error *err);

/**
 * ferry_node_session_next - choose the next token and add it to the history.
 * @sampling: or NULL for greedy
 *
 * Return: 0; -ENODATA while the history is empty; -ENOSPC at the end of the context; -EINVAL for
 * sampling parameters; -ECANCELED; -EBADMSG where a result is not finite; the codes of a lost edge.
 */
int ferry_node_session_next(struct ferry_node_session *s, const struct ferry_sampling *sampling,
			    int32_t *id, struct ferry_error *err);

/**
 * ferry_node_session_logits - append tokens and get their logits.
 * @all: logits receives [n][n_vocab], a row after each token; else [1][n_vocab], after the last
 *
 * Where @all is set, everything before the @n tokens is run first. Return: as _append().
 */
int ferry_node_session_logits(struct ferry_node_session *s, const int32_t *ids, size_t n, bool all,
			      float *logits, struct ferry_error *err);

/**
 * ferry_node_session_move - run other layers on the edge from the next token on.
 * @split, @split_end, @head_here: as in the options; NONE for everything here
 *
 * The history is computed again where it is missing. Where no edge takes the layers, the
 * conversation stays here, with @split as what it tries to get back to.
 * Return: 0; -EINVAL, also without an edge in the options; -ECANCELED; the codes of the edge.
 */
int ferry_node_session_move(struct ferry_node_session *s, int32_t split, uint32_t split_end,
			    bool head_here, struct ferry_error *err);

/* Forget tokens from position @n on; -EINVAL beyond the history. */
int ferry_node_session_truncate(struct ferry_node_session *s, size_t n, struct ferry_error *err);

/* The history; valid until the next call that changes it. */
const int32_t *ferry_node_session_history(const struct ferry_node_session *s, size_t *n);
uint32_t ferry_node_session_n_ctx(const struct ferry_node_session *s);

/* Makes the running or next call return -ECANCELED, once. Any thread, any signal handler. */
void ferry_node_session_cancel(struct ferry_node_session *s);

struct ferry_node_session_stats {
	uint64_t n_tokens;	   /* in the history */
	bool local;		   /* no edge takes part now */
	uint32_t n_lost;	   /* times that an edge failed or its link was lost */
	uint32_t n_attached;	   /* times that a lost session was found again on its edge */
	uint32_t n_moves;	   /* times that layers went elsewhere, for whatever reason */
	uint64_t n_kept;	   /* positions that attaching did not have to send again */
	uint32_t n_warm;	   /* positions that all layers have here */
	uint64_t warm_us;	   /* computing here what an edge computed, too */
	uint32_t split, split_end; /* layers [split, split_end) run on the edge */
	uint64_t local_us;	   /* computing here */
	uint64_t edge_us;	   /* computing there, as it reports */
	uint64_t queue_us;	   /* waiting there, before that */
	uint64_t wait_us; /* waiting here for answers, all of the above and the link included */
	uint64_t bytes_sent, bytes_received; /* framing included */
	uint64_t rtt_us;		     /* of the link, smoothed; 0 without an edge */
};
void ferry_node_session_get_stats(const struct ferry_node_session *s,
				  struct ferry_node_session_stats *stats);

/* Why AUTO chose what it did, in lines; empty for a fixed split. */
const char *ferry_node_session_explanation(const struct ferry_node_session *s);

#endif
