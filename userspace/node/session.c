// SPDX-License-Identifier: MIT
#include "node/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "node/session_private.h"

enum { DEFAULT_MAX_CTX = 4096 };

int ferry_session_check_split(const struct ferry_node_session *s, int32_t split, uint32_t split_end,
			      struct ferry_error *err)
{
	const struct ferry_model *m = s->model;
	uint32_t n_layers = m->hp.n_layers;

	if (!s->n_edges)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "this session was opened without an edge");
	if (split < FERRY_NODE_SPLIT_AUTO || split > (int64_t)n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot split behind layer %d: %s has %u layers", split, m->name,
				  n_layers);
	if (split_end && (split < 0 || split_end > n_layers || split_end < (uint32_t)split))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "cannot run layers %d to %u on the edge: %s has %u layers", split,
				  split_end, m->name, n_layers);
	return 0;
}

static int check_options(const struct ferry_node_session *s, struct ferry_error *err)
{
	const struct ferry_node_session_options *o = &s->o;

	if (!ferry_kv_type_name(o->kv))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "KV cache type %d is unknown",
				  (int)o->kv);
	if (!o->edge)
		return 0;
	if (o->encoding >= FERRY_ENCODINGS)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "encoding %d of hidden states is unknown", (int)o->encoding);
	if ((unsigned)o->fallback > FERRY_NODE_FALLBACK_FAIL || !(o->warm_share >= 0) ||
	    o->warm_share > 1)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "fallback %d or a share of %g of the time is unknown",
				  (int)o->fallback, (double)o->warm_share);
	return ferry_session_check_split(s, o->split, o->split_end, err);
}

static void stay_here(struct ferry_node_session *s, const struct ferry_error *why)
{
	s->wants_edge = false;
	snprintf(s->explanation, sizeof(s->explanation), "Chosen: local. %s.\n", why->text);
}

/* The plan for AUTO; 0 without an edge where none is there or none is worth it. */
static int choose(struct ferry_node_session *s, struct ferry_uplink **uplink,
		  struct ferry_error *err)
{
	struct ferry_placement_hints hints = {
		.n_prompt = s->o.n_prompt_hint,
		.n_new = s->o.n_new_hint,
		.chunk_tokens = s->o.chunk_tokens ? s->o.chunk_tokens : 64,
		.encoding = (uint8_t)s->o.encoding,
		.choose_encoding = s->o.choose_encoding,
	};
	struct ferry_placement placement = {.local = true};
	struct ferry_placement_facts *facts = NULL;
	struct ferry_error why = {0};
	/* Asks for nothing in particular: what is served comes with the WELCOME. */
	int ret = ferry_session_connect(s, NULL, uplink, &why);
	/* An edge that serves only inner layers refuses the empty range at the end. */
	bool away = ret && (why.code == -ERANGE || ferry_session_is_away(&why));

	if (!ret) {
		ret = ferry_placement_measure(s->model, s->pool, *uplink, &hints, &facts, &why);
		if (!ret)
			ret = ferry_placement_choose(facts, &placement, &why);
		away = ret && ferry_session_is_away(&why);
	}
	if (ret && !away) {
		ferry_placement_free(facts);
		*err = why;
		return ret;
	}
	if (away)
		stay_here(s, &why);
	else
		snprintf(s->explanation, sizeof(s->explanation), "%s", placement.text);
	s->wants_edge = !placement.local;
	s->plan.begin = placement.split;
	if (!placement.local)
		s->plan.encoding = (enum ferry_wire_encoding)placement.encoding;
	s->plan.end = s->model->hp.n_layers;
	ret = facts ? ferry_session_follow(s, facts, err) : 0;
	if (s->wants_edge)
		return ret;
	/* Kept, to see whether it becomes worth it. */
	if (facts && s->o.fallback != FERRY_NODE_FALLBACK_FAIL)
		s->spare = *uplink;
	else
		ferry_uplink_free(*uplink);
	*uplink = NULL;
	return ret;
}

static int find_edge(struct ferry_node_session *s, struct ferry_error *err)
{
	struct ferry_uplink *uplink = NULL;
	struct ferry_error why = {0};
	int ret;

	s->plan =
		(struct ferry_device_split){.head_here = s->o.head_here, .encoding = s->o.encoding};
	if (!s->o.edge || s->o.split == FERRY_NODE_SPLIT_NONE)
		return 0;
	if (!s->o.insecure && ferry_tls_is_wanted(&s->o.tls)) {
		ret = ferry_tls_context_new(&s->o.tls, FERRY_ROLE_DEVICE, &s->tls, err);
		if (ret)
			return ret;
	}
	if (s->o.split == FERRY_NODE_SPLIT_AUTO) {
		ret = choose(s, &uplink, &why);
	} else {
		s->wants_edge = true;
		s->plan.begin = (uint32_t)s->o.split;
		s->plan.end = s->o.split_end ? s->o.split_end : s->model->hp.n_layers;
		ret = ferry_session_connect(s, &s->plan, &uplink, &why);
		if (!ret && s->o.choose_encoding)
			s->plan.encoding = (enum ferry_wire_encoding)ferry_placement_encoding(
				ferry_uplink_welcome(uplink)->encodings,
				1 + (s->o.head_here || s->plan.end < s->model->hp.n_layers));
	}
	if (!ret && uplink) {
		ret = ferry_session_enter(s, uplink, &why);
		/* The edge may be full only when it is asked for a session, or go just then. */
		if (ret && s->o.split == FERRY_NODE_SPLIT_AUTO && ferry_session_is_away(&why)) {
			stay_here(s, &why);
			ret = 0;
		}
	}
	if (ret && err)
		*err = why;
	return ret;
}

