/* SPDX-License-Identifier: MIT */
/*
 * How `ferry bench` reports: a text, a table with a line for each depth of context, or JSON; and
 * beside what an earlier run saved.
 */
#ifndef FERRY_CLI_BENCH_REPORT_H
#define FERRY_CLI_BENCH_REPORT_H

#include <jansson.h>

#include "cli/bench_measure.h"

/* One measurement as `ferry bench --json` prints it. */
json_t *ferry_bench_to_json(const struct ferry_bench_setting *b,
			    const struct ferry_bench_result *r);

void ferry_bench_print(const struct ferry_bench_setting *b, const struct ferry_bench_result *r);

/*
 * What --compare names: the output of --json, of one measurement or of a sweep. -EBADMSG where it
 * is something else; the codes of open().
 */
int ferry_bench_load(const char *path, json_t **saved, struct ferry_error *err);

/* Head of the table; @saved may be NULL. */
void ferry_bench_table_head(const json_t *saved);

/* Its lines for one measurement: behind the prompt, and at each depth. */
void ferry_bench_table_lines(const struct ferry_bench_setting *b,
			     const struct ferry_bench_result *r, const json_t *saved);

#endif
