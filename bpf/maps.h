/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps of classify.bpf.c. All are bounded. Those that userspace fills refuse what is too much,
 * so that a rule never vanishes; those that packets fill forget what was used longest ago.
 */
#ifndef FERRY_BPF_MAPS_H
#define FERRY_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "classify.h"

#define FERRY_MAP(name, kind, entries, key_type, value_type, flags_) \
	struct {                                                     \
		__uint(type, kind);                                  \
		__uint(max_entries, entries);                        \
		__uint(map_flags, flags_);                           \
		__type(key, key_type);                               \
		__type(value, value_type);                           \
	} name SEC(".maps")

/*
 * What has no room on the stack: the name of a server, while it is turned round, and what is to be
 * remembered of its ClientHello. One at a time on each CPU.
 */
struct ferry_classify_scratch {
	__u8 name[FERRY_CLASSIFY_NAME_BYTES];
	struct ferry_classify_name key;
	struct ferry_classify_hello hello;
};

FERRY_MAP(settings, BPF_MAP_TYPE_ARRAY, 1, __u32, struct ferry_classify_settings, 0);
FERRY_MAP(counters, BPF_MAP_TYPE_PERCPU_ARRAY, FERRY_CLASSIFY_COUNTERS, __u32,
	  struct ferry_classify_counter, 0);
FERRY_MAP(hits, BPF_MAP_TYPE_PERCPU_ARRAY, FERRY_CLASSIFY_RULES, __u32, __u64, 0);
FERRY_MAP(scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct ferry_classify_scratch, 0);

FERRY_MAP(sockets, BPF_MAP_TYPE_HASH, FERRY_CLASSIFY_SOCKETS, __u64, struct ferry_classify_socket,
	  BPF_F_NO_PREALLOC);
FERRY_MAP(cgroups, BPF_MAP_TYPE_HASH, 2 * FERRY_CLASSIFY_CGROUPS, __u64, struct ferry_classify_rule,
	  BPF_F_NO_PREALLOC);
FERRY_MAP(trusted, BPF_MAP_TYPE_LPM_TRIE, 2 * FERRY_CLASSIFY_PREFIXES, struct ferry_classify_prefix,
	  struct ferry_classify_rule, BPF_F_NO_PREALLOC);
FERRY_MAP(port_bits, BPF_MAP_TYPE_ARRAY, 2 * 65536 / 64, __u32, __u64, 0);
FERRY_MAP(ports, BPF_MAP_TYPE_HASH, 2 * FERRY_CLASSIFY_PORTS, __u32, struct ferry_classify_rule,
	  BPF_F_NO_PREALLOC);
FERRY_MAP(prefixes, BPF_MAP_TYPE_LPM_TRIE, 2 * FERRY_CLASSIFY_PREFIXES,
	  struct ferry_classify_prefix, struct ferry_classify_rule, BPF_F_NO_PREALLOC);
FERRY_MAP(names, BPF_MAP_TYPE_LPM_TRIE, 2 * FERRY_CLASSIFY_NAMES, struct ferry_classify_name,
	  struct ferry_classify_rule, BPF_F_NO_PREALLOC);

FERRY_MAP(flows, BPF_MAP_TYPE_LRU_HASH, FERRY_CLASSIFY_FLOWS, struct ferry_classify_flow_key,
	  struct ferry_classify_flow, 0);
FERRY_MAP(hellos, BPF_MAP_TYPE_LRU_HASH, FERRY_CLASSIFY_HELLOS, struct ferry_classify_flow_key,
	  struct ferry_classify_hello, 0);
FERRY_MAP(fragments, BPF_MAP_TYPE_LRU_HASH, FERRY_CLASSIFY_FRAGMENTS,
	  struct ferry_classify_fragment_key, struct ferry_classify_verdict, 0);
/*
 * Shared by all interfaces: verdicts by skb->hash, which is all that WireGuard leaves of a packet.
 */
FERRY_MAP(inners, BPF_MAP_TYPE_LRU_HASH, FERRY_CLASSIFY_INNERS, __u32,
	  struct ferry_classify_verdict, 0);

#endif
