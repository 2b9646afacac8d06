// SPDX-License-Identifier: MIT
/*
 * Byte-level BPE: ranks, the alphabet of bytes, special tokens, ends of generation.
 */
#include "fixtures/tiny_vocab.h"
#include "vocab_builder.h"

#define G "\xc4\xa0" /* U+0120, the space of the alphabet */
#define DEEPSEEK_EOS    \
	"<\xef\xbd\x9c" \
	"end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"

static void test_lower_rank_merges_first(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	for (int i = 0; i < 2; i++) {
		init_bpe(&b, "gpt-2");
		add_token(&b, "ab", T_NORMAL, 0); /* 256 */
		add_token(&b, "bc", T_NORMAL, 0); /* 257 */
		add_merge(&b, i ? "b c" : "a b");
		add_merge(&b, i ? "a b" : "b c");
		v = open_vocab(&b);
		if (i)
			expect_ids(v.t, "abc", 0, 'a', 257, -1);
		else
			expect_ids(v.t, "abc", 0, 256, 'c', -1);
		close_vocab(&v);
	}
}

static void test_leftmost_of_equal_ranks_merges_first(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, "aa", T_NORMAL, 0);   /* 256 */
	add_token(&b, "aaaa", T_NORMAL, 0); /* 257 */
	add_merge(&b, "a a");
	add_merge(&b, "aa aa");
	v = open_vocab(&b);
	expect_ids(v.t, "aaa", 0, 256, 'a', -1);
	expect_ids(v.t, "aaaaaaa", 0, 257, 256, 'a', -1);
	close_vocab(&v);
}

static void test_the_alphabet_of_bytes(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;
	char buf[4];

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, G "a", T_NORMAL, 0);		/* 256 */
	add_token(&b, "\xc3\x83\xc2\xa9", T_NORMAL, 0); /* 257: bytes c3 a9 */
	add_token(&b, "\xc4\xa2\xc4\x80", T_NORMAL, 0); /* 258: bytes 80 00 */
	add_token(&b,
		  "\xc5\x83"
		  "a",
		  T_NORMAL, 0); /* 259: bytes ad 61 */
	add_token(&b,
		  "\xc5\x84"
		  "\xe4\xb8\xad",
		  T_NORMAL, 0); /* 260: no bytes */
	add_merge(&b, G " a");
	add_merge(&b, "\xc3\x83 \xc2\xa9");
	v = open_vocab(&b);
	expect_ids(v.t, "a a\xc3\xa9\n", 0, 'a', 256, 257, '\n', -1);
	for (int byte = 0; byte < 256; byte++) {
		assert_int_equal(ferry_tokenizer_piece(v.t, byte, 0, buf, sizeof(buf)), 1);
		assert_int_equal((unsigned char)buf[0], byte);
	}
	expect_decoded(v.t, 0, " a\xc3\xa9", 256, 257, -1);
	assert_int_equal(ferry_tokenizer_piece(v.t, 258, 0, buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "\x80\0", 2);
	assert_int_equal(ferry_tokenizer_piece(v.t, 259, 0, buf, sizeof(buf)), 2);
	assert_memory_equal(buf,
			    "\xad"
			    "a",
			    2);
	expect_decoded(v.t, 0, "\xc5\x84\xe4\xb8\xad", 260, -1);
	close_vocab(&v);
}

static void test_whole_words_win_only_where_merges_are_ignored(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	for (int i = 0; i < 2; i++) {
		init_bpe(&b, i ? "llama-bpe" : "gpt-2");
		add_token(&b, "ab", T_NORMAL, 0);    /* 256 */
		add_token(&b, "bc", T_NORMAL, 0);    /* 257 */
		add_token(&b, "abc", T_NORMAL, 0);   /* 258 */
		add_token(&b, "turn", T_CONTROL, 0); /* 259 */
		add_merge(&b, "b c");
		v = open_vocab(&b);
		if (i)
			expect_ids(v.t, "abc abcb", 0, 258, ' ', 'a', 257, 'b', -1);
		else
			expect_ids(v.t, "abc abcb", 0, 'a', 257, ' ', 'a', 257, 'b', -1);
		expect_ids(v.t, "turn", 0, 't', 'u', 'r', 'n', -1);
		close_vocab(&v);
	}
}

