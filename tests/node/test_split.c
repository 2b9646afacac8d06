// SPDX-License-Identifier: MIT
/* The first promise of the architecture: the same bits, wherever the layers run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "two_nodes.h"

enum { N_PROMPT = 37, N_NEW = 24, N_CTX = 256 };

struct logits {
	size_t n; /* floats */
	float *x;
};

static struct logits logits_of(struct two_nodes *t, const struct ferry_node_session_options *o,
			       uint32_t piece)
{
	struct ferry_node_session *s = two_nodes_open(t, o);
	size_t n_vocab = t->model->hp.n_vocab;
	struct logits l = {.n = N_PROMPT * n_vocab};
	int32_t ids[N_PROMPT];
	struct ferry_error err;

	l.x = calloc(l.n, sizeof(*l.x));
	two_nodes_prompt(t, ids, N_PROMPT);
	for (uint32_t at = 0; at < N_PROMPT; at += piece) {
		uint32_t n = N_PROMPT - at < piece ? N_PROMPT - at : piece;

		if (ferry_node_session_logits(s, ids + at, n, true, l.x + at * n_vocab, &err))
			fail_msg("%s", err.text);
	}
	ferry_node_session_close(s);
	return l;
}

static void same_bits(struct logits a, struct logits b, const char *what)
{
	for (size_t i = 0; i < a.n; i++)
		if (memcmp(&a.x[i], &b.x[i], sizeof(float)))
			fail_msg("%s: logit %zu is %a instead of %a", what, i, (double)b.x[i],
				 (double)a.x[i]);
}

/* Every split point, on 1 and 2 threads, the prompt in one batch and in pieces. */
static void check_every_split(const struct ferry_tiny_model *options)
{
	struct two_nodes t;

	for (uint32_t threads = 1; threads <= 2; threads++) {
		struct ferry_edge_options edge = {.n_threads = 3 - threads};
		struct ferry_node_session_options o = {
			.n_ctx = N_CTX, .deadline_ms = 20000, .fallback = FERRY_NODE_FALLBACK_FAIL};
		struct logits alone;

		two_nodes_load(&t, options, threads);
		alone = logits_of(&t, &o, N_PROMPT);
		two_nodes_serve(&t, &edge);
		o.edge = t.address;
		for (uint32_t k = 0; k <= t.model->hp.n_layers; k++) {
			static const uint32_t pieces[] = {1, 7, N_PROMPT};

			for (unsigned i = 0; i < 3; i++) {
				struct logits split;
				char what[80];

				o.split = (int32_t)k;
				o.chunk_tokens = i == 2 ? 11 : 0;
				split = logits_of(&t, &o, pieces[i]);
				snprintf(what, sizeof(what), "split %u, pieces of %u", k,
					 pieces[i]);
				same_bits(alone, split, what);
				free(split.x);
			}
		}
		free(alone.x);
		two_nodes_free(&t);
	}
}

static void logits_are_the_same_for_every_split_llama(void **state)
{
	(void)state;
	check_every_split(&two_nodes_small);
}

static void logits_are_the_same_for_every_split_gemma3(void **state)
{
	struct ferry_tiny_model m = two_nodes_small;

	(void)state;
	m.arch = "gemma3";
	m.type = FERRY_TYPE_Q8_0;
	m.n_layers = 7;
	check_every_split(&m);
}

static void logits_are_the_same_for_every_split_experts(void **state)
{
	(void)state;
	check_every_split(&(struct ferry_tiny_model){
		.arch = "qwen3moe", .type = FERRY_TYPE_Q4_K, .n_layers = 1});
}

/* Layers [k, m) there, the others and the head here. */
static void logits_are_the_same_when_the_last_layers_run_here(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = N_CTX, .deadline_ms = 20000, .fallback = FERRY_NODE_FALLBACK_FAIL};
	struct logits alone;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	alone = logits_of(&t, &o, N_PROMPT);
	two_nodes_serve(&t, NULL);
	o.edge = t.address;
	o.head_here = true;
	for (uint32_t k = 0; k <= 4; k++) {
		for (uint32_t m = k ? k : 1; m <= 4; m++) {
			struct logits split;
			char what[80];

			o.split = (int32_t)k;
			o.split_end = m;
			o.chunk_tokens = 5;
			split = logits_of(&t, &o, 20);
			snprintf(what, sizeof(what), "layers %u to %u there", k, m);
			same_bits(alone, split, what);
			free(split.x);
		}
	}
	free(alone.x);
	two_nodes_free(&t);
}

static void tokens_of(struct two_nodes *t, const struct ferry_node_session_options *o,
		      const struct ferry_sampling *sampling, int32_t *ids)
{
	struct ferry_node_session *s = two_nodes_open(t, o);
	int32_t prompt[N_PROMPT];

	two_nodes_prompt(t, prompt, N_PROMPT);
	two_nodes_generate(s, prompt, N_PROMPT, sampling, ids, N_NEW);
	ferry_node_session_close(s);
}

