// SPDX-License-Identifier: MIT
/*
 * Whose work an edge does when, and that nobody's answers show it. The edge has no thread of its
 * own here: a test puts messages into its sockets and lets it take one step after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "node/edge_private.h"
#include "raw_peer.h"
#include "two_nodes.h"

enum { MAX_PEERS = 4, N_CTX = 256 };

struct rig {
	struct two_nodes nodes;
	struct ferry_edge *edge;
	struct raw_peer peers[MAX_PEERS];
	unsigned n_peers;
	uint32_t n_layers; /* of the model that sessions are opened for */
};

static void open_rig(struct rig *r, uint32_t n_layers)
{
	struct ferry_tiny_model options = two_nodes_small;
	struct ferry_edge_options o = {.listen = "127.0.0.1:0", .n_threads = 1, .slice_us = 1};
	struct ferry_error err;

	memset(r, 0, sizeof(*r));
	options.n_layers = r->n_layers = n_layers;
	two_nodes_load(&r->nodes, &options, 1);
	if (ferry_edge_new(r->nodes.model, &o, &r->edge, &err))
		fail_msg("%s", err.text);
}

static void close_rig(struct rig *r)
{
	for (unsigned i = 0; i < r->n_peers; i++)
		raw_peer_close(&r->peers[i]);
	ferry_edge_free(r->edge);
	two_nodes_free(&r->nodes);
}

/* Everything that was sent is read, nothing is computed. */
static void let_sockets_go(struct rig *r)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(ferry_loop_turn(r->edge->loop, 0, NULL), 0);
}

static void step(struct rig *r)
{
	assert_int_equal(ferry_edge_step(r->edge, 1, NULL), 0);
	let_sockets_go(r);
}

static struct raw_peer *add_peer(struct rig *r, const struct ferry_model *m)
{
	struct raw_peer *p = &r->peers[r->n_peers++];
	struct ferry_wire_message hello = raw_peer_hello(m);
	struct ferry_link *link;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ferry_loop_adopt(r->edge->loop, fds[0], FERRY_ROLE_EDGE, &link, NULL), 0);
	ferry_edge_peer_accept(r->edge, link);
	raw_peer_adopt(p, fds[1], FERRY_ROLE_DEVICE);
	raw_peer_send(p, &hello);
	let_sockets_go(r);
	assert_true(raw_peer_receive(p));
	assert_int_equal(p->message.type, FERRY_MESSAGE_WELCOME);
	ferry_connection_establish(&p->in, p->message.welcome.version,
				   p->message.welcome.max_frame);
	return p;
}

static void open_session(struct rig *r, struct raw_peer *p, uint32_t id, uint32_t begin,
			 uint32_t end)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .request = id};

	m.open = (struct ferry_wire_open){
		.session = id,
		.layer_begin = begin,
		.layer_end = end,
		.n_ctx = N_CTX,
		.head = end == r->n_layers,
		.kv = (uint8_t)(id % FERRY_KV_TYPES),
		.sampling = {.top_p = 1, .repeat_penalty = 1},
	};
	raw_peer_send(p, &m);
	let_sockets_go(r);
	assert_true(raw_peer_receive(p));
	assert_int_equal(p->message.type, FERRY_MESSAGE_OPENED);
}

/* @n tokens of a session that begins at layer 0; its history is told by its positions. */
static void send_ids(struct raw_peer *p, uint32_t session, uint32_t position, uint32_t n,
		     uint8_t output)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WORK,
				       .request = 1000 * session + position};
	uint8_t ids[4 * N_CTX];

	for (uint32_t i = 0; i < n; i++)
		ferry_store_le32(ids + 4 * (size_t)i, (session * 37 + (position + i) * 11) % 500);
	m.work = (struct ferry_wire_work){
		.session = session,
		.position = position,
		.n_tokens = n,
		.output = output,
		.prefix_before = position,
		.prefix_after = position + n,
		.n_data = 4 * n,
		.data = ids,
	};
	raw_peer_send(p, &m);
}

