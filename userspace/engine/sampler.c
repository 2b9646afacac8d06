// SPDX-License-Identifier: MIT
#include "engine/sampler.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compute/exp.h"

struct candidate {
	float value; /* logit, then probability relative to the best one */
	int32_t id;
};

int ferry_sampling_check(const struct ferry_sampling *s, struct ferry_error *err)
{
	if (!isfinite(s->temperature))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "temperature must be a finite number");
	if (!(s->top_p > 0.0f && s->top_p <= 1.0f))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "top_p is %g: it must be above 0 and at most 1",
				  (double)s->top_p);
	if (!(s->min_p >= 0.0f && s->min_p <= 1.0f))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "min_p is %g: it must be from 0 to 1", (double)s->min_p);
	if (!(s->repeat_penalty > 0.0f && isfinite(s->repeat_penalty)))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "repeat_penalty is %g: it must be a finite number above 0",
				  (double)s->repeat_penalty);
	return 0;
}

/* splitmix64 (Steele, Lea, Flood 2014), as a function of a counter. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* [0, 1), in steps of 2^-53. The seed is mixed first: seeds 1 and 2 must not give the same
 * sequence one position apart. */
static double uniform(uint64_t seed, uint64_t position)
{
	return (double)(mix(mix(seed) ^ mix(~position)) >> 11) * 0x1p-53;
}

/* What overflows stays finite: it is the penalty's doing, not a sign of a broken model. */
static float penalized(float logit, float penalty)
{
	float l = logit > 0.0f ? logit / penalty : logit * penalty;

	return isfinite(logit) && isinf(l) ? copysignf(FLT_MAX, l) : l;
}

/* Each token of the window once, however often it occurs there. */
static int penalize(const struct ferry_sampling *s, float *logits, uint32_t n_vocab,
		    const int32_t *history, size_t n_history)
{
	uint8_t *seen;

	if (s->repeat_window && n_history > s->repeat_window) {
		history += n_history - s->repeat_window;
		n_history = s->repeat_window;
	}
	if (s->repeat_penalty == 1.0f || !n_history)
		return 0;
	seen = calloc((size_t)n_vocab / 8 + 1, 1);
	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < n_history; i++) {
		const uint32_t id = (uint32_t)history[i];

		if (id >= n_vocab || seen[id / 8] >> (id % 8) & 1)
			continue;
		seen[id / 8] |= (uint8_t)(1u << (id % 8));
		logits[id] = penalized(logits[id], s->repeat_penalty);
	}
	free(seen);
	return 0;
}

/* The highest logit, the lowest id among equals; -EBADMSG where that says nothing. */
static int32_t best_of(const float *logits, uint32_t n_vocab)
{
	uint32_t best = 0;
	bool bad = !n_vocab;

	for (uint32_t i = 0; i < n_vocab; i++) {
		bad = bad || !(logits[i] <= FLT_MAX); /* NaN or infinity */
		best = logits[i] > logits[best] ? i : best;
	}
	return bad || logits[best] < -FLT_MAX ? -EBADMSG : (int32_t)best;
}

/* Whether a comes before b: a higher value, or the same and a lower id. A total order. */
static bool before(const struct candidate *a, const struct candidate *b)
{
	return a->value != b->value ? a->value > b->value : a->id < b->id;
}

static void swap(struct candidate *a, struct candidate *b)
{
	struct candidate c = *a;

	*a = *b;
	*b = c;
}

/*
 * Sinks element i of a heap of n. @reverse: the root is the last one in order (for keeping the best
 * few), else the first one (for taking them out best first).
 */
static void sink(struct candidate *heap, size_t n, size_t i, bool reverse)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			return;
		if (child + 1 < n && before(&heap[child + 1], &heap[child]) != reverse)
			child++;
		if (before(&heap[child], &heap[i]) == reverse)
			return;
		swap(&heap[i], &heap[child]);
		i = child;
	}
}

static void heapify(struct candidate *heap, size_t n, bool reverse)
{
	for (size_t i = n / 2; i-- > 0;)
		sink(heap, n, i, reverse);
}

