// SPDX-License-Identifier: MIT
/*
 * Vocabularies that contradict themselves: one clear error that names the key, never a crash.
 */
#include <errno.h>
#include <math.h>

#include "vocab_builder.h"

/* @key must be named in the message. Frees the writer. */
static void expect_failure(struct ferry_gguf_writer *w, int code, const char *key)
{
	struct ferry_error err = {0};
	struct vocab_view v;
	int rc = try_vocab(w, &v, &err);

	if (rc != code || err.code != code || !strstr(err.text, key) ||
	    !strstr(err.text, "vocab.gguf"))
		fail_msg("%d \"%s\" where %d about %s is right", rc, err.text, code, key);
	assert_null(v.t);
	close_vocab(&v);
}

static struct ferry_gguf_writer *good_spm(void)
{
	struct vocab_builder b;

	init_spm(&b);
	add_spm_bytes(&b);
	return write_vocab(&b);
}

static struct ferry_gguf_writer *good_bpe(void)
{
	struct vocab_builder b;

	init_bpe(&b, "gpt-2");
	add_token(&b, "ab", T_NORMAL, 0);
	add_merge(&b, "a b");
	return write_vocab(&b);
}

static struct ferry_gguf_writer *without(struct ferry_gguf_writer *w, const char *key)
{
	ferry_gguf_writer_drop_key(w, key);
	return w;
}

static struct ferry_gguf_writer *with_string(struct ferry_gguf_writer *w, const char *key,
					     const char *s)
{
	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_string(w, key, s);
	return w;
}

static struct ferry_gguf_writer *with_u32(struct ferry_gguf_writer *w, const char *key, uint32_t u)
{
	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_u32(w, key, u);
	return w;
}

static struct ferry_gguf_writer *with_numbers(struct ferry_gguf_writer *w, const char *key,
					      enum ferry_gguf_type type, const void *data,
					      uint64_t n)
{
	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_array(w, key, type, data, n);
	return w;
}

static struct ferry_gguf_writer *with_strings(struct ferry_gguf_writer *w, const char *key,
					      const struct ferry_gguf_string *s, uint64_t n)
{
	ferry_gguf_writer_drop_key(w, key);
	ferry_gguf_writer_strings(w, key, s, n);
	return w;
}

static void test_kinds_that_ferry_does_not_have(void **state)
{
	static const char *const models[] = {"bert", "t5", "rwkv", "none", "no_vocab", "", "Llama"};

	(void)state;
	expect_failure(without(good_spm(), "tokenizer.ggml.model"), -ENODATA, "no tokenizer");
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		expect_failure(with_string(good_spm(), "tokenizer.ggml.model", models[i]), -ENOTSUP,
			       models[i]);
	expect_failure(with_u32(good_spm(), "tokenizer.ggml.model", 1), -EBADMSG,
		       "tokenizer.ggml.model");
	expect_failure(with_string(good_bpe(), "tokenizer.ggml.pre", "gpt-17"), -ENOTSUP, "gpt-17");
	expect_failure(with_string(good_bpe(), "tokenizer.ggml.pre", ""), -ENOTSUP,
		       "tokenizer.ggml.pre");
	expect_failure(with_u32(good_bpe(), "tokenizer.ggml.pre", 1), -EBADMSG,
		       "tokenizer.ggml.pre");
}

static void test_tokens(void **state)
{
	static const char key[] = "tokenizer.ggml.tokens";
	static char long_text[5000];
	const struct ferry_gguf_string too_long = {long_text, sizeof(long_text)};
	const int32_t numbers[259] = {0};

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	expect_failure(without(good_spm(), key), -EBADMSG, key);
	expect_failure(with_string(good_spm(), key, "a"), -EBADMSG, key);
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_I32, numbers, 259), -EBADMSG, key);
	expect_failure(with_strings(good_spm(), key, NULL, 0), -EBADMSG, key);
	expect_failure(with_strings(good_spm(), key, &too_long, 1), -EBADMSG, key);
}

