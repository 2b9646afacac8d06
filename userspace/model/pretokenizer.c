// SPDX-License-Identifier: MIT
#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/pretokenizer.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#include "base/error.h"
#include "model/pretokenizer_table.h"
#include "model/utf8.h"

enum {
	/* All expressions of the table need a few steps per byte. */
	STEPS_PER_BYTE = 64,
	STEPS_LEAST = 100000,
};

struct ferry_pretokenizer {
	const struct ferry_pretokenizer_rule *rule;
	pcre2_code *stages[FERRY_PRETOKENIZER_STAGES];
};

struct ferry_pretokenizer_scratch {
	const struct ferry_pretokenizer *p;
	pcre2_match_context *context;
	pcre2_match_data *match;
	ferry_pretokenizer_word_fn *word;
	void *data;
};

static int compile(struct ferry_pretokenizer *p, unsigned stage, struct ferry_error *err)
{
	PCRE2_UCHAR text[128];
	PCRE2_SIZE at;
	int code;

	p->stages[stage] = pcre2_compile((PCRE2_SPTR)p->rule->stages[stage], PCRE2_ZERO_TERMINATED,
					 PCRE2_UTF | PCRE2_UCP | PCRE2_NO_AUTO_CAPTURE, &code, &at,
					 NULL);
	if (p->stages[stage]) {
		/* Without the just-in-time compiler matching is slower but the same. */
		pcre2_jit_compile(p->stages[stage], PCRE2_JIT_COMPLETE);
		return 0;
	}
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return ferry_fail_memory(err, "the pre-tokenizer", sizeof(*p));
	pcre2_get_error_message(code, text, sizeof(text));
	return ferry_fail(err, FERRY_ERROR_SYSTEM, -ENOTSUP,
			  "this libpcre2 cannot compile the expressions of pre-tokenizer %s (%s); "
			  "it must be built with Unicode",
			  p->rule->names[0], (char *)text);
}

int ferry_pretokenizer_new(const char *name, size_t n, struct ferry_pretokenizer **out,
			   struct ferry_error *err)
{
	const struct ferry_pretokenizer_rule *rule = ferry_pretokenizer_rule_find(name, n);
	struct ferry_pretokenizer *p;

	*out = NULL;
	if (!rule)
		return ferry_fail(
			err, FERRY_ERROR_FILE, -ENOTSUP,
			"tokenizer.ggml.pre is %.*s, a pre-tokenizer that this Ferry does "
			"not know; with a wrong one the model would misread its prompts",
			(int)(n < 64 ? n : 64), name);
	p = calloc(1, sizeof(*p));
	if (!p)
		return ferry_fail_memory(err, "the pre-tokenizer", sizeof(*p));
	p->rule = rule;
	for (unsigned i = 0; i < FERRY_PRETOKENIZER_STAGES && rule->stages[i]; i++) {
		int rc = compile(p, i, err);

		if (rc) {
			ferry_pretokenizer_free(p);
			return rc;
		}
	}
	*out = p;
	return 0;
}

void ferry_pretokenizer_free(struct ferry_pretokenizer *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < FERRY_PRETOKENIZER_STAGES; i++)
		pcre2_code_free(p->stages[i]);
	free(p);
}

bool ferry_pretokenizer_ignores_merges(const struct ferry_pretokenizer *p)
{
	return p->rule->ignores_merges;
}

bool ferry_pretokenizer_adds_bos(const struct ferry_pretokenizer *p)
{
	return p->rule->adds_bos;
}

struct ferry_pretokenizer_scratch *
ferry_pretokenizer_scratch_new(const struct ferry_pretokenizer *p)
{
	struct ferry_pretokenizer_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->p = p;
	s->context = pcre2_match_context_create(NULL);
	s->match = pcre2_match_data_create(1, NULL);
	if (!s->context || !s->match) {
		ferry_pretokenizer_scratch_free(s);
		return NULL;
	}
	return s;
}

void ferry_pretokenizer_scratch_free(struct ferry_pretokenizer_scratch *s)
{
	if (!s)
		return;
	pcre2_match_context_free(s->context);
	pcre2_match_data_free(s->match);
	free(s);
}

/*
 * The next match at or behind @at. Return: 1 and its bounds; 0 where there is none; -ENOMEM.
 * A match that PCRE2 gives up is as none: the text stays whole, so nothing of it is lost.
 */
static int find(struct ferry_pretokenizer_scratch *s, const pcre2_code *code, const uint8_t *text,
		size_t n, size_t at, size_t *begin, size_t *end)
{
	uint64_t steps = STEPS_LEAST + (uint64_t)(n - at) * STEPS_PER_BYTE;
	const PCRE2_SIZE *bounds;
	int rc;

	pcre2_set_match_limit(s->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
	rc = pcre2_match(code, text, n, at, PCRE2_NO_UTF_CHECK, s->match, s->context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(code, text, n, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->match,
				 s->context);
	if (rc == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	if (rc < 0)
		return 0;
	bounds = pcre2_get_ovector_pointer(s->match);
	*begin = bounds[0];
	*end = bounds[1];
	return *end > *begin;
}

/* Valid UTF-8 only. The depth of the recursion is the number of stages. */
static int split(struct ferry_pretokenizer_scratch *s, unsigned stage, const uint8_t *text,
		 size_t n)
{
	const pcre2_code *code = stage < FERRY_PRETOKENIZER_STAGES ? s->p->stages[stage] : NULL;
	size_t at = 0, begin, end;
	int rc;

	if (!n)
		return 0;
	if (!code)
		return s->word(s->data, text, n);
	while (at < n) {
		rc = find(s, code, text, n, at, &begin, &end);
		if (rc < 0)
			return rc;
		if (!rc)
			return split(s, stage + 1, text + at, n - at);
		rc = split(s, stage + 1, text + at, begin - at);
		if (rc)
			return rc;
		rc = split(s, stage + 1, text + begin, end - begin);
		if (rc)
			return rc;
		at = end;
	}
	return 0;
}

int ferry_pretokenize(struct ferry_pretokenizer_scratch *s, const uint8_t *text, size_t n,
		      ferry_pretokenizer_word_fn *word, void *data)
{
	size_t at = 0;

	s->word = word;
	s->data = data;
	while (at < n) {
		size_t run = ferry_utf8_run(text + at, n - at, true);
		int rc = split(s, 0, text + at, run);

		if (rc)
			return rc;
		at += run;
		run = ferry_utf8_run(text + at, n - at, false);
		if (run) {
			rc = word(data, text + at, run);
			if (rc)
				return rc;
			at += run;
		}
	}
	return 0;
}
