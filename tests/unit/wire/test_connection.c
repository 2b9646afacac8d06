// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "wire/connection.h"

enum { V = FERRY_WIRE_VERSION_MAX, LIMIT = 4096 };

/* The golden frame of @type, malloc'ed. */
static struct ferry_outgoing *frame_of(uint8_t type, uint16_t version)
{
	struct ferry_outgoing *out = NULL;

	for (unsigned i = 0; i < N_GOLDENS; i++)
		if (goldens[i].message.type == type)
			assert_int_equal(
				ferry_outgoing_new(version, LIMIT, &goldens[i].message, &out, NULL),
				0);
	assert_non_null(out);
	return out;
}

static int feed_type(struct ferry_connection *c, uint8_t type, uint16_t version,
		     struct ferry_error *err)
{
	struct ferry_outgoing *out = frame_of(type, version);
	struct ferry_frame frame;
	size_t used;
	int ret = ferry_connection_feed(c, out->bytes, out->n, &used, &frame, err);

	if (ret == 1) {
		assert_int_equal(used, out->n);
		assert_int_equal(frame.header.type, type);
	}
	free(out);
	return ret;
}

static struct ferry_connection established(enum ferry_role role)
{
	struct ferry_connection c;

	ferry_connection_init(&c, role);
	ferry_connection_establish(&c, V, LIMIT);
	return c;
}

static void a_stream_in_pieces_of_any_size(void **state)
{
	static const uint8_t types[] = {FERRY_MESSAGE_WORK, FERRY_MESSAGE_BYE, FERRY_MESSAGE_OPEN,
					FERRY_MESSAGE_PING};
	uint8_t stream[1024];
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(types); i++) {
		struct ferry_outgoing *out = frame_of(types[i], V);

		memcpy(stream + n, out->bytes, out->n);
		n += out->n;
		free(out);
	}
	for (size_t piece = 1; piece <= n; piece++) {
		struct ferry_connection c = established(FERRY_ROLE_EDGE);
		struct ferry_frame frame;
		unsigned got = 0;

		for (size_t at = 0; at < n; at += piece) {
			size_t left = n - at < piece ? n - at : piece, used;
			const uint8_t *p = stream + at;

			while (left) {
				int ret = ferry_connection_feed(&c, p, left, &used, &frame, NULL);
				struct ferry_wire_message m;

				assert_true(ret >= 0);
				p += used;
				left -= used;
				if (!ret) {
					assert_int_equal(left, 0);
					continue;
				}
				assert_int_equal(frame.header.type, types[got++]);
				assert_int_equal(
					ferry_wire_message_decode(frame.header.type, 0, frame.body,
								  frame.header.n_body, &m, NULL),
					0);
			}
		}
		assert_int_equal(got, sizeof(types));
		ferry_connection_release(&c);
	}
}

static void the_first_frame_must_be_a_greeting(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++) {
		uint8_t type = goldens[i].message.type;
		struct ferry_connection edge, device;
		bool to_edge = type == FERRY_MESSAGE_HELLO;
		bool to_device = type == FERRY_MESSAGE_WELCOME || type == FERRY_MESSAGE_ERROR;

		ferry_connection_init(&edge, FERRY_ROLE_EDGE);
		ferry_connection_init(&device, FERRY_ROLE_DEVICE);
		assert_int_equal(feed_type(&edge, type, V, NULL), to_edge ? 1 : -EPROTO);
		assert_int_equal(feed_type(&device, type, V, NULL), to_device ? 1 : -EPROTO);
		ferry_connection_release(&edge);
		ferry_connection_release(&device);
	}
}