static void test_merges_of_absent_tokens_are_left_out(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, "cd", T_NORMAL, 0); /* 256 */
	add_merge(&b, "a b");		  /* no token ab */
	add_merge(&b, "ab cd");
	add_merge(&b, "xy z");
	add_merge(&b, "c d");
	add_merge(&b, "c d"); /* again */
	add_merge(&b, "\xe4\xb8\xad a");
	v = open_vocab(&b);
	expect_ids(v.t, "abcd", 0, 'a', 'b', 256, -1);
	close_vocab(&v);
}

/* DeepSeek's vocabulary leaves out the bytes that never occur in UTF-8. */
static void test_bytes_without_a_token(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	b.text[0xff] = (struct ferry_gguf_string){"removed", 7};
	v = open_vocab(&b);
	expect_ids_n(v.t, "a\xff", 2, 0, (const int32_t[]){'a', 0xef, 0xbf, 0xbd, -1});
	close_vocab(&v);

	b.unk = add_token(&b, "<unk>", T_UNKNOWN, 0);
	v = open_vocab(&b);
	expect_ids_n(v.t, "a\xff", 2, 0, (const int32_t[]){'a', 256, -1});
	close_vocab(&v);

	b.type[256] = T_CONTROL; /* as some files have it */
	v = open_vocab(&b);
	expect_ids_n(v.t, "a\xff", 2, 0, (const int32_t[]){'a', 256, -1});
	close_vocab(&v);

	/* GPT-2's files name <|endoftext|> as the unknown token. */
	b.unk = b.eos = add_token(&b, "<|endoftext|>", T_CONTROL, 0);
	b.type[256] = T_NORMAL;
	v = open_vocab(&b);
	expect_ids_n(v.t, "a\xff", 2, 0, (const int32_t[]){'a', 0xef, 0xbf, 0xbd, -1});
	close_vocab(&v);
}

static void test_special_tokens(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, "<a>", T_CONTROL, 0);  /* 256 */
	add_token(&b, "<a>b", T_CONTROL, 0); /* 257 */
	add_token(&b, "<u>", T_USER, 0);     /* 258 */
	add_token(&b, "<u><u>", T_USER, 0);  /* 259 */
	v = open_vocab(&b);
	expect_ids(v.t, "<a>", 0, '<', 'a', '>', -1);
	expect_ids(v.t, "<a>", FERRY_ENCODE_SPECIAL, 256, -1);
	expect_ids(v.t, "x<a>bc<a", FERRY_ENCODE_SPECIAL, 'x', 257, 'c', '<', 'a', -1);
	expect_ids(v.t, "<u><u><u>", 0, 259, 258, -1);
	expect_ids(v.t, "<u", 0, '<', 'u', -1);
	expect_decoded(v.t, 0, "x<u>", 'x', 256, 258, -1);
	expect_decoded(v.t, FERRY_DECODE_SPECIAL, "x<a><u>", 'x', 256, 258, -1);
	close_vocab(&v);
}

/* The character of a byte and the same character as a user-defined token are two things. */
static void test_user_defined_tokens_are_no_bytes(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, "\xc3\xb5", T_USER, 0); /* 256; as a byte, f5 */
	v = open_vocab(&b);
	expect_ids(v.t, "\xc3\xb5", 0, 256, -1);
	expect_decoded(v.t, 0, "\xc3\xb5", 256, -1);
	expect_ids(v.t, "\xf5", 0, 0xf5, -1);
	close_vocab(&v);
}

static void test_turn_marks_are_control_tokens_whatever_the_file_says(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	add_token(&b, "<|im_start|>", T_USER, 0); /* 256 */
	add_token(&b, "<|im_end|>", T_USER, 0);	  /* 257 */
	add_token(&b, "<mine>", T_USER, 0);	  /* 258 */
	add_token(&b, "\n\n", T_USER, 0);	  /* 259 */
	add_token(&b, "[INST]", T_USER, 0);	  /* 260 */
	b.eos = 258;
	v = open_vocab(&b);
	expect_ids(v.t, "<|im_start|>", FERRY_ENCODE_SPECIAL, 256, -1);
	expect_ids(v.t, "[INST]", FERRY_ENCODE_SPECIAL, 260, -1);
	expect_ids(v.t, "[INST]", 0, '[', 'I', 'N', 'S', 'T', ']', -1);
	expect_ids(v.t, "<|im_", 0, '<', '|', 'i', 'm', '_', -1);
	expect_ids(v.t, "<mine>", 0, '<', 'm', 'i', 'n', 'e', '>', -1);
	expect_decoded(v.t, 0, "\n\n", 256, 257, 258, 259, -1);
	assert_false(ferry_tokenizer_is_end(v.t, 256));
	assert_true(ferry_tokenizer_is_end(v.t, 257));
	assert_true(ferry_tokenizer_is_end(v.t, 258));
	close_vocab(&v);

	/* A model may end its turn with text; it stays text. */
	b.eos = 259;
	v = open_vocab(&b);
	expect_ids(v.t, "\n\n", 0, 259, -1);
	expect_decoded(v.t, 0, "\n\n", 259, -1);
	assert_true(ferry_tokenizer_is_end(v.t, 259));
	assert_false(ferry_tokenizer_is_end(v.t, 258));
	close_vocab(&v);
}

