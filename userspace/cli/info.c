// SPDX-License-Identifier: MIT
/*
 * ferry info: what a model file holds, whether or not this machine could run it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "cli/command.h"
#include "compute/attention.h"
#include "engine/kv_cache.h"
#include "model/chat_template.h"
#include "model/model.h"
#include "model/tokenizer.h"

static const char command_name[] = "ferry info";

struct info_options {
	const char *model;
	bool json;
	bool tensors;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct info_options *o = state->input;

	switch (key) {
	case 'm':
		o->model = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'T':
		o->tensors = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->model)
			argp_error(state, "one model at a time; '%s' is too many", arg);
		o->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->model)
			argp_error(state, "-m MODEL is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file", 0},
	{"tensors", 'T', NULL, 0, "list every tensor", 0},
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

/* File strings need not be UTF-8, which is all that JSON takes. */
static json_t *json_text(const char *bytes, size_t n)
{
	json_t *s = json_stringn(bytes, n);

	return s ? s : json_string("(not UTF-8)");
}

static void hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

static json_t *describe_file(const struct ferry_gguf *g, bool with_tensors)
{
	json_t *root = json_object(), *types = json_object(), *tensors = json_array();
	uint64_t bytes = 0;

	json_object_set_new(root, "file", json_text(g->path, strlen(g->path)));
	json_object_set_new(root, "gguf_version", json_integer(g->version));
	json_object_set_new(root, "n_keys", json_integer((json_int_t)g->n_values));
	json_object_set_new(root, "n_tensors", json_integer((json_int_t)g->n_tensors));
	for (uint64_t i = 0; i < g->n_tensors; i++) {
		const struct ferry_tensor *t = &g->tensors[i];
		const char *type = ferry_type_traits(t->type)->name;
		json_t *shape;

		bytes += t->n_bytes;
		json_object_set_new(types, type,
				    json_integer(json_integer_value(json_object_get(types, type)) +
						 (json_int_t)t->n_bytes));
		if (!with_tensors)
			continue;
		shape = json_array();
		for (uint32_t d = t->n_dims; d-- > 0;)
			json_array_append_new(shape, json_integer((json_int_t)t->dim[d]));
		json_array_append_new(tensors,
				      json_pack("{s:o, s:s, s:o, s:I}", "name",
						json_text(t->name, strlen(t->name)), "type", type,
						"shape", shape, "bytes", (json_int_t)t->n_bytes));
	}
	json_object_set_new(root, "weight_bytes", json_integer((json_int_t)bytes));
	json_object_set_new(root, "bytes_by_type", types);
	if (with_tensors)
		json_object_set_new(root, "tensors", tensors);
	else
		json_decref(tensors);
	return root;
}

static void describe_tokenizer(json_t *root, const struct ferry_gguf *g)
{
	const struct ferry_chat_template *template;
	struct ferry_tokenizer *t;
	struct ferry_error err;

	if (ferry_tokenizer_new(g, &t, &err)) {
		json_object_set_new(root, "tokenizer", json_null());
		json_object_set_new(root, "tokenizer_error", json_text(err.text, strlen(err.text)));
	} else {
		struct ferry_gguf_string kind = {"", 0}, pre = {"", 0};

		ferry_gguf_get_string(g, "tokenizer.ggml.model", &kind, NULL);
		ferry_gguf_get_string(g, "tokenizer.ggml.pre", &pre, NULL);
		json_object_set_new(
			root, "tokenizer",
			json_pack("{s:o, s:o, s:i, s:i, s:i, s:b}", "model",
				  json_text(kind.bytes, kind.n), "pre", json_text(pre.bytes, pre.n),
				  "n_vocab", (int)ferry_tokenizer_n_vocab(t), "bos",
				  (int)ferry_tokenizer_bos(t), "eos", (int)ferry_tokenizer_eos(t),
				  "adds_bos", (int)ferry_tokenizer_adds_bos(t)));
		ferry_tokenizer_free(t);
	}
	if (ferry_chat_template_detect(g, &template, &err))
		json_object_set_new(root, "chat_template", json_null());
	else
		json_object_set_new(root, "chat_template",
				    json_string(ferry_chat_template_name(template)));
}

