// SPDX-License-Identifier: MIT
#include "synthetic_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum role {
	ATTN_NORM,
	ATTN_Q,
	ATTN_K,
	ATTN_V,
	ATTN_OUTPUT,
	FFN_NORM,
	FFN_GATE,
	FFN_UP,
	FFN_DOWN,
	N_LAYER_ROLES,
	TOKEN_EMBD = N_LAYER_ROLES,
	OUTPUT_NORM,
	OUTPUT,
};

static const char *const role_names[] = {
	[ATTN_NORM] = "attn_norm",   [ATTN_Q] = "attn_q",	    [ATTN_K] = "attn_k",
	[ATTN_V] = "attn_v",	     [ATTN_OUTPUT] = "attn_output", [FFN_NORM] = "ffn_norm",
	[FFN_GATE] = "ffn_gate",     [FFN_UP] = "ffn_up",	    [FFN_DOWN] = "ffn_down",
	[TOKEN_EMBD] = "token_embd", [OUTPUT_NORM] = "output_norm", [OUTPUT] = "output",
};

static const struct ferry_synthetic_shape shapes[] = {
	/* TinyLlama-1.1B, with room for 4096 tokens of context and what follows them */
	{"1.1b", 2048, 5632, 22, 32, 4, 8192, 32000, false},
	/* Qwen2.5-0.5B, without its biases: rows of 896 do not hold whole 256-weight blocks */
	{"0.5b", 896, 4864, 24, 14, 2, 32768, 151936, true},
	/* for tests: every type fits, and every rule of the mixtures applies to some layer */
	{"tiny", 256, 512, 8, 4, 2, 512, 512, false},
};

static const struct ferry_synthetic_mix mixes[] = {
	{"F32", FERRY_TYPE_F32, 0, false},	  {"F16", FERRY_TYPE_F16, 1, false},
	{"BF16", FERRY_TYPE_BF16, 32, false},	  {"Q8_0", FERRY_TYPE_Q8_0, 7, false},
	{"Q4_0", FERRY_TYPE_Q4_0, 2, false},	  {"Q4_1", FERRY_TYPE_Q4_1, 3, false},
	{"Q5_0", FERRY_TYPE_Q5_0, 8, false},	  {"Q5_1", FERRY_TYPE_Q5_1, 9, false},
	{"Q2_K", FERRY_TYPE_Q2_K, 21, false},	  {"Q3_K", FERRY_TYPE_Q3_K, 11, false},
	{"Q3_K_M", FERRY_TYPE_Q3_K, 12, true},	  {"Q4_K", FERRY_TYPE_Q4_K, 14, false},
	{"Q4_K_M", FERRY_TYPE_Q4_K, 15, true},	  {"Q5_K", FERRY_TYPE_Q5_K, 16, false},
	{"Q6_K", FERRY_TYPE_Q6_K, 18, false},	  {"IQ4_NL", FERRY_TYPE_IQ4_NL, 25, false},
	{"IQ4_XS", FERRY_TYPE_IQ4_XS, 30, false},
};

enum {
	N_SHAPES = sizeof(shapes) / sizeof(shapes[0]),
	N_MIXES = sizeof(mixes) / sizeof(mixes[0]),
};

const struct ferry_synthetic_shape *ferry_synthetic_shape(const char *name)
{
	for (unsigned i = 0; i < N_SHAPES; i++)
		if (!strcasecmp(shapes[i].name, name))
			return &shapes[i];
	return NULL;
}

const struct ferry_synthetic_mix *ferry_synthetic_mix(const char *name)
{
	for (unsigned i = 0; i < N_MIXES; i++)
		if (!strcasecmp(mixes[i].name, name))
			return &mixes[i];
	return NULL;
}

const struct ferry_synthetic_shape *ferry_synthetic_shapes(unsigned *n)
{
	*n = N_SHAPES;
	return shapes;
}

const struct ferry_synthetic_mix *ferry_synthetic_mixes(unsigned *n)
{
	*n = N_MIXES;
	return mixes;
}

uint64_t ferry_synthetic_n_tensors(const struct ferry_synthetic_shape *s)
{
	return 2 + (uint64_t)s->n_layers * N_LAYER_ROLES + !s->tied;
}

