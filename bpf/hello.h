/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The server's name in a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3), looked up among the rules.
 * A hello that goes on in the next segment is read on there, unless the cut goes through the name
 * or through the four bytes before an extension: then the flow stays undecided, and other rules
 * have their say.
 */
#ifndef FERRY_BPF_HELLO_H
#define FERRY_BPF_HELLO_H

#include "maps.h"
#include "packet.h"

enum {
	HELLO_FIXED_BYTES = 44, /* record header to the length of the session id */
	HELLO_MAX_EXTENSIONS = 32,
	HELLO_OFFSET_MASK = 0xfffff,
	HELLO_RECORD = 22,
	HELLO_HANDSHAKE = 1,
	HELLO_SERVER_NAME = 0,
	HELLO_HOST_NAME = 0,
};

static __always_inline __u8 ferry_name_byte(__u8 c)
{
	if (c >= 'A' && c <= 'Z')
		return (__u8)(c + ('a' - 'A'));
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')
		return c;
	return 0;
}

/*
 * Turns the name of @bytes round into the key: 0, or -1 where there is a byte that no name has. Not
 * static, as ferry_behave().
 */
__noinline int ferry_turn_name(struct ferry_classify_scratch *s, __u32 bytes)
{
	if (!s || bytes >= FERRY_CLASSIFY_NAME_BYTES)
		return -1;
	for (__u32 i = 0; i < FERRY_CLASSIFY_NAME_BYTES - 1; i++) {
		__u8 c;

		if (i >= bytes)
			break;
		c = ferry_name_byte(s->name[(bytes - 1 - i) & (FERRY_CLASSIFY_NAME_BYTES - 1)]);
		if (!c)
			return -1;
		s->key.reversed[i] = c;
	}
	s->key.reversed[bytes & (FERRY_CLASSIFY_NAME_BYTES - 1)] = 0;
	s->key.bits = FERRY_CLASSIFY_NAME_BYTES * 8;
	return 0;
}

/* Looks up the name of @bytes at @offset. */
static __always_inline int ferry_hello_name(struct __sk_buff *skb, __u32 offset, __u32 bytes,
					    struct ferry_classify_rule *rule)
{
	const __u32 zero = 0;
	struct ferry_classify_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	const struct ferry_classify_rule *found;
	__u32 last;

	if (!s || !bytes || bytes >= FERRY_CLASSIFY_NAME_BYTES)
		return -1;
	/*
	 * The compiler knows the bounds by now, and would not tell the verifier; that of Linux 6.1
	 * does not learn from a comparison with 0 either.
	 */
	last = bytes - 1;
	asm volatile("%0 &= %1" : "+r"(last) : "i"(FERRY_CLASSIFY_NAME_BYTES - 1));
	if (bpf_skb_load_bytes(skb, offset, s->name, last + 1) || ferry_turn_name(s, bytes))
		return -1;
	found = bpf_map_lookup_elem(&names, &s->key);
	if (!found)
		return -1;
	*rule = *found;
	return 0;
}

/*
 * Walks over extensions from @offset. Returns 0 with @rule set, or -1; then *skip tells by how
 * many bytes the last extension goes beyond the packet, 0 where the walk cannot go on.
 */
static __noinline int ferry_hello_extensions(struct __sk_buff *skb, __u32 offset, __u32 end,
					     struct ferry_classify_hello *hello)
{
	__u8 h[9]; /* type, length; of a server's name also list length, kind, name length */
	__u32 bytes;

	hello->skip = 0;
	for (int i = 0; i < HELLO_MAX_EXTENSIONS; i++) {
		/*
		 * No packet is longer. Said in each round, it makes the rounds look alike to the
		 * verifier.
		 */
		asm volatile("%0 &= %1" : "+r"(offset) : "i"(HELLO_OFFSET_MASK));
		if (offset + 4 > end || bpf_skb_load_bytes(skb, offset, h, 4))
			return -1;
		bytes = ferry_be16(h + 2);
		if (ferry_be16(h) == HELLO_SERVER_NAME)
			goto name;
		offset += 4 + bytes;
		if (offset >= end) {
			/* 0 where it ends with the segment: perhaps nothing follows. */
			hello->skip = offset - end;
			return -1;
		}
	}
	return -1;
name:
	asm volatile("%0 &= %1" : "+r"(offset) : "i"(HELLO_OFFSET_MASK));
	if (offset + 4 + bytes > end || bytes < 5 ||
	    bpf_skb_load_bytes(skb, offset, h, sizeof(h)) || h[6] != HELLO_HOST_NAME ||
	    ferry_be16(h + 7) + 5U > bytes)
		return -1;
	return ferry_hello_name(skb, offset + sizeof(h), ferry_be16(h + 7), &hello->rule);
}

