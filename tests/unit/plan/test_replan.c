// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/estimator.h"
#include "random_replay.h"

static const struct ferry_replan_options options = {
	.min_gain = 0.1, .dwell_us = 1e6, .most_dwell_us = 16e6, .confirm = 2};
static const struct ferry_plan here = {.cut = {FERRY_MODE_LOCAL, 8, 8}};
static const struct ferry_plan there = {.cut = {FERRY_MODE_REMOTE, 0, 8}};

static bool moves(struct ferry_replan *r, double now_us, const struct ferry_plan *from,
		  const struct ferry_plan *to, double from_left, double to_left, double move)
{
	return ferry_replan_moves(
		r, &options,
		&(struct ferry_replan_facts){now_us, from, to, from_left, to_left, move});
}

static void a_gain_must_pay_for_the_move_twice_in_a_row(void **state)
{
	struct ferry_replan r = {0};

	(void)state;
	assert_false(moves(&r, 0, &here, &there, 100, 50, 45));
	assert_false(moves(&r, 0, &here, &there, 100, 50, 45));
	assert_false(moves(&r, 0, &here, &there, 100, 50, 10));
	assert_false(moves(&r, 0, &here, &there, 100, 50, 45));
	assert_false(moves(&r, 0, &here, &there, 100, 50, 10));
	assert_true(moves(&r, 0, &here, &there, 100, 50, 10));
	assert_false(moves(&r, 1, &here, &here, 100, 50, 0));
	assert_false(moves(&r, 2e6, &here, &there, NAN, 50, 0));
	assert_false(moves(&r, 2e6, &here, &there, 100, 50, INFINITY));
}

static void noise_around_equal_moves_nothing_to_and_fro(void **state)
{
	uint64_t random = 5;

	(void)state;
	/* Links that differ by their noise alone, and such that swing by a factor of two. */
	for (int swing = 0; swing < 2; swing++) {
		const struct ferry_plan *at = &here, *other = &there, *was;
		struct ferry_replan r = {0};
		unsigned n = 0;

		for (int i = 0; i < 40000; i++) {
			double now = i * 100e3, gap = swing ? 0.7 : 0.02;

			if (moves(&r, now, at, other, 100 * exp(gap * ferry_random_normal(&random)),
				  100 * exp(gap * ferry_random_normal(&random)), 0)) {
				was = at;
				at = other;
				other = was;
				n++;
			}
		}
		/* 4000 s: every 16 s at most, however often the other one looks better. */
		if (!swing)
			assert_int_equal(n, 0);
		else
			assert_in_range(n, 50, 4000 / 16 + 5);
	}
}

static void carrier_loss_moves_at_once_and_recovery_waits(void **state)
{
	const struct ferry_plan lost = {
		.cut = {FERRY_MODE_REMOTE, 0, 8}, .why = "the link is down", .score = INFINITY};
	struct ferry_replan r = {0};
	double now = 0, returned;
	unsigned n = 0;

	(void)state;
	assert_true(moves(&r, now, &lost, &here, INFINITY, 100, INFINITY));
	for (; !moves(&r, now, &here, &there, 100, 10, 0); now += 1e5)
		assert_true(now < 2e6);
	returned = now;
	assert_true(returned >= options.dwell_us);
	/* A link that fails again and again is trusted ever later. */
	assert_true(moves(&r, now + 1, &lost, &here, INFINITY, 100, 0));
	for (now += 1; !moves(&r, now, &here, &there, 100, 10, 0); now += 1e5)
		n++;
	assert_true(n * 1e5 >= 3 * options.dwell_us);
	/* Nowhere to go: stay, and say so by the plan. */
	assert_false(moves(&r, now, &lost, &lost, INFINITY, INFINITY, 0));
}

