// SPDX-License-Identifier: MIT
#include "logit_run.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/pass.h"

#define NEED(call, err)                                        \
	do {                                                   \
		if (call)                                      \
			fail_msg("%s: %s", #call, (err).text); \
	} while (0)

/* One side of a cut: its own pass, cache and pool. */
struct side {
	struct ferry_pool *pool;
	struct ferry_forward *forward;
	struct ferry_kv_cache *kv;
	uint32_t begin, end;
};

static uint32_t largest_piece(const struct logit_run *how, uint32_t n)
{
	const uint32_t piece = how->piece && how->piece < n ? how->piece : n;

	return piece > how->n_prompt ? piece : how->n_prompt;
}

static void side_open(struct side *s, const struct ferry_model *m, const struct logit_run *how,
		      uint32_t begin, uint32_t end, uint32_t n)
{
	struct ferry_error err = {0};

	*s = (struct side){.begin = begin, .end = end};
	if (how->n_threads)
		NEED(ferry_pool_new(how->n_threads, &s->pool, &err), err);
	NEED(ferry_forward_new(m, s->pool, largest_piece(how, n), how->path, &s->forward, &err),
	     err);
	if (how->kernels)
		s->forward->kernels = how->kernels;
	if (how->gelu)
		s->forward->gelu = how->gelu;
	NEED(ferry_kv_cache_new(m, begin, end, n, how->kv_type, &s->kv, &err), err);
}

static void side_close(struct side *s)
{
	ferry_kv_cache_free(s->kv);
	ferry_forward_free(s->forward);
	ferry_pool_free(s->pool);
}

static void side_layers(struct side *s, float *hidden, uint32_t n)
{
	struct ferry_span span = {s->kv, n};
	struct ferry_error err = {0};

	NEED(ferry_forward_layers(s->forward, &span, 1, s->begin, s->end, hidden, &err), err);
	ferry_forward_advance(&span, 1);
}

/* The next n tokens through both sides. */
static void feed(struct side *sides, const int32_t *ids, uint32_t n, float *hidden, float *logits)
{
	struct ferry_error err = {0};

	NEED(ferry_forward_embed(sides[0].forward, ids, n, hidden, &err), err);
	side_layers(&sides[0], hidden, n);
	side_layers(&sides[1], hidden, n);
	NEED(ferry_forward_head(sides[1].forward, hidden, n, logits, &err), err);
}

void logit_run(const struct ferry_model *m, const struct logit_run *how, const int32_t *ids,
	       uint32_t n, float *logits)
{
	float *hidden = calloc((size_t)largest_piece(how, n) * m->hp.n_embd, sizeof(*hidden));
	uint32_t piece = how->n_prompt ? how->n_prompt : how->piece;
	struct side sides[2];

	assert_non_null(hidden);
	side_open(&sides[0], m, how, 0, how->cut, n);
	side_open(&sides[1], m, how, how->cut, m->hp.n_layers, n);
	for (uint32_t t = 0; t < n; t += piece, piece = how->piece) {
		piece = piece && piece < n - t ? piece : n - t;
		feed(sides, ids + t, piece, hidden, logits + (size_t)t * m->hp.n_vocab);
	}
	side_close(&sides[0]);
	side_close(&sides[1]);
	free(hidden);
}

static int32_t best_of(const float *logits, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++)
		best = logits[i] > logits[best] ? i : best;
	return (int32_t)best;
}

void logit_run_greedy(const struct ferry_model *m, const struct logit_run *how, const int32_t *ids,
		      uint32_t n, int32_t *more, uint32_t n_more)
{
	struct logit_run one = *how;
	float *hidden = calloc(m->hp.n_embd, sizeof(*hidden));
	float *logits = calloc(m->hp.n_vocab, sizeof(*logits));
	struct side sides[2];

	assert_non_null(hidden);
	assert_non_null(logits);
	one.piece = 1;
	side_open(&sides[0], m, &one, 0, one.cut, n + n_more);
	side_open(&sides[1], m, &one, one.cut, m->hp.n_layers, n + n_more);
	for (uint32_t t = 0; t < n; t++)
		feed(sides, ids + t, 1, hidden, logits);
	for (uint32_t t = 0; t < n_more; t++) {
		more[t] = best_of(logits, m->hp.n_vocab);
		feed(sides, more + t, 1, hidden, logits);
	}
	side_close(&sides[0]);
	side_close(&sides[1]);
	free(logits);
	free(hidden);
}

static void shared_path(char path[PATH_MAX], const char *name, const char *suffix)
{
	const char *shared = getenv("FERRY_SHARED");

	snprintf(path, PATH_MAX, "%s/models/%s%s", shared ? shared : "", name, suffix);
}

static void *read_all(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *bytes;
	long size;

	if (!f)
		fail_msg("cannot open %s", path);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	assert_true(size >= 0);
	rewind(f);
	bytes = calloc((size_t)size + 1, 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, (size_t)size, f), size);
	fclose(f);
	*n = (size_t)size;
	return bytes;
}

int32_t *shared_ids(const char *name, const char *suffix, uint32_t *n)
{
	char path[PATH_MAX], *text, *at, *end;
	int32_t *ids;
	size_t size;

	shared_path(path, name, suffix);
	text = read_all(path, &size);
	ids = calloc(size / 2 + 1, sizeof(*ids)); /* an id and its comma */
	assert_non_null(ids);
	*n = 0;
	for (at = text;; at = end + (*end == ',')) {
		ids[*n] = (int32_t)strtol(at, &end, 10);
		if (end == at)
			break;
		(*n)++;
	}
	free(text);
	return ids;
}

void shared_model_open(struct shared_model *s, const char *name)
{
	struct ferry_error err = {0};
	char path[PATH_MAX];
	size_t size;

	*s = (struct shared_model){0};
	shared_path(path, name, ".gguf");
	NEED(ferry_model_load(path, &s->model, &err), err);
	NEED(ferry_weights_prepare(s->model, NULL, &err), err);
	s->ids = shared_ids(name, ".tokens", &s->n);
	shared_path(path, name, ".exact.f32");
	s->exact = read_all(path, &size);
	assert_int_equal(size, (size_t)s->n * s->model->hp.n_vocab * sizeof(float));
	shared_path(path, name, ".logits.f32");
	s->other = read_all(path, &size);
	assert_int_equal(size, (size_t)s->n * s->model->hp.n_vocab * sizeof(float));
}

void shared_model_close(struct shared_model *s)
{
	free(s->exact);
	free(s->other);
	free(s->ids);
	ferry_model_free(s->model);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

char (*shared_model_names(unsigned *n))[64]
{
	static const char suffix[] = ".exact.f32";
	char(*names)[64] = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	*n = 0;
	shared_path(path, "", "");
	dir = opendir(path);
	if (!dir) {
		print_message("SKIP: no reference models in %s\n", path);
		skip();
	}
	while ((entry = readdir(dir))) {
		const size_t length = strlen(entry->d_name);

		if (length <= sizeof(suffix) - 1 ||
		    length - sizeof(suffix) + 1 >= sizeof(names[0]) ||
		    strcmp(entry->d_name + length - sizeof(suffix) + 1, suffix) != 0)
			continue;
		names = realloc(names, (*n + 1) * sizeof(*names));
		assert_non_null(names);
		memset(names[*n], 0, sizeof(names[0]));
		memcpy(names[(*n)++], entry->d_name, length - sizeof(suffix) + 1);
	}
	closedir(dir);
	assert_true(*n > 0);
	qsort(names, *n, sizeof(*names), compare_names);
	return names;
}
