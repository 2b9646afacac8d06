/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TCP = 6, UDP = 17, GRE = 47 };

/* What is left of a packet. */
struct rest {
	const uint8_t *at;
	uint32_t n;
};

struct parsed {
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	uint8_t protocol, tos;
	bool later_fragment, fragment;
	struct rest payload;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool skip(struct rest *r, uint32_t n)
{
	if (n > r->n)
		return false;
	r->at += n;
	r->n -= n;
	return true;
}

static void shorten(struct rest *r, uint32_t n)
{
	if (n < r->n)
		r->n = n;
}

static bool parse_ipv4(struct rest *r, struct parsed *p)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint32_t header, total;

	if (r->n < 20 || r->at[0] >> 4 != 4)
		return false;
	header = (r->at[0] & 15) * 4;
	total = be16(r->at + 2);
	if (header < 20 || header > r->n || (total && total < header))
		return false;
	if (total)
		shorten(r, total);
	p->tos = r->at[1];
	p->later_fragment = be16(r->at + 6) & 0x1fff;
	p->fragment = be16(r->at + 6) & 0x3fff;
	memcpy(p->source, mapped, 12);
	memcpy(p->destination, mapped, 12);
	memcpy(p->source + 12, r->at + 12, 4);
	memcpy(p->destination + 12, r->at + 16, 4);
	p->protocol = r->at[9];
	return skip(r, header);
}

static bool parse_ipv6(struct rest *r, struct parsed *p)
{
	if (r->n < 40 || r->at[0] >> 4 != 6)
		return false;
	p->tos = (uint8_t)(r->at[0] << 4 | r->at[1] >> 4);
	p->later_fragment = p->fragment = false;
	memcpy(p->source, r->at + 8, 16);
	memcpy(p->destination, r->at + 24, 16);
	p->protocol = r->at[6];
	if (be16(r->at + 4))
		shorten(r, 40U + be16(r->at + 4));
	skip(r, 40);
	for (int i = 0; i < 6 && !p->later_fragment; i++) {
		const uint8_t kind = p->protocol;
		uint32_t bytes;

		if (kind != 0 && kind != 43 && kind != 44 && kind != 51 && kind != 60)
			break;
		if (r->n < 8)
			return false;
		bytes = kind == 51 ? (r->at[1] + 2) * 4 : kind == 44 ? 8 : (r->at[1] + 1) * 8;
		if (kind == 44 && be16(r->at + 2) & 0xfff8)
			p->later_fragment = true;
		if (kind == 44 && be16(r->at + 2) & 0xfff9)
			p->fragment = true;
		p->protocol = r->at[0];
		if (!skip(r, bytes))
			return false;
	}
	return true;
}

static bool parse_transport(struct rest *r, struct parsed *p)
{
	uint32_t header = 8;

	if (p->later_fragment || (p->protocol != TCP && p->protocol != UDP))
		return true;
	if (p->protocol == TCP) {
		if (r->n < 20)
			return false;
		header = (r->at[12] >> 4) * 4;
		if (header < 20)
			return false;
	}
	if (r->n < header)
		return false;
	p->source_port = be16(r->at);
	p->destination_port = be16(r->at + 2);
	skip(r, header);
	p->payload = *r;
	return true;
}

/* Whether there is an IP packet in GRE; then the rest is that. */
static bool open_gre(struct rest *r, const struct parsed *p, uint16_t *ethertype)
{
	uint16_t flags;

	if (p->protocol != GRE || p->fragment || r->n < 4)
		return false;
	flags = be16(r->at);
	if (flags & 0x4007 || (be16(r->at + 2) != 0x800 && be16(r->at + 2) != 0x86dd))
		return false;
	*ethertype = be16(r->at + 2);
	if (!skip(r, 4 + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) +
			     (flags & 0x1000 ? 4 : 0)))
		r->n = 0;
	return true;
}

static uint8_t parse(struct rest r, uint8_t link_header, struct parsed *p)
{
	uint16_t ethertype;

	memset(p, 0, sizeof(*p));
	if (r.n < 14)
		return FERRY_CLASSIFY_MALFORMED;
	ethertype = be16(r.at + 12);
	if (link_header)
		skip(&r, 14);
	for (int tags = 0; link_header && (ethertype == 0x8100 || ethertype == 0x88a8); tags++) {
		if (tags == 2)
			return FERRY_CLASSIFY_NOT_IP;
		if (r.n < 4)
			return FERRY_CLASSIFY_MALFORMED;
		ethertype = be16(r.at + 2);
		skip(&r, 4);
	}
	if (ethertype != 0x800 && ethertype != 0x86dd)
		return FERRY_CLASSIFY_NOT_IP;
	for (int level = 0; level < 2; level++) {
		if (!(ethertype == 0x800 ? parse_ipv4(&r, p) : parse_ipv6(&r, p)))
			return FERRY_CLASSIFY_MALFORMED;
		if (level || !open_gre(&r, p, &ethertype))
			break;
	}
	return parse_transport(&r, p) ? FERRY_CLASSIFY_UNSET : FERRY_CLASSIFY_MALFORMED;
}

