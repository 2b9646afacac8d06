// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/edge_private.h"

enum {
	DEFAULT_CONTEXT = 4096,
	DEFAULT_BATCH = 64,
	DEFAULT_FRAME = 8 << 20,
	MAX_CONTEXT = 1 << 20,
	MAX_BATCH = 4096,
};

static uint32_t given(uint32_t value, uint32_t otherwise, uint32_t most)
{
	const uint32_t v = value ? value : otherwise;

	return v < most ? v : most;
}

/* A row of logits must fit a frame, and so must one hidden state; of batches, what fits, fits. */
static int choose_frame(struct edge_model *m, struct ferry_error *err)
{
	const struct ferry_hparams *hp = &m->model->hp;
	uint64_t row = 4ull * hp->n_embd, spare = FERRY_FRAME_MAX_GREETING;
	uint64_t least = 4ull * (hp->n_vocab > hp->n_embd ? hp->n_vocab : hp->n_embd) + spare;
	uint64_t want = m->max_batch * row + spare;

	if (!m->max_frame) {
		if (want < DEFAULT_FRAME)
			want = DEFAULT_FRAME;
		if (want < least)
			want = least;
		m->max_frame = want < FERRY_FRAME_MAX ? (uint32_t)want : FERRY_FRAME_MAX;
	}
	if (m->max_frame < least || m->max_frame > FERRY_FRAME_MAX)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "frames of %u bytes: %s needs at least %llu, and %d is the most",
				  m->max_frame, m->model->name, (unsigned long long)least,
				  FERRY_FRAME_MAX);
	if (m->max_batch > (m->max_frame - spare) / row)
		m->max_batch = (uint32_t)((m->max_frame - spare) / row);
	return 0;
}

static int set_limits(struct edge_model *m, const struct ferry_edge_options *o,
		      struct ferry_error *err)
{
	const struct ferry_hparams *hp = &m->model->hp;

	m->begin = o->layer_begin;
	m->end = o->layer_begin || o->layer_end ? o->layer_end : hp->n_layers;
	if (m->begin > m->end || m->end > hp->n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot serve layers %u to %u: %s has %u", m->begin, m->end,
				  m->model->name, hp->n_layers);
	m->max_context = given(o->max_context, hp->n_ctx_train ? hp->n_ctx_train : DEFAULT_CONTEXT,
			       MAX_CONTEXT);
	m->max_batch = given(o->max_batch, DEFAULT_BATCH, MAX_BATCH);
	m->max_frame = o->max_frame;
	return choose_frame(m, err);
}

static float *floats(uint64_t rows, uint64_t columns, uint64_t *bytes)
{
	*bytes += rows * columns * sizeof(float);
	return malloc(rows * columns * sizeof(float));
}

static int new_scratch(struct edge_model *m, struct ferry_error *err)
{
	const struct ferry_hparams *hp = &m->model->hp;
	uint64_t bytes = 0;

	m->prompt = floats(m->max_batch, hp->n_embd, &bytes);
	m->steps = floats(EDGE_PASS_TOKENS, hp->n_embd, &bytes);
	m->last = floats(EDGE_HEAD_ROWS, hp->n_embd, &bytes);
	m->logits = floats(EDGE_HEAD_ROWS, hp->n_vocab, &bytes);
	if (!m->prompt || !m->steps || !m->last || !m->logits)
		return ferry_fail_memory(err, "the edge", bytes);
	return 0;
}

int ferry_edge_model_new(struct ferry_edge *e, const struct ferry_model *model,
			 struct edge_model **out, struct ferry_error *err)
{
	struct edge_model *m = calloc(1, sizeof(*m));
	uint32_t most;
	int ret;

	*out = NULL;
	if (!m)
		return ferry_fail_memory(err, "the edge", sizeof(*m));
	m->model = model;
	ret = set_limits(m, &e->options, err);
	most = m->max_batch > EDGE_PASS_TOKENS ? m->max_batch : EDGE_PASS_TOKENS;
	if (!ret)
		ret = ferry_forward_new(model, e->pool, most, FERRY_PATH_DEFAULT, &m->forward, err);
	if (!ret)
		ret = ferry_batch_new(m->forward, EDGE_PASS_TOKENS, &m->batch, err);
	if (!ret)
		ret = new_scratch(m, err);
	if (ret) {
		ferry_edge_model_free(m);
		return ret;
	}
	*out = m;
	return 0;
}

void ferry_edge_model_free(struct edge_model *m)
{
	if (!m)
		return;
	ferry_batch_free(m->batch);
	ferry_forward_free(m->forward);
	ferry_profile_free(&m->profile);
	free(m->prompt);
	free(m->steps);
	free(m->last);
	free(m->logits);
	free(m);
}

const char *ferry_edge_model_fault(struct edge_model *m)
{
	/* Once: a device whose numbers overflow could have all weights read each time. */
	if (!m->searched)
		ferry_model_find_bad_tensor(m->model, &m->found);
	m->searched = true;
	return m->found.text;
}
