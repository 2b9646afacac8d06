// SPDX-License-Identifier: MIT
/* What an edge does with devices that are broken, hostile or out of date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw_peer.h"
#include "two_nodes.h"

enum { SESSION = 3, N_NEW = 12 };

static struct two_nodes t;

static const struct ferry_edge_options impatient = {
	.max_connections = 20,
	.max_sessions = 3,
	.max_context = 128,
	.times = {.greeting_ms = 1500, .stall_ms = 1500},
};

static int set_up(void **state)
{
	(void)state;
	two_nodes_load(&t, &(struct ferry_tiny_model){.n_layers = 2}, 1);
	two_nodes_serve(&t, &impatient);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	two_nodes_free(&t);
	return 0;
}

static void connected(struct raw_peer *p)
{
	raw_peer_connect(p, ferry_edge_port(t.edge));
}

static void greeted(struct raw_peer *p)
{
	connected(p);
	raw_peer_greet(p, t.model);
}

static struct ferry_wire_message open_message(void)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .request = 2};

	m.open = (struct ferry_wire_open){
		.session = SESSION,
		.layer_end = t.model->hp.n_layers,
		.n_ctx = 64,
		.head = true,
		.sampling = {.top_p = 1, .repeat_penalty = 1},
	};
	return m;
}

static void opened(struct raw_peer *p)
{
	struct ferry_wire_message m = open_message();

	greeted(p);
	raw_peer_send(p, &m);
	assert_true(raw_peer_receive(p));
	assert_int_equal(p->message.type, FERRY_MESSAGE_OPENED);
}

static const uint8_t two_ids[8] = {1, 0, 0, 0, 2, 0, 0, 0};

static struct ferry_wire_message work_message(void)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WORK, .request = 9};

	m.work = (struct ferry_wire_work){
		.session = SESSION,
		.n_tokens = 2,
		.input = FERRY_INPUT_IDS,
		.output = FERRY_OUTPUT_TOKEN,
		.prefix_after = 0xabc,
		.n_data = sizeof(two_ids),
		.data = two_ids,
	};
	return m;
}

/* The edge still does what it is there for. */
static void still_serves(void)
{
	struct ferry_node_session_options o = {
		.n_ctx = 64, .edge = t.address, .split = 1, .deadline_ms = 20000};
	int32_t prompt[9], here[N_NEW], there[N_NEW];
	struct ferry_node_session *s;

	two_nodes_prompt(&t, prompt, 9);
	for (o.split = -1; o.split <= 1; o.split += 2) {
		s = two_nodes_open(&t, &o);
		two_nodes_generate(s, prompt, 9, NULL, o.split < 0 ? here : there, N_NEW);
		ferry_node_session_close(s);
	}
	assert_memory_equal(there, here, sizeof(here));
}

static void garbage_gets_one_sentence_and_the_door(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *says;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: edge\r\n\r\n", 30, "not Ferry's node protocol"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 .....", 18,
		 "not Ferry's node protocol"},
		{"FRRY\x00\x01\x01\x80............", 20, "flags"},
		{"FRRY\x00\x01\x63\x00............", 20, "unknown type 99"},
		{"FRRY\x00\x01\x15\x00............", 20, "WORK frame may not come before"},
		{"FRRY\x00\x01\x01\x00\xff\xff\xff\x7f....", 16, "more than the limit"},
		{"FRRY\x00\x01\x01\x00\x02\x00\x00\x00....AA", 18, "too short"},
		{"FRRY\x00\x01\x01\x00\x05\x00\x00\x00....\x00\x01\x00\x01.", 21, "too short"},
	};
	struct raw_peer p;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		connected(&p);
		raw_peer_send_bytes(&p, cases[i].bytes, cases[i].n);
		raw_peer_expect_error(&p, FERRY_CODE_PROTOCOL, cases[i].says);
		assert_true(p.message.error.fatal);
		raw_peer_expect_end(&p);
		raw_peer_close(&p);
	}
	still_serves();
}

