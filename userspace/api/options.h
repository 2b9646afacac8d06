/* SPDX-License-Identifier: MIT */
/*
 * Structs that cross the library's border begin with their size, so that programs and libraries
 * of different ages understand each other.
 */
#ifndef FERRY_API_OPTIONS_H
#define FERRY_API_OPTIONS_H

#include <stddef.h>

#include "ferry/error.h"

/**
 * ferry_options_copy - take a caller's option struct, whatever its age.
 * @to: receives @size bytes; what an older caller does not have stays at its default
 * @from: the caller's struct, or NULL for all defaults
 * @defaults: @size bytes, what the _INIT macro gives
 * @name: for messages
 *
 * A member that is such a struct itself is taken from the caller's struct by a call of its own: a
 * newer caller's is larger than the room for it here.
 * Return: 0; -EINVAL where its size is not set; -E2BIG where a newer caller set something that
 * this library does not know.
 */
int ferry_options_copy(void *to, size_t size, const void *from, const void *defaults,
		       const char *name, struct ferry_error *err);

/* The other way: fill the caller's struct as far as it goes; its size stays. */
int ferry_options_return(void *to, const void *from, size_t size, const char *name,
			 struct ferry_error *err);

#endif
