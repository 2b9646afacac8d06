/* SPDX-License-Identifier: MIT */
/*
 * What the encodings of hidden states cost a model: bytes, error, and how much worse it predicts.
 */
#ifndef FERRY_CLI_BENCH_CODEC_H
#define FERRY_CLI_BENCH_CODEC_H

#include <jansson.h>

#include "cli/bench_measure.h"
#include "wire/message.h"

enum { FERRY_BENCH_MAX_SPLITS = 5 };

struct ferry_bench_codec {
	double bytes; /* of a token */
	double rms;   /* of an error, relative to its row; mean over rows and splits */
	double max;   /* the largest error, relative to the RMS of its row */
	double nll;   /* nats per token, mean over splits */
	double encode_us, decode_us; /* of a row, the least of all */
};

/**
 * ferry_bench_codec - hidden states cross between two layers as each encoding writes them.
 * @file: text to predict; NULL: what the model itself says, at temperature 1
 * @results: [FERRY_ENCODINGS]
 *
 * Splits behind the first, a quarter, half, three quarters and all but the last of the layers.
 */
int ferry_bench_codec(const struct ferry_bench_setting *b, const char *file,
		      struct ferry_bench_codec *results, uint32_t *n_tokens,
		      struct ferry_error *err);

void ferry_bench_codec_print(const struct ferry_bench_codec *results, uint32_t n_tokens);
json_t *ferry_bench_codec_to_json(const struct ferry_bench_codec *results, uint32_t n_tokens);

#endif
