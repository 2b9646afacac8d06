// SPDX-License-Identifier: MIT
/*
 * ferry plan: where the layers should run, from a description and options alone; and the same over
 * time, by replaying a trace of a link.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/text_file.h"
#include "compute/attention.h"
#include "model/model.h"
#include "plan/description.h"
#include "plan/explain.h"
#include "plan/sim/replay.h"

static const char command_name[] = "ferry plan";

enum {
	TRACE_SAMPLES = 6000,
	TRACE_STEP_US = 100000,
	OPTION_RTT = 256,
	OPTION_UP,
	OPTION_DOWN,
	OPTION_LOSS,
	OPTION_PRIVACY,
	OPTION_OBJECTIVE,
	OPTION_DEVICE_MEMORY,
	OPTION_EDGE_MEMORY,
	OPTION_BATTERY,
	OPTION_QUALITY,
	OPTION_NO_CARRIER,
	OPTION_EXPLAIN,
	OPTION_JSON,
	OPTION_TRACE,
	OPTION_SEED,
};

static const struct argp_option option_table[] = {
	{"description", 'd', "FILE", 0,
	 "JSON: costs of the layers, link, energy (-: standard input)", 0},
	{"model", 'm', "FILE", 0, "layers and bytes of this GGUF file", 0},
	{"prompt", 'p', "N", 0, "tokens of the prompt", 1},
	{"new", 'n', "N", 0, "tokens of the answer", 1},
	{"rtt", OPTION_RTT, "MS", 0, "the link's round trip", 2},
	{"up", OPTION_UP, "MBIT", 0, "its rate to the edge", 2},
	{"down", OPTION_DOWN, "MBIT", 0, "its rate from the edge", 2},
	{"loss", OPTION_LOSS, "SHARE", 0, "of packets, 0 to 0.99", 2},
	{"no-carrier", OPTION_NO_CARRIER, NULL, 0, "the link is down", 2},
	{"privacy", OPTION_PRIVACY, "LEVEL", 0, "what may leave: tokens, hidden, ushape, none", 3},
	{"objective", OPTION_OBJECTIVE, "WHAT", 0,
	 "latency, energy, cost, or weights of seconds, joules, money: 1,0.5,0", 3},
	{"quality", OPTION_QUALITY, "X", 0, "what encodings may cost in quality", 3},
	{"device-memory", OPTION_DEVICE_MEMORY, "MB", 0, "of this machine", 4},
	{"edge-memory", OPTION_EDGE_MEMORY, "MB", 0, "of the edge", 4},
	{"battery", OPTION_BATTERY, "SHARE", 0, "of the battery that is left, 0 to 1", 4},
	{"explain", OPTION_EXPLAIN, NULL, 0, "the table of candidates, too", 5},
	{"json", OPTION_JSON, NULL, 0, "print one JSON object", 5},
	{"trace", OPTION_TRACE, "FILE", 0, "replay this file, or lte, wifi, ethernet", 6},
	{"seed", OPTION_SEED, "N", 0, "of a generated trace and its conversation (1)", 6},
	{0},
};

struct plan_options {
	const char *description, *model, *trace;
	double prompt, new_tokens, rtt, up, down, loss, quality, device_memory, edge_memory,
		battery;
	int privacy; /* -1: as described */
	bool has_objective, no_carrier, explain, json;
	struct ferry_plan_objective objective;
	uint64_t seed;
};

static void parse_objective(struct plan_options *o, char *arg, struct argp_state *state)
{
	/* The score is of us, uJ and money: a second against a joule is the same ratio. */
	static const struct {
		const char *name;
		struct ferry_plan_objective objective;
	} known[] = {{"latency", {1, 0, 0}}, {"energy", {0, 1, 0}}, {"cost", {0, 0, 1}}};
	double v[3];
	char end;

	o->has_objective = true;
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(arg, known[i].name)) {
			o->objective = known[i].objective;
			return;
		}
	if (sscanf(arg, "%lf,%lf,%lf%c", &v[0], &v[1], &v[2], &end) != 3 || !(v[0] >= 0) ||
	    !(v[1] >= 0) || !(v[2] >= 0) || !(v[0] + v[1] + v[2] > 0) ||
	    !isfinite(v[0] + v[1] + v[2]))
		argp_error(state,
			   "--objective takes latency, energy, cost or three weights, not '%s'",
			   arg);
	o->objective = (struct ferry_plan_objective){v[0] / 1e6, v[1] / 1e6, v[2]};
}

