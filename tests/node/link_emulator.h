/* SPDX-License-Identifier: MIT */
/*
 * A link with faults, in userspace: a TCP proxy on loopback in a thread of its own, between a
 * device and an edge. Every byte arrives `delay_us` after it was sent, however many are on their
 * way; nothing is delayed by what follows it.
 */
#ifndef FERRY_TESTS_LINK_EMULATOR_H
#define FERRY_TESTS_LINK_EMULATOR_H

#include <stdint.h>

struct link_emulator;

struct link_emulator_options {
	uint16_t target_port; /* on 127.0.0.1 */
	uint64_t delay_us;    /* each way */
	uint64_t bytes_per_s; /* each way; 0: no limit */
	uint64_t queue_bytes; /* in flight, each way, before the sender is held up; 0: 64 MiB */
	uint64_t stall_after; /* bytes towards the target, after which nothing moves; 0: never */
	uint64_t reset_after; /* the same, after which both sides are reset */
	uint64_t stall_after_down; /* bytes from the target */
};

/* NULL where it cannot be started; says why on stderr. */
struct link_emulator *link_emulator_new(const struct link_emulator_options *o);
void link_emulator_free(struct link_emulator *e);

/* Where the device connects to. */
uint16_t link_emulator_port(const struct link_emulator *e);

/* From now on nothing moves (a black hole), or every connection is reset. */
void link_emulator_freeze(struct link_emulator *e);
void link_emulator_cut(struct link_emulator *e);

#endif
