/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_PRETOKENIZER_TABLE_H
#define FERRY_MODEL_PRETOKENIZER_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { FERRY_PRETOKENIZER_STAGES = 6 };

struct ferry_pretokenizer_rule {
	const char *const *names;		       /* of tokenizer.ggml.pre, ends with NULL */
	const char *stages[FERRY_PRETOKENIZER_STAGES]; /* PCRE2 patterns; fewer end with NULL */
	bool ignores_merges;
	bool adds_bos;
};

/* NULL for an unknown name. */
const struct ferry_pretokenizer_rule *ferry_pretokenizer_rule_find(const char *name, size_t n);

#endif
