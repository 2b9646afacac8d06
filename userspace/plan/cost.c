// SPDX-License-Identifier: MIT
#include "plan/cost.h"

#include <errno.h>
#include <math.h>

#include "base/error.h"

enum {
	TOKEN_BYTES = 4,
	THROTTLE_K = 10, /* below this headroom a device begins to slow down */
};

/* A joule of a battery that is nearly empty counts this many times at most. */
static const double most_own_energy = 10;

int ferry_plan_sum(const struct ferry_plan_problem *p, struct ferry_plan_sums *sums,
		   struct ferry_error *err)
{
	if (!p->n_layers || p->n_layers > FERRY_PLAN_MAX_LAYERS)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a plan is for 1 to %d layers, not %u", FERRY_PLAN_MAX_LAYERS,
				  p->n_layers);
	if (p->edge_begin > p->edge_end || p->edge_end > p->n_layers)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "the edge cannot serve layers %u to %u of a model of %u",
				  p->edge_begin, p->edge_end, p->n_layers);
	for (int q = 0; q < FERRY_N_SUMS; q++)
		sums->below[0][q] = 0;
	for (uint32_t i = 0; i < p->n_layers; i++) {
		const struct ferry_layer_cost *d = &p->device.layers[i], none = {0};
		const struct ferry_layer_cost *e =
			i >= p->edge_begin && i < p->edge_end ? &p->edge.layers[i] : &none;
		const double add[FERRY_N_SUMS] = {
			d->prefill_us,
			d->decode_us,
			d->prefill_uj,
			d->decode_uj,
			e->prefill_us,
			e->decode_us,
			e->prefill_uj,
			e->decode_uj,
			p->memory ? p->memory[i].weight_bytes : 0,
			p->memory ? p->memory[i].kv_bytes : 0,
		};

		for (int q = 0; q < FERRY_N_SUMS; q++)
			sums->below[i + 1][q] = sums->below[i][q] + add[q];
	}
	return 0;
}

static double range(const struct ferry_plan_terms *t, enum ferry_plan_quantity q, uint32_t begin,
		    uint32_t end)
{
	return t->sums->below[end][q] - t->sums->below[begin][q];
}

/* Of what the layers of the device have: all but the edge's. */
static double own(const struct ferry_plan_terms *t, enum ferry_plan_quantity q,
		  const struct ferry_plan_cut *c)
{
	return t->sums->below[c->k1][q] + range(t, q, c->k2, t->p->n_layers);
}

/* The codec that sends the fewest bytes and keeps the budget over @crossings; then the best. */
static uint32_t choose_codec(const struct ferry_plan_problem *p, unsigned crossings)
{
	uint32_t best = FERRY_PLAN_MAX_CODECS;

	for (uint32_t i = 0; i < p->n_codecs && i < FERRY_PLAN_MAX_CODECS; i++) {
		const struct ferry_plan_codec *c = &p->codecs[i], *b = &p->codecs[best];

		if (!(c->quality_cost * crossings <= p->quality_budget))
			continue;
		if (best == FERRY_PLAN_MAX_CODECS || c->bytes_per_value < b->bytes_per_value ||
		    (c->bytes_per_value == b->bytes_per_value && c->quality_cost < b->quality_cost))
			best = i;
	}
	return best;
}

static const char *link_fault(const struct ferry_plan_problem *p)
{
	const struct ferry_link_cost *l = &p->link;

	if (l->no_carrier)
		return "the link is down";
	if (p->link_stale_us > 0 && !(l->age_us <= p->link_stale_us))
		return "the readings of the link are too old";
	if (!(l->up_bytes_per_us > 0) || !(l->down_bytes_per_us > 0) || !(l->rtt_us >= 0) ||
	    !(l->loss >= 0) || !(l->loss < 1) || !isfinite(l->rtt_us))
		return "the link is not known";
	return NULL;
}

void ferry_plan_terms(const struct ferry_plan_problem *p, const struct ferry_plan_sums *sums,
		      struct ferry_plan_terms *t)
{
	const struct ferry_link_cost *l = &p->link;
	const struct ferry_plan_energy *e = &p->energy;
	const struct ferry_plan_objective *o = &p->objective;
	const bool time_alone = o->per_us == 0 && o->per_uj == 0 && o->per_money == 0;

