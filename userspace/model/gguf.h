/* SPDX-License-Identifier: MIT */
/*
 * GGUF v2 and v3, little-endian. Every count, length, offset, type and dimension of the file
 * is checked here, once: whoever holds a struct ferry_gguf may follow all its pointers.
 */
#ifndef FERRY_MODEL_GGUF_H
#define FERRY_MODEL_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "ferry/error.h"
#include "model/tensor_type.h"

enum {
	FERRY_MAX_DIMS = 4,
	FERRY_GGUF_DATA_ALIGN = 8, /* of every tensor, at least */
};

enum ferry_gguf_type {
	FERRY_GGUF_U8 = 0,
	FERRY_GGUF_I8 = 1,
	FERRY_GGUF_U16 = 2,
	FERRY_GGUF_I16 = 3,
	FERRY_GGUF_U32 = 4,
	FERRY_GGUF_I32 = 5,
	FERRY_GGUF_F32 = 6,
	FERRY_GGUF_BOOL = 7,
	FERRY_GGUF_STRING = 8,
	FERRY_GGUF_ARRAY = 9,
	FERRY_GGUF_U64 = 10,
	FERRY_GGUF_I64 = 11,
	FERRY_GGUF_F64 = 12,
};

/* Bytes in the file; not NUL-terminated and not necessarily UTF-8. */
struct ferry_gguf_string {
	const char *bytes;
	size_t n;
};

struct ferry_gguf_value {
	const char *key; /* NUL-terminated copy */
	enum ferry_gguf_type type;
	union {
		uint64_t u; /* U8..U64, BOOL */
		int64_t i;  /* I8..I64 */
		double f;   /* F32, F64 */
		struct ferry_gguf_string s;
		struct {
			enum ferry_gguf_type type; /* never ARRAY */
			uint64_t n;
			const uint8_t *data; /* numbers: packed little-endian, unaligned */
			const struct ferry_gguf_string *strings; /* where type is STRING */
		} array;
	};
};

/* A tensor. dim[0] varies fastest: a matrix W[n_out][n_in] has dim = {n_in, n_out, 1, 1}. */
struct ferry_tensor {
	const char *name;
	enum ferry_tensor_type type;
	uint32_t n_dims;
	uint64_t dim[FERRY_MAX_DIMS]; /* unused ones are 1 */
	const uint8_t *data;	      /* inside the mapping; NULL where only the header was read */
	uint64_t n_bytes;
};

/* What the system said of the file when it was opened; zero for bytes in memory. */
struct ferry_gguf_stamp {
	uint64_t n_bytes;
	int64_t mtime_ns;
	uint32_t mode, owner;
};

struct ferry_gguf {
	const char *path; /* for messages: a long one is cut in front */
	uint32_t version;
	uint64_t n_values;
	const struct ferry_gguf_value *values;
	uint64_t n_tensors;
	const struct ferry_tensor *tensors;

	/* private */
	const uint8_t *map;
	size_t map_bytes;
	bool mapped;
	struct ferry_gguf_stamp stamp;
	uint32_t *tensor_index, *value_index; /* open-addressing hash tables over the names */
	uint32_t index_mask[2];		      /* of value_index, of tensor_index */
	uint64_t hash_key[2];
	struct ferry_arena arena;
};

/**
 * ferry_gguf_open - map a file and check all of its header.
 * @path: the file
 * @out: on success, released by ferry_gguf_close(); NULL otherwise
 * @err: filled on failure, naming the file and, where one is at fault, the key or tensor
 *
 * Return: 0; -ENOENT, -EACCES, -EISDIR and others from open(); -EBADMSG where the file is
 * damaged; -EINVAL where it is not a regular file; -ENOTSUP for a version, byte order or tensor
 * type that Ferry does not read; -ENOMEM.
 *
 * The file stays mapped: replace it by rename(), for a process whose mapping is cut short by
 * truncation dies of SIGBUS.
 */
int ferry_gguf_open(const char *path, struct ferry_gguf **out, struct ferry_error *err);

/*
 * The same over bytes in memory, which must outlive the result and be aligned to
 * FERRY_GGUF_DATA_ALIGN (malloc's are); @path is only for messages.
 */
int ferry_gguf_parse(const void *data, size_t size, const char *path, struct ferry_gguf **out,
		     struct ferry_error *err);

void ferry_gguf_close(struct ferry_gguf *g);

/* By exact name; NULL where there is none. */
const struct ferry_gguf_value *ferry_gguf_find(const struct ferry_gguf *g, const char *key);
const struct ferry_tensor *ferry_gguf_tensor(const struct ferry_gguf *g, const char *name);

/*
 * Typed lookups: 1 and the value where the key is there and fits (any integer type whose value
 * fits counts, and an integer counts as a float); 0 where it is absent, *out untouched;
 * negative with @err filled where it has another type or does not fit.
 */
int ferry_gguf_get_u32(const struct ferry_gguf *g, const char *key, uint32_t *out,
		       struct ferry_error *err);
int ferry_gguf_get_f32(const struct ferry_gguf *g, const char *key, float *out,
		       struct ferry_error *err);
int ferry_gguf_get_bool(const struct ferry_gguf *g, const char *key, bool *out,
			struct ferry_error *err);
int ferry_gguf_get_string(const struct ferry_gguf *g, const char *key,
			  struct ferry_gguf_string *out, struct ferry_error *err);

/*
 * Element @i of an array of numbers, converted; the caller has checked i < n and the kind.
 * ferry_gguf_array_i64() is for the integer and BOOL types, _f32() for F32 and F64 as well.
 */
int64_t ferry_gguf_array_i64(const struct ferry_gguf_value *v, uint64_t i);
float ferry_gguf_array_f32(const struct ferry_gguf_value *v, uint64_t i);

#endif
