/* SPDX-License-Identifier: MIT */
/*
 * Whether a conversation that runs should move to a better plan: what the move costs, and a state
 * machine with hysteresis, so that noise moves nothing to and fro.
 */
#ifndef FERRY_PLAN_REPLAN_H
#define FERRY_PLAN_REPLAN_H

#include "plan/planner.h"

struct ferry_move {
	double us;		     /* INFINITY: impossible */
	double up_bytes, down_bytes; /* of keys and values, if they are sent */
	bool by_transfer;	     /* else the history is computed again where it is missing */
};

/**
 * ferry_move_cost - from one cut to another, by the cheaper way.
 * @positions: of the history
 * @warm: positions that the device has in its cache for all layers already; of use for local alone
 */
struct ferry_move ferry_move_cost(const struct ferry_plan_terms *t,
				  const struct ferry_plan_cut *from,
				  const struct ferry_plan_cut *to, uint32_t chunk_tokens,
				  uint32_t positions, uint32_t warm);

struct ferry_replan_options {
	double min_gain; /* of what is left to do, as a share of it */
	double dwell_us; /* between two moves; doubles while moves follow each other */
	double most_dwell_us;
	uint32_t confirm; /* decisions in a row that must agree */
};

struct ferry_replan {
	double moved_us, dwell_us; /* dwell 0: never moved */
	struct ferry_plan_cut wish;
	uint32_t n_wishes;
};

struct ferry_replan_facts {
	double now_us;
	const struct ferry_plan *current; /* predicted with what is known now */
	const struct ferry_plan *best;
	double current_left, best_left; /* scores of what is left to do */
	double move;			/* the score of the move */
};

/*
 * True: move now. What is not possible any more is left at once, if the best plan is possible. For
 * a better plan the gain must be above min_gain, confirm times in a row, and the last move at
 * least the dwell time ago; each move within four dwell times of the last one doubles it.
 */
bool ferry_replan_moves(struct ferry_replan *r, const struct ferry_replan_options *o,
			const struct ferry_replan_facts *f);

#endif
