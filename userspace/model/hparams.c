// SPDX-License-Identifier: MIT
#include "model/hparams.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/gguf_parse.h"

/* Far above every published model, and low enough that no product of two overflows 32 bits. */
enum {
	MAX_LAYERS = 1024,
	MAX_CONTEXT = 1 << 30,
	MAX_EMBD = 1 << 16,
	MAX_FF = 1 << 20,
	MAX_HEADS = 1 << 12,
	MAX_HEAD_DIM = 1 << 12,
	MAX_EXPERTS = 1 << 12,
	MAX_KEY = 128,
};

/* Reads keys "<arch>.<suffix>"; after the first failure it does nothing more. */
struct key_reader {
	const struct ferry_gguf *g;
	const char *arch;
	struct ferry_error *err;
	int rc;
};

static void full_key(const struct key_reader *k, const char *suffix, char key[MAX_KEY])
{
	snprintf(key, MAX_KEY, "%s.%s", k->arch, suffix);
}

static const struct ferry_gguf_value *find(const struct key_reader *k, const char *suffix)
{
	char key[MAX_KEY];

	full_key(k, suffix, key);
	return ferry_gguf_find(k->g, key);
}

/* A number that some files give once and others once per layer; they must all be equal. */
static int read_uniform(const struct key_reader *k, const struct ferry_gguf_value *v, uint32_t *out)
{
	enum ferry_gguf_type type = v->array.type;
	int64_t first;

	if (type == FERRY_GGUF_STRING || type == FERRY_GGUF_F32 || type == FERRY_GGUF_F64 ||
	    type == FERRY_GGUF_BOOL || !v->array.n)
		return ferry_gguf_damaged(k->g, k->err, "key %s is no list of whole numbers",
					  v->key);
	first = ferry_gguf_array_i64(v, 0);
	for (uint64_t i = 1; i < v->array.n; i++)
		if (ferry_gguf_array_i64(v, i) != first)
			return ferry_gguf_fail(
				k->g, k->err, -ENOTSUP,
				"key %s differs from layer to layer, which Ferry does "
				"not compute; use another model",
				v->key);
	if (first < 0 || first > UINT32_MAX)
		return ferry_gguf_damaged(k->g, k->err, "key %s holds %" PRId64, v->key, first);
	*out = (uint32_t)first;
	return 1;
}

/* Within min..max where it is there; @required: it must be. Returns whether it was there. */
static bool read_u32(struct key_reader *k, const char *suffix, bool required, uint32_t min,
		     uint32_t max, uint32_t *out)
{
	const struct ferry_gguf_value *v;
	char key[MAX_KEY];
	uint32_t u = 0;
	int rc;

	if (k->rc)
		return false;
	full_key(k, suffix, key);
	v = ferry_gguf_find(k->g, key);
	rc = v && v->type == FERRY_GGUF_ARRAY ? read_uniform(k, v, &u)
					      : ferry_gguf_get_u32(k->g, key, &u, k->err);
	if (rc < 0)
		k->rc = rc;
	else if (!rc && required)
		k->rc = ferry_gguf_damaged(k->g, k->err, "key %s is missing", key);
	else if (rc && (u < min || u > max))
		k->rc = ferry_gguf_damaged(k->g, k->err,
					   "key %s is %" PRIu32 ", outside %" PRIu32 "..%" PRIu32,
					   key, u, min, max);
	else if (rc)
		*out = u;
	return !k->rc && rc;
}

/* Finite where it is there, and above zero (@or_zero: or zero). */
static bool read_f32(struct key_reader *k, const char *suffix, bool required, bool or_zero,
		     float *out)
{
	char key[MAX_KEY];
	float f = 0;
	int rc;

	if (k->rc)
		return false;
	full_key(k, suffix, key);
	rc = ferry_gguf_get_f32(k->g, key, &f, k->err);
	if (rc < 0)
		k->rc = rc;
	else if (!rc && required)
		k->rc = ferry_gguf_damaged(k->g, k->err, "key %s is missing", key);
	else if (rc && (!isfinite(f) || f < 0 || (f == 0 && !or_zero)))
		k->rc = ferry_gguf_damaged(k->g, k->err, "key %s is %g", key, (double)f);
	else if (rc)
		*out = f;
	return !k->rc && rc;
}

/*
 * Keys that change the computation in a way Ferry does not follow, and the value (besides zero)
 * that asks for nothing special. Ignoring one would give wrong tokens without a word.
 */
static const struct {
	const char *suffix;
	double harmless;
} foreign_keys[] = {
	{"expert_shared_count", 0},
	{"expert_shared_feed_forward_length", 0},
	{"expert_group_count", 1},
	{"expert_weights_scale", 1},
	{"expert_gating_func", 1}, /* softmax */
	{"leading_dense_block_count", 0},
	{"interleave_moe_layer_step", 1},
	{"moe_every_n_layers", 1},
	{"nextn_predict_layers", 0},
	{"use_parallel_residual", 0},
	{"pooling_type", 0},
	{"logit_scale", 1},
	{"residual_scale", 1},
	{"embedding_scale", 1},
	{"attention.scale", 0},
	{"attention.output_scale", 1},
	{"attention.clamp_kqv", 0},
	{"attention.max_alibi_bias", 0},
	{"attention.temperature_length", 0},
	{"attention.shared_kv_layers", 0},
	{"attention.kv_lora_rank", 0},
	{"attention.q_lora_rank", 0},
	{"rope.scaling.attn_factor", 1},
};

