// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* POLLRDHUP */
/* What a device makes of edges that are broken, hostile or slow: one sentence, in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "raw_peer.h"
#include "two_nodes.h"

enum {
	DEADLINE_MS = 1000,
	PATIENT_MS = 20000, /* where the edge is a real one on a busy machine */
	GUARD_S = 240,	    /* nothing here may hang: the alarm ends the program */
};

static struct two_nodes t;

static int set_up(void **state)
{
	(void)state;
	two_nodes_load(&t, &(struct ferry_tiny_model){.n_layers = 2}, 1);
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

/* An edge that follows a script for one connection. */
struct fake_edge {
	int listen_fd;
	char address[64];
	void (*script)(struct raw_peer *p);
	pthread_t thread;
};

static void *play(void *data)
{
	struct fake_edge *f = data;
	struct raw_peer p;
	int fd = accept(f->listen_fd, NULL, NULL);

	if (fd < 0)
		return NULL;
	raw_peer_adopt(&p, fd, FERRY_ROLE_EDGE);
	p.forgiving = true;
	f->script(&p);
	raw_peer_close(&p);
	return NULL;
}

static void fake_start(struct fake_edge *f, void (*script)(struct raw_peer *p))
{
	uint16_t port;

	f->listen_fd = raw_peer_listen(&port);
	snprintf(f->address, sizeof(f->address), "127.0.0.1:%u", port);
	f->script = script;
	assert_int_equal(pthread_create(&f->thread, NULL, play, f), 0);
}

static void fake_stop(struct fake_edge *f)
{
	shutdown(f->listen_fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listen_fd);
}

static struct ferry_node_session_options options(const char *address)
{
	return (struct ferry_node_session_options){.n_ctx = 64,
						   .edge = address,
						   .split = 1,
						   .deadline_ms = DEADLINE_MS,
						   .fallback = FERRY_NODE_FALLBACK_FAIL};
}

/* Opening a session with such an edge must fail like this. */
static void open_fails(void (*script)(struct raw_peer *p), int code, enum ferry_error_kind kind,
		       const char *says)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct ferry_error err = {0};
	struct fake_edge f;
	int ret;

	fake_start(&f, script);
	o = options(f.address);
	ret = ferry_node_session_open(t.model, t.pool, &o, &s, &err);
	if (ret != code || err.kind != kind || err.code != code || !strstr(err.text, says) ||
	    !strstr(err.text, f.address))
		fail_msg("%d, kind %d: %s", ret, err.kind, err.text);
	assert_null(s);
	fake_stop(&f);
}

static void wait_for_hello(struct raw_peer *p)
{
	raw_peer_receive(p);
}

static struct ferry_wire_message welcome_message(void)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WELCOME, .request = 1};

	m.welcome = (struct ferry_wire_welcome){
		.version = FERRY_WIRE_VERSION_MAX,
		.parts = FERRY_PART_EMBEDDING | FERRY_PART_HEAD,
		.encodings = 1,
		.layer_end = t.model->hp.n_layers,
		.max_frame = 1 << 20,
		.max_context = 1024,
		.max_batch = 64,
		.max_sessions = 1,
		.window_works = 4,
		.window_bytes = 1 << 20,
	};
	return m;
}

/* Everything up to the first WORK, as it should be. */
static void welcome(struct raw_peer *p)
{
	struct ferry_wire_message m = welcome_message();

	wait_for_hello(p);
	raw_peer_send(p, &m);
	ferry_connection_establish(&p->in, FERRY_WIRE_VERSION_MAX, 1 << 20);
}

/* Answers PING and OPEN until a WORK comes; false where the device went. */
static bool until_work(struct raw_peer *p)
{
	while (raw_peer_receive(p)) {
		struct ferry_wire_message m = {.request = p->message.request};

		if (p->message.type == FERRY_MESSAGE_WORK)
			return true;
		if (p->message.type == FERRY_MESSAGE_PING) {
			m.type = FERRY_MESSAGE_PONG;
			m.pong.stamp = p->message.ping.stamp;
		} else if (p->message.type == FERRY_MESSAGE_OPEN) {
			m.type = FERRY_MESSAGE_OPENED;
			m.opened.session = p->message.open.session;
			m.opened.n_ctx = p->message.open.n_ctx;
		} else {
			continue;
		}
		raw_peer_send(p, &m);
	}
	return false;
}

