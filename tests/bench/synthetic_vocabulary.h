/* SPDX-License-Identifier: MIT */
/*
 * A SentencePiece vocabulary of any size, computed token by token: <unk>, <s>, </s>, the 256
 * bytes, then words of the letters a..z with and without a space in front, shorter ones first, so
 * that every word can be merged from shorter ones.
 */
#ifndef FERRY_BENCH_SYNTHETIC_VOCABULARY_H
#define FERRY_BENCH_SYNTHETIC_VOCABULARY_H

#include <stdint.h>

#include "gguf_stream.h"

enum {
	FERRY_SYNTHETIC_UNK = 0,
	FERRY_SYNTHETIC_BOS = 1,
	FERRY_SYNTHETIC_EOS = 2,
	FERRY_SYNTHETIC_FIRST_BYTE = 3,
	FERRY_SYNTHETIC_FIRST_WORD = 3 + 256,
	FERRY_SYNTHETIC_TOKEN = 16, /* bytes of the longest text and its NUL */
	FERRY_SYNTHETIC_VOCABULARY_KEYS = 9,
};

void ferry_synthetic_token(uint32_t id, char text[FERRY_SYNTHETIC_TOKEN]);

/* The tokenizer.ggml.* keys, FERRY_SYNTHETIC_VOCABULARY_KEYS of them. */
void ferry_synthetic_vocabulary(struct ferry_gguf_stream *s, uint32_t n_vocab);

#endif