static void the_cheaper_way_moves(void **state)
{
	static struct random_replay x;
	static struct ferry_plan_sums sums;
	const struct ferry_plan_cut local = {FERRY_MODE_LOCAL, 12, 12};
	const struct ferry_plan_cut split = {FERRY_MODE_SPLIT, 4, 12};
	struct ferry_plan_problem p;
	struct ferry_plan_terms t;
	struct ferry_move m;

	(void)state;
	random_replay(&x, 0);
	p = x.p;
	p.n_layers = p.edge_end = 12;
	p.privacy = FERRY_PRIVACY_TOKENS;
	p.chunk_tokens[0] = 64;
	p.n_chunk_lengths = 1;
	p.link = (struct ferry_link_cost){
		.rtt_us = 1000, .up_bytes_per_us = 1e3, .down_bytes_per_us = 1};
	assert_int_equal(ferry_plan_sum(&p, &sums, NULL), 0);
	ferry_plan_terms(&p, &sums, &t);
	m = ferry_move_cost(&t, &local, &split, 64, 100, 0);
	assert_true(m.by_transfer && m.up_bytes == 100 * 8 * 1024 && m.down_bytes == 0);
	assert_true(fabs(m.us - (1000 + m.up_bytes / 1e3)) < 1e-6);
	/* Back over a thin link; what the device has in its cache already costs nothing. */
	m = ferry_move_cost(&t, &split, &local, 64, 100, 100);
	assert_true(!m.by_transfer && m.us == 0);
	m = ferry_move_cost(&t, &split, &local, 64, 100, 0);
	assert_true(m.us > 0 && m.us <= 1000 + m.down_bytes);
	p.link.no_carrier = true;
	ferry_plan_terms(&p, &sums, &t);
	m = ferry_move_cost(&t, &split, &local, 64, 100, 0);
	assert_true(!m.by_transfer && isfinite(m.us));
	assert_true(isinf(ferry_move_cost(&t, &local, &split, 64, 100, 0).us));
	assert_true(ferry_move_cost(&t, &split, &split, 64, 100, 0).us == 0);
}

static void an_estimate_follows_and_ages(void **state)
{
	struct ferry_link_estimate e = {0};
	struct ferry_link_cost r = {.rtt_us = 100, .up_bytes_per_us = 1, .down_bytes_per_us = 2}, l;

	(void)state;
	l = ferry_link_expect(&e, 0, 1);
	assert_true(l.up_bytes_per_us == 0);
	for (int i = 0; i < 100; i++)
		ferry_link_learn(&e, i * 1e5, &r);
	l = ferry_link_expect(&e, 99e5 + 7, 1);
	assert_true(fabs(l.up_bytes_per_us - 1) < 1e-6 && fabs(l.rtt_us - 100) < 1);
	assert_true(fabs(l.age_us - 7) < 1e-3);
	r.up_bytes_per_us = 3;
	for (int i = 100; i < 200; i++)
		ferry_link_learn(&e, i * 1e5, &r);
	assert_true(fabs(ferry_link_expect(&e, 2e7, 0).up_bytes_per_us - 3) < 0.05);
	r.up_bytes_per_us = NAN;
	ferry_link_learn(&e, 3e7, &r);
	r.no_carrier = true;
	ferry_link_learn(&e, 3e7, &r);
	assert_true(ferry_link_expect(&e, 3e7, 0).no_carrier);
	assert_true(fabs(ferry_link_expect(&e, 3e7, 0).up_bytes_per_us - 3) < 0.05);
	assert_true(ferry_link_expect(&e, 3e7, 100).up_bytes_per_us > 0);
}

