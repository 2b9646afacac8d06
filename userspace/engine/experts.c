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
	const struct ferry_matrix router = ferry_matrix_of(f->model->layers[layer].router, 0);
	const uint32_t n = hp->n_experts, k = hp->n_experts_used;
	size_t begin, end;

	ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	if (begin < end)
		f->kernels->matmul(&router, f->x + begin * hp->n_embd, hp->n_embd, end - begin,
				   f->moe.router + begin * n, n, 0, n);
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

static void gather(struct ferry_pass *p, uint32_t thread, uint32_t n_threads)
{
	struct ferry_moe_scratch *moe = &p->f->moe;
	const struct ferry_hparams *hp = &p->f->model->hp;
	size_t begin, end;

	ferry_pool_share((size_t)p->n_tokens * hp->n_experts_used, 1, thread, n_threads, &begin,
			 &end);
	for (size_t i = begin; i < end; i++)
		memcpy(moe->x + (size_t)moe->place[i] * hp->n_embd,
		       p->f->x + i / hp->n_experts_used * hp->n_embd, hp->n_embd * sizeof(float));
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

	route(p, layer, thread, n_threads);
	ferry_pool_barrier(f->pool);
	if (thread == 0)
		sort(p);
	ferry_pool_barrier(f->pool);
	gather(p, thread, n_threads); /* moe->x [pairs][n_embd] */
	ferry_pool_barrier(f->pool);
	for (uint32_t e = 0; e < hp->n_experts; e++) {
		const uint32_t first = moe->begin[e], n = moe->begin[e + 1] - first;
		const struct ferry_matrix gate = ferry_matrix_of(l->e_gate, e);
		const struct ferry_matrix up = ferry_matrix_of(l->e_up, e);
		float *const g = moe->gate + first * n_ff, *const u = moe->up + first * n_ff;

		if (!n)
			continue;
		ferry_pass_matmul(f, &gate, moe->x + first * n_embd, n, g, thread, n_threads);
		ferry_pass_matmul(f, &up, moe->x + first * n_embd, n, u, thread, n_threads);
		ferry_pass_activate(f, g, u, n, n_ff, thread, n_threads);
	}
	ferry_pool_barrier(f->pool);
	for (uint32_t e = 0; e < hp->n_experts; e++) {
		const uint32_t first = moe->begin[e], n = moe->begin[e + 1] - first;
		const struct ferry_matrix down = ferry_matrix_of(l->e_down, e);

		if (n) /* over moe->x, whose tokens are not needed any more */
			ferry_pass_matmul(f, &down, moe->gate + first * n_ff, n,
					  moe->x + first * n_embd, thread, n_threads);
	}
	ferry_pool_barrier(f->pool);
	combine(p, thread, n_threads);
}
