// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "engine/weights.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "compute/pool.h"

enum {
	ALIGN = 64,
	GROUPS_AT_ONCE = 16, /* that a thread packs before it asks for more */
};

struct ferry_weights {
	uint8_t *base;
	size_t n_bytes;
	size_t offset[]; /* of each tensor of the file, in its order; SIZE_MAX: not packed */
};

static void release(struct ferry_weights *w)
{
	if (w->base)
		munmap(w->base, w->n_bytes);
	free(w);
}

static size_t index_of(const struct ferry_model *m, const struct ferry_tensor *t)
{
	return (size_t)(t - m->gguf->tensors);
}

static size_t n_matrices(const struct ferry_tensor *t)
{
	return (size_t)t->dim[2];
}

/*
 * Gives a tensor its place. Sizes cannot overflow: sixteen rows more per matrix than the file
 * has, and a matrix of the file has at least one row.
 */
static void place(const struct ferry_model *m, struct ferry_weights *w,
		  const struct ferry_tensor *t)
{
	struct ferry_matrix matrix;

	if (!ferry_weight_is_packed(t) || w->offset[index_of(m, t)] != SIZE_MAX)
		return;
	matrix = ferry_matrix_of(t, 0);
	w->offset[index_of(m, t)] = w->n_bytes;
	w->n_bytes += (n_matrices(t) * ferry_packed_bytes(&matrix) + ALIGN - 1) / ALIGN * ALIGN;
}

static void place_all(const struct ferry_model *m, struct ferry_weights *w)
{
	for (uint64_t i = 0; i < m->gguf->n_tensors; i++)
		w->offset[i] = SIZE_MAX;
	for (uint32_t i = 0; i < m->hp.n_layers; i++) {
		const struct ferry_layer *l = &m->layers[i];
		const struct ferry_tensor *const tensors[] = {
			l->wq,	   l->wk,     l->wv,	 l->wo,	  l->w_gate, l->w_up,
			l->w_down, l->router, l->e_gate, l->e_up, l->e_down,
		};

		for (size_t k = 0; k < sizeof(tensors) / sizeof(tensors[0]); k++)
			place(m, w, tensors[k]);
	}
	place(m, w, m->output);
}

/* One tensor, packed by all threads. */
struct job {
	const struct ferry_tensor *tensor;
	uint8_t *out;
	atomic_size_t next; /* group, counted through all matrices */
};

static void pack(void *data, uint32_t thread, uint32_t n_threads)
{
	struct job *job = data;
	const struct ferry_matrix first = ferry_matrix_of(job->tensor, 0);
	const size_t per_matrix = ferry_packed_n_groups(first.n_out);
	const size_t group_bytes = FERRY_PACKED_LANES * first.row_bytes;
	const size_t n = per_matrix * n_matrices(job->tensor);
	size_t begin;

	(void)thread, (void)n_threads;
	while ((begin = atomic_fetch_add(&job->next, GROUPS_AT_ONCE)) < n)
		for (size_t g = begin; g < n && g < begin + GROUPS_AT_ONCE; g++) {
			struct ferry_matrix w = ferry_matrix_of(job->tensor, g / per_matrix);

			ferry_pack_groups(&w, g % per_matrix, g % per_matrix + 1,
					  job->out + g * group_bytes);
		}
}

/* The file's pages stay in the page cache, but no longer count as this process's. */
static void forget_pages(const struct ferry_tensor *t)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t begin = ((uintptr_t)t->data + page - 1) / page * page;
	const uintptr_t end = ((uintptr_t)t->data + t->n_bytes) / page * page;

	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static int allocate(struct ferry_weights *w, struct ferry_error *err)
{
	void *p;

	if (!w->n_bytes)
		return 0;
	p = mmap(NULL, w->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return ferry_fail_memory(err, "the packed weights", w->n_bytes);
	w->base = p;
	/* Streaming through small pages, a core spends a tenth of its time looking them up. */
	madvise(p, w->n_bytes, MADV_HUGEPAGE);
	return 0;
}

int ferry_weights_prepare(struct ferry_model *m, const struct ferry_weights_options *o,
			  struct ferry_error *err)
{
	const uint64_t n_tensors = m->gguf->n_tensors;
	struct ferry_weights *w;
	struct ferry_pool *pool = NULL;
	int ret;

	if (m->weights)
		return 0;
	w = calloc(1, sizeof(*w) + n_tensors * sizeof(w->offset[0]));
	if (!w)
		return ferry_fail_memory(err, "the packed weights", sizeof(*w));
	place_all(m, w);
	ret = ferry_pool_new(o ? o->n_threads : 0, &pool, err);
	if (!ret)
		ret = allocate(w, err);
	for (uint64_t i = 0; i < n_tensors && !ret; i++) {
		struct job job = {.tensor = &m->gguf->tensors[i]};

		if (w->offset[i] == SIZE_MAX)
			continue;
		job.out = w->base + w->offset[i];
		ferry_pool_run(pool, pack, &job);
		if (m->gguf->mapped)
			forget_pages(job.tensor);
	}
	ferry_pool_free(pool);
	if (ret) {
		release(w);
		return ret;
	}
	m->weights = w;
	m->weights_free = release;
	return 0;
}

struct ferry_weight ferry_weight_of(const struct ferry_model *m, const struct ferry_tensor *t,
				    size_t i)
{
	struct ferry_weight w = {
		.rows = ferry_matrix_of(t, i),
		.is_packed = ferry_weight_is_packed(t),
	};

	if (w.is_packed)
		w.packed = ferry_packed_like(&w.rows, m->weights->base +
							      m->weights->offset[index_of(m, t)] +
							      i * ferry_packed_bytes(&w.rows));
	return w;
}