static void a_device_of_another_version_is_told_ours(void **state)
{
	struct ferry_wire_message hello = raw_peer_hello(t.model);
	struct raw_peer p;

	(void)state;
	hello.hello.version_min = 0x0700;
	hello.hello.version_max = 0x0801;
	connected(&p);
	raw_peer_send(&p, &hello);
	raw_peer_expect_error(&p, FERRY_CODE_VERSION, "speaks version 1.0");
	raw_peer_expect_end(&p);
	raw_peer_close(&p);
	/* A range that reaches down to ours is fine. */
	hello.hello.version_min = 0;
	connected(&p);
	raw_peer_send(&p, &hello);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_WELCOME);
	assert_int_equal(p.message.welcome.version, FERRY_WIRE_VERSION_MAX);
	raw_peer_close(&p);
}

static void what_is_not_served_is_refused_by_name(void **state)
{
	struct ferry_wire_message good = raw_peer_hello(t.model), m;
	struct raw_peer p;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		static const struct {
			uint16_t code;
			const char *says;
		} want[] = {
			{FERRY_CODE_MODEL, "serves another model"},
			{FERRY_CODE_MODEL, "serves another model"},
			{FERRY_CODE_MODEL, "serves another model"},
			{FERRY_CODE_RANGE, "serves layers 0 to 2"},
			{FERRY_CODE_LIMIT, "no encoding"},
			{FERRY_CODE_LIMIT, "frames of 100 bytes"},
		};

		m = good;
		if (i == 0)
			m.hello.model[31] ^= 1;
		else if (i == 1)
			m.hello.n_layers++;
		else if (i == 2)
			m.hello.n_embd++;
		else if (i == 3)
			m.hello.layer_end++;
		else if (i == 4)
			m.hello.encodings = 0x80;
		else
			m.hello.max_frame = 100;
		connected(&p);
		raw_peer_send(&p, &m);
		raw_peer_expect_error(&p, want[i].code, want[i].says);
		raw_peer_expect_end(&p);
		raw_peer_close(&p);
	}
}

static void silence_is_ended(void **state)
{
	struct raw_peer p;

	(void)state;
	connected(&p);
	raw_peer_expect_error(&p, FERRY_CODE_DEADLINE, "handshake");
	raw_peer_expect_end(&p);
	raw_peer_close(&p);

	connected(&p);
	raw_peer_send_bytes(&p, "FRRY", 4);
	raw_peer_expect_error(&p, FERRY_CODE_DEADLINE, "handshake");
	raw_peer_close(&p);

	greeted(&p);
	raw_peer_send_bytes(&p, "FRRY\x00\x01\x15\x00\x00\x10\x00\x00....half of it", 26);
	raw_peer_expect_error(&p, FERRY_CODE_DEADLINE, "middle of a frame");
	raw_peer_expect_end(&p);
	raw_peer_close(&p);
}

static void frames_after_the_greeting_are_checked_too(void **state)
{
	struct raw_peer p;

	(void)state;
	greeted(&p);
	raw_peer_send_bytes(&p, "FRRY\x00\x02\x05\x00\x00\x00\x00\x00....", 16);
	raw_peer_expect_error(&p, FERRY_CODE_PROTOCOL, "version 2.0 came after version 1.0");
	raw_peer_close(&p);

	greeted(&p);
	raw_peer_send_bytes(&p, "FRRY\x00\x01\x15\x00\xff\xff\xff\xff....", 16);
	raw_peer_expect_error(&p, FERRY_CODE_PROTOCOL, "more than the limit");
	raw_peer_close(&p);

	greeted(&p);
	raw_peer_send_bytes(&p, "FRRY\x00\x01\x05\x00\x02\x00\x00\x00....AB", 18);
	raw_peer_expect_error(&p, FERRY_CODE_PROTOCOL, "bad PING message");
	raw_peer_close(&p);

	greeted(&p);
	raw_peer_send_bytes(&p, "FRRY\x00\x01\x16\x00\x02\x00\x00\x00....AB", 18);
	raw_peer_expect_error(&p, FERRY_CODE_PROTOCOL, "RESULT frame may not come");
	raw_peer_close(&p);
}

