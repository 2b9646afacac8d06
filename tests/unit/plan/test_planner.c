// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "plan/explain.h"
#include "random_problem.h"

static struct ferry_plan_sums sums;
static struct random_problem r;

static void near(double got, double want, const char *what)
{
	if (!(fabs(got - want) <= 1e-9 * fabs(want) + 1e-9))
		fail_msg("%s: %.12g instead of %.12g", what, got, want);
}

static bool comes_before(const struct ferry_plan *a, const struct ferry_plan *b)
{
	if (isinf(a->score) || isinf(b->score))
		return a->score < b->score;
	return a->late != b->late ? !a->late : a->score < b->score;
}

/* Every cut with every chunk length, whether it makes sense or not. */
static struct ferry_plan try_all(const struct ferry_plan_problem *p, enum ferry_plan_mode mode)
{
	struct ferry_plan best = {.score = INFINITY};
	struct ferry_plan_terms t;
	uint32_t n_lengths = p->n_chunk_lengths ? p->n_chunk_lengths : 1;

	ferry_plan_terms(p, &sums, &t);
	for (uint32_t k1 = 0; k1 <= p->n_layers; k1++)
		for (uint32_t k2 = 0; k2 <= p->n_layers; k2++)
			for (uint32_t i = 0; i < n_lengths; i++) {
				struct ferry_plan_cut cut = {mode, k1, k2};
				uint32_t chunk = p->n_chunk_lengths ? p->chunk_tokens[i] : 1;
				struct ferry_plan c;

				if (mode == FERRY_MODE_LOCAL && (k1 != p->n_layers || k2 != k1))
					continue;
				c = ferry_plan_predict(&t, &cut, chunk, NULL);
				if (comes_before(&c, &best))
					best = c;
			}
	return best;
}

static void the_choice_equals_brute_force(void **state)
{
	unsigned chosen[FERRY_N_MODES] = {0}, inner = 0, late = 0, impossible = 0;

	(void)state;
	r.state = 1;
	for (unsigned round = 0; round < 6000; round++) {
		struct ferry_plan_problem *p = &r.p;
		struct ferry_plan all[FERRY_N_MODES], least = {.score = INFINITY}, want = least;
		struct ferry_plan_choices c;
		int ret;

		random_problem(&r, 1 + round % 10);
		assert_int_equal(ferry_plan_sum(p, &sums, NULL), 0);
		ret = ferry_plan_choose(p, &sums, &c, NULL);
		for (int m = 0; m < FERRY_N_MODES; m++) {
			all[m] = try_all(p, (enum ferry_plan_mode)m);
			if (comes_before(&all[m], &least))
				least = all[m];
			assert_int_equal(isinf(c.best[m].score), isinf(all[m].score));
			if (isinf(all[m].score)) {
				assert_non_null(c.best[m].why);
				continue;
			}
			near(c.best[m].score, all[m].score, "score");
			assert_int_equal(c.best[m].late, all[m].late);
		}
		if (isinf(least.score)) {
			assert_int_equal(ret, -ENOTSUP);
			impossible++;
			continue;
		}
		assert_int_equal(ret, 0);
		for (int m = 0; m < FERRY_N_MODES; m++) {
			double bytes = all[m].up_bytes + all[m].down_bytes;

			if (all[m].score > least.score * (1 + p->tolerance) ||
			    all[m].late != least.late)
				continue;
			if (isinf(want.score) || bytes < want.up_bytes + want.down_bytes)
				want = all[m];
		}
		assert_int_equal(c.chosen, want.cut.mode);
		chosen[c.chosen]++;
		inner += c.chosen == FERRY_MODE_USHAPE &&
			 ferry_plan_chosen(&c)->cut.k2 < p->n_layers;
		late += ferry_plan_chosen(&c)->late;
	}
	/* It means something only if all of this happened. */
	for (int m = 0; m < FERRY_N_MODES; m++)
		assert_true(chosen[m] > 50);
	assert_true(inner > 20 && late > 100 && impossible > 20);
}

