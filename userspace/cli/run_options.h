/* SPDX-License-Identifier: MIT */
/*
 * The options of `ferry run`.
 */
#ifndef FERRY_CLI_RUN_OPTIONS_H
#define FERRY_CLI_RUN_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/key_options.h"
#include "engine/sampler.h"
#include "node/session.h"

struct ferry_run_options {
	const char *model;
	const char *prompt, *file; /* one of them */
	uint32_t n_tokens;	   /* 0: until the turn or the context ends */
	uint32_t n_threads;	   /* 0: the CPUs of this process */
	const char *cache;	   /* as in packed_weights.h */
	bool ids, no_bos, special, ignore_eos;
	bool chat;
	const char *system, *template;
	struct ferry_sampling sampling;
	bool greedy, seed_given;
	struct ferry_node_session_options session;
	char *edges;		    /* all of --edge, with commas; session.edge points to it */
	struct ferry_cli_keys keys; /* session.tls points into it */
	bool explain, side, stats;
};

/* Ends the program with CLI_USAGE where the options are wrong. */
void ferry_run_options_parse(struct ferry_run_options *o, int argc, char **argv);

/* "K", "auto" or "none"; shared with `ferry logits`. */
int32_t ferry_cli_split(struct argp_state *state, const char *arg);

/* "f32", "f16", "int8", "int4" or "auto" to a session's encoding. */
void ferry_cli_codec(struct argp_state *state, const char *arg,
		     struct ferry_node_session_options *o);

/* Ends the program with CLI_USAGE where a split asks for an edge and none is named. */
void ferry_cli_check_split(struct argp_state *state, const char *edge, int32_t split);

#endif