static void say_garbage(struct raw_peer *p)
{
	raw_peer_send_bytes(p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	wait_for_hello(p);
	raw_peer_receive(p);
}

static void say_nothing(struct raw_peer *p)
{
	while (raw_peer_receive(p))
		;
}

static void say_half(struct raw_peer *p)
{
	wait_for_hello(p);
	raw_peer_send_bytes(p, "FRRY\x01\x00\x02\x00\x30\x00\x00\x00....half", 20);
	raw_peer_receive(p);
}

static void hang_up(struct raw_peer *p)
{
	wait_for_hello(p);
}

static void hang_up_in_a_frame(struct raw_peer *p)
{
	wait_for_hello(p);
	raw_peer_send_bytes(p, "FRRY\x01\x00\x02\x00\x30\x00\x00\x00....half", 20);
}

static void say_too_much(struct raw_peer *p)
{
	wait_for_hello(p);
	raw_peer_send_bytes(p, "FRRY\x01\x00\x02\x00\xff\xff\xff\x00....", 16);
	raw_peer_receive(p);
}

static void refuse_the_version(struct raw_peer *p)
{
	static const char text[] = "this edge speaks version 7.0\x1b[31m of the protocol";
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_ERROR, .request = 1};

	m.error = (struct ferry_wire_error){.code = FERRY_CODE_VERSION,
					    .fatal = true,
					    .n_text = sizeof(text) - 1,
					    .text = (const uint8_t *)text};
	wait_for_hello(p);
	raw_peer_send(p, &m);
}

static void welcome_with_another_version(struct raw_peer *p)
{
	struct ferry_wire_message m = welcome_message();

	m.welcome.version = 0x0900;
	wait_for_hello(p);
	raw_peer_send(p, &m);
	raw_peer_receive(p);
}

static void welcome_without_the_layers(struct raw_peer *p)
{
	struct ferry_wire_message m = welcome_message();

	m.welcome.layer_end = 1;
	wait_for_hello(p);
	raw_peer_send(p, &m);
	raw_peer_receive(p);
}

static void welcome_with_tiny_frames(struct raw_peer *p)
{
	struct ferry_wire_message m = welcome_message();

	m.welcome.max_frame = 10;
	wait_for_hello(p);
	raw_peer_send(p, &m);
	raw_peer_receive(p);
}

static void answer_what_nobody_asked(struct raw_peer *p)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT, .request = 4711};

	welcome(p);
	raw_peer_send(p, &m);
	raw_peer_receive(p);
	raw_peer_receive(p);
}

static void every_broken_edge_gives_one_sentence(void **state)
{
	(void)state;
	open_fails(say_garbage, -EPROTO, FERRY_ERROR_PEER, "not Ferry's node protocol");
	open_fails(say_nothing, -ETIMEDOUT, FERRY_ERROR_LINK, "1000 ms");
	open_fails(say_half, -ETIMEDOUT, FERRY_ERROR_LINK, "1000 ms");
	open_fails(hang_up, -EPIPE, FERRY_ERROR_LINK, "closed the connection");
	open_fails(hang_up_in_a_frame, -ECONNRESET, FERRY_ERROR_LINK, "in the middle of a frame");
	open_fails(say_too_much, -EPROTO, FERRY_ERROR_PEER, "more than the limit");
	open_fails(refuse_the_version, -EPROTONOSUPPORT, FERRY_ERROR_PEER,
		   "VERSION: this edge speaks version 7.0?[31m");
	open_fails(welcome_with_another_version, -EPROTO, FERRY_ERROR_PEER, "not offered");
	open_fails(welcome_without_the_layers, -EPROTO, FERRY_ERROR_PEER,
		   "does not serve what it asked for");
	open_fails(welcome_with_tiny_frames, -EPROTO, FERRY_ERROR_PEER, "frame size");
	open_fails(answer_what_nobody_asked, -EPROTO, FERRY_ERROR_PEER, "never made");
}

