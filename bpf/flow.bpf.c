// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * How registered TCP connections fare: a sock_ops program on a cgroup tells, once for each round
 * trip, what the kernel has measured, and marks the connections as their registration asks.
 *
 * Tier T0: `struct bpf_sock_ops` alone. Two values are not in it; where the kernel has BTF, the
 * loader writes down where in the kernel's own structures they are, and the program copies them
 * from there. At 0 those branches are dead code, which the verifier removes: one object for both.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"

/* Of headers that cannot be included beside linux/bpf.h without those of a libc. */
enum {
	AF_INET = 2,
	AF_INET6 = 10,
	SOL_IP = 0,
	SOL_SOCKET = 1,
	SOL_IPV6 = 41,
	IP_TOS = 1,
	IPV6_TCLASS = 67,
	SO_PRIORITY = 12,
	SO_MAX_PACING_RATE = 47,
	ECN_BITS = 2,
	SRTT_SHIFT = 3, /* the kernel keeps eight times the smoothed round trip */
	MDEV_SHIFT = 2, /* and four times its mean deviation */
	USEC_PER_SEC = 1000000,
	NSEC_PER_USEC = 1000,
	RING_BYTES = 1 << 18,
};

/* Bytes into struct tcp_sock and struct sock; 0 where the kernel has no BTF to tell. */
const volatile __u32 ferry_mdev_offset;
const volatile __u32 ferry_rx_ifindex_offset;

/* At most one event in this time, however short the round trip: in one rack it is 50 us. */
const volatile __u64 ferry_interval_ns = 1000000;

struct flow {
	struct ferry_flow_policy policy;
	__u64 told_ns; /* time of the last event; 0: none yet */
	__u32 flags;
	__u32 own; /* the policy is the socket's, not its cgroup's */
};

struct {
	/* A registration is copied when it is first used: what is evicted has done its duty, or
	 * belongs to a socket that never connected. */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FERRY_FLOW_SOCKETS_MAX);
	__type(key, __u64);
	__type(value, struct ferry_flow_policy);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, struct ferry_flow_policy);
} cgroups SEC(".maps");

/* The kernel frees it with the socket, so that nothing has to be swept up after a crash. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FERRY_FLOW_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 slot)
{
	__u64 *counter = bpf_map_lookup_elem(&counters, &slot);

	if (counter)
		(*counter)++;
}

static __always_inline int set_option(struct bpf_sock_ops *ops, int level, int name, int value)
{
	return bpf_setsockopt(ops, level, name, &value, sizeof(value)) ? 1 : 0;
}

static __always_inline void mark(struct bpf_sock_ops *ops, struct flow *flow)
{
	const struct ferry_flow_policy *policy = &flow->policy;
	int refused = 0;

	if (policy->dscp < 64) {
		const int tos = policy->dscp << ECN_BITS;

		/* A v6 socket that talks to a v4 peer has a TOS that no BPF program can set. */
		if (ops->family == AF_INET)
			refused |= set_option(ops, SOL_IP, IP_TOS, tos);
		else
			refused |= set_option(ops, SOL_IPV6, IPV6_TCLASS, tos);
	}
	if (policy->pacing_bytes_s && policy->pacing_bytes_s < 0xffffffff)
		refused |= set_option(ops, SOL_SOCKET, SO_MAX_PACING_RATE,
				      (int)policy->pacing_bytes_s);
	/* Last, because the kernel derives a priority from the TOS. */
	if (policy->priority)
		refused |= set_option(ops, SOL_SOCKET, SO_PRIORITY, (int)policy->priority);
	if (refused)
		flow->flags |= FERRY_FLOW_REFUSED;
}

static __always_inline void fill_kernel_only(struct bpf_sock_ops *ops,
					     struct ferry_flow_event *event)
{
	struct bpf_sock *sk = ops->sk;
	void *tcp;

	if (!sk)
		return;
	event->ifindex = sk->bound_dev_if;
	if (!ferry_mdev_offset && !ferry_rx_ifindex_offset)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	if (ferry_mdev_offset) {
		__u32 mdev = 0;

		if (!bpf_probe_read_kernel(&mdev, sizeof(mdev), tcp + ferry_mdev_offset)) {
			event->rttvar_us = mdev >> MDEV_SHIFT;
			event->flags |= FERRY_FLOW_HAS_RTTVAR;
		}
	}
	if (ferry_rx_ifindex_offset && !event->ifindex) {
		int ifindex = 0;

		if (!bpf_probe_read_kernel(&ifindex, sizeof(ifindex),
					   tcp + ferry_rx_ifindex_offset) &&
		    ifindex > 0)
			event->ifindex = (__u32)ifindex;
	}
}

