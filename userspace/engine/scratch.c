// SPDX-License-Identifier: MIT
/*
 * All memory of a forward pass, taken at once: nothing is allocated while tokens wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compute/dequantize.h"
#include "compute/rope.h"
#include "engine/pass.h"

/* Allocates until something fails; then everything else fails too. */
struct taker {
	struct ferry_arena *arena;
	uint64_t bytes; /* asked for */
	bool failed;
};

/* [rows][columns] elements, zeroed; NULL for none. */
static void *take(struct taker *t, uint64_t rows, uint64_t columns, size_t size)
{
	uint64_t n;
	void *p;

	if (t->failed || !rows || !columns)
		return NULL;
	p = __builtin_mul_overflow(rows, columns, &n) || n > SIZE_MAX
		    ? NULL
		    : ferry_arena_alloc(t->arena, (size_t)n, size);
	if (__builtin_mul_overflow(n, size, &n) || __builtin_add_overflow(t->bytes, n, &t->bytes))
		t->bytes = UINT64_MAX;
	t->failed = !p;
	return p;
}

static float *take_floats(struct taker *t, uint64_t rows, uint64_t columns)
{
	return take(t, rows, columns, sizeof(float));
}

/* An aligned copy of a vector of the file; NULL where the file has none. */
static float *copy_vector(struct taker *t, const struct ferry_tensor *tensor)
{
	float *v = tensor ? take_floats(t, 1, tensor->dim[0]) : NULL;

	if (v)
		ferry_dequantize_row(tensor->type, tensor->data, v, tensor->dim[0]);
	return v;
}

static void copy_vectors(struct taker *t, struct ferry_forward *f)
{
	const struct ferry_model *m = f->model;

	f->vectors = take(t, 1, m->hp.n_layers, sizeof(*f->vectors));
	for (uint32_t i = 0; i < m->hp.n_layers && !t->failed; i++) {
		const struct ferry_layer *l = &m->layers[i];

		f->vectors[i] = (struct ferry_layer_vectors){
			.attn_norm = copy_vector(t, l->attn_norm),
			.bq = copy_vector(t, l->bq),
			.bk = copy_vector(t, l->bk),
			.bv = copy_vector(t, l->bv),
			.q_norm = copy_vector(t, l->q_norm),
			.k_norm = copy_vector(t, l->k_norm),
			.bo = copy_vector(t, l->bo),
			.post_attn_norm = copy_vector(t, l->post_attn_norm),
			.ffn_norm = copy_vector(t, l->ffn_norm),
			.post_ffn_norm = copy_vector(t, l->post_ffn_norm),
		};
	}
	f->output_norm = copy_vector(t, m->output_norm);
}

/* Activations of @rows rows of @columns: whole blocks of them, or none. */
static struct ferry_q8_block *take_activations(struct taker *t, uint64_t rows, uint64_t columns)
{
	return take(t, rows, columns / FERRY_ACTIVATION_BLOCK, sizeof(struct ferry_q8_block));
}

static void take_rope(struct taker *t, struct ferry_forward *f)
{
	const struct ferry_hparams *hp = &f->model->hp;
	float *divisors = copy_vector(t, f->model->rope_freqs);

	f->freq_global = take_floats(t, 1, hp->n_rot / 2);
	f->freq_sliding = take_floats(t, 1, hp->n_rot / 2);
	f->angles_global = take_floats(t, f->max_tokens, hp->n_rot);
	f->angles_sliding = take_floats(t, hp->n_swa ? f->max_tokens : 0, hp->n_rot);
	if (t->failed)
		return;
	ferry_rope_frequencies(f->freq_global, hp->n_rot, hp->rope_base, divisors);
	ferry_rope_frequencies(f->freq_sliding, hp->n_rot, hp->rope_base_local, NULL);
}

