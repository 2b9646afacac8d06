// SPDX-License-Identifier: MIT
#include "compute/rope.h"
#include "engine/kv_layout.h"
#include "engine/pass.h"

static void add(float *x, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += b[i];
}

/* Bias of one head, then its norm and rope, as far as the architecture has them. */
static void finish(struct ferry_pass *p, uint32_t layer, uint32_t t, float *head, const float *bias,
		   const float *norm)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const bool sliding = f->model->layers[layer].sliding;

	if (bias)
		add(head, bias, hp->n_head_dim);
	if (norm)
		f->kernels->rms_norm(head, head, norm, hp->n_head_dim, hp->norm_eps);
	ferry_rope_rotate(f->model->arch->rope, head, 1, 0,
			  (sliding ? f->angles_sliding : f->angles_global) + (size_t)t * hp->n_rot,
			  hp->n_rot);
}

static const float *bias_of(const float *biases, uint32_t head, uint32_t dim)
{
	return biases ? biases + (size_t)head * dim : NULL;
}

static void finish_query(struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer_vectors *v = &f->vectors[layer];

	finish(p, layer, t, f->q + ((size_t)t * hp->n_head + head) * hp->n_head_dim,
	       bias_of(v->bq, head, hp->n_head_dim), v->q_norm);
}

static void finish_key(struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer_vectors *v = &f->vectors[layer];
	const struct ferry_attention_kv kv = ferry_kv_head(f->tokens[t].kv, layer, head);
	float *key = f->k + ((size_t)t * hp->n_head_kv + head) * hp->n_head_dim;

	finish(p, layer, t, key, bias_of(v->bk, head, hp->n_head_dim), v->k_norm);
	f->kernels->put_key(&kv, f->tokens[t].position, key);
}

static void finish_value(struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const float *bias = bias_of(f->vectors[layer].bv, head, hp->n_value_dim);
	const struct ferry_attention_kv kv = ferry_kv_head(f->tokens[t].kv, layer, head);
	float *value = f->v + ((size_t)t * hp->n_head_kv + head) * hp->n_value_dim;

	if (bias)
		add(value, bias, hp->n_value_dim);
	f->kernels->put_value(&kv, f->tokens[t].position, value);
}

/* One of the three projections: its heads count on from those of the one before. */
struct projection {
	const struct ferry_tensor *weight;
	float *out; /* [T][n_heads * dim] */
	uint32_t n_heads, dim;
	void (*finish)(struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head);
};

static void multiply_heads(const struct ferry_pass *p, const struct projection *j,
			   const struct ferry_input *x, uint32_t begin, uint32_t end)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_weight w = ferry_weight_of(f->model, j->weight, 0);

	ferry_pass_multiply(f, &w, x, j->out, (size_t)begin * j->dim, (size_t)end * j->dim);
}

static void finish_heads(struct ferry_pass *p, const struct projection *j, uint32_t layer,
			 uint32_t begin, uint32_t end)
{
	for (uint32_t t = 0; t < p->n_tokens; t++)
		for (uint32_t head = begin; head < end; head++)
			j->finish(p, layer, t, head);
}

/* Heads [begin, end) of all three, counted through; @x: NULL where their rows are computed. */
static void project_heads(struct ferry_pass *p, const struct projection *all, uint32_t layer,
			  size_t begin, size_t end, const struct ferry_input *x)
{
	size_t first = 0;

	for (int i = 0; i < 3; first += all[i++].n_heads) {
		const size_t last = first + all[i].n_heads;
		const size_t b = begin > first ? begin : first, e = end < last ? end : last;

		if (b >= e)
			continue;
		if (x)
			multiply_heads(p, &all[i], x, (uint32_t)(b - first), (uint32_t)(e - first));
		finish_heads(p, &all[i], layer, (uint32_t)(b - first), (uint32_t)(e - first));
	}
}

