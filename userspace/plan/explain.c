// SPDX-License-Identifier: MIT
#include "plan/explain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	LEAST_SHOWN_US = 5, /* a hundredth of a millisecond, rounded */
	TABLE_SPLITS = 8,   /* rows of the table for splits, beside the chosen one */
};

struct text {
	char *data;
	size_t size, n;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	size_t left = t->n < t->size ? t->size - t->n : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? t->data + t->n : NULL, left, fmt, ap);
	va_end(ap);
	t->n += n > 0 ? (size_t)n : 0;
}

static uint32_t edge_layers(const struct ferry_plan *c)
{
	return c->cut.mode == FERRY_MODE_LOCAL ? 0 : c->cut.k2 - c->cut.k1;
}

static bool shows_energy(const struct ferry_plan_choices *c)
{
	return c->best[FERRY_MODE_LOCAL].device_uj > 0;
}

static void add_row(struct text *t, const struct ferry_plan_problem *p,
		    const struct ferry_plan_choices *all, const struct ferry_plan *c)
{
	const struct ferry_plan *chosen = ferry_plan_chosen(all);
	const bool is_chosen = c->cut.mode == chosen->cut.mode && c->cut.k1 == chosen->cut.k1 &&
			       c->cut.k2 == chosen->cut.k2;
	const uint32_t there = edge_layers(c), here = p->n_layers - there;

	add(t, "%c %-6s %4u %5u ", is_chosen ? '>' : ' ', ferry_plan_mode_name(c->cut.mode), here,
	    there);
	if (isinf(c->score)) {
		add(t, "  %s\n", c->why ? c->why : "not possible");
		return;
	}
	add(t, "%12.1f %10.2f %11.1f %10.1f", c->first_us / 1e3, c->token_us / 1e3,
	    c->total_us / 1e3, (c->up_bytes + c->down_bytes) / 1024);
	if (shows_energy(all))
		add(t, " %9.3f %9.3f", (c->device_uj + c->radio_uj) / 1e6, c->edge_uj / 1e6);
	if (p->price.edge_per_us > 0 || p->price.per_byte > 0)
		add(t, " %9.4g", c->money);
	if (c->late)
		add(t, "  late");
	add(t, "\n");
}

/* The chunk length that is best for this cut: a table shows each at its best. */
static struct ferry_plan at_its_best(const struct ferry_plan_terms *t,
				     const struct ferry_plan_cut *cut)
{
	const struct ferry_plan_problem *p = t->p;
	struct ferry_plan best =
		ferry_plan_predict(t, cut, p->n_chunk_lengths ? p->chunk_tokens[0] : 1, NULL);

	for (uint32_t i = 1; i < p->n_chunk_lengths; i++) {
		struct ferry_plan c = ferry_plan_predict(t, cut, p->chunk_tokens[i], NULL);

		if (c.score < best.score)
			best = c;
	}
	return best;
}

static void add_table(struct text *t, const struct ferry_plan_problem *p,
		      const struct ferry_plan_sums *sums, const struct ferry_plan_choices *all)
{
	const uint32_t stride = (p->n_layers + TABLE_SPLITS - 1) / TABLE_SPLITS;
	const struct ferry_plan *split = &all->best[FERRY_MODE_SPLIT];
	struct ferry_plan_cut cut = {FERRY_MODE_SPLIT, 1, p->n_layers};
	struct ferry_plan_terms terms;

	ferry_plan_terms(p, sums, &terms);
	add(t, "  mode   here  edge   prefill ms   ms/token    total ms        KiB%s%s\n",
	    shows_energy(all) ? "  device J    edge J" : "",
	    p->price.edge_per_us > 0 || p->price.per_byte > 0 ? "     price" : "");
	add_row(t, p, all, &all->best[FERRY_MODE_LOCAL]);
	add_row(t, p, all, &all->best[FERRY_MODE_REMOTE]);
	for (; cut.k1 <= p->n_layers; cut.k1++) {
		bool best = isfinite(split->score) && cut.k1 == split->cut.k1;

		if (!best && cut.k1 != p->n_layers && cut.k1 % stride)
			continue;
		struct ferry_plan c = at_its_best(&terms, &cut);
		add_row(t, p, all, best ? split : &c);
	}
	if (p->edge_returns)
		add_row(t, p, all, &all->best[FERRY_MODE_USHAPE]);
}

static void add_facts(struct text *t, const struct ferry_plan_problem *p)
{
	add(t, "Prompt of %u tokens, %u new ones; ", p->n_prompt, p->n_new);
	if (p->link.no_carrier)
		add(t, "the link is down");
	else
		add(t, "RTT %.2f ms, %.2f Mbit/s up, %.2f down", p->link.rtt_us / 1e3,
		    p->link.up_bytes_per_us * 8, p->link.down_bytes_per_us * 8);
	if (p->link.loss > 0)
		add(t, ", %.2g %% loss", p->link.loss * 100);
	if (p->privacy != FERRY_PRIVACY_TOKENS)
		add(t, "; privacy level %s", ferry_privacy_name(p->privacy));
	add(t, ".\n");
}

