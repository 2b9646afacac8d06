// SPDX-License-Identifier: MIT
#include "model/layer_tensors.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/gguf_parse.h"

enum presence {
	ALWAYS,
	OPTIONAL,
	QKV_BIAS, /* required by architectures with qkv_bias, optional elsewhere */
	QK_NORM,
	SANDWICH,
	DENSE,
	EXPERTS,
};

/* Sizes that shapes are made of. */
enum extent {
	NONE,
	EMBD,
	HEAD_DIM,
	Q_ROWS,
	K_ROWS,
	V_ROWS,
	O_COLS,
	FF,
	FF_EXPERT,
	N_EXPERTS,
};

struct layer_tensor {
	const char *suffix; /* behind "blk.<layer>." */
	size_t member;	    /* of struct ferry_layer */
	enum presence presence;
	enum extent dim[3];
};

static const struct layer_tensor layer_tensors[] = {
#define TENSOR(suffix, member, presence, ...)                           \
	{                                                               \
		suffix, offsetof(struct ferry_layer, member), presence, \
		{                                                       \
			__VA_ARGS__                                     \
		}                                                       \
	}
	TENSOR("attn_norm.weight", attn_norm, ALWAYS, EMBD),
	TENSOR("attn_q.weight", wq, ALWAYS, EMBD, Q_ROWS),
	TENSOR("attn_k.weight", wk, ALWAYS, EMBD, K_ROWS),
	TENSOR("attn_v.weight", wv, ALWAYS, EMBD, V_ROWS),
	TENSOR("attn_q.bias", bq, QKV_BIAS, Q_ROWS),
	TENSOR("attn_k.bias", bk, QKV_BIAS, K_ROWS),
	TENSOR("attn_v.bias", bv, QKV_BIAS, V_ROWS),
	TENSOR("attn_q_norm.weight", q_norm, QK_NORM, HEAD_DIM),
	TENSOR("attn_k_norm.weight", k_norm, QK_NORM, HEAD_DIM),
	TENSOR("attn_output.weight", wo, ALWAYS, O_COLS, EMBD),
	TENSOR("attn_output.bias", bo, OPTIONAL, EMBD),
	TENSOR("post_attention_norm.weight", post_attn_norm, SANDWICH, EMBD),
	TENSOR("ffn_norm.weight", ffn_norm, ALWAYS, EMBD),
	TENSOR("ffn_gate.weight", w_gate, DENSE, EMBD, FF),
	TENSOR("ffn_up.weight", w_up, DENSE, EMBD, FF),
	TENSOR("ffn_down.weight", w_down, DENSE, FF, EMBD),
	TENSOR("ffn_gate_inp.weight", router, EXPERTS, EMBD, N_EXPERTS),
	TENSOR("ffn_gate_exps.weight", e_gate, EXPERTS, EMBD, FF_EXPERT, N_EXPERTS),
	TENSOR("ffn_up_exps.weight", e_up, EXPERTS, EMBD, FF_EXPERT, N_EXPERTS),
	TENSOR("ffn_down_exps.weight", e_down, EXPERTS, FF_EXPERT, EMBD, N_EXPERTS),
	TENSOR("post_ffw_norm.weight", post_ffn_norm, SANDWICH, EMBD),
#undef TENSOR
};

enum {
	PER_LAYER = sizeof(layer_tensors) / sizeof(layer_tensors[0]),
	MAX_NAME = 64,
	MAX_SHAPE_TEXT = 96,
};

static uint64_t extent_of(const struct ferry_hparams *hp, enum extent e)
{
	switch (e) {
	case NONE:
		return 1;
	case EMBD:
		return hp->n_embd;
	case HEAD_DIM:
		return hp->n_head_dim;
	case Q_ROWS:
		return (uint64_t)hp->n_head * hp->n_head_dim;
	case K_ROWS:
		return (uint64_t)hp->n_head_kv * hp->n_head_dim;
	case V_ROWS:
		return (uint64_t)hp->n_head_kv * hp->n_value_dim;
	case O_COLS:
		return (uint64_t)hp->n_head * hp->n_value_dim;
	case FF:
		return hp->n_ff;
	case FF_EXPERT:
		return hp->n_ff_expert;
	case N_EXPERTS:
		return hp->n_experts;
	}
	return 0;
}

enum wanted { FORBIDDEN, POSSIBLE, REQUIRED };

static enum wanted wanted_by(const struct ferry_model *m, enum presence presence)
{
	switch (presence) {
	case ALWAYS:
		return REQUIRED;
	case OPTIONAL:
		return POSSIBLE;
	case QKV_BIAS:
		return m->arch->qkv_bias ? REQUIRED : POSSIBLE;
	case QK_NORM:
		return m->arch->qk_norm ? REQUIRED : FORBIDDEN;
	case SANDWICH:
		return m->arch->sandwich_norms ? REQUIRED : FORBIDDEN;
	case DENSE:
		return m->hp.n_experts ? FORBIDDEN : REQUIRED;
	case EXPERTS:
		return m->hp.n_experts ? REQUIRED : FORBIDDEN;
	}
	return FORBIDDEN;
}

