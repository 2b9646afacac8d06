// SPDX-License-Identifier: MIT
/*
 * make_big_model, run as a program: what it writes is read back by Ferry's own reader and
 * dequantized. argv[1] is the program.
 */
#define _GNU_SOURCE /* memfd_create, mkdtemp, unshare, wait4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "compute/dequantize.h"
#include "model/model.h"
#include "model/tensor_check.h"
#include "model/tokenizer.h"
#include "synthetic_model.h"
#include "synthetic_vocabulary.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
	MAX_ARGS = 16,
	MAX_PATH = 256,
	MAX_TEXT = 4096,
	MAX_RSS_KIB = 32 * 1024,
};

static const char *program;

/* A folder of its own for each test. */
struct folder {
	char path[64];
};

struct result {
	int status; /* as waitpid() gives it */
	long max_rss_kib;
	char out[MAX_TEXT], err[MAX_TEXT];
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->path, "/tmp/ferry-big-model-XXXXXX");
	*state = f;
	return mkdtemp(f->path) ? 0 : -1;
}

/* How many files the folder holds; removes them where asked. */
static int count_files(const struct folder *f, bool remove_them)
{
	DIR *dir = opendir(f->path);
	struct dirent *e;
	int n = 0;

	if (!dir)
		return -1;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' && strspn(e->d_name, ".") == strlen(e->d_name))
			continue;
		n++;
		if (remove_them)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
	return n;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;

	count_files(f, true);
	rmdir(f->path);
	free(f);
	return 0;
}

static void path_in(const struct folder *f, const char *name, char path[MAX_PATH])
{
	snprintf(path, MAX_PATH, "%s/%s", f->path, name);
}

static void read_whole(int fd, char text[MAX_TEXT])
{
	ssize_t n = pread(fd, text, MAX_TEXT - 1, 0);

	assert_true(n >= 0);
	text[n] = 0;
	close(fd);
}

/* For the child to write to: unlike a pipe it cannot fill up. */
static int scratch(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* What a child lacks. */
struct shortage {
	rlim_t max_file;	/* RLIMIT_FSIZE; 0: none */
	const char *small_disk; /* a folder that is a file system of 1 MB for the child alone */
};

enum { NO_SMALL_DISK = 126 }; /* exit status of a child that may not have one */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(NO_SMALL_DISK);
	close(fd);
}

/* Anyone but root needs a user namespace for it, in which the files' owner and group exist. */
static void enter_user_namespace(void)
{
	char owner[64], group[64];

	snprintf(owner, sizeof(owner), "0 %u 1", (unsigned)geteuid());
	snprintf(group, sizeof(group), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER))
		_exit(NO_SMALL_DISK);
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", owner);
	write_text("/proc/self/gid_map", group);
}

static void mount_small_disk(const char *path)
{
	if (geteuid())
		enter_user_namespace();
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", path, "tmpfs", 0, "size=1m"))
		_exit(NO_SMALL_DISK);
}

static pid_t start(const char *args, struct shortage shortage, int out, int err)
{
	static char words[MAX_TEXT];
	char *argv[MAX_ARGS] = {(char *)program}, *save = NULL;
	int argc = 1;
	pid_t pid;

	snprintf(words, sizeof(words), "%s", args);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(argc < MAX_ARGS - 1);
		argv[argc++] = w;
	}
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct rlimit limit = {shortage.max_file, shortage.max_file};

		if (shortage.max_file)
			setrlimit(RLIMIT_FSIZE, &limit);
		if (shortage.small_disk)
			mount_small_disk(shortage.small_disk);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		execv(program, argv);
		_exit(127);
	}
	return pid;
}

