// SPDX-License-Identifier: MIT
#include "plan/sim/replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "plan/estimator.h"

enum {
	CHUNK_TOKENS = 64,
	TOKEN_BYTES = 4,
	MOST_ROUNDS = 100, /* of a trace, before a message counts as lost for good */
};

struct ferry_replay_options ferry_replay_defaults(uint64_t seed)
{
	return (struct ferry_replay_options){
		.replan = {.min_gain = 0.1, .dwell_us = 1e6, .most_dwell_us = 16e6, .confirm = 2},
		.margin = 0.25,
		.decide_us = 250e3,
		.read_us = 500e3,
		.read_noise = 0.15,
		.n_requests = 8,
		.prompt_tokens = {16, 512},
		.new_tokens = {16, 256},
		.pause_us = 3e6,
		.seed = seed,
	};
}

struct world {
	struct ferry_plan_problem p;
	const struct ferry_plan_sums *sums;
	const struct ferry_trace *trace;
};

static const struct ferry_link_cost *link_at(const struct world *w, double at_us)
{
	return &w->trace->samples[(size_t)(at_us / w->trace->step_us) % w->trace->n];
}

/* When @bytes that are sent from @at_us on are through; without carrier nothing moves. */
static double sent_us(const struct world *w, double at_us, double bytes, bool up)
{
	const double step = w->trace->step_us;
	size_t first = (size_t)(at_us / step);

	for (size_t i = first; i < first + MOST_ROUNDS * w->trace->n; i++) {
		const struct ferry_link_cost *l = &w->trace->samples[i % w->trace->n];
		double rate = (up ? l->up_bytes_per_us : l->down_bytes_per_us) * (1 - l->loss);
		double end = (double)(i + 1) * step;

		if (l->no_carrier || !(rate > 0)) {
			at_us = end;
			continue;
		}
		if (rate * (end - at_us) >= bytes)
			return at_us + bytes / rate;
		bytes -= rate * fmax(end - at_us, 0);
		at_us = end;
	}
	return INFINITY;
}

/* A message of @bytes: transfer, half a round trip, and what losses add on average. */
static double message_us(const struct world *w, double at_us, double bytes, bool up)
{
	double end = sent_us(w, at_us, bytes, up);
	const struct ferry_link_cost *l;

	if (isinf(end))
		return end;
	l = link_at(w, end);
	return end + l->rtt_us / 2 + l->loss / (1 - l->loss) * 2 * l->rtt_us;
}

/* What a cut takes of everything but the link. */
struct way {
	struct ferry_plan_cut cut;
	struct ferry_plan_stations stations;
	double device_us, edge_us; /* of a token */
	double local_prompt_us;	   /* of a token of the prompt, LOCAL only */
	double device_head_us, edge_head_us;
	double up_bytes, down_bytes; /* of a token */
	double hidden_bytes;
};

static struct way way_of(const struct world *w, const struct ferry_plan_cut *cut)
{
	struct ferry_plan_problem p = w->p;
	struct ferry_plan_terms t;
	struct ferry_plan c;
	struct way way = {.cut = *cut};
	bool ushape = cut->mode == FERRY_MODE_USHAPE;

	/* Any link will do, as its part is left out. */
	p.link = (struct ferry_link_cost){.up_bytes_per_us = 1, .down_bytes_per_us = 1};
	p.n_prompt = 1;
	p.n_new = 2;
	ferry_plan_terms(&p, w->sums, &t);
	c = ferry_plan_predict(&t, cut, CHUNK_TOKENS, NULL);
	way.device_us = c.device_us;
	way.edge_us = c.edge_us;
	if (cut->mode == FERRY_MODE_LOCAL) {
		way.device_head_us = t.slowdown * p.device.head_us;
		way.local_prompt_us = c.first_us - way.device_head_us;
		return way;
	}
	way.stations = ferry_plan_stations(&t, cut);
	way.device_head_us = ushape ? t.slowdown * p.device.head_us : 0;
	way.edge_head_us = ushape ? 0 : t.edge_slowdown * p.edge.head_us;
	way.hidden_bytes = cut->k1 ? t.hidden_bytes[ushape] : TOKEN_BYTES;
	way.up_bytes = way.hidden_bytes + p.up_overhead_bytes;
	way.down_bytes = (ushape ? way.hidden_bytes : TOKEN_BYTES) + p.down_overhead_bytes;
	return way;
}

