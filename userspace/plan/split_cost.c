// SPDX-License-Identifier: MIT
#include "plan/split_cost.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	TOKEN_BYTES = 4,
	LEAST_SHOWN_US = 5, /* a hundredth of a millisecond, rounded */
	TABLE_SPLITS = 8,   /* rows of the table for splits, beside the chosen one */
};

/* What a node does for one token of a pass that it takes part in with layers [begin, end). */
struct share {
	double prefill_us, decode_us;
};

static struct share sum_layers(const struct ferry_node_cost *n, uint32_t begin, uint32_t end)
{
	struct share s = {0};

	for (uint32_t i = begin; i < end; i++) {
		s.prefill_us += n->layers[i].prefill_us;
		s.decode_us += n->layers[i].decode_us;
	}
	return s;
}

static void add_embedding(struct share *s, const struct ferry_node_cost *n)
{
	s->prefill_us += n->embed_us;
	s->decode_us += n->embed_us;
}

/*
 * A prompt goes through three stations, each of which handles one chunk at a time: the device,
 * the uplink, the edge. A chunk begins at a station when the station is free and the chunk has
 * left the one before. Returns when the last chunk leaves the edge.
 */
static double pipeline_us(const struct ferry_split_problem *p, double device_us, double edge_us,
			  double input_bytes)
{
	double device = 0, link = 0, edge = 0;
	uint32_t chunk = p->chunk_tokens ? p->chunk_tokens : 1;

	for (uint64_t at = 0; at < p->n_prompt; at += chunk) {
		double n = fmin(chunk, (double)(p->n_prompt - at));

		device += n * device_us;
		link = fmax(link, device) +
		       (n * input_bytes + p->up_overhead_bytes) / p->link.up_bytes_per_us;
		edge = fmax(edge, link) + n * edge_us;
	}
	return edge;
}

static bool edge_can(const struct ferry_split_problem *p, uint32_t k)
{
	return p->edge_heads && p->edge_end == p->n_layers && k >= p->edge_begin &&
	       (k > 0 || p->edge_embeds);
}

static void predict_local(const struct ferry_split_problem *p, struct ferry_split_candidate *c)
{
	struct share s = sum_layers(&p->device, 0, p->n_layers);

	add_embedding(&s, &p->device);
	c->prefill_us = p->n_prompt * s.prefill_us + p->device.head_us;
	c->device_us = s.decode_us + p->device.head_us;
}

static void predict_shared(const struct ferry_split_problem *p, struct ferry_split_candidate *c)
{
	struct share device = sum_layers(&p->device, 0, c->k);
	struct share edge = sum_layers(&p->edge, c->k, p->n_layers);
	double input_bytes = c->k ? p->hidden_bytes : TOKEN_BYTES;
	double down_bytes = TOKEN_BYTES + p->down_overhead_bytes;
	double down_us = down_bytes / p->link.down_bytes_per_us;
	double n_chunks = ceil(p->n_prompt / (p->chunk_tokens ? p->chunk_tokens : 1.0));
	double n_decode = p->n_new > 1 ? p->n_new - 1.0 : 0;

	add_embedding(c->k ? &device : &edge, c->k ? &p->device : &p->edge);
	c->prefill_us = pipeline_us(p, device.prefill_us, edge.prefill_us, input_bytes) +
			p->link.rtt_us + p->edge.head_us + down_us;
	c->device_us = device.decode_us;
	c->link_us = (input_bytes + p->up_overhead_bytes) / p->link.up_bytes_per_us +
		     p->link.rtt_us + down_us;
	c->edge_us = edge.decode_us + p->edge.head_us;
	c->bytes = p->n_prompt * input_bytes +
		   n_chunks * (p->up_overhead_bytes + p->down_overhead_bytes) + TOKEN_BYTES +
		   n_decode * (input_bytes + p->up_overhead_bytes + down_bytes);
}

struct ferry_split_candidate ferry_split_predict(const struct ferry_split_problem *p, size_t i)
{
	struct ferry_split_candidate c = {.mode = FERRY_MODE_SPLIT};
	bool possible = true;

	if (i == 0) {
		c.mode = FERRY_MODE_LOCAL;
		c.k = p->n_layers;
		predict_local(p, &c);
	} else {
		c.k = (uint32_t)(i - 1);
		c.mode = c.k ? FERRY_MODE_SPLIT : FERRY_MODE_REMOTE;
		possible = edge_can(p, c.k) && p->link.up_bytes_per_us > 0 &&
			   p->link.down_bytes_per_us > 0;
		if (possible)
			predict_shared(p, &c);
	}
	c.decode_us = c.device_us + c.link_us + c.edge_us;
	c.total_us = c.prefill_us + (p->n_new > 1 ? p->n_new - 1.0 : 0) * c.decode_us;
	if (!possible || !isfinite(c.total_us))
		c.total_us = INFINITY;
	return c;
}

