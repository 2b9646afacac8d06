// SPDX-License-Identifier: MIT
#include "node/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/activation.h"
#include "node/device.h"
#include "node/placement.h"

enum { DEFAULT_MAX_CTX = 4096 };

struct ferry_node_session {
	const struct ferry_model *model;
	struct ferry_device *device;
	struct ferry_tls_context *tls; /* NULL: not encrypted */
	atomic_bool cancel;
	uint32_t n_ctx;
	int32_t *ids; /* [n_ctx]: the history */
	uint32_t n_ids;
	bool local;
	uint32_t split, split_end;
	uint8_t encoding; /* of hidden states */
	char explanation[FERRY_PLACEMENT_TEXT];
};

static int check_options(const struct ferry_model *m, const struct ferry_node_session_options *o,
			 struct ferry_error *err)
{
	uint32_t n_layers = m->hp.n_layers;

	if (!ferry_kv_type_name(o->kv))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "KV cache type %d is unknown",
				  (int)o->kv);
	if (!o->edge)
		return 0;
	if (o->encoding >= FERRY_ENCODINGS)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "encoding %d of hidden states is unknown", (int)o->encoding);
	if (o->split < FERRY_NODE_SPLIT_AUTO || o->split > (int64_t)n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot split behind layer %d: %s has %u layers", o->split,
				  m->name, n_layers);
	if (o->split_end &&
	    (o->split < 0 || o->split_end > n_layers || o->split_end < (uint32_t)o->split))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot run layers %d to %u on the edge: %s has %u layers",
				  o->split, o->split_end, m->name, n_layers);
	return 0;
}

static struct ferry_wire_hello make_hello(const struct ferry_model *m,
					  const struct ferry_node_session *s, bool head_here)
{
	struct ferry_wire_hello h = {
		.n_layers = m->hp.n_layers,
		.n_embd = m->hp.n_embd,
		.n_vocab = m->hp.n_vocab,
		.layer_begin = s->split,
		.layer_end = s->split_end,
		.encodings = ferry_activation_encodings(),
		.max_frame = FERRY_FRAME_MAX,
	};

	memcpy(h.model, m->id, sizeof(h.model));
	if (!s->split)
		h.parts |= FERRY_PART_EMBEDDING;
	if (s->split_end == m->hp.n_layers && !head_here)
		h.parts |= FERRY_PART_HEAD;
	return h;
}

static int connect_fixed(struct ferry_node_session *s, const struct ferry_uplink_options *uo,
			 const struct ferry_node_session_options *o, struct ferry_uplink **uplink,
			 struct ferry_error *err)
{
	struct ferry_wire_hello hello;
	uint64_t us;
	int ret;

	s->split = (uint32_t)o->split;
	s->split_end = o->split_end ? o->split_end : s->model->hp.n_layers;
	hello = make_hello(s->model, s, o->head_here);
	ret = ferry_uplink_connect(uo, &hello, uplink, err);
	if (!ret)
		ret = ferry_uplink_ping(*uplink, 0, 0, &us, err);
	if (!ret && o->choose_encoding)
		s->encoding = ferry_placement_encoding(
			ferry_uplink_welcome(*uplink)->encodings,
			1 + (o->head_here || s->split_end < s->model->hp.n_layers));
	if (ret) {
		ferry_uplink_free(*uplink);
		*uplink = NULL;
	}
	return ret;
}

/* Whether doing without the edge is what AUTO means: it is away or full, not misconfigured. */
static bool edge_is_away(const struct ferry_error *why)
{
	return why->kind == FERRY_ERROR_LINK ||
	       (why->kind == FERRY_ERROR_PEER &&
		(why->code == -EBUSY || why->code == -ENOMEM || why->code == -ESHUTDOWN));
}

static void stay_here(struct ferry_node_session *s, const struct ferry_error *why)
{
	s->local = true;
	s->split = s->split_end = s->model->hp.n_layers;
	snprintf(s->explanation, sizeof(s->explanation), "Chosen: local. %s.\n", why->text);
}

static int connect_auto(struct ferry_node_session *s, struct ferry_pool *pool,
			const struct ferry_uplink_options *uo,
			const struct ferry_node_session_options *o, struct ferry_uplink **uplink,
			struct ferry_error *err)
{
	struct ferry_placement_hints hints = {
		.n_prompt = o->n_prompt_hint,
		.n_new = o->n_new_hint,
		.chunk_tokens = o->chunk_tokens ? o->chunk_tokens : 64,
		.encoding = (uint8_t)o->encoding,
		.choose_encoding = o->choose_encoding,
	};
	struct ferry_placement placement = {.local = true};
	struct ferry_wire_hello hello;
	struct ferry_error why = {0};
	int ret;

