// SPDX-License-Identifier: MIT
/*
 * SentencePiece: which neighbours merge, what becomes of spaces and unknown characters.
 */
#include "fixtures/tiny_vocab.h"
#include "vocab_builder.h"

#define MARK "\xe2\x96\x81" /* U+2581 */

enum { BYTES = 3 }; /* the id of <0x00> in a vocabulary with bytes */

/* The bytes, and letters to merge without a space in front. */
static struct vocab_view letters(const char *const *texts, const float *scores, unsigned n)
{
	struct vocab_builder b;
	struct ferry_gguf_writer *w;

	init_spm(&b);
	for (unsigned i = 0; i < n; i++)
		add_token(&b, texts[i], T_NORMAL, scores[i]);
	add_spm_bytes(&b);
	w = write_vocab(&b);
	ferry_gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", false);
	return open_writer(w);
}

static void test_higher_score_merges_first(void **state)
{
	static const char *const texts[] = {"a", "b", "c", "ab", "bc"};
	struct vocab_view v;

	(void)state;
	v = letters(texts, (const float[]){-9, -9, -9, -2, -1}, 5);
	expect_ids(v.t, "abc", 0, 3, 7, -1);
	close_vocab(&v);
	v = letters(texts, (const float[]){-9, -9, -9, -1, -2}, 5);
	expect_ids(v.t, "abc", 0, 6, 5, -1);
	close_vocab(&v);
}

static void test_leftmost_of_equal_scores_merges_first(void **state)
{
	static const char *const texts[] = {"a", "b", "c", "aa", "ab", "bc", "aaaa"};
	struct vocab_view v = letters(texts, (const float[]){-9, -9, -9, -1, -1, -1, -3}, 7);

	(void)state;
	expect_ids(v.t, "aaa", 0, 6, 3, -1);
	expect_ids(v.t, "abc", 0, 7, 5, -1);
	expect_ids(v.t, "aaaaaaa", 0, 9, 6, 3, -1);
	close_vocab(&v);
}

static void test_scores_of_both_signs_are_in_order(void **state)
{
	static const char *const texts[] = {"a", "b", "c", "ab", "bc"};
	static const float pairs[][2] = {/* the second is larger */
					 {-2, -1}, {-1, 0}, {-1, 1},
					 {0, 1},   {1, 2},  {-1e30f, 1e-30f}};
	struct vocab_view v;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		v = letters(texts, (const float[]){-9, -9, -9, pairs[i][0], pairs[i][1]}, 5);
		expect_ids(v.t, "abc", 0, 3, 7, -1);
		close_vocab(&v);
	}
	/* Both zeros are one score, and then the left pair wins. */
	v = letters(texts, (const float[]){-9, -9, -9, -0.0f, 0.0f}, 5);
	expect_ids(v.t, "abc", 0, 6, 5, -1);
	close_vocab(&v);
}

static void test_merge_of_characters_that_are_no_tokens(void **state)
{
	static const char *const texts[] = {"xy", "xyz"};
	struct vocab_view v = letters(texts, (const float[]){-1, -1}, 2);

	(void)state;
	expect_ids(v.t, "xyz", 0, 4, -1);
	expect_ids(v.t, "xyx", 0, 3, 5 + 'x', -1);
	close_vocab(&v);
}

static void words(struct vocab_builder *b)
{
	init_spm(b);
	add_spm_bytes(b);
	add_token(b, MARK, T_NORMAL, -10);	 /* 259 */
	add_token(b, "h", T_NORMAL, -10);	 /* 260 */
	add_token(b, "i", T_NORMAL, -10);	 /* 261 */
	add_token(b, "hi", T_NORMAL, -1);	 /* 262 */
	add_token(b, MARK "hi", T_NORMAL, -2);	 /* 263 */
	add_token(b, MARK MARK, T_NORMAL, -3);	 /* 264 */
	add_token(b, "<|ud|>", T_USER, 0);	 /* 265 */
	add_token(b, "<|ud|>x", T_USER, 0);	 /* 266 */
	add_token(b, "<turn>", T_CONTROL, 0);	 /* 267 */
	add_token(b, "<unused>", T_UNUSED, -20); /* 268 */
}

