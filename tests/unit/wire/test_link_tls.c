// SPDX-License-Identifier: MIT
/* Links with encryption, over loopback; where a peer misbehaves, the test is the peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/key_folder.h"
#include "golden.h"
#include "wire/loop.h"
#include "wire/tls.h"

enum {
	V = FERRY_WIRE_VERSION_MAX,
	GUARD_US = 60000000, /* a test that takes longer has failed */
	SHORT_MS = 300,
	BIG = 3 << 20,
	MAX_ENDS = 160,
};

struct end {
	struct ferry_link *link;
	bool opened, close_at_frame, finish_at_accept;
	unsigned n_frames;
	uint8_t last_type;
	uint64_t checksum;
	struct ferry_error failure;
};

struct rig {
	struct key_folder edge_keys, device_keys;
	struct ferry_tls_context *edge_tls, *device_tls;
	struct ferry_loop *edge_loop, *device_loop;
	struct ferry_endpoint bound;
	struct end edges[MAX_ENDS], device;
	unsigned n_accepted, n_failed;
	struct end next; /* how the next accepted one behaves */
};

static struct rig *the_rig;

static void opened(void *data, struct ferry_link *link)
{
	struct end *e = data;

	assert_non_null(ferry_link_peer(link));
	e->opened = true;
}

static void frame_came(void *data, struct ferry_link *link, const struct ferry_frame *f)
{
	struct end *e = data;

	assert_non_null(ferry_link_peer(link));
	e->n_frames++;
	e->last_type = f->header.type;
	for (uint32_t i = 0; i < f->header.n_body; i++)
		e->checksum = e->checksum * 31 + f->body[i];
	if (e->close_at_frame) {
		ferry_link_close(link);
		e->link = NULL;
	}
}

static void failed(void *data, struct ferry_link *link, const struct ferry_error *why)
{
	struct end *e = data;

	e->failure = *why;
	the_rig->n_failed++;
	if (e == &the_rig->device)
		ferry_link_close(link);
	else
		ferry_link_finish(link);
	e->link = NULL;
}

static const struct ferry_link_handler handler = {opened, frame_came, failed};

static void accepted(void *data, struct ferry_link *link)
{
	struct rig *r = data;
	struct end *e = &r->edges[r->n_accepted++];

	assert_true(r->n_accepted <= MAX_ENDS);
	*e = r->next;
	e->link = link;
	ferry_link_handle(link, &handler, e);
	if (e->finish_at_accept)
		ferry_link_finish(link);
}

static const struct ferry_link_times patient = {20000, 20000, 20000, 0};

static void new_contexts(struct rig *r)
{
	struct ferry_tls_files edge = {.keys = r->edge_keys.path};
	struct ferry_tls_files device = {.keys = r->device_keys.path};

	assert_int_equal(ferry_tls_context_new(&edge, FERRY_ROLE_EDGE, &r->edge_tls, NULL), 0);
	assert_int_equal(ferry_tls_context_new(&device, FERRY_ROLE_DEVICE, &r->device_tls, NULL),
			 0);
}

static struct rig *rig_new(bool single_shot, const struct ferry_link_times *times)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct ferry_loop_options o = {
		.max_links = MAX_ENDS, .n_buffers = 16, .single_shot = single_shot};
	struct ferry_endpoint e[FERRY_MAX_ENDPOINTS];
	struct ferry_address a;
	unsigned n;

	assert_int_equal(key_folder_make(&r->edge_keys), 0);
	assert_int_equal(key_folder_make(&r->device_keys), 0);
	key_folder_trust_key(&r->edge_keys, &r->device_keys.key, "phone", FERRY_TRUST_DEVICE);
	key_folder_trust_key(&r->device_keys, &r->edge_keys.key, "gateway", FERRY_TRUST_EDGE);
	new_contexts(r);
	assert_int_equal(ferry_address_parse("127.0.0.1:0", &a, NULL), 0);
	assert_int_equal(ferry_address_resolve(&a, e, &n, NULL), 0);
	o.times = *times;
	o.tls = r->edge_tls;
	assert_int_equal(ferry_loop_new(&o, &r->edge_loop, NULL), 0);
	assert_int_equal(ferry_loop_listen(r->edge_loop, &e[0], accepted, r, &r->bound, NULL), 0);
	o.times = patient;
	o.tls = r->device_tls;
	o.host = "localhost";
	assert_int_equal(ferry_loop_new(&o, &r->device_loop, NULL), 0);
	the_rig = r;
	return r;
}

