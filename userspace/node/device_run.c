// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/forward.h"
#include "node/activation.h"
#include "node/device_private.h"

/* Layers [begin, end) over d->hidden; the cache stays where it is. */
static int run_layers(struct ferry_device *d, struct ferry_kv_cache *kv, uint32_t n,
		      struct ferry_error *err)
{
	struct ferry_span span = {.kv = kv, .n_tokens = n};
	uint64_t start = ferry_now_us();
	int ret;

	if (!kv)
		return 0;
	ret = ferry_forward_layers(d->forward, &span, 1, kv->layer_begin, kv->layer_end, d->hidden,
				   err);
	if (!ret)
		ferry_forward_advance(&span, 1);
	d->local_us += ferry_now_us() - start;
	return ret;
}

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

	if (run->want == FERRY_WANT_LOGITS) {
		ret = ferry_forward_head(d->forward, d->hidden, n,
					 run->logits + (size_t)(first - d->run_begin) * n_vocab,
					 err);
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

static int embed(struct ferry_device *d, const struct ferry_device_run *run, uint32_t first,
		 uint32_t n, struct ferry_error *err)
{
	uint64_t start = ferry_now_us();
	int ret = ferry_forward_embed(d->forward, run->ids + first, n, d->hidden, err);

	d->local_us += ferry_now_us() - start;
	return ret;
}

static int check_cancel(const struct ferry_device *d, struct ferry_error *err)
{
	if (d->cancel && atomic_load(d->cancel))
		return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
	return 0;
}

static int run_here(struct ferry_device *d, const struct ferry_device_run *run,
		    struct ferry_error *err)
{
	int ret = 0;

	while (!ret && d->n_past < run->n_ids) {
		uint32_t first = d->n_past, left = run->n_ids - first;
		uint32_t n = left < d->chunk ? left : d->chunk;

		ret = check_cancel(d, err);
		if (!ret)
			ret = embed(d, run, first, n, err);
		if (!ret)
			ret = run_layers(d, d->front, n, err);
		if (!ret)
			ret = run_head(d, run, first, n, err);
		if (!ret)
			d->n_past = d->n_sent = first + n;
	}
	return ret;
}

static uint8_t output_of(const struct ferry_device *d, const struct ferry_device_run *run,
			 uint32_t first, uint32_t n)
{
	bool is_end = first + n == run->n_ids;

	if (d->back) /* the tail needs every token */
		return FERRY_OUTPUT_HIDDEN;
	if (run->want == FERRY_WANT_LOGITS)
		return d->head_there ? FERRY_OUTPUT_LOGITS : FERRY_OUTPUT_HIDDEN;
	if (!is_end || run->want == FERRY_WANT_NOTHING)
		return FERRY_OUTPUT_NONE;
	if (!d->head_there)
		return FERRY_OUTPUT_HIDDEN;
	return run->want == FERRY_WANT_TOKEN ? FERRY_OUTPUT_TOKEN : FERRY_OUTPUT_LAST;
}

/* Tokens of the next chunk: logits of all of them have to fit a frame, too. */
static uint32_t next_chunk(const struct ferry_device *d, const struct ferry_device_run *run,
			   uint32_t first)
{
	uint32_t left = run->n_ids - first, n = left < d->chunk ? left : d->chunk;
	size_t room;

	if (run->want != FERRY_WANT_LOGITS || !d->head_there)
		return n;
	room = (ferry_uplink_welcome(d->uplink)->max_frame - FERRY_FRAME_MAX_GREETING / 2) /
	       (4 * (size_t)d->model->hp.n_vocab);
	return n < room ? n : room ? (uint32_t)room : 1;
}

/* The ids that the edge must know for the penalty and does not. */
static void attach_ids(struct ferry_device *d, const struct ferry_device_run *run,
		       struct ferry_wire_work *work)
{
	uint32_t window = run->sampling->repeat_window, begin = 0;

	if (run->sampling->repeat_penalty == 1.0f || !d->begin)
		return;
	if (window && run->n_ids > window)
		begin = run->n_ids - window;
	if (d->ids_begin <= begin && d->ids_end > begin)
		begin = d->ids_end;
	else
		d->ids_begin = begin;
	d->ids_end = run->n_ids;
	work->ids_begin = begin;
	work->n_ids = run->n_ids - begin;
	for (uint32_t i = 0; i < work->n_ids; i++)
		ferry_store_le32(d->id_bytes + 4 * (size_t)i, (uint32_t)run->ids[begin + i]);
	work->ids = d->id_bytes;
}

static void extend_prefix(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		d->prefix[i + 1] = ferry_prefix_hash(&d->key, d->prefix[i], ids[i]);
}

/* Bytes of data that the answer to n tokens has. */
static uint32_t answer_bytes(const struct ferry_device *d, uint8_t output, uint32_t n)
{
	size_t n_vocab = d->model->hp.n_vocab;

	switch (output) {
	case FERRY_OUTPUT_HIDDEN:
		return (uint32_t)(n * ferry_wire_row_bytes(d->encoding, d->n_embd));
	case FERRY_OUTPUT_LOGITS:
		return (uint32_t)(n * 4 * n_vocab);
	case FERRY_OUTPUT_LAST:
		return (uint32_t)(4 * n_vocab);
	case FERRY_OUTPUT_TOKEN:
		return 4;
	}
	return 0;
}

/* Computes the front layers of a chunk and sends it. */
static int send_chunk(struct ferry_device *d, const struct ferry_device_run *run, uint32_t first,
		      uint32_t n, struct ferry_error *err)
{
	struct ferry_wire_work work = {
		.session = FERRY_DEVICE_SESSION,
		.position = first,
		.n_tokens = n,
		.input = d->begin ? FERRY_INPUT_HIDDEN : FERRY_INPUT_IDS,
		.output = output_of(d, run, first, n),
		.encoding = d->encoding,
		.data = d->payload,
	};
	int ret = 0;

	if (d->begin) {
		ret = embed(d, run, first, n, err);
		if (!ret)
			ret = run_layers(d, d->front, n, err);
		if (!ret)
			ret = ferry_activation_encode(ferry_forward_kernels(d->forward),
						      d->encoding, d->hidden, n, d->n_embd,
						      d->payload, err);
		work.n_data = (uint32_t)(n * ferry_wire_row_bytes(d->encoding, d->n_embd));
	} else {
		for (uint32_t i = 0; i < n; i++)
			ferry_store_le32(d->payload + 4 * i, (uint32_t)run->ids[first + i]);
		work.n_data = 4 * n;
	}
	if (ret)
		return ret;
	extend_prefix(d, run->ids, first, n);
	work.prefix_before = d->prefix[first];
	work.prefix_after = d->prefix[first + n];
	if (work.output == FERRY_OUTPUT_TOKEN)
		attach_ids(d, run, &work);
	return ferry_uplink_work(d->uplink, &work, answer_bytes(d, work.output, n), err);
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
	uint32_t id;
	int ret;

	switch (r->output) {
	case FERRY_OUTPUT_HIDDEN:
		ret = take_numbers(d, d->encoding, r->data, n, d->n_embd, d->hidden, err);
		if (!ret)
			ret = run_layers(d, d->back, n, err);
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
				    run->logits + (first - d->run_begin) * n_vocab, err);
	}
	return 0;
}

