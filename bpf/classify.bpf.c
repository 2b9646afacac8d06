// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Tier T0 classification, by `struct __sk_buff` and helpers that every kernel since 5.10 has, so
 * that it runs without BTF. It belongs on the egress hook of the interface that has the qdisc:
 * forwarding rewrites skb->priority from the TOS octet, and a namespace crossing sets it to 0.
 *
 * Whatever other tc programs do, they still get to do: the answer is always TC_ACT_UNSPEC. No byte
 * of a packet is written unless the settings ask for the DSCP.
 *
 * Compiled a second time with FERRY_CLASSIFY_MODULE, for tier T2, it asks ferry.ko whose verdicts
 * the device takes, and is right at once after somebody has replaced the qdisc. All else is alike.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "behaviour.h"
#include "classify.h"
#include "hello.h"
#include "maps.h"
#include "packet.h"

/* For tests: time is what skb->tstamp says. */
const volatile __u8 ferry_clock_of_packet;

#ifdef FERRY_CLASSIFY_MODULE
/* So that its loader, and whoever looks with bpftool, can tell which of the two runs. */
#define ferry_classify ferry_classify2

extern __u32 bpf_ferry_qdisc_handle(struct __sk_buff *skb) __ksym;
#endif

/* Of the qdisc that reads the verdict. */
static __always_inline __u16 major_of(struct __sk_buff *skb,
				      const struct ferry_classify_settings *set)
{
#ifdef FERRY_CLASSIFY_MODULE
	const __u16 major = (__u16)(bpf_ferry_qdisc_handle(skb) >> 16);

	if (major)
		return major;
#else
	(void)skb;
#endif
	return set->major;
}

/* What is being decided about one packet. */
struct ferry_case {
	struct ferry_packet packet;
	struct ferry_classify_verdict verdict;
	__u16 major; /* of the qdisc */
};

/*
 * In a map and not on the stack: of what it reads there the verifier knows nothing, so that all the
 * ways through the headers come out alike, and it looks at an eighth of the instructions. A
 * question has a place of its own, for a packet may be sent while it is being answered.
 */
enum { CASE_PACKET, CASE_QUESTION, CASES };
FERRY_MAP(cases, BPF_MAP_TYPE_PERCPU_ARRAY, CASES, __u32, struct ferry_case, 0);

static __always_inline _Bool decide(struct ferry_case *c, enum ferry_classify_source source,
				    const struct ferry_classify_rule *rule)
{
	c->verdict.source = (__u8)source;
	c->verdict.class = rule->class;
	c->verdict.rule = rule->id;
	c->verdict.bucket = FERRY_DEADLINE_NONE;
	return 1;
}

static __always_inline _Bool by_socket(struct ferry_case *c, __u64 cookie)
{
	const struct ferry_classify_socket *socket;

	if (!cookie)
		return 0;
	socket = bpf_map_lookup_elem(&sockets, &cookie);
	if (!socket)
		return 0;
	c->verdict.source = FERRY_CLASSIFY_SOCKET;
	c->verdict.class = socket->class;
	c->verdict.rule = 0;
	c->verdict.bucket = socket->bucket;
	return 1;
}

/* The group of the socket, or the nearest above it that has a rule. */
static __noinline int by_cgroup(struct __sk_buff *skb, __u32 levels, struct ferry_case *c)
{
	if (!c)
		return 0;
	for (int level = FERRY_CLASSIFY_CGROUP_LEVELS - 1; level >= 0; level--) {
		const struct ferry_classify_rule *rule;
		__u64 id;

		if (!(levels & (1U << level)))
			continue;
		id = bpf_skb_ancestor_cgroup_id(skb, level);
		if (!id)
			continue;
		rule = bpf_map_lookup_elem(&cgroups, &id);
		if (rule)
			return decide(c, FERRY_CLASSIFY_CGROUP, rule);
	}
	return 0;
}