static void rig_free(struct rig *r)
{
	ferry_loop_free(r->device_loop);
	ferry_loop_free(r->edge_loop);
	ferry_tls_context_free(r->edge_tls);
	ferry_tls_context_free(r->device_tls);
	key_folder_remove(&r->edge_keys);
	key_folder_remove(&r->device_keys);
	free(r);
}

static void turn(struct rig *r)
{
	assert_int_equal(ferry_loop_turn(r->edge_loop, ferry_now_us() + 1000, NULL), 0);
	assert_int_equal(ferry_loop_turn(r->device_loop, ferry_now_us() + 1000, NULL), 0);
}

#define TURN_UNTIL(r, condition)                              \
	do {                                                  \
		uint64_t guard_ = ferry_now_us() + GUARD_US;  \
		while (!(condition)) {                        \
			assert_true(ferry_now_us() < guard_); \
			turn(r);                              \
		}                                             \
	} while (0)

static void rig_connect(struct rig *r)
{
	r->device = (struct end){0};
	assert_int_equal(ferry_loop_connect(r->device_loop, &r->bound, &handler, &r->device,
					    &r->device.link, NULL),
			 0);
}

static void frames_cross(bool single_shot)
{
	struct rig *r = rig_new(single_shot, &patient);
	struct ferry_wire_message big = {.type = FERRY_MESSAGE_RESULT};
	uint8_t *data = calloc(1, BIG);
	uint64_t checksum = 0;
	struct end *edge = &r->edges[0];

	rig_connect(r);
	/* Nothing can be said before TLS is there, and no error comes of it. */
	assert_int_equal(ferry_link_send(r->device.link, &goldens[0].message, NULL), 0);
	TURN_UNTIL(r, r->device.opened && r->n_accepted && ferry_link_peer(edge->link));
	assert_int_equal(edge->n_frames, 0);
	assert_string_equal(ferry_link_peer(edge->link)->name, "phone");
	assert_string_equal(ferry_link_peer(r->device.link)->name, "gateway");
	assert_int_equal(ferry_link_send(r->device.link, &goldens[0].message, NULL), 0);
	TURN_UNTIL(r, edge->n_frames == 1);
	assert_int_equal(edge->last_type, FERRY_MESSAGE_HELLO);
	assert_int_equal(ferry_link_send(edge->link, &goldens[1].message, NULL), 0);
	ferry_link_establish(edge->link, V, FERRY_FRAME_MAX);
	TURN_UNTIL(r, r->device.n_frames == 1);
	ferry_link_establish(r->device.link, V, FERRY_FRAME_MAX);

	for (unsigned i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	big.result.n_data = BIG;
	big.result.data = data;
	r->device.checksum = 0;
	assert_int_equal(ferry_link_send(edge->link, &big, NULL), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ferry_link_send(r->device.link, &goldens[3].message, NULL), 0);
	TURN_UNTIL(r, r->device.n_frames == 2 && edge->n_frames == 101);
	for (unsigned i = 0; i < 24; i++)
		checksum *= 31;
	for (unsigned i = 0; i < BIG; i++)
		checksum = checksum * 31 + data[i];
	assert_true(r->device.checksum == checksum);
	TURN_UNTIL(r, !ferry_link_unsent(edge->link) && !ferry_link_unsent(r->device.link));
	assert_int_equal(ferry_link_received(r->device.link), ferry_link_sent(edge->link));
	assert_int_equal(ferry_link_received(edge->link), ferry_link_sent(r->device.link));
	/* A goodbye is told apart from a cut. */
	ferry_link_finish(r->device.link);
	TURN_UNTIL(r, edge->failure.code);
	assert_int_equal(edge->failure.code, -EPIPE);
	free(data);
	rig_free(r);
}

static void frames_cross_with_multishot_operations(void **state)
{
	(void)state;
	frames_cross(false);
}

static void frames_cross_with_single_operations(void **state)
{
	(void)state;
	frames_cross(true);
}

static void a_stranger_is_refused_and_told_so(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct ferry_grant g = {.key = r->device_keys.key,
				.name = "phone",
				.roles = FERRY_TRUST_DEVICE,
				.revoked = "2026-01-01"};

	(void)state;
	assert_int_equal(key_folder_trust(&r->edge_keys, &g), 0);
	assert_int_equal(ferry_tls_context_refresh(r->edge_tls, NULL), 1);
	rig_connect(r);
	TURN_UNTIL(r, r->device.failure.code && r->edges[0].failure.code);
	assert_int_equal(r->edges[0].failure.code, -EACCES);
	assert_non_null(strstr(r->edges[0].failure.text, "phone was revoked"));
	assert_int_equal(r->device.failure.code, -EACCES);
	assert_non_null(strstr(r->device.failure.text, "has revoked its trust"));
	assert_int_equal(r->edges[0].n_frames, 0);
	rig_free(r);
}

static void an_edge_that_is_not_trusted_learns_why(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct ferry_grant g = {.key = r->edge_keys.key,
				.name = "gateway",
				.roles = FERRY_TRUST_EDGE,
				.expires = "2020-01-01"};

	(void)state;
	assert_int_equal(key_folder_trust(&r->device_keys, &g), 0);
	assert_int_equal(ferry_tls_context_refresh(r->device_tls, NULL), 1);
	rig_connect(r);
	/* The device closes the link as soon as it knows: the alert must be out by then. */
	TURN_UNTIL(r, r->device.failure.code && r->edges[0].failure.code);
	assert_false(r->device.opened);
	assert_int_equal(r->device.failure.code, -EACCES);
	assert_int_equal(r->edges[0].failure.code, -EACCES);
	assert_non_null(strstr(r->edges[0].failure.text, "has expired"));
	rig_free(r);
}

static void an_edge_that_hangs_up_at_once_is_full(void **state)
{
	struct rig *r = rig_new(false, &patient);

	(void)state;
	r->next.finish_at_accept = true;
	rig_connect(r);
	TURN_UNTIL(r, r->device.failure.code);
	assert_int_equal(r->device.failure.kind, FERRY_ERROR_LINK);
	assert_non_null(strstr(r->device.failure.text, "before the handshake was over"));
	rig_free(r);
}

/* The test as a device: its own TLS over a plain socket. */
struct raw {
	int fd;
	struct ferry_tls *tls;
	struct ferry_outgoing *last; /* what it sent last */
};

static int raw_connect(struct rig *r)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&r->bound.addr, r->bound.len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void raw_take(struct raw *w, bool *ended)
{
	uint8_t bytes[16384], plain[16384];
	ssize_t n = recv(w->fd, bytes, sizeof(bytes), 0);
	size_t n_plain;

	*ended = !n;
	if (n <= 0)
		return;
	ferry_tls_input(w->tls, bytes, (size_t)n);
	while (ferry_tls_read(w->tls, plain, sizeof(plain), &n_plain, NULL) == 1)
		;
}

/* Sends the first @n bytes of what TLS has to say, all where it is less; returns how many. */
static size_t raw_send(struct raw *w, size_t n)
{
	struct ferry_outgoing *out = ferry_tls_output(w->tls);
	size_t sent = 0;

	if (!out)
		return 0;
	sent = out->n < n ? out->n : n;
	assert_int_equal(send(w->fd, out->bytes, sent, MSG_NOSIGNAL), sent);
	free(out);
	return sent;
}

static void raw_new(struct rig *r, struct raw *w)
{
	size_t n;

	*w = (struct raw){.fd = raw_connect(r)};
	assert_int_equal(ferry_tls_new(r->device_tls, "localhost", &w->tls, NULL), 0);
	ferry_tls_input(w->tls, NULL, 0);
	ferry_tls_read(w->tls, (uint8_t *)&n, 1, &n, NULL);
}

static void raw_free(struct raw *w)
{
	ferry_tls_free(w->tls);
	close(w->fd);
}

static void raw_shake_hands(struct rig *r, struct raw *w)
{
	unsigned mine = r->n_accepted;
	bool ended;

	raw_new(r, w);
	raw_send(w, SIZE_MAX);
	TURN_UNTIL(r, (raw_take(w, &ended), ferry_tls_is_open(w->tls)));
	raw_send(w, SIZE_MAX);
	TURN_UNTIL(r, r->n_accepted > mine && r->edges[mine].link &&
			      ferry_link_peer(r->edges[mine].link));
}

/* One connection for each byte of the device's handshake, all at once: each has its deadline. */
static void a_stall_at_any_byte_ends_in_a_deadline(void **state)
{
	struct ferry_link_times times = {20000, SHORT_MS, 20000, 0};
	struct rig *r = rig_new(false, &times);
	struct raw *raws = calloc(MAX_ENDS, sizeof(*raws));
	unsigned n = 0;
	bool ended;

	(void)state;
	for (size_t cut = 0; n < 70; cut += cut < 12 ? 1 : 5) {
		raw_new(r, &raws[n++]);
		raw_send(&raws[n - 1], cut);
	}
	/* The second flight: certificate, proof, finished. */
	for (size_t cut = 1; n < 140; cut += cut < 12 ? 1 : 7) {
		raw_new(r, &raws[n]);
		raw_send(&raws[n], SIZE_MAX);
		TURN_UNTIL(r,
			   (raw_take(&raws[n], &ended), ended || ferry_tls_is_open(raws[n].tls)));
		raw_send(&raws[n++], cut);
	}
	TURN_UNTIL(r, r->n_failed == n);
	for (unsigned i = 0; i < n; i++) {
		if (r->edges[i].failure.code != -ETIMEDOUT)
			fail_msg("%u: %s", i, r->edges[i].failure.text);
		assert_int_equal(r->edges[i].n_frames, 0);
		raw_free(&raws[i]);
	}
	free(raws);
	rig_free(r);
}

static void a_stall_inside_a_record_ends_in_a_deadline(void **state)
{
	static const size_t cuts[] = {1, 4, 5, 6, 20, 37};
	struct ferry_link_times times = {20000, 20000, SHORT_MS, 0};
	struct rig *r = rig_new(false, &times);
	struct raw raws[6];
	uint8_t frame[16] = "FRRY\0\x01\x04";

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		raw_shake_hands(r, &raws[i]);
		ferry_link_establish(r->edges[i].link, V, FERRY_FRAME_MAX);
		assert_int_equal(ferry_tls_send(raws[i].tls, frame, sizeof(frame), NULL), 0);
		assert_int_equal(raw_send(&raws[i], cuts[i]), cuts[i]);
	}
	TURN_UNTIL(r, r->n_failed == 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(r->edges[i].failure.code, -ETIMEDOUT);
		assert_non_null(strstr(r->edges[i].failure.text, "middle of a frame"));
		raw_free(&raws[i]);
	}
	rig_free(r);
}

