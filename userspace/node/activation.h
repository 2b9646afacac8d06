/* SPDX-License-Identifier: MIT */
/*
 * Hidden states as bytes: the encodings of the node protocol (enum ferry_wire_encoding).
 */
#ifndef FERRY_NODE_ACTIVATION_H
#define FERRY_NODE_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

/* Every encoding that this node speaks, as a bit set. */
uint8_t ferry_activation_encodings(void);

/**
 * ferry_activation_encode - @n numbers to bytes.
 * @bytes: [ferry_wire_row_bytes(encoding, n)]
 *
 * Return: 0, or -ERANGE where a number is too large for the encoding (65504 for f16): infinities
 * must not travel as if the model had made them.
 */
int ferry_activation_encode(uint8_t encoding, const float *x, size_t n, uint8_t *bytes,
			    struct ferry_error *err);

/* The reverse; @bytes need no alignment. */
void ferry_activation_decode(uint8_t encoding, const uint8_t *bytes, size_t n, float *x);

#endif
