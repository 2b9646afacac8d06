// SPDX-License-Identifier: MIT
#include "node/placement.h"

#include <stdlib.h>

#include "base/error.h"
#include "engine/forward.h"
#include "node/activation.h"
#include "node/probe.h"
#include "node/profile.h"
#include "plan/codec.h"
#include "plan/explain.h"

enum {
	DEFAULT_PROMPT = 64,
	DEFAULT_NEW = 128,
	PROFILE_TOKENS = 16, /* of the chunk that is measured on both sides */
	WORK_OVERHEAD = 56,  /* bytes of a WORK, and of its RESULT, beside the data */
	RESULT_OVERHEAD = 40,
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

/* Decides, and says so. */
static int choose(const struct ferry_plan_problem *p, const uint8_t *encodings,
		  struct ferry_placement *out, struct ferry_error *err)
{
	struct ferry_plan_sums *sums = malloc(sizeof(*sums));
	struct ferry_plan_choices choices;
	int ret;

	if (!sums)
		return ferry_fail_memory(err, "the plan", sizeof(*sums));
	ret = ferry_plan_sum(p, sums, err);
	if (!ret)
		ret = ferry_plan_choose(p, sums, &choices, err);
	if (!ret) {
		ferry_plan_explain(p, sums, &choices, out->text, sizeof(out->text));
		out->local = choices.chosen == FERRY_MODE_LOCAL;
		out->split = ferry_plan_chosen(&choices)->cut.k1;
		out->encoding = encodings[ferry_plan_chosen(&choices)->codec];
	}
	free(sums);
	return ret;
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

int ferry_placement_choose(const struct ferry_model *model, struct ferry_pool *pool,
			   struct ferry_uplink *uplink, const struct ferry_placement_hints *hints,
			   struct ferry_placement *out, struct ferry_error *err)
{
	const struct ferry_wire_welcome *w = ferry_uplink_welcome(uplink);
	struct ferry_profile device = {0}, edge = {0};
	struct ferry_plan_codec codecs[FERRY_ENCODINGS];
	uint8_t encodings[FERRY_ENCODINGS];
	struct ferry_plan_problem p = {
		.n_layers = model->hp.n_layers,
		.n_embd = model->hp.n_embd,
		.edge_begin = w->layer_begin,
		.edge_end = w->layer_end,
		.edge_embeds = w->parts & FERRY_PART_EMBEDDING,
		.edge_heads = w->parts & FERRY_PART_HEAD,
		.codecs = codecs,
		.n_codecs = list_codecs(hints->choose_encoding ? w->encodings
							       : (uint8_t)(1u << hints->encoding),
					codecs, encodings),
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
	int ret;

	*out = (struct ferry_placement){.local = true, .encoding = hints->encoding};
	ret = ferry_probe_link(uplink, &p.link, err);
	if (!ret)
		ret = profile_edge(model, uplink, &edge, err);
	if (!ret)
		ret = profile_device(model, pool, &device, err);
	if (ret)
		goto out;
	p.device = node_cost(&device);
	p.edge = node_cost(&edge);
	ret = choose(&p, encodings, out, err);
out:
	ferry_profile_free(&device);
	ferry_profile_free(&edge);
	return ret;
}
