/* SPDX-License-Identifier: MIT */
/*
 * A conversation over a link trace, played by the online planner, which sees past readings only,
 * and by every fixed plan. Times are those of the true link, message by message.
 */
#ifndef FERRY_PLAN_SIM_REPLAY_H
#define FERRY_PLAN_SIM_REPLAY_H

#include "plan/replan.h"
#include "plan/sim/trace.h"

struct ferry_replay_options {
	struct ferry_replan_options replan;
	double margin;	   /* deviations that the planner keeps off the means */
	double decide_us;  /* between two decisions of a running answer */
	double read_us;	   /* between two readings */
	double read_noise; /* of a reading: deviation of the logarithm */
	uint32_t n_requests;
	uint32_t prompt_tokens[2], new_tokens[2]; /* least and most of each request */
	double pause_us;			  /* between requests */
	uint64_t seed;
};

struct ferry_replay_options ferry_replay_defaults(uint64_t seed);

/* One decision that changed something, or the first of a request. */
struct ferry_replay_event {
	double at_us;
	uint32_t request, token;
	struct ferry_plan_cut cut;
	const char *why;
};

struct ferry_replay_result {
	double online_us, local_us; /* of all requests, without pauses */
	double best_us;		    /* of the best fixed plan in hindsight */
	struct ferry_plan_cut best;
	double rtt_us;	      /* what the planner allowed itself to lose against local */
	double worst_over_us; /* the most that online was behind local at the end of a request */
	uint64_t n_decisions;
	uint32_t n_moves, n_rescues; /* rescues: the link took too long, local took over */
};

/**
 * ferry_replay - play all of it.
 * @p: link, lengths and chunk lengths are replaced; local must be possible
 * @event: called with each event; may be NULL
 *
 * While an edge computes, the device keeps its own cache warm in the time that it has left. So it
 * can say at any moment when it would be done alone, and takes over once waiting longer would cost
 * more than the time saved so far and one round trip. Return: 0 or the codes of the planner.
 */
int ferry_replay(const struct ferry_plan_problem *p, const struct ferry_trace *trace,
		 const struct ferry_replay_options *o, struct ferry_replay_result *out,
		 void (*event)(void *data, const struct ferry_replay_event *e), void *data,
		 struct ferry_error *err);

#endif