static void test_space_in_front_and_between(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	words(&b);
	v = open_vocab(&b);
	expect_ids(v.t, "", 0, -1);
	expect_ids(v.t, "hi", 0, 263, -1);
	expect_ids(v.t, "hi hi", 0, 263, 263, -1);
	expect_ids(v.t, " hi", 0, 259, 263, -1);
	expect_ids(v.t, "  hi ", 0, 264, 263, 259, -1);
	expect_ids(v.t, "hi", FERRY_ENCODE_BOS, 1, 263, -1);
	assert_true(ferry_tokenizer_adds_bos(v.t));
	close_vocab(&v);
}

static void test_no_space_in_front_where_the_file_says_so(void **state)
{
	struct vocab_builder b;
	struct ferry_gguf_writer *w;
	struct vocab_view v;

	(void)state;
	words(&b);
	w = write_vocab(&b);
	ferry_gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", false);
	ferry_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", false);
	v = open_writer(w);
	expect_ids(v.t, "hi hi", 0, 262, 263, -1);
	expect_ids(v.t, " hi", 0, 263, -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST, " hi", 263, -1);
	assert_false(ferry_tokenizer_adds_bos(v.t));
	close_vocab(&v);
}

static void test_keys_of_other_tokenizers_change_nothing(void **state)
{
	static const uint8_t map[8] = {4, 0, 0, 0, 1, 2, 3, 4};
	struct vocab_builder b;
	struct ferry_gguf_writer *w;
	struct vocab_view v;

	(void)state;
	words(&b);
	w = write_vocab(&b);
	ferry_gguf_writer_bool(w, "tokenizer.ggml.remove_extra_whitespaces", true);
	ferry_gguf_writer_array(w, "tokenizer.ggml.precompiled_charsmap", FERRY_GGUF_U8, map, 8);
	ferry_gguf_writer_string(w, "tokenizer.ggml.pre", "default");
	v = open_writer(w);
	expect_ids(v.t, "  hi  hi", 0, 264, 263, 259, 263, -1);
	close_vocab(&v);
}

static void test_bytes_stand_for_unknown_characters(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	words(&b);
	v = open_vocab(&b);
	expect_ids(v.t, "hi\xc3\xa9", 0, 263, BYTES + 0xc3, BYTES + 0xa9, -1);
	expect_ids(v.t, "\n", 0, 259, BYTES + '\n', -1);
	expect_ids(v.t, "\xff\xe2\x96", 0, 259, BYTES + 0xff, BYTES + 0xe2, BYTES + 0x96, -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST, "\xff\xc3", 259, BYTES + 0xff, BYTES + 0xc3, -1);
	close_vocab(&v);
}

static void test_one_unknown_token_for_a_run_without_bytes(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_spm(&b);
	add_token(&b, MARK, T_NORMAL, -1);
	add_token(&b, "a", T_NORMAL, -1);
	v = open_vocab(&b);
	expect_ids(v.t, "a??a?", 0, 3, 4, 0, 4, 0, -1);
	expect_ids(v.t, "? ?", 0, 3, 0, 3, 0, -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST, "aa", 3, 4, 0, 4, 0, -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST | FERRY_DECODE_SPECIAL, "a<unk>", 3, 4, 0, -1);
	close_vocab(&v);
}

/* "<s" and ">" are tokens of real vocabularies, and the score of <s> is the best of all. */
static void test_text_never_merges_into_control_or_byte_tokens(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_spm(&b);
	add_spm_bytes(&b);
	add_token(&b, MARK, T_NORMAL, -9);    /* 259 */
	add_token(&b, "<s", T_NORMAL, -1);    /* 260 */
	add_token(&b, ">", T_NORMAL, -9);     /* 261 */
	add_token(&b, "<0x0A", T_NORMAL, -1); /* 262 */
	add_token(&b, "<0", T_NORMAL, -1);    /* 263 */
	add_token(&b, "<0x", T_NORMAL, -1);   /* 264 */
	add_token(&b, "<0x0", T_NORMAL, -1);  /* 265 */
	v = open_vocab(&b);
	expect_ids(v.t, "<s>", 0, 259, 260, 261, -1);
	expect_ids(v.t, "<s>", FERRY_ENCODE_SPECIAL, 1, -1);
	expect_ids(v.t, "<0x0A>", 0, 259, 262, 261, -1);
	expect_round_trip(v.t, "<0x0A>", 6, 0);
	close_vocab(&v);
}

