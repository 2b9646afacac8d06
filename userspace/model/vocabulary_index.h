/* SPDX-License-Identifier: MIT */
/*
 * The index that finds a token by its bytes. Hashes are polynomials modulo 2^31 - 1 at a random
 * point, so that a file cannot choose tokens that collide, and so that the hash of any part of a
 * text follows from those of two of its prefixes.
 */
#ifndef FERRY_MODEL_VOCABULARY_INDEX_H
#define FERRY_MODEL_VOCABULARY_INDEX_H

#include "model/vocabulary.h"

enum { FERRY_VOCAB_PRIME = 0x7fffffff };

static inline uint32_t ferry_vocab_mod(uint64_t x)
{
	x = (x & FERRY_VOCAB_PRIME) + (x >> 31);
	x = (x & FERRY_VOCAB_PRIME) + (x >> 31);
	return x >= FERRY_VOCAB_PRIME ? (uint32_t)(x - FERRY_VOCAB_PRIME) : (uint32_t)x;
}

static inline uint32_t ferry_vocab_hash_push(const struct ferry_vocab *v, uint32_t h, uint8_t byte)
{
	return ferry_vocab_mod((uint64_t)h * v->hash_base + byte + 1);
}

/* The hash of the @n bytes (at most v->longest) between two prefixes of a text. */
static inline uint32_t ferry_vocab_hash_between(const struct ferry_vocab *v, uint32_t before,
						uint32_t behind, uint32_t n)
{
	uint32_t shifted = ferry_vocab_mod((uint64_t)before * v->hash_power[n]);

	return behind >= shifted ? behind - shifted : behind + FERRY_VOCAB_PRIME - shifted;
}

uint32_t ferry_vocab_hash(const struct ferry_vocab *v, const uint8_t *bytes, size_t n);

/* Index the mergeable tokens; of equal ones the first. Return: 0, -ENOMEM. */
int ferry_vocab_build_index(struct ferry_vocab *v, struct ferry_arena *arena,
			    struct ferry_error *err);

/* The mergeable token of exactly these bytes, or -1. */
int32_t ferry_vocab_find(const struct ferry_vocab *v, const uint8_t *bytes, size_t n);

/* The same where the hash is known. */
int32_t ferry_vocab_find_hashed(const struct ferry_vocab *v, uint32_t hash, const uint8_t *bytes,
				size_t n);

#endif
