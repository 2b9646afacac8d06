// SPDX-License-Identifier: MIT
#include "cli/run_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/packed_weights.h"
#include "compute/pool.h"
#include "node/activation.h"

enum {
	OPTION_CACHE = 0x100,
	OPTION_GREEDY,
	OPTION_KV,
	OPTION_TEMPERATURE,
	OPTION_TOP_K,
	OPTION_TOP_P,
	OPTION_MIN_P,
	OPTION_REPEAT_PENALTY,
	OPTION_REPEAT_WINDOW,
	OPTION_SEED,
	OPTION_IDS,
	OPTION_NO_BOS,
	OPTION_SPECIAL,
	OPTION_IGNORE_EOS,
	OPTION_CHAT,
	OPTION_SYSTEM,
	OPTION_TEMPLATE,
	OPTION_EDGE,
	OPTION_SPLIT,
	OPTION_CODEC,
	OPTION_DEADLINE,
	OPTION_FALLBACK,
	OPTION_WAIT,
	OPTION_SILENCE,
	OPTION_WARM,
	OPTION_EXPLAIN,
	OPTION_SIDE,
	OPTION_STATS,
};

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file", 0},
	{"prompt", 'p', "TEXT", 0, "the text to continue", 0},
	{"file", 'f', "FILE", 0, "read the prompt here ('-': standard input)", 0},
	{"tokens", 'n', "N", 0, "stop after N tokens (default: at the end of the turn)", 0},
	{"ctx", 'c', "N", 0, "positions of the context (default: the model's own, 4096 at most)",
	 0},
	{"threads", 't', "N", 0, "threads (default: the CPUs of this process)", 0},
	{"kv", OPTION_KV, "f16|q8", 0, "type of the KV cache (default f16; q8 takes half)", 0},
	{"cache", OPTION_CACHE, "DIR|none", 0, FERRY_CLI_CACHE_HELP, 0},
	{NULL, 0, NULL, 0, "Prompt and text:", 1},
	{"ids", OPTION_IDS, NULL, 0, "print token ids, separated by commas", 1},
	{"no-bos", OPTION_NO_BOS, NULL, 0, "no begin-of-text token in front", 1},
	{"special", OPTION_SPECIAL, NULL, 0,
	 "control tokens written in the prompt become their ids", 1},
	{"ignore-eos", OPTION_IGNORE_EOS, NULL, 0, "go on behind the end of a turn", 1},
	{"chat", OPTION_CHAT, NULL, 0, "the prompt is a user's message, in the model's chat format",
	 1},
	{"system", OPTION_SYSTEM, "TEXT", 0, "a system message in front (with --chat)", 1},
	{"template", OPTION_TEMPLATE, "NAME", 0,
	 "chat format, where the file's own is missing or unknown", 1},
	{NULL, 0, NULL, 0, "Sampling:", 2},
	{"greedy", OPTION_GREEDY, NULL, 0, "always the likeliest token", 2},
	{"temp", OPTION_TEMPERATURE, "X", 0, "temperature (default 0.8; 0 is --greedy)", 2},
	{"top-k", OPTION_TOP_K, "N", 0, "of the N likeliest (default 40; 0: all)", 2},
	{"top-p", OPTION_TOP_P, "X", 0, "of those that make up X of the probability (default 0.95)",
	 2},
	{"min-p", OPTION_MIN_P, "X", 0,
	 "of those at least X times as likely as the first (default 0.05)", 2},
	{"repeat-penalty", OPTION_REPEAT_PENALTY, "X", 0,
	 "divide the logits of recent tokens (default 1: not)", 2},
	{"repeat-window", OPTION_REPEAT_WINDOW, "N", 0,
	 "recent means the last N (default 64; 0: all)", 2},
	{"seed", OPTION_SEED, "N", 0, "the same seed gives the same text (default: drawn)", 2},
	{NULL, 0, NULL, 0, "Two nodes:", 3},
	{"edge", OPTION_EDGE, "HOST:PORT", 0,
	 "an edge node that may run layers; given again: the next one to try", 3},
	{"split", OPTION_SPLIT, "K|auto|none", 0,
	 "layers that run here; auto (default) measures and takes the cheapest", 3},
	{"codec", OPTION_CODEC, "f32|f16|int8|int4|auto", 0,
	 "how hidden states travel: int8 (default) takes a quarter of f32, which is exact", 3},
	{"deadline", OPTION_DEADLINE, "MS", 0,
	 "give the edge up when it is silent for so long (default 5000)", 3},
	{"fallback", OPTION_FALLBACK, "local|wait|fail", 0,
	 "when the edge is lost: go on here until it is back (default), wait for it, or fail", 3},
	{"wait", OPTION_WAIT, "S", 0, "how long --fallback wait waits (default 60)", 3},
	{"silence", OPTION_SILENCE, "MS", 0,
	 "with a fallback: the least silence after which an edge counts as lost (default 150)", 3},
	{"warm", OPTION_WARM, "PERCENT", 0,
	 "of the time spent waiting, compute the edge's layers here, too, to go on at once if it is "
	 "lost (default 0)",
	 3},
	{NULL, 0, NULL, 0, "Reports, on standard error:", 4},
	{"explain", OPTION_EXPLAIN, NULL, 0, "why the layers run where they run", 4},
	{"stats", OPTION_STATS, NULL, 0, "a summary behind the text", 4},
	{"side", OPTION_SIDE, NULL, 0,
	 "beside the text (on standard output), where each layer ran, round trip, bytes per token",
	 4},
	{0},
};

