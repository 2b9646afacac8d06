/* SPDX-License-Identifier: MIT */
/*
 * A decision in words: the table of what was possible, and the reason.
 */
#ifndef FERRY_PLAN_EXPLAIN_H
#define FERRY_PLAN_EXPLAIN_H

#include "plan/planner.h"

/*
 * Both write at most @size bytes with the final NUL, lines ending with a newline, and return the
 * length that the whole text has.
 */

/* One paragraph: what was chosen, and what it gains over the next best that is possible. */
size_t ferry_plan_reason(const struct ferry_plan_problem *p, const struct ferry_plan_choices *c,
			 char *text, size_t size);

/* The table, the facts and the reason. Energy and money have columns where they are known. */
size_t ferry_plan_explain(const struct ferry_plan_problem *p, const struct ferry_plan_sums *sums,
			  const struct ferry_plan_choices *c, char *text, size_t size);

#endif
