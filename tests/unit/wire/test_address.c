// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/address.h"

static void addresses_are_parsed(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} cases[] = {
		{"127.0.0.1:7070", "127.0.0.1", 7070},
		{"[::1]:7070", "::1", 7070},
		{"gateway.local:1", "gateway.local", 1},
		{"[fe80::1%eth0]:65535", "fe80::1%eth0", 65535},
		{"0.0.0.0:0", "0.0.0.0", 0},
	};
	struct ferry_address a;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ferry_address_parse(cases[i].text, &a, NULL), 0);
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
	}
}

static void bad_addresses_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "no port"},
		{"localhost", "no port"},
		{":7070", "no host"},
		{"[]:7070", "no host"},
		{"::1:7070", "[ADDRESS]:PORT"},
		{"[::1]7070", "[ADDRESS]:PORT"},
		{"[::1", "[ADDRESS]:PORT"},
		{"host:", "0 to 65535"},
		{"host:65536", "0 to 65535"},
		{"host:99999999999999999999", "0 to 65535"},
		{"host:7o70", "0 to 65535"},
		{"host:-1", "0 to 65535"},
	};
	struct ferry_address a;
	struct ferry_error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ferry_address_parse(cases[i].text, &a, &err), -EINVAL);
		assert_int_equal(err.kind, FERRY_ERROR_CALLER);
		if (!strstr(err.text, cases[i].says))
			fail_msg("\"%s\" says: %s", cases[i].text, err.text);
	}
}

static void a_long_host_is_refused(void **state)
{
	char text[400];
	struct ferry_address a;

	(void)state;
	memset(text, 'h', sizeof(text));
	snprintf(text + FERRY_ADDRESS_HOST - 1, 10, ":80");
	assert_int_equal(ferry_address_parse(text, &a, NULL), 0);
	memset(text, 'h', sizeof(text));
	snprintf(text + FERRY_ADDRESS_HOST, 10, ":80");
	assert_int_equal(ferry_address_parse(text, &a, NULL), -EINVAL);
}

static void resolve_one(const char *text, const char *want, bool loopback)
{
	struct ferry_endpoint e[FERRY_MAX_ENDPOINTS];
	char got[FERRY_ENDPOINT_TEXT];
	struct ferry_address a;
	unsigned n;

	assert_int_equal(ferry_address_parse(text, &a, NULL), 0);
	assert_int_equal(ferry_address_resolve(&a, e, &n, NULL), 0);
	assert_true(n >= 1);
	ferry_endpoint_text(&e[0], got);
	assert_string_equal(got, want);
	assert_int_equal(ferry_endpoint_is_loopback(&e[0]), loopback);
	assert_int_equal(ferry_endpoint_port(&e[0]), a.port);
	assert_int_equal(ferry_endpoint_check_plaintext(&e[0], false, "listen on", NULL),
			 loopback ? 0 : -EPERM);
	assert_int_equal(ferry_endpoint_check_plaintext(&e[0], true, "listen on", NULL), 0);
}

static void numbers_resolve_and_know_loopback(void **state)
{
	(void)state;
	resolve_one("127.0.0.1:80", "127.0.0.1:80", true);
	resolve_one("127.255.0.1:80", "127.255.0.1:80", true);
	resolve_one("128.0.0.1:80", "128.0.0.1:80", false);
	resolve_one("0.0.0.0:80", "0.0.0.0:80", false);
	resolve_one("[::1]:80", "[::1]:80", true);
	resolve_one("[::]:80", "[::]:80", false);
	resolve_one("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", true);
	resolve_one("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80", false);
	resolve_one("[2001:db8::1]:80", "[2001:db8::1]:80", false);
}

static void localhost_resolves_to_loopback(void **state)
{
	struct ferry_endpoint e[FERRY_MAX_ENDPOINTS];
	struct ferry_address a;
	unsigned n;

	(void)state;
	assert_int_equal(ferry_address_parse("localhost:80", &a, NULL), 0);
	assert_int_equal(ferry_address_resolve(&a, e, &n, NULL), 0);
	for (unsigned i = 0; i < n; i++)
		assert_true(ferry_endpoint_is_loopback(&e[i]));
}

static void unknown_names_say_what_to_do(void **state)
{
	struct ferry_endpoint e[FERRY_MAX_ENDPOINTS];
	struct ferry_address a;
	struct ferry_error err;
	unsigned n;

	(void)state;
	assert_int_equal(ferry_address_parse("no-such-host.invalid:80", &a, NULL), 0);
	assert_int_equal(ferry_address_resolve(&a, e, &n, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no-such-host.invalid"));
	assert_non_null(strstr(err.text, "/etc/hosts"));
}

static void the_hosts_file_is_read(void **state)
{
	static const char text[] = "# comment gateway\n"
				   "10.0.0.7\tedge gateway # gateway2\r\n"
				   "   \n"
				   "not-an-address gateway\n"
				   "fd00::7 other GATEWAY gateway";
	struct ferry_address a = {.host = "gateway", .port = 5};
	struct ferry_endpoint e[4];
	char got[FERRY_ENDPOINT_TEXT];

	(void)state;
	assert_int_equal(ferry_hosts_find(text, strlen(text), &a, e, 4), 2);
	ferry_endpoint_text(&e[0], got);
	assert_string_equal(got, "10.0.0.7:5");
	ferry_endpoint_text(&e[1], got);
	assert_string_equal(got, "[fd00::7]:5");
	assert_int_equal(ferry_hosts_find(text, strlen(text), &a, e, 1), 1);
	strcpy(a.host, "gateway2");
	assert_int_equal(ferry_hosts_find(text, strlen(text), &a, e, 4), 0);
}

static void plaintext_off_loopback_names_the_flag(void **state)
{
	struct ferry_endpoint e[FERRY_MAX_ENDPOINTS];
	struct ferry_address a;
	struct ferry_error err;
	unsigned n;

	(void)state;
	assert_int_equal(ferry_address_parse("192.0.2.1:80", &a, NULL), 0);
	assert_int_equal(ferry_address_resolve(&a, e, &n, NULL), 0);
	assert_int_equal(ferry_endpoint_check_plaintext(&e[0], false, "connect to", &err), -EPERM);
	assert_non_null(strstr(err.text, "without encryption"));
	assert_non_null(strstr(err.text, "--insecure"));
	assert_non_null(strstr(err.text, "192.0.2.1:80"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_parsed),
		cmocka_unit_test(bad_addresses_say_what_is_wrong),
		cmocka_unit_test(a_long_host_is_refused),
		cmocka_unit_test(numbers_resolve_and_know_loopback),
		cmocka_unit_test(localhost_resolves_to_loopback),
		cmocka_unit_test(unknown_names_say_what_to_do),
		cmocka_unit_test(the_hosts_file_is_read),
		cmocka_unit_test(plaintext_off_loopback_names_the_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
