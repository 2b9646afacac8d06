// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "node/edge_private.h"

static uint32_t to_ns(double us)
{
	double ns = us * 1e3;

	return ns >= UINT32_MAX ? UINT32_MAX : ns > 0 ? (uint32_t)ns : 0;
}

/* Nobody waits until a model is measured. */
static int between_layers(void *edge)
{
	const int ret = ferry_edge_breathe(edge);

	if (!ret && ferry_edge_serve_steps(edge))
		return ferry_edge_breathe(edge);
	return ret;
}

static void send_profile(struct edge_peer *p)
{
	const struct ferry_profile *f = &p->serves->profile;
	uint32_t n = f->layer_end - f->layer_begin;
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_PROFILED,
				       .request = p->profile_request};
	uint8_t *layers = malloc(8 * (size_t)n + 1);

	if (!layers) {
		ferry_edge_peer_refuse(p, p->profile_request, 0, FERRY_CODE_MEMORY,
				       "out of memory");
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct ferry_layer_cost *c = &f->layers[f->layer_begin + i];

		ferry_wire_layer_time_set(
			layers, i,
			(struct ferry_wire_layer_time){to_ns(c->decode_us), to_ns(c->prefill_us)});
	}
	m.profiled = (struct ferry_wire_profiled){
		.layer_begin = f->layer_begin,
		.n_layers = n,
		.n_tokens = f->n_tokens,
		.embed_ns = to_ns(f->embed_us),
		.head_ns = to_ns(f->head_us),
		.layers = layers,
	};
	ferry_edge_peer_send(p, &m);
	free(layers);
}

/*
 * Once for each chunk longer than those before, so that whoever asks first does not choose for all;
 * of lengths only powers of two, so that nobody has it measured for each one.
 */
static int measure(struct ferry_edge *e, struct edge_model *m, uint32_t n_tokens,
		   struct ferry_error *why)
{
	struct ferry_profile profile;
	uint32_t n = 1;
	int ret;

	while (n < n_tokens && n < m->max_batch)
		n *= 2;
	if (n > m->max_batch)
		n = m->max_batch;
	if (m->profiled && n <= m->profile.n_tokens)
		return 0;
	ret = ferry_profile_measure(m->model, m->forward, m->begin, m->end, n, between_layers, e,
				    &profile, why);
	if (ret)
		return ret;
	ferry_profile_free(&m->profile);
	m->profile = profile;
	m->profiled = true;
	return 0;
}

void ferry_edge_profile(struct ferry_edge *e)
{
	struct edge_peer *p = e->peers;
	struct ferry_error why;

	while (p && !(p->wants_profile && p->link))
		p = p->next;
	if (!p)
		return;
	if (measure(e, p->serves, p->profile_tokens, &why))
		ferry_edge_peer_refuse(p, p->profile_request, 0, FERRY_CODE_COMPUTE, "%s",
				       why.text);
	else
		send_profile(p);
	p->wants_profile = false;
}
