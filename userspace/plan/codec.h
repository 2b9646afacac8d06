/* SPDX-License-Identifier: MIT */
/*
 * Encodings of hidden states as plans see them. The cost in quality is the relative RMS error of a
 * hidden state that crosses once, as `ferry bench --codec` measures it on a trained model
 * (Documentation/measuring.md has the figures).
 */
#ifndef FERRY_PLAN_CODEC_H
#define FERRY_PLAN_CODEC_H

#include "plan/problem.h"

/*
 * What the crossings of a token may cost together, unless somebody says otherwise: two of int8,
 * none of int4. An error of a hundredth is what quantizing activations for the integer kernels
 * costs anyway.
 */
#define FERRY_PLAN_QUALITY_BUDGET 0.02

/* "f32", "f16", "int8", "int4"; NULL for other names. */
const struct ferry_plan_codec *ferry_plan_codec_find(const char *name);

#endif
