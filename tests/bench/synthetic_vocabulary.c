// SPDX-License-Identifier: MIT
#include "synthetic_vocabulary.h"

#include <stdio.h>
#include <string.h>

enum token_type {
	NORMAL = 1,
	UNKNOWN = 2,
	CONTROL = 3,
	BYTE = 6,
};

static const char space[] = "\xe2\x96\x81"; /* U+2581, SentencePiece's visible space */

/* 0: "", 1: "a", ... 26: "z", 27: "aa", ...: numbers without a zero digit */
static void put_letters(uint32_t number, char *text)
{
	char reversed[FERRY_SYNTHETIC_TOKEN];
	int n = 0;

	for (; number; number = (number - 1) / 26)
		reversed[n++] = (char)('a' + (number - 1) % 26);
	while (n)
		*text++ = reversed[--n];
	*text = 0;
}

void ferry_synthetic_token(uint32_t id, char text[FERRY_SYNTHETIC_TOKEN])
{
	static const char *const special[] = {"<unk>", "<s>", "</s>"};
	uint32_t word;

	if (id < FERRY_SYNTHETIC_FIRST_BYTE) {
		strcpy(text, special[id]);
		return;
	}
	if (id < FERRY_SYNTHETIC_FIRST_WORD) {
		snprintf(text, FERRY_SYNTHETIC_TOKEN, "<0x%02X>",
			 (unsigned)(id - FERRY_SYNTHETIC_FIRST_BYTE));
		return;
	}
	/* "_", "a", "_a", "b", "_b", ... */
	word = id - FERRY_SYNTHETIC_FIRST_WORD;
	if (word % 2 == 0) {
		memcpy(text, space, sizeof(space));
		text += sizeof(space) - 1;
	}
	put_letters((word + 1) / 2, text);
}

static enum token_type type_of(uint32_t id)
{
	if (id == FERRY_SYNTHETIC_UNK)
		return UNKNOWN;
	if (id < FERRY_SYNTHETIC_FIRST_BYTE)
		return CONTROL;
	return id < FERRY_SYNTHETIC_FIRST_WORD ? BYTE : NORMAL;
}

/* Earlier words merge first, as in a trained vocabulary. */
static float score_of(uint32_t id)
{
	if (id < FERRY_SYNTHETIC_FIRST_WORD)
		return 0;
	return -(float)(id - FERRY_SYNTHETIC_FIRST_WORD);
}

void ferry_synthetic_vocabulary(struct ferry_gguf_stream *s, uint32_t n_vocab)
{
	char text[FERRY_SYNTHETIC_TOKEN];

	ferry_gguf_stream_value_string(s, "tokenizer.ggml.model", "llama");
	ferry_gguf_stream_value_string(s, "tokenizer.ggml.pre", "default");
	ferry_gguf_stream_array(s, "tokenizer.ggml.tokens", FERRY_GGUF_STRING, n_vocab);
	for (uint32_t id = 0; id < n_vocab; id++) {
		ferry_synthetic_token(id, text);
		ferry_gguf_stream_string(s, text);
	}
	ferry_gguf_stream_array(s, "tokenizer.ggml.scores", FERRY_GGUF_F32, n_vocab);
	for (uint32_t id = 0; id < n_vocab; id++)
		ferry_gguf_stream_f32(s, score_of(id));
	ferry_gguf_stream_array(s, "tokenizer.ggml.token_type", FERRY_GGUF_I32, n_vocab);
	for (uint32_t id = 0; id < n_vocab; id++)
		ferry_gguf_stream_u32(s, (uint32_t)type_of(id));
	ferry_gguf_stream_value_u32(s, "tokenizer.ggml.bos_token_id", FERRY_SYNTHETIC_BOS);
	ferry_gguf_stream_value_u32(s, "tokenizer.ggml.eos_token_id", FERRY_SYNTHETIC_EOS);
	ferry_gguf_stream_value_u32(s, "tokenizer.ggml.unknown_token_id", FERRY_SYNTHETIC_UNK);
	ferry_gguf_stream_value_bool(s, "tokenizer.ggml.add_bos_token", true);
}
