/* SPDX-License-Identifier: MIT */
/*
 * The classifier on a pair of interfaces in a network namespace of the test's own, by each hook
 * that this kernel has, beside the filters of others. BPF objects are pinned on a file system that
 * only the test sees.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <classify.h>

#include "net/classifier.h"
#include "net/device.h"
#include "net/pins.h"
#include "net/rules.h"
#include "wire/socket_register.h"

enum { PACKETS = 50, LISTING = 8192 };

/* A filter of somebody else, which every kernel with BPF has: it matches nothing. */
#define FOREIGN "protocol ip bpf bytecode '1,6 0 0 0' flowid 1:1"

static char pins[] = "/tmp/ferry-classifier-XXXXXX";
static char directory[64];
static const char *why_not;
static bool has_tcx;

static int run(const char *command)
{
	char line[600];
	const int status = snprintf(line, sizeof(line), "{ %s; } >/dev/null 2>&1", command);

	return status < (int)sizeof(line) ? system(line) : -1;
}

static void must(const char *command)
{
	const int status = run(command);

	if (status)
		print_message("# failed: %s\n", command);
	assert_int_equal(status, 0);
}

/* What tc shows of the interface. */
static void list(char *text)
{
	FILE *f = popen("tc qdisc show dev fe0 2>&1; tc filter show dev fe0 egress 2>&1;"
			"tc filter show dev fe0 ingress 2>&1",
			"r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, LISTING - 1, f);
	text[n] = 0;
	pclose(f);
}

static struct ferry_classifier *start(enum ferry_classifier_hook hook)
{
	const struct ferry_classifier_options options = {.size = sizeof(options),
							 .device = "fe0",
							 .major = 0x12,
							 .directory = directory,
							 .hook = hook};
	struct ferry_classifier *c = NULL;
	struct ferry_error err = {0};

	if (ferry_classifier_start(&c, &options, &err))
		print_message("# %s\n", err.text);
	assert_non_null(c);
	return c;
}

static uint64_t counted(struct ferry_classifier *c, unsigned int source, unsigned int class)
{
	static struct ferry_classifier_count counts[FERRY_CLASSIFY_SOURCES][FERRY_CLASS_COUNT];

	assert_int_equal(ferry_classifier_counts(c, counts[0], NULL), 0);
	return counts[source][class].packets;
}

/* Datagrams to a port of the other end; @registered: the socket is, before the first of them. */
static void send_datagrams(uint16_t port, bool registered)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(0x0a4d0002)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (registered)
		assert_int_equal(ferry_socket_register(fd, FERRY_TRAFFIC_DECODE, 20000, directory),
				 1);
	for (int i = 0; i < PACKETS; i++)
		assert_int_equal(sendto(fd, "x", 1, 0, (const void *)&to, sizeof(to)), 1);
	assert_int_equal(ferry_socket_close(fd, directory), registered);
}

static void or_skip(enum ferry_classifier_hook hook)
{
	if (why_not) {
		print_message("SKIP: %s\n", why_not);
		skip();
	}
	if (hook == FERRY_HOOK_TCX && !has_tcx) {
		print_message("SKIP: this kernel has no tcx\n");
		skip();
	}
}

