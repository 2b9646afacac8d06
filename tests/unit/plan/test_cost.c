// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/explain.h"

enum { MAX_LAYERS = 24 };

static struct ferry_layer_cost slow[MAX_LAYERS], fast[MAX_LAYERS];

static void set_layers(struct ferry_layer_cost *layers, double prefill_us, double decode_us)
{
	for (unsigned i = 0; i < MAX_LAYERS; i++)
		layers[i] =
			(struct ferry_layer_cost){.prefill_us = prefill_us, .decode_us = decode_us};
}

static const struct ferry_plan_codec f32 = {"f32", 4, 0};

/* Ten layers; the device takes 1000 us a layer and token, the edge 100; 1 Gbit/s, RTT 2 ms. */
static struct ferry_plan_problem ten_layers(void)
{
	set_layers(slow, 200, 1000);
	set_layers(fast, 20, 100);
	return (struct ferry_plan_problem){
		.n_layers = 10,
		.n_embd = 1024,
		.device = {.layers = slow, .embed_us = 10, .head_us = 500},
		.edge = {.layers = fast, .embed_us = 1, .head_us = 50},
		.edge_end = 10,
		.edge_embeds = true,
		.edge_heads = true,
		.link = {.rtt_us = 2000, .up_bytes_per_us = 125, .down_bytes_per_us = 125},
		.codecs = &f32,
		.n_codecs = 1,
		.chunk_tokens = {64},
		.n_chunk_lengths = 1,
		.n_prompt = 100,
		.n_new = 51,
	};
}

/* Candidate 0 is local, 1 remote, 1 + k the split behind k layers. */
static size_t n_candidates(const struct ferry_plan_problem *p)
{
	return (size_t)p->n_layers + 2;
}

static struct ferry_plan predict(const struct ferry_plan_problem *p, size_t i)
{
	static struct ferry_plan_sums sums;
	struct ferry_plan_terms t;
	struct ferry_plan_cut cut = {FERRY_MODE_LOCAL, p->n_layers, p->n_layers};

	if (i) {
		cut.mode = i == 1 ? FERRY_MODE_REMOTE : FERRY_MODE_SPLIT;
		cut.k1 = (uint32_t)i - 1;
	}
	assert_int_equal(ferry_plan_sum(p, &sums, NULL), 0);
	ferry_plan_terms(p, &sums, &t);
	return ferry_plan_predict(&t, &cut, p->chunk_tokens[0], NULL);
}

static struct ferry_plan_sums the_sums;

static size_t choose(const struct ferry_plan_problem *p, struct ferry_plan_choices *c)
{
	assert_int_equal(ferry_plan_sum(p, &the_sums, NULL), 0);
	assert_int_equal(ferry_plan_choose(p, &the_sums, c, NULL), 0);
	return c->chosen == FERRY_MODE_LOCAL ? 0 : 1 + ferry_plan_chosen(c)->cut.k1;
}

static size_t chosen_of(const struct ferry_plan_problem *p)
{
	struct ferry_plan_choices c;

	return choose(p, &c);
}

static void near(double got, double want)
{
	if (fabs(got - want) > 1e-9 * fabs(want) + 1e-9)
		fail_msg("%.12g instead of %.12g", got, want);
}

static void local_by_hand(void **state)
{
	struct ferry_plan_problem p = ten_layers();
	struct ferry_plan c = predict(&p, 0);

	(void)state;
	assert_int_equal(c.cut.mode, FERRY_MODE_LOCAL);
	near(c.first_us, 100 * (10 * 200 + 10) + 500);
	near(c.token_us, 10 * 1000 + 10 + 500);
	near(c.total_us, c.first_us + 50 * c.token_us);
	near(c.up_bytes + c.down_bytes, 0);
}

