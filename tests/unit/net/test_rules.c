/* SPDX-License-Identifier: MIT */
/* Rules files: what is read, and where exactly a mistake is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <linux/ferry.h>

#include "net/rules.h"

static void test_every_kind(void **state)
{
	static const char text[] = "# comment\n"
				   "port tcp/11434 token # behind it\n"
				   "\tport udp/5000-5003 from decode\r\n"
				   "\n"
				   "prefix 10.9.0.0/16 to in lo model\n"
				   "prefix 2001:db8::/32 sync\n"
				   "trust 192.168.0.1\n"
				   "sni *.OpenAI.com token\n"
				   "cgroup /a/b/ kv\n"
				   "behaviour bulk off";
	struct ferry_rules rules;
	struct ferry_error err = {0};

	(void)state;
	assert_int_equal(ferry_rules_read(&rules, "f", text, sizeof(text) - 1, &err), 0);
	assert_int_equal(rules.n, 8);
	assert_int_equal(rules.rule[0].kind, FERRY_RULE_PORT);
	assert_int_equal(rules.rule[0].first_port, 11434);
	assert_int_equal(rules.rule[0].class, FERRY_CLASS_TOKEN);
	assert_int_equal(rules.rule[1].last_port, 5003);
	assert_int_equal(rules.rule[1].ends, 1);
	assert_int_equal(rules.rule[1].line, 3);
	assert_int_equal(rules.rule[2].bits, 112);
	assert_string_equal(rules.rule[2].device, "lo");
	assert_int_equal(rules.rule[3].bits, 32);
	assert_int_equal(rules.rule[4].bits, 128);
	assert_string_equal(rules.rule[5].text, "*.openai.com");
	assert_string_equal(rules.rule[6].text, "/a/b");
	assert_int_equal(rules.rule[7].class, 0xff);
	ferry_rules_free(&rules);
}

static void test_mistakes_have_a_line_and_a_column(void **state)
{
	static const struct {
		const char *text, *where;
	} cases[] = {
		{"prot tcp/1 token", "f:1:1: "},
		{"\n\n  port tcp/1", "f:3:13: the class is missing"},
		{"port", "f:1:5: "},
		{"port sctp/1 token", "f:1:6: "},
		{"port tcp/0 token", "f:1:6: "},
		{"port tcp/65536 token", "f:1:6: "},
		{"port tcp/1- token", "f:1:6: "},
		{"port tcp/9-8 token", "f:1:6: "},
		{"port tcp/99999999999999999999 token", "f:1:6: "},
		{"port tcp/1-2000 token", "f:1:6: "},
		{"port tcp/1 tokens", "f:1:12: no such class"},
		{"port tcp/1 token now", "f:1:18: nothing"},
		{"prefix 10.0.0.0/33 kv", "f:1:8: the prefix length"},
		{"prefix 10.0.0.1/8 kv", "f:1:8: the address has bits"},
		{"prefix ten kv", "f:1:8: that is no"},
		{"trust ::/0 in", "f:1:14: "},
		{"trust ::/0 in a-name-that-is-too-long", "f:1:15: "},
		{"sni a*b token", "f:1:5: "},
		{"sni *. token", "f:1:5: "},
		{"cgroup a token", "f:1:8: "},
		{"cgroup /../x token", "f:1:8: "},
		/* A level for each slash: these would never match, or another group would. */
		{"cgroup /a/.. token", "f:1:8: "},
		{"cgroup /./a token", "f:1:8: "},
		{"cgroup /a//b token", "f:1:8: "},
		{"cgroup /a/. token", "f:1:8: "},
		{"behaviour typing token", "f:1:11: "},
		{"a b c d e f g h i", "f:1:17: there is no rule with so many words"},
	};
	struct ferry_rules rules;
	struct ferry_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(
			ferry_rules_read(&rules, "f", cases[i].text, strlen(cases[i].text), &err),
			-EINVAL);
		if (strncmp(err.text, cases[i].where, strlen(cases[i].where)))
			print_message("# \"%s\": %s\n", cases[i].text, err.text);
		assert_int_equal(strncmp(err.text, cases[i].where, strlen(cases[i].where)), 0);
		assert_null(rules.rule);
	}
	assert_int_equal(ferry_rules_read(&rules, "f", "port tcp/1 tok\0n", 16, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "f:1:12: ", 8), 0);
}

/* Any bytes are read or refused; sanitizers watch. */
static void test_noise(void **state)
{
	static const char alphabet[] =
		"port prefix trust sni cgroup tcp/udp-*. 0123456789 :\n#token in\0";
	struct ferry_rules rules;
	uint64_t dice = 1;
	char text[400];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		const size_t n = (dice >> 40) % sizeof(text);

		for (size_t k = 0; k < n; k++) {
			dice = dice * 6364136223846793005ULL + 1;
			text[k] = alphabet[(dice >> 33) % sizeof(alphabet)];
		}
		if (!ferry_rules_read(&rules, "f", text, n, NULL))
			ferry_rules_free(&rules);
	}
}

static void test_as_many_as_there_is_room_for(void **state)
{
	static char text[20 * (FERRY_RULES_MAX + 1)];
	struct ferry_error err = {0};
	struct ferry_rules rules;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < FERRY_RULES_MAX; i++)
		n += (size_t)sprintf(text + n, "port tcp/%d kv\n", i + 1);
	assert_int_equal(ferry_rules_read(&rules, "f", text, n, &err), 0);
	assert_int_equal(rules.n, FERRY_RULES_MAX);
	ferry_rules_free(&rules);
	n += (size_t)sprintf(text + n, "trust ::/0\n");
	assert_int_equal(ferry_rules_read(&rules, "f", text, n, &err), -E2BIG);
}

static void test_the_preset_is_a_rules_file(void **state)
{
	struct ferry_error err = {0};
	struct ferry_rules rules;

	(void)state;
	if (ferry_rules_load(&rules, PRESET, &err))
		print_message("# %s\n", err.text);
	assert_int_equal(err.code, 0);
	assert_true(rules.n > 5);
	ferry_rules_free(&rules);
	assert_int_equal(ferry_rules_load(&rules, "/nowhere", &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_mistakes_have_a_line_and_a_column),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_as_many_as_there_is_room_for),
		cmocka_unit_test(test_the_preset_is_a_rules_file),
	};

	return cmocka_run_group_tests_name("net/rules", tests, NULL, NULL);
}