static uint32_t receive_result(struct raw_peer *p)
{
	assert_true(raw_peer_receive(p));
	if (p->message.type == FERRY_MESSAGE_ERROR)
		fail_msg("%.*s", (int)p->message.error.n_text, (const char *)p->message.error.text);
	assert_int_equal(p->message.type, FERRY_MESSAGE_RESULT);
	return p->message.result.session;
}

static bool has_answer(const struct raw_peer *p)
{
	struct pollfd fd = {.fd = p->fd, .events = POLLIN};

	return p->at < p->n || poll(&fd, 1, 0) == 1;
}

/* Three peers with sessions of all layers, of the first two and of all but the first. */
static void steps_of_all_sessions_share_a_pass(void **state)
{
	float *logits[2];
	struct rig r;
	size_t n;

	(void)state;
	for (int company = 0; company < 2; company++) {
		struct ferry_wire_message m = {.type = FERRY_MESSAGE_WORK, .request = 9};
		static float hidden[64];
		uint64_t passes;

		open_rig(&r, 4);
		n = r.nodes.model->hp.n_vocab * sizeof(float);
		for (unsigned i = 0; i < 3; i++)
			open_session(&r, add_peer(&r, r.nodes.model), i + 1, i == 2,
				     i == 1 ? 2 : 4);
		send_ids(&r.peers[0], 1, 0, 20, FERRY_OUTPUT_NONE);
		let_sockets_go(&r);
		step(&r);
		receive_result(&r.peers[0]);
		passes = r.edge->stats.n_passes;
		send_ids(&r.peers[0], 1, 20, 1, FERRY_OUTPUT_LAST);
		if (company) {
			send_ids(&r.peers[1], 2, 0, 2, FERRY_OUTPUT_HIDDEN);
			for (unsigned i = 0; i < 64; i++)
				hidden[i] = (float)i - 31.5f;
			m.work = (struct ferry_wire_work){
				.session = 3,
				.n_tokens = 1,
				.input = FERRY_INPUT_HIDDEN,
				.output = FERRY_OUTPUT_TOKEN,
				.prefix_after = 1,
				.n_data = sizeof(hidden),
				.data = (const uint8_t *)hidden,
			};
			raw_peer_send(&r.peers[2], &m);
		}
		let_sockets_go(&r);
		step(&r);
		assert_int_equal(r.edge->stats.n_passes, passes + 1);
		assert_int_equal(r.edge->stats.n_steps, company ? 3 : 1);
		for (unsigned i = 0; i <= 2 * (unsigned)company; i++)
			receive_result(&r.peers[i]);
		logits[company] = malloc(n);
		assert_int_equal(r.peers[0].message.result.n_data, n);
		memcpy(logits[company], r.peers[0].message.result.data, n);
		close_rig(&r);
	}
	assert_memory_equal(logits[0], logits[1], n);
	free(logits[0]);
	free(logits[1]);
}

/* Sixteen tokens are two slices of eight, in each of two layers. */
static void steps_go_between_the_slices_of_a_prompt(void **state)
{
	enum { N_SLICES = 4, N_STEPS = 10 };
	struct raw_peer *p;
	struct rig r;

	(void)state;
	open_rig(&r, 2);
	p = add_peer(&r, r.nodes.model);
	open_session(&r, p, 1, 0, 2);
	open_session(&r, p, 2, 0, 2);
	send_ids(p, 1, 0, 16, FERRY_OUTPUT_TOKEN);
	for (uint32_t i = 0; i < N_STEPS; i++)
		send_ids(p, 2, i, 1, FERRY_OUTPUT_TOKEN);
	let_sockets_go(&r);
	for (int i = 0; i < N_STEPS; i++)
		step(&r);
	/* One in front, one behind each slice; and they do not keep the prompt from its end. */
	for (int i = 0; i < N_SLICES + 1; i++) {
		assert_int_equal(receive_result(p), 2);
		assert_int_equal(p->message.result.position, i + 1);
	}
	assert_int_equal(receive_result(p), 1);
	assert_int_equal(p->message.result.position, 16);
	for (int i = N_SLICES + 1; i < N_STEPS; i++)
		assert_int_equal(receive_result(p), 2);
	close_rig(&r);
}

