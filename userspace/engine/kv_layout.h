/* SPDX-License-Identifier: MIT */
/*
 * How a KV cache lies in memory, for the forward pass only: layer after layer; in each, the tiles
 * of keys of every head, then the tiles of values (compute/attention.h).
 */
#ifndef FERRY_ENGINE_KV_LAYOUT_H
#define FERRY_ENGINE_KV_LAYOUT_H

#include "compute/attention.h"
#include "engine/kv_cache.h"

/* The keys and values of one head, as the attention kernels want them. */
struct ferry_attention_kv ferry_kv_head(const struct ferry_kv_cache *kv, uint32_t layer,
					uint32_t head);

#endif
