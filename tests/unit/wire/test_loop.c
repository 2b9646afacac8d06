// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "golden.h"
#include "wire/loop.h"

enum {
	V = FERRY_WIRE_VERSION_MAX,
	GUARD_US = 20000000, /* a test that takes longer has failed */
	SHORT_MS = 100,
	BIG = 3 << 20,
};

/* One end of a connection, and what it has seen. */
struct end {
	struct ferry_link *link;
	bool opened;
	unsigned n_frames;
	uint8_t last_type;
	uint32_t last_bytes;
	uint64_t checksum;
	struct ferry_error failure;
	bool answer_expel; /* on failure, say a last word */
};

struct rig {
	struct ferry_loop *loop;
	struct ferry_endpoint bound;
	struct end edge, device;
	unsigned n_accepted;
};

static struct ferry_wire_message word(void)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_ERROR};

	m.error = (struct ferry_wire_error){.code = FERRY_CODE_PROTOCOL,
					    .fatal = true,
					    .n_text = 4,
					    .text = (const uint8_t *)"out!"};
	return m;
}

static void opened(void *data, struct ferry_link *link)
{
	struct end *e = data;

	(void)link;
	e->opened = true;
}

static void frame_came(void *data, struct ferry_link *link, const struct ferry_frame *f)
{
	struct end *e = data;

	(void)link;
	e->n_frames++;
	e->last_type = f->header.type;
	e->last_bytes = f->header.n_body;
	for (uint32_t i = 0; i < f->header.n_body; i++)
		e->checksum = e->checksum * 31 + f->body[i];
}

static void failed(void *data, struct ferry_link *link, const struct ferry_error *why)
{
	struct end *e = data;
	struct ferry_wire_message m = word();

	e->failure = *why;
	if (e->answer_expel) {
		ferry_link_send(link, &m, NULL);
		ferry_link_finish(link);
	} else {
		ferry_link_close(link);
	}
	e->link = NULL;
}

static const struct ferry_link_handler handler = {opened, frame_came, failed};

static void accepted(void *data, struct ferry_link *link)
{
	struct rig *r = data;

	r->n_accepted++;
	r->edge.link = link;
	ferry_link_handle(link, &handler, &r->edge);
}

static struct rig *rig_new(bool single_shot, const struct ferry_link_times *times)
{
	struct ferry_loop_options o = {.max_links = 8, .n_buffers = 16, .single_shot = single_shot};
	struct rig *r = calloc(1, sizeof(*r));
	struct ferry_endpoint e[FERRY_MAX_ENDPOINTS];
	struct ferry_address a;
	struct ferry_error err;
	unsigned n;

	o.times = *times;
	assert_int_equal(ferry_address_parse("127.0.0.1:0", &a, NULL), 0);
	assert_int_equal(ferry_address_resolve(&a, e, &n, NULL), 0);
	if (ferry_loop_new(&o, &r->loop, &err) ||
	    ferry_loop_listen(r->loop, &e[0], accepted, r, &r->bound, &err))
		fail_msg("%s", err.text);
	return r;
}

static const struct ferry_link_times patient = {10000, 10000, 10000, 0};

static void rig_free(struct rig *r)
{
	ferry_loop_free(r->loop);
	free(r);
}

static void rig_connect(struct rig *r)
{
	assert_int_equal(
		ferry_loop_connect(r->loop, &r->bound, &handler, &r->device, &r->device.link, NULL),
		0);
}

/* Turns the loop until the condition holds. */
#define TURN_UNTIL(r, condition)                                                       \
	do {                                                                           \
		uint64_t guard_ = ferry_now_us() + GUARD_US;                           \
		while (!(condition)) {                                                 \
			assert_true(ferry_now_us() < guard_);                          \
			assert_int_equal(ferry_loop_turn((r)->loop, guard_, NULL), 0); \
		}                                                                      \
	} while (0)

static int raw_connect(const struct rig *r)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&r->bound.addr, r->bound.len), 0);
	return fd;
}

