// SPDX-License-Identifier: MIT
/*
 * What encryption costs on loopback: round trips of a message with a hidden state's bytes up and a
 * token's down, through an edge, with TLS and without, by turns; and what it costs to connect, by
 * a full handshake and by resumption.
 *
 *	bench_tls [-n ROUNDS] [-u BYTES_UP] [-d BYTES_DOWN]
 *
 * A hop is one way, so the time that TLS adds to one is half of what it adds to a round trip. Both
 * nodes are in one process, in two threads. Rounds alternate between the two links, so that
 * whatever else this machine does falls on both.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/weights.h"
#include "fixtures/key_folder.h"
#include "fixtures/tiny_model.h"
#include "node/edge.h"
#include "node/uplink.h"
#include "wire/tls.h"

enum {
	BLOCK = 20, /* round trips of one link before it is the other's turn */
	CONNECTIONS = 50,
};

static void die(const struct ferry_error *err)
{
	fprintf(stderr, "bench_tls: %s\n", err->text);
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double at(double *us, unsigned n, double share)
{
	qsort(us, n, sizeof(*us), by_size);
	return us[(unsigned)(share * (n - 1))];
}

static void *serve(void *edge)
{
	struct ferry_error err;

	if (ferry_edge_run(edge, &err))
		die(&err);
	return NULL;
}

struct side {
	struct ferry_edge *edge;
	pthread_t thread;
	struct ferry_tls_context *tls;
	struct ferry_uplink_options options;
	struct ferry_uplink *uplink;
	double *us;
};

static struct ferry_uplink *connect_to(const struct side *s, const struct ferry_model *m)
{
	struct ferry_wire_hello hello = {
		.n_layers = m->hp.n_layers,
		.n_embd = m->hp.n_embd,
		.n_vocab = m->hp.n_vocab,
		.layer_end = m->hp.n_layers,
		.encodings = 3,
		.max_frame = FERRY_FRAME_MAX,
	};
	struct ferry_uplink *u;
	struct ferry_error err;

	memcpy(hello.model, m->id, sizeof(hello.model));
	if (ferry_uplink_connect(&s->options, &hello, &u, &err))
		die(&err);
	return u;
}

/* Of both nodes: what a connection costs, however long it had to wait for a busy machine. */
static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* @forget: prove both keys each time, with a context of these; NULL: resume sessions. */
static double connecting_us(struct side *s, const struct ferry_model *m,
			    const struct ferry_tls_files *forget)
{
	double us[CONNECTIONS];
	struct ferry_error err;

	for (int i = 0; i < CONNECTIONS; i++) {
		struct ferry_uplink *u;
		double start;

		if (forget) {
			ferry_tls_context_free(s->tls);
			if (ferry_tls_context_new(forget, FERRY_ROLE_DEVICE, &s->tls, &err))
				die(&err);
			s->options.tls = s->tls;
		}
		start = cpu_us();
		u = connect_to(s, m);
		us[i] = cpu_us() - start;
		ferry_uplink_free(u);
	}
	return at(us, CONNECTIONS, 0.5);
}

int main(int argc, char **argv)
{
	/* An int8 state of 2048: values, a scale of 2 bytes for each 32, and the fields of WORK. */
	unsigned n = 4000, up = 2048 + 128 + 40 - 12, down = 24 + 4 - 8;
	struct key_folder edge_keys, device_keys;
	struct ferry_tiny_model tiny = {.n_layers = 2};
	struct side sides[2] = {{0}};
	struct ferry_model *model;
	struct ferry_error err;
	char *path = ferry_tiny_model_temp(&tiny);
	double full[2], resumed[2], p50[2], p99[2];
	int c;

	while ((c = getopt(argc, argv, "n:u:d:")) != -1) {
		if (c == 'n' && atoi(optarg) >= BLOCK)
			n = (unsigned)atoi(optarg) / BLOCK * BLOCK;
		else if (c == 'u')
			up = (unsigned)atoi(optarg);
		else if (c == 'd')
			down = (unsigned)atoi(optarg);
		else
			return 2;
	}
	if (!path || key_folder_make(&edge_keys) || key_folder_make(&device_keys))
		return 1;
	key_folder_trust_key(&edge_keys, &device_keys.key, "phone", FERRY_TRUST_DEVICE);
	key_folder_trust_key(&device_keys, &edge_keys.key, "gateway", FERRY_TRUST_EDGE);
	if (ferry_model_load(path, &model, &err) || ferry_weights_prepare(model, NULL, &err))
		die(&err);
	for (int i = 0; i < 2; i++) {
		struct ferry_edge_options o = {.listen = "127.0.0.1:0", .n_threads = 1};
		struct ferry_tls_files device = {.keys = device_keys.path};

		if (i)
			o.tls.keys = edge_keys.path;
		if (i && ferry_tls_context_new(&device, FERRY_ROLE_DEVICE, &sides[i].tls, &err))
			die(&err);
		if (ferry_edge_new(model, &o, &sides[i].edge, &err))
			die(&err);
		pthread_create(&sides[i].thread, NULL, serve, sides[i].edge);
		sides[i].options.edge = ferry_edge_address(sides[i].edge);
		sides[i].options.tls = sides[i].tls;
		full[i] = connecting_us(&sides[i], model, i ? &device : NULL);
		resumed[i] = connecting_us(&sides[i], model, NULL);
		sides[i].uplink = connect_to(&sides[i], model);
		sides[i].us = calloc(n, sizeof(double));
	}
	for (unsigned k = 0; k < n; k += BLOCK)
		for (int i = 0; i < 2; i++)
			for (unsigned j = 0; j < BLOCK; j++) {
				uint64_t us;

				if (ferry_uplink_ping(sides[i].uplink, up, down, &us, &err))
					die(&err);
				sides[i].us[k + j] = (double)us;
			}
	printf("%u round trips each of %u bytes up and %u down (bodies)\n", n, up + 12, down + 8);
	printf("%-8s %10s %10s %18s %18s\n", "link", "p50 us", "p99 us", "connect, CPU us",
	       "resume, CPU us");
	for (int i = 0; i < 2; i++) {
		p50[i] = at(sides[i].us, n, 0.5);
		p99[i] = at(sides[i].us, n, 0.99);
		printf("%-8s %10.0f %10.0f %18.0f %18.0f\n", i ? "TLS" : "plain", p50[i], p99[i],
		       full[i], resumed[i]);
	}
	printf("a hop with TLS: p50 %.1f us, p99 %.1f us (half a round trip); TLS adds %.1f us and "
	       "%.1f us to it\n",
	       p50[1] / 2, p99[1] / 2, (p50[1] - p50[0]) / 2, (p99[1] - p99[0]) / 2);
	for (int i = 0; i < 2; i++) {
		ferry_uplink_free(sides[i].uplink);
		ferry_edge_stop(sides[i].edge);
		pthread_join(sides[i].thread, NULL);
		ferry_edge_free(sides[i].edge);
		ferry_tls_context_free(sides[i].tls);
		free(sides[i].us);
	}
	ferry_model_free(model);
	key_folder_remove(&edge_keys);
	key_folder_remove(&device_keys);
	unlink(path);
	free(path);
	return 0;
}
