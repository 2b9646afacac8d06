// SPDX-License-Identifier: MIT
/*
 * ferry net push, ferry net remove: feeding the kernel module what somebody else has measured.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/net_verbs.h"

enum { WORDS_MAX = 32 };

struct words {
	char *word[WORDS_MAX];
	size_t n;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (words->n == WORDS_MAX)
		argp_error(state, "more than %d words", WORDS_MAX);
	words->word[words->n++] = arg;
	return 0;
}

/* What the command line asks for. */
struct action {
	enum ferry_net_object object;
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

int ferry_cli_net_push(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_option,
		.doc = "Push what somebody else has measured into the kernel module ferry.\v"
		       "KEYs are the names of the files in /sys/class/ferry_link and "
		       "/sys/class/ferry_energy, without those that only the kernel knows, and:\n"
		       "  source=measured|estimate|fake  where it comes from (required)\n"
		       "  age_ms=N    how old it is already (0)\n"
		       "  valid_ms=N  how long after it was taken it holds (10000)\n"
		       "Pushing to a link takes CAP_NET_ADMIN in its network namespace, all else root.",
		.args_doc = "link DEVICE KEY=VALUE...\n"
			    "energy NAME KEY=VALUE...\n"
			    "model KEY=VALUE...\n"
			    "mode normal|saver|critical",
	};
	struct action action = {0};
	struct ferry_family *family;
	struct words words = {0};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &words);
	/* Before the kernel is asked: wrong words are wrong without the module, too. */
	ret = parse_push(words.word, words.n, &action, &err);
	if (!ret)
		ret = ferry_family_open(&family, &err);
	if (!ret) {
		ret = ferry_net_push(family, action.object, action.name, &action.values, &err);
		ferry_family_close(family);
	}
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}

int ferry_cli_net_remove(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_option,
		.doc = "Remove an energy source that was pushed.",
		.args_doc = "energy NAME",
	};
	struct ferry_family *family;
	struct words words = {0};
	struct ferry_error err;
	int ret = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &words);
	if (words.n != 2 || strcmp(words.word[0], "energy"))
		ret = ferry_fail(&err, FERRY_ERROR_CALLER, -EINVAL,
				 "'remove energy NAME' is expected");
	if (!ret)
		ret = ferry_family_open(&family, &err);
	if (!ret) {
		ret = ferry_net_remove(family, words.word[1], &err);
		ferry_family_close(family);
	}
	return ret ? ferry_cli_fail(argv[0], &err) : CLI_OK;
}
