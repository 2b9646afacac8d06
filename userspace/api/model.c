// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/options.h"
#include "base/error.h"
#include "engine/weights.h"
#include "ferry/ferry.h"
#include "model/model.h"
#include "model/tokenizer.h"

_Static_assert((int)FERRY_TOKENIZE_BOS == (int)FERRY_ENCODE_BOS &&
		       (int)FERRY_TOKENIZE_SPECIAL == (int)FERRY_ENCODE_SPECIAL,
	       "the public flags are those of the tokenizer");

const char *ferry_version(void)
{
	return FERRY_VERSION; /* set by the build */
}

int ferry_model_open(const char *path, const struct ferry_model_options *options,
		     struct ferry_model **model, struct ferry_error *err)
{
	static const struct ferry_model_options defaults = FERRY_MODEL_OPTIONS_INIT;
	struct ferry_model_options o;
	int ret;

	*model = NULL;
	if (!path || !*path)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the path of the model is empty");
	ret = ferry_options_copy(&o, sizeof(o), options, &defaults, "struct ferry_model_options",
				 err);
	if (!ret)
		ret = ferry_model_load(path, model, err);
	if (!ret)
		ret = ferry_weights_prepare(
			*model,
			&(struct ferry_weights_options){.cache = o.cache,
							.model_path = o.cache ? path : NULL},
			err);
	if (ret) {
		ferry_model_free(*model);
		*model = NULL;
	}
	return ret;
}

void ferry_model_close(struct ferry_model *model)
{
	ferry_model_free(model);
}

int ferry_model_describe(const struct ferry_model *model, struct ferry_model_info *info,
			 struct ferry_error *err)
{
	struct ferry_model_info full = {
		.name = model->name,
		.architecture = model->arch->name,
		.n_layers = model->hp.n_layers,
		.n_embd = model->hp.n_embd,
		.n_vocab = model->hp.n_vocab,
		.n_ctx_train = model->hp.n_ctx_train,
		.n_params = model->n_params,
		.cache_file = ferry_weights_file(model),
		.cache_problem = ferry_weights_problem(model),
	};

	for (uint64_t i = 0; i < model->gguf->n_tensors; i++)
		full.n_bytes += model->gguf->tensors[i].n_bytes;
	memcpy(full.id, model->id, sizeof(full.id));
	return ferry_options_return(info, &full, sizeof(full), "struct ferry_model_info", err);
}

static int need_tokenizer(const struct ferry_model *model, struct ferry_error *err)
{
	if (model->tokenizer)
		return 0;
	return ferry_fail(err, FERRY_ERROR_FILE, -ENODATA, "%s", model->tokenizer_error);
}

int ferry_model_tokenize(const struct ferry_model *model, const char *text, size_t n_bytes,
			 unsigned flags, int32_t **ids, size_t *n_ids, struct ferry_error *err)
{
	int ret = need_tokenizer(model, err);

	*ids = NULL;
	*n_ids = 0;
	if (ret)
		return ret;
	if (flags & ~(unsigned)(FERRY_TOKENIZE_BOS | FERRY_TOKENIZE_SPECIAL))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "unknown flags 0x%x", flags);
	if ((flags & FERRY_TOKENIZE_BOS) && !ferry_tokenizer_adds_bos(model->tokenizer))
		flags &= ~(unsigned)FERRY_TOKENIZE_BOS;
	return ferry_tokenizer_encode(model->tokenizer, text, n_bytes, flags, ids, n_ids, err);
}

int ferry_model_detokenize(const struct ferry_model *model, const int32_t *ids, size_t n_ids,
			   char **text, size_t *n_bytes, struct ferry_error *err)
{
	int ret = need_tokenizer(model, err);

	*text = NULL;
	*n_bytes = 0;
	if (ret)
		return ret;
	return ferry_tokenizer_decode(model->tokenizer, ids, n_ids, FERRY_DECODE_FIRST, text,
				      n_bytes, err);
}

void ferry_free(void *memory)
{
	free(memory);
}