/* Whole records of nothing do not make a frame, so nobody waits for one. */
static void silence_between_records_is_no_stall(void **state)
{
	struct ferry_link_times times = {20000, 20000, SHORT_MS, 0};
	struct rig *r = rig_new(false, &times);
	uint64_t until;

	(void)state;
	rig_connect(r);
	TURN_UNTIL(r, r->device.opened && ferry_link_peer(r->edges[0].link));
	ferry_link_establish(r->edges[0].link, V, FERRY_FRAME_MAX);
	ferry_link_establish(r->device.link, V, FERRY_FRAME_MAX);
	for (until = ferry_now_us() + 2500ull * SHORT_MS; ferry_now_us() < until;)
		turn(r);
	assert_int_equal(r->n_failed, 0);
	rig_free(r);
}

static void a_cut_is_told_apart_from_an_end(void **state)
{
	struct rig *r = rig_new(false, &patient);
	uint8_t frame[16] = "FRRY\0\x01\x04";
	struct raw raws[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		raw_shake_hands(r, &raws[i]);
		ferry_link_establish(r->edges[i].link, V, FERRY_FRAME_MAX);
		if (i == 1)
			ferry_tls_end(raws[i].tls);
		if (i == 2)
			ferry_tls_send(raws[i].tls, frame, sizeof(frame), NULL);
		raw_send(&raws[i], i == 2 ? 11 : SIZE_MAX);
		shutdown(raws[i].fd, SHUT_WR);
		TURN_UNTIL(r, r->edges[i].failure.code);
		assert_int_equal(r->edges[i].failure.code, i == 1 ? -EPIPE : -ECONNRESET);
		raw_free(&raws[i]);
	}
	assert_non_null(strstr(r->edges[0].failure.text, "was cut"));
	assert_non_null(strstr(r->edges[2].failure.text, "middle of a frame"));
	rig_free(r);
}

