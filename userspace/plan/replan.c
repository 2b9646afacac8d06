// SPDX-License-Identifier: MIT
#include "plan/replan.h"

#include <math.h>

enum { NEAR_MOVES = 4 }; /* dwell times between moves that count as to and fro */

static bool same_cut(const struct ferry_plan_cut *a, const struct ferry_plan_cut *b)
{
	return a->mode == b->mode && a->k1 == b->k1 && a->k2 == b->k2;
}

/* Bytes of a position that the edge holds under @a and not under @b. */
static double kv_added(const struct ferry_plan_terms *t, const struct ferry_plan_cut *a,
		       const struct ferry_plan_cut *b)
{
	uint32_t begin = a->k1 > b->k1 ? a->k1 : b->k1, end = a->k2 < b->k2 ? a->k2 : b->k2;
	double kv = t->sums->below[a->k2][FERRY_SUM_KV] - t->sums->below[a->k1][FERRY_SUM_KV];

	if (end > begin)
		kv -= t->sums->below[end][FERRY_SUM_KV] - t->sums->below[begin][FERRY_SUM_KV];
	return kv;
}

static double recompute_us(const struct ferry_plan_terms *t, const struct ferry_plan_cut *to,
			   uint32_t chunk_tokens, uint32_t positions, uint32_t warm)
{
	struct ferry_plan_problem p = *t->p;
	struct ferry_plan_terms again = *t;
	struct ferry_plan c;

	p.n_prompt = positions;
	if (to->mode == FERRY_MODE_LOCAL)
		p.n_prompt -= warm < positions ? warm : positions;
	if (!p.n_prompt)
		return 0;
	p.n_new = 1;
	again.p = &p;
	c = ferry_plan_predict(&again, to, chunk_tokens, NULL);
	return c.why ? INFINITY : c.first_us;
}

struct ferry_move ferry_move_cost(const struct ferry_plan_terms *t,
				  const struct ferry_plan_cut *from,
				  const struct ferry_plan_cut *to, uint32_t chunk_tokens,
				  uint32_t positions, uint32_t warm)
{
	struct ferry_move m = {
		.up_bytes = positions * kv_added(t, to, from),
		.down_bytes = positions * kv_added(t, from, to),
	};
	double transfer_us = INFINITY;

	if (same_cut(from, to))
		return m;
	m.us = recompute_us(t, to, chunk_tokens, positions, warm);
	/* Both directions carry at the same time. A model whose cache is not known sends none. */
	if (!t->link_fault && t->p->memory)
		transfer_us = t->exchange_us + fmax(m.up_bytes * t->up_us_per_byte,
						    m.down_bytes * t->down_us_per_byte);
	if (transfer_us < m.us) {
		m.us = transfer_us;
		m.by_transfer = true;
	}
	return m;
}

static void note_move(struct ferry_replan *r, const struct ferry_replan_options *o, double now_us)
{
	bool again = r->dwell_us > 0 && now_us - r->moved_us < NEAR_MOVES * r->dwell_us;

	r->dwell_us = again ? fmin(2 * r->dwell_us, o->most_dwell_us) : o->dwell_us;
	r->moved_us = now_us;
	r->n_wishes = 0;
}

bool ferry_replan_moves(struct ferry_replan *r, const struct ferry_replan_options *o,
			const struct ferry_replan_facts *f)
{
	double gain = f->current_left - f->best_left - f->move;

	if (f->best->why || same_cut(&f->current->cut, &f->best->cut)) {
		r->n_wishes = 0;
		return false;
	}
	if (f->current->why) {
		note_move(r, o, f->now_us);
		return true;
	}
	/* Written so that a NaN moves nothing. */
	if (!(gain > o->min_gain * fabs(f->current_left))) {
		r->n_wishes = 0;
		return false;
	}
	if (!r->n_wishes || !same_cut(&r->wish, &f->best->cut)) {
		/* Another cut of the same mode is the same wish, if it gains as much. */
		r->n_wishes = r->n_wishes && r->wish.mode == f->best->cut.mode ? r->n_wishes : 0;
		r->wish = f->best->cut;
	}
	r->n_wishes++;
	if (r->n_wishes < o->confirm || (r->dwell_us > 0 && f->now_us - r->moved_us < r->dwell_us))
		return false;
	note_move(r, o, f->now_us);
	return true;
}
