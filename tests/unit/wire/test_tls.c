// SPDX-License-Identifier: MIT
/* Two ends in one process; the test is the wire between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fixtures/key_folder.h"
#include "wire/tls.h"

enum {
	WIRE = 1 << 18,
	PLAIN = 1 << 17,
};

/* Bytes on their way to one end. */
struct wire {
	uint8_t *bytes;
	size_t n;
};

struct end {
	struct ferry_tls *tls;
	uint8_t *got; /* plain */
	size_t n_got;
	int code; /* how it failed */
	struct ferry_error err;
};

struct rig {
	struct key_folder edge_keys, device_keys;
	struct ferry_tls_context *edge_context, *device_context;
	struct end edge, device;
	struct wire to_edge, to_device;
	size_t n_up, n_down; /* bytes that ever crossed */
};

static void drop_ends(struct rig *r)
{
	struct end *ends[] = {&r->edge, &r->device};

	for (int i = 0; i < 2; i++) {
		ferry_tls_free(ends[i]->tls);
		free(ends[i]->got);
		*ends[i] = (struct end){0};
	}
	r->to_edge.n = r->to_device.n = r->n_up = r->n_down = 0;
}

static void new_ends(struct rig *r)
{
	struct ferry_error err;

	drop_ends(r);
	if (ferry_tls_new(r->edge_context, NULL, &r->edge.tls, &err) ||
	    ferry_tls_new(r->device_context, "gateway", &r->device.tls, &err))
		fail_msg("%s", err.text);
	r->edge.got = malloc(PLAIN);
	r->device.got = malloc(PLAIN);
}

static void new_contexts(struct rig *r)
{
	struct ferry_tls_files edge = {.keys = r->edge_keys.path};
	struct ferry_tls_files device = {.keys = r->device_keys.path};
	struct ferry_error err;

	drop_ends(r);
	ferry_tls_context_free(r->edge_context);
	ferry_tls_context_free(r->device_context);
	if (ferry_tls_context_new(&edge, FERRY_ROLE_EDGE, &r->edge_context, &err) ||
	    ferry_tls_context_new(&device, FERRY_ROLE_DEVICE, &r->device_context, &err))
		fail_msg("%s", err.text);
}

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || key_folder_make(&r->edge_keys) || key_folder_make(&r->device_keys))
		return -1;
	r->to_edge.bytes = malloc(WIRE);
	r->to_device.bytes = malloc(WIRE);
	key_folder_trust_key(&r->edge_keys, &r->device_keys.key, "phone", FERRY_TRUST_DEVICE);
	key_folder_trust_key(&r->device_keys, &r->edge_keys.key, "gateway", FERRY_TRUST_EDGE);
	new_contexts(r);
	new_ends(r);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	drop_ends(r);
	ferry_tls_context_free(r->edge_context);
	ferry_tls_context_free(r->device_context);
	key_folder_remove(&r->edge_keys);
	key_folder_remove(&r->device_keys);
	free(r->to_edge.bytes);
	free(r->to_device.bytes);
	free(r);
	return 0;
}

static void collect(struct end *from, struct wire *to, size_t *count)
{
	struct ferry_outgoing *out = ferry_tls_output(from->tls);

	if (!out)
		return;
	assert_true(to->n + out->n <= WIRE);
	memcpy(to->bytes + to->n, out->bytes, out->n);
	to->n += out->n;
	*count += out->n;
	free(out);
}

static void feed(struct end *to, const uint8_t *data, size_t n)
{
	size_t got;
	int ret;

	if (to->code)
		return;
	ferry_tls_input(to->tls, data, n);
	while ((ret = ferry_tls_read(to->tls, to->got + to->n_got, PLAIN - to->n_got, &got,
				     &to->err)) == 1) {
		assert_true(got > 0);
		to->n_got += got;
	}
	to->code = ret;
}

/* The wire's bytes to an end, in pieces of @piece, through a copy that is gone afterwards. */
static void deliver(struct wire *w, struct end *to, size_t piece)
{
	for (size_t at = 0; at < w->n; at += piece) {
		size_t n = w->n - at < piece ? w->n - at : piece;
		uint8_t *copy = malloc(n);

		memcpy(copy, w->bytes + at, n);
		feed(to, copy, n);
		free(copy);
	}
	w->n = 0;
}

