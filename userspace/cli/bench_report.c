// SPDX-License-Identifier: MIT
#include "cli/bench_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

json_t *ferry_bench_to_json(const struct ferry_bench_setting *b, const struct ferry_bench_result *r)
{
	const double decode = r->decode_tok_s.median;
	json_t *root = json_pack(
		"{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f, s:I, s:I, s:s}",
		"model", r->model, "n_threads", (int)r->n_threads, "n_prompt", (int)b->n_prompt,
		"n_decode", (int)b->n_decode, "rounds", (int)r->n_rounds, "prefill_tok_s",
		r->prefill_tok_s.median, "decode_tok_s", decode, "read_gb_s", r->read_gb_s.median,
		"decode_gb_s", decode * r->bytes_per_token / 1e9, "decode_of_read",
		r->decode_of_read.median, "load", r->load, "load_s", r->load_s, "reload_s",
		r->reload_s, "bytes_per_token", (json_int_t)r->bytes_per_token, "peak_rss_bytes",
		(json_int_t)r->peak_rss_bytes, "kv", r->kv);
	json_t *deep = json_array();

	for (uint32_t i = 0; i < b->n_depths; i++)
		json_array_append_new(deep,
				      json_pack("{s:i, s:f, s:I, s:f}", "depth", (int)b->depth[i],
						"decode_tok_s", r->deep_tok_s[i].median,
						"kv_bytes_per_token", (json_int_t)r->kv_bytes[i],
						"of_decode_bytes", r->deep_of_decode[i]));
	json_object_set_new(root, "deep", deep);
	return root;
}

void ferry_bench_print(const struct ferry_bench_setting *b, const struct ferry_bench_result *r)
{
	const double decode = r->decode_tok_s.median;

	printf("%s, %u threads, medians of %u rounds\n", r->model, r->n_threads, r->n_rounds);
	printf("  load     %8.3f s     %s; once more %.3f s\n", r->load_s, r->load, r->reload_s);
	printf("  prefill  %8.1f tok/s  (%u tokens; %.1f to %.1f)\n", r->prefill_tok_s.median,
	       b->n_prompt, r->prefill_tok_s.least, r->prefill_tok_s.most);
	printf("  decode   %8.1f tok/s  (%u tokens; %.1f to %.1f), %.2f GB/s of weights\n", decode,
	       b->n_decode, r->decode_tok_s.least, r->decode_tok_s.most,
	       decode * r->bytes_per_token / 1e9);
	for (uint32_t i = 0; i < b->n_depths; i++)
		printf("  at %-6u%8.1f tok/s  (%.1f to %.1f), %.2f GB/s of weights and %s KV "
		       "cache: %.0f %% of decode\n",
		       b->depth[i], r->deep_tok_s[i].median, r->deep_tok_s[i].least,
		       r->deep_tok_s[i].most,
		       r->deep_tok_s[i].median * (r->bytes_per_token + r->kv_bytes[i]) / 1e9, r->kv,
		       r->deep_of_decode[i] * 100);
	printf("  reading  %8.2f GB/s   of the same weights; decode reaches %.0f %% of it\n",
	       r->read_gb_s.median, r->decode_of_read.median * 100);
	printf("  memory   %8.1f MB     at most\n", (double)r->peak_rss_bytes / (1 << 20));
}

/* Whether a value is what ferry_bench_to_json() makes, as far as comparing needs it. */
static bool is_measurement(const json_t *v)
{
	const json_t *deep = json_object_get(v, "deep"), *line;
	size_t i;

	if (!json_is_string(json_object_get(v, "model")) ||
	    !json_is_string(json_object_get(v, "kv")) ||
	    !json_is_integer(json_object_get(v, "n_threads")) ||
	    !json_is_integer(json_object_get(v, "n_prompt")) ||
	    !json_is_number(json_object_get(v, "prefill_tok_s")) ||
	    !json_is_number(json_object_get(v, "decode_tok_s")) || !json_is_array(deep))
		return false;
	json_array_foreach(deep, i, line) if (!json_is_integer(json_object_get(line, "depth")) ||
					      !json_is_number(json_object_get(
						      line, "decode_tok_s"))) return false;
	return true;
}

