// SPDX-License-Identifier: MIT
#include "engine/weight_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	VERSION = 8,
	BYTE_ORDER_MARK = 12,
	HEADER_BYTES = 16,
	DATA_BYTES = 24,
	MODEL_BYTES = 32,
	MODEL_MTIME = 40,
	MODEL_ID = 48,
	N_TENSORS = 80,
	DATA_CHECKSUM = 88,
	HEADER_CHECKSUM = 96,
	SEAL_BOOT = FERRY_WEIGHT_SEAL_OFFSET + 8,
	SEAL_CHECKSUM = SEAL_BOOT + FERRY_BOOT_ID_BYTES,
	SEAL_END = FERRY_WEIGHT_SEAL_OFFSET + FERRY_WEIGHT_SEAL_BYTES,
	TABLE = 192,
	TABLE_ENTRY = 64,
};

/* Not text, and changed by whoever converts the ends of lines. */
static const uint8_t magic[8] = {0xf5, 'f', 'e', 'r', 'r', 'y', '\r', '\n'};

static void put_tensor(uint8_t *at, const struct ferry_weights_place *p)
{
	const struct ferry_tensor *t = p->tensor;

	ferry_store_le64(at, ferry_weights_hash((const uint8_t *)t->name, strlen(t->name)));
	ferry_store_le32(at + 8, (uint32_t)t->type);
	ferry_store_le32(at + 12, t->n_dims);
	for (int i = 0; i < FERRY_MAX_DIMS; i++)
		ferry_store_le64(at + 16 + 8 * i, t->dim[i]);
	ferry_store_le64(at + 48, p->offset);
	ferry_store_le64(at + 56, p->n_bytes);
}

uint8_t *ferry_weight_header_new(const struct ferry_model *m, const struct ferry_weights *w,
				 size_t *n)
{
	static const uint32_t byte_order = 0x01020304;
	const size_t align = FERRY_WEIGHT_HEADER_ALIGN;
	const struct ferry_gguf_stamp *stamp = &m->gguf->stamp;
	uint8_t *h;

	*n = (TABLE + TABLE_ENTRY * w->n_places + align - 1) / align * align;
	h = calloc(1, *n);
	if (!h)
		return NULL;
	memcpy(h, magic, sizeof(magic));
	ferry_store_le32(h + VERSION, FERRY_WEIGHT_FILE_VERSION);
	memcpy(h + BYTE_ORDER_MARK, &byte_order, sizeof(byte_order));
	ferry_store_le64(h + HEADER_BYTES, *n);
	ferry_store_le64(h + DATA_BYTES, w->n_bytes);
	ferry_store_le64(h + MODEL_BYTES, stamp->n_bytes);
	ferry_store_le64(h + MODEL_MTIME, (uint64_t)stamp->mtime_ns);
	memcpy(h + MODEL_ID, m->id, sizeof(m->id));
	ferry_store_le64(h + N_TENSORS, w->n_places);
	for (size_t i = 0; i < w->n_places; i++)
		put_tensor(h + TABLE + TABLE_ENTRY * i, &w->places[i]);
	return h;
}

static uint64_t checksum_of_header(const uint8_t *h, size_t n)
{
	const uint64_t parts[2] = {ferry_weights_hash(h, HEADER_CHECKSUM),
				   ferry_weights_hash(h + SEAL_END, n - SEAL_END)};
	uint8_t bytes[16];

	ferry_store_le64(bytes, parts[0]);
	ferry_store_le64(bytes + 8, parts[1]);
	return ferry_weights_hash(bytes, sizeof(bytes));
}

/* Begins with the other two checksums: a seal of one file is none of another. */
static uint64_t checksum_of_seal(const uint8_t *h)
{
	return ferry_weights_hash(h + DATA_CHECKSUM, SEAL_CHECKSUM - DATA_CHECKSUM);
}

void ferry_weight_header_finish(uint8_t *header, size_t n, uint64_t data_checksum)
{
	ferry_store_le64(header + DATA_CHECKSUM, data_checksum);
	ferry_store_le64(header + HEADER_CHECKSUM, checksum_of_header(header, n));
}

void ferry_weight_header_seal(uint8_t *header, const struct ferry_weight_seal *seal)
{
	ferry_store_le64(header + FERRY_WEIGHT_SEAL_OFFSET, (uint64_t)seal->mtime_ns);
	memcpy(header + SEAL_BOOT, seal->boot, sizeof(seal->boot));
	ferry_store_le64(header + SEAL_CHECKSUM, checksum_of_seal(header));
}

static bool same(const uint8_t *a, const uint8_t *b, size_t begin, size_t end)
{
	return !memcmp(a + begin, b + begin, end - begin);
}

const char *ferry_weight_header_problem(const uint8_t *expected, const uint8_t *found, size_t n)
{
	if (!same(expected, found, 0, VERSION))
		return "no file of packed weights";
	if (!same(expected, found, VERSION, HEADER_BYTES))
		return "of another version of Ferry or another kind of machine";
	if (ferry_load_le64(found + HEADER_CHECKSUM) != checksum_of_header(found, n))
		return "damaged at its beginning";
	if (!same(expected, found, MODEL_BYTES, N_TENSORS))
		return "of another model, or of this one before its file was changed";
	if (!same(expected, found, HEADER_BYTES, MODEL_BYTES) ||
	    !same(expected, found, N_TENSORS, DATA_CHECKSUM) || !same(expected, found, SEAL_END, n))
		return "of tensors that lie otherwise";
	return NULL;
}

bool ferry_weight_header_is_sealed(const uint8_t *header, const struct ferry_weight_seal *seal)
{
	static const uint8_t unknown[FERRY_BOOT_ID_BYTES];

	return memcmp(seal->boot, unknown, sizeof(unknown)) != 0 &&
	       ferry_load_le64(header + SEAL_CHECKSUM) == checksum_of_seal(header) &&
	       ferry_load_le64(header + FERRY_WEIGHT_SEAL_OFFSET) == (uint64_t)seal->mtime_ns &&
	       !memcmp(header + SEAL_BOOT, seal->boot, sizeof(seal->boot));
}

uint64_t ferry_weight_header_data_checksum(const uint8_t *header)
{
	return ferry_load_le64(header + DATA_CHECKSUM);
}
