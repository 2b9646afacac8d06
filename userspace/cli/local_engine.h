/* SPDX-License-Identifier: MIT */
/*
 * A model with everything that computes it on this machine, for the subcommands that look at
 * logits rather than generate.
 */
#ifndef FERRY_CLI_LOCAL_ENGINE_H
#define FERRY_CLI_LOCAL_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "compute/pool.h"
#include "engine/forward.h"
#include "engine/kv_cache.h"
#include "ferry/error.h"
#include "model/model.h"

struct ferry_local_engine {
	struct ferry_model *model;
	struct ferry_pool *pool;
	struct ferry_forward *forward;
	struct ferry_kv_cache *kv;
	float *hidden; /* [max_tokens][n_embd] */
	float *logits; /* [max_tokens][n_vocab] */
	uint32_t max_tokens;
};

/**
 * ferry_local_engine_open - load @path and make room for @n_ctx positions.
 * @cache: for packed weights, as in packed_weights.h
 * @n_threads: 0: the CPUs of this process
 * @max_tokens: how many a single pass takes
 * @reference: the oracle path with an F32 cache
 * @kv: type of the cache otherwise
 */
int ferry_local_engine_open(struct ferry_local_engine *e, const char *path, const char *cache,
			    uint32_t n_threads, uint32_t n_ctx, uint32_t max_tokens, bool reference,
			    enum ferry_kv_type kv, struct ferry_error *err);

void ferry_local_engine_close(struct ferry_local_engine *e);

/* One pass over all layers for n <= max_tokens tokens at the end of the cache; logits [n][n_vocab]
 * of the last @n_logits of them are in e->logits. */
int ferry_local_engine_pass(struct ferry_local_engine *e, const int32_t *ids, uint32_t n,
			    uint32_t n_logits, struct ferry_error *err);

#endif
