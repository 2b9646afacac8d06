// SPDX-License-Identifier: MIT
#include "plan/estimator.h"

#include <math.h>

/* A reading that is this old counts 1/e of a new one. */
static const double memory_us = 2e6;

static void learn_rate(double *mean, double *deviation, double gain, double value)
{
	*deviation += gain * (fabs(value - *mean) - *deviation);
	*mean += gain * (value - *mean);
}

void ferry_link_learn(struct ferry_link_estimate *e, double now_us, const struct ferry_link_cost *r)
{
	double gain;

	e->mean.no_carrier = r->no_carrier;
	if (r->no_carrier || !(r->up_bytes_per_us > 0) || !(r->down_bytes_per_us > 0) ||
	    !(r->rtt_us >= 0) || isinf(r->rtt_us) || isinf(r->up_bytes_per_us) ||
	    isinf(r->down_bytes_per_us))
		return;
	if (!e->known) {
		*e = (struct ferry_link_estimate){.mean = *r, .read_us = now_us, .known = true};
		e->mean.rttvar_us = r->rtt_us / 2;
		return;
	}
	gain = 1 - exp(-fmax(now_us - e->read_us, 0) / memory_us);
	learn_rate(&e->mean.up_bytes_per_us, &e->up_deviation, gain, r->up_bytes_per_us);
	learn_rate(&e->mean.down_bytes_per_us, &e->down_deviation, gain, r->down_bytes_per_us);
	e->mean.rttvar_us += 0.25 * (fabs(r->rtt_us - e->mean.rtt_us) - e->mean.rttvar_us);
	e->mean.rtt_us += 0.125 * (r->rtt_us - e->mean.rtt_us);
	e->mean.loss += gain * (fmin(fmax(r->loss, 0), 0.99) - e->mean.loss);
	e->read_us = now_us;
}

struct ferry_link_cost ferry_link_expect(const struct ferry_link_estimate *e, double now_us,
					 double margin)
{
	/* However much a rate varies, it is no less than a tenth of what it was. */
	const double least = 0.1;
	struct ferry_link_cost l = e->mean;

	if (!e->known)
		return l;
	l.up_bytes_per_us =
		fmax(l.up_bytes_per_us - margin * e->up_deviation, least * l.up_bytes_per_us);
	l.down_bytes_per_us =
		fmax(l.down_bytes_per_us - margin * e->down_deviation, least * l.down_bytes_per_us);
	l.rtt_us += margin * l.rttvar_us;
	l.age_us = fmax(now_us - e->read_us, 0);
	return l;
}
