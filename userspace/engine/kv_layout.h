/* SPDX-License-Identifier: MIT */
/*
 * How a KV cache lies in memory, for the forward pass only: layer after layer; in each, the tiles
 * of keys of every head, then the tiles of values (compute/attention.h).
 */
#ifndef FERRY_ENGINE_KV_LAYOUT_H
#define FERRY_ENGINE_KV_LAYOUT_H

#include "compute/attention.h"
#include "engine/kv_cache.h"

/* The keys and values of one head, as the attention kernel wants them. */
struct ferry_attention_kv ferry_kv_head(const struct ferry_kv_cache *kv, uint32_t layer,
					uint32_t head);

/* Write position @position < n_ctx: key [n_head_dim], value [n_value_dim]. */
void ferry_kv_put_key(struct ferry_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
		      const float *key);
void ferry_kv_put_value(struct ferry_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
			const float *value);

/* Read it back; one element at a time, for the reference and for tests. */
void ferry_kv_get(const struct ferry_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
		  float *key, float *value);

#endif