static void print_shape(char text[MAX_SHAPE_TEXT], const uint64_t dim[FERRY_MAX_DIMS])
{
	int n = snprintf(text, MAX_SHAPE_TEXT, "[%" PRIu64, dim[0]), last = FERRY_MAX_DIMS - 1;

	while (last > 0 && dim[last] == 1)
		last--;
	for (int d = 1; d <= last; d++)
		n += snprintf(text + n, MAX_SHAPE_TEXT - (size_t)n, ", %" PRIu64, dim[d]);
	snprintf(text + n, MAX_SHAPE_TEXT - (size_t)n, "]");
}

/* @matrix: goes through a matrix product, so that any type will do; else F32 is needed */
static int check_tensor(const struct ferry_model *m, const struct ferry_tensor *t,
			const uint64_t dim[FERRY_MAX_DIMS], bool matrix, struct ferry_error *err)
{
	char is[MAX_SHAPE_TEXT], expected[MAX_SHAPE_TEXT];

	if (memcmp(t->dim, dim, sizeof(t->dim)) != 0) {
		print_shape(is, t->dim);
		print_shape(expected, dim);
		return ferry_gguf_damaged(m->gguf, err, "tensor %s has shape %s, expected %s",
					  t->name, is, expected);
	}
	if (!matrix && t->type != FERRY_TYPE_F32)
		return ferry_gguf_fail(
			m->gguf, err, -ENOTSUP,
			"tensor %s has type %s, and Ferry reads norms and biases in F32 "
			"only; convert the model again",
			t->name, ferry_type_traits(t->type)->name);
	return 0;
}

/* Mixtral files of 2023 had one tensor per expert. */
static int missing(const struct ferry_model *m, const char *name, uint32_t layer,
		   struct ferry_error *err)
{
	char old[MAX_NAME];

	snprintf(old, sizeof(old), "blk.%" PRIu32 ".ffn_gate.0.weight", layer);
	if (m->hp.n_experts && ferry_gguf_tensor(m->gguf, old))
		return ferry_gguf_fail(
			m->gguf, err, -ENOTSUP,
			"experts are stored one by one (tensor %s), as converters did "
			"until early 2024; convert the model again",
			old);
	if (!m->gguf->n_tensors)
		return ferry_gguf_fail(
			m->gguf, err, -EBADMSG,
			"the file has no weights, only a vocabulary; name a model file");
	return ferry_gguf_damaged(m->gguf, err, "tensor %s is missing", name);
}

static int bind_layer(struct ferry_model *m, uint32_t layer, uint64_t *n_bound,
		      struct ferry_error *err)
{
	for (unsigned i = 0; i < PER_LAYER; i++) {
		const struct layer_tensor *lt = &layer_tensors[i];
		enum wanted wanted = wanted_by(m, lt->presence);
		const struct ferry_tensor *t, **slot;
		uint64_t dim[FERRY_MAX_DIMS];
		char name[MAX_NAME];
		int rc;

		if (wanted == FORBIDDEN)
			continue;
		snprintf(name, sizeof(name), "blk.%" PRIu32 ".%s", layer, lt->suffix);
		t = ferry_gguf_tensor(m->gguf, name);
		if (!t && wanted == REQUIRED)
			return missing(m, name, layer, err);
		if (!t)
			continue;
		for (unsigned d = 0; d < FERRY_MAX_DIMS; d++)
			dim[d] = d < 3 ? extent_of(&m->hp, lt->dim[d]) : 1;
		rc = check_tensor(m, t, dim, lt->dim[1] != NONE, err);
		if (rc)
			return rc;
		slot = (const struct ferry_tensor **)((char *)&m->layers[layer] + lt->member);
		*slot = t;
		(*n_bound)++;
	}
	return 0;
}

/* Divisors of rope's frequencies. A zero or NaN would show up far from here. */
static int check_rope_freqs(const struct ferry_model *m, struct ferry_error *err)
{
	for (uint64_t i = 0; i < m->rope_freqs->dim[0]; i++) {
		float f = ferry_load_lef32(m->rope_freqs->data + 4 * i);

		if (!isfinite(f) || f <= 0)
			return ferry_gguf_damaged(m->gguf, err, "tensor %s holds %g",
						  m->rope_freqs->name, (double)f);
	}
	return 0;
}

