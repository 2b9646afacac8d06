/* SPDX-License-Identifier: MIT */
/*
 * Random conversations of random machines over generated traces: trace i is of kind i mod 3.
 */
#ifndef FERRY_TESTS_RANDOM_REPLAY_H
#define FERRY_TESTS_RANDOM_REPLAY_H

#include "plan/sim/replay.h"
#include "random_problem.h"

enum { REPLAY_SAMPLES = 3000 };

struct random_replay {
	struct random_problem machine;
	struct ferry_link_cost samples[REPLAY_SAMPLES];
	struct ferry_trace trace;
	struct ferry_plan_problem p;
	struct ferry_replay_options o;
};

static inline void random_replay(struct random_replay *r, uint64_t i)
{
	static const uint32_t layers[] = {12, 16, 24, 32};
	struct random_problem *m = &r->machine;
	double device_us, edge_us;

	m->state = i * 7919 + 1;
	random_problem(m, layers[whole(m, 0, 3)]);
	/* A device takes 0.3 to 6 ms a layer and token; the edge is 0.7 to 15 times as fast. */
	device_us = log_between(m, 300, 6000);
	edge_us = device_us / log_between(m, 0.7, 15);
	for (uint32_t k = 0; k < m->p.n_layers; k++) {
		double d = device_us * between(m, 0.9, 1.1), e = edge_us * between(m, 0.9, 1.1);

		m->device[k] = (struct ferry_layer_cost){d, d / 5, 0, 0};
		m->edge[k] = (struct ferry_layer_cost){e, e / 5, 0, 0};
		m->memory[k] = (struct ferry_layer_memory){0, 1024};
	}
	r->p = (struct ferry_plan_problem){
		.n_layers = m->p.n_layers,
		.n_embd = 2048,
		.device = {.layers = m->device, .head_us = 2 * device_us},
		.edge = {.layers = m->edge, .head_us = 2 * edge_us},
		.memory = m->memory,
		.edge_end = m->p.n_layers,
		.edge_embeds = true,
		.edge_heads = true,
		.edge_returns = one_in(m, 8),
		.codecs = m->codecs,
		.n_codecs = 1,
		.up_overhead_bytes = 56,
		.down_overhead_bytes = 40,
		.privacy = (enum ferry_privacy)whole(m, 0, 1),
		.tolerance = 0.02,
	};
	if (r->p.edge_returns)
		r->p.privacy = FERRY_PRIVACY_USHAPE;
	m->codecs[0] = (struct ferry_plan_codec){"int8", 1.125, 0};
	r->trace = (struct ferry_trace){100e3, REPLAY_SAMPLES, r->samples};
	ferry_trace_generate((enum ferry_trace_kind)(i % FERRY_N_TRACES), i, &r->trace);
	r->o = ferry_replay_defaults(i + 1);
}

#endif