static void run(struct rig *r, size_t piece)
{
	if (!r->n_up)
		feed(&r->device, NULL, 0);
	for (int i = 0; i < 16; i++) {
		collect(&r->device, &r->to_edge, &r->n_up);
		collect(&r->edge, &r->to_device, &r->n_down);
		if (!r->to_edge.n && !r->to_device.n)
			return;
		deliver(&r->to_edge, &r->edge, piece);
		deliver(&r->to_device, &r->device, piece);
	}
	fail_msg("the two never fall silent");
}

static void send_plain(struct end *from, const char *text)
{
	if (ferry_tls_send(from->tls, (const uint8_t *)text, strlen(text), &from->err))
		fail_msg("%s", from->err.text);
}

static void expect_open(struct rig *r)
{
	if (r->edge.code || r->device.code)
		fail_msg("edge: %s; device: %s", r->edge.err.text, r->device.err.text);
	assert_true(ferry_tls_is_open(r->edge.tls));
	assert_true(ferry_tls_is_open(r->device.tls));
}

static void expect_got(const struct end *e, const char *text)
{
	assert_int_equal(e->n_got, strlen(text));
	assert_memory_equal(e->got, text, e->n_got);
}

static void both_know_each_other(void **state)
{
	struct rig *r = *state;
	const struct ferry_grant *g;

	assert_null(ferry_tls_peer(r->edge.tls));
	run(r, WIRE);
	expect_open(r);
	g = ferry_tls_peer(r->edge.tls);
	assert_string_equal(g->name, "phone");
	assert_true(ferry_fingerprint_equal(&g->key, &r->device_keys.key));
	g = ferry_tls_peer(r->device.tls);
	assert_string_equal(g->name, "gateway");
	assert_true(ferry_fingerprint_equal(&g->key, &r->edge_keys.key));
	send_plain(&r->device, "hello");
	send_plain(&r->device, " edge");
	send_plain(&r->edge, "hello device");
	run(r, WIRE);
	expect_got(&r->edge, "hello edge");
	expect_got(&r->device, "hello device");
}

static void every_byte_boundary_is_a_good_one(void **state)
{
	struct rig *r = *state;
	struct wire first;
	size_t n_first;

	for (size_t piece = 1; piece <= 40; piece++) {
		new_ends(r);
		run(r, piece);
		expect_open(r);
		send_plain(&r->device, "up");
		send_plain(&r->edge, "down");
		run(r, piece);
		expect_got(&r->edge, "up");
		expect_got(&r->device, "down");
	}
	/* Each place of the first flight, cut in two. */
	new_contexts(r);
	new_ends(r);
	feed(&r->device, NULL, 0);
	collect(&r->device, &r->to_edge, &r->n_up);
	n_first = r->to_edge.n;
	first.bytes = malloc(WIRE);
	for (size_t cut = 0; cut <= n_first; cut++) {
		new_contexts(r);
		new_ends(r);
		feed(&r->device, NULL, 0);
		collect(&r->device, &r->to_edge, &r->n_up);
		assert_int_equal(r->to_edge.n, n_first);
		memcpy(first.bytes, r->to_edge.bytes, n_first);
		r->to_edge.n = 0;
		feed(&r->edge, first.bytes, cut);
		feed(&r->edge, first.bytes + cut, n_first - cut);
		run(r, WIRE);
		expect_open(r);
	}
	free(first.bytes);
}

static void whether_a_record_has_begun_is_known(void **state)
{
	struct rig *r = *state;
	uint32_t n;

	run(r, WIRE);
	send_plain(&r->device, "0123456789");
	collect(&r->device, &r->to_edge, &r->n_up);
	assert_int_equal(r->to_edge.n, 10 + FERRY_TLS_OVERHEAD);
	for (size_t i = 0; i < r->to_edge.n; i++) {
		assert_int_equal(ferry_tls_in_record(r->edge.tls, &n), i > 0);
		assert_int_equal(n, i < 5 ? 0 : 10 + 1 + 16);
		feed(&r->edge, r->to_edge.bytes + i, 1);
	}
	assert_false(ferry_tls_in_record(r->edge.tls, &n));
	expect_got(&r->edge, "0123456789");
}

