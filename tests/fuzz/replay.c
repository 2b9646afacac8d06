// SPDX-License-Identifier: MIT
/*
 * A main() for fuzz targets in builds without libFuzzer: feeds the target its seeds and a few
 * thousand mutations of them, always the same ones. Prints TAP.
 *
 * replay_X              all of it
 * replay_X FILE...      these inputs alone, for example what libFuzzer left behind
 * replay_X --write DIR  the seeds, one file each: a corpus for libFuzzer
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

enum {
	N_MUTATIONS = 4000, /* in all */
	MAX_STEPS = 4,	    /* changes that make one mutation */
	MAX_GROWTH = 1 << 12,
};

struct input {
	uint8_t *bytes;
	size_t n;
};

struct seeds {
	struct input *inputs;
	size_t n;
};

/* What runs now, for the last words: to be found again with mutate() of the same two numbers. */
static size_t current_seed, current_mutation;

static void last_words(void)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "# died in seed %zu, mutation %zu\n", current_seed,
			 current_mutation);

	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

static void on_signal(int number)
{
	last_words();
	signal(number, SIG_DFL);
	raise(number);
}

/* There in sanitized builds, which end the program in a way of their own. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void *checked(void *p)
{
	if (!p) {
		fputs("replay: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static void keep_seed(void *arg, const void *bytes, size_t n)
{
	struct seeds *s = arg;
	struct input *i;

	s->inputs = checked(realloc(s->inputs, (s->n + 1) * sizeof(*s->inputs)));
	i = &s->inputs[s->n++];
	i->bytes = checked(malloc(n ? n : 1));
	i->n = n;
	memcpy(i->bytes, bytes, n);
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15; /* SplitMix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
	return n ? (size_t)(next_random(state) % n) : 0;
}

/* Rather near the front, where headers are: the range is halved up to fifteen times. */
static size_t place(uint64_t *state, size_t n)
{
	size_t range = n >> (next_random(state) % 16);

	return below(state, range ? range : n);
}

static const uint64_t numbers[] = {
	0,
	1,
	2,
	7,
	8,
	16,
	32,
	127,
	128,
	255,
	256,
	32767,
	32768,
	65535,
	65536,
	INT32_MAX,
	(uint64_t)INT32_MAX + 1,
	UINT32_MAX,
	(uint64_t)UINT32_MAX + 1,
	INT64_MAX / 2,
	INT64_MAX,
	(uint64_t)INT64_MAX + 1,
	UINT64_MAX - 31,
	UINT64_MAX,
};

static void put_number(uint64_t *state, struct input *x)
{
	size_t width = (size_t)1 << below(state, 4), at = place(state, x->n);
	uint64_t u = numbers[below(state, sizeof(numbers) / sizeof(numbers[0]))];

	for (size_t i = 0; i < width && at + i < x->n; i++)
		x->bytes[at + i] = (uint8_t)(u >> 8 * i);
}

static void remove_some(uint64_t *state, struct input *x)
{
	size_t at = place(state, x->n), n = 1 + place(state, x->n - at);

	if (n > x->n - at)
		n = x->n - at;
	memmove(x->bytes + at, x->bytes + at + n, x->n - at - n);
	x->n -= n;
}

/* Bytes from @from, another seed or the same, written over or put between those of @x. */
static void splice(uint64_t *state, struct input *x, const struct input *from, bool insert)
{
	size_t src = place(state, from->n), at = place(state, x->n + 1);
	size_t n = 1 + below(state, from->n - src < 256 ? from->n - src : 256);

	if (!from->n || n > from->n - src)
		return;
	if (insert) {
		memmove(x->bytes + at + n, x->bytes + at, x->n - at);
		x->n += n;
	} else if (n > x->n - at) {
		n = x->n - at;
	}
	memcpy(x->bytes + at, from->bytes + src, n);
}

/* One mutation of a seed; x->bytes has MAX_GROWTH bytes of room behind it. */
static void mutate(const struct seeds *s, size_t seed, size_t mutation, struct input *x)
{
	uint64_t state = (uint64_t)seed << 32 ^ mutation;
	size_t n_steps = 1 + below(&state, MAX_STEPS);

	memcpy(x->bytes, s->inputs[seed].bytes, s->inputs[seed].n);
	x->n = s->inputs[seed].n;
	for (size_t i = 0; i < n_steps && x->n; i++) {
		size_t at = place(&state, x->n);

		switch (next_random(&state) % 8) {
		case 0:
		case 1:
			x->bytes[at] ^= (uint8_t)(1 << below(&state, 8));
			break;
		case 2:
			x->bytes[at] = (uint8_t)next_random(&state);
			break;
		case 3:
		case 4:
			put_number(&state, x);
			break;
		case 5:
			if (below(&state, 4))
				remove_some(&state, x);
			else
				x->n = at;
			break;
		default:
			splice(&state, x, &s->inputs[below(&state, s->n)], below(&state, 2));
			break;
		}
	}
}

/* On an allocation of exactly its size, so that a sanitizer sees every byte too far. */
static void run(const struct input *x)
{
	uint8_t *exact = checked(malloc(x->n ? x->n : 1));

	memcpy(exact, x->bytes, x->n);
	LLVMFuzzerTestOneInput(exact, x->n);
	free(exact);
}

static int replay_all(const struct seeds *s)
{
	size_t largest = 0, n_mutations = s->n ? N_MUTATIONS / s->n : 0;
	struct input x = {0};

	printf("1..2\n");
	for (current_seed = 0; current_seed < s->n; current_seed++) {
		run(&s->inputs[current_seed]);
		if (s->inputs[current_seed].n > largest)
			largest = s->inputs[current_seed].n;
	}
	printf("%s 1 - %zu seeds\n", s->n ? "ok" : "not ok", s->n);
	fflush(stdout);
	/* each step inserts 256 bytes at most */
	x.bytes = checked(malloc(largest + MAX_GROWTH));
	for (current_seed = 0; current_seed < s->n; current_seed++)
		for (current_mutation = 1; current_mutation <= n_mutations; current_mutation++) {
			mutate(s, current_seed, current_mutation, &x);
			run(&x);
		}
	free(x.bytes);
	printf("ok 2 - %zu mutations of each\n", n_mutations);
	return s->n ? 0 : 1;
}

static int write_all(const struct seeds *s, const char *dir)
{
	char path[4096];

	for (size_t i = 0; i < s->n; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/seed-%zu", dir, i);
		f = fopen(path, "wb");
		if (!f || fwrite(s->inputs[i].bytes, 1, s->inputs[i].n, f) != s->inputs[i].n ||
		    fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct input x = {0};
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	do {
		x.bytes = checked(realloc(x.bytes, x.n + MAX_GROWTH));
		n = fread(x.bytes + x.n, 1, MAX_GROWTH, f);
		x.n += n;
	} while (n);
	fclose(f);
	run(&x);
	free(x.bytes);
	return 0;
}

int main(int argc, char **argv)
{
	struct seeds s = {0};
	int rc = 0;

	signal(SIGABRT, on_signal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(last_words);
	else
		signal(SIGSEGV, on_signal);
	ferry_fuzz_seeds(keep_seed, &s);
	if (argc == 3 && !strcmp(argv[1], "--write"))
		rc = write_all(&s, argv[2]);
	else if (argc > 1)
		for (int i = 1; i < argc; i++)
			rc |= replay_file(argv[i]);
	else
		rc = replay_all(&s);
	for (size_t i = 0; i < s.n; i++)
		free(s.inputs[i].bytes);
	free(s.inputs);
	return rc;
}
