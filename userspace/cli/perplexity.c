// SPDX-License-Identifier: MIT
/*
 * ferry perplexity: exp of the mean negative log-likelihood that a model gives the tokens of a
 * text. Windows of n_ctx tokens advance by half their length and each scores its second half
 * (the first window also its first), so that every token is scored once, and all but the first
 * n_ctx / 2 with at least n_ctx / 2 tokens of context.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/local_engine.h"
#include "cli/packed_weights.h"
#include "cli/progress.h"
#include "cli/text_file.h"
#include "model/tokenizer.h"

static const char command_name[] = "ferry perplexity";

enum {
	OPTION_CACHE = 0x100,
	OPTION_KV,
	PERPLEXITY_BATCH = 64,
	PERPLEXITY_MIN_CTX = 4, /* half of it is the step, which must not be 0 */
};

struct perplexity_options {
	const char *model, *file, *cache;
	uint32_t n_ctx, n_threads;
	bool json, reference;
	enum ferry_kv_type kv;
};

struct score {
	double nll; /* sum, nats */
	uint64_t n;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct perplexity_options *o = state->input;

	switch (key) {
	case 'm':
		o->model = arg;
		return 0;
	case 'f':
		o->file = arg;
		return 0;
	case 'c':
		o->n_ctx =
			(uint32_t)ferry_cli_number(state, "-c", arg, PERPLEXITY_MIN_CTX, 1 << 20);
		return 0;
	case 't':
		o->n_threads =
			(uint32_t)ferry_cli_number(state, "-t", arg, 1, FERRY_POOL_MAX_THREADS);
		return 0;
	case OPTION_KV:
		o->kv = ferry_cli_kv(state, arg);
		return 0;
	case OPTION_CACHE:
		o->cache = arg;
		return 0;
	case 'r':
		o->reference = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->model || !o->file)
			argp_error(state, "-m MODEL and -f FILE are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file", 0},
	{"file", 'f', "FILE", 0, "the text ('-': standard input)", 0},
	{"ctx", 'c', "N", 0, "tokens of a window (default 512, or the model's context)", 0},
	{"threads", 't', "N", 0, "threads (default: the CPUs of this process)", 0},
	{"kv", OPTION_KV, "f16|q8", 0, "type of the KV cache (default f16)", 0},
	{"cache", OPTION_CACHE, "DIR|none", 0, FERRY_CLI_CACHE_HELP, 0},
	{"reference", 'r', NULL, 0, "use the oracle path, with an F32 cache", 0},
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

/* -log softmax(logits)[id], in nats */
static double token_nll(const float *logits, uint32_t n_vocab, int32_t id)
{
	float top = logits[0];
	double sum = 0;

	for (uint32_t i = 1; i < n_vocab; i++)
		top = logits[i] > top ? logits[i] : top;
	for (uint32_t i = 0; i < n_vocab; i++)
		sum += exp((double)logits[i] - top);
	return log(sum) + top - logits[id];
}

/* One window, ids[begin, end): its first id is context only; scores the predictions of those from
 * ids[begin + from] on. */
static int score_window(struct ferry_local_engine *e, const int32_t *ids, size_t begin, size_t end,
			size_t from, struct score *score, struct ferry_progress *progress,
			struct ferry_error *err)
{
	size_t n = end - begin;

	ids += begin;
	ferry_kv_cache_truncate(e->kv, 0);
	for (size_t at = 0; at + 1 < n; at += PERPLEXITY_BATCH) {
		size_t left = n - 1 - at;
		uint32_t m = (uint32_t)(left < PERPLEXITY_BATCH ? left : PERPLEXITY_BATCH);
		int ret = ferry_local_engine_pass(e, ids + at, m, at + m >= from ? m : 0, err);

		if (ret)
			return ret;
		for (uint32_t i = 0; i < m; i++) {
			size_t predicted = at + i + 1;

			if (predicted < from)
				continue;
			score->nll += token_nll(e->logits + (size_t)i * e->model->hp.n_vocab,
						e->model->hp.n_vocab, ids[predicted]);
			score->n++;
		}
		ferry_progress_at(progress, begin + at + m);
	}
	return 0;
}

static int score_text(struct ferry_local_engine *e, const int32_t *ids, size_t n, uint32_t n_ctx,
		      struct score *score, struct ferry_error *err)
{
	struct ferry_progress progress = ferry_progress_start("perplexity", n);
	size_t half = n_ctx / 2;
	int ret = 0;

