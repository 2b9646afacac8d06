// SPDX-License-Identifier: MIT
/*
 * ferry-agent, which `ferry net agent` becomes: the options of the daemon, and its log on standard
 * error. A program of its own, because it stays: it brings along none of the libraries by which
 * ferry runs models.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/printable.h"
#include "cli/command.h"
#include "net/agent.h"

static const char command_name[] = "ferry net agent";

enum {
	OPTION_LISTEN = 0x100,
	OPTION_USER,
	OPTION_UNCONFINED,
	OPTION_DIRECTORY,
	OPTION_CGROUP,
	OPTION_INTERVAL,
	OPTION_SERVICE,
	OPTION_ROOT,
	INTERVAL_MS_MIN = 100,
	INTERVAL_MS_MAX = 60000,
	LINE = 1024,
};

struct agent_command {
	struct ferry_agent_options o;
	struct ferry_agent_service services[FERRY_AGENT_SERVICES_MAX];
	struct ferry_log log;
	bool journal; /* standard error is the journal's: it wants levels in front */
};

static void parse_service(struct argp_state *state, char *arg)
{
	struct agent_command *c = state->input;
	char *equals = strrchr(arg, '=');

	if (!equals || equals == arg)
		argp_error(state, "--service takes NAME=PROCESS, as chat=1234, not '%s'", arg);
	if (c->o.n_services == FERRY_AGENT_SERVICES_MAX)
		argp_error(state, "at most %d services can be counted for themselves",
			   FERRY_AGENT_SERVICES_MAX);
	*equals = 0;
	c->services[c->o.n_services++] = (struct ferry_agent_service){
		.name = arg,
		.process = (pid_t)ferry_cli_number(state, "--service", equals + 1, 1, 1 << 22),
	};
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct agent_command *c = state->input;

	switch (key) {
	case 'v':
		c->log.level = FERRY_LOG_DEBUG;
		return 0;
	case 'q':
		c->log.level = FERRY_LOG_WARNING;
		return 0;
	case OPTION_LISTEN:
		c->o.listen = arg;
		return 0;
	case OPTION_USER:
		c->o.user = arg;
		return 0;
	case OPTION_UNCONFINED:
		c->o.unconfined = true;
		return 0;
	case OPTION_DIRECTORY:
		c->o.directory = arg;
		return 0;
	case OPTION_CGROUP:
		c->o.cgroup = arg;
		return 0;
	case OPTION_INTERVAL:
		c->o.interval_ms = (uint32_t)ferry_cli_number(state, "--interval", arg,
							      INTERVAL_MS_MIN, INTERVAL_MS_MAX);
		return 0;
	case OPTION_ROOT:
		c->o.root = arg;
		return 0;
	case OPTION_SERVICE:
		parse_service(state, arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is one word too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"listen", OPTION_LISTEN, "ADDRESS", 0,
	 "metrics for Prometheus: 127.0.0.1:9559, [::1]:9559 or the path of a socket (nobody)", 0},
	{"service", OPTION_SERVICE, "NAME=PID", 0,
	 "count the joules of a process for itself; may be given more than once", 0},
	{"cgroup", OPTION_CGROUP, "DIR", 0, "watch this cgroup instead of all", 0},
	{"interval", OPTION_INTERVAL, "MS", 0, "between two looks (1000)", 0},
	{"user", OPTION_USER, "NAME", 0, "become this user (nobody); 'root' stays root", 0},
	{"unconfined", OPTION_UNCONFINED, NULL, 0,
	 "give up no privilege; to find out why something is refused", 0},
	{"directory", OPTION_DIRECTORY, "DIR", 0, "of settings and the lock (/run/ferry)", 0},
	/* A tree that a test has made up. */
	{"root", OPTION_ROOT, "DIR", OPTION_HIDDEN, "instead of /sys", 0},
	{"verbose", 'v', NULL, 0, "log every step of autorate, not only what changes", 0},
	{"quiet", 'q', NULL, 0, "log warnings only", 0},
	{0},
};

/* Nobody who does not read the log keeps the agent from its work: then lines are lost. */
static void write_line(void *data, enum ferry_log_level level, const char *text)
{
	static const int syslog_level[] = {3, 4, 6, 7};
	const struct agent_command *c = data;
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[LINE];
	int n;

	if (poll(&out, 1, 0) <= 0)
		return;
	n = c->journal ? snprintf(line, sizeof(line), "<%d>%s", syslog_level[level], text)
		       : snprintf(line, sizeof(line), "%s: %s", command_name, text);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	ferry_make_printable(line);
	line[n] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "The daemon of a gateway: looks at links and energy, pushes what it reads into "
		       "ferry.ko, hands joules out to services, follows the links that were brought up "
		       "with --autorate, and tells metrics.\v"
		       "It is started as root and keeps CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON and "
		       "CAP_DAC_READ_SEARCH. SIGHUP reads the settings again; SIGTERM and SIGINT end it. "
		       "See ferry-agent(8).",
	};
	struct agent_command c = {
		.o = {.size = sizeof(c.o), .user = "nobody", .version = FERRY_VERSION},
		.log = {.level = FERRY_LOG_INFO, .write = write_line, .data = &c},
		.journal = getenv("JOURNAL_STREAM") != NULL,
	};
	struct ferry_agent *agent;
	struct ferry_error err;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	c.o.services = c.services;
	c.o.log = &c.log;
	if (!strcmp(c.o.user, "root"))
		c.o.user = NULL;
	ret = ferry_agent_open(&agent, &c.o, &err);
	if (!ret) {
		ret = ferry_agent_run(agent, &err);
		ferry_agent_close(agent);
	}
	return ret ? ferry_cli_fail(command_name, &err) : CLI_OK;
}
