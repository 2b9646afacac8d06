// SPDX-License-Identifier: MIT
/*
 * Vocabularies of real models: the ids that llama.cpp's own tests expect, and the way back.
 * A file NAME.gguf has its texts in NAME.gguf.inp, each ended by a line of its own, and the ids
 * of each text in one line of NAME.gguf.out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer.h"

enum { MAX_PATH = 512 };

static const char separator[] = "\n__ggml_vocab_test__\n";

/* The whole file with a NUL behind it. */
static char *read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *bytes;
	long size;

	if (!f)
		fail_msg("%s cannot be opened", path);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	assert_true(size >= 0);
	rewind(f);
	bytes = malloc((size_t)size + 1);
	assert_non_null(bytes);
	*n = fread(bytes, 1, (size_t)size, f);
	assert_int_equal(*n, size);
	bytes[*n] = 0;
	fclose(f);
	return bytes;
}

static void open_tokenizer(const char *path, struct ferry_gguf **g, struct ferry_tokenizer **t)
{
	struct ferry_error err = {0};

	if (ferry_gguf_open(path, g, &err) || ferry_tokenizer_new(*g, t, &err))
		fail_msg("%s", err.text);
}

static void expect_round_trip(const struct ferry_tokenizer *t, const int32_t *ids, size_t n_ids,
			      const char *text, size_t n, const char *where)
{
	size_t n_back;
	char *back;

	assert_int_equal(
		ferry_tokenizer_decode(t, ids, n_ids, FERRY_DECODE_FIRST, &back, &n_back, NULL), 0);
	if (n_back != n || memcmp(back, text, n) != 0)
		fail_msg("%s: \"%.*s\" comes back as \"%s\"", where, (int)n, text, back);
	free(back);
}

/* @line: the expected ids; moved behind its end. */
static void check_text(const struct ferry_tokenizer *t, const char *text, size_t n,
		       const char **line, const char *where)
{
	size_t n_ids;
	int32_t *ids;

	assert_int_equal(ferry_tokenizer_encode(t, text, n, 0, &ids, &n_ids, NULL), 0);
	for (size_t i = 0; i < n_ids; i++) {
		char *end;
		long want = strtol(*line, &end, 10);

		if (end == *line || memchr(*line, '\n', (size_t)(end - *line)) || want != ids[i])
			fail_msg("%s: \"%.*s\": id %zu is %d", where, (int)n, text, i, ids[i]);
		*line = end;
	}
	if (**line != '\n')
		fail_msg("%s: \"%.*s\": ids are missing behind %zu", where, (int)n, text, n_ids);
	++*line;
	expect_round_trip(t, ids, n_ids, text, n, where);
	free(ids);
}

static void check_vocabulary(const char *path)
{
	char inp[MAX_PATH], out[MAX_PATH];
	char *texts, *lines, *text, *end;
	struct ferry_tokenizer *t;
	struct ferry_gguf *g;
	const char *line;
	unsigned n_texts = 0;
	size_t n;

	open_tokenizer(path, &g, &t);
	snprintf(inp, sizeof(inp), "%s.inp", path);
	snprintf(out, sizeof(out), "%s.out", path);
	texts = read_file(inp, &n);
	lines = read_file(out, &n);
	line = lines;
	for (text = texts; (end = strstr(text, separator)); text = end + strlen(separator)) {
		check_text(t, text, (size_t)(end - text), &line, path);
		n_texts++;
	}
	assert_string_equal(text, "");
	assert_string_equal(line, "");
	assert_true(n_texts > 40);
	print_message("# %s: %u texts\n", path, n_texts);
	free(texts);
	free(lines);
	ferry_tokenizer_free(t);
	ferry_gguf_close(g);
}

static const char *shared(const char *pattern, char *buf)
{
	const char *dir = getenv("FERRY_SHARED");

	snprintf(buf, MAX_PATH, "%s/models/%s", dir ? dir : "", pattern);
	return buf;
}

static void test_vocabularies(void **state)
{
	char pattern[MAX_PATH];
	glob_t found;

	(void)state;
	if (glob(shared("vocab/ggml-vocab-*.gguf", pattern), 0, NULL, &found)) {
		print_message("# SKIP: no vocabularies at %s\n", pattern);
		skip();
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_vocabulary(found.gl_pathv[i]);
	globfree(&found);
}

/* The ids that the models' reference logits start from. */
static void test_model_prompt(void **state)
{
	static const char prompt[] = "Once upon a time";
	char path[MAX_PATH], *want, ids_text[256];
	struct ferry_tokenizer *t;
	struct ferry_gguf *g;
	size_t n_ids, n, at = 0;
	glob_t found;
	int32_t *ids;

	(void)state;
	if (glob(shared("stories260K.tokens", path), 0, NULL, &found)) {
		print_message("# SKIP: no model at %s\n", path);
		skip();
	}
	globfree(&found);
	want = read_file(path, &n);
	open_tokenizer(shared("stories260K.gguf", path), &g, &t);
	assert_int_equal(ferry_tokenizer_encode(t, prompt, strlen(prompt),
						ferry_tokenizer_adds_bos(t) ? FERRY_ENCODE_BOS : 0,
						&ids, &n_ids, NULL),
			 0);
	for (size_t i = 0; i < n_ids; i++)
		at += (size_t)snprintf(ids_text + at, sizeof(ids_text) - at, "%s%d", i ? "," : "",
				       ids[i]);
	want[strcspn(want, "\r\n")] = 0;
	assert_string_equal(ids_text, want);
	expect_round_trip(t, ids, n_ids, prompt, strlen(prompt), path);
	free(ids);
	free(want);
	ferry_tokenizer_free(t);
	ferry_gguf_close(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vocabularies),
		cmocka_unit_test(test_model_prompt),
	};

	return cmocka_run_group_tests_name("conformance/tokenizer_vocab", tests, NULL, NULL);
}
