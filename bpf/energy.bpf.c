// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Who used the processors and the network: time by scheduler switches, weighted by frequency where
 * the kernel tells it, and bytes of IP packets; for each cgroup, and for each registered process.
 *
 * Tier T0. At a switch, the task that goes is still `current`, so that helpers say all there is to
 * know of it and no BTF is needed. The loader makes each processor account for what is running by
 * running the same program there once (BPF_F_TEST_RUN_ON_CPU), before it reads.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "energy.h"

enum {
	PROCESSORS_MAX = 1024,
	KHZ_NS_PER_THOUSAND_CYCLES = 1000000000, /* ns x kHz / 10^9 = thousands of cycles */
};

/* Nothing runs for so long without a switch; it keeps the product with 10 GHz below 2^64. */
#define SLICE_MAX_NS 1000000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, FERRY_ENERGY_USERS_MAX);
	__type(key, struct ferry_energy_user);
	__type(value, struct ferry_energy_use);
} users SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FERRY_ENERGY_SLOTS);
	__type(key, __u32);
	__type(value, struct ferry_energy_use);
} counters SEC(".maps");

/* By process (tgid): what it was registered as. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FERRY_ENERGY_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, __u64);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROCESSORS_MAX);
	__type(key, __u32);
	__type(value, struct ferry_energy_processor);
} processors SEC(".maps");

/* Which registered process made a socket. Connections that it accepts inherit it. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u64);
} owners SEC(".maps");

static __always_inline struct ferry_energy_use *counter(__u32 slot)
{
	return bpf_map_lookup_elem(&counters, &slot);
}

static __always_inline struct ferry_energy_use *use_of(__u32 kind, __u64 id)
{
	const struct ferry_energy_user user = {.id = id, .kind = kind};
	static const struct ferry_energy_use nothing;
	struct ferry_energy_use *use = bpf_map_lookup_elem(&users, &user);

	if (use)
		return use;
	bpf_map_update_elem(&users, &user, &nothing, BPF_NOEXIST);
	use = bpf_map_lookup_elem(&users, &user);
	return use ? use : counter(FERRY_ENERGY_OVERFLOW);
}

/* Who is running. Never a user for the idle task, whose number is 0. */
static __always_inline struct ferry_energy_use *use_of_current(void)
{
	const __u64 id = bpf_get_current_pid_tgid();
	const __u32 process = id >> 32;
	__u64 *registered;

	if (!id)
		return counter(FERRY_ENERGY_IDLE);
	registered = bpf_map_lookup_elem(&processes, &process);
	if (registered)
		return use_of(FERRY_ENERGY_USER_PROCESS, *registered);
	return use_of(FERRY_ENERGY_USER_CGROUP, bpf_get_current_cgroup_id());
}

/* Another processor may have changed the frequency after @to was read: then there are none yet. */
static __always_inline __u64 cycles_of(__u64 from, __u64 to, __u32 khz)
{
	const __u64 ns = to > from ? to - from : 0;

	return (ns < SLICE_MAX_NS ? ns : SLICE_MAX_NS) * khz / KHZ_NS_PER_THOUSAND_CYCLES;
}

/* Accounts for what has run on this processor up to now. */
SEC("raw_tp/sched_switch")
int ferry_energy_switch(void *ctx)
{
	const __u32 number = bpf_get_smp_processor_id();
	struct ferry_energy_processor *processor = bpf_map_lookup_elem(&processors, &number);
	const __u64 now = bpf_ktime_get_ns();
	struct ferry_energy_use *use;
	__u64 since;

	(void)ctx;
	if (!processor)
		return 0;
	since = processor->since_ns;
	processor->since_ns = now;
	/* At the start nobody knows for how long. */
	if (since && now > since) {
		use = use_of_current();
		if (use) {
			use->cpu_ns += now - since;
			if (processor->khz)
				use->cycles += processor->cycles +
					       cycles_of(processor->faster_ns, now, processor->khz);
		}
	}
	processor->cycles = 0;
	processor->faster_ns = now;
	return 0;
}

/*
 * A frequency may be changed from another processor than its own. Both sides then write the same
 * few fields without a lock; what is lost is a part of one slice.
 */
SEC("raw_tp/cpu_frequency")
int ferry_energy_frequency(struct bpf_raw_tracepoint_args *ctx)
{
	const __u32 khz = ctx->args[0], number = ctx->args[1];
	struct ferry_energy_processor *processor = bpf_map_lookup_elem(&processors, &number);
	const __u64 now = bpf_ktime_get_ns();

	if (!processor)
		return 0;
	if (processor->faster_ns)
		processor->cycles += cycles_of(processor->faster_ns, now, processor->khz);
	processor->faster_ns = now;
	processor->khz = khz;
	return 0;
}

SEC("cgroup/sock_create")
int ferry_energy_socket(struct bpf_sock *sk)
{
	const __u32 process = bpf_get_current_pid_tgid() >> 32;
	__u64 *registered = bpf_map_lookup_elem(&processes, &process);

	if (registered)
		bpf_sk_storage_get(&owners, sk, registered, BPF_SK_STORAGE_GET_F_CREATE);
	return 1;
}

static __always_inline struct ferry_energy_use *use_of_packet(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	__u64 *owner = NULL;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (sk)
		owner = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (owner)
		return use_of(FERRY_ENERGY_USER_PROCESS, *owner);
	return use_of(FERRY_ENERGY_USER_CGROUP, bpf_skb_cgroup_id(skb));
}

SEC("cgroup_skb/egress")
int ferry_energy_egress(struct __sk_buff *skb)
{
	struct ferry_energy_use *use = use_of_packet(skb);

	if (use)
		__sync_fetch_and_add(&use->tx_bytes, skb->len);
	return 1;
}

SEC("cgroup_skb/ingress")
int ferry_energy_ingress(struct __sk_buff *skb)
{
	struct ferry_energy_use *use = use_of_packet(skb);

	if (use)
		__sync_fetch_and_add(&use->rx_bytes, skb->len);
	return 1;
}

char ferry_license[] SEC("license") = "Dual BSD/GPL";
