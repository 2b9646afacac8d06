// SPDX-License-Identifier: MIT
#include "model/merge_queue.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_SIZE = 64 };

/* Make room for one more element in a growing array. */
static int grow(void **array, size_t *size, size_t n, size_t element)
{
	size_t want = *size ? *size * 2 : FIRST_SIZE, bytes;
	void *p;

	if (n < *size)
		return 0;
	if (want < *size || __builtin_mul_overflow(want, element, &bytes))
		return -ENOMEM;
	p = realloc(*array, bytes);
	if (!p)
		return -ENOMEM;
	*array = p;
	*size = want;
	return 0;
}

static int push(struct ferry_merge_queue *q, struct ferry_merge m)
{
	size_t at = q->n_heap;
	int rc = grow((void **)&q->heap, &q->heap_size, q->n_heap, sizeof(*q->heap));

	if (rc)
		return rc;
	q->n_heap++;
	while (at) {
		size_t up = (at - 1) / 2;

		if (q->heap[up].key <= m.key)
			break;
		q->heap[at] = q->heap[up];
		at = up;
	}
	q->heap[at] = m;
	return 0;
}

static struct ferry_merge pop(struct ferry_merge_queue *q)
{
	struct ferry_merge top = q->heap[0], last = q->heap[--q->n_heap];
	size_t at = 0;

	for (;;) {
		size_t down = 2 * at + 1;

		if (down >= q->n_heap)
			break;
		if (down + 1 < q->n_heap && q->heap[down + 1].key < q->heap[down].key)
			down++;
		if (last.key <= q->heap[down].key)
			break;
		q->heap[at] = q->heap[down];
		at = down;
	}
	if (q->n_heap)
		q->heap[at] = last;
	return top;
}

void ferry_merge_queue_clear(struct ferry_merge_queue *q)
{
	q->n_symbols = 0;
	q->n_heap = 0;
}

int ferry_merge_queue_add(struct ferry_merge_queue *q, uint32_t start, uint32_t n, int32_t id)
{
	int rc = grow((void **)&q->symbols, &q->symbols_size, q->n_symbols, sizeof(*q->symbols));

	if (rc)
		return rc;
	q->symbols[q->n_symbols] = (struct ferry_symbol){
		.start = start,
		.n = n,
		.prev = (int32_t)q->n_symbols - 1,
		.next = -1,
		.id = id,
	};
	if (q->n_symbols)
		q->symbols[q->n_symbols - 1].next = (int32_t)q->n_symbols;
	q->n_symbols++;
	return 0;
}

/* Queue the merge of a symbol with its right neighbour, if they have one. */
static int consider(struct ferry_merge_queue *q, int32_t left, ferry_merge_pair_fn *pair,
		    const void *data)
{
	struct ferry_symbol *l, *r;
	struct ferry_merge m;
	uint32_t order;

	if (left < 0 || q->symbols[left].next < 0)
		return 0;
	l = &q->symbols[left];
	r = &q->symbols[l->next];
	if (!pair(data, l, r, &order, &m.id))
		return 0;
	m.key = (uint64_t)order << 32 | (uint32_t)left;
	m.n = l->n + r->n;
	return push(q, m);
}

int ferry_merge_queue_run(struct ferry_merge_queue *q, ferry_merge_pair_fn *pair, const void *data)
{
	int rc = 0;

	for (size_t i = 0; i + 1 < q->n_symbols && !rc; i++)
		rc = consider(q, (int32_t)i, pair, data);
	while (q->n_heap && !rc) {
		struct ferry_merge m = pop(q);
		int32_t left = (int32_t)(uint32_t)m.key;
		struct ferry_symbol *l = &q->symbols[left], *r;

		if (!l->n || l->next < 0)
			continue;
		r = &q->symbols[l->next];
		if (l->n + r->n != m.n)
			continue;
		l->n = m.n;
		l->id = m.id;
		l->next = r->next;
		if (r->next >= 0)
			q->symbols[r->next].prev = left;
		r->n = 0;
		rc = consider(q, l->prev, pair, data);
		if (!rc)
			rc = consider(q, left, pair, data);
	}
	return rc;
}

void ferry_merge_queue_free(struct ferry_merge_queue *q)
{
	free(q->symbols);
	free(q->heap);
	*q = (struct ferry_merge_queue){0};
}
