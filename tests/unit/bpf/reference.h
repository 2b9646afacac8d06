/* SPDX-License-Identifier: MIT */
/*
 * What bpf/classify.bpf.c has to say of a packet, in plain C over a whole packet in memory, with
 * rules in a table: written to be read, not to be fast. It has no memory of earlier packets.
 */
#ifndef FERRY_TEST_REFERENCE_H
#define FERRY_TEST_REFERENCE_H

#include <stdint.h>

#include "../../../bpf/classify.h"

struct reference_rule {
	enum { RULE_TRUST, RULE_PORT, RULE_PREFIX, RULE_NAME } kind;
	uint8_t class;
	uint8_t ends;
	uint32_t device;
	/* port */
	uint8_t protocol;
	uint16_t port;
	/* prefix and trust: IPv4 as ::ffff:a.b.c.d */
	uint8_t address[16];
	unsigned int bits;
	/* name, "*.domain" for all below it */
	const char *name;
};

/* The rule of table[i] has the number i + 1. */
struct reference_verdict {
	uint8_t source, class;
	uint16_t rule;
};

struct reference_verdict reference_classify(const uint8_t *packet, uint32_t len,
					    uint8_t link_header, const struct reference_rule *table,
					    unsigned int n);

#endif
