// SPDX-License-Identifier: MIT
/*
 * ferry keys: this machine's key, and whom it trusts.
 */
#define _GNU_SOURCE /* program_invocation_name */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/key_options.h"

static const char command_name[] = "ferry keys";

struct keys_options {
	struct ferry_cli_keys keys;
	const char *verb, *word;
	const char *name, *models;
	bool limited; /* an option of `trust` was given */
	struct ferry_grant grant;
};

enum {
	OPTION_KEYS = 0x100,
	OPTION_ROLE,
	OPTION_NAME,
	OPTION_MODELS,
	OPTION_KV_MEMORY,
	OPTION_MAX_SESSIONS,
	OPTION_EXPIRES,
};

static const struct argp_option option_table[] = {
	{"keys", OPTION_KEYS, "DIR", 0, "key and trust file (default: ~/.config/ferry)", 0},
	{NULL, 0, NULL, 0, "With trust:", 1},
	{"role", OPTION_ROLE, "edge|device|both", 0, "what the other machine is; required", 1},
	{"name", OPTION_NAME, "NAME", 0, "what to call it (default: key-XXXXXXXX)", 1},
	{"models", OPTION_MODELS, "ID,...", 0,
	 "models that it may use, by their ids ('ferry info'); default: all", 1},
	{"kv-memory", OPTION_KV_MEMORY, "MB", 0, "memory for its KV caches, at most", 1},
	{"max-sessions", OPTION_MAX_SESSIONS, "N", 0, "its sessions at a time", 1},
	{"expires", OPTION_EXPIRES, "YYYY-MM-DD", 0, "the last day on which it is trusted", 1},
	{0},
};

static uint8_t parse_role(struct argp_state *state, const char *arg)
{
	if (!strcmp(arg, "edge"))
		return FERRY_TRUST_EDGE;
	if (!strcmp(arg, "device"))
		return FERRY_TRUST_DEVICE;
	if (strcmp(arg, "both"))
		argp_error(state, "--role takes edge, device or both, not '%s'", arg);
	return FERRY_TRUST_EDGE | FERRY_TRUST_DEVICE;
}

/* The trust file's own parser looks at each of them again. */
static void parse_models(struct argp_state *state, const char *arg, struct ferry_grant *g)
{
	size_t n;

	for (const char *at = arg;; at += n + 1) {
		n = strcspn(at, ",");
		if (g->n_models == FERRY_TRUST_MODELS || n >= FERRY_TRUST_MODEL_TEXT ||
		    strspn(at, "0123456789abcdef") < n || n < FERRY_TRUST_MIN_MODEL)
			argp_error(
				state,
				"--models takes up to %d ids of at least %d digits, separated by "
				"commas, not '%s'",
				FERRY_TRUST_MODELS, FERRY_TRUST_MIN_MODEL, arg);
		memcpy(g->models[g->n_models++], at, n);
		if (!at[n])
			return;
	}
}

