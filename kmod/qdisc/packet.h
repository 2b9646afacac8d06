/* SPDX-License-Identifier: GPL-2.0-only */
/* What the scheduler (core/queue.h) asks of a packet, answered for sk_buff. */
#ifndef FERRY_QDISC_PACKET_H
#define FERRY_QDISC_PACKET_H

#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/sch_generic.h>

#include "../core/stamp.h"

#define ferry_packet sk_buff

static inline struct sk_buff *ferry_packet_next(const struct sk_buff *skb)
{
	return skb->next;
}

static inline void ferry_packet_set_next(struct sk_buff *skb, struct sk_buff *next)
{
	skb->next = next;
}

static inline struct ferry_stamp *ferry_packet_stamp(const struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct ferry_stamp) > QDISC_CB_PRIV_LEN);
	return (struct ferry_stamp *)qdisc_skb_cb(skb)->data;
}

static inline u32 ferry_packet_bytes(const struct sk_buff *skb)
{
	return qdisc_pkt_len(skb) ?: 1;
}

/* Packets that a long one of a tap or a packet socket makes: nobody has counted them yet. */
static inline u32 ferry_packet_count(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	const struct tcphdr *tcp;
	struct tcphdr copy;
	u32 header;

	if (!skb_transport_header_was_set(skb))
		return 1;
	header = skb_transport_offset(skb);
	if (info->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) {
		tcp = skb_header_pointer(skb, header, sizeof(copy), &copy);
		header += tcp ? __tcp_hdrlen(tcp) : 0;
	} else {
		header += sizeof(struct udphdr);
	}
	return skb->len > header ? DIV_ROUND_UP(skb->len - header, info->gso_size) : 1;
}

static inline u32 ferry_packet_segments(const struct sk_buff *skb)
{
	if (!skb_is_gso(skb))
		return 1;
	return skb_shinfo(skb)->gso_segs ?: ferry_packet_count(skb);
}

static inline u32 ferry_packet_memory(const struct sk_buff *skb)
{
	return skb->truesize;
}

static inline u32 ferry_packet_hash(struct sk_buff *skb)
{
	return skb_get_hash(skb);
}

static inline bool ferry_packet_mark(struct sk_buff *skb)
{
	return INET_ECN_set_ce(skb);
}

static inline bool ferry_packet_is_ect1(struct sk_buff *skb)
{
	const int dsfield = skb_get_dsfield(skb);

	return dsfield >= 0 && (dsfield & INET_ECN_MASK) == INET_ECN_ECT_1;
}

#endif /* FERRY_QDISC_PACKET_H */