static void raw_send(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static void frames_cross(bool single_shot)
{
	struct rig *r = rig_new(single_shot, &patient);
	struct ferry_wire_message big = {.type = FERRY_MESSAGE_RESULT};
	uint8_t *data = calloc(1, BIG);
	uint64_t checksum = 0;

	rig_connect(r);
	TURN_UNTIL(r, r->device.opened && r->n_accepted);
	assert_int_equal(ferry_link_send(r->device.link, &goldens[0].message, NULL), 0);
	TURN_UNTIL(r, r->edge.n_frames == 1);
	assert_int_equal(r->edge.last_type, FERRY_MESSAGE_HELLO);
	assert_int_equal(ferry_link_send(r->edge.link, &goldens[1].message, NULL), 0);
	ferry_link_establish(r->edge.link, V, FERRY_FRAME_MAX);
	TURN_UNTIL(r, r->device.n_frames == 1);
	assert_int_equal(r->device.last_type, FERRY_MESSAGE_WELCOME);
	ferry_link_establish(r->device.link, V, FERRY_FRAME_MAX);

	for (unsigned i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	big.result.n_data = BIG;
	big.result.data = data;
	r->device.checksum = 0;
	assert_int_equal(ferry_link_send(r->edge.link, &big, NULL), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ferry_link_send(r->device.link, &goldens[3].message, NULL), 0);
	TURN_UNTIL(r, r->device.n_frames == 2 && r->edge.n_frames == 101);
	assert_int_equal(r->device.last_bytes, BIG + 22);
	for (unsigned i = 0; i < 24; i++)
		checksum *= 31;
	for (unsigned i = 0; i < BIG; i++)
		checksum = checksum * 31 + data[i];
	assert_true(r->device.checksum == checksum);
	assert_int_equal(ferry_link_received(r->device.link), ferry_link_sent(r->edge.link));
	assert_int_equal(ferry_link_unsent(r->edge.link), 0);
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

static void a_refused_connection_is_reported(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct ferry_endpoint nowhere = r->bound;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* A port that is bound but does not listen refuses. */
	((struct sockaddr_in *)&nowhere.addr)->sin_port = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&nowhere.addr, nowhere.len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&nowhere.addr, &nowhere.len), 0);
	assert_int_equal(
		ferry_loop_connect(r->loop, &nowhere, &handler, &r->device, &r->device.link, NULL),
		0);
	TURN_UNTIL(r, !r->device.link);
	assert_int_equal(r->device.failure.code, -ECONNREFUSED);
	assert_non_null(strstr(r->device.failure.text, "cannot connect to 127.0.0.1:"));
	assert_false(r->device.opened);
	close(fd);
	rig_free(r);
}

static void a_connection_that_is_never_answered_times_out(void **state)
{
	struct ferry_link_times times = {SHORT_MS, 10000, 10000, 0};
	struct rig *r = rig_new(false, &times);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[8];
	struct ferry_endpoint deaf = r->bound;

	(void)state;
	/* Linux drops the SYN where the queue of a listener is full. */
	((struct sockaddr_in *)&deaf.addr)->sin_port = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&deaf.addr, deaf.len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&deaf.addr, &deaf.len), 0);
	for (unsigned i = 0; i < 8; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(filler[i], (struct sockaddr *)&deaf.addr, deaf.len);
	}
	assert_int_equal(
		ferry_loop_connect(r->loop, &deaf, &handler, &r->device, &r->device.link, NULL), 0);
	TURN_UNTIL(r, !r->device.link);
	assert_int_equal(r->device.failure.code, -ETIMEDOUT);
	assert_non_null(strstr(r->device.failure.text, "no answer in 100 ms"));
	for (unsigned i = 0; i < 8; i++)
		close(filler[i]);
	close(fd);
	rig_free(r);
}

static void silence_in_the_handshake_times_out(void **state)
{
	struct ferry_link_times times = {10000, SHORT_MS, 10000, 0};
	struct rig *r = rig_new(false, &times);
	int fd = raw_connect(r);

	(void)state;
	TURN_UNTIL(r, r->edge.failure.code);
	assert_int_equal(r->edge.failure.code, -ETIMEDOUT);
	assert_non_null(strstr(r->edge.failure.text, "handshake"));
	close(fd);
	rig_free(r);
}

/* A raw peer whose other end has shaken hands. */
static int raw_established(struct rig *r)
{
	int fd = raw_connect(r);

	TURN_UNTIL(r, r->n_accepted);
	ferry_link_establish(r->edge.link, V, FERRY_FRAME_MAX);
	return fd;
}

