/* SPDX-License-Identifier: MIT */
/*
 * The alphabet of byte-level BPE, in which vocabularies and merges are written: each byte is one
 * printable character. Those of Latin-1 stand for themselves, the other 68 bytes for U+0100 to
 * U+0143 in their order (GPT-2, encoder.py).
 */
#ifndef FERRY_MODEL_BYTE_ALPHABET_H
#define FERRY_MODEL_BYTE_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The bytes that a text stands for. @out has room for @n bytes and *n_out receives how many were
 * written. Return: false where a character stands for no byte; such characters are copied.
 */
bool ferry_byte_alphabet_decode(const uint8_t *text, size_t n, uint8_t *out, size_t *n_out);

#endif