/*
 * Where the extensions of the hello at the beginning of the payload begin, 0 where there is none.
 */
static __always_inline __u32 ferry_hello_begin(struct __sk_buff *skb, const struct ferry_packet *p)
{
	const __u32 end = p->payload_offset + p->payload_bytes;
	__u32 offset = p->payload_offset;
	__u8 h[HELLO_FIXED_BYTES];

	if (p->payload_bytes < HELLO_FIXED_BYTES || ferry_read(skb, offset, h, sizeof(h)) ||
	    h[0] != HELLO_RECORD || h[1] != 3 || h[5] != HELLO_HANDSHAKE)
		return 0;
	offset += HELLO_FIXED_BYTES + h[43];
	if (offset + 2 > end || ferry_read(skb, offset, h, 2)) /* cipher suites */
		return 0;
	offset += 2 + ferry_be16(h);
	if (offset + 1 > end || ferry_read(skb, offset, h, 1)) /* compression methods */
		return 0;
	offset += 1 + h[0];
	if (offset + 2 > end || ferry_read(skb, offset, h, 2)) /* extensions */
		return 0;
	return offset + 2;
}

/* The same for both directions of a flow, so that the answers find what the hello said. */
static __always_inline void ferry_hello_key(const struct ferry_classify_flow_key *flow,
					    struct ferry_classify_flow_key *key)
{
	*key = *flow;
	if (__builtin_bswap16(key->source_port) >= __builtin_bswap16(key->destination_port))
		return;
	__builtin_memcpy(key->source, flow->destination, sizeof(key->source));
	__builtin_memcpy(key->destination, flow->source, sizeof(key->destination));
	key->source_port = flow->destination_port;
	key->destination_port = flow->source_port;
}

/*
 * A connection begins: what is known of an older one with its addresses and ports is not about it.
 * Not static, as ferry_behave().
 */
__noinline int ferry_forget(const struct ferry_classify_flow_key *flow)
{
	struct ferry_classify_flow_key key;

	if (!flow)
		return 0;
	key = *flow;
	bpf_map_delete_elem(&flows, &key);
	ferry_hello_key(flow, &key);
	bpf_map_delete_elem(&hellos, &key);
	return 0;
}

/* What is known: 0 with *rule set, or -1. A name is looked up again where the rules changed. */
static __always_inline int ferry_hello_known(struct ferry_classify_hello *known,
					     struct ferry_classify_rule *rule, _Bool learn,
					     __u32 epoch)
{
	const struct ferry_classify_rule *found;

	if (known->epoch == epoch) {
		*rule = known->rule;
		return rule->id ? 0 : -1;
	}
	found = bpf_map_lookup_elem(&names, &known->name);
	if (found)
		*rule = *found;
	if (learn) {
		/* Last what others go by: a packet on another CPU looks up once more, at worst. */
		known->rule = *rule;
		known->epoch = epoch;
	}
	return found ? 0 : -1;
}

/*
 * The rule for the server that the flow of @p asked for: 0 with *rule set, or -1. @rule: all zero.
 * @learn: whether the hello may be read and remembered, else only what is known counts.
 */
static __noinline int ferry_hello_rule(struct __sk_buff *skb, const struct ferry_packet *p,
				       struct ferry_classify_rule *rule, _Bool learn, __u32 epoch)
{
	const __u32 zero = 0;
	struct ferry_classify_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct ferry_classify_hello *known;
	struct ferry_classify_flow_key key;
	__u32 offset;

	if (!s)
		return -1;
	ferry_hello_key(&p->key, &key);
	known = bpf_map_lookup_elem(&hellos, &key);
	if (known && known->name.bits)
		return ferry_hello_known(known, rule, learn, epoch);
	if (!p->payload_bytes || !learn)
		return -1;
	if (known && known->next_sequence == p->sequence) {
		if (known->skip >= p->payload_bytes) {
			/* An extension over three segments: go on counting. */
			known->skip -= p->payload_bytes;
			known->next_sequence += p->payload_bytes;
			return -1;
		}
		offset = p->payload_offset + known->skip;
	} else {
		offset = ferry_hello_begin(skb, p);
	}
	if (!offset)
		return -1;
	if (!ferry_hello_extensions(skb, offset, p->payload_offset + p->payload_bytes, &s->hello)) {
		s->hello.epoch = epoch;
		s->hello.name = s->key;
		bpf_map_update_elem(&hellos, &key, &s->hello, BPF_ANY);
		*rule = s->hello.rule;
		return 0;
	}
	s->hello.next_sequence = p->sequence + p->payload_bytes;
	s->hello.name.bits = 0;
	if (s->hello.skip)
		bpf_map_update_elem(&hellos, &key, &s->hello, BPF_ANY);
	else if (known)
		bpf_map_delete_elem(&hellos, &key);
	return -1;
}

#endif
