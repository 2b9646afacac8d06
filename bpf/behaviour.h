/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a flow is, by the sizes and gaps of its packets in one direction. Compiled into the BPF
 * program and into a userspace test that measures how often it is right; integers only.
 *
 * Packets less than a pause apart are one message, and so are those on both sides of a pause that
 * follows a full packet and brings no answer: there the sender waits for its window. A token
 * stream is small messages at a regular pace that nobody answers; an exchange of activations is
 * messages of one size, each sent after an answer to the one before; bulk is full packets with
 * neither. That the peer answered shows in the acknowledgement number, so that one direction is
 * enough. It also tells a token stream from somebody who types: each of those echoes answers a
 * key.
 */
#ifndef FERRY_BPF_BEHAVIOUR_H
#define FERRY_BPF_BEHAVIOUR_H

#include <linux/types.h>

enum ferry_behaviour_kind {
	FERRY_BEHAVIOUR_UNKNOWN,
	FERRY_BEHAVIOUR_TOKENS,
	FERRY_BEHAVIOUR_EXCHANGE,      /* of single tokens */
	FERRY_BEHAVIOUR_LONG_EXCHANGE, /* of prompt chunks */
	FERRY_BEHAVIOUR_BULK,
	FERRY_BEHAVIOUR_KINDS,
};

enum ferry_behaviour_limits {
	FERRY_PAUSE_US = 2000,
	/*
	 * A chunk of a streamed answer with its JSON and TLS is 100 to 400 bytes; some carry a few
	 * tokens.
	 */
	FERRY_TOKEN_BYTES_MAX = 900,
	FERRY_TOKEN_GAP_US_MAX = 700000,
	FERRY_TOKEN_WARM_UP = 4, /* messages: headers of the answer, the wait for the first token */
	FERRY_TOKEN_MESSAGES = 9, /* from here on its pace is known */
	FERRY_TOKEN_VOTES = 4,
	FERRY_EXCHANGE_BYTES_MIN = 512,
	FERRY_EXCHANGE_BYTES_MAX = 4 << 20,
	FERRY_LONG_EXCHANGE_BYTES = 64 << 10,
	FERRY_EXCHANGE_GAP_US_MAX = 1500000,
	FERRY_EXCHANGE_ALIKE = 2, /* so that three messages are the same */
	FERRY_EXCHANGE_VOTES = 2,
	FERRY_FULL_BYTES = 600,	    /* half of what the smallest usual path takes */
	FERRY_SEGMENT_BYTES = 1200, /* what one packet of a GSO packet carries, at least */
	FERRY_BULK_SEGMENTS = 14,
	FERRY_LOSING_VOTES = 4, /* against what a flow is held for, before it is held for nothing */
	FERRY_GAP_US_MAX = 10000000,
	FERRY_ANSWERED_ALWAYS = 256,
};

/* Of one flow. All zero to begin with. */
struct ferry_behaviour {
	__u64 seen_ns;	     /* last packet with payload */
	__u64 began_ns;	     /* first packet of the message */
	__u32 acknowledged;  /* what the peer had sent then */
	__u32 message_bytes; /* so far */
	__u32 size_mean;     /* of messages, bytes */
	__u32 size_spread;   /* mean distance from the mean */
	__u32 gap_mean_us;   /* between the beginnings of messages */
	__u32 gap_spread_us;
	__u16 answered; /* share of messages with an answer before them, of 256 */
	__u16 segments; /* full ones since the last answer behind a pause */
	__u8 messages;	/* complete; stays at 255 */
	__u8 kind;	/* enum ferry_behaviour_kind: what the flow is held for */
	__u8 candidate; /* what it looks like */
	__u8 votes;	/* how often in a row */
	__u8 alike;	/* messages in a row of the size of the one before */
	__u8 full;	/* the latest packet was */
	__u8 unused[2];
	__u32 size_last; /* of the message before */
};

/* A packet with payload. */
struct ferry_behaviour_packet {
	__u64 now_ns;
	__u32 bytes;	    /* of payload */
	__u32 acknowledged; /* TCP's acknowledgement number */
	__u8 has_acknowledgement;
};

