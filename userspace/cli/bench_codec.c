// SPDX-License-Identifier: MIT
#include "cli/bench_codec.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/local_engine.h"
#include "cli/text_file.h"
#include "engine/sampler.h"
#include "model/tokenizer.h"
#include "node/activation.h"
#include "wire/message.h"

enum {
	WINDOW = 256, /* positions */
	PIECE = 16,   /* tokens at once: their logits are kept */
	MOST = 2048,  /* tokens */
};

struct measurement {
	struct ferry_local_engine engine;
	int32_t *ids; /* [n] */
	size_t n;
	uint32_t window;
	uint32_t splits[FERRY_BENCH_MAX_SPLITS], n_splits;
	uint8_t *row;
	float *back; /* [n_embd] */
};

/* Tokens that the model says itself: what it was trained to predict, as far as it was. */
static int make_text(struct measurement *m, struct ferry_error *err)
{
	const struct ferry_sampling sampling = {
		.temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 1};
	struct ferry_local_engine *e = &m->engine;

	m->ids[0] = 1;
	for (m->n = 1; m->n < MOST; m->n++) {
		const size_t at = (m->n - 1) % m->window;
		int ret;
		int32_t id;

		if (!at)
			ferry_kv_cache_truncate(e->kv, 0);
		ret = ferry_local_engine_pass(e, &m->ids[m->n - 1], 1, 1, err);
		if (ret)
			return ret;
		id = ferry_sample(&sampling, e->logits, e->model->hp.n_vocab, NULL, 0, m->n);
		if (id < 0)
			return ferry_fail(err, FERRY_ERROR_MEMORY, id, "cannot draw a token");
		m->ids[m->n] = id;
	}
	return 0;
}

static int read_text(struct measurement *m, const char *file, struct ferry_error *err)
{
	struct ferry_model *model = m->engine.model;
	size_t n_bytes, n;
	int32_t *ids;
	char *text;
	int ret;

	if (!model->tokenizer)
		return ferry_fail(err, FERRY_ERROR_FILE, -ENODATA, "%s", model->tokenizer_error);
	ret = ferry_text_file_read(file, &text, &n_bytes, err);
	if (ret)
		return ret;
	ret = ferry_tokenizer_encode(
		model->tokenizer, text, n_bytes,
		ferry_tokenizer_adds_bos(model->tokenizer) ? FERRY_ENCODE_BOS : 0, &ids, &n, err);
	free(text);
	if (ret)
		return ret;
	m->n = n < MOST ? n : MOST;
	memcpy(m->ids, ids, m->n * sizeof(*ids));
	free(ids);
	return m->n > 1 ? 0 : ferry_fail(err, FERRY_ERROR_FILE, -ENODATA, "%s is too short", file);
}

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

static void keep_least(double *least, uint64_t ns)
{
	if (*least == 0 || (double)ns / 1e3 < *least)
		*least = (double)ns / 1e3;
}

/* A row there and back, in place. */
static int cross(struct measurement *m, uint8_t encoding, float *x, struct ferry_bench_codec *r,
		 struct ferry_error *err)
{
	const struct ferry_kernels *k = ferry_forward_kernels(m->engine.forward);
	const size_t n = m->engine.model->hp.n_embd;
	double error = 0, power = 0, most = 0;
	uint64_t start = ferry_now_ns();
	int ret = ferry_activation_encode(k, encoding, x, 1, n, m->row, err);

	if (ret)
		return ret;
	keep_least(&r->encode_us, ferry_now_ns() - start);
	start = ferry_now_ns();
	ret = ferry_activation_decode(k, encoding, m->row, 1, n, m->back, err);
	if (ret)
		return ret;
	keep_least(&r->decode_us, ferry_now_ns() - start);
	for (size_t i = 0; i < n; i++) {
		const double d = fabs((double)x[i] - m->back[i]);

		error += d * d;
		power += (double)x[i] * x[i];
		most = d > most ? d : most;
	}
	if (power > 0) {
		r->rms += sqrt(error / power);
		most /= sqrt(power / (double)n);
		r->max = most > r->max ? most : r->max;
	}
	memcpy(x, m->back, n * sizeof(*x));
	return 0;
}

static int run_piece(struct measurement *m, const int32_t *ids, uint32_t n, uint32_t split,
		     uint8_t encoding, struct ferry_bench_codec *r, struct ferry_error *err)
{
	struct ferry_local_engine *e = &m->engine;
	const struct ferry_hparams *hp = &e->model->hp;
	const struct ferry_span span = {e->kv, n};
	int ret = ferry_forward_embed(e->forward, ids, n, e->hidden, err);

	if (!ret)
		ret = ferry_forward_layers(e->forward, &span, 1, 0, split, e->hidden, err);
	for (uint32_t i = 0; !ret && i < n; i++)
		ret = cross(m, encoding, e->hidden + (size_t)i * hp->n_embd, r, err);
	if (!ret)
		ret = ferry_forward_layers(e->forward, &span, 1, split, hp->n_layers, e->hidden,
					   err);
	if (!ret)
		ret = ferry_forward_head(e->forward, e->hidden, n, e->logits, err);
	if (!ret)
		ferry_forward_advance(&span, 1);
	return ret;
}