static void remote_by_hand(void **state)
{
	struct ferry_plan_problem p = ten_layers();
	struct ferry_plan c;

	(void)state;
	p.up_overhead_bytes = 46;
	p.down_overhead_bytes = 21;
	c = predict(&p, 1);
	assert_int_equal(c.cut.mode, FERRY_MODE_REMOTE);
	/* One chunk of 64 tokens, one of 36: the link is far ahead of the edge. */
	near(c.first_us, (64 * 4 + 46) / 125.0 + 100 * (10 * 20 + 1) + 2000 + 50 + 25 / 125.0);
	near(c.token_us, 50 / 125.0 + 2000 + 25 / 125.0 + 10 * 100 + 1 + 50);
	near(c.up_bytes + c.down_bytes, 100 * 4 + 2 * (46 + 21) + 4 + 50 * (4 + 46 + 4 + 21));
}

static void a_split_by_hand(void **state)
{
	struct ferry_plan_problem p = ten_layers();
	struct ferry_plan c = predict(&p, 1 + 4);
	double device = 4 * 200 + 10, edge = 6 * 20;

	(void)state;
	assert_int_equal(c.cut.mode, FERRY_MODE_SPLIT);
	assert_int_equal(c.cut.k1, 4);
	/* The device is the slowest station: the last chunk follows it through link and edge. */
	near(c.first_us, 100 * device + 36 * 4096 / 125.0 + 36 * edge + 2000 + 50 + 4 / 125.0);
	near(c.device_us, 4 * 1000 + 10);
	near(c.link_us, 4096 / 125.0 + 2000 + 4 / 125.0);
	near(c.edge_us, 6 * 100 + 50);
	near(c.token_us, c.device_us + c.link_us + c.edge_us);
}

static void prefill_of_a_thin_link_is_the_links(void **state)
{
	struct ferry_plan_problem p = ten_layers();
	struct ferry_plan c;

	(void)state;
	p.link.up_bytes_per_us = 0.125; /* 1 Mbit/s: 32768 us a token */
	p.n_prompt = 128;
	c = predict(&p, 1 + 1);
	near(c.first_us, 64 * 210 + 128 * 4096 / 0.125 + 64 * 9 * 20 + 2000 + 50 + 4 / 125.0);
}

static void a_strong_edge_nearby_takes_everything(void **state)
{
	struct ferry_plan_problem p = ten_layers();

	(void)state;
	assert_int_equal(chosen_of(&p), 1);
}

static void a_link_that_costs_more_than_it_saves_is_not_used(void **state)
{
	struct ferry_plan_problem p = ten_layers();

	(void)state;
	p.link.rtt_us = 100000;
	assert_int_equal(chosen_of(&p), 0);
	p = ten_layers();
	set_layers(fast, 200, 1000);
	p.edge = p.device;
	assert_int_equal(chosen_of(&p), 0);
}

static void layers_that_are_not_served_are_not_planned(void **state)
{
	struct ferry_plan_problem p = ten_layers();

	(void)state;
	p.edge_begin = 4;
	p.edge_embeds = false;
	assert_int_equal(chosen_of(&p), 1 + 4);
	for (size_t i = 1; i < 1 + 4; i++)
		assert_true(isinf(predict(&p, i).total_us));
	p.edge_heads = false;
	assert_int_equal(chosen_of(&p), 0);
	p = ten_layers();
	p.edge_end = 9;
	assert_int_equal(chosen_of(&p), 0);
	p = ten_layers();
	p.edge_embeds = false;
	assert_int_equal(chosen_of(&p), 1 + 1);
}

static void a_broken_link_means_local(void **state)
{
	static const double bad[] = {0, -1, NAN, -INFINITY};
	struct ferry_plan_problem p;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p = ten_layers();
		p.link.up_bytes_per_us = bad[i];
		assert_int_equal(chosen_of(&p), 0);
		p = ten_layers();
		p.link.down_bytes_per_us = bad[i];
		assert_int_equal(chosen_of(&p), 0);
	}
	p = ten_layers();
	p.link.rtt_us = INFINITY;
	assert_int_equal(chosen_of(&p), 0);
}