static void requests_that_make_no_sense_are_refused_and_the_rest_goes_on(void **state)
{
	static const struct {
		uint16_t code;
		const char *says;
	} want[] = {
		{FERRY_CODE_SESSION, "no session 4"},
		{FERRY_CODE_HISTORY, "position 1, but session 3 is at 0"},
		{FERRY_CODE_HISTORY, "another history"},
		{FERRY_CODE_INPUT, "2 tokens come with 7 bytes instead of 8"},
		{FERRY_CODE_LIMIT, "65 tokens"},
		{FERRY_CODE_INPUT, "outside the vocabulary"},
		{FERRY_CODE_INPUT, "not finite"},
		{FERRY_CODE_INPUT, "token id 4294967295"},
	};
	static const uint8_t wild_ids[8] = {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0};
	uint8_t zeros[65 * 4] = {0};
	size_t n_hidden = 2 * 4 * (size_t)t.model->hp.n_embd;
	uint8_t *nan = malloc(n_hidden);
	struct ferry_wire_message m;
	struct raw_peer p;

	(void)state;
	memset(nan, 0xff, n_hidden);
	opened(&p);
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		m = work_message();
		m.request = 100 + i;
		if (i == 0) {
			m.work.session = 4;
		} else if (i == 1) {
			m.work.position = 1;
		} else if (i == 2) {
			m.work.prefix_before = 5;
		} else if (i == 3) {
			m.work.n_data = 7;
		} else if (i == 4) {
			m.work.n_tokens = 65;
			m.work.n_data = sizeof(zeros);
			m.work.data = zeros;
		} else if (i == 5) {
			m.work.data = wild_ids;
		} else if (i == 6) {
			m.work.input = FERRY_INPUT_HIDDEN;
			m.work.data = nan;
			m.work.n_data = (uint32_t)n_hidden;
		} else {
			m.work.n_ids = 2;
			m.work.ids = wild_ids;
		}
		raw_peer_send(&p, &m);
		raw_peer_expect_error(&p, want[i].code, want[i].says);
		assert_int_equal(p.message.request, 100 + i);
		assert_false(p.message.error.fatal);
	}
	/* None of it moved the session. */
	m = work_message();
	raw_peer_send(&p, &m);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_RESULT);
	assert_int_equal(p.message.request, m.request);
	assert_int_equal(p.message.result.position, 2);
	raw_peer_close(&p);
	free(nan);
}

static void bad_sessions_are_refused(void **state)
{
	static const struct {
		uint16_t code;
		const char *says;
	} want[] = {
		{FERRY_CODE_RANGE, "serves layers 0 to 2, not 0 to 3"},
		{FERRY_CODE_LIMIT, "this edge takes 1 to 128"},
		{FERRY_CODE_LIMIT, "this edge takes 1 to 128"},
		{FERRY_CODE_INPUT, "KV cache type 9"},
		{FERRY_CODE_INPUT, ""},
	};
	struct ferry_wire_message m;
	struct raw_peer p;

	(void)state;
	greeted(&p);
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		m = open_message();
		if (i == 0)
			m.open.layer_end = 3;
		else if (i == 1)
			m.open.n_ctx = 0;
		else if (i == 2)
			m.open.n_ctx = UINT32_MAX;
		else if (i == 3)
			m.open.kv = 9;
		else
			m.open.sampling.temperature = NAN;
		raw_peer_send(&p, &m);
		raw_peer_expect_error(&p, want[i].code, want[i].says);
	}
	m = open_message();
	raw_peer_send(&p, &m);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_OPENED);
	raw_peer_send(&p, &m);
	raw_peer_expect_error(&p, FERRY_CODE_SESSION, "open already");
	raw_peer_close(&p);
}

