// SPDX-License-Identifier: MIT
/* Two nodes with keys: the same tokens, and what a key may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/kv_cache.h"
#include "fixtures/key_folder.h"
#include "node/uplink.h"
#include "raw_peer.h"
#include "two_nodes.h"

enum {
	N_PROMPT = 70,
	N_NEW = 8,
	N_CTX = 128,
	GUARD_US = 60000000,
};

/* What the edge has logged; it writes from its own thread. */
struct journal {
	pthread_mutex_t lock;
	char text[64 << 10];
	size_t n;
};

struct rig {
	struct two_nodes nodes;
	struct key_folder edge_keys, device_keys;
	struct journal journal;
	struct ferry_log log;
	int32_t prompt[N_PROMPT], want[N_NEW];
};

static void write_journal(void *data, enum ferry_log_level level, const char *text)
{
	struct journal *j = data;

	(void)level;
	pthread_mutex_lock(&j->lock);
	j->n += (size_t)snprintf(j->text + j->n, sizeof(j->text) - j->n, "%s\n", text);
	if (j->n >= sizeof(j->text))
		j->n = sizeof(j->text) - 1;
	pthread_mutex_unlock(&j->lock);
}

static unsigned count_in_journal(struct rig *r, const char *what)
{
	unsigned n = 0;

	pthread_mutex_lock(&r->journal.lock);
	for (const char *at = r->journal.text; (at = strstr(at, what)); at++)
		n++;
	pthread_mutex_unlock(&r->journal.lock);
	return n;
}

static void serve(struct rig *r, struct ferry_edge_options o)
{
	o.log = &r->log;
	if (!o.insecure)
		o.tls.keys = r->edge_keys.path;
	two_nodes_serve(&r->nodes, &o);
}

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct ferry_node_session *s;

	pthread_mutex_init(&r->journal.lock, NULL);
	r->log = (struct ferry_log){FERRY_LOG_INFO, write_journal, &r->journal};
	two_nodes_load(&r->nodes, &two_nodes_small, 1);
	two_nodes_prompt(&r->nodes, r->prompt, N_PROMPT);
	s = two_nodes_open(&r->nodes, &(struct ferry_node_session_options){.n_ctx = N_CTX});
	two_nodes_generate(s, r->prompt, N_PROMPT, NULL, r->want, N_NEW);
	ferry_node_session_close(s);
	if (key_folder_make(&r->edge_keys) || key_folder_make(&r->device_keys))
		return -1;
	key_folder_trust_key(&r->edge_keys, &r->device_keys.key, "phone", FERRY_TRUST_DEVICE);
	key_folder_trust_key(&r->device_keys, &r->edge_keys.key, "gateway", FERRY_TRUST_EDGE);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	two_nodes_free(&r->nodes);
	key_folder_remove(&r->edge_keys);
	key_folder_remove(&r->device_keys);
	free(r);
	return 0;
}

static struct ferry_node_session_options options(const struct rig *r, int32_t split)
{
	return (struct ferry_node_session_options){.n_ctx = N_CTX,
						   .chunk_tokens = 16,
						   .edge = r->nodes.address,
						   .split = split,
						   .deadline_ms = 20000,
						   .fallback = FERRY_NODE_FALLBACK_FAIL,
						   .tls.keys = r->device_keys.path};
}

static int open_session(struct rig *r, const struct ferry_node_session_options *o,
			struct ferry_node_session **s, struct ferry_error *err)
{
	return ferry_node_session_open(r->nodes.model, r->nodes.pool, o, s, err);
}

static void expect_refused(struct rig *r, const struct ferry_node_session_options *o, int code,
			   const char *says)
{
	struct ferry_node_session *s = NULL;
	struct ferry_error err;

	if (open_session(r, o, &s, &err) != code || !strstr(err.text, says))
		fail_msg("%d '%s', not %d '%s'", err.code, err.text, code, says);
	assert_null(s);
}

static void tokens_are_the_same_under_encryption(void **state)
{
	struct rig *r = *state;

	serve(r, (struct ferry_edge_options){0});
	for (int32_t split = 0; split <= 4; split++) {
		struct ferry_node_session_options o = options(r, split);
		struct ferry_node_session *s = two_nodes_open(&r->nodes, &o);
		int32_t got[N_NEW];

		two_nodes_generate(s, r->prompt, N_PROMPT, NULL, got, N_NEW);
		assert_memory_equal(got, r->want, sizeof(got));
		ferry_node_session_close(s);
	}
}