static void who_speaks_plainly_gets_a_plain_answer(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct ferry_wire_message m;
	struct ferry_frame frame;
	struct ferry_connection in;
	struct ferry_outgoing *hello;
	uint8_t bytes[1024];
	size_t n = 0, used;
	ssize_t got = -1;
	int fd = raw_connect(r);

	(void)state;
	assert_int_equal(
		ferry_outgoing_new(FERRY_WIRE_VERSION_MIN, 1024, &goldens[0].message, &hello, NULL),
		0);
	assert_int_equal(send(fd, hello->bytes, hello->n, 0), hello->n);
	free(hello);
	TURN_UNTIL(r, (got = recv(fd, bytes + n, sizeof(bytes) - n, 0),
		       n += got > 0 ? (size_t)got : 0, got == 0));
	assert_int_equal(r->edges[0].failure.code, -EACCES);
	assert_non_null(strstr(r->edges[0].failure.text, "does not encrypt"));
	ferry_connection_init(&in, FERRY_ROLE_DEVICE);
	assert_int_equal(ferry_connection_feed(&in, bytes, n, &used, &frame, NULL), 1);
	assert_int_equal(used, n);
	assert_int_equal(ferry_wire_message_decode(frame.header.type, 0, frame.body,
						   frame.header.n_body, &m, NULL),
			 0);
	assert_int_equal(m.type, FERRY_MESSAGE_ERROR);
	assert_int_equal(m.error.code, FERRY_CODE_AUTH);
	assert_true(m.error.fatal);
	ferry_connection_release(&in);
	close(fd);
	rig_free(r);
}

