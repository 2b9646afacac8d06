// SPDX-License-Identifier: MIT
/*
 * ferry net up, ferry net down: a link of a gateway, put in order and given back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/net_autorate.h"
#include "cli/net_verbs.h"
#include "net/autorate_settings.h"
#include "net/gateway.h"
#include "tc/units.h"

/* Long options without a letter. */
enum {
	OPTION_OVERHEAD = 0x100,
	OPTION_MPU,
	OPTION_HOOK,
	OPTION_HANDLE,
	OPTION_NO_DSCP,
	OPTION_TUNNEL,
	OPTION_NO_TUNNEL,
	OPTION_CARRIER,
	OPTION_NO_CARRIER,
	OPTION_AUTORATE,
	OPTION_NO_AUTORATE,
	OPTION_REFLECTOR,
	OPTION_NO_REFLECTOR,
};

struct up_command {
	struct ferry_gateway_options o;
	struct net_autorate autorate;
};

static void parse_rate(struct argp_state *state, const char *arg, struct ferry_qdisc_wish *wish)
{
	wish->has_rate = true;
	if (!strcmp(arg, "unlimited"))
		wish->rate = 0;
	else if (!ferry_tc_read_rate(arg, &wish->rate) || !wish->rate)
		argp_error(state, "--rate takes a rate like 20mbit, or 'unlimited', not '%s'", arg);
}

static long parse_bytes(struct argp_state *state, const char *option, const char *arg, long least)
{
	long bytes = 0;

	if (!ferry_tc_read_integer(arg, least, 256, &bytes))
		argp_error(state, "%s takes a number of bytes from %ld to 256, not '%s'", option,
			   least, arg);
	return bytes;
}

static enum ferry_classifier_hook parse_hook(struct argp_state *state, const char *arg)
{
	if (!strcmp(arg, "clsact"))
		return FERRY_HOOK_CLSACT;
	if (!strcmp(arg, "tcx"))
		return FERRY_HOOK_TCX;
	if (strcmp(arg, "any"))
		argp_error(state, "--hook takes 'any', 'clsact' or 'tcx', not '%s'", arg);
	return FERRY_HOOK_ANY;
}

