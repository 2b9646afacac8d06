// SPDX-License-Identifier: MIT
/*
 * make_big_model: a model of a published shape with random weights, of any size, written with
 * the memory of one row. Speed depends on shapes and types, not on what the weights say.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gguf_stream.h"
#include "random_weights.h"
#include "synthetic_model.h"
#include "synthetic_vocabulary.h"

enum {
	FAILED = 1,
	USAGE = 2,
	MAX_LAYERS = 1024,
	ROW_BYTES = 128 * 1024, /* the longest row of all shapes takes 22 KB as F32 */
};

static volatile sig_atomic_t interrupted;

struct options {
	struct ferry_synthetic_shape shape;
	const struct ferry_synthetic_mix *mix;
	const char *path;
	uint64_t seed;
	uint32_t n_layers; /* 0: the shape's */
	bool print_size;
};

static uint64_t number(struct argp_state *state, const char *name, const char *arg, uint64_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || v > max)
		argp_error(state, "%s %s: a whole number up to %" PRIu64 " is needed", name, arg,
			   max);
	return v;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	const struct ferry_synthetic_shape *shape;
	struct options *o = state->input;

	switch (key) {
	case 's':
		shape = ferry_synthetic_shape(arg);
		if (!shape)
			argp_error(state, "unknown shape %s; --help lists them", arg);
		o->shape = *shape;
		return 0;
	case 't':
		o->mix = ferry_synthetic_mix(arg);
		if (!o->mix)
			argp_error(state, "unknown type %s; --help lists them", arg);
		return 0;
	case 'l':
		o->n_layers = (uint32_t)number(state, "--layers", arg, MAX_LAYERS);
		if (!o->n_layers)
			argp_error(state, "--layers 0: at least one layer is needed");
		return 0;
	case 'o':
		o->path = arg;
		return 0;
	case 'S':
		o->seed = number(state, "--seed", arg, UINT64_MAX);
		return 0;
	case 'z':
		o->print_size = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is %s for?", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->shape.name)
			argp_error(state, "--shape is missing");
		if (!o->mix)
			argp_error(state, "--type is missing");
		if (!o->path && !o->print_size)
			argp_error(state, "-o FILE is missing");
		if (o->n_layers)
			o->shape.n_layers = o->n_layers;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_table[] = {
	{"shape", 's', "NAME", 0, "the model's shape", 0},
	{"type", 't', "NAME", 0, "its tensor type, or a mixture", 0},
	{"output", 'o', "FILE", 0, "the GGUF file; it appears when it is complete", 0},
	{"seed", 'S', "N", 0, "another seed gives other weights (default 1)", 0},
	{"layers", 'l', "N", 0, "so many layers instead of the shape's", 0},
	{"print-size", 'z', NULL, 0, "print the file's size in bytes and write nothing", 0},
	{0},
};

/* The shapes and types behind the options of --help. */
static char *list_names(int key, const char *text, void *input)
{
	const struct ferry_synthetic_shape *shapes;
	const struct ferry_synthetic_mix *mixes;
	unsigned n_shapes, n_mixes;
	size_t size;
	FILE *f;
	char *list = NULL;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	f = open_memstream(&list, &size);
	if (!f)
		return NULL;
	shapes = ferry_synthetic_shapes(&n_shapes);
	mixes = ferry_synthetic_mixes(&n_mixes);
	fputs("Shapes:\n", f);
	for (unsigned i = 0; i < n_shapes; i++)
		fprintf(f,
			"  %-6s %2" PRIu32 " layers, n_embd %" PRIu32 ", n_ff %" PRIu32 ", %" PRIu32
			" heads, %" PRIu32 " KV heads, %" PRIu32 " tokens%s\n",
			shapes[i].name, shapes[i].n_layers, shapes[i].n_embd, shapes[i].n_ff,
			shapes[i].n_head, shapes[i].n_head_kv, shapes[i].n_vocab,
			shapes[i].tied ? ", tied" : "");
	fputs("Types (_M: llama.cpp's mixtures; all others: one type for every matrix):\n ", f);
	for (unsigned i = 0; i < n_mixes; i++)
		fprintf(f, " %s", mixes[i].name);
	fclose(f);
	return list;
}

/* Keys of general.* and llama.*; the count is what write_header() adds to the vocabulary's. */
enum { N_MODEL_KEYS = 14 };

static void write_hparams(struct ferry_gguf_stream *f, const struct options *o)
{
	const struct ferry_synthetic_shape *s = &o->shape;
	char name[96];

	snprintf(name, sizeof(name), "synthetic %s %s, %" PRIu32 " layers, seed %" PRIu64, s->name,
		 o->mix->name, s->n_layers, o->seed);
	ferry_gguf_stream_value_string(f, "general.architecture", "llama");
	ferry_gguf_stream_value_string(f, "general.name", name);
	ferry_gguf_stream_value_u32(f, "general.file_type", o->mix->file_type);
	ferry_gguf_stream_value_u32(f, "general.quantization_version", 2);
	ferry_gguf_stream_value_u32(f, "llama.vocab_size", s->n_vocab);
	ferry_gguf_stream_value_u32(f, "llama.context_length", s->n_ctx);
	ferry_gguf_stream_value_u32(f, "llama.embedding_length", s->n_embd);
	ferry_gguf_stream_value_u32(f, "llama.block_count", s->n_layers);
	ferry_gguf_stream_value_u32(f, "llama.feed_forward_length", s->n_ff);
	ferry_gguf_stream_value_u32(f, "llama.rope.dimension_count", s->n_embd / s->n_head);
	ferry_gguf_stream_value_u32(f, "llama.attention.head_count", s->n_head);
	ferry_gguf_stream_value_u32(f, "llama.attention.head_count_kv", s->n_head_kv);
	ferry_gguf_stream_value_f32(f, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	ferry_gguf_stream_value_f32(f, "llama.rope.freq_base", 10000.0f);
}

static uint64_t padded(uint64_t n)
{
	return n + -n % FERRY_GGUF_STREAM_ALIGN;
}

/* Everything before the weights. Returns how many bytes of weights will follow. */
static uint64_t write_header(struct ferry_gguf_stream *f, const struct options *o)
{
	uint64_t n_tensors = ferry_synthetic_n_tensors(&o->shape), offset = 0;

	ferry_gguf_stream_header(f, n_tensors, N_MODEL_KEYS + FERRY_SYNTHETIC_VOCABULARY_KEYS);
	write_hparams(f, o);
	ferry_synthetic_vocabulary(f, o->shape.n_vocab);
	for (uint64_t i = 0; i < n_tensors; i++) {
		struct ferry_synthetic_tensor t = ferry_synthetic_tensor(&o->shape, o->mix, i);

		ferry_gguf_stream_string(f, t.name);
		ferry_gguf_stream_u32(f, t.n_dims);
		for (uint32_t d = 0; d < t.n_dims; d++)
			ferry_gguf_stream_u64(f, t.dim[d]);
		ferry_gguf_stream_u32(f, (uint32_t)t.traits->type);
		ferry_gguf_stream_u64(f, offset);
		offset += padded(t.n_bytes);
	}
	ferry_gguf_stream_pad(f);
	return offset;
}

static void write_tensor(struct ferry_gguf_stream *f, const struct options *o,
			 const struct ferry_synthetic_tensor *t, uint8_t row[ROW_BYTES])
{
	struct ferry_random r = ferry_random(o->seed, t->name);
	size_t n = t->dim[0], row_bytes = (size_t)ferry_type_row_bytes(t->traits, n);
	double sigma = 1 / sqrt((double)n);

	for (uint64_t i = 0; i < t->dim[1] && !f->err->code; i++) {
		if (t->n_dims == 1)
			ferry_random_gains(&r, row, n);
		else
			ferry_random_weights(&r, t->traits->type, sigma, row, n);
		ferry_gguf_stream_bytes(f, row, row_bytes);
	}
	ferry_gguf_stream_pad(f);
}

static int write_model(struct ferry_gguf_stream *f, const struct options *o,
		       struct ferry_error *err)
{
	static uint8_t row[ROW_BYTES];
	uint64_t n_bytes;
	int ret;

	ferry_gguf_stream_count(f);
	n_bytes = write_header(f, o);
	n_bytes += f->at;
	if (o->print_size) {
		printf("%" PRIu64 "\n", n_bytes);
		return 0;
	}
	ret = ferry_gguf_stream_open(f, o->path, n_bytes, &interrupted, err);
	if (ret)
		return ret;
	write_header(f, o);
	for (uint64_t i = 0, n = ferry_synthetic_n_tensors(&o->shape); i < n && !err->code; i++) {
		struct ferry_synthetic_tensor t = ferry_synthetic_tensor(&o->shape, o->mix, i);

		write_tensor(f, o, &t, row);
	}
	return ferry_gguf_stream_finish(f);
}

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Write a GGUF model of a published shape with random weights and a vocabulary "
		       "of the right size, for measuring.\v",
		.args_doc = "--shape NAME --type NAME -o FILE",
		.help_filter = list_names,
	};
	static struct ferry_gguf_stream stream;
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
	struct options o = {.seed = 1};
	struct ferry_error err = {0};

	argp_err_exit_status = USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit becomes a write error */
	if (write_model(&stream, &o, &err)) {
		fprintf(stderr, "make_big_model: %s\n", err.text);
		return FAILED;
	}
	if (fflush(stdout)) {
		perror("make_big_model: standard output");
		return FAILED;
	}
	return 0;
}
