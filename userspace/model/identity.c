// SPDX-License-Identifier: MIT
#include "model/identity.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/layer_tensors.h"

enum { WINDOW = 4096 };

/* A digest under construction; the first failure sticks. */
struct digest {
	EVP_MD_CTX *ctx;
	bool failed;
};

static void put_bytes(struct digest *d, const void *bytes, size_t n)
{
	if (!d->failed && EVP_DigestUpdate(d->ctx, bytes, n) != 1)
		d->failed = true;
}

static void put_u32(struct digest *d, uint32_t u)
{
	uint8_t bytes[4];

	ferry_store_le32(bytes, u);
	put_bytes(d, bytes, sizeof(bytes));
}

static void put_u64(struct digest *d, uint64_t u)
{
	uint8_t bytes[8];

	ferry_store_le64(bytes, u);
	put_bytes(d, bytes, sizeof(bytes));
}

static void put_f32(struct digest *d, float f)
{
	uint8_t bytes[4];

	ferry_store_lef32(bytes, f);
	put_bytes(d, bytes, sizeof(bytes));
}

static void put_string(struct digest *d, const char *s)
{
	put_u32(d, (uint32_t)strlen(s));
	put_bytes(d, s, strlen(s));
}

static void put_hparams(struct digest *d, const struct ferry_hparams *hp)
{
	put_u32(d, hp->n_layers);
	put_u32(d, hp->n_ctx_train);
	put_u32(d, hp->n_embd);
	put_u32(d, hp->n_ff);
	put_u32(d, hp->n_head);
	put_u32(d, hp->n_head_kv);
	put_u32(d, hp->n_head_dim);
	put_u32(d, hp->n_value_dim);
	put_u32(d, hp->n_rot);
	put_u32(d, hp->n_vocab);
	put_u32(d, hp->n_experts);
	put_u32(d, hp->n_experts_used);
	put_u32(d, hp->n_ff_expert);
	put_u32(d, hp->n_swa);
	put_f32(d, hp->norm_eps);
	put_f32(d, hp->rope_base);
	put_f32(d, hp->rope_base_local);
	put_f32(d, hp->rope_scale);
	put_f32(d, hp->attention_scale);
	put_f32(d, hp->attention_softcap);
	put_f32(d, hp->logit_softcap);
}

static void put_tensor(struct digest *d, const struct ferry_tensor *t)
{
	uint64_t middle;

	put_string(d, t->name);
	put_u32(d, (uint32_t)t->type);
	for (unsigned i = 0; i < FERRY_MAX_DIMS; i++)
		put_u64(d, t->dim[i]);
	if (t->n_bytes <= 3 * WINDOW) {
		put_bytes(d, t->data, (size_t)t->n_bytes);
		return;
	}
	middle = t->n_bytes / 2 / WINDOW * WINDOW;
	put_bytes(d, t->data, WINDOW);
	put_bytes(d, t->data + middle, WINDOW);
	put_bytes(d, t->data + t->n_bytes - WINDOW, WINDOW);
}

/* Advice only: where the kernel refuses it, the same bytes are read at a higher price. */
static void advise(const struct ferry_gguf *g, int advice)
{
	if (g->mapped)
		(void)madvise((void *)(uintptr_t)g->map, g->map_bytes, advice);
}

int ferry_model_identify(struct ferry_model *m, struct ferry_error *err)
{
	struct digest d = {.ctx = EVP_MD_CTX_new()};
	unsigned n = 0;

	if (!d.ctx)
		return ferry_fail_memory(err, "a SHA-256 context", 0);
	d.failed = EVP_DigestInit_ex(d.ctx, EVP_sha256(), NULL) != 1;
	put_string(&d, "ferry model 1");
	put_string(&d, m->arch->name);
	put_hparams(&d, &m->hp);
	for (uint32_t layer = 0; layer < m->hp.n_layers; layer++)
		put_u32(&d, m->layers[layer].sliding);
	/* Without this, each window would make the kernel read 128 KiB around it. */
	advise(m->gguf, MADV_RANDOM);
	for (size_t i = 0; i < ferry_model_n_tensor_slots(m); i++) {
		const struct ferry_tensor *t = ferry_model_tensor(m, i);

		if (t)
			put_tensor(&d, t);
	}
	advise(m->gguf, MADV_NORMAL);
	if (!d.failed)
		d.failed = EVP_DigestFinal_ex(d.ctx, m->id, &n) != 1 || n != sizeof(m->id);
	EVP_MD_CTX_free(d.ctx);
	return d.failed ? ferry_fail(err, FERRY_ERROR_SYSTEM, -EIO, "%s: libcrypto refused SHA-256",
				     m->gguf->path)
			: 0;
}
