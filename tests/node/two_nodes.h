/* SPDX-License-Identifier: MIT */
/*
 * A model and an edge that serves it, for tests with a device beside it: both in one process, the
 * edge in its own thread.
 */
#ifndef FERRY_TESTS_TWO_NODES_H
#define FERRY_TESTS_TWO_NODES_H

#include <pthread.h>
#include <stdint.h>

#include "fixtures/tiny_model.h"
#include "model/model.h"
#include "node/edge.h"
#include "node/session.h"

struct two_nodes {
	struct ferry_model *model;
	struct ferry_pool *pool; /* the device's */
	struct ferry_edge *edge; /* NULL until started */
	pthread_t thread;
	char address[64];
	char *path;
};

/* The least that is still a llama, so that sanitized builds get through many passes. */
static const struct ferry_tiny_model two_nodes_small = {
	.n_layers = 4, .n_embd = 64, .n_ff = 96, .n_head = 4, .n_head_kv = 2, .n_head_dim = 16};

/* Fails the running test where something goes wrong. @n_threads: of the device. */
void two_nodes_load(struct two_nodes *t, const struct ferry_tiny_model *options,
		    uint32_t n_threads);
/* @o may be NULL; without `listen` it is 127.0.0.1:0. */
void two_nodes_serve(struct two_nodes *t, const struct ferry_edge_options *o);
void two_nodes_stop(struct two_nodes *t);
void two_nodes_free(struct two_nodes *t);

/* A session: with the edge where @split >= 0, on this node alone where it is -1. */
struct ferry_node_session *two_nodes_session(struct two_nodes *t, int32_t split);
struct ferry_node_session *two_nodes_open(struct two_nodes *t,
					  const struct ferry_node_session_options *o);

/* @n ids that look random and are the same every time. */
void two_nodes_prompt(const struct two_nodes *t, int32_t *ids, uint32_t n);

/* Appends a prompt and generates; ids receives the new tokens. */
void two_nodes_generate(struct ferry_node_session *s, const int32_t *prompt, uint32_t n_prompt,
			const struct ferry_sampling *sampling, int32_t *ids, uint32_t n);

#endif
