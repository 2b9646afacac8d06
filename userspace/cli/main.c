// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* program_invocation_name */
/*
 * The `ferry` command: finds the subcommand and leaves.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "ferry/ferry.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{"run", ferry_cli_run, "generate text, here or together with an edge node"},
	{"edge", ferry_cli_edge, "serve a model's layers to devices"},
	{"keys", ferry_cli_keys, "this machine's key, and whose keys it trusts"},
	{"info", ferry_cli_info, "what a model file holds"},
	{"tokenize", ferry_cli_tokenize, "text to token ids, and back"},
	{"logits", ferry_cli_logits, "the logits behind given tokens, as float32"},
	{"perplexity", ferry_cli_perplexity, "how well a model predicts a text"},
	{"bench", ferry_cli_bench, "prefill and decode speed against the speed of memory"},
	{"plan", ferry_cli_plan,
	 "where the layers should run, and how that goes over a link trace"},
	{"net", ferry_cli_net,
	 "put a gateway's links in order; what the kernel module knows of them"},
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: ferry COMMAND [OPTION...]\n\n"
		     "Run one language model on a device, a nearby edge node, or both.\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\n'ferry COMMAND --help' says more; so does ferry(1).\n"
		     "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
}

/*
 * Weights are mapped, not copied. Where a file is cut short while it is in use, or its disk
 * fails, the next read of it raises SIGBUS: end with a sentence instead of a core dump. Only
 * async-signal-safe calls here.
 */
static void on_bus_error(int sig)
{
	static const char text[] = "ferry: the model file, or the file of its packed weights, was "
				   "truncated or became unreadable while in use; start again\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)sig;
	(void)n;
	_exit(CLI_FAILED);
}

/*
 * The next file or socket would get the number of a standard descriptor that is closed, and what is
 * meant for a terminal would be written there. So each is taken, but for the wrong direction: to
 * use it still fails.
 */
static bool take_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

/* argp prints --help and ends the program by itself, without a look at what became of it. */
static void at_exit(void)
{
	if (!ferry_cli_flush("ferry"))
		_exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
	struct sigaction bus = {.sa_handler = on_bus_error};
	char name[64];

	if (!take_standard_descriptors())
		return CLI_FAILED;
	atexit(at_exit);
	sigaction(SIGBUS, &bus, NULL);
	argp_err_exit_status = CLI_USAGE;
	if (argc < 2) {
		print_help(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return ferry_cli_flush("ferry") ? CLI_OK : CLI_FAILED;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("ferry %s\n", ferry_version());
		return ferry_cli_flush("ferry") ? CLI_OK : CLI_FAILED;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		/* argp names the program in its messages after this. */
		snprintf(name, sizeof(name), "ferry %s", commands[i].name);
		argv[1] = name;
		program_invocation_name = name;
		program_invocation_short_name = name;
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "ferry: '%s' is no command; 'ferry --help' lists them\n", argv[1]);
	return CLI_USAGE;
}
