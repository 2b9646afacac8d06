/* SPDX-License-Identifier: MIT */
/*
 * Bytes that come from outside: little-endian loads and stores, and a cursor that never
 * reads past its end.
 */
#ifndef FERRY_BASE_BYTES_H
#define FERRY_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t ferry_load_le16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t ferry_load_le32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t ferry_load_le64(const void *p)
{
	const uint8_t *b = p;

	return (uint64_t)ferry_load_le32(b) | (uint64_t)ferry_load_le32(b + 4) << 32;
}

static inline float ferry_load_lef32(const void *p)
{
	uint32_t u = ferry_load_le32(p);
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static inline void ferry_store_le16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

static inline void ferry_store_le32(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
	b[2] = (uint8_t)(v >> 16);
	b[3] = (uint8_t)(v >> 24);
}

static inline void ferry_store_le64(void *p, uint64_t v)
{
	ferry_store_le32(p, (uint32_t)v);
	ferry_store_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

static inline void ferry_store_lef32(void *p, float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	ferry_store_le32(p, u);
}

/*
 * A read cursor. A read past the end returns zero, sets `failed` and moves nothing; it
 * stays failed, so a decoder may read a whole message and test once.
 */
struct ferry_reader {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool failed;
};

static inline struct ferry_reader ferry_reader(const void *data, size_t size)
{
	return (struct ferry_reader){.data = data, .size = size};
}

static inline size_t ferry_reader_left(const struct ferry_reader *r)
{
	return r->failed ? 0 : r->size - r->at;
}

/* The next @n bytes, or NULL (and failed) where fewer are left. */
static inline const uint8_t *ferry_read_bytes(struct ferry_reader *r, size_t n)
{
	const uint8_t *p;

	if (r->failed || n > r->size - r->at) {
		r->failed = true;
		return NULL;
	}
	p = r->data + r->at;
	r->at += n;
	return p;
}

static inline uint8_t ferry_read_u8(struct ferry_reader *r)
{
	const uint8_t *p = ferry_read_bytes(r, 1);

	return p ? *p : 0;
}

static inline uint16_t ferry_read_le16(struct ferry_reader *r)
{
	const uint8_t *p = ferry_read_bytes(r, 2);

	return p ? ferry_load_le16(p) : 0;
}

static inline uint32_t ferry_read_le32(struct ferry_reader *r)
{
	const uint8_t *p = ferry_read_bytes(r, 4);

	return p ? ferry_load_le32(p) : 0;
}

static inline uint64_t ferry_read_le64(struct ferry_reader *r)
{
	const uint8_t *p = ferry_read_bytes(r, 8);

	return p ? ferry_load_le64(p) : 0;
}

static inline float ferry_read_lef32(struct ferry_reader *r)
{
	const uint8_t *p = ferry_read_bytes(r, 4);

	return p ? ferry_load_lef32(p) : 0.0f;
}

#endif
