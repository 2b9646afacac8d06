// SPDX-License-Identifier: MIT
/*
 * ferry net rules: checks a rules file, applies it, shows what the rules have decided.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"
#include "cli/net_verbs.h"
#include "cli/net_view.h"
#include "net/rules.h"

struct rules_options {
	const char *device, *file, *check;
	bool show;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct rules_options *o = state->input;

	switch (key) {
	case 'c':
		o->check = arg;
		return 0;
	case 's':
		o->show = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!o->device)
			o->device = arg;
		else if (!o->file)
			o->file = arg;
		else
			argp_error(state, "an interface and a file are expected, not also '%s'",
				   arg);
		return 0;
	case ARGP_KEY_END:
		if (o->check ? o->file || o->show : !o->device || (o->file && o->show))
			argp_error(state, "'DEV', 'DEV FILE', 'DEV --show' or '--check FILE' is "
					  "expected");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"check", 'c', "FILE", 0, "say whether a file is right, and change nothing", 0},
	{"show", 's', NULL, 0, "show the rules that hold, with their packets (default)", 0},
	{0},
};

static int check(const char *path, struct ferry_error *err)
{
	struct ferry_rules rules;
	const int ret = ferry_rules_load(&rules, path, err);

	if (!ret)
		printf("%u rules\n", rules.n);
	ferry_rules_free(&rules);
	return ret;
}

/* One line of the text, without its end. */
static void line_of(const char *text, size_t bytes, unsigned int number, char *line, size_t room)
{
	const char *at = text, *end = text + bytes, *stop;
	size_t n;

	for (unsigned int i = 1; i < number && at < end; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : end;
	}
	stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	n = (size_t)((stop ? stop : end) - at);
	if (n >= room)
		n = room - 1;
	memcpy(line, at, n);
	line[n] = 0;
	ferry_make_printable(line);
}

int ferry_net_rule_line(const struct net_view *v, unsigned int rule, unsigned int *number,
			char *line, size_t room, struct ferry_error *err)
{
	struct ferry_rules rules = {0};
	char *text;
	size_t bytes;
	int ret = ferry_gateway_rules(&v->record, NULL, &text, &bytes, err);

	if (!ret)
		ret = ferry_rules_read(&rules, "rules", text, bytes, err);
	if (!ret && (!rule || rule > rules.n))
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -ENOENT, "there is no rule %u", rule);
	if (!ret) {
		*number = rules.rule[rule - 1].line;
		line_of(text, bytes, *number, line, room);
	}
	ferry_rules_free(&rules);
	free(text);
	return ret;
}

static int show(const char *device, struct ferry_error *err)
{
	struct ferry_gateway_record *record = malloc(sizeof(*record));
	uint64_t packets[FERRY_RULES_MAX];
	struct ferry_classifier *c = NULL;
	struct ferry_device found;
	struct ferry_rules rules = {0};
	char line[300], *text = NULL;
	size_t bytes = 0;
	int ret = record ? ferry_device_find(device, &found, err)
			 : ferry_fail_memory(err, "a record", sizeof(*record));

	if (!ret)
		ret = ferry_gateway_recorded(&found, NULL, record, err);
	if (!ret)
		ret = ferry_gateway_rules(record, NULL, &text, &bytes, err);
	if (!ret)
		ret = ferry_rules_read(&rules, "rules", text, bytes, err);
	if (!ret)
		ret = ferry_classifier_open(&c, device, NULL, err);
	if (!ret)
		ret = ferry_classifier_hits(c, packets, rules.n, err);
	if (!ret)
		printf("%5s %12s  %s\n", "rule", "packets",
		       record->rules[0] ? record->rules : "llm-servers.rules, built in");
	for (unsigned int i = 0; !ret && i < rules.n; i++) {
		line_of(text, bytes, rules.rule[i].line, line, sizeof(line));
		printf("%5u %12" PRIu64 "  %u: %s\n", i + 1, packets[i], rules.rule[i].line, line);
	}
	ferry_classifier_close(c);
	ferry_rules_free(&rules);
	free(text);
	free(record);
	return ret;
}

int ferry_cli_net_rules(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "The rules of the classifier on a link: ferry-rules(5). With FILE they are replaced, "
		       "all of them, and later ups go on using FILE.",
		.args_doc = "DEV\nDEV FILE\n--check FILE",
	};
	struct rules_options o = {0};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.check)
		ret = check(o.check, &err);
	else if (o.file)
		ret = ferry_gateway_set_rules(o.device, NULL, o.file, &err);
	else
		ret = show(o.device, &err);
	if (!ret)
		ret = ferry_cli_check_output(&err);
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