static void own_traffic(enum ferry_classifier_hook hook)
{
	struct ferry_classifier_status status;
	struct ferry_classifier *c;

	or_skip(hook);
	c = start(hook);
	assert_int_equal(ferry_classifier_status(c, &status, NULL), 0);
	assert_true(status.attached);
	assert_int_equal(status.hook, hook);
	/* with the module's BTF it calls into the module, and decides the same. */
	assert_int_equal(status.tier, access("/sys/kernel/btf/ferry", F_OK) ? 0 : 2);
	print_message("# tier T%d: %s\n", status.tier, status.why);
	send_datagrams(9999, true);
	assert_int_equal(counted(c, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE), PACKETS);
	send_datagrams(9999, false);
	assert_int_equal(counted(c, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE), PACKETS);
	assert_true(counted(c, FERRY_CLASSIFY_UNSET, FERRY_CLASS_DEFAULT) >= PACKETS);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

static void test_own_traffic_from_the_first_packet_clsact(void **state)
{
	(void)state;
	own_traffic(FERRY_HOOK_CLSACT);
}

static void test_r29_own_traffic_from_the_first_packet_tcx(void **state)
{
	(void)state;
	own_traffic(FERRY_HOOK_TCX);
}

/* Start, stop, and in between nothing, a foreign clsact, or one with filters on both sides. */
static void leave_as_found(enum ferry_classifier_hook hook)
{
	static const char *const before[] = {
		"true",
		"tc qdisc add dev fe0 clsact",
		"tc qdisc add dev fe0 clsact && tc filter add dev fe0 egress prio 3 " FOREIGN " && "
		"tc filter add dev fe0 ingress prio 254 " FOREIGN,
		/* Somebody sits where we would. */
		("tc qdisc add dev fe0 clsact && tc filter add dev fe0 egress prio 254 " FOREIGN),
	};

	or_skip(hook);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		static char found[LISTING], left[LISTING];
		struct ferry_classifier *c;

		must(before[i]);
		list(found);
		c = start(hook);
		send_datagrams(9999, true);
		assert_int_equal(counted(c, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE), PACKETS);
		/* As after a crash: nobody said stop, and a new process takes over. */
		ferry_classifier_close(c);
		c = start(hook);
		assert_int_equal(counted(c, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE), PACKETS);
		assert_int_equal(ferry_classifier_stop(c, NULL), 0);
		list(left);
		assert_string_equal(left, found);
		assert_int_equal(access(directory, F_OK), -1);
		run("tc qdisc del dev fe0 clsact");
	}
}

static void test_r28_leaves_what_it_found_clsact(void **state)
{
	(void)state;
	leave_as_found(FERRY_HOOK_CLSACT);
}

static void test_r28_leaves_what_it_found_tcx(void **state)
{
	(void)state;
	leave_as_found(FERRY_HOOK_TCX);
}

/* clsact that we made, in which somebody put a filter since, stays for them. */
static void test_r28_clsact_in_use_stays(void **state)
{
	struct ferry_classifier *c;

	(void)state;
	or_skip(FERRY_HOOK_CLSACT);
	c = start(FERRY_HOOK_CLSACT);
	must("tc filter add dev fe0 egress prio 3 " FOREIGN);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
	assert_int_equal(run("tc qdisc show dev fe0 | grep clsact"), 0);
	assert_int_equal(run("tc filter show dev fe0 egress | grep 'pref 3'"), 0);
	assert_int_not_equal(run("tc filter show dev fe0 egress | grep 'pref 254'"), 0);
	must("tc qdisc del dev fe0 clsact");
}

static void test_a_second_start_changes_nothing(void **state)
{
	struct ferry_classifier_status first, second;
	struct ferry_classifier *a, *b;

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	a = start(FERRY_HOOK_ANY);
	assert_int_equal(ferry_classifier_status(a, &first, NULL), 0);
	b = start(FERRY_HOOK_ANY);
	assert_int_equal(ferry_classifier_status(b, &second, NULL), 0);
	assert_int_equal(first.program, second.program);
	ferry_classifier_close(b);
	assert_int_equal(ferry_classifier_open(&b, "fe0", directory, NULL), 0);
	assert_int_equal(ferry_classifier_stop(b, NULL), 0);
	assert_int_equal(ferry_classifier_open(&b, "fe0", directory, NULL), -ENOENT);
	ferry_classifier_close(a);
}

