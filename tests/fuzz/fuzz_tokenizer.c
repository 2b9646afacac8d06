// SPDX-License-Identifier: MIT
/*
 * A vocabulary from anywhere and a text from anywhere. Input: two bytes, the length of the text,
 * then the text, then a GGUF file.
 */
#include <string.h>

#include "fixtures/tiny_vocab.h"
#include "fuzz/fuzz.h"
#include "model/chat_template.h"
#include "model/encoder.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

static const char path[] = "fuzz.gguf";

static void check_error(const struct ferry_error *err, int rc)
{
	FUZZ_CHECK(rc < 0);
	FUZZ_CHECK(err->code == rc);
	FUZZ_CHECK(err->kind != FERRY_ERROR_NONE);
	FUZZ_CHECK(strstr(err->text, path));
	FUZZ_CHECK(!strchr(err->text, '\n'));
}

/* All pieces one after another are what decode() gives. */
static void check_decode(const struct ferry_tokenizer *t, const int32_t *ids, size_t n_ids,
			 unsigned flags)
{
	static char buf[FERRY_TOKEN_BYTES_MAX];
	size_t n, at = 0;
	char *text;

	FUZZ_CHECK(!ferry_tokenizer_decode(t, ids, n_ids, flags, &text, &n, NULL));
	for (size_t i = 0; i < n_ids; i++) {
		int k = ferry_tokenizer_piece(t, ids[i], flags, buf, sizeof(buf));

		FUZZ_CHECK(k >= 0 && (size_t)k <= sizeof(buf) && (size_t)k <= n - at);
		FUZZ_CHECK(!memcmp(text + at, buf, (size_t)k));
		at += (size_t)k;
	}
	FUZZ_CHECK(at == n && !text[n]);
	free(text);
}

static void check_encode(const struct ferry_tokenizer *t, const char *text, size_t n,
			 unsigned flags)
{
	int32_t *ids;
	size_t n_ids;

	FUZZ_CHECK(!ferry_tokenizer_encode(t, text, n, flags, &ids, &n_ids, NULL));
	FUZZ_CHECK(!ids == !n_ids);
	for (size_t i = 0; i < n_ids; i++) {
		FUZZ_CHECK(ids[i] >= 0 && (uint32_t)ids[i] < ferry_tokenizer_n_vocab(t));
		/* The promise on which servers rely. */
		if (!flags)
			FUZZ_CHECK(t->vocab.tokens[ids[i]].type != FERRY_TOKEN_CONTROL);
	}
	check_decode(t, ids, n_ids, 0);
	check_decode(t, ids, n_ids, FERRY_DECODE_SPECIAL);
	free(ids);
}

/* The same text in two parts, the second one trusted. */
static void check_parts(const struct ferry_tokenizer *t, const char *text, size_t n)
{
	char *copy = malloc(n + 1);
	struct ferry_chat_part parts[2] = {{.text = copy, .n = n / 2},
					   {.text = copy + n / 2, .n = n - n / 2, .is_mark = true}};
	int32_t *ids;
	size_t n_ids;

	FUZZ_CHECK(copy);
	memcpy(copy, text, n);
	FUZZ_CHECK(!ferry_tokenizer_encode_parts(t, parts, 2, 0, &ids, &n_ids, NULL));
	for (size_t i = 0; i < n_ids; i++)
		FUZZ_CHECK(ids[i] >= 0 && (uint32_t)ids[i] < ferry_tokenizer_n_vocab(t));
	free(ids);
	free(copy);
}

static void check_tokenizer(const struct ferry_tokenizer *t, const char *text, size_t n)
{
	uint32_t n_vocab = ferry_tokenizer_n_vocab(t);

	FUZZ_CHECK(n_vocab > 0);
	FUZZ_CHECK(ferry_tokenizer_bos(t) < (int64_t)n_vocab);
	FUZZ_CHECK(ferry_tokenizer_eos(t) < (int64_t)n_vocab);
	FUZZ_CHECK(!ferry_tokenizer_adds_bos(t) || ferry_tokenizer_bos(t) >= 0);
	for (unsigned flags = 0; flags < 4; flags++)
		check_encode(t, text, n, flags);
	check_parts(t, text, n);
}

