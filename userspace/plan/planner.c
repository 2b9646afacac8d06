// SPDX-License-Identifier: MIT
#include "plan/planner.h"

#include <errno.h>
#include <math.h>

#include "base/error.h"

/* Sums in another order differ by this much at most; bounds are taken as that much lower. */
static const double rounding = 1e-9;

/* Whether @a comes before @b: deadlines first, then the score. */
static bool better(const struct ferry_plan *a, const struct ferry_plan *b)
{
	if (isinf(a->score) || isinf(b->score))
		return a->score < b->score;
	return a->late != b->late ? !a->late : a->score < b->score;
}

static void try_chunks(const struct ferry_plan_terms *t, const struct ferry_plan_cut *cut,
		       struct ferry_plan *best)
{
	const struct ferry_plan_problem *p = t->p;
	uint32_t n = cut->mode == FERRY_MODE_LOCAL ? 1 : p->n_chunk_lengths;

	for (uint32_t i = 0; i < n || i == 0; i++) {
		struct ferry_plan c = ferry_plan_predict(
			t, cut, i < p->n_chunk_lengths ? p->chunk_tokens[i] : 1, NULL);

		if (better(&c, best))
			*best = c;
		else if (!best->why && isinf(best->score))
			best->why = c.why;
	}
}

static uint32_t longest_chunk(const struct ferry_plan_problem *p)
{
	uint32_t longest = 1;

	for (uint32_t i = 0; i < p->n_chunk_lengths; i++)
		if (p->chunk_tokens[i] > longest)
			longest = p->chunk_tokens[i];
	return longest;
}

/* The least that the last chunk has in common with all chunk lengths, as a share of the prompt. */
static double least_last_chunk(const struct ferry_plan_problem *p)
{
	double n = p->n_prompt, least = n;

	for (uint32_t i = 0; i < p->n_chunk_lengths; i++) {
		double chunk = p->chunk_tokens[i] ? p->chunk_tokens[i] : 1;

		least = fmin(least, n - (ceil(n / chunk) - 1) * chunk);
	}
	return p->n_chunk_lengths && n > 0 ? least / n : fmin(1 / fmax(n, 1), 1);
}

static double pipeline_weight(const struct ferry_plan_terms *t)
{
	return t->per_us + t->per_uj * t->own_energy * t->p->energy.radio_active_w;
}

/*
 * Bounds from below. All of a U shape's score but the pipeline of the prompt, and all of its time
 * per token, is a sum of one term for each layer: what k2 changes does not depend on k1. Of all
 * chunk lengths the longest sends the fewest headers. The pipeline takes no less than each
 * station's work and the way of the last chunk through the others.
 */
struct bounds {
	double weight;			  /* of the pipeline in the score */
	double first_us;		  /* of the first token, beside the pipeline */
	double up_us, down_us, device_us; /* of the prompt: both ways, all layers here */
	double last;			  /* least_last_chunk() */
	struct {
		double score, token_us; /* beside the pipeline; [k2] against the last k2 */
	} low[FERRY_PLAN_MAX_LAYERS], high[FERRY_PLAN_MAX_LAYERS + 1];
};

static bool set_bounds(const struct ferry_plan_terms *t, uint32_t first, uint32_t last,
		       struct bounds *b)
{
	const struct ferry_plan_problem *p = t->p;
	const double n = p->n_prompt;
	const uint32_t longest = longest_chunk(p);
	struct ferry_plan_cut cut = {FERRY_MODE_USHAPE, first, last};
	struct ferry_plan base, c;
	double pipeline_us;

