// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Tier T0 classification: DSCP to class, by `struct __sk_buff` alone, so that it runs on kernels
 * without BTF. It belongs on the egress hook of the interface that has the qdisc: forwarding
 * rewrites skb->priority from the TOS octet, and a namespace crossing sets it to 0.
 *
 * The packet itself is only read, and whatever other tc programs do, they still get to do:
 * the answer is always TC_ACT_UNSPEC.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "classify.h"

enum {
	MAX_VLAN_TAGS = 2, /* 802.1ad: one of the provider, one of the customer */
	VLAN_TAG_BYTES = 4,
	ETHERTYPE_OFFSET = 2 * ETH_ALEN,
	IPV4_MIN_HEADER_BYTES = 20,
	IPV6_HEADER_BYTES = 40,
	ECN_BITS = 2,
};

/* Major of the qdisc's handle, set before the program is loaded. 0: leave every packet alone. */
const volatile __u16 ferry_qdisc_major;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FERRY_CLASSIFY_SLOTS);
	__type(key, __u32);
	__type(value, struct ferry_classify_counter);
} counters SEC(".maps");

/* Slot of an IP packet whose header starts @offset bytes into the packet. */
static __always_inline __u32 slot_of_ip(struct __sk_buff *skb, __u32 offset, __be16 ethertype)
{
	const __u32 bytes = skb->len > offset ? skb->len - offset : 0;
	__u8 head[2]; /* version to TOS octet, or version to traffic class */
	__u8 tos;

	if (bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
		return FERRY_CLASSIFY_MALFORMED;
	if (ethertype == bpf_htons(ETH_P_IP)) {
		const __u32 header_bytes = (head[0] & 0xf) * 4;

		if (head[0] >> 4 != 4 || header_bytes < IPV4_MIN_HEADER_BYTES ||
		    header_bytes > bytes)
			return FERRY_CLASSIFY_MALFORMED;
		tos = head[1];
	} else {
		if (head[0] >> 4 != 6 || bytes < IPV6_HEADER_BYTES)
			return FERRY_CLASSIFY_MALFORMED;
		tos = (__u8)(head[0] << 4 | head[1] >> 4);
	}
	switch (tos >> ECN_BITS) {
#define row(class, name, dscp, budget, share) \
	case dscp:                            \
		return class;
		FERRY_CLASS_TABLE(row)
#undef row
	default:
		return FERRY_CLASSIFY_UNMARKED;
	}
}

static __always_inline __u32 slot_of_packet(struct __sk_buff *skb)
{
	__u32 offset = ETHERTYPE_OFFSET;
	__be16 ethertype;

	/* The tag that the network card will add is not in the packet. Those in it nest. */
	for (int i = 0; i <= MAX_VLAN_TAGS; i++) {
		if (bpf_skb_load_bytes(skb, offset, &ethertype, sizeof(ethertype)))
			return FERRY_CLASSIFY_MALFORMED;
		if (ethertype == bpf_htons(ETH_P_IP) || ethertype == bpf_htons(ETH_P_IPV6))
			return slot_of_ip(skb, offset + sizeof(ethertype), ethertype);
		if (ethertype != bpf_htons(ETH_P_8021Q) && ethertype != bpf_htons(ETH_P_8021AD))
			break;
		offset += VLAN_TAG_BYTES;
	}
	return FERRY_CLASSIFY_NOT_IP;
}

SEC("tc")
int ferry_classify(struct __sk_buff *skb)
{
	struct ferry_classify_counter *counter;
	__u32 slot;

	if (!ferry_qdisc_major)
		return TC_ACT_UNSPEC;
	/* Whoever wrote a verdict before, a socket or another program, knew more than the DSCP. */
	if (FERRY_VERDICT_MAJOR(skb->priority) == ferry_qdisc_major &&
	    FERRY_MINOR_CLASS(skb->priority) < FERRY_CLASS_COUNT)
		slot = FERRY_CLASSIFY_KEPT;
	else
		slot = slot_of_packet(skb);

	if (slot < FERRY_CLASS_COUNT && slot != FERRY_CLASSIFY_UNMARKED)
		skb->priority =
			FERRY_VERDICT(ferry_qdisc_major, FERRY_MINOR(slot, FERRY_DEADLINE_NONE));
	counter = bpf_map_lookup_elem(&counters, &slot);
	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
	return TC_ACT_UNSPEC;
}

char ferry_license[] SEC("license") = "Dual BSD/GPL";