static double token_end(const struct world *w, const struct way *way, double at_us)
{
	if (way->cut.mode == FERRY_MODE_LOCAL)
		return at_us + way->device_us;
	at_us = message_us(w, at_us + way->device_us, way->up_bytes, true);
	return isinf(at_us) ? at_us : message_us(w, at_us + way->edge_us, way->down_bytes, false);
}

/* The end of a prompt of @n tokens, with its first answer. */
static double prompt_end(const struct world *w, const struct way *way, double at_us, uint32_t n)
{
	const struct ferry_plan_stations *s = &way->stations;
	double device = at_us, up = at_us, edge = at_us, down = at_us, second;
	const bool ushape = way->cut.mode == FERRY_MODE_USHAPE;

	if (way->cut.mode == FERRY_MODE_LOCAL)
		return at_us + n * way->local_prompt_us + way->device_head_us;
	second = at_us + n * s->token[0];
	for (uint32_t i = 0; i < n; i += CHUNK_TOKENS) {
		double k = n - i < CHUNK_TOKENS ? n - i : CHUNK_TOKENS;

		device += k * s->token[0];
		up = sent_us(w, fmax(up, device), k * way->hidden_bytes + w->p.up_overhead_bytes,
			     true);
		edge = fmax(edge, up) + k * s->token[2] + s->chunk[2];
		if (isinf(edge))
			return edge;
		if (!ushape)
			continue;
		down = sent_us(w, fmax(down, edge),
			       k * way->hidden_bytes + w->p.down_overhead_bytes, false);
		second = fmax(second, down) + k * s->token[4];
	}
	if (ushape)
		return isinf(second) ? second
				     : second + way->device_head_us + link_at(w, second)->rtt_us;
	edge += way->edge_head_us + link_at(w, edge)->rtt_us / 2;
	return message_us(w, edge, way->down_bytes, false);
}

struct request {
	uint32_t n_prompt, n_new;
};

static uint32_t draw(uint64_t *state, const uint32_t range[2])
{
	/* Short ones are as likely as long ones on a scale of ratios, as lengths of texts are. */
	double low = log(range[0] + 1.0), high = log(range[1] + 1.0);
	double x = exp(low + (high - low) * ferry_random(state)) - 1;

	return x < 1 ? 1 : (uint32_t)x;
}

static struct request next_request(const struct ferry_replay_options *o, uint64_t *state)
{
	struct request r;

	r.n_prompt = draw(state, o->prompt_tokens);
	r.n_new = draw(state, o->new_tokens);
	return r;
}

/* A whole conversation by one cut, which stays whatever the link does. */
static double play_fixed(const struct world *w, const struct ferry_replay_options *o,
			 const struct ferry_plan_cut *cut)
{
	const struct way way = way_of(w, cut);
	uint64_t state = o->seed;
	double at = 0, total = 0;

	for (uint32_t i = 0; i < o->n_requests; i++) {
		struct request r = next_request(o, &state);
		double start = at;

		at = prompt_end(w, &way, at, r.n_prompt);
		for (uint32_t k = 1; k < r.n_new && !isinf(at); k++)
			at = token_end(w, &way, at);
		if (isinf(at))
			return at;
		total += at - start;
		at += o->pause_us;
	}
	return total;
}

static void play_all_fixed(const struct world *w, const struct ferry_replay_options *o,
			   struct ferry_replay_result *out)
{
	struct ferry_plan_problem p = w->p;
	struct ferry_plan_terms t;
	const uint32_t n = p.n_layers;

	p.link = (struct ferry_link_cost){.up_bytes_per_us = 1, .down_bytes_per_us = 1};
	ferry_plan_terms(&p, w->sums, &t);
	out->best_us = INFINITY;
	for (int m = 0; m < FERRY_N_MODES; m++)
		for (uint32_t k1 = 0; k1 <= n; k1++)
			for (uint32_t k2 = k1; k2 <= n; k2++) {
				struct ferry_plan_cut cut = {(enum ferry_plan_mode)m, k1, k2};
				double us;

				if ((m == FERRY_MODE_LOCAL && k1 != n) ||
				    ferry_plan_obstacle(&t, &cut))
					continue;
				us = play_fixed(w, o, &cut);
				if (m == FERRY_MODE_LOCAL)
					out->local_us = us;
				if (us < out->best_us) {
					out->best_us = us;
					out->best = cut;
				}
			}
}

