// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "node/activation.h"
#include "node/edge_private.h"

#define REFUSE(job, code, ...)                                                     \
	ferry_edge_peer_refuse((job)->session->peer, (job)->item->message.request, \
			       (job)->session->id, code, __VA_ARGS__)

static const struct ferry_hparams *hparams(const struct edge_job *j)
{
	return &j->session->serves->model->hp;
}

static const struct ferry_kernels *kernels(const struct edge_job *j)
{
	return ferry_forward_kernels(j->session->serves->forward);
}

static bool wants_head(const struct ferry_wire_work *w)
{
	return w->output == FERRY_OUTPUT_LAST || w->output == FERRY_OUTPUT_LOGITS ||
	       w->output == FERRY_OUTPUT_TOKEN;
}

/* Bytes and rows of the answer's data. */
static uint64_t output_bytes(const struct edge_job *j, uint32_t *n_rows)
{
	const struct ferry_hparams *hp = hparams(j);
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

static bool check_history(const struct edge_job *j)
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

static bool check_work(const struct edge_job *j)
{
	const struct edge_session *s = j->session;
	const struct ferry_wire_work *w = j->work;
	uint32_t n_embd = hparams(j)->n_embd, n_rows;
	uint64_t row = w->input == FERRY_INPUT_IDS ? 4 : ferry_wire_row_bytes(w->encoding, n_embd);

	if (!check_history(j))
		return false;
	if (w->n_tokens > s->peer->max_batch || w->n_tokens > s->n_ctx - s->n_past)
		REFUSE(j, FERRY_CODE_LIMIT,
		       "%u tokens at position %u: this edge takes %u at once and %u in this session",
		       w->n_tokens, s->n_past, s->peer->max_batch, s->n_ctx);
	else if (!(s->peer->encodings >> w->encoding & 1))
		REFUSE(j, FERRY_CODE_INPUT, "encoding %u of hidden states was not agreed on",
		       w->encoding);
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

static bool take_ids(const struct edge_job *j)
{
	const struct ferry_wire_work *w = j->work;
	uint32_t n_vocab = hparams(j)->n_vocab;

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

static bool take_input_ids(const struct edge_job *j)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_wire_work as_ids = *w;
	struct edge_job noted = *j;
	struct ferry_error why;

	as_ids.ids = w->data;
	as_ids.ids_begin = w->position;
	as_ids.n_ids = w->n_tokens;
	noted.work = &as_ids;
	if (!take_ids(&noted))
		return false;
	if (ferry_forward_embed(j->session->serves->forward, j->session->ids + w->position,
				w->n_tokens, j->hidden, &why)) {
		REFUSE(j, FERRY_CODE_COMPUTE, "%s", why.text);
		return false;
	}
	return true;
}

static bool take_input_hidden(const struct edge_job *j)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_error why;

	/* Found here it is the device's fault; found behind the layers, all weights would be
	 * searched for it. */
	if (!ferry_activation_decode(kernels(j), w->encoding, w->data, w->n_tokens,
				     hparams(j)->n_embd, j->hidden, &why))
		return true;
	REFUSE(j, FERRY_CODE_INPUT, "%s", why.text);
	return false;
}

/* Positions of the session once the work is done. */
static uint32_t positions_after(const struct edge_job *j)
{
	return j->session->n_past + j->work->n_tokens;
}

/* The ids that the penalty looks at must all be known. */
static bool check_penalty(const struct edge_job *j)
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

static bool take_input(const struct edge_job *j)
{
	if (!take_ids(j) ||
	    !(j->work->input == FERRY_INPUT_IDS ? take_input_ids(j) : take_input_hidden(j)))
		return false;
	return check_penalty(j);
}

/* The session is as it was, but for what it has queued. */
static void undo(struct edge_job *j)
{
	ferry_edge_session_forget(j->session, j->session->n_past, positions_after(j));
}

static void leave(struct edge_job *j)
{
	j->session->job = NULL;
	if (j->session->closing)
		ferry_edge_session_close(j->session);
	free(j->item);
	free(j->output);
	j->item = NULL;
	j->output = NULL;
}

bool ferry_edge_job_begin(struct edge_job *j, struct edge_session *s, float *hidden)
{
	*j = (struct edge_job){
		.edge = s->peer->edge,
		.session = s,
		.item = ferry_edge_session_pop(s),
		.start_us = ferry_now_us(),
		.hidden = hidden,
	};
	j->work = &j->item->message.work;
	s->job = j;
	if (check_work(j)) {
		if (take_input(j))
			return true;
		undo(j);
	}
	leave(j);
	return false;
}

int ferry_edge_job_wanted(const struct edge_job *j)
{
	if (!j->session->peer->link || j->session->closing)
		return -EPIPE;
	return j->cancelled ? -ECANCELED : 0;
}

uint32_t ferry_edge_job_next_row(const struct edge_job *j)
{
	const uint32_t first = j->work->output == FERRY_OUTPUT_LOGITS ? 0 : j->work->n_tokens - 1;

	return wants_head(j->work) ? first + j->n_rows : j->work->n_tokens;
}

/* Room for the answer. */
static int make_room(struct edge_job *j, struct ferry_error *why)
{
	uint32_t n_rows;
	const uint64_t n = output_bytes(j, &n_rows);

	if (!j->output)
		j->output = malloc(n ? n : 1);
	return j->output ? 0 : ferry_fail_memory(why, "the answer", n);
}

static int sample(struct edge_job *j, float *logits, struct ferry_error *why)
{
	const struct edge_session *s = j->session;
	uint32_t n_vocab = hparams(j)->n_vocab, end = positions_after(j);
	bool penalty = s->sampling.repeat_penalty != 1.0f;
	int32_t id = ferry_sample(&s->sampling, logits, n_vocab, penalty ? s->ids : NULL,
				  penalty ? end : 0, end);

	if (id < 0)
		return ferry_fail_memory(why, "sampling", n_vocab * sizeof(*logits));
	ferry_store_le32(j->output, (uint32_t)id);
	return 0;
}

int ferry_edge_job_take_logits(struct edge_job *j, float *logits, uint32_t n,
			       struct ferry_error *why)
{
	const size_t row = hparams(j)->n_vocab;
	int ret = make_room(j, why);

	if (!ret && j->work->output == FERRY_OUTPUT_TOKEN)
		ret = sample(j, logits, why);
	else if (!ret)
		ret = ferry_activation_encode(kernels(j), FERRY_ENCODING_F32, logits, n, row,
					      j->output + 4 * row * j->n_rows, why);
	j->n_rows += n;
	return ret;
}

/* Hidden states are all there at once. */
static int take_hidden(struct edge_job *j, struct ferry_error *why)
{
	int ret = make_room(j, why);

	return ret ? ret
		   : ferry_activation_encode(kernels(j), j->work->encoding, j->hidden,
					     j->work->n_tokens, hparams(j)->n_embd, j->output, why);
}

static uint32_t to_u32(uint64_t us)
{
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void send_result(const struct edge_job *j)
{
	const struct ferry_wire_work *w = j->work;
	struct ferry_edge *e = j->edge;
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_RESULT,
				       .request = j->item->message.request};
	uint64_t computed = ferry_now_us() - j->start_us - j->waited_us;

	m.result = (struct ferry_wire_result){
		.session = j->session->id,
		.position = j->session->n_past,
		.output = w->output,
		.encoding = w->encoding,
		.compute_us = to_u32(computed),
		.queue_us = to_u32(j->start_us - j->item->arrived_us + j->waited_us),
		.data = j->output,
	};
	m.result.n_data = (uint32_t)output_bytes(j, &m.result.n_rows);
	e->stats.n_works++;
	e->stats.n_tokens += w->n_tokens;
	e->stats.compute_us += computed;
	e->queue_us = (uint32_t)((7ull * e->queue_us + m.result.queue_us) / 8);
	ferry_edge_peer_send(j->session->peer, &m);
}

static void explain(const struct edge_job *j, int code, const struct ferry_error *why)
{
	if (code == -ESHUTDOWN)
		REFUSE(j, FERRY_CODE_STOPPING, "this edge is stopping");
	else if (code == -ECANCELED)
		REFUSE(j, FERRY_CODE_CANCELLED, "cancelled");
	else if (code == -ENOMEM)
		REFUSE(j, FERRY_CODE_MEMORY, "%s", why->text);
	else if (code != -EPIPE)
		REFUSE(j, FERRY_CODE_COMPUTE, "%s", why->text);
}

void ferry_edge_job_end(struct edge_job *j, int code, const struct ferry_error *why)
{
	struct edge_session *s = j->session;
	struct ferry_error own;

	if (!code && j->work->output == FERRY_OUTPUT_HIDDEN) {
		code = take_hidden(j, &own);
		why = &own;
	}
	if (code) {
		explain(j, code, why);
		undo(j);
	} else {
		s->n_past += j->work->n_tokens;
		s->prefix = j->work->prefix_after;
		send_result(j);
	}
	leave(j);
}
