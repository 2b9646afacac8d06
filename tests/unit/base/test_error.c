// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"

static void test_fills_and_returns_the_code(void **state)
{
	struct ferry_error err;

	(void)state;
	assert_int_equal(ferry_fail(&err, FERRY_ERROR_FILE, -ENOENT, "no %s", "boat"), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_int_equal(err.kind, FERRY_ERROR_FILE);
	assert_string_equal(err.text, "no boat");
	assert_int_equal(ferry_fail(NULL, FERRY_ERROR_FILE, -EIO, "nobody listens"), -EIO);
}

static void test_hostile_bytes_cannot_steer_a_terminal(void **state)
{
	struct ferry_error err;

	(void)state;
	ferry_fail(&err, FERRY_ERROR_PEER, -EPROTO, "peer says '%s'", "\033[2J\n\r\x7fok");
	assert_string_equal(err.text, "peer says '?[2J???ok'");
	/* C1 controls as raw bytes and as characters; text beyond ASCII stays. */
	ferry_fail(&err, FERRY_ERROR_PEER, -EPROTO, "%s",
		   "\x9b"
		   "2J \xc2\x9b"
		   "2J na\xc3\xafve \xf0\x9f\x9a\xa2");
	assert_string_equal(err.text, "?2J ??2J na\xc3\xafve \xf0\x9f\x9a\xa2");
	/* Not UTF-8: overlong, a surrogate, beyond Unicode, cut off. */
	ferry_fail(&err, FERRY_ERROR_PEER, -EPROTO, "%s",
		   "\xc0\x9b|\xe0\x82\x9b|\xed\xa0\x80|\xf5\x80\x80\x80|\xe2\x82");
	assert_string_equal(err.text, "??|???|???|????|??");
}

static void test_long_texts_are_cut(void **state)
{
	struct ferry_error err;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ferry_fail(&err, FERRY_ERROR_CALLER, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	ferry_fail_within(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_context_goes_in_front(void **state)
{
	struct ferry_error err;

	(void)state;
	ferry_fail(&err, FERRY_ERROR_FILE, -EBADMSG, "offset %d is outside", 7);
	assert_int_equal(ferry_fail_within(&err, "file %s", "a.gguf"), -EBADMSG);
	assert_string_equal(err.text, "file a.gguf: offset 7 is outside");
	assert_int_equal(err.kind, FERRY_ERROR_FILE);
}

static void take_line(void *data, enum ferry_log_level level, const char *text)
{
	(void)level;
	strcpy(data, text);
}

static void test_log_honours_its_level_and_cleans_text(void **state)
{
	char line[600] = "";
	struct ferry_log log = {.level = FERRY_LOG_INFO, .write = take_line, .data = line};

	(void)state;
	ferry_log(&log, FERRY_LOG_DEBUG, "unseen");
	assert_string_equal(line, "");
	ferry_log(&log, FERRY_LOG_WARNING, "a\nb%d", 1);
	assert_string_equal(line, "a?b1");
	ferry_log(NULL, FERRY_LOG_ERROR, "nobody");
}

static void test_running_text_keeps_lines_and_length(void **state)
{
	char text[] = "a\tb\n\033[31m\r\x7f\xc2\x9b"
		      "5 \xc2\xa0\xc3\xa9 \xc2";
	const size_t n = sizeof(text) - 1;

	(void)state;
	text[0] = 0;
	ferry_tame_controls(text, n);
	assert_memory_equal(text, "?\tb\n?[31m????5 \xc2\xa0\xc3\xa9 \xc2", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills_and_returns_the_code),
		cmocka_unit_test(test_hostile_bytes_cannot_steer_a_terminal),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_context_goes_in_front),
		cmocka_unit_test(test_log_honours_its_level_and_cleans_text),
		cmocka_unit_test(test_running_text_keeps_lines_and_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
