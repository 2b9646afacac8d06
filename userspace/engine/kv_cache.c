// SPDX-License-Identifier: MIT
#include "engine/kv_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compute/dequantize.h"
#include "engine/kv_layout.h"

enum { CACHE_LINE = 64 };

static size_t element_bytes(enum ferry_kv_type type)
{
	return type == FERRY_KV_F16 ? sizeof(uint16_t) : sizeof(float);
}

static size_t tiles(uint32_t n_ctx)
{
	return ((size_t)n_ctx + FERRY_ATTENTION_TILE - 1) / FERRY_ATTENTION_TILE;
}

size_t ferry_kv_cache_bytes(const struct ferry_model *m, uint32_t layer_begin, uint32_t layer_end,
			    uint32_t n_ctx, enum ferry_kv_type type)
{
	const struct ferry_hparams *hp = &m->hp;
	size_t bytes = ferry_attention_key_tile(hp->n_head_dim) +
		       ferry_attention_value_tile(hp->n_value_dim);

	if (__builtin_mul_overflow(bytes, element_bytes(type), &bytes) ||
	    __builtin_mul_overflow(bytes, tiles(n_ctx), &bytes) ||
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
	if (type != FERRY_KV_F16 && type != FERRY_KV_F32)
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

void ferry_kv_cache_truncate(struct ferry_kv_cache *kv, uint32_t n)
{
	if (n < kv->n_past)
		kv->n_past = n;
}

struct ferry_attention_kv ferry_kv_head(const struct ferry_kv_cache *kv, uint32_t layer,
					uint32_t head)
{
	const struct ferry_hparams *hp = &kv->model->hp;
	const size_t size = element_bytes(kv->type), n = tiles(kv->n_ctx);
	const size_t key_bytes = n * ferry_attention_key_tile(hp->n_head_dim) * size;
	const size_t value_bytes = n * ferry_attention_value_tile(hp->n_value_dim) * size;
	const uint8_t *base = kv->data + (layer - kv->layer_begin) * (size_t)hp->n_head_kv *
						 (key_bytes + value_bytes);

	return (struct ferry_attention_kv){
		.keys = base + head * key_bytes,
		.values = base + hp->n_head_kv * key_bytes + head * value_bytes,
		.key_dim = hp->n_head_dim,
		.value_dim = hp->n_value_dim,
		.f16 = kv->type == FERRY_KV_F16,
	};
}

static void put_element(uint8_t *elements, size_t i, bool f16, float f)
{
	uint16_t h;

	if (f16) {
		h = ferry_f32_to_f16(f);
		memcpy(elements + i * sizeof(h), &h, sizeof(h));
	} else {
		memcpy(elements + i * sizeof(f), &f, sizeof(f));
	}
}

static float get_element(const uint8_t *elements, size_t i, bool f16)
{
	uint16_t h;
	float f;

	if (f16) {
		memcpy(&h, elements + i * sizeof(h), sizeof(h));
		return ferry_f16_to_f32(h);
	}
	memcpy(&f, elements + i * sizeof(f), sizeof(f));
	return f;
}

void ferry_kv_put_key(struct ferry_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
		      const float *key)
{
	const struct ferry_attention_kv h = ferry_kv_head(kv, layer, head);
	uint8_t *keys = kv->data + (h.keys - kv->data);

	for (uint32_t d = 0; d < h.key_dim; d++)
		put_element(keys, ferry_attention_key_at(h.key_dim, position, d), h.f16, key[d]);
}

void ferry_kv_put_value(struct ferry_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
			const float *value)
{
	const struct ferry_attention_kv h = ferry_kv_head(kv, layer, head);
	uint8_t *values = kv->data + (h.values - kv->data);

	for (uint32_t d = 0; d < h.value_dim; d++)
		put_element(values, ferry_attention_value_at(h.value_dim, position, d), h.f16,
			    value[d]);
}

void ferry_kv_get(const struct ferry_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
		  float *key, float *value)
{
	const struct ferry_attention_kv h = ferry_kv_head(kv, layer, head);

	for (uint32_t d = 0; d < h.key_dim; d++)
		key[d] = get_element(h.keys, ferry_attention_key_at(h.key_dim, position, d), h.f16);
	for (uint32_t d = 0; d < h.value_dim; d++)
		value[d] = get_element(h.values, ferry_attention_value_at(h.value_dim, position, d),
				       h.f16);
}
