/* SPDX-License-Identifier: MIT */
/* `ferry net up --autorate`: what the agent is told about an interface. */
#ifndef FERRY_CLI_NET_AUTORATE_H
#define FERRY_CLI_NET_AUTORATE_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/autorate_settings.h"
#include "net/qdisc.h"

struct net_autorate {
	bool on, off;	 /* neither: as an earlier up said it */
	bool has_limits; /* else a quarter and four times the rate */
	uint32_t floor_kbps, ceiling_kbps;
	bool none;	     /* --no-reflector */
	size_t n_reflectors; /* else, where there is none, those of an earlier up */
	const char *reflectors[FERRY_REFLECTORS_MAX];
};

/* --autorate[=FLOOR,CEILING], rates as tc has them. @arg may be NULL. */
void ferry_cli_parse_autorate(struct argp_state *state, const char *arg,
			      struct net_autorate *autorate);

/* --reflector ADDR, and with NULL --no-reflector. */
void ferry_cli_parse_reflector(struct argp_state *state, const char *arg,
			       struct net_autorate *autorate);

/* Whether settings are to be written. */
bool ferry_cli_wants_autorate(const struct net_autorate *autorate);

/**
 * ferry_cli_plan_autorate - the settings that an interface will have, before anything is changed
 * @wish: what is asked for of its qdisc
 * @settings: filled where ferry_cli_wants_autorate()
 *
 * Return: 0, -EINVAL where there is no rate to begin at or the limits exclude it, or another
 * negative errno with @err filled.
 */
int ferry_cli_plan_autorate(const char *device, const struct net_autorate *autorate,
			    const struct ferry_qdisc_wish *wish,
			    struct ferry_autorate_settings *settings, struct ferry_error *err);

#endif
