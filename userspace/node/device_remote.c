// SPDX-License-Identifier: MIT
/* The session that a device has on an edge. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "node/activation.h"
#include "node/device_private.h"

static int check_split(const struct ferry_device *d, const struct ferry_uplink *u,
		       const struct ferry_device_split *s, struct ferry_error *err)
{
	const struct ferry_wire_welcome *w = ferry_uplink_welcome(u);

	if (s->begin > s->end || s->end > d->n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot run layers [%u, %u) on the edge: the model has %u",
				  s->begin, s->end, d->n_layers);
	if (s->begin < w->layer_begin || s->end > w->layer_end)
		return ferry_fail(err, FERRY_ERROR_PEER, -ERANGE,
				  "%s serves layers %u to %u, not %u to %u", ferry_uplink_name(u),
				  w->layer_begin, w->layer_end, s->begin, s->end);
	if (!(w->encodings & 1u << s->encoding))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the edge does not speak the encoding %u of hidden states",
				  s->encoding);
	if (d->n_ctx > w->max_context)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the edge takes contexts of at most %u positions, not %u",
				  w->max_context, d->n_ctx);
	return 0;
}

/* Tokens of a chunk: as the device takes them, as the edge does, and as a frame holds them. */
static uint32_t chunk_tokens(const struct ferry_device *d, const struct ferry_uplink *u,
			     uint8_t encoding)
{
	const struct ferry_wire_welcome *w = ferry_uplink_welcome(u);
	size_t row = ferry_wire_row_bytes(encoding, d->n_embd);
	size_t room = (w->max_frame - FERRY_FRAME_MAX_GREETING / 2) / row;
	uint32_t n = ferry_device_smaller(d->chunk, w->max_batch);

	return n < room ? n : (uint32_t)room;
}

static void set_split(struct ferry_device *d, const struct ferry_device_split *split)
{
	struct device_remote *r = &d->remote;

	r->split = *split;
	r->head_there = split->end == d->n_layers && !split->head_here;
	r->chunk = chunk_tokens(d, r->uplink, (uint8_t)split->encoding);
	r->n_past = r->n_sent = r->edge_past = 0;
	r->edge_unknown = false;
	r->ids_begin = r->ids_end = 0;
	r->sampling_known = false;
	ferry_device_set_boundary(d, split->begin);
	d->crossed = *split;
}

static int open_session(struct ferry_device *d, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_sampling greedy = ferry_sampling_greedy();
	struct ferry_wire_open open = {
		.session = ++r->session,
		.layer_begin = r->split.begin,
		.layer_end = r->split.end,
		.n_ctx = d->n_ctx,
		.head = r->head_there,
		.kv = (uint8_t)d->kv->type,
	};

	ferry_device_wire_sampling(&greedy, &r->sampling);
	r->sampling_known = true;
	open.sampling = r->sampling;
	r->state = REMOTE_OPENING;
	d->has_lease = false;
	return ferry_uplink_open_begin(r->uplink, &open, err);
}

/* The session of a connection that was lost: what it holds beyond what is certain counts, if it is
 * of the same history. */
static void take_attached(struct ferry_device *d, const struct ferry_wire_attached *a)
{
	struct device_remote *r = &d->remote;

	r->state = REMOTE_FEEDING;
	r->session = d->lease.session;
	r->n_past = d->lease.position;
	if (a->position <= d->n_prefix && d->prefix[a->position] == a->prefix)
		r->n_past = a->position;
	else
		r->edge_unknown = true;
	r->n_sent = r->edge_past = r->n_past;
}

static bool same_split(const struct ferry_device_split *a, const struct ferry_device_split *b)
{
	return a->begin == b->begin && a->end == b->end && a->head_here == b->head_here &&
	       a->encoding == b->encoding;
}

int ferry_device_join(struct ferry_device *d, struct ferry_uplink *uplink,
		      const struct ferry_device_split *split, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_wire_attached attached;
	int ret = check_split(d, uplink, split, err);

	*r = (struct device_remote){.uplink = uplink, .session = r->session};
	if (!ret)
		set_split(d, split);
	if (!ret && !r->chunk)
		ret = ferry_fail(err, FERRY_ERROR_PEER, -EMSGSIZE,
				 "the edge's frames are too small for one hidden state");
	if (!ret) {
		if (d->has_lease && same_split(split, &d->lease_split) &&
		    !ferry_uplink_attached(uplink, &attached, NULL) &&
		    attached.session == d->lease.session && attached.n_ctx >= d->n_ctx)
			take_attached(d, &attached);
		else
			ret = open_session(d, err);
	}
	if (ret)
		ferry_device_leave(d);
	return ret;
}

/* The connection's sums into those of the device. */
static void count(struct ferry_device *d)
{
	struct ferry_uplink_stats s;

	ferry_uplink_get_stats(d->remote.uplink, &s);
	d->before.bytes_sent += s.bytes_sent;
	d->before.bytes_received += s.bytes_received;
	d->before.wait_us += s.wait_us;
	d->before.edge_us += s.edge_us;
	d->before.queue_us += s.queue_us;
	ferry_uplink_count_anew(d->remote.uplink);
}

