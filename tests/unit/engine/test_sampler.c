// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sampler.h"

enum { N = 50 };

static void make_logits(float *logits, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		logits[i] = (float)((i * 37) % n) * 0.1f; /* all different, in no order */
}

/* ferry_sample() may change the logits: give it a copy. */
static int32_t sample(const struct ferry_sampling *s, const float *logits, uint32_t n,
		      uint64_t position)
{
	float *copy = malloc(n * sizeof(*copy));
	int32_t id;

	assert_non_null(copy);
	memcpy(copy, logits, n * sizeof(*copy));
	id = ferry_sample(s, copy, n, NULL, 0, position);
	free(copy);
	return id;
}

static void test_options_out_of_range_are_refused(void **state)
{
	const struct ferry_sampling good = {
		.temperature = 1.0f, .top_p = 0.9f, .min_p = 0.1f, .repeat_penalty = 1.1f};
	const float bad_top_p[] = {0.0f, -1.0f, 1.1f, NAN}, bad_min_p[] = {-0.1f, 1.1f, NAN};
	const float bad_penalty[] = {0.0f, -1.0f, INFINITY, NAN};
	struct ferry_error err;
	struct ferry_sampling s;

	(void)state;
	assert_int_equal(ferry_sampling_check(&good, &err), 0);
	s = ferry_sampling_greedy();
	assert_int_equal(ferry_sampling_check(&s, &err), 0);
	for (int i = 0; i < 4; i++) {
		s = good;
		s.top_p = bad_top_p[i];
		assert_int_equal(ferry_sampling_check(&s, &err), -EINVAL);
		assert_non_null(strstr(err.text, "top_p"));
		s = good;
		s.repeat_penalty = bad_penalty[i];
		assert_int_equal(ferry_sampling_check(&s, &err), -EINVAL);
		assert_non_null(strstr(err.text, "repeat_penalty"));
	}
	for (int i = 0; i < 3; i++) {
		s = good;
		s.min_p = bad_min_p[i];
		assert_int_equal(ferry_sampling_check(&s, &err), -EINVAL);
		assert_non_null(strstr(err.text, "min_p"));
	}
	s = good;
	s.temperature = NAN;
	assert_int_equal(ferry_sampling_check(&s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "temperature"));
}

static void test_greedy_takes_the_lowest_id_among_equals(void **state)
{
	const struct ferry_sampling s = ferry_sampling_greedy();
	float logits[6] = {-1.0f, 3.0f, 2.0f, 3.0f, -INFINITY, 3.0f};

	(void)state;
	assert_int_equal(sample(&s, logits, 6, 0), 1);
	logits[1] = 2.5f;
	assert_int_equal(sample(&s, logits, 6, 0), 3);
}

static void test_logits_that_say_nothing(void **state)
{
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[4] = {1.0f, 2.0f, 0.0f, -1.0f};

	(void)state;
	for (int warm = 0; warm < 2; warm++) {
		s.temperature = (float)warm;
		logits[2] = NAN;
		assert_int_equal(sample(&s, logits, 4, 0), -EBADMSG);
		logits[2] = INFINITY;
		assert_int_equal(sample(&s, logits, 4, 0), -EBADMSG);
		logits[2] = -INFINITY;
		assert_true(sample(&s, logits, 4, 0) >= 0);
		for (int i = 0; i < 4; i++)
			logits[i] = -INFINITY;
		assert_int_equal(sample(&s, logits, 4, 0), -EBADMSG);
		logits[0] = 1.0f;
		assert_int_equal(sample(&s, logits, 4, 0), 0);
		logits[0] = NAN;
		assert_int_equal(sample(&s, logits, 4, 0), -EBADMSG);
		logits[0] = 1.0f;
	}
}

/* The statistic of Pearson's test; far fewer than 1 in 1000 correct samplers exceed the limit. */
static void check_distribution(const struct ferry_sampling *s, const float *logits, uint32_t n,
			       const double *expected)
{
	enum { DRAWS = 20000 };
	uint32_t *count = calloc(n, sizeof(*count)), degrees = 0;
	double statistic = 0.0;

	assert_non_null(count);
	for (uint64_t position = 0; position < DRAWS; position++) {
		const int32_t id = sample(s, logits, n, position);

		assert_in_range(id, 0, n - 1);
		count[id]++;
	}
	for (uint32_t i = 0; i < n; i++) {
		const double want = expected[i] * DRAWS, delta = (double)count[i] - want;

		if (want == 0.0) {
			assert_int_equal(count[i], 0);
			continue;
		}
		if (want < 5.0)
			continue;
		statistic += delta * delta / want;
		degrees++;
	}
	if (!(statistic <= degrees + 4.5 * sqrt(2.0 * degrees)))
		fail_msg("chi-square %g with %u degrees of freedom", statistic, degrees);
	free(count);
}