/* Takes the oldest answer, which is to the chunk at n_past. */
static int take_result(struct ferry_device *d, const struct ferry_device_run *run,
		       struct ferry_error *err)
{
	struct ferry_uplink_asked asked;
	struct ferry_wire_result r;
	int ret = ferry_uplink_result(d->uplink, &asked, &r, err);

	if (ret)
		return ret;
	if (r.session != FERRY_DEVICE_SESSION || r.position != asked.position + asked.n_tokens ||
	    r.output != asked.output || r.encoding != d->encoding)
		return bad_answer(err, "belongs to other work than was asked for");
	if (r.n_data != answer_bytes(d, asked.output, asked.n_tokens))
		return bad_answer(err, "has another size than was asked for");
	ret = use_result(d, run, asked.position, asked.n_tokens, &r, err);
	if (!ret)
		d->n_past = r.position;
	return ret;
}

static int tell_edge(struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_TRUNCATE};
	struct ferry_wire_sampling sampling;
	int ret = 0;

	if (d->edge_past != d->n_sent || d->edge_unknown) {
		m.truncate = (struct ferry_wire_truncate){FERRY_DEVICE_SESSION, d->n_sent,
							  d->prefix[d->n_sent]};
		ret = ferry_uplink_tell(d->uplink, &m, err);
		if (ret)
			return ret;
		d->edge_past = d->n_sent;
		d->edge_unknown = false;
	}
	if (run->want != FERRY_WANT_TOKEN || !d->head_there)
		return 0;
	ferry_device_wire_sampling(run->sampling, &sampling);
	if (memcmp(&sampling, &d->sampling, sizeof(sampling))) {
		m.type = FERRY_MESSAGE_SAMPLING;
		m.sampling = (struct ferry_wire_set_sampling){FERRY_DEVICE_SESSION, sampling};
		ret = ferry_uplink_tell(d->uplink, &m, err);
		if (!ret)
			d->sampling = sampling;
	}
	return ret;
}