static int refuse_foreign_keys(const struct key_reader *k)
{
	for (unsigned i = 0; i < sizeof(foreign_keys) / sizeof(foreign_keys[0]); i++) {
		const struct ferry_gguf_value *v = find(k, foreign_keys[i].suffix);
		double x;

		if (!v)
			continue;
		switch (v->type) {
		case FERRY_GGUF_F32:
		case FERRY_GGUF_F64:
			x = v->f;
			break;
		case FERRY_GGUF_I8:
		case FERRY_GGUF_I16:
		case FERRY_GGUF_I32:
		case FERRY_GGUF_I64:
			x = (double)v->i;
			break;
		case FERRY_GGUF_STRING:
		case FERRY_GGUF_ARRAY:
			x = NAN;
			break;
		default:
			x = (double)v->u;
			break;
		}
		if (x != 0 && x != foreign_keys[i].harmless)
			return ferry_gguf_fail(
				k->g, k->err, -ENOTSUP,
				"the model uses %s, which Ferry does not compute; use "
				"another model",
				v->key);
	}
	return 0;
}

/* Keys whose harmless value is "true". */
static int refuse_false(const struct key_reader *k, const char *suffix)
{
	char key[MAX_KEY];
	bool on = true;
	int rc;

	full_key(k, suffix, key);
	rc = ferry_gguf_get_bool(k->g, key, &on, k->err);
	if (rc < 0)
		return rc;
	return on ? 0
		  : ferry_gguf_fail(k->g, k->err, -ENOTSUP,
				    "the model switches %s off, which Ferry does not compute; use "
				    "another model",
				    key);
}

static void read_sizes(struct key_reader *k, struct ferry_hparams *hp)
{
	read_u32(k, "block_count", true, 1, MAX_LAYERS, &hp->n_layers);
	read_u32(k, "context_length", true, 1, MAX_CONTEXT, &hp->n_ctx_train);
	read_u32(k, "embedding_length", true, 1, MAX_EMBD, &hp->n_embd);
	read_f32(k, "attention.layer_norm_rms_epsilon", true, false, &hp->norm_eps);
}

static int heads_do_not_fit(const struct key_reader *k, const struct ferry_hparams *hp)
{
	return ferry_gguf_damaged(k->g, k->err,
				  "%" PRIu32 " heads do not fit a hidden state of %" PRIu32,
				  hp->n_head, hp->n_embd);
}

static void read_heads(struct key_reader *k, const struct ferry_arch *arch,
		       struct ferry_hparams *hp)
{
	uint32_t dim;

	read_u32(k, "attention.head_count", true, 1, MAX_HEADS, &hp->n_head);
	if (k->rc)
		return;
	hp->n_head_kv = hp->n_head;
	read_u32(k, "attention.head_count_kv", false, 1, MAX_HEADS, &hp->n_head_kv);
	if (!k->rc && hp->n_head % hp->n_head_kv) {
		k->rc = ferry_gguf_damaged(k->g, k->err,
					   "%" PRIu32 " query heads cannot share %" PRIu32
					   " key and value heads",
					   hp->n_head, hp->n_head_kv);
		return;
	}
	dim = arch->head_dim_default ? arch->head_dim_default : hp->n_embd / hp->n_head;
	hp->n_head_dim = dim;
	hp->n_value_dim = dim;
	read_u32(k, "attention.key_length", false, 1, MAX_HEAD_DIM, &hp->n_head_dim);
	read_u32(k, "attention.value_length", false, 1, MAX_HEAD_DIM, &hp->n_value_dim);
	if (k->rc)
		return;
	if (!hp->n_head_dim || hp->n_head_dim > MAX_HEAD_DIM || !hp->n_value_dim ||
	    hp->n_value_dim > MAX_HEAD_DIM) {
		k->rc = heads_do_not_fit(k, hp);
		return;
	}
	hp->attention_scale = 1.0f / sqrtf((float)hp->n_head_dim);
	if (arch->n_layers_wide_heads && hp->n_layers == arch->n_layers_wide_heads) {
		if (hp->n_embd < hp->n_head) {
			k->rc = heads_do_not_fit(k, hp);
			return;
		}
		hp->attention_scale = 1.0f / sqrtf((float)(hp->n_embd / hp->n_head));
	}
	read_f32(k, "attn_logit_softcapping", false, true, &hp->attention_softcap);
	read_f32(k, "final_logit_softcapping", false, true, &hp->logit_softcap);
}