static void take_experts(struct taker *t, struct ferry_forward *f)
{
	const struct ferry_hparams *hp = &f->model->hp;
	const uint64_t n_pairs = (uint64_t)f->max_tokens * hp->n_experts_used;
	struct ferry_moe_scratch *moe = &f->moe;

	if (!hp->n_experts)
		return;
	if (n_pairs > UINT32_MAX) { /* indices are 32 bits */
		t->failed = true;
		t->bytes = UINT64_MAX;
		return;
	}
	moe->router = take_floats(t, f->max_tokens, hp->n_experts);
	moe->chosen = take(t, 1, n_pairs, sizeof(*moe->chosen));
	moe->weight = take_floats(t, 1, n_pairs);
	moe->begin = take(t, 1, (uint64_t)hp->n_experts + 1, sizeof(*moe->begin));
	moe->place = take(t, 1, n_pairs, sizeof(*moe->place));
	moe->x = take_floats(t, n_pairs, hp->n_embd);
	moe->gate = take_floats(t, n_pairs, hp->n_ff_expert);
	moe->up = take_floats(t, n_pairs, hp->n_ff_expert);
	moe->x_quantized = take_activations(t, n_pairs, hp->n_embd);
	moe->gate_quantized = take_activations(t, n_pairs, hp->n_ff_expert);
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/*
 * The attention kernel's; or the oracle's: a row of weights, or a key, a value and sums in double.
 */
static size_t per_thread_floats(const struct ferry_forward *f)
{
	const struct ferry_hparams *hp = &f->model->hp;
	size_t n = ferry_attention_scratch(hp->n_head_dim, hp->n_value_dim);

	if (f->path == FERRY_PATH_REFERENCE) {
		n = larger(hp->n_embd, (size_t)hp->n_head * hp->n_value_dim);
		n = larger(n, larger(hp->n_ff, hp->n_ff_expert));
		n = larger(n, hp->n_head_dim + 3 * (size_t)hp->n_value_dim);
	}
	return (n + 15) / 16 * 16; /* no two threads in one cache line */
}

/* As many as one token of a long context has; where more were needed, none are used. */
static uint64_t n_records(const struct ferry_forward *f)
{
	enum { LONG = 128 * 1024 };
	const struct ferry_hparams *hp = &f->model->hp;
	const uint32_t n_ctx = hp->n_ctx_train < LONG ? hp->n_ctx_train : LONG;

	if (f->path == FERRY_PATH_REFERENCE || ferry_pool_n_threads(f->pool) == 1)
		return 0;
	return (uint64_t)hp->n_head * (n_ctx / FERRY_ATTENTION_RUN + 1);
}

static void take_all(struct taker *t, struct ferry_forward *f)
{
	const struct ferry_hparams *hp = &f->model->hp;
	const uint64_t T = f->max_tokens, n_threads = ferry_pool_n_threads(f->pool);
	const uint64_t rows = n_threads > T ? n_threads : T; /* see `alone` in pass.h */

	copy_vectors(t, f);
	take_rope(t, f);
	f->tokens = take(t, 1, T, sizeof(*f->tokens));
	f->x = take_floats(t, rows, hp->n_embd);
	f->y = take_floats(t, T, hp->n_embd);
	f->hidden = take_floats(t, n_threads, hp->n_embd);
	f->q = take_floats(t, T, (uint64_t)hp->n_head * hp->n_head_dim);
	f->k = take_floats(t, T, (uint64_t)hp->n_head_kv * hp->n_head_dim);
	f->v = take_floats(t, T, (uint64_t)hp->n_head_kv * hp->n_value_dim);
	f->heads = take_floats(t, T, (uint64_t)hp->n_head * hp->n_value_dim);
	f->gate = take_floats(t, T, hp->n_ff);
	f->up = take_floats(t, T, hp->n_ff);
	f->x_quantized = take_activations(t, rows, hp->n_embd);
	f->heads_quantized = take_activations(t, T, (uint64_t)hp->n_head * hp->n_value_dim);
	f->gate_quantized = take_activations(t, T, hp->n_ff);
	take_experts(t, f);
	f->per_thread_floats = per_thread_floats(f);
	f->per_thread = take_floats(t, n_threads, f->per_thread_floats);
	f->n_records = n_records(f);
	f->records = take_floats(t, f->n_records, ferry_attention_record(hp->n_value_dim));
}

int ferry_forward_new(const struct ferry_model *m, struct ferry_pool *pool, uint32_t max_tokens,
		      enum ferry_path path, struct ferry_forward **out, struct ferry_error *err)
{
	const struct ferry_kernels *kernels;
	struct ferry_forward *f;
	struct taker t;
	int ret;

	*out = NULL;
	if (!max_tokens)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a forward pass needs room for at least one token");
	if (path == FERRY_PATH_DEFAULT && !m->weights)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the weights of the model are not prepared for a forward pass");
	ret = ferry_kernels_choose(&kernels, err);
	if (ret)
		return ret;
	f = calloc(1, sizeof(*f));
	if (!f)
		return ferry_fail_memory(err, "a forward pass", sizeof(*f));
	*f = (struct ferry_forward){
		.model = m,
		.kernels = kernels,
		.pool = pool,
		.path = path,
		.gelu = ferry_reference_gelu,
		.max_tokens = max_tokens,
	};
	t = (struct taker){.arena = &f->arena};
	take_all(&t, f);
	if (t.failed) {
		ferry_forward_free(f);
		return ferry_fail_memory(err, "a forward pass of that many tokens", t.bytes);
	}
	*out = f;
	return 0;
}

void ferry_forward_free(struct ferry_forward *f)
{
	if (!f)
		return;
	ferry_arena_free(&f->arena);
	free(f);
}

uint32_t ferry_forward_max_tokens(const struct ferry_forward *f)
{
	return f->max_tokens;
}

const struct ferry_kernels *ferry_forward_kernels(const struct ferry_forward *f)
{
	return f->kernels;
}
