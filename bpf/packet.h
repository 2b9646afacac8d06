/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What classify.bpf.c reads of a packet: addresses, ports, DSCP, where the payload begins. Every
 * loop is bounded; what lies deeper than the bounds is not looked at.
 */
#ifndef FERRY_BPF_PACKET_H
#define FERRY_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "classify.h"

enum {
	MAX_VLAN_TAGS = 2, /* 802.1ad: one of the provider, one of the customer */
	VLAN_TAG_BYTES = 4,
	ETHERTYPE_OFFSET = 2 * ETH_ALEN,
	IPV4_MIN_HEADER_BYTES = 20,
	IPV4_FRAGMENT_OFFSET = 0x1fff,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV6_HEADER_BYTES = 40,
	IPV6_MAX_EXTENSIONS = 6,
	IPV6_FRAGMENT_OFFSET = 0xfff8,
	IPV6_MORE_FRAGMENTS = 1,
	TCP_MIN_HEADER_BYTES = 20,
	TCP_SYN = 2,
	UDP_HEADER_BYTES = 8,
	GRE_HEADER_BYTES = 4,
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_VERSION = 7,
	ECN_BITS = 2,
	DIRECT_MAX = 1024, /* what lies beyond is read by a call */
};

enum ferry_packet_fragment {
	FERRY_FRAGMENT_NONE,
	FERRY_FRAGMENT_FIRST,
	FERRY_FRAGMENT_LATER, /* no ports */
};

/* What is still to be parsed: a header of the kind `ethertype` at `offset`. */
struct ferry_packet_cursor {
	__u32 offset;
	__u32 end; /* of the packet, without padding of the link */
	__u16 ethertype;
	__u8 protocol;
};

struct ferry_packet {
	struct ferry_packet_cursor at; /* while it is parsed */
	struct ferry_classify_flow_key key;
	__u32 payload_offset;
	__u32 payload_bytes;
	__u32 sequence;	    /* of TCP */
	__u32 acknowledged; /* likewise */
	__u32 identification;
	__u8 identified_by; /* protocol whose identifications these are; 0: of all together */
	__u16 outer_offset; /* of the outermost IP header */
	__u8 outer_version;
	__u8 outer_tos;
	__u8 dscp;
	__u8 fragment; /* enum ferry_packet_fragment */
	__u8 begins;   /* a connection of TCP, with this packet */
};

/* Reading where the packet lies costs a tenth of a call, and headers are nearly always there. */
static __always_inline long ferry_read(struct __sk_buff *skb, __u32 offset, void *to, __u32 n)
{
	if (offset <= DIRECT_MAX) {
		__u32 within = offset;
		void *from;

		/* Linux 6.12 loses track of the bound above where no offset could be below it. */
		asm volatile("%0 &= %1" : "+r"(within) : "i"(2 * DIRECT_MAX - 1));
		from = (void *)(long)skb->data + within;
		if (from + n <= (void *)(long)skb->data_end) {
			__builtin_memcpy(to, from, n);
			return 0;
		}
	}
	return bpf_skb_load_bytes(skb, offset, to, n);
}

static __always_inline __u16 ferry_be16(const __u8 *bytes)
{
	return (__u16)(bytes[0] << 8 | bytes[1]);
}

static __always_inline __u32 ferry_be32(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3];
}

/*
 * Finds the IP header behind the link header. The tag that the card will add is not in the packet.
 */
static __always_inline enum ferry_classify_source
ferry_packet_link(struct __sk_buff *skb, __u8 link_header, struct ferry_packet_cursor *at)
{
	__u8 bytes[2];

	at->end = skb->len;
	if (!link_header) {
		at->offset = 0;
		at->ethertype = bpf_ntohs((__be16)skb->protocol);
		return at->ethertype == ETH_P_IP || at->ethertype == ETH_P_IPV6
			       ? FERRY_CLASSIFY_UNSET
			       : FERRY_CLASSIFY_NOT_IP;
	}
	at->offset = ETHERTYPE_OFFSET;
	for (int i = 0; i <= MAX_VLAN_TAGS; i++) {
		if (ferry_read(skb, at->offset, bytes, sizeof(bytes)))
			return FERRY_CLASSIFY_MALFORMED;
		at->ethertype = ferry_be16(bytes);
		if (at->ethertype == ETH_P_IP || at->ethertype == ETH_P_IPV6) {
			at->offset += sizeof(bytes);
			return FERRY_CLASSIFY_UNSET;
		}
		if (at->ethertype != ETH_P_8021Q && at->ethertype != ETH_P_8021AD)
			break;
		at->offset += VLAN_TAG_BYTES;
	}
	return FERRY_CLASSIFY_NOT_IP;
}