static void test_ends_of_generation(void **state)
{
	static const char *const ends[] = {
		"<|im_end|>",	 "<|eot_id|>",	    "<|eom_id|>", "<|end|>", "<end_of_turn>",
		"<|endoftext|>", "<|end_of_text|>", "</s>",	  "<|EOT|>", (DEEPSEEK_EOS)};
	const unsigned n_ends = sizeof(ends) / sizeof(ends[0]);
	struct ferry_gguf_writer *w;
	struct vocab_builder b;
	struct vocab_view v;
	int32_t tag;

	(void)state;
	init_bpe(&b, "gpt-2");
	for (unsigned i = 0; i < n_ends; i++)
		add_token(&b, ends[i], T_CONTROL, 0);
	add_token(&b, "<|mine|>", T_CONTROL, 0);
	add_token(&b, "<|ours|>", T_CONTROL, 0);
	add_token(&b, "<|theirs|>", T_CONTROL, 0);
	w = write_vocab(&b);
	ferry_gguf_writer_u32(w, "tokenizer.ggml.eot_token_id", 256 + n_ends);
	ferry_gguf_writer_u32(w, "tokenizer.ggml.eom_token_id", 256 + n_ends + 1);
	v = open_writer(w);
	for (unsigned id = 0; id < ferry_tokenizer_n_vocab(v.t); id++)
		assert_int_equal(ferry_tokenizer_is_end(v.t, (int32_t)id),
				 id >= 256 && id < 256 + n_ends + 2);
	close_vocab(&v);

	/* In a vocabulary for HTML </s> is a tag. */
	init_bpe(&b, "gpt-2");
	tag = add_token(&b, "</s>", T_USER, 0);
	v = open_vocab(&b);
	assert_false(ferry_tokenizer_is_end(v.t, tag));
	expect_ids(v.t, "</s>", 0, tag, -1);
	close_vocab(&v);

	/* In the harmony format <|end|> stands between messages of one turn. */
	init_bpe(&b, "gpt-4o");
	add_token(&b, "<|end|>", T_CONTROL, 0);
	add_token(&b, "<|return|>", T_CONTROL, 0);
	add_token(&b, "<|call|>", T_CONTROL, 0);
	v = open_vocab(&b);
	assert_false(ferry_tokenizer_is_end(v.t, 256));
	assert_true(ferry_tokenizer_is_end(v.t, 257));
	assert_true(ferry_tokenizer_is_end(v.t, 258));
	close_vocab(&v);
}

static void test_bos(void **state)
{
	struct vocab_builder b;
	struct ferry_gguf_writer *w;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, "gpt-2");
	v = open_vocab(&b);
	assert_int_equal(ferry_tokenizer_bos(v.t), -1);
	assert_int_equal(ferry_tokenizer_eos(v.t), -1);
	assert_false(ferry_tokenizer_adds_bos(v.t));
	expect_ids(v.t, "a", FERRY_ENCODE_BOS, 'a', -1);
	close_vocab(&v);

	b.bos = add_token(&b, "<bos>", T_CONTROL, 0);
	v = open_vocab(&b);
	assert_false(ferry_tokenizer_adds_bos(v.t));
	expect_ids(v.t, "a", FERRY_ENCODE_BOS, 256, 'a', -1);
	close_vocab(&v);

	w = write_vocab(&b);
	ferry_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
	v = open_writer(w);
	assert_true(ferry_tokenizer_adds_bos(v.t));
	close_vocab(&v);

	/* The default of Llama 3 is to add it. */
	b.pre = "llama-bpe";
	v = open_vocab(&b);
	assert_true(ferry_tokenizer_adds_bos(v.t));
	close_vocab(&v);
	b.bos = -1;
	v = open_vocab(&b);
	assert_false(ferry_tokenizer_adds_bos(v.t));
	close_vocab(&v);
}

