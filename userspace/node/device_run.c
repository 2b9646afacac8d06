// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/forward.h"
#include "node/activation.h"
#include "node/device_private.h"

/* The head over rows of d->hidden that are the last of a run, as far as it wants them. */
static int run_head(struct ferry_device *d, const struct ferry_device_run *run, uint32_t first,
		    uint32_t n, struct ferry_error *err)
{
	const float *last = d->hidden + (size_t)(n - 1) * d->n_embd;
	uint32_t n_vocab = d->model->hp.n_vocab;
	uint64_t start = ferry_now_us();
	bool is_end = first + n == run->n_ids;
	int32_t id;
	int ret = 0;

	if (run->want == FERRY_WANT_LOGITS && first >= run->from) {
		ret = ferry_forward_head(d->forward, d->hidden, n,
					 run->logits + (size_t)(first - run->from) * n_vocab, err);
	} else if (is_end && run->want == FERRY_WANT_LAST) {
		ret = ferry_forward_head(d->forward, last, 1, run->logits, err);
	} else if (is_end && run->want == FERRY_WANT_TOKEN) {
		ret = ferry_forward_head(d->forward, last, 1, d->logits, err);
		if (!ret) {
			id = ferry_sample(run->sampling, d->logits, n_vocab, run->ids, run->n_ids,
					  run->n_ids);
			if (id < 0)
				ret = ferry_fail_memory(err, "sampling", n_vocab * sizeof(float));
			else
				*run->id = id;
		}
	}
	d->local_us += ferry_now_us() - start;
	return ret;
}

static int check_cancel(const struct ferry_device *d, struct ferry_error *err)
{
	if (d->cancel && atomic_load(d->cancel))
		return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
	return 0;
}

/* Tokens of a chunk that begins at @first: those whose logits are wanted are in chunks of their
 * own. */
static uint32_t chunk_of(const struct ferry_device_run *run, uint32_t first, uint32_t most)
{
	uint32_t n = run->n_ids - first;

	if (run->want == FERRY_WANT_LOGITS && first < run->from)
		n = run->from - first;
	return n < most ? n : most;
}

static int run_here(struct ferry_device *d, const struct ferry_device_run *run,
		    struct ferry_error *err)
{
	uint32_t split = d->boundary_layer;
	int ret = 0;

	/* Layers that an edge had may be behind. */
	do {
		ret = check_cancel(d, err);
		if (!ret)
			ret = ferry_device_catch_up(d, run->ids, d->n_past, err);
	} while (!ret);
	if (ret > 0)
		ret = 0;
	while (!ret && d->n_past < run->n_ids) {
		uint32_t first = d->n_past, n = chunk_of(run, first, d->chunk);
		uint64_t start = ferry_now_us();

		ret = check_cancel(d, err);
		if (!ret)
			ret = ferry_device_embed(d, run->ids, first, n, err);
		if (!ret)
			ret = ferry_device_layers(d, first, n, 0, split, d->hidden, err);
		/* An edge that comes back is told these without computing them again. */
		if (!ret && split)
			ferry_device_keep_boundary(d, split, first, n);
		if (!ret)
			ret = ferry_device_layers(d, first, n, split, d->n_layers, d->hidden, err);
		if (!ret)
			ret = ferry_device_cross(d, d->n_layers, n, d->hidden, err);
		d->local_us += ferry_now_us() - start;
		if (!ret)
			ret = run_head(d, run, first, n, err);
		if (!ret)
			d->n_past = first + n;
	}
	return ret;
}

static bool has_back(const struct ferry_device *d)
{
	return d->remote.split.end < d->n_layers;
}

static uint8_t output_of(const struct ferry_device *d, const struct ferry_device_run *run,
			 uint32_t first, uint32_t n)
{
	bool is_end = first + n == run->n_ids;

	if (has_back(d)) /* the tail needs every token */
		return FERRY_OUTPUT_HIDDEN;
	if (run->want == FERRY_WANT_LOGITS && first >= run->from)
		return d->remote.head_there ? FERRY_OUTPUT_LOGITS : FERRY_OUTPUT_HIDDEN;
	if (!is_end || run->want == FERRY_WANT_NOTHING)
		return FERRY_OUTPUT_NONE;
	if (!d->remote.head_there)
		return FERRY_OUTPUT_HIDDEN;
	return run->want == FERRY_WANT_TOKEN ? FERRY_OUTPUT_TOKEN : FERRY_OUTPUT_LAST;
}

/* Tokens of the next chunk: logits of all of them have to fit a frame, too. */
static uint32_t next_chunk(const struct ferry_device *d, const struct ferry_device_run *run,
			   uint32_t first)
{
	const struct device_remote *r = &d->remote;
	uint32_t n = chunk_of(run, first, r->chunk);
	size_t room;

	if (run->want != FERRY_WANT_LOGITS || !r->head_there)
		return n;
	room = (ferry_uplink_welcome(r->uplink)->max_frame - FERRY_FRAME_MAX_GREETING / 2) /
	       (4 * (size_t)d->model->hp.n_vocab);
	return n < room ? n : room ? (uint32_t)room : 1;
}