static int bind_globals(struct ferry_model *m, uint64_t *n_bound, struct ferry_error *err)
{
	struct ferry_hparams *hp = &m->hp;
	uint64_t matrix[FERRY_MAX_DIMS] = {hp->n_embd, 1, 1, 1};
	uint64_t norm[FERRY_MAX_DIMS] = {hp->n_embd, 1, 1, 1};
	uint64_t freqs[FERRY_MAX_DIMS] = {hp->n_rot / 2, 1, 1, 1};
	int rc;

	m->token_embd = ferry_gguf_tensor(m->gguf, "token_embd.weight");
	m->output_norm = ferry_gguf_tensor(m->gguf, "output_norm.weight");
	m->output = ferry_gguf_tensor(m->gguf, "output.weight");
	m->rope_freqs = ferry_gguf_tensor(m->gguf, "rope_freqs.weight");
	if (!m->token_embd)
		return missing(m, "token_embd.weight", 0, err);
	if (!m->output_norm)
		return missing(m, "output_norm.weight", 0, err);
	*n_bound += 2 + !!m->output + !!m->rope_freqs;
	if (m->token_embd->dim[1] > INT32_MAX)
		return ferry_gguf_damaged(m->gguf, err,
					  "tensor token_embd.weight has %" PRIu64 " rows",
					  m->token_embd->dim[1]);
	hp->n_vocab = (uint32_t)m->token_embd->dim[1];
	matrix[1] = hp->n_vocab;
	rc = check_tensor(m, m->token_embd, matrix, true, err);
	if (!rc)
		rc = check_tensor(m, m->output_norm, norm, false, err);
	if (!rc && m->output)
		rc = check_tensor(m, m->output, matrix, true, err);
	if (!rc && m->rope_freqs)
		rc = check_tensor(m, m->rope_freqs, freqs, false, err);
	if (!rc && m->rope_freqs)
		rc = check_rope_freqs(m, err);
	if (!m->output)
		m->output = m->token_embd;
	return rc;
}

size_t ferry_model_n_tensor_slots(const struct ferry_model *m)
{
	return 4 + (size_t)m->hp.n_layers * PER_LAYER;
}

const struct ferry_tensor *ferry_model_tensor(const struct ferry_model *m, size_t i)
{
	size_t n = ferry_model_n_tensor_slots(m);
	const char *layer;

	if (i == 0)
		return m->token_embd;
	if (i == 1)
		return m->rope_freqs;
	if (i == n - 2)
		return m->output_norm;
	if (i == n - 1)
		return m->output == m->token_embd ? NULL : m->output;
	layer = (const char *)&m->layers[(i - 2) / PER_LAYER];
	return *(const struct ferry_tensor *const *)(layer +
						     layer_tensors[(i - 2) % PER_LAYER].member);
}

static int compare_pointers(const void *a, const void *b)
{
	const struct ferry_tensor *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Names the first tensor of the file that is bound to nothing. */
static int refuse_unbound(const struct ferry_model *m, uint64_t n_bound, struct ferry_error *err)
{
	size_t n_slots = ferry_model_n_tensor_slots(m), n = 0;
	const struct ferry_tensor **bound;
	uint64_t i;

	if (n_bound == m->gguf->n_tensors)
		return 0;
	bound = calloc(n_slots, sizeof(*bound));
	if (!bound)
		return ferry_fail_memory(err, m->gguf->path, n_slots * sizeof(*bound));
	for (size_t slot = 0; slot < n_slots; slot++) {
		bound[n] = ferry_model_tensor(m, slot);
		n += bound[n] != NULL;
	}
	/* The file's tensors are one array, so its pointers, sorted, come in its order. */
	qsort(bound, n, sizeof(*bound), compare_pointers);
	for (i = 0; i < n && bound[i] == &m->gguf->tensors[i]; i++)
		;
	free(bound);
	return ferry_gguf_fail(
		m->gguf, err, -ENOTSUP,
		"tensor %s has no place in architecture %s as Ferry computes it; use "
		"another model",
		m->gguf->tensors[i].name, m->arch->name);
}

int ferry_model_bind_tensors(struct ferry_model *m, uint32_t swa_period, struct ferry_error *err)
{
	uint64_t n_bound = 0;
	int rc;

	m->layers = calloc(m->hp.n_layers, sizeof(*m->layers));
	if (!m->layers)
		return ferry_fail_memory(err, m->gguf->path, m->hp.n_layers * sizeof(*m->layers));
	rc = bind_globals(m, &n_bound, err);
	for (uint32_t layer = 0; !rc && layer < m->hp.n_layers; layer++) {
		m->layers[layer].sliding = swa_period && (layer + 1) % swa_period;
		rc = bind_layer(m, layer, &n_bound, err);
	}
	if (rc)
		return rc;
	for (size_t i = 0, n = ferry_model_n_tensor_slots(m); i < n; i++) {
		const struct ferry_tensor *t = ferry_model_tensor(m, i);

		if (t)
			m->n_params += t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
	}
	return refuse_unbound(m, n_bound, err);
}