static void answer_with_a_wild_token(struct raw_peer *p)
{
	static const uint8_t id[4] = {0xff, 0xff, 0xff, 0x7f};
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};

	welcome(p);
	if (!until_work(p))
		return;
	m.request = p->message.request;
	m.result.session = p->message.work.session;
	m.result.position = p->message.work.position + p->message.work.n_tokens;
	m.result.output = FERRY_OUTPUT_TOKEN;
	m.result.n_rows = 1;
	m.result.n_data = 4;
	m.result.data = id;
	raw_peer_send(p, &m);
	until_work(p);
}

static void answer_with_the_wrong_size(struct raw_peer *p)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};

	welcome(p);
	if (!until_work(p))
		return;
	m.request = p->message.request;
	m.result.session = p->message.work.session;
	m.result.position = p->message.work.position + p->message.work.n_tokens;
	m.result.output = FERRY_OUTPUT_TOKEN;
	m.result.n_rows = 1;
	raw_peer_send(p, &m);
	until_work(p);
}

static void answer_with_too_much(struct raw_peer *p)
{
	static uint8_t zeros[4096];
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};

	welcome(p);
	if (!until_work(p))
		return;
	m.request = p->message.request;
	m.result.output = p->message.work.output;
	m.result.data = zeros;
	m.result.n_data = sizeof(zeros);
	raw_peer_send(p, &m);
	until_work(p);
}

static void answer_for_another_position(struct raw_peer *p)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};

	welcome(p);
	if (!until_work(p))
		return;
	m.request = p->message.request;
	m.result.session = p->message.work.session;
	m.result.output = p->message.work.output;
	raw_peer_send(p, &m);
	until_work(p);
}

static void go_silent_at_work(struct raw_peer *p)
{
	welcome(p);
	if (!until_work(p))
		return;
	say_nothing(p);
}

/* As a process that is stopped: its kernel acknowledges, and on a link with a round trip the device
 * sees each heartbeat unacknowledged first and acknowledged later. */
static void hang_at_work(struct raw_peer *p)
{
	struct pollfd gone = {.fd = p->fd, .events = POLLRDHUP};
	int zero = 0;

	welcome(p);
	if (!until_work(p))
		return;
	for (unsigned i = 0; i < 10 * GUARD_S && !poll(&gone, 1, 50); i++)
		setsockopt(p->fd, IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof(zero));
}

static void hang_up_at_work(struct raw_peer *p)
{
	welcome(p);
	until_work(p);
}

static void leave_at_work(struct raw_peer *p)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_BYE};

	welcome(p);
	if (!until_work(p))
		return;
	raw_peer_send(p, &m);
	until_work(p);
}

static void answer_with_nan(struct raw_peer *p)
{
	uint32_t n_vocab = t.model->hp.n_vocab;
	uint8_t *nan = malloc(4 * (size_t)n_vocab);
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};

	memset(nan, 0xff, 4 * (size_t)n_vocab);
	welcome(p);
	if (until_work(p)) {
		m.request = p->message.request;
		m.result.session = p->message.work.session;
		m.result.position = p->message.work.position + p->message.work.n_tokens;
		m.result.output = p->message.work.output;
		m.result.n_rows = 1;
		m.result.n_data =
			4 * (m.result.output == FERRY_OUTPUT_LAST ? n_vocab : t.model->hp.n_embd);
		m.result.data = nan;
		raw_peer_send(p, &m);
		until_work(p);
	}
	free(nan);
}

/* Logits went to the caller as they came; a hidden state was looked for in the weights. */
static void numbers_that_are_not_finite_are_the_edges_fault(void **state)
{
	float *logits = malloc(t.model->hp.n_vocab * sizeof(float));
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct fake_edge f;
	int32_t prompt = 5;

	(void)state;
	for (int head_here = 0; head_here < 2; head_here++) {
		struct ferry_error err = {0};

		fake_start(&f, answer_with_nan);
		o = options(f.address);
		o.head_here = head_here;
		s = two_nodes_open(&t, &o);
		assert_int_equal(ferry_node_session_logits(s, &prompt, 1, false, logits, &err),
				 -EBADMSG);
		assert_int_equal(err.kind, FERRY_ERROR_PEER);
		assert_non_null(strstr(err.text, "edge's answer has a number that is not finite"));
		ferry_node_session_close(s);
		fake_stop(&f);
	}
	free(logits);
}