	b->weight = pipeline_weight(t);
	base = ferry_plan_predict(t, &cut, longest, &pipeline_us);
	if (base.why)
		return false;
	base.score -= b->weight * pipeline_us;
	b->first_us =
		base.first_us - pipeline_us - t->edge_waits * (base.edge_us / t->edge_slowdown);
	for (cut.k2 = first + 1; cut.k2 <= last; cut.k2++) {
		c = ferry_plan_predict(t, &cut, longest, &pipeline_us);
		b->high[cut.k2].score = c.score - b->weight * pipeline_us - base.score;
		b->high[cut.k2].token_us = c.token_us - base.token_us;
	}
	cut.k2 = last;
	for (cut.k1 = first; cut.k1 < last; cut.k1++) {
		c = ferry_plan_predict(t, &cut, longest, &pipeline_us);
		b->low[cut.k1].score = c.score - b->weight * pipeline_us;
		b->low[cut.k1].token_us = c.token_us;
	}
	b->up_us = n * t->hidden_bytes[1] * t->up_us_per_byte;
	b->down_us = n * t->hidden_bytes[1] * t->down_us_per_byte;
	b->device_us = n * (t->slowdown * (t->sums->below[p->n_layers][FERRY_SUM_DEVICE_PREFILL] +
					   p->device.embed_us));
	b->last = least_last_chunk(p);
	return true;
}

struct bound {
	double score;
	bool late; /* surely */
};

static struct bound bound_of(const struct ferry_plan_terms *t, const struct bounds *b, uint32_t k1,
			     uint32_t k2)
{
	const double *low = t->sums->below[k1], *high = t->sums->below[k2];
	const double n = t->p->n_prompt;
	double before = n * t->slowdown * (low[FERRY_SUM_DEVICE_PREFILL] + t->p->device.embed_us);
	double device =
		b->device_us -
		n * t->slowdown * (high[FERRY_SUM_DEVICE_PREFILL] - low[FERRY_SUM_DEVICE_PREFILL]);
	double edge = n * (high[FERRY_SUM_EDGE_PREFILL] - low[FERRY_SUM_EDGE_PREFILL]);
	double busiest = before > device - before ? before : device - before, us;
	struct bound out;

	busiest = busiest > edge ? busiest : edge;
	busiest = busiest > b->up_us ? busiest : b->up_us;
	busiest = busiest > b->down_us ? busiest : b->down_us;
	us = busiest * (1 - b->last) + b->last * (device + edge + b->up_us + b->down_us);
	us = us > device ? us : device;
	out.score = b->low[k1].score + b->high[k2].score + b->weight * us;
	out.score -= rounding * fabs(out.score);
	out.late = ferry_plan_late(t->p, (1 - rounding) * (b->first_us + us),
				   (1 - rounding) * (b->low[k1].token_us + b->high[k2].token_us));
	return out;
}

/* Whether a plan of this bound may come before @best. */
static bool may_win(const struct bound *b, const struct ferry_plan *best)
{
	if (isinf(best->score))
		return true;
	if (best->late != b->late)
		return best->late;
	return b->score <= best->score;
}

/* The bounds of the cuts with each k1; returns the cut with the least of all. */
static struct ferry_plan_cut bound_rows(const struct ferry_plan_terms *t, const struct bounds *b,
					uint32_t first, uint32_t last, struct bound *rows)
{
	struct ferry_plan_cut least = {FERRY_MODE_USHAPE, first, last};
	struct bound all = {INFINITY, true};

	for (uint32_t k1 = first; k1 < last; k1++) {
		rows[k1] = (struct bound){INFINITY, true};
		for (uint32_t k2 = k1 + 1; k2 <= last; k2++) {
			struct bound x = bound_of(t, b, k1, k2);

			rows[k1].late = rows[k1].late && x.late;
			if (x.score < rows[k1].score)
				rows[k1].score = x.score;
			if (x.late != all.late ? all.late : x.score < all.score) {
				all = x;
				least.k1 = k1;
				least.k2 = k2;
			}
		}
	}
	return least;
}

static void try_ushapes(const struct ferry_plan_terms *t, struct ferry_plan *best)
{
	const struct ferry_plan_problem *p = t->p;
	const uint32_t first = p->edge_begin > 1 ? p->edge_begin : 1, last = p->edge_end;
	struct ferry_plan_problem unlimited = *p;
	struct ferry_plan_terms free_terms = *t;
	struct bound rows[FERRY_PLAN_MAX_LAYERS];
	struct bounds b;
	struct ferry_plan_cut cut = {FERRY_MODE_USHAPE, first, last};

	if (first >= last) {
		best->why = "not served by this edge";
		return;
	}
	/* Bounds hold for cuts that fit, and must not be infinite because another one does not. */
	unlimited.device.memory_bytes = unlimited.edge.memory_bytes = 0;
	free_terms.p = &unlimited;
	if (!set_bounds(&free_terms, first, last, &b)) {
		best->why = ferry_plan_obstacle(&free_terms, &cut);
		return;
	}
	cut = bound_rows(t, &b, first, last, rows);
	try_chunks(t, &cut, best);
	for (cut.k1 = first; cut.k1 < last; cut.k1++) {
		if (!may_win(&rows[cut.k1], best))
			continue;
		for (cut.k2 = cut.k1 + 1; cut.k2 <= last; cut.k2++) {
			struct bound x = bound_of(t, &b, cut.k1, cut.k2);

			if (may_win(&x, best))
				try_chunks(t, &cut, best);
		}
	}
}