static void truncation_is_checked(void **state)
{
	struct ferry_wire_message m = work_message(), cut = {.type = FERRY_MESSAGE_TRUNCATE};
	struct raw_peer p;

	(void)state;
	opened(&p);
	raw_peer_send(&p, &m);
	assert_true(raw_peer_receive(&p));
	cut.truncate = (struct ferry_wire_truncate){SESSION, 3, 0};
	raw_peer_send(&p, &cut);
	raw_peer_expect_error(&p, FERRY_CODE_HISTORY, "cannot truncate to position 3");
	cut.truncate = (struct ferry_wire_truncate){SESSION, 2, 0xabd};
	raw_peer_send(&p, &cut);
	raw_peer_expect_error(&p, FERRY_CODE_HISTORY, "another history");
	cut.truncate = (struct ferry_wire_truncate){SESSION, 1, 0x77};
	raw_peer_send(&p, &cut);
	m.work.position = 1;
	m.work.prefix_before = 0x77;
	raw_peer_send(&p, &m);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_RESULT);
	raw_peer_close(&p);
}

static void the_penalty_needs_its_ids(void **state)
{
	struct ferry_wire_message m = work_message();
	struct ferry_wire_message s = {.type = FERRY_MESSAGE_SAMPLING};
	size_t n = 2 * 4 * (size_t)t.model->hp.n_embd;
	uint8_t *hidden = calloc(1, n);
	struct raw_peer p;

	(void)state;
	opened(&p);
	s.sampling = (struct ferry_wire_set_sampling){
		SESSION, {.top_p = 1, .repeat_penalty = 1.5f, .repeat_window = 2}};
	raw_peer_send(&p, &s);
	m.work.input = FERRY_INPUT_HIDDEN;
	m.work.data = hidden;
	m.work.n_data = (uint32_t)n;
	raw_peer_send(&p, &m);
	raw_peer_expect_error(&p, FERRY_CODE_INPUT, "needs the token id of position 0");
	/* The refusal left the session where it was. */
	m.work.output = FERRY_OUTPUT_HIDDEN;
	raw_peer_send(&p, &m);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_RESULT);
	assert_int_equal(p.message.result.position, 2);
	s.sampling.sampling.repeat_penalty = -1;
	raw_peer_send(&p, &s);
	raw_peer_expect_error(&p, FERRY_CODE_INPUT, "");
	raw_peer_close(&p);
	free(hidden);
}

static void the_window_is_a_limit(void **state)
{
	struct ferry_wire_message m = work_message();
	struct raw_peer p;
	bool expelled = false;

	(void)state;
	opened(&p);
	/* In one piece, so that the edge cannot be quick enough. */
	for (unsigned i = 0; i < 200; i++)
		raw_peer_send(&p, &m);
	while (!expelled && raw_peer_receive(&p))
		expelled = p.message.type == FERRY_MESSAGE_ERROR && p.message.error.fatal &&
			   p.message.error.code == FERRY_CODE_LIMIT;
	/* An edge that kept up answers all of them, which is as good. */
	raw_peer_close(&p);
	still_serves();
}

static void sessions_are_limited_and_come_back(void **state)
{
	struct ferry_wire_message m = open_message();
	struct ferry_wire_message end = {.type = FERRY_MESSAGE_CLOSE};
	struct raw_peer p, q;

	(void)state;
	greeted(&p);
	for (uint32_t i = 1; i <= 3; i++) {
		m.open.session = i;
		raw_peer_send(&p, &m);
		assert_true(raw_peer_receive(&p));
		assert_int_equal(p.message.type, FERRY_MESSAGE_OPENED);
	}
	greeted(&q);
	m.open.session = 1;
	raw_peer_send(&q, &m);
	raw_peer_expect_error(&q, FERRY_CODE_LIMIT, "3 sessions already");
	end.close.session = 2;
	raw_peer_send(&p, &end);
	raw_peer_send(&p, &end);
	raw_peer_expect_error(&p, FERRY_CODE_SESSION, "no session 2");
	raw_peer_send(&q, &m);
	assert_true(raw_peer_receive(&q));
	assert_int_equal(q.message.type, FERRY_MESSAGE_OPENED);
	raw_peer_close(&p);
	raw_peer_close(&q);
	still_serves();
}