	for (size_t begin = 0; !ret; begin += half) {
		size_t end = begin + n_ctx < n ? begin + n_ctx : n;

		ret = score_window(e, ids, begin, end, begin ? n_ctx - half : 1, score, &progress,
				   err);
		if (end == n)
			break;
	}
	ferry_progress_end(&progress);
	return ret;
}

static void print_result(const struct perplexity_options *o, const struct score *s, size_t n_bytes,
			 size_t n_tokens, uint32_t n_ctx, double seconds)
{
	double nll = s->nll / (double)s->n;
	/* The first token is never predicted; its bytes are few against a text worth scoring. */
	double bits_per_byte = s->nll / M_LN2 / (double)n_bytes;

	if (o->json) {
		json_t *root = json_pack("{s:f, s:f, s:f, s:I, s:I, s:I, s:i, s:f}", "perplexity",
					 exp(nll), "nll", nll, "bits_per_byte", bits_per_byte,
					 "n_scored", (json_int_t)s->n, "n_tokens",
					 (json_int_t)n_tokens, "n_bytes", (json_int_t)n_bytes,
					 "n_ctx", (int)n_ctx, "seconds", seconds);

		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
	} else {
		printf("perplexity %.4f (%.5f nats per token, %.4f bits per byte) over %llu tokens, "
		       "windows of %u, %.1f s\n",
		       exp(nll), nll, bits_per_byte, (unsigned long long)s->n, n_ctx, seconds);
	}
}

int ferry_cli_perplexity(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "How well a model predicts a text: exp of the mean negative log-likelihood of its "
		       "tokens, in windows that overlap by half.",
		.args_doc = "-m FILE -f FILE",
	};
	struct perplexity_options o = {0};
	struct ferry_local_engine e = {0};
	struct score score = {0};
	struct ferry_error err = {0};
	uint64_t start;
	int32_t *ids = NULL;
	size_t n_bytes = 0, n = 0;
	char *text = NULL;
	uint32_t n_ctx;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = ferry_text_file_read(o.file, &text, &n_bytes, &err);
	if (!ret)
		ret = ferry_local_engine_open(&e, o.model, o.cache, o.n_threads,
					      o.n_ctx ? o.n_ctx : 512, PERPLEXITY_BATCH,
					      o.reference, o.kv, &err);
	if (ret)
		goto out;
	if (!e.model->tokenizer) {
		ret = ferry_fail(&err, FERRY_ERROR_FILE, -ENODATA, "%s", e.model->tokenizer_error);
		goto out;
	}
	n_ctx = o.n_ctx ? o.n_ctx : 512;
	if (n_ctx > e.model->hp.n_ctx_train) {
		if (o.n_ctx) {
			ret = ferry_fail(
				&err, FERRY_ERROR_CALLER, -EINVAL,
				"-c %u is more than the %u positions that %s was trained for",
				o.n_ctx, e.model->hp.n_ctx_train, o.model);
			goto out;
		}
		n_ctx = e.model->hp.n_ctx_train;
	}
	if (n_ctx < PERPLEXITY_MIN_CTX) {
		ret = ferry_fail(&err, FERRY_ERROR_FILE, -ENOTSUP,
				 "%s has a context of %u positions; perplexity needs at least %d",
				 o.model, n_ctx, PERPLEXITY_MIN_CTX);
		goto out;
	}
	ret = ferry_tokenizer_encode(e.model->tokenizer, text, n_bytes,
				     ferry_tokenizer_adds_bos(e.model->tokenizer) ? FERRY_ENCODE_BOS
										  : 0,
				     &ids, &n, &err);
	if (ret)
		goto out;
	if (n < 2) {
		ret = ferry_fail(
			&err, FERRY_ERROR_FILE, -ENODATA,
			"%s is too short: %zu of the 2 tokens that perplexity needs at least",
			o.file, n);
		goto out;
	}
	start = ferry_now_us();
	ret = score_text(&e, ids, n, n_ctx, &score, &err);
	if (!ret)
		print_result(&o, &score, n_bytes, n, n_ctx, (double)(ferry_now_us() - start) / 1e6);
out:
	free(ids);
	free(text);
	ferry_local_engine_close(&e);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
