/* SPDX-License-Identifier: MIT */
/*
 * What the files of the edge role share: edge.c (life and turns), edge_log.c (what is logged),
 * edge_peer.c (connections and their messages), edge_session.c (sessions and their queues),
 * edge_work.c (the forward pass).
 */
#ifndef FERRY_NODE_EDGE_PRIVATE_H
#define FERRY_NODE_EDGE_PRIVATE_H

#include <stdatomic.h>

#include "compute/pool.h"
#include "engine/forward.h"
#include "engine/kv_cache.h"
#include "engine/sampler.h"
#include "node/edge.h"
#include "node/profile.h"
#include "wire/loop.h"

enum {
	EDGE_WINDOW_WORKS = 16, /* unanswered, of a connection */
	EDGE_WINDOW_FRAMES = 2, /* their bytes, in largest frames */
	EDGE_MAX_ITEMS = 64,	/* of a connection, with what has no answer */
	EDGE_MAX_PEER_SESSIONS = 8,
	EDGE_HEAD_ROWS = 8,	   /* of logits, at once */
	EDGE_SEND_AHEAD = 1 << 20, /* bytes: who has more to take gets no more work done */
	EDGE_MAX_TALK = 1 << 20,   /* bytes of other answers than RESULTs that it does not read */
	EDGE_LOG_LINES = 20,	   /* in a second */
	EDGE_BREATH_US = 4000,	   /* at most so long without a look at the sockets */
};

/* A message that waits for its turn; what has no input is queued only behind what has. */
struct edge_item {
	struct edge_item *next;
	uint64_t arrived_us;
	uint32_t n_body;
	bool cancelled; /* its turn is only for saying so: answers keep their order */
	struct ferry_wire_message message; /* points into body */
	uint8_t body[];
};

struct edge_session {
	struct edge_session *next; /* in the order of their turns */
	struct edge_peer *peer;
	bool closing; /* was closed while it computes: goes when that ends */
	uint32_t id;
	uint32_t begin, end; /* layers */
	bool head;
	struct ferry_kv_cache *kv; /* NULL for an empty range */
	uint64_t kv_bytes;
	uint32_t n_ctx, n_past;
	uint64_t prefix; /* of the history up to n_past */
	struct ferry_sampling sampling;
	int32_t *ids; /* [n_ctx], -1 where unknown; NULL until one is known */
	struct edge_item *items, **items_tail;
	bool cancel_running;
};

/* Most of what is logged is caused by peers, who must not fill a disk with it. */
struct edge_log {
	struct ferry_log limited;
	const struct ferry_log *to;
	uint64_t second_us; /* when the running one began */
	uint32_t n_written, n_dropped;
};

/* Peers go only in ferry_edge_peer_sweep(), so that whoever holds one may go on holding it. */
struct edge_peer {
	struct edge_peer *next;
	struct ferry_edge *edge;
	struct ferry_link *link; /* NULL: gone */
	bool established;
	uint32_t max_frame, max_batch; /* agreed */
	uint32_t n_sessions;
	uint32_t n_items, n_works, n_work_bytes; /* unanswered */
	uint64_t n_talk; /* bytes of other answers than RESULTs, since all was sent */
	bool wants_profile;
	uint32_t profile_request, profile_tokens;
};

struct ferry_edge {
	const struct ferry_model *model;
	struct ferry_edge_options options;
	struct edge_log log;
	struct ferry_pool *pool;
	struct ferry_forward *forward;
	struct ferry_loop *loop;
	struct ferry_endpoint bound;
	char address[FERRY_ENDPOINT_TEXT];
	atomic_bool stop;

	struct edge_peer *peers;
	struct edge_session *sessions; /* the first has the next turn */
	struct edge_session *running;
	struct edge_item *running_item;

	float *hidden;	  /* [max_batch][n_embd] */
	float *logits;	  /* [EDGE_HEAD_ROWS][n_vocab] */
	uint8_t *payload; /* [max_frame]: the output of a WORK */
	bool profiled;
	struct ferry_profile profile;
	struct ferry_edge_stats stats;
};

/* edge.c: one turn of the sockets, waiting until @until_us at most, and one piece of work. */
int ferry_edge_step(struct ferry_edge *e, uint64_t until_us, struct ferry_error *err);
/* Whether a session has something to do whose result its device would take. */
bool ferry_edge_has_work(const struct ferry_edge *e);
/* Lets the sockets make progress in the middle of a pass; -ESHUTDOWN once stopped. */
int ferry_edge_breathe(struct ferry_edge *e);

/* edge_log.c: the log to use instead of @to, which may be NULL. */
const struct ferry_log *ferry_edge_log_limit(struct edge_log *l, const struct ferry_log *to);

/* edge_peer.c */
void ferry_edge_peer_accept(void *edge, struct ferry_link *link);
/* Frees the peers that are gone, with their sessions. Not while a WORK runs. */
void ferry_edge_peer_sweep(struct ferry_edge *e);
/* Says goodbye to all. */
void ferry_edge_peer_close_all(struct ferry_edge *e);
/* Sends, or closes the connection of a peer that does not read. */
void ferry_edge_peer_send(struct edge_peer *p, const struct ferry_wire_message *m);
void ferry_edge_peer_refuse(struct edge_peer *p, uint32_t request, uint32_t session, uint16_t code,
			    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same as a last word. */
void ferry_edge_peer_expel(struct edge_peer *p, uint32_t request, uint16_t code, const char *fmt,
			   ...) __attribute__((format(printf, 4, 5)));
/* Answers one of the peers that asked for a profile, if any did. */
void ferry_edge_peer_profile(struct ferry_edge *e);

/* edge_session.c */
struct edge_session *ferry_edge_session_find(struct edge_peer *p, uint32_t id);
void ferry_edge_session_open(struct edge_peer *p, const struct ferry_wire_message *m);
void ferry_edge_session_close(struct edge_session *s);
void ferry_edge_session_close_all(struct edge_peer *p);
/* A WORK, TRUNCATE or SAMPLING takes its place behind what the session has to do. */
void ferry_edge_session_queue(struct edge_peer *p, uint32_t session,
			      const struct ferry_frame *frame);
void ferry_edge_session_cancel(struct edge_peer *p, const struct ferry_wire_cancel *c);
/* Takes the first item of the queue; the caller frees it. */
struct edge_item *ferry_edge_session_pop(struct edge_session *s);
/* Caches from position @begin on, and the ids of [begin, end), behind which none are known. */
void ferry_edge_session_forget(struct edge_session *s, uint32_t begin, uint32_t end);
void ferry_edge_session_truncate(struct edge_session *s, const struct ferry_wire_message *m);
void ferry_edge_session_set_sampling(struct edge_session *s, const struct ferry_wire_message *m);
/* Remembers token ids of positions first ... */
int ferry_edge_session_note_ids(struct edge_session *s, uint32_t first, const uint8_t *ids,
				uint32_t n);

/* edge_work.c: one WORK from beginning to end, and its answer. */
void ferry_edge_work(struct ferry_edge *e, struct edge_session *s, const struct edge_item *item);

#endif