/* As fast as the planner can wish, and full when it is asked for a session. */
static void be_fast_and_full(struct raw_peer *p)
{
	static const uint8_t no_time[8 * 2];
	struct ferry_wire_message full = {.type = FERRY_MESSAGE_ERROR};

	full.error = (struct ferry_wire_error){
		.code = FERRY_CODE_LIMIT, .n_text = 4, .text = (const uint8_t *)"full"};
	welcome(p);
	while (raw_peer_receive(p)) {
		struct ferry_wire_message m = {.request = p->message.request};

		if (p->message.type == FERRY_MESSAGE_PING) {
			m.type = FERRY_MESSAGE_PONG;
			m.pong = (struct ferry_wire_pong){p->message.ping.stamp,
							  p->message.ping.reply_bytes};
		} else if (p->message.type == FERRY_MESSAGE_PROFILE) {
			m.type = FERRY_MESSAGE_PROFILED;
			m.profiled = (struct ferry_wire_profiled){
				.n_layers = 2, .n_tokens = 16, .layers = no_time};
		} else if (p->message.type == FERRY_MESSAGE_OPEN) {
			full.request = p->message.request;
			m = full;
		} else {
			continue;
		}
		raw_peer_send(p, &m);
	}
}

static void auto_does_without_an_edge_that_is_full(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = 64, .split = FERRY_NODE_SPLIT_AUTO, .deadline_ms = PATIENT_MS};
	struct ferry_node_session_stats stats;
	struct ferry_node_session *s;
	int32_t prompt = 5, id, want;
	struct ferry_error err = {0};
	struct fake_edge f;

	(void)state;
	s = two_nodes_open(&t, &(struct ferry_node_session_options){.n_ctx = 64});
	two_nodes_generate(s, &prompt, 1, NULL, &want, 1);
	ferry_node_session_close(s);
	fake_start(&f, be_fast_and_full);
	o.edge = f.address;
	if (ferry_node_session_open(t.model, t.pool, &o, &s, &err))
		fail_msg("%s", err.text);
	assert_non_null(strstr(ferry_node_session_explanation(s), "LIMIT: full"));
	ferry_node_session_get_stats(s, &stats);
	assert_true(stats.local);
	two_nodes_generate(s, &prompt, 1, NULL, &id, 1);
	assert_int_equal(id, want);
	ferry_node_session_close(s);
	/* Whoever chose the split gets the error. */
	fake_stop(&f);
	fake_start(&f, be_fast_and_full);
	o = options(f.address);
	assert_int_equal(ferry_node_session_open(t.model, t.pool, &o, &s, &err), -EBUSY);
	fake_stop(&f);
}

static void next_fails(void (*script)(struct raw_peer *p), int code, enum ferry_error_kind kind,
		       const char *says)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	int32_t prompt = 5, id;
	struct ferry_error err = {0};
	struct fake_edge f;
	size_t n;
	int ret;

	fake_start(&f, script);
	o = options(f.address);
	s = two_nodes_open(&t, &o);
	assert_int_equal(ferry_node_session_append(s, &prompt, 1, NULL), 0);
	ret = ferry_node_session_next(s, NULL, &id, &err);
	if (ret != code || err.kind != kind || !strstr(err.text, says))
		fail_msg("%d, kind %d: %s", ret, err.kind, err.text);
	/* The history stays, and a lost link stays lost. */
	assert_int_equal(ferry_node_session_history(s, &n)[0], 5);
	assert_int_equal(n, 1);
	if (kind == FERRY_ERROR_LINK)
		assert_int_equal(ferry_node_session_next(s, NULL, &id, &err), code);
	ferry_node_session_close(s);
	fake_stop(&f);
}

static void an_edge_that_breaks_at_work_gives_one_sentence(void **state)
{
	(void)state;
	next_fails(answer_with_a_wild_token, -EPROTO, FERRY_ERROR_PEER, "outside the vocabulary");
	next_fails(answer_with_the_wrong_size, -EPROTO, FERRY_ERROR_PEER, "another size");
	next_fails(answer_with_too_much, -EPROTO, FERRY_ERROR_PEER, "4096 bytes where 4 were");
	next_fails(answer_for_another_position, -EPROTO, FERRY_ERROR_PEER, "other work");
	next_fails(go_silent_at_work, -ETIMEDOUT, FERRY_ERROR_LINK, "nothing came from it");
	next_fails(hang_at_work, -ETIMEDOUT, FERRY_ERROR_LINK, "nothing came from it");
	next_fails(hang_up_at_work, -EPIPE, FERRY_ERROR_LINK, "closed the connection");
	next_fails(leave_at_work, -ESHUTDOWN, FERRY_ERROR_LINK, "going away");
}

