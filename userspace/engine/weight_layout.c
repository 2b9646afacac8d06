// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* MADV_WILLNEED */
/*
 * Where each tensor lies among the packed weights, and the packing of any part of them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "engine/weights_private.h"

enum { FAULT_AROUND = 64 << 10 }; /* bytes that the kernel maps around a page that is touched */

enum { TENSORS_OF_A_LAYER = 11 };

static size_t index_of(const struct ferry_model *m, const struct ferry_tensor *t)
{
	return (size_t)(t - m->gguf->tensors);
}

/*
 * Gives a tensor its place. Sizes cannot overflow: sixteen rows more per matrix than the file
 * has, and a matrix of the file has at least one row.
 */
static void place(const struct ferry_model *m, struct ferry_weights *w,
		  const struct ferry_tensor *t)
{
	struct ferry_weights_place *p = &w->places[w->n_places];
	struct ferry_matrix matrix;

	if (!ferry_weight_is_packed(t) || w->offset[index_of(m, t)] != SIZE_MAX)
		return;
	matrix = ferry_matrix_of(t, 0);
	*p = (struct ferry_weights_place){
		.tensor = t,
		.offset = w->n_bytes,
		.group_bytes = FERRY_PACKED_LANES * matrix.row_bytes,
		.n_groups = (size_t)t->dim[2] * ferry_packed_n_groups(matrix.n_out),
	};
	p->n_bytes = p->n_groups * p->group_bytes;
	w->n_places++;
	w->offset[index_of(m, t)] = w->n_bytes;
	w->n_bytes +=
		(p->n_bytes + FERRY_WEIGHTS_ALIGN - 1) / FERRY_WEIGHTS_ALIGN * FERRY_WEIGHTS_ALIGN;
	if (p->group_bytes > w->max_group_bytes)
		w->max_group_bytes = p->group_bytes;
}

static void place_all(const struct ferry_model *m, struct ferry_weights *w)
{
	for (uint64_t i = 0; i < m->gguf->n_tensors; i++)
		w->offset[i] = SIZE_MAX;
	for (uint32_t i = 0; i < m->hp.n_layers; i++) {
		const struct ferry_layer *l = &m->layers[i];
		const struct ferry_tensor *const tensors[TENSORS_OF_A_LAYER] = {
			l->wq,	   l->wk,     l->wv,	 l->wo,	  l->w_gate, l->w_up,
			l->w_down, l->router, l->e_gate, l->e_up, l->e_down,
		};

		for (size_t k = 0; k < TENSORS_OF_A_LAYER; k++)
			place(m, w, tensors[k]);
	}
	place(m, w, m->output);
}

int ferry_weights_layout(const struct ferry_model *m, struct ferry_weights **out,
			 struct ferry_error *err)
{
	const size_t n = (size_t)m->gguf->n_tensors;
	struct ferry_weights *w = calloc(1, sizeof(*w) + n * sizeof(w->offset[0]));

	*out = NULL;
	if (w)
		w->places = calloc(n, sizeof(*w->places));
	if (!w || !w->places) {
		free(w);
		return ferry_fail_memory(err, "the places of the packed weights",
					 n * sizeof(*w->places));
	}
	place_all(m, w);
	*out = w;
	return 0;
}

void ferry_weights_free(struct ferry_weights *w)
{
	if (!w)
		return;
	if (w->map)
		munmap(w->map, w->map_bytes);
	free(w->file);
	free(w->places);
	free(w);
}

/* ---- packing ---- */

/* Group @g of a tensor, counted through its matrices. */
static void pack_group(const struct ferry_weights_place *p, size_t g, uint8_t *out)
{
	const size_t per_matrix = p->n_groups / (size_t)p->tensor->dim[2];
	const struct ferry_matrix w = ferry_matrix_of(p->tensor, g / per_matrix);

	ferry_pack_groups(&w, g % per_matrix, g % per_matrix + 1, out);
}

/* The bytes of the file that groups [begin, end) come from. */
static const uint8_t *source(const struct ferry_weights_place *p, size_t begin, size_t end,
			     size_t *n)
{
	const size_t per_matrix = p->n_groups / (size_t)p->tensor->dim[2];
	const struct ferry_matrix a = ferry_matrix_of(p->tensor, begin / per_matrix);
	const struct ferry_matrix b = ferry_matrix_of(p->tensor, (end - 1) / per_matrix);
	const size_t last = ((end - 1) % per_matrix + 1) * FERRY_PACKED_LANES;
	const uint8_t *from = a.rows + begin % per_matrix * p->group_bytes;
	const uint8_t *to = b.rows + (last < b.n_out ? last : b.n_out) * b.row_bytes;

	*n = (size_t)(to - from);
	return from;
}

/*
 * Advice on bytes of the file, as far as pages reach and the mapping goes. With MADV_DONTNEED,
 * pages stay in the page cache but no longer count as this process's.
 */
static void advise(const struct ferry_gguf *g, const uint8_t *from, size_t n, int advice)
{
	const uintptr_t map = (uintptr_t)g->map, map_end = map + g->map_bytes;
	uintptr_t begin = ((uintptr_t)from - FAULT_AROUND) & ~(uintptr_t)(FAULT_AROUND - 1);
	uintptr_t end = (uintptr_t)from + n + FAULT_AROUND;

	if (!g->mapped)
		return;
	begin = begin < map ? map : begin;
	end = end > map_end ? map_end : end;
	madvise((void *)begin, end - begin, advice);
}

/* Bytes [begin, end) of one tensor's place. */
static void fill_place(const struct ferry_model *m, const struct ferry_weights_place *p,
		       size_t begin, size_t end, uint8_t *group, uint8_t *out)
{
	const size_t size = p->group_bytes;
	const size_t first = begin / size, last = (end + size - 1) / size;
	size_t n_source;
	const uint8_t *rows = source(p, first, last, &n_source);

	advise(m->gguf, rows, n_source, MADV_WILLNEED);
	for (size_t g = first; g < last; g++) {
		const size_t from = g * size < begin ? begin : g * size;
		const size_t to = (g + 1) * size > end ? end : (g + 1) * size;

		if (to - from == size) {
			pack_group(p, g, out + (from - begin));
			continue;
		}
		/* Cut by the border of a chunk: its other part is packed with the next one. */
		pack_group(p, g, group);
		memcpy(out + (from - begin), group + (from - g * size), to - from);
	}
	advise(m->gguf, rows, n_source, MADV_DONTNEED);
}

void ferry_weights_fill(const struct ferry_model *m, const struct ferry_weights *w, size_t begin,
			size_t end, uint8_t *group, uint8_t *out)
{
	size_t at = begin;

	for (size_t i = 0; i < w->n_places && at < end; i++) {
		const struct ferry_weights_place *p = &w->places[i];
		const size_t from = p->offset > begin ? p->offset : begin;
		const size_t p_end = p->offset + p->n_bytes;
		const size_t to = p_end < end ? p_end : end;

		if (to <= from)
			continue;
		memset(out + (at - begin), 0, from - at); /* the gap before it */
		fill_place(m, p, from - p->offset, to - p->offset, group, out + (from - begin));
		at = to;
	}
	memset(out + (at - begin), 0, end - at);
}
