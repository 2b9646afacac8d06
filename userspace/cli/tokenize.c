// SPDX-License-Identifier: MIT
/*
 * ferry tokenize: text to ids and back, by the vocabulary of a file with or without weights.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/text_file.h"
#include "model/tokenizer.h"

static const char command_name[] = "ferry tokenize";

struct tokenize_options {
	const char *model, *file, *prompt;
	bool bos, special, json, decode;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct tokenize_options *o = state->input;

	switch (key) {
	case 'm':
		o->model = arg;
		return 0;
	case 'f':
		o->file = arg;
		return 0;
	case 'p':
		o->prompt = arg;
		return 0;
	case 'b':
		o->bos = true;
		return 0;
	case 's':
		o->special = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'd':
		o->decode = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is no option; text is given by -p or -f", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->model)
			argp_error(state, "-m MODEL is missing");
		if (!o->file == !o->prompt)
			argp_error(state, "give the text by one of -f FILE and -p TEXT");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "a GGUF file; a vocabulary without weights will do", 0},
	{"file", 'f', "FILE", 0, "read the text here ('-': standard input)", 0},
	{"prompt", 'p', "TEXT", 0, "the text itself", 0},
	{"bos", 'b', NULL, 0, "put the begin-of-text token in front", 0},
	{"special", 's', NULL, 0,
	 "control tokens written in the text become their ids; with --decode, print them", 0},
	{"decode", 'd', NULL, 0, "the other way: ids, separated by blanks or commas, to text", 0},
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

static int decode(const struct ferry_tokenizer *t, const struct tokenize_options *o,
		  const char *text, size_t n, struct ferry_error *err)
{
	int32_t *ids = NULL;
	size_t n_ids = 0, n_out = 0;
	char *out = NULL;
	int ret = ferry_token_list_parse(text, n, &ids, &n_ids, err);

	if (!ret)
		ret = ferry_tokenizer_decode(
			t, ids, n_ids, FERRY_DECODE_FIRST | (o->special ? FERRY_DECODE_SPECIAL : 0),
			&out, &n_out, err);
	if (!ret && o->json) {
		json_t *s = json_stringn(out, n_out);

		if (s) {
			json_t *root = json_pack("{s:o, s:I}", "text", s, "n", (json_int_t)n_ids);

			json_dumpf(root, stdout, 0);
			putchar('\n');
			json_decref(root);
		} else {
			err->kind = FERRY_ERROR_FILE;
			snprintf(
				err->text, sizeof(err->text),
				"these ids are not UTF-8 text, which JSON needs; print without --json");
			ret = -1;
		}
	} else if (!ret) {
		fwrite(out, 1, n_out, stdout);
	}
	free(out);
	free(ids);
	return ret;
}

static int encode(const struct ferry_tokenizer *t, const struct tokenize_options *o,
		  const char *text, size_t n, struct ferry_error *err)
{
	unsigned flags = (o->bos ? FERRY_ENCODE_BOS : 0) | (o->special ? FERRY_ENCODE_SPECIAL : 0);
	int32_t *ids = NULL;
	size_t n_ids = 0;
	int ret = ferry_tokenizer_encode(t, text, n, flags, &ids, &n_ids, err);

	if (ret)
		return ret;
	if (o->json)
		printf("{\"ids\": [");
	for (size_t i = 0; i < n_ids; i++)
		printf("%s%d", i ? (o->json ? ", " : " ") : "", ids[i]);
	if (o->json)
		printf("], \"n\": %zu}", n_ids);
	putchar('\n');
	free(ids);
	return 0;
}

int ferry_cli_tokenize(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Text to token ids, separated by spaces, and back.",
		.args_doc = "-m FILE {-f FILE | -p TEXT}",
	};
	struct tokenize_options o = {0};
	struct ferry_gguf *g = NULL;
	struct ferry_tokenizer *t = NULL;
	struct ferry_error err = {0};
	char *text = NULL;
	size_t n = 0;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ret = ferry_gguf_open(o.model, &g, &err);
	if (!ret)
		ret = ferry_tokenizer_new(g, &t, &err);
	if (!ret && o.file)
		ret = ferry_text_file_read(o.file, &text, &n, &err);
	if (!ret && o.prompt)
		n = strlen(o.prompt);
	if (!ret)
		ret = o.decode ? decode(t, &o, o.prompt ? o.prompt : text, n, &err)
			       : encode(t, &o, o.prompt ? o.prompt : text, n, &err);
	free(text);
	ferry_tokenizer_free(t);
	ferry_gguf_close(g);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