static void send_header(int fd, uint32_t n_body)
{
	struct ferry_frame_header h = {.version = V, .type = FERRY_MESSAGE_WORK, .n_body = n_body};
	uint8_t bytes[FERRY_FRAME_HEADER];

	ferry_frame_header_encode(bytes, &h);
	raw_send(fd, bytes, sizeof(bytes));
}

static void half_a_frame_then_silence_times_out(void **state)
{
	struct ferry_link_times times = {10000, 10000, SHORT_MS, 0};

	(void)state;
	for (unsigned header = 0; header < 2; header++) {
		struct rig *r = rig_new(header, &times);
		int fd = raw_established(r);

		if (header)
			raw_send(fd, "FRRY", 4);
		else
			send_header(fd, 1000);
		TURN_UNTIL(r, r->edge.failure.code);
		assert_int_equal(r->edge.failure.code, -ETIMEDOUT);
		assert_non_null(strstr(r->edge.failure.text, "middle of a frame"));
		close(fd);
		rig_free(r);
	}
}

static void a_peer_that_dribbles_times_out(void **state)
{
	struct ferry_link_times times = {10000, 10000, SHORT_MS, 0};
	struct rig *r = rig_new(false, &times);
	int fd = raw_established(r);
	uint64_t guard = ferry_now_us() + GUARD_US;

	(void)state;
	send_header(fd, 1000);
	while (!r->edge.failure.code) {
		assert_true(ferry_now_us() < guard);
		send(fd, "x", 1, MSG_NOSIGNAL);
		for (uint64_t next = ferry_now_us() + 20000; ferry_now_us() < next;)
			ferry_loop_turn(r->loop, next, NULL);
	}
	assert_int_equal(r->edge.failure.code, -ETIMEDOUT);
	assert_int_equal(r->edge.n_frames, 0);
	close(fd);
	rig_free(r);
}

static void an_idle_peer_times_out_only_where_asked(void **state)
{
	struct ferry_link_times times = {10000, 10000, SHORT_MS, 0};
	struct rig *r = rig_new(false, &times);
	int fd = raw_established(r);
	uint64_t until = ferry_now_us() + 3000 * SHORT_MS;

	(void)state;
	while (ferry_now_us() < until)
		ferry_loop_turn(r->loop, until, NULL);
	assert_int_equal(r->edge.failure.code, 0);
	close(fd);
	rig_free(r);

	times.idle_ms = SHORT_MS;
	r = rig_new(false, &times);
	fd = raw_established(r);
	TURN_UNTIL(r, r->edge.failure.code);
	assert_int_equal(r->edge.failure.code, -ETIMEDOUT);
	assert_non_null(strstr(r->edge.failure.text, "silent"));
	close(fd);
	rig_free(r);
}

static void time_in_which_the_owner_computed_does_not_count(void **state)
{
	struct ferry_link_times times = {10000, SHORT_MS, SHORT_MS, SHORT_MS};
	struct rig *r = rig_new(false, &times);
	int fd = raw_established(r);

	(void)state;
	send_header(fd, 48);
	ferry_loop_turn(r->loop, 0, NULL);
	usleep(3000 * SHORT_MS);
	ferry_loop_turn(r->loop, 0, NULL);
	assert_int_equal(r->edge.failure.code, 0);
	raw_send(fd, (uint8_t[48]){0}, 48);
	TURN_UNTIL(r, r->edge.n_frames == 1);
	close(fd);
	rig_free(r);
}

/* An edge that computes without pause looks at its sockets every few milliseconds: each absence
 * once moved the deadlines, so that hardly any ever came. */
static void deadlines_pass_although_the_owner_computes_all_the_time(void **state)
{
	struct ferry_link_times times = {10000, SHORT_MS, SHORT_MS, 0};
	struct rig *r = rig_new(false, &times);
	int fd = raw_connect(r);
	unsigned n = 0;

	(void)state;
	TURN_UNTIL(r, r->n_accepted);
	while (!r->edge.failure.code && n++ < 1000) {
		usleep(4000);
		ferry_loop_turn(r->loop, 0, NULL);
	}
	assert_int_equal(r->edge.failure.code, -ETIMEDOUT);
	/* 25 sleeps make the deadline; with each of them forgiven it took hundreds. */
	assert_true(n < 100);
	close(fd);
	rig_free(r);
}

