// SPDX-License-Identifier: MIT
#include "engine/forward.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "compute/rope.h"
#include "engine/pass.h"

bool ferry_all_finite(const float *x, size_t n)
{
	uint32_t bad = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, &x[i], sizeof(bits));
		bad |= (bits & 0x7f800000) == 0x7f800000;
	}
	return !bad;
}

void ferry_pass_multiply(const struct ferry_forward *f, const struct ferry_weight *w,
			 const struct ferry_input *x, float *y, size_t row_begin, size_t row_end)
{
	const size_t n_out = w->rows.n_out;

	if (row_begin == row_end)
		return;
	if (w->is_packed)
		f->kernels->matmul_packed(&w->packed, &x->q, x->first, x->n_tokens, y, n_out,
					  row_begin / FERRY_PACKED_LANES,
					  ferry_packed_n_groups(row_end));
	else
		f->kernels->matmul(&w->rows, x->x, w->rows.n_in, x->n_tokens, y, n_out, row_begin,
				   row_end);
}

void ferry_pass_multiply_all(const struct ferry_forward *f, const struct ferry_weight *w,
			     const struct ferry_input *x, float *y)
{
	const size_t n = w->rows.n_out;
	const size_t grain = ferry_pass_grain(x->n_tokens, 1);

	for (size_t begin = 0, end = 0; ferry_pool_take(f->pool, n, grain, &begin, &end);)
		ferry_pass_multiply(f, w, x, y, begin, end);
}

/* The angles of this thread's tokens, for all layers. */
static void compute_angles(struct ferry_pass *p, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	size_t begin, end;

	ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	for (size_t t = begin; t < end; t++) {
		ferry_rope_angles(f->angles_global + t * hp->n_rot, f->freq_global, hp->n_rot,
				  f->tokens[t].position, hp->rope_scale);
		if (hp->n_swa)
			ferry_rope_angles(f->angles_sliding + t * hp->n_rot, f->freq_sliding,
					  hp->n_rot, f->tokens[t].position, 1.0f);
	}
}

/*
 * From one block to the next, on this thread's tokens. hidden += y, or norm(y) where the
 * architecture has a norm behind the block (@post), unless nothing was computed yet; then
 * x = norm(hidden) with @weight, unless nothing follows.
 */
static void between(struct ferry_pass *p, bool add, const float *post, const float *weight,
		    bool quantize, uint32_t thread, uint32_t n_threads)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_input in = ferry_pass_block_input(p, thread);
	size_t begin = 0, end = 1;

	if (!p->alone)
		ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	for (size_t t = begin; t < end; t++) {
		const size_t row = p->alone ? thread : t;
		float *hidden = (p->alone ? f->hidden : p->hidden) + row * hp->n_embd;
		float *x = f->x + row * hp->n_embd;
		const float *y = f->y + t * hp->n_embd;

		/* All threads read y. */
		if (add && post) {
			f->kernels->rms_norm(x, y, post, hp->n_embd, hp->norm_eps);
			y = x;
		}
		for (uint32_t i = 0; add && i < hp->n_embd; i++)
			hidden[i] += y[i];
		if (weight)
			f->kernels->rms_norm(x, hidden, weight, hp->n_embd, hp->norm_eps);
		if (weight && quantize)
			ferry_pass_quantize(f, &in, t, x, 0, hp->n_embd);
	}
}

/* Wait for the x of other threads' tokens. */
static void meet(const struct ferry_pass *p)
{
	if (!p->alone)
		ferry_pool_barrier(p->f->pool);
}

/* Whether the inputs of attention, and of the feed-forward block, meet packed weights. */
static bool quantize_attention(const struct ferry_layer *l)
{
	return ferry_weight_is_packed(l->wq) || ferry_weight_is_packed(l->wk) ||
	       ferry_weight_is_packed(l->wv);
}

static bool quantize_feed_forward(const struct ferry_layer *l)
{
	return ferry_weight_is_packed(l->w_gate) || ferry_weight_is_packed(l->w_up) ||
	       ferry_weight_is_packed(l->e_gate) || ferry_weight_is_packed(l->e_up) ||
	       ferry_weight_is_packed(l->router);
}

/*
 * All threads run this together. T tokens; hidden is [T][n_embd]. Seven barriers per layer, two
 * of them inside attention and one inside the feed-forward block; attention has another one where
 * threads share the runs of a long context. For one token there are two less.
 */
