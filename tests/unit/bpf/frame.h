/* SPDX-License-Identifier: MIT */
/* Packets written byte by byte, to be given to the classifier. */
#ifndef FERRY_TEST_FRAME_H
#define FERRY_TEST_FRAME_H

#include <stdint.h>
#include <string.h>

enum { FRAME_MAX = 2048, FRAME_TCP = 6, FRAME_UDP = 17, FRAME_GRE = 47 };

struct frame {
	uint8_t bytes[FRAME_MAX];
	uint32_t len;
	uint32_t ip; /* where the last IP header that was put begins */
};

/* Bytes that have no room are left out; the tests' frames are far shorter. */
static inline void frame_put(struct frame *f, const void *bytes, size_t n)
{
	if (n > sizeof(f->bytes) - f->len)
		n = sizeof(f->bytes) - f->len;
	memcpy(f->bytes + f->len, bytes, n);
	f->len += (uint32_t)n;
}

static inline void frame_8(struct frame *f, unsigned int value)
{
	const uint8_t byte = (uint8_t)value;

	frame_put(f, &byte, 1);
}

static inline void frame_16(struct frame *f, unsigned int value)
{
	frame_8(f, value >> 8);
	frame_8(f, value);
}

static inline void frame_32(struct frame *f, uint32_t value)
{
	frame_16(f, value >> 16);
	frame_16(f, value & 0xffff);
}

static inline void frame_ethernet(struct frame *f)
{
	f->len = 0;
	frame_put(f, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
}

static inline void frame_vlan(struct frame *f, unsigned int ethertype, unsigned int tag)
{
	frame_16(f, ethertype);
	frame_16(f, tag);
}

/* `words`: length of the header in 32-bit words. The total length is left to frame_lengths(). */
static inline void frame_ipv4(struct frame *f, unsigned int words, unsigned int tos,
			      unsigned int protocol, uint32_t from, uint32_t to)
{
	static const uint8_t options[40];

	f->ip = f->len;
	frame_8(f, 0x40 | words);
	frame_8(f, tos);
	frame_16(f, 0);
	frame_32(f, 0x12340000);
	frame_8(f, 64);
	frame_8(f, protocol);
	frame_16(f, 0);
	frame_32(f, from);
	frame_32(f, to);
	if (words > 5)
		frame_put(f, options, 4 * (words - 5));
}

static inline void frame_ipv6(struct frame *f, unsigned int traffic_class, unsigned int protocol,
			      const char *from, const char *to)
{
	f->ip = f->len;
	frame_32(f, 0x60000000 | traffic_class << 20);
	frame_16(f, 0);
	frame_8(f, protocol);
	frame_8(f, 64);
	frame_put(f, from, 16);
	frame_put(f, to, 16);
}

static inline void frame_tcp(struct frame *f, unsigned int from, unsigned int to, uint32_t sequence)
{
	frame_16(f, from);
	frame_16(f, to);
	frame_32(f, sequence);
	frame_32(f, 1);
	frame_32(f, 0x50180200);
	frame_32(f, 0);
}

static inline void frame_udp(struct frame *f, unsigned int from, unsigned int to)
{
	frame_16(f, from);
	frame_16(f, to);
	frame_32(f, 0);
}

/* Writes the length of everything behind the last IP header into that. */
static inline void frame_lengths(struct frame *f)
{
	const uint32_t bytes = f->len - f->ip;

	if (f->bytes[f->ip] >> 4 == 4) {
		f->bytes[f->ip + 2] = (uint8_t)(bytes >> 8);
		f->bytes[f->ip + 3] = (uint8_t)bytes;
	} else {
		f->bytes[f->ip + 4] = (uint8_t)((bytes - 40) >> 8);
		f->bytes[f->ip + 5] = (uint8_t)(bytes - 40);
	}
}

/* A ClientHello for `name`, with `before` bytes of another extension in front of the name's. */
static inline void frame_hello(struct frame *f, const char *name, unsigned int before)
{
	static const uint8_t zeros[1600];
	const unsigned int n = (unsigned int)strlen(name);
	const unsigned int extensions = 4 + before + 9 + n + 6;

	frame_8(f, 22);
	frame_16(f, 0x0301);
	frame_16(f, 4 + 34 + 33 + 4 + 2 + 2 + extensions);
	frame_8(f, 1);
	frame_8(f, 0);
	frame_16(f, 34 + 33 + 4 + 2 + 2 + extensions);
	frame_16(f, 0x0303);
	frame_put(f, zeros, 32);
	frame_8(f, 32);
	frame_put(f, zeros, 32);
	frame_16(f, 2);
	frame_16(f, 0x1301);
	frame_8(f, 1);
	frame_8(f, 0);
	frame_16(f, extensions);
	frame_16(f, 0x4a4a);
	frame_16(f, before);
	frame_put(f, zeros, before);
	frame_16(f, 0);
	frame_16(f, n + 5);
	frame_16(f, n + 3);
	frame_8(f, 0);
	frame_16(f, n);
	frame_put(f, name, n);
	frame_16(f, 43);
	frame_16(f, 2);
	frame_16(f, 0x0304);
}

#endif