static void a_frame_up_to_16_kib_is_one_record(void **state)
{
	struct rig *r = *state;
	uint8_t *bytes = calloc(1, 3 * FERRY_TLS_RECORD);
	size_t before;

	run(r, WIRE);
	before = r->n_up;
	assert_int_equal(ferry_tls_send(r->device.tls, bytes, FERRY_TLS_RECORD, NULL), 0);
	run(r, WIRE);
	assert_int_equal(r->n_up - before, FERRY_TLS_RECORD + FERRY_TLS_OVERHEAD);
	before = r->n_up;
	assert_int_equal(ferry_tls_send(r->device.tls, bytes, 2 * FERRY_TLS_RECORD + 1, NULL), 0);
	run(r, WIRE);
	assert_int_equal(r->n_up - before, 2 * FERRY_TLS_RECORD + 1 + 3 * FERRY_TLS_OVERHEAD);
	assert_int_equal(r->edge.n_got, 3 * FERRY_TLS_RECORD + 1);
	free(bytes);
}

static void sessions_are_resumed_without_certificates(void **state)
{
	struct rig *r = *state;
	size_t n_full;

	run(r, WIRE);
	expect_open(r);
	assert_false(ferry_tls_was_resumed(r->edge.tls));
	n_full = r->n_up + r->n_down;
	for (int i = 0; i < 3; i++) {
		new_ends(r);
		run(r, WIRE);
		expect_open(r);
		assert_true(ferry_tls_was_resumed(r->edge.tls));
		assert_true(ferry_tls_was_resumed(r->device.tls));
		assert_true(r->n_up + r->n_down < n_full);
		assert_string_equal(ferry_tls_peer(r->edge.tls)->name, "phone");
		assert_string_equal(ferry_tls_peer(r->device.tls)->name, "gateway");
	}
	/* An edge that was started again knows no tickets, and minds none. */
	drop_ends(r);
	ferry_tls_context_free(r->edge_context);
	assert_int_equal(ferry_tls_context_new(&(struct ferry_tls_files){.keys = r->edge_keys.path},
					       FERRY_ROLE_EDGE, &r->edge_context, NULL),
			 0);
	new_ends(r);
	run(r, WIRE);
	expect_open(r);
	assert_false(ferry_tls_was_resumed(r->edge.tls));
}

/* Both fail: one says why, the other hears it. */
static void expect_refusal(struct rig *r, const char *edge_says, const char *device_says)
{
	run(r, WIRE);
	if (r->edge.code != -EACCES || !strstr(r->edge.err.text, edge_says))
		fail_msg("edge: %d '%s', not '%s'", r->edge.code, r->edge.err.text, edge_says);
	if (r->device.code != -EACCES || !strstr(r->device.err.text, device_says))
		fail_msg("device: %d '%s', not '%s'", r->device.code, r->device.err.text,
			 device_says);
	assert_false(ferry_tls_is_open(r->edge.tls));
	assert_int_equal(r->edge.n_got + r->device.n_got, 0);
	assert_int_equal(ferry_tls_send(r->edge.tls, (const uint8_t *)"x", 1, NULL), -ENOTCONN);
}

static void say(const struct key_folder *f, const struct ferry_fingerprint *key, uint8_t roles,
		const char *expires, const char *revoked)
{
	struct ferry_grant g = {.key = *key, .roles = roles, .name = "phone"};

	strcpy(g.expires, expires);
	strcpy(g.revoked, revoked);
	assert_int_equal(key_folder_trust(f, &g), 0);
}

