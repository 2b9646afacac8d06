/* SPDX-License-Identifier: MIT */
/*
 * Chat formats: the common ones, written out in C and recognised from the file's template by the
 * marks it contains. Ferry does not run Jinja.
 */
#ifndef FERRY_MODEL_CHAT_TEMPLATE_H
#define FERRY_MODEL_CHAT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry/error.h"
#include "model/gguf.h"

struct ferry_chat_template;

struct ferry_chat_message {
	const char *role; /* "system", "user", "assistant" */
	const char *content;
};

/*
 * By name: chatml, llama2, llama3, gemma, mistral (v3; others as mistral-v1, mistral-v7, ...),
 * zephyr, phi3, deepseek (coder; deepseek-v2, deepseek-v3, deepseek-r1) and variants of these.
 * NULL: unknown.
 */
const struct ferry_chat_template *ferry_chat_template_by_name(const char *name);

/* The names, separated by ", ", for messages and --help. */
const char *ferry_chat_template_names(void);

const char *ferry_chat_template_name(const struct ferry_chat_template *t);

/**
 * ferry_chat_template_detect - recognise tokenizer.chat_template of a file.
 *
 * Return: 0; -ENODATA where the file has no template; -ENOTSUP where it is none of the known
 * ones (the message says to use --template and lists the names).
 */
int ferry_chat_template_detect(const struct ferry_gguf *g, const struct ferry_chat_template **out,
			       struct ferry_error *err);

/*
 * A prompt is a list of parts, so that what a user typed can never turn into a control token:
 * marks are encoded with FERRY_ENCODE_SPECIAL, contents without. Words and spaces may span parts,
 * so encode them together: ferry_tokenizer_encode_parts().
 */
struct ferry_chat_part {
	char *text;
	size_t n;
	bool is_mark;
};

/**
 * ferry_chat_format - lay messages out as the template wants them.
 * @reply: append the opening of the assistant's turn, for a model that is to answer
 * @parts: receives *n_parts parts, released by ferry_chat_parts_free(). BOS is not among them.
 *
 * Nothing is said that the caller did not say: templates that bring a system message of their own
 * are written without it. Where a format has no system turn, the message goes in front of the
 * first user message.
 *
 * Return: 0; -EINVAL for an unknown role or an order that the template cannot express; -ENOMEM.
 */
int ferry_chat_format(const struct ferry_chat_template *t,
		      const struct ferry_chat_message *messages, size_t n_messages, bool reply,
		      struct ferry_chat_part **parts, size_t *n_parts, struct ferry_error *err);
void ferry_chat_parts_free(struct ferry_chat_part *parts, size_t n_parts);

#endif
