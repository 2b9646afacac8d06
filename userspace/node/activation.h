/* SPDX-License-Identifier: MIT */
/*
 * Hidden states as bytes: the encodings of the node protocol (enum ferry_wire_encoding), whose
 * formats are in compute/codec.h.
 */
#ifndef FERRY_NODE_ACTIVATION_H
#define FERRY_NODE_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#include "compute/kernels.h"
#include "ferry/error.h"

/* Every encoding that this node speaks, as a bit set. */
uint8_t ferry_activation_encodings(void);

/* "f32", "f16", "int8", "int4"; NULL for others. */
const char *ferry_activation_name(uint8_t encoding);

/**
 * ferry_activation_encode - @n_rows rows of @n numbers to bytes.
 * @bytes: [n_rows][ferry_wire_row_bytes(encoding, n)]
 *
 * Return: 0, or -ERANGE where a number is not finite, or too large for the encoding: infinities
 * must not travel as if the model had made them.
 */
int ferry_activation_encode(const struct ferry_kernels *k, uint8_t encoding, const float *x,
			    size_t n_rows, size_t n, uint8_t *bytes, struct ferry_error *err);

/*
 * The reverse; @bytes need no alignment and may be any. -EBADMSG where a number is not finite or a
 * row is none that the encoder writes: the peer's fault.
 */
int ferry_activation_decode(const struct ferry_kernels *k, uint8_t encoding, const uint8_t *bytes,
			    size_t n_rows, size_t n, float *x, struct ferry_error *err);

#endif