static struct result run_short_of(struct shortage shortage, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static struct result run_short_of(struct shortage shortage, const char *fmt, ...)
{
	int out = scratch(), err = scratch();
	struct result r = {0};
	struct rusage usage;
	char args[MAX_TEXT];
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	pid = start(args, shortage, out, err);
	assert_int_equal(wait4(pid, &r.status, 0, &usage), pid);
	r.max_rss_kib = usage.ru_maxrss;
	read_whole(out, r.out);
	read_whole(err, r.err);
	return r;
}

#define run(...) run_short_of((struct shortage){0}, __VA_ARGS__)

static void assert_succeeds(const struct result *r)
{
	if (r->status || r->err[0])
		print_error("status %d: %s\n", r->status, r->err);
	assert_int_equal(r->status, 0);
	assert_string_equal(r->err, "");
}

static void assert_fails(const struct result *r, int status, const char *word)
{
	assert_true(WIFEXITED(r->status));
	assert_int_equal(WEXITSTATUS(r->status), status);
	if (!strstr(r->err, word))
		fail_msg("a word is missing in: %s", r->err);
}

/* Weights were drawn with mean 0 and deviation 1 / sqrt(n_in). */
static void check_weights(const struct ferry_tensor *t)
{
	double sum = 0, squares = 0, n = (double)(t->dim[0] * t->dim[1]), wanted = sqrt(t->dim[0]);
	uint64_t row_bytes = t->n_bytes / t->dim[1];
	float *row = malloc(t->dim[0] * sizeof(*row));

	assert_non_null(row);
	for (uint64_t i = 0; i < t->dim[1]; i++) {
		ferry_dequantize_row(t->type, t->data + i * row_bytes, row, t->dim[0]);
		for (uint64_t k = 0; k < t->dim[0]; k++) {
			sum += (double)row[k];
			squares += (double)row[k] * (double)row[k];
		}
	}
	free(row);
	if (fabs(sum / n * wanted) > 0.05 || fabs(sqrt(squares / n) * wanted - 1) > 0.05)
		print_error("%s: mean %g, deviation %g of 1 / sqrt(n_in)\n", t->name,
			    sum / n * wanted, sqrt(squares / n) * wanted);
	assert_true(fabs(sum / n * wanted) <= 0.05);
	assert_true(fabs(sqrt(squares / n) * wanted - 1) <= 0.05);
}

static void check_tensors(const struct ferry_gguf *g, const struct ferry_synthetic_shape *s,
			  const struct ferry_synthetic_mix *mix)
{
	assert_int_equal(g->n_tensors, ferry_synthetic_n_tensors(s));
	for (uint64_t i = 0; i < g->n_tensors; i++) {
		struct ferry_synthetic_tensor wanted = ferry_synthetic_tensor(s, mix, i);
		const struct ferry_tensor *t = ferry_gguf_tensor(g, wanted.name);
		uint64_t at;

		assert_non_null(t);
		assert_int_equal(t->type, wanted.traits->type);
		assert_int_equal(t->n_bytes, wanted.n_bytes);
		assert_true(ferry_tensor_is_finite(t, &at));
		if (t->n_dims == 2)
			check_weights(t);
	}
}

static void check_model(const char *path, const struct ferry_synthetic_shape *s,
			const struct ferry_synthetic_mix *mix)
{
	struct ferry_model *m;
	struct ferry_error err = {0};

	if (ferry_model_load(path, &m, &err))
		print_error("%s\n", err.text);
	assert_int_equal(err.code, 0);
	assert_int_equal(m->hp.n_layers, s->n_layers);
	assert_int_equal(m->hp.n_embd, s->n_embd);
	assert_int_equal(m->hp.n_ff, s->n_ff);
	assert_int_equal(m->hp.n_head, s->n_head);
	assert_int_equal(m->hp.n_head_kv, s->n_head_kv);
	assert_int_equal(m->hp.n_vocab, s->n_vocab);
	assert_int_equal(m->hp.n_ctx_train, s->n_ctx);
	assert_int_equal(m->output == m->token_embd, s->tied);
	check_tensors(m->gguf, s, mix);
	ferry_model_free(m);
}

static void test_every_type_reads_back(void **state)
{
	const struct ferry_synthetic_shape *s = ferry_synthetic_shape("tiny");
	const struct folder *f = *state;
	unsigned n;
	const struct ferry_synthetic_mix *mixes = ferry_synthetic_mixes(&n);

	assert_int_equal(n, 17);
	for (unsigned i = 0; i < n; i++) {
		char path[MAX_PATH];
		struct result r;
		struct stat st;

		path_in(f, mixes[i].name, path);
		r = run("--shape tiny --type %s -o %s", mixes[i].name, path);
		assert_succeeds(&r);
		r = run("--shape tiny --type %s --print-size", mixes[i].name);
		assert_succeeds(&r);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(strtoull(r.out, NULL, 10), st.st_size);
		check_model(path, s, &mixes[i]);
	}
	assert_int_equal(count_files(f, false), n);
}

static void test_layers_can_be_set(void **state)
{
	struct ferry_synthetic_shape s = *ferry_synthetic_shape("tiny");
	const struct folder *f = *state;
	char path[MAX_PATH];
	struct result r;

	path_in(f, "model.gguf", path);
	r = run("--layers 3 --shape tiny --type Q4_0 -o %s", path);
	assert_succeeds(&r);
	s.n_layers = 3;
	check_model(path, &s, ferry_synthetic_mix("Q4_0"));
}

static bool same_bytes(const char *a, const char *b)
{
	FILE *x = fopen(a, "rb"), *y = fopen(b, "rb");
	bool same = x && y;

	while (same) {
		int c = getc(x);

		same = c == getc(y);
		if (c == EOF)
			break;
	}
	if (x)
		fclose(x);
	if (y)
		fclose(y);
	return same;
}

static void test_a_seed_gives_the_same_bytes(void **state)
{
	static const char *const seeds[] = {"7", "7", "8"};
	const struct folder *f = *state;
	char path[3][MAX_PATH];

	for (int i = 0; i < 3; i++) {
		char name[16];
		struct result r;

		snprintf(name, sizeof(name), "%d", i);
		path_in(f, name, path[i]);
		r = run("--shape tiny --type Q5_K --seed %s -o %s", seeds[i], path[i]);
		assert_succeeds(&r);
	}
	assert_true(same_bytes(path[0], path[1]));
	assert_false(same_bytes(path[0], path[2]));
}

static void test_memory_does_not_grow_with_the_model(void **state)
{
	const struct folder *f = *state;
	char path[MAX_PATH];
	struct result r;
	struct stat st;

	if (SANITIZED) {
		print_message("SKIP: the memory of a sanitized program is the sanitizer's\n");
		skip();
	}
	path_in(f, "model.gguf", path);
	r = run("--shape 1.1b --type Q4_0 --layers 5 -o %s", path);
	assert_succeeds(&r);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 190000000);
	if (r.max_rss_kib >= MAX_RSS_KIB)
		print_error("%ld KiB\n", r.max_rss_kib);
	assert_true(r.max_rss_kib < MAX_RSS_KIB);
}