static void read_feed_forward(struct key_reader *k, const struct ferry_arch *arch,
			      struct ferry_hparams *hp)
{
	read_u32(k, "expert_count", arch->must_have_experts, arch->must_have_experts, MAX_EXPERTS,
		 &hp->n_experts);
	if (k->rc)
		return;
	if (hp->n_experts && !arch->may_have_experts) {
		k->rc = ferry_gguf_fail(k->g, k->err, -ENOTSUP,
					"the model has experts, which Ferry does not know for "
					"architecture %s; use another model",
					arch->name);
		return;
	}
	read_u32(k, "feed_forward_length", !hp->n_experts, !hp->n_experts, MAX_FF, &hp->n_ff);
	if (!hp->n_experts)
		return;
	read_u32(k, "expert_used_count", true, 1, hp->n_experts, &hp->n_experts_used);
	/* Mixtral files give the experts' width as the only one there is. */
	hp->n_ff_expert = hp->n_ff;
	read_u32(k, "expert_feed_forward_length", !hp->n_ff, 1, MAX_FF, &hp->n_ff_expert);
	/* Every layer has experts, so nothing is left that n_ff could describe. */
	hp->n_ff = 0;
}

static void read_rope_scaling(struct key_reader *k, struct ferry_hparams *hp)
{
	struct ferry_gguf_string type = {"linear", 6};
	char key[MAX_KEY];
	float factor = 0;
	int rc;

	hp->rope_scale = 1.0f;
	if (k->rc)
		return;
	full_key(k, "rope.scaling.type", key);
	rc = ferry_gguf_get_string(k->g, key, &type, k->err);
	if (rc < 0) {
		k->rc = rc;
		return;
	}
	if (type.n == 4 && !memcmp(type.bytes, "none", 4))
		return;
	if (type.n != 6 || memcmp(type.bytes, "linear", 6)) {
		k->rc = ferry_gguf_fail(k->g, k->err, -ENOTSUP,
					"the model scales rope by \"%.*s\", and Ferry knows linear "
					"scaling only; use a model without %s",
					(int)(type.n < 32 ? type.n : 32), type.bytes, key);
		return;
	}
	/* The second is what files of 2023 called it. */
	if (!read_f32(k, "rope.scaling.factor", false, true, &factor))
		read_f32(k, "rope.scale_linear", false, true, &factor);
	if (factor != 0)
		hp->rope_scale = 1.0f / factor;
	if (!k->rc && (!isfinite(hp->rope_scale) || hp->rope_scale == 0))
		k->rc = ferry_gguf_damaged(k->g, k->err, "positions are divided by %g",
					   (double)factor);
}

static void read_rope(struct key_reader *k, const struct ferry_arch *arch, struct ferry_hparams *hp)
{
	hp->n_rot = hp->n_head_dim;
	read_u32(k, "rope.dimension_count", false, 1, MAX_HEAD_DIM, &hp->n_rot);
	if (!k->rc && (hp->n_rot > hp->n_head_dim || hp->n_rot % 2))
		k->rc = ferry_gguf_damaged(
			k->g, k->err, "rope cannot rotate %" PRIu32 " of %" PRIu32 " dimensions",
			hp->n_rot, hp->n_head_dim);
	hp->rope_base = arch->rope_base_default;
	read_f32(k, "rope.freq_base", false, false, &hp->rope_base);
	hp->rope_base_local = arch->rope_base_local != 0 ? arch->rope_base_local : hp->rope_base;
	read_f32(k, "rope.local.freq_base", false, false, &hp->rope_base_local);
	read_f32(k, "rope.freq_base_swa", false, false, &hp->rope_base_local);
	read_rope_scaling(k, hp);
}

/*
 * Only an architecture that slides reads the window: Mistral and Qwen files have the key too,
 * and every runtime computes them with full attention.
 */
static void read_window(struct key_reader *k, const struct ferry_arch *arch,
			struct ferry_hparams *hp, uint32_t *swa_period)
{
	const struct ferry_gguf_value *v = find(k, "attention.sliding_window_pattern");

	*swa_period = 0;
	if (k->rc || !arch->swa_period)
		return;
	read_u32(k, "attention.sliding_window", false, 0, MAX_CONTEXT, &hp->n_swa);
	if (k->rc || !hp->n_swa)
		return;
	*swa_period = arch->swa_period;
	if (v && v->type == FERRY_GGUF_ARRAY) {
		k->rc = ferry_gguf_fail(
			k->g, k->err, -ENOTSUP,
			"key %s is a list, and Ferry knows a period only; use another "
			"model",
			v->key);
		return;
	}
	read_u32(k, "attention.sliding_window_pattern", false, 1, MAX_LAYERS, swa_period);
}

int ferry_hparams_read(struct ferry_model *m, uint32_t *swa_period, struct ferry_error *err)
{
	struct key_reader k = {.g = m->gguf, .arch = m->arch->name, .err = err};
	struct ferry_hparams *hp = &m->hp;

	k.rc = refuse_foreign_keys(&k);
	if (!k.rc)
		k.rc = refuse_false(&k, "attention.causal");
	if (!k.rc)
		k.rc = refuse_false(&k, "expert_weights_norm");
	read_sizes(&k, hp);
	read_heads(&k, m->arch, hp);
	read_feed_forward(&k, m->arch, hp);
	read_rope(&k, m->arch, hp);
	read_window(&k, m->arch, hp, swa_period);
	return k.rc;
}
