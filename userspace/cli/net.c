// SPDX-License-Identifier: MIT
/*
 * ferry net: finds the verb and leaves.
 */
#define _GNU_SOURCE /* program_invocation_name */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/net_verbs.h"

static const char command_name[] = "ferry net";

static const struct net_verb verbs[] = {
	{"up", ferry_cli_net_up, "put qdisc, classifier and rules on an interface"},
	{"down", ferry_cli_net_down, "give back what was found there"},
	{"status", ferry_cli_net_status, "what works there, what does not and why"},
	{"rules", ferry_cli_net_rules, "check, apply and show the classifier's rules"},
	{"explain", ferry_cli_net_explain, "the class of a flow, and who decides it"},
	{"watch", ferry_cli_net_watch, "what the classes send, second by second"},
	{"agent", ferry_cli_net_agent, "the daemon: telemetry, autorate, metrics; see --help"},
	{"show", ferry_cli_net_show, "readings of links and energy, and the mode, of the module"},
	{"push", ferry_cli_net_push, "push link DEVICE | energy NAME | model | mode: readings in"},
	{"remove", ferry_cli_net_remove, "an energy source that was pushed"},
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static void print_help(void)
{
	printf("usage: ferry net VERB [WORD...] [OPTION...]\n\n"
	       "What a gateway does with its links.\n\n");
	for (size_t i = 0; i < VERBS; i++)
		printf("  %-12s %s\n", verbs[i].name, verbs[i].help);
	printf("\n'ferry net VERB --help' says more; so does ferry-net(8).\n");
}

static int fail_verb(const char *name)
{
	char list[128] = "";
	struct ferry_error err;
	size_t n = 0;

	for (size_t i = 0; i < VERBS; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
				      verbs[i].name);
	if (name)
		ferry_fail(&err, FERRY_ERROR_CALLER, -EINVAL, "'%.40s' is no verb of it; it has %s",
			   name, list);
	else
		ferry_fail(&err, FERRY_ERROR_CALLER, -EINVAL, "a verb is missing: %s", list);
	return ferry_cli_fail(command_name, &err);
}

int ferry_cli_net(int argc, char **argv)
{
	char name[64];
	int at = 1;

	/* Options without a value may stand in front: `ferry net --json show`. */
	while (at < argc && argv[at][0] == '-')
		at++;
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?"))) {
		print_help();
		return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
	}
	if (at == argc)
		return fail_verb(NULL);
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(argv[at], verbs[i].name))
			continue;
		snprintf(name, sizeof(name), "%s %s", command_name, verbs[i].name);
		program_invocation_name = name;
		program_invocation_short_name = name;
		memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
		argv[1] = name;
		return verbs[i].run(argc - 1, argv + 1);
	}
	return fail_verb(argv[at]);
}