/* "fe:" or "fe", as tc writes handles. */
static uint16_t parse_major(struct argp_state *state, const char *arg)
{
	char *end = NULL;
	const unsigned long major = strtoul(arg, &end, 16);

	if (!strchr("0123456789abcdefABCDEF", arg[0]) || end == arg ||
	    (*end && strcmp(end, ":") != 0) || !major || major > 0xfffe)
		argp_error(state, "--handle takes the major of a qdisc, 1: to fffe:, not '%s'",
			   arg);
	return (uint16_t)major;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct up_command *c = state->input;
	struct ferry_gateway_options *o = &c->o;

	switch (key) {
	case 'r':
		parse_rate(state, arg, &o->qdisc);
		return 0;
	case OPTION_OVERHEAD:
		o->qdisc.has_overhead = true;
		o->qdisc.overhead = (int32_t)parse_bytes(state, "--overhead", arg, -64);
		return 0;
	case OPTION_MPU:
		o->qdisc.has_mpu = true;
		o->qdisc.mpu = (uint32_t)parse_bytes(state, "--mpu", arg, 0);
		return 0;
	case 'R':
		o->rules = arg;
		return 0;
	case 'd':
	case OPTION_NO_DSCP:
		o->rewrite_dscp = key == 'd';
		return 0;
	case OPTION_TUNNEL:
	case OPTION_NO_TUNNEL:
		o->tunnel = key == OPTION_TUNNEL;
		return 0;
	case OPTION_CARRIER:
	case OPTION_NO_CARRIER:
		o->carrier = key == OPTION_CARRIER;
		return 0;
	case OPTION_HOOK:
		o->hook = parse_hook(state, arg);
		return 0;
	case OPTION_HANDLE:
		o->major = parse_major(state, arg);
		return 0;
	case OPTION_AUTORATE:
		ferry_cli_parse_autorate(state, arg, &c->autorate);
		return 0;
	case OPTION_NO_AUTORATE:
		c->autorate.off = true;
		c->autorate.on = false;
		return 0;
	case OPTION_REFLECTOR:
	case OPTION_NO_REFLECTOR:
		ferry_cli_parse_reflector(state, arg, &c->autorate);
		return 0;
	case ARGP_KEY_ARG:
		if (o->device)
			argp_error(state, "one interface at a time, not also '%s'", arg);
		o->device = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "the interface is missing, as wan0");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"rate", 'r', "RATE", 0, "shape to this rate, as 20mbit; 'unlimited': do not (default)", 0},
	{"autorate", OPTION_AUTORATE, "FLOOR,CEILING", OPTION_ARG_OPTIONAL,
	 "let the agent follow the link from that rate on; limits: a quarter, four times", 0},
	{"no-autorate", OPTION_NO_AUTORATE, NULL, 0, "do not (default)", 0},
	{"reflector", OPTION_REFLECTOR, "ADDR", 0,
	 "with --autorate: a host behind the link that answers echoes; up to four times", 0},
	{"no-reflector", OPTION_NO_REFLECTOR, NULL, 0, "ask none (default)", 0},
	{"overhead", OPTION_OVERHEAD, "BYTES", 0, "what the link adds to each packet", 0},
	{"mpu", OPTION_MPU, "BYTES", 0, "no packet counts as less", 0},
	{"rules", 'R', "FILE", 0, "rules of the classifier, see ferry-rules(5)", 0},
	{"dscp", 'd', NULL, 0, "write the class's DSCP into packets", 0},
	{"no-dscp", OPTION_NO_DSCP, NULL, 0, "do not (default)", 0},
	{"hook", OPTION_HOOK, "HOOK", 0, "any (default), clsact or tcx", 0},
	{"handle", OPTION_HANDLE, "MAJOR:", 0, "of the qdisc that verdicts are for", 0},
	{"tunnel", OPTION_TUNNEL, NULL, 0, "remember verdicts for what carries this tunnel", 0},
	{"no-tunnel", OPTION_NO_TUNNEL, NULL, 0, "do not (default)", 0},
	{"carrier", OPTION_CARRIER, NULL, 0, "ask what tunnels remembered", 0},
	{"no-carrier", OPTION_NO_CARRIER, NULL, 0, "do not (default)", 0},
	{0},
};

/* Not errors: the command did what could be done. */
static void print_notes(const char *command, const struct ferry_gateway_notes *notes)
{
	for (unsigned int i = 0; i < notes->n; i++)
		fprintf(stderr, "%s: note: %s\n", command, notes->note[i]);
}

int ferry_cli_net_up(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Put the qdisc ferry and the classifier on an interface, or change the options of "
		       "what is there. What is not said stays as an earlier up said it.",
		.args_doc = "DEV",
	};
	struct up_command c = {
		.o = {.size = sizeof(c.o), .rewrite_dscp = -1, .tunnel = -1, .carrier = -1}};
	struct ferry_autorate_settings settings;
	struct ferry_gateway_notes notes;
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	ret = ferry_cli_plan_autorate(c.o.device, &c.autorate, &c.o.qdisc, &settings, &err);
	if (!ret)
		ret = ferry_gateway_up(&c.o, &notes, &err);
	if (!ret)
		print_notes(argv[0], &notes);
	if (!ret && ferry_cli_wants_autorate(&c.autorate))
		ret = ferry_autorate_settings_write(NULL, &settings, &err);
	else if (!ret && c.autorate.off)
		ret = ferry_autorate_settings_remove(NULL, c.o.device, &err);
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}

static error_t parse_down(int key, char *arg, struct argp_state *state)
{
	const char **device = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*device)
			argp_error(state, "one interface at a time, not also '%s'", arg);
		*device = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "the interface is missing, as wan0");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int ferry_cli_net_down(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_down,
		.doc = "Take qdisc, classifier and rules off an interface, which may have gone, and give "
		       "back what `ferry net up` found there.",
		.args_doc = "DEV",
	};
	struct ferry_gateway_notes notes;
	const char *device = NULL;
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &device);
	/* First, so that nobody follows what is being taken away. */
	ret = ferry_autorate_settings_remove(NULL, device, &err);
	if (!ret)
		ret = ferry_gateway_down(device, NULL, &notes, &err);
	if (!ret)
		print_notes(argv[0], &notes);
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
