// SPDX-License-Identifier: MIT
/* Two nodes with a slow, thin or failing link between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "link_emulator.h"
#include "two_nodes.h"

enum {
	N_PROMPT = 90,
	N_NEW = 10,
	DEADLINE_MS = 1500,
	GUARD_S = 240,
};

static struct two_nodes t;
static int32_t prompt[N_PROMPT], want[N_NEW];

static int set_up(void **state)
{
	struct ferry_node_session_options o = {.n_ctx = 128};
	struct ferry_node_session *s;

	(void)state;
	two_nodes_load(&t, &(struct ferry_tiny_model){.n_layers = 2}, 1);
	two_nodes_serve(&t, NULL);
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

static int guard(void **state)
{
	(void)state;
	alarm(GUARD_S);
	return 0;
}

struct far_edge {
	struct link_emulator *link;
	char address[64];
};

static struct far_edge far_new(struct link_emulator_options o)
{
	struct far_edge f;

	o.target_port = ferry_edge_port(t.edge);
	f.link = link_emulator_new(&o);
	assert_non_null(f.link);
	snprintf(f.address, sizeof(f.address), "127.0.0.1:%u", link_emulator_port(f.link));
	return f;
}

static struct ferry_node_session_options options(const struct far_edge *f, uint32_t deadline_ms)
{
	return (struct ferry_node_session_options){.n_ctx = 128,
						   .chunk_tokens = 16,
						   .edge = f->address,
						   .split = 1,
						   .deadline_ms = deadline_ms,
						   .fallback = FERRY_NODE_FALLBACK_FAIL};
}

static void tokens_are_the_same_over_a_slow_and_thin_link(void **state)
{
	static const struct link_emulator_options links[] = {
		{.delay_us = 5000},
		{.bytes_per_s = 500000},
		{.delay_us = 3000, .bytes_per_s = 2000000},
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct far_edge f = far_new(links[i]);
		struct ferry_node_session_options o = options(&f, 20000);
		struct ferry_node_session *s;
		struct ferry_node_session_stats stats;
		int32_t got[N_NEW];

		for (o.split = 0; o.split <= 2; o.split++) {
			s = two_nodes_open(&t, &o);
			two_nodes_generate(s, prompt, N_PROMPT, NULL, got, N_NEW);
			assert_memory_equal(got, want, sizeof(want));
			ferry_node_session_get_stats(s, &stats);
			/* Learnt from WORKs, too, less what computing took: an estimate. */
			assert_true(stats.rtt_us >= 2 * links[i].delay_us * 8 / 10);
			assert_true(stats.wait_us >= N_NEW * 2 * links[i].delay_us);
			ferry_node_session_close(s);
		}
		link_emulator_free(f.link);
	}
}

/* The same model, served in another way. */
static void check_edge(const struct ferry_edge_options *edge, const char *host)
{
	struct ferry_node_session_options o = {
		.n_ctx = 128, .chunk_tokens = 16, .split = 1, .deadline_ms = 20000};
	struct two_nodes u;
	struct ferry_node_session *s;
	char address[64];
	int32_t got[N_NEW];

	two_nodes_load(&u, &(struct ferry_tiny_model){.n_layers = 2}, 1);
	two_nodes_serve(&u, edge);
	snprintf(address, sizeof(address), "%s:%u", host, ferry_edge_port(u.edge));
	o.edge = address;
	s = two_nodes_open(&u, &o);
	two_nodes_generate(s, prompt, N_PROMPT, NULL, got, N_NEW);
	assert_memory_equal(got, want, sizeof(want));
	ferry_node_session_close(s);
	two_nodes_free(&u);
}

static void an_edge_without_multishot_operations_serves(void **state)
{
	(void)state;
	check_edge(&(struct ferry_edge_options){.single_shot = true}, "127.0.0.1");
}

static void localhost_is_found(void **state)
{
	(void)state;
	check_edge(&(struct ferry_edge_options){.listen = "localhost:0"}, "localhost");
}

static void ipv6_works(void **state)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0), none;

	(void)state;
	none = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at));
	if (fd >= 0)
		close(fd);
	if (none) {
		print_message("SKIP: this machine has no ::1\n");
		skip();
	}
	check_edge(&(struct ferry_edge_options){.listen = "[::1]:0"}, "[::1]");
}

/* Chunks whose answers are still to come are forgotten and sent again. */
static void history_may_be_truncated_while_chunks_are_on_their_way(void **state)
{
	struct far_edge f = far_new((struct link_emulator_options){.delay_us = 10000});
	struct ferry_node_session_options o = options(&f, 20000);
	struct ferry_node_session *s;
	int32_t got[N_NEW], noise[40] = {1, 2, 3};

	(void)state;
	o.chunk_tokens = 8;
	for (o.split = 0; o.split <= 2; o.split++) {
		for (uint32_t stay = 0; stay <= 50; stay += 10) {
			s = two_nodes_open(&t, &o);
			two_nodes_generate(s, prompt, stay, NULL, got, 0);
			two_nodes_generate(s, noise, 40, NULL, got, 0);
			assert_int_equal(ferry_node_session_truncate(s, stay, NULL), 0);
			two_nodes_generate(s, prompt + stay, N_PROMPT - stay, NULL, got, 3);
			assert_memory_equal(got, want, 3 * sizeof(*got));
			ferry_node_session_close(s);
		}
	}
	link_emulator_free(f.link);
}

/* Runs until something fails; it must be the link, said in one sentence, and nothing may be
 * wrong before it. */
