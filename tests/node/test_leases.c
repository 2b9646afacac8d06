// SPDX-License-Identifier: MIT
/* Sessions that outlive their connection, and those that begin like another: what an edge grants,
 * and to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "raw_peer.h"
#include "two_nodes.h"

enum { SESSION = 3, N_CTX = 64, GUARD_S = 240 };

static struct two_nodes t;

static int set_up(void **state)
{
	struct ferry_edge_options o = {.max_sessions = 3};

	(void)state;
	two_nodes_load(&t, &two_nodes_small, 1);
	two_nodes_serve(&t, &o);
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

static void greeted(struct raw_peer *p)
{
	raw_peer_connect(p, ferry_edge_port(t.edge));
	raw_peer_greet(p, t.model);
}

static void receive(struct raw_peer *p, uint8_t type)
{
	assert_true(raw_peer_receive(p));
	if (p->message.type != type)
		fail_msg("%s instead of %s: %.*s", ferry_message_name(p->message.type),
			 ferry_message_name(type),
			 p->message.type == FERRY_MESSAGE_ERROR ? (int)p->message.error.n_text : 0,
			 (const char *)p->message.error.text);
}

static void open_session(struct raw_peer *p, struct ferry_wire_opened *opened)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_OPEN, .request = 2};

	m.open = (struct ferry_wire_open){
		.session = SESSION,
		.layer_end = t.model->hp.n_layers,
		.n_ctx = N_CTX,
		.head = true,
		.sampling = {.top_p = 1, .repeat_penalty = 1},
	};
	raw_peer_send(p, &m);
	receive(p, FERRY_MESSAGE_OPENED);
	*opened = p->message.opened;
}

/* The value of the chain after @n ids: any will do, as the edge only compares. */
static uint64_t prefix(uint32_t n)
{
	return n ? 1000 + n : 0;
}

/* One token id at @position; returns the token that follows. */
static uint32_t work(struct raw_peer *p, uint32_t session, uint32_t position, uint32_t id)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WORK, .request = 9};
	uint8_t bytes[4];

	ferry_store_le32(bytes, id);
	m.work = (struct ferry_wire_work){
		.session = session,
		.position = position,
		.n_tokens = 1,
		.output = FERRY_OUTPUT_TOKEN,
		.prefix_before = prefix(position),
		.prefix_after = prefix(position + 1),
		.n_data = 4,
		.data = bytes,
	};
	raw_peer_send(p, &m);
	receive(p, FERRY_MESSAGE_RESULT);
	assert_int_equal(p->message.result.session, session);
	assert_int_equal(p->message.result.n_data, 4);
	return ferry_load_le32(p->message.result.data);
}

static struct ferry_wire_message attach_message(const struct ferry_wire_opened *o,
						uint32_t position)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_ATTACH, .request = 4};

	m.attach = (struct ferry_wire_attach){
		.session = SESSION, .position = position, .prefix = prefix(position)};
	memcpy(m.attach.lease, o->lease, sizeof(o->lease));
	return m;
}

static void attach(struct raw_peer *p, const struct ferry_wire_opened *o, uint32_t position,
		   uint32_t holds)
{
	struct ferry_wire_message m = attach_message(o, position);

	raw_peer_send(p, &m);
	receive(p, FERRY_MESSAGE_ATTACHED);
	assert_int_equal(p->message.attached.session, SESSION);
	assert_int_equal(p->message.attached.position, holds);
	assert_true(p->message.attached.prefix == prefix(holds));
	assert_true(p->message.attached.n_ctx >= N_CTX);
	assert_true(p->message.attached.lease_ms > 0);
}

static void no_attach(struct raw_peer *p, const struct ferry_wire_message *m, uint16_t code,
		      const char *says)
{
	raw_peer_send(p, m);
	raw_peer_expect_error(p, code, says);
	assert_false(p->message.error.fatal);
}

/* What the next device finds where the one before only hung up. */
static void wait_for_sessions(uint32_t n_sessions, uint32_t n_leased)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_LOAD, .request = 5};
	struct raw_peer p;

	greeted(&p);
	do {
		raw_peer_send(&p, &m);
		receive(&p, FERRY_MESSAGE_LOADED);
	} while (p.message.loaded.n_sessions != n_sessions ||
		 p.message.loaded.n_leased != n_leased);
	assert_true(p.message.loaded.free_kv_bytes > 0);
	assert_int_equal(p.message.loaded.n_waiting, 0);
	m.type = FERRY_MESSAGE_BYE;
	raw_peer_send(&p, &m);
	raw_peer_close(&p);
}