/* The planner at work. */
struct player {
	const struct world *w;
	const struct ferry_replay_options *o;
	struct ferry_replay_result *out;
	void (*event)(void *data, const struct ferry_replay_event *e);
	void *data;
	struct ferry_link_estimate estimate;
	struct ferry_replan replan;
	uint64_t noise;
	double next_read_us, next_decision_us;
	struct way local, way;
	double saved_us; /* against local, by the requests that are done */
	uint32_t request;
	struct request r;
	double start_us;
};

static void tell(struct player *y, double at_us, uint32_t token, const char *why)
{
	struct ferry_replay_event e = {at_us, y->request, token, y->way.cut, why};

	if (y->event)
		y->event(y->data, &e);
}

/* All readings until now. The carrier is known at once: netlink says so. */
static struct ferry_link_cost look(struct player *y, double now_us)
{
	struct ferry_link_cost l;

	for (; y->next_read_us <= now_us; y->next_read_us += y->o->read_us) {
		l = *link_at(y->w, y->next_read_us);
		l.up_bytes_per_us *= exp(y->o->read_noise * ferry_random_normal(&y->noise));
		l.down_bytes_per_us *= exp(y->o->read_noise * ferry_random_normal(&y->noise));
		l.rtt_us *= exp(y->o->read_noise * ferry_random_normal(&y->noise));
		ferry_link_learn(&y->estimate, y->next_read_us, &l);
	}
	l = ferry_link_expect(&y->estimate, now_us, y->o->margin);
	l.no_carrier = link_at(y->w, now_us)->no_carrier;
	return l;
}

/* When local alone would have produced @n_tokens of this request. */
static double local_us(const struct player *y, double n_tokens)
{
	return y->r.n_prompt * y->local.local_prompt_us + y->local.device_head_us +
	       (n_tokens - 1) * y->local.device_us;
}

/* The last moment at which to wait for token @n of the answer still risks no more than allowed. */
static double give_up_us(const struct player *y, uint32_t n)
{
	return y->start_us + local_us(y, n - 1.0) + y->saved_us + y->out->rtt_us;
}

/* Chooses for @left more tokens behind a prompt of @n_prompt, which is 0 while an answer runs. */
static int choose(struct player *y, double now_us, uint32_t n_prompt, uint32_t left,
		  struct ferry_plan_problem *p, struct ferry_plan_choices *c,
		  struct ferry_error *err)
{
	*p = y->w->p;
	p->link = look(y, now_us);
	p->n_prompt = n_prompt;
	p->n_new = left;
	y->out->n_decisions++;
	y->next_decision_us = now_us + y->o->decide_us;
	return ferry_plan_choose(p, y->w->sums, c, err);
}

static int begin(struct player *y, double now_us, struct ferry_error *err)
{
	struct ferry_plan_problem p;
	struct ferry_plan_choices c;
	const struct ferry_plan *best;
	int ret = choose(y, now_us, y->r.n_prompt, y->r.n_new, &p, &c, err);

	if (ret)
		return ret;
	best = ferry_plan_chosen(&c);
	/* What would be given up before its first token is not begun. */
	if (now_us + best->first_us > give_up_us(y, 2))
		best = &c.best[FERRY_MODE_LOCAL];
	y->way = way_of(y->w, &best->cut);
	tell(y, now_us, 0, "chosen");
	return 0;
}

/* Moves, if that pays; returns when the move is done. */
static double reconsider(struct player *y, double now_us, uint32_t done, struct ferry_error *err,
			 int *ret)
{
	struct ferry_plan_problem p;
	struct ferry_plan_choices c;
	struct ferry_plan_terms t;
	struct ferry_plan current;
	const uint32_t left = y->r.n_new - done, positions = y->r.n_prompt + done;
	struct ferry_move move;
	struct ferry_replan_facts f;

	/* n_new tokens need one step less, for the first comes out of the prompt. */
	*ret = choose(y, now_us, 0, left + 1, &p, &c, err);
	if (*ret)
		return now_us;
	ferry_plan_terms(&p, y->w->sums, &t);
	current = ferry_plan_predict(&t, &y->way.cut, CHUNK_TOKENS, NULL);
	/* The device's cache has been kept warm. */
	move = ferry_move_cost(&t, &y->way.cut, &ferry_plan_chosen(&c)->cut, CHUNK_TOKENS,
			       positions, positions);
	f = (struct ferry_replan_facts){
		.now_us = now_us,
		.current = &current,
		.best = ferry_plan_chosen(&c),
		.current_left = left * current.token_us,
		.best_left = left * ferry_plan_chosen(&c)->token_us,
		.move = move.us,
	};
	if (!ferry_replan_moves(&y->replan, &y->o->replan, &f))
		return now_us;
	y->out->n_moves++;
	y->way = way_of(y->w, &f.best->cut);
	tell(y, now_us, done, current.why ? current.why : "faster");
	if (!(move.us > 0))
		return now_us;
	if (!move.by_transfer)
		return prompt_end(y->w, &y->way, now_us, positions);
	return fmax(message_us(y->w, now_us, move.up_bytes, true),
		    message_us(y->w, now_us, move.down_bytes, false));
}