static void the_end_of_a_peer_is_told_apart(void **state)
{
	(void)state;
	for (unsigned in_frame = 0; in_frame < 2; in_frame++) {
		struct rig *r = rig_new(false, &patient);
		int fd = raw_established(r);

		if (in_frame)
			send_header(fd, 1000);
		shutdown(fd, SHUT_WR);
		TURN_UNTIL(r, r->edge.failure.code);
		assert_int_equal(r->edge.failure.code, in_frame ? -ECONNRESET : -EPIPE);
		close(fd);
		rig_free(r);
	}
}

/* Reads until the end; -1 where the connection was reset. */
static ssize_t raw_read_all(struct rig *r, int fd, uint8_t *to, size_t size)
{
	uint64_t guard = ferry_now_us() + GUARD_US;
	size_t n = 0;

	for (;;) {
		ssize_t got = recv(fd, to + n, size - n, MSG_DONTWAIT);

		assert_true(ferry_now_us() < guard);
		if (got > 0)
			n += (size_t)got;
		else if (!got)
			return (ssize_t)n;
		else if (errno != EAGAIN)
			return -1;
		ferry_loop_turn(r->loop, ferry_now_us() + 1000, NULL);
	}
}

static void the_last_word_arrives_although_bytes_are_unread(void **state)
{
	struct ferry_wire_message m = word();
	uint8_t *noise = calloc(1, 1 << 20), got[256];

	(void)state;
	for (unsigned half_closed = 0; half_closed < 2; half_closed++) {
		struct rig *r = rig_new(half_closed, &patient);
		int fd = raw_connect(r);

		r->edge.answer_expel = true;
		assert_true(send(fd, noise, 1 << 20, MSG_NOSIGNAL | MSG_DONTWAIT) > 1000);
		if (half_closed)
			shutdown(fd, SHUT_WR);
		assert_int_equal(raw_read_all(r, fd, got, sizeof(got)),
				 FERRY_FRAME_HEADER + ferry_wire_message_bytes(&m));
		assert_memory_equal(got, "FRRY", 4);
		assert_int_equal(r->edge.failure.code, -EPROTO);
		close(fd);
		rig_free(r);
	}
	free(noise);
}

static void what_a_peer_does_not_read_is_bounded(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_PONG, .pong = {.n_payload = 60000}};
	int fd = raw_connect(r), ret = 0;
	uint64_t sent = 0;

	(void)state;
	TURN_UNTIL(r, r->n_accepted);
	ferry_link_establish(r->edge.link, V, 65536);
	while (!ret && sent < 1 << 30) {
		ret = ferry_link_send(r->edge.link, &m, NULL);
		sent += m.pong.n_payload;
		ferry_loop_turn(r->loop, 0, NULL);
	}
	assert_int_equal(ret, -ENOBUFS);
	assert_true(ferry_link_unsent(r->edge.link) < 6 * 65536);
	close(fd);
	rig_free(r);
}

static void a_peer_that_does_not_read_times_out(void **state)
{
	struct ferry_link_times times = {10000, 10000, SHORT_MS, 0};
	struct rig *r = rig_new(false, &times);
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_PONG, .pong = {.n_payload = 200000}};
	int fd = raw_connect(r);

	(void)state;
	TURN_UNTIL(r, r->n_accepted);
	ferry_link_establish(r->edge.link, V, 16 << 20);
	for (unsigned i = 0; i < 100; i++)
		ferry_link_send(r->edge.link, &m, NULL);
	TURN_UNTIL(r, r->edge.failure.code);
	/* Our deadline, or the kernel's (TCP_USER_TIMEOUT), which may show as a broken socket. */
	assert_true(r->edge.failure.code == -ETIMEDOUT || r->edge.failure.code == -ECONNRESET);
	close(fd);
	rig_free(r);
}

static void *wake_later(void *loop)
{
	usleep(20000);
	ferry_loop_wake(loop);
	return NULL;
}

