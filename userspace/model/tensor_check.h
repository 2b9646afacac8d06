/* SPDX-License-Identifier: MIT */
#ifndef FERRY_MODEL_TENSOR_CHECK_H
#define FERRY_MODEL_TENSOR_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gguf.h"

/*
 * Whether every weight of a tensor is finite. In a quantized tensor only the floating-point
 * scales and minimums can spoil one, so only they are looked at.
 * @at: on false, receives the index of the first weight of the block at fault
 */
bool ferry_tensor_is_finite(const struct ferry_tensor *t, uint64_t *at);

#endif
