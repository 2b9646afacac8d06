// SPDX-License-Identifier: MIT
/*
 * The oracle: the forward pass written down once more, as plainly as possible. One token, one
 * head, one weight at a time; long sums in double precision, in the order of the formula; the C
 * library's exp, tanh, sin and cos. It shares no arithmetic with the default path but the
 * dequantization of weights, so that the two can be compared. Threads only share out rows and
 * heads.
 */
#include <math.h>
#include <string.h>

#include "compute/matmul.h"
#include "engine/kv_layout.h"
#include "engine/pass.h"

struct product {
	const struct ferry_forward *f;
	struct ferry_matrix w;
	const float *x;
	float *y;
	uint32_t n_tokens;
};

static void multiply_rows(void *data, uint32_t thread, uint32_t n_threads)
{
	const struct product *p = data;
	size_t begin, end;

	ferry_pool_share(p->w.n_out, 1, thread, n_threads, &begin, &end);
	ferry_matmul_reference(&p->w, p->x, p->n_tokens, p->y, begin, end,
			       p->f->per_thread + thread * p->f->per_thread_floats);
}

/* y [n_tokens][n_out] = matrix @i of the tensor times x [n_tokens][n_in] */
static void multiply(const struct ferry_forward *f, const struct ferry_tensor *w, size_t i,
		     const float *x, uint32_t n_tokens, float *y)
{
	struct product p = {
		.f = f, .w = ferry_matrix_of(w, i), .x = x, .y = y, .n_tokens = n_tokens};

	ferry_pool_run(f->pool, multiply_rows, &p);
}

/* y = x / sqrt(mean(x^2) + eps) * w; y may be x */
static void rms_norm(float *y, const float *x, const float *w, uint32_t n, float eps)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	for (uint32_t i = 0; i < n; i++)
		y[i] = (float)(x[i] / sqrt(sum / n + eps) * w[i]);
}

double ferry_reference_gelu(double x)
{
	return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double activate(const struct ferry_forward *f, double x)
{
	return f->model->arch->act == FERRY_ACT_SILU ? x / (1.0 + exp(-x)) : f->gelu(x);
}

static double cap(double x, double limit)
{
	return limit > 0.0 ? limit * tanh(x / limit) : x;
}

/* Rotates one head that stands at a position. */
static void rope(const struct ferry_forward *f, uint32_t layer, float *x, uint32_t position)
{
	const struct ferry_model *m = f->model;
	const uint32_t n_rot = m->hp.n_rot;
	const bool sliding = m->layers[layer].sliding;
	const double base = sliding ? m->hp.rope_base_local : m->hp.rope_base;
	const double scale = sliding ? 1.0 : m->hp.rope_scale;

	for (uint32_t i = 0; i < n_rot / 2; i++) {
		const bool pairs = m->arch->rope == FERRY_ROPE_PAIRS;
		float *const a = &x[pairs ? 2 * i : i],
			     *const b = &x[pairs ? 2 * i + 1 : i + n_rot / 2];
		const double re = *a, im = *b;
		double angle = position * scale * pow(base, -2.0 * i / n_rot);

		if (m->rope_freqs && !sliding) {
			float divisor;

			memcpy(&divisor, m->rope_freqs->data + i * sizeof(divisor),
			       sizeof(divisor));
			angle /= divisor;
		}
		*a = (float)(re * cos(angle) - im * sin(angle));
		*b = (float)(re * sin(angle) + im * cos(angle));
	}
}

/* Bias, norm and rope of all heads of one token's queries or keys. */
static void finish_heads(const struct ferry_forward *f, uint32_t layer, float *x, uint32_t n_heads,
			 const float *bias, const float *norm, uint32_t position)
{
	const struct ferry_hparams *hp = &f->model->hp;

	for (uint32_t h = 0; h < n_heads; h++) {
		float *head = x + (size_t)h * hp->n_head_dim;

		for (uint32_t d = 0; bias && d < hp->n_head_dim; d++)
			head[d] += bias[(size_t)h * hp->n_head_dim + d];
		if (norm)
			rms_norm(head, head, norm, hp->n_head_dim, hp->norm_eps);
		rope(f, layer, head, position);
	}
}

struct attention {
	const struct ferry_pass *p;
	uint32_t layer;
};

/* One query head of one token: first the largest score, then the weighted sum of values. */
static void attend(const struct ferry_pass *p, uint32_t layer, uint32_t t, uint32_t head,
		   void *scratch)
{
	const struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const uint32_t position = f->tokens[t].position,
		       kv_head = head / (hp->n_head / hp->n_head_kv);
	const float *q = f->q + ((size_t)t * hp->n_head + head) * hp->n_head_dim;
	float *out = f->heads + ((size_t)t * hp->n_head + head) * hp->n_value_dim;
	const struct ferry_attention_kv kv = ferry_kv_head(f->tokens[t].kv, layer, kv_head);
	double *weighted = scratch; /* [n_value_dim] */
	float *key = (float *)(weighted + hp->n_value_dim), *value = key + hp->n_head_dim;
	double max = -INFINITY, sum = 0.0;

	memset(weighted, 0, hp->n_value_dim * sizeof(*weighted));
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t j = 0; j <= position; j++) {
			double weight, s = 0.0;

			if (f->model->layers[layer].sliding && position - j >= hp->n_swa)
				continue;
			ferry_attention_get_key(&kv, j, key);
			ferry_attention_get_value(&kv, j, value);
			for (uint32_t d = 0; d < hp->n_head_dim; d++)
				s += (double)q[d] * key[d];
			s = cap(s * hp->attention_scale, hp->attention_softcap);
			if (pass == 0) {
				max = s > max ? s : max;
				continue;
			}
			weight = exp(s - max);
			sum += weight;
			for (uint32_t d = 0; d < hp->n_value_dim; d++)
				weighted[d] += weight * value[d];
		}
	}
	for (uint32_t d = 0; d < hp->n_value_dim; d++)
		out[d] = (float)(weighted[d] / sum);
}

