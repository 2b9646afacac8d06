/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a forward pass share: its scratch memory and the batch it works on. Unless it
 * says otherwise, a function here runs on all threads of the pool at once; each takes its part of
 * the rows, heads or tokens, and a barrier separates the writers of a buffer from its readers.
 */
#ifndef FERRY_ENGINE_PASS_H
#define FERRY_ENGINE_PASS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "compute/kernels.h"
#include "engine/forward.h"
#include "engine/weights.h"

/*
 * Norms and biases of a layer, copied out of the file, where they may be unaligned; NULL as there.
 */
struct ferry_layer_vectors {
	float *attn_norm, *bq, *bk, *bv, *q_norm, *k_norm, *bo, *post_attn_norm;
	float *ffn_norm, *post_ffn_norm;
};

/* A token of the batch. */
struct ferry_token {
	struct ferry_kv_cache *kv;
	uint32_t position;
};

/* Mixture of experts: P = max_tokens * n_experts_used pairs of a token and one of its experts. */
struct ferry_moe_scratch {
	float *router;	      /* [T][n_experts] */
	uint32_t *chosen;     /* [P] experts of each token, best first */
	float *weight;	      /* [P] */
	uint32_t *begin;      /* [n_experts + 1] each expert's pairs in the order below */
	uint32_t *place;      /* [P] where a pair lies in that order */
	float *x, *gate, *up; /* [P][n_embd], [P][n_ff_expert], sorted by expert */
	struct ferry_q8_block *x_quantized, *gate_quantized; /* [n_embd / 32][P], ... */
};

struct ferry_forward {
	const struct ferry_model *model;
	const struct ferry_kernels *kernels;
	struct ferry_pool *pool;
	enum ferry_path path;
	double (*gelu)(double x); /* the oracle's; a test puts another runtime's in its place */
	uint32_t max_tokens;	  /* T */
	struct ferry_arena arena;

	struct ferry_layer_vectors *vectors; /* [n_layers] */
	float *output_norm;		     /* [n_embd] */
	float *freq_global, *freq_sliding;   /* [n_rot / 2] */

	struct ferry_token *tokens;	       /* [T] */
	float *angles_global, *angles_sliding; /* [T][n_rot] */
	float *x;	  /* [T][n_embd] normed input of a block; or see `alone` */
	float *y;	  /* [T][n_embd] its output, not yet added */
	float *q, *k, *v; /* [T][heads * dim] */
	float *heads;	  /* [T][n_head * n_value_dim] */
	float *gate, *up; /* [T][n_ff] */
	float *hidden;	  /* [n_threads][n_embd] each thread's own, where a token is alone */
	/* x, heads and gate for packed weights; [n / 32][tokens of the pass] */
	struct ferry_q8_block *x_quantized, *heads_quantized, *gate_quantized;
	struct ferry_moe_scratch moe;
	float *per_thread; /* [n_threads][per_thread_floats] */
	size_t per_thread_floats;
	float *records; /* [n_records][a record]: parts of long contexts; see attention.c */
	uint64_t n_records;
};

/* One call of ferry_forward_layers(). */
struct ferry_pass {
	struct ferry_forward *f;
	const struct ferry_span *spans;
	uint32_t n_spans, n_tokens;
	uint32_t begin, end;
	/*
	 * One token: what is between two blocks, each thread computes for itself, in row `thread`
	 * of f->hidden and f->x, instead of waiting for the one that would do it for all.
	 */
	bool alone;
	float *hidden;	 /* [n_tokens][n_embd] */
	atomic_bool bad; /* something is not finite */
};

/* attention.c: f->x to f->y, through the layer's cache */
void ferry_pass_attention(struct ferry_pass *p, uint32_t layer, uint32_t thread,
			  uint32_t n_threads);

/* feed_forward.c: f->x to f->y */
void ferry_pass_feed_forward(struct ferry_pass *p, uint32_t layer, uint32_t thread);