static void bounds_hold_in_deep_models(void **state)
{
	unsigned shapes = 0;

	(void)state;
	r.state = 2;
	for (unsigned round = 0; round < 40; round++) {
		struct ferry_plan_problem *p = &r.p;
		struct ferry_plan_choices c;

		random_problem(&r, 32 + round % 49);
		assert_int_equal(ferry_plan_sum(p, &sums, NULL), 0);
		ferry_plan_choose(p, &sums, &c, NULL);
		for (int m = 0; m < FERRY_N_MODES; m++) {
			struct ferry_plan want = try_all(p, (enum ferry_plan_mode)m);

			if (isinf(want.score))
				assert_true(isinf(c.best[m].score));
			else
				near(c.best[m].score, want.score, "score");
			shapes += m == FERRY_MODE_USHAPE && !isinf(want.score);
		}
	}
	assert_true(shapes > 5);
}

/* The same chunks, each sent through stations that have clocks. */
static double simulate_prompt(const struct ferry_plan_problem *p, uint32_t k1, uint32_t k2,
			      uint32_t chunk, bool ushape)
{
	double first = 0, up = 0, edge = 0, down = 0, second, hidden = 4.0 * p->n_embd;
	double d1 = p->device.embed_us, e = 0, d2 = 0, input = k1 ? hidden : 4;

	if (!k1)
		d1 = 0, e = p->edge.embed_us;
	for (uint32_t i = 0; i < p->n_layers; i++) {
		if (i < k1)
			d1 += p->device.layers[i].prefill_us;
		else if (i < k2)
			e += p->edge.layers[i].prefill_us;
		else
			d2 += p->device.layers[i].prefill_us;
	}
	second = p->n_prompt * d1;
	for (uint32_t at = 0; at < p->n_prompt; at += chunk) {
		double n = p->n_prompt - at < chunk ? p->n_prompt - at : chunk;

		first += n * d1;
		up = fmax(up, first) + (n * input + p->up_overhead_bytes) / p->link.up_bytes_per_us;
		edge = fmax(edge, up) + n * e;
		down = fmax(down, edge) +
		       (n * hidden + p->down_overhead_bytes) / p->link.down_bytes_per_us;
		second = fmax(second, down) + n * d2;
	}
	return ushape ? second : edge;
}

static void a_prompt_in_chunks_equals_a_simulation(void **state)
{
	(void)state;
	r.state = 3;
	for (unsigned round = 0; round < 4000; round++) {
		struct ferry_plan_problem *p = &r.p;
		const struct ferry_plan_codec f32 = {"f32", 4, 0};
		struct ferry_plan_terms t;
		struct ferry_plan_cut cut;
		bool ushape = round % 2;
		uint32_t chunk;
		double got;

		random_problem(&r, 8);
		p->codecs = &f32;
		p->n_codecs = 1;
		p->load = (struct ferry_plan_load){0};
		p->energy = (struct ferry_plan_energy){0};
		p->link.loss = 0;
		p->link.no_carrier = false;
		p->privacy = FERRY_PRIVACY_TOKENS;
		p->edge_begin = 0;
		p->edge_end = 8;
		p->edge_embeds = p->edge_heads = p->edge_returns = true;
		p->device.memory_bytes = p->edge.memory_bytes = 0;
		chunk = whole(&r, 1, 200);
		cut.k1 = whole(&r, ushape, 7);
		cut.k2 = ushape ? whole(&r, cut.k1 + 1, 8) : 8;
		cut.mode = ushape ? FERRY_MODE_USHAPE
				  : (cut.k1 ? FERRY_MODE_SPLIT : FERRY_MODE_REMOTE);
		assert_int_equal(ferry_plan_sum(p, &sums, NULL), 0);
		ferry_plan_terms(p, &sums, &t);
		assert_null(ferry_plan_predict(&t, &cut, chunk, &got).why);
		near(got, simulate_prompt(p, cut.k1, cut.k2, chunk, ushape), "pipeline");
		assert_true(ferry_plan_busiest_us(&t, &cut, chunk) <= got * (1 + 1e-9));
	}
}

/* Ten equal layers; a device that is ten times as slow as the edge. */
static struct ferry_plan_problem plain(void)
{
	static struct ferry_layer_cost slow[10], fast[10];
	static struct ferry_layer_memory memory[10];
	static const struct ferry_plan_codec codecs[] = {{"f32", 4, 0}, {"int8", 1.125, 0.01}};

