// SPDX-License-Identifier: MIT
#include "compute/rope.h"
#include "engine/kv_layout.h"
#include "engine/pass.h"

static void add(float *x, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += b[i];
}

/* Bias, norm and rope of one query head. */
static void finish_query(struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer_vectors *v = &f->vectors[layer];
	const bool sliding = f->model->layers[layer].sliding;
	float *q = f->q + ((size_t)t * hp->n_head + head) * hp->n_head_dim;

	if (v->bq)
		add(q, v->bq + (size_t)head * hp->n_head_dim, hp->n_head_dim);
	if (v->q_norm)
		f->kernels->rms_norm(q, q, v->q_norm, hp->n_head_dim, hp->norm_eps);
	ferry_rope_rotate(f->model->arch->rope, q, 1, 0,
			  (sliding ? f->angles_sliding : f->angles_global) + (size_t)t * hp->n_rot,
			  hp->n_rot);
}

/* The same for one key head; then key and value go into the cache. */
static void finish_key_value(struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer_vectors *v = &f->vectors[layer];
	const bool sliding = f->model->layers[layer].sliding;
	float *key = f->k + ((size_t)t * hp->n_head_kv + head) * hp->n_head_dim;
	float *value = f->v + ((size_t)t * hp->n_head_kv + head) * hp->n_value_dim;

	if (v->bk)
		add(key, v->bk + (size_t)head * hp->n_head_dim, hp->n_head_dim);
	if (v->bv)
		add(value, v->bv + (size_t)head * hp->n_value_dim, hp->n_value_dim);
	if (v->k_norm)
		f->kernels->rms_norm(key, key, v->k_norm, hp->n_head_dim, hp->norm_eps);
	ferry_rope_rotate(f->model->arch->rope, key, 1, 0,
			  (sliding ? f->angles_sliding : f->angles_global) + (size_t)t * hp->n_rot,
			  hp->n_rot);
	ferry_kv_put(f->tokens[t].kv, layer, head, f->tokens[t].position, key, value);
}

/*
 * The query rows of a span that share a key head, token after token, are cut into items of at most
 * `rows` rows: large enough that a tile of keys is used many times, small enough that no
 * thread is left without work.
 */
struct items {
	uint32_t rows;
	uint64_t n;
};

static uint64_t items_of_span(const struct ferry_pass *p, const struct ferry_span *span,
			      uint32_t rows)
{
	const struct ferry_hparams *hp = &p->f->model->hp;
	uint64_t all = (uint64_t)span->n_tokens * (hp->n_head / hp->n_head_kv);

	return (all + rows - 1) / rows * hp->n_head_kv;
}

static struct items cut(const struct ferry_pass *p, uint32_t n_threads)
{
	struct items items = {.rows = FERRY_ATTENTION_ROWS};

	for (;;) {
		items.n = 0;
		for (uint32_t s = 0; s < p->n_spans; s++)
			items.n += items_of_span(p, &p->spans[s], items.rows);
		if (items.n >= 2 * (uint64_t)n_threads || items.rows == 1)
			return items;
		items.rows /= 2;
	}
}

/* Item @i of a span whose first token is token @first of the batch. */
static void attend(const struct ferry_pass *p, uint32_t layer, const struct ferry_span *span,
		   uint32_t first, uint64_t i, uint32_t rows, float *scratch)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const uint32_t group = hp->n_head / hp->n_head_kv, kv_head = (uint32_t)(i % hp->n_head_kv);
	const uint64_t all = (uint64_t)span->n_tokens * group, row = i / hp->n_head_kv * rows;
	const struct ferry_attention_kv kv = ferry_kv_head(span->kv, layer, kv_head);
	const struct ferry_attention_scale scale = {hp->attention_scale, hp->attention_softcap};
	const uint32_t n = (uint32_t)(all - row < rows ? all - row : rows);
	struct ferry_attention_row list[FERRY_ATTENTION_ROWS];

	for (uint32_t r = 0; r < n; r++) {
		const uint32_t t = first + (uint32_t)((row + r) / group);
		const uint32_t head = kv_head * group + (uint32_t)((row + r) % group);
		const size_t at = (size_t)t * hp->n_head + head;
		const uint32_t end = f->tokens[t].position + 1;

		list[r] = (struct ferry_attention_row){
			.q = f->q + at * hp->n_head_dim,
			.out = f->heads + at * hp->n_value_dim,
			.end = end,
		};
		if (f->model->layers[layer].sliding && end > hp->n_swa)
			list[r].begin = end - hp->n_swa;
	}
	f->kernels->attention(&kv, list, n, &scale, scratch);
}

static void attend_all(const struct ferry_pass *p, uint32_t layer, uint32_t thread,
		       uint32_t n_threads)
{
	const struct items items = cut(p, n_threads);
	float *scratch = p->f->per_thread + thread * p->f->per_thread_floats;
	uint64_t next = thread, before = 0;
	uint32_t first = 0;

	/* Every n_threads-th item, since later tokens have more to look at. */
	for (uint32_t s = 0; s < p->n_spans; s++) {
		const uint64_t n = items_of_span(p, &p->spans[s], items.rows);

		for (; next < before + n; next += n_threads)
			attend(p, layer, &p->spans[s], first, next - before, items.rows, scratch);
		before += n;
		first += p->spans[s].n_tokens;
	}
}

void ferry_pass_attention(struct ferry_pass *p, uint32_t layer, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer *l = &f->model->layers[layer];
	const struct ferry_matrix wq = ferry_matrix_of(l->wq, 0), wk = ferry_matrix_of(l->wk, 0);
	const struct ferry_matrix wv = ferry_matrix_of(l->wv, 0), wo = ferry_matrix_of(l->wo, 0);
	const uint32_t T = p->n_tokens, n_heads = hp->n_head + hp->n_head_kv;
	size_t begin, end;

	ferry_pass_matmul(f, &wq, f->x, T, f->q, thread, n_threads); /* [T][n_head * n_head_dim] */
	ferry_pass_matmul(f, &wk, f->x, T, f->k, thread,
			  n_threads); /* [T][n_head_kv * n_head_dim] */
	ferry_pass_matmul(f, &wv, f->x, T, f->v, thread,
			  n_threads); /* [T][n_head_kv * n_value_dim] */
	ferry_pool_barrier(f->pool);

	ferry_pool_share((size_t)T * n_heads, 1, thread, n_threads, &begin, &end);
	for (size_t i = begin; i < end; i++) {
		const uint32_t t = (uint32_t)(i / n_heads), head = (uint32_t)(i % n_heads);

		if (head < hp->n_head)
			finish_query(p, layer, t, head);
		else
			finish_key_value(p, layer, t, head - hp->n_head);
	}
	ferry_pool_barrier(f->pool);

	attend_all(p, layer, thread, n_threads); /* q, cache -> heads [T][n_head * n_value_dim] */
	ferry_pool_barrier(f->pool);

	ferry_pass_matmul(f, &wo, f->heads, T, f->y, thread, n_threads); /* [T][n_embd] */
	if (f->vectors[layer].bo) {
		ferry_pass_rows(hp->n_embd, thread, n_threads, &begin, &end);
		for (uint32_t t = 0; t < T; t++)
			add(f->y + (size_t)t * hp->n_embd + begin, f->vectors[layer].bo + begin,
			    end - begin);
	}
}
