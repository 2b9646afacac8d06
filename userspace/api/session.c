// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/options.h"
#include "base/error.h"
#include "compute/pool.h"
#include "ferry/ferry.h"
#include "model/tokenizer.h"
#include "node/session.h"

_Static_assert((int)FERRY_SPLIT_NONE == (int)FERRY_NODE_SPLIT_NONE &&
		       (int)FERRY_SPLIT_AUTO == (int)FERRY_NODE_SPLIT_AUTO,
	       "the public splits are those of the node");
_Static_assert((int)FERRY_KV_CACHE_F16 == (int)FERRY_KV_F16 &&
		       (int)FERRY_KV_CACHE_F32 == (int)FERRY_KV_F32 &&
		       (int)FERRY_KV_CACHE_Q8 == (int)FERRY_KV_Q8,
	       "the public cache types are those of the engine");

enum { TEXT_PIECE_BYTES = 256 };

struct ferry_session {
	const struct ferry_model *model;
	struct ferry_pool *pool;
	struct ferry_node_session *node;
	char *piece; /* the bytes of one token, and room to make whole characters of them */
	size_t piece_size;
	struct ferry_log log;
	void (*on_decision)(void *data, const char *line);
	void *data;
};

_Static_assert((int)FERRY_FALLBACK_LOCAL == (int)FERRY_NODE_FALLBACK_LOCAL &&
		       (int)FERRY_FALLBACK_WAIT == (int)FERRY_NODE_FALLBACK_WAIT &&
		       (int)FERRY_FALLBACK_FAIL == (int)FERRY_NODE_FALLBACK_FAIL,
	       "the public fallbacks are those of the node");

static void tell_decision(void *data, enum ferry_log_level level, const char *text)
{
	const struct ferry_session *s = data;

	(void)level;
	s->on_decision(s->data, text);
}

int ferry_session_open(struct ferry_model *model, const struct ferry_session_options *options,
		       struct ferry_session **session, struct ferry_error *err)
{
	static const struct ferry_session_options defaults = FERRY_SESSION_OPTIONS_INIT;
	struct ferry_node_session_options n = {0};
	struct ferry_session_options o;
	struct ferry_session *s;
	int ret;

	*session = NULL;
	ret = ferry_options_copy(&o, sizeof(o), options, &defaults, "struct ferry_session_options",
				 err);
	if (ret)
		return ret;
	if (o.n_threads > FERRY_POOL_MAX_THREADS)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%u threads are more than %d",
				  o.n_threads, FERRY_POOL_MAX_THREADS);
	n.n_ctx = o.n_ctx;
	n.kv = (enum ferry_kv_type)o.kv;
	n.edge = o.edge;
	n.split = o.split;
	n.deadline_ms = o.deadline_ms;
	n.insecure = o.insecure;
	n.fallback = (enum ferry_node_fallback)o.fallback;
	n.wait_ms = o.wait_ms;
	n.silence_ms = o.silence_ms;
	n.warm_share = (float)o.warm_percent / 100;
	n.tls = (struct ferry_tls_files){o.keys, o.ca, o.certificate, o.key};
	if (o.codec < 0 || o.codec > FERRY_LINK_CODEC_AUTO)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "codec %d of hidden states is unknown", (int)o.codec);
	n.choose_encoding = o.codec == FERRY_LINK_CODEC_AUTO;
	n.encoding = FERRY_ENCODING_INT8;
	if (o.codec != FERRY_LINK_CODEC_DEFAULT && !n.choose_encoding)
		n.encoding = (enum ferry_wire_encoding)(o.codec - FERRY_LINK_CODEC_F32);
	s = calloc(1, sizeof(*s));
	if (!s)
		return ferry_fail_memory(err, "a session", sizeof(*s));
	s->on_decision = o.on_decision;
	s->data = o.data;
	s->log = (struct ferry_log){.level = FERRY_LOG_DEBUG, .write = tell_decision, .data = s};
	n.log = s->on_decision ? &s->log : NULL;
	s->model = model;
	s->piece_size = TEXT_PIECE_BYTES;
	s->piece = malloc(s->piece_size);
	if (!s->piece) {
		ret = ferry_fail_memory(err, "a session", s->piece_size);
		goto fail;
	}
	ret = ferry_pool_new(o.n_threads, &s->pool, err);
	if (!ret)
		ret = ferry_node_session_open(model, s->pool, &n, &s->node, err);
	if (ret)
		goto fail;
	*session = s;
	return 0;
