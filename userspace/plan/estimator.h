/* SPDX-License-Identifier: MIT */
/*
 * What a link is like, from readings that are noisy and late: means and mean deviations as TCP
 * keeps them of its round trip (RFC 6298), for rates by the time between readings.
 */
#ifndef FERRY_PLAN_ESTIMATOR_H
#define FERRY_PLAN_ESTIMATOR_H

#include "plan/problem.h"

struct ferry_link_estimate {
	struct ferry_link_cost mean; /* age_us is not used */
	double up_deviation, down_deviation;
	double read_us; /* when the last reading was taken */
	bool known;
};

/* @now_us: when @reading was taken. One without carrier changes only the carrier. */
void ferry_link_learn(struct ferry_link_estimate *e, double now_us,
		      const struct ferry_link_cost *reading);

/*
 * The link to plan with: rates @margin deviations below their mean, the round trip as much above.
 * Not known yet: all zero.
 */
struct ferry_link_cost ferry_link_expect(const struct ferry_link_estimate *e, double now_us,
					 double margin);

#endif
