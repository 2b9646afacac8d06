// SPDX-License-Identifier: MIT
/* Echoes and what reflectors say together: no network, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/reflectors.h"

enum { MS = 1000, STEP_US = 250 * MS };

static struct ferry_echo_address hosts[FERRY_REFLECTORS_MAX];

/* One round: each is asked, and answers after @rtt_ms, or not at all. */
static void ask_all(struct ferry_reflectors *set, uint64_t now_us, const int *rtt_ms, bool busy)
{
	int i;

	while ((i = ferry_reflectors_next(set, now_us, busy)) >= 0) {
		const uint16_t sequence =
			ferry_reflectors_ask(set, (size_t)i, 77, now_us, now_us / 8);

		if (rtt_ms[i])
			assert_int_equal(ferry_reflectors_answer(set, &hosts[i], sequence, 77,
								 now_us + rtt_ms[i] * MS),
					 0);
	}
}

static struct ferry_reflectors_sum run(struct ferry_reflectors *set, uint64_t *now_us, int seconds,
				       const int *rtt_ms, bool busy)
{
	struct ferry_reflectors_sum sum;

	for (int i = 0; i < seconds * 4; i++, *now_us += STEP_US)
		ask_all(set, *now_us, rtt_ms, busy);
	ferry_reflectors_sum(set, *now_us, &sum);
	return sum;
}

static struct ferry_reflectors begin(size_t n)
{
	struct ferry_reflectors set;

	for (int i = 0; i < FERRY_REFLECTORS_MAX; i++) {
		hosts[i].family = AF_INET;
		hosts[i].bytes[3] = (uint8_t)(i + 1);
	}
	ferry_reflectors_begin(&set, hosts, n);
	return set;
}

static void growth_is_over_the_least_and_one_outlier_is_none(void **state)
{
	struct ferry_reflectors set = begin(1);
	struct ferry_reflectors_sum sum;
	uint64_t now = 1000000;

	(void)state;
	sum = run(&set, &now, 10, (int[]){40}, true);
	assert_true(sum.known);
	assert_int_equal(sum.growth_us, 0);
	assert_int_equal(sum.srtt_us, 40 * MS);
	/* 1/8 of a byte a microsecond. */
	assert_true(sum.has_delivered);
	assert_in_range(sum.delivered_kbps, 990, 1010);
	ask_all(&set, now, (int[]){400}, true);
	ferry_reflectors_sum(&set, now + STEP_US, &sum);
	assert_int_equal(sum.growth_us, 0);
	now += STEP_US;
	sum = run(&set, &now, 1, (int[]){100}, true);
	assert_int_equal(sum.growth_us, 60 * MS);
}

static void a_median_of_several_and_who_jumps_is_set_aside(void **state)
{
	struct ferry_reflectors set = begin(3);
	struct ferry_reflectors_sum sum;
	uint64_t now = 1000000;

	(void)state;
	sum = run(&set, &now, 10, (int[]){10, 40, 90}, true);
	assert_int_equal(sum.counted, 3);
	sum = run(&set, &now, 10, (int[]){30, 60, 390}, true);
	assert_int_equal(sum.growth_us, 20 * MS);
	assert_int_equal(sum.aside, 1);
	/* It comes back with what its way takes now. */
	sum = run(&set, &now, 60, (int[]){30, 60, 390}, true);
	assert_int_equal(sum.aside, 0);
	assert_int_equal(sum.counted, 3);
	assert_int_equal(sum.growth_us, 20 * MS);
}

static void who_is_silent_is_asked_rarely_and_comes_back(void **state)
{
	struct ferry_reflectors set = begin(2);
	struct ferry_reflectors_sum sum;
	uint64_t now = 1000000;
	uint16_t asked;

	(void)state;
	sum = run(&set, &now, 10, (int[]){0, 40}, true);
	assert_int_equal(sum.silent, 1);
	assert_int_equal(sum.counted, 1);
	asked = set.reflector[0].sequence;
	run(&set, &now, 20, (int[]){0, 40}, true);
	assert_in_range(set.reflector[0].sequence - asked, 1, 3);
	sum = run(&set, &now, 20, (int[]){40, 0}, true);
	assert_true(sum.known);
	assert_int_equal(sum.counted, 1);
	/* Where all of them are, nothing fresh is known. */
	sum = run(&set, &now, 20, (int[]){0, 0}, true);
	assert_int_equal(sum.counted, 0);
	assert_int_equal(sum.silent, 2);
	assert_true(now - sum.taken_us > 10000000);
}

static void an_idle_link_is_asked_rarely_and_teaches_a_longer_way(void **state)
{
	struct ferry_reflectors set = begin(1);
	struct ferry_reflectors_sum sum;
	uint64_t now = 1000000;
	uint16_t asked;

	(void)state;
	run(&set, &now, 10, (int[]){40}, true);
	asked = set.reflector[0].sequence;
	sum = run(&set, &now, 60, (int[]){70}, false);
	assert_in_range(set.reflector[0].sequence - asked, 5, 7);
	assert_int_equal(sum.growth_us, 30 * MS);
	sum = run(&set, &now, 60, (int[]){70}, false);
	assert_int_equal(sum.growth_us, 0);
	/* Under load the same is a queue. */
	sum = run(&set, &now, 120, (int[]){90}, true);
	assert_int_equal(sum.growth_us, 20 * MS);
}