fail:
	ferry_session_close(s);
	return ret;
}

void ferry_session_close(struct ferry_session *s)
{
	if (!s)
		return;
	ferry_node_session_close(s->node);
	ferry_pool_free(s->pool);
	free(s->piece);
	free(s);
}

/* Checks and translates; NULL means greedy. */
static int take_sampling(const struct ferry_sampling_options *options, struct ferry_sampling *out,
			 struct ferry_error *err)
{
	static const struct ferry_sampling_options defaults = FERRY_SAMPLING_OPTIONS_INIT;
	struct ferry_sampling_options o;
	int ret = ferry_options_copy(&o, sizeof(o), options, &defaults,
				     "struct ferry_sampling_options", err);

	if (ret)
		return ret;
	*out = (struct ferry_sampling){
		.temperature = o.temperature,
		.top_k = o.top_k,
		.top_p = o.top_p,
		.min_p = o.min_p,
		.repeat_penalty = o.repeat_penalty,
		.repeat_window = o.repeat_window,
		.seed = o.seed,
	};
	return ferry_sampling_check(out, err);
}

/* The member `sampling` of a caller's options, which must not reach beyond them. */
static int take_sampling_of(const struct ferry_generate_options *options,
			    struct ferry_sampling *out, struct ferry_error *err)
{
	const size_t at = offsetof(struct ferry_generate_options, sampling);

	if (!options || options->size == at)
		return take_sampling(NULL, out, err);
	if (options->size < at + sizeof(options->sampling.size) ||
	    options->sampling.size > options->size - at)
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -EINVAL,
			"the sampling of struct ferry_generate_options is larger than it; "
			"begin with its _INIT macro");
	return take_sampling(&options->sampling, out, err);
}

int ferry_session_append(struct ferry_session *s, const int32_t *ids, size_t n_ids,
			 struct ferry_error *err)
{
	return ferry_node_session_append(s->node, ids, n_ids, err);
}

static bool ends_turn(const struct ferry_session *s, int32_t id)
{
	return s->model->tokenizer && ferry_tokenizer_is_end(s->model->tokenizer, id);
}

int ferry_session_next(struct ferry_session *s, const struct ferry_sampling_options *sampling,
		       int32_t *id, bool *ended, struct ferry_error *err)
{
	struct ferry_sampling how;
	int ret = take_sampling(sampling, &how, err);

	if (!ret)
		ret = ferry_node_session_next(s->node, &how, id, err);
	if (!ret && ended)
		*ended = ends_turn(s, *id);
	return ret;
}

int ferry_session_move(struct ferry_session *s, int32_t split, struct ferry_error *err)
{
	return ferry_node_session_move(s->node, split, 0, false, err);
}

int ferry_session_truncate(struct ferry_session *s, size_t n, struct ferry_error *err)
{
	return ferry_node_session_truncate(s->node, n, err);
}

static int append_text(struct ferry_session *s, const char *prompt, struct ferry_error *err)
{
	size_t n_history, n_ids;
	unsigned flags = 0;
	int32_t *ids;
	int ret;

	ferry_node_session_history(s->node, &n_history);
	if (!n_history)
		flags |= FERRY_TOKENIZE_BOS;
	if (!*prompt)
		return n_history
			       ? 0
			       : ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA,
					    "the prompt is empty and there is nothing to continue");
	ret = ferry_model_tokenize(s->model, prompt, strlen(prompt), flags, &ids, &n_ids, err);
	if (ret)
		return ret;
	ret = ferry_node_session_append(s->node, ids, n_ids, err);
	free(ids);
	return ret;
}

