/* SPDX-License-Identifier: MIT */
/*
 * The first bytes of a file of packed weights. They are written from the model and never followed:
 * a reader makes the header that it expects and compares.
 *
 * All fields are little-endian. The header is as long as a multiple of 4096; the data begin behind
 * it.
 *
 *	  0  magic, 8 bytes
 *	  8  u32 version of the format, u32 byte order of the machine
 *	 16  u64 bytes of the header, u64 bytes of the data
 *	 32  u64 bytes of the model's file, i64 its time of modification in ns
 *	 48  32 bytes identity of the model
 *	 80  u64 number of tensors
 *	 88  u64 checksum of the data
 *	 96  u64 checksum of the header, but for this field and the seal
 *	104  the seal: i64 time of modification of this file in ns, 16 bytes identity of the running
 *	     system, u64 checksum of these and of the two checksums before
 *	136  zeros
 *	192  64 bytes for each tensor: u64 hash of its name, u32 type, u32 dimensions, u64 size of
 *	     each of four, u64 place in the data, u64 bytes there
 *
 * The seal says when the data were last known to be what their checksum says: while the file has
 * that time and the system has not been started again, they need not be read to be trusted.
 */
#ifndef FERRY_ENGINE_WEIGHT_HEADER_H
#define FERRY_ENGINE_WEIGHT_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/weights_private.h"

enum {
	FERRY_WEIGHT_FILE_VERSION = 1,
	FERRY_WEIGHT_HEADER_ALIGN = 4096,
	FERRY_WEIGHT_SEAL_OFFSET = 104,
	FERRY_WEIGHT_SEAL_BYTES = 32,
	FERRY_BOOT_ID_BYTES = 16,
};

struct ferry_weight_seal {
	int64_t mtime_ns;
	uint8_t boot[FERRY_BOOT_ID_BYTES]; /* zero: unknown, and so never trusted */
};

/*
 * The header of a file for @m, without checksums and seal, to be freed; *n receives its bytes.
 * NULL: out of memory.
 */
uint8_t *ferry_weight_header_new(const struct ferry_model *m, const struct ferry_weights *w,
				 size_t *n);

/* Puts the checksum of the data in, and that of the header. */
void ferry_weight_header_finish(uint8_t *header, size_t n, uint64_t data_checksum);

/* Puts a seal on a finished header. */
void ferry_weight_header_seal(uint8_t *header, const struct ferry_weight_seal *seal);

/*
 * Whether @found, as long as @expected, is that header with any checksum of the data and any seal.
 * Return: NULL, or what is wrong, to stand behind "it is ".
 */
const char *ferry_weight_header_problem(const uint8_t *expected, const uint8_t *found, size_t n);

/* Whether a header without a problem has this seal. */
bool ferry_weight_header_is_sealed(const uint8_t *header, const struct ferry_weight_seal *seal);

uint64_t ferry_weight_header_data_checksum(const uint8_t *header);

#endif