static __always_inline _Bool end_matches(const struct ferry_classify_rule *rule, __u8 end)
{
	const __u8 ends = rule->ends & (FERRY_CLASSIFY_FROM | FERRY_CLASSIFY_TO);

	return !ends || ends & end;
}

static __always_inline _Bool device_matches(const struct __sk_buff *skb,
					    const struct ferry_classify_rule *rule)
{
	return !rule->device || rule->device == skb->ingress_ifindex;
}

/* The code point of a sender whose word counts. The default class needs nobody's word. */
static __always_inline _Bool by_dscp(struct __sk_buff *skb, struct ferry_case *c)
{
	struct ferry_classify_prefix key = {.bits = 128};
	const struct ferry_classify_rule *rule;
	struct ferry_classify_rule found;

	switch (c->packet.dscp) {
#define row(class_, name, dscp, budget, share) \
	case dscp:                             \
		found.class = class_;          \
		break;
		FERRY_CLASS_TABLE(row)
#undef row
	default:
		return 0;
	}
	if (found.class == FERRY_CLASS_DEFAULT)
		return 0;
	__builtin_memcpy(key.address, c->packet.key.source, sizeof(key.address));
	rule = bpf_map_lookup_elem(&trusted, &key);
	if (!rule || !device_matches(skb, rule))
		return 0;
	found.id = rule->id;
	return decide(c, FERRY_CLASSIFY_DSCP, &found);
}

static __always_inline const struct ferry_classify_rule *rule_of_port(__u32 protocol, __u16 port,
								      __u8 end)
{
	const __u32 word = (protocol == IPPROTO_UDP ? 65536 / 64 : 0) + port / 64;
	const __u32 key = FERRY_CLASSIFY_PORT_KEY(protocol, port);
	const struct ferry_classify_rule *rule;
	const __u64 *bits = bpf_map_lookup_elem(&port_bits, &word);

	if (!bits || !(*bits & 1ULL << port % 64))
		return 0;
	rule = bpf_map_lookup_elem(&ports, &key);
	return rule && end_matches(rule, end) ? rule : 0;
}

static __always_inline _Bool by_port(struct ferry_case *c)
{
	const struct ferry_classify_flow_key *key = &c->packet.key;
	const struct ferry_classify_rule *rule;

	if ((key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP) ||
	    c->packet.fragment == FERRY_FRAGMENT_LATER)
		return 0;
	rule = rule_of_port(key->protocol, bpf_ntohs(key->destination_port), FERRY_CLASSIFY_TO);
	if (!rule)
		rule = rule_of_port(key->protocol, bpf_ntohs(key->source_port),
				    FERRY_CLASSIFY_FROM);
	return rule && decide(c, FERRY_CLASSIFY_PORT, rule);
}

static __always_inline const struct ferry_classify_rule *
rule_of_address(struct __sk_buff *skb, const __u8 *address, __u8 end)
{
	struct ferry_classify_prefix key = {.bits = 128};
	const struct ferry_classify_rule *rule;

	__builtin_memcpy(key.address, address, sizeof(key.address));
	rule = bpf_map_lookup_elem(&prefixes, &key);
	return rule && end_matches(rule, end) && device_matches(skb, rule) ? rule : 0;
}

static __always_inline _Bool by_prefix(struct __sk_buff *skb, struct ferry_case *c)
{
	const struct ferry_classify_rule *rule =
		rule_of_address(skb, c->packet.key.destination, FERRY_CLASSIFY_TO);

	if (!rule)
		rule = rule_of_address(skb, c->packet.key.source, FERRY_CLASSIFY_FROM);
	return rule && decide(c, FERRY_CLASSIFY_PREFIX, rule);
}

static __always_inline _Bool by_name(struct __sk_buff *skb, struct ferry_case *c, __u32 epoch,
				     _Bool learn)
{
	struct ferry_classify_rule rule = {};

	if (c->packet.key.protocol != IPPROTO_TCP || c->packet.fragment != FERRY_FRAGMENT_NONE)
		return 0;
	return !ferry_hello_rule(skb, &c->packet, &rule, learn, epoch) &&
	       decide(c, FERRY_CLASSIFY_SNI, &rule);
}

