// SPDX-License-Identifier: MIT
#include "node/placement.h"

#include <stdlib.h>

#include "base/error.h"
#include "engine/forward.h"
#include "node/activation.h"
#include "node/probe.h"
#include "plan/codec.h"
#include "plan/explain.h"

enum {
	DEFAULT_PROMPT = 64,
	DEFAULT_NEW = 128,
	PROFILE_TOKENS = 16, /* of the chunk that is measured on both sides */
	WORK_OVERHEAD = 56,  /* bytes of a WORK, and of its RESULT, beside the data */
	RESULT_OVERHEAD = 38,
};

static int profile_device(const struct ferry_model *model, struct ferry_pool *pool,
			  struct ferry_profile *out, struct ferry_error *err)
{
	struct ferry_forward *forward;
	int ret = ferry_forward_new(model, pool, PROFILE_TOKENS, FERRY_PATH_DEFAULT, &forward, err);

	if (ret)
		return ret;
	ret = ferry_profile_measure(model, forward, 0, model->hp.n_layers, PROFILE_TOKENS, NULL,
				    NULL, out, err);
	ferry_forward_free(forward);
	return ret;
}

static int profile_edge(const struct ferry_model *model, struct ferry_uplink *uplink,
			struct ferry_profile *out, struct ferry_error *err)
{
	struct ferry_wire_profiled p;
	int ret;

	out->layers = calloc(model->hp.n_layers, sizeof(*out->layers));
	if (!out->layers)
		return ferry_fail_memory(err, "the edge's profile",
					 model->hp.n_layers * sizeof(*out->layers));
	ret = ferry_uplink_profile(uplink, PROFILE_TOKENS, &p, err);
	if (ret)
		return ret;
	out->embed_us = p.embed_ns / 1e3;
	out->head_us = p.head_ns / 1e3;
	for (uint32_t i = 0; i < p.n_layers; i++) {
		struct ferry_wire_layer_time t = ferry_wire_layer_time(p.layers, i);

		out->layers[p.layer_begin + i] = (struct ferry_layer_cost){
			.decode_us = t.decode_ns / 1e3, .prefill_us = t.prefill_ns / 1e3};
	}
	return 0;
}

static struct ferry_node_cost node_cost(const struct ferry_profile *p)
{
	return (struct ferry_node_cost){
		.layers = p->layers, .embed_us = p->embed_us, .head_us = p->head_us};
}

/* Those of a bit set; their numbers on the wire to @encodings. */
static uint32_t list_codecs(uint8_t set, struct ferry_plan_codec *codecs, uint8_t *encodings)
{
	uint32_t n = 0;

	for (uint8_t i = 0; i < FERRY_ENCODINGS; i++)
		if (set >> i & 1 && ferry_plan_codec_find(ferry_activation_name(i))) {
			codecs[n] = *ferry_plan_codec_find(ferry_activation_name(i));
			encodings[n++] = i;
		}
	return n;
}

uint8_t ferry_placement_encoding(uint8_t set, unsigned crossings)
{
	struct ferry_plan_codec codecs[FERRY_ENCODINGS];
	uint8_t encodings[FERRY_ENCODINGS];
	const uint32_t n = list_codecs(set, codecs, encodings);
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++)
		if (crossings * codecs[i].quality_cost <= FERRY_PLAN_QUALITY_BUDGET &&
		    codecs[i].bytes_per_value < codecs[best].bytes_per_value)
			best = i;
	return n ? encodings[best] : FERRY_ENCODING_F32;
}

void ferry_placement_free(struct ferry_placement_facts *f)
{
	if (!f)
		return;
	ferry_profile_free(&f->device);
	ferry_profile_free(&f->edge);
	free(f);
}

int ferry_placement_choose(const struct ferry_placement_facts *f, struct ferry_placement *out,
			   struct ferry_error *err)
{
	struct ferry_plan_choices choices;
	int ret = ferry_plan_choose(&f->problem, &f->sums, &choices, err);

	*out = (struct ferry_placement){.local = true};
	if (ret)
		return ret;
	ferry_plan_explain(&f->problem, &f->sums, &choices, out->text, sizeof(out->text));
	out->local = choices.chosen == FERRY_MODE_LOCAL;
	out->split = ferry_plan_chosen(&choices)->cut.k1;
	out->encoding = f->encodings[ferry_plan_chosen(&choices)->codec];
	return 0;
}

int ferry_placement_measure(const struct ferry_model *model, struct ferry_pool *pool,
			    struct ferry_uplink *uplink, const struct ferry_placement_hints *hints,
			    struct ferry_placement_facts **out, struct ferry_error *err)
{
	const struct ferry_wire_welcome *w = ferry_uplink_welcome(uplink);
	struct ferry_placement_facts *f = calloc(1, sizeof(*f));
	int ret;

	*out = NULL;
	if (!f)
		return ferry_fail_memory(err, "the plan", sizeof(*f));
	f->problem = (struct ferry_plan_problem){
		.n_layers = model->hp.n_layers,
		.n_embd = model->hp.n_embd,
		.edge_begin = w->layer_begin,
		.edge_end = w->layer_end,
		.edge_embeds = w->parts & FERRY_PART_EMBEDDING,
		.edge_heads = w->parts & FERRY_PART_HEAD,
		.codecs = f->codecs,
		.n_codecs = list_codecs(hints->choose_encoding ? w->encodings
							       : (uint8_t)(1u << hints->encoding),
					f->codecs, f->encodings),
		/* What was asked for is good enough. */
		.quality_budget = hints->choose_encoding ? FERRY_PLAN_QUALITY_BUDGET : 1e9,
		.up_overhead_bytes = WORK_OVERHEAD,
		.down_overhead_bytes = RESULT_OVERHEAD,
		.chunk_tokens = {hints->chunk_tokens},
		.n_chunk_lengths = 1,
		.n_prompt = hints->n_prompt ? hints->n_prompt : DEFAULT_PROMPT,
		.n_new = hints->n_new ? hints->n_new : DEFAULT_NEW,
		.tolerance = 0.02,
	};
	ret = ferry_probe_link(uplink, &f->problem.link, err);
	if (!ret)
		ret = profile_edge(model, uplink, &f->edge, err);
	if (!ret)
		ret = profile_device(model, pool, &f->device, err);
	if (!ret) {
		f->problem.device = node_cost(&f->device);
		f->problem.edge = node_cost(&f->edge);
		ret = ferry_plan_sum(&f->problem, &f->sums, err);
	}
	if (ret) {
		ferry_placement_free(f);
		return ret;
	}
	*out = f;
	return 0;
}