static inline __u32 ferry_behaviour_distance(__u32 a, __u32 b)
{
	return a > b ? a - b : b - a;
}

/* Moves *mean a quarter of the way to @value, and *spread to the distance between them. */
static inline void ferry_behaviour_average(__u32 *mean, __u32 *spread, __u32 value)
{
	__u32 distance = ferry_behaviour_distance(*mean, value);

	/* One outlier, a lost packet or a long word, must not speak for many. */
	if (distance > 2 * *mean)
		distance = 2 * *mean;
	*spread = *spread - *spread / 4 + distance / 4;
	if (value > *mean)
		*mean += distance / 8;
	else
		*mean -= distance / 8;
}

/* Takes note of a message of @size bytes that is complete, and of the @gap_us to the next one. */
static inline void ferry_behaviour_message(struct ferry_behaviour *b, __u32 size, __u32 gap_us,
					   _Bool answered)
{
	if (b->messages < 0xff)
		b->messages++;
	if (ferry_behaviour_distance(size, b->size_last) <= b->size_last / 16) {
		if (b->alike < 0xf)
			b->alike++;
	} else {
		b->alike /= 4;
	}
	b->size_last = size;
	if (size < FERRY_FULL_BYTES)
		b->segments /= 2;
	if (b->messages == 1) {
		b->size_mean = size;
		b->size_spread = 0;
		b->answered = answered ? FERRY_ANSWERED_ALWAYS : 0;
	} else {
		ferry_behaviour_average(&b->size_mean, &b->size_spread, size);
		b->answered = (__u16)(b->answered - b->answered / 4 +
				      (answered ? FERRY_ANSWERED_ALWAYS / 4 : 0));
	}
	if (b->messages <= FERRY_TOKEN_WARM_UP) {
		/*
		 * The first messages are headers; sizes of an exchange are the same from the
		 * start.
		 */
		if (size <= FERRY_TOKEN_BYTES_MAX && !answered) {
			b->size_mean = size;
			b->size_spread = size / 8;
		}
		b->gap_mean_us = gap_us;
		b->gap_spread_us = gap_us / 4;
	} else {
		ferry_behaviour_average(&b->gap_mean_us, &b->gap_spread_us, gap_us);
	}
}

/*
 * @slack: of 8, what a flow that is held for it already may deviate more. A server that is busy
 * with others loses its pace, but its chunks differ by the length of a word only.
 */
static inline _Bool ferry_behaviour_is_tokens(const struct ferry_behaviour *b, __u32 slack)
{
	const __u32 pace = b->size_spread <= b->size_mean / 8 * 2 ? 9 : 4;

	return b->messages >= FERRY_TOKEN_MESSAGES && b->size_mean <= FERRY_TOKEN_BYTES_MAX &&
	       b->size_spread <= b->size_mean / 8 * (6 + slack) &&
	       b->gap_mean_us <= FERRY_TOKEN_GAP_US_MAX &&
	       b->gap_spread_us <= b->gap_mean_us / 8 * (pace + slack) &&
	       b->answered <= FERRY_ANSWERED_ALWAYS / 8 * (3 + slack / 2);
}

static inline _Bool ferry_behaviour_is_exchange(const struct ferry_behaviour *b, __u32 slack)
{
	return b->alike + slack / 2 >= FERRY_EXCHANGE_ALIKE &&
	       b->size_last >= FERRY_EXCHANGE_BYTES_MIN &&
	       b->size_last <= FERRY_EXCHANGE_BYTES_MAX &&
	       b->gap_mean_us <= FERRY_EXCHANGE_GAP_US_MAX &&
	       b->answered >= FERRY_ANSWERED_ALWAYS / 8 * (5 - slack / 2);
}

static inline __u8 ferry_behaviour_looks_like(const struct ferry_behaviour *b)
{
	if (ferry_behaviour_is_exchange(b, b->kind == FERRY_BEHAVIOUR_EXCHANGE ||
							   b->kind == FERRY_BEHAVIOUR_LONG_EXCHANGE
						   ? 2
						   : 0))
		return b->size_last >= FERRY_LONG_EXCHANGE_BYTES ? FERRY_BEHAVIOUR_LONG_EXCHANGE
								 : FERRY_BEHAVIOUR_EXCHANGE;
	if (ferry_behaviour_is_tokens(b, b->kind == FERRY_BEHAVIOUR_TOKENS ? 2 : 0))
		return FERRY_BEHAVIOUR_TOKENS;
	return FERRY_BEHAVIOUR_UNKNOWN;
}