static void test_scores(void **state)
{
	static const char key[] = "tokenizer.ggml.scores";
	const struct ferry_gguf_string text = {"a", 1};
	float scores[259] = {0};

	(void)state;
	expect_failure(without(good_spm(), key), -EBADMSG, key);
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_F32, scores, 258), -EBADMSG, key);
	expect_failure(with_numbers(good_bpe(), key, FERRY_GGUF_F32, scores, 256), -EBADMSG, key);
	expect_failure(with_strings(good_spm(), key, &text, 1), -EBADMSG, key);
	expect_failure(with_string(good_spm(), key, "a"), -EBADMSG, key);
	scores[258] = NAN;
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_F32, scores, 259), -EBADMSG, key);
}

static void test_types(void **state)
{
	static const char key[] = "tokenizer.ggml.token_type";
	int32_t types[259];
	float floats[259] = {0};

	(void)state;
	for (int i = 0; i < 259; i++)
		types[i] = T_NORMAL;
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_I32, types, 258), -EBADMSG, key);
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_F32, floats, 259), -EBADMSG, key);
	expect_failure(with_u32(good_spm(), key, 1), -EBADMSG, key);
	types[7] = 7;
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_I32, types, 259), -EBADMSG, key);
	types[7] = -1;
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_I32, types, 259), -EBADMSG, key);
	types[7] = T_NORMAL;
	types[0] = T_BYTE; /* <unk> */
	expect_failure(with_numbers(good_spm(), key, FERRY_GGUF_I32, types, 259), -EBADMSG,
		       "token 0");
}

static void test_merges(void **state)
{
	static const char key[] = "tokenizer.ggml.merges";
	static const char *const bad[] = {"", " ", "ab", "a ", " b", "  ", "a", " bc", "abc "};
	const int32_t numbers[1] = {0};

	(void)state;
	expect_failure(without(good_bpe(), key), -EBADMSG, key);
	expect_failure(with_string(good_bpe(), key, "a b"), -EBADMSG, key);
	expect_failure(with_numbers(good_bpe(), key, FERRY_GGUF_I32, numbers, 1), -EBADMSG, key);
	/* "a " would make "a" of itself, again and again. */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct ferry_gguf_string merges[] = {{"a b", 3}, {bad[i], strlen(bad[i])}};

		expect_failure(with_strings(good_bpe(), key, merges, 2), -EBADMSG, key);
	}
}

static void test_ids_outside_the_vocabulary(void **state)
{
	static const char *const keys[] = {
		"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
		"tokenizer.ggml.unknown_token_id", "tokenizer.ggml.eot_token_id",
		"tokenizer.ggml.eom_token_id"};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		expect_failure(with_u32(good_spm(), keys[i], 259), -EBADMSG, keys[i]);
		expect_failure(with_u32(good_bpe(), keys[i], UINT32_MAX), -EBADMSG, keys[i]);
		expect_failure(with_string(good_bpe(), keys[i], "</s>"), -EBADMSG, keys[i]);
	}
}

static void test_flags_of_another_type(void **state)
{
	(void)state;
	expect_failure(with_string(good_spm(), "tokenizer.ggml.add_space_prefix", "yes"), -EBADMSG,
		       "add_space_prefix");
	expect_failure(with_string(good_bpe(), "tokenizer.ggml.add_bos_token", "yes"), -EBADMSG,
		       "add_bos_token");
}

static void test_texts_that_would_have_no_tokens(void **state)
{
	struct vocab_builder b;

	(void)state;
	init_spm(&b);
	add_spm_bytes(&b);
	b.text[3 + 'x'] = (struct ferry_gguf_string){"<0x00>", 6};
	b.text[0] = (struct ferry_gguf_string){"nothing", 7};
	b.type[0] = T_NORMAL;
	b.unk = -1;
	expect_failure(write_vocab(&b), -EBADMSG, "<0x78>");
}

