// SPDX-License-Identifier: MIT
#include "wire/prefix_hash.h"

#include <errno.h>
#include <sys/random.h>

#include "base/bytes.h"

struct state {
	uint64_t v[4];
};

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void mix(struct state *s, unsigned rounds)
{
	uint64_t *v = s->v;

	while (rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void absorb(struct state *s, uint64_t word)
{
	s->v[3] ^= word;
	mix(s, 2);
	s->v[0] ^= word;
}

uint64_t ferry_siphash(const uint64_t key[2], const void *bytes, size_t n)
{
	struct state s = {{
		key[0] ^ 0x736f6d6570736575u,
		key[1] ^ 0x646f72616e646f6du,
		key[0] ^ 0x6c7967656e657261u,
		key[1] ^ 0x7465646279746573u,
	}};
	const uint8_t *p = bytes;
	uint8_t last[8] = {0};
	size_t i = 0;

	for (; n - i >= 8; i += 8)
		absorb(&s, ferry_load_le64(p + i));
	if (n > i)
		memcpy(last, p + i, n - i);
	last[7] = (uint8_t)n;
	absorb(&s, ferry_load_le64(last));
	s.v[2] ^= 0xff;
	mix(&s, 4);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

int ferry_prefix_key_new(struct ferry_prefix_key *key)
{
	/* 16 bytes are never cut short, and EINTR cannot happen below 256 bytes (getrandom(2)) once
	 * the pool is there; GRND_NONBLOCK keeps an early boot from blocking here. */
	ssize_t n = getrandom(key->k, sizeof(key->k), GRND_NONBLOCK);

	if (n == (ssize_t)sizeof(key->k))
		return 0;
	return n < 0 ? -errno : -EIO;
}

uint64_t ferry_prefix_hash(const struct ferry_prefix_key *key, uint64_t before, int32_t id)
{
	uint8_t bytes[12];

	ferry_store_le64(bytes, before);
	ferry_store_le32(bytes + 8, (uint32_t)id);
	return ferry_siphash(key->k, bytes, sizeof(bytes));
}
