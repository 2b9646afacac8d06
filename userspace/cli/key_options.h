/* SPDX-License-Identifier: MIT */
/*
 * The options by which a command finds its keys: --keys, --ca, --cert, --key, --insecure.
 */
#ifndef FERRY_CLI_KEY_OPTIONS_H
#define FERRY_CLI_KEY_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

#include "wire/identity.h"
#include "wire/tls.h"

struct ferry_cli_keys {
	struct ferry_tls_files given;
	bool insecure;
	char directory[FERRY_KEYS_PATH];
};

/* A child of the command's own parser, whose input is a struct ferry_cli_keys. */
extern const struct argp ferry_cli_key_argp;

/* --keys DIR or the user's own directory, into k->directory. */
int ferry_cli_keys_directory(struct ferry_cli_keys *k, struct ferry_error *err);

/*
 * What a node is to use: what was given; else the user's own key, where there is one; else nothing,
 * so that loopback works without keys. @f points into @k.
 */
int ferry_cli_keys_find(struct ferry_cli_keys *k, struct ferry_tls_files *f,
			struct ferry_error *err);

#endif