/* The first and the last eighth of the layers, and every third between them. */
static bool deserves_more_bits(uint32_t layer, uint32_t n_layers)
{
	return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

static enum ferry_tensor_type q4_k_m(enum role role, uint32_t layer, uint32_t n_layers)
{
	if ((role == ATTN_V || role == FFN_DOWN) && deserves_more_bits(layer, n_layers))
		return FERRY_TYPE_Q6_K;
	return FERRY_TYPE_Q4_K;
}

static enum ferry_tensor_type q3_k_m(enum role role, uint32_t layer, uint32_t n_layers)
{
	switch (role) {
	case ATTN_V:
		return layer < 2 ? FERRY_TYPE_Q5_K : FERRY_TYPE_Q4_K;
	case FFN_DOWN:
		return layer < n_layers / 16 ? FERRY_TYPE_Q5_K : FERRY_TYPE_Q4_K;
	case ATTN_OUTPUT:
		return FERRY_TYPE_Q4_K;
	default:
		return FERRY_TYPE_Q3_K;
	}
}

static enum ferry_tensor_type wanted_type(const struct ferry_synthetic_shape *s,
					  const struct ferry_synthetic_mix *mix, enum role role,
					  uint32_t layer)
{
	if (!mix->mixed)
		return mix->type;
	if (role == OUTPUT || (role == TOKEN_EMBD && s->tied))
		return FERRY_TYPE_Q6_K;
	return mix->type == FERRY_TYPE_Q4_K ? q4_k_m(role, layer, s->n_layers)
					    : q3_k_m(role, layer, s->n_layers);
}

static enum ferry_tensor_type legal_type(enum ferry_tensor_type wanted, uint64_t row)
{
	if (row % ferry_type_traits(wanted)->block_len == 0)
		return wanted;
	switch (wanted) {
	case FERRY_TYPE_Q2_K:
	case FERRY_TYPE_Q3_K:
		return FERRY_TYPE_Q4_0;
	case FERRY_TYPE_Q4_K:
		return FERRY_TYPE_Q5_0;
	case FERRY_TYPE_Q5_K:
		return FERRY_TYPE_Q5_1;
	case FERRY_TYPE_IQ4_XS:
		return FERRY_TYPE_IQ4_NL;
	default:
		return FERRY_TYPE_Q8_0;
	}
}

static void set_shape(const struct ferry_synthetic_shape *s, enum role role, uint64_t dim[2])
{
	uint64_t kv_rows = (uint64_t)s->n_embd / s->n_head * s->n_head_kv;

	dim[0] = role == FFN_DOWN ? s->n_ff : s->n_embd;
	switch (role) {
	case ATTN_NORM:
	case FFN_NORM:
	case OUTPUT_NORM:
		dim[1] = 1;
		break;
	case ATTN_K:
	case ATTN_V:
		dim[1] = kv_rows;
		break;
	case FFN_GATE:
	case FFN_UP:
		dim[1] = s->n_ff;
		break;
	case TOKEN_EMBD:
	case OUTPUT:
		dim[1] = s->n_vocab;
		break;
	default:
		dim[1] = s->n_embd;
		break;
	}
}

struct ferry_synthetic_tensor ferry_synthetic_tensor(const struct ferry_synthetic_shape *s,
						     const struct ferry_synthetic_mix *mix,
						     uint64_t i)
{
	uint64_t n_in_layers = (uint64_t)s->n_layers * N_LAYER_ROLES;
	struct ferry_synthetic_tensor t = {.n_dims = 2};
	enum ferry_tensor_type type;
	uint32_t layer = 0;
	enum role role;

	if (i == 0) {
		role = TOKEN_EMBD;
	} else if (i <= n_in_layers) {
		layer = (uint32_t)((i - 1) / N_LAYER_ROLES);
		role = (enum role)((i - 1) % N_LAYER_ROLES);
	} else {
		role = i == n_in_layers + 1 ? OUTPUT_NORM : OUTPUT;
	}
	if (role < N_LAYER_ROLES)
		snprintf(t.name, sizeof(t.name), "blk.%" PRIu32 ".%s.weight", layer,
			 role_names[role]);
	else
		snprintf(t.name, sizeof(t.name), "%s.weight", role_names[role]);
	set_shape(s, role, t.dim);
	if (t.dim[1] == 1) {
		t.n_dims = 1;
		type = FERRY_TYPE_F32; /* norms are never quantized */
	} else {
		type = legal_type(wanted_type(s, mix, role, layer), t.dim[0]);
	}
	t.traits = ferry_type_traits(type);
	t.n_bytes = ferry_type_row_bytes(t.traits, t.dim[0]) * t.dim[1];
	return t;
}