static void test_the_mark_in_a_text_reads_as_a_space(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	words(&b);
	v = open_vocab(&b);
	expect_ids(v.t, "hi" MARK "hi", 0, 263, 263, -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST, "hi hi", 263, 263, -1);
	close_vocab(&v);
}

static void test_user_defined_and_control_tokens(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	words(&b);
	v = open_vocab(&b);
	expect_ids(v.t, "hi<|ud|>hi", 0, 263, 265, 262, -1);
	expect_ids(v.t, "<|ud|>xhi", 0, 266, 262, -1);
	expect_ids(v.t, "hi<turn>hi", FERRY_ENCODE_SPECIAL, 263, 267, 263, -1);
	expect_round_trip(v.t, "<|ud|>hi<|ud|>x<|ud| hi", 23, 0);
	expect_round_trip(v.t, "<turn>hi<turn> hi<turn>", 23, FERRY_ENCODE_SPECIAL);
	expect_round_trip(v.t, "<turn>hi<turn> hi<turn>", 23, 0);
	expect_decoded(v.t, FERRY_DECODE_FIRST, "hi hi", 1, 263, 263, 267, 2, -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST | FERRY_DECODE_SPECIAL, "<s>hi</s>", 1, 263, 2, -1);
	expect_decoded(v.t, 0, " hi hi", 263, 263, -1);
	close_vocab(&v);
}

/* SentencePiece finds these on texts with marks; files write them either way. */
static void test_user_defined_spaces(void **state)
{
	struct vocab_builder b;
	int32_t two, four;
	struct vocab_view v;

	(void)state;
	words(&b);
	two = add_token(&b, MARK MARK MARK, T_USER, 0);
	four = add_token(&b, "    ", T_USER, 0);
	v = open_vocab(&b);
	expect_ids(v.t, "hi   hi", 0, 263, two, 262, -1);
	expect_ids(v.t, "hi    hi", 0, 263, four, 262, -1);
	expect_round_trip(v.t, "    hi   hi", 11, 0);
	close_vocab(&v);
}

static void test_a_token_may_span_words(void **state)
{
	struct vocab_builder b;
	int32_t id;
	struct vocab_view v;

	(void)state;
	words(&b);
	id = add_token(&b, MARK "hi" MARK "hi", T_NORMAL, -1);
	v = open_vocab(&b);
	expect_ids(v.t, "hi hi hi", 0, id, 263, -1);
	close_vocab(&v);
}

/* In the original, texts hold no spaces when they are matched. */
static void test_tokens_with_real_spaces_never_match(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;
	int32_t mark, i;

	(void)state;
	init_spm(&b);
	add_spm_bytes(&b);
	add_token(&b, " ", T_NORMAL, 0);
	add_token(&b, " i", T_NORMAL, 0);
	mark = add_token(&b, MARK, T_NORMAL, -1);
	i = add_token(&b, "i", T_NORMAL, -1);
	v = open_vocab(&b);
	expect_ids(v.t, "i", 0, mark, i, -1);
	close_vocab(&v);
}

static void test_the_first_of_two_equal_tokens_counts(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	words(&b);
	add_token(&b, MARK "hi", T_NORMAL, 5);
	add_token(&b, "<|ud|>", T_USER, 0);
	add_token(&b, "", T_NORMAL, 9);
	v = open_vocab(&b);
	expect_ids(v.t, "hi<|ud|>", 0, 263, 265, -1);
	assert_int_equal(ferry_tokenizer_find(v.t, "<|ud|>"), 265);
	assert_int_equal(ferry_tokenizer_find(v.t, "no such token"), -1);
	close_vocab(&v);
}

static void test_files_without_types_and_ids(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	words(&b);
	b.no_types = true;
	b.bos = b.eos = b.unk = -1;
	v = open_vocab(&b);
	assert_int_equal(ferry_tokenizer_bos(v.t), 1);
	assert_int_equal(ferry_tokenizer_eos(v.t), 2);
	assert_true(ferry_tokenizer_is_end(v.t, 2));
	assert_false(ferry_tokenizer_is_end(v.t, 1));
	assert_false(ferry_tokenizer_is_end(v.t, -1));
	assert_false(ferry_tokenizer_is_end(v.t, 1 << 20));
	expect_ids(v.t, "hi\n", 0, 263, BYTES + '\n', -1);
	expect_decoded(v.t, FERRY_DECODE_FIRST, "hi\n", 1, 263, BYTES + '\n', 2, -1);
	close_vocab(&v);
}

