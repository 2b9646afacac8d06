/* SPDX-License-Identifier: MIT */
/*
 * Memory that could be taken without making anything else worse: what is free and what the kernel
 * gives back on demand. On a machine that has run for a while hardly anything is free, because
 * the kernel keeps files in the rest.
 */
#ifndef FERRY_BASE_FREE_MEMORY_H
#define FERRY_BASE_FREE_MEMORY_H

#include <stdint.h>

/* Bytes; 0 where the system does not say. */
uint64_t ferry_free_memory(void);

/* The same by the text of a /proc/meminfo, which is NUL-terminated; 0 where it has no such line. */
uint64_t ferry_free_memory_in(const char *meminfo);

#endif