int32_t ferry_cli_split(struct argp_state *state, const char *arg)
{
	if (!strcmp(arg, "auto"))
		return FERRY_NODE_SPLIT_AUTO;
	if (!strcmp(arg, "none"))
		return FERRY_NODE_SPLIT_NONE;
	if (arg[0] < '0' || arg[0] > '9')
		argp_error(state, "--split takes a number of layers, 'auto' or 'none', not '%s'",
			   arg);
	return (int32_t)ferry_cli_number(state, "--split", arg, 0, 1 << 16);
}

void ferry_cli_codec(struct argp_state *state, const char *arg,
		     struct ferry_node_session_options *o)
{
	o->choose_encoding = !strcmp(arg, "auto");
	for (uint8_t i = 0; i < FERRY_ENCODINGS; i++) {
		if (strcmp(arg, ferry_activation_name(i)) != 0)
			continue;
		o->encoding = (enum ferry_wire_encoding)i;
		return;
	}
	if (!o->choose_encoding)
		argp_error(state, "--codec takes f32, f16, int8, int4 or auto, not '%s'", arg);
}

void ferry_cli_check_split(struct argp_state *state, const char *edge, int32_t split)
{
	if (!edge && split >= 0)
		argp_error(state,
			   "--split %d leaves layers to an edge: name it by --edge HOST:PORT",
			   (int)split);
}

static error_t parse_sampling(int key, char *arg, struct argp_state *state,
			      struct ferry_run_options *o)
{
	struct ferry_sampling *s = &o->sampling;

