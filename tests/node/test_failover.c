// SPDX-License-Identifier: MIT
/* Edges and links that fail in the middle of a conversation: not a token is lost, doubled or other
 * than it would have been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "link_emulator.h"
#include "node/session_private.h"
#include "two_nodes.h"

enum {
	N_PROMPT = 70,
	N_NEW = 40,
	N_CTX = 192,
	PATIENT_US = 60000000, /* for what must happen at some time */
	GUARD_S = 240,
};

static struct two_nodes t;
static int32_t prompt[N_PROMPT], want[N_NEW];
static const struct ferry_sampling sampling = {
	.temperature = 1.2f, .top_p = 1, .repeat_penalty = 1.3f, .repeat_window = 20, .seed = 5};

static int set_up(void **state)
{
	struct ferry_node_session_options o = {.n_ctx = N_CTX};
	struct ferry_node_session *s;

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_prompt(&t, prompt, N_PROMPT);
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, N_PROMPT, &sampling, want, N_NEW);
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

static struct ferry_node_session_options options(const char *edge, int32_t split)
{
	/* A busy machine is silent, too: what is counted here are faults, not hiccups. */
	return (struct ferry_node_session_options){.n_ctx = N_CTX,
						   .edge = edge,
						   .split = split,
						   .deadline_ms = 20000,
						   .silence_ms = 3000,
						   .chunk_tokens = 8};
}

/* One token, which must be the right one. */
static void one(struct ferry_node_session *s, unsigned i)
{
	struct ferry_error err;
	int32_t id;

	if (ferry_node_session_next(s, &sampling, &id, &err))
		fail_msg("token %u: %s", i, err.text);
	if (id != want[i])
		fail_msg("token %u is %d instead of %d", i, id, want[i]);
}

static struct ferry_node_session_stats stats_of(const struct ferry_node_session *s)
{
	struct ferry_node_session_stats stats;

	ferry_node_session_get_stats(s, &stats);
	return stats;
}

/* The last token again and again until the edge is back; the background needs calls to work in. */
static void until_shared(struct ferry_node_session *s, unsigned i)
{
	uint64_t limit = ferry_now_us() + PATIENT_US;

	while (stats_of(s).local) {
		assert_true(ferry_now_us() < limit);
		assert_int_equal(ferry_node_session_truncate(s, N_PROMPT + i, NULL), 0);
		one(s, i);
		usleep(1000);
	}
}

struct far_edge {
	struct link_emulator *link;
	char address[64];
};

static struct far_edge far_new(uint64_t delay_us)
{
	struct link_emulator_options o = {.delay_us = delay_us,
					  .target_port = ferry_edge_port(t.edge)};
	struct far_edge f;

	f.link = link_emulator_new(&o);
	assert_non_null(f.link);
	snprintf(f.address, sizeof(f.address), "127.0.0.1:%u", link_emulator_port(f.link));
	return f;
}

static void begin(struct ferry_node_session *s)
{
	struct ferry_error err;

	if (ferry_node_session_append(s, prompt, N_PROMPT, &err))
		fail_msg("%s", err.text);
}

/* In a process of its own, forked before any thread exists. */
static pid_t fork_edge(char address[64])
{
	int pipe_fd[2];
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct ferry_edge_options o = {.listen = "127.0.0.1:0", .n_threads = 1};
		struct ferry_edge *edge;

		alarm(GUARD_S);
		if (!ferry_edge_new(t.model, &o, &edge, NULL) &&
		    write(pipe_fd[1], ferry_edge_address(edge), 64) > 0)
			ferry_edge_run(edge, NULL);
		_exit(0);
	}
	assert_int_equal(read(pipe_fd[0], address, 64), 64);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return pid;
}

static void an_edge_that_is_killed(void **state)
{
	(void)state;
	for (int32_t split = 0; split <= 4; split++) {
		struct ferry_node_session_options o;
		struct ferry_node_session *s;
		char address[64];
		pid_t pid = fork_edge(address);

		o = options(address, split);
		s = two_nodes_open(&t, &o);
		begin(s);
		for (unsigned i = 0; i < N_NEW; i++) {
			if (i == 5) {
				kill(pid, SIGKILL);
				waitpid(pid, NULL, 0);
			}
			one(s, i);
		}
		assert_true(stats_of(s).local);
		assert_int_equal(stats_of(s).n_lost, 1);
		ferry_node_session_close(s);
	}
}