static bool in_prefix(const uint8_t *address, const struct reference_rule *rule)
{
	for (unsigned int i = 0; i < rule->bits; i++)
		if ((address[i / 8] ^ rule->address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/*
 * The longest prefix decides, and where it is for the other end, or another device, nothing does.
 */
static int best_prefix(const struct reference_rule *table, unsigned int n, int kind,
		       const uint8_t *address, uint8_t end)
{
	int best = -1;

	for (unsigned int i = 0; i < n; i++)
		if ((int)table[i].kind == kind && in_prefix(address, &table[i]) &&
		    (best < 0 || table[i].bits > table[best].bits))
			best = (int)i;
	if (best >= 0 && (table[best].device || (table[best].ends && !(table[best].ends & end))))
		return -1;
	return best;
}

static int find_port(const struct reference_rule *table, unsigned int n, const struct parsed *p,
		     uint16_t port, uint8_t end)
{
	for (unsigned int i = 0; i < n; i++)
		if (table[i].kind == RULE_PORT && table[i].protocol == p->protocol &&
		    table[i].port == port && (!table[i].ends || table[i].ends & end))
			return (int)i;
	return -1;
}

/* The server's name in the payload as lower-case text, "" where there is none. */
static void hello_name(struct rest r, char name[128])
{
	name[0] = 0;
	if (r.n < 44 || r.at[0] != 22 || r.at[1] != 3 || r.at[5] != 1)
		return;
	if (!skip(&r, 44U + r.at[43]) || r.n < 2 || !skip(&r, 2U + be16(r.at)) || r.n < 1 ||
	    !skip(&r, 1U + r.at[0]) || !skip(&r, 2))
		return;
	for (int i = 0; i < 32 && r.n >= 4; i++) {
		const uint32_t bytes = be16(r.at + 2);

		if (be16(r.at) == 0) {
			uint32_t n;

			if (bytes < 5 || 4 + bytes > r.n || r.at[6])
				return;
			n = be16(r.at + 7);
			if (n + 5 > bytes || !n || n > 127)
				return;
			for (uint32_t k = 0; k < n; k++) {
				const unsigned char c = r.at[9 + k];

				if (!isalnum(c) && c != '-' && c != '.' && c != '_')
					return;
			}
			for (uint32_t k = 0; k < n; k++)
				name[k] = (char)tolower(r.at[9 + k]);
			name[n] = 0;
			return;
		}
		if (!skip(&r, 4 + bytes))
			return;
	}
}

static int find_name(const struct reference_rule *table, unsigned int n, const char *name)
{
	size_t longest = 0;
	int best = -1;

	for (unsigned int i = 0; i < n && name[0]; i++) {
		const char *rule = table[i].name;

		if (table[i].kind != RULE_NAME)
			continue;
		if (rule[0] != '*' && !strcmp(rule, name))
			return (int)i;
		if (rule[0] == '*' && strlen(rule + 1) <= strlen(name) && strlen(rule) > longest &&
		    !strcmp(name + strlen(name) - strlen(rule + 1), rule + 1)) {
			best = (int)i;
			longest = strlen(rule);
		}
	}
	return best;
}

static int class_of_dscp(unsigned int dscp)
{
	static const uint8_t dscps[] = {16, 46, 34, 36, 26, 255, 10, 1};

	for (int i = 0; i < 8; i++)
		if (dscps[i] == dscp)
			return i;
	return -1;
}

struct reference_verdict reference_classify(const uint8_t *packet, uint32_t len,
					    uint8_t link_header, const struct reference_rule *table,
					    unsigned int n)
{
	struct reference_verdict v = {.class = FERRY_CLASS_DEFAULT};
	struct parsed p;
	char name[128];
	int rule = -1;

	v.source = parse((struct rest){packet, len}, link_header, &p);
	if (v.source != FERRY_CLASSIFY_UNSET)
		return v;
	if (class_of_dscp(p.tos >> 2) >= 0) {
		rule = best_prefix(table, n, RULE_TRUST, p.source, 0);
		if (rule >= 0)
			return (struct reference_verdict){FERRY_CLASSIFY_DSCP,
							  (uint8_t)class_of_dscp(p.tos >> 2),
							  (uint16_t)(rule + 1)};
	}
	if ((p.protocol == TCP || p.protocol == UDP) && !p.later_fragment) {
		rule = find_port(table, n, &p, p.destination_port, FERRY_CLASSIFY_TO);
		if (rule < 0)
			rule = find_port(table, n, &p, p.source_port, FERRY_CLASSIFY_FROM);
		v.source = FERRY_CLASSIFY_PORT;
	}
	if (rule < 0) {
		rule = best_prefix(table, n, RULE_PREFIX, p.destination, FERRY_CLASSIFY_TO);
		if (rule < 0)
			rule = best_prefix(table, n, RULE_PREFIX, p.source, FERRY_CLASSIFY_FROM);
		v.source = FERRY_CLASSIFY_PREFIX;
	}
	if (rule < 0 && p.protocol == TCP && !p.fragment) {
		hello_name(p.payload, name);
		rule = find_name(table, n, name);
		v.source = FERRY_CLASSIFY_SNI;
	}
	if (rule < 0)
		return (struct reference_verdict){FERRY_CLASSIFY_UNSET, FERRY_CLASS_DEFAULT, 0};
	v.class = table[rule].class;
	v.rule = (uint16_t)(rule + 1);
	return v;
}
