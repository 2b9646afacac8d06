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

enum { MAX_BODY = 1024 };

static int decode(uint8_t type, const uint8_t *body, size_t n, struct ferry_error *err)
{
	struct ferry_wire_message m;
	uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees every byte too many */
	int ret;

	memcpy(exact, body, n);
	exact = realloc(exact, n ? n : 1);
	ret = ferry_wire_message_decode(type, 1, exact, n, &m, err);
	free(exact);
	return ret;
}

static void every_type_has_golden_bytes(void **state)
{
	unsigned covered = 0;

	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++)
		covered |= 1u << goldens[i].message.type;
	for (unsigned type = 0; type < 32; type++)
		assert_int_equal(!!(covered & 1u << type), !!ferry_message_name((uint8_t)type));
}

static void encoding_gives_the_golden_bytes(void **state)
{
	uint8_t want[MAX_BODY], got[MAX_BODY];

	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++) {
		const struct ferry_wire_message *m = &goldens[i].message;
		size_t n = golden_bytes(goldens[i].hex, want);
		struct ferry_writer w = ferry_writer(got, sizeof(got));

		assert_int_equal(ferry_wire_message_bytes(m), n);
		ferry_wire_message_encode(&w, m);
		assert_false(w.failed);
		assert_int_equal(w.at, n);
		assert_memory_equal(got, want, n);
	}
}

static void decoding_gives_back_the_same_bytes(void **state)
{
	uint8_t body[MAX_BODY], again[MAX_BODY];
	struct ferry_wire_message m;

	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++) {
		size_t n = golden_bytes(goldens[i].hex, body);
		struct ferry_writer w = ferry_writer(again, sizeof(again));

		assert_int_equal(
			ferry_wire_message_decode(goldens[i].message.type, 77, body, n, &m, NULL),
			0);
		assert_int_equal(m.request, 77);
		ferry_wire_message_encode(&w, &m);
		assert_int_equal(w.at, n);
		assert_memory_equal(again, body, n);
	}
}

/* Messages whose last field takes whatever is left have no wrong length but one below it. */
static size_t least_bytes(uint8_t type, size_t n)
{
	switch (type) {
	case FERRY_MESSAGE_PING:
		return 12;
	case FERRY_MESSAGE_PONG:
		return 8;
	case FERRY_MESSAGE_WORK:
		return 48;
	case FERRY_MESSAGE_RESULT:
		return 22;
	}
	return n;
}

static void a_body_cut_short_is_refused(void **state)
{
	struct ferry_error err;
	uint8_t body[MAX_BODY];

	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++) {
		uint8_t type = goldens[i].message.type;
		size_t n = golden_bytes(goldens[i].hex, body), least = least_bytes(type, n);

		for (size_t cut = 0; cut < least; cut++) {
			assert_int_equal(decode(type, body, cut, &err), -EPROTO);
			assert_int_equal(err.kind, FERRY_ERROR_PEER);
			assert_non_null(strstr(err.text, ferry_message_name(type)));
		}
		for (size_t cut = least; cut <= n; cut++)
			assert_int_equal(decode(type, body, cut, &err), 0);
	}
}

static void a_body_that_goes_on_is_refused(void **state)
{
	struct ferry_error err;
	uint8_t body[MAX_BODY] = {0};

	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++) {
		uint8_t type = goldens[i].message.type;
		size_t n = golden_bytes(goldens[i].hex, body);

		if (least_bytes(type, n) != n)
			continue;
		body[n] = 0;
		assert_int_equal(decode(type, body, n + 1, &err), -EPROTO);
		assert_non_null(strstr(err.text, "too long"));
	}
}

/* The golden body of @type with one byte changed. */
static int decode_changed(uint8_t type, size_t at, uint8_t value, struct ferry_error *err)
{
	uint8_t body[MAX_BODY];

	for (unsigned i = 0; i < N_GOLDENS; i++) {
		if (goldens[i].message.type != type)
			continue;
		size_t n = golden_bytes(goldens[i].hex, body);

		assert_true(at < n);
		body[at] = value;
		return decode(type, body, n, err);
	}
	return 1;
}

static void values_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint8_t type;
		size_t at;
		uint8_t value;
		const char *says;
	} cases[] = {
		{FERRY_MESSAGE_HELLO, 0, 2, "range of versions is empty"},
		{FERRY_MESSAGE_HELLO, 48, 33, "ends before it begins"},
		{FERRY_MESSAGE_HELLO, 56, 4, "part that does not exist"},
		{FERRY_MESSAGE_HELLO, 58, 1, "reserved"},
		{FERRY_MESSAGE_WELCOME, 2, 8, "part that does not exist"},
		{FERRY_MESSAGE_WELCOME, 20, 0, "no room"},
		{FERRY_MESSAGE_WELCOME, 28, 0, "no room"},
		{FERRY_MESSAGE_WELCOME, 4, 33, "ends before it begins"},
		{FERRY_MESSAGE_ERROR, 2, 2, "reserved"},
		{FERRY_MESSAGE_ERROR, 3, 1, "reserved"},
		{FERRY_MESSAGE_ERROR, 9, 2, "text is too long"},
		{FERRY_MESSAGE_PING, 11, 1, "payload is too large"},
		{FERRY_MESSAGE_PONG, 9, 1, "not zero"},
		{FERRY_MESSAGE_PROFILED, 7, 1, "too many layers"},
		{FERRY_MESSAGE_OPEN, 0, 0, "session 0"},
		{FERRY_MESSAGE_OPEN, 4, 33, "ends before it begins"},
		{FERRY_MESSAGE_OPEN, 16, 2, "reserved"},
		{FERRY_MESSAGE_OPEN, 18, 1, "reserved"},
		{FERRY_MESSAGE_WORK, 8, 0, "no tokens"},
		{FERRY_MESSAGE_WORK, 12, 2, "input does not exist"},
		{FERRY_MESSAGE_WORK, 13, 5, "output does not exist"},
		{FERRY_MESSAGE_WORK, 14, 4, "encoding does not exist"},
		{FERRY_MESSAGE_WORK, 15, 1, "reserved"},
		{FERRY_MESSAGE_WORK, 32, 17, "yet to come"},
		{FERRY_MESSAGE_WORK, 39, 0x40, "too short"}, /* 2^30 ids */
		{FERRY_MESSAGE_ATTACH, 0, 0, "session 0"},
		{FERRY_MESSAGE_ATTACHED, 9, 5, "outside its context"},
		{FERRY_MESSAGE_FORK, 4, 0, "session 0"},
		{FERRY_MESSAGE_RESULT, 12, 5, "output does not exist"},
		{FERRY_MESSAGE_RESULT, 13, 4, "encoding does not exist"},
	};
	struct ferry_error err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = decode_changed(cases[i].type, cases[i].at, cases[i].value, &err);

		assert_int_equal(ret, -EPROTO);
		if (!strstr(err.text, cases[i].says))
			fail_msg("case %u says: %s", i, err.text);
	}
}