static void parse_privacy(struct plan_options *o, char *arg, struct argp_state *state)
{
	for (o->privacy = 0; o->privacy < FERRY_N_PRIVACY; o->privacy++)
		if (!strcmp(arg, ferry_privacy_name((enum ferry_privacy)o->privacy)))
			return;
	argp_error(state, "--privacy takes tokens, hidden, ushape or none, not '%s'", arg);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct plan_options *o = state->input;
	const struct {
		int key;
		const char *name;
		double *to, min, max;
	} reals[] = {
		{'p', "--prompt", &o->prompt, 0, 1 << 24},
		{'n', "--new", &o->new_tokens, 0, 1 << 24},
		{OPTION_RTT, "--rtt", &o->rtt, 0, 1e6},
		{OPTION_UP, "--up", &o->up, 1e-6, 1e6},
		{OPTION_DOWN, "--down", &o->down, 1e-6, 1e6},
		{OPTION_LOSS, "--loss", &o->loss, 0, 0.99},
		{OPTION_QUALITY, "--quality", &o->quality, 0, 1e6},
		{OPTION_DEVICE_MEMORY, "--device-memory", &o->device_memory, 0, 1e9},
		{OPTION_EDGE_MEMORY, "--edge-memory", &o->edge_memory, 0, 1e9},
		{OPTION_BATTERY, "--battery", &o->battery, 0, 1},
	};

	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
		if (reals[i].key == key) {
			*reals[i].to = (double)ferry_cli_real(state, reals[i].name, arg,
							      reals[i].min, reals[i].max);
			return 0;
		}
	switch (key) {
	case 'd':
		o->description = arg;
		return 0;
	case 'm':
		o->model = arg;
		return 0;
	case OPTION_PRIVACY:
		parse_privacy(o, arg, state);
		return 0;
	case OPTION_OBJECTIVE:
		parse_objective(o, arg, state);
		return 0;
	case OPTION_NO_CARRIER:
		o->no_carrier = true;
		return 0;
	case OPTION_EXPLAIN:
		o->explain = true;
		return 0;
	case OPTION_JSON:
		o->json = true;
		return 0;
	case OPTION_TRACE:
		o->trace = arg;
		return 0;
	case OPTION_SEED:
		o->seed = ferry_cli_number(state, "--seed", arg, 0, UINT64_MAX);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too many", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->description)
			argp_error(state, "-d FILE is missing: what the layers cost");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Layers, width and bytes of a model file, under what the description says. */
static int read_model(const char *path, struct ferry_plan_description *d, struct ferry_error *err)
{
	struct ferry_plan_problem *p = &d->problem;
	struct ferry_model *m;
	int ret = ferry_model_load(path, &m, err);

	if (ret)
		return ret;
	p->n_layers = m->hp.n_layers;
	p->n_embd = m->hp.n_embd;
	p->embed_bytes = (double)m->token_embd->n_bytes;
	p->head_bytes = (double)m->output->n_bytes;
	for (uint32_t i = 0; i < p->n_layers; i++)
		d->memory[i].kv_bytes = (double)ferry_kv_cache_bytes(
						m, i, i + 1, FERRY_ATTENTION_TILE, FERRY_KV_F16) /
					FERRY_ATTENTION_TILE;
	for (uint64_t i = 0; i < m->gguf->n_tensors; i++) {
		unsigned layer;

		if (sscanf(m->gguf->tensors[i].name, "blk.%u.", &layer) == 1 && layer < p->n_layers)
			d->memory[layer].weight_bytes += (double)m->gguf->tensors[i].n_bytes;
	}
	ferry_model_free(m);
	return 0;
}

/* What options say goes over what the description says. */
static void apply(const struct plan_options *o, struct ferry_plan_problem *p)
{
	const struct {
		double value, *to, scale;
	} given[] = {
		{o->rtt, &p->link.rtt_us, 1e3},
		{o->up, &p->link.up_bytes_per_us, 0.125},
		{o->down, &p->link.down_bytes_per_us, 0.125},
		{o->loss, &p->link.loss, 1},
		{o->quality, &p->quality_budget, 1},
		{o->device_memory, &p->device.memory_bytes, 1e6},
		{o->edge_memory, &p->edge.memory_bytes, 1e6},
		{o->battery, &p->energy.battery_share, 1},
	};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (given[i].value >= 0)
			*given[i].to = given[i].value * given[i].scale;
	if (o->prompt >= 0)
		p->n_prompt = (uint32_t)o->prompt;
	if (o->new_tokens >= 0)
		p->n_new = (uint32_t)o->new_tokens;
	if (o->privacy >= 0)
		p->privacy = (enum ferry_privacy)o->privacy;
	if (o->has_objective)
		p->objective = o->objective;
	p->energy.on_battery |= o->battery >= 0;
	p->link.no_carrier |= o->no_carrier;
}

static json_t *json_cut(const struct ferry_plan_cut *c)
{
	return json_pack("{s:s, s:i, s:i}", "mode", ferry_plan_mode_name(c->mode), "k1", (int)c->k1,
			 "k2", (int)c->k2);
}

static json_t *json_plan(const struct ferry_plan_problem *p, const struct ferry_plan *c)
{
	json_t *o = json_cut(&c->cut);

	if (isinf(c->score)) {
		json_object_set_new(o, "why", json_string(c->why ? c->why : "not possible"));
		return o;
	}
	json_object_update_new(
		o, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:i}", "first_ms",
			     c->first_us / 1e3, "token_ms", c->token_us / 1e3, "total_ms",
			     c->total_us / 1e3, "device_j", c->device_uj / 1e6, "edge_j",
			     c->edge_uj / 1e6, "radio_j", c->radio_uj / 1e6, "up_bytes",
			     c->up_bytes, "down_bytes", c->down_bytes, "money", c->money, "late",
			     (int)c->late, "chunk_tokens", (int)c->chunk_tokens));
	if (c->cut.mode == FERRY_MODE_SPLIT || c->cut.mode == FERRY_MODE_USHAPE)
		json_object_set_new(o, "codec", json_string(p->codecs[c->codec].name));
	return o;
}

