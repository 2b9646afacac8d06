// SPDX-License-Identifier: MIT
#include "model/special_trie.h"

#include <errno.h>

#include "base/error.h"

static bool is_special(const struct ferry_token *t)
{
	return t->n && (t->type == FERRY_TOKEN_CONTROL || t->type == FERRY_TOKEN_UNKNOWN ||
			t->type == FERRY_TOKEN_USER_DEFINED);
}

static void insert(struct ferry_special_trie *t, uint32_t *n_nodes, uint32_t id)
{
	const struct ferry_token *token = &t->vocab->tokens[id];
	uint32_t *link = &t->first[token->bytes[0]];
	uint32_t at = 0;

	for (uint32_t i = 0; i < token->n; i++) {
		while (*link && t->nodes[*link].byte != token->bytes[i])
			link = &t->nodes[*link].sibling;
		if (!*link) {
			*link = (*n_nodes)++;
			t->nodes[*link] =
				(struct ferry_trie_node){.id = -1, .byte = token->bytes[i]};
		}
		at = *link;
		link = &t->nodes[at].child;
	}
	if (t->nodes[at].id < 0)
		t->nodes[at].id = (int32_t)id;
}

int ferry_special_trie_build(struct ferry_special_trie *t, const struct ferry_vocab *v,
			     struct ferry_arena *arena, struct ferry_error *err)
{
	size_t n_bytes = 1;
	uint32_t n_nodes = 1;

	t->vocab = v;
	for (uint32_t id = 0; id < v->n; id++)
		if (is_special(&v->tokens[id]))
			n_bytes += v->tokens[id].n;
	if (n_bytes > UINT32_MAX)
		return ferry_fail(err, FERRY_ERROR_FILE, -EBADMSG,
				  "the control tokens have %zu bytes, more than Ferry takes",
				  n_bytes);
	t->nodes = ferry_arena_alloc(arena, n_bytes, sizeof(*t->nodes));
	if (!t->nodes)
		return ferry_fail_memory(err, "the control tokens", n_bytes * sizeof(*t->nodes));
	for (uint32_t id = 0; id < v->n; id++)
		if (is_special(&v->tokens[id]))
			insert(t, &n_nodes, id);
	return 0;
}

int32_t ferry_special_trie_match(const struct ferry_special_trie *t, const uint8_t *text, size_t n,
				 bool control, uint32_t *n_bytes)
{
	uint32_t at = n ? t->first[text[0]] : 0;
	int32_t found = -1;

	for (size_t i = 0; at && i < n;) {
		const struct ferry_trie_node *node = &t->nodes[at];

		if (node->byte != text[i]) {
			at = node->sibling;
			continue;
		}
		i++;
		if (node->id >= 0 &&
		    (control || t->vocab->tokens[node->id].type == FERRY_TOKEN_USER_DEFINED)) {
			found = node->id;
			*n_bytes = (uint32_t)i;
		}
		at = node->child;
	}
	return found;
}
