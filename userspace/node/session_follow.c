// SPDX-License-Identifier: MIT
/*
 * AUTO decides again while the conversation runs: the profiles of both nodes as they were measured,
 * scaled by what tokens really took since; the link as it was learned from what was sent. A move
 * costs computing the history again where it is missing. plan/replan.h keeps noise from moving
 * anything.
 */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/session_private.h"
#include "plan/replan.h"

enum {
	DECIDE_US = 250000,
	PROBE_US = 2000000, /* between looks at the rate of a link that nothing is sent over */
	LEAST_LEFT = 32,    /* tokens that are expected when more came than were */
};

/* What tokens took against what was measured before: learned slowly, and never believed fully. */
static const double learn_gain = 0.2, least_scale = 0.2, most_scale = 10;

struct session_follow {
	struct ferry_placement_facts *facts;
	struct ferry_layer_cost *device, *edge; /* [n_layers]: as measured */
	double device_embed_us, device_head_us, edge_embed_us, edge_head_us;
	double device_scale, edge_scale;
	double queue_us; /* of a step */
	struct ferry_replan replan;
	uint64_t decide_us, beat_us, probe_us; /* the next time */
	struct ferry_node_session_stats seen;
	uint32_t first_new; /* position at which the answer began */
};

static const struct ferry_replan_options hysteresis = {
	.min_gain = 0.1, .dwell_us = 1e6, .most_dwell_us = 16e6, .confirm = 2};

static struct ferry_layer_cost *copy_layers(const struct ferry_node_cost *c, uint32_t n)
{
	struct ferry_layer_cost *copy = malloc(n * sizeof(*copy));

	for (uint32_t i = 0; copy && i < n; i++)
		copy[i] = c->layers[i];
	return copy;
}

int ferry_session_follow(struct ferry_node_session *s, struct ferry_placement_facts *facts,
			 struct ferry_error *err)
{
	const struct ferry_plan_problem *p = &facts->problem;
	struct session_follow *f = calloc(1, sizeof(*f));

	s->follow = f;
	if (!f) {
		ferry_placement_free(facts);
		return ferry_fail_memory(err, "the plan", sizeof(*f));
	}
	f->facts = facts;
	f->device = copy_layers(&p->device, p->n_layers);
	f->edge = copy_layers(&p->edge, p->n_layers);
	f->device_embed_us = p->device.embed_us;
	f->device_head_us = p->device.head_us;
	f->edge_embed_us = p->edge.embed_us;
	f->edge_head_us = p->edge.head_us;
	f->device_scale = f->edge_scale = 1;
	if (f->device && f->edge)
		return 0;
	ferry_session_follow_end(s);
	return ferry_fail_memory(err, "the plan", p->n_layers * sizeof(*f->device));
}

void ferry_session_follow_end(struct ferry_node_session *s)
{
	struct session_follow *f = s->follow;

	s->follow = NULL;
	ferry_uplink_free(s->spare);
	s->spare = NULL;
	if (!f)
		return;
	ferry_placement_free(f->facts);
	free(f->device);
	free(f->edge);
	free(f);
}

static void learn(double *scale, double took_us, double predicted_us)
{
	double ratio = took_us / predicted_us;

	if (!(predicted_us > 0) || !(ratio > 0))
		return;
	*scale += learn_gain * (ratio - *scale);
	*scale = fmin(fmax(*scale, least_scale), most_scale);
}

/* The cut that is in effect. */
static struct ferry_plan_cut current_cut(const struct ferry_node_session *s)
{
	const uint32_t n = s->model->hp.n_layers;
	const struct ferry_device_split *split = ferry_device_split(s->device);
	struct ferry_plan_cut cut = {FERRY_MODE_LOCAL, n, n};

	if (ferry_device_state(s->device) != FERRY_DEVICE_SHARED)
		return cut;
	cut.mode = split->begin ? FERRY_MODE_SPLIT : FERRY_MODE_REMOTE;
	cut.k1 = split->begin;
	cut.k2 = split->end;
	return cut;
}