/* Seven sessions of one connection are not seven times as important as the one of another. */
static void prompts_take_turns_by_connection(void **state)
{
	enum { N_GREEDY = 7 };
	unsigned n_modest = 0, n_greedy = 0;
	struct rig r;

	(void)state;
	open_rig(&r, 2);
	for (uint32_t i = 0; i < N_GREEDY; i++) {
		if (!i)
			add_peer(&r, r.nodes.model);
		open_session(&r, &r.peers[0], i + 1, 0, 2);
		send_ids(&r.peers[0], i + 1, 0, 40, FERRY_OUTPUT_NONE);
	}
	add_peer(&r, r.nodes.model);
	open_session(&r, &r.peers[1], 1, 0, 2);
	for (uint32_t i = 0; i < 4; i++)
		send_ids(&r.peers[1], 1, 40 * i, 40, FERRY_OUTPUT_NONE);
	let_sockets_go(&r);
	while (n_modest + n_greedy < 6) {
		step(&r);
		if (has_answer(&r.peers[0]))
			n_greedy++, receive_result(&r.peers[0]);
		if (has_answer(&r.peers[1]))
			n_modest++, receive_result(&r.peers[1]);
	}
	if (n_modest < 2)
		fail_msg("of six chunks the connection with one session had %u", n_modest);
	close_rig(&r);
}

static void an_edge_that_drains_finishes_what_is_queued(void **state)
{
	struct raw_peer *p;
	struct rig r;

	(void)state;
	open_rig(&r, 2);
	p = add_peer(&r, r.nodes.model);
	open_session(&r, p, 1, 0, 2);
	send_ids(p, 1, 0, 16, FERRY_OUTPUT_NONE);
	send_ids(p, 1, 16, 1, FERRY_OUTPUT_TOKEN);
	let_sockets_go(&r);
	ferry_edge_drain(r.edge);
	assert_int_equal(ferry_edge_run(r.edge, NULL), 0);
	let_sockets_go(&r);
	receive_result(p);
	receive_result(p);
	assert_int_equal(p->message.result.position, 17);
	raw_peer_expect_error(p, FERRY_CODE_STOPPING, "stopping");
	assert_true(p->message.error.fatal);
	close_rig(&r);
}

static void an_edge_that_drains_takes_nothing_new(void **state)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .request = 5};
	struct raw_peer *p;
	struct rig r;

	(void)state;
	open_rig(&r, 2);
	p = add_peer(&r, r.nodes.model);
	open_session(&r, p, 1, 0, 2);
	r.edge->draining = true;
	r.edge->drain_until_us = UINT64_MAX;
	send_ids(p, 1, 0, 1, FERRY_OUTPUT_TOKEN);
	m.open = (struct ferry_wire_open){.session = 2, .layer_end = 2, .n_ctx = 8};
	raw_peer_send(p, &m);
	step(&r);
	raw_peer_expect_error(p, FERRY_CODE_STOPPING, "stopping");
	assert_int_equal(p->message.request, 1000);
	assert_false(p->message.error.fatal);
	raw_peer_expect_error(p, FERRY_CODE_STOPPING, "stopping");
	assert_int_equal(p->message.request, 5);
	close_rig(&r);
}

/* A device that takes nothing must not keep an edge from its end. */
static void draining_ends_although_a_device_does_not_read(void **state)
{
	struct raw_peer *p;
	struct rig r;

	(void)state;
	open_rig(&r, 2);
	r.edge->options.drain_ms = 200;
	p = add_peer(&r, r.nodes.model);
	for (uint32_t i = 0; i < 4; i++)
		open_session(&r, p, i + 1, 0, 2);
	for (uint32_t i = 0; i < 15; i++) /* 128 KiB of logits each */
		send_ids(p, 1 + i / 4, 64 * (i % 4), 64, FERRY_OUTPUT_LOGITS);
	let_sockets_go(&r);
	ferry_edge_drain(r.edge);
	assert_int_equal(ferry_edge_run(r.edge, NULL), 0);
	assert_in_range(r.edge->stats.n_works, 1, 14);
	close_rig(&r);
}