	for (int i = 0; i < 10; i++) {
		slow[i] = (struct ferry_layer_cost){1000, 200, 2000, 400};
		fast[i] = (struct ferry_layer_cost){100, 20, 3000, 600};
		memory[i] = (struct ferry_layer_memory){1000, 1};
	}
	return (struct ferry_plan_problem){
		.n_layers = 10,
		.n_embd = 1024,
		.device = {.layers = slow, .embed_us = 10, .head_us = 500},
		.edge = {.layers = fast, .embed_us = 1, .head_us = 50},
		.memory = memory,
		.edge_end = 10,
		.edge_embeds = true,
		.edge_heads = true,
		.edge_returns = true,
		.link = {.rtt_us = 2000, .up_bytes_per_us = 12.5, .down_bytes_per_us = 12.5},
		.codecs = codecs,
		.n_codecs = 2,
		.chunk_tokens = {16, 32, 64, 128},
		.n_chunk_lengths = 4,
		.n_prompt = 100,
		.n_new = 51,
	};
}

static struct ferry_plan chosen(const struct ferry_plan_problem *p)
{
	struct ferry_plan_choices c;

	assert_int_equal(ferry_plan_sum(p, &sums, NULL), 0);
	assert_int_equal(ferry_plan_choose(p, &sums, &c, NULL), 0);
	return *ferry_plan_chosen(&c);
}

static void quality_is_spent_once_for_each_crossing(void **state)
{
	struct ferry_plan_problem p = plain();

	(void)state;
	p.privacy = FERRY_PRIVACY_HIDDEN;
	p.quality_budget = 0.015;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_SPLIT);
	assert_int_equal(chosen(&p).codec, 1);
	p.privacy = FERRY_PRIVACY_USHAPE;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_USHAPE);
	assert_int_equal(chosen(&p).codec, 0);
	p.quality_budget = 0.02;
	assert_int_equal(chosen(&p).codec, 1);
}

static void energy_moves_work_to_the_edge_as_the_battery_empties(void **state)
{
	struct ferry_plan_problem p = plain();

	(void)state;
	p.objective.per_uj = 1;
	/* The edge spends one and a half times the energy, and there is a radio to feed. */
	p.energy = (struct ferry_plan_energy){.radio_active_w = 0.1};
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
	p.energy.on_battery = true;
	p.energy.battery_share = 1;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
	p.energy.battery_share = 0.2;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_REMOTE);
	/* The tail of the radio costs as much as the work did. */
	p.energy.radio_tail_us = 11.5e6;
	p.energy.radio_active_w = 1.2;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
}

static void a_price_counts_only_where_it_weighs(void **state)
{
	struct ferry_plan_problem p = plain();

	(void)state;
	p.price = (struct ferry_plan_price){1, 1};
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_REMOTE);
	p.objective.per_money = 1;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
}

static void memory_that_is_missing_moves_layers(void **state)
{
	struct ferry_plan_problem p = plain();
	struct ferry_plan_choices c;
	struct ferry_error err;

	(void)state;
	p.privacy = FERRY_PRIVACY_HIDDEN;
	p.edge.memory_bytes = 4000 + 4 * 151;
	assert_int_equal(chosen(&p).cut.k1, 6);
	p.edge.memory_bytes -= 1;
	assert_int_equal(chosen(&p).cut.k1, 7);
	p.device.memory_bytes = 5000;
	assert_int_equal(ferry_plan_choose(&p, &sums, &c, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "memory"));
	assert_string_equal(c.best[FERRY_MODE_LOCAL].why, "too large for the device's memory");
	p.edge.memory_bytes = 0;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_SPLIT);
	assert_true(chosen(&p).cut.k1 <= 4);
}

static void a_deadline_comes_before_the_score(void **state)
{
	struct ferry_plan_problem p = plain();
	struct ferry_plan least;

	(void)state;
	p.objective.per_money = 1;
	p.price.edge_per_us = 1;
	least = chosen(&p);
	assert_int_equal(least.cut.mode, FERRY_MODE_LOCAL);
	p.token_deadline_us = least.token_us * 0.8;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_SPLIT);
	assert_true(chosen(&p).token_us <= p.token_deadline_us && !chosen(&p).late);
	p.token_deadline_us = 1;
	assert_true(chosen(&p).late);
}

