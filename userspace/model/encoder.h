/* SPDX-License-Identifier: MIT */
/*
 * A tokenizer from the inside, and one call of it that turns a text into ids.
 */
#ifndef FERRY_MODEL_ENCODER_H
#define FERRY_MODEL_ENCODER_H

#include "model/merge_queue.h"
#include "model/merge_table.h"
#include "model/pretokenizer.h"
#include "model/special_trie.h"
#include "model/vocabulary.h"

struct ferry_tokenizer {
	struct ferry_arena arena;
	const struct ferry_gguf_string *texts; /* tokens as the file writes them */
	struct ferry_vocab vocab;
	struct ferry_special_trie specials;
	bool adds_bos;
	bool adds_space; /* SPM: a space goes in front of a text */

	/* BPE */
	struct ferry_merge_table merges;
	struct ferry_pretokenizer *pretokenizer;
};

struct ferry_encoder {
	const struct ferry_tokenizer *t;
	int32_t *ids;
	size_t n_ids, ids_size;
	struct ferry_merge_queue queue;

	/* SPM: the stretch with its marks turned into spaces, and the hashes of the prefixes of
	 * one word of it */
	uint8_t *text;
	size_t text_size;
	uint32_t *hashes;
	size_t hashes_size;

	/* BPE */
	struct ferry_pretokenizer_scratch *scratch;
};

/* Append an id. Return: 0, -ENOMEM, as for all of these. */
int ferry_encoder_push(struct ferry_encoder *e, int32_t id);

/* A stretch of plain text, at most 2^30 bytes. @add_space: put a space in front. */
int ferry_encoder_spm(struct ferry_encoder *e, const uint8_t *text, size_t n, bool add_space);
int ferry_encoder_bpe(struct ferry_encoder *e, const uint8_t *text, size_t n);

#endif
