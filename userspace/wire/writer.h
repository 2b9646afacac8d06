/* SPDX-License-Identifier: MIT */
/*
 * The counterpart of struct ferry_reader (base/bytes.h): a cursor that writes little-endian
 * fields and never past its end. Without memory (data NULL) it only counts, so that one encoder
 * gives both the size of a message and its bytes.
 */
#ifndef FERRY_WIRE_WRITER_H
#define FERRY_WIRE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct ferry_writer {
	uint8_t *data;
	size_t size;
	size_t at;
	bool failed; /* something did not fit; nothing was written from there on */
};

static inline struct ferry_writer ferry_writer(void *data, size_t size)
{
	return (struct ferry_writer){.data = data, .size = size};
}

static inline struct ferry_writer ferry_writer_counting(void)
{
	return (struct ferry_writer){.size = SIZE_MAX};
}

/* Room for @n bytes, or NULL: no room, or only counting. */
static inline uint8_t *ferry_write_room(struct ferry_writer *w, size_t n)
{
	uint8_t *p;

	if (w->failed || n > w->size - w->at) {
		w->failed = true;
		return NULL;
	}
	p = w->data ? w->data + w->at : NULL;
	w->at += n;
	return p;
}

static inline void ferry_write_bytes(struct ferry_writer *w, const void *bytes, size_t n)
{
	uint8_t *p = ferry_write_room(w, n);

	if (p && n)
		memcpy(p, bytes, n);
}

static inline void ferry_write_u8(struct ferry_writer *w, uint8_t v)
{
	uint8_t *p = ferry_write_room(w, 1);

	if (p)
		*p = v;
}

static inline void ferry_write_le16(struct ferry_writer *w, uint16_t v)
{
	uint8_t *p = ferry_write_room(w, 2);

	if (p)
		ferry_store_le16(p, v);
}

static inline void ferry_write_le32(struct ferry_writer *w, uint32_t v)
{
	uint8_t *p = ferry_write_room(w, 4);

	if (p)
		ferry_store_le32(p, v);
}

static inline void ferry_write_le64(struct ferry_writer *w, uint64_t v)
{
	uint8_t *p = ferry_write_room(w, 8);

	if (p)
		ferry_store_le64(p, v);
}

static inline void ferry_write_lef32(struct ferry_writer *w, float v)
{
	uint8_t *p = ferry_write_room(w, 4);

	if (p)
		ferry_store_lef32(p, v);
}

#endif
