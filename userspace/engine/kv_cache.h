/* SPDX-License-Identifier: MIT */
/*
 * Keys and values of one sequence for a range of layers. Positions are dense: position p of a
 * layer is written once, when the token at p passes through it.
 */
#ifndef FERRY_ENGINE_KV_CACHE_H
#define FERRY_ENGINE_KV_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "model/model.h"

enum ferry_kv_type {
	FERRY_KV_F16 = 0,
	FERRY_KV_F32 = 1, /* the oracle's */
	FERRY_KV_Q8 = 2,  /* bytes with scales: half of F16 */
	FERRY_KV_TYPES,
};

/* "f16", "f32", "q8"; NULL for others. */
const char *ferry_kv_type_name(enum ferry_kv_type type);

struct ferry_kv_cache {
	const struct ferry_model *model;
	enum ferry_kv_type type;
	uint32_t layer_begin, layer_end; /* holds layers [begin, end) */
	uint32_t n_ctx;			 /* positions */
	uint32_t n_past; /* positions that hold something, the same for all layers */
	size_t n_bytes;
	uint8_t *data; /* private: see kv_cache.c for the layout */
};

/*
 * Bytes that such a cache takes, @n_ctx rounded up to whole tiles of 64 positions; SIZE_MAX where
 * that overflows.
 */
size_t ferry_kv_cache_bytes(const struct ferry_model *m, uint32_t layer_begin, uint32_t layer_end,
			    uint32_t n_ctx, enum ferry_kv_type type);

/* Return: 0; -EINVAL for layers outside the model or an unknown type; -ENOMEM. */
int ferry_kv_cache_new(const struct ferry_model *m, uint32_t layer_begin, uint32_t layer_end,
		       uint32_t n_ctx, enum ferry_kv_type type, struct ferry_kv_cache **out,
		       struct ferry_error *err);
void ferry_kv_cache_free(struct ferry_kv_cache *kv);

/* Positions [0, n) of @from into @to, which has the same model, type, layers and n_ctx. */
void ferry_kv_cache_copy(struct ferry_kv_cache *to, const struct ferry_kv_cache *from, uint32_t n);

/* Forget all positions >= n. */
void ferry_kv_cache_truncate(struct ferry_kv_cache *kv, uint32_t n);

#endif