static const struct ferry_sampling samplings[] = {
	{.top_p = 1, .repeat_penalty = 1},
	{.temperature = 1.3f, .top_k = 50, .top_p = 0.95f, .repeat_penalty = 1, .seed = 42},
	{.temperature = 1.5f, .top_p = 1, .min_p = 0.01f, .repeat_penalty = 1.4f, .seed = 7},
	{.temperature = 1.1f, .top_p = 1, .repeat_penalty = 1.8f, .repeat_window = 8, .seed = 1},
	{.top_p = 1, .repeat_penalty = 2, .repeat_window = 64},
};

enum { N_SAMPLINGS = sizeof(samplings) / sizeof(samplings[0]) };

static void tokens_are_the_same_wherever_they_are_chosen(void **state)
{
	int32_t alone[N_NEW], split[N_NEW];
	unsigned differing = 0;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 2);
	two_nodes_serve(&t, NULL);
	for (unsigned i = 0; i < N_SAMPLINGS; i++) {
		struct ferry_node_session_options o = {
			.n_ctx = N_CTX, .deadline_ms = 20000, .fallback = FERRY_NODE_FALLBACK_FAIL};

		tokens_of(&t, &o, &samplings[i], alone);
		for (unsigned j = 1; j < N_NEW; j++)
			differing += alone[j] != alone[0];
		o.edge = t.address;
		for (int32_t k = 0; k <= 4; k += 2) {
			for (unsigned here = 0; here < 2; here++) {
				o.split = k;
				o.head_here = here;
				tokens_of(&t, &o, &samplings[i], split);
				assert_memory_equal(split, alone, sizeof(alone));
			}
		}
	}
	assert_true(differing > N_NEW); /* else it would not matter which */
	two_nodes_free(&t);
}

static void a_penalty_may_begin_late(void **state)
{
	int32_t prompt[N_PROMPT], ids[2][3 * N_NEW];
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	for (int32_t k = -1; k <= 4; k++) {
		struct ferry_node_session *s = two_nodes_session(&t, k);
		int32_t *to = ids[k >= 0];

		two_nodes_generate(s, prompt, N_PROMPT, &samplings[1], to, N_NEW);
		two_nodes_generate(s, prompt, 3, &samplings[3], to + N_NEW, N_NEW);
		two_nodes_generate(s, prompt, 0, &samplings[2], to + 2 * N_NEW, N_NEW);
		ferry_node_session_close(s);
		if (k >= 0)
			assert_memory_equal(ids[1], ids[0], sizeof(ids[0]));
	}
	two_nodes_free(&t);
}

static void history_may_be_truncated(void **state)
{
	int32_t prompt[N_PROMPT], other[9] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
	int32_t fresh[N_NEW], again[N_NEW], dropped[N_NEW];
	struct ferry_node_session *s;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	for (unsigned i = 0; i < N_SAMPLINGS; i++) {
		s = two_nodes_session(&t, -1);
		two_nodes_generate(s, prompt, 20, &samplings[i], fresh, 0);
		two_nodes_generate(s, other, 9, &samplings[i], fresh, N_NEW);
		ferry_node_session_close(s);
		for (int32_t k = -1; k <= 4; k++) {
			s = two_nodes_session(&t, k);
			two_nodes_generate(s, prompt, N_PROMPT, &samplings[i], dropped, N_NEW);
			assert_int_equal(ferry_node_session_truncate(s, 20, NULL), 0);
			two_nodes_generate(s, other, 9, &samplings[i], again, N_NEW);
			assert_memory_equal(again, fresh, sizeof(fresh));
			/* To a length at which the last token has run already. */
			assert_int_equal(ferry_node_session_truncate(s, 29, NULL), 0);
			two_nodes_generate(s, NULL, 0, &samplings[i], again, N_NEW);
			assert_memory_equal(again, fresh, sizeof(fresh));
			assert_int_equal(ferry_node_session_truncate(s, 0, NULL), 0);
			assert_int_equal(ferry_node_session_next(s, NULL, again, NULL), -ENODATA);
			assert_int_equal(ferry_node_session_truncate(s, 1, NULL), -EINVAL);
			ferry_node_session_close(s);
		}
	}
	two_nodes_free(&t);
}

