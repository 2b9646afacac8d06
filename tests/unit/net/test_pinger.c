// SPDX-License-Identifier: MIT
/*
 * Echoes through a real kernel: a forwarder between two network namespaces, and a queue behind it
 * whose rate changes. The round trip grows with the queue and comes back.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/pinger.h"
#include "net/reflectors.h"

enum { HANG_US = 60000000, STEP_US = 250000, GROWN_US = 100000, PRIORITY = 0x10001 };

static bool sh(const char *command)
{
	return system(command) == 0;
}

/* far <- mid (tbf) <- here <- home; this process stays in `here`. */
static const char topology[] =
	"exec 2>/dev/null; set -e; mount -t tmpfs tmpfs /run; mkdir -p /run/netns;"
	"for n in mid far home; do ip netns add $n; ip -n $n link set lo up; done; ip link set lo up;"
	"ip link add wan0 type veth peer name left netns mid;"
	"ip -n mid link add right type veth peer name eth0 netns far;"
	"ip -n home link add eth0 type veth peer name lan0 netns $$;"
	"ip addr add 10.1.0.1/24 dev wan0; ip addr add 10.0.0.1/24 dev lan0;"
	"ip -n home addr add 10.0.0.2/24 dev eth0; ip -n mid addr add 10.1.0.2/24 dev left;"
	"ip -n mid addr add 10.2.0.1/24 dev right; ip -n far addr add 10.2.0.2/24 dev eth0;"
	"ip -n far addr add 2001:db8::2/64 dev eth0 nodad;"
	"ip link set wan0 up; ip link set lan0 up; ip -n home link set eth0 up;"
	"ip -n mid link set left up; ip -n mid link set right up; ip -n far link set eth0 up;"
	"ip route add 10.2.0.0/24 via 10.1.0.2; ip -n home route add default via 10.0.0.1;"
	"ip -n far route add default via 10.2.0.1; ip -n mid route add 10.0.0.0/24 via 10.1.0.1;"
	"echo 1 >/proc/sys/net/ipv4/ip_forward;"
	"ip netns exec mid sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'";

static void set_capacity(const char *rate)
{
	char command[200];

	snprintf(
		command, sizeof(command),
		"ip netns exec mid tc qdisc replace dev right root tbf rate %s burst 10kb limit 50kb",
		rate);
	assert_true(sh(command));
}

/* From home, forwarded: half a megabit a second to nobody's port, until it is killed. */
static pid_t flood(void)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a020002)};
	const pid_t child = fork();
	char bytes[1000] = {0};
	int home, fd;

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	home = open("/run/netns/home", O_RDONLY);
	if (home < 0 || setns(home, CLONE_NEWNET))
		_exit(1);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (;;) {
		sendto(fd, bytes, sizeof(bytes), 0, (const struct sockaddr *)&to, sizeof(to));
		usleep(13000);
	}
}

struct rig {
	struct ferry_pinger *pinger;
	struct ferry_reflectors set;
	unsigned int wan;
	uint64_t asked_us;
};

static struct ferry_reflectors_sum step(struct rig *rig)
{
	struct pollfd in = {ferry_pinger_fd(rig->pinger, AF_INET), POLLIN, 0};
	struct ferry_reflectors_sum sum;
	struct ferry_ping ping;
	int i, ret = 1;

	while ((i = ferry_reflectors_next(&rig->set, ferry_now_us(), true)) >= 0) {
		const uint64_t cookie = ferry_pinger_draw();
		const uint16_t sequence =
			ferry_reflectors_ask(&rig->set, (size_t)i, cookie, ferry_now_us(), 0);

		assert_int_equal(ferry_pinger_send(rig->pinger, &rig->set.reflector[i].address,
						   rig->wan, PRIORITY, sequence, cookie),
				 0);
	}
	if (poll(&in, 1, STEP_US / 1000) > 0)
		for (int n = 0; ret && n < 32; n++) {
			ret = ferry_pinger_receive(rig->pinger, AF_INET, &ping);
			assert_true(ret >= 0);
			if (ret && ping.ifindex == rig->wan)
				ferry_reflectors_answer(&rig->set, &ping.from, ping.sequence,
							ping.cookie, ping.received_us);
		}
	ferry_reflectors_sum(&rig->set, ferry_now_us(), &sum);
	return sum;
}

/* The deadline is for a hang only. */
static bool until(struct rig *rig, bool grown)
{
	const uint64_t end_us = ferry_now_us() + HANG_US;
	struct ferry_reflectors_sum sum;

	do {
		sum = step(rig);
		if (sum.known && (sum.growth_us > GROWN_US) == grown && sum.counted)
			return true;
	} while (ferry_now_us() < end_us);
	return false;
}

static void round_trips_follow_a_queue_behind_a_forwarder(void **state)
{
	struct ferry_echo_address far;
	struct ferry_error err;
	struct rig rig = {0};
	pid_t child;

	(void)state;
	if (geteuid() || unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    !sh("mount --make-rprivate / 2>/dev/null") || !sh(topology)) {
		print_message("# SKIP takes root, network namespaces and ip\n");
		skip();
	}
	assert_int_equal(ferry_pinger_open(&rig.pinger, &err), 0);
	assert_int_equal(ferry_echo_read_address("10.2.0.2", &far, &err), 0);
	ferry_reflectors_begin(&rig.set, &far, 1);
	rig.wan = if_nametoindex("wan0");
	set_capacity("50mbit");
	assert_true(until(&rig, false));
	child = flood();
	assert_true(child > 0);
	set_capacity("300kbit");
	assert_true(until(&rig, true));
	set_capacity("200mbit");
	assert_true(until(&rig, false));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ferry_pinger_close(rig.pinger);
}

static void without_the_privilege_it_says_so(void **state)
{
	struct ferry_pinger *pinger;
	struct ferry_error err;

	(void)state;
	if (geteuid() || setresuid(65534, 65534, 65534)) {
		print_message("# SKIP takes root\n");
		skip();
	}
	assert_true(ferry_pinger_open(&pinger, &err) < 0);
	assert_non_null(strstr(err.text, "CAP_NET_RAW"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips_follow_a_queue_behind_a_forwarder),
		cmocka_unit_test(without_the_privilege_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