static __always_inline int ferry_packet_ipv4(struct __sk_buff *skb, struct ferry_packet *p,
					     struct ferry_packet_cursor *at)
{
	__u8 h[IPV4_MIN_HEADER_BYTES];
	__u32 header_bytes, total;
	__u16 fragment;

	if (ferry_read(skb, at->offset, h, sizeof(h)))
		return -1;
	header_bytes = (h[0] & 0xf) * 4;
	total = ferry_be16(h + 2);
	if (h[0] >> 4 != 4 || header_bytes < IPV4_MIN_HEADER_BYTES ||
	    at->offset + header_bytes > at->end || (total && total < header_bytes))
		return -1;
	/* 0 is what segmentation offload makes of a length that has no room in 16 bits. */
	if (total && at->offset + total < at->end)
		at->end = at->offset + total;
	p->dscp = h[1];
	fragment = ferry_be16(h + 6);
	p->identification = ferry_be16(h + 4);
	p->fragment = fragment & IPV4_FRAGMENT_OFFSET  ? FERRY_FRAGMENT_LATER
		      : fragment & IPV4_MORE_FRAGMENTS ? FERRY_FRAGMENT_FIRST
						       : FERRY_FRAGMENT_NONE;
	__builtin_memset(&p->key, 0, sizeof(p->key));
	p->key.source[10] = p->key.source[11] = 0xff;
	p->key.destination[10] = p->key.destination[11] = 0xff;
	__builtin_memcpy(p->key.source + 12, h + 12, 4);
	__builtin_memcpy(p->key.destination + 12, h + 16, 4);
	at->protocol = p->identified_by = h[9];
	at->offset += header_bytes;
	return 0;
}

/* Walks over the extension headers. Behind more than the bound there are no ports for us. */
static __always_inline int ferry_packet_extensions(struct __sk_buff *skb, struct ferry_packet *p,
						   struct ferry_packet_cursor *at)
{
	__u8 h[8];

	for (int i = 0; i < IPV6_MAX_EXTENSIONS; i++) {
		const __u8 kind = at->protocol;
		__u32 bytes;

		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING &&
		    kind != IPPROTO_FRAGMENT && kind != IPPROTO_DSTOPTS && kind != IPPROTO_AH)
			return 0;
		if (p->fragment == FERRY_FRAGMENT_LATER)
			return 0;
		if (at->offset + sizeof(h) > at->end || ferry_read(skb, at->offset, h, sizeof(h)))
			return -1;
		bytes = kind == IPPROTO_AH ? (h[1] + 2) * 4 : (h[1] + 1) * 8;
		if (kind == IPPROTO_FRAGMENT) {
			const __u16 fragment = ferry_be16(h + 2);

			bytes = sizeof(h);
			p->identification = ferry_be32(h + 4);
			if (fragment & IPV6_FRAGMENT_OFFSET)
				p->fragment = FERRY_FRAGMENT_LATER;
			else if (fragment & IPV6_MORE_FRAGMENTS)
				p->fragment = FERRY_FRAGMENT_FIRST;
		}
		at->protocol = h[0];
		at->offset += bytes;
		if (at->offset > at->end)
			return -1;
	}
	return 0;
}

static __always_inline int ferry_packet_ipv6(struct __sk_buff *skb, struct ferry_packet *p,
					     struct ferry_packet_cursor *at)
{
	__u8 h[IPV6_HEADER_BYTES];
	__u32 payload;

	if (ferry_read(skb, at->offset, h, sizeof(h)) || h[0] >> 4 != 6 ||
	    at->offset + sizeof(h) > at->end)
		return -1;
	payload = ferry_be16(h + 4);
	if (payload && at->offset + sizeof(h) + payload < at->end)
		at->end = at->offset + sizeof(h) + payload;
	p->dscp = (__u8)(h[0] << 4 | h[1] >> 4);
	p->fragment = FERRY_FRAGMENT_NONE;
	p->identification = 0;
	p->identified_by = 0;
	__builtin_memset(&p->key, 0, sizeof(p->key));
	__builtin_memcpy(p->key.source, h + 8, 16);
	__builtin_memcpy(p->key.destination, h + 24, 16);
	at->protocol = h[6];
	at->offset += sizeof(h);
	return ferry_packet_extensions(skb, p, at);
}

