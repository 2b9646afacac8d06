// SPDX-License-Identifier: MIT
/* An interface that goes down under a conversation, in a network namespace of our own. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/carrier.h"
#include "two_nodes.h"

enum { N_PROMPT = 20, N_NEW = 30, PATIENT_US = 60000000, GUARD_S = 240 };

static bool alone; /* nobody else is in our namespace */
static struct two_nodes t;
static int32_t prompt[N_PROMPT], want[N_NEW];

static bool set_loopback(bool up)
{
	struct ifreq r = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool done;

	r.ifr_flags = (short)(up ? IFF_UP | IFF_RUNNING : 0);
	done = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &r);
	if (fd >= 0)
		close(fd);
	return done;
}

static int set_up(void **state)
{
	struct ferry_node_session_options o = {.n_ctx = 64};
	struct ferry_node_session *s;

	(void)state;
	alarm(GUARD_S);
	/* Before any thread exists. */
	alone = (!unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET)) &&
		set_loopback(true);
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, N_PROMPT, NULL, want, N_NEW);
	ferry_node_session_close(s);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	two_nodes_free(&t);
	return 0;
}

static void need_namespace(void)
{
	if (alone)
		return;
	print_message("SKIP: a network namespace of our own is not allowed here\n");
	skip();
}

static void news_of_an_interface(void **state)
{
	struct ferry_endpoint local = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct ferry_carrier *c;

	(void)state;
	need_namespace();
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(&local.addr, &at, sizeof(at));
	c = ferry_carrier_new(&local);
	assert_non_null(c);
	assert_string_equal(ferry_carrier_name(c), "lo");
	assert_false(ferry_carrier_is_down(c));
	assert_true(set_loopback(false));
	assert_true(ferry_carrier_is_down(c));
	assert_true(set_loopback(true));
	assert_true(ferry_carrier_is_down(c)); /* the connection was lost all the same */
	ferry_carrier_free(c);
	/* An address that no interface has. */
	at.sin_addr.s_addr = htonl(0xc0000201);
	memcpy(&local.addr, &at, sizeof(at));
	assert_null(ferry_carrier_new(&local));
	local.addr.ss_family = AF_UNIX;
	assert_null(ferry_carrier_new(&local));
}

static void write_log(void *data, enum ferry_log_level level, const char *text)
{
	char *lines = data;
	size_t n = strlen(lines);

	(void)level;
	snprintf(lines + n, 4096 - n, "%s\n", text);
}

static void a_conversation_goes_on_without_carrier(void **state)
{
	static char lines[4096];
	struct ferry_log log = {.level = FERRY_LOG_DEBUG, .write = write_log, .data = lines};
	struct ferry_node_session_options o = {.n_ctx = 64, .split = 2, .log = &log};
	struct ferry_node_session_stats stats;
	struct ferry_node_session *s;
	struct ferry_error err;
	uint64_t limit;
	int32_t id;

	(void)state;
	need_namespace();
	two_nodes_serve(&t, NULL);
	o.edge = t.address;
	/* Without the news it would take this long. */
	o.deadline_ms = o.silence_ms = 50000;
	s = two_nodes_open(&t, &o);
	assert_int_equal(ferry_node_session_append(s, prompt, N_PROMPT, NULL), 0);
	for (unsigned i = 0; i < 20; i++) {
		if (i == 5)
			assert_true(set_loopback(false));
		if (ferry_node_session_next(s, NULL, &id, &err))
			fail_msg("%s", err.text);
		assert_int_equal(id, want[i]);
	}
	ferry_node_session_get_stats(s, &stats);
	assert_true(stats.local);
	assert_non_null(strstr(lines, "lo, which leads to it, has no carrier"));
	assert_true(set_loopback(true));
	limit = ferry_now_us() + PATIENT_US;
	while (stats.local) {
		assert_true(ferry_now_us() < limit);
		assert_int_equal(ferry_node_session_truncate(s, N_PROMPT + 20, NULL), 0);
		assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), 0);
		assert_int_equal(id, want[20]);
		ferry_node_session_get_stats(s, &stats);
		usleep(1000);
	}
	for (unsigned i = 21; i < N_NEW; i++) {
		assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), 0);
		assert_int_equal(id, want[i]);
	}
	ferry_node_session_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_of_an_interface),
		cmocka_unit_test(a_conversation_goes_on_without_carrier),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