static void a_lost_session_is_found_by_its_token(void **state)
{
	struct ferry_wire_opened o;
	struct raw_peer p;
	uint32_t want;

	(void)state;
	greeted(&p);
	open_session(&p, &o);
	assert_int_equal(o.lease_ms, 60000);
	work(&p, SESSION, 0, 7);
	work(&p, SESSION, 1, 8);
	want = work(&p, SESSION, 2, 9);
	raw_peer_close(&p);
	wait_for_sessions(0, 1);
	/* The device was sure of two positions only; the edge holds three. */
	greeted(&p);
	attach(&p, &o, 2, 3);
	for (int again = 0; again < 2; again++) {
		struct ferry_wire_message cut = {.type = FERRY_MESSAGE_TRUNCATE, .request = 6};

		cut.truncate = (struct ferry_wire_truncate){SESSION, 2, prefix(2)};
		raw_peer_send(&p, &cut);
		assert_int_equal(work(&p, SESSION, 2, 9), want);
	}
	raw_peer_close(&p);
	/* In the frame behind HELLO, before the edge has said anything. */
	wait_for_sessions(0, 1);
	raw_peer_connect(&p, ferry_edge_port(t.edge));
	{
		struct ferry_wire_message hello = raw_peer_hello(t.model);
		struct ferry_wire_message m = attach_message(&o, 3);

		raw_peer_send(&p, &hello);
		raw_peer_send(&p, &m);
		receive(&p, FERRY_MESSAGE_WELCOME);
		ferry_connection_establish(&p.in, FERRY_WIRE_VERSION_MAX,
					   p.message.welcome.max_frame);
		receive(&p, FERRY_MESSAGE_ATTACHED);
		m = (struct ferry_wire_message){.type = FERRY_MESSAGE_BYE};
		raw_peer_send(&p, &m);
	}
	raw_peer_close(&p);
	/* Who says goodbye leaves nothing behind. */
	wait_for_sessions(0, 0);
}

static void a_session_is_nobody_elses(void **state)
{
	struct ferry_wire_message m, bye = {.type = FERRY_MESSAGE_BYE};
	struct ferry_wire_opened o;
	struct raw_peer p;

	(void)state;
	greeted(&p);
	open_session(&p, &o);
	work(&p, SESSION, 0, 7);
	raw_peer_close(&p);
	wait_for_sessions(0, 1);
	greeted(&p);
	for (unsigned i = 0; i < FERRY_WIRE_LEASE; i++) {
		m = attach_message(&o, 1);
		m.attach.lease[i] ^= 1;
		no_attach(&p, &m, FERRY_CODE_SESSION, "no session with this lease");
	}
	m = attach_message(&o, 1);
	memset(m.attach.lease, 0, sizeof(m.attach.lease));
	no_attach(&p, &m, FERRY_CODE_SESSION, "no session with this lease");
	/* With another history it is of no use to anyone, and goes. */
	m = attach_message(&o, 1);
	m.attach.prefix++;
	no_attach(&p, &m, FERRY_CODE_HISTORY, "another history");
	m = attach_message(&o, 1);
	no_attach(&p, &m, FERRY_CODE_SESSION, "no session with this lease");
	raw_peer_send(&p, &bye);
	raw_peer_close(&p);
	wait_for_sessions(0, 0);
}

/* The edge has not noticed yet that the first connection is of no use. */
static void a_device_takes_its_session_to_another_connection(void **state)
{
	struct ferry_wire_message m, bye = {.type = FERRY_MESSAGE_BYE};
	struct ferry_wire_opened o;
	struct raw_peer p, q;
	uint32_t want;

	(void)state;
	greeted(&p);
	open_session(&p, &o);
	m = attach_message(&o, 0);
	no_attach(&p, &m, FERRY_CODE_SESSION, "open already");
	m.attach.session++;
	no_attach(&p, &m, FERRY_CODE_SESSION, "no session with this lease");
	want = work(&p, SESSION, 0, 7);
	greeted(&q);
	attach(&q, &o, 1, 1);
	raw_peer_expect_error(&p, FERRY_CODE_SESSION, "to another connection");
	assert_true(p.message.error.fatal);
	raw_peer_expect_end(&p);
	raw_peer_close(&p);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_TRUNCATE, .request = 6};
	m.truncate = (struct ferry_wire_truncate){SESSION, 0, 0};
	raw_peer_send(&q, &m);
	assert_int_equal(work(&q, SESSION, 0, 7), want);
	raw_peer_send(&q, &bye);
	raw_peer_close(&q);
	wait_for_sessions(0, 0);
}

