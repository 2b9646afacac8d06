/* SPDX-License-Identifier: MIT */
/*
 * Random problems of the planner: machines, links, loads and wishes of any kind, small enough to
 * try every plan.
 */
#ifndef FERRY_TESTS_RANDOM_PROBLEM_H
#define FERRY_TESTS_RANDOM_PROBLEM_H

#include <math.h>

#include "plan/problem.h"

enum { RANDOM_MAX_LAYERS = 80 };

struct random_problem {
	uint64_t state;
	struct ferry_layer_cost device[RANDOM_MAX_LAYERS], edge[RANDOM_MAX_LAYERS];
	struct ferry_layer_memory memory[RANDOM_MAX_LAYERS];
	struct ferry_plan_codec codecs[3];
	struct ferry_plan_problem p;
};

static inline double between(struct random_problem *r, double low, double high)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return low + (high - low) * (double)(r->state >> 33) / 2147483648.0;
}

static inline double log_between(struct random_problem *r, double low, double high)
{
	return exp(between(r, log(low), log(high)));
}

static inline bool one_in(struct random_problem *r, unsigned n)
{
	return between(r, 0, n) < 1;
}

static inline uint32_t whole(struct random_problem *r, uint32_t low, uint32_t high)
{
	return (uint32_t)between(r, low, high + 0.999999);
}

static inline void random_problem(struct random_problem *r, uint32_t n_layers)
{
	static const char *const names[] = {"f32", "f16", "int8"};
	struct ferry_plan_problem *p = &r->p;
	double device_us = log_between(r, 10, 3000), edge_us = log_between(r, 3, 1000);

	*p = (struct ferry_plan_problem){.n_layers = n_layers, .n_embd = whole(r, 8, 4096)};
	for (uint32_t i = 0; i < n_layers; i++) {
		double d = device_us * between(r, 0.7, 1.3), e = edge_us * between(r, 0.7, 1.3);

		r->device[i] = (struct ferry_layer_cost){d, d * between(r, 0.1, 1), d, d / 3};
		r->edge[i] = (struct ferry_layer_cost){e, e * between(r, 0.1, 1), 9 * e, 3 * e};
		r->memory[i] = (struct ferry_layer_memory){between(r, 50, 150), between(r, 0, 1)};
	}
	p->device = (struct ferry_node_cost){
		r->device, between(r, 0, 20), between(r, 0, 500), 5, 50, 0};
	p->edge =
		(struct ferry_node_cost){r->edge, between(r, 0, 20), between(r, 0, 200), 9, 90, 0};
	p->memory = r->memory;
	p->embed_bytes = p->head_bytes = 200;
	p->edge_begin = one_in(r, 4) ? whole(r, 0, n_layers) : 0;
	p->edge_end = one_in(r, 4) ? whole(r, p->edge_begin, n_layers) : n_layers;
	p->edge_embeds = !one_in(r, 4);
	p->edge_heads = !one_in(r, 4);
	p->edge_returns = !one_in(r, 4);
	p->n_prompt = one_in(r, 10) ? 0 : (uint32_t)log_between(r, 1, 700);
	p->n_new = one_in(r, 10) ? 0 : (uint32_t)log_between(r, 1, 300);
	if (one_in(r, 4))
		p->device.memory_bytes = between(r, 0.3, 1.5) * 100 * n_layers;
	if (one_in(r, 4))
		p->edge.memory_bytes = between(r, 0.3, 1.5) * 100 * n_layers;
	p->link = (struct ferry_link_cost){
		.rtt_us = log_between(r, 20, 100000),
		.up_bytes_per_us = log_between(r, 0.05, 500),
		.down_bytes_per_us = log_between(r, 0.05, 500),
		.rttvar_us = log_between(r, 1, 50000),
		.loss = one_in(r, 3) ? between(r, 0, 0.3) : 0,
		.no_carrier = one_in(r, 20),
	};
	if (one_in(r, 3))
		p->load = (struct ferry_plan_load){between(r, 0, 3), whole(r, 0, 5), 0.2};
	p->energy = (struct ferry_plan_energy){1,
					       0.5,
					       between(r, 0, 2),
					       between(r, 0, 1e6),
					       one_in(r, 2),
					       between(r, 0, 1),
					       one_in(r, 3),
					       between(r, -5, 20),
					       2};
	p->price = (struct ferry_plan_price){between(r, 0, 1), between(r, 0, 1)};
	p->privacy = (enum ferry_privacy)whole(r, 0, FERRY_N_PRIVACY - 1);
	if (!one_in(r, 3))
		p->objective = (struct ferry_plan_objective){one_in(r, 3) ? 0 : 1, between(r, 0, 1),
							     one_in(r, 2) ? 0 : between(r, 0, 1)};
	if (one_in(r, 3))
		p->first_deadline_us = log_between(r, 1e3, 1e7);
	if (one_in(r, 3))
		p->token_deadline_us = log_between(r, 1e3, 1e6);
	for (int i = 0; i < 3; i++)
		r->codecs[i] = (struct ferry_plan_codec){names[i], i == 2 ? 1.125 : 4 >> i,
							 i * between(r, 0, 0.02)};
	p->codecs = r->codecs;
	p->n_codecs = whole(r, 0, 3);
	p->quality_budget = between(r, 0, 0.05);
	p->up_overhead_bytes = whole(r, 0, 100);
	p->down_overhead_bytes = whole(r, 0, 100);
	p->n_chunk_lengths = whole(r, 0, 5);
	for (uint32_t i = 0; i < p->n_chunk_lengths; i++)
		p->chunk_tokens[i] = whole(r, 1, 256);
	p->tolerance = one_in(r, 2) ? 0 : 0.02;
}

#endif