/* The bytes of a token as whole characters: *n bytes at the returned address, NUL behind them. */
static char *text_of(struct ferry_session *s, struct ferry_utf8_stream *stream, int32_t id,
		     size_t *n)
{
	for (;;) {
		/* The stream needs three bytes of output for each byte that waits or comes in. */
		size_t room = s->piece_size / 4 - 8;
		int bytes = ferry_tokenizer_piece(s->model->tokenizer, id, 0, s->piece, room);
		char *more;

		if (bytes < 0)
			return NULL;
		if ((size_t)bytes <= room) {
			char *out = s->piece + room;

			*n = ferry_utf8_stream_push(stream, s->piece, (size_t)bytes, out);
			out[*n] = '\0';
			return out;
		}
		more = realloc(s->piece, ((size_t)bytes + 16) * 4);
		if (!more)
			return NULL;
		s->piece = more;
		s->piece_size = ((size_t)bytes + 16) * 4;
	}
}

int ferry_session_generate(struct ferry_session *s, const char *prompt,
			   const struct ferry_generate_options *options, ferry_text_fn on_text,
			   void *data, struct ferry_error *err)
{
	static const struct ferry_generate_options defaults = FERRY_GENERATE_OPTIONS_INIT;
	struct ferry_utf8_stream stream = {0};
	struct ferry_generate_options o;
	struct ferry_sampling how;
	char rest[8];
	size_t n;
	int ret;

	ret = ferry_options_copy(&o, sizeof(o), options, &defaults, "struct ferry_generate_options",
				 err);
	if (!ret)
		ret = take_sampling_of(options, &how, err);
	if (!ret)
		ret = append_text(s, prompt ? prompt : "", err);
	if (ret)
		return ret;
	for (uint32_t made = 0; !o.max_tokens || made < o.max_tokens; made++) {
		size_t n_history;
		int32_t id;
		char *text;

		ferry_node_session_history(s->node, &n_history);
		if (made && n_history >= ferry_node_session_n_ctx(s->node))
			break;
		ret = ferry_node_session_next(s->node, &how, &id, err);
		if (ret)
			return ret;
		if (ends_turn(s, id))
			break;
		text = text_of(s, &stream, id, &n);
		if (!text)
			return ferry_fail_memory(err, "the text of a token", s->piece_size);
		if (n && on_text && on_text(data, text, n))
			return 0;
	}
	n = ferry_utf8_stream_end(&stream, rest);
	rest[n] = '\0';
	if (n && on_text)
		on_text(data, rest, n);
	return 0;
}

void ferry_session_cancel(struct ferry_session *s)
{
	ferry_node_session_cancel(s->node);
}

int ferry_session_get_stats(const struct ferry_session *s, struct ferry_session_stats *stats,
			    struct ferry_error *err)
{
	struct ferry_node_session_stats n;
	struct ferry_session_stats full;

	ferry_node_session_get_stats(s->node, &n);
	full = (struct ferry_session_stats){
		.n_tokens = n.n_tokens,
		.n_layers = s->model->hp.n_layers,
		.split = n.local ? s->model->hp.n_layers : n.split,
		.local_us = n.local_us,
		.edge_us = n.edge_us,
		.wait_us = n.wait_us,
		.bytes_sent = n.bytes_sent,
		.bytes_received = n.bytes_received,
		.rtt_us = n.rtt_us,
		.n_lost = n.n_lost,
		.n_attached = n.n_attached,
		.n_moves = n.n_moves,
	};
	return ferry_options_return(stats, &full, sizeof(full), "struct ferry_session_stats", err);
}