/* Bytes that a hidden state costs more: a record, which is FERRY_TLS_OVERHEAD, and nothing else. */
static void a_token_costs_one_record_each_way(void **state)
{
	struct rig *r = *state;
	uint64_t up[2], down[2];

	for (int encrypted = 0; encrypted < 2; encrypted++) {
		struct ferry_node_session_options o = options(r, 2);
		struct ferry_node_session_stats before, after;
		struct ferry_node_session *s;
		int32_t got[N_NEW];

		serve(r, (struct ferry_edge_options){.insecure = !encrypted});
		o.insecure = !encrypted;
		s = two_nodes_open(&r->nodes, &o);
		two_nodes_generate(s, r->prompt, N_PROMPT, NULL, got, 1);
		ferry_node_session_get_stats(s, &before);
		for (int i = 1; i < N_NEW; i++)
			assert_int_equal(ferry_node_session_next(s, NULL, &got[i], NULL), 0);
		ferry_node_session_get_stats(s, &after);
		assert_memory_equal(got, r->want, sizeof(got));
		up[encrypted] = after.bytes_sent - before.bytes_sent;
		down[encrypted] = after.bytes_received - before.bytes_received;
		ferry_node_session_close(s);
		two_nodes_stop(&r->nodes);
	}
	assert_int_equal(up[1] - up[0], (N_NEW - 1) * FERRY_TLS_OVERHEAD);
	assert_int_equal(down[1] - down[0], (N_NEW - 1) * FERRY_TLS_OVERHEAD);
	assert_int_equal(down[1], (N_NEW - 1) * (16 + 22 + 4 + FERRY_TLS_OVERHEAD));
}

static void plaintext_is_refused_both_ways(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 1);

	serve(r, (struct ferry_edge_options){0});
	o.tls.keys = NULL;
	expect_refused(r, &o, -EACCES, "encrypted connections only");
	/* Not even where the edge may be done without. */
	o.split = FERRY_NODE_SPLIT_AUTO;
	expect_refused(r, &o, -EACCES, "encrypted connections only");
	two_nodes_stop(&r->nodes);
	serve(r, (struct ferry_edge_options){.insecure = true});
	o = options(r, 1);
	expect_refused(r, &o, -EACCES, "does not encrypt");
}

static void set_grant(struct rig *r, struct ferry_grant g)
{
	g.key = r->device_keys.key;
	g.roles = FERRY_TRUST_DEVICE;
	strcpy(g.name, "phone");
	assert_int_equal(key_folder_trust(&r->edge_keys, &g), 0);
}

static void a_key_has_models_that_it_may_use(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 1);
	struct ferry_node_session *s;
	struct ferry_error err;
	struct ferry_grant g = {.n_models = 1};

	strcpy(g.models[0], "0123456789abcdef");
	set_grant(r, g);
	serve(r, (struct ferry_edge_options){0});
	expect_refused(r, &o, -EACCES, "may not use this model");
	two_nodes_stop(&r->nodes);
	for (int i = 0; i < 8; i++)
		sprintf(g.models[0] + 2 * i, "%02x", r->nodes.model->id[i]);
	set_grant(r, g);
	serve(r, (struct ferry_edge_options){0});
	if (open_session(r, &o, &s, &err))
		fail_msg("%s", err.text);
	ferry_node_session_close(s);
}