/* Takes the first one in order out of a heap and puts it behind the rest, at heap[n - 1]. */
static struct candidate take_first(struct candidate *heap, size_t n)
{
	swap(&heap[0], &heap[n - 1]);
	sink(heap, n - 1, 0, false);
	return heap[n - 1];
}

/*
 * The k first ones in order, where @kept holds the first k ids. One pass over the vocabulary, and
 * a sort of the k.
 */
static void select_top_k(const float *logits, uint32_t n_vocab, struct candidate *kept, uint32_t k)
{
	heapify(kept, k, true);
	for (uint32_t i = k; i < n_vocab; i++) {
		/* Later ids lose against equal values. */
		if (!(logits[i] > kept[0].value))
			continue;
		kept[0] = (struct candidate){logits[i], (int32_t)i};
		sink(kept, k, 0, true);
	}
	for (; k > 1; k--) {
		swap(&kept[0], &kept[k - 1]);
		sink(kept, k - 1, 0, true);
	}
}

/*
 * The smallest set of most probable candidates that has a share of at least @top_p: sorted to the
 * front of @c. Returns its size, and its sum. Only as many are sorted as are in the set.
 */
static size_t select_top_p(struct candidate *c, size_t n, double share, double *sum)
{
	size_t left = n, size;

	heapify(c, n, false);
	for (*sum = 0.0; left && *sum < share; left--)
		*sum += (double)take_first(c, left).value;
	/* They lie at the end, the best one last. */
	size = n - left;
	for (size_t i = 0; i < size && i < n - 1 - i; i++)
		swap(&c[i], &c[n - 1 - i]);
	return size;
}

/* Walks through the candidates in their order until the share u of their sum is passed. */
static int32_t draw(const struct candidate *c, size_t n, double sum, double u)
{
	double target = u * sum, passed = 0.0;
	int32_t last = c[0].id;

	for (size_t i = 0; i < n; i++) {
		if (!(c[i].value > 0.0f))
			continue;
		last = c[i].id;
		passed += (double)c[i].value;
		if (passed > target)
			break;
	}
	return last;
}

/*
 * Candidates in, a token out. @max: the highest logit. The order of the candidates, which decides
 * what a random number means, is that of ids, or behind top-k and top-p that of probabilities.
 */
static int32_t choose(const struct ferry_sampling *s, struct candidate *c, size_t n, float max,
		      uint64_t position)
{
	double sum = 0.0;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		c[i].value = ferry_exp((c[i].value - max) / s->temperature);
		sum += (double)c[i].value;
	}
	if (s->top_p < 1.0f)
		n = select_top_p(c, n, (double)s->top_p * sum, &sum);
	if (s->min_p > 0.0f) {
		/* The best one has exp(0) = 1. */
		sum = 0.0;
		for (size_t i = 0; i < n; i++) {
			if (c[i].value < s->min_p)
				continue;
			sum += (double)c[i].value;
			c[kept++] = c[i];
		}
		n = kept;
	}
	return draw(c, n, sum, uniform(s->seed, position));
}

int32_t ferry_sample(const struct ferry_sampling *s, float *logits, uint32_t n_vocab,
		     const int32_t *history, size_t n_history, uint64_t position)
{
	struct candidate few[256], *c = few;
	int32_t best = penalize(s, logits, n_vocab, history, n_history), id;
	uint32_t n = s->top_k && s->top_k < n_vocab ? s->top_k : n_vocab;

	if (best)
		return best;
	best = best_of(logits, n_vocab);
	if (best < 0 || s->temperature <= 0.0f || n == 1)
		return best;
	if (n > sizeof(few) / sizeof(few[0])) {
		c = malloc(n * sizeof(*c));
		if (!c)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		c[i] = (struct candidate){logits[i], (int32_t)i};
	if (n < n_vocab)
		select_top_k(logits, n_vocab, c, n);
	id = choose(s, c, n, logits[best], position);
	if (c != few)
		free(c);
	return id;
}
