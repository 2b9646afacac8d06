/* SPDX-License-Identifier: MIT */
/*
 * From logits to a token. Stateless: the random number for a position is a function of (seed,
 * position), so that any node draws the same one, whatever happened before.
 */
#ifndef FERRY_ENGINE_SAMPLER_H
#define FERRY_ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

/* temperature <= 0 means greedy: the highest logit, the lowest id among equals. */
struct ferry_sampling {
	float temperature;
	uint32_t top_k;		/* 0: all */
	float top_p;		/* 1: all */
	float min_p;		/* 0: none */
	float repeat_penalty;	/* 1: none; logits of tokens in the window: l > 0 ? l / p : l * p */
	uint32_t repeat_window; /* last tokens that count; 0: all */
	uint64_t seed;
};

static inline struct ferry_sampling ferry_sampling_greedy(void)
{
	return (struct ferry_sampling){.top_p = 1.0f, .repeat_penalty = 1.0f};
}

/* -EINVAL with a sentence naming the option that is out of range or NaN. */
int ferry_sampling_check(const struct ferry_sampling *s, struct ferry_error *err);

/**
 * ferry_sample - choose the token for @position.
 * @logits: [n_vocab], changed by the call (penalty)
 * @history: the @n_history last tokens before this one; used by the penalty only
 * @position: of the token that is being chosen
 *
 * Order: penalty, top-k, softmax with temperature, top-p, min-p, draw. Return: the id;
 * -EBADMSG where a logit is NaN or +infinity, or all are -infinity; -ENOMEM.
 */
int32_t ferry_sample(const struct ferry_sampling *s, float *logits, uint32_t n_vocab,
		     const int32_t *history, size_t n_history, uint64_t position);

#endif