/* Empty tokens, equal tokens, tokens of bytes that are no UTF-8. */
static void test_odd_tokens_do_no_harm(void **state)
{
	const struct ferry_gguf_string odd[] = {
		{"", 0},  {"", 0},  {"\xff\xfe", 2}, {"a\0b", 3},
		{"a", 1}, {"a", 1}, {"\xe2\x96", 2}, {"\xe2\x96\x81\xe2\x96", 5}};
	char text[300];

	(void)state;
	for (int32_t type = 0; type <= T_UNUSED; type++) {
		for (int spm = 0; spm < 2; spm++) {
			struct vocab_builder b;
			struct vocab_view v;

			if (spm) {
				init_spm(&b);
				add_spm_bytes(&b);
			} else {
				init_bpe(&b, "gpt-2");
			}
			for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
				add_token(&b, "", type, 1);
				b.text[b.n - 1] = odd[i];
			}
			v = open_vocab(&b);
			for (unsigned i = 0; i < sizeof(text); i++) {
				fill_bytes(text, i, i);
				expect_round_trip(v.t, text, i, FERRY_ENCODE_SPECIAL);
			}
			expect_round_trip(v.t, "a\0ba\xff\xfe\xe2\x96", 8, 0);
			close_vocab(&v);
		}
	}
}

/* Quadratic work on these would run into the time limit of the test program. */
static void test_very_many_equal_tokens_and_merges(void **state)
{
	enum { MANY = 300000 };
	struct ferry_gguf_string *tokens = malloc(MANY * sizeof(*tokens));
	struct ferry_gguf_string *merges = malloc(MANY * sizeof(*merges));
	struct ferry_gguf_writer *w = good_bpe();
	struct vocab_view v;

	(void)state;
	assert_non_null(tokens);
	assert_non_null(merges);
	for (int i = 0; i < MANY; i++) {
		tokens[i] = i < 2 ? (struct ferry_gguf_string){i ? "b" : "a", 1}
				  : (struct ferry_gguf_string){"ab", 2};
		merges[i] = (struct ferry_gguf_string){"a b", 3};
	}
	w = with_strings(w, "tokenizer.ggml.tokens", tokens, MANY);
	w = without(w, "tokenizer.ggml.token_type");
	v = open_writer(with_strings(w, "tokenizer.ggml.merges", merges, MANY));
	expect_ids(v.t, "aabb", 0, 0, 2, 1, -1);
	close_vocab(&v);
	free(tokens);
	free(merges);
}

static void test_arguments(void **state)
{
	const int32_t bad[] = {5, 100000}, negative[] = {-1};
	struct ferry_error err = {0};
	struct vocab_view v;
	int32_t *ids;
	size_t n;
	char *text;

	(void)state;
	v = open_writer(good_spm());
	assert_int_equal(ferry_tokenizer_decode(v.t, bad, 2, 0, &text, &n, &err), -EINVAL);
	assert_null(text);
	assert_non_null(strstr(err.text, "100000"));
	assert_int_equal(ferry_tokenizer_decode(v.t, negative, 1, 0, &text, &n, NULL), -EINVAL);
	assert_int_equal(ferry_tokenizer_decode(v.t, NULL, 0, 0, &text, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_string_equal(text, "");
	free(text);
	/* Refused by its length, before a byte of it is read. */
	assert_int_equal(ferry_tokenizer_encode(v.t, "", (1u << 30) + 1, 0, &ids, &n, &err),
			 -E2BIG);
	assert_null(ids);
	close_vocab(&v);
	ferry_tokenizer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_that_ferry_does_not_have),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_scores),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_merges),
		cmocka_unit_test(test_ids_outside_the_vocabulary),
		cmocka_unit_test(test_flags_of_another_type),
		cmocka_unit_test(test_texts_that_would_have_no_tokens),
		cmocka_unit_test(test_odd_tokens_do_no_harm),
		cmocka_unit_test(test_very_many_equal_tokens_and_merges),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests_name("model/tokenizer_damage", tests, NULL, NULL);
}
