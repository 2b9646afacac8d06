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

/* Reads or writes c->settings. */
int ferry_classifier_get_settings(struct ferry_classifier *c, struct ferry_error *err);
int ferry_classifier_put_settings(struct ferry_classifier *c, struct ferry_error *err);

#endif
