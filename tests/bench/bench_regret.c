// SPDX-License-Identifier: MIT
/*
 * bench_regret: what the online planner loses against the best fixed plan in hindsight, over random
 * conversations and link traces, and how many traces or decisions a second takes.
 * Usage: bench_regret [TRACES [MARGIN [MIN_GAIN]]]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "plan/estimator.h"
#include "random_replay.h"

enum { TRACES = 1000 };

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_row(const char *name, double *regret, double *over_rtt, size_t n, unsigned *modes)
{
	double mean = 0;

	for (size_t i = 0; i < n; i++)
		mean += regret[i] / (double)n;
	qsort(regret, n, sizeof(double), by_value);
	qsort(over_rtt, n, sizeof(double), by_value);
	printf("%-9s %5zu %7.2f %7.2f %7.2f %7.2f %7.2f %9.3f   %u/%u/%u/%u\n", name, n, 100 * mean,
	       100 * regret[n / 2], 100 * regret[n * 95 / 100], 100 * regret[n * 99 / 100],
	       100 * regret[n - 1], over_rtt[n - 1], modes[0], modes[1], modes[2], modes[3]);
}

/* The planner alone: an estimate, a choice and the question whether to move, for each sample. */
static void bench_decisions(void)
{
	static struct random_replay r;
	static struct ferry_plan_sums sums;
	struct ferry_link_estimate e = {0};
	struct ferry_replan replan = {0};
	struct ferry_plan_problem p;
	unsigned moves = 0, n = 200000;
	struct ferry_plan_cut cut;
	double start;

	random_replay(&r, 3);
	p = r.p;
	p.edge_returns = false;
	p.n_new = 100;
	p.chunk_tokens[0] = 64;
	p.n_chunk_lengths = 1;
	cut = (struct ferry_plan_cut){FERRY_MODE_LOCAL, p.n_layers, p.n_layers};
	if (ferry_plan_sum(&p, &sums, NULL))
		exit(1);
	start = cpu_s();
	for (unsigned i = 0; i < n; i++) {
		double now = i * r.trace.step_us;
		struct ferry_plan_choices c;
		struct ferry_plan_terms t;
		struct ferry_plan current;
		struct ferry_replan_facts f = {.now_us = now, .current = &current};

		ferry_link_learn(&e, now, &r.trace.samples[i % r.trace.n]);
		p.link = ferry_link_expect(&e, now, r.o.margin);
		if (ferry_plan_choose(&p, &sums, &c, NULL))
			exit(1);
		ferry_plan_terms(&p, &sums, &t);
		current = ferry_plan_predict(&t, &cut, 64, NULL);
		f.best = ferry_plan_chosen(&c);
		f.current_left = 100 * current.token_us;
		f.best_left = 100 * f.best->token_us;
		f.move = ferry_move_cost(&t, &cut, &f.best->cut, 64, 100, 100).us;
		if (ferry_replan_moves(&replan, &r.o.replan, &f)) {
			cut = f.best->cut;
			moves++;
		}
	}
	printf("%u layers, local, remote or split: %.3g decisions per second of processor time, "
	       "%u moves of %u\n",
	       p.n_layers, n / (cpu_s() - start), moves, n);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : TRACES;
	double *regret = calloc(3 * n + 3, sizeof(double)),
	       *over = calloc(3 * n + 3, sizeof(double));
	double *all = regret + n, *all_over = over + n, rows = 0;
	unsigned long decisions = 0, moves = 0, rescues = 0, requests = 0;
	static struct random_replay r;

	if (!regret || !over || !n)
		return 1;
	printf("link      traces    mean  median     p95     p99    max %%  over/RTT   best in "
	       "hindsight: local/remote/split/ushape\n");
	unsigned all_modes[FERRY_N_MODES] = {0};

	for (int kind = 0; kind < FERRY_N_TRACES; kind++) {
		unsigned modes[FERRY_N_MODES] = {0};
		size_t k = 0;

		for (size_t i = (size_t)kind; i < n; i += FERRY_N_TRACES, k++) {
			struct ferry_replay_result out;

			random_replay(&r, i);
			if (argc > 2)
				r.o.margin = atof(argv[2]);
			if (argc > 3)
				r.o.replan.min_gain = atof(argv[3]);
			if (ferry_replay(&r.p, &r.trace, &r.o, &out, NULL, NULL, NULL))
				return 1;
			regret[k] = out.online_us / out.best_us - 1;
			over[k] = out.worst_over_us / out.rtt_us;
			modes[out.best.mode]++;
			all_modes[out.best.mode]++;
			all[(size_t)rows] = regret[k];
			all_over[(size_t)rows++] = over[k];
			decisions += out.n_decisions;
			moves += out.n_moves;
			rescues += out.n_rescues;
			requests += r.o.n_requests;
		}
		if (k)
			print_row(ferry_trace_names[kind], regret, over, k, modes);
	}
	print_row("all", all, all_over, (size_t)rows, all_modes);
	printf("%lu requests, %lu decisions, %lu moves, %lu rescues\n", requests, decisions, moves,
	       rescues);
	bench_decisions();
	free(regret);
	free(over);
	return 0;
}