static void test_pieces(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;
	char buf[8] = "#######";

	(void)state;
	words(&b);
	v = open_vocab(&b);
	assert_int_equal(ferry_tokenizer_piece(v.t, 263, 0, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, " hi####", 7);
	assert_int_equal(ferry_tokenizer_piece(v.t, 263, FERRY_DECODE_FIRST, buf, 1), 2);
	assert_memory_equal(buf, "hhi####", 7);
	assert_int_equal(ferry_tokenizer_piece(v.t, 259, FERRY_DECODE_FIRST, buf, 8), 0);
	assert_int_equal(ferry_tokenizer_piece(v.t, 2, 0, buf, 8), 0);
	assert_int_equal(ferry_tokenizer_piece(v.t, 2, FERRY_DECODE_SPECIAL, NULL, 0), 4);
	assert_int_equal(ferry_tokenizer_piece(v.t, -1, 0, buf, 8), -22);
	assert_int_equal(ferry_tokenizer_piece(v.t, 10000, 0, buf, 8), -22);
	close_vocab(&v);
}

/* Quadratic work on these would run into the time limit of the test program. */
static void test_long_texts_of_one_character(void **state)
{
	static const char *const texts[] = {"a", "aa", "aaaa", "aaaaaaaa"};
	struct vocab_view v = letters(texts, (const float[]){-1, -2, -3, -4}, 4);
	const size_t n = 1 << 19;
	char *text = malloc(n);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', n);
	expect_round_trip(v.t, text, n, 0);
	memset(text, '?', n);
	expect_round_trip(v.t, text, n, 0);
	memset(text, ' ', n);
	expect_round_trip(v.t, text, n, 0);
	free(text);
	close_vocab(&v);
}

static void test_any_bytes_come_back(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;
	char text[512];

	(void)state;
	words(&b);
	v = open_vocab(&b);
	for (unsigned i = 0; i < 400; i++) {
		fill_bytes(text, i, i);
		expect_round_trip(v.t, text, i, i % 2 ? FERRY_ENCODE_SPECIAL : 0);
	}
	close_vocab(&v);
}

static void test_the_fixture_vocabulary(void **state)
{
	static const char text[] =
		"Once upon a time, there was a n\xc3\xaf ve girl: \xf0\x9f\x9a\x80!\n\n";
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	struct vocab_view v;
	size_t n_ids;
	int32_t *ids;

	(void)state;
	ferry_tiny_vocab_spm(w);
	v = open_writer(w);
	expect_round_trip(v.t, text, strlen(text), 0);
	assert_int_equal(ferry_tokenizer_encode(v.t, "there was", 9, 0, &ids, &n_ids, NULL), 0);
	assert_int_equal(n_ids, 2);
	free(ids);
	close_vocab(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_higher_score_merges_first),
		cmocka_unit_test(test_leftmost_of_equal_scores_merges_first),
		cmocka_unit_test(test_scores_of_both_signs_are_in_order),
		cmocka_unit_test(test_merge_of_characters_that_are_no_tokens),
		cmocka_unit_test(test_space_in_front_and_between),
		cmocka_unit_test(test_no_space_in_front_where_the_file_says_so),
		cmocka_unit_test(test_keys_of_other_tokenizers_change_nothing),
		cmocka_unit_test(test_bytes_stand_for_unknown_characters),
		cmocka_unit_test(test_one_unknown_token_for_a_run_without_bytes),
		cmocka_unit_test(test_text_never_merges_into_control_or_byte_tokens),
		cmocka_unit_test(test_the_mark_in_a_text_reads_as_a_space),
		cmocka_unit_test(test_user_defined_and_control_tokens),
		cmocka_unit_test(test_user_defined_spaces),
		cmocka_unit_test(test_a_token_may_span_words),
		cmocka_unit_test(test_tokens_with_real_spaces_never_match),
		cmocka_unit_test(test_the_first_of_two_equal_tokens_counts),
		cmocka_unit_test(test_files_without_types_and_ids),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_long_texts_of_one_character),
		cmocka_unit_test(test_any_bytes_come_back),
		cmocka_unit_test(test_the_fixture_vocabulary),
	};

	return cmocka_run_group_tests_name("model/tokenizer_spm", tests, NULL, NULL);
}
