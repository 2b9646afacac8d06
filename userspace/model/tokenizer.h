/* SPDX-License-Identifier: MIT */
/*
 * Text to token ids and back, by the vocabulary of a GGUF file: SentencePiece (scores, byte
 * fallback) and byte-level BPE.
 */
#ifndef FERRY_MODEL_TOKENIZER_H
#define FERRY_MODEL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/error.h"
#include "model/gguf.h"

struct ferry_tokenizer;
struct ferry_chat_part;

/**
 * ferry_tokenizer_new - build a tokenizer from the tokenizer.* keys of a file.
 * @g: must outlive the tokenizer
 * @err: filled on failure, naming the key
 *
 * Return: 0; -ENODATA where the file has no tokenizer; -ENOTSUP for an unknown model or
 * pre-tokenizer; -EBADMSG for parts that are missing, contradict each other or run in circles;
 * -ENOMEM.
 */
int ferry_tokenizer_new(const struct ferry_gguf *g, struct ferry_tokenizer **out,
			struct ferry_error *err);
void ferry_tokenizer_free(struct ferry_tokenizer *t);

uint32_t ferry_tokenizer_n_vocab(const struct ferry_tokenizer *t);

/* -1 where the vocabulary has none. */
int32_t ferry_tokenizer_bos(const struct ferry_tokenizer *t);
int32_t ferry_tokenizer_eos(const struct ferry_tokenizer *t);

/* Whether this vocabulary wants BOS in front of a text (tokenizer.ggml.add_bos_token or the
 * default of its kind). */
bool ferry_tokenizer_adds_bos(const struct ferry_tokenizer *t);

/* Whether generation ends at this token: EOS, EOT, end-of-turn tokens of the chat formats. */
bool ferry_tokenizer_is_end(const struct ferry_tokenizer *t, int32_t id);

/* The id of a token by its exact text ("<|im_end|>"), or -1. */
int32_t ferry_tokenizer_find(const struct ferry_tokenizer *t, const char *text);

enum ferry_encode_flags {
	/* BOS in front where the vocabulary has one. */
	FERRY_ENCODE_BOS = 1,
	/*
	 * Control tokens in the text ("<|im_start|>") become their ids; without this they are
	 * plain text, which is what untrusted text needs. The turn marks of known chat formats
	 * count as control tokens even where a file calls them user-defined; other user-defined
	 * tokens are always recognised.
	 */
	FERRY_ENCODE_SPECIAL = 2,
};

/**
 * ferry_tokenizer_encode - text to ids.
 * @text: @n bytes, any bytes: invalid UTF-8 is encoded byte by byte where the vocabulary can
 * @flags: of enum ferry_encode_flags
 * @ids: receives *n_ids ids, malloc'ed, released with free(); NULL for an empty result
 *
 * decode() of the result is the text again, byte for byte, with two exceptions: SentencePiece
 * writes U+2581 for a space and so reads it as one, and bytes for which the vocabulary has no
 * token become its unknown token (in byte-level BPE without one, U+FFFD). Texts are not
 * normalised (NFC), as the byte-exact way back matters more here.
 * SentencePiece puts its space (add_space_prefix) in front of the text and of each stretch behind
 * a control token.
 * Time is O(n log n). Return: 0, -ENOMEM, -E2BIG where @n > 2^30.
 */
int ferry_tokenizer_encode(const struct ferry_tokenizer *t, const char *text, size_t n,
			   unsigned flags, int32_t **ids, size_t *n_ids, struct ferry_error *err);

/**
 * ferry_tokenizer_encode_parts - a laid-out conversation to ids.
 * @parts: of ferry_chat_format(); marks are taken as with FERRY_ENCODE_SPECIAL, contents as
 *         without, and no control or user-defined token is found across the border of two parts
 * @flags: FERRY_ENCODE_BOS or 0
 *
 * Otherwise the parts are one text: the ids are those of all parts written one after another,
 * which encoding each part by itself does not give, as words may span two parts. A mark that
 * begins with a space where SentencePiece would add one brings that space itself.
 * Return: as ferry_tokenizer_encode(), with the sum of all parts for @n.
 */
int ferry_tokenizer_encode_parts(const struct ferry_tokenizer *t,
				 const struct ferry_chat_part *parts, size_t n_parts,
				 unsigned flags, int32_t **ids, size_t *n_ids,
				 struct ferry_error *err);

enum ferry_decode_flags {
	/* Control tokens print their text; without this they print nothing. */
	FERRY_DECODE_SPECIAL = 1,
	/* The token stands at the start of the text: SentencePiece drops the one space that
	 * encode() put there (add_space_prefix). */
	FERRY_DECODE_FIRST = 2,
};

/**
 * ferry_tokenizer_piece - the bytes of one token, which may be part of a UTF-8 character.
 * @buf: receives at most @size bytes, no NUL
 *
 * Return: how many bytes the piece has (which may exceed @size: call again with more), or
 * -EINVAL for an id outside the vocabulary.
 */
int ferry_tokenizer_piece(const struct ferry_tokenizer *t, int32_t id, unsigned flags, char *buf,
			  size_t size);

/*
 * All ids to text, malloc'ed and NUL-terminated (the text may hold NULs itself; *n counts). With
 * FERRY_DECODE_FIRST the ids are a text from its start, and each stretch of it loses the space
 * that encode() put there. Return: 0, -EINVAL for an id outside the vocabulary, -ENOMEM.
 */
int ferry_tokenizer_decode(const struct ferry_tokenizer *t, const int32_t *ids, size_t n_ids,
			   unsigned flags, char **text, size_t *n, struct ferry_error *err);

/*
 * Streaming: whole UTF-8 characters only. Bytes of an unfinished character wait; bytes that can
 * never become one come out as U+FFFD.
 */
struct ferry_utf8_stream {
	unsigned char held[4];
	unsigned n_held;
};

/* Feed @n bytes; writes whole characters to @out (at least 3 * (n + 4) bytes) and returns how
 * many bytes it wrote. */
size_t ferry_utf8_stream_push(struct ferry_utf8_stream *s, const char *bytes, size_t n, char *out);

/* The end of the text: whatever waits comes out as U+FFFD. @out has room for 4 bytes. */
size_t ferry_utf8_stream_end(struct ferry_utf8_stream *s, char *out);

#endif