/* Ports and payload. A protocol that has none leaves both at 0. */
static __always_inline int ferry_packet_transport(struct __sk_buff *skb, struct ferry_packet *p,
						  struct ferry_packet_cursor *at)
{
	__u8 h[TCP_MIN_HEADER_BYTES];
	__u32 header_bytes;

	p->key.protocol = at->protocol;
	p->payload_bytes = 0;
	p->sequence = 0;
	p->acknowledged = 0;
	p->begins = 0;
	if (p->fragment == FERRY_FRAGMENT_LATER)
		return 0;
	if (at->protocol == IPPROTO_TCP) {
		if (ferry_read(skb, at->offset, h, TCP_MIN_HEADER_BYTES))
			return -1;
		header_bytes = (h[12] >> 4) * 4;
		if (header_bytes < TCP_MIN_HEADER_BYTES)
			return -1;
		p->sequence = ferry_be32(h + 4);
		p->acknowledged = ferry_be32(h + 8);
		p->begins = h[13] & TCP_SYN;
	} else if (at->protocol == IPPROTO_UDP) {
		if (ferry_read(skb, at->offset, h, UDP_HEADER_BYTES))
			return -1;
		header_bytes = UDP_HEADER_BYTES;
	} else {
		return 0;
	}
	if (at->offset + header_bytes > at->end)
		return -1;
	__builtin_memcpy(&p->key.source_port, h, 2);
	__builtin_memcpy(&p->key.destination_port, h + 2, 2);
	p->payload_offset = at->offset + header_bytes;
	p->payload_bytes = at->end - p->payload_offset;
	return 0;
}

/* Whether the packet is GRE with an IP packet inside; then the cursor is moved to that. */
static __always_inline _Bool ferry_packet_gre(struct __sk_buff *skb, const struct ferry_packet *p,
					      struct ferry_packet_cursor *at)
{
	__u8 h[GRE_HEADER_BYTES];
	__u16 flags, ethertype;

	if (at->protocol != IPPROTO_GRE || p->fragment != FERRY_FRAGMENT_NONE ||
	    at->offset + sizeof(h) > at->end || ferry_read(skb, at->offset, h, sizeof(h)))
		return 0;
	flags = ferry_be16(h);
	ethertype = ferry_be16(h + 2);
	if (flags & (GRE_VERSION | GRE_ROUTING) ||
	    (ethertype != ETH_P_IP && ethertype != ETH_P_IPV6))
		return 0;
	at->ethertype = ethertype;
	at->offset += GRE_HEADER_BYTES + (flags & GRE_CHECKSUM ? 4 : 0) +
		      (flags & GRE_KEY ? 4 : 0) + (flags & GRE_SEQUENCE ? 4 : 0);
	return 1;
}

/* The IP headers at the cursor. */
static __noinline int ferry_packet_headers(struct __sk_buff *skb, struct ferry_packet *p,
					   struct ferry_packet_cursor *at)
{
	return at->ethertype == ETH_P_IP ? ferry_packet_ipv4(skb, p, at)
					 : ferry_packet_ipv6(skb, p, at);
}

/*
 * Reads the IP packet at the cursor, and where it is a GRE tunnel's, the one inside instead; a
 * tunnel within that is not opened. Not a loop: Linux 6.1 refuses the shape that clang gives it.
 */
static __always_inline int ferry_packet_ip(struct __sk_buff *skb, struct ferry_packet *p,
					   struct ferry_packet_cursor *at)
{
	const __u8 outer_version = at->ethertype == ETH_P_IP ? 4 : 6;

	if (ferry_packet_headers(skb, p, at))
		return -1;
	p->outer_version = outer_version;
	p->outer_tos = p->dscp;
	if (ferry_packet_gre(skb, p, at) && ferry_packet_headers(skb, p, at))
		return -1;
	p->dscp >>= ECN_BITS;
	return ferry_packet_transport(skb, p, at);
}

/* FERRY_CLASSIFY_UNSET for a packet that was understood, else why not. */
static __always_inline enum ferry_classify_source
ferry_packet_parse(struct __sk_buff *skb, __u8 link_header, struct ferry_packet *p)
{
	const enum ferry_classify_source source = ferry_packet_link(skb, link_header, &p->at);

	if (source != FERRY_CLASSIFY_UNSET)
		return source;
	p->outer_offset = (__u16)p->at.offset;
	return ferry_packet_ip(skb, p, &p->at) ? FERRY_CLASSIFY_MALFORMED : FERRY_CLASSIFY_UNSET;
}

#endif