static void leases_are_bounded_and_the_oldest_goes_first(void **state)
{
	struct ferry_wire_message m, bye = {.type = FERRY_MESSAGE_BYE};
	struct ferry_wire_opened o[5];
	struct raw_peer p;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		greeted(&p);
		open_session(&p, &o[i]);
		work(&p, SESSION, 0, 7 + i);
		raw_peer_close(&p);
		wait_for_sessions(0, i < 3 ? i + 1 : 3);
	}
	greeted(&p);
	for (unsigned i = 0; i < 2; i++) {
		m = attach_message(&o[i], 1);
		no_attach(&p, &m, FERRY_CODE_SESSION, "no session with this lease");
	}
	attach(&p, &o[2], 1, 1);
	raw_peer_send(&p, &bye);
	raw_peer_close(&p);
	for (unsigned i = 3; i < 5; i++) {
		greeted(&p);
		attach(&p, &o[i], 1, 1);
		raw_peer_send(&p, &bye);
		raw_peer_close(&p);
	}
	wait_for_sessions(0, 0);
}

static void a_fork_goes_its_own_way(void **state)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_FORK, .request = 7};
	struct ferry_wire_message bye = {.type = FERRY_MESSAGE_BYE};
	struct ferry_wire_opened o;
	struct raw_peer p;
	uint32_t other;

	(void)state;
	greeted(&p);
	open_session(&p, &o);
	for (uint32_t i = 0; i < 5; i++)
		work(&p, SESSION, i, 7 + i);
	m.fork = (struct ferry_wire_fork){SESSION, 0x11, 5, prefix(5)};
	raw_peer_send(&p, &m);
	receive(&p, FERRY_MESSAGE_OPENED);
	assert_int_equal(p.message.opened.session, 0x11);
	assert_memory_not_equal(p.message.opened.lease, o.lease, sizeof(o.lease));
	m.fork = (struct ferry_wire_fork){SESSION, 0x12, 3, prefix(3)};
	raw_peer_send(&p, &m);
	receive(&p, FERRY_MESSAGE_OPENED);
	/* Both go on from the same state, and do not disturb each other. */
	other = work(&p, SESSION, 5, 100);
	work(&p, 0x11, 5, 40);
	work(&p, 0x11, 6, 41);
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_TRUNCATE, .request = 8};
	m.truncate = (struct ferry_wire_truncate){0x11, 5, prefix(5)};
	raw_peer_send(&p, &m);
	assert_int_equal(work(&p, 0x11, 5, 100), other);
	work(&p, 0x12, 3, 10);
	work(&p, 0x12, 4, 11);
	assert_int_equal(work(&p, 0x12, 5, 100), other);
	/* There are three sessions, and no room for a fourth; and no such history. */
	m = (struct ferry_wire_message){.type = FERRY_MESSAGE_FORK, .request = 7};
	m.fork = (struct ferry_wire_fork){SESSION, 0x13, 3, prefix(3)};
	no_attach(&p, &m, FERRY_CODE_LIMIT, "sessions already");
	m.fork = (struct ferry_wire_fork){SESSION, 0x13, 7, prefix(7)};
	no_attach(&p, &m, FERRY_CODE_HISTORY, "another history");
	m.fork = (struct ferry_wire_fork){SESSION, 0x13, 6, prefix(6) + 1};
	no_attach(&p, &m, FERRY_CODE_HISTORY, "another history");
	m.fork = (struct ferry_wire_fork){99, 0x13, 0, 0};
	no_attach(&p, &m, FERRY_CODE_SESSION, "no session 99");
	raw_peer_send(&p, &bye);
	raw_peer_close(&p);
	wait_for_sessions(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_lost_session_is_found_by_its_token, guard),
		cmocka_unit_test_setup(a_session_is_nobody_elses, guard),
		cmocka_unit_test_setup(a_device_takes_its_session_to_another_connection, guard),
		cmocka_unit_test_setup(leases_are_bounded_and_the_oldest_goes_first, guard),
		cmocka_unit_test_setup(a_fork_goes_its_own_way, guard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
