/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_MERGE_TABLE_H
#define FERRY_MODEL_MERGE_TABLE_H

#include "model/vocabulary.h"

struct ferry_merge_slot {
	int32_t left, right, merged; /* tokens; merged is -1 in an empty slot */
	uint32_t rank;
};

/* The merges of byte-level BPE by the pair of tokens that they join. */
struct ferry_merge_table {
	struct ferry_merge_slot *slots;
	uint64_t multiplier; /* odd and random: a file cannot choose pairs that collide */
	unsigned shift;
	size_t mask;
};

/**
 * ferry_merge_table_load - read tokenizer.ggml.merges.
 *
 * A merge of texts that are no tokens, or into one, can never be used and is left out; of equal
 * merges the first counts. Return: 0; -EBADMSG where the key is missing or an element is not two
 * texts; -ENOMEM.
 */
int ferry_merge_table_load(struct ferry_merge_table *t, const struct ferry_vocab *v,
			   const struct ferry_gguf *g, struct ferry_arena *arena,
			   struct ferry_error *err);

/* What two tokens become, or NULL. */
const struct ferry_merge_slot *ferry_merge_table_find(const struct ferry_merge_table *t,
						      int32_t left, int32_t right);

#endif