static const struct ferry_plan *best_with_edge(const struct ferry_plan_choices *c)
{
	const struct ferry_plan *best = &c->best[FERRY_MODE_REMOTE];

	for (int m = FERRY_MODE_SPLIT; m < FERRY_N_MODES; m++)
		if (c->best[m].score < best->score)
			best = &c->best[m];
	return best;
}

static void add_place(struct text *t, const struct ferry_plan_problem *p,
		      const struct ferry_plan *c)
{
	if (c->cut.mode == FERRY_MODE_USHAPE)
		add(t, "%u + %u layers here, %u on the edge", c->cut.k1, p->n_layers - c->cut.k2,
		    edge_layers(c));
	else
		add(t, "%u layers here, %u on the edge", c->cut.k1, edge_layers(c));
}

static void add_reason_shared(struct text *t, const struct ferry_plan_problem *p,
			      const struct ferry_plan_choices *all)
{
	const struct ferry_plan *c = ferry_plan_chosen(all), *local = &all->best[FERRY_MODE_LOCAL];

	add(t, "Chosen: ");
	add_place(t, p, c);
	if (isinf(local->score))
		add(t, "; this machine alone: %s", local->why);
	else if (local->late && !c->late)
		add(t, "; this machine alone misses the deadline");
	else
		add(t, ", %.2f times as fast as local", local->total_us / c->total_us);
	add(t, ". Of each token's %.2f ms this device takes %.2f, the link %.2f, the edge %.2f.",
	    c->token_us / 1e3, c->device_us / 1e3, c->link_us / 1e3, c->edge_us / 1e3);
	if (p->objective.per_uj > 0 && !isinf(local->score))
		add(t, " The device spends %.2f J instead of %.2f.",
		    (c->device_uj + c->radio_uj) / 1e6, local->device_uj / 1e6);
	if (c->cut.mode != FERRY_MODE_REMOTE && p->n_codecs > 1)
		add(t, " Hidden states as %s.", p->codecs[c->codec].name);
	if (p->n_chunk_lengths > 1)
		add(t, " The prompt goes in chunks of %u tokens.", c->chunk_tokens);
}

static void add_reason_local(struct text *t, const struct ferry_plan_choices *all)
{
	const struct ferry_plan *local = &all->best[FERRY_MODE_LOCAL];
	const struct ferry_plan *other = best_with_edge(all);
	double saved_us = local->device_us - other->device_us - other->edge_us;

	add(t, "Chosen: local. ");
	if (isinf(other->score)) {
		const char *why = all->best[FERRY_MODE_SPLIT].why;

		/* What the edge serves is one matter, that nothing may or can go there another. */
		if (!why || (why[0] == 'n' && why[1] == 'o' && why[2] == 't'))
			add(t, "The edge serves nothing that would help.");
		else
			add(t, "A split: %s.", why);
		return;
	}
	if (other->late && !local->late) {
		add(t, "Every plan with the edge misses the deadline.");
		return;
	}
	if (other->cut.mode == FERRY_MODE_USHAPE)
		add(t, "The best U shape ");
	else
		add(t, "The best split ");
	add(t,
	    "(%u layers here) would take %.2f times as long: the link costs %.2f ms of each token "
	    "and ",
	    other->cut.k1, other->total_us / local->total_us, other->link_us / 1e3);
	if (saved_us >= LEAST_SHOWN_US)
		add(t, "the edge saves %.2f.", saved_us / 1e3);
	else if (saved_us > -LEAST_SHOWN_US)
		add(t, "the edge saves nothing.");
	else
		add(t, "computing there takes %.2f longer.", -saved_us / 1e3);
}

static void add_reason(struct text *t, const struct ferry_plan_problem *p,
		       const struct ferry_plan_choices *c)
{
	if (c->chosen == FERRY_MODE_LOCAL)
		add_reason_local(t, c);
	else
		add_reason_shared(t, p, c);
	if (ferry_plan_chosen(c)->late)
		add(t, " No plan keeps the deadline; this one is the best of them.");
	add(t, "\n");
}

size_t ferry_plan_reason(const struct ferry_plan_problem *p, const struct ferry_plan_choices *c,
			 char *text, size_t size)
{
	struct text t = {.data = text, .size = size};

	if (size)
		text[0] = '\0';
	add_reason(&t, p, c);
	return t.n;
}

size_t ferry_plan_explain(const struct ferry_plan_problem *p, const struct ferry_plan_sums *sums,
			  const struct ferry_plan_choices *c, char *text, size_t size)
{
	struct text t = {.data = text, .size = size};

	if (size)
		text[0] = '\0';
	add_table(&t, p, sums, c);
	add_facts(&t, p);
	add_reason(&t, p, c);
	return t.n;
}