/* With and without a ticket from the time when all was well. */
static void keys_that_are_not_trusted_are_refused(void **state)
{
	static const struct {
		bool by_edge;
		uint8_t roles;
		const char *expires, *revoked, *edge_says, *device_says;
	} cases[] = {
		{true, FERRY_TRUST_DEVICE, "", "2026-01-01", "phone was revoked", "has revoked"},
		{true, FERRY_TRUST_DEVICE, "2020-01-01", "", "until 2020-01-01 only",
		 "has expired"},
		{true, FERRY_TRUST_EDGE, "", "", "not trusted as that of a device",
		 "as that of a device"},
		{false, FERRY_TRUST_EDGE, "", "2026-01-01", "has revoked", "phone was revoked"},
		{false, FERRY_TRUST_EDGE, "2020-01-01", "", "has expired", "until 2020-01-01"},
		{false, FERRY_TRUST_DEVICE, "", "", "as that of a edge", "not trusted as"},
	};
	struct rig *r = *state;

	for (int resume = 0; resume < 2; resume++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct key_folder *f = cases[i].by_edge ? &r->edge_keys : &r->device_keys;
			struct ferry_fingerprint *key = cases[i].by_edge ? &r->device_keys.key
									 : &r->edge_keys.key;

			say(f, key, FERRY_TRUST_DEVICE | FERRY_TRUST_EDGE, "", "");
			new_contexts(r);
			new_ends(r);
			run(r, WIRE);
			expect_open(r);
			say(f, key, cases[i].roles, cases[i].expires, cases[i].revoked);
			assert_int_equal(ferry_tls_check_peer(r->edge.tls, NULL), 0);
			if (resume) {
				ferry_tls_context_refresh(r->edge_context, NULL);
				ferry_tls_context_refresh(r->device_context, NULL);
				assert_int_equal(ferry_tls_check_peer(cases[i].by_edge
									      ? r->edge.tls
									      : r->device.tls,
								      NULL),
						 -EACCES);
			} else {
				new_contexts(r);
			}
			new_ends(r);
			expect_refusal(r, cases[i].edge_says, cases[i].device_says);
			say(f, key, FERRY_TRUST_DEVICE | FERRY_TRUST_EDGE, "", "");
		}
	}
}

static void strangers_are_told_how_to_be_trusted(void **state)
{
	struct rig *r = *state;
	struct key_folder stranger;
	struct ferry_tls_files files = {.keys = stranger.path};
	char key[FERRY_FINGERPRINT_TEXT];

	assert_int_equal(key_folder_make(&stranger), 0);
	key_folder_trust_key(&stranger, &r->edge_keys.key, "gateway", FERRY_TRUST_EDGE);
	ferry_tls_context_free(r->device_context);
	assert_int_equal(ferry_tls_context_new(&files, FERRY_ROLE_DEVICE, &r->device_context, NULL),
			 0);
	new_ends(r);
	expect_refusal(r, "is not trusted", "does not trust this node's key");
	ferry_fingerprint_text(&stranger.key, key);
	assert_non_null(strstr(r->edge.err.text, key));
	assert_non_null(strstr(r->device.err.text, key));
	assert_non_null(strstr(r->device.err.text, "--role device"));

	/* And an edge with a key of its own choice is none of ours. */
	drop_ends(r);
	ferry_tls_context_free(r->device_context);
	files.keys = r->device_keys.path;
	assert_int_equal(ferry_tls_context_new(&files, FERRY_ROLE_DEVICE, &r->device_context, NULL),
			 0);
	ferry_tls_context_free(r->edge_context);
	files.keys = stranger.path;
	assert_int_equal(ferry_tls_context_new(&files, FERRY_ROLE_EDGE, &r->edge_context, NULL), 0);
	key_folder_trust_key(&stranger, &r->device_keys.key, "phone", FERRY_TRUST_DEVICE);
	new_ends(r);
	expect_refusal(r, "does not trust this node's key", "is not trusted");
	key_folder_remove(&stranger);
}