/* From the tokens since the last decision, if these were tokens of an answer. */
static void learn_speeds(struct ferry_node_session *s, struct session_follow *f)
{
	const struct ferry_plan_problem *p = &f->facts->problem;
	struct ferry_plan_cut cut = current_cut(s);
	struct ferry_node_session_stats now;
	double device_us = f->device_embed_us, edge_us = 0, n;

	ferry_node_session_get_stats(s, &now);
	n = (double)now.n_tokens - (double)f->seen.n_tokens;
	if (n > 0 && now.n_moves == f->seen.n_moves && now.n_lost == f->seen.n_lost) {
		for (uint32_t i = 0; i < p->n_layers; i++)
			*(i < cut.k1 ? &device_us : &edge_us) +=
				(i < cut.k1 ? f->device : f->edge)[i].decode_us;
		if (cut.mode == FERRY_MODE_LOCAL)
			device_us += f->device_head_us;
		else
			edge_us += f->edge_head_us;
		if (cut.mode != FERRY_MODE_REMOTE)
			learn(&f->device_scale, (double)(now.local_us - f->seen.local_us) / n,
			      device_us);
		if (cut.mode != FERRY_MODE_LOCAL) {
			learn(&f->edge_scale, (double)(now.edge_us - f->seen.edge_us) / n, edge_us);
			f->queue_us += learn_gain * ((double)(now.queue_us - f->seen.queue_us) / n -
						     f->queue_us);
		}
	}
	f->seen = now;
}

static void scale(struct ferry_layer_cost *to, const struct ferry_layer_cost *from, uint32_t n,
		  double by)
{
	for (uint32_t i = 0; i < n; i++) {
		to[i].decode_us = from[i].decode_us * by;
		to[i].prefill_us = from[i].prefill_us * by;
	}
}

/* The problem as it is now, for @left more tokens. */
static int state_problem(struct ferry_node_session *s, struct session_follow *f, uint32_t left,
			 struct ferry_error *err)
{
	struct ferry_placement_facts *facts = f->facts;
	struct ferry_plan_problem *p = &facts->problem;
	struct ferry_uplink *uplink = s->spare ? s->spare : ferry_device_uplink(s->device);
	struct ferry_uplink_stats link = {0};
	double step_us;

	scale(facts->device.layers, f->device, p->n_layers, f->device_scale);
	scale(facts->edge.layers, f->edge, p->n_layers, f->edge_scale);
	p->device.embed_us = f->device_embed_us * f->device_scale;
	p->device.head_us = f->device_head_us * f->device_scale;
	p->edge.embed_us = f->edge_embed_us * f->edge_scale;
	p->edge.head_us = f->edge_head_us * f->edge_scale;
	p->n_prompt = 0;
	p->n_new = left + 1; /* the first comes out of the prompt, which is over */
	p->link.no_carrier = !uplink || ferry_uplink_is_lost(uplink);
	if (!p->link.no_carrier) {
		ferry_uplink_get_stats(uplink, &link);
		p->link.rtt_us = (double)link.rtt_us;
		p->link.rttvar_us = (double)link.rttvar_us;
		if (link.up_bytes_per_s)
			p->link.up_bytes_per_us = (double)link.up_bytes_per_s / 1e6;
	}
	if (ferry_plan_sum(p, &facts->sums, err))
		return -1;
	step_us = facts->sums.below[p->n_layers][FERRY_SUM_EDGE_DECODE] + p->edge.head_us;
	p->load.queue_depth = step_us > 0 ? f->queue_us / step_us : 0;
	return 0;
}

static void log_move(const struct ferry_node_session *s, const struct session_follow *f,
		     const struct ferry_plan *current, const struct ferry_plan *best,
		     const struct ferry_move *move)
{
	const struct ferry_plan_problem *p = &f->facts->problem;

	ferry_log(s->o.log, FERRY_LOG_INFO,
		  "position %u: %s at %u of %u layers (%.2f ms a token) instead of %s at %u "
		  "(%s%.2f ms), move %.1f ms; rtt %.2f ms, up %.2f MB/s, here x%.2f, edge x%.2f, "
		  "queue %.2f",
		  s->n_ids, ferry_plan_mode_name(best->cut.mode), best->cut.k1, p->n_layers,
		  best->token_us / 1e3, ferry_plan_mode_name(current->cut.mode), current->cut.k1,
		  current->why ? current->why : "", current->why ? 0 : current->token_us / 1e3,
		  move->us / 1e3, p->link.rtt_us / 1e3, p->link.up_bytes_per_us, f->device_scale,
		  f->edge_scale, p->load.queue_depth);
}