/* Only TCP, and QUIC on its usual port: a stream of small packets over UDP is somebody's voice. */
static __always_inline _Bool may_behave(const struct ferry_packet *p)
{
	if (p->fragment != FERRY_FRAGMENT_NONE)
		return 0;
	return p->key.protocol == IPPROTO_TCP ||
	       (p->key.protocol == IPPROTO_UDP && (p->key.source_port == bpf_htons(443) ||
						   p->key.destination_port == bpf_htons(443)));
}

/*
 * Not static, so that the verifier looks at it once and not once for each way that leads here.
 * What takes the context must be static: checking that of others needs a kernel with BTF.
 */
__noinline int ferry_behave(struct ferry_behaviour *b, const struct ferry_behaviour_packet *p)
{
	return b && p ? ferry_behaviour_see(b, p) : FERRY_BEHAVIOUR_UNKNOWN;
}

/*
 * Packets of one flow that leave on two CPUs at once may lose an update to each other: an average
 * is off by one packet, and nothing is out of bounds.
 */
static __always_inline _Bool by_behaviour(struct __sk_buff *skb,
					  const struct ferry_classify_settings *set,
					  struct ferry_case *c, _Bool learn)
{
	const struct ferry_packet *p = &c->packet;
	struct ferry_classify_rule rule = {};
	struct ferry_classify_flow *flow;
	__u8 kind;

	if (!may_behave(p))
		return 0;
	flow = bpf_map_lookup_elem(&flows, &p->key);
	if (learn && p->payload_bytes) {
		const struct ferry_behaviour_packet seen = {
			.now_ns = ferry_clock_of_packet ? skb->tstamp : bpf_ktime_get_ns(),
			.bytes = p->payload_bytes,
			.acknowledged = p->acknowledged,
			.has_acknowledgement = p->key.protocol == IPPROTO_TCP,
		};

		if (!flow) {
			struct ferry_classify_flow fresh = {.packets = 1};

			ferry_behave(&fresh.behaviour, &seen);
			bpf_map_update_elem(&flows, &p->key, &fresh, BPF_NOEXIST);
			return 0;
		}
		flow->packets++;
		kind = (__u8)ferry_behave(&flow->behaviour, &seen);
	} else if (flow) {
		kind = flow->behaviour.kind;
	} else {
		return 0;
	}
	rule.class = set->kinds[kind & (FERRY_CLASSIFY_KINDS - 1)];
	return rule.class < FERRY_CLASS_COUNT && decide(c, FERRY_CLASSIFY_BEHAVIOUR, &rule);
}

static __always_inline void fragment_key(const struct ferry_packet *p,
					 struct ferry_classify_fragment_key *key)
{
	__builtin_memcpy(key->source, p->key.source, sizeof(key->source));
	__builtin_memcpy(key->destination, p->key.destination, sizeof(key->destination));
	key->identification = p->identification;
	/* Of IPv6, parts of one datagram may show another one: extensions are in the first only. */
	key->protocol = p->identified_by;
}

/* What the first fragment of the datagram got: later ones have no ports. */
static __always_inline _Bool by_first_fragment(struct ferry_case *c)
{
	struct ferry_classify_fragment_key key;
	const struct ferry_classify_verdict *first;

	if (c->packet.fragment != FERRY_FRAGMENT_LATER)
		return 0;
	fragment_key(&c->packet, &key);
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first)
		return 0;
	c->verdict = *first;
	return 1;
}

static __always_inline _Bool by_inner(struct __sk_buff *skb, struct ferry_case *c)
{
	const struct ferry_classify_verdict *inner;
	const __u32 hash = skb->hash;

	if (!hash || c->packet.key.protocol != IPPROTO_UDP)
		return 0;
	inner = bpf_map_lookup_elem(&inners, &hash);
	if (!inner)
		return 0;
	c->verdict = *inner;
	c->verdict.source = FERRY_CLASSIFY_INNER;
	c->verdict.rule = 0; /* a number of the tunnel's rules, not of ours */
	return 1;
}