	*t = (struct ferry_plan_terms){
		.p = p,
		.sums = sums,
		.slowdown = 1,
		.per_us = time_alone ? 1 : o->per_us,
		.per_uj = o->per_uj,
		.per_money = o->per_money,
		.own_energy = 1,
		.link_fault = link_fault(p),
		.edge_slowdown = 1 + p->load.batch_cost * p->load.n_batched,
		.edge_waits = p->load.queue_depth,
	};
	if (!t->link_fault) {
		/*
		 * A lost packet of a short message is sent again after a probe timeout of two round
		 * trips (RFC 8985, 7.2), or the retransmission timeout (RFC 6298) where the round
		 * trip varies much. Either way of an exchange can lose one.
		 */
		double again_us = fmax(2 * l->rtt_us, l->rtt_us + 4 * fmax(l->rttvar_us, 0));

		t->exchange_us = l->rtt_us + 2 * l->loss / (1 - l->loss) * again_us;
		t->up_us_per_byte = 1 / (l->up_bytes_per_us * (1 - l->loss));
		t->down_us_per_byte = 1 / (l->down_bytes_per_us * (1 - l->loss));
	}
	for (unsigned i = 0; i < 2; i++) {
		t->codec[i] = choose_codec(p, i + 1);
		if (t->codec[i] < FERRY_PLAN_MAX_CODECS)
			t->hidden_bytes[i] =
				rint(p->codecs[t->codec[i]].bytes_per_value * p->n_embd);
	}
	if (e->temperature_known && e->throttle_slowdown > 1)
		t->slowdown += (e->throttle_slowdown - 1) *
			       fmin(fmax(1 - e->headroom_k / THROTTLE_K, 0), 1);
	if (e->on_battery)
		t->own_energy = 1 / fmin(fmax(e->battery_share, 1 / most_own_energy), 1);
}

static bool edge_serves(const struct ferry_plan_problem *p, const struct ferry_plan_cut *c)
{
	if (c->k1 > c->k2 || c->k1 < p->edge_begin || c->k2 > p->edge_end)
		return false;
	switch (c->mode) {
	case FERRY_MODE_REMOTE:
		return c->k1 == 0 && c->k2 == p->n_layers && p->edge_embeds && p->edge_heads;
	case FERRY_MODE_SPLIT:
		return c->k1 > 0 && c->k2 == p->n_layers && p->edge_heads;
	case FERRY_MODE_USHAPE:
		return c->k1 > 0 && c->k1 < c->k2 && p->edge_returns;
	default:
		return false;
	}
}

static bool fits(double limit, double weights, double kv, const struct ferry_plan_problem *p)
{
	return !(limit > 0) || weights + kv * ((double)p->n_prompt + p->n_new) <= limit;
}

const char *ferry_plan_obstacle(const struct ferry_plan_terms *t, const struct ferry_plan_cut *cut)
{
	const struct ferry_plan_problem *p = t->p;
	const bool local = cut->mode == FERRY_MODE_LOCAL, remote = cut->mode == FERRY_MODE_REMOTE;
	const bool heads = local || cut->mode == FERRY_MODE_USHAPE;
	/* A plan that no edge can serve has no ranges to add up. */
	const char *served = local || edge_serves(p, cut) ? NULL : "not served by this edge";

	if (!ferry_privacy_allows(p->privacy, cut->mode, cut->k1))
		return "forbidden by the privacy level";
	if (served)
		return served;
	if (!fits(p->device.memory_bytes,
		  own(t, FERRY_SUM_WEIGHTS, cut) + (remote ? 0 : p->embed_bytes) +
			  (heads ? p->head_bytes : 0),
		  own(t, FERRY_SUM_KV, cut), p))
		return "too large for the device's memory";
	if (local)
		return NULL;
	if (t->link_fault)
		return t->link_fault;
	if (!remote && t->codec[cut->mode == FERRY_MODE_USHAPE] == FERRY_PLAN_MAX_CODECS)
		return "no codec keeps the quality budget";
	if (!fits(p->edge.memory_bytes,
		  range(t, FERRY_SUM_WEIGHTS, cut->k1, cut->k2) + (remote ? p->embed_bytes : 0) +
			  (heads ? 0 : p->head_bytes),
		  range(t, FERRY_SUM_KV, cut->k1, cut->k2), p))
		return "too large for the edge's memory";
	return NULL;
}

/*
 * When the last chunk leaves the last station, chunks being equal but for the last one, which is
 * no larger: the longest path through the grid of chunks and stations, which turns to the last
 * chunk at one station, and spends all others at the slowest station before.
 */
static double pipeline(const struct ferry_plan_stations *s, double n_tokens, double chunk_tokens)
{
	double n_chunks = ceil(n_tokens / chunk_tokens), last_tokens, longest = 0;
	double sum = 0, slowest = 0, rest = 0, last[FERRY_PLAN_STATIONS];

	if (!(n_tokens > 0))
		return 0;
	last_tokens = n_tokens - (n_chunks - 1) * chunk_tokens;
	for (unsigned i = 0; i < s->n; i++) {
		last[i] = last_tokens * s->token[i] + s->chunk[i];
		rest += last[i];
	}
	if (n_chunks < 2)
		return rest;
	for (unsigned i = 0; i < s->n; i++) {
		double full = chunk_tokens * s->token[i] + s->chunk[i];

		sum += full;
		slowest = fmax(slowest, full);
		longest = fmax(longest, sum + (n_chunks - 2) * slowest + rest);
		rest -= last[i];
	}
	return longest;
}

