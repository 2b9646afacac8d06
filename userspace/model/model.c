// SPDX-License-Identifier: MIT
#include "model/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"
#include "model/gguf_parse.h"
#include "model/hparams.h"
#include "model/identity.h"
#include "model/layer_tensors.h"
#include "model/tensor_check.h"
#include "model/tokenizer.h"

enum {
	MAX_ARCH_NAME = 64,
	MAX_MODEL_NAME = 128,
	MAX_ARCH_LIST = 256,
};

/* An adapter, a projector or one part of a split model is a GGUF file too. */
static int check_kind(const struct ferry_gguf *g, struct ferry_error *err)
{
	struct ferry_gguf_string kind = {"model", 5};
	uint32_t n_parts = 1;
	int rc;

	rc = ferry_gguf_get_string(g, "general.type", &kind, err);
	if (rc >= 0 && (kind.n != 5 || memcmp(kind.bytes, "model", 5) != 0))
		return ferry_gguf_fail(
			g, err, -ENOTSUP,
			"the file holds a GGUF \"%.*s\", not a model; name a model file",
			(int)(kind.n < 32 ? kind.n : 32), kind.bytes);
	if (rc >= 0)
		rc = ferry_gguf_get_u32(g, "split.count", &n_parts, err);
	if (rc < 0)
		return rc;
	if (n_parts > 1)
		return ferry_gguf_fail(g, err, -ENOTSUP,
				       "one of %" PRIu32
				       " parts of a split model; join them into one file "
				       "(gguf-split --merge)",
				       n_parts);
	return 0;
}

static int find_arch(struct ferry_model *m, struct ferry_error *err)
{
	struct ferry_gguf_string s = {0};
	char name[MAX_ARCH_NAME] = "", list[MAX_ARCH_LIST] = "";
	const struct ferry_arch *table;
	unsigned n;
	int rc = ferry_gguf_get_string(m->gguf, "general.architecture", &s, err);

	if (rc < 0)
		return rc;
	if (!rc)
		return ferry_gguf_damaged(m->gguf, err, "key general.architecture is missing");
	/* A name with a zero in it must not pass for what stands in front of the zero. */
	if (s.n && s.n < sizeof(name) && !memchr(s.bytes, 0, s.n)) {
		memcpy(name, s.bytes, s.n);
		m->arch = ferry_arch_by_name(name);
	}
	if (m->arch)
		return 0;
	table = ferry_arch_table(&n);
	for (unsigned i = 0, at = 0; i < n && at < sizeof(list); i++)
		at += (unsigned)snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "",
					 table[i].name);
	return ferry_gguf_fail(m->gguf, err, -ENOTSUP,
			       "architecture \"%.*s\" is not one that Ferry computes (%s)",
			       (int)(s.n < MAX_ARCH_NAME ? s.n : MAX_ARCH_NAME), s.bytes, list);
}

/* general.name, or the file's own: a text that can be printed, and be a string of JSON. */
static int set_name(struct ferry_model *m, struct ferry_error *err)
{
	const char *slash = strrchr(m->gguf->path, '/');
	const char *file = slash ? slash + 1 : m->gguf->path;
	struct ferry_gguf_string s = {file, strlen(file)};
	struct ferry_gguf_string given = {0};
	int rc = ferry_gguf_get_string(m->gguf, "general.name", &given, err);
	char *name;

	if (rc < 0)
		return rc;
	if (given.n)
		s = given;
	if (s.n > MAX_MODEL_NAME) {
		s.n = MAX_MODEL_NAME;
		/* Not inside a character, which has at most three bytes behind its first. */
		while (s.n > MAX_MODEL_NAME - 3 && ((unsigned char)s.bytes[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	name = malloc(s.n + 1);
	if (!name)
		return ferry_fail_memory(err, m->gguf->path, s.n + 1);
	for (size_t i = 0; i < s.n; i++)
		name[i] = s.bytes[i] ? s.bytes[i] : '?';
	name[s.n] = 0;
	ferry_make_printable(name);
	m->name = name;
	return 0;
}

/*
 * A model without a usable tokenizer still computes: token ids may come from elsewhere. Whoever
 * needs text finds the reason in tokenizer_error.
 */
static int load_tokenizer(struct ferry_model *m, struct ferry_error *err)
{
	struct ferry_error reason = {0};
	int rc = ferry_tokenizer_new(m->gguf, &m->tokenizer, &reason);

	if (rc == -ENOMEM) {
		if (err)
			*err = reason;
		return rc;
	}
	if (!rc && ferry_tokenizer_n_vocab(m->tokenizer) > m->hp.n_vocab) {
		ferry_gguf_damaged(m->gguf, &reason,
				   "the tokenizer has %" PRIu32 " tokens, the embedding %" PRIu32,
				   ferry_tokenizer_n_vocab(m->tokenizer), m->hp.n_vocab);
		ferry_tokenizer_free(m->tokenizer);
		rc = -EBADMSG;
	}
	if (rc) {
		m->tokenizer = NULL;
		snprintf(m->tokenizer_error, sizeof(m->tokenizer_error), "%s", reason.text);
	}
	return 0;
}

int ferry_model_from_gguf(struct ferry_gguf *g, struct ferry_model **out, struct ferry_error *err)
{
	struct ferry_model *m = calloc(1, sizeof(*m));
	uint32_t swa_period = 0;
	int rc;

	*out = NULL;
	if (!m) {
		ferry_gguf_close(g);
		return ferry_fail_memory(err, "a model", sizeof(*m));
	}
	m->gguf = g;
	rc = check_kind(g, err);
	if (!rc)
		rc = find_arch(m, err);
	if (!rc)
		rc = ferry_hparams_read(m, &swa_period, err);
	if (!rc)
		rc = ferry_model_bind_tensors(m, swa_period, err);
	if (!rc)
		rc = set_name(m, err);
	if (!rc)
		rc = ferry_model_identify(m, err);
	if (!rc)
		rc = load_tokenizer(m, err);
	if (rc) {
		ferry_model_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

int ferry_model_load(const char *path, struct ferry_model **out, struct ferry_error *err)
{
	struct ferry_gguf *g;
	int rc = ferry_gguf_open(path, &g, err);

	*out = NULL;
	return rc ? rc : ferry_model_from_gguf(g, out, err);
}

void ferry_model_free(struct ferry_model *m)
{
	if (!m)
		return;
	if (m->weights)
		m->weights_free(m->weights);
	ferry_tokenizer_free(m->tokenizer);
	free((char *)(uintptr_t)m->name);
	free(m->layers);
	ferry_gguf_close(m->gguf);
	free(m);
}

int ferry_model_find_bad_tensor(const struct ferry_model *m, struct ferry_error *err)
{
	for (size_t i = 0; i < ferry_model_n_tensor_slots(m); i++) {
		const struct ferry_tensor *t = ferry_model_tensor(m, i);
		uint64_t at;

		if (t && !ferry_tensor_is_finite(t, &at))
			return ferry_gguf_damaged(m->gguf, err,
						  "tensor %s is not finite at weight %" PRIu64,
						  t->name, at);
	}
	return ferry_gguf_fail(
		m->gguf, err, -ERANGE,
		"all weights are finite, but the computation overflowed; the model or "
		"its quantization is not usable for this input");
}