/* Several frames in one record: behind the one that ended it, no other is handed over. */
static void a_link_that_was_closed_says_no_more(void **state)
{
	struct rig *r = rig_new(false, &patient);
	uint8_t frames[64];
	struct raw w;

	(void)state;
	r->next.close_at_frame = true;
	raw_shake_hands(r, &w);
	ferry_link_establish(r->edges[0].link, V, FERRY_FRAME_MAX);
	for (int i = 0; i < 4; i++)
		memcpy(frames + 16 * i, "FRRY\0\x01\x04\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(ferry_tls_send(w.tls, frames, sizeof(frames), NULL), 0);
	raw_send(&w, SIZE_MAX);
	TURN_UNTIL(r, r->edges[0].n_frames);
	for (int i = 0; i < 20; i++)
		turn(r);
	assert_int_equal(r->edges[0].n_frames, 1);
	raw_free(&w);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cross_with_multishot_operations),
		cmocka_unit_test(frames_cross_with_single_operations),
		cmocka_unit_test(a_stranger_is_refused_and_told_so),
		cmocka_unit_test(an_edge_that_is_not_trusted_learns_why),
		cmocka_unit_test(an_edge_that_hangs_up_at_once_is_full),
		cmocka_unit_test(a_stall_at_any_byte_ends_in_a_deadline),
		cmocka_unit_test(a_stall_inside_a_record_ends_in_a_deadline),
		cmocka_unit_test(silence_between_records_is_no_stall),
		cmocka_unit_test(a_cut_is_told_apart_from_an_end),
		cmocka_unit_test(who_speaks_plainly_gets_a_plain_answer),
		cmocka_unit_test(a_link_that_was_closed_says_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
