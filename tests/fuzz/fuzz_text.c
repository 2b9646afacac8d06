// SPDX-License-Identifier: MIT
/*
 * Any text through good vocabularies and back. Input: one byte, which chooses the vocabulary,
 * the pre-tokenizer and the chat format, then the text.
 */
#include <string.h>

#include "fixtures/tiny_vocab.h"
#include "fuzz/fuzz.h"
#include "model/chat_template.h"
#include "model/encoder.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "model/utf8.h"

#define MARK "\xe2\x96\x81" /* U+2581 */

static const char *const pres[] = {"default",	   "gpt-2",	     "llama-bpe",   "qwen2",
				   "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon",
				   "starcoder",	   "gpt-4o",	     "tekken"};
static const char *const formats[] = {"chatml",	 "llama2", "llama3",   "gemma",
				      "mistral", "zephyr", "deepseek", "deepseek-r1"};

enum {
	N_PRES = sizeof(pres) / sizeof(pres[0]),
	N_VOCABS = N_PRES + 1, /* and SentencePiece */
	N_FORMATS = sizeof(formats) / sizeof(formats[0]),
};

/* Built at the first call, for all inputs. */
static const struct ferry_tokenizer *vocab(unsigned which)
{
	static struct {
		uint8_t *bytes;
		struct ferry_gguf *g;
		struct ferry_tokenizer *t;
	} made[N_VOCABS];
	struct ferry_gguf_writer *w;
	size_t n;

	if (made[which].t)
		return made[which].t;
	w = ferry_gguf_writer_new(3);
	if (which == N_PRES) {
		ferry_tiny_vocab_spm(w);
	} else {
		ferry_tiny_vocab_bpe(w);
		ferry_gguf_writer_drop_key(w, "tokenizer.ggml.pre");
		ferry_gguf_writer_string(w, "tokenizer.ggml.pre", pres[which]);
	}
	made[which].bytes = ferry_gguf_writer_bytes(w, &n, NULL);
	ferry_gguf_writer_free(w);
	FUZZ_CHECK(!ferry_gguf_parse(made[which].bytes, n, "vocab.gguf", &made[which].g, NULL));
	FUZZ_CHECK(!ferry_tokenizer_new(made[which].g, &made[which].t, NULL));
	return made[which].t;
}

/* SentencePiece cannot tell U+2581 from a space. Returns the new length. */
static size_t replace_marks(char *text, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n;) {
		if (n - i >= 3 && !memcmp(text + i, MARK, 3)) {
			text[at++] = ' ';
			i += 3;
		} else {
			text[at++] = text[i++];
		}
	}
	return at;
}

static void check_round_trip(const struct ferry_tokenizer *t, const char *text, size_t n,
			     unsigned flags)
{
	size_t n_ids, n_back;
	int32_t *ids;
	char *back;

	FUZZ_CHECK(!ferry_tokenizer_encode(t, text, n, flags, &ids, &n_ids, NULL));
	FUZZ_CHECK(!ferry_tokenizer_decode(t, ids, n_ids, FERRY_DECODE_FIRST | FERRY_DECODE_SPECIAL,
					   &back, &n_back, NULL));
	FUZZ_CHECK(n_back == n && !memcmp(back, text, n));
	if (!flags)
		for (size_t i = 0; i < n_ids; i++)
			FUZZ_CHECK(t->vocab.tokens[ids[i]].type != FERRY_TOKEN_CONTROL);
	free(back);
	free(ids);
}

/* In pieces of 1, 2, 3 and more bytes: valid UTF-8 comes out, the same as in one piece. */
static void check_stream(const char *text, size_t n)
{
	struct ferry_utf8_stream whole = {.n_held = 0}, s = {.n_held = 0};
	char *want = malloc(3 * (n + 4) + 4), *got = malloc(3 * (n + 4) + 4), out[3 * 12];
	size_t n_want, n_got = 0, step = 1;

	FUZZ_CHECK(want && got);
	n_want = ferry_utf8_stream_push(&whole, text, n, want);
	n_want += ferry_utf8_stream_end(&whole, want + n_want);
	for (size_t at = 0; at < n; at += step, step = step % 8 + 1) {
		size_t k;

		if (step > n - at)
			step = n - at;
		k = ferry_utf8_stream_push(&s, text + at, step, out);
		FUZZ_CHECK(n_got + k <= n_want);
		memcpy(got + n_got, out, k);
		n_got += k;
	}
	n_got += ferry_utf8_stream_end(&s, got + n_got);
	FUZZ_CHECK(n_got == n_want && !memcmp(got, want, n_got));
	FUZZ_CHECK(ferry_utf8_run((uint8_t *)want, n_want, true) == n_want);
	if (ferry_utf8_run((const uint8_t *)text, n, true) == n)
		FUZZ_CHECK(n_want == n && !memcmp(want, text, n));
	free(want);
	free(got);
}

/* What a user writes comes out of the layout as it went in, and outside of the marks. */
static void check_chat(const struct ferry_tokenizer *t, const char *format, const char *content)
{
	const struct ferry_chat_message m[] = {
		{"system", content}, {"user", content}, {"assistant", content}, {"user", content}};
	struct ferry_chat_part *parts;
	size_t n_parts, n_ids;
	int32_t *ids;

	FUZZ_CHECK(!ferry_chat_format(ferry_chat_template_by_name(format), m, 4, true, &parts,
				      &n_parts, NULL));
	for (size_t i = 0; i < n_parts; i++)
		if (!parts[i].is_mark)
			FUZZ_CHECK(strstr(content, parts[i].text));
	FUZZ_CHECK(!ferry_tokenizer_encode_parts(t, parts, n_parts, FERRY_ENCODE_BOS, &ids, &n_ids,
						 NULL));
	free(ids);
	ferry_chat_parts_free(parts, n_parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ferry_tokenizer *t;
	unsigned which;
	char *text;
	size_t n;

	if (!size)
		return 0;
	which = data[0] % N_VOCABS;
	t = vocab(which);
	n = size - 1;
	text = malloc(n + 1);
	FUZZ_CHECK(text);
	memcpy(text, data + 1, n);
	check_stream(text, n);
	if (which == N_PRES)
		n = replace_marks(text, n);
	check_round_trip(t, text, n, 0);
	check_round_trip(t, text, n, FERRY_ENCODE_SPECIAL);
	text[n] = 0;
	check_chat(t, formats[data[0] % N_FORMATS], text);
	free(text);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	static const char *const texts[] = {
		"Once upon a time, there was a girl.\n\n  She'd 1234 (friends)!?\t\r\n ",
		"<|im_start|>user\n</s><s><unk><0x0A><|im_end|><|im_start|>",
		"\xc3\xaf \xe4\xb8\xad\xef\xbc\x8c\xf0\x9f\x9a\x80 \xe2\x96\x81 e\xcc\x81\xc2\xa0x",
		"\xff\xfe\xc0\x80\xed\xa0\x80\xf0\x9f\x9a \xe4\xb8\x80\x80",
	};
	char input[256];

	for (unsigned i = 0; i < N_VOCABS; i++)
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			input[0] = (char)i;
			memcpy(input + 1, texts[k], strlen(texts[k]));
			emit(arg, input, 1 + strlen(texts[k]));
		}
}
