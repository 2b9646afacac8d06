// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "node/activation.h"
#include "node/edge_private.h"

/* A WORK on its way through the layers. */
struct job {
	struct ferry_edge *edge;
	struct edge_session *session;
	const struct ferry_wire_work *work;
	uint32_t request;
	uint64_t arrived_us, start_us;
};

#define REFUSE(job, code, ...)                                                                 \
	ferry_edge_peer_refuse((job)->session->peer, (job)->request, (job)->session->id, code, \
			       __VA_ARGS__)

static bool wants_head(const struct ferry_wire_work *w)
{
	return w->output == FERRY_OUTPUT_LAST || w->output == FERRY_OUTPUT_LOGITS ||
	       w->output == FERRY_OUTPUT_TOKEN;
}

/* Bytes and rows of the answer's data. */
static uint64_t output_bytes(const struct job *j, uint32_t *n_rows)
{
	const struct ferry_hparams *hp = &j->edge->model->hp;
	const struct ferry_wire_work *w = j->work;

	*n_rows = w->output == FERRY_OUTPUT_NONE ? 0 : 1;
	switch (w->output) {
	case FERRY_OUTPUT_HIDDEN:
		*n_rows = w->n_tokens;
		return (uint64_t)w->n_tokens * ferry_wire_row_bytes(w->encoding, hp->n_embd);
	case FERRY_OUTPUT_LOGITS:
		*n_rows = w->n_tokens;
		return (uint64_t)w->n_tokens * hp->n_vocab * 4;
	case FERRY_OUTPUT_LAST:
		return (uint64_t)hp->n_vocab * 4;
	case FERRY_OUTPUT_TOKEN:
		return 4;
	}
	return 0;
}

static bool check_history(const struct job *j)
{
	const struct edge_session *s = j->session;
	const struct ferry_wire_work *w = j->work;

	if (w->position != s->n_past) {
		REFUSE(j, FERRY_CODE_HISTORY,
		       "the work begins at position %u, but session %u is at %u", w->position,
		       s->id, s->n_past);
		return false;
	}
	if (w->prefix_before != s->prefix) {
		REFUSE(j, FERRY_CODE_HISTORY,
		       "another history led to position %u of session %u; truncate it to what both "
		       "sides hold",
		       s->n_past, s->id);
		return false;
	}
	return true;
}

static bool check_work(const struct job *j)
{
	const struct edge_session *s = j->session;
	const struct ferry_wire_work *w = j->work;
	uint32_t n_embd = j->edge->model->hp.n_embd, n_rows;
	uint64_t row = w->input == FERRY_INPUT_IDS ? 4 : ferry_wire_row_bytes(w->encoding, n_embd);

	if (!check_history(j))
		return false;
	if (w->n_tokens > s->peer->max_batch || w->n_tokens > s->n_ctx - s->n_past)
		REFUSE(j, FERRY_CODE_LIMIT,
		       "%u tokens at position %u: this edge takes %u at once and %u in this session",
		       w->n_tokens, s->n_past, s->peer->max_batch, s->n_ctx);
	else if (w->n_data != w->n_tokens * row)
		REFUSE(j, FERRY_CODE_INPUT, "%u tokens come with %u bytes instead of %llu",
		       w->n_tokens, w->n_data, (unsigned long long)(w->n_tokens * row));
	else if (w->input == FERRY_INPUT_IDS && s->begin)
		REFUSE(j, FERRY_CODE_RANGE, "token ids go to layer 0, not to layer %u", s->begin);
	else if (wants_head(w) && !s->head)
		REFUSE(j, FERRY_CODE_RANGE, "session %u was opened without the head", s->id);
	else if (output_bytes(j, &n_rows) + FERRY_FRAME_MAX_GREETING > s->peer->max_frame)
		REFUSE(j, FERRY_CODE_LIMIT, "the answer to %u tokens exceeds a frame", w->n_tokens);
	else
		return true;
	return false;
}