/* Ends the session on the edge, not the connection. */
static int close_session(struct ferry_device *d, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_CLOSE};
	int ret;

	m.close.session = r->session;
	if (r->state < REMOTE_FEEDING)
		return 0;
	/* What a CLOSE drops is never answered: so it comes behind the answers. */
	if (r->n_sent > r->n_past)
		ferry_device_recover(d);
	ret = ferry_uplink_settle(r->uplink, err);
	if (!ret)
		ret = ferry_uplink_tell(r->uplink, &m, err);
	if (r->state == REMOTE_ACTIVE)
		d->n_past = r->n_past;
	d->has_lease = false;
	return ret;
}

int ferry_device_rejoin(struct ferry_device *d, const struct ferry_device_split *split,
			struct ferry_error *err)
{
	int ret = check_split(d, d->remote.uplink, split, err);

	if (!ret)
		ret = close_session(d, err);
	if (ret)
		return ret;
	set_split(d, split);
	return open_session(d, err);
}

struct ferry_uplink *ferry_device_release(struct ferry_device *d)
{
	struct ferry_uplink *uplink = d->remote.uplink;

	if (!uplink || close_session(d, NULL) || ferry_uplink_is_lost(uplink)) {
		ferry_device_leave(d);
		return NULL;
	}
	count(d);
	d->remote = (struct device_remote){.state = REMOTE_NONE, .session = d->remote.session};
	d->warming.running = false;
	return uplink;
}

void ferry_device_activate(struct ferry_device *d)
{
	d->remote.state = REMOTE_ACTIVE;
	d->warming.running = false;
	d->warming.credited_us = 0;
}

void ferry_device_leave(struct ferry_device *d)
{
	struct device_remote *r = &d->remote;

	if (!r->uplink)
		return;
	if (r->state == REMOTE_ACTIVE)
		d->n_past = r->n_past;
	if (r->state >= REMOTE_FEEDING) {
		/* An edge to which we say goodbye keeps nothing. */
		d->has_lease &= ferry_uplink_is_lost(r->uplink);
		d->lease.position = r->n_past;
		d->lease_split = r->split;
	}
	count(d);
	ferry_uplink_free(r->uplink);
	*r = (struct device_remote){.state = REMOTE_NONE, .session = r->session};
	d->warming.running = false;
}

enum ferry_device_state ferry_device_state(const struct ferry_device *d)
{
	if (d->remote.state == REMOTE_ACTIVE)
		return FERRY_DEVICE_SHARED;
	return d->remote.state == REMOTE_NONE ? FERRY_DEVICE_ALONE : FERRY_DEVICE_JOINING;
}

struct ferry_uplink *ferry_device_uplink(const struct ferry_device *d)
{
	return d->remote.uplink;
}

const struct ferry_device_split *ferry_device_split(const struct ferry_device *d)
{
	return &d->remote.split;
}

bool ferry_device_lease(const struct ferry_device *d, struct ferry_wire_attach *attach,
			struct ferry_device_split *split)
{
	if (!d->has_lease)
		return false;
	*attach = d->lease;
	attach->prefix = d->prefix[attach->position];
	*split = d->lease_split;
	return true;
}

void ferry_device_forget_lease(struct ferry_device *d)
{
	d->has_lease = false;
}

static void extend_prefix(struct ferry_device *d, const int32_t *ids, uint32_t until)
{
	for (; d->n_prefix < until; d->n_prefix++)
		d->prefix[d->n_prefix + 1] =
			ferry_prefix_hash(&d->key, d->prefix[d->n_prefix], ids[d->n_prefix]);
}

int ferry_device_send(struct ferry_device *d, const int32_t *ids, uint32_t first, uint32_t n,
		      struct ferry_wire_work *work, uint32_t n_answer, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	int ret = 0;

	work->session = r->session;
	work->position = first;
	work->n_tokens = n;
	work->encoding = (uint8_t)r->split.encoding;
	work->data = d->payload;
	if (r->split.begin) {
		work->input = FERRY_INPUT_HIDDEN;
		ret = ferry_device_input_of(d, ids, first, n, r->split.begin, err);
		if (!ret)
			ret = ferry_activation_encode(ferry_forward_kernels(d->forward),
						      work->encoding, d->hidden, n, d->n_embd,
						      d->payload, err);
		work->n_data = (uint32_t)(n * ferry_wire_row_bytes(work->encoding, d->n_embd));
	} else {
		work->input = FERRY_INPUT_IDS;
		for (uint32_t i = 0; i < n; i++)
			ferry_store_le32(d->payload + 4 * i, (uint32_t)ids[first + i]);
		work->n_data = 4 * n;
	}
	if (ret)
		return ret;
	extend_prefix(d, ids, first + n);
	work->prefix_before = d->prefix[first];
	work->prefix_after = d->prefix[first + n];
	return ferry_uplink_work(r->uplink, work, n_answer, err);
}