static void an_edge_serves_several_models(void **state)
{
	struct ferry_tiny_model options = two_nodes_small;
	struct two_nodes other;
	struct ferry_error err;
	struct rig r;

	(void)state;
	open_rig(&r, 2);
	options.seed = 5;
	options.n_layers = 3;
	two_nodes_load(&other, &options, 1);
	assert_int_equal(ferry_edge_add_model(r.edge, r.nodes.model, &err), -EEXIST);
	if (ferry_edge_add_model(r.edge, other.model, &err))
		fail_msg("%s", err.text);
	open_session(&r, add_peer(&r, r.nodes.model), 1, 0, 2);
	add_peer(&r, other.model);
	assert_int_equal(r.peers[1].message.welcome.layer_end, 3);
	r.n_layers = 3;
	open_session(&r, &r.peers[1], 1, 0, 3);
	for (unsigned i = 0; i < 2; i++)
		send_ids(&r.peers[i], 1, 0, 1, FERRY_OUTPUT_LAST);
	let_sockets_go(&r);
	step(&r);
	for (unsigned i = 0; i < 2; i++)
		receive_result(&r.peers[i]);
	assert_int_equal(r.edge->stats.n_passes, 2);
	assert_int_equal(r.peers[0].message.result.n_data, r.peers[1].message.result.n_data);
	assert_memory_not_equal(r.peers[0].message.result.data, r.peers[1].message.result.data,
				r.peers[0].message.result.n_data);
	close_rig(&r);
	two_nodes_free(&other);
}

/* Devices in threads of their own, all at once, each with its own split, cache and sampling. */
enum { N_DEVICES = 5, N_NEW = 24 };

struct device {
	struct two_nodes *nodes;
	unsigned number;
	bool alone;
	int32_t ids[N_NEW];
};

static void *talk(void *data)
{
	struct device *d = data;
	const struct ferry_sampling sampling = {.temperature = 0.9f,
						.top_k = 50,
						.top_p = 1,
						.repeat_penalty = d->number % 2 ? 1.3f : 1.0f,
						.repeat_window = 20,
						.seed = d->number};
	struct ferry_node_session_options o = {.n_ctx = N_CTX,
					       .edge = d->alone ? NULL : d->nodes->address,
					       .split = (int32_t)d->number % 4,
					       .split_end = d->number == 4 ? 3 : 0,
					       .head_here = d->number == 4,
					       .kv = (enum ferry_kv_type)(d->number % 3),
					       .deadline_ms = 20000};
	struct ferry_node_session *s;
	int32_t prompt[150];

	two_nodes_prompt(d->nodes, prompt, 150);
	prompt[0] = (int32_t)d->number;
	s = two_nodes_open(d->nodes, &o);
	two_nodes_generate(s, prompt, 20 + 30 * d->number, &sampling, d->ids, N_NEW);
	ferry_node_session_close(s);
	return NULL;
}

static void devices_get_the_tokens_that_each_gets_alone(void **state)
{
	struct device alone[N_DEVICES], together[N_DEVICES];
	struct ferry_edge_options o = {.n_threads = 2, .slice_us = 1};
	struct two_nodes t;
	pthread_t threads[N_DEVICES];

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	ferry_pool_free(t.pool); /* the devices compute at the same time */
	t.pool = NULL;
	two_nodes_serve(&t, &o);
	for (unsigned i = 0; i < N_DEVICES; i++) {
		alone[i] = together[i] = (struct device){.nodes = &t, .number = i};
		alone[i].alone = true;
		talk(&alone[i]);
	}
	for (unsigned i = 0; i < N_DEVICES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, talk, &together[i]), 0);
	for (unsigned i = 0; i < N_DEVICES; i++) {
		pthread_join(threads[i], NULL);
		assert_memory_equal(alone[i].ids, together[i].ids, sizeof(alone[i].ids));
	}
	two_nodes_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_of_all_sessions_share_a_pass),
		cmocka_unit_test(steps_go_between_the_slices_of_a_prompt),
		cmocka_unit_test(prompts_take_turns_by_connection),
		cmocka_unit_test(an_edge_that_drains_finishes_what_is_queued),
		cmocka_unit_test(an_edge_that_drains_takes_nothing_new),
		cmocka_unit_test(draining_ends_although_a_device_does_not_read),
		cmocka_unit_test(an_edge_serves_several_models),
		cmocka_unit_test(devices_get_the_tokens_that_each_gets_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