/* A process that is killed at any moment of its start is taken over by the next. */
static void test_killed_while_it_starts(void **state)
{
	static char found[LISTING], left[LISTING];
	struct ferry_classifier *c;

	(void)state;
	or_skip(FERRY_HOOK_CLSACT);
	list(found);
	for (int i = 0; i < 4; i++) {
		const pid_t child = fork();

		if (!child) {
			start(FERRY_HOOK_CLSACT);
			_exit(0);
		}
		usleep((useconds_t)i * 150000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		c = start(FERRY_HOOK_CLSACT);
		send_datagrams(9999, true);
		assert_true(counted(c, FERRY_CLASSIFY_SOCKET, FERRY_CLASS_DECODE) >= PACKETS);
		assert_int_equal(ferry_classifier_stop(c, NULL), 0);
		list(left);
		assert_string_equal(left, found);
	}
}

static void apply(struct ferry_classifier *c, const char *text)
{
	struct ferry_error err = {0};
	struct ferry_rules rules;

	assert_int_equal(ferry_rules_read(&rules, "test", text, strlen(text), &err), 0);
	if (ferry_rules_apply(&rules, c, &err))
		print_message("# %s\n", err.text);
	ferry_rules_free(&rules);
	assert_int_equal(err.code, 0);
}

static void test_r48_rules_and_their_explanation(void **state)
{
	struct ferry_classifier_question q = {
		.from = "10.77.0.1", .to = "10.77.0.2", .protocol = IPPROTO_UDP, .to_port = 7001};
	struct ferry_classifier_answer answer;
	struct ferry_error err = {0};
	struct ferry_classifier *c;
	struct ferry_rules rules;

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	c = start(FERRY_HOOK_ANY);
	apply(c, "prefix 10.77.0.0/24 model\nport udp/7000-7002 to token\ntrust 10.0.0.0/8\n");
	send_datagrams(7001, false);
	assert_int_equal(counted(c, FERRY_CLASSIFY_PORT, FERRY_CLASS_TOKEN), PACKETS);
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
	assert_int_equal(answer.source, FERRY_CLASSIFY_PORT);
	assert_int_equal(answer.class, FERRY_CLASS_TOKEN);
	assert_int_equal(answer.rule, 2);
	assert_int_equal(answer.rule_packets, PACKETS);
	q.dscp = 26;
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
	assert_int_equal(answer.source, FERRY_CLASSIFY_DSCP);
	assert_int_equal(answer.class, FERRY_CLASS_KV);
	q.dscp = 0;
	/* Other rules take the place of these, all of them. */
	apply(c, "prefix 10.77.0.2 kv\n");
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
	assert_int_equal(answer.source, FERRY_CLASSIFY_PREFIX);
	assert_int_equal(answer.class, FERRY_CLASS_KV);
	assert_int_equal(answer.rule_packets, 0);
	/* What is not there is refused, and the rules stay. */
	assert_int_equal(ferry_rules_read(&rules, "test", "trust ::/0 in nosuch0", 21, NULL), 0);
	assert_int_equal(ferry_rules_apply(&rules, c, &err), -ENODEV);
	ferry_rules_free(&rules);
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
	assert_int_equal(answer.source, FERRY_CLASSIFY_PREFIX);
	apply(c, "");
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
	assert_int_equal(answer.source, FERRY_CLASSIFY_UNSET);
	q.to = "::1";
	assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), -EINVAL);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

/* A verdict that is there is kept, so only those may write one who may steer all traffic. */
static void test_no_user_marks_a_packet_with_a_verdict(void **state)
{
	const int verdict = 0xfe1000;
	const pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (!child) {
		const int fd = socket(AF_INET, SOCK_DGRAM, 0);
		int bad = fd < 0 || (!geteuid() && (setresgid(65534, 65534, 65534) ||
						    setresuid(65534, 65534, 65534)));

		bad |= !setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &verdict, sizeof(verdict));
		/* Nor is what the kernel makes of a TOS ever one. */
		for (int tos = 0; tos < 256; tos++) {
			int priority = -1;
			socklen_t bytes = sizeof(priority);

			bad |= setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) ||
			       getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &bytes) ||
			       priority >> 16;
		}
		_exit(bad);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

/* Writes @n sockets that do not exist straight into the register. */
static void fill_register(uint64_t first, uint64_t n, pid_t owner)
{
	const struct ferry_classify_socket socket = {.class = FERRY_CLASS_KV,
						     .owner = (uint32_t)owner};
	char path[FERRY_PIN_PATH + 64];
	struct ferry_pins place;
	int map;

	assert_int_equal(ferry_pins_open(&place, directory, if_nametoindex("fe0"), 0, NULL), 0);
	ferry_pins_path(&place, "sockets", path);
	ferry_pins_close(&place);
	map = bpf_obj_get(path);
	assert_true(map >= 0);
	for (uint64_t cookie = first; cookie < first + n; cookie++)
		assert_int_equal(bpf_map_update_elem(map, &cookie, &socket, BPF_ANY), 0);
	close(map);
}

