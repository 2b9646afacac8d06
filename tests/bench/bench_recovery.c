// SPDX-License-Identifier: MIT
/*
 * How long the next token takes when an edge or its link fails, and what coming back costs.
 *
 *	bench_recovery [-m MODEL.gguf] [-k SPLIT] [-n RUNS] [-r RTT_MS] [-d PROMPT] [-w PERCENT]
 *
 * An edge in a process of its own, behind an emulated link. After some tokens one of these happens,
 * and the time until the next token is there counts, beside that of an ordinary token with the edge
 * and of one computed here: the link is reset; the edge is killed with SIGKILL; nothing moves any
 * more; the edge is stopped with SIGSTOP. Then the device attaches again: how many positions did
 * not have to be sent, in how many bytes. Without -m a tiny random model is used.
 */
#define _GNU_SOURCE
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

enum { N_BEFORE = 24, MOST_RUNS = 64, BACK_US = 20000000 };

enum fault { FAULT_RESET, FAULT_KILL, FAULT_SILENCE, FAULT_STOP, N_FAULTS };

static const char *const names[] = {"reset", "kill -9", "black hole", "SIGSTOP"};

struct times {
	double ms[MOST_RUNS];
	unsigned n;
};

struct run {
	struct ferry_model *model;
	struct ferry_pool *pool;
	int32_t split;
	uint32_t n_prompt;
	double rtt_ms;
	uint32_t warm;
	int ask_fd, tell_fd;
	struct times shared, local, next[N_FAULTS], back;
	uint64_t kept, missing, attached, back_bytes;
	bool wrong;
};

static void die(const struct ferry_error *err)
{
	fprintf(stderr, "bench_recovery: %s\n", err->text);
	exit(1);
}

struct born {
	pid_t pid;
	uint16_t port;
};

/* A process without threads, that may fork: one edge for each byte that it reads. */
static void tend(const struct ferry_model *model, int ask_fd, int tell_fd)
{
	char one;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	while (read(ask_fd, &one, 1) == 1) {
		pid_t pid = fork();

		if (!pid) {
			struct ferry_edge_options o = {.listen = "127.0.0.1:0", .n_threads = 1};
			struct born born = {.pid = getpid()};
			struct ferry_edge *edge;
			struct ferry_error err;

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (ferry_edge_new(model, &o, &edge, &err))
				die(&err);
			born.port = ferry_edge_port(edge);
			if (write(tell_fd, &born, sizeof(born)) == sizeof(born))
				ferry_edge_run(edge, NULL);
			_exit(0);
		}
	}
	_exit(0);
}

