// SPDX-License-Identifier: MIT
/*
 * The decode steps of all sessions with a model in one pass (engine/batch.h): each layer's weights
 * are read once for all that are at it.
 *
 * A pass begins with what is there and waits for nothing. A step that comes while it is under way
 * joins where that is better for both together: if the layers that one waits for the other are no
 * more than those that they go through in company. Otherwise it is in the next pass. So devices
 * whose tokens came out together stay together, although their next steps come one by one.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/edge_private.h"

struct pass {
	struct ferry_edge *edge;
	struct edge_model *model;
	struct edge_job jobs[EDGE_PASS_TOKENS];
	struct ferry_batch_item *items[EDGE_PASS_TOKENS]; /* those of the jobs */
	uint32_t n, n_tokens;				  /* of jobs, with those that are over */
	uint32_t waited;				  /* layers that were caught up with */
};

static bool is_over(const struct edge_job *j)
{
	return !j->item;
}

static void end(struct edge_job *j, int code, const struct ferry_error *why)
{
	j->batch.at = j->batch.end;
	ferry_edge_job_end(j, code, why);
}

/* Where those that are under way are, and where the first of them ends. */
struct front {
	uint32_t low, high, end;
};

static struct front front_of(const struct pass *p)
{
	struct front f = {UINT32_MAX, 0, UINT32_MAX};

	for (uint32_t i = 0; i < p->n; i++) {
		const struct ferry_batch_item *item = p->items[i];

		if (ferry_batch_done(item))
			continue;
		f.low = item->at < f.low ? item->at : f.low;
		f.high = item->at > f.high ? item->at : f.high;
		f.end = item->end < f.end ? item->end : f.end;
	}
	return f;
}

/* Layers that all others would wait for a session. */
static uint32_t delay_of(const struct front *f, const struct edge_session *s)
{
	return f->low != UINT32_MAX && s->begin < s->end && s->begin < f->low ? f->low - s->begin
									      : 0;
}

static bool may_join(const void *data, const struct edge_session *s)
{
	const struct pass *p = data;
	const struct front f = front_of(p);
	const uint32_t end = s->end < f.end ? s->end : f.end;
	const uint32_t begin = s->begin > f.high ? s->begin : f.high;

	if (p->n == EDGE_PASS_TOKENS ||
	    s->items->message.work.n_tokens > EDGE_PASS_TOKENS - p->n_tokens)
		return false;
	if (f.low == UINT32_MAX || s->begin == s->end)
		return true;
	if (begin >= end)
		return false;
	if (s->begin < f.low)
		return p->waited + delay_of(&f, s) <= end - begin;
	return s->begin - f.low <= end - begin;
}

static void admit(struct pass *p)
{
	const size_t n_embd = p->model->model->hp.n_embd;
	struct edge_session *s;

	while ((s = ferry_edge_next_step(p->edge, p->model, may_join, p))) {
		const struct front f = front_of(p);
		struct edge_job *j = &p->jobs[p->n];

		if (!ferry_edge_job_begin(j, s, p->model->steps + p->n_tokens * n_embd))
			continue;
		p->waited += delay_of(&f, s);
		p->n_tokens += j->work->n_tokens;
		j->batch = (struct ferry_batch_item){.kv = s->kv,
						     .n_tokens = j->work->n_tokens,
						     .at = s->begin,
						     .end = s->end,
						     .hidden = j->hidden};
		p->items[p->n++] = &j->batch;
	}
}

/* Jobs of which rows are in m->last, in that order. */
struct rows {
	uint32_t n, n_jobs;
	struct edge_job *jobs[EDGE_HEAD_ROWS];
	uint32_t n_of[EDGE_HEAD_ROWS];
};

static void collect(struct pass *p, struct rows *rows)
{
	const size_t n_embd = p->model->model->hp.n_embd;

	*rows = (struct rows){0};
	for (uint32_t i = 0; i < p->n && rows->n < EDGE_HEAD_ROWS; i++) {
		struct edge_job *j = &p->jobs[i];
		uint32_t row, n;

		if (is_over(j) || !ferry_batch_done(&j->batch))
			continue;
		row = ferry_edge_job_next_row(j);
		n = j->work->n_tokens - row;
		if (n > EDGE_HEAD_ROWS - rows->n)
			n = EDGE_HEAD_ROWS - rows->n;
		memcpy(p->model->last + rows->n * n_embd, j->hidden + row * n_embd,
		       n * n_embd * sizeof(float));
		rows->jobs[rows->n_jobs] = j;
		rows->n_of[rows->n_jobs++] = n;
		rows->n += n;
	}
}

