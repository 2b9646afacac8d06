// SPDX-License-Identifier: MIT
/*
 * Text that arrives in pieces: the same characters come out wherever it is cut.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/tokenizer.h"

#define R "\xef\xbf\xbd" /* U+FFFD */

static const struct {
	const char *in, *out;
} cases[] = {
	{"", ""},
	{"plain", "plain"},
	{"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x9a\x80", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x9a\x80"},
	{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
	/* One U+FFFD for each longest beginning of a character, else for each byte. */
	{"a\xff"
	 "b",
	 "a" R "b"},
	{"\x80\x80", R R},
	{"\xe4\xb8x", R "x"},
	{"\xf0\x9f\x9a\xf0\x9f\x9a\x80", R "\xf0\x9f\x9a\x80"},
	{"\xc3\xc3\xa9", R "\xc3\xa9"},
	{"\xf0\x9f\x9a", R},
	{"x\xe4", "x" R},
	/* Overlong, surrogate, above U+10FFFF. */
	{"\xc0\x80", R R},
	{"\xe0\x80\x80", R R R},
	{"\xed\xa0\x80", R R R},
	{"\xf0\x80\x80\x80", R R R R},
	{"\xf4\x90\x80\x80", R R R R},
	{"\xf5\x80", R R},
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]), MAX = 64 };

/* Cut after @first bytes and then every @step bytes. */
static void run(const char *in, const char *want, size_t first, size_t step)
{
	struct ferry_utf8_stream s = {.n_held = 0};
	char out[3 * (MAX + 4)], text[8 * MAX];
	size_t n = strlen(in), n_out = 0, k;

	for (size_t at = 0; at < n;) {
		size_t piece = at ? step : first;

		if (piece > n - at)
			piece = n - at;
		k = ferry_utf8_stream_push(&s, in + at, piece, out);
		assert_true(k <= 3 * (piece + 4));
		memcpy(text + n_out, out, k);
		n_out += k;
		at += piece;
	}
	k = ferry_utf8_stream_end(&s, out);
	assert_true(k <= 4);
	memcpy(text + n_out, out, k);
	n_out += k;
	assert_int_equal(n_out, strlen(want));
	assert_memory_equal(text, want, n_out);
	/* The stream can be used again. */
	assert_int_equal(ferry_utf8_stream_push(&s, "z", 1, out), 1);
	assert_int_equal(out[0], 'z');
}

static void test_every_cut(void **state)
{
	(void)state;
	for (int i = 0; i < N_CASES; i++) {
		size_t n = strlen(cases[i].in);

		for (size_t first = 1; first <= n + 1; first++)
			for (size_t step = 1; step <= n + 1; step++)
				run(cases[i].in, cases[i].out, first, step);
	}
}

static void test_characters_come_out_as_soon_as_they_are_whole(void **state)
{
	struct ferry_utf8_stream s = {.n_held = 0};
	char out[32];

	(void)state;
	assert_int_equal(ferry_utf8_stream_push(&s, "a\xf0\x9f", 3, out), 1);
	assert_int_equal(ferry_utf8_stream_push(&s, "", 0, out), 0);
	assert_int_equal(ferry_utf8_stream_push(&s, "\x9a", 1, out), 0);
	assert_int_equal(ferry_utf8_stream_push(&s,
						"\x80"
						"b",
						2, out),
			 5);
	assert_memory_equal(out,
			    "\xf0\x9f\x9a\x80"
			    "b",
			    5);
	assert_int_equal(ferry_utf8_stream_end(&s, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_characters_come_out_as_soon_as_they_are_whole),
	};

	return cmocka_run_group_tests_name("model/utf8_stream", tests, NULL, NULL);
}