static void load_and_heat_slow_their_machine(void **state)
{
	struct ferry_plan_problem p = plain();
	double idle = chosen(&p).token_us;

	(void)state;
	p.load = (struct ferry_plan_load){1, 3, 0.2};
	/* 1051 us of edge work become 1.6 times that, behind one step of 1000. */
	near(chosen(&p).token_us, idle + 0.6 * 1051 + 1000, "loaded edge");
	p.load.queue_depth = 100;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
	idle = chosen(&p).token_us;
	p.energy = (struct ferry_plan_energy){
		.temperature_known = true, .headroom_k = 5, .throttle_slowdown = 2};
	near(chosen(&p).token_us, 1.5 * idle, "warm device");
}

static void losses_are_sent_again(void **state)
{
	struct ferry_plan_problem p = plain();
	double clean = chosen(&p).link_us, bytes;

	(void)state;
	bytes = (4 + 0) / 12.5 + (4 + 0) / 12.5;
	near(clean, 2000 + bytes, "clean link");
	p.link.loss = 0.1;
	p.link.rttvar_us = 1000;
	near(chosen(&p).link_us, 2000 + 2 * 0.1 / 0.9 * 6000 + bytes / 0.9, "lossy link");
}

static void stale_readings_and_no_carrier_leave_local(void **state)
{
	struct ferry_plan_problem p = plain();

	(void)state;
	p.link.age_us = 5e6;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_REMOTE);
	p.link_stale_us = 4e6;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
	p.link.age_us = NAN;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
	p.link.age_us = 0;
	p.link.no_carrier = true;
	assert_int_equal(chosen(&p).cut.mode, FERRY_MODE_LOCAL);
}

static void wrong_layers_are_refused(void **state)
{
	struct ferry_plan_problem p = plain();
	struct ferry_error err;

	(void)state;
	p.edge_end = 11;
	assert_int_equal(ferry_plan_sum(&p, &sums, &err), -EINVAL);
	p.edge_end = 3;
	p.edge_begin = 4;
	assert_int_equal(ferry_plan_sum(&p, &sums, &err), -EINVAL);
	p.n_layers = 0;
	assert_int_equal(ferry_plan_sum(&p, &sums, &err), -EINVAL);
	p.n_layers = FERRY_PLAN_MAX_LAYERS + 1;
	assert_int_equal(ferry_plan_sum(&p, &sums, &err), -EINVAL);
}

static void the_reason_names_what_decided(void **state)
{
	struct ferry_plan_problem p = plain();
	struct ferry_plan_choices c;
	char text[4096];

	(void)state;
	p.privacy = FERRY_PRIVACY_USHAPE;
	assert_int_equal(ferry_plan_sum(&p, &sums, NULL), 0);
	assert_int_equal(ferry_plan_choose(&p, &sums, &c, NULL), 0);
	ferry_plan_explain(&p, &sums, &c, text, sizeof(text));
	assert_non_null(strstr(text, "Chosen: 1 + "));
	assert_non_null(strstr(text, "Hidden states as f32."));
	assert_non_null(strstr(text, "forbidden by the privacy level"));
	assert_non_null(strstr(text, "privacy level ushape"));
	p.privacy = FERRY_PRIVACY_NONE;
	assert_int_equal(ferry_plan_choose(&p, &sums, &c, NULL), 0);
	ferry_plan_reason(&p, &c, text, sizeof(text));
	assert_string_equal(text, "Chosen: local. A split: forbidden by the privacy level.\n");
	p = plain();
	p.token_deadline_us = 1;
	assert_int_equal(ferry_plan_choose(&p, &sums, &c, NULL), 0);
	ferry_plan_explain(&p, &sums, &c, text, sizeof(text));
	assert_non_null(strstr(text, "No plan keeps the deadline"));
	assert_non_null(strstr(text, "  late\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_choice_equals_brute_force),
		cmocka_unit_test(bounds_hold_in_deep_models),
		cmocka_unit_test(a_prompt_in_chunks_equals_a_simulation),
		cmocka_unit_test(quality_is_spent_once_for_each_crossing),
		cmocka_unit_test(energy_moves_work_to_the_edge_as_the_battery_empties),
		cmocka_unit_test(a_price_counts_only_where_it_weighs),
		cmocka_unit_test(memory_that_is_missing_moves_layers),
		cmocka_unit_test(a_deadline_comes_before_the_score),
		cmocka_unit_test(load_and_heat_slow_their_machine),
		cmocka_unit_test(losses_are_sent_again),
		cmocka_unit_test(stale_readings_and_no_carrier_leave_local),
		cmocka_unit_test(wrong_layers_are_refused),
		cmocka_unit_test(the_reason_names_what_decided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