static bool take_ids(const struct job *j)
{
	const struct ferry_wire_work *w = j->work;
	uint32_t n_vocab = j->edge->model->hp.n_vocab;

	for (uint32_t i = 0; i < w->n_ids; i++) {
		uint32_t id = ferry_load_le32(w->ids + 4 * (size_t)i);

		if (id >= n_vocab) {
			REFUSE(j, FERRY_CODE_INPUT, "token id %u is outside the vocabulary of %u",
			       id, n_vocab);
			return false;
		}
	}
	if (ferry_edge_session_note_ids(j->session, w->ids_begin, w->ids, w->n_ids)) {
		REFUSE(j, FERRY_CODE_MEMORY, "out of memory for token ids");
		return false;
	}
	return true;
}

static bool take_input_ids(const struct job *j)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_edge *e = j->edge;
	struct ferry_wire_work as_ids = *w;
	struct job noted = *j;
	struct ferry_error why;

	as_ids.ids = w->data;
	as_ids.ids_begin = w->position;
	as_ids.n_ids = w->n_tokens;
	noted.work = &as_ids;
	if (!take_ids(&noted))
		return false;
	if (ferry_forward_embed(e->forward, j->session->ids + w->position, w->n_tokens, e->hidden,
				&why)) {
		REFUSE(j, FERRY_CODE_COMPUTE, "%s", why.text);
		return false;
	}
	return true;
}

static bool take_input_hidden(const struct job *j)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_edge *e = j->edge;
	size_t n = (size_t)w->n_tokens * e->model->hp.n_embd;

	ferry_activation_decode(w->encoding, w->data, n, e->hidden);
	/* Found here it is the device's fault; found behind the layers, the engine would search
	 * all weights for it. */
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(e->hidden[i])) {
			REFUSE(j, FERRY_CODE_INPUT, "the hidden state of token %zu is not finite",
			       i / e->model->hp.n_embd);
			return false;
		}
	}
	return true;
}

static bool take_input(const struct job *j)
{
	return j->work->input == FERRY_INPUT_IDS ? take_input_ids(j) : take_input_hidden(j);
}

/* 0; -ESHUTDOWN, -ECANCELED, -EPIPE where nobody wants the result any more; or the engine's. */
static int breathe(const struct job *j)
{
	int ret = ferry_edge_breathe(j->edge);

	if (ret)
		return ret;
	if (!j->session->peer->link || j->session->closing)
		return -EPIPE;
	return j->session->cancel_running ? -ECANCELED : 0;
}

static int run_layers(const struct job *j, struct ferry_error *why)
{
	struct edge_session *s = j->session;
	struct ferry_edge *e = j->edge;
	struct ferry_span span = {.kv = s->kv, .n_tokens = j->work->n_tokens};
	uint32_t at = s->begin, stride = 1;
	int ret;

	while (at < s->end) {
		uint32_t end = s->end - at > stride ? at + stride : s->end;
		uint64_t start = ferry_now_us(), us;

		ret = ferry_forward_layers(e->forward, &span, 1, at, end, e->hidden, why);
		if (ret)
			return ret;
		us = (ferry_now_us() - start) / (end - at);
		stride = us < EDGE_BREATH_US ? (uint32_t)(EDGE_BREATH_US / (us + 1)) : 1;
		at = end;
		ret = at < s->end ? breathe(j) : 0;
		if (ret)
			return ret;
	}
	if (s->kv)
		ferry_forward_advance(&span, 1);
	return 0;
}

/* Positions of the session once the work is done. */
static uint32_t positions_after(const struct job *j)
{
	return j->session->n_past + j->work->n_tokens;
}

/* The ids that the penalty looks at must all be known. */
static bool check_penalty(const struct job *j)
{
	const struct edge_session *s = j->session;
	uint32_t window = s->sampling.repeat_window, begin = 0, end = positions_after(j);

	if (j->work->output != FERRY_OUTPUT_TOKEN || s->sampling.repeat_penalty == 1.0f)
		return true;
	if (window && end > window)
		begin = end - window;
	for (uint32_t i = begin; i < end; i++) {
		if (!s->ids || s->ids[i] < 0) {
			REFUSE(j, FERRY_CODE_INPUT,
			       "the repetition penalty needs the token id of position %u", i);
			return false;
		}
	}
	return true;
}

