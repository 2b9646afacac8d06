// SPDX-License-Identifier: MIT
/*
 * Logits against the oracle of another runtime, and both paths against each other.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compute/dequantize.h"
#include "engine/pass.h"
#include "logit_run.h"

static const struct logit_run by_reference = {.path = FERRY_PATH_REFERENCE,
					      .kv_type = FERRY_KV_F32};
static const struct logit_run by_default = {.path = FERRY_PATH_DEFAULT, .kv_type = FERRY_KV_F16};

/* The other runtime takes GELU from a table: both sides are rounded to binary16. */
static double gelu_of_a_table(double x)
{
	const double rounded = ferry_f16_to_f32(ferry_f32_to_f16((float)x));

	return ferry_f16_to_f32(ferry_f32_to_f16((float)ferry_reference_gelu(rounded)));
}

static const struct logit_run by_table = {
	.path = FERRY_PATH_REFERENCE, .kv_type = FERRY_KV_F32, .gelu = gelu_of_a_table};

struct distance {
	double max;  /* largest difference */
	double nmse; /* sum of squared differences over sum of squares */
};

static struct distance distance(const float *a, const float *oracle, size_t n)
{
	struct distance d = {0};
	double squares = 0.0;

	for (size_t i = 0; i < n; i++) {
		const double delta = fabs((double)a[i] - (double)oracle[i]);

		/* Not fmax(), which would let a NaN pass. */
		d.max = delta <= d.max ? d.max : delta;
		d.nmse += delta * delta;
		squares += (double)oracle[i] * oracle[i];
	}
	d.nmse /= squares;
	return d;
}

static void test_logits_match_the_oracle(void **state)
{
	unsigned n_names;
	char(*names)[64] = shared_model_names(&n_names);

	(void)state;
	for (unsigned i = 0; i < n_names; i++) {
		struct distance reference, fast, other;
		struct shared_model s;
		float *oracle, *logits;
		size_t n;

		shared_model_open(&s, names[i]);
		n = (size_t)s.n * s.model->hp.n_vocab;
		oracle = calloc(n, sizeof(*oracle));
		logits = calloc(n, sizeof(*logits));
		assert_non_null(oracle);
		assert_non_null(logits);
		logit_run(s.model, &by_reference, s.ids, s.n, oracle);
		reference = distance(oracle, s.exact, n);
		logit_run(s.model, &by_default, s.ids, s.n, logits);
		fast = distance(logits, s.exact, n);
		other = distance(s.other, s.exact, n);
		print_message("%-18s reference: max %.1e nmse %.1e  default: max %.1e nmse %.1e, "
			      "%.2f of the other runtime's %.1e\n",
			      names[i], reference.max, reference.nmse, fast.max, fast.nmse,
			      fast.nmse / other.nmse, other.nmse);
		if (s.model->arch->act == FERRY_ACT_GELU_TANH) {
			/* What the oracle differs by is that table, and nothing else. */
			logit_run(s.model, &by_table, s.ids, s.n, oracle);
			reference = distance(oracle, s.exact, n);
			print_message("%-18s with GELU from a table: max %.1e nmse %.1e\n",
				      names[i], reference.max, reference.nmse);
		}
		assert_true(reference.max <= 1e-3);
		assert_true(reference.nmse <= 1e-6);
		assert_true(fast.nmse <= 5e-4);
		/* Of F32 files the other runtime's logits are the oracle themselves. */
		if (other.nmse > 0.0)
			assert_true(fast.nmse <= other.nmse);
		free(logits);
		free(oracle);
		shared_model_close(&s);
	}
	free(names);
}

/* What the type of the KV cache alone changes: the default path with one in F32 is the measure. */
static void test_types_of_the_cache(void **state)
{
	static const enum ferry_kv_type types[] = {FERRY_KV_F16, FERRY_KV_Q8};
	static const double allowed[] = {3e-4, 5e-4};
	unsigned n_names;
	char(*names)[64] = shared_model_names(&n_names);

	(void)state;
	for (unsigned i = 0; i < n_names; i++) {
		struct logit_run how = by_default;
		struct distance d[2];
		struct shared_model s;
		float *oracle, *logits;
		size_t n;

		shared_model_open(&s, names[i]);
		n = (size_t)s.n * s.model->hp.n_vocab;
		oracle = calloc(n, sizeof(*oracle));
		logits = calloc(n, sizeof(*logits));
		assert_non_null(oracle);
		assert_non_null(logits);
		how.kv_type = FERRY_KV_F32;
		logit_run(s.model, &how, s.ids, s.n, oracle);
		for (int t = 0; t < 2; t++) {
			how.kv_type = types[t];
			logit_run(s.model, &how, s.ids, s.n, logits);
			d[t] = distance(logits, oracle, n);
		}
		print_message("%-18s f16 cache: max %.1e nmse %.1e  q8 cache: max %.1e nmse %.1e\n",
			      names[i], d[0].max, d[0].nmse, d[1].max, d[1].nmse);
		for (int t = 0; t < 2; t++)
			assert_true(d[t].nmse <= allowed[t]);
		free(logits);
		free(oracle);
		shared_model_close(&s);
	}
	free(names);
}

static void check_story(const struct logit_run *how)
{
	static const char name[] = "stories260K";
	unsigned n_names;
	struct shared_model s;
	uint32_t n_expected;
	int32_t *expected, *ids;

	free(shared_model_names(&n_names)); /* skips where there are none */
	shared_model_open(&s, name);
	expected = shared_ids(name, ".greedy", &n_expected);
	assert_int_equal(n_expected, 200);
	ids = calloc(n_expected, sizeof(*ids));
	assert_non_null(ids);
	logit_run_greedy(s.model, how, s.ids, s.n, ids, n_expected);
	for (uint32_t i = 0; i < n_expected; i++)
		if (ids[i] != expected[i])
			fail_msg("id %u is %d, expected %d", i, ids[i], expected[i]);
	free(ids);
	free(expected);
	shared_model_close(&s);
}

static void test_story_by_default_path(void **state)
{
	(void)state;
	check_story(&by_default);
}

static void test_story_by_reference_path(void **state)
{
	(void)state;
	check_story(&by_reference);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logits_match_the_oracle),
		cmocka_unit_test(test_types_of_the_cache),
		cmocka_unit_test(test_story_by_default_path),
		cmocka_unit_test(test_story_by_reference_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