static void within_the_tolerance_fewest_bytes_win(void **state)
{
	struct ferry_plan_problem p = ten_layers();

	(void)state;
	set_layers(fast, 200, 1000);
	p.edge = p.device;
	p.link = (struct ferry_link_cost){1, 1e9, 1e9, 0, 0, 0, false};
	/* Equal machines on a perfect link: a split is faster, as prefill overlaps, but not by
	 * much. */
	p.n_new = 1000;
	assert_true(chosen_of(&p) > 1);
	p.tolerance = 0.05;
	assert_int_equal(chosen_of(&p), 0);
	/* Without local, remote sends the fewest bytes. */
	p.device.head_us = 1e9;
	set_layers(slow, 200, 1000);
	assert_int_equal(chosen_of(&p), 1);
}

static void one_token_has_no_decode(void **state)
{
	struct ferry_plan_problem p = ten_layers();

	(void)state;
	for (uint32_t n_new = 0; n_new < 2; n_new++) {
		p.n_new = n_new;
		for (size_t i = 0; i < n_candidates(&p); i++) {
			struct ferry_plan c = predict(&p, i);

			near(c.total_us, c.first_us);
		}
	}
}

static uint32_t seed = 1;

static double random_between(double low, double high)
{
	seed = seed * 1664525 + 1013904223;
	return low + (high - low) * (seed >> 8) / (double)(1 << 24);
}

/* The same model of time, written as a simulation: each station has a clock. */
static double simulate(const struct ferry_plan_problem *p, uint32_t k)
{
	double clock[3] = {0}, total, up, per_chunk[2] = {0}, decode;
	double input = k ? 4 * p->n_embd : 4;

	for (uint32_t i = 0; i < p->n_layers; i++)
		per_chunk[i >= k] += i < k ? p->device.layers[i].prefill_us
					   : p->edge.layers[i].prefill_us;
	per_chunk[k ? 0 : 1] += k ? p->device.embed_us : p->edge.embed_us;
	for (uint32_t at = 0; at < p->n_prompt; at += p->chunk_tokens[0]) {
		double n = p->n_prompt - at < p->chunk_tokens[0] ? p->n_prompt - at
								 : p->chunk_tokens[0];

		clock[0] += n * per_chunk[0];
		if (clock[1] < clock[0])
			clock[1] = clock[0];
		up = (n * input + p->up_overhead_bytes) / p->link.up_bytes_per_us;
		clock[1] += up;
		if (clock[2] < clock[1] + p->link.rtt_us / 2)
			clock[2] = clock[1] + p->link.rtt_us / 2;
		clock[2] += n * per_chunk[1];
	}
	total = clock[2] + p->edge.head_us + p->link.rtt_us / 2 +
		(4.0 + p->down_overhead_bytes) / p->link.down_bytes_per_us;
	decode = k ? p->device.embed_us : p->edge.embed_us;
	for (uint32_t i = 0; i < p->n_layers; i++)
		decode += i < k ? p->device.layers[i].decode_us : p->edge.layers[i].decode_us;
	decode += (input + p->up_overhead_bytes) / p->link.up_bytes_per_us + p->link.rtt_us +
		  p->edge.head_us + (4.0 + p->down_overhead_bytes) / p->link.down_bytes_per_us;
	return total + (p->n_new - 1.0) * decode;
}

static double simulate_local(const struct ferry_plan_problem *p)
{
	double prefill = p->device.embed_us, decode = p->device.embed_us;

	for (uint32_t i = 0; i < p->n_layers; i++) {
		prefill += p->device.layers[i].prefill_us;
		decode += p->device.layers[i].decode_us;
	}
	return p->n_prompt * prefill + p->device.head_us +
	       (p->n_new - 1.0) * (decode + p->device.head_us);
}