/* Counts a vote for @kind. What a flow is held for changes only after several in a row. */
static inline void ferry_behaviour_vote(struct ferry_behaviour *b, __u8 kind)
{
	__u8 needed = FERRY_LOSING_VOTES;

	if (kind == b->kind) {
		b->candidate = kind;
		b->votes = 0;
		return;
	}
	if (kind != b->candidate) {
		b->candidate = kind;
		b->votes = 0;
	}
	b->votes++;
	if (kind == FERRY_BEHAVIOUR_TOKENS)
		needed = FERRY_TOKEN_VOTES;
	else if (kind == FERRY_BEHAVIOUR_EXCHANGE || kind == FERRY_BEHAVIOUR_LONG_EXCHANGE)
		needed = FERRY_EXCHANGE_VOTES;
	if (b->votes < needed)
		return;
	b->kind = kind;
	b->votes = 0;
}

/* Whether what came since the last answer is more than a message of an exchange would be. */
static inline _Bool ferry_behaviour_is_bulk(const struct ferry_behaviour *b)
{
	if (b->segments < FERRY_BULK_SEGMENTS)
		return 0;
	if (b->kind == FERRY_BEHAVIOUR_EXCHANGE || b->kind == FERRY_BEHAVIOUR_LONG_EXCHANGE)
		return b->segments > b->size_last / FERRY_SEGMENT_BYTES * 4 + FERRY_BULK_SEGMENTS;
	return 1;
}

/**
 * ferry_behaviour_see - take note of a packet with payload
 * @b: the flow, all zero before its first packet
 * @p: the packet; one without payload says nothing and is not to be given
 *
 * Return: enum ferry_behaviour_kind, what the flow is held for from this packet on.
 */
static inline __u8 ferry_behaviour_see(struct ferry_behaviour *b,
				       const struct ferry_behaviour_packet *p)
{
	const __u64 pause_ns = p->now_ns > b->seen_ns ? p->now_ns - b->seen_ns : 0;
	const _Bool answered = p->has_acknowledgement && p->acknowledged != b->acknowledged;
	__u32 segments;

	if (!b->began_ns) {
		b->began_ns = p->now_ns;
		b->acknowledged = p->acknowledged;
	} else if (pause_ns >= FERRY_PAUSE_US * 1000ULL &&
		   (answered || !b->full || !p->has_acknowledgement)) {
		const __u64 gap_us = (p->now_ns - b->began_ns) / 1000;

		ferry_behaviour_message(
			b, b->message_bytes,
			gap_us < FERRY_GAP_US_MAX ? (__u32)gap_us : FERRY_GAP_US_MAX, answered);
		if (answered)
			b->segments = 0;
		b->message_bytes = 0;
		b->began_ns = p->now_ns;
		b->acknowledged = p->acknowledged;
		/* A sender that waits for its window pauses too, but goes on unanswered. */
		if (!(b->kind == FERRY_BEHAVIOUR_BULK && b->segments >= FERRY_BULK_SEGMENTS))
			ferry_behaviour_vote(b, ferry_behaviour_looks_like(b));
	}
	b->seen_ns = p->now_ns;
	b->full = p->bytes >= FERRY_FULL_BYTES;
	if (b->message_bytes < 1U << 30)
		b->message_bytes += p->bytes & 0xfffff;
	if (!b->full)
		return b->kind;
	segments = p->bytes / FERRY_SEGMENT_BYTES;
	segments = b->segments + (segments ? segments : 1);
	b->segments = (__u16)(segments < 0xffff ? segments : 0xffff);
	if (b->kind != FERRY_BEHAVIOUR_BULK && ferry_behaviour_is_bulk(b)) {
		b->kind = FERRY_BEHAVIOUR_BULK;
		b->candidate = FERRY_BEHAVIOUR_BULK;
		b->votes = 0;
	}
	return b->kind;
}

#endif