static void a_new_line_of_the_trust_file_counts_at_once(void **state)
{
	struct rig *r = *state;
	struct ferry_error err;
	char path[128];
	FILE *f;

	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), 0);
	say(&r->edge_keys, &r->device_keys.key, FERRY_TRUST_DEVICE, "", "2026-01-01");
	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), 1);
	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), 0);
	expect_refusal(r, "revoked", "revoked");
	say(&r->edge_keys, &r->device_keys.key, FERRY_TRUST_DEVICE, "", "");
	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), 1);
	new_ends(r);
	run(r, WIRE);
	expect_open(r);
	/* A file that cannot be read changes nothing, and is complained about once. */
	snprintf(path, sizeof(path), "%s/trust", r->edge_keys.path);
	f = fopen(path, "w");
	fputs("nonsense\n", f);
	fclose(f);
	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "line 1"));
	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), 0);
	assert_int_equal(ferry_tls_check_peer(r->edge.tls, &err), 0);
	/* No file: nobody. */
	unlink(path);
	assert_int_equal(ferry_tls_context_refresh(r->edge_context, &err), 1);
	assert_int_equal(ferry_tls_check_peer(r->edge.tls, &err), -EACCES);
}

static void plaintext_is_found_out_on_both_sides(void **state)
{
	static const uint8_t frame[32] = "FRRY\x01\x00\x01";
	struct rig *r = *state;

	for (size_t piece = 1; piece <= sizeof(frame); piece++) {
		new_ends(r);
		for (size_t at = 0; at < sizeof(frame); at += piece)
			feed(&r->edge, frame + at,
			     sizeof(frame) - at < piece ? sizeof(frame) - at : piece);
		assert_int_equal(r->edge.code, -EACCES);
		assert_non_null(strstr(r->edge.err.text, "does not encrypt"));
		assert_true(ferry_tls_peer_is_plain(r->edge.tls));
		feed(&r->device, NULL, 0);
		feed(&r->device, frame, sizeof(frame));
		assert_int_equal(r->device.code, -EACCES);
		assert_non_null(strstr(r->device.err.text, "does not encrypt"));
	}
}

static void garbage_is_refused_early(void **state)
{
	static const char *const garbage[] = {
		"GET / HTTP/1.1\r\n\r\n",	"\x16\x03\x01\xff\xff aaaaaaaa",
		"\x16\x03\x01\x00\x00",		"\x17\x03\x03\x00\x05hello",
		"\x80\x2e\x01\x03\x01\x00\x15", "SSH-2.0-x\r\n",
		"\x15\x03\x03\x00\x02\x02\x28"};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		uint8_t bytes[64] = {0};

		new_ends(r);
		memcpy(bytes, garbage[i], i == 2 ? 5 : strlen(garbage[i]));
		feed(&r->edge, bytes, sizeof(bytes));
		if (!r->edge.code)
			fail_msg("garbage %zu is waited for", i);
		assert_true(r->edge.err.text[0]);
		assert_int_equal(ferry_tls_read(r->edge.tls, r->edge.got, 1, &r->edge.n_got, NULL),
				 -EPROTO);
	}
}

/* A record that is changed, repeated or left out; the last is how a replay ends, too. */
static void records_cannot_be_tampered_with(void **state)
{
	struct rig *r = *state;
	uint8_t first[64];
	size_t n_first;

	for (size_t flip = 0; flip < 5 + 4 + 1 + 16; flip++) {
		new_ends(r);
		run(r, WIRE);
		send_plain(&r->device, "text");
		collect(&r->device, &r->to_edge, &r->n_up);
		assert_int_equal(r->to_edge.n, 4 + FERRY_TLS_OVERHEAD);
		r->to_edge.bytes[flip] ^= 0x10;
		feed(&r->edge, r->to_edge.bytes, r->to_edge.n);
		/* A longer length waits for more bytes: that is the deadline's business. */
		assert_int_equal(r->edge.n_got, 0);
		assert_true(r->edge.code == -EPROTO || r->edge.code == -EACCES || flip == 3);
	}
	for (int leave_out = 0; leave_out < 2; leave_out++) {
		new_ends(r);
		run(r, WIRE);
		send_plain(&r->device, "one");
		collect(&r->device, &r->to_edge, &r->n_up);
		n_first = r->to_edge.n;
		memcpy(first, r->to_edge.bytes, n_first);
		r->to_edge.n = 0;
		send_plain(&r->device, "two");
		collect(&r->device, &r->to_edge, &r->n_up);
		if (!leave_out) {
			feed(&r->edge, first, n_first);
			feed(&r->edge, first, n_first);
		} else {
			feed(&r->edge, r->to_edge.bytes, r->to_edge.n);
		}
		assert_int_equal(r->edge.code, -EPROTO);
		assert_int_equal(r->edge.n_got, leave_out ? 0 : 3);
	}
}

