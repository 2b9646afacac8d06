/* SPDX-License-Identifier: MIT */
#ifndef FERRY_CLI_TEXT_FILE_H
#define FERRY_CLI_TEXT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"

/* All bytes of a file ("-": standard input), malloc'ed, with a NUL behind them that *n does not
 * count. -EFBIG above 1 GiB. */
int ferry_text_file_read(const char *path, char **text, size_t *n, struct ferry_error *err);

/* Ids separated by blanks or commas, malloc'ed. -EINVAL naming what is no id. */
int ferry_token_list_parse(const char *text, size_t n, int32_t **ids, size_t *n_ids,
			   struct ferry_error *err);

#endif