/* softmax over those that keep[] names; NULL: over all */
static void softmax(const float *logits, uint32_t n, double temperature, const bool *keep,
		    double *p)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < n; i++) {
		p[i] = keep && !keep[i] ? 0.0 : exp((double)logits[i] / temperature);
		sum += p[i];
	}
	for (uint32_t i = 0; i < n; i++)
		p[i] /= sum;
}

static void test_distribution_of_all_tokens(void **state)
{
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[N];
	double p[N];

	(void)state;
	make_logits(logits, N);
	for (s.seed = 0; s.seed < 3; s.seed++) {
		s.temperature = 0.5f + (float)s.seed;
		softmax(logits, N, (double)s.temperature, NULL, p);
		check_distribution(&s, logits, N, p);
	}
}

static void test_top_k(void **state)
{
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[N];
	bool keep[N] = {0};
	double p[N];

	(void)state;
	make_logits(logits, N);
	s.temperature = 1.0f;
	s.top_k = 7;
	for (uint32_t i = 0; i < N; i++)
		keep[i] = logits[i] > 4.25f; /* 4.3 .. 4.9 */
	softmax(logits, N, 1.0, keep, p);
	check_distribution(&s, logits, N, p);
	s.top_k = 1;
	assert_int_equal(sample(&s, logits, N, 5),
			 sample(&(struct ferry_sampling){.top_p = 1.0f, .repeat_penalty = 1.0f},
				logits, N, 0));
}

/* Of equal logits the lowest ids are kept. */
static void test_top_k_breaks_ties_by_id(void **state)
{
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[N];
	bool keep[N] = {0};
	double p[N];

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		logits[i] = i == 40 ? 2.0f : 1.0f;
	s.temperature = 1.0f;
	s.top_k = 4;
	keep[40] = keep[0] = keep[1] = keep[2] = true;
	softmax(logits, N, 1.0, keep, p);
	check_distribution(&s, logits, N, p);
}

/* More than fit on the stack; and so many that all are kept. */
static void test_top_k_of_many(void **state)
{
	enum { MANY = 1000 };
	static float logits[MANY];
	static bool keep[MANY];
	static double p[MANY];
	struct ferry_sampling s = ferry_sampling_greedy();

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		logits[i] = (float)((i * 1009) % MANY) * 0.003f;
		keep[i] = (i * 1009) % MANY >= MANY - 300;
	}
	s.temperature = 0.1f;
	s.top_k = 300;
	softmax(logits, MANY, 0.1, keep, p);
	check_distribution(&s, logits, MANY, p);
	s.top_k = MANY + 5;
	softmax(logits, MANY, 0.1, NULL, p);
	check_distribution(&s, logits, MANY, p);
}

static void check_top_p(uint32_t top_k)
{
	/* probabilities 0.4, 0.3, 0.2, 0.1, in another order */
	const float logits[4] = {logf(0.2f), logf(0.4f), logf(0.1f), logf(0.3f)};
	struct ferry_sampling s = {.temperature = 1.0f, .repeat_penalty = 1.0f, .top_k = top_k};

	s.top_p = 0.35f;
	check_distribution(&s, logits, 4, (const double[]){0, 1, 0, 0});
	s.top_p = 0.45f;
	check_distribution(&s, logits, 4, (const double[]){0, 4.0 / 7, 0, 3.0 / 7});
	s.top_p = 0.75f;
	check_distribution(&s, logits, 4, (const double[]){2.0 / 9, 4.0 / 9, 0, 3.0 / 9});
	s.top_p = 0.95f;
	check_distribution(&s, logits, 4, (const double[]){0.2, 0.4, 0.1, 0.3});
	s.top_p = 1e-6f;
	check_distribution(&s, logits, 4, (const double[]){0, 1, 0, 0});
}

static void test_top_p(void **state)
{
	(void)state;
	check_top_p(0);
	check_top_p(4);
}

/* Shares are of what top-k has left: 0.4 + 0.3 = 0.7 of which 0.4 is 0.57 */
static void test_top_p_counts_after_top_k(void **state)
{
	const float logits[4] = {logf(0.2f), logf(0.4f), logf(0.1f), logf(0.3f)};
	const struct ferry_sampling s = {
		.temperature = 1.0f, .repeat_penalty = 1.0f, .top_k = 2, .top_p = 0.55f};

	(void)state;
	check_distribution(&s, logits, 4, (const double[]){0, 1, 0, 0});
}

static void test_min_p(void **state)
{
	const float logits[4] = {logf(0.2f), logf(0.4f), logf(0.1f), logf(0.3f)};
	struct ferry_sampling s = ferry_sampling_greedy();

	(void)state;
	s.temperature = 1.0f;
	s.min_p = 0.6f; /* of 0.4: 0.24 */
	check_distribution(&s, logits, 4, (const double[]){0, 4.0 / 7, 0, 3.0 / 7});
	s.min_p = 1.0f;
	check_distribution(&s, logits, 4, (const double[]){0, 1, 0, 0});
	s.min_p = 0.6f;
	s.top_p = 0.3f;
	check_distribution(&s, logits, 4, (const double[]){0, 1, 0, 0});
}

