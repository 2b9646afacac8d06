// SPDX-License-Identifier: MIT
#include "cli/key_options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "ferry/ferry.h"

enum {
	OPTION_KEYS = 0x200, /* beyond those of any command */
	OPTION_CA,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_INSECURE,
};

static const struct argp_option option_table[] = {
	{NULL, 0, NULL, 0, "Who this node is, and whom it trusts:", 8},
	{"keys", OPTION_KEYS, "DIR", 0,
	 "key and trust file (default: ~/.config/ferry, where 'ferry keys' writes them)", 8},
	{"ca", OPTION_CA, "FILE", 0, "trust whom these CAs certify (PEM), with --cert and --key",
	 8},
	{"cert", OPTION_CERT, "FILE", 0, "this node's certificate, and what is above it (PEM)", 8},
	{"key", OPTION_KEY, "FILE", 0, "its private key (PEM)", 8},
	{"insecure", OPTION_INSECURE, NULL, 0,
	 "no encryption and no authentication, on loopback or off", 8},
	{0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct ferry_cli_keys *k = state->input;

	switch (key) {
	case OPTION_KEYS:
		k->given.keys = arg;
		return 0;
	case OPTION_CA:
		k->given.ca = arg;
		return 0;
	case OPTION_CERT:
		k->given.certificate = arg;
		return 0;
	case OPTION_KEY:
		k->given.key = arg;
		return 0;
	case OPTION_INSECURE:
		k->insecure = true;
		return 0;
	case ARGP_KEY_END:
		if (!k->given.ca != !k->given.certificate || !k->given.ca != !k->given.key)
			argp_error(state, "--ca, --cert and --key go together");
		if (k->insecure && ferry_tls_is_wanted(&k->given))
			argp_error(state, "--insecure uses no keys: leave it or them out");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp ferry_cli_key_argp = {.options = option_table, .parser = parse_option};

int ferry_cli_keys_directory(struct ferry_cli_keys *k, struct ferry_error *err)
{
	if (!k->given.keys)
		return ferry_default_keys(k->directory, sizeof(k->directory), err);
	if (strlen(k->given.keys) >= sizeof(k->directory))
		return ferry_keys_path(k->given.keys, "", k->directory, err);
	strcpy(k->directory, k->given.keys);
	return 0;
}

int ferry_cli_keys_find(struct ferry_cli_keys *k, struct ferry_tls_files *f,
			struct ferry_error *err)
{
	char path[FERRY_KEYS_PATH];

	*f = k->given;
	if (k->given.keys || k->insecure)
		return 0;
	/* A system user may have no home; then there are no keys either. */
	if (ferry_cli_keys_directory(k, NULL))
		return 0;
	if (ferry_keys_path(k->directory, f->ca ? "trust" : "key.pem", path, err))
		return err->code;
	if (!access(path, F_OK))
		f->keys = k->directory;
	return 0;
}
