// SPDX-License-Identifier: MIT
/*
 * ferry net: what the kernel module knows of links, energy and mode, and pushing more into it.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "net/reading.h"

static const char command_name[] = "ferry net";

enum { WORDS_MAX = 32 };

struct net_options {
	bool json;
	char *words[WORDS_MAX];
	size_t n_words;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct net_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->n_words == WORDS_MAX)
			argp_error(state, "more than %d words", WORDS_MAX);
		o->words[o->n_words++] = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "'show', 'push' or 'remove' is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"json", 'j', NULL, 0, "(show) print one JSON object", 0},
	{0},
};

/* Any of a command's objects: its name on the command line and in JSON. */
static const struct {
	const char *name;
	const char *title;
	enum ferry_net_object object;
} shown[] = {
	{"link", "links", FERRY_NET_LINK},
	{"energy", "energy", FERRY_NET_ENERGY},
	{"mode", "mode", FERRY_NET_MODE},
};

enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };

static json_t *json_value(const struct ferry_key_value *value)
{
	json_t *text;

	switch (value->key->type) {
	case FERRY_KEY_WORD:
		return json_string(ferry_key_word(value));
	case FERRY_KEY_TEXT:
		/* A network device may have any bytes as its name. */
		text = json_string(value->text);
		return text ? text : json_string("(not UTF-8)");
	default:
		return json_integer((json_int_t)value->number);
	}
}

static int to_json(const struct ferry_key_values *values, void *data)
{
	json_t *object = json_object();

	for (size_t i = 0; i < values->n; i++)
		json_object_set_new(object, values->value[i].key->name,
				    json_value(&values->value[i]));
	return json_array_append_new(data, object) ? -ENOMEM : 0;
}

static int print_plain(const struct ferry_key_values *values, void *data)
{
	const char *separator = "";

	(void)data;
	for (size_t i = 0; i < values->n; i++) {
		const struct ferry_key_value *v = &values->value[i];

		printf("%s%s=", separator, v->key->name);
		if (v->key->type == FERRY_KEY_WORD) {
			fputs(ferry_key_word(v), stdout);
		} else if (v->key->type == FERRY_KEY_TEXT) {
			/* Nothing of a name may steer the terminal. */
			for (const char *c = v->text; *c; c++)
				putchar(*c >= ' ' && *c <= '~' ? *c : '?');
		} else if (v->key->type == FERRY_KEY_S32) {
			printf("%" PRId64, (int64_t)v->number);
		} else {
			printf("%" PRIu64, v->number);
		}
		separator = " ";
	}
	putchar('\n');
	return 0;
}

/*
 * What one may not read is left out where everything is shown, so that 'ferry net show' is of use
 * to everybody; who asks for it by name is told.
 */
static int show(struct ferry_family *family, const struct net_options *o, const char *name,
		struct ferry_error *err)
{
	json_t *root = json_object();
	int ret = 0;

	for (size_t i = 0; i < SHOWN && !ret; i++) {
		json_t *list = json_array();

		if (name && strcmp(name, shown[i].name)) {
			json_decref(list);
			continue;
		}
		ret = ferry_net_read(family, shown[i].object, o->json ? to_json : print_plain, list,
				     err);
		if (!name && (ret == -EPERM || ret == -EOPNOTSUPP)) {
			json_decref(list);
			ret = 0;
			continue;
		}
		if (shown[i].object == FERRY_NET_MODE) {
			json_object_update(root, json_array_get(list, 0));
			json_decref(list);
		} else {
			json_object_set_new(root, shown[i].title, list);
		}
	}
	if (!ret && o->json && (json_dumpf(root, stdout, JSON_INDENT(2)) || putchar('\n') < 0))
		ret = ferry_cli_check_output(err);
	json_decref(root);
	return ret;
}

/* What the command line asks for. */
struct action {
	enum { ACTION_SHOW, ACTION_PUSH, ACTION_REMOVE } verb;
	enum ferry_net_object object; /* of ACTION_PUSH */
	const char *name;
	struct ferry_key_values values;
};

