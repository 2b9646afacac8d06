// SPDX-License-Identifier: MIT
/*
 * ferry bench: one measurement of a model; or a sweep over models, threads and depths of context.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/bench_codec.h"
#include "cli/bench_measure.h"
#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/packed_weights.h"
#include "compute/pool.h"
#include "model/model.h"

static const char command_name[] = "ferry bench";

enum {
	BENCH_MAX_MODELS = 32,
	OPTION_CACHE = 0x100,
	OPTION_KV,
	OPTION_DEPTH,
	OPTION_SWEEP,
	OPTION_COMPARE,
	OPTION_CODEC,
};

struct bench_options {
	struct ferry_bench_setting setting;
	const char *models[BENCH_MAX_MODELS];
	unsigned n_models;
	const char *compare, *text;
	json_t *saved; /* what it names; NULL: nothing */
	bool json, sweep, codec;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct bench_options *o = state->input;
	struct ferry_bench_setting *b = &o->setting;

	switch (key) {
	case 'm':
		if (o->n_models == BENCH_MAX_MODELS)
			argp_error(state, "more than %d models", BENCH_MAX_MODELS);
		else
			o->models[o->n_models++] = arg;
		return 0;
	case 't':
		b->n_threads =
			(uint32_t)ferry_cli_number(state, "-t", arg, 1, FERRY_POOL_MAX_THREADS);
		return 0;
	case 'p':
		b->n_prompt = (uint32_t)ferry_cli_number(state, "-p", arg, 1, 1 << 20);
		return 0;
	case 'n':
		b->n_decode = (uint32_t)ferry_cli_number(state, "-n", arg, 1, 1 << 20);
		return 0;
	case 'r':
		b->n_rounds =
			(uint32_t)ferry_cli_number(state, "-r", arg, 1, FERRY_BENCH_MAX_ROUNDS);
		return 0;
	case OPTION_KV:
		b->kv = ferry_cli_kv(state, arg);
		return 0;
	case OPTION_DEPTH:
		b->depth[0] = (uint32_t)ferry_cli_number(state, "--depth", arg, 1, 1 << 20);
		b->n_depths = 1;
		return 0;
	case OPTION_CACHE:
		b->cache = arg;
		return 0;
	case OPTION_SWEEP:
		o->sweep = true;
		return 0;
	case OPTION_CODEC:
		o->codec = true;
		return 0;
	case 'f':
		o->text = arg;
		return 0;
	case OPTION_COMPARE:
		o->compare = arg;
		return 0;
	case 'R':
		b->reference = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (!o->n_models)
			argp_error(state, "-m MODEL is missing");
		if (o->n_models > 1 && !o->sweep)
			argp_error(state, "several models need --sweep");
		if (o->sweep && b->n_depths)
			argp_error(state, "--sweep has depths of its own: leave --depth out");
		if (o->text && !o->codec)
			argp_error(state, "-f goes with --codec");
		if (o->codec && (o->sweep || o->compare || b->n_depths || b->reference))
			argp_error(state, "--codec measures nothing else");
		if (o->compare && o->json)
			argp_error(state, "--compare makes a table: leave --json out");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file; with --sweep, any number of them", 0},
	{"threads", 't', "N", 0, "threads (default: the CPUs of this process)", 0},
	{"cache", OPTION_CACHE, "DIR|none", 0,
	 FERRY_CLI_CACHE_HELP "; an empty one shows what a first start takes", 0},
	{"prompt", 'p', "N", 0, "tokens of the prefill (default 128)", 0},
	{"decode", 'n', "N", 0, "tokens to decode behind it (default 32)", 0},
	{"rounds", 'r', "N", 0, "rounds, of which the medians are reported (default 3)", 0},
	{"depth", OPTION_DEPTH, "N", 0, "decode also behind a context of N positions", 0},
	{"sweep", OPTION_SWEEP, NULL, 0,
	 "a table of each model with 1 and N threads, behind the prompt, 1024 and 4096 positions",
	 0},
	{"compare", OPTION_COMPARE, "FILE", 0,
	 "ratios to what --json printed into FILE, for the same prompt length, threads and "
	 "KV cache",
	 0},
	{"kv", OPTION_KV, "f16|q8", 0, "type of the KV cache (default f16)", 0},
	{"codec", OPTION_CODEC, NULL, 0,
	 "what each encoding of hidden states costs: bytes, error, perplexity, time", 0},
	{"file", 'f', "FILE", 0, "with --codec: predict this text, not what the model says", 0},
	{"reference", 'R', NULL, 0, "measure the oracle path", 0},
	{"json", 'j', NULL, 0, "print one JSON object", 0},
	{0},
};