static void messages_have_a_direction(void **state)
{
	static const uint8_t only_to_edge[] = {
		FERRY_MESSAGE_PROFILE,	FERRY_MESSAGE_OPEN,	FERRY_MESSAGE_CLOSE,
		FERRY_MESSAGE_SAMPLING, FERRY_MESSAGE_TRUNCATE, FERRY_MESSAGE_WORK,
		FERRY_MESSAGE_CANCEL,
	};
	static const uint8_t only_to_device[] = {FERRY_MESSAGE_PROFILED, FERRY_MESSAGE_OPENED,
						 FERRY_MESSAGE_RESULT};
	struct ferry_connection c;

	(void)state;
	for (unsigned i = 0; i < sizeof(only_to_edge); i++) {
		c = established(FERRY_ROLE_EDGE);
		assert_int_equal(feed_type(&c, only_to_edge[i], V, NULL), 1);
		ferry_connection_release(&c);
		c = established(FERRY_ROLE_DEVICE);
		assert_int_equal(feed_type(&c, only_to_edge[i], V, NULL), -EPROTO);
		ferry_connection_release(&c);
	}
	for (unsigned i = 0; i < sizeof(only_to_device); i++) {
		c = established(FERRY_ROLE_DEVICE);
		assert_int_equal(feed_type(&c, only_to_device[i], V, NULL), 1);
		ferry_connection_release(&c);
		c = established(FERRY_ROLE_EDGE);
		assert_int_equal(feed_type(&c, only_to_device[i], V, NULL), -EPROTO);
		ferry_connection_release(&c);
	}
	c = established(FERRY_ROLE_EDGE);
	assert_int_equal(feed_type(&c, FERRY_MESSAGE_HELLO, V, NULL), -EPROTO);
	ferry_connection_release(&c);
}

static void a_greeting_may_be_of_any_version(void **state)
{
	struct ferry_connection c;

	(void)state;
	ferry_connection_init(&c, FERRY_ROLE_EDGE);
	assert_int_equal(feed_type(&c, FERRY_MESSAGE_HELLO, 0x0907, NULL), 1);
	ferry_connection_release(&c);
}