static void answers_to_what_was_not_asked_change_nothing(void **state)
{
	struct ferry_reflectors set = begin(2), before;
	const struct ferry_echo_address other = {.family = AF_INET, .bytes = {9, 9, 9, 9}};
	uint16_t sequence;

	(void)state;
	assert_int_equal(ferry_reflectors_next(&set, 1000000, true), 0);
	sequence = ferry_reflectors_ask(&set, 0, 5, 1000000, 0);
	before = set;
	assert_int_equal(ferry_reflectors_answer(&set, &hosts[0], sequence, 6, 1100000), -ENOENT);
	assert_int_equal(ferry_reflectors_answer(&set, &hosts[0], sequence + 32, 5, 1100000),
			 -ENOENT);
	assert_int_equal(ferry_reflectors_answer(&set, &hosts[1], sequence, 5, 1100000), -ENOENT);
	assert_int_equal(ferry_reflectors_answer(&set, &other, sequence, 5, 1100000), -ENOENT);
	assert_int_equal(ferry_reflectors_answer(&set, &hosts[0], sequence, 5, 900000), -ENOENT);
	assert_memory_equal(&set, &before, sizeof(set));
	assert_int_equal(ferry_reflectors_answer(&set, &hosts[0], sequence, 5, 1100000), 0);
	assert_int_equal(ferry_reflectors_answer(&set, &hosts[0], sequence, 5, 1100000), -ENOENT);
}

/* A reply as the reflector makes it of our request. */
static size_t reply_to(const struct ferry_echo *echo, uint8_t family, uint8_t *bytes)
{
	const size_t header = family == AF_INET ? 20 : 0;

	memset(bytes, 0, header);
	ferry_echo_write(echo, family, bytes + header);
	if (family == AF_INET) {
		bytes[0] = 0x45;
		bytes[9] = 1;
		bytes[header] = 0;
		/* Type 8 became 0: the checksum is more by as much. */
		bytes[header + 2] = (uint8_t)(bytes[header + 2] + 8);
		if (bytes[header + 2] < 8)
			bytes[header + 3]++;
	} else {
		bytes[0] = 129;
	}
	return header + FERRY_ECHO_BYTES;
}

static void replies_are_read_and_nothing_else(void **state)
{
	const struct ferry_echo echo = {0x1234, 0x5678, 0x9abcdef0, 0x1122334455667788};
	static const uint8_t families[] = {AF_INET, AF_INET6};
	uint64_t seed = 7;
	unsigned int read = 0;

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		uint8_t good[64], bytes[128];
		const size_t n = reply_to(&echo, families[f], good);
		struct ferry_echo got;

		assert_int_equal(ferry_echo_read(families[f], good, n, &got), 0);
		assert_memory_equal(&got, &echo, sizeof(got));
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(ferry_echo_read(families[f], good, cut, &got), -EPROTO);
		assert_int_equal(ferry_echo_read(families[f], good, n + 1, &got), -EPROTO);
		/* Each bit of IPv4's: the header's kind, or the checksum sees it. */
		for (size_t bit = 160; families[f] == AF_INET && bit < n * 8; bit++) {
			memcpy(bytes, good, n);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(ferry_echo_read(families[f], bytes, n, &got), -EPROTO);
		}
		for (int i = 0; i < 200000; i++) {
			size_t length = n;

			memcpy(bytes, good, n);
			for (int k = 0; k < i % 5; k++) {
				seed = seed * 6364136223846793005ull + 1442695040888963407ull;
				bytes[(seed >> 33) % n] = (uint8_t)(seed >> 56);
			}
			if (i % 7 == 0)
				length = (seed >> 20) % sizeof(bytes);
			read += !ferry_echo_read(families[f], bytes, length, &got);
		}
	}
	assert_true(read > 0 && read < 400000);
}

static void addresses_are_of_single_hosts_elsewhere(void **state)
{
	static const char *const wrong[] = {
		"",   "wan0", "0.0.0.0", "127.0.0.1",	     "224.0.0.1",    "255.255.255.255",
		"::", "::1",  "ff02::1", "::ffff:192.0.2.1", "192.0.2.1/24", "1.1"};
	static const char *const good[] = {"192.0.2.1", "2001:db8::1", "fe80::1"};
	struct ferry_echo_address address;
	char text[FERRY_ECHO_ADDRESS_TEXT];
	struct ferry_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ferry_echo_read_address(wrong[i], &address, &err), -EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ferry_echo_read_address(good[i], &address, &err), 0);
		ferry_echo_write_address(&address, text);
		assert_string_equal(text, good[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_is_over_the_least_and_one_outlier_is_none),
		cmocka_unit_test(a_median_of_several_and_who_jumps_is_set_aside),
		cmocka_unit_test(who_is_silent_is_asked_rarely_and_comes_back),
		cmocka_unit_test(an_idle_link_is_asked_rarely_and_teaches_a_longer_way),
		cmocka_unit_test(answers_to_what_was_not_asked_change_nothing),
		cmocka_unit_test(replies_are_read_and_nothing_else),
		cmocka_unit_test(addresses_are_of_single_hosts_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
