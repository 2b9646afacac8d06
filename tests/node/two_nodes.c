// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/weights.h"
#include "two_nodes.h"

void two_nodes_load(struct two_nodes *t, const struct ferry_tiny_model *options, uint32_t n_threads)
{
	struct ferry_error err;

	*t = (struct two_nodes){0};
	t->path = ferry_tiny_model_temp(options);
	assert_non_null(t->path);
	if (ferry_model_load(t->path, &t->model, &err) ||
	    ferry_weights_prepare(t->model, NULL, &err))
		fail_msg("%s", err.text);
	if (ferry_pool_new(n_threads, &t->pool, &err))
		fail_msg("%s", err.text);
}

static void *serve(void *edge)
{
	struct ferry_error err;

	if (ferry_edge_run(edge, &err))
		fprintf(stderr, "# the edge failed: %s\n", err.text);
	return NULL;
}

void two_nodes_serve(struct two_nodes *t, const struct ferry_edge_options *o)
{
	struct ferry_edge_options options = o ? *o : (struct ferry_edge_options){0};
	struct ferry_error err;

	if (!options.listen)
		options.listen = "127.0.0.1:0";
	if (!options.n_threads)
		options.n_threads = 1;
	if (ferry_edge_new(t->model, &options, &t->edge, &err))
		fail_msg("%s", err.text);
	snprintf(t->address, sizeof(t->address), "%s", ferry_edge_address(t->edge));
	assert_int_equal(pthread_create(&t->thread, NULL, serve, t->edge), 0);
}

void two_nodes_stop(struct two_nodes *t)
{
	if (!t->edge)
		return;
	ferry_edge_stop(t->edge);
	pthread_join(t->thread, NULL);
	ferry_edge_free(t->edge);
	t->edge = NULL;
}

void two_nodes_free(struct two_nodes *t)
{
	two_nodes_stop(t);
	ferry_pool_free(t->pool);
	ferry_model_free(t->model);
	unlink(t->path);
	free(t->path);
}

struct ferry_node_session *two_nodes_open(struct two_nodes *t,
					  const struct ferry_node_session_options *o)
{
	struct ferry_node_session *s;
	struct ferry_error err;

	if (ferry_node_session_open(t->model, t->pool, o, &s, &err))
		fail_msg("%s", err.text);
	return s;
}

struct ferry_node_session *two_nodes_session(struct two_nodes *t, int32_t split)
{
	struct ferry_node_session_options o = {.n_ctx = 256,
					       .edge = t->address,
					       .split = split,
					       .deadline_ms = 10000,
					       .fallback = FERRY_NODE_FALLBACK_FAIL};

	return two_nodes_open(t, &o);
}

void two_nodes_prompt(const struct two_nodes *t, int32_t *ids, uint32_t n)
{
	uint32_t x = 12345;

	for (uint32_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		ids[i] = (int32_t)((x >> 8) % t->model->hp.n_vocab);
	}
}

void two_nodes_generate(struct ferry_node_session *s, const int32_t *prompt, uint32_t n_prompt,
			const struct ferry_sampling *sampling, int32_t *ids, uint32_t n)
{
	struct ferry_error err;

	if (ferry_node_session_append(s, prompt, n_prompt, &err))
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < n; i++)
		if (ferry_node_session_next(s, sampling, &ids[i], &err))
			fail_msg("token %u: %s", i, err.text);
}
