/* SPDX-License-Identifier: MIT */
/*
 * A link of changing capacity behind a shaper, as a fluid: what is sent beyond the capacity waits
 * in a buffer that is not ours, up to a second of it, and is lost beyond that. Senders that never
 * give way: the worst that a controller can meet, and what many flows together are like. Round
 * trips and acknowledgements come back a round trip later, smoothed as TCP smooths them.
 */
#ifndef FERRY_TEST_BOTTLENECK_H
#define FERRY_TEST_BOTTLENECK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/autorate.h"

enum bottleneck_trace {
	TRACE_CONSTANT,	 /* 20 Mbit/s */
	TRACE_STEP_DOWN, /* 20, after 60 s 5 */
	TRACE_STEP_UP,	 /* 5, after 60 s 40; the operator says 20 */
	TRACE_LTE,	 /* wanders between 3 and 40 within seconds, round trips vary by 10 ms */
	TRACE_WIFI,	 /* jumps between eight bit rates; nl80211 tells, once a second */
	TRACE_LOSS,	 /* 20; a tenth is lost for 2 s of each 10 */
	TRACE_IDLE, /* 20; sends for 20 s of each 60, and the capacity is halved once meanwhile */
	TRACES,
};

struct bottleneck_options {
	enum bottleneck_trace trace;
	bool controlled;  /* false: the rate stays at @limits.base_kbps */
	bool yields;	  /* eight connections that grow, and give way to losses */
	bool without_rtt; /* everything is forwarded: nobody has round trips */
	/* Likewise, but so many reflectors answer echoes, of which the first one is silent. */
	unsigned int reflectors;
	uint32_t foreign;		     /* percent of the traffic that is not of known flows */
	uint32_t seconds;		     /* 0: 180 */
	uint32_t rtt_ms;		     /* 0: 40 */
	struct ferry_autorate_limits limits; /* all 0: 1, 100 and 20 Mbit/s */
	void (*visit)(const struct ferry_autorate_decision *decision, double seconds,
		      double capacity_kbps, double queue_ms, void *data);
	void *data;
};

struct bottleneck_result {
	double share;		       /* of what the link could have carried of what was offered */
	double p50_ms, p95_ms, p99_ms; /* of the queue behind us, while something is sent */
	double settled_ms;	       /* longest queue in the last 30 s */
	uint32_t settled_min_kbps, settled_max_kbps; /* the rate in the last 30 s */
	unsigned int changes,
		reversals; /* of the rate, and how often it turned, in the last 60 s */
	bool outside;	   /* the rate was outside of the limits once */
};

const char *bottleneck_name(enum bottleneck_trace trace);
void bottleneck_run(const struct bottleneck_options *options, struct bottleneck_result *result);

#endif