static void check_file(const struct ferry_gguf *g, const char *text, size_t n)
{
	const struct ferry_chat_template *template;
	struct ferry_error err = {0};
	struct ferry_tokenizer *t;
	int rc = ferry_tokenizer_new(g, &t, &err);

	if (rc) {
		FUZZ_CHECK(!t);
		check_error(&err, rc);
	} else {
		check_tokenizer(t, text, n);
	}
	ferry_tokenizer_free(t);
	rc = ferry_chat_template_detect(g, &template, &err);
	FUZZ_CHECK(!rc == (template != NULL));
	if (rc)
		check_error(&err, rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ferry_gguf *g;
	size_t n;
	void *file; /* aligned, as the reader wants it */

	if (size < 2)
		return 0;
	n = (size_t)data[0] | (size_t)data[1] << 8;
	data += 2;
	size -= 2;
	if (n > size)
		n = size;
	file = malloc(size - n + 1);
	FUZZ_CHECK(file);
	memcpy(file, data + n, size - n);
	if (!ferry_gguf_parse(file, size - n, path, &g, NULL)) {
		check_file(g, (const char *)data, n);
		ferry_gguf_close(g);
	}
	free(file);
	return 0;
}

static const char sample[] =
	"Once upon a time, there was\n\n  a n\xc3\xaf ve <|im_start|>girl</s>: "
	"\xf0\x9f\x9a\x80\xff 1234";

static void emit_with_text(struct ferry_gguf_writer *w, ferry_fuzz_emit *emit, void *arg)
{
	const size_t n_text = sizeof(sample) - 1;
	size_t n;
	uint8_t *file = ferry_gguf_writer_bytes(w, &n, NULL);
	uint8_t *input = malloc(2 + n_text + n);
	struct ferry_tokenizer *t;
	struct ferry_gguf *g;

	/* A seed that does not load would leave the tokenizer without any test. */
	FUZZ_CHECK(!ferry_gguf_parse(file, n, path, &g, NULL));
	FUZZ_CHECK(!ferry_tokenizer_new(g, &t, NULL));
	ferry_tokenizer_free(t);
	ferry_gguf_close(g);
	FUZZ_CHECK(input);
	input[0] = (uint8_t)n_text;
	input[1] = 0;
	memcpy(input + 2, sample, n_text);
	memcpy(input + 2 + n_text, file, n);
	emit(arg, input, 2 + n_text + n);
	free(input);
	free(file);
	ferry_gguf_writer_free(w);
}

/* Few enough tokens that most mutations hit something that counts. */
static struct ferry_gguf_writer *few_tokens(void)
{
	static const struct ferry_gguf_string tokens[] = {
		{"<unk>", 5},
		{"<s>", 3},
		{"</s>", 4},
		{"\xe2\x96\x81", 3},
		{"a", 1},
		{"\xe2\x96\x81"
		 "a",
		 4},
		{"<|im_start|>", 12},
		{"<0x0A>", 6},
	};
	static const int32_t types[] = {2, 3, 3, 1, 1, 1, 4, 6};
	static const float scores[] = {0, 0, 0, -3, -4, -1, 0, 0};
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

	ferry_gguf_writer_string(w, "tokenizer.ggml.model", "llama");
	ferry_gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, 8);
	ferry_gguf_writer_array(w, "tokenizer.ggml.token_type", FERRY_GGUF_I32, types, 8);
	ferry_gguf_writer_array(w, "tokenizer.ggml.scores", FERRY_GGUF_F32, scores, 8);
	ferry_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 2);
	ferry_gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", true);
	ferry_gguf_writer_string(w, "tokenizer.chat_template",
				 "{{'<|user|>\\n' + content + eos_token}}{{'<|assistant|>'}}");
	return w;
}

static struct ferry_gguf_writer *few_merges(void)
{
	static const struct ferry_gguf_string tokens[] = {
		{"a", 1},
		{"n", 1},
		{"\xc4\xa0", 2},
		{"\xc4\xa0"
		 "a",
		 3},
		{"an", 2},
		{"<|end|>", 7},
	};
	static const struct ferry_gguf_string merges[] = {{"\xc4\xa0 a", 4}, {"a n", 3}};
	struct ferry_gguf_writer *w = ferry_gguf_writer_new(3);

	ferry_gguf_writer_string(w, "tokenizer.ggml.model", "gpt2");
	ferry_gguf_writer_string(w, "tokenizer.ggml.pre", "llama3");
	ferry_gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, 6);
	ferry_gguf_writer_strings(w, "tokenizer.ggml.merges", merges, 2);
	ferry_gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 5);
	ferry_gguf_writer_string(w, "tokenizer.chat_template", "' [INST] ' + c + ' [/INST]'");
	return w;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	struct ferry_gguf_writer *w;

	emit_with_text(few_tokens(), emit, arg);
	emit_with_text(few_merges(), emit, arg);
	w = ferry_gguf_writer_new(3);
	ferry_tiny_vocab_spm(w);
	emit_with_text(w, emit, arg);
	w = ferry_gguf_writer_new(3);
	ferry_tiny_vocab_bpe(w);
	emit_with_text(w, emit, arg);
}