/* The ids that the edge must know for the penalty and does not. */
static void attach_ids(struct ferry_device *d, const struct ferry_device_run *run,
		       struct ferry_wire_work *work)
{
	uint32_t window = run->sampling->repeat_window, begin = 0;
	struct device_remote *r = &d->remote;

	if (run->sampling->repeat_penalty == 1.0f || !r->split.begin)
		return;
	if (window && run->n_ids > window)
		begin = run->n_ids - window;
	if (r->ids_begin <= begin && r->ids_end > begin)
		begin = r->ids_end;
	else
		r->ids_begin = begin;
	r->ids_end = run->n_ids;
	work->ids_begin = begin;
	work->n_ids = run->n_ids - begin;
	for (uint32_t i = 0; i < work->n_ids; i++)
		ferry_store_le32(d->id_bytes + 4 * (size_t)i, (uint32_t)run->ids[begin + i]);
	work->ids = d->id_bytes;
}

/* Bytes of data that the answer to n tokens has. */
static uint32_t answer_bytes(const struct ferry_device *d, uint8_t output, uint32_t n)
{
	size_t n_vocab = d->model->hp.n_vocab;

	switch (output) {
	case FERRY_OUTPUT_HIDDEN:
		return (uint32_t)(n * ferry_wire_row_bytes((uint8_t)d->remote.split.encoding,
							   d->n_embd));
	case FERRY_OUTPUT_LOGITS:
		return (uint32_t)(n * 4 * n_vocab);
	case FERRY_OUTPUT_LAST:
		return (uint32_t)(4 * n_vocab);
	case FERRY_OUTPUT_TOKEN:
		return 4;
	}
	return 0;
}

static int send_chunk(struct ferry_device *d, const struct ferry_device_run *run, uint32_t first,
		      uint32_t n, struct ferry_error *err)
{
	struct ferry_wire_work work = {.output = output_of(d, run, first, n)};

	if (work.output == FERRY_OUTPUT_TOKEN)
		attach_ids(d, run, &work);
	return ferry_device_send(d, run->ids, first, n, &work, answer_bytes(d, work.output, n),
				 err);
}

static int bad_answer(struct ferry_error *err, const char *what)
{
	return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO, "the edge's answer %s", what);
}

/* Numbers of an answer. One that is not finite is the edge's fault: behind the layers that are
 * left, the engine would look for it in the weights here. */
static int take_numbers(const struct ferry_device *d, uint8_t encoding, const uint8_t *bytes,
			size_t n_rows, size_t n, float *x, struct ferry_error *err)
{
	if (!ferry_activation_decode(ferry_forward_kernels(d->forward), encoding, bytes, n_rows, n,
				     x, NULL))
		return 0;
	return ferry_fail(err, FERRY_ERROR_PEER, -EBADMSG,
			  "the edge's answer has a number that is not finite");
}

/* The data of an answer that has the right size. */
static int use_result(struct ferry_device *d, const struct ferry_device_run *run, uint32_t first,
		      uint32_t n, const struct ferry_wire_result *r, struct ferry_error *err)
{
	size_t n_vocab = d->model->hp.n_vocab;
	uint64_t start;
	uint32_t id;
	int ret;

	switch (r->output) {
	case FERRY_OUTPUT_HIDDEN:
		ret = take_numbers(d, (uint8_t)d->remote.split.encoding, r->data, n, d->n_embd,
				   d->hidden, err);
		start = ferry_now_us();
		if (!ret)
			ret = ferry_device_layers_crossed(d, first, n, d->remote.split.end,
							  d->n_layers, d->hidden, err);
		d->local_us += ferry_now_us() - start;
		return ret ? ret : run_head(d, run, first, n, err);
	case FERRY_OUTPUT_TOKEN:
		id = ferry_load_le32(r->data);
		if (id >= n_vocab)
			return bad_answer(err, "is a token outside the vocabulary");
		*run->id = (int32_t)id;
		return 0;
	case FERRY_OUTPUT_LAST:
		return take_numbers(d, FERRY_ENCODING_F32, r->data, 1, n_vocab, run->logits, err);
	case FERRY_OUTPUT_LOGITS:
		return take_numbers(d, FERRY_ENCODING_F32, r->data, n, n_vocab,
				    run->logits + (first - run->from) * n_vocab, err);
	}
	return 0;
}

/* Takes the oldest answer, which is to the chunk at n_past. */
static int take_result(struct ferry_device *d, const struct ferry_device_run *run,
		       struct ferry_error *err)
{
	struct device_remote *remote = &d->remote;
	struct ferry_uplink_asked asked;
	struct ferry_wire_result r;
	int ret;

