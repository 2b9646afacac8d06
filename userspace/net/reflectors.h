/* SPDX-License-Identifier: MIT */
/*
 * Round trips to hosts behind a link that answer echoes: whom to ask when, which answers are ours,
 * and what they say together. As cake-autorate does it: several reflectors, their median, and who
 * is silent or jumps is set aside. No I/O, no clock, no memory of its own.
 */
#ifndef FERRY_NET_REFLECTORS_H
#define FERRY_NET_REFLECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/echo.h"

enum {
	FERRY_REFLECTORS_MAX = 4,
	FERRY_REFLECTORS_PENDING = 32, /* echoes of each that can be on their way: 7 s under load */
	FERRY_REFLECTORS_RECENT = 3,   /* round trips that a median is taken of */
	FERRY_REFLECTORS_BUSY_MS = 230, /* between two echoes to one, of up to two, under load */
	FERRY_REFLECTORS_IDLE_MS = 10000,
};

struct ferry_reflector {
	struct ferry_echo_address address;
	struct ferry_reflector_echo {
		uint64_t cookie, sent_us, sent_bytes;
		uint16_t sequence;
		bool pending, busy;
	} echo[FERRY_REFLECTORS_PENDING];
	uint16_t sequence;	     /* of the next echo */
	unsigned int unanswered;     /* echoes since the last answer */
	uint64_t asked_us, spoke_us; /* last echo; last answer, or the first echo since */
	struct ferry_reflector_trip {
		uint64_t rtt_us, received_us, sent_bytes;
	} recent[FERRY_REFLECTORS_RECENT]; /* the newest first */
	size_t n_recent;
	uint64_t answered_us; /* 0: never */
	uint64_t least_us, rttvar_us;
	uint64_t quiet_us; /* least of the last ones while the link was idle */
	unsigned int n_quiet;
	unsigned int jumps;	 /* answers in a row that are far longer than the others' */
	uint64_t aside_until_us; /* 0: it counts */
};

struct ferry_reflectors {
	struct ferry_reflector reflector[FERRY_REFLECTORS_MAX];
	size_t n, turn;
	bool busy;
};

/* What they say together. */
struct ferry_reflectors_sum {
	bool known;
	uint64_t taken_us; /* when the answer came in that it is of */
	uint64_t srtt_us, growth_us, rttvar_us;
	bool has_delivered;
	uint64_t delivered_kbps; /* what got through */
	unsigned int counted, silent, aside;
};

void ferry_reflectors_begin(struct ferry_reflectors *set, const struct ferry_echo_address *address,
			    size_t n);

/**
 * ferry_reflectors_next - whom to send an echo now
 * @busy: whether the link is under load; then often, else rarely
 *
 * Return: its index, or -1: nobody is due.
 */
int ferry_reflectors_next(struct ferry_reflectors *set, uint64_t now_us, bool busy);

/**
 * ferry_reflectors_ask - an echo is about to leave
 * @cookie: a random number
 * @sent_bytes: what has left the qdisc before it: that has got through when the echo comes back,
 *	and how fast is how far apart the answers come
 *
 * Return: its sequence number.
 */
uint16_t ferry_reflectors_ask(struct ferry_reflectors *set, size_t i, uint64_t cookie,
			      uint64_t now_us, uint64_t sent_bytes);

/**
 * ferry_reflectors_answer - a reply has come in
 * @received_us: of the clock that ferry_reflectors_ask() was given
 *
 * Return: 0, or -ENOENT where nobody of that address was asked that, or it has answered already.
 */
int ferry_reflectors_answer(struct ferry_reflectors *set, const struct ferry_echo_address *from,
			    uint16_t sequence, uint64_t cookie, uint64_t received_us);

void ferry_reflectors_sum(const struct ferry_reflectors *set, uint64_t now_us,
			  struct ferry_reflectors_sum *sum);

#endif
