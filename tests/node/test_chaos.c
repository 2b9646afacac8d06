// SPDX-License-Identifier: MIT
/*
 * Faults of all kinds, at random moments of conversations that must not notice: seeded, so that
 * what went wrong once goes wrong again as far as time allows.
 *
 *	test_chaos [-n FAULTS] [-s SEED] [-v]
 *
 * Some edges in processes of their own, each behind a link that can fail; one device, whose
 * conversations are compared with ones that it held alone. Between any two tokens there may be: a
 * reset, a black hole, a stall, refused connections, an edge that is killed, that starts again,
 * that hangs for a while, that is told to stop, a move of the layers, a history that is cut. Prints
 * `N faults, 0 wrong ids, 0 hangs, RSS ...`. Without arguments it is the short run of `make check`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/weights.h"
#include "fixtures/tiny_model.h"
#include "link_emulator.h"
#include "model/model.h"
#include "node/edge.h"
#include "node/session.h"

/* AddressSanitizer keeps what was freed, and finds leaks by itself. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
	N_EDGES = 2,
	N_LAYERS = 4,
	N_CTX = 160,
	N_PROMPT = 60,
	MOST_NEW = 60,
	N_STORIES = 4, /* conversations held alone first */
	SHORT_FAULTS = 120,
	HANG_US = 30000000, /* no call may take so long */
	WARM_UP = 4,	    /* parts of the faults after which memory must not grow */
};

struct edge_process {
	pid_t pid;
	uint16_t port;
	bool stopped; /* SIGSTOP */
	struct link_emulator *link;
	uint64_t thaw_us; /* 0: not frozen */
};

struct story {
	int32_t prompt[N_PROMPT];
	int32_t ids[MOST_NEW];
	struct ferry_sampling sampling;
};

struct chaos {
	struct ferry_model *model;
	struct ferry_pool *pool;
	struct edge_process edges[N_EDGES];
	char addresses[64 * N_EDGES];
	struct story stories[N_STORIES];
	uint64_t random;
	uint64_t n_faults, n_wanted, n_calls, n_tokens, n_wrong, n_hangs, n_failed, slowest_us;
	uint64_t n_lost, n_attached, n_moves;
	bool verbose;
};

static uint64_t draw(struct chaos *c, uint64_t below)
{
	c->random ^= c->random >> 12;
	c->random ^= c->random << 25;
	c->random ^= c->random >> 27;
	return (c->random * 0x2545f4914f6cdd1dull >> 16) % below;
}

static void die(const struct ferry_error *err)
{
	fprintf(stderr, "test_chaos: %s\n", err->text);
	exit(1);
}

static uint64_t memory_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long all = 0, resident = 0;

	if (!f || fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- the edges: a process makes them, that has no threads ---- */

static struct ferry_edge *serving;

static void on_term(int sig)
{
	(void)sig;
	ferry_edge_stop(serving);
}

static void serve(const struct ferry_model *model, uint16_t port, int tell_fd)
{
	char listen[32];
	struct ferry_edge_options o = {.listen = listen, .n_threads = 1, .lease_ms = 3000};
	struct ferry_error err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	for (int i = 0; ferry_edge_new(model, &o, &serving, &err); i++) {
		/* The port of one that was killed may be taken for a moment. */
		if (err.code != -EADDRINUSE || i == 100)
			_exit(1);
		usleep(10000);
	}
	signal(SIGTERM, on_term);
	port = ferry_edge_port(serving);
	if (write(tell_fd, &port, sizeof(port)) != sizeof(port))
		_exit(1);
	ferry_edge_run(serving, NULL);
	_exit(0);
}

/* A process that is asked for edges: 'number port' in, 'pid port' out. It has one thread, so that
 * it may fork. */
struct nursery {
	int ask_fd, tell_fd;
	pid_t pid;
};

static void tend(const struct ferry_model *model, int ask_fd, int tell_fd)
{
	uint16_t port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN); /* they are not waited for */
	while (read(ask_fd, &port, sizeof(port)) == sizeof(port)) {
		int fds[2];
		pid_t pid;

		if (pipe(fds))
			_exit(1);
		pid = fork();
		if (!pid) {
			signal(SIGCHLD, SIG_DFL);
			serve(model, port, fds[1]);
		}
		close(fds[1]);
		if (read(fds[0], &port, sizeof(port)) != sizeof(port))
			port = 0;
		close(fds[0]);
		if (write(tell_fd, &pid, sizeof(pid)) != sizeof(pid) ||
		    write(tell_fd, &port, sizeof(port)) != sizeof(port))
			_exit(1);
	}
	_exit(0);
}