/* experts.c: f->x to f->y */
void ferry_pass_experts(struct ferry_pass *p, uint32_t layer, uint32_t thread, uint32_t n_threads);

/* The rows of a matrix of @n rows that are this thread's: whole cache lines of its output. */
static inline void ferry_pass_rows(size_t n, uint32_t thread, uint32_t n_threads, size_t *begin,
				   size_t *end)
{
	ferry_pool_share(n, 16, thread, n_threads, begin, end);
}

/*
 * Rows of the unit in which work is taken: with many tokens those that the kernels like to have
 * together, with one as few as there can be. @block: the rows make a block of the next matrix's
 * input, or 1.
 */
static inline size_t ferry_pass_grain(uint32_t n_tokens, size_t block)
{
	return n_tokens > 1 ? 64 : block > FERRY_PACKED_LANES ? block : FERRY_PACKED_LANES;
}

/* What a matrix is multiplied with: rows [first, first + n_tokens) of activations. */
struct ferry_input {
	const float *x;		    /* row @first, [n_tokens][n_in] */
	struct ferry_activations q; /* all rows, where weights are packed */
	size_t first;
	uint32_t n_tokens;
};

static inline struct ferry_input ferry_pass_input(const float *x, struct ferry_q8_block *q,
						  uint32_t n_tokens)
{
	return (struct ferry_input){.x = x, .q = {q, n_tokens}, .n_tokens = n_tokens};
}

/* Row @row of f->x, and those behind it: the input of a block for n_tokens tokens. */
static inline struct ferry_input ferry_pass_input_from(const struct ferry_forward *f, size_t row,
						       uint32_t n_tokens)
{
	const size_t n = f->model->hp.n_embd, n_blocks = n / FERRY_ACTIVATION_BLOCK;

	return ferry_pass_input(f->x + row * n, n_blocks ? f->x_quantized + row * n_blocks : NULL,
				n_tokens);
}

/* All tokens of a block's input, as this thread has them. */
static inline struct ferry_input ferry_pass_block_input(const struct ferry_pass *p, uint32_t thread)
{
	return ferry_pass_input_from(p->f, p->alone ? thread : 0, p->n_tokens);
}

/* Elements [begin, end) of row @t, which are at row + begin; whole blocks. */
static inline void ferry_pass_quantize(const struct ferry_forward *f, const struct ferry_input *in,
				       size_t t, const float *row, size_t begin, size_t end)
{
	f->kernels->quantize(row + begin, end - begin,
			     in->q.blocks + begin / FERRY_ACTIVATION_BLOCK * in->q.n_tokens + t,
			     in->q.n_tokens);
}

/*
 * Rows [row_begin, row_end) of y = W x on this thread; y is [n_tokens][n_out]. Of packed weights,
 * row_begin is a multiple of sixteen, and so is row_end unless it is the last.
 */
void ferry_pass_multiply(const struct ferry_forward *f, const struct ferry_weight *w,
			 const struct ferry_input *x, float *y, size_t row_begin, size_t row_end);

/*
 * All rows, shared by the threads; nothing else of the kind may be between the same two barriers.
 */
void ferry_pass_multiply_all(const struct ferry_forward *f, const struct ferry_weight *w,
			     const struct ferry_input *x, float *y);

/* feed_forward.c: gate = activation(W_gate x) * W_up x on rows [begin, end) of both */
void ferry_pass_gate_up(const struct ferry_forward *f, const struct ferry_weight *gate,
			const struct ferry_weight *up, const struct ferry_input *x, float *g,
			float *u, size_t begin, size_t end);

/* Whether all n floats are finite. */
bool ferry_all_finite(const float *x, size_t n);

/* reference.c: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
double ferry_reference_gelu(double x);

/* reference.c: the oracle's own pass and head, on scratch memory of the same names; the head says
 * whether the logits are finite. Called on one thread. */
void ferry_reference_layers(struct ferry_pass *p);
bool ferry_reference_head(struct ferry_forward *f, const float *hidden, uint32_t n, float *logits);

#endif