static void sessions_do_not_disturb_each_other(void **state)
{
	enum { N = 5 };
	struct ferry_node_session *s[N];
	int32_t prompt[N_PROMPT], want[N][N_NEW], got[N][N_NEW];
	struct two_nodes t;
	struct ferry_error err;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	for (unsigned i = 0; i < N; i++) {
		s[i] = two_nodes_session(&t, -1);
		two_nodes_generate(s[i], prompt + i, N_PROMPT - 2 * i, &samplings[i], want[i],
				   N_NEW);
		ferry_node_session_close(s[i]);
		s[i] = two_nodes_session(&t, (int32_t)i);
		two_nodes_generate(s[i], prompt + i, N_PROMPT - 2 * i, &samplings[i], got[i], 0);
	}
	for (unsigned j = 0; j < N_NEW; j++)
		for (unsigned i = 0; i < N; i++)
			if (ferry_node_session_next(s[i], &samplings[i], &got[i][j], &err))
				fail_msg("%s", err.text);
	assert_memory_equal(got, want, sizeof(want));
	for (unsigned i = 0; i < N; i++)
		ferry_node_session_close(s[i]);
	two_nodes_free(&t);
}

/* Each half as large as the one before, and a little worse. */
static void encodings_of_hidden_states_are_close_and_smaller(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = N_CTX, .split = 2, .deadline_ms = 20000, .chunk_tokens = 64};
	/* Squared error of the logits, relative to their squares. */
	static const double most[FERRY_ENCODINGS] = {0, 1e-5, 1e-3, 1e-1};
	struct ferry_node_session_stats stats[FERRY_ENCODINGS];
	struct logits exact;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	o.edge = t.address;
	exact = logits_of(&t, &o, N_PROMPT);
	for (int encoding = 0; encoding < FERRY_ENCODINGS; encoding++) {
		struct ferry_node_session *s;
		double error = 0, power = 0;
		int32_t ids[N_PROMPT];
		float *x = calloc(exact.n, sizeof(*x));

		o.encoding = (enum ferry_wire_encoding)encoding;
		s = two_nodes_open(&t, &o);
		two_nodes_prompt(&t, ids, N_PROMPT);
		assert_int_equal(ferry_node_session_logits(s, ids, N_PROMPT, true, x, NULL), 0);
		ferry_node_session_get_stats(s, &stats[encoding]);
		ferry_node_session_close(s);
		for (size_t i = 0; i < exact.n; i++) {
			error += ((double)x[i] - exact.x[i]) * ((double)x[i] - exact.x[i]);
			power += (double)exact.x[i] * exact.x[i];
		}
		if (error > most[encoding] * power || (encoding && !(error > 0)))
			fail_msg("encoding %d: error %g", encoding, error / power);
		if (encoding)
			assert_true(stats[encoding].bytes_sent <
				    0.7 * (double)stats[encoding - 1].bytes_sent);
		free(x);
	}
	free(exact.x);
	two_nodes_free(&t);
}

/* By itself: what is smallest and good enough, and no less exact for more crossings. */
static void an_encoding_may_be_chosen(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = N_CTX, .split = 2, .deadline_ms = 20000, .choose_encoding = true};
	struct ferry_node_session_stats stats[2];
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	o.edge = t.address;
	for (int i = 0; i < 2; i++) {
		struct ferry_node_session *s = two_nodes_open(&t, &o);
		int32_t ids[N_PROMPT];

		two_nodes_prompt(&t, ids, N_PROMPT);
		assert_int_equal(ferry_node_session_append(s, ids, N_PROMPT, NULL), 0);
		ferry_node_session_get_stats(s, &stats[i]);
		ferry_node_session_close(s);
		o.choose_encoding = false;
		o.encoding = FERRY_ENCODING_INT8;
	}
	assert_int_equal(stats[0].bytes_sent, stats[1].bytes_sent);
	two_nodes_free(&t);
}

static void an_edge_may_serve_some_layers_only(void **state)
{
	struct ferry_edge_options edge = {.layer_begin = 2, .layer_end = 4};
	struct ferry_node_session_options o = {
		.n_ctx = N_CTX, .deadline_ms = 20000, .fallback = FERRY_NODE_FALLBACK_FAIL};
	int32_t alone[N_NEW], split[N_NEW];
	struct ferry_node_session *s;
	struct ferry_error err;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	tokens_of(&t, &o, &samplings[1], alone);
	two_nodes_serve(&t, &edge);
	o.edge = t.address;
	for (o.split = 2; o.split <= 4; o.split++) {
		tokens_of(&t, &o, &samplings[1], split);
		assert_memory_equal(split, alone, sizeof(alone));
	}
	for (o.split = 0; o.split < 2; o.split++) {
		assert_int_equal(ferry_node_session_open(t.model, t.pool, &o, &s, &err), -ERANGE);
		assert_int_equal(err.kind, FERRY_ERROR_PEER);
		assert_non_null(strstr(err.text, "serves layers 2 to 4"));
	}
	o.split = FERRY_NODE_SPLIT_AUTO;
	tokens_of(&t, &o, &samplings[1], split);
	assert_memory_equal(split, alone, sizeof(alone));
	two_nodes_free(&t);
}

