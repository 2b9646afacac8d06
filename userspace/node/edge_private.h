/* SPDX-License-Identifier: MIT */
/*
 * What the files of the edge role share: edge.c (life and turns), edge_auth.c (what a key may do),
 * edge_lease.c (sessions that lost their connection), edge_log.c (what is logged), edge_model.c
 * (what is served), edge_peer.c (connections and their messages), edge_profile.c (what layers
 * cost), edge_session.c (sessions and their queues), edge_schedule.c (whose turn it is),
 * edge_decode.c (decode steps of all sessions in one pass), edge_prefill.c (a chunk of a prompt, in
 * slices), edge_work.c (a WORK's input, output and answer).
 */
#ifndef FERRY_NODE_EDGE_PRIVATE_H
#define FERRY_NODE_EDGE_PRIVATE_H

#include <stdatomic.h>

#include "compute/pool.h"
#include "engine/batch.h"
#include "engine/forward.h"
#include "engine/kv_cache.h"
#include "engine/sampler.h"
#include "node/edge.h"
#include "node/profile.h"
#include "wire/loop.h"
#include "wire/tls.h"

enum {
	EDGE_WINDOW_WORKS = 16, /* unanswered, of a connection */
	EDGE_WINDOW_FRAMES = 2, /* their bytes, in largest frames */
	EDGE_MAX_ITEMS = 64,	/* of a connection, with what has no answer */
	EDGE_MAX_PEER_SESSIONS = 8,
	EDGE_MAX_MODELS = 16,
	EDGE_DECODE_TOKENS = 8,	   /* a WORK of so many at most is a decode step */
	EDGE_PASS_TOKENS = 64,	   /* of all decode steps of a pass */
	EDGE_HEAD_ROWS = 16,	   /* of logits, at once */
	EDGE_SLICE_TOKENS = 8,	   /* of a prompt: its slices are not shorter */
	EDGE_SEND_AHEAD = 1 << 20, /* bytes: who has more to take gets no more work done */
	EDGE_MAX_TALK = 1 << 20,   /* bytes of other answers than RESULTs that it does not read */
	EDGE_LOG_LINES = 20,	   /* in a second */
	EDGE_REFUSALS = 32,	   /* of keys, that are logged in a minute */
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

/* A WORK on its way through the layers. */
struct edge_job {
	struct ferry_edge *edge;
	struct edge_session *session;
	struct edge_item *item;
	const struct ferry_wire_work *work;
	uint64_t start_us;
	uint64_t waited_us; /* since then, for passes of others */
	bool cancelled;	    /* by its device */
	float *hidden;	    /* [n_tokens][n_embd] */
	uint8_t *output;    /* of the answer; made when there is something to put there */
	uint32_t n_rows;    /* of logits that are in it */
	struct ferry_batch_item batch; /* of a decode step */
};

/* A model, or those of its layers that are served. */
struct edge_model {
	const struct ferry_model *model;
	uint32_t begin, end;			    /* layers */
	uint32_t max_context, max_batch, max_frame; /* as in ferry_edge_options */
	struct ferry_forward *forward;
	struct ferry_batch *batch;
	float *prompt;	 /* [max_batch][n_embd]: of the chunk that is in work */
	float *steps;	 /* [EDGE_PASS_TOKENS][n_embd]: of the decode steps of a pass */
	float *last;	 /* [EDGE_HEAD_ROWS][n_embd]: of different sessions, for the head */
	float *logits;	 /* [EDGE_HEAD_ROWS][n_vocab] */
	double slice_us; /* that a token of a prompt takes in a layer; 0: not seen yet */
	bool searched;	 /* for weights that are not finite; what came out: */
	struct ferry_error found;
	bool profiled;
	struct ferry_profile profile;
};

struct edge_session {
	struct edge_session *next; /* in the order of their turns */
	struct edge_peer *peer;
	struct edge_model *serves;
	struct edge_job *job; /* NULL: nothing of it is being computed */
	bool closing;	      /* was closed while it computes: goes when that ends */
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
	bool has_key; /* of the device that opened it, which its limits are those of */
	struct ferry_fingerprint key;
	bool has_lease;
	uint8_t lease[FERRY_WIRE_LEASE];
	uint64_t expires_us; /* while it has no peer */
};

/* Most of what is logged is caused by peers, who must not fill a disk with it. */
struct edge_log {
	struct ferry_log limited;
	const struct ferry_log *to;
	uint64_t second_us; /* when the running one began */
	uint32_t n_written, n_dropped;
};

/* Whom we have refused, and said so. */
struct edge_refusal {
	uint64_t hash, said_us;
};

struct edge_auth {
	uint64_t looked_us; /* when the trust file was last looked at */
	struct edge_refusal refusals[EDGE_REFUSALS];
};

/* Peers go only in ferry_edge_peer_sweep(), so that whoever holds one may go on holding it. */
struct edge_peer {
	struct edge_peer *next;
	struct ferry_edge *edge;
	struct ferry_link *link;   /* NULL: gone */
	struct edge_model *serves; /* NULL: not greeted yet */
	bool established;
	bool left; /* on purpose, or for what it did: its sessions end with it */
	uint32_t max_frame, max_batch; /* agreed */
	uint8_t encodings;	       /* likewise: a bit set */
	uint32_t n_sessions;
	uint32_t n_items, n_works, n_work_bytes; /* unanswered */
	uint64_t n_talk;      /* bytes of other answers than RESULTs, since all was sent */
	uint64_t prompt_work; /* of prompts that were computed for it; see edge_schedule.c */
	bool wants_profile;
	uint32_t profile_request, profile_tokens;
	bool wants_attach;
	uint32_t attach_request;
	struct ferry_wire_attach attach;
};

struct ferry_edge {
	struct ferry_edge_options options; /* those that depend on a model as they were given */
	struct edge_log log;
	struct ferry_pool *pool;
	struct ferry_tls_context *tls; /* NULL: nothing is encrypted */
	struct edge_auth auth;
	struct ferry_loop *loop;
	struct ferry_endpoint bound;
	char address[FERRY_ENDPOINT_TEXT];
	atomic_bool stop, drain;
	bool draining;
	uint64_t drain_until_us, turned_us;