/*
 * x to queries, and to keys and values in the cache. A thread finishes the heads whose rows it has
 * multiplied; only where the rows of a head are not whole groups does it have to wait.
 */
static void project(struct ferry_pass *p, uint32_t layer, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer *l = &f->model->layers[layer];
	const struct projection all[3] = {
		{l->wq, f->q, hp->n_head, hp->n_head_dim, finish_query},
		{l->wk, f->k, hp->n_head_kv, hp->n_head_dim, finish_key},
		{l->wv, f->v, hp->n_head_kv, hp->n_value_dim, finish_value},
	};
	const bool whole = !(hp->n_head_dim % FERRY_PACKED_LANES) &&
			   !(hp->n_value_dim % FERRY_PACKED_LANES);
	const size_t n_heads = hp->n_head + 2 * (size_t)hp->n_head_kv;
	const struct ferry_input x = ferry_pass_block_input(p, thread);
	size_t begin, end;

	for (int i = 0; i < 3 && !whole; i++) {
		const struct ferry_weight w = ferry_weight_of(f->model, all[i].weight, 0);

		ferry_pass_rows(w.rows.n_out, thread, n_threads, &begin, &end);
		ferry_pass_multiply(f, &w, &x, all[i].out, begin, end);
	}
	if (!whole)
		ferry_pool_barrier(f->pool);
	begin = end = 0;
	while (ferry_pool_take(f->pool, n_heads, 1, &begin, &end))
		project_heads(p, all, layer, begin, end, whole ? &x : NULL);
}

/*
 * The query rows of a span that share a key head, token after token, are cut into items of at most
 * `rows` rows: large enough that a tile of keys is used many times, small enough that no
 * thread is left without work. Where heads do not make equal shares and the context is long, an
 * item is one run of positions only, and its records are merged behind a barrier.
 */
struct items {
	uint32_t rows;
	uint32_t n_runs; /* of the longest sequence; 0: items are not cut into runs */
	uint64_t n;
};

static uint32_t span_end(const struct ferry_span *span)
{
	return span->kv->n_past + span->n_tokens;
}

static uint32_t runs_of(uint32_t end)
{
	return (end - 1) / FERRY_ATTENTION_RUN + 1;
}

static uint64_t items_of_span(const struct ferry_pass *p, const struct ferry_span *span,
			      const struct items *items)
{
	const struct ferry_hparams *hp = &p->f->model->hp;
	const uint64_t all = (uint64_t)span->n_tokens * (hp->n_head / hp->n_head_kv);

	if (!all)
		return 0;
	return (all + items->rows - 1) / items->rows * hp->n_head_kv *
	       (items->n_runs ? runs_of(span_end(span)) : 1);
}

static void count(const struct ferry_pass *p, struct items *items)
{
	items->n = 0;
	for (uint32_t s = 0; s < p->n_spans; s++)
		items->n += items_of_span(p, &p->spans[s], items);
}

static struct items cut(const struct ferry_pass *p, uint32_t n_threads)
{
	const struct ferry_forward *f = p->f;
	const uint64_t n_rows = (uint64_t)p->n_tokens * f->model->hp.n_head;
	struct items items = {.rows = FERRY_ATTENTION_ROWS};
	uint32_t end = 1;

	count(p, &items);
	if (items.n % n_threads == 0 || items.n >= 8 * (uint64_t)n_threads)
		return items;
	for (uint32_t s = 0; s < p->n_spans; s++)
		end = p->spans[s].n_tokens && span_end(&p->spans[s]) > end ? span_end(&p->spans[s])
									   : end;
	if (runs_of(end) > 1 && n_rows * runs_of(end) <= f->n_records) {
		items.n_runs = runs_of(end);
		count(p, &items);
		return items;
	}
	while (items.rows > 1 && items.n < 2 * (uint64_t)n_threads && items.n % n_threads) {
		items.rows /= 2;
		count(p, &items);
	}
	return items;
}

