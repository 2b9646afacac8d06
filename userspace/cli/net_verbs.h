/* SPDX-License-Identifier: MIT */
/* The verbs of `ferry net`, one file each. */
#ifndef FERRY_CLI_NET_VERBS_H
#define FERRY_CLI_NET_VERBS_H

#include <jansson.h>

#include "cli/command.h"
#include "net/reading.h"

struct net_verb {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is "ferry net NAME"; an exit status */
	const char *help;
};

/* For which eBPF is needed; net_without_bpf.c says so where there is none. */
int ferry_cli_net_agent(int argc, char **argv);
int ferry_cli_net_down(int argc, char **argv);
int ferry_cli_net_explain(int argc, char **argv);
int ferry_cli_net_rules(int argc, char **argv);
int ferry_cli_net_status(int argc, char **argv);
int ferry_cli_net_up(int argc, char **argv);
int ferry_cli_net_watch(int argc, char **argv);

int ferry_cli_net_push(int argc, char **argv);
int ferry_cli_net_remove(int argc, char **argv);
int ferry_cli_net_show(int argc, char **argv);

#endif
