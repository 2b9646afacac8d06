/* SPDX-License-Identifier: MIT */
/*
 * The forward pass: embedding, any range of layers, output head; for any number of tokens of any
 * number of sequences at once.
 *
 * The promise (DESIGN §7.1): on one instruction set, a result depends on the token history only.
 * Threads, how a prompt is cut into batches, what else is in the batch, and where the layers
 * run never change a bit of it.
 */
#ifndef FERRY_ENGINE_FORWARD_H
#define FERRY_ENGINE_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "compute/pool.h"
#include "engine/kv_cache.h"
#include "ferry/error.h"
#include "model/model.h"

struct ferry_forward;
struct ferry_kernels;

enum ferry_path {
	FERRY_PATH_DEFAULT,
	FERRY_PATH_REFERENCE, /* the oracle: weights dequantized to F32, sums in double precision.
			       * Not bound by the promise above. Use it with an F32 cache */
};

/* n_tokens tokens of one sequence, at positions kv->n_past ... */
struct ferry_span {
	struct ferry_kv_cache *kv;
	uint32_t n_tokens;
};

/**
 * ferry_forward_new - scratch memory for passes of at most @max_tokens tokens.
 * @m: prepared by ferry_weights_prepare() (weights.h), unless @path is the oracle's
 * @pool: may be NULL (one thread); must outlive the result
 *
 * Return: 0, -ENOMEM, or -EINVAL where @max_tokens is 0, the weights are not prepared
 * or FERRY_CPU asks for kernels that this processor cannot run.
 */
int ferry_forward_new(const struct ferry_model *m, struct ferry_pool *pool, uint32_t max_tokens,
		      enum ferry_path path, struct ferry_forward **out, struct ferry_error *err);
void ferry_forward_free(struct ferry_forward *f);
uint32_t ferry_forward_max_tokens(const struct ferry_forward *f);
/* Those that its passes use. */
const struct ferry_kernels *ferry_forward_kernels(const struct ferry_forward *f);

/* ids [n] to hidden [n][n_embd]. -EINVAL for an id outside the vocabulary. */
int ferry_forward_embed(struct ferry_forward *f, const int32_t *ids, uint32_t n, float *hidden,
			struct ferry_error *err);

/**
 * ferry_forward_layers - run layers [begin, end) in place.
 * @spans: the tokens of hidden, sequence after sequence; each cache holds [begin, end) at least.
 *         n_past of each cache is *not* moved: whoever runs a cache's last layer calls
 *         ferry_forward_advance() once, so that a pass can be made in several calls
 * @hidden: [sum of n_tokens][n_embd], input and output
 *
 * Return: 0; -ENOSPC where a cache has no room for its tokens; -EINVAL for ranges outside the
 * model or cache, more tokens than max_tokens, a cache of another model or the same one twice;
 * where the result is not finite, -EBADMSG (the message names the tensor), or -ERANGE where all
 * weights are finite. After a failure @hidden is undefined, and the caches are as they were.
 */
int ferry_forward_layers(struct ferry_forward *f, const struct ferry_span *spans, uint32_t n_spans,
			 uint32_t begin, uint32_t end, float *hidden, struct ferry_error *err);

/*
 * The same, but a result that is not finite is no failure: *finite says so, and the rows of
 * @hidden show whose it is. No token's numbers reach those of another sequence.
 */
int ferry_forward_try_layers(struct ferry_forward *f, const struct ferry_span *spans,
			     uint32_t n_spans, uint32_t begin, uint32_t end, float *hidden,
			     bool *finite, struct ferry_error *err);

/* Moves n_past of each span's cache over its tokens. */
void ferry_forward_advance(const struct ferry_span *spans, uint32_t n_spans);

/*
 * hidden [n][n_embd] to logits [n][n_vocab], any n; -EBADMSG or -ERANGE where they are not finite.
 */
int ferry_forward_head(struct ferry_forward *f, const float *hidden, uint32_t n, float *logits,
		       struct ferry_error *err);

/* The same without a search for what is wrong: whether all logits are finite, before their cap. */
bool ferry_forward_try_head(struct ferry_forward *f, const float *hidden, uint32_t n,
			    float *logits);

#endif
