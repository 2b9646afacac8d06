/* SPDX-License-Identifier: MIT */
/*
 * Merging neighbours, the best pair first and the leftmost of equals, until no pair merges:
 * what SentencePiece and byte-level BPE have in common. O(n log n).
 */
#ifndef FERRY_MODEL_MERGE_QUEUE_H
#define FERRY_MODEL_MERGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stretch of the text, in a list of neighbours. Symbol 0 is always the first of the list. */
struct ferry_symbol {
	uint32_t start, n;  /* bytes; n is 0 once it was merged into its left neighbour */
	int32_t prev, next; /* -1: none */
	int32_t id;	    /* token, or -1 where the stretch is none */
};

struct ferry_merge {
	uint64_t key; /* order, then index of the left symbol */
	uint32_t n;   /* bytes of both: stale once one of them has grown */
	int32_t id;   /* what they become */
};

struct ferry_merge_queue {
	struct ferry_symbol *symbols;
	size_t n_symbols, symbols_size;
	struct ferry_merge *heap;
	size_t n_heap, heap_size;
};

/*
 * What two neighbours become: the token and its order, smaller first. Return: false where they
 * do not merge.
 */
typedef bool ferry_merge_pair_fn(const void *data, const struct ferry_symbol *left,
				 const struct ferry_symbol *right, uint32_t *order, int32_t *id);

void ferry_merge_queue_clear(struct ferry_merge_queue *q);

/* Append a symbol. Return: 0, -ENOMEM. */
int ferry_merge_queue_add(struct ferry_merge_queue *q, uint32_t start, uint32_t n, int32_t id);

/* Merge all that merges. Return: 0, -ENOMEM. */
int ferry_merge_queue_run(struct ferry_merge_queue *q, ferry_merge_pair_fn *pair, const void *data);

void ferry_merge_queue_free(struct ferry_merge_queue *q);

#endif
