// SPDX-License-Identifier: MIT
/*
 * A chunk of a prompt in slices: of layers, and of tokens where one layer of all of them takes too
 * long. What a slice takes is learnt from those before. Whoever else has a decode step waits for
 * one slice at most.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/edge_private.h"

/* Tokens that go through the layers together, of @left: the weights are read once for all. */
static uint32_t slice_tokens(const struct edge_job *j, uint32_t left)
{
	const double us = j->session->serves->slice_us;
	uint32_t most = EDGE_SLICE_TOKENS, n_slices;

	if (j->edge->stats.n_sessions == 1) /* nobody who could wait */
		return left;
	if (us > 0 && j->edge->options.slice_us / us > most)
		most = j->edge->options.slice_us / us < left
			       ? (uint32_t)(j->edge->options.slice_us / us)
			       : left;
	n_slices = (left + most - 1) / most;
	return (left + n_slices - 1) / n_slices;
}

static uint32_t slice_layers(const struct edge_job *j, uint32_t n_tokens)
{
	const double most = j->edge->options.slice_us;
	const double us = j->session->serves->slice_us * n_tokens;

	if (us <= 0 || us >= most)
		return 1;
	return most / us < 65536 ? (uint32_t)(most / us) : 65536;
}

static void learn(struct edge_model *m, uint64_t us, uint32_t n_tokens, uint32_t n_layers)
{
	const double one = (double)us / n_tokens / n_layers;

	m->slice_us = m->slice_us > 0 ? m->slice_us + (one - m->slice_us) / 4 : one;
}

static int fault(struct edge_model *m, struct ferry_error *why)
{
	return ferry_fail(why, FERRY_ERROR_PEER, -ERANGE, "%s", ferry_edge_model_fault(m));
}

/* Tokens [first, first + n) of the chunk through all layers of the session. */
static int run_layers(struct edge_job *j, uint32_t first, uint32_t n, struct ferry_error *why)
{
	struct edge_session *s = j->session;
	struct edge_model *m = s->serves;
	struct ferry_span span = {.kv = s->kv, .n_tokens = n};
	float *hidden = j->hidden + (size_t)first * m->model->hp.n_embd;
	uint32_t at = s->begin;
	int ret = 0;

	while (!ret && at < s->end) {
		const uint32_t stride = slice_layers(j, n);
		const uint32_t end = s->end - at > stride ? at + stride : s->end;
		const uint64_t start = ferry_now_us();
		bool finite;

		ret = ferry_forward_try_layers(m->forward, &span, 1, at, end, hidden, &finite, why);
		if (!ret && !finite)
			ret = fault(m, why);
		if (ret)
			return ret;
		learn(m, ferry_now_us() - start, n, end - at);
		at = end;
		ret = ferry_edge_pause(j);
	}
	if (!ret && s->kv)
		ferry_forward_advance(&span, 1);
	return ret;
}

/* A few rows at a time: logits of a whole chunk would be the largest buffer of the edge. */
static int run_head(struct edge_job *j, struct ferry_error *why)
{
	struct edge_model *m = j->session->serves;
	const uint32_t n_tokens = j->work->n_tokens;
	uint32_t row;
	int ret = 0;

	while (!ret && (row = ferry_edge_job_next_row(j)) < n_tokens) {
		const uint32_t n = n_tokens - row < EDGE_HEAD_ROWS ? n_tokens - row
								   : EDGE_HEAD_ROWS;

		if (!ferry_forward_try_head(m->forward,
					    j->hidden + (size_t)row * m->model->hp.n_embd, n,
					    m->logits))
			return fault(m, why);
		ret = ferry_edge_job_take_logits(j, m->logits, n, why);
		if (!ret && row + n < n_tokens)
			ret = ferry_edge_pause(j);
	}
	return ret;
}

void ferry_edge_prefill(struct edge_job *j)
{
	const uint32_t n_tokens = j->work->n_tokens;
	struct ferry_error why;
	int ret = 0;

	for (uint32_t first = 0, n; !ret && first < n_tokens; first += n) {
		n = slice_tokens(j, n_tokens - first);
		ret = run_layers(j, first, n, &why);
	}
	if (!ret)
		ret = run_head(j, &why);
	ferry_edge_job_end(j, ret, &why);
}