/* What the packet itself says. The verdict is the default class of nobody where nobody knows it. */
static __always_inline void by_packet(struct __sk_buff *skb,
				      const struct ferry_classify_settings *set,
				      struct ferry_case *c, _Bool learn)
{
	const __u32 flags = set->flags;
	_Bool known;

	if (flags & FERRY_CLASSIFY_CARRIER && by_inner(skb, c))
		return;
	if (by_first_fragment(c))
		return;
	if (learn && c->packet.begins)
		ferry_forget(&c->packet.key);
	known = (flags & FERRY_CLASSIFY_HAS_TRUST && by_dscp(skb, c)) || by_port(c) ||
		(flags & FERRY_CLASSIFY_HAS_PREFIXES && by_prefix(skb, c)) ||
		(flags & FERRY_CLASSIFY_HAS_NAMES && by_name(skb, c, set->epoch, learn)) ||
		by_behaviour(skb, set, c, learn);
	if (learn && c->packet.fragment == FERRY_FRAGMENT_FIRST) {
		struct ferry_classify_fragment_key key;

		fragment_key(&c->packet, &key);
		if (known)
			bpf_map_update_elem(&fragments, &key, &c->verdict, BPF_ANY);
		else /* identifications come again */
			bpf_map_delete_elem(&fragments, &key);
	}
}

static __always_inline __u8 dscp_of(__u8 class)
{
	switch (class) {
#define row(class_, name, dscp, budget, share) \
	case class_:                           \
		return dscp;
		FERRY_CLASS_TABLE(row)
#undef row
	default:
		return 0;
	}
}

/* Puts the code point of the class into the outermost IP header, ECN as it was. */
static __always_inline void write_dscp(struct __sk_buff *skb, const struct ferry_packet *p,
				       __u8 class)
{
	const __u8 tos = (__u8)(dscp_of(class) << ECN_BITS | (p->outer_tos & 3));
	__u8 head[2];

	if (tos == p->outer_tos || bpf_skb_load_bytes(skb, p->outer_offset, head, sizeof(head)))
		return;
	if (p->outer_version == 4) {
		const __u8 fresh[2] = {head[0], tos};

		/* Both as they lie in the packet, so that the byte order does not matter. */
		bpf_l3_csum_replace(skb, p->outer_offset + 10, *(const __u16 *)head,
				    *(const __u16 *)fresh, sizeof(__u16));
		bpf_skb_store_bytes(skb, p->outer_offset + 1, &tos, 1, 0);
		return;
	}
	head[0] = (__u8)((head[0] & 0xf0) | tos >> 4);
	head[1] = (__u8)((head[1] & 0x0f) | tos << 4);
	bpf_skb_store_bytes(skb, p->outer_offset, head, sizeof(head), 0);
}

static __always_inline void count(const struct __sk_buff *skb, const struct ferry_case *c)
{
	const __u32 slot = c->verdict.source * FERRY_CLASS_COUNT + c->verdict.class;
	struct ferry_classify_counter *counter = bpf_map_lookup_elem(&counters, &slot);
	const __u32 rule = c->verdict.rule;
	__u64 *packets;

	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
	if (!rule)
		return;
	packets = bpf_map_lookup_elem(&hits, &rule);
	if (packets)
		++*packets;
}

/*
 * Which it is and who says so. @cookie of the packet's socket, 0 for none. @learn: false for a
 * question; nothing is counted or remembered.
 */