static void a_wake_ends_a_wait(void **state)
{
	struct rig *r = rig_new(false, &patient);
	pthread_t thread;

	(void)state;
	ferry_loop_turn(r->loop, 0, NULL);
	assert_int_equal(pthread_create(&thread, NULL, wake_later, r->loop), 0);
	/* Hangs, and so fails, where the wake is lost. */
	assert_int_equal(ferry_loop_turn(r->loop, UINT64_MAX, NULL), 0);
	pthread_join(thread, NULL);
	ferry_loop_wake(r->loop);
	assert_int_equal(ferry_loop_turn(r->loop, UINT64_MAX, NULL), 0);
	rig_free(r);
}

static void sockets_beyond_the_limit_are_closed(void **state)
{
	struct rig *r = rig_new(false, &patient);
	int fds[12], open = 0;
	uint8_t byte;

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		fds[i] = raw_connect(r);
	for (unsigned i = 0; i < 100; i++)
		ferry_loop_turn(r->loop, ferry_now_us() + 1000, NULL);
	for (unsigned i = 0; i < 12; i++) {
		open += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
		close(fds[i]);
	}
	assert_int_equal(open, 8);
	assert_int_equal(r->n_accepted, 8);
	rig_free(r);
}

static void running_out_of_descriptors_passes(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct rlimit old, few;
	int fds[6], filler[64];
	unsigned n = 0;

	(void)state;
	/* The kernel notes the limit when it is asked to accept, so nothing may be armed yet. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned i = 0; i < 6; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	few = old;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 64 && (filler[n] = dup(0)) >= 0)
		n++;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(connect(fds[i], (struct sockaddr *)&r->bound.addr, r->bound.len),
				 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ferry_loop_turn(r->loop, ferry_now_us() + 10000, NULL), 0);
	assert_int_equal(r->n_accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (n)
		close(filler[--n]);
	TURN_UNTIL(r, r->n_accepted == 6);
	for (unsigned i = 0; i < 6; i++)
		close(fds[i]);
	rig_free(r);
}

static void many_connections_come_and_go(void **state)
{
	(void)state;
	for (unsigned single = 0; single < 2; single++) {
		struct rig *r = rig_new(single, &patient);

		for (unsigned i = 0; i < 300; i++) {
			int fd = raw_connect(r);

			raw_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
			r->edge.failure.code = 0;
			TURN_UNTIL(r, r->edge.failure.code);
			assert_int_equal(r->edge.failure.code, -EPROTO);
			close(fd);
		}
		assert_int_equal(r->n_accepted, 300);
		rig_free(r);
	}
}

static void a_port_in_use_is_reported(void **state)
{
	struct rig *r = rig_new(false, &patient);
	struct ferry_loop_options o = {.max_links = 1, .n_buffers = 1};
	struct ferry_endpoint bound;
	struct ferry_loop *loop;
	struct ferry_error err;

	(void)state;
	ferry_loop_turn(r->loop, 0, NULL);
	assert_int_equal(ferry_loop_new(&o, &loop, NULL), 0);
	assert_int_equal(ferry_loop_listen(loop, &r->bound, accepted, r, &bound, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.text, "cannot listen on 127.0.0.1:"));
	ferry_loop_free(loop);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cross_with_multishot_operations),
		cmocka_unit_test(frames_cross_with_single_operations),
		cmocka_unit_test(a_refused_connection_is_reported),
		cmocka_unit_test(a_connection_that_is_never_answered_times_out),
		cmocka_unit_test(silence_in_the_handshake_times_out),
		cmocka_unit_test(half_a_frame_then_silence_times_out),
		cmocka_unit_test(a_peer_that_dribbles_times_out),
		cmocka_unit_test(an_idle_peer_times_out_only_where_asked),
		cmocka_unit_test(time_in_which_the_owner_computed_does_not_count),
		cmocka_unit_test(deadlines_pass_although_the_owner_computes_all_the_time),
		cmocka_unit_test(the_end_of_a_peer_is_told_apart),
		cmocka_unit_test(the_last_word_arrives_although_bytes_are_unread),
		cmocka_unit_test(what_a_peer_does_not_read_is_bounded),
		cmocka_unit_test(a_peer_that_does_not_read_times_out),
		cmocka_unit_test(a_wake_ends_a_wait),
		cmocka_unit_test(sockets_beyond_the_limit_are_closed),
		cmocka_unit_test(running_out_of_descriptors_passes),
		cmocka_unit_test(many_connections_come_and_go),
		cmocka_unit_test(a_port_in_use_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