	struct edge_model *models[EDGE_MAX_MODELS];
	uint32_t n_models;
	struct edge_peer *peers;
	struct edge_session *sessions; /* the first has the next turn */
	struct edge_session *leased;   /* without a peer; the first expires first */
	uint64_t prompt_work;	       /* where the last chunk of a prompt began */
	uint32_t queue_us;	       /* that WORKs wait for their turn, smoothed */
	struct ferry_edge_stats stats;
};

/*
 * edge.c: one turn of the sockets, waiting until @until_us at most, then a pass of decode steps and
 * a chunk of a prompt.
 */
int ferry_edge_step(struct ferry_edge *e, uint64_t until_us, struct ferry_error *err);
/* Lets the sockets make progress in the middle of a pass; -ESHUTDOWN once stopped. */
int ferry_edge_breathe(struct ferry_edge *e);

/* Bytes of the budget that a new session could have. */
static inline uint64_t ferry_edge_free_kv(const struct ferry_edge *e)
{
	return e->options.kv_budget_bytes - e->stats.kv_bytes + e->stats.leased_bytes;
}

/* edge_lease.c: a token for a new session. */
void ferry_edge_lease_new(struct edge_session *s);
uint32_t ferry_edge_lease_ms(const struct ferry_edge *e, const struct edge_session *s);
/* Keeps the sessions of a peer that is lost, or ends them where it left. */
void ferry_edge_lease_detach(struct edge_peer *p);
/* Ends those whose time is over; returns when the next one's is. */
uint64_t ferry_edge_lease_expire(struct ferry_edge *e, uint64_t now_us);
/* Ends the oldest until the budget has @bytes left, or none is left. */
void ferry_edge_lease_make_room(struct ferry_edge *e, uint64_t bytes);
void ferry_edge_lease_drop_all(struct ferry_edge *e);
/* Answers the peers that asked for a lost session. Not while a WORK runs. */
void ferry_edge_lease_attach_all(struct ferry_edge *e);

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

/* edge_model.c: checks the options for a model, and makes what its passes need. */
int ferry_edge_model_new(struct ferry_edge *e, const struct ferry_model *model,
			 struct edge_model **out, struct ferry_error *err);
void ferry_edge_model_free(struct edge_model *m);
/* Why numbers that came out of a pass are not finite. Reads all weights, the first time. */
const char *ferry_edge_model_fault(struct edge_model *m);

/* edge_profile.c: answers one of the peers that asked for a profile, if any did. */
void ferry_edge_profile(struct ferry_edge *e);

/* edge_session.c */
struct edge_session *ferry_edge_session_find(struct edge_peer *p, uint32_t id);
void ferry_edge_session_open(struct edge_peer *p, const struct ferry_wire_message *m);
void ferry_edge_session_close(struct edge_session *s);
/* Takes it out of the list of its edge and from its peer's account; its memory stays counted. */
void ferry_edge_session_unlink(struct edge_session *s);
void ferry_edge_session_free(struct edge_session *s);
/* A WORK, TRUNCATE or SAMPLING takes its place behind what the session has to do. */
void ferry_edge_session_queue(struct edge_peer *p, uint32_t session,
			      const struct ferry_frame *frame);
void ferry_edge_session_cancel(struct edge_peer *p, const struct ferry_wire_cancel *c);
/* Takes the first item of the queue; the caller frees it. */
struct edge_item *ferry_edge_session_pop(struct edge_session *s);
/* Caches from position @begin on, and the ids of [begin, end), behind which none are known. */
void ferry_edge_session_forget(struct edge_session *s, uint32_t begin, uint32_t end);
void ferry_edge_session_truncate(struct edge_session *s, const struct ferry_wire_message *m);
void ferry_edge_session_fork(struct edge_session *s, const struct ferry_wire_message *m);
void ferry_edge_session_set_sampling(struct edge_session *s, const struct ferry_wire_message *m);
/* Remembers token ids of positions first ...; where @ids is NULL there is only room for them. */
int ferry_edge_session_note_ids(struct edge_session *s, uint32_t first, const uint8_t *ids,
				uint32_t n);

/* edge_schedule.c */
/* Whether a session has something to do whose result its device would take. */
bool ferry_edge_has_work(const struct ferry_edge *e);
/* The session whose decode step, or chunk of a prompt, has the next turn; NULL. */
struct edge_session *ferry_edge_next_step(struct ferry_edge *e, const struct edge_model *m,
					  bool (*fits)(const void *data,
						       const struct edge_session *s),
					  const void *data);
struct edge_session *ferry_edge_next_prompt(struct ferry_edge *e);
/*
 * What needs no pass, then the decode steps that are there, of each model in one pass. Returns
 * whether there were any. May be called while a chunk of a prompt is in work.
 */
bool ferry_edge_serve_steps(struct ferry_edge *e);
/* The chunk of a prompt whose turn it is. */
void ferry_edge_serve_prompt(struct ferry_edge *e);
/* In the middle of a job: sockets and decode steps. As ferry_edge_job_wanted(). */
int ferry_edge_pause(struct edge_job *j);

/* edge_decode.c: the decode steps of a model's sessions; whether there were any. */
bool ferry_edge_decode(struct ferry_edge *e, struct edge_model *m);

/* edge_prefill.c */
void ferry_edge_prefill(struct edge_job *j);

/* edge_work.c */
/*
 * Takes the first item of a session, which is a WORK. Checks it and puts its input into @hidden;
 * where that does not work the WORK has its answer and the job is over: false.
 */
bool ferry_edge_job_begin(struct edge_job *j, struct edge_session *s, float *hidden);
/* 0; -ESHUTDOWN, -ECANCELED, -EPIPE where nobody wants the result any more. */
int ferry_edge_job_wanted(const struct edge_job *j);
/* Which token's logits come next; n_tokens where no more are wanted. */
uint32_t ferry_edge_job_next_row(const struct edge_job *j);
/* Takes logits of the next @n rows, and changes them. */
int ferry_edge_job_take_logits(struct edge_job *j, float *logits, uint32_t n,
			       struct ferry_error *why);
/* The answer; @code is 0, or what ended the job before its time. Frees what the job has. */
void ferry_edge_job_end(struct edge_job *j, int code, const struct ferry_error *why);
/* edge_auth.c: what the key of a peer may do; all of it where nothing is encrypted. */
int ferry_edge_auth_model(const struct edge_peer *p, const uint8_t id[FERRY_WIRE_MODEL_ID],
			  struct ferry_error *why);
/* 0, or the code of what is wrong. */
uint16_t ferry_edge_auth_open(const struct edge_peer *p, const struct ferry_wire_open *o,
			      struct ferry_error *why);
/* From now on the session counts for its device's key. */
void ferry_edge_auth_opened(struct edge_session *s);
/* Whether a session is of the key that a peer has; of nobody where nothing is encrypted. */
bool ferry_edge_auth_owns(const struct edge_peer *p, const struct edge_session *s);
/* Lowers what is offered to what the key may have. */
void ferry_edge_auth_welcome(const struct edge_peer *p, struct ferry_wire_welcome *w);
/* Logs who has come. */
void ferry_edge_auth_connected(const struct edge_peer *p);
/* Logs by which key this edge is to be trusted. */
void ferry_edge_auth_listening(const struct ferry_edge *e);
/* Reads the trust file where it has changed, and sends away who is not trusted any more. */
void ferry_edge_auth_sweep(struct ferry_edge *e);
/* Logs why a link was refused: not the same twice in a minute, and not without end. */
void ferry_edge_auth_refused(struct ferry_edge *e, const struct ferry_link *link,
			     const struct ferry_error *why);

#endif
