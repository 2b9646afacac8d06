// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* program_invocation_name */
#include "cli/packed_weights.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "engine/weights.h"
#include "ferry/ferry.h"

static void warn(void *data, enum ferry_log_level level, const char *text)
{
	(void)data;
	(void)level;
	fprintf(stderr, "%s: warning: %s\n", program_invocation_name, text);
}

int ferry_cli_pack_weights(struct ferry_model *m, const char *path, const char *cache,
			   uint32_t n_threads, const struct ferry_log *log, struct ferry_error *err)
{
	const struct ferry_log to_stderr = {.level = FERRY_LOG_WARNING, .write = warn};
	struct ferry_weights_options o = {
		.n_threads = n_threads,
		.log = log ? log : &to_stderr,
	};
	char dir[PATH_MAX];
	struct ferry_error why;

	if (!cache && ferry_default_cache(dir, sizeof(dir), &why))
		ferry_log(o.log, FERRY_LOG_WARNING, "%s; name one by --cache, or say --cache none",
			  why.text);
	else if (!cache)
		o.cache = dir;
	else if (strcmp(cache, "none") != 0)
		o.cache = cache;
	if (!cache || o.cache)
		o.model_path = path;
	return ferry_weights_prepare(m, &o, err);
}
