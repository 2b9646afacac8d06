// SPDX-License-Identifier: MIT
/*
 * A file of packed weights from anywhere. Input: one byte (bit 0: the harness makes the checksums
 * of the header and the data true first), then the file. Whatever it is, the model gets its
 * weights, and they are the right ones unless the checksums say that others are.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/weight_header.h"
#include "fixtures/tiny_model.h"
#include "fuzz/fuzz.h"
#include "model/model.h"

enum {
	TRUE_SUMS = 1,
	PATH_BYTES = 128,
};

static struct {
	struct ferry_model *model;
	uint8_t *right; /* [n] */
	size_t n;
	char dir[PATH_BYTES], file[2 * PATH_BYTES];
} rig;

static void forget(struct ferry_model *m)
{
	m->weights_free(m->weights);
	m->weights = NULL;
}

static void remove_rig(void)
{
	unlink(rig.file);
	rmdir(rig.dir);
}

static void prepare(void)
{
	const struct ferry_weights_options o = {.n_threads = 1, .cache = rig.dir};
	struct ferry_error err = {0};

	FUZZ_CHECK(!ferry_weights_prepare(rig.model, &o, &err));
	FUZZ_CHECK(ferry_weights_file(rig.model));
}

/* Made at the first call, for all inputs. */
static void make_rig(void)
{
	const struct ferry_tiny_model tiny = {.type = FERRY_TYPE_Q4_0,
					      .n_layers = 1,
					      .n_embd = 32,
					      .n_ff = 32,
					      .n_head = 2,
					      .n_head_kv = 1,
					      .n_head_dim = 16,
					      .n_vocab = 8,
					      .tokenizer = FERRY_TINY_NONE};
	/* The header has the time of the model's file, and seeds are the same each time. */
	const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
	const uint8_t *span;
	char *path;

	if (rig.model)
		return;
	path = ferry_tiny_model_temp(&tiny);
	FUZZ_CHECK(path && !utimensat(AT_FDCWD, path, times, 0));
	FUZZ_CHECK(!ferry_model_load(path, &rig.model, NULL));
	unlink(path);
	free(path);
	FUZZ_CHECK(!ferry_weights_prepare(rig.model, NULL, NULL));
	span = ferry_weights_span(rig.model, &rig.n);
	rig.right = malloc(rig.n);
	FUZZ_CHECK(rig.right);
	memcpy(rig.right, span, rig.n);
	forget(rig.model);
	strcpy(rig.dir, "/tmp/ferry-fuzz-XXXXXX");
	FUZZ_CHECK(mkdtemp(rig.dir));
	atexit(remove_rig);
	prepare();
	strcpy(rig.file, ferry_weights_file(rig.model));
	forget(rig.model);
}

static void write_file(const uint8_t *bytes, size_t n)
{
	int fd = open(rig.file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	close(fd);
}

static size_t header_bytes(void)
{
	struct ferry_weights *w;
	uint8_t *header;
	size_t n;

	FUZZ_CHECK(!ferry_weights_layout(rig.model, &w, NULL));
	header = ferry_weight_header_new(rig.model, w, &n);
	free(header);
	ferry_weights_free(w);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *span;
	uint8_t *bytes;
	size_t header, n;
	bool theirs;

	make_rig();
	header = header_bytes();
	if (!size || size > 4 * (header + rig.n))
		return 0;
	bytes = malloc(size);
	FUZZ_CHECK(bytes);
	memcpy(bytes, data + 1, --size);
	theirs = data[0] & TRUE_SUMS && size == header + rig.n;
	if (theirs)
		ferry_weight_header_finish(
			bytes, header, ferry_weights_checksum(bytes + header, rig.n, NULL, header));
	write_file(bytes, size);
	prepare();
	span = ferry_weights_span(rig.model, &n);
	FUZZ_CHECK(n == rig.n);
	FUZZ_CHECK(!memcmp(span, rig.right, n) || (theirs && !memcmp(span, bytes + header, n)));
	forget(rig.model);
	/* Bad or not, it is good now. */
	prepare();
	FUZZ_CHECK(ferry_weights_origin(rig.model) == FERRY_WEIGHTS_FOUND);
	forget(rig.model);
	free(bytes);
	return 0;
}

void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg)
{
	const struct ferry_weight_seal seal = {.mtime_ns = 1600000000000000000};
	struct ferry_weights *w;
	uint8_t *header, *bytes;
	size_t n;

	make_rig();
	FUZZ_CHECK(!ferry_weights_layout(rig.model, &w, NULL));
	header = ferry_weight_header_new(rig.model, w, &n);
	bytes = malloc(1 + n + rig.n);
	FUZZ_CHECK(header && bytes);
	ferry_weight_header_finish(header, n, ferry_weights_checksum(rig.right, rig.n, NULL, n));
	ferry_weight_header_seal(header, &seal);
	memcpy(bytes + 1, header, n);
	memcpy(bytes + 1 + n, rig.right, rig.n);
	for (bytes[0] = 0; bytes[0] <= TRUE_SUMS; bytes[0]++)
		emit(arg, bytes, 1 + n + rig.n);
	free(bytes);
	free(header);
	ferry_weights_free(w);
}