/* Room is made by those whose process has ended; without any, a socket goes by its DSCP. */
static void test_register_is_bounded(void **state)
{
	enum { HALF = FERRY_CLASSIFY_SOCKETS / 2 };
	const uint64_t far = 1ULL << 40; /* beyond any cookie */
	const pid_t child = fork();
	struct ferry_classifier *c;
	int one, two;

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	(void)state;
	or_skip(FERRY_HOOK_ANY);
	c = start(FERRY_HOOK_ANY);
	one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	two = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(one >= 0 && two >= 0);
	fill_register(far, HALF, getpid());
	fill_register(2 * far, HALF, child);
	assert_int_equal(ferry_socket_register(one, FERRY_TRAFFIC_KV, 0, directory), 1);
	fill_register(3 * far, HALF - 1, getpid());
	assert_int_equal(ferry_socket_register(two, FERRY_TRAFFIC_KV, 0, directory), 0);
	/* Whoever is in already can still change. */
	assert_int_equal(ferry_socket_register(one, FERRY_TRAFFIC_SYNC, 0, directory), 1);
	assert_int_equal(ferry_socket_close(one, directory), 1);
	assert_int_equal(ferry_socket_register(two, FERRY_TRAFFIC_CLASSES, 0, directory), 0);
	assert_int_equal(ferry_socket_register(two, FERRY_TRAFFIC_TOKEN, 0, directory), 1);
	assert_int_equal(ferry_socket_close(two, directory), 1);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

/* Where nobody classifies, or a pin is of something else, a socket is told of to nobody. */
static void test_register_of_nobody(void **state)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char command[400];

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	assert_true(fd >= 0);
	assert_int_equal(ferry_socket_register(fd, FERRY_TRAFFIC_KV, 0, "/nowhere"), 0);
	assert_int_equal(ferry_socket_register(fd, FERRY_TRAFFIC_KV, 0, "/tmp"), 0);
	snprintf(command, sizeof(command),
		 "mkdir -p %s/%llu-9 && bpftool map create %s/%llu-9/sockets "
		 "type hash key 8 value 4 entries 8 name other",
		 directory, (unsigned long long)ferry_network_namespace(), directory,
		 (unsigned long long)ferry_network_namespace());
	must(command);
	assert_int_equal(ferry_socket_register(fd, FERRY_TRAFFIC_KV, 0, directory), 0);
	snprintf(command, sizeof(command), "rm %s/*-9/sockets && rmdir %s/*-9", directory,
		 directory);
	must(command);
	close(fd);
}

static void test_an_interface_that_goes(void **state)
{
	struct ferry_classifier_status status;
	struct ferry_classifier *c;
	struct ferry_error err = {0};

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	must("ip link add ge0 type veth peer name ge1");
	{
		const struct ferry_classifier_options options = {.size = sizeof(options),
								 .device = "ge0",
								 .major = 1,
								 .directory = directory};

		assert_int_equal(ferry_classifier_start(&c, &options, &err), 0);
		must("ip link del ge0");
		assert_int_equal(ferry_classifier_status(c, &status, NULL), 0);
		assert_false(status.attached);
		assert_int_equal(ferry_classifier_stop(c, NULL), 0);
		assert_int_equal(ferry_classifier_start(&c, &options, &err), -ENODEV);
	}
	assert_int_equal(access(directory, F_OK), -1);
}

