// SPDX-License-Identifier: MIT
/*
 * Which of the known formats a template writes. Templates are programs; what tells them apart
 * are the marks in their string constants, and the spaces and line ends next to those.
 */
#define _GNU_SOURCE /* memmem */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "model/chat_template.h"
#include "model/gguf_parse.h"

#define BAR "\xef\xbd\x9c" /* U+FF5C */

struct source {
	const char *bytes; /* the template */
	size_t n;
	struct ferry_gguf_string eos; /* text of the EOS token; empty where it has none */
};

static const char *find(const struct source *s, const char *mark)
{
	return memmem(s->bytes, s->n, mark, strlen(mark));
}

static bool has(const struct source *s, const char *mark)
{
	return find(s, mark) != NULL;
}

static bool eos_is(const struct source *s, const char *text)
{
	return s->eos.n == strlen(text) && !memcmp(s->eos.bytes, text, s->eos.n);
}

/* As it is, or as the escape for it. */
static bool is_line_end(const char *p, size_t left)
{
	return (left && *p == '\n') || (left >= 2 && !memcmp(p, "\\n", 2));
}

/* A line end right behind a mark, in the same constant or in the next one. */
static bool has_line_behind(const struct source *s, const char *mark)
{
	for (const char *p = s->bytes;
	     (p = memmem(p, s->n - (size_t)(p - s->bytes), mark, strlen(mark)));) {
		size_t left;

		p += strlen(mark);
		left = s->n - (size_t)(p - s->bytes);
		if (is_line_end(p, left) ||
		    (left > 5 && !memcmp(p + 1, " + ", 3) && is_line_end(p + 5, left - 5)))
			return true;
	}
	return false;
}

static const char *detect_inst(const struct source *s)
{
	bool space_behind = has(s, "[INST] ");

	if (has(s, "[SYSTEM_PROMPT]"))
		return space_behind ? "mistral-v7" : "mistral-v7-tekken";
	if (has(s, "<<SYS>>"))
		return "llama2";
	if (has(s, "' [INST]") || has(s, "\" [INST]"))
		return "mistral-v1";
	if (!space_behind)
		return "mistral-v3-tekken";
	return has(s, " [/INST]") ? "mistral-v0" : "mistral";
}

/* The user's turn must end with EOS; formats that share the other marks end it otherwise. */
static const char *detect_zephyr(const struct source *s)
{
	const char *user = find(s, "<|user|>"), *end;
	struct source turn = *s;

	end = memmem(user, s->n - (size_t)(user - s->bytes), "}}", 2);
	if (!end)
		return NULL;
	turn.bytes = user;
	turn.n = (size_t)(end - user);
	if (has(&turn, "<|endoftext|>") || (has(&turn, "eos_token") && eos_is(s, "<|endoftext|>")))
		return "zephyr-endoftext";
	if (has(&turn, "</s>") || (has(&turn, "eos_token") && eos_is(s, "</s>")))
		return "zephyr";
	return NULL;
}

static const char *detect_deepseek(const struct source *s)
{
	/* V3.1 closes the thinking itself where none is wanted. */
	if (has(s, "'</think>'}}") || has(s, "'</think>' }}"))
		return NULL;
	return has_line_behind(s, "<" BAR "Assistant" BAR "><think>") ? "deepseek-r1"
								      : "deepseek-v3";
}

static const char *detect(const struct source *s)
{
	if (has(s, "<|im_start|>")) {
		if (has(s, "<end_of_utterance>"))
			return NULL;
		return has(s, "<|im_sep|>") ? "phi4" : "chatml";
	}
	if (has(s, "<" BAR "User" BAR ">") && has(s, "<" BAR "Assistant" BAR ">"))
		return detect_deepseek(s);
	if (has(s, "[INST]"))
		return detect_inst(s);
	if (has(s, "<|start_header_id|>") && has(s, "<|end_header_id|>"))
		return "llama3";
	if (has(s, "<start_of_turn>"))
		return "gemma";
	if (has(s, "<|assistant|>") && has(s, "<|end|>"))
		return has_line_behind(s, "<|assistant|>") ? "phi3" : "phi4-mini";
	if (has(s, "<|assistant|>") && has(s, "<|user|>"))
		return detect_zephyr(s);
	if (has(s, "### Instruction:") && has(s, "<|EOT|>"))
		return "deepseek";
	if (has(s, "'User: '") && has(s, "'Assistant: '") && has(s, "'Assistant:'") &&
	    eos_is(s, "<" BAR "end\xe2\x96\x81of\xe2\x96\x81sentence" BAR ">"))
		return "deepseek-v2";
	return NULL;
}

static void find_eos(const struct ferry_gguf *g, struct ferry_gguf_string *eos)
{
	const struct ferry_gguf_value *tokens = ferry_gguf_find(g, "tokenizer.ggml.tokens");
	uint32_t id;

	*eos = (struct ferry_gguf_string){0};
	if (ferry_gguf_get_u32(g, "tokenizer.ggml.eos_token_id", &id, NULL) > 0 && tokens &&
	    tokens->type == FERRY_GGUF_ARRAY && tokens->array.type == FERRY_GGUF_STRING &&
	    id < tokens->array.n)
		*eos = tokens->array.strings[id];
}

int ferry_chat_template_detect(const struct ferry_gguf *g, const struct ferry_chat_template **out,
			       struct ferry_error *err)
{
	struct ferry_gguf_string text;
	struct source s;
	const char *name;
	int rc = ferry_gguf_get_string(g, "tokenizer.chat_template", &text, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (!rc)
		return ferry_gguf_fail(g, err, -ENODATA,
				       "the file has no chat template; choose one with --template "
				       "(%s)",
				       ferry_chat_template_names());
	s.bytes = text.bytes;
	s.n = text.n;
	find_eos(g, &s.eos);
	name = detect(&s);
	if (!name)
		return ferry_gguf_fail(g, err, -ENOTSUP,
				       "tokenizer.chat_template is none of the formats that Ferry "
				       "knows; choose one with --template (%s)",
				       ferry_chat_template_names());
	*out = ferry_chat_template_by_name(name);
	return 0;
}