/* What row @row of a key head sees; rows are counted from the span's first token, @first. */
static struct ferry_attention_row row_of(const struct ferry_pass *p, uint32_t layer, uint32_t first,
					 uint32_t kv_head, uint64_t row, size_t *at)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const uint32_t group = hp->n_head / hp->n_head_kv;
	const uint32_t t = first + (uint32_t)(row / group), end = f->tokens[t].position + 1;
	const bool cut_off = f->model->layers[layer].sliding && end > hp->n_swa;

	*at = (size_t)t * hp->n_head + kv_head * group + (size_t)(row % group);
	return (struct ferry_attention_row){
		.q = f->q + *at * hp->n_head_dim,
		.out = f->heads + *at * hp->n_value_dim,
		.begin = cut_off ? end - hp->n_swa : 0,
		.end = end,
	};
}

/* Head @at of all heads of all tokens to blocks. */
static void quantize_head(const struct ferry_pass *p, const struct ferry_input *in, size_t at)
{
	const struct ferry_hparams *hp = &p->f->model->hp;
	const size_t t = at / hp->n_head, head = at % hp->n_head;

	ferry_pass_quantize(p->f, in, t, p->f->heads + t * hp->n_head * hp->n_value_dim,
			    head * hp->n_value_dim, (head + 1) * hp->n_value_dim);
}

static float *record_of(const struct ferry_pass *p, const struct items *items, size_t at,
			uint32_t run)
{
	return p->f->records +
	       (at * items->n_runs + run) * ferry_attention_record(p->f->model->hp.n_value_dim);
}

/* Item @i of a span whose first token is token @first of the batch. */
static void attend(const struct ferry_pass *p, uint32_t layer, const struct ferry_span *span,
		   uint32_t first, uint64_t i, const struct items *items,
		   const struct ferry_input *quantize, float *scratch)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const uint32_t n_runs = items->n_runs ? runs_of(span_end(span)) : 1;
	const uint32_t run = (uint32_t)(i % n_runs),
		       kv_head = (uint32_t)(i / n_runs % hp->n_head_kv);
	const uint64_t row = i / n_runs / hp->n_head_kv * items->rows;
	const uint64_t left = (uint64_t)span->n_tokens * (hp->n_head / hp->n_head_kv) - row;
	const uint32_t n = (uint32_t)(left < items->rows ? left : items->rows);
	const struct ferry_attention_kv kv = ferry_kv_head(span->kv, layer, kv_head);
	const struct ferry_attention_scale scale = {hp->attention_scale, hp->attention_softcap};
	struct ferry_attention_row list[FERRY_ATTENTION_ROWS];
	size_t at[FERRY_ATTENTION_ROWS];

	for (uint32_t r = 0; r < n; r++) {
		list[r] = row_of(p, layer, first, kv_head, row + r, &at[r]);
		if (items->n_runs) {
			const uint64_t begin = (uint64_t)run * FERRY_ATTENTION_RUN;
			const uint64_t end = begin + FERRY_ATTENTION_RUN;

			list[r].out = record_of(p, items, at[r], run);
			list[r].begin = list[r].begin > begin ? list[r].begin : (uint32_t)begin;
			list[r].end = list[r].end < end ? list[r].end : (uint32_t)end;
		}
	}
	if (items->n_runs) {
		f->kernels->attention_run(&kv, list, n, &scale, scratch);
		return;
	}
	f->kernels->attention(&kv, list, n, &scale, scratch);
	for (uint32_t r = 0; quantize && r < n; r++)
		quantize_head(p, quantize, at[r]);
}

