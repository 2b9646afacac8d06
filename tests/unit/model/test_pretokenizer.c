// SPDX-License-Identifier: MIT
/*
 * Where each pre-tokenizer cuts, written down from the definitions of its expressions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/pretokenizer.h"

enum { MAX_TEXT = 512 };

struct words {
	char text[MAX_TEXT]; /* each with a bar behind it */
	size_t n;
};

static int collect(void *data, const uint8_t *word, size_t n)
{
	struct words *w = data;

	assert_true(n > 0);
	assert_true(w->n + n + 1 < MAX_TEXT);
	memcpy(w->text + w->n, word, n);
	w->n += n;
	w->text[w->n++] = '|';
	return 0;
}

/* @want: the text with a bar at each cut */
static void expect(const char *pre, const char *want)
{
	struct ferry_pretokenizer_scratch *s;
	struct ferry_pretokenizer *p;
	struct words got = {.n = 0};
	uint8_t text[MAX_TEXT];
	size_t n = 0;

	for (const char *c = want; *c; c++)
		if (*c != '|')
			text[n++] = (uint8_t)*c;
	assert_int_equal(ferry_pretokenizer_new(pre, strlen(pre), &p, NULL), 0);
	s = ferry_pretokenizer_scratch_new(p);
	assert_non_null(s);
	assert_int_equal(ferry_pretokenize(s, text, n, collect, &got), 0);
	assert_true(got.n > 0);
	got.text[got.n - 1] = 0;
	if (strcmp(got.text, want) != 0)
		fail_msg("%s cuts \"%s\" where \"%s\" is right", pre, got.text, want);
	ferry_pretokenizer_scratch_free(s);
	ferry_pretokenizer_free(p);
}

static void expect_all(const char *const *pres, const char *want)
{
	for (; *pres; pres++)
		expect(*pres, want);
}

static const char *const gpt2_like[] = {"gpt-2", "mpt", "olmo", "phi-2", NULL};
static const char *const llama3_like[] = {"llama-bpe", "llama3",    "llama-v3",
					  "falcon3",   "smaug-bpe", NULL};
static const char *const qwen2_like[] = {"qwen2", "deepseek-r1-qwen", "megrez", NULL};
static const char *const starcoder_like[] = {"starcoder", "refact", "command-r", "smollm", NULL};
static const char *const o200k_like[] = {"gpt-4o", "llama4", NULL};

static void test_gpt2(void **state)
{
	(void)state;
	expect_all(gpt2_like, "Hello| world|!");
	expect_all(gpt2_like, "I|'ve| 1234| x|1|'|S");
	expect_all(gpt2_like, "a|  | b|\n|\n|c");
	expect_all(gpt2_like, "a|\n\n|\n|c|  ");
	expect_all(gpt2_like, "a|\t|b");
	expect_all(gpt2_like, "na\xc3\xafve|...|\xe4\xb8\xad\xe6\x96\x87|\xef\xbc\x8c");
	expect_all(gpt2_like, "a|\xc2\xa0|b");
	expect_all(gpt2_like, "x|\xc2\xb2| \xe2\x85\xa3|+=");
	expect_all(gpt2_like, "e|\xcc\x81");
}

static void test_llama3(void **state)
{
	(void)state;
	expect_all(llama3_like, "123|456|7| |89");
	expect_all(llama3_like, "I|'VE|'ll| don|'T");
	expect_all(llama3_like, "''|s");
	expect_all(llama3_like, "a|.b| (|c|)\n\n|d");
	expect_all(llama3_like, "x| =| |1|;\r\n|\ty");
	expect_all(llama3_like, "a|\n \n| | b");
}

static void test_llama3_white_space(void **state)
{
	(void)state;
	expect_all(llama3_like, "a|  | b");
	expect_all(llama3_like, "a|  | |1");
	expect_all(llama3_like, "a|   ");
	expect_all(llama3_like, "   \n|a");
	expect_all(llama3_like, "  |\tb");
	expect_all(llama3_like, "\xe3\x80\x80\xe4\xb8\xad"); /* U+3000 */
	expect_all(llama3_like, "a|\xc2\xa0| |1");
	/* U+180E has not been white space since Unicode 6.3, whatever \s of PCRE2 says. */
	expect_all(llama3_like, "a| \xe1\xa0\x8e|1");
}

static void test_qwen2(void **state)
{
	(void)state;
	expect_all(qwen2_like, "1|2|3| |4");
	expect_all(qwen2_like, "I|'M| a|'re| b");
	expect_all(qwen2_like, "#include| <|stdio|.h|>\n");
}

static void test_starcoder(void **state)
{
	(void)state;
	expect_all(starcoder_like, "a| |1|2|b");
	expect_all(starcoder_like, "x|=|1|.|5|;");
	expect_all(starcoder_like, "it|'s|  | ok");
	expect_all(starcoder_like, "it|'|S");
}

static void test_default_and_falcon(void **state)
{
	(void)state;
	expect("default", "a| |+|b|.|c");
	expect("default", "123|456|7");
	expect("default", "a| |12");
	expect("default", "don|'|t| x");
	expect("default", " `|a");
	expect("falcon", " |`|a");
	expect("falcon", "3|.|3|..|3");
	expect("falcon", "a| |333|3| |33");
	expect("falcon", "Hello|,| y|'|all|!");
}