static int sample(const struct job *j, struct ferry_error *why)
{
	const struct edge_session *s = j->session;
	struct ferry_edge *e = j->edge;
	uint32_t end = positions_after(j);
	bool penalty = s->sampling.repeat_penalty != 1.0f;
	int32_t id = ferry_sample(&s->sampling, e->logits, e->model->hp.n_vocab,
				  penalty ? s->ids : NULL, penalty ? end : 0, end);

	if (id < 0)
		return ferry_fail_memory(why, "sampling",
					 e->model->hp.n_vocab * sizeof(*e->logits));
	ferry_store_le32(e->payload, (uint32_t)id);
	return 0;
}

/* Fills e->payload. */
static int make_output(const struct job *j, struct ferry_error *why)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_edge *e = j->edge;
	uint32_t n_embd = e->model->hp.n_embd, n_vocab = e->model->hp.n_vocab;
	uint32_t at = w->output == FERRY_OUTPUT_LOGITS ? 0 : w->n_tokens - 1;
	uint8_t *to = e->payload;
	int ret = 0;

	if (w->output == FERRY_OUTPUT_HIDDEN)
		return ferry_activation_encode(w->encoding, e->hidden, (size_t)w->n_tokens * n_embd,
					       e->payload, why);
	/* A few rows at a time: logits of a whole batch would be the largest buffer of the edge. */
	while (wants_head(w) && !ret && at < w->n_tokens) {
		uint32_t n = w->n_tokens - at < EDGE_HEAD_ROWS ? w->n_tokens - at : EDGE_HEAD_ROWS;

		ret = ferry_forward_head(e->forward, e->hidden + (size_t)at * n_embd, n, e->logits,
					 why);
		at += n;
		if (ret || w->output == FERRY_OUTPUT_TOKEN)
			continue;
		ret = ferry_activation_encode(FERRY_ENCODING_F32, e->logits, (size_t)n * n_vocab,
					      to, why);
		to += 4 * (size_t)n * n_vocab;
		if (!ret && at < w->n_tokens)
			ret = breathe(j);
	}
	return ret || w->output != FERRY_OUTPUT_TOKEN ? ret : sample(j, why);
}

static void send_result(const struct job *j)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_edge *e = j->edge;
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT, .request = j->request};
	uint64_t now = ferry_now_us(), queued = j->start_us - j->arrived_us;
	uint64_t computed = now - j->start_us;

	m.result = (struct ferry_wire_result){
		.session = j->session->id,
		.position = j->session->n_past,
		.output = w->output,
		.encoding = w->encoding,
		.compute_us = computed < UINT32_MAX ? (uint32_t)computed : UINT32_MAX,
		.queue_us = queued < UINT32_MAX ? (uint32_t)queued : UINT32_MAX,
		.data = e->payload,
	};
	m.result.n_data = (uint32_t)output_bytes(j, &m.result.n_rows);
	e->stats.n_works++;
	e->stats.n_tokens += w->n_tokens;
	e->stats.compute_us += computed;
	ferry_edge_peer_send(j->session->peer, &m);
}

static void explain(const struct job *j, int code, const struct ferry_error *why)
{
	if (code == -ESHUTDOWN)
		REFUSE(j, FERRY_CODE_STOPPING, "this edge is stopping");
	else if (code == -ECANCELED)
		REFUSE(j, FERRY_CODE_CANCELLED, "cancelled");
	else if (code != -EPIPE)
		REFUSE(j, FERRY_CODE_COMPUTE, "%s", why->text);
}

void ferry_edge_work(struct ferry_edge *e, struct edge_session *s, const struct edge_item *item)
{
	const struct ferry_wire_work *w = &item->message.work;
	struct job j = {
		.edge = e,
		.session = s,
		.work = w,
		.request = item->message.request,
		.arrived_us = item->arrived_us,
		.start_us = ferry_now_us(),
	};
	struct ferry_error why;
	int ret;

	if (!check_work(&j))
		return;
	if (!take_ids(&j) || !take_input(&j) || !check_penalty(&j))
		goto undo;
	ret = run_layers(&j, &why);
	if (!ret)
		ret = make_output(&j, &why);
	if (ret) {
		explain(&j, ret, &why);
		goto undo;
	}
	s->n_past += w->n_tokens;
	s->prefix = w->prefix_after;
	send_result(&j);
	return;
undo:
	ferry_edge_session_forget(s, s->n_past, positions_after(&j));
}