/* The limits are those of the key: two devices that have it share them. */
static void two_devices_with_one_key_share_its_limits(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 2);
	uint64_t one = ferry_kv_cache_bytes(r->nodes.model, 2, 4, N_CTX, FERRY_KV_F16);
	struct ferry_node_session *a = NULL, *b = NULL;
	struct ferry_error err;
	uint64_t guard;
	int32_t got[N_NEW];
	int ret;

	set_grant(r, (struct ferry_grant){.max_sessions = 2});
	serve(r, (struct ferry_edge_options){0});
	if (open_session(r, &o, &a, &err) || open_session(r, &o, &b, &err))
		fail_msg("%s", err.text);
	expect_refused(r, &o, -EBUSY, "the key of phone may have 2 sessions");
	two_nodes_generate(a, r->prompt, N_PROMPT, NULL, got, N_NEW);
	assert_memory_equal(got, r->want, sizeof(got));
	two_nodes_generate(b, r->prompt, N_PROMPT, NULL, got, N_NEW);
	assert_memory_equal(got, r->want, sizeof(got));
	ferry_node_session_close(a);
	guard = ferry_now_us() + GUARD_US;
	/* The edge learns of the goodbye a moment later. */
	while ((ret = open_session(r, &o, &a, &err)) == -EBUSY && ferry_now_us() < guard)
		;
	assert_int_equal(ret, 0);
	ferry_node_session_close(a);
	ferry_node_session_close(b);
	two_nodes_stop(&r->nodes);

	/* Memory: rounded up to a MiB, so as many sessions as are in one, and no more. */
	set_grant(r, (struct ferry_grant){.kv_bytes = 1 << 20});
	serve(r, (struct ferry_edge_options){.max_sessions = 64});
	{
		struct ferry_node_session *all[64];
		unsigned n = 0, fit = (unsigned)((1 << 20) / one);

		assert_in_range(fit, 2, 60);
		while (n < fit) {
			if (open_session(r, &o, &all[n], &err))
				fail_msg("session %u of %u: %s", n, fit, err.text);
			n++;
		}
		expect_refused(r, &o, -ENOMEM, "the key of phone may have 1048576");
		while (n)
			ferry_node_session_close(all[--n]);
	}
}

static void a_key_that_is_revoked_is_sent_away_at_work(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 1);
	struct ferry_node_session *s;
	struct ferry_error err;
	struct ferry_grant g = {.revoked = "2026-01-01"};
	uint64_t guard = ferry_now_us() + GUARD_US;
	int32_t id;
	int ret = 0;

	serve(r, (struct ferry_edge_options){0});
	s = two_nodes_open(&r->nodes, &o);
	assert_int_equal(ferry_node_session_append(s, r->prompt, 4, &err), 0);
	assert_int_equal(ferry_node_session_next(s, NULL, &id, &err), 0);
	set_grant(r, g);
	while (!ret && ferry_now_us() < guard) {
		usleep(100000);
		ferry_node_session_truncate(s, 4, NULL);
		ret = ferry_node_session_next(s, NULL, &id, &err);
	}
	if (ret != -EACCES || !strstr(err.text, "AUTH") || !strstr(err.text, "revoked"))
		fail_msg("%d %s", ret, err.text);
	ferry_node_session_close(s);
	expect_refused(r, &o, -EACCES, "has revoked its trust");
}

/* One line tells the operator; a hundred attempts do not make a hundred. */
static void a_refusal_is_logged_once(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 1);
	struct key_folder stranger;
	char key[FERRY_FINGERPRINT_TEXT];

	assert_int_equal(key_folder_make(&stranger), 0);
	key_folder_trust_key(&stranger, &r->edge_keys.key, "gateway", FERRY_TRUST_EDGE);
	ferry_fingerprint_text(&stranger.key, key);
	serve(r, (struct ferry_edge_options){0});
	o.tls.keys = stranger.path;
	for (int i = 0; i < 5; i++)
		expect_refused(r, &o, -EACCES, "does not trust this node's key");
	/* By strangers, each with another key: the journal is not theirs to fill. */
	for (int i = 0; i < 60; i++) {
		key_folder_remove(&stranger);
		assert_int_equal(key_folder_make(&stranger), 0);
		key_folder_trust_key(&stranger, &r->edge_keys.key, "gateway", FERRY_TRUST_EDGE);
		expect_refused(r, &o, -EACCES, "does not trust this node's key");
	}
	assert_int_equal(count_in_journal(r, key), 2); /* once, in a sentence that has it twice */
	assert_in_range(count_in_journal(r, "is not trusted"), 2, 32);
	/* Who is trusted gets in all the same. */
	o.tls.keys = r->device_keys.path;
	ferry_node_session_close(two_nodes_open(&r->nodes, &o));
	key_folder_remove(&stranger);
}