static void run_layers(void *data, uint32_t thread, uint32_t n_threads)
{
	struct ferry_pass *p = data;
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const size_t n = hp->n_embd;
	size_t begin, end;

	compute_angles(p, thread, n_threads);
	if (p->alone) {
		memcpy(f->hidden + thread * n, p->hidden, n * sizeof(float));
		ferry_pool_barrier(f->pool); /* for the angles */
	}
	for (uint32_t i = p->begin; i < p->end; i++) {
		const struct ferry_layer *l = &f->model->layers[i];
		const struct ferry_layer_vectors *v = &f->vectors[i];
		const struct ferry_layer_vectors *before = i > p->begin ? v - 1 : NULL;

		between(p, before, before ? before->post_ffn_norm : NULL, v->attn_norm,
			quantize_attention(l), thread, n_threads); /* x [T][n_embd] */
		meet(p);
		ferry_pass_attention(p, i, thread, n_threads); /* y [T][n_embd] */
		ferry_pool_barrier(f->pool);
		between(p, true, v->post_attn_norm, v->ffn_norm, quantize_feed_forward(l), thread,
			n_threads); /* x [T][n_embd] */
		meet(p);
		if (hp->n_experts)
			ferry_pass_experts(p, i, thread, n_threads); /* y [T][n_embd] */
		else
			ferry_pass_feed_forward(p, i, thread); /* y [T][n_embd] */
		ferry_pool_barrier(f->pool);
	}
	between(p, true, f->vectors[p->end - 1].post_ffn_norm, NULL, false, thread, n_threads);
	/* The tokens that this thread has just added to. */
	ferry_pool_share(p->n_tokens, 1, thread, n_threads, &begin, &end);
	if (p->alone && begin < end)
		memcpy(p->hidden, f->hidden + thread * n, n * sizeof(float));
	if (!ferry_all_finite(p->hidden + begin * n, (end - begin) * n))
		atomic_store(&p->bad, true);
}

/* Is there room, and does everything belong together? Fills f->tokens. */
static int check_spans(struct ferry_pass *p, struct ferry_error *err)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;

	if (p->begin > p->end || p->end > hp->n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "layers %u to %u are not in a model of %u layers", p->begin,
				  p->end, hp->n_layers);
	for (uint32_t s = 0; s < p->n_spans; s++) {
		const struct ferry_span *span = &p->spans[s];
		const struct ferry_kv_cache *kv = span->kv;

		if (kv->model != f->model)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "a KV cache belongs to another model than the pass");
		if (kv->layer_begin > p->begin || kv->layer_end < p->end)
			return ferry_fail(
				err, FERRY_ERROR_CALLER, -EINVAL,
				"a KV cache of layers %u to %u cannot serve layers %u to %u",
				kv->layer_begin, kv->layer_end, p->begin, p->end);
		for (uint32_t other = 0; other < s; other++)
			if (p->spans[other].kv == kv)
				return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
						  "two spans of one pass have the same KV cache");
		if (span->n_tokens > f->max_tokens - p->n_tokens)
			return ferry_fail(
				err, FERRY_ERROR_CALLER, -EINVAL,
				"the spans have more than the %u tokens that the pass was "
				"made for",
				f->max_tokens);
		if (kv->n_past > kv->n_ctx || span->n_tokens > kv->n_ctx - kv->n_past)
			return ferry_fail(
				err, FERRY_ERROR_CALLER, -ENOSPC,
				"%u more tokens do not fit a context of %u that holds %u: "
				"use a larger context",
				span->n_tokens, kv->n_ctx, kv->n_past);
		for (uint32_t i = 0; i < span->n_tokens; i++)
			f->tokens[p->n_tokens++] = (struct ferry_token){span->kv, kv->n_past + i};
	}
	return 0;
}

int ferry_forward_try_layers(struct ferry_forward *f, const struct ferry_span *spans,
			     uint32_t n_spans, uint32_t begin, uint32_t end, float *hidden,
			     bool *finite, struct ferry_error *err)
{
	struct ferry_pass p = {
		.f = f,
		.spans = spans,
		.n_spans = n_spans,
		.begin = begin,
		.end = end,
		.hidden = hidden,
	};
	int ret = check_spans(&p, err);

	*finite = true;
	if (ret || !p.n_tokens || begin == end)
		return ret;
	p.alone = p.n_tokens == 1;
	if (f->path == FERRY_PATH_REFERENCE)
		ferry_reference_layers(&p);
	else
		ferry_pool_run(f->pool, run_layers, &p);
	*finite = !atomic_load(&p.bad);
	return 0;
}