static void test_deepseek_llm(void **state)
{
	(void)state;
	expect("deepseek-llm", "Hello| world|!?| (|x");
	expect("deepseek-llm", "a|\n|\r|b");
	expect("deepseek-llm", "a| |1234|b");
	/* Punctuation is cut off first; the ideographs' expression, in whose range U+3002 lies,
	 * then cuts inside of it. */
	expect("deepseek-llm", "\xe4\xb8\xad\xe6\x96\x87| abc|\xef\xbc\x8c,|\xe3\x80\x82");
	expect("deepseek-llm", "\xe6\x97\xa5\xe3\x83\x86|1");
	/* White space at the end of a piece: behind an ordinal sign, which is no cased letter. */
	expect("deepseek-llm", "\xc2\xaa|  ");
	expect("deepseek-llm", "\xc2\xaa|  |\n|x");
	expect("deepseek-llm", "\xc2\xaa  \xc2\xaa");
}

static void test_deepseek_coder(void **state)
{
	(void)state;
	expect("deepseek-coder", "int| x| = |1|2|;|\n");
	expect("deepseek-coder", "a|  | b|.,| !");
	expect("deepseek-coder", "\xe4\xb8\xad\xe6\x96\x87|1|\xe4\xb8\xad");
	expect("deepseek-coder", "a|\n|\n|b");
}

static void test_deepseek_v3(void **state)
{
	(void)state;
	expect("deepseek-v3", "123|4| ab| ,.|c");
	expect("deepseek-v3", ".ab|()\n|x");
	expect("deepseek-v3", "a|\xe4\xb8\xad\xe6\x96\x87\xe3\x81\xb2|b");
	expect("deepseek-v3", "e\xcc\x81t");
}

static void test_gpt4o(void **state)
{
	(void)state;
	expect_all(o200k_like, "Hello|World| HTMLParser's");
	expect_all(o200k_like, " HTML|123|45");
	expect_all(o200k_like, "a|/b|.//\n|c");
}

static void test_tekken(void **state)
{
	(void)state;
	expect("tekken", "Hello|World|1|2");
	expect("tekken", "don|'t");
	expect("tekken", "e\xcc\x81t|\xc3\x89t");
}

static void test_bytes_that_are_no_text(void **state)
{
	(void)state;
	expect("gpt-2", "ab|\xff\xfe| c");
	expect("gpt-2", "ab|\xe4\xb8");	     /* a character that ends too early */
	expect("gpt-2", "a|\xed\xa0\x80|b"); /* a surrogate */
	expect("gpt-2", "a|\xc0\x80|b");     /* overlong */
}

static void test_names(void **state)
{
	struct ferry_pretokenizer *p;
	struct ferry_error err = {0};

	(void)state;
	assert_int_equal(ferry_pretokenizer_new("llama-bpe-2", 11, &p, &err), -ENOTSUP);
	assert_null(p);
	assert_non_null(strstr(err.text, "llama-bpe-2"));
	assert_int_equal(ferry_pretokenizer_new("", 0, &p, &err), -ENOTSUP);

	assert_int_equal(ferry_pretokenizer_new("llama-bpe", 9, &p, &err), 0);
	assert_true(ferry_pretokenizer_ignores_merges(p));
	assert_true(ferry_pretokenizer_adds_bos(p));
	ferry_pretokenizer_free(p);
	assert_int_equal(ferry_pretokenizer_new("qwen2", 5, &p, &err), 0);
	assert_false(ferry_pretokenizer_ignores_merges(p));
	assert_false(ferry_pretokenizer_adds_bos(p));
	ferry_pretokenizer_free(p);
}

static int stop(void *data, const uint8_t *word, size_t n)
{
	(void)word;
	(void)n;
	return --*(int *)data ? 0 : -ENOMEM;
}

static void test_the_walk_ends_where_the_caller_says(void **state)
{
	struct ferry_pretokenizer_scratch *s;
	struct ferry_pretokenizer *p;
	int left = 2;

	(void)state;
	assert_int_equal(ferry_pretokenizer_new("gpt-2", 5, &p, NULL), 0);
	s = ferry_pretokenizer_scratch_new(p);
	assert_int_equal(ferry_pretokenize(s, (const uint8_t *)"a b c d", 7, stop, &left), -ENOMEM);
	assert_int_equal(left, 0);
	ferry_pretokenizer_scratch_free(s);
	ferry_pretokenizer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt2),
		cmocka_unit_test(test_llama3),
		cmocka_unit_test(test_llama3_white_space),
		cmocka_unit_test(test_qwen2),
		cmocka_unit_test(test_starcoder),
		cmocka_unit_test(test_default_and_falcon),
		cmocka_unit_test(test_deepseek_llm),
		cmocka_unit_test(test_deepseek_coder),
		cmocka_unit_test(test_deepseek_v3),
		cmocka_unit_test(test_gpt4o),
		cmocka_unit_test(test_tekken),
		cmocka_unit_test(test_bytes_that_are_no_text),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_the_walk_ends_where_the_caller_says),
	};

	return cmocka_run_group_tests_name("model/pretokenizer", tests, NULL, NULL);
}