static void go(struct ferry_node_session *s, const struct ferry_plan_cut *cut)
{
	struct ferry_uplink *spare = s->spare;
	struct ferry_error why = {0};
	int ret;

	s->wants_edge = cut->mode != FERRY_MODE_LOCAL;
	if (!s->wants_edge) {
		s->n_moves++;
		s->spare = ferry_device_release(s->device);
		return;
	}
	s->plan.begin = cut->k1;
	s->plan.end = cut->k2;
	if (ferry_device_state(s->device) == FERRY_DEVICE_ALONE) {
		/* The history goes to the edge while tokens come from here. */
		s->spare = NULL;
		if (spare)
			ferry_session_begin_joining(s, spare);
		return;
	}
	ret = ferry_device_rejoin(s->device, &s->plan, &why);
	if (!ret)
		ret = ferry_session_feed(s, &why);
	if (ret)
		ferry_session_lose_edge(s, &why);
}

static void decide(struct ferry_node_session *s, struct session_follow *f, uint64_t now)
{
	uint32_t expected = s->o.n_new_hint ? s->o.n_new_hint : 4 * LEAST_LEFT;
	uint32_t made = s->n_ids > f->first_new ? s->n_ids - f->first_new : 0;
	uint32_t left = expected > made + LEAST_LEFT ? expected - made : LEAST_LEFT;
	struct ferry_plan_problem *p = &f->facts->problem;
	struct ferry_plan_cut cut = current_cut(s);
	struct ferry_plan_choices choices;
	struct ferry_plan_terms terms;
	struct ferry_plan current;
	const struct ferry_plan *best;
	struct ferry_move move;
	struct ferry_replan_facts facts;

	if (state_problem(s, f, left, NULL) ||
	    ferry_plan_choose(p, &f->facts->sums, &choices, NULL))
		return;
	best = ferry_plan_chosen(&choices);
	ferry_plan_terms(p, &f->facts->sums, &terms);
	current = ferry_plan_predict(&terms, &cut, p->chunk_tokens[0], NULL);
	move = ferry_move_cost(&terms, &cut, &best->cut, p->chunk_tokens[0], s->n_ids,
			       ferry_device_warm(s->device));
	facts = (struct ferry_replan_facts){
		.now_us = (double)now,
		.current = &current,
		.best = best,
		.current_left = left * current.token_us,
		.best_left = left * best->token_us,
		.move = move.us,
	};
	if (!ferry_replan_moves(&f->replan, &hysteresis, &facts))
		return;
	log_move(s, f, &current, best, &move);
	go(s, &best->cut);
}

/* The link that nothing is sent over, and what its probes told. */
static void look_at_spare(struct ferry_node_session *s, struct session_follow *f, uint64_t now)
{
	if (!s->spare)
		return;
	if (ferry_uplink_is_lost(s->spare)) {
		/* It may come back like any other. */
		ferry_uplink_free(s->spare);
		s->spare = NULL;
	} else if (now >= f->beat_us) {
		f->beat_us = now + DECIDE_US;
		ferry_uplink_probe(s->spare, now >= f->probe_us);
		if (now >= f->probe_us)
			f->probe_us = now + PROBE_US;
	}
}

void ferry_session_reconsider(struct ferry_node_session *s)
{
	struct session_follow *f = s->follow;
	uint64_t now = ferry_now_us();

	if (!f || s->o.fallback == FERRY_NODE_FALLBACK_FAIL)
		return;
	look_at_spare(s, f, now);
	/* Not while an edge is on its way: it was decided for. */
	if (now < f->decide_us ||
	    (s->wants_edge && ferry_device_state(s->device) != FERRY_DEVICE_SHARED))
		return;
	f->decide_us = now + DECIDE_US;
	learn_speeds(s, f);
	if (f->first_new)
		decide(s, f, now);
	else
		f->first_new = s->n_ids;
}
