// SPDX-License-Identifier: MIT
#include "engine/kv_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/kv_layout.h"

enum { CACHE_LINE = 64 };

const char *ferry_kv_type_name(enum ferry_kv_type type)
{
	static const char *const names[FERRY_KV_TYPES] = {
		[FERRY_KV_F16] = "f16", [FERRY_KV_F32] = "f32", [FERRY_KV_Q8] = "q8"};

	return (unsigned)type < FERRY_KV_TYPES ? names[type] : NULL;
}

static enum ferry_attention_type attention_type(enum ferry_kv_type type)
{
	return type == FERRY_KV_Q8    ? FERRY_ATTENTION_Q8
	       : type == FERRY_KV_F16 ? FERRY_ATTENTION_F16
				      : FERRY_ATTENTION_F32;
}

static size_t tiles(uint32_t n_ctx)
{
	return ((size_t)n_ctx + FERRY_ATTENTION_TILE - 1) / FERRY_ATTENTION_TILE;
}

size_t ferry_kv_cache_bytes(const struct ferry_model *m, uint32_t layer_begin, uint32_t layer_end,
			    uint32_t n_ctx, enum ferry_kv_type type)
{
	const struct ferry_hparams *hp = &m->hp;
	size_t bytes = ferry_attention_key_tile(attention_type(type), hp->n_head_dim) +
		       ferry_attention_value_tile(attention_type(type), hp->n_value_dim);

	if (__builtin_mul_overflow(bytes, tiles(n_ctx), &bytes) ||
	    __builtin_mul_overflow(bytes, (size_t)hp->n_head_kv, &bytes) ||
	    __builtin_mul_overflow(bytes, (size_t)(layer_end - layer_begin), &bytes))
		return SIZE_MAX;
	return bytes;
}

int ferry_kv_cache_new(const struct ferry_model *m, uint32_t layer_begin, uint32_t layer_end,
		       uint32_t n_ctx, enum ferry_kv_type type, struct ferry_kv_cache **out,
		       struct ferry_error *err)
{
	struct ferry_kv_cache *kv;
	size_t bytes, total;

	*out = NULL;
	if (layer_begin > layer_end || layer_end > m->hp.n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a KV cache of layers %u to %u does not fit a model of %u layers",
				  layer_begin, layer_end, m->hp.n_layers);
	if (!ferry_kv_type_name(type))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%d is no type of a KV cache",
				  (int)type);
	bytes = ferry_kv_cache_bytes(m, layer_begin, layer_end, n_ctx, type);
	if (__builtin_add_overflow(bytes, sizeof(*kv) + CACHE_LINE, &total))
		return ferry_fail_memory(err, "the KV cache", bytes);
	/* calloc() leaves the pages of a large block untouched until positions are written. */
	kv = calloc(1, total);
	if (!kv)
		return ferry_fail_memory(err, "the KV cache", bytes);
	*kv = (struct ferry_kv_cache){
		.model = m,
		.type = type,
		.layer_begin = layer_begin,
		.layer_end = layer_end,
		.n_ctx = n_ctx,
		.n_bytes = bytes,
	};
	kv->data = (uint8_t *)(kv + 1);
	kv->data += -(uintptr_t)kv->data % CACHE_LINE;
	*out = kv;
	return 0;
}

void ferry_kv_cache_free(struct ferry_kv_cache *kv)
{
	free(kv);
}

void ferry_kv_cache_copy(struct ferry_kv_cache *to, const struct ferry_kv_cache *from, uint32_t n)
{
	const struct ferry_hparams *hp = &from->model->hp;
	const enum ferry_attention_type type = attention_type(from->type);

	for (uint32_t layer = from->layer_begin; layer < from->layer_end; layer++) {
		for (uint32_t head = 0; head < hp->n_head_kv; head++) {
			struct ferry_attention_kv a = ferry_kv_head(from, layer, head);
			struct ferry_attention_kv b = ferry_kv_head(to, layer, head);

			/* Whole tiles: what of them lies behind n is written before it is read. */
			memcpy(b.keys, a.keys,
			       tiles(n) * ferry_attention_key_tile(type, hp->n_head_dim));
			memcpy(b.values, a.values,
			       tiles(n) * ferry_attention_value_tile(type, hp->n_value_dim));
		}
	}
	to->n_past = n;
}

void ferry_kv_cache_truncate(struct ferry_kv_cache *kv, uint32_t n)
{
	if (n < kv->n_past)
		kv->n_past = n;
}

struct ferry_attention_kv ferry_kv_head(const struct ferry_kv_cache *kv, uint32_t layer,
					uint32_t head)
{
	const struct ferry_hparams *hp = &kv->model->hp;
	const enum ferry_attention_type type = attention_type(kv->type);
	const size_t n = tiles(kv->n_ctx);
	const size_t key_bytes = n * ferry_attention_key_tile(type, hp->n_head_dim);
	const size_t value_bytes = n * ferry_attention_value_tile(type, hp->n_value_dim);
	uint8_t *base = kv->data + (layer - kv->layer_begin) * (size_t)hp->n_head_kv *
					   (key_bytes + value_bytes);

	return (struct ferry_attention_kv){
		.keys = base + head * key_bytes,
		.values = base + hp->n_head_kv * key_bytes + head * value_bytes,
		.key_dim = hp->n_head_dim,
		.value_dim = hp->n_value_dim,
		.type = type,
	};
}
