// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "engine/weights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "engine/weight_cache.h"
#include "engine/weights_private.h"

static int pack_to_memory(const struct ferry_model *m, struct ferry_weights *w,
			  struct ferry_pool *pool, struct ferry_error *err)
{
	void *p =
		mmap(NULL, w->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return ferry_fail_memory(err, "the packed weights", w->n_bytes);
	w->map = p;
	w->map_bytes = w->n_bytes;
	w->data = p;
	w->origin = FERRY_WEIGHTS_PRIVATE;
	/* Streaming through small pages, a core spends a tenth of its time looking them up. */
	madvise(p, w->n_bytes, MADV_HUGEPAGE);
	return ferry_weights_pack_to_memory(m, w, pool, p, err);
}

static int pack(const struct ferry_model *m, struct ferry_weights *w,
		const struct ferry_weights_options *o, struct ferry_pool *pool,
		struct ferry_error *err)
{
	struct ferry_error why;

	if (!w->n_bytes)
		return 0;
	/* A model in memory has no file that a cache could be told to belong to. */
	if (o && (o->cache || o->model_path) && m->gguf->mapped) {
		if (!ferry_weight_cache_attach(m, w, o, pool, &why))
			return 0;
		if (o->cache) {
			snprintf(w->problem, sizeof(w->problem), "%s", why.text);
			ferry_log(o->log, FERRY_LOG_WARNING,
				  "packed weights are not kept for the next start: %s", why.text);
		}
	}
	return pack_to_memory(m, w, pool, err);
}

int ferry_weights_prepare(struct ferry_model *m, const struct ferry_weights_options *o,
			  struct ferry_error *err)
{
	struct ferry_weights *w;
	struct ferry_pool *pool = NULL;
	int ret;

	if (m->weights)
		return 0;
	ret = ferry_weights_layout(m, &w, err);
	if (!ret)
		ret = ferry_pool_new(o ? o->n_threads : 0, &pool, err);
	if (!ret)
		ret = pack(m, w, o, pool, err);
	ferry_pool_free(pool);
	if (ret) {
		ferry_weights_free(w);
		return ret;
	}
	m->weights = w;
	m->weights_free = ferry_weights_free;
	return 0;
}

struct ferry_weight ferry_weight_of(const struct ferry_model *m, const struct ferry_tensor *t,
				    size_t i)
{
	const struct ferry_weights *weights = m->weights;
	struct ferry_weight w = {
		.rows = ferry_matrix_of(t, i),
		.is_packed = ferry_weight_is_packed(t),
	};

	if (w.is_packed)
		w.packed = ferry_packed_like(&w.rows,
					     weights->data + weights->offset[t - m->gguf->tensors] +
						     i * ferry_packed_bytes(&w.rows));
	return w;
}

enum ferry_weights_origin ferry_weights_origin(const struct ferry_model *m)
{
	return m->weights ? m->weights->origin : FERRY_WEIGHTS_NONE;
}

const char *ferry_weights_file(const struct ferry_model *m)
{
	return m->weights ? m->weights->file : NULL;
}

const char *ferry_weights_problem(const struct ferry_model *m)
{
	return m->weights && m->weights->problem[0] ? m->weights->problem : NULL;
}

const uint8_t *ferry_weights_span(const struct ferry_model *m, size_t *n)
{
	*n = m->weights ? m->weights->n_bytes : 0;
	return *n ? m->weights->data : NULL;
}
