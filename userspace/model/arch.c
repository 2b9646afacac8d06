// SPDX-License-Identifier: MIT
#include "model/arch.h"

#include <stddef.h>
#include <string.h>

/* Mistral and Mixtral files name themselves llama. */
static const struct ferry_arch archs[] = {
	{
		.name = "llama",
		.rope = FERRY_ROPE_PAIRS,
		.act = FERRY_ACT_SILU,
		.may_have_experts = true,
		.rope_base_default = 10000.0f,
	},
	{
		.name = "qwen2",
		.rope = FERRY_ROPE_HALVES,
		.act = FERRY_ACT_SILU,
		.qkv_bias = true,
		.rope_base_default = 10000.0f,
	},
	{
		.name = "qwen3",
		.rope = FERRY_ROPE_HALVES,
		.act = FERRY_ACT_SILU,
		.qk_norm = true,
		.rope_base_default = 10000.0f,
	},
	{
		.name = "qwen3moe",
		.rope = FERRY_ROPE_HALVES,
		.act = FERRY_ACT_SILU,
		.qk_norm = true,
		.may_have_experts = true,
		.must_have_experts = true,
		.rope_base_default = 10000.0f,
	},
	{
		.name = "gemma3",
		.rope = FERRY_ROPE_HALVES,
		.act = FERRY_ACT_GELU_TANH,
		.qk_norm = true,
		.sandwich_norms = true,
		.scale_embeddings = true,
		.swa_period = 6,
		.rope_base_default = 10000.0f,
		.rope_base_local = 10000.0f,
		.head_dim_default = 256,
		.n_layers_wide_heads = 62, /* the 27B model */
	},
};

enum { N_ARCHS = sizeof(archs) / sizeof(archs[0]) };

const struct ferry_arch *ferry_arch_by_name(const char *name)
{
	for (unsigned i = 0; i < N_ARCHS; i++)
		if (!strcmp(archs[i].name, name))
			return &archs[i];
	return NULL;
}

const struct ferry_arch *ferry_arch_table(unsigned *n)
{
	*n = N_ARCHS;
	return archs;
}