static __always_inline void classify(struct __sk_buff *skb,
				     const struct ferry_classify_settings *set, __u8 link_header,
				     __u64 cookie, struct ferry_case *c, _Bool learn)
{
	_Bool parsed = 0;

	c->verdict = (struct ferry_classify_verdict){.class = FERRY_CLASS_DEFAULT,
						     .bucket = FERRY_DEADLINE_NONE};
	/* Whoever wrote a verdict before, a socket or another program, knew more than we. */
	if (FERRY_VERDICT_MAJOR(skb->priority) == c->major &&
	    FERRY_MINOR_CLASS(skb->priority) < FERRY_CLASS_COUNT) {
		c->verdict.source = FERRY_CLASSIFY_KEPT;
		c->verdict.class = (__u8)FERRY_MINOR_CLASS(skb->priority);
		c->verdict.bucket = FERRY_MINOR_BUCKET(skb->priority);
	} else if (!by_socket(c, cookie) &&
		   !(set->cgroup_levels && by_cgroup(skb, set->cgroup_levels, c))) {
		parsed = 1;
		c->verdict.source = (__u8)ferry_packet_parse(skb, link_header, &c->packet);
		if (c->verdict.source == FERRY_CLASSIFY_UNSET)
			by_packet(skb, set, c, learn);
	}
	if (c->verdict.class >= FERRY_CLASS_COUNT)
		c->verdict.class = FERRY_CLASS_DEFAULT;
	if (!learn)
		return;
	count(skb, c);
	if (set->flags & FERRY_CLASSIFY_TUNNEL) {
		const __u32 hash = bpf_get_hash_recalc(skb);

		/* Where nobody knows the flow any more, its carrier must not go on either. */
		if (c->verdict.source < FERRY_CLASSIFY_UNSET)
			bpf_map_update_elem(&inners, &hash, &c->verdict, BPF_ANY);
		else
			bpf_map_delete_elem(&inners, &hash);
	}
	if (c->verdict.source >= FERRY_CLASSIFY_UNSET ||
	    !(set->flags & FERRY_CLASSIFY_REWRITE_DSCP))
		return;
	if (parsed || ferry_packet_parse(skb, link_header, &c->packet) == FERRY_CLASSIFY_UNSET)
		write_dscp(skb, &c->packet, c->verdict.class);
}

SEC("tc")
int ferry_classify(struct __sk_buff *skb)
{
	const __u32 zero = 0, packet = CASE_PACKET;
	const struct ferry_classify_settings *set = bpf_map_lookup_elem(&settings, &zero);
	struct ferry_case *c = bpf_map_lookup_elem(&cases, &packet);

	if (!c || !set || !set->major)
		return TC_ACT_UNSPEC;
	c->major = major_of(skb, set);
	classify(skb, set, set->link_header, bpf_get_socket_cookie(skb), c, 1);
	if (c->verdict.source != FERRY_CLASSIFY_KEPT && c->verdict.source < FERRY_CLASSIFY_UNSET)
		skb->priority =
			FERRY_VERDICT(c->major, FERRY_MINOR(c->verdict.class,
							    FERRY_MINOR_BUCKET(c->verdict.bucket)));
	return TC_ACT_UNSPEC;
}

/*
 * Never attached: answers, by BPF_PROG_TEST_RUN, what a packet like this one would get, and
 * changes nothing. The packet has an Ethernet header, whatever the interface's have; the cookie of
 * its socket is in the first two words of skb->cb.
 */
SEC("tc")
int ferry_explain(struct __sk_buff *skb)
{
	const __u32 zero = 0, question = CASE_QUESTION;
	const struct ferry_classify_settings *set = bpf_map_lookup_elem(&settings, &zero);
	struct ferry_case *c = bpf_map_lookup_elem(&cases, &question);

	if (!c || !set)
		return -1;
	c->major = set->major;
	classify(skb, set, ETH_HLEN, (__u64)skb->cb[1] << 32 | skb->cb[0], c, 0);
	return (int)FERRY_CLASSIFY_ANSWER(c->verdict.source, c->verdict.class, c->verdict.rule);
}

char ferry_license[] SEC("license") = "Dual BSD/GPL";