/* A file size limit fails writes as a full disk does. */
static void test_a_failed_write_leaves_what_was_there(void **state)
{
	const struct folder *f = *state;
	char path[MAX_PATH], copy[MAX_PATH];
	struct result r;

	path_in(f, "model.gguf", path);
	path_in(f, "copy", copy);
	r = run("--shape tiny --type Q4_0 -o %s", path);
	assert_succeeds(&r);
	r = run("--shape tiny --type Q4_0 -o %s", copy);
	assert_succeeds(&r);
	r = run_short_of((struct shortage){.max_file = 1 << 20}, "--shape tiny --type F32 -o %s",
			 path);
	assert_fails(&r, 1, path);
	assert_int_equal(count_files(f, false), 2);
	assert_true(same_bytes(path, copy));
}

static void test_a_disk_without_room_is_named_at_once(void **state)
{
	const struct folder *f = *state;
	char path[MAX_PATH];
	struct result r;

	path_in(f, "model.gguf", path);
	r = run_short_of((struct shortage){.small_disk = f->path}, "--shape tiny --type F32 -o %s",
			 path);
	if (WIFEXITED(r.status) && WEXITSTATUS(r.status) == NO_SMALL_DISK) {
		print_message("SKIP: this user may not mount a small file system\n");
		skip();
	}
	assert_fails(&r, 1, "has 1 MB left");
	assert_fails(&r, 1, path);
}

/* Starts a model that takes a second or so, and terminates it as soon as there is a file. */
static int interrupted_status(const struct folder *f, const char *path)
{
	uint64_t deadline = ferry_now_us() + 30000000;
	int out = scratch(), err = scratch(), status;
	char args[MAX_PATH + 64];
	pid_t pid;

	snprintf(args, sizeof(args), "--shape 1.1b --type Q2_K --layers 5 -o %s", path);
	pid = start(args, (struct shortage){0}, out, err);
	while (!count_files(f, false) && ferry_now_us() < deadline)
		usleep(1000);
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(out);
	close(err);
	return status;
}

