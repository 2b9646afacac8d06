/* SPDX-License-Identifier: MIT */
/*
 * A model: hyperparameters and weights of a GGUF file, found, named and checked against each
 * other. Weights stay where they are in the mapping.
 */
#ifndef FERRY_MODEL_MODEL_H
#define FERRY_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry/error.h"
#include "model/arch.h"
#include "model/gguf.h"

struct ferry_tokenizer;
struct ferry_weights;

struct ferry_hparams {
	uint32_t n_layers;
	uint32_t n_ctx_train;
	uint32_t n_embd;
	uint32_t n_ff;	      /* 0 where the layers have experts */
	uint32_t n_head;      /* query heads */
	uint32_t n_head_kv;   /* key and value heads; divides n_head */
	uint32_t n_head_dim;  /* of query and key heads (attention.key_length) */
	uint32_t n_value_dim; /* of value heads (attention.value_length) */
	uint32_t n_rot;	      /* dimensions that rope rotates; even, <= n_head_dim */
	uint32_t n_vocab;     /* rows of token_embd */
	uint32_t n_experts;   /* 0: dense */
	uint32_t n_experts_used;
	uint32_t n_ff_expert;
	uint32_t n_swa; /* window of sliding layers in positions: key p is seen by query q
			 * where q - p < n_swa; 0: none */
	float norm_eps;
	float rope_base;	 /* of global layers */
	float rope_base_local;	 /* of sliding layers */
	float rope_scale;	 /* positions of global layers are multiplied by this; 1: none */
	float attention_scale;	 /* scores are multiplied by this */
	float attention_softcap; /* s = cap * tanh(s / cap); 0: none */
	float logit_softcap;	 /* 0: none */
};

/*
 * The weights of one layer. Those that the architecture lacks are NULL. Norms and biases, and
 * rope_freqs below, are F32 (their bytes aligned to FERRY_GGUF_DATA_ALIGN); all others, the router
 * included, may have any type.
 */
struct ferry_layer {
	const struct ferry_tensor *attn_norm;	    /* [n_embd] */
	const struct ferry_tensor *wq, *wk, *wv;    /* [n_head * n_head_dim][n_embd], ... */
	const struct ferry_tensor *bq, *bk, *bv;    /* biases */
	const struct ferry_tensor *q_norm, *k_norm; /* [n_head_dim] */
	const struct ferry_tensor *wo;		    /* [n_embd][n_head * n_value_dim] */
	const struct ferry_tensor *bo;		    /* [n_embd] */
	const struct ferry_tensor *post_attn_norm;  /* [n_embd] */
	const struct ferry_tensor *ffn_norm;	    /* [n_embd] */
	const struct ferry_tensor *w_gate, *w_up;   /* [n_ff][n_embd] */
	const struct ferry_tensor *w_down;	    /* [n_embd][n_ff] */
	const struct ferry_tensor *router;	    /* [n_experts][n_embd] */
	const struct ferry_tensor *e_gate, *e_up;   /* [n_experts][n_ff_expert][n_embd] */
	const struct ferry_tensor *e_down;	    /* [n_experts][n_embd][n_ff_expert] */
	const struct ferry_tensor *post_ffn_norm;   /* [n_embd] */
	bool sliding;				    /* attends within n_swa positions */
};

struct ferry_model {
	struct ferry_gguf *gguf;
	const struct ferry_arch *arch;
	const char *name; /* general.name, else the file's name; printable */
	struct ferry_hparams hp;
	const struct ferry_tensor *token_embd;	/* [n_vocab][n_embd] */
	const struct ferry_tensor *output_norm; /* [n_embd] */
	const struct ferry_tensor *output;	/* [n_vocab][n_embd]; token_embd where tied */
	const struct ferry_tensor
		*rope_freqs;		   /* [n_rot / 2] F32 divisors of global layers, or NULL */
	struct ferry_layer *layers;	   /* [n_layers] */
	struct ferry_tokenizer *tokenizer; /* NULL where the file has none (see tokenizer_error) */
	char tokenizer_error[FERRY_ERROR_TEXT]; /* why there is no tokenizer */
	uint64_t n_params;
	/*
	 * Identity: nodes with equal ids hold the same model. SHA-256 over the architecture's name,
	 * hp, which layers slide, and, of each tensor in the order of a forward pass, name, type,
	 * dimensions and bytes: all of them up to 12 KiB, else 4 KiB each from the start, the
	 * middle and the end. Tokenizer, metadata and the file's layout do not count. It tells
	 * models apart; it does not protect from someone who forges the bytes in between.
	 */
	uint8_t id[32];

	/* The engine's copy of the weights (engine/weights.h) and how to release it; or NULL. */
	struct ferry_weights *weights;
	void (*weights_free)(struct ferry_weights *weights);
};

/**
 * ferry_model_load - find and check everything that a forward pass needs.
 * @path: a GGUF file
 * @out: on success, released by ferry_model_free(); NULL otherwise
 * @err: filled on failure, naming the file and the key or tensor at fault
 *
 * A file without weights (a vocabulary) fails here; open it with ferry_gguf_open() and
 * ferry_tokenizer_new(). A file whose tokenizer is missing, unknown or damaged loads, without one.
 * Return: 0; the codes of ferry_gguf_open(); -ENOTSUP for an unknown architecture, feature or
 * tensor; -EBADMSG for a missing or misshapen key or tensor.
 */
int ferry_model_load(const char *path, struct ferry_model **out, struct ferry_error *err);

/*
 * The same from a file that is open or in memory already. The model owns @g from here on; on
 * failure it is closed.
 */
int ferry_model_from_gguf(struct ferry_gguf *g, struct ferry_model **out, struct ferry_error *err);

void ferry_model_free(struct ferry_model *m);

/**
 * ferry_model_find_bad_tensor - name the tensor that makes results not finite.
 * @err: filled with one sentence naming the first tensor (in layer order) that holds a NaN or
 *       infinite scale or weight, or saying that the weights are finite and the overflow came from
 *       the computation
 *
 * Reads all weights; called only after a result was found to be NaN or infinite.
 * Return: always negative, -EBADMSG or -ERANGE.
 */
int ferry_model_find_bad_tensor(const struct ferry_model *m, struct ferry_error *err);

#endif