/* How many of 25 connections are refused for their number; the others for what they say. */
static unsigned refused_of_25(void)
{
	struct raw_peer p[25];
	unsigned refused = 0;

	for (unsigned i = 0; i < 25; i++)
		connected(&p[i]);
	for (unsigned i = 0; i < 25; i++) {
		assert_true(raw_peer_receive(&p[i]));
		assert_int_equal(p[i].message.type, FERRY_MESSAGE_ERROR);
		refused += p[i].message.error.code == FERRY_CODE_LIMIT;
		raw_peer_close(&p[i]);
	}
	return refused;
}

static void connections_are_limited_and_come_back(void **state)
{
	unsigned refused = refused_of_25();

	(void)state;
	/* Connections of the test before may not have gone yet. */
	for (int i = 0; i < 100 && refused != 5; i++) {
		assert_true(refused > 5);
		usleep(100000);
		refused = refused_of_25();
	}
	assert_int_equal(refused, 5);
	still_serves();
}

static void memory_for_caches_is_limited(void **state)
{
	struct ferry_edge_options o = {.kv_budget_bytes = 100000};
	struct ferry_wire_message m;
	struct two_nodes u;
	struct raw_peer p;

	(void)state;
	two_nodes_load(&u, &(struct ferry_tiny_model){.n_layers = 2}, 1);
	two_nodes_serve(&u, &o);
	raw_peer_connect(&p, ferry_edge_port(u.edge));
	raw_peer_greet(&p, u.model);
	m = open_message();
	m.open.n_ctx = 512;
	raw_peer_send(&p, &m);
	raw_peer_expect_error(&p, FERRY_CODE_MEMORY, "100000 left");
	m.open.n_ctx = 64;
	raw_peer_send(&p, &m);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_OPENED);
	assert_true(p.message.opened.kv_bytes > 0);
	raw_peer_close(&p);
	two_nodes_free(&u);
}

static void cancel_answers_what_is_queued(void **state)
{
	struct ferry_wire_message m = work_message();
	struct ferry_wire_message cancel = {.type = FERRY_MESSAGE_CANCEL,
					    .cancel = {.session = SESSION}};
	struct raw_peer p;
	unsigned answers = 0;

	(void)state;
	opened(&p);
	for (unsigned i = 0; i < 10; i++) {
		m.work.position = 2 * i;
		m.work.prefix_before = i ? 0xabc : 0;
		m.request = 50 + i;
		raw_peer_send(&p, &m);
	}
	raw_peer_send(&p, &cancel);
	/* Done or cancelled, each is answered once and in order. */
	while (answers < 10) {
		assert_true(raw_peer_receive(&p));
		assert_int_equal(p.message.request, 50 + answers++);
		if (p.message.type == FERRY_MESSAGE_ERROR)
			assert_int_equal(p.message.error.code, FERRY_CODE_CANCELLED);
		else
			assert_int_equal(p.message.type, FERRY_MESSAGE_RESULT);
	}
	raw_peer_close(&p);
}

static struct ferry_wire_profiled ask_profile(struct raw_peer *p, uint32_t n_tokens)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_PROFILE, .request = 8};

	m.profile.n_tokens = n_tokens;
	raw_peer_send(p, &m);
	assert_true(raw_peer_receive(p));
	assert_int_equal(p->message.type, FERRY_MESSAGE_PROFILED);
	return p->message.profiled;
}

/* The first that asked once chose the length of the chunk for all that came after it. */
static void a_profile_of_one_token_is_not_for_everybody(void **state)
{
	struct raw_peer p, q;

	(void)state;
	greeted(&p);
	greeted(&q);
	assert_int_equal(ask_profile(&p, 1).n_tokens, 1);
	assert_int_equal(ask_profile(&q, 16).n_tokens, 16);
	assert_int_equal(ask_profile(&p, 1).n_tokens, 16);
	assert_int_equal(ask_profile(&q, UINT32_MAX).n_tokens, 64);
	raw_peer_close(&p);
	raw_peer_close(&q);
}

