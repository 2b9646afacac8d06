// SPDX-License-Identifier: MIT
/*
 * ferry net show: what the kernel module knows of links, energy and mode.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/net_verbs.h"

struct show_options {
	bool json;
	const char *name; /* of the only object to be shown, or NULL */
	bool too_many;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct show_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		o->too_many = o->name != NULL;
		o->name = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"json", 'j', NULL, 0, "print one JSON object", 0},
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
static int show(struct ferry_family *family, const struct show_options *o, struct ferry_error *err)
{
	const char *name = o->name;
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

static int check_name(const struct show_options *o, struct ferry_error *err)
{
	for (size_t i = 0; i < SHOWN; i++)
		if (!o->name || (!o->too_many && !strcmp(o->name, shown[i].name)))
			return 0;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
			  "show takes one of 'link', 'energy' and 'mode', not '%.40s'", o->name);
}

int ferry_cli_net_show(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "What the kernel module ferry knows of links, of energy and of the mode of the "
		       "machine.",
		.args_doc = "[link|energy|mode]",
	};
	struct ferry_family *family;
	struct show_options o = {0};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	/* Before the kernel is asked: wrong words are wrong without the module, too. */
	ret = check_name(&o, &err);
	if (!ret)
		ret = ferry_family_open(&family, &err);
	if (!ret) {
		ret = show(family, &o, &err);
		ferry_family_close(family);
	}
	if (!ret)
		ret = ferry_cli_check_output(&err);
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
