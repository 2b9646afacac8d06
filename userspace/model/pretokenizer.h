/* SPDX-License-Identifier: MIT */
/*
 * How byte-level BPE cuts a text into words before it merges: one or more regular expressions,
 * each applied to the pieces that the one before left, where both what matches and what lies
 * between matches becomes a piece of its own.
 */
#ifndef FERRY_MODEL_PRETOKENIZER_H
#define FERRY_MODEL_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

struct ferry_pretokenizer;
struct ferry_pretokenizer_scratch;

/**
 * ferry_pretokenizer_new - compile the expressions of tokenizer.ggml.pre.
 * @name: @n bytes, such as "llama-bpe"
 *
 * Return: 0; -ENOTSUP for an unknown name; -ENOMEM.
 */
int ferry_pretokenizer_new(const char *name, size_t n, struct ferry_pretokenizer **out,
			   struct ferry_error *err);
void ferry_pretokenizer_free(struct ferry_pretokenizer *p);

/* A word that is a token as a whole is not merged from its parts. */
bool ferry_pretokenizer_ignores_merges(const struct ferry_pretokenizer *p);

/* BOS goes in front where tokenizer.ggml.add_bos_token does not say otherwise. */
bool ferry_pretokenizer_adds_bos(const struct ferry_pretokenizer *p);

/* What one caller needs to match; NULL without memory. The pretokenizer itself is shared. */
struct ferry_pretokenizer_scratch *
ferry_pretokenizer_scratch_new(const struct ferry_pretokenizer *p);
void ferry_pretokenizer_scratch_free(struct ferry_pretokenizer_scratch *s);

typedef int ferry_pretokenizer_word_fn(void *data, const uint8_t *word, size_t n);

/**
 * ferry_pretokenize - cut a text into words.
 * @text: @n bytes; those that are no UTF-8 become words of their own
 * @word: called for each word in order; together they are the text. A return value other than 0
 *        ends the walk and is returned.
 */
int ferry_pretokenize(struct ferry_pretokenizer_scratch *s, const uint8_t *text, size_t n,
		      ferry_pretokenizer_word_fn *word, void *data);

#endif