static void test_an_interrupt_leaves_nothing(void **state)
{
	enum { ATTEMPTS = 10 }; /* a busy machine may finish the model before the signal is sent */
	const struct folder *f = *state;
	char path[MAX_PATH];
	int status = 0;

	path_in(f, "model.gguf", path);
	for (int i = 0; i < ATTEMPTS && !status; i++) {
		unlink(path);
		status = interrupted_status(f, path);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(count_files(f, false), 0);
}

/* rename() onto /dev/null would cost its user a device. */
static void test_a_device_is_not_replaced(void **state)
{
	const struct folder *f = *state;
	char path[MAX_PATH];
	struct result r;
	struct stat st;

	path_in(f, "pipe", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	r = run("--shape tiny --type F16 -o %s", path);
	assert_fails(&r, 1, "no regular file");
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

static void test_a_missing_folder_is_named(void **state)
{
	const struct folder *f = *state;
	struct result r = run("--shape tiny --type F16 -o %s/none/model.gguf", f->path);

	assert_fails(&r, 1, "none/model.gguf");
}

static void test_wrong_arguments(void **state)
{
	static const struct {
		const char *args, *word;
	} cases[] = {
		{"--shape 900b --type F32 -o x", "900b"},
		{"--shape tiny --type Q9 -o x", "Q9"},
		{"--shape tiny --type F32", "-o"},
		{"--type F32 -o x", "--shape"},
		{"--shape tiny -o x", "--type"},
		{"--shape tiny --type F32 -o x --seed -1", "--seed"},
		{"--shape tiny --type F32 -o x --layers 0", "--layers"},
		{"--shape tiny --type F32 -o x y", "y"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result r = run("%s", cases[i].args);

		assert_fails(&r, 2, cases[i].word);
	}
}

static void test_help_lists_shapes_and_types(void **state)
{
	struct result r = run("--help");
	unsigned n_shapes, n_mixes;
	const struct ferry_synthetic_shape *shapes = ferry_synthetic_shapes(&n_shapes);
	const struct ferry_synthetic_mix *mixes = ferry_synthetic_mixes(&n_mixes);

	(void)state;
	assert_succeeds(&r);
	for (unsigned i = 0; i < n_shapes; i++)
		assert_non_null(strstr(r.out, shapes[i].name));
	for (unsigned i = 0; i < n_mixes; i++)
		assert_non_null(strstr(r.out, mixes[i].name));
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Of the largest vocabulary: every text once, and short enough for its buffer. */
static void test_token_texts_are_unique(void **state)
{
	uint32_t n = ferry_synthetic_shape("0.5b")->n_vocab;
	char(*texts)[FERRY_SYNTHETIC_TOKEN] = calloc(n, sizeof(*texts));

	(void)state;
	assert_non_null(texts);
	for (uint32_t i = 0; i < n; i++)
		ferry_synthetic_token(i, texts[i]);
	assert_string_equal(texts[3 + 0x0a], "<0x0A>");
	assert_string_equal(texts[259], "\xe2\x96\x81");
	assert_string_equal(texts[260], "a");
	assert_string_equal(texts[261], "\xe2\x96\x81"
					"a");
	qsort(texts, n, sizeof(*texts), compare_texts);
	for (uint32_t i = 1; i < n; i++)
		assert_string_not_equal(texts[i - 1], texts[i]);
	free(texts);
}

static void test_the_vocabulary_tokenizes(void **state)
{
	static const char text[] = "a ferry, \xc3\xbc twice";
	const struct folder *f = *state;
	struct ferry_error err = {0};
	struct ferry_model *m;
	char path[MAX_PATH], *back;
	size_t n_ids, n;
	struct result r;
	int32_t *ids;

	path_in(f, "model.gguf", path);
	r = run("--shape tiny --type Q8_0 --layers 1 -o %s", path);
	assert_succeeds(&r);
	assert_int_equal(ferry_model_load(path, &m, &err), 0);
	assert_non_null(m->tokenizer);
	assert_int_equal(ferry_tokenizer_n_vocab(m->tokenizer), m->hp.n_vocab);
	assert_int_equal(ferry_tokenizer_bos(m->tokenizer), FERRY_SYNTHETIC_BOS);
	assert_int_equal(ferry_tokenizer_eos(m->tokenizer), FERRY_SYNTHETIC_EOS);
	assert_int_equal(
		ferry_tokenizer_encode(m->tokenizer, text, strlen(text), 0, &ids, &n_ids, &err), 0);
	assert_true(n_ids > 1);
	assert_true(n_ids < strlen(text)); /* words merged */
	assert_int_equal(ferry_tokenizer_decode(m->tokenizer, ids, n_ids, FERRY_DECODE_FIRST, &back,
						&n, &err),
			 0);
	assert_string_equal(back, text);
	free(back);
	free(ids);
	ferry_model_free(m);
}

static uint64_t find_tensor(const struct ferry_synthetic_shape *s, const char *name)
{
	const struct ferry_synthetic_mix *mix = ferry_synthetic_mix("F32");
	uint64_t n = ferry_synthetic_n_tensors(s);

	for (uint64_t i = 0; i < n; i++)
		if (!strcmp(ferry_synthetic_tensor(s, mix, i).name, name))
			return i;
	fail_msg("no tensor %s", name);
	return n;
}

static const char *type_in(const char *shape, const char *mix, const char *tensor)
{
	const struct ferry_synthetic_shape *s = ferry_synthetic_shape(shape);

	return ferry_synthetic_tensor(s, ferry_synthetic_mix(mix), find_tensor(s, tensor))
		.traits->name;
}

static void test_rows_of_896_fall_back(void **state)
{
	static const struct {
		const char *mix, *embd_rows, *ff_rows;
	} cases[] = {
		{"Q2_K", "Q4_0", "Q2_K"},	{"Q3_K", "Q4_0", "Q3_K"}, {"Q4_K", "Q5_0", "Q4_K"},
		{"Q5_K", "Q5_1", "Q5_K"},	{"Q6_K", "Q8_0", "Q6_K"}, {"Q8_0", "Q8_0", "Q8_0"},
		{"IQ4_XS", "IQ4_NL", "IQ4_XS"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(type_in("0.5b", cases[i].mix, "blk.1.attn_q.weight"),
				    cases[i].embd_rows);
		assert_string_equal(type_in("0.5b", cases[i].mix, "blk.1.ffn_down.weight"),
				    cases[i].ff_rows);
	}
	/* Q6_K of the mixture's output, which is the embedding here */
	assert_string_equal(type_in("0.5b", "Q4_K_M", "token_embd.weight"), "Q8_0");
}

static unsigned count_type(const char *mix, const char *role, const char *type)
{
	unsigned n = 0;

	for (unsigned layer = 0; layer < 22; layer++) {
		char name[64];

		snprintf(name, sizeof(name), "blk.%u.%s.weight", layer, role);
		n += !strcmp(type_in("1.1b", mix, name), type);
	}
	return n;
}

static void test_mixtures_follow_the_rules(void **state)
{
	(void)state;
	assert_string_equal(type_in("1.1b", "Q4_K_M", "output.weight"), "Q6_K");
	assert_string_equal(type_in("1.1b", "Q4_K_M", "token_embd.weight"), "Q4_K");
	assert_string_equal(type_in("1.1b", "Q4_K_M", "output_norm.weight"), "F32");
	/* layers 0 1 | 4 7 10 13 16 | 19 20 21 */
	assert_int_equal(count_type("Q4_K_M", "ffn_down", "Q6_K"), 10);
	assert_int_equal(count_type("Q4_K_M", "attn_v", "Q6_K"), 10);
	assert_int_equal(count_type("Q4_K_M", "ffn_up", "Q4_K"), 22);
	assert_string_equal(type_in("1.1b", "Q4_K_M", "blk.4.ffn_down.weight"), "Q6_K");
	assert_string_equal(type_in("1.1b", "Q4_K_M", "blk.5.ffn_down.weight"), "Q4_K");
	assert_string_equal(type_in("1.1b", "Q3_K_M", "output.weight"), "Q6_K");
	assert_int_equal(count_type("Q3_K_M", "attn_v", "Q5_K"), 2);
	assert_int_equal(count_type("Q3_K_M", "ffn_down", "Q5_K"), 1);
	assert_int_equal(count_type("Q3_K_M", "ffn_down", "Q4_K"), 21);
	assert_int_equal(count_type("Q3_K_M", "attn_output", "Q4_K"), 22);
	assert_int_equal(count_type("Q3_K_M", "attn_q", "Q3_K"), 22);
	assert_string_equal(type_in("1.1b", "Q4_K", "output.weight"), "Q4_K");
}

int main(int argc, char **argv)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_every_type_reads_back),
		IN_FOLDER(test_layers_can_be_set),
		IN_FOLDER(test_a_seed_gives_the_same_bytes),
		IN_FOLDER(test_memory_does_not_grow_with_the_model),
		IN_FOLDER(test_a_failed_write_leaves_what_was_there),
		IN_FOLDER(test_a_disk_without_room_is_named_at_once),
		IN_FOLDER(test_an_interrupt_leaves_nothing),
		IN_FOLDER(test_a_device_is_not_replaced),
		IN_FOLDER(test_a_missing_folder_is_named),
		IN_FOLDER(test_the_vocabulary_tokenizes),
		cmocka_unit_test(test_wrong_arguments),
		cmocka_unit_test(test_help_lists_shapes_and_types),
		cmocka_unit_test(test_token_texts_are_unique),
		cmocka_unit_test(test_rows_of_896_fall_back),
		cmocka_unit_test(test_mixtures_follow_the_rules),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: test_make_big_model MAKE_BIG_MODEL\n");
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests_name("bench/make_big_model", tests, NULL, NULL);
}
