/* SPDX-License-Identifier: MIT */
/*
 * A model in a file, a directory for its packed weights, and the bytes that they must have, for the
 * tests of engine/weight_cache.c.
 */
#ifndef FERRY_TESTS_WEIGHT_RIG_H
#define FERRY_TESTS_WEIGHT_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fixture.h"

enum { RIG_PATH = 512 };

struct weight_rig {
	char dir[64];	      /* holds all of it */
	char model[RIG_PATH]; /* the GGUF file */
	char cache[RIG_PATH]; /* directory; not there yet */
	uint8_t *right;	      /* [n] packed weights */
	size_t n;
	unsigned n_warnings;
	char warning[512];
};

static inline void rig_log(void *data, enum ferry_log_level level, const char *text)
{
	struct weight_rig *r = data;

	(void)level;
	r->n_warnings++;
	snprintf(r->warning, sizeof(r->warning), "%s", text);
}

static inline struct ferry_model *rig_load(const struct weight_rig *r)
{
	struct ferry_error err = {0};
	struct ferry_model *m;

	if (ferry_model_load(r->model, &m, &err))
		fail_msg("%s", err.text);
	return m;
}

/* What the weights are without a cache; again after the model has changed. */
static inline void rig_learn(struct weight_rig *r)
{
	struct ferry_model *m = rig_load(r);
	const uint8_t *span;

	assert_int_equal(ferry_weights_prepare(m, NULL, NULL), 0);
	assert_int_equal(ferry_weights_origin(m), FERRY_WEIGHTS_PRIVATE);
	span = ferry_weights_span(m, &r->n);
	assert_non_null(span);
	free(r->right);
	r->right = malloc(r->n);
	assert_non_null(r->right);
	memcpy(r->right, span, r->n);
	ferry_model_free(m);
}

static inline struct weight_rig rig_new(const struct ferry_tiny_model *options)
{
	struct weight_rig r = {.dir = "/tmp/ferry-weights-XXXXXX"};

	assert_non_null(mkdtemp(r.dir));
	snprintf(r.model, sizeof(r.model), "%s/model.gguf", r.dir);
	snprintf(r.cache, sizeof(r.cache), "%s/cache", r.dir);
	assert_int_equal(ferry_tiny_model_save(options, r.model), 0);
	rig_learn(&r);
	return r;
}

static inline void rig_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[2 * RIG_PATH];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static inline void rig_free(struct weight_rig *r)
{
	rig_empty(r->cache);
	rig_empty(r->dir);
	free(r->right);
}

/* The file in @dir whose name ends so; NULL where there is none. Freed by the caller. */
static inline char *rig_file(const char *dir, const char *suffix)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char *path = NULL;

	while (d && (e = readdir(d))) {
		const size_t n = strlen(e->d_name), n_suffix = strlen(suffix);

		if (n < n_suffix || strcmp(e->d_name + n - n_suffix, suffix) != 0)
			continue;
		free(path);
		path = malloc(2 * RIG_PATH);
		assert_non_null(path);
		snprintf(path, (size_t)2 * RIG_PATH, "%s/%s", dir, e->d_name);
	}
	if (d)
		closedir(d);
	return path;
}

static inline char *rig_packed(const struct weight_rig *r)
{
	char *path = rig_file(r->cache, ".packed");

	assert_non_null(path);
	return path;
}

/* A start with the cache. Whatever happened to it, the weights must be right. */
static inline struct ferry_model *rig_start(struct weight_rig *r, uint32_t wait_ms)
{
	const struct ferry_log log = {.level = FERRY_LOG_WARNING, .write = rig_log, .data = r};
	const struct ferry_weights_options o = {
		.n_threads = 2,
		.cache = r->cache,
		.model_path = r->model,
		.wait_ms = wait_ms,
		.log = &log,
	};
	struct ferry_model *m = rig_load(r);
	struct ferry_error err = {0};
	const uint8_t *span;
	size_t n;

	r->n_warnings = 0;
	if (ferry_weights_prepare(m, &o, &err))
		fail_msg("%s", err.text);
	span = ferry_weights_span(m, &n);
	assert_int_equal(n, r->n);
	if (memcmp(span, r->right, n) != 0)
		fail_msg("wrong weights");
	assert_int_equal(!ferry_weights_file(m), ferry_weights_origin(m) == FERRY_WEIGHTS_PRIVATE);
	assert_int_equal(!ferry_weights_problem(m),
			 ferry_weights_origin(m) != FERRY_WEIGHTS_PRIVATE);
	assert_int_equal(r->n_warnings, ferry_weights_origin(m) == FERRY_WEIGHTS_PRIVATE);
	return m;
}

static inline enum ferry_weights_origin rig_origin(struct weight_rig *r)
{
	struct ferry_model *m = rig_start(r, 0);
	const enum ferry_weights_origin origin = ferry_weights_origin(m);

	ferry_model_free(m);
	return origin;
}

/* Bytes of a file, freed by the caller. */
static inline uint8_t *rig_read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*n = (size_t)st.st_size;
	bytes = malloc(*n + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *n, f), *n);
	fclose(f);
	return bytes;
}

static inline void rig_write(const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* Flips bits of one byte, and keeps the file's time where @quietly. */
static inline void rig_flip(const char *path, size_t at, bool quietly)
{
	struct stat st;
	uint8_t byte;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x11;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	if (quietly) {
		const struct timespec times[2] = {st.st_atim, st.st_mtim};

		assert_int_equal(futimens(fd, times), 0);
	}
	close(fd);
}

#endif