static int decide(const struct plan_options *o, const struct ferry_plan_problem *p,
		  struct ferry_error *err)
{
	static struct ferry_plan_sums sums;
	struct ferry_plan_choices c;
	char text[4096];
	int ret = ferry_plan_sum(p, &sums, err);

	if (!ret)
		ret = ferry_plan_choose(p, &sums, &c, err);
	if (ret)
		return ret;
	if (o->json) {
		json_t *root = json_object(), *all = json_array();

		ferry_plan_reason(p, &c, text, sizeof(text));
		text[strcspn(text, "\n")] = 0;
		for (int m = 0; m < FERRY_N_MODES; m++)
			json_array_append_new(all, json_plan(p, &c.best[m]));
		json_object_set_new(root, "chosen", json_plan(p, ferry_plan_chosen(&c)));
		json_object_set_new(root, "candidates", all);
		json_object_set_new(root, "reason", json_string(text));
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
		return 0;
	}
	if (o->explain)
		ferry_plan_explain(p, &sums, &c, text, sizeof(text));
	else
		ferry_plan_reason(p, &c, text, sizeof(text));
	fputs(text, stdout);
	return 0;
}

static void print_event(void *data, const struct ferry_replay_event *e)
{
	(void)data;
	printf("%9.3f s  request %u, token %u: %s %u:%u (%s)\n", e->at_us / 1e6, e->request + 1,
	       e->token, ferry_plan_mode_name(e->cut.mode), e->cut.k1, e->cut.k2, e->why);
}