static void a_device_refuses_an_edge_that_it_does_not_trust(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 1);
	char path[128];

	serve(r, (struct ferry_edge_options){0});
	snprintf(path, sizeof(path), "%s/trust", r->device_keys.path);
	unlink(path);
	expect_refused(r, &o, -EACCES, "is not trusted");
	o.split = FERRY_NODE_SPLIT_AUTO;
	expect_refused(r, &o, -EACCES, "ferry keys trust --role edge ferry1:");
	two_nodes_stop(&r->nodes);
	assert_int_equal(count_in_journal(r, "does not trust this node's key"), 1);
}

/* One context serves a conversation, however often it has to connect. */
static void a_device_looks_at_its_trust_before_it_connects_again(void **state)
{
	struct rig *r = *state;
	const struct ferry_model *m = r->nodes.model;
	struct ferry_wire_hello hello = {.n_layers = m->hp.n_layers,
					 .n_embd = m->hp.n_embd,
					 .n_vocab = m->hp.n_vocab,
					 .encodings = 3,
					 .max_frame = FERRY_FRAME_MAX};
	struct ferry_tls_files files = {.keys = r->device_keys.path};
	struct ferry_uplink_options o = {.deadline_ms = 20000};
	struct ferry_grant g = {.key = r->edge_keys.key,
				.name = "gateway",
				.roles = FERRY_TRUST_EDGE,
				.revoked = "2026-01-01"};
	struct ferry_uplink *u;
	struct ferry_error err;

	serve(r, (struct ferry_edge_options){0});
	memcpy(hello.model, m->id, sizeof(hello.model));
	assert_int_equal(ferry_tls_context_new(&files, FERRY_ROLE_DEVICE, &o.tls, &err), 0);
	o.edge = r->nodes.address;
	for (int i = 0; i < 3; i++) {
		if (ferry_uplink_connect(&o, &hello, &u, &err))
			fail_msg("%s", err.text);
		ferry_uplink_free(u);
	}
	assert_int_equal(key_folder_trust(&r->device_keys, &g), 0);
	assert_int_equal(ferry_uplink_connect(&o, &hello, &u, &err), -EACCES);
	assert_non_null(strstr(err.text, "gateway was revoked"));
	ferry_tls_context_free(o.tls);
}

/* A machine that runs both roles with its one key need not say that it trusts itself. */
static void a_machine_trusts_itself(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 2);
	struct ferry_node_session *s;
	struct ferry_grant g = {.key = r->edge_keys.key,
				.name = "me",
				.roles = FERRY_TRUST_DEVICE | FERRY_TRUST_EDGE,
				.revoked = "2026-01-01"};
	int32_t got[N_NEW];

	serve(r, (struct ferry_edge_options){0});
	o.tls.keys = r->edge_keys.path;
	s = two_nodes_open(&r->nodes, &o);
	two_nodes_generate(s, r->prompt, N_PROMPT, NULL, got, N_NEW);
	assert_memory_equal(got, r->want, sizeof(got));
	ferry_node_session_close(s);
	/* Unless it says that it does not. */
	assert_int_equal(key_folder_trust(&r->edge_keys, &g), 0);
	expect_refused(r, &o, -EACCES, "me was revoked");
}

static void connections_that_never_greet_hold_nobody_up(void **state)
{
	struct rig *r = *state;
	struct ferry_node_session_options o = options(r, 1);
	struct ferry_node_session *s;
	int fds[40];

	serve(r, (struct ferry_edge_options){.times.greeting_ms = 20000});
	for (int i = 0; i < 40; i++) {
		struct raw_peer p;

		raw_peer_connect(&p, ferry_edge_port(r->nodes.edge));
		fds[i] = dup(p.fd);
		raw_peer_close(&p);
		/* A ClientHello that is never finished. */
		assert_int_equal(send(fds[i], "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL), 6);
	}
	s = two_nodes_open(&r->nodes, &o);
	ferry_node_session_close(s);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tokens_are_the_same_under_encryption),
		TEST(a_token_costs_one_record_each_way),
		TEST(plaintext_is_refused_both_ways),
		TEST(a_key_has_models_that_it_may_use),
		TEST(two_devices_with_one_key_share_its_limits),
		TEST(a_key_that_is_revoked_is_sent_away_at_work),
		TEST(a_refusal_is_logged_once),
		TEST(a_device_refuses_an_edge_that_it_does_not_trust),
		TEST(a_device_looks_at_its_trust_before_it_connects_again),
		TEST(a_machine_trusts_itself),
		TEST(connections_that_never_greet_hold_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
