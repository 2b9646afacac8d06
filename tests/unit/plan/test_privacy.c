// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "plan/planner.h"

enum { LAYERS = 6 };

/* What leaves the device, from what the modes are, not from the code under test. */
static bool sends_ids(enum ferry_plan_mode mode, uint32_t k1)
{
	return mode == FERRY_MODE_REMOTE || (mode != FERRY_MODE_LOCAL && k1 == 0);
}

static bool shows_answer(enum ferry_plan_mode mode)
{
	return mode == FERRY_MODE_REMOTE || mode == FERRY_MODE_SPLIT;
}

static bool expected(enum ferry_privacy level, enum ferry_plan_mode mode, uint32_t k1)
{
	if (mode == FERRY_MODE_LOCAL)
		return true;
	/* A split behind no layer is no split. */
	if (mode != FERRY_MODE_REMOTE && k1 == 0)
		return false;
	switch (level) {
	case FERRY_PRIVACY_TOKENS:
		return true;
	case FERRY_PRIVACY_HIDDEN:
		return !sends_ids(mode, k1);
	case FERRY_PRIVACY_USHAPE:
		return !sends_ids(mode, k1) && !shows_answer(mode);
	default:
		return false;
	}
}

static void every_level_mode_and_cut(void **state)
{
	unsigned n_allowed = 0, n = 0;

	(void)state;
	for (int level = 0; level < FERRY_N_PRIVACY; level++)
		for (int mode = 0; mode < FERRY_N_MODES; mode++)
			for (uint32_t k1 = 0; k1 <= LAYERS; k1++, n++) {
				bool allowed = ferry_privacy_allows((enum ferry_privacy)level,
								    (enum ferry_plan_mode)mode, k1);

				if (allowed != expected((enum ferry_privacy)level,
							(enum ferry_plan_mode)mode, k1))
					fail_msg("level %d, mode %d, k1 %u: %d", level, mode, k1,
						 allowed);
				n_allowed += allowed;
			}
	assert_int_equal(n, 4 * 4 * 7);
	/* tokens 7 + 7 + 6 + 6, hidden 7 + 6 + 6, ushape 7 + 6, none 7 */
	assert_int_equal(n_allowed, 26 + 19 + 13 + 7);
}

static void what_does_not_exist_allows_local_alone(void **state)
{
	(void)state;
	for (int level = -3; level < 9; level++) {
		bool known = level >= 0 && level < FERRY_N_PRIVACY;

		assert_true(ferry_privacy_allows((enum ferry_privacy)level, FERRY_MODE_LOCAL, 3));
		for (int mode = -2; mode < 8; mode++) {
			if (mode == FERRY_MODE_LOCAL ||
			    (known && mode >= 0 && mode < FERRY_N_MODES))
				continue;
			assert_false(ferry_privacy_allows((enum ferry_privacy)level,
							  (enum ferry_plan_mode)mode, 3));
		}
	}
	assert_string_equal(ferry_privacy_name((enum ferry_privacy)9), "unknown");
	assert_string_equal(ferry_plan_mode_name((enum ferry_plan_mode) - 1), "unknown");
}

/* An edge that is so much better that every level takes all that it may. */
static void the_planner_asks_for_every_cut(void **state)
{
	static struct ferry_layer_cost slow[LAYERS], fast[LAYERS];
	static struct ferry_plan_sums sums;
	static const struct ferry_plan_codec f32 = {"f32", 4, 0};
	struct ferry_plan_problem p = {
		.n_layers = LAYERS,
		.n_embd = 64,
		.device = {.layers = slow, .head_us = 1},
		.edge = {.layers = fast},
		.edge_end = LAYERS,
		.edge_embeds = true,
		.edge_heads = true,
		.edge_returns = true,
		.link = {.rtt_us = 1, .up_bytes_per_us = 1e6, .down_bytes_per_us = 1e6},
		.codecs = &f32,
		.n_codecs = 1,
		.chunk_tokens = {8},
		.n_chunk_lengths = 1,
		.n_prompt = 16,
		.n_new = 10,
	};
	static const struct ferry_plan_cut want[] = {
		{FERRY_MODE_REMOTE, 0, LAYERS},
		{FERRY_MODE_SPLIT, 1, LAYERS},
		{FERRY_MODE_USHAPE, 1, LAYERS},
		{FERRY_MODE_LOCAL, LAYERS, LAYERS},
	};
	struct ferry_plan_choices c;

	(void)state;
	for (int i = 0; i < LAYERS; i++)
		slow[i] = (struct ferry_layer_cost){.decode_us = 1000, .prefill_us = 1000};
	assert_int_equal(ferry_plan_sum(&p, &sums, NULL), 0);
	for (int level = 0; level < FERRY_N_PRIVACY; level++) {
		struct ferry_plan_terms t;

		p.privacy = (enum ferry_privacy)level;
		assert_int_equal(ferry_plan_choose(&p, &sums, &c, NULL), 0);
		assert_memory_equal(&ferry_plan_chosen(&c)->cut, &want[level], sizeof(want[0]));
		ferry_plan_terms(&p, &sums, &t);
		for (int mode = 0; mode < FERRY_N_MODES; mode++) {
			assert_true(isinf(c.best[mode].score) ||
				    ferry_privacy_allows(p.privacy, c.best[mode].cut.mode,
							 c.best[mode].cut.k1));
			for (uint32_t k1 = 0; k1 <= LAYERS; k1++)
				for (uint32_t k2 = 0; k2 <= LAYERS; k2++) {
					struct ferry_plan_cut cut = {(enum ferry_plan_mode)mode, k1,
								     k2};
					struct ferry_plan got =
						ferry_plan_predict(&t, &cut, 8, NULL);

					if (!ferry_privacy_allows(p.privacy, cut.mode, k1))
						assert_true(isinf(got.score) && got.why);
				}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level_mode_and_cut),
		cmocka_unit_test(what_does_not_exist_allows_local_alone),
		cmocka_unit_test(the_planner_asks_for_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
