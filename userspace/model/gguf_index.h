/* SPDX-License-Identifier: MIT */
/*
 * Names to array positions: open addressing, at most half full. The hash is keyed at random per
 * file, so that nobody can write a file whose names all collide.
 */
#ifndef FERRY_MODEL_GGUF_INDEX_H
#define FERRY_MODEL_GGUF_INDEX_H

#include <stdint.h>

#include "model/gguf.h"

/* Empty tables for g->n_values and g->n_tensors names. Return: 0 or -ENOMEM. */
int ferry_gguf_index_init(struct ferry_gguf *g);

/* Enter the name of value or tensor @i. Return: 0, or -EEXIST where it is there already. */
int ferry_gguf_index_value(struct ferry_gguf *g, uint32_t i);
int ferry_gguf_index_tensor(struct ferry_gguf *g, uint32_t i);

#endif