	switch (key) {
	case OPTION_GREEDY:
		o->greedy = true;
		return 0;
	case OPTION_TEMPERATURE:
		s->temperature = ferry_cli_real(state, "--temp", arg, 0, 1000);
		return 0;
	case OPTION_TOP_K:
		s->top_k = (uint32_t)ferry_cli_number(state, "--top-k", arg, 0, UINT32_MAX);
		return 0;
	case OPTION_TOP_P:
		s->top_p = ferry_cli_real(state, "--top-p", arg, 0.0001, 1);
		return 0;
	case OPTION_MIN_P:
		s->min_p = ferry_cli_real(state, "--min-p", arg, 0, 0.9999);
		return 0;
	case OPTION_REPEAT_PENALTY:
		s->repeat_penalty = ferry_cli_real(state, "--repeat-penalty", arg, 0.01, 100);
		return 0;
	case OPTION_REPEAT_WINDOW:
		s->repeat_window =
			(uint32_t)ferry_cli_number(state, "--repeat-window", arg, 0, UINT32_MAX);
		return 0;
	case OPTION_SEED:
		s->seed = ferry_cli_number(state, "--seed", arg, 0, UINT64_MAX);
		o->seed_given = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum ferry_node_fallback parse_fallback(struct argp_state *state, const char *arg)
{
	if (!strcmp(arg, "wait"))
		return FERRY_NODE_FALLBACK_WAIT;
	if (!strcmp(arg, "fail"))
		return FERRY_NODE_FALLBACK_FAIL;
	if (strcmp(arg, "local"))
		argp_error(state, "--fallback takes local, wait or fail, not '%s'", arg);
	return FERRY_NODE_FALLBACK_LOCAL;
}

/* The session takes a list with commas. */
static void add_edge(struct argp_state *state, struct ferry_run_options *o, const char *arg)
{
	size_t n = o->edges ? strlen(o->edges) : 0, size = n + strlen(arg) + 2;
	char *list = realloc(o->edges, size);

	if (!list) {
		argp_failure(state, CLI_FAILED, ENOMEM, "--edge");
		return;
	}
	snprintf(list + n, size - n, "%s%s", n ? "," : "", arg);
	o->edges = list;
	o->session.edge = list;
}

static error_t parse_nodes(int key, char *arg, struct argp_state *state,
			   struct ferry_run_options *o)
{
	switch (key) {
	case OPTION_EDGE:
		add_edge(state, o, arg);
		return 0;
	case OPTION_SPLIT:
		o->session.split = ferry_cli_split(state, arg);
		return 0;
	case OPTION_CODEC:
		ferry_cli_codec(state, arg, &o->session);
		return 0;
	case OPTION_DEADLINE:
		o->session.deadline_ms =
			(uint32_t)ferry_cli_number(state, "--deadline", arg, 10, 3600000);
		return 0;
	case OPTION_FALLBACK:
		o->session.fallback = parse_fallback(state, arg);
		return 0;
	case OPTION_WAIT:
		o->session.wait_ms =
			1000 * (uint32_t)ferry_cli_number(state, "--wait", arg, 1, 1 << 20);
		return 0;
	case OPTION_SILENCE:
		o->session.silence_ms =
			(uint32_t)ferry_cli_number(state, "--silence", arg, 10, 3600000);
		return 0;
	case OPTION_WARM:
		o->session.warm_share = (float)ferry_cli_number(state, "--warm", arg, 0, 100) / 100;
		return 0;
	case OPTION_EXPLAIN:
		o->explain = true;
		return 0;
	case OPTION_SIDE:
		o->side = true;
		return 0;
	case OPTION_STATS:
		o->stats = true;
		return 0;
	default:
		return parse_sampling(key, arg, state, o);
	}
}

static void check(struct argp_state *state, struct ferry_run_options *o)
{
	if (!o->model)
		argp_error(state, "-m MODEL is missing");
	if (!o->prompt == !o->file)
		argp_error(state, "give the prompt by one of -p TEXT and -f FILE");
	if ((o->system || o->template) && !o->chat)
		argp_error(state, "--system and --template go with --chat");
	ferry_cli_check_split(state, o->session.edge, o->session.split);
	if (o->side && o->ids)
		argp_error(state, "--side shows text; --ids prints ids: take one of them");
	if (o->greedy)
		o->sampling.temperature = 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct ferry_run_options *o = state->input;

	switch (key) {
	case 'm':
		o->model = arg;
		return 0;
	case 'p':
		o->prompt = arg;
		return 0;
	case 'f':
		o->file = arg;
		return 0;
	case 'n':
		o->n_tokens = (uint32_t)ferry_cli_number(state, "-n", arg, 1, 1 << 30);
		return 0;
	case 'c':
		o->session.n_ctx = (uint32_t)ferry_cli_number(state, "-c", arg, 1, 1 << 24);
		return 0;
	case 't':
		o->n_threads =
			(uint32_t)ferry_cli_number(state, "-t", arg, 1, FERRY_POOL_MAX_THREADS);
		return 0;
	case OPTION_KV:
		o->session.kv = ferry_cli_kv(state, arg);
		return 0;
	case OPTION_CACHE:
		o->cache = arg;
		return 0;
	case OPTION_IDS:
		o->ids = true;
		return 0;
	case OPTION_NO_BOS:
		o->no_bos = true;
		return 0;
	case OPTION_SPECIAL:
		o->special = true;
		return 0;
	case OPTION_IGNORE_EOS:
		o->ignore_eos = true;
		return 0;
	case OPTION_CHAT:
		o->chat = true;
		return 0;
	case OPTION_SYSTEM:
		o->system = arg;
		return 0;
	case OPTION_TEMPLATE:
		o->template = arg;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->keys;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is no option; the prompt is given by -p or -f", arg);
		return 0;
	case ARGP_KEY_END:
		check(state, o);
		return 0;
	default:
		return parse_nodes(key, arg, state, o);
	}
}

void ferry_run_options_parse(struct ferry_run_options *o, int argc, char **argv)
{
	static const struct argp_child children[] = {{&ferry_cli_key_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Generate text behind a prompt, here or together with an edge node. With --codec f32 "
		       "the text is the same wherever the layers run.",
		.args_doc = "-m FILE {-p TEXT | -f FILE}",
		.children = children,
	};

	*o = (struct ferry_run_options){
		.sampling = {.temperature = 0.8f,
			     .top_k = 40,
			     .top_p = 0.95f,
			     .min_p = 0.05f,
			     .repeat_penalty = 1.0f,
			     .repeat_window = 64},
		.session = {.split = FERRY_NODE_SPLIT_AUTO, .encoding = FERRY_ENCODING_INT8},
	};
	argp_parse(&argp, argc, argv, 0, NULL, o);
}