/* A network namespace takes its interface along; nobody is left to take the classifier down. */
static void test_a_namespace_that_goes(void **state)
{
	struct ferry_classifier *c;
	char left[120], found[200];
	int status;
	pid_t child;

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	child = fork();
	if (!child) {
		const struct ferry_classifier_options options = {.size = sizeof(options),
								 .device = "he0",
								 .major = 1,
								 .directory = directory};
		bool bad = unshare(CLONE_NEWNET) ||
			   run("ip link add he0 type veth peer name he1") ||
			   ferry_classifier_start(&c, &options, NULL);

		_exit(bad);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	snprintf(left, sizeof(left), "ls -d %s/*", directory);
	must(left);
	/* The kernel takes its time to bury a namespace. */
	snprintf(found, sizeof(found), "[ $(ls -d %s/[0-9]* | wc -l) = 1 ]", directory);
	for (int i = 0; i < 100; i++) {
		c = start(FERRY_HOOK_ANY);
		status = run(found);
		if (!status)
			break;
		assert_int_equal(ferry_classifier_stop(c, NULL), 0);
		usleep(100000);
	}
	assert_int_equal(status, 0);
	/* One that lives is left alone: by a start on another interface. */
	must("ip link add ge0 type veth peer name ge1");
	{
		const struct ferry_classifier_options options = {.size = sizeof(options),
								 .device = "ge0",
								 .major = 1,
								 .directory = directory};
		struct ferry_classifier *second;

		assert_int_equal(ferry_classifier_start(&second, &options, NULL), 0);
		assert_int_equal(run(found), 256); /* two */
		assert_int_equal(ferry_classifier_stop(second, NULL), 0);
	}
	must("ip link del ge0");
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

/* An interface that has the index of one that has gone has none of its rules and counters. */
static void take_a_used_index(enum ferry_classifier_hook hook)
{
	const struct ferry_classifier_options options = {.size = sizeof(options),
							 .device = "ge0",
							 .major = 1,
							 .directory = directory,
							 .hook = hook};
	struct ferry_classifier_status status;
	struct ferry_error err = {0};
	struct ferry_classifier *c;
	char made[160];

	or_skip(hook);
	must("ip link add ge0 type veth peer name ge1");
	assert_int_equal(ferry_classifier_start(&c, &options, &err), 0);
	apply(c, "port udp/7001 token\n");
	assert_int_equal(ferry_classifier_status(c, &status, NULL), 0);
	assert_true(status.rule_changes > 0);
	ferry_classifier_close(c);
	must("ip link del ge0");
	snprintf(made, sizeof(made),
		 "ip link add ge0 index %u address 02:00:00:00:00:77 type veth peer name ge1",
		 status.device);
	must(made);
	must("tc qdisc add dev ge0 clsact");
	assert_int_equal(ferry_classifier_open(&c, "ge0", directory, &err), -ENOENT);
	assert_int_equal(ferry_classifier_start(&c, &options, &err), 0);
	assert_int_equal(ferry_classifier_status(c, &status, NULL), 0);
	assert_int_equal(status.rule_changes, 0);
	assert_true(status.attached);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
	/* Nor is its clsact taken for ours. */
	must("tc qdisc show dev ge0 | grep clsact");
	must("ip link del ge0");
	assert_int_equal(access(directory, F_OK), -1);
}

static void test_an_index_that_comes_back_clsact(void **state)
{
	(void)state;
	take_a_used_index(FERRY_HOOK_CLSACT);
}

static void test_an_index_that_comes_back_tcx(void **state)
{
	(void)state;
	take_a_used_index(FERRY_HOOK_TCX);
}

/* Two processes that change the rules at once: in the end those of one of them hold, whole. */
static void test_rules_are_applied_one_after_the_other(void **state)
{
	static const char *const texts[] = {"port udp/7000-7900 token\n",
					    "port udp/7000-7900 model\n"};
	struct ferry_classifier_question q = {
		.from = "10.77.0.1", .to = "10.77.0.2", .protocol = IPPROTO_UDP};
	struct ferry_classifier_answer answer, first;
	struct ferry_classifier *c;
	pid_t children[2];

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	c = start(FERRY_HOOK_ANY);
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (!children[i]) {
			for (int k = 0; k < 20; k++)
				apply(c, texts[i]);
			_exit(0);
		}
	}
	for (int i = 0; i < 2; i++) {
		int how;

		assert_int_equal(waitpid(children[i], &how, 0), children[i]);
		assert_int_equal(how, 0);
	}
	for (uint16_t port = 7000; port <= 7900; port++) {
		q.to_port = port;
		assert_int_equal(ferry_classifier_explain(c, &q, &answer, NULL), 0);
		if (port == 7000)
			first = answer;
		assert_int_equal(answer.source, FERRY_CLASSIFY_PORT);
		assert_int_equal(answer.class, first.class);
	}
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

/* Loading takes long on a busy machine; who waits for it waits longer. */
static void test_a_start_waits_for_a_slow_one(void **state)
{
	enum { SLOW_SECONDS = 6 };
	struct ferry_classifier *c;
	struct ferry_pins lock;
	int ready[2];
	pid_t child;
	char byte;

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	c = start(FERRY_HOOK_ANY);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		struct ferry_classifier_status status;

		if (ferry_classifier_status(c, &status, NULL) ||
		    ferry_pins_open(&lock, directory, status.device, 0, NULL))
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		sleep(SLOW_SECONDS);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	apply(c, "port udp/7001 token\n");
	waitpid(child, NULL, 0);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

static void test_r43_only_root_sees_the_maps(void **state)
{
	struct ferry_classifier *c;
	struct stat st;

	(void)state;
	or_skip(FERRY_HOOK_ANY);
	c = start(FERRY_HOOK_ANY);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(ferry_classifier_stop(c, NULL), 0);
}

static int set_up(void **state)
{
	const struct ferry_classifier_options options = {.size = sizeof(options),
							 .device = "fe0",
							 .major = 1,
							 .directory = directory,
							 .hook = FERRY_HOOK_TCX};
	struct ferry_classifier *c;
	struct ferry_error err = {0};

	(void)state;
	why_not = "only root may have a network namespace and BPF programs";
	if (geteuid() || unshare(CLONE_NEWNET | CLONE_NEWNS))
		return 0;
	why_not = "there is no BPF file system, veth or clsact here";
	if (!mkdtemp(pins) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", pins, "bpf", 0, NULL))
		return 0;
	snprintf(directory, sizeof(directory), "%s/ferry", pins);
	if (run("ip link add fe0 type veth peer name fe1 && ip addr add 10.77.0.1/24 dev fe0 && "
		"ip link set fe0 up && ip link set fe1 up && tc qdisc add dev fe0 clsact && "
		"tc qdisc del dev fe0 clsact && "
		"ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:09 dev fe0"))
		return 0;
	why_not = NULL;
	has_tcx = !ferry_classifier_start(&c, &options, &err);
	if (has_tcx)
		return ferry_classifier_stop(c, NULL);
	if (err.code == -EOPNOTSUPP && !ferry_classifier_open(&c, "fe0", directory, NULL))
		return ferry_classifier_stop(c, NULL);
	print_message("# %s\n", err.text);
	return -1;
}

static int tear_down(void **state)
{
	(void)state;
	umount2(pins, MNT_DETACH);
	rmdir(pins);
	return 0;
}

/* An argument is a pattern for the names of the tests to be run. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_traffic_from_the_first_packet_clsact),
		cmocka_unit_test(test_r29_own_traffic_from_the_first_packet_tcx),
		cmocka_unit_test(test_r28_leaves_what_it_found_clsact),
		cmocka_unit_test(test_r28_leaves_what_it_found_tcx),
		cmocka_unit_test(test_r28_clsact_in_use_stays),
		cmocka_unit_test(test_a_second_start_changes_nothing),
		cmocka_unit_test(test_killed_while_it_starts),
		cmocka_unit_test(test_r48_rules_and_their_explanation),
		cmocka_unit_test(test_no_user_marks_a_packet_with_a_verdict),
		cmocka_unit_test(test_register_is_bounded),
		cmocka_unit_test(test_register_of_nobody),
		cmocka_unit_test(test_an_interface_that_goes),
		cmocka_unit_test(test_a_namespace_that_goes),
		cmocka_unit_test(test_an_index_that_comes_back_clsact),
		cmocka_unit_test(test_an_index_that_comes_back_tcx),
		cmocka_unit_test(test_rules_are_applied_one_after_the_other),
		cmocka_unit_test(test_a_start_waits_for_a_slow_one),
		cmocka_unit_test(test_r43_only_root_sees_the_maps),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("net/classifier", tests, set_up, tear_down);
}
