/* SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_FIXTURE_H
#define FERRY_TESTS_FIXTURE_H

#include <stdlib.h>
#include <unistd.h>

#include "engine/forward.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"

/* The model that is in a file, which is removed; the test fails where it cannot be loaded. */
static inline struct ferry_model *load_and_unlink(char *path)
{
	struct ferry_error err = {0};
	struct ferry_model *m = NULL;

	assert_non_null(path);
	if (ferry_model_load(path, &m, &err) || ferry_weights_prepare(m, NULL, &err))
		fail_msg("%s", err.text);
	unlink(path);
	free(path);
	return m;
}

static inline struct ferry_model *load_fixture(const struct ferry_tiny_model *options)
{
	return load_and_unlink(ferry_tiny_model_temp(options));
}

static inline struct ferry_forward *new_forward(const struct ferry_model *m, uint32_t max_tokens,
						enum ferry_path path)
{
	struct ferry_error err = {0};
	struct ferry_forward *f;

	if (ferry_forward_new(m, NULL, max_tokens, path, &f, &err))
		fail_msg("%s", err.text);
	return f;
}

static inline struct ferry_kv_cache *new_cache(const struct ferry_model *m, uint32_t n_ctx,
					       enum ferry_kv_type type)
{
	struct ferry_error err = {0};
	struct ferry_kv_cache *kv;

	if (ferry_kv_cache_new(m, 0, m->hp.n_layers, n_ctx, type, &kv, &err))
		fail_msg("%s", err.text);
	return kv;
}

/* Ids that differ from each other, and from those of another seed. */
static inline void make_ids(int32_t *ids, uint32_t n, uint32_t n_vocab, uint32_t seed)
{
	for (uint32_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		ids[i] = (int32_t)((seed >> 8) % n_vocab);
	}
}

#endif
