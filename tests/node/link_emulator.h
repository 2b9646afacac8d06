/* SPDX-License-Identifier: MIT */
/*
 * A link with faults, in userspace: a TCP proxy on loopback in a thread of its own, between a
 * device and an edge. Every byte arrives `delay_us` after it was sent, however many are on their
 * way; nothing is delayed by what follows it.
 */
#ifndef FERRY_TESTS_LINK_EMULATOR_H
#define FERRY_TESTS_LINK_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

struct link_emulator;

/* A piece of a link's life, as of a recorded one. */
struct link_emulator_piece {
	uint64_t for_us, delay_us, bytes_per_s;
	bool down; /* nothing moves */
};

struct link_emulator_options {
	uint16_t target_port; /* on 127.0.0.1 */
	uint64_t delay_us;    /* each way */
	uint64_t bytes_per_s; /* each way; 0: no limit */
	uint64_t queue_bytes; /* in flight, each way, before the sender is held up; 0: 64 MiB */
	uint64_t stall_after; /* bytes towards the target, after which nothing moves; 0: never */
	uint64_t reset_after; /* the same, after which both sides are reset */
	uint64_t stall_after_down; /* bytes from the target */
	uint64_t jitter_us;	   /* added to the delay, at random from 0 on; order is kept */
	uint32_t stall_ppm;	   /* of what is read at once is held up by stall_us */
	uint64_t stall_us;
	uint32_t corrupt_ppm; /* of what is read at once gets a bit flipped */
	uint64_t seed;
	const struct link_emulator_piece *trace; /* round and round; NULL: none */
	unsigned n_trace;
};

/* NULL where it cannot be started; says why on stderr. */
struct link_emulator *link_emulator_new(const struct link_emulator_options *o);
void link_emulator_free(struct link_emulator *e);

/* Where the device connects to. */
uint16_t link_emulator_port(const struct link_emulator *e);

/* From now on nothing moves (a black hole), or it does again. */
void link_emulator_freeze(struct link_emulator *e);
void link_emulator_thaw(struct link_emulator *e);
/* Every connection is reset, now. */
void link_emulator_cut(struct link_emulator *e);
/* New connections are reset at once, or not any more. */
void link_emulator_refuse(struct link_emulator *e, bool refuse);
/* Nothing moves for a while, as when a burst of losses waits for a retransmission. */
void link_emulator_stall(struct link_emulator *e, uint64_t us);
/* The delay each way and the rate, from now on. */
void link_emulator_set(struct link_emulator *e, uint64_t delay_us, uint64_t bytes_per_s);
/* Where new connections lead. */
void link_emulator_target(struct link_emulator *e, uint16_t port);

#endif
