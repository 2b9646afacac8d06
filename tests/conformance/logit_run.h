/* SPDX-License-Identifier: MIT */
/*
 * Runs a model over a sequence of tokens in a way that a test chooses: path, threads, batches,
 * where the layers are cut. Every function fails the running test where something does not work.
 */
#ifndef FERRY_CONFORMANCE_LOGIT_RUN_H
#define FERRY_CONFORMANCE_LOGIT_RUN_H

#include "compute/kernels.h"
#include "engine/forward.h"

struct logit_run {
	const struct ferry_kernels *kernels; /* NULL: the best ones */
	enum ferry_path path;
	double (*gelu)(double x); /* NULL: the oracle's own */
	enum ferry_kv_type kv_type;
	uint32_t n_threads; /* 0: no pool */
	uint32_t n_prompt;  /* so many tokens in a first pass */
	uint32_t piece;	    /* tokens in one pass, of the others; 0: all */
	uint32_t cut; /* layers [0, cut) run on one pass and cache, the others on a second one */
};

/* logits [n][n_vocab], one row behind each of the @n tokens */
void logit_run(const struct ferry_model *m, const struct logit_run *how, const int32_t *ids,
	       uint32_t n, float *logits);

/* Greedy continuation: @n_more ids behind the @n first ones. */
void logit_run_greedy(const struct ferry_model *m, const struct logit_run *how, const int32_t *ids,
		      uint32_t n, int32_t *more, uint32_t n_more);

/*
 * Files of $FERRY_SHARED/models. `name` is without a suffix. A skipped test says why and does not
 * return.
 */
struct shared_model {
	struct ferry_model *model;
	int32_t *ids;
	uint32_t n;
	float *exact; /* [n][n_vocab] */
	float *other; /* likewise, of the other runtime's own fast path */
};

void shared_model_open(struct shared_model *s, const char *name);
void shared_model_close(struct shared_model *s);

/* Comma-separated ids of <name><suffix>; freed by the caller. */
int32_t *shared_ids(const char *name, const char *suffix, uint32_t *n);

/* The names of all models that have an oracle, sorted; *n of them, never 0. Freed by the caller. */
char (*shared_model_names(unsigned *n))[64];

#endif