static void describe_model(json_t *root, const struct ferry_model *m)
{
	const struct ferry_hparams *h = &m->hp;
	char id[65];

	hex(m->id, sizeof(m->id), id);
	json_object_set_new(root, "name", json_text(m->name, strlen(m->name)));
	json_object_set_new(root, "architecture", json_string(m->arch->name));
	json_object_set_new(root, "id", json_string(id));
	json_object_set_new(root, "n_params", json_integer((json_int_t)m->n_params));
	json_object_set_new(root, "n_layers", json_integer(h->n_layers));
	json_object_set_new(root, "n_ctx_train", json_integer(h->n_ctx_train));
	json_object_set_new(root, "n_embd", json_integer(h->n_embd));
	json_object_set_new(root, "n_ff", json_integer(h->n_ff));
	json_object_set_new(root, "n_head", json_integer(h->n_head));
	json_object_set_new(root, "n_head_kv", json_integer(h->n_head_kv));
	json_object_set_new(root, "n_head_dim", json_integer(h->n_head_dim));
	json_object_set_new(root, "n_vocab", json_integer(h->n_vocab));
	if (h->n_experts) {
		json_object_set_new(root, "n_experts", json_integer(h->n_experts));
		json_object_set_new(root, "n_experts_used", json_integer(h->n_experts_used));
	}
	if (h->n_swa)
		json_object_set_new(root, "sliding_window", json_integer(h->n_swa));
	/* A cache has whole tiles only. */
	json_object_set_new(
		root, "kv_bytes_per_position",
		json_integer((json_int_t)ferry_kv_cache_bytes(m, 0, h->n_layers,
							      FERRY_ATTENTION_TILE, FERRY_KV_F16) /
			     FERRY_ATTENTION_TILE));
}

/* Names come from the file: nothing of them may steer the terminal. */
static void print_line(char *text)
{
	ferry_make_printable(text);
	puts(text);
	free(text);
}

static void print_plain(const json_t *root, int indent)
{
	const char *key;
	json_t *value;
	char *text;

	json_object_foreach((json_t *)root, key, value)
	{
		printf("%*s%-*s ", indent, "", 24 - indent, key);
		switch (json_typeof(value)) {
		case JSON_OBJECT:
			putchar('\n');
			print_plain(value, indent + 2);
			break;
		case JSON_ARRAY: {
			size_t i;
			json_t *t;

			putchar('\n');
			json_array_foreach(value, i, t)
			{
				char *line = json_dumps(t, JSON_COMPACT);

				fputs("  ", stdout);
				if (line)
					print_line(line);
			}
			break;
		}
		case JSON_STRING:
			text = strdup(json_string_value(value));
			if (text)
				print_line(text);
			break;
		case JSON_INTEGER:
			printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
			break;
		case JSON_TRUE:
			puts("yes");
			break;
		case JSON_FALSE:
			puts("no");
			break;
		default:
			puts("none");
		}
	}
}

int ferry_cli_info(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "What a GGUF file holds. A file that cannot be run as a model (a vocabulary, an "
		       "unknown architecture) is described as far as possible, with the reason.",
		.args_doc = "-m FILE",
	};
	struct info_options o = {0};
	struct ferry_gguf *g = NULL;
	struct ferry_model *m = NULL;
	struct ferry_error err;
	json_t *root;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (ferry_gguf_open(o.model, &g, &err))
		return ferry_cli_fail(command_name, &err);
	root = describe_file(g, o.tensors);
	if (ferry_model_load(o.model, &m, &err))
		json_object_set_new(root, "model_error", json_text(err.text, strlen(err.text)));
	else
		describe_model(root, m);
	describe_tokenizer(root, g);
	if (o.json) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_plain(root, 0);
	}
	json_decref(root);
	ferry_model_free(m);
	ferry_gguf_close(g);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
