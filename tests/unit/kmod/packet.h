/* SPDX-License-Identifier: MIT */
/* A packet as small as kmod/core/queue.h allows, for tests. */
#ifndef FERRY_TEST_PACKET_H
#define FERRY_TEST_PACKET_H

#include "core/stamp.h"

enum packet_ecn { NOT_ECT, ECT1, ECT0, CE };

struct ferry_packet {
	struct ferry_packet *next;
	struct ferry_stamp stamp;
	__u32 bytes;
	__u32 segments;
	__u32 memory;
	__u32 hash;
	enum packet_ecn ecn;
	unsigned int source;  /* index in a simulation */
	unsigned int message; /* of that source */
	__u64 sequence;	      /* of that source */
};

static inline struct ferry_packet *ferry_packet_next(const struct ferry_packet *packet)
{
	return packet->next;
}

static inline void ferry_packet_set_next(struct ferry_packet *packet, struct ferry_packet *next)
{
	packet->next = next;
}

static inline struct ferry_stamp *ferry_packet_stamp(struct ferry_packet *packet)
{
	return &packet->stamp;
}

static inline __u32 ferry_packet_bytes(const struct ferry_packet *packet)
{
	return packet->bytes;
}

static inline __u32 ferry_packet_segments(const struct ferry_packet *packet)
{
	return packet->segments;
}

static inline __u32 ferry_packet_memory(const struct ferry_packet *packet)
{
	return packet->memory;
}

static inline __u32 ferry_packet_hash(const struct ferry_packet *packet)
{
	return packet->hash;
}

static inline _Bool ferry_packet_mark(struct ferry_packet *packet)
{
	if (packet->ecn == NOT_ECT)
		return 0;
	packet->ecn = CE;
	return 1;
}

static inline _Bool ferry_packet_is_ect1(const struct ferry_packet *packet)
{
	return packet->ecn == ECT1;
}

#endif /* FERRY_TEST_PACKET_H */
