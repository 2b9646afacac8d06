/* SPDX-License-Identifier: MIT */
/*
 * The subcommands of `ferry`, and what they share: how they parse, fail and exit.
 */
#ifndef FERRY_CLI_COMMAND_H
#define FERRY_CLI_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/kv_cache.h"
#include "ferry/error.h"

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

/* argv[0] is "ferry NAME". The return is the exit status. */
int ferry_cli_bench(int argc, char **argv);
int ferry_cli_edge(int argc, char **argv);
int ferry_cli_info(int argc, char **argv);
int ferry_cli_keys(int argc, char **argv);
int ferry_cli_logits(int argc, char **argv);
int ferry_cli_net(int argc, char **argv);
int ferry_cli_perplexity(int argc, char **argv);
int ferry_cli_plan(int argc, char **argv);
int ferry_cli_run(int argc, char **argv);
int ferry_cli_tokenize(int argc, char **argv);

/* "ferry run: TEXT" on standard error; returns CLI_FAILED (CLI_USAGE for a caller's mistake). */
int ferry_cli_fail(const char *command, const struct ferry_error *err);

/*
 * Numbers of the command line. Anything but a whole number within [min, max] ends the program
 * with one sentence and CLI_USAGE, as argp does for options that it does not know.
 */
uint64_t ferry_cli_number(struct argp_state *state, const char *option, const char *arg,
			  uint64_t min, uint64_t max);
float ferry_cli_real(struct argp_state *state, const char *option, const char *arg, double min,
		     double max);

/* --kv f16|q8 */
enum ferry_kv_type ferry_cli_kv(struct argp_state *state, const char *arg);

/* A path as messages show it: of a very long one the end, so that there is room for the reason. */
const char *ferry_cli_shown_path(const char *path);

/* Whether standard output was written completely; says so, once, and returns false where not. */
bool ferry_cli_flush(const char *command);

/* The same as an error for those that have more to do: 0, or a negative errno and @err filled. */
int ferry_cli_check_output(struct ferry_error *err);

#endif
