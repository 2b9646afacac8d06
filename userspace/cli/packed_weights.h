/* SPDX-License-Identifier: MIT */
/*
 * The option --cache, and what it does.
 */
#ifndef FERRY_CLI_PACKED_WEIGHTS_H
#define FERRY_CLI_PACKED_WEIGHTS_H

#include <stdint.h>

#include "base/log.h"
#include "ferry/error.h"
#include "model/model.h"

#define FERRY_CLI_CACHE_HELP \
	"keep packed weights for the next start in DIR (default: ~/.cache/ferry), or nowhere"

/**
 * ferry_cli_pack_weights - ferry_weights_prepare() with the cache that the user wants.
 * @path: of the model
 * @cache: the argument of --cache: a directory, "none", or NULL for the default one
 * @log: receives the warning that there is no cache; NULL: standard error
 */
int ferry_cli_pack_weights(struct ferry_model *m, const char *path, const char *cache,
			   uint32_t n_threads, const struct ferry_log *log,
			   struct ferry_error *err);

#endif
