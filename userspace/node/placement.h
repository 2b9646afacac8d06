/* SPDX-License-Identifier: MIT */
/*
 * Where the layers should run, found out by measuring: this machine, the edge, and the link.
 */
#ifndef FERRY_NODE_PLACEMENT_H
#define FERRY_NODE_PLACEMENT_H

#include <stdint.h>

#include "compute/pool.h"
#include "ferry/error.h"
#include "model/model.h"
#include "node/profile.h"
#include "node/uplink.h"
#include "plan/cost.h"

enum { FERRY_PLACEMENT_TEXT = 2048 };

struct ferry_placement_hints {
	uint32_t n_prompt; /* tokens; 0: 64 */
	uint32_t n_new;	   /* 0: 128 */
	uint32_t chunk_tokens;
	uint8_t encoding;     /* of hidden states */
	bool choose_encoding; /* instead: of those that the edge speaks */
};

struct ferry_placement {
	bool local;			 /* no edge at all */
	uint32_t split;			 /* layers that run here */
	uint8_t encoding;		 /* of hidden states */
	char text[FERRY_PLACEMENT_TEXT]; /* the table and the reason, lines ending with a newline */
};

/* The fewest bytes of those in a bit set of encodings whose cost in quality can be borne. */
uint8_t ferry_placement_encoding(uint8_t encodings, unsigned crossings);

/* What was measured. Points into itself. */
struct ferry_placement_facts {
	struct ferry_profile device, edge;
	struct ferry_plan_codec codecs[FERRY_ENCODINGS];
	uint8_t encodings[FERRY_ENCODINGS]; /* their numbers on the wire */
	struct ferry_plan_problem problem;
	struct ferry_plan_sums sums;
};

/* Measures this machine, the edge and the link. Return: 0, -ENOMEM, or the codes of the link. */
int ferry_placement_measure(const struct ferry_model *model, struct ferry_pool *pool,
			    struct ferry_uplink *uplink, const struct ferry_placement_hints *hints,
			    struct ferry_placement_facts **out, struct ferry_error *err);
void ferry_placement_free(struct ferry_placement_facts *f);

/* Chooses (ferry_plan_choose()). Return: 0, or where no plan is possible. */
int ferry_placement_choose(const struct ferry_placement_facts *f, struct ferry_placement *out,
			   struct ferry_error *err);

#endif
