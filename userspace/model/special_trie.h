/* SPDX-License-Identifier: MIT */
/*
 * Control and user-defined tokens, found in a text as they are written, the longest first.
 */
#ifndef FERRY_MODEL_SPECIAL_TRIE_H
#define FERRY_MODEL_SPECIAL_TRIE_H

#include "model/vocabulary.h"

struct ferry_trie_node {
	uint32_t child, sibling; /* 0: none */
	int32_t id;		 /* token that ends here, or -1 */
	uint8_t byte;
};

struct ferry_special_trie {
	const struct ferry_vocab *vocab;
	struct ferry_trie_node *nodes; /* [0] is unused */
	uint32_t first[256];	       /* node of a first byte; 0: no token begins so */
};

/* Return: 0, -ENOMEM. */
int ferry_special_trie_build(struct ferry_special_trie *t, const struct ferry_vocab *v,
			     struct ferry_arena *arena, struct ferry_error *err);

/*
 * The longest token at the start of a text, or -1; *n_bytes receives its length.
 * @control: control tokens count, not only user-defined ones
 */
int32_t ferry_special_trie_match(const struct ferry_special_trie *t, const uint8_t *text, size_t n,
				 bool control, uint32_t *n_bytes);

#endif