static int get_trace(const struct plan_options *o, struct ferry_trace *t, struct ferry_error *err)
{
	char *text;
	size_t n;
	int ret;

	for (int kind = 0; kind < FERRY_N_TRACES; kind++) {
		if (strcmp(o->trace, ferry_trace_names[kind]))
			continue;
		*t = (struct ferry_trace){.step_us = TRACE_STEP_US, .n = TRACE_SAMPLES};
		t->samples = calloc(t->n, sizeof(*t->samples));
		if (!t->samples)
			return ferry_fail_memory(err, "the trace", t->n * sizeof(*t->samples));
		ferry_trace_generate((enum ferry_trace_kind)kind, o->seed, t);
		return 0;
	}
	ret = ferry_text_file_read(o->trace, &text, &n, err);
	if (ret)
		return ret;
	ret = ferry_trace_parse(text, n, t, err);
	free(text);
	return ret;
}

static int replay(const struct plan_options *o, const struct ferry_plan_problem *p,
		  struct ferry_error *err)
{
	const struct ferry_replay_options options = ferry_replay_defaults(o->seed);
	struct ferry_replay_result r;
	struct ferry_trace t = {0};
	json_t *root;
	int ret = get_trace(o, &t, err);

	if (!ret)
		ret = ferry_replay(p, &t, &options, &r, o->json ? NULL : print_event, NULL, err);
	free(t.samples);
	if (ret)
		return ret;
	if (!o->json) {
		printf("%u requests: %.2f s, local %.2f s, best fixed plan (%s %u:%u) %.2f s: regret "
		       "%.2f %%; %u moves, %u rescues, %llu decisions\n",
		       options.n_requests, r.online_us / 1e6, r.local_us / 1e6,
		       ferry_plan_mode_name(r.best.mode), r.best.k1, r.best.k2, r.best_us / 1e6,
		       100 * (r.online_us / r.best_us - 1), r.n_moves, r.n_rescues,
		       (unsigned long long)r.n_decisions);
		return 0;
	}
	root = json_pack("{s:f, s:f, s:f, s:o, s:f, s:i, s:i, s:I}", "online_s", r.online_us / 1e6,
			 "local_s", r.local_us / 1e6, "best_s", r.best_us / 1e6, "best",
			 json_cut(&r.best), "regret", r.online_us / r.best_us - 1, "moves",
			 (int)r.n_moves, "rescues", (int)r.n_rescues, "decisions",
			 (json_int_t)r.n_decisions);
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return 0;
}

int ferry_cli_plan(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Where the layers of a model should run, from a description in JSON and options "
		       "alone; ferry(1) lists its members.",
		.args_doc = "-d FILE [-m MODEL]",
	};
	static struct ferry_plan_description d;
	struct plan_options o = {
		.prompt = -1,
		.new_tokens = -1,
		.rtt = -1,
		.up = -1,
		.down = -1,
		.loss = -1,
		.quality = -1,
		.device_memory = -1,
		.edge_memory = -1,
		.battery = -1,
		.privacy = -1,
		.seed = 1,
	};
	struct ferry_error err;
	char *text = NULL;
	size_t n;
	int ret = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	ferry_plan_description_defaults(&d);
	if (o.model)
		ret = read_model(o.model, &d, &err);
	if (!ret)
		ret = ferry_text_file_read(o.description, &text, &n, &err);
	if (!ret)
		ret = ferry_plan_description_parse(text, n, &d, &err);
	free(text);
	if (!ret && !(d.device[0].decode_us > 0))
		ret = ferry_fail(
			&err, FERRY_ERROR_CALLER, -EINVAL,
			"%s does not say what a layer takes on the device (device.decode_us)",
			ferry_cli_shown_path(o.description));
	if (!ret) {
		apply(&o, &d.problem);
		ret = o.trace ? replay(&o, &d.problem, &err) : decide(&o, &d.problem, &err);
	}
	if (ret)
		return ferry_cli_fail(command_name, &err);
	return ferry_cli_flush(command_name) ? CLI_OK : CLI_FAILED;
}