/* What a decode step costs on the wire: header, WORK, a hidden state, and a record of TLS 1.3. */
static void a_step_of_int8_is_small(void **state)
{
	enum { N_EMBD = 2048, TLS_RECORD = 5 + 1 + 16, MOST = 2300 };
	static uint8_t hidden[4 * N_EMBD];
	static const size_t least[FERRY_ENCODINGS] = {8192, 4096, 2048, 1024};
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_WORK, .request = 1};
	size_t bytes[FERRY_ENCODINGS];

	(void)state;
	for (uint8_t i = 0; i < FERRY_ENCODINGS; i++) {
		m.work = (struct ferry_wire_work){
			.session = 1,
			.n_tokens = 1,
			.input = FERRY_INPUT_HIDDEN,
			.encoding = i,
			.n_data = (uint32_t)ferry_wire_row_bytes(i, N_EMBD),
			.data = hidden,
		};
		bytes[i] = FERRY_FRAME_HEADER + ferry_wire_message_bytes(&m) + TLS_RECORD;
		assert_true(bytes[i] > least[i]);
	}
	assert_int_equal(bytes[FERRY_ENCODING_INT8], 2254);
	assert_true(bytes[FERRY_ENCODING_INT8] <= MOST);
	assert_int_equal(bytes[FERRY_ENCODING_INT4], 1294);
}

static void a_work_at_the_last_position_is_refused(void **state)
{
	struct ferry_wire_message m = goldens[13].message;
	uint8_t body[MAX_BODY];
	struct ferry_writer w = ferry_writer(body, sizeof(body));

	(void)state;
	assert_int_equal(m.type, FERRY_MESSAGE_WORK);
	m.work.position = UINT32_MAX;
	ferry_wire_message_encode(&w, &m);
	assert_int_equal(decode(m.type, body, w.at, NULL), -EPROTO);
}

static void unknown_types_are_refused(void **state)
{
	struct ferry_wire_message m = {.type = 200};
	struct ferry_error err;
	uint8_t byte = 0;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		if (ferry_message_name((uint8_t)type))
			continue;
		assert_int_equal(ferry_wire_message_decode((uint8_t)type, 0, &byte, 0, &m, &err),
				 -EPROTO);
		assert_non_null(strstr(err.text, "does not exist"));
	}
	m.type = 200;
	assert_true(ferry_wire_message_bytes(&m) == SIZE_MAX);
}

static void a_later_hello_shows_its_versions(void **state)
{
	/* What a version to come may look like: the same first two fields, then anything. */
	static const uint8_t body[] = {0x03, 0x02, 0x00, 0x07, 1, 2, 3};
	struct ferry_wire_hello h;

	(void)state;
	assert_int_equal(ferry_wire_hello_decode(body, sizeof(body), true, &h, NULL), 0);
	assert_int_equal(h.version_min, 0x0203);
	assert_int_equal(h.version_max, 0x0700);
	assert_int_equal(ferry_wire_hello_decode(body, 3, true, &h, NULL), -EPROTO);
	assert_int_equal(ferry_wire_hello_decode(body, sizeof(body), false, &h, NULL), -EPROTO);
}

static void a_writer_never_writes_past_its_end(void **state)
{
	uint8_t body[MAX_BODY];

	(void)state;
	for (unsigned i = 0; i < N_GOLDENS; i++) {
		size_t n = ferry_wire_message_bytes(&goldens[i].message);

		for (size_t size = 0; size < n; size++) {
			struct ferry_writer w = ferry_writer(body, size);

			memset(body, 0xa5, sizeof(body));
			ferry_wire_message_encode(&w, &goldens[i].message);
			assert_true(w.failed);
			assert_true(w.at <= size);
			assert_int_equal(body[size], 0xa5);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_golden_bytes),
		cmocka_unit_test(encoding_gives_the_golden_bytes),
		cmocka_unit_test(decoding_gives_back_the_same_bytes),
		cmocka_unit_test(a_body_cut_short_is_refused),
		cmocka_unit_test(a_body_that_goes_on_is_refused),
		cmocka_unit_test(values_that_make_no_sense_are_refused),
		cmocka_unit_test(a_step_of_int8_is_small),
		cmocka_unit_test(a_work_at_the_last_position_is_refused),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(a_later_hello_shows_its_versions),
		cmocka_unit_test(a_writer_never_writes_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