static void the_choice_is_the_best_of_a_simulation(void **state)
{
	unsigned modes[3] = {0};

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct ferry_plan_problem p = ten_layers();
		double least, got;
		size_t chosen;

		p.n_layers = p.edge_end = (uint32_t)random_between(1, MAX_LAYERS + 0.99);
		for (unsigned i = 0; i < p.n_layers; i++) {
			slow[i] = (struct ferry_layer_cost){.decode_us = random_between(50, 500),
							    .prefill_us = random_between(10, 100)};
			fast[i] = (struct ferry_layer_cost){.decode_us = random_between(10, 500),
							    .prefill_us = random_between(2, 200)};
		}
		p.device.embed_us = random_between(0, 20);
		p.device.head_us = random_between(10, 2000);
		p.edge.embed_us = random_between(0, 200);
		p.edge.head_us = random_between(10, 2000);
		p.link.rtt_us = random_between(50, 4000);
		p.link.up_bytes_per_us = random_between(0.5, 125);
		p.link.down_bytes_per_us = random_between(0.5, 125);
		p.up_overhead_bytes = (uint32_t)random_between(0, 100);
		p.down_overhead_bytes = (uint32_t)random_between(0, 100);
		p.chunk_tokens[0] = (uint32_t)random_between(1, 100);
		p.n_prompt = (uint32_t)random_between(1, 600);
		p.n_new = (uint32_t)random_between(1, 200);
		least = simulate_local(&p);
		for (uint32_t k = 0; k <= p.n_layers; k++)
			least = fmin(least, simulate(&p, k));
		chosen = chosen_of(&p);
		got = chosen ? simulate(&p, (uint32_t)chosen - 1) : simulate_local(&p);
		near(got, least);
		near(predict(&p, chosen).total_us, least);
		modes[predict(&p, chosen).cut.mode]++;
	}
	/* The test means something only if every mode was the best somewhere. */
	assert_true(modes[FERRY_MODE_LOCAL] && modes[FERRY_MODE_REMOTE] && modes[FERRY_MODE_SPLIT]);
}

static size_t explain(const struct ferry_plan_problem *p, char *text, size_t size)
{
	struct ferry_plan_choices c;

	choose(p, &c);
	return ferry_plan_explain(p, &the_sums, &c, text, size);
}

static void the_explanation_names_the_choice(void **state)
{
	struct ferry_plan_problem p = ten_layers();
	double ratio = predict(&p, 0).total_us / predict(&p, 1).total_us;
	char want[100], text[4096], small[64];
	size_t n;

	(void)state;
	n = explain(&p, text, sizeof(text));
	assert_int_equal(n, strlen(text));
	assert_non_null(strstr(text, "> remote    0    10"));
	snprintf(want, sizeof(want), "Chosen: 0 layers here, 10 on the edge, %.2f times", ratio);
	assert_non_null(strstr(text, want));
	p.edge_begin = 7;
	explain(&p, text, sizeof(text));
	assert_non_null(strstr(text, "> split     7     3"));
	p.edge_begin = 0;
	p.link.rtt_us = 100000;
	explain(&p, text, sizeof(text));
	assert_non_null(strstr(text, "Chosen: local. The best split"));
	assert_non_null(strstr(text, "the edge saves "));
	/* It once saved "-0.00" where it is as fast, and "-1.00" where it is slower. */
	p.edge = p.device;
	explain(&p, text, sizeof(text));
	assert_non_null(strstr(text, "the edge saves nothing."));
	p.edge.head_us = p.device.head_us + 1000;
	explain(&p, text, sizeof(text));
	assert_non_null(strstr(text, "computing there takes 1.00 longer."));
	p.edge_heads = false;
	explain(&p, text, sizeof(text));
	assert_non_null(strstr(text, "serves nothing"));
	assert_non_null(strstr(text, "not served by this edge"));
	memset(small, 'x', sizeof(small));
	n = explain(&p, small, 32);
	assert_true(n > 32);
	assert_int_equal(strlen(small), 31);
	assert_int_equal(small[32], 'x');
	assert_int_equal(explain(&p, NULL, 0), n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_by_hand),
		cmocka_unit_test(remote_by_hand),
		cmocka_unit_test(a_split_by_hand),
		cmocka_unit_test(prefill_of_a_thin_link_is_the_links),
		cmocka_unit_test(a_strong_edge_nearby_takes_everything),
		cmocka_unit_test(a_link_that_costs_more_than_it_saves_is_not_used),
		cmocka_unit_test(layers_that_are_not_served_are_not_planned),
		cmocka_unit_test(a_broken_link_means_local),
		cmocka_unit_test(within_the_tolerance_fewest_bytes_win),
		cmocka_unit_test(one_token_has_no_decode),
		cmocka_unit_test(the_choice_is_the_best_of_a_simulation),
		cmocka_unit_test(the_explanation_names_the_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
