/* SPDX-License-Identifier: MIT */
/*
 * What a link did over time: made up by a random process, or read from a file.
 */
#ifndef FERRY_PLAN_SIM_TRACE_H
#define FERRY_PLAN_SIM_TRACE_H

#include "ferry/error.h"
#include "plan/problem.h"

struct ferry_trace {
	double step_us;			 /* between two samples */
	size_t n;			 /* at least 1; behind the last one the first follows */
	struct ferry_link_cost *samples; /* [n]; rttvar_us and age_us are 0 */
};

enum ferry_trace_kind { FERRY_TRACE_LTE, FERRY_TRACE_WIFI, FERRY_TRACE_ETHERNET, FERRY_N_TRACES };

extern const char *const ferry_trace_names[FERRY_N_TRACES]; /* "lte", "wifi", "ethernet" */

/* SplitMix64, as a state that the caller owns; uniform in [0, 1), and normal with deviation 1. */
double ferry_random(uint64_t *state);
double ferry_random_normal(uint64_t *state);

/*
 * Fill trace->samples. The same kind, seed, n and step give the same trace.
 *
 * Medians over traces of LTE: 13 Mbit/s down, 6 up, 70 ms (Huang et al., MobiSys 2012); outages
 * end with a rate of 1 per second (Winstein et al., Sprout, NSDI 2013). Bad times of Wi-Fi are a
 * second state of a Markov chain (Gilbert, 1960), a change of the access point takes 60 to 400 ms
 * (Mishra, Shin, Arbaugh, CCR 2003). All else is chosen, not measured: trace.c says which.
 */
void ferry_trace_generate(enum ferry_trace_kind kind, uint64_t seed, struct ferry_trace *trace);

/**
 * ferry_trace_parse - lines of "MS UP_KBPS DOWN_KBPS RTT_MS LOSS CARRIER".
 *
 * Times begin anywhere and rise by a constant step; LOSS is 0 .. 1, CARRIER 0 or 1. Empty lines
 * and those that begin with # do not count. @trace->samples is malloc()ed and the caller's.
 * Return: 0, -EBADMSG naming the line, or -ENOMEM.
 */
int ferry_trace_parse(const char *bytes, size_t n, struct ferry_trace *trace,
		      struct ferry_error *err);

#endif