static void parse_date(struct argp_state *state, const char *arg, struct ferry_grant *g)
{
	if (strlen(arg) != FERRY_TRUST_DATE - 1 || !ferry_trust_is_date(arg))
		argp_error(state, "--expires takes a day as YYYY-MM-DD, not '%s'", arg);
	memcpy(g->expires, arg, FERRY_TRUST_DATE);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct keys_options *o = state->input;

	if (key >= OPTION_ROLE && key <= OPTION_EXPIRES)
		o->limited = true;
	switch (key) {
	case OPTION_KEYS:
		o->keys.given.keys = arg;
		return 0;
	case OPTION_ROLE:
		o->grant.roles = parse_role(state, arg);
		return 0;
	case OPTION_NAME:
		o->name = arg;
		return 0;
	case OPTION_MODELS:
		if (strcmp(arg, "*"))
			parse_models(state, arg, &o->grant);
		return 0;
	case OPTION_KV_MEMORY:
		o->grant.kv_bytes = ferry_cli_number(state, "--kv-memory", arg, 1, 1 << 24) << 20;
		return 0;
	case OPTION_MAX_SESSIONS:
		o->grant.max_sessions =
			(uint32_t)ferry_cli_number(state, "--max-sessions", arg, 1, 1 << 16);
		return 0;
	case OPTION_EXPIRES:
		parse_date(state, arg, &o->grant);
		return 0;
	case ARGP_KEY_ARG:
		if (!o->verb)
			o->verb = arg;
		else if (!o->word)
			o->word = arg;
		else
			argp_error(state, "'%s' is one word too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_fingerprint(const struct ferry_identity *id)
{
	char text[FERRY_FINGERPRINT_TEXT];

	ferry_fingerprint_text(ferry_identity_fingerprint(id), text);
	printf("%s\n", text);
}

static int show(const struct keys_options *o, struct ferry_error *err)
{
	struct ferry_identity *id;
	int ret = ferry_identity_load(o->keys.directory, &id, err);

	if (ret == -ENOENT)
		ferry_fail_within(err, "there is no key yet ('ferry keys new' makes one)");
	if (ret)
		return ret;
	print_fingerprint(id);
	ferry_identity_free(id);
	return 0;
}

static int make(const struct keys_options *o, struct ferry_error *err)
{
	int ret = ferry_identity_create(o->keys.directory, err);

	if (ret == -EEXIST)
		ferry_fail_within(err, "others may trust the key that this machine has: remove it "
				       "first if it shall have another one");
	return ret ? ret : show(o, err);
}

static int take_fingerprint(const char *text, struct ferry_fingerprint *key,
			    struct ferry_error *err)
{
	size_t at;

	return ferry_fingerprint_parse(text, strlen(text), key, &at, err);
}

/* "key-abcdefgh", of the first characters behind "ferry1:". */
static void make_name(struct ferry_grant *g)
{
	char text[FERRY_FINGERPRINT_TEXT];

	ferry_fingerprint_text(&g->key, text);
	snprintf(g->name, sizeof(g->name), "key-%.8s", strchr(text, ':') + 1);
}

static int print_line(const struct ferry_grant *g, struct ferry_error *err)
{
	char line[FERRY_TRUST_LINE];
	int ret = ferry_trust_line(g, line, err);

	if (!ret)
		fputs(line, stdout);
	return ret;
}

static int trust(struct keys_options *o, struct ferry_error *err)
{
	struct ferry_grant *g = &o->grant;
	int ret;

	if (!g->roles)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "say by --role edge, device or both what the other machine is");
	ret = take_fingerprint(o->word, &g->key, err);
	if (ret)
		return ret;
	make_name(g);
	if (o->name && snprintf(g->name, sizeof(g->name), "%s", o->name) >= (int)sizeof(g->name))
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a name has at most %d characters", FERRY_TRUST_NAME - 1);
	ret = ferry_trust_put(o->keys.directory, g, err);
	return ret ? ret : print_line(g, err);
}

static const struct ferry_grant *find(const struct ferry_trust *t, const char *word)
{
	struct ferry_fingerprint key;

	if (!take_fingerprint(word, &key, NULL))
		return ferry_trust_find(t, &key);
	for (uint32_t i = 0; i < t->n; i++)
		if (!strcmp(t->grants[i].name, word))
			return &t->grants[i];
	return NULL;
}

static int revoke(struct keys_options *o, struct ferry_error *err)
{
	const struct ferry_grant *found;
	struct ferry_trust t;
	struct ferry_grant g = {.roles = FERRY_TRUST_EDGE | FERRY_TRUST_DEVICE};
	int ret = ferry_trust_load(o->keys.directory, &t, err);

	if (ret)
		return ret;
	found = find(&t, o->word);
	if (found)
		g = *found;
	ferry_trust_release(&t);
	/* One that only a CA speaks for has no line yet. */
	if (!found && take_fingerprint(o->word, &g.key, NULL))
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT,
				  "'%s' is neither a name in the trust file nor a fingerprint",
				  o->word);
	if (!found)
		make_name(&g);
	if (!g.revoked[0])
		ferry_trust_date(time(NULL), g.revoked);
	ret = ferry_trust_put(o->keys.directory, &g, err);
	return ret ? ret : print_line(&g, err);
}

static int list(const struct keys_options *o, struct ferry_error *err)
{
	char line[FERRY_TRUST_LINE];
	struct ferry_trust t;
	int ret = ferry_trust_load(o->keys.directory, &t, err);

	for (uint32_t i = 0; !ret && i < t.n; i++) {
		const struct ferry_grant *g = &t.grants[i];
		bool over = g->expires[0] && ferry_trust_date_over(g->expires, time(NULL));

		ret = ferry_trust_line(g, line, err);
		if (!ret)
			printf("%-8s %s",
			       g->revoked[0] ? "revoked"
			       : over	     ? "expired"
					     : "trusted",
			       line);
	}
	ferry_trust_release(&t);
	return ret;
}

static int run_verb(struct keys_options *o, struct ferry_error *err)
{
	static const struct {
		const char *name;
		int (*plain)(const struct keys_options *o, struct ferry_error *err);
		int (*with_word)(struct keys_options *o, struct ferry_error *err);
	} verbs[] = {
		{"new", make, NULL},	{"show", show, NULL},	  {"list", list, NULL},
		{"trust", NULL, trust}, {"revoke", NULL, revoke},
	};

	if (!o->verb)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a verb is missing: new, show, trust, list, revoke");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(o->verb, verbs[i].name))
			continue;
		if (o->limited && verbs[i].with_word != trust)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "--role, --name and limits go with 'ferry keys trust'");
		if (verbs[i].plain && o->word)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "'%.80s' is one word too many", o->word);
		if (verbs[i].with_word && !o->word)
			return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
					  "whom? '%s' takes a fingerprint (ferry1:...)%s", o->verb,
					  verbs[i].with_word == revoke ? " or a name" : "");
		return verbs[i].plain ? verbs[i].plain(o, err) : verbs[i].with_word(o, err);
	}
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "'%.80s' is no verb of it; it has new, show, trust, list, revoke",
			  o->verb);
}

int ferry_cli_keys(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "The key of this machine, and whose keys it trusts.\v"
		       "  new                 make this machine's key, once\n"
		       "  show                print its fingerprint, for the other machine to trust\n"
		       "  trust FINGERPRINT   trust another machine, within limits\n"
		       "  list                whom this machine trusts\n"
		       "  revoke NAME|FINGERPRINT   trust it no more; running edges notice",
		.args_doc = "new|show|trust|list|revoke [WORD]",
	};
	struct keys_options o = {0};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = ferry_cli_keys_directory(&o.keys, &err);
	if (!ret)
		ret = run_verb(&o, &err);
	if (!ret)
		ret = ferry_cli_check_output(&err);
	return ret ? ferry_cli_fail(command_name, &err) : CLI_OK;
}