static struct nursery nursery;

static void nursery_start(const struct ferry_model *model)
{
	int ask[2], tell[2];

	if (pipe(ask) || pipe(tell))
		exit(1);
	nursery.pid = fork();
	if (!nursery.pid) {
		close(ask[1]);
		close(tell[0]);
		tend(model, ask[0], tell[1]);
	}
	close(ask[0]);
	close(tell[1]);
	nursery.ask_fd = ask[1];
	nursery.tell_fd = tell[0];
}

static void edge_start(struct edge_process *e)
{
	if (write(nursery.ask_fd, &e->port, sizeof(e->port)) != sizeof(e->port) ||
	    read(nursery.tell_fd, &e->pid, sizeof(e->pid)) != sizeof(e->pid) ||
	    read(nursery.tell_fd, &e->port, sizeof(e->port)) != sizeof(e->port) || !e->port) {
		fprintf(stderr, "test_chaos: an edge does not start\n");
		exit(1);
	}
	e->stopped = false;
	if (e->link)
		link_emulator_target(e->link, e->port);
}

/* ---- faults ---- */

static void heal(struct edge_process *e)
{
	link_emulator_thaw(e->link);
	link_emulator_refuse(e->link, false);
	if (e->stopped)
		kill(e->pid, SIGCONT);
	e->stopped = false;
	if (!e->pid)
		edge_start(e);
}

/* One that something happens to, or whose trouble is over. */
static const char *disturb(struct chaos *c, struct ferry_node_session *s)
{
	struct edge_process *e = &c->edges[draw(c, N_EDGES)];
	int32_t split = (int32_t)draw(c, N_LAYERS + 2) - 1;

	switch (draw(c, 12)) {
	case 0:
		link_emulator_cut(e->link);
		return "reset";
	case 1:
		link_emulator_freeze(e->link);
		return "black hole";
	case 2:
		link_emulator_stall(e->link, 1000 + draw(c, 300000));
		return "stall";
	case 3:
		link_emulator_refuse(e->link, true);
		link_emulator_cut(e->link);
		return "refused";
	case 4:
		if (e->pid)
			kill(e->pid, SIGKILL);
		e->pid = 0;
		e->stopped = false;
		return "kill -9";
	case 5:
		if (e->pid && !e->stopped)
			kill(e->pid, SIGTERM);
		else if (e->pid)
			kill(e->pid, SIGKILL);
		e->pid = 0;
		e->stopped = false;
		return "SIGTERM";
	case 6:
		if (e->pid)
			kill(e->pid, SIGSTOP);
		e->stopped = e->pid;
		return "SIGSTOP";
	case 7:
		link_emulator_set(e->link, draw(c, 5000), draw(c, 2) ? 200000 : 0);
		return "another link";
	case 8:
		/* With no edge to go to it fails, and says so: the conversation goes on. */
		ferry_node_session_move(s, split, 0, draw(c, 2), NULL);
		return "move";
	default:
		for (int i = 0; i < N_EDGES; i++)
			heal(&c->edges[i]);
		/* Sometimes long enough for the device to dare it again. */
		if (!draw(c, 3))
			usleep((useconds_t)draw(c, 150000));
		return NULL;
	}
}

/* ---- conversations ---- */

static uint64_t call_begins(struct chaos *c)
{
	alarm(2 * HANG_US / 1000000); /* ends the program where a call does not come back at all */
	c->n_calls++;
	return ferry_now_us();
}

static void call_ended(struct chaos *c, uint64_t start)
{
	uint64_t took = ferry_now_us() - start;

	if (took > c->slowest_us)
		c->slowest_us = took;
	c->n_hangs += took > HANG_US;
}

static bool append(struct chaos *c, struct ferry_node_session *s, const int32_t *ids, uint32_t n)
{
	struct ferry_error err;
	uint64_t start = call_begins(c);
	int ret = ferry_node_session_append(s, ids, n, &err);

	call_ended(c, start);
	if (!ret)
		return true;
	c->n_failed++;
	fprintf(stderr, "# append: %s\n", err.text);
	return false;
}