static int print_json(json_t *root)
{
	int ret = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;

	putchar('\n');
	json_decref(root);
	return ret;
}

static int measure_codecs(struct bench_options *o, struct ferry_error *err)
{
	struct ferry_bench_codec results[FERRY_ENCODINGS];
	uint32_t n_tokens;
	int ret;

	o->setting.model = o->models[0];
	ret = ferry_bench_codec(&o->setting, o->text, results, &n_tokens, err);
	if (ret)
		return ret;
	if (o->json)
		print_json(ferry_bench_codec_to_json(results, n_tokens));
	else
		ferry_bench_codec_print(results, n_tokens);
	return 0;
}

static int measure_one(struct bench_options *o, struct ferry_error *err)
{
	struct ferry_bench_result r;
	int ret;

	o->setting.model = o->models[0];
	ret = ferry_bench_measure(&o->setting, &r, err);
	if (ret)
		return ret;
	if (o->json) {
		print_json(ferry_bench_to_json(&o->setting, &r));
		return 0;
	}
	ferry_bench_print(&o->setting, &r);
	if (o->saved) {
		printf("\n");
		ferry_bench_table_head(o->saved);
		ferry_bench_table_lines(&o->setting, &r, o->saved);
	}
	return 0;
}

/* The depths of a sweep that the model's context has room for. */
static int set_depths(struct ferry_bench_setting *b, struct ferry_error *err)
{
	static const uint32_t depths[] = {1024, 4096};
	struct ferry_model *m;
	int ret = ferry_model_load(b->model, &m, err);

	if (ret)
		return ret;
	b->n_depths = 0;
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++)
		if (depths[i] + b->n_decode <= m->hp.n_ctx_train && depths[i] > b->n_prompt)
			b->depth[b->n_depths++] = depths[i];
	ferry_model_free(m);
	return 0;
}

/* Before minutes of measuring, not after. */
static int check_models(const struct bench_options *o, struct ferry_error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < o->n_models && !ret; i++) {
		struct ferry_model *m;

		ret = ferry_model_load(o->models[i], &m, err);
		if (!ret)
			ferry_model_free(m);
	}
	return ret;
}

static int sweep_threads(struct bench_options *o, json_t *results, struct ferry_error *err)
{
	struct ferry_bench_setting *b = &o->setting;
	const uint32_t most = b->n_threads;
	int ret = set_depths(b, err);

	for (int all = 0; all < 2 && !ret; all++) {
		struct ferry_bench_result r;

		b->n_threads = all ? most : 1;
		ret = ferry_bench_measure(b, &r, err);
		if (ret)
			break;
		if (o->json)
			json_array_append_new(results, ferry_bench_to_json(b, &r));
		else
			ferry_bench_table_lines(b, &r, o->saved);
		if (most == 1)
			break;
	}
	b->n_threads = most;
	return ret;
}

static int sweep(struct bench_options *o, struct ferry_error *err)
{
	json_t *results = json_array();
	int ret = check_models(o, err);

	if (!ret && !o->json)
		ferry_bench_table_head(o->saved);
	for (unsigned i = 0; i < o->n_models && !ret; i++) {
		o->setting.model = o->models[i];
		ret = sweep_threads(o, results, err);
	}
	if (ret || !o->json)
		json_decref(results);
	else
		print_json(json_pack("{s:o}", "results", results));
	return ret;
}

int ferry_cli_bench(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Prefill and decode speed, and the streaming read of the same weights by the same "
		       "threads, measured in turn.",
		.args_doc = "-m FILE",
	};
	struct bench_options o = {.setting = {.n_prompt = 128, .n_decode = 32, .n_rounds = 3}};
	struct ferry_error err = {0};
	int ret = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.compare)
		ret = ferry_bench_load(o.compare, &o.saved, &err);
	if (!ret)
		ret = o.codec	? measure_codecs(&o, &err)
		      : o.sweep ? sweep(&o, &err)
				: measure_one(&o, &err);
	json_decref(o.saved);
	if (ret)
		return ferry_cli_fail(command_name, &err);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
