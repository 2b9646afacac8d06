// SPDX-License-Identifier: MIT
/*
 * Any bytes to either end of a TLS link before it knows the other. Input: one byte (bit 0: the end
 * is a device's, bits 1 and up: how the stream is cut into pieces), then the bytes. Nobody gets
 * through without a key, nothing is ever handed over, and what is kept is bounded.
 */
#include <string.h>
#include <unistd.h>

#include "fixtures/key_folder.h"
#include "fuzz/fuzz.h"
#include "wire/tls.h"

enum { MAX_OUTPUT = 64 << 10 };

/* Made at the first call, for all inputs; both trust a key that nobody has. */
static struct ferry_tls_context *context(enum ferry_role role)
{
	static struct ferry_tls_context *made[2];
	struct ferry_fingerprint nobody = {{1}};
	struct key_folder f;
	struct ferry_tls_files files = {.keys = f.path};

	if (made[role])
		return made[role];
	FUZZ_CHECK(!key_folder_make(&f));
	FUZZ_CHECK(!key_folder_trust_key(&f, &nobody, "nobody", 3));
	FUZZ_CHECK(!ferry_tls_context_new(&files, role, &made[role], NULL));
	key_folder_remove(&f);
	return made[role];
}

/* The bytes that an end has to say; returns how many. */
static size_t take_output(struct ferry_tls *t, uint8_t *to, size_t size)
{
	struct ferry_outgoing *out = ferry_tls_output(t);
	size_t n = out ? out->n : 0;

	FUZZ_CHECK(n <= size);
	if (n && to)
		memcpy(to, out->bytes, n);
	free(out);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum ferry_role role;
	struct ferry_error err = {0};
	uint8_t plain[256];
	struct ferry_tls *t;
	size_t piece, n_plain, n_output = 0;
	uint32_t n_record;
	int ret = 0;

	if (!size)
		return 0;
	role = *data & 1 ? FERRY_ROLE_DEVICE : FERRY_ROLE_EDGE;
	piece = (size_t)(*data >> 1) * 8 + 1;
	FUZZ_CHECK(!ferry_tls_new(context(role), "host", &t, NULL));
	data++;
	size--;
	if (role == FERRY_ROLE_DEVICE) {
		ferry_tls_input(t, NULL, 0);
		ret = ferry_tls_read(t, plain, sizeof(plain), &n_plain, &err);
		FUZZ_CHECK(!ret);
	}
	while (size && !ret) {
		size_t n = size < piece ? size : piece;
		uint8_t *copy = malloc(n); /* so that a sanitizer sees who reads it too late */

		FUZZ_CHECK(copy);
		memcpy(copy, data, n);
		ferry_tls_input(t, copy, n);
		ret = ferry_tls_read(t, plain, sizeof(plain), &n_plain, &err);
		free(copy);
		FUZZ_CHECK(ret <= 0 && !n_plain);
		FUZZ_CHECK(!ferry_tls_is_open(t) && !ferry_tls_peer(t));
		ferry_tls_in_record(t, &n_record);
		FUZZ_CHECK(n_record <= UINT16_MAX);
		n_output += take_output(t, NULL, MAX_OUTPUT);
		FUZZ_CHECK(n_output <= MAX_OUTPUT);
		data += n;
		size -= n;
	}
	if (ret) {
		FUZZ_CHECK(err.code == ret && err.text[0]);
		FUZZ_CHECK(ferry_tls_send(t, plain, 1, NULL) < 0);
	}
	ferry_tls_free(t);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static const uint8_t frame[17] = "\x20"
					 "FRRY\x01\x00\x01";
	uint8_t hello[4096], flight[8192];
	struct ferry_tls *edge, *device;
	uint8_t plain[16];
	size_t n, n_plain;

	FUZZ_CHECK(!ferry_tls_new(context(FERRY_ROLE_EDGE), NULL, &edge, NULL));
	FUZZ_CHECK(!ferry_tls_new(context(FERRY_ROLE_DEVICE), "host", &device, NULL));
	ferry_tls_input(device, NULL, 0);
	FUZZ_CHECK(!ferry_tls_read(device, plain, sizeof(plain), &n_plain, NULL));
	n = take_output(device, hello + 1, sizeof(hello) - 1);
	ferry_tls_input(edge, hello + 1, n);
	FUZZ_CHECK(!ferry_tls_read(edge, plain, sizeof(plain), &n_plain, NULL));
	hello[0] = 0xfe;
	emit(arg, hello, 1 + n);
	hello[0] = 0x06;
	emit(arg, hello, 1 + n);
	n = take_output(edge, flight + 1, sizeof(flight) - 1);
	flight[0] = 0xff; /* of another connection: the device cannot decrypt it */
	emit(arg, flight, 1 + n);
	emit(arg, frame, sizeof(frame));
	ferry_tls_free(edge);
	ferry_tls_free(device);
}