struct ferry_plan_stations ferry_plan_stations(const struct ferry_plan_terms *t,
					       const struct ferry_plan_cut *c)
{
	const struct ferry_plan_problem *p = t->p;
	const bool ushape = c->mode == FERRY_MODE_USHAPE;
	double input = c->k1 ? t->hidden_bytes[ushape] : TOKEN_BYTES;
	double edge_decode = range(t, FERRY_SUM_EDGE_DECODE, c->k1, c->k2);
	struct ferry_plan_stations s = {.n = ushape ? 5 : 3};

	s.token[0] = t->slowdown * (t->sums->below[c->k1][FERRY_SUM_DEVICE_PREFILL] +
				    (c->k1 ? p->device.embed_us : 0));
	s.token[1] = input * t->up_us_per_byte;
	s.chunk[1] = p->up_overhead_bytes * t->up_us_per_byte;
	s.token[2] =
		range(t, FERRY_SUM_EDGE_PREFILL, c->k1, c->k2) + (c->k1 ? 0 : p->edge.embed_us);
	/* The others' decode steps go between the chunks. */
	s.chunk[2] = (t->edge_slowdown - 1) * edge_decode;
	if (ushape) {
		s.token[3] = input * t->down_us_per_byte;
		s.chunk[3] = p->down_overhead_bytes * t->down_us_per_byte;
		s.token[4] = t->slowdown * range(t, FERRY_SUM_DEVICE_PREFILL, c->k2, p->n_layers);
	}
	return s;
}

static double prompt_us(const struct ferry_plan_terms *t, const struct ferry_plan_cut *c,
			double chunk_tokens)
{
	struct ferry_plan_stations s = ferry_plan_stations(t, c);

	/* Both parts of the device are one processor's work. */
	return fmax(pipeline(&s, t->p->n_prompt, chunk_tokens),
		    t->p->n_prompt * (s.token[0] + s.token[4]));
}

double ferry_plan_busiest_us(const struct ferry_plan_terms *t, const struct ferry_plan_cut *cut,
			     uint32_t chunk_tokens)
{
	const struct ferry_plan_stations s = ferry_plan_stations(t, cut);
	double n = t->p->n_prompt, n_chunks = ceil(n / (chunk_tokens ? chunk_tokens : 1.0));
	double us = n * (s.token[0] + s.token[4]);

	for (unsigned i = 1; i < 4; i++)
		us = fmax(us, n * s.token[i] + n_chunks * s.chunk[i]);
	return us;
}

static double n_decoded(const struct ferry_plan_problem *p)
{
	return p->n_new > 1 ? p->n_new - 1.0 : 0;
}

static void predict_local(const struct ferry_plan_terms *t, struct ferry_plan *c)
{
	const struct ferry_plan_problem *p = t->p;
	const struct ferry_node_cost *d = &p->device;
	const double *all = t->sums->below[p->n_layers];

	c->first_us = t->slowdown *
		      (p->n_prompt * (all[FERRY_SUM_DEVICE_PREFILL] + d->embed_us) + d->head_us);
	c->device_us = t->slowdown * (all[FERRY_SUM_DEVICE_DECODE] + d->embed_us + d->head_us);
	c->device_uj = p->n_prompt * (all[FERRY_SUM_DEVICE_PREFILL_UJ] + d->embed_uj) + d->head_uj +
		       n_decoded(p) * (all[FERRY_SUM_DEVICE_DECODE_UJ] + d->embed_uj + d->head_uj);
}