/* "default" cuts punctuation off a word, which "gpt-2" does not do with "+a". */
static void test_no_pretokenizer_means_default(void **state)
{
	struct vocab_builder b;
	struct vocab_view v;

	(void)state;
	init_bpe(&b, NULL);
	add_token(&b, G "+", T_NORMAL, 0); /* 256 */
	add_merge(&b, G " +");
	v = open_vocab(&b);
	expect_ids(v.t, "a +", 0, 'a', ' ', '+', -1);
	close_vocab(&v);
	b.pre = "gpt-2";
	v = open_vocab(&b);
	expect_ids(v.t, "a +", 0, 'a', 256, -1);
	close_vocab(&v);
}

static void test_any_bytes_come_back(void **state)
{
	static const char *const pres[] = {
		"default",     "gpt-2",	 "llama-bpe", "qwen2",	"deepseek-llm", "deepseek-coder",
		"deepseek-v3", "falcon", "starcoder", "gpt-4o", "tekken"};
	static const char mixed[] = "<a> na\xc3\xafve \xe4\xb8\xad 12345 's\r\n\n  x  ";
	struct vocab_builder b;
	struct vocab_view v;
	char text[512];

	(void)state;
	for (size_t p = 0; p < sizeof(pres) / sizeof(pres[0]); p++) {
		init_bpe(&b, pres[p]);
		add_token(&b, "<a>", T_CONTROL, 0);
		v = open_vocab(&b);
		for (unsigned i = 0; i < 200; i++) {
			fill_bytes(text, i, i);
			expect_round_trip(v.t, text, i, 0);
		}
		expect_round_trip(v.t, mixed, strlen(mixed), FERRY_ENCODE_SPECIAL);
		close_vocab(&v);
	}
}

/* Quadratic work on these would run into the time limit of the test program. */
static void test_long_words(void **state)
{
	static const char *const pres[] = {"default", "llama-bpe", "deepseek-llm", "gpt-4o"};
	const size_t n = 1 << 19;
	struct vocab_builder b;
	struct vocab_view v;
	char *text = malloc(n);

	(void)state;
	assert_non_null(text);
	for (size_t p = 0; p < sizeof(pres) / sizeof(pres[0]); p++) {
		init_bpe(&b, pres[p]);
		add_token(&b, "aa", T_NORMAL, 0);
		add_token(&b, "aaaa", T_NORMAL, 0);
		add_merge(&b, "a a");
		add_merge(&b, "aa aa");
		v = open_vocab(&b);
		memset(text, 'a', n);
		expect_round_trip(v.t, text, n, 0);
		memset(text, ' ', n);
		text[n - 1] = '1';
		expect_round_trip(v.t, text, n, 0);
		memset(text, '\n', n / 2);
		expect_round_trip(v.t, text, n, 0);
		memset(text, '\xff', n);
		expect_round_trip(v.t, text, n, 0);
		close_vocab(&v);
	}
	free(text);
}

static void test_the_fixture_vocabulary(void **state)
{
	static const char text[] =
		"Once upon a time, there was a n\xc3\xaf ve girl: \xf0\x9f\x9a\x80!\n\n";
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);
	struct vocab_view v;
	int32_t end;

	(void)state;
	ferry_tiny_vocab_bpe(w);
	v = open_writer(w);
	expect_round_trip(v.t, text, strlen(text), 0);
	end = ferry_tokenizer_find(v.t, "<|im_end|>");
	assert_true(end >= 0);
	assert_true(ferry_tokenizer_is_end(v.t, end));
	close_vocab(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lower_rank_merges_first),
		cmocka_unit_test(test_leftmost_of_equal_ranks_merges_first),
		cmocka_unit_test(test_the_alphabet_of_bytes),
		cmocka_unit_test(test_whole_words_win_only_where_merges_are_ignored),
		cmocka_unit_test(test_merges_of_absent_tokens_are_left_out),
		cmocka_unit_test(test_bytes_without_a_token),
		cmocka_unit_test(test_special_tokens),
		cmocka_unit_test(test_user_defined_tokens_are_no_bytes),
		cmocka_unit_test(test_turn_marks_are_control_tokens_whatever_the_file_says),
		cmocka_unit_test(test_ends_of_generation),
		cmocka_unit_test(test_bos),
		cmocka_unit_test(test_no_pretokenizer_means_default),
		cmocka_unit_test(test_any_bytes_come_back),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_the_fixture_vocabulary),
	};

	return cmocka_run_group_tests_name("model/tokenizer_bpe", tests, NULL, NULL);
}