	/* Asks for nothing in particular: what is served comes with the WELCOME. */
	s->split = s->split_end = s->model->hp.n_layers;
	hello = make_hello(s->model, s, true);
	ret = ferry_uplink_connect(uo, &hello, uplink, &why);
	if (ret) {
		/* An edge that serves only inner layers refuses the empty range at the end. */
		if (why.code == -ERANGE || edge_is_away(&why))
			goto away;
		goto fail;
	}
	ret = ferry_placement_choose(s->model, pool, *uplink, &hints, &placement, &why);
	if (ret && !edge_is_away(&why))
		goto fail;
	if (ret)
		goto away;
	snprintf(s->explanation, sizeof(s->explanation), "%s", placement.text);
	if (!placement.local) {
		s->split = placement.split;
		s->encoding = placement.encoding;
		return 0;
	}
	ferry_uplink_free(*uplink);
	*uplink = NULL;
	return 0;
away:
	stay_here(s, &why);
	ferry_uplink_free(*uplink);
	*uplink = NULL;
	return 0;
fail:
	if (err)
		*err = why;
	ferry_uplink_free(*uplink);
	*uplink = NULL;
	return ret;
}

static int open_device(struct ferry_node_session *s, struct ferry_pool *pool,
		       const struct ferry_node_session_options *o, struct ferry_error *err)
{
	struct ferry_uplink_options uo = {
		.edge = o->edge,
		.insecure = o->insecure,
		.deadline_ms = o->deadline_ms,
		.cancel = &s->cancel,
	};
	struct ferry_device_options d = {
		.n_ctx = s->n_ctx,
		.kv = o->kv,
		.chunk_tokens = o->chunk_tokens,
		.cancel = &s->cancel,
		.head_here = o->head_here,
		.encoding = o->encoding,
	};
	struct ferry_uplink *uplink = NULL;
	struct ferry_error why = {0};
	int ret = 0;

	s->split = s->split_end = s->model->hp.n_layers;
	s->encoding = (uint8_t)o->encoding;
	if (o->edge && !o->insecure && ferry_tls_is_wanted(&o->tls))
		ret = ferry_tls_context_new(&o->tls, FERRY_ROLE_DEVICE, &s->tls, &why);
	uo.tls = s->tls;
	if (ret)
		;
	else if (o->edge && o->split == FERRY_NODE_SPLIT_AUTO)
		ret = connect_auto(s, pool, &uo, o, &uplink, &why);
	else if (o->edge && o->split >= 0)
		ret = connect_fixed(s, &uo, o, &uplink, &why);
	if (!ret) {
		s->local = !uplink;
		d.split_begin = s->split;
		d.split_end = s->split_end;
		d.encoding = (enum ferry_wire_encoding)s->encoding;
		ret = ferry_device_new(s->model, pool, uplink, &d, &s->device, &why);
	}
	/* The edge may be full only when it is asked for a session, or go at that moment. */
	if (ret && !s->local && o->split == FERRY_NODE_SPLIT_AUTO && edge_is_away(&why)) {
		stay_here(s, &why);
		d.split_begin = d.split_end = s->split;
		ret = ferry_device_new(s->model, pool, NULL, &d, &s->device, &why);
	}
	if (ret && err)
		*err = why;
	return ret;
}

int ferry_node_session_open(const struct ferry_model *model, struct ferry_pool *pool,
			    const struct ferry_node_session_options *o,
			    struct ferry_node_session **out, struct ferry_error *err)
{
	struct ferry_node_session *s;
	uint32_t n_train = model->hp.n_ctx_train;
	int ret;

	*out = NULL;
	ret = check_options(model, o, err);
	if (ret)
		return ret;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ferry_fail_memory(err, "a session", sizeof(*s));
	s->model = model;
	s->n_ctx = o->n_ctx;
	if (!s->n_ctx)
		s->n_ctx = n_train && n_train < DEFAULT_MAX_CTX ? n_train : DEFAULT_MAX_CTX;
	s->ids = malloc((size_t)s->n_ctx * sizeof(*s->ids));
	if (!s->ids)
		ret = ferry_fail_memory(err, "the token history",
					(size_t)s->n_ctx * sizeof(*s->ids));
	else
		ret = open_device(s, pool, o, err);
	if (ret) {
		ferry_node_session_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

void ferry_node_session_close(struct ferry_node_session *s)
{
	if (!s)
		return;
	ferry_device_free(s->device);
	ferry_tls_context_free(s->tls);
	free(s->ids);
	free(s);
}

/* A cancellation counts for one call. */
static int done(struct ferry_node_session *s, int ret)
{
	if (ret == -ECANCELED)
		atomic_store(&s->cancel, false);
	return ret;
}

static int check_cancel(struct ferry_node_session *s, struct ferry_error *err)
{
	if (!atomic_load(&s->cancel))
		return 0;
	return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
}

/* Runs the history up to position @n; nothing where it has. */
static int run_up_to(struct ferry_node_session *s, uint32_t n, enum ferry_want want, float *logits,
		     struct ferry_error *err)
{
	struct ferry_device_run run = {.ids = s->ids, .n_ids = n, .want = want, .logits = logits};

	if (n <= ferry_device_n_past(s->device))
		return 0;
	return ferry_device_run(s->device, &run, err);
}

static int add(struct ferry_node_session *s, const int32_t *ids, size_t n, struct ferry_error *err)
{
	uint32_t n_vocab = s->model->hp.n_vocab;

	if (n > s->n_ctx - s->n_ids)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "%zu more tokens do not fit the context: it has %u positions, of "
				  "which %u are taken",
				  n, s->n_ctx, s->n_ids);
	for (size_t i = 0; i < n; i++)
		if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "token id %d is outside the vocabulary of %u", ids[i],
					  n_vocab);
	if (n)
		memcpy(s->ids + s->n_ids, ids, n * sizeof(*ids));
	s->n_ids += (uint32_t)n;
	return 0;
}