static __always_inline void fill(struct bpf_sock_ops *ops, struct ferry_flow_event *event)
{
	const __u32 delivered = ops->rate_delivered, interval_us = ops->rate_interval_us;

	event->netns = bpf_get_netns_cookie(ops);
	event->srtt_us = ops->srtt_us >> SRTT_SHIFT;
	event->mss = ops->mss_cache;
	event->cwnd = ops->snd_cwnd;
	event->in_flight_bytes = ops->snd_nxt - ops->snd_una;
	event->retransmits = ops->total_retrans;
	event->segments = ops->data_segs_out;
	event->bytes_acked = ops->bytes_acked;
	event->bytes_received = ops->bytes_received;
	if (interval_us)
		event->delivery_bytes_s =
			(__u64)delivered * event->mss * USEC_PER_SEC / interval_us;
	event->family = (__u16)ops->family;
	event->local_port = (__u16)ops->local_port;
	event->remote_port = (__u16)bpf_ntohl(ops->remote_port);
	if (ops->family == AF_INET) {
		event->local_address[0] = ops->local_ip4;
		event->remote_address[0] = ops->remote_ip4;
	} else {
		event->local_address[0] = ops->local_ip6[0];
		event->local_address[1] = ops->local_ip6[1];
		event->local_address[2] = ops->local_ip6[2];
		event->local_address[3] = ops->local_ip6[3];
		event->remote_address[0] = ops->remote_ip6[0];
		event->remote_address[1] = ops->remote_ip6[1];
		event->remote_address[2] = ops->remote_ip6[2];
		event->remote_address[3] = ops->remote_ip6[3];
	}
	fill_kernel_only(ops, event);
}

static __always_inline void tell(struct bpf_sock_ops *ops, struct flow *flow, __u64 cookie,
				 __u8 kind, __u64 now)
{
	struct ferry_flow_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count(FERRY_FLOW_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->cookie = cookie;
	event->time_ns = now;
	event->kind = kind;
	event->class = flow->policy.class;
	event->flags = flow->flags;
	fill(ops, event);
	bpf_ringbuf_submit(event, 0);
	flow->told_ns = now;
	count(FERRY_FLOW_EVENTS);
}

/* The flow of a socket, from its first registration on; NULL for one that nobody registered. */
static __always_inline struct flow *flow_of(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct bpf_sock *sk = ops->sk;
	struct ferry_flow_policy *policy;
	struct flow *flow;
	__u32 own = 1;

	if (!sk)
		return NULL;
	flow = bpf_sk_storage_get(&flows, sk, NULL, 0);
	if (flow && flow->own)
		return flow;
	policy = bpf_map_lookup_elem(&sockets, &cookie);
	if (!policy) {
		if (flow)
			return flow;
		policy = bpf_get_local_storage(&cgroups, 0);
		if (!policy->wanted)
			return NULL;
		own = 0;
	}
	if (!flow)
		flow = bpf_sk_storage_get(&flows, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!flow) {
		count(FERRY_FLOW_UNTRACKED);
		return NULL;
	}
	flow->policy = *policy;
	flow->own = own;
	mark(ops, flow);
	return flow;
}

static __always_inline int round_is_over(struct bpf_sock_ops *ops, const struct flow *flow,
					 __u64 now)
{
	/* A retransmission comes in the middle of a round trip; the next event has it as well. The
	 * callback of the round trip itself is never early by more than the round trip shrank. */
	const __u64 round_ns = ops->op == BPF_SOCK_OPS_RTT_CB
				       ? 0
				       : (__u64)(ops->srtt_us >> SRTT_SHIFT) * NSEC_PER_USEC;

	return now - flow->told_ns >= (round_ns > ferry_interval_ns ? round_ns : ferry_interval_ns);
}

SEC("sockops")
int ferry_flow(struct bpf_sock_ops *ops)
{
	const __u32 op = ops->op;
	struct flow *flow;
	__u64 cookie, now;

	switch (op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		/* For those without a registration too: it may come yet, of accepted sockets it
		 * can only come later. */
		bpf_sock_ops_cb_flags_set(
			ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG |
				     BPF_SOCK_OPS_RETRANS_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_RTT_CB:
	case BPF_SOCK_OPS_RETRANS_CB:
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] != BPF_TCP_CLOSE)
			return 1;
		break;
	default:
		return 1;
	}
	cookie = bpf_get_socket_cookie(ops);
	flow = flow_of(ops, cookie);
	if (op == BPF_SOCK_OPS_STATE_CB) {
		bpf_map_delete_elem(&sockets, &cookie);
		if (!flow || !flow->told_ns)
			return 1;
	}
	if (!flow)
		return 1;
	now = bpf_ktime_get_ns();
	if (op == BPF_SOCK_OPS_STATE_CB) {
		/* With the program on two cgroups, one above the other, it runs twice. */
		tell(ops, flow, cookie, FERRY_FLOW_CLOSED, now);
		flow->told_ns = 0;
	} else if (!flow->told_ns) {
		tell(ops, flow, cookie, FERRY_FLOW_SEEN, now);
	} else if (round_is_over(ops, flow, now)) {
		tell(ops, flow, cookie, FERRY_FLOW_ROUND, now);
	}
	return 1;
}

char ferry_license[] SEC("license") = "Dual BSD/GPL";