static double next(struct run *r, struct ferry_node_session *s, int32_t *id)
{
	uint64_t start = ferry_now_us();
	struct ferry_error err;

	(void)r;
	if (ferry_node_session_next(s, NULL, id, &err))
		die(&err);
	return (double)(ferry_now_us() - start) / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

#define KEEP(list, value)                                \
	do {                                             \
		if ((list).n < MOST_RUNS)                \
			(list).ms[(list).n++] = (value); \
	} while (0)

static void disturb(enum fault fault, struct link_emulator *link, pid_t pid)
{
	if (fault == FAULT_RESET) {
		link_emulator_refuse(link, true);
		link_emulator_cut(link);
	} else if (fault == FAULT_KILL) {
		kill(pid, SIGKILL);
	} else if (fault == FAULT_SILENCE) {
		link_emulator_freeze(link);
	} else {
		kill(pid, SIGSTOP);
	}
	usleep(1000); /* it happens while the device is busy with something else */
}

/* Until the edge has its layers again. */
static void come_back(struct run *r, struct ferry_node_session *s)
{
	struct ferry_node_session_stats before, after;
	uint64_t start = ferry_now_us();
	int32_t id;
	size_t n;

	ferry_node_session_get_stats(s, &before);
	do {
		ferry_node_session_history(s, &n);
		if (n + 1 >= ferry_node_session_n_ctx(s))
			ferry_node_session_truncate(s, n - 1, NULL);
		next(r, s, &id);
		ferry_node_session_get_stats(s, &after);
	} while (after.local && ferry_now_us() - start < BACK_US);
	if (after.local)
		return;
	KEEP(r->back, (double)(ferry_now_us() - start) / 1e3);
	r->attached += after.n_attached;
	r->kept += after.n_kept;
	r->back_bytes += after.bytes_sent - before.bytes_sent;
	ferry_node_session_history(s, &n);
	r->missing += n - 1 > after.n_kept ? n - 1 - after.n_kept : 0;
}

static void one_run(struct run *r, enum fault fault, const int32_t *want)
{
	struct link_emulator_options lo = {.delay_us = (uint64_t)(r->rtt_ms * 500)};
	struct ferry_node_session_options o = {.n_ctx = r->n_prompt + 8 * N_BEFORE,
					       .split = r->split,
					       .warm_share = (float)r->warm / 100};
	int32_t *prompt = calloc(r->n_prompt, sizeof(*prompt)), id;
	struct ferry_node_session *s;
	struct link_emulator *link;
	struct ferry_error err;
	struct born born;
	char address[64];

	if (write(r->ask_fd, "", 1) != 1 || read(r->tell_fd, &born, sizeof(born)) != sizeof(born))
		exit(1);
	lo.target_port = born.port;
	link = link_emulator_new(&lo);
	if (!link)
		exit(1);
	snprintf(address, sizeof(address), "127.0.0.1:%u", link_emulator_port(link));
	o.edge = address;
	for (uint32_t i = 0; i < r->n_prompt; i++)
		prompt[i] = (int32_t)(i * 7 % r->model->hp.n_vocab);
	if (ferry_node_session_open(r->model, r->pool, &o, &s, &err) ||
	    ferry_node_session_append(s, prompt, r->n_prompt, &err))
		die(&err);
	for (unsigned i = 0; i < 2 * N_BEFORE; i++) {
		double ms;

		if (i == N_BEFORE)
			disturb(fault, link, born.pid);
		ms = next(r, s, &id);
		r->wrong |= id != want[i];
		if (i == N_BEFORE)
			KEEP(r->next[fault], ms);
		else if (i == N_BEFORE - 1)
			KEEP(r->shared, ms);
		else if (i == 2 * N_BEFORE - 1)
			KEEP(r->local, ms);
	}
	link_emulator_thaw(link);
	link_emulator_refuse(link, false);
	kill(born.pid, SIGCONT);
	if (fault != FAULT_KILL)
		come_back(r, s);
	ferry_node_session_close(s);
	link_emulator_free(link);
	kill(born.pid, SIGKILL);
	free(prompt);
}

static void print(const char *name, double *ms, unsigned n)
{
	if (!n)
		return;
	qsort(ms, n, sizeof(*ms), compare);
	printf("%-24s %10.2f %10.2f %10.2f   (%u runs)\n", name, ms[n / 2], ms[n * 9 / 10],
	       ms[n - 1], n);
}

static void measure(struct run *r, unsigned n_runs)
{
	struct ferry_node_session_options o = {.n_ctx = r->n_prompt + 8 * N_BEFORE};
	int32_t want[2 * N_BEFORE], *prompt = calloc(r->n_prompt, sizeof(*prompt));
	struct ferry_node_session *s;
	struct ferry_error err;

	for (uint32_t i = 0; i < r->n_prompt; i++)
		prompt[i] = (int32_t)(i * 7 % r->model->hp.n_vocab);
	if (ferry_node_session_open(r->model, r->pool, &o, &s, &err) ||
	    ferry_node_session_append(s, prompt, r->n_prompt, &err))
		die(&err);
	for (unsigned i = 0; i < 2 * N_BEFORE; i++)
		next(r, s, &want[i]);
	ferry_node_session_close(s);
	free(prompt);
	for (unsigned i = 0; i < n_runs; i++)
		for (int f = 0; f < N_FAULTS; f++)
			one_run(r, (enum fault)f, want);
	printf("%s, %u layers, %d of them here; prompt of %u; RTT %.1f ms; %u %% of the waits kept "
	       "warm\n",
	       r->model->name, r->model->hp.n_layers, r->split, r->n_prompt, r->rtt_ms, r->warm);
	printf("%-24s %10s %10s %10s\n", "next token after, ms", "p50", "p90", "most");
	print("nothing, with the edge", r->shared.ms, r->shared.n);
	print("nothing, alone", r->local.ms, r->local.n);
	for (int f = 0; f < N_FAULTS; f++)
		print(names[f], r->next[f].ms, r->next[f].n);
	print("until the edge is back", r->back.ms, r->back.n);
	if (r->back.n)
		printf("back: %u times, %llu by lease; positions kept %.0f, missing %.1f; %.0f bytes "
		       "sent, on average\n",
		       r->back.n, (unsigned long long)r->attached, (double)r->kept / r->back.n,
		       (double)r->missing / r->back.n, (double)r->back_bytes / r->back.n);
	printf("tokens: %s\n", r->wrong ? "DIFFERENT" : "the same everywhere");
}

int main(int argc, char **argv)
{
	struct run r = {.split = -1, .n_prompt = 128, .rtt_ms = 2};
	struct ferry_tiny_model tiny = {.n_layers = 4, .n_ctx = 4096};
	const char *model_path = NULL;
	char *temporary = NULL;
	unsigned n_runs = 5;
	struct ferry_error err;
	int ask[2], tell[2], c;
	pid_t nursery;

	while ((c = getopt(argc, argv, "m:k:n:r:d:w:")) != -1) {
		if (c == 'm')
			model_path = optarg;
		else if (c == 'k')
			r.split = atoi(optarg);
		else if (c == 'n' && atoi(optarg) > 0)
			n_runs = (unsigned)atoi(optarg);
		else if (c == 'd' && atoi(optarg) > 0)
			r.n_prompt = (uint32_t)atoi(optarg);
		else if (c == 'r' && atof(optarg) >= 0)
			r.rtt_ms = atof(optarg);
		else if (c == 'w' && atoi(optarg) >= 0)
			r.warm = (uint32_t)atoi(optarg);
		else
			return 2;
	}
	if (!model_path)
		model_path = temporary = ferry_tiny_model_temp(&tiny);
	if (!model_path || pipe(ask) || pipe(tell))
		return 1;
	if (ferry_model_load(model_path, &r.model, &err) ||
	    ferry_weights_prepare(r.model, NULL, &err))
		die(&err);
	nursery = fork();
	if (!nursery) {
		close(ask[1]);
		tend(r.model, ask[0], tell[1]);
	}
	r.ask_fd = ask[1];
	r.tell_fd = tell[0];
	if (ferry_pool_new(1, &r.pool, &err))
		die(&err);
	if (r.split < 0)
		r.split = (int32_t)(r.model->hp.n_layers / 2);
	measure(&r, n_runs);
	kill(nursery, SIGKILL);
	waitpid(nursery, NULL, 0);
	ferry_pool_free(r.pool);
	ferry_model_free(r.model);
	if (temporary)
		unlink(temporary);
	free(temporary);
	return r.wrong;
}
