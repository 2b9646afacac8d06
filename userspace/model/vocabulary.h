/* SPDX-License-Identifier: MIT */
/*
 * The tokens of a vocabulary as the bytes they stand for.
 */
#ifndef FERRY_MODEL_VOCABULARY_H
#define FERRY_MODEL_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "ferry/error.h"
#include "model/gguf.h"

enum {
	FERRY_VOCAB_MAX = 1 << 26, /* tokens; real vocabularies have at most some 10^5 */
	/* Real tokens stay below 600 bytes. The bound keeps the work at one position of a text,
	 * and so the harm that a hostile vocabulary can do, small. */
	FERRY_TOKEN_BYTES_MAX = 4096,
};

enum ferry_vocab_kind {
	FERRY_VOCAB_SPM, /* tokenizer.ggml.model is llama: SentencePiece */
	FERRY_VOCAB_BPE, /* gpt2: byte-level BPE */
};

/* The numbers are those of tokenizer.ggml.token_type. */
enum ferry_token_type {
	FERRY_TOKEN_UNDEFINED = 0,
	FERRY_TOKEN_NORMAL = 1,
	FERRY_TOKEN_UNKNOWN = 2,
	FERRY_TOKEN_CONTROL = 3,
	FERRY_TOKEN_USER_DEFINED = 4,
	FERRY_TOKEN_UNUSED = 5,
	FERRY_TOKEN_BYTE = 6,
};

struct ferry_token {
	const uint8_t *bytes; /* what it prints */
	uint32_t n;
	uint32_t order; /* SPM: smaller merges first; from the score */
	uint8_t type;	/* enum ferry_token_type */
	bool ends;	/* generation ends here */
	bool mergeable; /* plain text can become it; control and user-defined tokens are found
			 * in the text as they are, before anything merges */
};

struct ferry_vocab_slot {
	uint32_t id_plus_1; /* 0: empty */
	uint32_t hash;
};

struct ferry_vocab {
	enum ferry_vocab_kind kind;
	uint32_t n;
	struct ferry_token *tokens;
	int32_t bos, eos, unk;	 /* -1: none */
	int32_t byte_token[256]; /* -1: none */
	bool words_separate;	 /* SPM: no token goes on behind the end of a word into the next
				  * one, so that words can be encoded one by one */

	/* of vocabulary_index.c */
	uint32_t longest; /* bytes of the longest mergeable token */
	uint32_t hash_base;
	uint32_t *hash_power; /* [longest + 1] powers of hash_base */
	struct ferry_vocab_slot *slots;
	uint32_t slot_mask;
};

/**
 * ferry_vocab_load - read and check tokens, scores, types and special ids of a file.
 * @v: with kind set; its memory comes from @arena or lies in @g
 *
 * Return: 0; -EBADMSG where arrays are missing, of a wrong type or length or where an id lies
 * outside the vocabulary; -ENOMEM.
 */
int ferry_vocab_load(struct ferry_vocab *v, const struct ferry_gguf *g, struct ferry_arena *arena,
		     struct ferry_error *err);

#endif