static int run_text(struct measurement *m, uint32_t split, uint8_t encoding,
		    struct ferry_bench_codec *r, struct ferry_error *err)
{
	const uint32_t n_vocab = m->engine.model->hp.n_vocab;

	for (size_t at = 0; at + 1 < m->n;) {
		const size_t left = m->n - 1 - at, room = m->window - at % m->window;
		size_t n = left < PIECE ? left : PIECE;
		int ret;

		n = n < room ? n : room;
		if (at % m->window == 0)
			ferry_kv_cache_truncate(m->engine.kv, 0);
		ret = run_piece(m, m->ids + at, (uint32_t)n, split, encoding, r, err);
		if (ret)
			return ret;
		for (size_t i = 0; i < n; i++)
			r->nll += token_nll(m->engine.logits + i * n_vocab, n_vocab,
					    m->ids[at + i + 1]);
		at += n;
	}
	return 0;
}

static void choose_splits(struct measurement *m)
{
	const uint32_t n = m->engine.model->hp.n_layers;
	const uint32_t wanted[FERRY_BENCH_MAX_SPLITS] = {1, n / 4, n / 2, 3 * n / 4, n - 1};

	for (int i = 0; i < FERRY_BENCH_MAX_SPLITS; i++)
		if (wanted[i] && (!m->n_splits || wanted[i] > m->splits[m->n_splits - 1]))
			m->splits[m->n_splits++] = wanted[i];
}

static int measure(struct measurement *m, struct ferry_bench_codec *results,
		   struct ferry_error *err)
{
	const double n = (double)(m->n - 1) * m->n_splits;

	for (uint8_t encoding = 0; encoding < FERRY_ENCODINGS; encoding++) {
		struct ferry_bench_codec *r = &results[encoding];

		*r = (struct ferry_bench_codec){.bytes = (double)ferry_wire_row_bytes(
							encoding, m->engine.model->hp.n_embd)};
		for (uint32_t i = 0; i < m->n_splits; i++) {
			const int ret = run_text(m, m->splits[i], encoding, r, err);

			if (ret)
				return ret;
		}
		r->rms /= n;
		r->nll /= n;
	}
	return 0;
}

int ferry_bench_codec(const struct ferry_bench_setting *b, const char *file,
		      struct ferry_bench_codec *results, uint32_t *n_tokens,
		      struct ferry_error *err)
{
	struct measurement m = {.window = WINDOW};
	int ret = ferry_local_engine_open(&m.engine, b->model, b->cache, b->n_threads, WINDOW,
					  PIECE, false, b->kv, err);

	if (ret)
		return ret;
	if (m.window > m.engine.model->hp.n_ctx_train && m.engine.model->hp.n_ctx_train)
		m.window = m.engine.model->hp.n_ctx_train;
	choose_splits(&m);
	m.ids = calloc(MOST, sizeof(*m.ids));
	m.row = malloc(4 * (size_t)m.engine.model->hp.n_embd + 64);
	m.back = malloc(m.engine.model->hp.n_embd * sizeof(*m.back));
	if (!m.ids || !m.row || !m.back)
		ret = ferry_fail_memory(err, "the text", MOST * sizeof(*m.ids));
	if (!ret)
		ret = file ? read_text(&m, file, err) : make_text(&m, err);
	if (!ret)
		ret = measure(&m, results, err);
	*n_tokens = (uint32_t)(m.n - 1);
	free(m.ids);
	free(m.row);
	free(m.back);
	ferry_local_engine_close(&m.engine);
	return ret;
}

static double change(const struct ferry_bench_codec *results, int i)
{
	return exp(results[i].nll - results[FERRY_ENCODING_F32].nll) - 1;
}

void ferry_bench_codec_print(const struct ferry_bench_codec *results, uint32_t n_tokens)
{
	printf("hidden states between two layers, %u tokens\n", n_tokens);
	printf("%-6s %12s %10s %10s %12s %10s %10s %10s\n", "codec", "bytes/token", "rms error",
	       "max error", "perplexity", "change", "encode us", "decode us");
	for (uint8_t i = 0; i < FERRY_ENCODINGS; i++)
		printf("%-6s %12.0f %10.5f %10.4f %12.4f %9.3f%% %10.2f %10.2f\n",
		       ferry_activation_name(i), results[i].bytes, results[i].rms, results[i].max,
		       exp(results[i].nll), 100 * change(results, i), results[i].encode_us,
		       results[i].decode_us);
}

json_t *ferry_bench_codec_to_json(const struct ferry_bench_codec *results, uint32_t n_tokens)
{
	json_t *root = json_pack("{s:I}", "n_tokens", (json_int_t)n_tokens);

	for (uint8_t i = 0; i < FERRY_ENCODINGS; i++)
		json_object_set_new(
			root, ferry_activation_name(i),
			json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "bytes_per_token",
				  results[i].bytes, "relative_rms_error", results[i].rms,
				  "max_error", results[i].max, "perplexity", exp(results[i].nll),
				  "perplexity_change", change(results, i), "encode_us",
				  results[i].encode_us, "decode_us", results[i].decode_us));
	return root;
}