/* WELCOME and PING in one piece: the second was once taken for a frame before the handshake. */
static void say_two_things_at_once(struct raw_peer *p)
{
	struct ferry_wire_message welcome_m = welcome_message();
	struct ferry_wire_message ping = {.type = FERRY_MESSAGE_PING, .ping = {.stamp = 0x77}};
	struct ferry_outgoing *a, *b;
	uint8_t both[256];

	wait_for_hello(p);
	ferry_connection_establish(&p->in, FERRY_WIRE_VERSION_MAX, 1 << 20);
	ferry_outgoing_new(FERRY_WIRE_VERSION_MAX, 1024, &welcome_m, &a, NULL);
	ferry_outgoing_new(FERRY_WIRE_VERSION_MAX, 1024, &ping, &b, NULL);
	memcpy(both, a->bytes, a->n);
	memcpy(both + a->n, b->bytes, b->n);
	raw_peer_send_bytes(p, both, a->n + b->n);
	free(a);
	free(b);
	until_work(p);
}

static void frames_right_behind_the_welcome_are_taken(void **state)
{
	struct ferry_node_session_options o;
	struct fake_edge f;

	(void)state;
	fake_start(&f, say_two_things_at_once);
	o = options(f.address);
	ferry_node_session_close(two_nodes_open(&t, &o));
	fake_stop(&f);
}

/* Answers no WORK before its window of four is full, and sees that no fifth comes before that. */
static void let_the_window_fill(struct raw_peer *p)
{
	struct ferry_wire_message ping = {.type = FERRY_MESSAGE_PING};
	struct ferry_wire_message r[4] = {0};

	welcome(p);
	for (unsigned i = 0; i < 4; i++) {
		if (!until_work(p))
			return;
		r[i].type = FERRY_MESSAGE_RESULT;
		r[i].request = p->message.request;
		r[i].result.session = p->message.work.session;
		r[i].result.position = p->message.work.position + p->message.work.n_tokens;
		r[i].result.output = p->message.work.output;
	}
	raw_peer_send(p, &ping);
	if (!raw_peer_receive(p) || p->message.type != FERRY_MESSAGE_PONG)
		return;
	for (unsigned i = 0; i < 4; i++)
		raw_peer_send(p, &r[i]);
	until_work(p);
	say_nothing(p);
}

static void prompt_chunks_fill_the_window_without_waiting(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	int32_t prompt[13] = {0}; /* six chunks of two, and the token that waits */
	struct ferry_error err;
	struct fake_edge f;

	(void)state;
	fake_start(&f, let_the_window_fill);
	o = options(f.address);
	o.chunk_tokens = 2;
	s = two_nodes_open(&t, &o);
	if (ferry_node_session_append(s, prompt, 13, &err))
		fail_msg("%s", err.text);
	ferry_node_session_close(s);
	fake_stop(&f);
}

/* Answers pings for longer than the deadline, then the work. */
static void think_long(struct raw_peer *p)
{
	static const uint8_t id[4] = {7};
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};
	uint64_t start;

	welcome(p);
	if (!until_work(p))
		return;
	m.request = p->message.request;
	m.result.session = p->message.work.session;
	m.result.position = p->message.work.position + p->message.work.n_tokens;
	m.result.output = FERRY_OUTPUT_TOKEN;
	m.result.n_rows = 1;
	m.result.n_data = 4;
	m.result.data = id;
	start = ferry_now_us();
	while (ferry_now_us() < start + 2500ull * DEADLINE_MS && raw_peer_receive(p)) {
		struct ferry_wire_message pong = {.type = FERRY_MESSAGE_PONG};

		pong.pong.stamp = p->message.ping.stamp;
		if (p->message.type == FERRY_MESSAGE_PING)
			raw_peer_send(p, &pong);
	}
	raw_peer_send(p, &m);
	until_work(p);
}

