/* SPDX-License-Identifier: MIT */
/*
 * What may leave the device, and the one place that says which plans keep to it.
 */
#ifndef FERRY_PLAN_PRIVACY_H
#define FERRY_PLAN_PRIVACY_H

#include <stdbool.h>
#include <stdint.h>

enum ferry_plan_mode {
	FERRY_MODE_LOCAL,  /* everything on the device */
	FERRY_MODE_REMOTE, /* token ids go up, tokens come back */
	FERRY_MODE_SPLIT,  /* layers [0, k1) on the device, the rest on the edge */
	FERRY_MODE_USHAPE, /* first and last layers on the device */
	FERRY_N_MODES,
};

enum ferry_privacy {
	FERRY_PRIVACY_TOKENS, /* token ids may leave */
	FERRY_PRIVACY_HIDDEN, /* hidden states behind a layer; the edge sees the answer */
	FERRY_PRIVACY_USHAPE, /* hidden states; neither input nor output tokens */
	FERRY_PRIVACY_NONE,   /* nothing */
	FERRY_N_PRIVACY,
};

/**
 * ferry_privacy_allows - whether a plan keeps to a level.
 * @k1: layers that the device runs before anything leaves it
 *
 * A level or mode that does not exist allows nothing but local.
 */
bool ferry_privacy_allows(enum ferry_privacy level, enum ferry_plan_mode mode, uint32_t k1);

const char *ferry_privacy_name(enum ferry_privacy level);
const char *ferry_plan_mode_name(enum ferry_plan_mode mode);

#endif
