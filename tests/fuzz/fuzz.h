/* SPDX-License-Identifier: MIT */
/*
 * What a fuzz target is: one function that eats any bytes, and one that knows good ones.
 */
#ifndef FERRY_FUZZ_FUZZ_H
#define FERRY_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The name is libFuzzer's. Returns 0; ends the program where a promise is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Valid inputs, each given to emit() once, the same ones at every call: where mutations start
 * from. They come from the fixtures, never from files in the repository.
 */
typedef void ferry_fuzz_emit(void *arg, const void *bytes, size_t n);
void ferry_fuzz_seeds(ferry_fuzz_emit *emit, void *arg);

/* A promise that holds for every input. */
#define FUZZ_CHECK(condition)                                                                   \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

#endif
