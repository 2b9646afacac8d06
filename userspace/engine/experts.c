// SPDX-License-Identifier: MIT
/*
 * Mixture of experts: each token goes through the few experts that a router prefers, and their
 * outputs are added with the router's weights. Tokens of a batch are sorted by expert, so that an
 * expert's weights are read once. A token's sum is taken in the order of its own preferences,
 * whoever else is in the batch.
 */
#include <string.h>

#include "compute/exp.h"
#include "engine/pass.h"

/* logits [n] to probabilities, in place */
static void softmax(float *x, uint32_t n)
{
	float max = x[0], sum = 0.0f;

	for (uint32_t i = 1; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (uint32_t i = 0; i < n; i++) {
		x[i] = ferry_exp(x[i] - max);
		sum += x[i];
	}
	for (uint32_t i = 0; i < n; i++)
		x[i] /= sum;
}

/*
 * The k most probable experts, the lowest number first among equals, and their weights, which
 * sum to 1. A probability of -1 marks those that are taken.
 */
static void choose(float *probability, uint32_t n, uint32_t *chosen, float *weight, uint32_t k)
{
	float sum = 0.0f;

	for (uint32_t r = 0; r < k; r++) {
		uint32_t best = 0;

		for (uint32_t e = 1; e < n; e++)
			if (probability[e] > probability[best])
				best = e;
		chosen[r] = best;
		weight[r] = probability[best];
		sum += weight[r];
		probability[best] = -1.0f;
	}
	for (uint32_t r = 0; r < k; r++)
		weight[r] /= sum;
}

static void route(struct ferry_pass *p, uint32_t layer, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_weight router =
		ferry_weight_of(f->model, f->model->layers[layer].router, 0);
	const uint32_t n = hp->n_experts, k = hp->n_experts_used;
	struct ferry_input x = ferry_pass_block_input(p, thread);
	size_t begin, end;

	ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	x.x += begin * hp->n_embd;
	x.first = begin;
	x.n_tokens = (uint32_t)(end - begin);
	if (begin < end)
		ferry_pass_multiply(f, &router, &x, f->moe.router + begin * n, 0, n);
	for (size_t t = begin; t < end; t++) {
		softmax(f->moe.router + t * n, n);
		choose(f->moe.router + t * n, n, f->moe.chosen + t * k, f->moe.weight + t * k, k);
	}
}

/* Counting sort of the pairs by expert; within one, in the order of tokens. */
static void sort(struct ferry_pass *p)
{
	struct ferry_moe_scratch *moe = &p->f->moe;
	const struct ferry_hparams *hp = &p->f->model->hp;
	const size_t n_pairs = (size_t)p->n_tokens * hp->n_experts_used;

	memset(moe->begin, 0, ((size_t)hp->n_experts + 1) * sizeof(moe->begin[0]));
	for (size_t i = 0; i < n_pairs; i++)
		moe->begin[moe->chosen[i] + 1]++;
	for (uint32_t e = 0; e < hp->n_experts; e++)
		moe->begin[e + 1] += moe->begin[e];
	for (size_t i = 0; i < n_pairs; i++)
		moe->place[i] = moe->begin[moe->chosen[i]]++;
	/* Each begin is now the next one's: move them back. */
	memmove(moe->begin + 1, moe->begin, hp->n_experts * sizeof(moe->begin[0]));
	moe->begin[0] = 0;
}

/* The inputs of the pairs, in their order. */
static void gather(struct ferry_pass *p, bool quantized, uint32_t thread, uint32_t n_threads)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_moe_scratch *moe = &f->moe;
	const struct ferry_hparams *hp = &f->model->hp;
	const size_t n_pairs = (size_t)p->n_tokens * hp->n_experts_used;
	const size_t n_blocks = quantized ? hp->n_embd / FERRY_ACTIVATION_BLOCK : 0;
	const struct ferry_input x = ferry_pass_block_input(p, thread);
	size_t begin, end;

	ferry_pool_share(n_pairs, 1, thread, n_threads, &begin, &end);
	for (size_t i = begin; i < end; i++) {
		const size_t t = i / hp->n_experts_used, place = moe->place[i];

		memcpy(moe->x + place * hp->n_embd, x.x + t * hp->n_embd,
		       hp->n_embd * sizeof(float));
		for (size_t b = 0; b < n_blocks; b++)
			moe->x_quantized[b * n_pairs + place] = x.q.blocks[b * p->n_tokens + t];
	}
}

