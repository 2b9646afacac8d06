// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/exposition.h"

static void families_and_samples_stand_as_prometheus_reads_them(void **state)
{
	struct ferry_exposition e = {0};

	(void)state;
	ferry_exposition_family(&e, "ferry_sent_bytes_total", FERRY_EXPOSITION_COUNTER, "Bytes.");
	ferry_exposition_count(&e, UINT64_MAX, "device", "wan0", "class", "token");
	ferry_exposition_family(&e, "ferry_rtt_seconds", FERRY_EXPOSITION_GAUGE, "Round trip.");
	ferry_exposition_sample(&e, 0.0125, "device", "wan0", NULL, NULL);
	ferry_exposition_sample(&e, NAN, NULL, NULL, NULL, NULL);
	assert_string_equal(e.text, "# HELP ferry_sent_bytes_total Bytes.\n"
				    "# TYPE ferry_sent_bytes_total counter\n"
				    "ferry_sent_bytes_total{device=\"wan0\",class=\"token\"} "
				    "18446744073709551615\n"
				    "# HELP ferry_rtt_seconds Round trip.\n"
				    "# TYPE ferry_rtt_seconds gauge\n"
				    "ferry_rtt_seconds{device=\"wan0\"} 0.0125\n"
				    "ferry_rtt_seconds NaN\n");
	assert_int_equal(e.size, strlen(e.text));
	free(e.text);
}

static void a_label_cannot_end_its_line(void **state)
{
	struct ferry_exposition e = {0};

	(void)state;
	ferry_exposition_family(&e, "x", FERRY_EXPOSITION_GAUGE, "x");
	ferry_exposition_count(&e, 1, "name", "a\"b\\c\nd\x1b\xff", NULL, NULL);
	assert_non_null(strstr(e.text, "\nx{name=\"a\\\"b\\\\c\\nd\?\?\"} 1\n"));
	free(e.text);
}

static void what_becomes_too_long_fails_and_stays_bounded(void **state)
{
	struct ferry_exposition e = {0};

	(void)state;
	ferry_exposition_family(&e, "x", FERRY_EXPOSITION_GAUGE, "x");
	for (int i = 0; i < 1 << 18; i++)
		ferry_exposition_count(&e, 1, "name", "value", NULL, NULL);
	assert_true(e.failed);
	assert_true(e.room <= FERRY_EXPOSITION_MAX);
	free(e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_and_samples_stand_as_prometheus_reads_them),
		cmocka_unit_test(a_label_cannot_end_its_line),
		cmocka_unit_test(what_becomes_too_long_fails_and_stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