static void traces_repeat_by_seed_and_parse(void **state)
{
	static struct ferry_link_cost a[500], b[500];
	struct ferry_trace one = {1e5, 500, a}, two = {1e5, 500, b};
	static const char good[] = "# ms up down rtt loss carrier\n\n0 8000 16000 20 0 1\r\n"
				   "100 8000 16000 20 0.5 0";
	static const char *const bad[] = {"",
					  "0 1 1 1 0 1\n",
					  "0 1 1 1 0 1\n0 1 1 1 0 1\n",
					  "0 1 1 1 0 1\n1 1 1 1 1 1\n",
					  "0 1 1 1 0 1\n1 1 1 1 0 2\n",
					  "0 1 1 1 0 1\n1 1 nan 1 0 1\n",
					  "0 1 1 1 0 1\n1 1 1 1 0 1\n3 1 1 1 0 1\n",
					  "0 1 1 1 0 1\n1 1 1 1 0 1 x\n"};
	struct ferry_trace t;
	struct ferry_error err;

	(void)state;
	for (int kind = 0; kind < FERRY_N_TRACES; kind++) {
		ferry_trace_generate((enum ferry_trace_kind)kind, 9, &one);
		ferry_trace_generate((enum ferry_trace_kind)kind, 9, &two);
		assert_memory_equal(a, b, sizeof(a));
		ferry_trace_generate((enum ferry_trace_kind)kind, 10, &two);
		assert_memory_not_equal(a, b, sizeof(a));
		for (int i = 0; i < 500; i++)
			assert_true(a[i].up_bytes_per_us > 0 && a[i].rtt_us > 0 && a[i].loss < 1);
	}
	assert_int_equal(ferry_trace_parse(good, strlen(good), &t, &err), 0);
	assert_int_equal(t.n, 2);
	assert_true(t.step_us == 1e5 && t.samples[0].up_bytes_per_us == 1 &&
		    t.samples[1].no_carrier && t.samples[1].loss == 0.5);
	free(t.samples);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ferry_trace_parse(bad[i], strlen(bad[i]), &t, &err), -EBADMSG);
}

static void online_is_near_the_best_and_never_behind_local(void **state)
{
	static struct random_replay r;
	double mean = 0;
	unsigned shared = 0, rescues = 0, moved = 0;
	const unsigned n = 60;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		struct ferry_replay_result out, again;

		random_replay(&r, i);
		assert_int_equal(ferry_replay(&r.p, &r.trace, &r.o, &out, NULL, NULL, NULL), 0);
		assert_true(out.worst_over_us <= out.rtt_us * (1 + 1e-9));
		assert_true(out.online_us <= out.local_us + out.rtt_us * (1 + 1e-9));
		assert_true(out.best_us <= out.local_us);
		mean += (out.online_us / out.best_us - 1) / n;
		shared += out.best.mode != FERRY_MODE_LOCAL;
		rescues += out.n_rescues;
		moved += out.n_moves;
		if (i % 10)
			continue;
		assert_int_equal(ferry_replay(&r.p, &r.trace, &r.o, &again, NULL, NULL, NULL), 0);
		assert_memory_equal(&out, &again, sizeof(out));
	}
	assert_true(mean < 0.05);
	/* Not by never leaving. */
	assert_true(shared > n / 4 && moved + rescues > 0);
}

static void a_link_that_dies_costs_one_round_trip(void **state)
{
	static struct random_replay r;
	struct ferry_replay_result out;
	unsigned rescues = 0;

	(void)state;
	for (unsigned i = 1; i < 40; i += 3) {
		random_replay(&r, i);
		/* Readings say that all is well; but 70 s of each 100 s nothing arrives. */
		for (size_t k = 0; k < r.trace.n; k++)
			if (k % 1000 >= 300)
				r.samples[k].up_bytes_per_us *= 1e-6;
		r.o.read_us = 1e9;
		assert_int_equal(ferry_replay(&r.p, &r.trace, &r.o, &out, NULL, NULL, NULL), 0);
		assert_true(out.online_us <= out.local_us + out.rtt_us * (1 + 1e-9));
		rescues += out.n_rescues;
	}
	assert_true(rescues > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gain_must_pay_for_the_move_twice_in_a_row),
		cmocka_unit_test(noise_around_equal_moves_nothing_to_and_fro),
		cmocka_unit_test(carrier_loss_moves_at_once_and_recovery_waits),
		cmocka_unit_test(the_cheaper_way_moves),
		cmocka_unit_test(an_estimate_follows_and_ages),
		cmocka_unit_test(traces_repeat_by_seed_and_parse),
		cmocka_unit_test(online_is_near_the_best_and_never_behind_local),
		cmocka_unit_test(a_link_that_dies_costs_one_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
