/* SPDX-License-Identifier: MIT */
/*
 * Root qdiscs of every kind that is said to be restorable, taken away and given back on an
 * interface in a network namespace of the test's own: tc has to show the same as before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/device.h"
#include "net/qdisc.h"

enum { LISTING = 8192 };

static const char *why_not;
static struct ferry_device device;

static int run(const char *command)
{
	char line[400];
	const int n = snprintf(line, sizeof(line), "{ %s; } >/dev/null 2>&1", command);

	return n < (int)sizeof(line) ? system(line) : -1;
}

static void list(char *text)
{
	FILE *f = popen("tc -j qdisc show dev fe0 2>&1", "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, LISTING - 1, f);
	text[n] = 0;
	pclose(f);
}

static void or_skip(void)
{
	if (!why_not)
		return;
	print_message("SKIP: %s\n", why_not);
	skip();
}

/* Replaces what is there by another qdisc, and gives it back. */
static void give_back(const char *made)
{
	static char before[LISTING], after[LISTING];
	struct ferry_qdiscs found;
	const char *why;

	list(before);
	assert_int_equal(ferry_qdiscs_read(&found, device.index, NULL), 0);
	assert_non_null(ferry_qdiscs_root(&found));
	assert_true(ferry_qdisc_restorable(&found, ferry_qdiscs_root(&found), &why));
	assert_int_equal(run("tc qdisc replace dev fe0 root handle fe: pfifo limit 3"), 0);
	assert_int_equal(
		ferry_qdisc_restore(device.index, 0xfe0000, ferry_qdiscs_root(&found), NULL), 0);
	list(after);
	if (strcmp(after, before))
		print_message("# %s\n", made);
	assert_string_equal(after, before);
	ferry_qdiscs_free(&found);
}

static void test_r28_qdiscs_are_given_back(void **state)
{
	static const char *const kinds[] = {
		"pfifo limit 77",
		"bfifo limit 77777",
		"fq_codel limit 777 target 5ms interval 100ms ce_threshold 1001us",
		"fq_codel limit 778 target 5001us interval 99999us noecn",
		"codel target 7ms interval 77ms ce_threshold 3ms",
		"fq limit 777 flow_limit 77 quantum 3000 maxrate 7mbit",
		"sfq perturb 10 limit 77",
		"pie target 15001us tupdate 16ms alpha 3",
		"cake bandwidth 7mbit rtt 77ms overhead 18 mpu 64 nat wash",
		"cake unlimited diffserv4 ack-filter",
	};
	unsigned int n = 0;

	(void)state;
	or_skip();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char made[200];

		snprintf(made, sizeof(made), "tc qdisc replace dev fe0 root handle 7: %s",
			 kinds[i]);
		if (run(made))
			continue; /* this kernel has none */
		give_back(kinds[i]);
		print_message("# given back: %s\n", kinds[i]);
		n++;
		run("tc qdisc del dev fe0 root");
	}
	assert_true(n > 0);
	give_back("what the kernel makes by itself");
}

/* What the kernel would not make again as it was is known for that. */
static void test_r28_what_cannot_be_given_back(void **state)
{
	static const char *const kinds[] = {"htb", "prio", "fq_pie",
					    "tbf rate 1mbit burst 10k latency 50ms",
					    "red limit 60000 avpkt 1000"};
	struct ferry_qdiscs found;
	unsigned int n = 0;
	const char *why;

	(void)state;
	or_skip();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char made[200];

		snprintf(made, sizeof(made), "tc qdisc replace dev fe0 root handle 7: %s",
			 kinds[i]);
		if (run(made))
			continue;
		assert_int_equal(ferry_qdiscs_read(&found, device.index, NULL), 0);
		assert_false(ferry_qdisc_restorable(&found, ferry_qdiscs_root(&found), &why));
		assert_true(strlen(why) > 0);
		ferry_qdiscs_free(&found);
		run("tc qdisc del dev fe0 root");
		n++;
	}
	/* A size table is not shown whole. */
	if (!run("tc qdisc replace dev fe0 root handle 7: stab overhead 8 linklayer atm pfifo")) {
		assert_int_equal(ferry_qdiscs_read(&found, device.index, NULL), 0);
		assert_false(ferry_qdisc_restorable(&found, ferry_qdiscs_root(&found), &why));
		ferry_qdiscs_free(&found);
		n++;
	}
	run("tc qdisc del dev fe0 root");
	assert_true(n > 0);
}

static int set_up(void **state)
{
	(void)state;
	why_not = "only root may have a network namespace";
	if (geteuid() || unshare(CLONE_NEWNET))
		return 0;
	why_not = "there is no veth or tc here";
	if (run("ip link add fe0 type veth peer name fe1 && ip link set fe0 up && "
		"tc qdisc replace dev fe0 root handle 7: pfifo && tc qdisc del dev fe0 root") ||
	    ferry_device_find("fe0", &device, NULL))
		return 0;
	why_not = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_r28_qdiscs_are_given_back),
		cmocka_unit_test(test_r28_what_cannot_be_given_back),
	};

	return cmocka_run_group_tests_name("net/qdisc", tests, set_up, NULL);
}