static void an_edge_that_is_slow_but_alive_is_waited_for(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	int32_t prompt = 5, id;
	struct fake_edge f;

	(void)state;
	fake_start(&f, think_long);
	o = options(f.address);
	s = two_nodes_open(&t, &o);
	assert_int_equal(ferry_node_session_append(s, &prompt, 1, NULL), 0);
	assert_int_equal(ferry_node_session_next(s, NULL, &id, NULL), 0);
	assert_int_equal(id, 7);
	ferry_node_session_close(s);
	fake_stop(&f);
}

static void nobody_listens(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct ferry_error err;
	char address[64];
	uint16_t port;
	int fd = raw_peer_listen(&port);

	(void)state;
	close(fd);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	o = options(address);
	assert_int_equal(ferry_node_session_open(t.model, t.pool, &o, &s, &err), -ECONNREFUSED);
	assert_int_equal(err.kind, FERRY_ERROR_LINK);
	assert_non_null(strstr(err.text, "cannot connect to 127.0.0.1:"));
	assert_non_null(strstr(err.text, "Connection refused"));
}

static void bad_addresses_and_options_are_the_callers(void **state)
{
	static const struct {
		const char *address;
		int32_t split;
		uint32_t split_end;
		int code;
		const char *says;
	} cases[] = {
		{"192.0.2.1:7070", 1, 0, -EPERM, "--insecure"},
		{"[2001:db8::1]:7070", 1, 0, -EPERM, "ferry keys new"},
		{"127.0.0.1", 1, 0, -EINVAL, "no port"},
		{"127.0.0.1:0", 1, 0, -EINVAL, "port 0"},
		{"no-such-host.invalid:1", 1, 0, -ENOENT, "/etc/hosts"},
		{"127.0.0.1:1", 3, 0, -EINVAL, "has 2 layers"},
		{"127.0.0.1:1", -3, 0, -EINVAL, "has 2 layers"},
		{"127.0.0.1:1", 1, 3, -EINVAL, "has 2 layers"},
		{"127.0.0.1:1", 2, 1, -EINVAL, "layers 2 to 1"},
	};
	struct ferry_node_session *s;
	struct ferry_error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ferry_node_session_options o = options(cases[i].address);

		o.split = cases[i].split;
		o.split_end = cases[i].split_end;
		assert_int_equal(ferry_node_session_open(t.model, t.pool, &o, &s, &err),
				 cases[i].code);
		assert_int_equal(err.kind, FERRY_ERROR_CALLER);
		if (!strstr(err.text, cases[i].says))
			fail_msg("case %u: %s", i, err.text);
	}
}

static void another_model_is_refused(void **state)
{
	struct ferry_node_session_options o;
	struct ferry_node_session *s;
	struct ferry_error err;
	struct two_nodes other;

	(void)state;
	two_nodes_load(&other, &(struct ferry_tiny_model){.n_layers = 2, .seed = 9}, 1);
	two_nodes_serve(&other, NULL);
	o = options(other.address);
	o.deadline_ms = PATIENT_MS;
	assert_int_equal(ferry_node_session_open(t.model, t.pool, &o, &s, &err), -EINVAL);
	assert_int_equal(err.kind, FERRY_ERROR_PEER);
	assert_non_null(strstr(err.text, "MODEL: this edge serves another model"));
	assert_non_null(strstr(err.text, other.address));
	/* AUTO does not hide a configuration that is wrong. */
	o.split = FERRY_NODE_SPLIT_AUTO;
	assert_int_equal(ferry_node_session_open(t.model, t.pool, &o, &s, &err), -EINVAL);
	two_nodes_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_broken_edge_gives_one_sentence, guard),
		cmocka_unit_test_setup(frames_right_behind_the_welcome_are_taken, guard),
		cmocka_unit_test_setup(an_edge_that_breaks_at_work_gives_one_sentence, guard),
		cmocka_unit_test_setup(numbers_that_are_not_finite_are_the_edges_fault, guard),
		cmocka_unit_test_setup(auto_does_without_an_edge_that_is_full, guard),
		cmocka_unit_test_setup(prompt_chunks_fill_the_window_without_waiting, guard),
		cmocka_unit_test_setup(an_edge_that_is_slow_but_alive_is_waited_for, guard),
		cmocka_unit_test_setup(nobody_listens, guard),
		cmocka_unit_test_setup(bad_addresses_and_options_are_the_callers, guard),
		cmocka_unit_test_setup(another_model_is_refused, guard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
