// SPDX-License-Identifier: MIT
/*
 * bench_plan: how long one decision takes, one thread, beside the exact trial of every plan of the
 * same problems: 32 and 80 layers, all four modes possible, four chunk lengths. Medians of
 * processor time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "plan/planner.h"
#include "random_problem.h"

enum { PROBLEMS = 201, REPEATS = 20 };

static struct ferry_plan_sums sums;
static struct random_problem r;

/* Of this thread: what others do meanwhile does not count. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make_problem(uint32_t n_layers)
{
	struct ferry_plan_problem *p = &r.p;

	random_problem(&r, n_layers);
	p->edge_begin = 0;
	p->edge_end = n_layers;
	p->edge_embeds = p->edge_heads = p->edge_returns = true;
	p->privacy = FERRY_PRIVACY_TOKENS;
	p->link.no_carrier = false;
	p->device.memory_bytes = p->edge.memory_bytes = 0;
	p->n_codecs = 1;
	p->n_prompt = p->n_prompt ? p->n_prompt : 64;
	p->n_chunk_lengths = 4;
	for (int i = 0; i < 4; i++)
		p->chunk_tokens[i] = 16u << i;
}

static double try_all(const struct ferry_plan_problem *p)
{
	static const enum ferry_plan_mode modes[] = {FERRY_MODE_REMOTE, FERRY_MODE_SPLIT,
						     FERRY_MODE_USHAPE};
	struct ferry_plan_terms t;
	double least = INFINITY;

	ferry_plan_terms(p, &sums, &t);
	for (int m = 0; m < 3; m++)
		for (uint32_t k1 = 0; k1 <= p->n_layers; k1++)
			for (uint32_t k2 = k1; k2 <= p->n_layers; k2++)
				for (uint32_t i = 0; i < p->n_chunk_lengths; i++) {
					struct ferry_plan_cut cut = {modes[m], k1, k2};

					least = fmin(least,
						     ferry_plan_predict(&t, &cut,
									p->chunk_tokens[i], NULL)
							     .score);
				}
	return least;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench(uint32_t n_layers)
{
	static double choice_us[PROBLEMS], all_us[PROBLEMS];
	static volatile double use __attribute__((unused));

	r.state = n_layers;
	for (int i = 0; i < PROBLEMS; i++) {
		struct ferry_plan_choices c;
		uint64_t start;

		make_problem(n_layers);
		start = cpu_ns();
		for (int k = 0; k < REPEATS; k++) {
			if (ferry_plan_sum(&r.p, &sums, NULL) ||
			    ferry_plan_choose(&r.p, &sums, &c, NULL))
				exit(1);
			use = ferry_plan_chosen(&c)->score;
		}
		choice_us[i] = (double)(cpu_ns() - start) / 1e3 / REPEATS;
		start = cpu_ns();
		use = try_all(&r.p);
		all_us[i] = (double)(cpu_ns() - start) / 1e3;
	}
	qsort(choice_us, PROBLEMS, sizeof(double), by_value);
	qsort(all_us, PROBLEMS, sizeof(double), by_value);
	printf("%u layers: a decision takes %.1f us (p95 %.1f), 1/%.0f of trying every plan\n",
	       n_layers, choice_us[PROBLEMS / 2], choice_us[PROBLEMS * 95 / 100],
	       all_us[PROBLEMS / 2] / choice_us[PROBLEMS / 2]);
}

int main(void)
{
	bench(32);
	bench(80);
	return 0;
}
