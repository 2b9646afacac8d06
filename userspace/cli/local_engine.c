// SPDX-License-Identifier: MIT
#include "cli/local_engine.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/packed_weights.h"

int ferry_local_engine_open(struct ferry_local_engine *e, const char *path, const char *cache,
			    uint32_t n_threads, uint32_t n_ctx, uint32_t max_tokens, bool reference,
			    enum ferry_kv_type kv, struct ferry_error *err)
{
	const struct ferry_hparams *hp;
	int ret;

	*e = (struct ferry_local_engine){.max_tokens = max_tokens};
	ret = ferry_model_load(path, &e->model, err);
	if (ret)
		return ret;
	hp = &e->model->hp;
	if (!reference)
		ret = ferry_cli_pack_weights(e->model, path, cache, n_threads, NULL, err);
	if (!ret)
		ret = ferry_pool_new(n_threads, &e->pool, err);
	if (ret)
		goto close;
	ret = ferry_forward_new(e->model, e->pool, max_tokens,
				reference ? FERRY_PATH_REFERENCE : FERRY_PATH_DEFAULT, &e->forward,
				err);
	if (ret)
		goto close;
	ret = ferry_kv_cache_new(e->model, 0, hp->n_layers, n_ctx, reference ? FERRY_KV_F32 : kv,
				 &e->kv, err);
	if (ret)
		goto close;
	e->hidden = calloc((size_t)max_tokens * hp->n_embd, sizeof(float));
	e->logits = calloc((size_t)max_tokens * hp->n_vocab, sizeof(float));
	if (!e->hidden || !e->logits) {
		ret = ferry_fail_memory(err, "the logits of one pass",
					(unsigned long long)max_tokens * hp->n_vocab *
						sizeof(float));
		goto close;
	}
	return 0;
close:
	ferry_local_engine_close(e);
	return ret;
}

void ferry_local_engine_close(struct ferry_local_engine *e)
{
	free(e->logits);
	free(e->hidden);
	ferry_kv_cache_free(e->kv);
	ferry_forward_free(e->forward);
	ferry_pool_free(e->pool);
	ferry_model_free(e->model);
	*e = (struct ferry_local_engine){0};
}

int ferry_local_engine_pass(struct ferry_local_engine *e, const int32_t *ids, uint32_t n,
			    uint32_t n_logits, struct ferry_error *err)
{
	const struct ferry_hparams *hp = &e->model->hp;
	struct ferry_span span = {.kv = e->kv, .n_tokens = n};
	int ret = ferry_forward_embed(e->forward, ids, n, e->hidden, err);

	if (ret)
		return ret;
	ret = ferry_forward_layers(e->forward, &span, 1, 0, hp->n_layers, e->hidden, err);
	if (ret)
		return ret;
	ferry_forward_advance(&span, 1);
	if (!n_logits)
		return 0;
	return ferry_forward_head(e->forward, e->hidden + (size_t)(n - n_logits) * hp->n_embd,
				  n_logits, e->logits, err);
}
