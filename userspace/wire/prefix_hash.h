/* SPDX-License-Identifier: MIT */
/*
 * A chain of 64-bit values over a token history, one per position, by which two nodes find out
 * that they do not hold the same history.
 *
 * The device computes it, keyed with a secret of the session; the edge only stores and compares.
 * Without the key a value says nothing about the token that led to it, so the chain may go to a
 * node that must not see token ids.
 */
#ifndef FERRY_WIRE_PREFIX_HASH_H
#define FERRY_WIRE_PREFIX_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { FERRY_PREFIX_EMPTY = 0 }; /* the value of an empty history */

struct ferry_prefix_key {
	uint64_t k[2];
};

/* A random key of the kernel's; 0 or a negative errno. */
int ferry_prefix_key_new(struct ferry_prefix_key *key);

/* The value after @id, from the one before it: SipHash-2-4 over (before, id), 12 bytes. */
uint64_t ferry_prefix_hash(const struct ferry_prefix_key *key, uint64_t before, int32_t id);

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of @n bytes. */
uint64_t ferry_siphash(const uint64_t key[2], const void *bytes, size_t n);

#endif