int ferry_bench_load(const char *path, json_t **saved, struct ferry_error *err)
{
	FILE *f = fopen(path, "re");
	json_error_t problem;
	json_t *root, *results, *v;
	size_t i;

	*saved = NULL;
	if (!f)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "%s: %s", path,
				  ferry_errno_text(errno));
	root = json_loadf(f, 0, &problem);
	fclose(f);
	if (!root)
		return ferry_fail(err, FERRY_ERROR_FILE, -EBADMSG,
				  "%s, line %d: %s; --compare takes what --json printed", path,
				  problem.line, problem.text);
	results = json_object_get(root, "results");
	results = results ? json_incref(results) : json_pack("[O]", root);
	json_decref(root);
	json_array_foreach(results, i, v) if (!is_measurement(v)) break;
	if (!json_is_array(results) || i < json_array_size(results)) {
		json_decref(results);
		return ferry_fail(err, FERRY_ERROR_FILE, -EBADMSG,
				  "%s has other members than `ferry bench --json` prints", path);
	}
	*saved = results;
	return 0;
}

/*
 * The saved measurement of the same model, prompt, threads and cache; NULL: there is none. The
 * length of the prompt is that of the context that decode is measured behind, too.
 */
static const json_t *find(const json_t *saved, const struct ferry_bench_setting *b,
			  const struct ferry_bench_result *r)
{
	const json_t *v;
	size_t i;

	json_array_foreach(
		saved, i,
		v) if (!strcmp(json_string_value(json_object_get(v, "model")), r->model) &&
		       !strcmp(json_string_value(json_object_get(v, "kv")), r->kv) &&
		       json_integer_value(json_object_get(v, "n_prompt")) == b->n_prompt &&
		       json_integer_value(json_object_get(v, "n_threads")) ==
			       r->n_threads) return v;
	return NULL;
}

static const json_t *find_depth(const json_t *measurement, uint32_t depth)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(measurement, "deep"), i,
			   line) if (json_integer_value(json_object_get(line, "depth")) ==
				     depth) return line;
	return NULL;
}

static void print_ratio(double now, const json_t *before, const char *member)
{
	const double then = json_number_value(json_object_get(before, member));

	if (then > 0.0)
		printf("  %8.2f", now / then);
	else
		printf("  %8s", "-");
}

void ferry_bench_table_head(const json_t *saved)
{
	printf("%-32s %7s %6s %3s  %9s  %9s  %8s  %8s", "model", "threads", "depth", "kv",
	       "prefill/s", "decode/s", "GB/s", "of read");
	if (saved)
		printf("  %8s  %8s", "prefill", "decode");
	printf("\n");
}

void ferry_bench_table_lines(const struct ferry_bench_setting *b,
			     const struct ferry_bench_result *r, const json_t *saved)
{
	const json_t *before = saved ? find(saved, b, r) : NULL;
	const double bytes = r->bytes_per_token;

	printf("%-32.32s %7u %6u %3s  %9.1f  %9.1f  %8.2f  %7.0f%%", r->model, r->n_threads,
	       b->n_prompt, r->kv, r->prefill_tok_s.median, r->decode_tok_s.median,
	       r->decode_tok_s.median * bytes / 1e9, r->decode_of_read.median * 100);
	if (saved) {
		print_ratio(r->prefill_tok_s.median, before, "prefill_tok_s");
		print_ratio(r->decode_tok_s.median, before, "decode_tok_s");
	}
	printf("\n");
	for (uint32_t i = 0; i < b->n_depths; i++) {
		const double rate = r->deep_tok_s[i].median * (bytes + r->kv_bytes[i]) / 1e9;

		printf("%-32s %7s %6u %3s  %9s  %9.1f  %8.2f  %7.0f%%", "", "", b->depth[i], r->kv,
		       "", r->deep_tok_s[i].median, rate, rate / r->read_gb_s.median * 100);
		if (saved) {
			printf("  %8s", "");
			print_ratio(r->deep_tok_s[i].median, find_depth(before, b->depth[i]),
				    "decode_tok_s");
		}
		printf("\n");
	}
	fflush(stdout);
}