static void attend_heads(void *data, uint32_t thread, uint32_t n_threads)
{
	const struct attention *a = data;
	const struct ferry_forward *f = a->p->f;
	const uint32_t n_head = f->model->hp.n_head;
	size_t begin, end;

	ferry_pool_share((size_t)a->p->n_tokens * n_head, 1, thread, n_threads, &begin, &end);
	for (size_t i = begin; i < end; i++)
		attend(a->p, a->layer, (uint32_t)(i / n_head), (uint32_t)(i % n_head),
		       f->per_thread + thread * f->per_thread_floats);
}

/* x [T][n_embd] to y [T][n_embd] */
static void attention(struct ferry_pass *p, uint32_t layer)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer *l = &f->model->layers[layer];
	const struct ferry_layer_vectors *v = &f->vectors[layer];
	struct attention a = {.p = p, .layer = layer};

	multiply(f, l->wq, 0, f->x, p->n_tokens, f->q);
	multiply(f, l->wk, 0, f->x, p->n_tokens, f->k);
	multiply(f, l->wv, 0, f->x, p->n_tokens, f->v);
	for (uint32_t t = 0; t < p->n_tokens; t++) {
		float *q = f->q + (size_t)t * hp->n_head * hp->n_head_dim;
		float *key = f->k + (size_t)t * hp->n_head_kv * hp->n_head_dim;
		float *value = f->v + (size_t)t * hp->n_head_kv * hp->n_value_dim;
		const uint32_t position = f->tokens[t].position;

		finish_heads(f, layer, q, hp->n_head, v->bq, v->q_norm, position);
		finish_heads(f, layer, key, hp->n_head_kv, v->bk, v->k_norm, position);
		for (uint32_t i = 0; v->bv && i < hp->n_head_kv * hp->n_value_dim; i++)
			value[i] += v->bv[i];
		for (uint32_t h = 0; h < hp->n_head_kv; h++) {
			const struct ferry_attention_kv kv =
				ferry_kv_head(f->tokens[t].kv, layer, h);

			f->kernels->put_key(&kv, position, key + (size_t)h * hp->n_head_dim);
			f->kernels->put_value(&kv, position, value + (size_t)h * hp->n_value_dim);
		}
	}
	ferry_pool_run(f->pool, attend_heads, &a);
	multiply(f, l->wo, 0, f->heads, p->n_tokens, f->y);
	for (size_t i = 0; v->bo && i < (size_t)p->n_tokens * hp->n_embd; i++)
		f->y[i] += v->bo[i % hp->n_embd];
}

static void feed_forward(struct ferry_pass *p, uint32_t layer)
{
	struct ferry_forward *f = p->f;
	const struct ferry_layer *l = &f->model->layers[layer];

	multiply(f, l->w_gate, 0, f->x, p->n_tokens, f->gate);
	multiply(f, l->w_up, 0, f->x, p->n_tokens, f->up);
	for (size_t i = 0; i < (size_t)p->n_tokens * f->model->hp.n_ff; i++)
		f->gate[i] = (float)(activate(f, f->gate[i]) * f->up[i]);
	multiply(f, l->w_down, 0, f->gate, p->n_tokens, f->y);
}