int ferry_forward_layers(struct ferry_forward *f, const struct ferry_span *spans, uint32_t n_spans,
			 uint32_t begin, uint32_t end, float *hidden, struct ferry_error *err)
{
	bool finite;
	int ret = ferry_forward_try_layers(f, spans, n_spans, begin, end, hidden, &finite, err);

	return ret || finite ? ret : ferry_model_find_bad_tensor(f->model, err);
}

void ferry_forward_advance(const struct ferry_span *spans, uint32_t n_spans)
{
	for (uint32_t s = 0; s < n_spans; s++)
		spans[s].kv->n_past += spans[s].n_tokens;
}

int ferry_forward_embed(struct ferry_forward *f, const int32_t *ids, uint32_t n, float *hidden,
			struct ferry_error *err)
{
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_matrix table = ferry_matrix_of(f->model->token_embd, 0);
	const float scale = sqrtf((float)hp->n_embd);

	for (uint32_t t = 0; t < n; t++)
		if (ids[t] < 0 || (uint32_t)ids[t] >= hp->n_vocab)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "token id %d is outside the vocabulary of %u", ids[t],
					  hp->n_vocab);
	for (uint32_t t = 0; t < n; t++, hidden += hp->n_embd) {
		f->kernels->unpack(table.type, table.rows + (size_t)ids[t] * table.row_bytes,
				   hidden, hp->n_embd);
		if (f->model->arch->scale_embeddings)
			for (uint32_t i = 0; i < hp->n_embd; i++)
				hidden[i] *= scale;
	}
	return 0;
}

struct head {
	struct ferry_forward *f;
	const float *hidden; /* [n][n_embd] */
	float *logits;	     /* [n][n_vocab] */
	uint32_t n;	     /* <= max_tokens */
	atomic_bool bad;
};

static void finish_logits(struct head *h, float *logits, size_t n)
{
	const struct ferry_hparams *hp = &h->f->model->hp;

	/* Before the cap, which would make an infinity look like any large logit. */
	if (!ferry_all_finite(logits, n))
		atomic_store(&h->bad, true);
	if (hp->logit_softcap > 0.0f)
		h->f->kernels->softcap(logits, n, hp->logit_softcap);
}

static void run_head(void *data, uint32_t thread, uint32_t n_threads)
{
	struct head *h = data;
	struct ferry_forward *f = h->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_weight output = ferry_weight_of(f->model, f->model->output, 0);
	const bool alone = h->n == 1; /* as in a pass */
	const struct ferry_input in = ferry_pass_input_from(f, alone ? thread : 0, h->n);
	size_t begin = 0, end = 1;

	if (!alone)
		ferry_pool_share(h->n, 1, thread, n_threads, &begin, &end);
	for (size_t t = begin; t < end; t++) {
		float *x = f->x + (alone ? thread : t) * hp->n_embd;

		f->kernels->rms_norm(x, h->hidden + t * hp->n_embd, f->output_norm, hp->n_embd,
				     hp->norm_eps);
		if (output.is_packed)
			ferry_pass_quantize(f, &in, t, x, 0, hp->n_embd);
	}
	if (!alone)
		ferry_pool_barrier(f->pool);
	begin = end = 0;
	while (ferry_pool_take(f->pool, hp->n_vocab, ferry_pass_grain(h->n, 1), &begin, &end)) {
		ferry_pass_multiply(f, &output, &in, h->logits, begin, end);
		for (uint32_t t = 0; t < h->n; t++)
			finish_logits(h, h->logits + (size_t)t * hp->n_vocab + begin, end - begin);
	}
}

bool ferry_forward_try_head(struct ferry_forward *f, const float *hidden, uint32_t n, float *logits)
{
	const struct ferry_hparams *hp = &f->model->hp;
	struct head h = {.f = f, .hidden = hidden, .logits = logits};

	for (; n; n -= h.n) {
		h.n = n < f->max_tokens ? n : f->max_tokens;
		if (f->path == FERRY_PATH_REFERENCE) {
			if (!ferry_reference_head(f, h.hidden, h.n, h.logits))
				atomic_store(&h.bad, true);
		} else {
			ferry_pool_run(f->pool, run_head, &h);
		}
		h.hidden += (size_t)h.n * hp->n_embd;
		h.logits += (size_t)h.n * hp->n_vocab;
	}
	return !atomic_load(&h.bad);
}

int ferry_forward_head(struct ferry_forward *f, const float *hidden, uint32_t n, float *logits,
		       struct ferry_error *err)
{
	return ferry_forward_try_head(f, hidden, n, logits)
		       ? 0
		       : ferry_model_find_bad_tensor(f->model, err);
}