static void pings_are_answered(void **state)
{
	struct ferry_wire_message ping = {.type = FERRY_MESSAGE_PING, .request = 7};
	struct raw_peer p;

	(void)state;
	greeted(&p);
	ping.ping =
		(struct ferry_wire_ping){.stamp = 0x1122, .reply_bytes = 100000, .n_payload = 5000};
	raw_peer_send(&p, &ping);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_PONG);
	assert_int_equal(p.message.request, 7);
	assert_int_equal(p.message.pong.stamp, 0x1122);
	assert_int_equal(p.message.pong.n_payload, 100000);
	raw_peer_close(&p);
}

static void who_asks_without_reading_is_ended(void **state)
{
	struct ferry_wire_message ping = {.type = FERRY_MESSAGE_PING, .request = 7};
	struct raw_peer p;
	unsigned n_pongs = 0;

	(void)state;
	greeted(&p);
	p.forgiving = true;
	ping.ping.reply_bytes = FERRY_WIRE_PING_PAYLOAD;
	for (unsigned i = 0; i < 100; i++)
		raw_peer_send(&p, &ping);
	while (raw_peer_receive(&p))
		n_pongs++;
	/* Once all of them were made and kept, 25 MiB for 2800 bytes. */
	assert_true(n_pongs < 100);
	raw_peer_close(&p);
	still_serves();
}

/* Results of a megabyte, as many as the window allows: an edge that was quicker than the link once
 * kept them all, until it took the device for one that does not read. */
static void a_device_that_reads_late_gets_every_result(void **state)
{
	enum { N_WORKS = 16, N_TOKENS = 64, N_VOCAB = 4096 };
	struct ferry_wire_message m = work_message(), cut = {.type = FERRY_MESSAGE_TRUNCATE};
	struct ferry_wire_message hello, open = open_message();
	static uint8_t zeros[4 * N_TOKENS];
	struct two_nodes u;
	struct raw_peer p;

	(void)state;
	two_nodes_load(
		&u, &(struct ferry_tiny_model){.n_layers = 1, .n_embd = 64, .n_vocab = N_VOCAB}, 1);
	two_nodes_serve(&u, NULL);
	raw_peer_connect(&p, ferry_edge_port(u.edge));
	hello = raw_peer_hello(u.model);
	hello.hello.max_frame = 4 * N_TOKENS * N_VOCAB + FERRY_FRAME_MAX_GREETING;
	raw_peer_send(&p, &hello);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_WELCOME);
	assert_true(p.message.welcome.window_works >= N_WORKS);
	ferry_connection_establish(&p.in, FERRY_WIRE_VERSION_MAX, p.message.welcome.max_frame);
	open.open.layer_end = 1;
	raw_peer_send(&p, &open);
	assert_true(raw_peer_receive(&p));
	assert_int_equal(p.message.type, FERRY_MESSAGE_OPENED);
	m.work.n_tokens = N_TOKENS;
	m.work.output = FERRY_OUTPUT_LOGITS;
	m.work.data = zeros;
	m.work.n_data = sizeof(zeros);
	cut.truncate = (struct ferry_wire_truncate){.session = SESSION};
	for (unsigned i = 0; i < N_WORKS; i++) {
		raw_peer_send(&p, &m);
		raw_peer_send(&p, &cut);
	}
	usleep(500000); /* for the edge to be quicker */
	for (unsigned i = 0; i < N_WORKS; i++) {
		assert_true(raw_peer_receive(&p));
		assert_int_equal(p.message.type, FERRY_MESSAGE_RESULT);
		assert_int_equal(p.message.result.n_rows, N_TOKENS);
	}
	raw_peer_close(&p);
	two_nodes_free(&u);
}

static void count_line(void *data, enum ferry_log_level level, const char *text)
{
	(void)level;
	(void)text;
	++*(unsigned *)data;
}