/* What was recorded of one connection means nothing to the next. */
static void a_connection_cannot_be_replayed(void **state)
{
	struct rig *r = *state;
	uint8_t *recorded = malloc(WIRE);
	size_t n_recorded = 0;

	for (int i = 0; i < 2; i++) { /* the second one is a resumption */
		new_ends(r);
		n_recorded = 0;
		feed(&r->device, NULL, 0);
		for (int turn = 0; turn < 8; turn++) {
			collect(&r->device, &r->to_edge, &r->n_up);
			memcpy(recorded + n_recorded, r->to_edge.bytes, r->to_edge.n);
			n_recorded += r->to_edge.n;
			deliver(&r->to_edge, &r->edge, WIRE);
			collect(&r->edge, &r->to_device, &r->n_down);
			deliver(&r->to_device, &r->device, WIRE);
			if (turn == 4)
				send_plain(&r->device, "once");
		}
		expect_got(&r->edge, "once");
		new_ends(r);
		feed(&r->edge, recorded, n_recorded);
		assert_true(r->edge.code < 0);
		assert_int_equal(r->edge.n_got, 0);
		assert_false(ferry_tls_is_open(r->edge.tls));
	}
	free(recorded);
}

static void the_end_is_told_apart_from_a_cut(void **state)
{
	struct rig *r = *state;

	run(r, WIRE);
	send_plain(&r->device, "last");
	ferry_tls_end(r->device.tls);
	run(r, WIRE);
	expect_got(&r->edge, "last");
	assert_true(ferry_tls_has_ended(r->edge.tls));
	assert_int_equal(r->edge.code, 0);
	/* Our side may still speak, and what comes behind the end does not count. */
	assert_false(ferry_tls_has_ended(r->device.tls));
	feed(&r->edge, (const uint8_t *)"garbage", 7);
	expect_got(&r->edge, "last");
}

/* A plain OpenSSL as the device: what another program, or a hostile one, may do. */
struct foreign {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
};

static void foreign_new(struct foreign *f, int version, const struct key_folder *keys)
{
	char path[128];
	FILE *file;
	EVP_PKEY *key = NULL;
	X509 *x = X509_new();

	f->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(f->context, version);
	SSL_CTX_set_min_proto_version(f->context, version);
	if (keys) {
		snprintf(path, sizeof(path), "%s/key.pem", keys->path);
		file = fopen(path, "r");
		key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
		fclose(file);
		X509_set_version(x, 2);
		ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
		X509_gmtime_adj(X509_getm_notBefore(x), -7200);
		X509_gmtime_adj(X509_getm_notAfter(x), -3600);
		X509_set_pubkey(x, key);
		X509_sign(x, key, NULL);
		assert_int_equal(SSL_CTX_use_certificate(f->context, x), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(f->context, key), 1);
	}
	EVP_PKEY_free(key);
	X509_free(x);
	f->ssl = SSL_new(f->context);
	f->in = BIO_new(BIO_s_mem());
	f->out = BIO_new(BIO_s_mem());
	SSL_set_bio(f->ssl, f->in, f->out);
	SSL_set_connect_state(f->ssl);
}

static void foreign_free(struct foreign *f)
{
	SSL_free(f->ssl);
	SSL_CTX_free(f->context);
}

/* Lets bytes go both ways until there are none. */
static void foreign_run(struct foreign *f, struct rig *r)
{
	uint8_t bytes[4096];
	char *data;

	for (int i = 0; i < 8; i++) {
		long n;

		SSL_read(f->ssl, bytes, sizeof(bytes));
		n = BIO_get_mem_data(f->out, &data);
		feed(&r->edge, (uint8_t *)data, (size_t)n);
		(void)BIO_reset(f->out);
		collect(&r->edge, &r->to_device, &r->n_down);
		BIO_write(f->in, r->to_device.bytes, (int)r->to_device.n);
		r->to_device.n = 0;
	}
}