static bool next(struct chaos *c, struct ferry_node_session *s, const struct story *story,
		 unsigned i)
{
	struct ferry_error err;
	uint64_t start = call_begins(c);
	int32_t id;
	int ret = ferry_node_session_next(s, &story->sampling, &id, &err);

	call_ended(c, start);
	if (ret) {
		c->n_failed++;
		fprintf(stderr, "# token %u: %s\n", i, err.text);
		return false;
	}
	c->n_tokens++;
	if (id == story->ids[i])
		return true;
	c->n_wrong++;
	fprintf(stderr, "# token %u is %d instead of %d, after %" PRIu64 " faults\n", i, id,
		story->ids[i], c->n_faults);
	return false;
}

/* Everything that was said, as the session knows it. */
static void check_history(struct chaos *c, const struct ferry_node_session *s,
			  const struct story *story, unsigned n_new)
{
	size_t n;
	const int32_t *ids = ferry_node_session_history(s, &n);

	if (n != N_PROMPT + n_new || memcmp(ids, story->prompt, sizeof(story->prompt)) ||
	    memcmp(ids + N_PROMPT, story->ids, n_new * sizeof(*ids))) {
		c->n_wrong++;
		fprintf(stderr, "# the history is not what was said\n");
	}
}

static void maybe_disturb(struct chaos *c, struct ferry_node_session *s, unsigned at)
{
	uint64_t start;
	const char *what;

	if (draw(c, 4))
		return;
	start = call_begins(c);
	what = disturb(c, s);
	call_ended(c, start);
	if (!what)
		return;
	c->n_faults++;
	if (c->verbose)
		fprintf(stderr, "# %" PRIu64 ": %s at token %u\n", c->n_faults, what, at);
}

static void write_log(void *data, enum ferry_log_level level, const char *text)
{
	(void)data;
	(void)level;
	fprintf(stderr, "#   %s\n", text);
}

static void converse(struct chaos *c)
{
	const struct story *story = &c->stories[draw(c, N_STORIES)];
	static const struct ferry_log log = {.level = FERRY_LOG_DEBUG, .write = write_log};
	struct ferry_node_session_options o = {
		.n_ctx = N_CTX,
		.edge = c->addresses,
		.split = (int32_t)draw(c, N_LAYERS + 1),
		.chunk_tokens = 4 + (uint32_t)draw(c, 28),
		.deadline_ms = 2000,
		.silence_ms = 60,
		.warm_share = draw(c, 2) ? 0.5f : 0,
		.log = c->verbose ? &log : NULL,
	};
	struct ferry_node_session_stats stats;
	struct ferry_node_session *s;
	struct ferry_error err;
	unsigned i = 0;

	for (int k = 0; k < N_EDGES; k++)
		heal(&c->edges[k]);
	if (ferry_node_session_open(c->model, c->pool, &o, &s, &err)) {
		/* An edge may still be closing what the last conversation left. */
		fprintf(stderr, "# open: %s\n", err.text);
		usleep(20000);
		return;
	}
	for (uint32_t at = 0; at < N_PROMPT; at += N_PROMPT / 3) {
		if (!append(c, s, story->prompt + at, N_PROMPT / 3))
			goto out;
		maybe_disturb(c, s, 0);
	}
	while (i < MOST_NEW) {
		maybe_disturb(c, s, i);
		if (!next(c, s, story, i))
			break;
		i++;
		if (i > 10 && !draw(c, 40)) {
			i -= (unsigned)draw(c, 10);
			if (ferry_node_session_truncate(s, N_PROMPT + i, NULL))
				c->n_failed++;
		}
		check_history(c, s, story, i);
	}
out:
	ferry_node_session_get_stats(s, &stats);
	c->n_lost += stats.n_lost;
	c->n_attached += stats.n_attached;
	c->n_moves += stats.n_moves;
	ferry_node_session_close(s);
}