/* Energy of both tiers and money for the edge's time; @edge_first_us is that of the prompt. */
static void predict_use(const struct ferry_plan_terms *t, struct ferry_plan *c)
{
	const struct ferry_plan_problem *p = t->p;
	const struct ferry_plan_energy *e = &p->energy;
	const struct ferry_plan_cut *cut = &c->cut;
	const bool remote = cut->mode == FERRY_MODE_REMOTE;
	const bool ushape = cut->mode == FERRY_MODE_USHAPE;
	double n = p->n_prompt, m = n_decoded(p);
	double device_embed = remote ? 0 : p->device.embed_uj;
	double edge_embed = remote ? p->edge.embed_uj : 0;
	double device_head = ushape ? p->device.head_uj : 0;
	double edge_head = ushape ? 0 : p->edge.head_uj;
	double edge_us = n * range(t, FERRY_SUM_EDGE_PREFILL, cut->k1, cut->k2) +
			 m * range(t, FERRY_SUM_EDGE_DECODE, cut->k1, cut->k2) +
			 (n + m) * (remote ? p->edge.embed_us : 0) +
			 (m + 1) * (ushape ? 0 : p->edge.head_us);

	c->device_uj = n * (own(t, FERRY_SUM_DEVICE_PREFILL_UJ, cut) + device_embed) + device_head +
		       m * (own(t, FERRY_SUM_DEVICE_DECODE_UJ, cut) + device_embed + device_head);
	c->edge_uj =
		n * (range(t, FERRY_SUM_EDGE_PREFILL_UJ, cut->k1, cut->k2) + edge_embed) +
		edge_head +
		m * (range(t, FERRY_SUM_EDGE_DECODE_UJ, cut->k1, cut->k2) + edge_embed + edge_head);
	/* 1 W for 1 us is 1 uJ. */
	c->radio_uj = c->up_bytes * e->radio_up_uj_per_byte +
		      c->down_bytes * e->radio_down_uj_per_byte +
		      e->radio_active_w * (c->total_us + e->radio_tail_us);
	c->money =
		edge_us * p->price.edge_per_us + (c->up_bytes + c->down_bytes) * p->price.per_byte;
}

static void predict_shared(const struct ferry_plan_terms *t, double chunk_tokens,
			   double *pipeline_us, struct ferry_plan *c)
{
	const struct ferry_plan_problem *p = t->p;
	const struct ferry_plan_cut *cut = &c->cut;
	const bool ushape = cut->mode == FERRY_MODE_USHAPE;
	double input = cut->k1 ? t->hidden_bytes[ushape] : TOKEN_BYTES;
	double answer = (ushape ? t->hidden_bytes[1] : TOKEN_BYTES) + p->down_overhead_bytes;
	double edge_head = ushape ? 0 : p->edge.head_us, head = ushape ? p->device.head_us : 0;
	double edge_layers = range(t, FERRY_SUM_EDGE_DECODE, cut->k1, cut->k2);
	double n_chunks = ceil(p->n_prompt / chunk_tokens);

	*pipeline_us = prompt_us(t, cut, chunk_tokens);
	c->device_us = t->slowdown * (own(t, FERRY_SUM_DEVICE_DECODE, cut) +
				      (cut->k1 ? p->device.embed_us : 0) + head);
	c->link_us = (input + p->up_overhead_bytes) * t->up_us_per_byte + t->exchange_us +
		     answer * t->down_us_per_byte;
	c->edge_us =
		t->edge_slowdown * (edge_layers + (cut->k1 ? 0 : p->edge.embed_us) + edge_head) +
		t->edge_waits * edge_layers;
	c->token_us = c->device_us + c->link_us + c->edge_us;
	c->first_us = *pipeline_us + t->exchange_us + t->slowdown * head +
		      t->edge_slowdown * edge_head + t->edge_waits * edge_layers +
		      (ushape ? 0 : answer * t->down_us_per_byte);
	c->up_bytes = p->n_prompt * input + n_chunks * p->up_overhead_bytes +
		      n_decoded(p) * (input + p->up_overhead_bytes);
	c->down_bytes = (ushape ? p->n_prompt * t->hidden_bytes[1] : TOKEN_BYTES) +
			n_chunks * p->down_overhead_bytes + n_decoded(p) * answer;
}

struct ferry_plan ferry_plan_predict(const struct ferry_plan_terms *t,
				     const struct ferry_plan_cut *cut, uint32_t chunk_tokens,
				     double *pipeline_us)
{
	struct ferry_plan c = {.cut = *cut, .chunk_tokens = chunk_tokens ? chunk_tokens : 1};
	double scratch, *pipe = pipeline_us ? pipeline_us : &scratch;

	*pipe = 0;
	c.why = ferry_plan_obstacle(t, cut);
	if (c.why) {
		c.total_us = c.score = INFINITY;
		return c;
	}
	if (cut->mode == FERRY_MODE_LOCAL) {
		predict_local(t, &c);
		c.token_us = c.device_us;
	} else {
		c.codec = cut->k1 ? t->codec[cut->mode == FERRY_MODE_USHAPE] : 0;
		predict_shared(t, c.chunk_tokens, pipe, &c);
	}
	c.total_us = c.first_us + n_decoded(t->p) * c.token_us;
	if (cut->mode != FERRY_MODE_LOCAL)
		predict_use(t, &c);
	c.score = t->per_us * c.total_us +
		  t->per_uj * (t->own_energy * (c.device_uj + c.radio_uj) + c.edge_uj) +
		  t->per_money * c.money;
	c.late = ferry_plan_late(t->p, c.first_us, c.token_us);
	if (!isfinite(c.score) || !isfinite(c.total_us)) {
		c.score = c.total_us = INFINITY;
		c.why = "its cost is not known";
	}
	return c;
}