/* Expert @e's pairs of all: their rows of @x, and which rows of @q. */
static struct ferry_input input_of(const struct ferry_moe_scratch *moe, uint32_t e, const float *x,
				   size_t width, struct ferry_q8_block *q, size_t n_pairs)
{
	const size_t first = moe->begin[e];

	return (struct ferry_input){
		.x = x + first * width,
		.q = {q, n_pairs},
		.first = first,
		.n_tokens = (uint32_t)(moe->begin[e + 1] - first),
	};
}

/* y[t] = sum of weight * output over the token's experts, the preferred one first */
static void combine(struct ferry_pass *p, uint32_t thread, uint32_t n_threads)
{
	const struct ferry_moe_scratch *moe = &p->f->moe;
	const struct ferry_hparams *hp = &p->f->model->hp;
	size_t begin, end;

	ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	for (size_t t = begin; t < end; t++) {
		float *y = p->f->y + t * hp->n_embd;

		memset(y, 0, hp->n_embd * sizeof(*y));
		for (uint32_t r = 0; r < hp->n_experts_used; r++) {
			const size_t pair = t * hp->n_experts_used + r;
			const float *out = moe->x + (size_t)moe->place[pair] * hp->n_embd;
			const float weight = moe->weight[pair];

			for (uint32_t i = 0; i < hp->n_embd; i++)
				y[i] += weight * out[i];
		}
	}
}

void ferry_pass_experts(struct ferry_pass *p, uint32_t layer, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	struct ferry_moe_scratch *moe = &f->moe;
	const struct ferry_layer *l = &f->model->layers[layer];
	const struct ferry_hparams *hp = &f->model->hp;
	const size_t n_embd = hp->n_embd, n_ff = hp->n_ff_expert;

	const size_t n_pairs = (size_t)p->n_tokens * hp->n_experts_used;
	size_t begin, end;

	route(p, layer, thread, n_threads);
	ferry_pool_barrier(f->pool);
	if (thread == 0)
		sort(p);
	ferry_pool_barrier(f->pool);
	gather(p, ferry_weight_is_packed(l->e_gate) || ferry_weight_is_packed(l->e_up), thread,
	       n_threads); /* moe->x [pairs][n_embd] */
	ferry_pool_barrier(f->pool);
	ferry_pool_share(n_ff, FERRY_ACTIVATION_BLOCK, thread, n_threads, &begin, &end);
	for (uint32_t e = 0; e < hp->n_experts; e++) {
		const struct ferry_weight gate = ferry_weight_of(f->model, l->e_gate, e);
		const struct ferry_weight up = ferry_weight_of(f->model, l->e_up, e);
		const struct ferry_input x =
			input_of(moe, e, moe->x, n_embd, moe->x_quantized, n_pairs);
		const struct ferry_input middle =
			input_of(moe, e, moe->gate, n_ff, moe->gate_quantized, n_pairs);
		float *const g = moe->gate + x.first * n_ff;

		if (!x.n_tokens)
			continue;
		ferry_pass_gate_up(f, &gate, &up, &x, g, moe->up + x.first * n_ff, begin, end);
		for (uint32_t i = 0; ferry_weight_is_packed(l->e_down) && i < x.n_tokens; i++)
			ferry_pass_quantize(f, &middle, x.first + i, g + i * n_ff, begin, end);
	}
	ferry_pool_barrier(f->pool);
	ferry_pass_rows(n_embd, thread, n_threads, &begin, &end);
	for (uint32_t e = 0; e < hp->n_experts; e++) {
		const struct ferry_weight down = ferry_weight_of(f->model, l->e_down, e);
		const struct ferry_input middle =
			input_of(moe, e, moe->gate, n_ff, moe->gate_quantized, n_pairs);

		if (middle.n_tokens) /* over moe->x, whose tokens are not needed any more */
			ferry_pass_multiply(f, &down, &middle, moe->x + middle.first * n_embd,
					    begin, end);
	}
	ferry_pool_barrier(f->pool);
	combine(p, thread, n_threads);
}