static int new_device(struct ferry_node_session *s, struct ferry_error *err)
{
	struct ferry_device_options d = {
		.n_ctx = s->n_ctx,
		.kv = s->o.kv,
		.chunk_tokens = s->o.chunk_tokens,
		.cancel = &s->cancel,
		.warm_share = s->o.warm_share,
	};

	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0) {
		s->wake_fd = 0;
		return ferry_fail(err, FERRY_ERROR_SYSTEM, -errno, "cannot make an eventfd: %s",
				  ferry_errno_text(errno));
	}
	s->ids = malloc((size_t)s->n_ctx * sizeof(*s->ids));
	if (!s->ids)
		return ferry_fail_memory(err, "the token history",
					 (size_t)s->n_ctx * sizeof(*s->ids));
	return ferry_device_new(s->model, s->pool, &d, &s->device, err);
}

int ferry_node_session_open(const struct ferry_model *model, struct ferry_pool *pool,
			    const struct ferry_node_session_options *o,
			    struct ferry_node_session **out, struct ferry_error *err)
{
	struct ferry_node_session *s = calloc(1, sizeof(*s));
	uint32_t n_train = model->hp.n_ctx_train;
	int ret;

	*out = NULL;
	if (!s)
		return ferry_fail_memory(err, "a session", sizeof(*s));
	s->model = model;
	s->pool = pool;
	s->o = *o;
	s->n_ctx = o->n_ctx;
	if (!s->n_ctx)
		s->n_ctx = n_train && n_train < DEFAULT_MAX_CTX ? n_train : DEFAULT_MAX_CTX;
	ret = ferry_session_name_edges(s, err);
	if (!ret)
		ret = check_options(s, err);
	if (!ret)
		ret = new_device(s, err);
	if (!ret)
		ret = find_edge(s, err);
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
	ferry_uplink_free(s->coming);
	ferry_session_follow_end(s);
	ferry_device_free(s->device);
	if (s->wake_fd)
		close(s->wake_fd);
	free(s->addresses);
	free(s->edges);
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

/* Runs the history up to position @n; nothing where it has. */
static int run_up_to(struct ferry_node_session *s, uint32_t n, struct ferry_error *err)
{
	struct ferry_device_run run = {.ids = s->ids, .n_ids = n, .want = FERRY_WANT_NOTHING};

	return ferry_session_run(s, &run, err);
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
	int ret = ferry_session_check_cancel(s, err);

	if (!ret)
		ret = add(s, ids, n, err);
	if (!ret && s->n_ids)
		ret = run_up_to(s, s->n_ids - 1, err);
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
	int ret = ferry_session_check_cancel(s, err);

	if (ret)
		return done(s, ret);
	if (!s->n_ids)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA,
				  "there is no token to continue from: append a prompt first");
	if (s->n_ids == s->n_ctx)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "the context of %u positions is full", s->n_ctx);
	leave_last(s);
	ret = ferry_session_run(s, &run, err);
	if (!ret)
		s->ids[s->n_ids++] = *id;
	return done(s, ret);
}

int ferry_node_session_logits(struct ferry_node_session *s, const int32_t *ids, size_t n, bool all,
			      float *logits, struct ferry_error *err)
{
	struct ferry_device_run run;
	uint32_t before = s->n_ids;
	int ret = ferry_session_check_cancel(s, err);

	if (!ret)
		ret = add(s, ids, n, err);
	if (ret)
		return done(s, ret);
	if (!s->n_ids)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENODATA, "there are no tokens to run");
	run = (struct ferry_device_run){
		.ids = s->ids,
		.n_ids = s->n_ids,
		.want = all ? FERRY_WANT_LOGITS : FERRY_WANT_LAST,
		.from = before,
		.logits = logits,
	};
	if (all)
		ret = run_up_to(s, before, err);
	else
		leave_last(s);
	if (!ret)
		ret = ferry_session_run(s, &run, err);
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
	uint64_t one = 1;
	int saved = errno;

	atomic_store(&s->cancel, true);
	/* Fails only where a wake is pending already. */
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

void ferry_node_session_get_stats(const struct ferry_node_session *s,
				  struct ferry_node_session_stats *stats)
{
	const struct ferry_device_split *split = ferry_device_split(s->device);
	bool shared = ferry_device_state(s->device) == FERRY_DEVICE_SHARED;
	uint32_t n_layers = s->model->hp.n_layers;
	struct ferry_device_stats d;

	ferry_device_get_stats(s->device, &d);
	*stats = (struct ferry_node_session_stats){
		.n_tokens = s->n_ids,
		.local = !shared,
		.n_lost = s->n_lost,
		.n_attached = s->n_attached,
		.n_moves = s->n_moves,
		.n_kept = s->n_kept,
		.n_warm = ferry_device_warm(s->device),
		.warm_us = d.warm_us,
		.split = shared ? split->begin : n_layers,
		.split_end = shared ? split->end : n_layers,
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
