/* SPDX-License-Identifier: MIT */
#ifndef FERRY_NET_CLASSIFIER_PRIVATE_H
#define FERRY_NET_CLASSIFIER_PRIVATE_H

#include <classify.h>

#include "net/classifier.h"
#include "net/pins.h"

enum ferry_classifier_map {
	FERRY_MAP_SETTINGS,
	FERRY_MAP_COUNTERS,
	FERRY_MAP_HITS,
	FERRY_MAP_SOCKETS,
	FERRY_MAP_CGROUPS,
	FERRY_MAP_TRUSTED,
	FERRY_MAP_PORT_BITS,
	FERRY_MAP_PORTS,
	FERRY_MAP_PREFIXES,
	FERRY_MAP_NAMES,
	FERRY_MAP_FLOWS,
	FERRY_CLASSIFIER_MAPS,
};

struct ferry_classifier {
	unsigned int device;
	struct ferry_pins pins;
	int maps[FERRY_CLASSIFIER_MAPS]; /* descriptors, -1 where there is none */
	int program, explain;
	struct ferry_classify_settings settings;
};

/* Says that the kernel refused @what. */
int ferry_classifier_fail(struct ferry_error *err, int code, const char *what);

/* There where ferry.ko has BTF, by which programs can call into it. */
#define FERRY_CLASSIFIER_MODULE_BTF "/sys/kernel/btf/ferry"

/*
 * classifier_load.c: loads the program of the highest tier that can be had, and pins all of it.
 * Maps that are pinned already are used as they are.
 */
int ferry_classifier_load(struct ferry_classifier *c, struct ferry_error *err);

/* Tier of the program of this name, as the kernel tells it. */
int ferry_classifier_tier_of(const char *program);

/* Reads or writes c->settings. */
int ferry_classifier_get_settings(struct ferry_classifier *c, struct ferry_error *err);
int ferry_classifier_put_settings(struct ferry_classifier *c, struct ferry_error *err);

#endif