static void tell_stories(struct chaos *c)
{
	struct ferry_node_session_options o = {.n_ctx = N_CTX};
	struct ferry_node_session *s;
	struct ferry_error err;

	for (unsigned k = 0; k < N_STORIES; k++) {
		struct story *story = &c->stories[k];

		story->sampling = (struct ferry_sampling){.temperature = k % 2 ? 1.2f : 0,
							  .top_p = 1,
							  .repeat_penalty = k > 1 ? 1.3f : 1,
							  .repeat_window = 20,
							  .seed = k};
		for (unsigned i = 0; i < N_PROMPT; i++)
			story->prompt[i] = (int32_t)draw(c, c->model->hp.n_vocab);
		if (ferry_node_session_open(c->model, c->pool, &o, &s, &err) ||
		    ferry_node_session_append(s, story->prompt, N_PROMPT, &err))
			die(&err);
		for (unsigned i = 0; i < MOST_NEW; i++)
			if (ferry_node_session_next(s, &story->sampling, &story->ids[i], &err))
				die(&err);
		ferry_node_session_close(s);
	}
}

static void start_edges(struct chaos *c, uint64_t seed)
{
	for (unsigned k = 0; k < N_EDGES; k++) {
		struct link_emulator_options lo = {.delay_us = 200,
						   .jitter_us = 300,
						   .stall_ppm = 2000,
						   .stall_us = 20000,
						   .seed = seed + k};
		struct edge_process *e = &c->edges[k];
		size_t n = strlen(c->addresses);

		edge_start(e);
		lo.target_port = e->port;
		e->link = link_emulator_new(&lo);
		if (!e->link)
			exit(1);
		snprintf(c->addresses + n, sizeof(c->addresses) - n, "%s127.0.0.1:%u", n ? "," : "",
			 link_emulator_port(e->link));
	}
}

int main(int argc, char **argv)
{
	struct ferry_tiny_model tiny = {.n_layers = N_LAYERS,
					.n_embd = 64,
					.n_ff = 96,
					.n_head = 4,
					.n_head_kv = 2,
					.n_head_dim = 16};
	static struct chaos c = {.n_wanted = SHORT_FAULTS};
	uint64_t seed = 1, before_kib = 0, after_kib, start;
	struct ferry_error err;
	bool bad;
	char *path;
	int o;

	while ((o = getopt(argc, argv, "n:s:v")) != -1) {
		if (o == 'n')
			c.n_wanted = strtoull(optarg, NULL, 10);
		else if (o == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (o == 'v')
			c.verbose = true;
		else
			return 2;
	}
	c.random = seed * 2 + 1;
	path = ferry_tiny_model_temp(&tiny);
	if (!path)
		return 1;
	if (ferry_model_load(path, &c.model, &err) || ferry_weights_prepare(c.model, NULL, &err))
		die(&err);
	unlink(path);
	free(path);
	nursery_start(c.model);
	if (ferry_pool_new(1, &c.pool, &err))
		die(&err);
	tell_stories(&c);
	start_edges(&c, seed);
	start = ferry_now_us();
	while (c.n_faults < c.n_wanted && !c.n_wrong && !c.n_hangs && !c.n_failed) {
		converse(&c);
		if (!before_kib && c.n_faults * WARM_UP >= c.n_wanted)
			before_kib = memory_kib();
	}
	alarm(0);
	after_kib = memory_kib();
	/* A leak of a session would be some 300 KiB each time. */
	bad = c.n_wrong || c.n_hangs || c.n_failed || (!SANITIZED && after_kib > before_kib + 8192);
	printf("# seed %" PRIu64 ": %" PRIu64 " tokens in %.0f s; %" PRIu64 " times lost, %" PRIu64
	       " attached again, %" PRIu64 " moves; slowest call %.2f s\n",
	       seed, c.n_tokens, (double)(ferry_now_us() - start) / 1e6, c.n_lost, c.n_attached,
	       c.n_moves, (double)c.slowest_us / 1e6);
	printf("# %" PRIu64 " faults, %" PRIu64 " wrong ids, %" PRIu64 " hangs, %" PRIu64
	       " failed calls, RSS %" PRIu64 " KiB after a quarter, %" PRIu64 " KiB at the end\n",
	       c.n_faults, c.n_wrong, c.n_hangs, c.n_failed, before_kib, after_kib);
	printf("1..1\n%s 1 - no fault changes a token\n", bad ? "not ok" : "ok");
	for (unsigned k = 0; k < N_EDGES; k++) {
		if (c.edges[k].pid)
			kill(c.edges[k].pid, SIGKILL);
		link_emulator_free(c.edges[k].link);
	}
	kill(nursery.pid, SIGKILL);
	waitpid(nursery.pid, NULL, 0);
	ferry_pool_free(c.pool);
	ferry_model_free(c.model);
	return bad;
}
