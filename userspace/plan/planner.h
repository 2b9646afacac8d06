/* SPDX-License-Identifier: MIT */
/*
 * The choice among all plans.
 */
#ifndef FERRY_PLAN_PLANNER_H
#define FERRY_PLAN_PLANNER_H

#include "plan/cost.h"

/* The best of each mode; score is INFINITY, and `why` says why, where a mode is not possible. */
struct ferry_plan_choices {
	struct ferry_plan best[FERRY_N_MODES];
	enum ferry_plan_mode chosen;
};

/**
 * ferry_plan_choose - the best cut and chunk length of each mode, and the best mode.
 * @sums: of the same layers, by ferry_plan_sum()
 *
 * Within a mode the least score counts, of plans that keep the deadlines first. Among the modes
 * whose score is within the tolerance of the least, the one that sends the fewest bytes: so local,
 * where it is one of them. Exact: cuts are skipped only where a bound shows that they cannot win.
 * Allocates nothing.
 *
 * Return: 0, or -ENOTSUP where no plan is possible: it says why this machine cannot do it alone.
 */
int ferry_plan_choose(const struct ferry_plan_problem *p, const struct ferry_plan_sums *sums,
		      struct ferry_plan_choices *out, struct ferry_error *err);

static inline const struct ferry_plan *ferry_plan_chosen(const struct ferry_plan_choices *c)
{
	return &c->best[c->chosen];
}

#endif