static void tls_1_2_is_refused(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_new(&f, TLS1_2_VERSION, &r->device_keys);
	foreign_run(&f, r);
	assert_int_equal(r->edge.code, -EACCES);
	assert_non_null(strstr(r->edge.err.text, "no TLS 1.3"));
	assert_false(SSL_is_init_finished(f.ssl));
	foreign_free(&f);
}

static void a_client_without_a_key_is_refused(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_new(&f, TLS1_3_VERSION, NULL);
	foreign_run(&f, r);
	assert_int_equal(r->edge.code, -EACCES);
	assert_non_null(strstr(r->edge.err.text, "shows no key"));
	foreign_free(&f);
}

/* A pinned key counts, the certificate around it does not: this one has expired. */
static void another_implementation_gets_through(void **state)
{
	struct rig *r = *state;
	struct foreign f;

	foreign_new(&f, TLS1_3_VERSION, &r->device_keys);
	foreign_run(&f, r);
	assert_int_equal(r->edge.code, 0);
	assert_true(ferry_tls_is_open(r->edge.tls));
	SSL_write(f.ssl, "hi", 2);
	/* A new key in the middle, asked for both ways. */
	assert_int_equal(SSL_key_update(f.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	SSL_write(f.ssl, " there", 6);
	foreign_run(&f, r);
	expect_got(&r->edge, "hi there");
	send_plain(&r->edge, "yes");
	foreign_run(&f, r);
	assert_int_equal(r->edge.code, 0);
	assert_true(ferry_tls_is_open(r->edge.tls));
	foreign_free(&f);
}

/* Empty records and key updates without end cost work and bring nothing: both are cut off. */
static void a_flood_of_records_ends(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	int i;

	foreign_new(&f, TLS1_3_VERSION, &r->device_keys);
	foreign_run(&f, r);
	for (i = 0; i < 1000 && !r->edge.code; i++) {
		assert_int_equal(SSL_key_update(f.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		SSL_do_handshake(f.ssl);
		foreign_run(&f, r);
	}
	assert_true(r->edge.code < 0);
	assert_true(i < 100);
	foreign_free(&f);
}

static void a_certificate_chain_has_a_bound(void **state)
{
	struct rig *r = *state;
	struct foreign f;
	X509 *x;

	foreign_new(&f, TLS1_3_VERSION, &r->device_keys);
	x = SSL_CTX_get0_certificate(f.context);
	for (int i = 0; i < 400; i++)
		SSL_add1_chain_cert(f.ssl, x);
	foreign_run(&f, r);
	assert_true(r->edge.code < 0);
	foreign_free(&f);
}

static void options_that_make_no_sense(void **state)
{
	static const struct ferry_tls_files wrong[] = {
		{0},
		{.ca = "x"},
		{.certificate = "x"},
		{.keys = "/tmp", .key = "x"},
		{.ca = "x", .key = "x"},
	};
	struct ferry_tls_context *c;
	struct ferry_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ferry_tls_context_new(&wrong[i], FERRY_ROLE_EDGE, &c, &err),
				 -EINVAL);
	assert_int_equal(ferry_tls_context_new(&(struct ferry_tls_files){.keys = "/nonexistent"},
					       FERRY_ROLE_EDGE, &c, &err),
			 -ENOENT);
	assert_null(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_know_each_other),
		TEST(every_byte_boundary_is_a_good_one),
		TEST(whether_a_record_has_begun_is_known),
		TEST(a_frame_up_to_16_kib_is_one_record),
		TEST(sessions_are_resumed_without_certificates),
		TEST(keys_that_are_not_trusted_are_refused),
		TEST(strangers_are_told_how_to_be_trusted),
		TEST(a_new_line_of_the_trust_file_counts_at_once),
		TEST(plaintext_is_found_out_on_both_sides),
		TEST(garbage_is_refused_early),
		TEST(records_cannot_be_tampered_with),
		TEST(a_connection_cannot_be_replayed),
		TEST(the_end_is_told_apart_from_a_cut),
		TEST(tls_1_2_is_refused),
		TEST(a_client_without_a_key_is_refused),
		TEST(another_implementation_gets_through),
		TEST(a_flood_of_records_ends),
		TEST(a_certificate_chain_has_a_bound),
		cmocka_unit_test(options_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