static void a_device_cannot_fill_the_log(void **state)
{
	enum { N_REFUSED = 2000 };
	unsigned n_lines = 0;
	struct ferry_log log = {.level = FERRY_LOG_INFO, .write = count_line, .data = &n_lines};
	struct ferry_edge_options o = {.log = &log};
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_CLOSE, .close = {.session = 77}};
	struct two_nodes u;
	struct raw_peer p;

	(void)state;
	two_nodes_load(&u, &(struct ferry_tiny_model){.n_layers = 1, .n_embd = 64}, 1);
	two_nodes_serve(&u, &o);
	raw_peer_connect(&p, ferry_edge_port(u.edge));
	raw_peer_greet(&p, u.model);
	for (unsigned i = 0; i < N_REFUSED; i++)
		raw_peer_send(&p, &m);
	for (unsigned i = 0; i < N_REFUSED; i++)
		raw_peer_expect_error(&p, FERRY_CODE_SESSION, "no session 77");
	raw_peer_close(&p);
	two_nodes_stop(&u);
	assert_true(n_lines > 0 && n_lines < N_REFUSED / 2);
	two_nodes_free(&u);
}

static void two_hundred_broken_connections_change_nothing(void **state)
{
	struct ferry_node_session_options o = {
		.n_ctx = 128, .edge = t.address, .split = 1, .deadline_ms = 20000};
	int32_t prompt[9], here[40], there[40];
	struct ferry_node_session *s;
	struct ferry_error err;
	struct raw_peer p;

	(void)state;
	two_nodes_prompt(&t, prompt, 9);
	o.split = -1;
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, 9, NULL, here, 40);
	ferry_node_session_close(s);
	o.split = 1;
	s = two_nodes_open(&t, &o);
	two_nodes_generate(s, prompt, 9, NULL, there, 0);
	for (unsigned i = 0; i < 200; i++) {
		uint8_t noise[700];

		connected(&p);
		for (unsigned j = 0; j < sizeof(noise); j++)
			noise[j] = (uint8_t)((i + 1) * (j + 7) * 2654435761u >> 23);
		if (i % 3)
			memcpy(noise, "FRRY\x00\x01\x01\x00\x40\x00\x00\x00", i % 3 * 6);
		if (i % 5)
			send(p.fd, noise, 1 + i * 3 % sizeof(noise), MSG_NOSIGNAL);
		raw_peer_close(&p);
		if (i % 5 == 0 && ferry_node_session_next(s, NULL, &there[i / 5], &err))
			fail_msg("token %u: %s", i / 5, err.text);
	}
	assert_memory_equal(there, here, sizeof(here));
	ferry_node_session_close(s);
	still_serves();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_gets_one_sentence_and_the_door),
		cmocka_unit_test(a_device_of_another_version_is_told_ours),
		cmocka_unit_test(what_is_not_served_is_refused_by_name),
		cmocka_unit_test(silence_is_ended),
		cmocka_unit_test(frames_after_the_greeting_are_checked_too),
		cmocka_unit_test(requests_that_make_no_sense_are_refused_and_the_rest_goes_on),
		cmocka_unit_test(bad_sessions_are_refused),
		cmocka_unit_test(truncation_is_checked),
		cmocka_unit_test(the_penalty_needs_its_ids),
		cmocka_unit_test(the_window_is_a_limit),
		cmocka_unit_test(sessions_are_limited_and_come_back),
		cmocka_unit_test(connections_are_limited_and_come_back),
		cmocka_unit_test(memory_for_caches_is_limited),
		cmocka_unit_test(cancel_answers_what_is_queued),
		cmocka_unit_test(a_profile_of_one_token_is_not_for_everybody),
		cmocka_unit_test(pings_are_answered),
		cmocka_unit_test(who_asks_without_reading_is_ended),
		cmocka_unit_test(a_device_that_reads_late_gets_every_result),
		cmocka_unit_test(a_device_cannot_fill_the_log),
		cmocka_unit_test(two_hundred_broken_connections_change_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