/* Records to heads, on this thread's share of them. */
static void merge_runs(const struct ferry_pass *p, uint32_t layer, const struct items *items,
		       const struct ferry_input *quantize, uint32_t thread, uint32_t n_threads)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const uint32_t group = hp->n_head / hp->n_head_kv;
	size_t begin, end, same;

	ferry_pool_share((size_t)p->n_tokens * hp->n_head, 1, thread, n_threads, &begin, &end);
	for (size_t at = begin; at < end; at++) {
		const uint32_t t = (uint32_t)(at / hp->n_head), head = (uint32_t)(at % hp->n_head);
		const struct ferry_attention_row row =
			row_of(p, layer, t, head / group, head % group, &same);
		const uint32_t run = row.begin / FERRY_ATTENTION_RUN;

		f->kernels->attention_merge(record_of(p, items, at, run), runs_of(row.end) - run,
					    ferry_attention_record(hp->n_value_dim),
					    hp->n_value_dim, row.out);
		if (quantize)
			quantize_head(p, quantize, at);
	}
}

/* Item @i of all spans. */
static void attend_item(const struct ferry_pass *p, uint32_t layer, uint64_t i,
			const struct items *items, const struct ferry_input *quantize,
			float *scratch)
{
	const struct ferry_span *span = p->spans;
	uint32_t first = 0;
	uint64_t n;

	for (; i >= (n = items_of_span(p, span, items)); i -= n)
		first += span++->n_tokens;
	attend(p, layer, span, first, i, items, quantize, scratch);
}

/* Where @quantize is given, heads are quantized for it as they come. */
static void attend_all(const struct ferry_pass *p, uint32_t layer,
		       const struct ferry_input *quantize, uint32_t thread, uint32_t n_threads)
{
	const struct items items = cut(p, n_threads);
	float *scratch = p->f->per_thread + thread * p->f->per_thread_floats;

	/* The last ones first, since later tokens have more to look at. */
	for (size_t begin = 0, end = 0;
	     ferry_pool_take(p->f->pool, (size_t)items.n, 1, &begin, &end);)
		for (size_t i = begin; i < end; i++)
			attend_item(p, layer, items.n - 1 - i, &items, quantize, scratch);
	if (!items.n_runs)
		return;
	ferry_pool_barrier(p->f->pool);
	merge_runs(p, layer, &items, quantize, thread, n_threads);
}

/* heads to blocks, on this thread's tokens */
static void quantize_heads(const struct ferry_pass *p, const struct ferry_input *in, size_t n,
			   uint32_t thread, uint32_t n_threads)
{
	size_t begin, end;

	ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	for (size_t t = begin; t < end; t++)
		ferry_pass_quantize(p->f, in, t, p->f->heads + t * n, 0, n);
}

void ferry_pass_attention(struct ferry_pass *p, uint32_t layer, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_weight wo = ferry_weight_of(f->model, f->model->layers[layer].wo, 0);
	const struct ferry_input heads =
		ferry_pass_input(f->heads, f->heads_quantized, p->n_tokens);
	const bool by_head = !(hp->n_value_dim % FERRY_ACTIVATION_BLOCK);
	size_t begin = 0, end = 0;

	project(p, layer, thread, n_threads);
	ferry_pool_barrier(f->pool);

	attend_all(p, layer, wo.is_packed && by_head ? &heads : NULL, thread,
		   n_threads); /* q, cache -> heads [T][n_head * n_value_dim] */
	ferry_pool_barrier(f->pool);
	if (wo.is_packed && !by_head) {
		quantize_heads(p, &heads, wo.rows.n_in, thread, n_threads);
		ferry_pool_barrier(f->pool);
	}

	while (ferry_pool_take(f->pool, hp->n_embd, ferry_pass_grain(p->n_tokens, 1), &begin,
			       &end)) {
		ferry_pass_multiply(f, &wo, &heads, f->y, begin, end); /* [T][n_embd] */
		for (uint32_t t = 0; t < p->n_tokens && f->vectors[layer].bo; t++)
			add(f->y + (size_t)t * hp->n_embd + begin, f->vectors[layer].bo + begin,
			    end - begin);
	}
}
