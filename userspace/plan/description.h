/* SPDX-License-Identifier: MIT */
/*
 * A problem of the planner as JSON; ferry(1) lists the members under `ferry plan`.
 */
#ifndef FERRY_PLAN_DESCRIPTION_H
#define FERRY_PLAN_DESCRIPTION_H

#include "ferry/error.h"
#include "plan/problem.h"

struct ferry_plan_description {
	struct ferry_plan_problem problem; /* its arrays are those below */
	struct ferry_layer_cost device[FERRY_PLAN_MAX_LAYERS], edge[FERRY_PLAN_MAX_LAYERS];
	struct ferry_layer_memory memory[FERRY_PLAN_MAX_LAYERS];
	struct ferry_plan_codec codecs[FERRY_PLAN_MAX_CODECS];
	char codec_names[FERRY_PLAN_MAX_CODECS][16];
};

/* What holds where a description says nothing else: codecs, chunk lengths, 64 + 128 tokens. */
void ferry_plan_description_defaults(struct ferry_plan_description *d);

/**
 * ferry_plan_description_parse - lay a description over what @d holds.
 * @bytes: one JSON object
 *
 * Unknown members, and numbers out of range, are refused by name. Return: 0 or -EBADMSG.
 */
int ferry_plan_description_parse(const char *bytes, size_t n, struct ferry_plan_description *d,
				 struct ferry_error *err);

#endif
