// SPDX-License-Identifier: MIT
/*
 * Any bytes as what a connection receives, and any bytes as the body of any message. Input: one
 * byte (bit 7: a body, of the type in the low bits; else bit 0: the role, bit 1: after the
 * handshake, bits 2 and up: how the stream is cut into pieces), then the bytes.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "unit/wire/golden.h"
#include "wire/connection.h"

enum { LIMIT = 1 << 16, BODY = 0x80 };

/* A message that decodes is one that encodes to the same bytes. */
static void decode(uint8_t type, const uint8_t *body, size_t n)
{
	struct ferry_error err = {0};
	struct ferry_wire_message m;
	struct ferry_writer w;
	uint8_t *again;

	if (ferry_wire_message_decode(type, 1, body, n, &m, &err)) {
		FUZZ_CHECK(err.code == -71 && err.kind == FERRY_ERROR_PEER && err.text[0]);
		return;
	}
	FUZZ_CHECK(ferry_wire_message_bytes(&m) == n);
	again = malloc(n + 1);
	w = ferry_writer(again, n);
	ferry_wire_message_encode(&w, &m);
	FUZZ_CHECK(!w.failed && w.at == n && !memcmp(again, body, n));
	free(again);
}

static void receive(uint8_t how, const uint8_t *data, size_t size)
{
	struct ferry_connection c;
	struct ferry_frame frame;
	struct ferry_error err = {0};
	size_t piece = (size_t)(how >> 2) + 1, since = 0;
	uint32_t n_body;

	ferry_connection_init(&c, how & 1 ? FERRY_ROLE_EDGE : FERRY_ROLE_DEVICE);
	if (how & 2)
		ferry_connection_establish(&c, FERRY_WIRE_VERSION_MAX, LIMIT);
	while (size) {
		size_t n = size < piece ? size : piece, used;
		int ret = ferry_connection_feed(&c, data, n, &used, &frame, &err);

		FUZZ_CHECK(used <= n);
		if (ret < 0) {
			FUZZ_CHECK(err.code == ret && err.text[0]);
			FUZZ_CHECK(ferry_connection_feed(&c, data, n, &used, &frame, NULL) < 0);
			break;
		}
		FUZZ_CHECK(ret || used == n);
		data += used;
		size -= used;
		since += used;
		/* Memory follows what came, not what was announced. */
		FUZZ_CHECK(c.body_size <= 2 * since + 4096);
		if (!ret)
			continue;
		FUZZ_CHECK(!ferry_connection_in_frame(&c, &n_body));
		FUZZ_CHECK(frame.header.n_body <= c.max_body);
		decode(frame.header.type, frame.body, frame.header.n_body);
	}
	ferry_connection_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ferry_wire_hello h;

	if (!size)
		return 0;
	if (!(data[0] & BODY)) {
		receive(data[0], data + 1, size - 1);
		return 0;
	}
	decode(data[0] & 0x1f, data + 1, size - 1);
	ferry_wire_hello_decode(data + 1, size - 1, true, &h, NULL);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	uint8_t stream[4096];
	size_t n = 1;

	for (unsigned i = 0; i < N_GOLDENS; i++) {
		const struct ferry_wire_message *m = &goldens[i].message;
		struct ferry_outgoing *out;
		uint8_t one[1024];

		FUZZ_CHECK(!ferry_outgoing_new(FERRY_WIRE_VERSION_MAX, LIMIT, m, &out, NULL));
		one[0] = BODY | m->type;
		memcpy(one + 1, out->bytes + FERRY_FRAME_HEADER, out->n - FERRY_FRAME_HEADER);
		emit(arg, one, 1 + out->n - FERRY_FRAME_HEADER);
		if (i >= 2) {
			memcpy(stream + n, out->bytes, out->n);
			n += out->n;
		}
		for (uint8_t role = 0; role < 2; role++) {
			one[0] = (uint8_t)(role | (i >= 2 ? 2 : 0) | 5 << 2);
			memcpy(one + 1, out->bytes, out->n);
			emit(arg, one, 1 + out->n);
		}
		free(out);
	}
	for (uint8_t how = 2; how < 128; how += 9) {
		stream[0] = how;
		emit(arg, stream, n);
	}
}