static void give_logits(struct edge_job *j, float *logits, uint32_t n)
{
	struct ferry_error why;
	int ret = ferry_edge_job_take_logits(j, logits, n, &why);

	if (ret || ferry_edge_job_next_row(j) >= j->work->n_tokens)
		end(j, ret, &why);
}

static void fail(struct pass *p, struct edge_job *j)
{
	struct ferry_error why;

	end(j, ferry_fail(&why, FERRY_ERROR_PEER, -ERANGE, "%s", ferry_edge_model_fault(p->model)),
	    &why);
}

/* The head for all whose layers are through and who want it. */
static void run_head(struct pass *p)
{
	const struct ferry_hparams *hp = &p->model->model->hp;
	struct edge_model *m = p->model;
	struct rows rows;

	for (collect(p, &rows); rows.n; collect(p, &rows)) {
		const bool finite = ferry_forward_try_head(m->forward, m->last, rows.n, m->logits);

		for (uint32_t i = 0, row = 0; i < rows.n_jobs; row += rows.n_of[i++]) {
			float *logits = m->logits + (size_t)row * hp->n_vocab;

			/* Whose they are that are not finite, each one's own pass tells. */
			if (finite ||
			    ferry_forward_try_head(m->forward, m->last + (size_t)row * hp->n_embd,
						   rows.n_of[i], logits))
				give_logits(rows.jobs[i], logits, rows.n_of[i]);
			else
				fail(p, rows.jobs[i]);
		}
	}
}

/* What is through with its layers. */
static void finish(struct pass *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct edge_job *j = &p->jobs[i];
		const struct ferry_span span = {j->batch.kv, j->batch.n_tokens};

		if (is_over(j) || !ferry_batch_done(&j->batch))
			continue;
		if (j->batch.failed) {
			fail(p, j);
			continue;
		}
		if (span.kv)
			ferry_forward_advance(&span, 1);
		if (ferry_edge_job_next_row(j) >= j->work->n_tokens)
			end(j, 0, NULL);
	}
	run_head(p);
}

static bool all_over(const struct pass *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (!is_over(&p->jobs[i]))
			return false;
	return true;
}

/* Sockets; then who is not wanted any more goes, and who has come since joins. */
static int look_around(struct pass *p)
{
	const int ret = ferry_edge_breathe(p->edge);

	for (uint32_t i = 0; i < p->n; i++) {
		struct edge_job *j = &p->jobs[i];
		const int wanted = is_over(j) ? 0 : ferry_edge_job_wanted(j);

		if (wanted)
			end(j, wanted, NULL);
	}
	if (!ret && !all_over(p))
		admit(p);
	return ret;
}

static int run_layers(struct pass *p, struct ferry_error *why)
{
	uint32_t stride = 1;
	int ret = 0;

	for (finish(p); !ret && !all_over(p);) {
		const uint64_t start = ferry_now_us();
		const int n = ferry_batch_step(p->model->batch, p->items, p->n, stride, why);

		if (n < 0)
			return n;
		if (n) {
			const uint64_t us = (ferry_now_us() - start) / (uint32_t)n;

			stride = us < EDGE_BREATH_US ? (uint32_t)(EDGE_BREATH_US / (us + 1)) : 1;
		}
		finish(p);
		ret = look_around(p);
	}
	return ret;
}

bool ferry_edge_decode(struct ferry_edge *e, struct edge_model *m)
{
	struct pass p = {.edge = e, .model = m};
	struct ferry_error why;
	int ret;

	admit(&p);
	if (!p.n)
		return false;
	ret = run_layers(&p, &why);
	for (uint32_t i = 0; i < p.n; i++)
		if (!is_over(&p.jobs[i]))
			end(&p.jobs[i], ret, &why);
	e->stats.n_passes++;
	e->stats.n_steps += p.n;
	return true;
}