static void an_edge_that_hangs(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	char address[64];
	pid_t pid = fork_edge(address);

	(void)state;
	o = options(address, 2);
	s = two_nodes_open(&t, &o);
	begin(s);
	for (unsigned i = 0; i < N_NEW / 2; i++) {
		if (i == 5)
			kill(pid, SIGSTOP);
		one(s, i);
	}
	assert_true(stats_of(s).local);
	kill(pid, SIGCONT);
	/* It kept the session: its old connection looked well to it. */
	until_shared(s, N_NEW / 2);
	assert_int_equal(stats_of(s).n_attached, 1);
	for (unsigned i = N_NEW / 2 + 1; i < N_NEW; i++)
		one(s, i);
	ferry_node_session_close(s);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Every split, and one where the last layers run here, too. */
static void a_link_that_is_cut_is_found_again(void **state)
{
	(void)state;
	two_nodes_serve(&t, NULL);
	for (int32_t split = 0; split <= 5; split++) {
		struct far_edge f = far_new(1000);
		struct ferry_node_session_options o = options(f.address, split < 5 ? split : 1);
		struct ferry_node_session *s;

		o.split_end = split < 5 ? 0 : 3;
		s = two_nodes_open(&t, &o);
		begin(s);
		for (unsigned i = 0; i < 10; i++)
			one(s, i);
		link_emulator_refuse(f.link, true);
		link_emulator_cut(f.link);
		for (unsigned i = 10; i < 20; i++)
			one(s, i);
		assert_true(stats_of(s).local);
		link_emulator_refuse(f.link, false);
		until_shared(s, 20);
		assert_int_equal(stats_of(s).n_attached, 1);
		/* Only what it had not seen was sent. */
		assert_true(stats_of(s).n_kept >= N_PROMPT + 9);
		for (unsigned i = 21; i < N_NEW; i++)
			one(s, i);
		assert_false(stats_of(s).local);
		ferry_node_session_close(s);
		link_emulator_free(f.link);
	}
	two_nodes_stop(&t);
}

static void a_black_hole_is_left(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct far_edge f;

	(void)state;
	two_nodes_serve(&t, NULL);
	f = far_new(500);
	o = options(f.address, 1);
	s = two_nodes_open(&t, &o);
	begin(s);
	for (unsigned i = 0; i < 10; i++)
		one(s, i);
	link_emulator_freeze(f.link);
	for (unsigned i = 10; i < 20; i++)
		one(s, i);
	assert_true(stats_of(s).local);
	assert_int_equal(stats_of(s).n_lost, 1);
	link_emulator_thaw(f.link);
	until_shared(s, 20);
	for (unsigned i = 21; i < N_NEW; i++)
		one(s, i);
	ferry_node_session_close(s);
	link_emulator_free(f.link);
	two_nodes_stop(&t);
}

static void an_edge_that_starts_again_is_told_everything(void **state)
{
	struct ferry_edge_options eo = {0};
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	char address[64];

	(void)state;
	two_nodes_serve(&t, NULL);
	snprintf(address, sizeof(address), "%s", t.address);
	eo.listen = address;
	o = options(address, 2);
	s = two_nodes_open(&t, &o);
	begin(s);
	for (unsigned i = 0; i < 10; i++)
		one(s, i);
	two_nodes_stop(&t);
	for (unsigned i = 10; i < 20; i++)
		one(s, i);
	assert_true(stats_of(s).local);
	two_nodes_serve(&t, &eo);
	until_shared(s, 20);
	assert_int_equal(stats_of(s).n_attached, 0);
	for (unsigned i = 21; i < N_NEW; i++)
		one(s, i);
	ferry_node_session_close(s);
	two_nodes_stop(&t);
}

static void another_edge_takes_over(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	char addresses[160];
	struct two_nodes u;

	(void)state;
	two_nodes_load(&u, &two_nodes_small, 1);
	two_nodes_serve(&u, NULL);
	two_nodes_serve(&t, NULL);
	snprintf(addresses, sizeof(addresses), "%s,%s", u.address, t.address);
	o = options(addresses, 2);
	s = two_nodes_open(&t, &o);
	begin(s);
	for (unsigned i = 0; i < 10; i++)
		one(s, i);
	two_nodes_free(&u);
	one(s, 10);
	until_shared(s, 10);
	for (unsigned i = 11; i < N_NEW; i++)
		one(s, i);
	assert_false(stats_of(s).local);
	ferry_node_session_close(s);
	two_nodes_stop(&t);
}

static void waiting_for_an_edge_instead(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct ferry_error err;
	struct far_edge f;
	int32_t id;

	(void)state;
	two_nodes_serve(&t, NULL);
	f = far_new(500);
	o = options(f.address, 2);
	o.fallback = FERRY_NODE_FALLBACK_WAIT;
	o.wait_ms = 30000;
	s = two_nodes_open(&t, &o);
	begin(s);
	for (unsigned i = 0; i < N_NEW; i++) {
		if (i == 10 || i == 20)
			link_emulator_cut(f.link);
		one(s, i);
		assert_false(stats_of(s).local);
	}
	assert_int_equal(stats_of(s).n_lost, 2);
	assert_int_equal(stats_of(s).n_attached, 2);
	ferry_node_session_close(s);
	/* It waits for so long, and then says why. */
	o.wait_ms = 200;
	s = two_nodes_open(&t, &o);
	begin(s);
	one(s, 0);
	link_emulator_refuse(f.link, true);
	link_emulator_cut(f.link);
	assert_true(ferry_node_session_next(s, &sampling, &id, &err) < 0);
	assert_int_equal(err.kind, FERRY_ERROR_LINK);
	assert_non_null(strstr(err.text, f.address));
	/* The token is still to come. */
	link_emulator_refuse(f.link, false);
	for (unsigned i = 1; i < 5; i++)
		one(s, i);
	ferry_node_session_close(s);
	link_emulator_free(f.link);
	two_nodes_stop(&t);
}

/* What the edge holds and what the device says now are not the same any more. */
static void a_history_that_changed_meanwhile(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct far_edge f;
	int32_t noise[30] = {3, 1, 4, 1, 5};

	(void)state;
	two_nodes_serve(&t, NULL);
	for (uint32_t stay = 0; stay < N_PROMPT; stay += 23) {
		f = far_new(500);
		o = options(f.address, 2);
		s = two_nodes_open(&t, &o);
		assert_int_equal(ferry_node_session_append(s, prompt, stay, NULL), 0);
		assert_int_equal(ferry_node_session_append(s, noise, 30, NULL), 0);
		link_emulator_refuse(f.link, true);
		link_emulator_cut(f.link);
		assert_int_equal(ferry_node_session_append(s, noise, 10, NULL), 0);
		assert_int_equal(ferry_node_session_truncate(s, stay, NULL), 0);
		assert_int_equal(ferry_node_session_append(s, prompt + stay, N_PROMPT - stay, NULL),
				 0);
		link_emulator_refuse(f.link, false);
		one(s, 0);
		until_shared(s, 1);
		for (unsigned i = 2; i < 12; i++)
			one(s, i);
		ferry_node_session_close(s);
		link_emulator_free(f.link);
	}
	two_nodes_stop(&t);
}

/* Two devices, and an edge with memory for one of them. */
static void a_lost_session_gives_way_to_one_that_is_there(void **state)
{
	struct ferry_edge_options eo = {.max_sessions = 1};
	struct ferry_node_session_options o, p;
	struct ferry_node_session *a, *b;
	struct far_edge f;

	(void)state;
	eo.kv_budget_bytes = ferry_kv_cache_bytes(t.model, 2, 4, N_CTX, FERRY_KV_F16) + 1000;
	two_nodes_serve(&t, &eo);
	f = far_new(500);
	o = options(f.address, 2);
	p = options(t.address, 2);
	a = two_nodes_open(&t, &o);
	begin(a);
	for (unsigned i = 0; i < 10; i++)
		one(a, i);
	link_emulator_refuse(f.link, true);
	link_emulator_cut(f.link);
	usleep(50000); /* the reset may need a moment to reach the edge */
	b = two_nodes_open(&t, &p);
	begin(b);
	one(b, 0);
	assert_false(stats_of(b).local);
	link_emulator_refuse(f.link, false);
	for (unsigned i = 10; i < 20; i++)
		one(a, i);
	assert_true(stats_of(a).local);
	one(b, 1);
	ferry_node_session_close(b);
	until_shared(a, 20);
	assert_int_equal(stats_of(a).n_attached, 0);
	for (unsigned i = 21; i < N_NEW; i++)
		one(a, i);
	ferry_node_session_close(a);
	link_emulator_free(f.link);
	two_nodes_stop(&t);
}

static void a_lease_ends(void **state)
{
	struct ferry_edge_options eo = {.lease_ms = 1};
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct far_edge f;

	(void)state;
	two_nodes_serve(&t, &eo);
	f = far_new(500);
	o = options(f.address, 2);
	s = two_nodes_open(&t, &o);
	begin(s);
	for (unsigned i = 0; i < 10; i++)
		one(s, i);
	link_emulator_refuse(f.link, true);
	link_emulator_cut(f.link);
	for (unsigned i = 10; i < 20; i++)
		one(s, i);
	usleep(50000);
	link_emulator_refuse(f.link, false);
	until_shared(s, 20);
	assert_int_equal(stats_of(s).n_attached, 0);
	for (unsigned i = 21; i < N_NEW; i++)
		one(s, i);
	ferry_node_session_close(s);
	link_emulator_free(f.link);
	two_nodes_stop(&t);
}

/* To every split from every other one, and to none, a move before each token. */
static void layers_move_between_any_two_tokens(void **state)
{
	static const struct {
		int32_t begin;
		uint32_t end;
		bool head_here;
	} ways[] = {{0, 0, false}, {2, 0, false}, {-1, 0, false}, {1, 3, false},  {4, 0, false},
		    {2, 0, true},  {0, 2, false}, {3, 0, false},  {-1, 0, false}, {0, 0, true}};
	enum { N_WAYS = sizeof(ways) / sizeof(ways[0]) };
	enum ferry_kv_type kvs[] = {FERRY_KV_F16, FERRY_KV_F32, FERRY_KV_Q8};

	(void)state;
	two_nodes_serve(&t, NULL);
	for (unsigned k = 0; k < 3; k++) {
		struct ferry_node_session_options o = options(NULL, 0);
		struct ferry_node_session *s;
		int32_t alone[N_NEW];
		struct ferry_error err;

		o.kv = kvs[k];
		s = two_nodes_open(&t, &o);
		two_nodes_generate(s, prompt, N_PROMPT, &sampling, alone, N_NEW);
		ferry_node_session_close(s);
		o.edge = t.address;
		s = two_nodes_open(&t, &o);
		begin(s);
		for (unsigned i = 0; i < N_NEW; i++) {
			unsigned w = i * (k + 1) % N_WAYS;
			int32_t id;

			if (ferry_node_session_move(s, ways[w].begin, ways[w].end,
						    ways[w].head_here, &err))
				fail_msg("way %u: %s", w, err.text);
			assert_int_equal(stats_of(s).local, ways[w].begin < 0);
			assert_int_equal(ferry_node_session_next(s, &sampling, &id, NULL), 0);
			if (id != alone[i])
				fail_msg("kv %u, way %u, token %u: %d instead of %d", k, w, i, id,
					 alone[i]);
		}
		ferry_node_session_close(s);
	}
	two_nodes_stop(&t);
}

static void a_move_that_cannot_be(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct ferry_error err;

	(void)state;
	o = options(NULL, 0);
	s = two_nodes_open(&t, &o);
	assert_int_equal(ferry_node_session_move(s, 1, 0, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "without an edge"));
	ferry_node_session_close(s);
	two_nodes_serve(&t, NULL);
	o = options(t.address, 2);
	s = two_nodes_open(&t, &o);
	begin(s);
	assert_int_equal(ferry_node_session_move(s, 5, 0, false, &err), -EINVAL);
	assert_int_equal(ferry_node_session_move(s, 3, 2, false, &err), -EINVAL);
	one(s, 0);
	assert_false(stats_of(s).local);
	/* The edge goes while it is asked: the conversation stays here. */
	two_nodes_stop(&t);
	assert_true(ferry_node_session_move(s, 1, 0, false, &err) < 0);
	for (unsigned i = 1; i < 10; i++)
		one(s, i);
	assert_true(stats_of(s).local);
	ferry_node_session_close(s);
}

/* A device that is kept warm has less to compute when the edge is lost. */
static void a_warm_device_goes_on_at_once(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct far_edge f;

	(void)state;
	two_nodes_serve(&t, NULL);
	for (int32_t split = 0; split <= 2; split += 2) {
		f = far_new(3000);
		o = options(f.address, split);
		o.warm_share = 1;
		s = two_nodes_open(&t, &o);
		begin(s);
		for (unsigned i = 0; i < 20; i++)
			one(s, i);
		assert_true(stats_of(s).n_warm >= N_PROMPT);
		assert_true(stats_of(s).warm_us > 0);
		link_emulator_refuse(f.link, true);
		link_emulator_cut(f.link);
		for (unsigned i = 20; i < N_NEW; i++)
			one(s, i);
		ferry_node_session_close(s);
		link_emulator_free(f.link);
	}
	two_nodes_stop(&t);
}

/* What a hidden state loses on its way to the edge it loses here, too: so tokens are those of a
 * conversation that was not disturbed, with the same encoding. */
static void encodings_lose_the_same_here(void **state)
{
	static const struct {
		int32_t begin;
		uint32_t end;
		bool head_here;
	} ways[] = {{1, 0, false}, {4, 0, false}, {1, 3, false}, {2, 0, true}};
	unsigned differing = 0;

	(void)state;
	two_nodes_serve(&t, NULL);
	for (int e = FERRY_ENCODING_F16; e < FERRY_ENCODINGS; e++) {
		for (unsigned w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			struct ferry_node_session_options o = options(t.address, ways[w].begin);
			struct ferry_node_session *s;
			int32_t alone[N_NEW], id;
			struct far_edge f = far_new(300);

			o.split_end = ways[w].end;
			o.head_here = ways[w].head_here;
			o.encoding = (enum ferry_wire_encoding)e;
			s = two_nodes_open(&t, &o);
			two_nodes_generate(s, prompt, N_PROMPT, &sampling, alone, N_NEW);
			ferry_node_session_close(s);
			differing += !!memcmp(alone, want, sizeof(want));
			o.edge = f.address;
			o.warm_share = (float)(w & 1);
			s = two_nodes_open(&t, &o);
			begin(s);
			for (unsigned i = 0; i < N_NEW; i++) {
				if (i == 8 || i == 25) {
					link_emulator_refuse(f.link, true);
					link_emulator_cut(f.link);
				} else if (i == 16) {
					link_emulator_refuse(f.link, false);
					usleep(100000);
				}
				assert_int_equal(ferry_node_session_next(s, &sampling, &id, NULL),
						 0);
				if (id != alone[i])
					fail_msg("encoding %d, way %u, token %u: %d instead of %d",
						 e, w, i, id, alone[i]);
			}
			assert_true(stats_of(s).n_lost >= 1);
			ferry_node_session_close(s);
			link_emulator_free(f.link);
		}
	}
	assert_true(differing); /* else they would not lose anything */
	two_nodes_stop(&t);
}

/* What AUTO would have measured, had the nodes these speeds. */
static struct ferry_placement_facts *facts_of(double device_us, double edge_us)
{
	struct ferry_placement_facts *f = calloc(1, sizeof(*f));
	uint32_t n = t.model->hp.n_layers;

	f->device.layers = calloc(n, sizeof(*f->device.layers));
	f->edge.layers = calloc(n, sizeof(*f->edge.layers));
	for (uint32_t i = 0; i < n; i++) {
		f->device.layers[i] =
			(struct ferry_layer_cost){.decode_us = device_us, .prefill_us = device_us};
		f->edge.layers[i] =
			(struct ferry_layer_cost){.decode_us = edge_us, .prefill_us = edge_us};
	}
	f->codecs[0] = (struct ferry_plan_codec){.name = "f32", .bytes_per_value = 4};
	f->problem = (struct ferry_plan_problem){
		.n_layers = n,
		.n_embd = t.model->hp.n_embd,
		.device = {.layers = f->device.layers, .embed_us = 1, .head_us = device_us},
		.edge = {.layers = f->edge.layers, .embed_us = 1, .head_us = edge_us},
		.edge_end = n,
		.edge_embeds = true,
		.edge_heads = true,
		.codecs = f->codecs,
		.n_codecs = 1,
		.link = {.rtt_us = 500, .up_bytes_per_us = 100, .down_bytes_per_us = 100},
		.chunk_tokens = {64},
		.n_chunk_lengths = 1,
		.tolerance = 0.02,
	};
	return f;
}

/* The same token again and again until AUTO has moved. */
static void until_moved(struct ferry_node_session *s, unsigned i, bool local)
{
	uint64_t limit = ferry_now_us() + PATIENT_US;

	while (stats_of(s).local != local) {
		assert_true(ferry_now_us() < limit);
		assert_int_equal(ferry_node_session_truncate(s, N_PROMPT + i, NULL), 0);
		one(s, i);
		usleep(2000);
	}
}

static void a_plan_follows_the_link(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct far_edge f;

	(void)state;
	two_nodes_serve(&t, NULL);
	f = far_new(200);
	o = options(f.address, FERRY_NODE_SPLIT_NONE);
	o.n_new_hint = 1000;
	o.silence_ms = 4000; /* slow is not lost */
	s = two_nodes_open(&t, &o);
	/* A device so slow that an edge is worth it, as long as its link is good. */
	assert_int_equal(ferry_session_follow(s, facts_of(20000, 1), NULL), 0);
	begin(s);
	one(s, 0);
	until_moved(s, 1, false);
	for (unsigned i = 2; i < 10; i++)
		one(s, i);
	link_emulator_set(f.link, 150000, 0);
	until_moved(s, 10, true);
	assert_int_equal(stats_of(s).n_lost, 0);
	for (unsigned i = 11; i < 20; i++)
		one(s, i);
	link_emulator_set(f.link, 200, 0);
	until_moved(s, 20, false);
	for (unsigned i = 21; i < 30; i++)
		one(s, i);
	/* Moved by hand, it stays there. */
	assert_int_equal(ferry_node_session_move(s, 3, 0, false, NULL), 0);
	for (unsigned i = 30; i < N_NEW; i++)
		one(s, i);
	assert_int_equal(stats_of(s).split, 3);
	ferry_node_session_close(s);
	link_emulator_free(f.link);
	two_nodes_stop(&t);
}

/* As far as anybody can tell here: what it kept for later goes with it. */
static void auto_ends_whatever_it_chose(void **state)
{
	struct ferry_node_session_options o;

	(void)state;
	two_nodes_serve(&t, NULL);
	o = options(t.address, FERRY_NODE_SPLIT_AUTO);
	for (int i = 0; i < 2; i++) {
		struct ferry_node_session *s = two_nodes_open(&t, &o);

		begin(s);
		one(s, 0);
		ferry_node_session_close(s);
		o.fallback = FERRY_NODE_FALLBACK_FAIL;
	}
	two_nodes_stop(&t);
}

int main(void)
{
	/* Those that fork come before any thread exists. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_edge_that_is_killed, guard),
		cmocka_unit_test_setup(an_edge_that_hangs, guard),
		cmocka_unit_test_setup(a_link_that_is_cut_is_found_again, guard),
		cmocka_unit_test_setup(a_black_hole_is_left, guard),
		cmocka_unit_test_setup(an_edge_that_starts_again_is_told_everything, guard),
		cmocka_unit_test_setup(another_edge_takes_over, guard),
		cmocka_unit_test_setup(waiting_for_an_edge_instead, guard),
		cmocka_unit_test_setup(a_history_that_changed_meanwhile, guard),
		cmocka_unit_test_setup(a_lost_session_gives_way_to_one_that_is_there, guard),
		cmocka_unit_test_setup(a_lease_ends, guard),
		cmocka_unit_test_setup(layers_move_between_any_two_tokens, guard),
		cmocka_unit_test_setup(a_move_that_cannot_be, guard),
		cmocka_unit_test_setup(a_warm_device_goes_on_at_once, guard),
		cmocka_unit_test_setup(encodings_lose_the_same_here, guard),
		cmocka_unit_test_setup(a_plan_follows_the_link, guard),
		cmocka_unit_test_setup(auto_ends_whatever_it_chose, guard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