/* Whatever was waited for did not come by @until_us: the device goes on alone. */
static double rescue(struct player *y, double until_us, uint32_t done)
{
	y->out->n_rescues++;
	y->way = y->local;
	y->replan.moved_us = until_us;
	y->replan.dwell_us = fmin(fmax(2 * y->replan.dwell_us, y->o->replan.dwell_us),
				  y->o->replan.most_dwell_us);
	tell(y, until_us, done, "the link took too long");
	return until_us;
}

/* One request; returns its end. */
static double play_request(struct player *y, struct ferry_error *err, int *ret)
{
	double at = y->start_us, end, limit;
	uint32_t done = 0;

	*ret = begin(y, at, err);
	while (!*ret && done < y->r.n_new) {
		if (done && at >= y->next_decision_us) {
			end = reconsider(y, at, done, err, ret);
			limit = give_up_us(y, done + 1);
			at = end > limit && end > at ? rescue(y, fmax(limit, at), done) : end;
		}
		end = done ? token_end(y->w, &y->way, at)
			   : prompt_end(y->w, &y->way, at, y->r.n_prompt);
		limit = fmax(give_up_us(y, done + 1), at);
		if (y->way.cut.mode != FERRY_MODE_LOCAL && end > limit) {
			/* Alone it has the prompt ready when local would have, or at once. */
			at = rescue(y, limit, done);
			if (!done)
				at = fmax(at, y->start_us + local_us(y, 1));
			else
				at += y->local.device_us;
			done++;
			continue;
		}
		at = end;
		done++;
	}
	return at;
}

int ferry_replay(const struct ferry_plan_problem *p, const struct ferry_trace *trace,
		 const struct ferry_replay_options *o, struct ferry_replay_result *out,
		 void (*event)(void *data, const struct ferry_replay_event *e), void *data,
		 struct ferry_error *err)
{
	struct ferry_plan_sums *sums = malloc(sizeof(*sums));
	struct world w = {.p = *p, .sums = sums, .trace = trace};
	struct player y = {
		.w = &w, .o = o, .out = out, .event = event, .data = data, .noise = ~o->seed};
	struct ferry_plan_cut cut = {FERRY_MODE_LOCAL, p->n_layers, p->n_layers};
	uint64_t state = o->seed;
	double at = 0;
	int ret;

	*out = (struct ferry_replay_result){0};
	if (!sums)
		return ferry_fail_memory(err, "the replay", sizeof(*sums));
	w.p.objective = (struct ferry_plan_objective){0};
	w.p.first_deadline_us = w.p.token_deadline_us = 0;
	w.p.chunk_tokens[0] = CHUNK_TOKENS;
	w.p.n_chunk_lengths = 1;
	ret = ferry_plan_sum(&w.p, sums, err);
	if (ret)
		goto out;
	play_all_fixed(&w, o, out);
	y.local = way_of(&w, &cut);
	for (size_t i = 0; i < trace->n; i++)
		out->rtt_us += trace->samples[i].rtt_us / (double)trace->n;
	/* It has known the link for a while before the conversation begins. */
	y.next_read_us = 0;
	for (uint32_t i = 0; i < o->n_requests && !ret; i++) {
		y.r = next_request(o, &state);
		y.request = i;
		y.start_us = at;
		at = play_request(&y, err, &ret);
		out->online_us += at - y.start_us;
		y.saved_us += local_us(&y, y.r.n_new) - (at - y.start_us);
		out->worst_over_us = fmax(out->worst_over_us, -y.saved_us);
		at += o->pause_us;
	}
out:
	free(sums);
	return ret;
}