size_t ferry_split_choose(const struct ferry_split_problem *p)
{
	size_t n = ferry_split_n_candidates(p), chosen = 0;
	struct ferry_split_candidate best;
	double least = INFINITY, limit;
	bool any = false;

	for (size_t i = 0; i < n; i++)
		least = fmin(least, ferry_split_predict(p, i).total_us);
	limit = least * (1 + fmax(p->tolerance, 0));
	for (size_t i = 0; i < n; i++) {
		struct ferry_split_candidate c = ferry_split_predict(p, i);

		if (!(c.total_us <= limit))
			continue;
		if (any && (c.bytes > best.bytes ||
			    (c.bytes == best.bytes && c.total_us >= best.total_us)))
			continue;
		best = c;
		chosen = i;
		any = true;
	}
	return chosen;
}

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

static void add_row(struct text *t, const struct ferry_split_problem *p, size_t i, size_t chosen)
{
	static const char *const names[] = {"local", "remote", "split"};
	struct ferry_split_candidate c = ferry_split_predict(p, i);

	add(t, "%c %-6s %4u %5u ", i == chosen ? '>' : ' ', names[c.mode], c.k, p->n_layers - c.k);
	if (isinf(c.total_us))
		add(t, "  not served by this edge\n");
	else
		add(t, "%12.1f %10.2f %11.1f %10.1f\n", c.prefill_us / 1e3, c.decode_us / 1e3,
		    c.total_us / 1e3, c.bytes / 1024);
}

static void add_reason(struct text *t, const struct ferry_split_problem *p, size_t chosen)
{
	struct ferry_split_candidate c = ferry_split_predict(p, chosen);
	struct ferry_split_candidate local = ferry_split_predict(p, 0);
	struct ferry_split_candidate other = {.total_us = INFINITY};
	size_t n = ferry_split_n_candidates(p);

	for (size_t i = 1; i < n; i++) {
		struct ferry_split_candidate o = ferry_split_predict(p, i);

		if (o.total_us < other.total_us)
			other = o;
	}
	if (chosen) {
		add(t,
		    "Chosen: %u layers here, %u on the edge, %.2f times as fast as local. Of each "
		    "token's %.2f ms this device takes %.2f, the link %.2f, the edge %.2f.\n",
		    c.k, p->n_layers - c.k, local.total_us / c.total_us, c.decode_us / 1e3,
		    c.device_us / 1e3, c.link_us / 1e3, c.edge_us / 1e3);
	} else if (isinf(other.total_us)) {
		add(t, "Chosen: local. The edge serves nothing that would help.\n");
	} else {
		double saved_us = local.device_us - other.device_us - other.edge_us;

		add(t,
		    "Chosen: local. The best split (%u layers here) would take %.2f times as long: "
		    "the link costs %.2f ms of each token and ",
		    other.k, other.total_us / local.total_us, other.link_us / 1e3);
		if (saved_us >= LEAST_SHOWN_US)
			add(t, "the edge saves %.2f.\n", saved_us / 1e3);
		else if (saved_us > -LEAST_SHOWN_US)
			add(t, "the edge saves nothing.\n");
		else
			add(t, "computing there takes %.2f longer.\n", -saved_us / 1e3);
	}
}

size_t ferry_split_explain(const struct ferry_split_problem *p, size_t chosen, char *text,
			   size_t size)
{
	struct text t = {.data = text, .size = size};
	size_t n = ferry_split_n_candidates(p);
	size_t stride = (p->n_layers + TABLE_SPLITS - 1) / TABLE_SPLITS;

	if (size)
		text[0] = '\0';
	add(&t, "  mode   here  edge   prefill ms   ms/token    total ms        KiB\n");
	for (size_t i = 0; i < n; i++)
		if (i < 2 || i == chosen || i == n - 1 || (i - 1) % stride == 0)
			add_row(&t, p, i, chosen);
	add(&t, "Prompt of %u tokens, %u new ones; RTT %.2f ms, %.2f Mbit/s up, %.2f down.\n",
	    p->n_prompt, p->n_new, p->link.rtt_us / 1e3, p->link.up_bytes_per_us * 8,
	    p->link.down_bytes_per_us * 8);
	add_reason(&t, p, chosen);
	return t.n;
}
