/* SPDX-License-Identifier: MIT */
/*
 * What the files of the session share: session.c (the calls), session_edges.c (edges that are
 * looked for in the background), session_recover.c (losing an edge, and moving).
 */
#ifndef FERRY_NODE_SESSION_PRIVATE_H
#define FERRY_NODE_SESSION_PRIVATE_H

#include "node/device.h"
#include "node/placement.h"
#include "node/session.h"

/* One of the options' edges. */
struct session_edge {
	const char *address;
	uint64_t next_try_us; /* not before */
	uint32_t backoff_ms;
	uint32_t silence_ms; /* that it is forgiven; grows where it was too little */
	uint64_t lost_us;    /* when it was lost last; 0: never */
};

struct ferry_node_session {
	const struct ferry_model *model;
	struct ferry_pool *pool;
	struct ferry_node_session_options o;
	struct ferry_device *device;
	struct ferry_tls_context *tls; /* NULL: not encrypted */
	atomic_bool cancel;
	int wake_fd;
	uint32_t n_ctx;
	int32_t *ids; /* [n_ctx]: the history */
	uint32_t n_ids;

	char *addresses; /* of the edges, one string behind the other */
	struct session_edge *edges;
	uint32_t n_edges;
	bool wants_edge; /* layers should run on an edge: those of `plan` */
	struct ferry_device_split plan;
	uint32_t at_edge;	     /* whose session it is, or was last */
	struct ferry_uplink *coming; /* a connection that is being made in the background */
	uint32_t coming_edge;
	struct ferry_uplink *spare;    /* that AUTO keeps while no layers run on the edge */
	struct session_follow *follow; /* AUTO's; NULL: the split stays as it is */

	uint32_t n_lost, n_attached, n_moves;
	uint64_t n_kept;
	char explanation[FERRY_PLACEMENT_TEXT];
};

/* session.c: whether the layers exist. */
int ferry_session_check_split(const struct ferry_node_session *s, int32_t split, uint32_t split_end,
			      struct ferry_error *err);

/* session_edges.c */
int ferry_session_name_edges(struct ferry_node_session *s, struct ferry_error *err);
/* What to say to an edge that should run @split; NULL: that only says what it serves. */
struct ferry_wire_hello ferry_session_hello(const struct ferry_node_session *s,
					    const struct ferry_device_split *split);
struct ferry_uplink_options ferry_session_uplink_options(struct ferry_node_session *s,
							 uint32_t edge);
/* Connects to the first edge that takes @split (or any, for NULL); s->at_edge receives which. */
int ferry_session_connect(struct ferry_node_session *s, const struct ferry_device_split *split,
			  struct ferry_uplink **out, struct ferry_error *err);
/* Joins the edge, feeds it the history and lets it run the layers of the plan. */
int ferry_session_enter(struct ferry_node_session *s, struct ferry_uplink *uplink,
			struct ferry_error *err);
/* The same for an edge that is joined already. */
int ferry_session_feed(struct ferry_node_session *s, struct ferry_error *err);
/* Whatever can be done without waiting to get an edge to run the layers that it should. */
void ferry_session_look_for_edge(struct ferry_node_session *s);
/* The edge that is joined failed: everything runs here, and it is looked for again. */
void ferry_session_lose_edge(struct ferry_node_session *s, const struct ferry_error *why);
/* Waits until an edge runs the layers of the plan. */
int ferry_session_wait_for_edge(struct ferry_node_session *s, uint64_t until_us,
				struct ferry_error *err);
/* Not an edge that makes a mistake or is misused, but one that is away, or full. */
bool ferry_session_is_away(const struct ferry_error *why);
/* "layers 2 to 5 of 8 on 127.0.0.1:7070"; @text has room for FERRY_ERROR_TEXT bytes. */
const char *ferry_session_where(const struct ferry_node_session *s, char *text);

/* Joins an edge that is there, without waiting; the plan is to be fed in the background. */
void ferry_session_begin_joining(struct ferry_node_session *s, struct ferry_uplink *uplink);

/* session_follow.c: AUTO decides again from time to time, with what was learned since; takes
 * @facts over, also on failure. */
int ferry_session_follow(struct ferry_node_session *s, struct ferry_placement_facts *facts,
			 struct ferry_error *err);
void ferry_session_follow_end(struct ferry_node_session *s);
/* Between two tokens. */
void ferry_session_reconsider(struct ferry_node_session *s);

/* session_recover.c: whether ferry_node_session_cancel() was called. */
int ferry_session_check_cancel(const struct ferry_node_session *s, struct ferry_error *err);
/* As ferry_device_run(), but an edge that fails does not have to be the end. */
int ferry_session_run(struct ferry_node_session *s, const struct ferry_device_run *run,
		      struct ferry_error *err);

#endif