static void later_frames_must_be_of_the_agreed_version(void **state)
{
	struct ferry_connection c = established(FERRY_ROLE_EDGE);
	struct ferry_error err;

	(void)state;
	assert_int_equal(feed_type(&c, FERRY_MESSAGE_BYE, V + 1, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version"));
	ferry_connection_release(&c);
}

static void wrong_magic_and_flags_are_refused(void **state)
{
	struct ferry_outgoing *out = frame_of(FERRY_MESSAGE_HELLO, V);
	struct ferry_connection c;
	struct ferry_frame frame;
	struct ferry_error err;
	size_t used;

	(void)state;
	for (unsigned at = 0; at < 8; at++) {
		if (at >= 4 && at < 7)
			continue; /* version and type */
		out->bytes[at] ^= 0x10;
		ferry_connection_init(&c, FERRY_ROLE_EDGE);
		assert_int_equal(ferry_connection_feed(&c, out->bytes, out->n, &used, &frame, &err),
				 -EPROTO);
		assert_non_null(strstr(err.text, at < 4 ? "not Ferry's" : "flags"));
		assert_int_equal(ferry_connection_feed(&c, out->bytes, out->n, &used, &frame, NULL),
				 -EPROTO);
		assert_int_equal(used, 0);
		ferry_connection_release(&c);
		out->bytes[at] ^= 0x10;
	}
	free(out);
}

static void oversized_frames_are_refused_by_their_header(void **state)
{
	struct ferry_frame_header h = {
		.version = V, .type = FERRY_MESSAGE_HELLO, .n_body = FERRY_FRAME_MAX_GREETING + 1};
	uint8_t bytes[FERRY_FRAME_HEADER];
	struct ferry_connection c;
	struct ferry_frame frame;
	struct ferry_error err;
	size_t used;

	(void)state;
	ferry_frame_header_encode(bytes, &h);
	ferry_connection_init(&c, FERRY_ROLE_EDGE);
	assert_int_equal(ferry_connection_feed(&c, bytes, sizeof(bytes), &used, &frame, &err),
			 -EPROTO);
	assert_non_null(strstr(err.text, "1025"));
	ferry_connection_release(&c);

	h.type = FERRY_MESSAGE_WORK;
	h.n_body = LIMIT;
	ferry_frame_header_encode(bytes, &h);
	c = established(FERRY_ROLE_EDGE);
	assert_int_equal(ferry_connection_feed(&c, bytes, sizeof(bytes), &used, &frame, &err), 0);
	ferry_connection_release(&c);
	h.n_body = UINT32_MAX;
	ferry_frame_header_encode(bytes, &h);
	c = established(FERRY_ROLE_EDGE);
	assert_int_equal(ferry_connection_feed(&c, bytes, sizeof(bytes), &used, &frame, &err),
			 -EPROTO);
	ferry_connection_release(&c);
}

static void memory_follows_what_came_not_what_was_announced(void **state)
{
	struct ferry_frame_header h = {
		.version = V, .type = FERRY_MESSAGE_WORK, .n_body = 32 << 20};
	uint8_t bytes[FERRY_FRAME_HEADER + 100] = {0};
	struct ferry_connection c;
	struct ferry_frame frame;
	uint32_t n_body;
	size_t used;

	(void)state;
	ferry_connection_init(&c, FERRY_ROLE_EDGE);
	ferry_connection_establish(&c, V, FERRY_FRAME_MAX);
	assert_false(ferry_connection_in_frame(&c, &n_body));
	ferry_frame_header_encode(bytes, &h);
	assert_int_equal(ferry_connection_feed(&c, bytes, sizeof(bytes), &used, &frame, NULL), 0);
	assert_true(c.body_size <= 8192);
	assert_true(ferry_connection_in_frame(&c, &n_body));
	assert_int_equal(n_body, 32 << 20);
	ferry_connection_release(&c);
}

static void a_large_frame_comes_out_whole(void **state)
{
	enum { N = 3 << 20 };
	uint8_t *data = malloc(N);
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT};
	struct ferry_outgoing *out;
	struct ferry_connection c;
	struct ferry_frame frame;
	size_t used, at = 0, piece = 1;
	int ret = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	m.result.n_data = N;
	m.result.data = data;
	assert_int_equal(ferry_outgoing_new(V, N, &m, &out, NULL), -EMSGSIZE);
	assert_int_equal(ferry_outgoing_new(V, FERRY_FRAME_MAX, &m, &out, NULL), 0);
	ferry_connection_init(&c, FERRY_ROLE_DEVICE);
	ferry_connection_establish(&c, V, FERRY_FRAME_MAX);
	while (at < out->n) {
		size_t n = out->n - at < piece ? out->n - at : piece;

		assert_int_equal(ret, 0);
		ret = ferry_connection_feed(&c, out->bytes + at, n, &used, &frame, NULL);
		at += used;
		piece = piece * 3 % 70001 + 1;
	}
	assert_int_equal(ret, 1);
	assert_int_equal(ferry_wire_message_decode(frame.header.type, 0, frame.body,
						   frame.header.n_body, &m, NULL),
			 0);
	assert_int_equal(m.result.n_data, N);
	assert_memory_equal(m.result.data, data, N);
	ferry_connection_release(&c);
	free(out);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_in_pieces_of_any_size),
		cmocka_unit_test(the_first_frame_must_be_a_greeting),
		cmocka_unit_test(messages_have_a_direction),
		cmocka_unit_test(a_greeting_may_be_of_any_version),
		cmocka_unit_test(later_frames_must_be_of_the_agreed_version),
		cmocka_unit_test(wrong_magic_and_flags_are_refused),
		cmocka_unit_test(oversized_frames_are_refused_by_their_header),
		cmocka_unit_test(memory_follows_what_came_not_what_was_announced),
		cmocka_unit_test(a_large_frame_comes_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
