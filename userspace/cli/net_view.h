/* SPDX-License-Identifier: MIT */
/* What the verbs of `ferry net` know about a link that is up, and how they print it. */
#ifndef FERRY_CLI_NET_VIEW_H
#define FERRY_CLI_NET_VIEW_H

#include <jansson.h>

#include <classify.h>

#include "net/gateway.h"

struct net_view {
	struct ferry_device device;
	bool recorded;
	struct ferry_gateway_record record;
	/* NULL where it does not run, or this user may not look: then `why` says which. */
	struct ferry_classifier *classifier;
	int classifier_code;
	char why[512];
	struct ferry_classifier_status status;
	struct ferry_classifier_count counts[FERRY_CLASSIFY_SOURCES][FERRY_CLASS_COUNT];
	struct ferry_qdiscs qdiscs;
	const struct ferry_qdisc *root, *qdisc; /* the latter gets the verdicts; NULL */
	struct ferry_gateway_notes degraded;
};

/* Return: 0 with @view to be freed, -ENODEV, or where nothing of ferry is there -ENOENT. */
int ferry_net_view(struct net_view *view, const char *device, struct ferry_error *err);
void ferry_net_view_free(struct net_view *view);

/* Counters again: of a classifier that is open and of the qdisc. -ENODEV where it has gone. */
int ferry_net_view_again(struct net_view *view, struct ferry_error *err);

/* The line of a rule by its number: its place in the file, and its text. */
int ferry_net_rule_line(const struct net_view *view, unsigned int rule, unsigned int *number,
			char *line, size_t room, struct ferry_error *err);

const char *ferry_net_class_name(unsigned int class);

/* "20mbit" */
const char *ferry_net_rate(char *text, size_t bytes, uint64_t bytes_ps);

json_t *ferry_net_qdisc_json(const struct ferry_qdisc *q);

#endif