static void try_splits(const struct ferry_plan_terms *t, struct ferry_plan *best)
{
	const struct ferry_plan_problem *p = t->p;
	const double weight = pipeline_weight(t);
	const uint32_t longest = longest_chunk(p);
	struct ferry_plan_cut cut = {FERRY_MODE_SPLIT, 0, p->n_layers};

	for (cut.k1 = 1; cut.k1 <= p->n_layers; cut.k1++) {
		double pipeline_us, bound;
		struct ferry_plan c = ferry_plan_predict(t, &cut, longest, &pipeline_us);

		if (c.why) {
			if (isinf(best->score))
				best->why = c.why;
			continue;
		}
		bound = c.score - weight * (pipeline_us - ferry_plan_busiest_us(t, &cut, longest));
		if (!best->late && bound - rounding * fabs(bound) > best->score)
			continue;
		try_chunks(t, &cut, best);
	}
}

/* The best mode: see ferry_plan_choose(). */
static bool choose_mode(struct ferry_plan_choices *c, double tolerance)
{
	const struct ferry_plan *least = &c->best[FERRY_MODE_LOCAL], *best = NULL;
	double limit;

	for (int m = 0; m < FERRY_N_MODES; m++)
		if (better(&c->best[m], least))
			least = &c->best[m];
	if (isinf(least->score))
		return false;
	limit = least->score * (1 + fmax(tolerance, 0));
	for (int m = 0; m < FERRY_N_MODES; m++) {
		const struct ferry_plan *p = &c->best[m];
		double bytes = p->up_bytes + p->down_bytes, fewest;

		if (!(p->score <= limit) || p->late != least->late)
			continue;
		fewest = best ? best->up_bytes + best->down_bytes : INFINITY;
		if (best && (bytes > fewest || (bytes == fewest && p->score >= best->score)))
			continue;
		best = p;
		c->chosen = (enum ferry_plan_mode)m;
	}
	return true;
}

int ferry_plan_choose(const struct ferry_plan_problem *p, const struct ferry_plan_sums *sums,
		      struct ferry_plan_choices *out, struct ferry_error *err)
{
	struct ferry_plan_terms t;
	struct ferry_plan_cut cut = {FERRY_MODE_LOCAL, p->n_layers, p->n_layers};

	ferry_plan_terms(p, sums, &t);
	for (int m = 0; m < FERRY_N_MODES; m++)
		out->best[m] = (struct ferry_plan){
			.cut = {(enum ferry_plan_mode)m, 0, p->n_layers},
			.total_us = INFINITY,
			.score = INFINITY,
		};
	out->chosen = FERRY_MODE_LOCAL;
	try_chunks(&t, &cut, &out->best[FERRY_MODE_LOCAL]);
	cut = (struct ferry_plan_cut){FERRY_MODE_REMOTE, 0, p->n_layers};
	try_chunks(&t, &cut, &out->best[FERRY_MODE_REMOTE]);
	try_splits(&t, &out->best[FERRY_MODE_SPLIT]);
	try_ushapes(&t, &out->best[FERRY_MODE_USHAPE]);
	if (!choose_mode(out, p->tolerance))
		return ferry_fail(
			err, FERRY_ERROR_CALLER, -ENOTSUP,
			"no plan is possible: without the edge, the model is %s; with it: %s",
			out->best[FERRY_MODE_LOCAL].why,
			out->best[FERRY_MODE_SPLIT].why ? out->best[FERRY_MODE_SPLIT].why
							: "its cost is not known");
	return 0;
}