static bool has_room(const struct ferry_device *d, const struct ferry_device_run *run, uint32_t n)
{
	size_t row = d->begin ? ferry_wire_row_bytes(d->encoding, d->n_embd) : 4;
	size_t ids = run->want == FERRY_WANT_TOKEN ? 4 * (size_t)run->n_ids : 0;

	return ferry_uplink_has_room(d->uplink, FERRY_FRAME_MAX_GREETING + n * row + ids);
}

static int run_shared(struct ferry_device *d, const struct ferry_device_run *run,
		      struct ferry_error *err)
{
	/* Chunks of a prompt need no answer now, unless layers here wait for it. */
	bool wait = run->want != FERRY_WANT_NOTHING || d->back;
	uint32_t n;
	int ret = tell_edge(d, run, err);

	if (!ret)
		ret = ferry_uplink_settle(d->uplink, err);
	ferry_uplink_set_class(d->uplink, run->n_ids - d->n_sent > 1 ? FERRY_TRAFFIC_PREFILL
								     : FERRY_TRAFFIC_DECODE);
	while (!ret && (wait ? d->n_past : d->n_sent) < run->n_ids) {
		n = d->n_sent < run->n_ids ? next_chunk(d, run, d->n_sent) : 0;
		/* Answers that are here come first: the tail of a chunk before the front of one
		 * that is far behind it. */
		if (!n || !has_room(d, run, n) ||
		    (d->n_sent > d->n_past && ferry_uplink_ready(d->uplink))) {
			ret = take_result(d, run, err);
			continue;
		}
		ret = check_cancel(d, err);
		if (!ret)
			ret = send_chunk(d, run, d->n_sent, n, err);
		if (!ret)
			d->n_sent += n;
	}
	d->edge_past = d->n_sent;
	return ret;
}

void ferry_device_cut(struct ferry_device *d)
{
	if (d->front && d->front->n_past > d->n_past)
		ferry_kv_cache_truncate(d->front, d->n_past);
	if (d->back && d->back->n_past > d->n_past)
		ferry_kv_cache_truncate(d->back, d->n_past);
	if (d->ids_end > d->n_past)
		d->ids_end = d->n_past;
}

void ferry_device_recover(struct ferry_device *d)
{
	struct ferry_wire_message cancel = {.type = FERRY_MESSAGE_CANCEL,
					    .cancel = {.session = FERRY_DEVICE_SESSION}};

	d->n_sent = d->n_past;
	ferry_device_cut(d);
	if (!d->uplink)
		return;
	d->edge_unknown = true;
	d->ids_begin = d->ids_end = 0;
	ferry_uplink_forget(d->uplink);
	ferry_uplink_tell(d->uplink, &cancel, NULL);
}

static int check_run(const struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err)
{
	if (run->n_ids <= d->n_sent)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "there are no tokens to run");
	if (run->n_ids > d->n_ctx)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "%u tokens do not fit the context of %u positions", run->n_ids,
				  d->n_ctx);
	for (uint32_t i = d->n_sent; i < run->n_ids; i++)
		if (run->ids[i] < 0 || (uint32_t)run->ids[i] >= d->model->hp.n_vocab)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "token id %d is outside the vocabulary of %u",
					  run->ids[i], d->model->hp.n_vocab);
	return run->want == FERRY_WANT_TOKEN ? ferry_sampling_check(run->sampling, err) : 0;
}

int ferry_device_run(struct ferry_device *d, const struct ferry_device_run *run,
		     struct ferry_error *err)
{
	int ret = check_run(d, run, err);

	if (ret)
		return ret;
	d->run_begin = d->n_sent;
	ret = d->uplink ? run_shared(d, run, err) : run_here(d, run, err);
	if (ret)
		ferry_device_recover(d);
	return ret;
}