static void test_penalty_once_per_token_of_the_window(void **state)
{
	const int32_t history[] = {2, 0, 1, 1, 1, 3, -5, 1000000};
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[5] = {4.0f, 6.0f, 9.0f, -1.0f, 2.0f};

	(void)state;
	s.repeat_penalty = 2.0f;
	s.repeat_window = 6; /* 1 1 1 3 and two that are no tokens */
	assert_int_equal(ferry_sample(&s, logits, 5, history, 8, 0), 2);
	assert_true(logits[0] == 4.0f && logits[1] == 3.0f && logits[2] == 9.0f);
	assert_true(logits[3] == -2.0f && logits[4] == 2.0f);
	s.repeat_window = 0; /* all */
	assert_int_equal(ferry_sample(&s, logits, 5, history, 8, 0), 2);
	assert_true(logits[0] == 2.0f && logits[1] == 1.5f && logits[2] == 4.5f);
	s.repeat_penalty = 1.0f;
	assert_int_equal(ferry_sample(&s, logits, 5, history, 8, 0), 2);
	assert_true(logits[2] == 4.5f);
}

/* An extreme penalty made an infinity of a good logit, and the model was blamed for it. */
static void test_penalty_never_makes_an_infinity(void **state)
{
	const int32_t history[] = {0, 1};
	const float bad[] = {NAN, INFINITY};
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[2] = {4.0f, 6.0f};

	(void)state;
	s.repeat_penalty = 1e-38f;
	assert_int_equal(ferry_sample(&s, logits, 2, history, 2, 0), 0);
	logits[0] = -4.0f;
	logits[1] = -6.0f;
	s.repeat_penalty = 1e38f;
	assert_int_equal(ferry_sample(&s, logits, 2, history, 2, 0), 0);
	for (int i = 0; i < 2; i++) {
		logits[0] = bad[i];
		logits[1] = 1.0f;
		assert_int_equal(ferry_sample(&s, logits, 2, history, 2, 0), -EBADMSG);
	}
}

static void test_the_draw_depends_on_seed_and_position_only(void **state)
{
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[N];
	unsigned same_seed = 0, shifted = 0;

	(void)state;
	make_logits(logits, N);
	s.temperature = 2.0f;
	for (uint64_t position = 0; position < 500; position++) {
		struct ferry_sampling next = s;
		const int32_t id = sample(&s, logits, N, position);

		assert_int_equal(sample(&s, logits, N, position), id);
		next.seed = s.seed + 1;
		same_seed += sample(&next, logits, N, position) == id;
		shifted += sample(&next, logits, N, position + 1) == id;
	}
	/* by chance: one in twenty or so */
	assert_true(same_seed < 100);
	assert_true(shifted < 100);
}

/* Draws do not follow from each other: pairs of neighbours are spread evenly. */
static void test_neighbouring_positions_are_independent(void **state)
{
	const struct ferry_sampling s = {
		.temperature = 1.0f, .top_p = 1.0f, .repeat_penalty = 1.0f, .seed = 42};
	const float logits[4] = {0};
	uint32_t count[16] = {0};
	double statistic = 0.0;
	int32_t before = 0;

	(void)state;
	for (uint64_t position = 0; position < 16000; position++) {
		const int32_t id = sample(&s, logits, 4, position);

		count[before * 4 + id]++;
		before = id;
	}
	for (int i = 0; i < 16; i++)
		statistic += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000.0;
	assert_true(statistic < 16 + 4.5 * sqrt(32.0));
}

static void test_tiny_temperature_is_greedy(void **state)
{
	struct ferry_sampling s = ferry_sampling_greedy();
	float logits[N];

	(void)state;
	make_logits(logits, N);
	s.temperature = 1e-40f;
	for (uint64_t position = 0; position < 100; position++)
		assert_true(logits[sample(&s, logits, N, position)] == 4.9f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_out_of_range_are_refused),
		cmocka_unit_test(test_greedy_takes_the_lowest_id_among_equals),
		cmocka_unit_test(test_logits_that_say_nothing),
		cmocka_unit_test(test_distribution_of_all_tokens),
		cmocka_unit_test(test_top_k),
		cmocka_unit_test(test_top_k_breaks_ties_by_id),
		cmocka_unit_test(test_top_k_of_many),
		cmocka_unit_test(test_top_p),
		cmocka_unit_test(test_top_p_counts_after_top_k),
		cmocka_unit_test(test_min_p),
		cmocka_unit_test(test_penalty_once_per_token_of_the_window),
		cmocka_unit_test(test_penalty_never_makes_an_infinity),
		cmocka_unit_test(test_the_draw_depends_on_seed_and_position_only),
		cmocka_unit_test(test_neighbouring_positions_are_independent),
		cmocka_unit_test(test_tiny_temperature_is_greedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