static int parse_push(char **words, size_t n, struct action *action, struct ferry_error *err)
{
	static const char expected[] =
		"push takes 'link DEVICE KEY=VALUE...', 'energy NAME KEY=VALUE...', "
		"'model KEY=VALUE...' or 'mode normal|saver|critical'";
	const char *object = n ? words[0] : "";
	size_t first = 2;
	char mode[64];
	int ret = 0;

	action->verb = ACTION_PUSH;
	if (!strcmp(object, "mode") && n == 2) {
		/* `mode saver` is short for mode=saver. */
		snprintf(mode, sizeof(mode), "mode=%s", words[1]);
		action->object = FERRY_NET_MODE;
		return ferry_key_parse(FERRY_NET_MODE, mode, &action->values, err);
	}
	if (!strcmp(object, "link")) {
		action->object = FERRY_NET_LINK;
	} else if (!strcmp(object, "energy")) {
		action->object = FERRY_NET_ENERGY;
	} else if (!strcmp(object, "model")) {
		action->object = FERRY_NET_MODEL;
		first = 1;
	} else {
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%s", expected);
	}
	if (n <= first)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%s", expected);
	action->name = first == 2 ? words[1] : NULL;
	for (size_t i = first; i < n && !ret; i++)
		ret = ferry_key_parse(action->object, words[i], &action->values, err);
	return ret;
}

/* Before the kernel is asked for anything: wrong words are wrong without the module, too. */
static int parse_words(char **words, size_t n, struct action *action, struct ferry_error *err)
{
	if (!strcmp(words[0], "show") && n <= 2) {
		action->verb = ACTION_SHOW;
		action->name = n == 2 ? words[1] : NULL;
		for (size_t i = 0; i < SHOWN; i++)
			if (!action->name || !strcmp(action->name, shown[i].name))
				return 0;
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "show takes 'link', 'energy' or 'mode', not '%.40s'",
				  action->name);
	}
	if (!strcmp(words[0], "push"))
		return parse_push(words + 1, n - 1, action, err);
	if (!strcmp(words[0], "remove") && n == 3 && !strcmp(words[1], "energy")) {
		action->verb = ACTION_REMOVE;
		action->name = words[2];
		return 0;
	}
	return ferry_fail(
		err, FERRY_ERROR_CALLER, -EINVAL,
		"'show [link|energy|mode]', 'push ...' or 'remove energy NAME' is expected; "
		"'ferry net --help' says more");
}

static int act(const struct action *action, const struct net_options *o, struct ferry_error *err)
{
	struct ferry_family *family;
	int ret = ferry_family_open(&family, err);

	if (ret)
		return ret;
	switch (action->verb) {
	case ACTION_SHOW:
		ret = show(family, o, action->name, err);
		break;
	case ACTION_PUSH:
		ret = ferry_net_push(family, action->object, action->name, &action->values, err);
		break;
	case ACTION_REMOVE:
		ret = ferry_net_remove(family, action->name, err);
		break;
	}
	ferry_family_close(family);
	return ret ? ret : ferry_cli_check_output(err);
}

int ferry_cli_net(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "What the kernel module ferry knows of links, of energy and of the mode of the "
		       "machine; and pushing what somebody else has measured into it.\v"
		       "KEYs are the names of the files in /sys/class/ferry_link and "
		       "/sys/class/ferry_energy, without those that only the kernel knows, and:\n"
		       "  source=measured|estimate|fake  where it comes from (required)\n"
		       "  age_ms=N    how old it is already (0)\n"
		       "  valid_ms=N  how long after it was taken it holds (10000)\n"
		       "Pushing to a link takes CAP_NET_ADMIN in its network namespace, all else root.",
		.args_doc = "show [link|energy|mode]\n"
			    "push link DEVICE KEY=VALUE...\n"
			    "push energy NAME KEY=VALUE...\n"
			    "push model KEY=VALUE...\n"
			    "push mode normal|saver|critical\n"
			    "remove energy NAME",
	};
	struct net_options o = {0};
	struct action action = {0};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = parse_words(o.words, o.n_words, &action, &err);
	if (!ret)
		ret = act(&action, &o, &err);
	return ret ? ferry_cli_fail(command_name, &err) : CLI_OK;
}
