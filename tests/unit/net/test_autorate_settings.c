// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/autorate_settings.h"

static char directory[] = "/tmp/ferry-settings-XXXXXX";

static const struct ferry_autorate_settings wan = {
	.device = "wan0", .identity = 1ull << 40, .limits = {5000, 40000, 20000}};

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void what_is_written_is_read(void **state)
{
	struct ferry_autorate_settings read, list[FERRY_AUTORATE_DEVICES_MAX];
	struct ferry_error err;
	size_t n;

	(void)state;
	assert_int_equal(ferry_autorate_settings_write(directory, &wan, &err), 0);
	assert_int_equal(ferry_autorate_settings_read(directory, "wan0", &read, &err), 0);
	assert_string_equal(read.device, "wan0");
	assert_int_equal(read.identity, wan.identity);
	assert_memory_equal(&read.limits, &wan.limits, sizeof(wan.limits));
	assert_int_equal(ferry_autorate_settings_list(directory, list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ferry_autorate_settings_remove(directory, "wan0", &err), 0);
	assert_int_equal(ferry_autorate_settings_remove(directory, "wan0", &err), 0);
	assert_int_equal(ferry_autorate_settings_read(directory, "wan0", &read, &err), -ENOENT);
}

static void reflectors_are_kept_and_nonsense_is_named(void **state)
{
	static const char *const wrong[] = {"7", "[7]", "[\"wan0\"]", "[\"127.0.0.1\"]",
					    ("[\"192.0.2.1\",\"192.0.2.2\",\"192.0.2.3\","
					     "\"192.0.2.4\",\"192.0.2.5\"]")};
	struct ferry_autorate_settings s = wan, read;
	struct ferry_error err;
	char text[300];

	(void)state;
	assert_int_equal(ferry_autorate_settings_add(&s, "192.0.2.1", &err), 0);
	assert_int_equal(ferry_autorate_settings_add(&s, "2001:db8::1", &err), 0);
	assert_int_equal(ferry_autorate_settings_add(&s, "192.0.2.1", &err), 0);
	assert_int_equal(s.n_reflectors, 2);
	assert_int_equal(ferry_autorate_settings_write(directory, &s, &err), 0);
	assert_int_equal(ferry_autorate_settings_read(directory, "wan0", &read, &err), 0);
	assert_int_equal(read.n_reflectors, 2);
	assert_memory_equal(read.reflectors, s.reflectors, sizeof(s.reflectors));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"device\": \"wan0\", \"base_kbps\": 100, \"floor_kbps\": 100, "
			 "\"ceiling_kbps\": 100, \"reflectors\": %s}",
			 wrong[i]);
		put("wan0.autorate", text);
		assert_int_equal(ferry_autorate_settings_read(directory, "wan0", &read, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "wan0.autorate"));
	}
	ferry_autorate_settings_remove(directory, "wan0", NULL);
}

static void limits_that_cannot_be_kept_are_refused(void **state)
{
	static const struct ferry_autorate_limits wrong[] = {
		{0, 40000, 20000}, {63, 40000, 20000}, {30000, 40000, 20000}, {5000, 10000, 20000}};
	struct ferry_autorate_settings s = wan;
	struct ferry_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		s.limits = wrong[i];
		assert_int_equal(ferry_autorate_settings_write(directory, &s, &err), -EINVAL);
	}
	s = wan;
	strcpy(s.device, "../wan0");
	assert_int_equal(ferry_autorate_settings_write(directory, &s, &err), -EINVAL);
	s.device[0] = 0;
	assert_int_equal(ferry_autorate_settings_write(directory, &s, &err), -EINVAL);
}

static void files_that_make_no_sense_are_left_out_and_named(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"{\"device\": \"eth0\", \"base_kbps\": 1}",
		"{\"device\": \"eth0\", \"base_kbps\": -5, \"floor_kbps\": 1e9, \"ceiling_kbps\": {}}",
		"{\"device\": \"eth1\", \"base_kbps\": 100, \"floor_kbps\": 100, \"ceiling_kbps\": 100}",
		"{\"device\": \"eth0\", \"device\": \"eth0\"}",
		"\xff\xfe",
	};
	struct ferry_autorate_settings list[FERRY_AUTORATE_DEVICES_MAX];
	struct ferry_error err;
	char large[6000];
	size_t n;

	(void)state;
	assert_int_equal(ferry_autorate_settings_write(directory, &wan, &err), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put("eth0.autorate", wrong[i]);
		assert_int_equal(ferry_autorate_settings_list(directory, list, &n, &err), -EINVAL);
		assert_non_null(strstr(err.text, "eth0.autorate"));
		assert_int_equal(n, 1);
	}
	memset(large, ' ', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	put("eth0.autorate", large);
	assert_int_equal(ferry_autorate_settings_list(directory, list, &n, &err), -EINVAL);
	ferry_autorate_settings_remove(directory, "eth0", NULL);
	put("eth0.autorate.123", "{");
	put("agent.lock", "");
	assert_int_equal(ferry_autorate_settings_list(directory, list, &n, &err), 0);
	assert_int_equal(n, 1);
}

static int make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int clean(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(reflectors_are_kept_and_nonsense_is_named),
		cmocka_unit_test(limits_that_cannot_be_kept_are_refused),
		cmocka_unit_test(files_that_make_no_sense_are_left_out_and_named),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
