/* SPDX-License-Identifier: MIT */
/*
 * What distinguishes one transformer architecture from another, as one table row each.
 * The forward pass reads these fields; it never compares names.
 */
#ifndef FERRY_MODEL_ARCH_H
#define FERRY_MODEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>

enum ferry_rope_kind {
	FERRY_ROPE_PAIRS,  /* rotates (x[2i], x[2i+1]): llama files, their Q and K rows permuted */
	FERRY_ROPE_HALVES, /* rotates (x[i], x[i + n_rot/2]): "NeoX" order, all others */
};

enum ferry_activation {
	FERRY_ACT_SILU,
	FERRY_ACT_GELU_TANH,
};

struct ferry_arch {
	const char *name; /* general.architecture */
	enum ferry_rope_kind rope;
	enum ferry_activation act;
	bool qkv_bias;	       /* attn_{q,k,v}.bias must be there; elsewhere they may be */
	bool qk_norm;	       /* RMS norm of each query and key head before rope */
	bool sandwich_norms;   /* post_attention_norm, post_ffw_norm */
	bool scale_embeddings; /* times sqrt(n_embd) */
	bool may_have_experts; /* *.expert_count > 0 allowed */
	bool must_have_experts;
	uint32_t swa_period; /* every so many-th layer is global, the others slide; 0: no windows */
	float rope_base_default;
	float rope_base_local; /* of sliding layers, without linear scaling; 0: as global ones */
	uint32_t head_dim_default;    /* where the file has no key_length; 0: n_embd / n_head */
	uint32_t n_layers_wide_heads; /* the model of so many layers scales attention by
				       * 1/sqrt(n_embd / n_head), not by the head's size; 0: none */
};

/* NULL for an architecture that Ferry does not know. */
const struct ferry_arch *ferry_arch_by_name(const char *name);

/* All of them; *n receives how many. */
const struct ferry_arch *ferry_arch_table(unsigned *n);

#endif
