/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What classify.bpf.c and the programs that load it agree on. */
#ifndef FERRY_BPF_CLASSIFY_H
#define FERRY_BPF_CLASSIFY_H

#include <linux/ferry.h>
#include <linux/types.h>

/*
 * Index into the per-CPU array `counters`. Each packet is counted once: by its class where the
 * program wrote a verdict, else by the reason why it was left alone.
 */
enum ferry_classify_slot {
	/* 0 .. FERRY_CLASS_COUNT-1 but FERRY_CLASS_DEFAULT: verdict written, by class */
	FERRY_CLASSIFY_UNMARKED = FERRY_CLASS_DEFAULT, /* no class has this DSCP */
	FERRY_CLASSIFY_KEPT = FERRY_CLASS_COUNT,       /* carried a verdict for the qdisc already */
	FERRY_CLASSIFY_NOT_IP,	  /* neither IPv4 nor IPv6, or below more than two VLAN tags */
	FERRY_CLASSIFY_MALFORMED, /* ends within its headers, or they contradict each other */
	FERRY_CLASSIFY_SLOTS,
};

struct ferry_classify_counter {
	__u64 packets; /* as the qdisc gets them: a GSO packet is one */
	__u64 bytes;   /* with the link header */
};

#endif