/* The experts that precede an expert: those more probable, or as probable with a lower number. */
static uint32_t rank_of(const float *logits, uint32_t n, uint32_t expert)
{
	uint32_t rank = 0;

	for (uint32_t e = 0; e < n; e++)
		rank += logits[e] > logits[expert] || (logits[e] == logits[expert] && e < expert);
	return rank;
}

/* softmax over all experts, the best ones kept, their weights scaled to sum 1 */
static void experts(struct ferry_pass *p, uint32_t layer)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const struct ferry_layer *l = &f->model->layers[layer];
	float *logits = f->moe.router, *gate = f->moe.gate, *up = f->moe.up, *out = f->moe.x;

	for (uint32_t t = 0; t < p->n_tokens; t++) {
		const float *x = f->x + (size_t)t * hp->n_embd;
		float *y = f->y + (size_t)t * hp->n_embd;
		double sum = 0.0, max = -INFINITY;

		multiply(f, l->router, 0, x, 1, logits);
		memset(y, 0, hp->n_embd * sizeof(*y));
		for (uint32_t e = 0; e < hp->n_experts; e++)
			max = logits[e] > max ? logits[e] : max;
		for (uint32_t e = 0; e < hp->n_experts; e++)
			if (rank_of(logits, hp->n_experts, e) < hp->n_experts_used)
				sum += exp(logits[e] - max);
		for (uint32_t e = 0; e < hp->n_experts; e++) {
			if (rank_of(logits, hp->n_experts, e) >= hp->n_experts_used)
				continue;
			multiply(f, l->e_gate, e, x, 1, gate);
			multiply(f, l->e_up, e, x, 1, up);
			for (uint32_t i = 0; i < hp->n_ff_expert; i++)
				gate[i] = (float)(activate(f, gate[i]) * up[i]);
			multiply(f, l->e_down, e, gate, 1, out);
			for (uint32_t i = 0; i < hp->n_embd; i++)
				y[i] += (float)(exp(logits[e] - max) / sum * out[i]);
		}
	}
}

void ferry_reference_layers(struct ferry_pass *p)
{
	struct ferry_forward *f = p->f;
	const struct ferry_hparams *hp = &f->model->hp;
	const size_t n = (size_t)p->n_tokens * hp->n_embd;

	for (uint32_t i = p->begin; i < p->end; i++) {
		const struct ferry_layer_vectors *v = &f->vectors[i];

		for (size_t t = 0; t < n; t += hp->n_embd)
			rms_norm(f->x + t, p->hidden + t, v->attn_norm, hp->n_embd, hp->norm_eps);
		attention(p, i);
		for (size_t t = 0; v->post_attn_norm && t < n; t += hp->n_embd)
			rms_norm(f->y + t, f->y + t, v->post_attn_norm, hp->n_embd, hp->norm_eps);
		for (size_t j = 0; j < n; j++)
			p->hidden[j] += f->y[j];

		for (size_t t = 0; t < n; t += hp->n_embd)
			rms_norm(f->x + t, p->hidden + t, v->ffn_norm, hp->n_embd, hp->norm_eps);
		if (hp->n_experts)
			experts(p, i);
		else
			feed_forward(p, i);
		for (size_t t = 0; v->post_ffn_norm && t < n; t += hp->n_embd)
			rms_norm(f->y + t, f->y + t, v->post_ffn_norm, hp->n_embd, hp->norm_eps);
		for (size_t j = 0; j < n; j++)
			p->hidden[j] += f->y[j];
	}
	if (!ferry_all_finite(p->hidden, n))
		atomic_store(&p->bad, true);
}

bool ferry_reference_head(struct ferry_forward *f, const float *hidden, uint32_t n, float *logits)
{
	const struct ferry_hparams *hp = &f->model->hp;
	const size_t n_logits = (size_t)n * hp->n_vocab;
	bool finite;

	for (uint32_t t = 0; t < n; t++)
		rms_norm(f->x + (size_t)t * hp->n_embd, hidden + (size_t)t * hp->n_embd,
			 f->output_norm, hp->n_embd, hp->norm_eps);
	multiply(f, f->model->output, 0, f->x, n, logits);
	finite = ferry_all_finite(logits, n_logits);
	for (size_t i = 0; i < n_logits; i++)
		logits[i] = (float)cap(logits[i], hp->logit_softcap);
	return finite;
}