	/* The time that the edge takes is good for its own layers. */
	while (!ferry_uplink_ready(remote->uplink) && ferry_device_warm_step(d, run->ids))
		;
	ret = ferry_uplink_result(remote->uplink, &asked, &r, err);
	if (ret)
		return ret;
	if (r.session != remote->session || r.position != asked.position + asked.n_tokens ||
	    r.output != asked.output || r.encoding != remote->split.encoding)
		return bad_answer(err, "belongs to other work than was asked for");
	if (r.n_data != answer_bytes(d, asked.output, asked.n_tokens))
		return bad_answer(err, "has another size than was asked for");
	ret = use_result(d, run, asked.position, asked.n_tokens, &r, err);
	if (!ret)
		remote->n_past = r.position;
	return ret;
}

static int tell_edge(struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_SAMPLING};
	struct device_remote *r = &d->remote;
	struct ferry_wire_sampling sampling;
	int ret = ferry_device_tell_position(d, err);

	if (ret || run->want != FERRY_WANT_TOKEN || !r->head_there)
		return ret;
	ferry_device_wire_sampling(run->sampling, &sampling);
	if (r->sampling_known && !memcmp(&sampling, &r->sampling, sizeof(sampling)))
		return 0;
	m.sampling = (struct ferry_wire_set_sampling){r->session, sampling};
	ret = ferry_uplink_tell(r->uplink, &m, err);
	if (ret)
		return ret;
	r->sampling = sampling;
	r->sampling_known = true;
	return 0;
}

static int run_shared(struct ferry_device *d, const struct ferry_device_run *run,
		      struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	/* Chunks of a prompt need no answer now, unless layers here wait for it. */
	bool wait = run->want != FERRY_WANT_NOTHING || has_back(d);
	uint32_t n, n_ids = run->want == FERRY_WANT_TOKEN ? run->n_ids : 0;
	int ret = tell_edge(d, run, err);

	if (!ret)
		ret = ferry_uplink_settle(r->uplink, err);
	ferry_uplink_set_class(r->uplink, run->n_ids - r->n_sent > 1 ? FERRY_TRAFFIC_PREFILL
								     : FERRY_TRAFFIC_DECODE);
	while (!ret && (wait ? r->n_past : r->n_sent) < run->n_ids) {
		n = r->n_sent < run->n_ids ? next_chunk(d, run, r->n_sent) : 0;
		/* Answers that are here come first: the tail of a chunk before the front of one
		 * that is far behind it. */
		if (!n || !ferry_device_has_room(d, n, n_ids) ||
		    (r->n_sent > r->n_past && ferry_uplink_ready(r->uplink))) {
			ret = take_result(d, run, err);
			continue;
		}
		ret = check_cancel(d, err);
		if (!ret)
			ret = send_chunk(d, run, r->n_sent, n, err);
		if (!ret)
			r->n_sent += n;
	}
	r->edge_past = r->n_sent;
	return ret;
}

static int check_run(const struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err)
{
	uint32_t n_past = ferry_device_n_past(d);

	if (run->n_ids <= n_past)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "there are no tokens to run");
	if (run->n_ids > d->n_ctx)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "%u tokens do not fit the context of %u positions", run->n_ids,
				  d->n_ctx);
	for (uint32_t i = n_past; i < run->n_ids; i++)
		if (run->ids[i] < 0 || (uint32_t)run->ids[i] >= d->model->hp.n_vocab)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "token id %d is outside the vocabulary of %u",
					  run->ids[i], d->model->hp.n_vocab);
	return run->want == FERRY_WANT_TOKEN ? ferry_sampling_check(run->sampling, err) : 0;
}

int ferry_device_run(struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err)
{
	bool shared = d->remote.state == REMOTE_ACTIVE;
	struct ferry_error why = {0};
	int ret = check_run(d, run, err);

	d->edge_failed = false;
	if (ret)
		return ret;
	ret = shared ? run_shared(d, run, &why) : run_here(d, run, &why);
	if (!ret)
		return 0;
	if (shared) {
		/* What the engine or the caller did wrong would go wrong without the edge, too. */
		d->edge_failed = why.kind == FERRY_ERROR_LINK || why.kind == FERRY_ERROR_PEER ||
				 (ret != -ECANCELED && ferry_uplink_is_lost(d->remote.uplink));
		ferry_device_recover(d);
	}
	if (err)
		*err = why;
	return ret;
}

bool ferry_device_edge_failed(const struct ferry_device *d)
{
	return d->edge_failed;
}

void ferry_device_wire_sampling(const struct ferry_sampling *s, struct ferry_wire_sampling *w)
{
	*w = (struct ferry_wire_sampling){
		.temperature = s->temperature,
		.top_k = s->top_k,
		.top_p = s->top_p,
		.min_p = s->min_p,
		.repeat_penalty = s->repeat_penalty,
		.repeat_window = s->repeat_window,
		.seed = s->seed,
	};
}
