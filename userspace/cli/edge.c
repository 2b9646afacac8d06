// SPDX-License-Identifier: MIT
/*
 * ferry edge: serve the layers of a model until SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/key_options.h"
#include "cli/packed_weights.h"
#include "compute/pool.h"
#include "model/model.h"
#include "net/notify.h"
#include "node/edge.h"

static const char command_name[] = "ferry edge";

enum {
	MAX_MODELS = 16,
	FIRST_HANDED_FD = 3, /* sd_listen_fds(3) */
};

struct edge_options {
	const char *models[MAX_MODELS], *cache;
	unsigned n_models;
	bool quiet, verbose;
	struct ferry_cli_keys keys;
	struct ferry_edge_options edge;
};

enum {
	OPTION_CACHE = 0x100,
	OPTION_LISTEN,
	OPTION_LAYERS,
	OPTION_MAX_SESSIONS,
	OPTION_MAX_CONNECTIONS,
	OPTION_KV_MEMORY,
	OPTION_KV,
	OPTION_LEASE,
	OPTION_DRAIN,
};

static void parse_layers(struct argp_state *state, struct edge_options *o, const char *arg)
{
	static const char digits[] = "0123456789";
	size_t n_begin = strspn(arg, digits), n_end = 0;

	if (arg[n_begin] == ':')
		n_end = strspn(arg + n_begin + 1, digits);
	/* Five digits: atoi() cannot overflow, and no model has as many layers. */
	if (!n_begin || n_begin > 5 || !n_end || n_end > 5 || arg[n_begin + 1 + n_end] ||
	    atoi(arg) >= atoi(arg + n_begin + 1))
		argp_error(state, "--layers takes A:B with A < B, not '%s'", arg);
	o->edge.layer_begin = (uint32_t)atoi(arg);
	o->edge.layer_end = (uint32_t)atoi(arg + n_begin + 1);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct edge_options *o = state->input;

	switch (key) {
	case 'm':
		if (o->n_models == MAX_MODELS)
			argp_error(state, "more than %d models", MAX_MODELS);
		else
			o->models[o->n_models++] = arg;
		return 0;
	case OPTION_DRAIN:
		o->edge.drain_ms =
			(uint32_t)ferry_cli_number(state, "--drain", arg, 1, 24 * 3600 * 1000);
		return 0;
	case 't':
		o->edge.n_threads =
			(uint32_t)ferry_cli_number(state, "-t", arg, 1, FERRY_POOL_MAX_THREADS);
		return 0;
	case 'c':
		o->edge.max_context = (uint32_t)ferry_cli_number(state, "-c", arg, 1, 1 << 20);
		return 0;
	case OPTION_CACHE:
		o->cache = arg;
		return 0;
	case OPTION_LISTEN:
		o->edge.listen = arg;
		return 0;
	case OPTION_LAYERS:
		parse_layers(state, o, arg);
		return 0;
	case OPTION_MAX_SESSIONS:
		o->edge.max_sessions =
			(uint32_t)ferry_cli_number(state, "--max-sessions", arg, 1, 1 << 16);
		return 0;
	case OPTION_MAX_CONNECTIONS:
		o->edge.max_connections =
			(uint32_t)ferry_cli_number(state, "--max-connections", arg, 1, 1 << 16);
		return 0;
	case OPTION_KV_MEMORY:
		o->edge.kv_budget_bytes = ferry_cli_number(state, "--kv-memory", arg, 1, 1 << 24)
					  << 20;
		return 0;
	case OPTION_KV:
		o->edge.kv_q8_only = ferry_cli_kv(state, arg) == FERRY_KV_Q8;
		return 0;
	case OPTION_LEASE:
		o->edge.lease_ms =
			1000 * (uint32_t)ferry_cli_number(state, "--lease", arg, 0, 1 << 20);
		if (!o->edge.lease_ms)
			o->edge.lease_ms = FERRY_EDGE_NO_LEASE;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->keys;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is no option", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->n_models)
			argp_error(state, "-m MODEL is missing");
		if (o->n_models > 1 && o->edge.layer_end)
			argp_error(state, "--layers goes with one model");
		if (!o->edge.listen && !o->edge.listen_fd)
			argp_error(state, "--listen HOST:PORT is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"model", 'm', "FILE", 0, "the GGUF file; several are served side by side", 0},
	{"listen", OPTION_LISTEN, "HOST:PORT", 0, "where to listen; port 0 takes a free one", 0},
	{"layers", OPTION_LAYERS, "A:B", 0, "serve only layers A to B-1 (default: all)", 0},
	{"threads", 't', "N", 0, "threads (default: the CPUs of this process)", 0},
	{"cache", OPTION_CACHE, "DIR|none", 0, FERRY_CLI_CACHE_HELP, 0},
	{"ctx", 'c', "N", 0, "positions of a session at most (default: the model's own)", 0},
	{"max-sessions", OPTION_MAX_SESSIONS, "N", 0, "sessions at a time (default 16)", 0},
	{"max-connections", OPTION_MAX_CONNECTIONS, "N", 0, "connections at a time (default 64)",
	 0},
	{"kv-memory", OPTION_KV_MEMORY, "MB", 0,
	 "memory of all KV caches (default: half of what is free)", 0},
	{"kv", OPTION_KV, "f16|q8", 0,
	 "q8: refuse sessions whose KV cache has another type (default f16: take any)", 0},
	{"lease", OPTION_LEASE, "S", 0,
	 "keep the session of a lost connection for so long, if there is room (default 60; 0: not)",
	 0},
	{"drain", OPTION_DRAIN, "MS", 0,
	 "how long SIGTERM waits for what is queued (default 10000); a second one does not", 0},
	{"quiet", 'q', NULL, 0, "report errors only", 0},
	{"verbose", 'v', NULL, 0, "report every connection and session", 0},
	{0},
};

/* The edge that the signal handler stops. A handler gets no argument, so this must be global. */
static struct ferry_edge *serving;

static volatile sig_atomic_t stopping;

static void on_stop(int sig)
{
	(void)sig;
	if (stopping)
		ferry_edge_stop(serving);
	else
		ferry_edge_drain(serving);
	stopping = 1;
}

/* A socket that the service manager listens on for us, by the protocol of sd_listen_fds(3). */
static int take_listener(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	const bool ours = pid && n && atol(pid) == (long)getpid() && atoi(n) >= 1;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ours ? 1 + FIRST_HANDED_FD : 0;
}

/* The service manager's watchdog hears from the loop itself: where that hangs, it hears nothing. */
static void turned(void *notify)
{
	ferry_notify(*(const int *)notify, "WATCHDOG=1");
}

static void write_log(void *data, enum ferry_log_level level, const char *text)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	(void)data;
	fprintf(stderr, "%s: %s: %s\n", command_name, names[level], text);
}

static int serve(struct edge_options *o, struct ferry_model *const *models, struct ferry_error *err)
{
	struct sigaction stop = {.sa_handler = on_stop};
	struct ferry_edge_stats stats;
	uint64_t watchdog_us;
	int notify = ferry_notify_open(&watchdog_us), ret;

	if (watchdog_us) {
		o->edge.turned = turned;
		o->edge.turned_data = &notify;
		o->edge.turned_ms = watchdog_us >= 4000 ? (uint32_t)(watchdog_us / 4000) : 1;
	}
	ret = ferry_edge_new(models[0], &o->edge, &serving, err);
	for (unsigned i = 1; !ret && i < o->n_models; i++)
		ret = ferry_edge_add_model(serving, models[i], err);
	if (ret)
		goto out;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	/* Whoever read the log may leave; the devices stay served. */
	signal(SIGPIPE, SIG_IGN);
	printf("listening on %s\n", ferry_edge_address(serving));
	ret = ferry_cli_check_output(err);
	ferry_notify(notify, "READY=1");
	if (!ret)
		ret = ferry_edge_run(serving, err);
	ferry_notify(notify, "STOPPING=1");
	/* A second signal may still come: the edge stays until the process ends. */
	ferry_edge_get_stats(serving, &stats);
	ferry_log(o->edge.log, FERRY_LOG_INFO,
		  "served %llu tokens in %llu passes over %llu connections",
		  (unsigned long long)stats.n_tokens, (unsigned long long)stats.n_works,
		  (unsigned long long)stats.n_accepted);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
out:
	ferry_edge_free(serving);
	serving = NULL;
	if (notify >= 0)
		close(notify);
	return ret;
}

static int load(struct edge_options *o, struct ferry_model **models, struct ferry_error *err)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < o->n_models; i++) {
		ret = ferry_model_load(o->models[i], &models[i], err);
		if (!ret)
			ret = ferry_cli_pack_weights(models[i], o->models[i], o->cache,
						     o->edge.n_threads, o->edge.log, err);
	}
	return ret;
}

int ferry_cli_edge(int argc, char **argv)
{
	static const struct argp_child children[] = {{&ferry_cli_key_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Serve the layers of models to devices until SIGTERM, then finish what is queued. "
		       "Under systemd, a socket that is handed over takes the place of --listen, and the "
		       "watchdog is told whenever the loop has turned.",
		.args_doc = "-m FILE... --listen HOST:PORT",
		.children = children,
	};
	struct ferry_log log = {.level = FERRY_LOG_INFO, .write = write_log};
	struct edge_options o = {.edge = {.log = &log, .listen_fd = take_listener()}};
	struct ferry_model *models[MAX_MODELS] = {NULL};
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.quiet)
		log.level = FERRY_LOG_ERROR;
	if (o.verbose)
		log.level = FERRY_LOG_DEBUG;
	o.edge.insecure = o.keys.insecure;
	ret = ferry_cli_keys_find(&o.keys, &o.edge.tls, &err);
	if (!ret)
		ret = load(&o, models, &err);
	if (!ret)
		ret = serve(&o, models, &err);
	for (unsigned i = 0; i < o.n_models; i++)
		ferry_model_free(models[i]);
	return ret ? ferry_cli_fail(command_name, &err) : CLI_OK;
}