bool ferry_device_has_room(const struct ferry_device *d, uint32_t n, uint32_t n_ids)
{
	const struct device_remote *r = &d->remote;
	size_t row = 4;

	if (r->split.begin)
		row = ferry_wire_row_bytes((uint8_t)r->split.encoding, d->n_embd);
	return ferry_uplink_has_room(r->uplink,
				     FERRY_FRAME_MAX_GREETING + n * row + 4 * (size_t)n_ids);
}

int ferry_device_tell_position(struct ferry_device *d, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_TRUNCATE};
	int ret;

	if (r->edge_past == r->n_sent && !r->edge_unknown)
		return 0;
	m.truncate = (struct ferry_wire_truncate){r->session, r->n_sent, d->prefix[r->n_sent]};
	ret = ferry_uplink_tell(r->uplink, &m, err);
	if (ret)
		return ret;
	r->edge_past = r->n_sent;
	r->edge_unknown = false;
	return 0;
}

void ferry_device_recover(struct ferry_device *d)
{
	struct device_remote *r = &d->remote;
	struct ferry_wire_message cancel = {.type = FERRY_MESSAGE_CANCEL,
					    .cancel = {.session = r->session}};

	r->n_sent = r->n_past;
	r->edge_unknown = true;
	r->ids_begin = r->ids_end = 0;
	ferry_uplink_forget(r->uplink);
	ferry_uplink_tell(r->uplink, &cancel, NULL);
}

/* The edge's word about OPEN. */
static int take_opened(struct ferry_device *d, bool wait, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_wire_opened opened;
	int ret = wait ? ferry_uplink_open_wait(r->uplink, &opened, err)
		       : ferry_uplink_open_poll(r->uplink, &opened, err);

	if (ret <= 0)
		return ret;
	r->state = REMOTE_FEEDING;
	d->has_lease = opened.lease_ms;
	d->lease = (struct ferry_wire_attach){.session = r->session};
	memcpy(d->lease.lease, opened.lease, sizeof(opened.lease));
	return 1;
}

/* The answer to a chunk that was fed. */
static int take_fed(struct ferry_device *d, struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_uplink_asked asked;
	struct ferry_wire_result result;
	int ret = ferry_uplink_result(r->uplink, &asked, &result, err);

	if (ret)
		return ret;
	if (result.session != r->session || result.position != asked.position + asked.n_tokens ||
	    result.output != FERRY_OUTPUT_NONE || result.n_data)
		return ferry_fail(err, FERRY_ERROR_PEER, -EPROTO,
				  "the edge's answer belongs to other work than was asked for");
	r->n_past = result.position;
	return 0;
}

static int feed_chunk(struct ferry_device *d, const int32_t *ids, uint32_t n,
		      struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	struct ferry_wire_work work = {.output = FERRY_OUTPUT_NONE};
	int ret = ferry_device_tell_position(d, err);

	if (!ret)
		ret = ferry_device_send(d, ids, r->n_sent, n, &work, 0, err);
	if (ret)
		return ret;
	r->n_sent += n;
	r->edge_past = r->n_sent;
	return 0;
}

/* Layers behind those of the edge need the positions, too, and the edge is not asked for states. */
static int fill_back(struct ferry_device *d, const int32_t *ids, uint32_t n_ids,
		     struct ferry_error *err)
{
	int ret = d->remote.split.end == d->n_layers;

	while (!ret) {
		if (d->cancel && atomic_load(d->cancel))
			return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
		ret = ferry_device_catch_up(d, ids, n_ids, err);
	}
	return ret < 0 ? ret : 0;
}

int ferry_device_feed(struct ferry_device *d, const int32_t *ids, uint32_t n_ids, bool wait,
		      struct ferry_error *err)
{
	struct device_remote *r = &d->remote;
	int ret;

	if (r->state == REMOTE_OPENING) {
		ret = take_opened(d, wait, err);
		if (ret <= 0)
			return ret;
	}
	if (wait) {
		ret = ferry_uplink_settle(r->uplink, err);
		if (!ret)
			ret = fill_back(d, ids, n_ids, err);
		if (ret)
			return ret;
	}
	for (;;) {
		bool ready = ferry_uplink_ready(r->uplink);
		uint32_t n = n_ids > r->n_sent ? n_ids - r->n_sent : 0;

		n = ferry_device_smaller(n, r->chunk);
		if (!n && !(wait && r->n_past < r->n_sent))
			return ferry_uplink_is_lost(r->uplink) ? ferry_uplink_check(r->uplink, err)
							       : 1;
		if (ready || (wait && (!n || !ferry_device_has_room(d, n, 0)))) {
			ret = take_fed(d, err);
			if (ret)
				return ret;
			continue;
		}
		if (!ferry_device_has_room(d, n, 0))
			return 0;
		ret = feed_chunk(d, ids, n, err);
		if (ret)
			return ret;
		if (!wait)
			return r->n_sent >= n_ids;
	}
}