static void auto_measures_chooses_and_explains(void **state)
{
	struct ferry_node_session_options o = {.n_ctx = N_CTX,
					       .split = FERRY_NODE_SPLIT_AUTO,
					       .deadline_ms = 20000,
					       .fallback = FERRY_NODE_FALLBACK_FAIL};
	int32_t alone[N_NEW], got[N_NEW], prompt[N_PROMPT];
	struct ferry_node_session *s;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	tokens_of(&t, &o, &samplings[0], alone); /* without an edge: local */
	two_nodes_serve(&t, NULL);
	o.edge = t.address;
	s = two_nodes_open(&t, &o);
	assert_non_null(strstr(ferry_node_session_explanation(s), "Chosen: "));
	assert_non_null(strstr(ferry_node_session_explanation(s), "RTT"));
	two_nodes_prompt(&t, prompt, N_PROMPT);
	two_nodes_generate(s, prompt, N_PROMPT, &samplings[0], got, N_NEW);
	assert_memory_equal(got, alone, sizeof(alone));
	ferry_node_session_close(s);
	two_nodes_stop(&t);
	/* The edge is gone: AUTO goes on without, and says so. */
	s = two_nodes_open(&t, &o);
	assert_non_null(strstr(ferry_node_session_explanation(s), "Chosen: local"));
	assert_non_null(strstr(ferry_node_session_explanation(s), t.address));
	two_nodes_generate(s, prompt, N_PROMPT, &samplings[0], got, N_NEW);
	assert_memory_equal(got, alone, sizeof(alone));
	ferry_node_session_close(s);
	two_nodes_free(&t);
}

static void statistics_add_up(void **state)
{
	struct ferry_node_session *s;
	struct ferry_node_session_stats before, after;
	int32_t prompt[N_PROMPT], ids[N_NEW];
	uint64_t row;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	s = two_nodes_session(&t, 2);
	two_nodes_generate(s, prompt, N_PROMPT, NULL, ids, 1);
	ferry_node_session_get_stats(s, &before);
	two_nodes_generate(s, NULL, 0, NULL, ids, 1);
	ferry_node_session_get_stats(s, &after);
	row = 4ull * t.model->hp.n_embd;
	assert_int_equal(after.n_tokens, N_PROMPT + 2);
	assert_int_equal(after.split, 2);
	assert_int_equal(after.split_end, 4);
	assert_false(after.local);
	assert_int_equal(after.bytes_sent - before.bytes_sent, row + 56);
	assert_int_equal(after.bytes_received - before.bytes_received, 4 + 38);
	assert_true(after.edge_us > 0 && after.local_us > 0 && after.rtt_us > 0);
	ferry_node_session_close(s);
	two_nodes_free(&t);
}

static void the_context_ends(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = N_PROMPT + 2, .deadline_ms = 20000, .fallback = FERRY_NODE_FALLBACK_FAIL};
	int32_t prompt[N_PROMPT], id;
	struct ferry_error err;
	struct two_nodes t;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, NULL);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	o.edge = t.address;
	for (o.split = -1; o.split <= 4; o.split++) {
		struct ferry_node_session *s = two_nodes_open(&t, &o);

		assert_int_equal(ferry_node_session_append(s, prompt, N_PROMPT, NULL), 0);
		assert_int_equal(ferry_node_session_append(s, prompt, 3, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "39 positions"));
		assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), 0);
		assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), 0);
		assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), -ENOSPC);
		id = (int32_t)t.model->hp.n_vocab;
		assert_int_equal(ferry_node_session_truncate(s, 5, NULL), 0);
		assert_int_equal(ferry_node_session_append(s, &id, 1, &err), -EINVAL);
		id = -1;
		assert_int_equal(ferry_node_session_append(s, &id, 1, &err), -EINVAL);
		ferry_node_session_close(s);
	}
	two_nodes_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_the_same_for_every_split_llama),
		cmocka_unit_test(logits_are_the_same_for_every_split_gemma3),
		cmocka_unit_test(logits_are_the_same_for_every_split_experts),
		cmocka_unit_test(logits_are_the_same_when_the_last_layers_run_here),
		cmocka_unit_test(tokens_are_the_same_wherever_they_are_chosen),
		cmocka_unit_test(a_penalty_may_begin_late),
		cmocka_unit_test(history_may_be_truncated),
		cmocka_unit_test(sessions_do_not_disturb_each_other),
		cmocka_unit_test(encodings_of_hidden_states_are_close_and_smaller),
		cmocka_unit_test(an_encoding_may_be_chosen),
		cmocka_unit_test(an_edge_may_serve_some_layers_only),
		cmocka_unit_test(auto_measures_chooses_and_explains),
		cmocka_unit_test(statistics_add_up),
		cmocka_unit_test(the_context_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