static void generate_until_it_breaks(struct ferry_node_session_options *o, struct ferry_error *err)
{
	struct ferry_node_session *s = NULL;
	int32_t got[N_NEW];
	unsigned n = 0;
	int ret;

	*err = (struct ferry_error){0};
	ret = ferry_node_session_open(t.model, t.pool, o, &s, err);
	if (!ret)
		ret = ferry_node_session_append(s, prompt, N_PROMPT, err);
	while (!ret && n < N_NEW) {
		ret = ferry_node_session_next(s, NULL, &got[n], err);
		n += !ret;
	}
	if (n)
		assert_memory_equal(got, want, n * sizeof(*got));
	if (ret) {
		assert_int_equal(ret, err->code);
		assert_int_equal(err->kind, FERRY_ERROR_LINK);
		assert_non_null(strstr(err->text, o->edge));
		assert_null(strchr(err->text, '\n'));
	}
	ferry_node_session_close(s);
}

static void a_reset_at_any_byte_is_one_sentence(void **state)
{
	struct ferry_error err;
	unsigned broken = 0;

	(void)state;
	/* HELLO is 80 bytes, OPEN 68, PING 28; a chunk some 16 KiB; a token 1 KiB. */
	for (uint64_t at = 1; at < 120000; at += at < 300 ? 13 : at / 3) {
		struct far_edge f = far_new((struct link_emulator_options){.reset_after = at});
		struct ferry_node_session_options o = options(&f, 20000);

		generate_until_it_breaks(&o, &err);
		broken += !!err.code;
		link_emulator_free(f.link);
	}
	assert_true(broken > 20);
}

static void a_black_hole_is_noticed_in_time(void **state)
{
	static const uint64_t up[] = {1, 100, 200, 20000, 95000}, down[] = {1, 65, 97, 200, 500};
	struct ferry_error err;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct link_emulator_options lo = {.delay_us = 0};
		struct ferry_node_session_options o;
		struct far_edge f;

		if (i < 5)
			lo.stall_after = up[i];
		else
			lo.stall_after_down = down[i - 5];
		f = far_new(lo);
		o = options(&f, DEADLINE_MS);
		generate_until_it_breaks(&o, &err);
		assert_int_equal(err.code, -ETIMEDOUT);
		link_emulator_free(f.link);
	}
}

static void a_link_that_freezes_between_tokens(void **state)
{
	struct far_edge f = far_new((struct link_emulator_options){.delay_us = 1000});
	struct ferry_node_session_options o = options(&f, DEADLINE_MS);
	struct ferry_node_session *s = two_nodes_open(&t, &o);
	struct ferry_error err;
	int32_t got[N_NEW];
	size_t n;

	(void)state;
	two_nodes_generate(s, prompt, N_PROMPT, NULL, got, 3);
	link_emulator_freeze(f.link);
	assert_int_equal(ferry_node_session_next(s, NULL, got, &err), -ETIMEDOUT);
	assert_int_equal(err.kind, FERRY_ERROR_LINK);
	assert_non_null(strstr(err.text, "nothing came from it for 1500 ms"));
	assert_int_equal(ferry_node_session_next(s, NULL, got, &err), -ETIMEDOUT);
	assert_memory_equal(ferry_node_session_history(s, &n) + N_PROMPT, want, 3 * sizeof(*want));
	assert_int_equal(n, N_PROMPT + 3);
	ferry_node_session_close(s);
	link_emulator_free(f.link);
}

static void a_link_that_is_cut_between_tokens(void **state)
{
	struct far_edge f = far_new((struct link_emulator_options){.delay_us = 1000});
	struct ferry_node_session_options o = options(&f, 20000);
	struct ferry_node_session *s = two_nodes_open(&t, &o);
	struct ferry_error err;
	int32_t got[N_NEW];

	(void)state;
	two_nodes_generate(s, prompt, N_PROMPT, NULL, got, 3);
	link_emulator_cut(f.link);
	while (!ferry_node_session_next(s, NULL, got, &err))
		; /* the reset may need a moment */
	assert_int_equal(err.kind, FERRY_ERROR_LINK);
	assert_true(err.code == -ECONNRESET || err.code == -EPIPE);
	ferry_node_session_close(s);
	link_emulator_free(f.link);
}

/* A chunk takes 2.6 s, longer than the deadline; acknowledgements show that it moves. */
static void a_long_upload_is_not_silence(void **state)
{
	struct far_edge f =
		far_new((struct link_emulator_options){.bytes_per_s = 25000, .queue_bytes = 4096});
	struct ferry_node_session_options o = options(&f, DEADLINE_MS);
	struct ferry_node_session *s;
	int32_t got[N_NEW];

	(void)state;
	o.chunk_tokens = 64;
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, N_PROMPT, NULL, got, 2);
	assert_memory_equal(got, want, 2 * sizeof(*got));
	ferry_node_session_close(s);
	link_emulator_free(f.link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tokens_are_the_same_over_a_slow_and_thin_link, guard),
		cmocka_unit_test_setup(an_edge_without_multishot_operations_serves, guard),
		cmocka_unit_test_setup(localhost_is_found, guard),
		cmocka_unit_test_setup(ipv6_works, guard),
		cmocka_unit_test_setup(history_may_be_truncated_while_chunks_are_on_their_way,
				       guard),
		cmocka_unit_test_setup(a_reset_at_any_byte_is_one_sentence, guard),
		cmocka_unit_test_setup(a_black_hole_is_noticed_in_time, guard),
		cmocka_unit_test_setup(a_link_that_freezes_between_tokens, guard),
		cmocka_unit_test_setup(a_link_that_is_cut_between_tokens, guard),
		cmocka_unit_test_setup(a_long_upload_is_not_silence, guard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