int ferry_node_session_append(struct ferry_node_session *s, const int32_t *ids, size_t n,
			      struct ferry_error *err)
{
	int ret = check_cancel(s, err);

	if (!ret)
		ret = add(s, ids, n, err);
	if (!ret && s->n_ids)
		ret = run_up_to(s, s->n_ids - 1, FERRY_WANT_NOTHING, NULL, err);
	return done(s, ret);
}

/* The logits of the last token are wanted: it must be among those that are yet to run. */
static void leave_last(struct ferry_node_session *s)
{
	if (s->n_ids)
		ferry_device_truncate(s->device, s->n_ids - 1);
}

int ferry_node_session_next(struct ferry_node_session *s, const struct ferry_sampling *sampling,
			    int32_t *id, struct ferry_error *err)
{
	struct ferry_sampling greedy = ferry_sampling_greedy();
	struct ferry_device_run run = {
		.ids = s->ids,
		.n_ids = s->n_ids,
		.want = FERRY_WANT_TOKEN,
		.sampling = sampling ? sampling : &greedy,
		.id = id,
	};
	int ret = check_cancel(s, err);

	if (ret)
		return done(s, ret);
	if (!s->n_ids)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA,
				  "there is no token to continue from: append a prompt first");
	if (s->n_ids == s->n_ctx)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "the context of %u positions is full", s->n_ctx);
	leave_last(s);
	ret = ferry_device_run(s->device, &run, err);
	if (!ret)
		s->ids[s->n_ids++] = *id;
	return done(s, ret);
}

int ferry_node_session_logits(struct ferry_node_session *s, const int32_t *ids, size_t n, bool all,
			      float *logits, struct ferry_error *err)
{
	uint32_t before = s->n_ids;
	int ret = check_cancel(s, err);

	if (!ret)
		ret = add(s, ids, n, err);
	if (ret)
		return done(s, ret);
	if (!s->n_ids)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA, "there are no tokens to run");
	if (all)
		ret = run_up_to(s, before, FERRY_WANT_NOTHING, NULL, err);
	else
		leave_last(s);
	if (!ret)
		ret = run_up_to(s, s->n_ids, all ? FERRY_WANT_LOGITS : FERRY_WANT_LAST, logits,
				err);
	return done(s, ret);
}

int ferry_node_session_truncate(struct ferry_node_session *s, size_t n, struct ferry_error *err)
{
	if (n > s->n_ids)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot truncate to %zu tokens: the history has %u", n, s->n_ids);
	s->n_ids = (uint32_t)n;
	ferry_device_truncate(s->device, s->n_ids);
	return 0;
}

const int32_t *ferry_node_session_history(const struct ferry_node_session *s, size_t *n)
{
	*n = s->n_ids;
	return s->ids;
}

uint32_t ferry_node_session_n_ctx(const struct ferry_node_session *s)
{
	return s->n_ctx;
}

void ferry_node_session_cancel(struct ferry_node_session *s)
{
	atomic_store(&s->cancel, true);
	ferry_device_wake(s->device);
}

void ferry_node_session_get_stats(const struct ferry_node_session *s,
				  struct ferry_node_session_stats *stats)
{
	struct ferry_device_stats d;

	ferry_device_get_stats(s->device, &d);
	*stats = (struct ferry_node_session_stats){
		.n_tokens = s->n_ids,
		.local = s->local,
		.split = s->split,
		.split_end = s->split_end,
		.local_us = d.local_us,
		.edge_us = d.uplink.edge_us,
		.queue_us = d.uplink.queue_us,
		.wait_us = d.uplink.wait_us,
		.bytes_sent = d.uplink.bytes_sent,
		.bytes_received = d.uplink.bytes_received,
		.rtt_us = d.uplink.rtt_us,
	};
}

const char *ferry_node_session_explanation(const struct ferry_node_session *s)
{
	return s->explanation;
}
