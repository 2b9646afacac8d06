/* SPDX-License-Identifier: MIT */
/*
 * How fast this machine runs a model, layer by layer, for the planner.
 */
#ifndef FERRY_NODE_PROFILE_H
#define FERRY_NODE_PROFILE_H

#include <stdint.h>

#include "engine/forward.h"
#include "ferry/error.h"
#include "model/model.h"
#include "plan/problem.h"

struct ferry_profile {
	uint32_t layer_begin, layer_end;
	uint32_t n_tokens; /* of the prompt chunk that was measured */
	double embed_us;   /* one token */
	double head_us;
	struct ferry_layer_cost *layers; /* [n_layers of the model]; outside the range all zero */
};

/**
 * ferry_profile_measure - run a few passes over layers [begin, end) on a scratch cache.
 * @forward: used for the passes
 * @n_tokens: of the prompt chunk; cut to what @forward takes
 * @between: called between two layers, so that a node can stay responsive; may be NULL. A
 *           non-zero return ends the measurement with that code
 * @out: on success, released by ferry_profile_free()
 *
 * Takes about the time of three tokens and two chunks. Return: 0, -ENOMEM, or the codes of the
 * forward pass.
 */
int ferry_profile_measure(const struct ferry_model *model, struct ferry_forward *forward,
			  uint32_t begin, uint32_t end, uint32_t n_tokens,
			  int (*between)(void *data), void *data, struct ferry_profile *out,
			  struct ferry_error *err);
void ferry_profile_free(struct ferry_profile *p);

#endif
