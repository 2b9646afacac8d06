// SPDX-License-Identifier: MIT
#include "net/flow_watch.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <flow.skel.h>

#include "base/clock.h"
#include "net/cgroup.h"
#include "net/kernel_layout.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum {
	CGROUPS_MAX = 64,
	FLOWS_DEFAULT = 1024,
	INTERVAL_US_DEFAULT = 1000,
	EVENTS_AT_ONCE = 4096,
	NSEC_PER_USEC = 1000,
	USEC_PER_MSEC = 1000,
};

struct attachment {
	uint64_t cgroup;
	struct bpf_link *link;
};

struct ferry_flow_watch {
	struct ferry_flow_bpf *skeleton;
	struct ring_buffer *ring;
	struct ferry_flow_table *table;
	struct attachment attached[CGROUPS_MAX];
	int n_attached;
	uint64_t netns; /* cookie of the namespace of the process; 0 if the kernel does not say */
	uint64_t refused;
	bool has_btf;
	/* Of a read that is under way. */
	int n_read;
	void (*visit)(const struct ferry_flow_event *event, uint32_t ifindex, void *data);
	void *data;
};

static int fail_bpf(struct ferry_error *err, int code, const char *what)
{
	if (code == -EPERM || code == -EACCES)
		return ferry_fail(
			err, FERRY_ERROR_SYSTEM, code,
			"%s needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, which this process "
			"does not have; run as root",
			what);
	return ferry_fail(err, FERRY_ERROR_SYSTEM, code, "%s failed: %s", what,
			  ferry_errno_text(code));
}

static uint64_t own_netns(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		cookie = 0;
	close(fd);
	return cookie;
}

/* Whether an interface's address is the one at @bytes; v4-mapped ones are as good as v4. */
static bool is_address(const struct sockaddr *address, uint16_t family, const uint32_t *words)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (address->sa_family == AF_INET6 && family == AF_INET6)
		return !memcmp(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
			       words, 16);
	if (address->sa_family != AF_INET)
		return false;
	if (family == AF_INET6) {
		if (memcmp(words, mapped, sizeof(mapped)))
			return false;
		words += 3;
	}
	return !memcmp(&((const struct sockaddr_in *)(const void *)address)->sin_addr, words, 4);
}

/* The device that has the local address, or lo where the peer's address is one of ours too. */
static uint32_t device_of(const struct ferry_flow_event *event)
{
	struct ifaddrs *all, *a;
	uint32_t local = 0;
	bool remote_is_ours = false;

	if (getifaddrs(&all))
		return 0;
	for (a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr)
			continue;
		if (!local && is_address(a->ifa_addr, event->family, event->local_address))
			local = if_nametoindex(a->ifa_name);
		if (is_address(a->ifa_addr, event->family, event->remote_address))
			remote_is_ours = true;
	}
	freeifaddrs(all);
	return remote_is_ours ? if_nametoindex("lo") : local;
}

/* A number of another namespace says nothing here. */
static uint32_t ifindex_of(const struct ferry_flow_watch *watch,
			   const struct ferry_flow_event *event)
{
	uint32_t known;

	if (watch->netns && event->netns && watch->netns != event->netns)
		return 0;
	if (event->ifindex)
		return event->ifindex;
	if (ferry_flow_table_find(watch->table, event->cookie, &known))
		return known;
	return device_of(event);
}

static int on_event(void *data, void *bytes, size_t size)
{
	struct ferry_flow_watch *watch = data;
	struct ferry_flow_event event;
	uint32_t ifindex;

	if (size < sizeof(event)) {
		watch->refused++;
		return 0;
	}
	memcpy(&event, bytes, sizeof(event));
	ifindex = ifindex_of(watch, &event);
	if (ferry_flow_table_add(watch->table, &event, ifindex)) {
		watch->refused++;
		return 0;
	}
	if (watch->visit)
		watch->visit(&event, ifindex, watch->data);
	/* Under a flood the caller gets its turn before the ring is empty. */
	return ++watch->n_read < EVENTS_AT_ONCE ? 0 : -EAGAIN;
}

static int load(struct ferry_flow_watch *watch, const struct ferry_flow_watch_options *options,
		struct ferry_error *err)
{
	struct ferry_kernel_member members[] = {
		{"tcp_sock", "mdev_us", 0},
		{"sock", "sk_rx_dst_ifindex", 0},
	};
	int ret;

	watch->skeleton = ferry_flow_bpf__open();
	if (!watch->skeleton)
		return fail_bpf(err, -errno, "reading the program flow");
	if (!options->without_btf)
		ferry_kernel_layout(members, 2);
	watch->has_btf = members[0].offset;
	watch->skeleton->rodata->ferry_mdev_offset = members[0].offset;
	watch->skeleton->rodata->ferry_rx_ifindex_offset = members[1].offset;
	watch->skeleton->rodata->ferry_interval_ns =
		(uint64_t)(options->interval_us ? options->interval_us : INTERVAL_US_DEFAULT) *
		NSEC_PER_USEC;
	ret = ferry_flow_bpf__load(watch->skeleton);
	if (ret)
		return fail_bpf(err, ret, "loading the program flow");
	watch->ring =
		ring_buffer__new(bpf_map__fd(watch->skeleton->maps.events), on_event, watch, NULL);
	if (!watch->ring)
		return fail_bpf(err, -errno, "mapping the ring of flow events");
	return 0;
}

/* Index of the attachment to a cgroup, attaching the program if need be. */
static int attach(struct ferry_flow_watch *watch, const char *path, struct ferry_error *err)
{
	struct attachment *a = &watch->attached[watch->n_attached];
	uint64_t id;
	int ret = 0, fd = ferry_cgroup_open(path, &id, err);

	if (fd < 0)
		return fd;
	for (int i = 0; i < watch->n_attached; i++)
		if (watch->attached[i].cgroup == id) {
			close(fd);
			return i;
		}
	if (watch->n_attached == CGROUPS_MAX) {
		close(fd);
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "flows of at most %d cgroups can be watched", CGROUPS_MAX);
	}
	a->cgroup = id;
	a->link = bpf_program__attach_cgroup(watch->skeleton->progs.ferry_flow, fd);
	if (!a->link)
		ret = -errno;
	close(fd);
	if (ret)
		return fail_bpf(err, ret, "attaching the program flow to a cgroup");
	return watch->n_attached++;
}

int ferry_flow_watch_open(struct ferry_flow_watch **watch,
			  const struct ferry_flow_watch_options *options, struct ferry_error *err)
{
	struct ferry_flow_watch_options o = {.size = sizeof(o)};
	libbpf_print_fn_t print;
	struct ferry_flow_watch *w;
	int ret;

	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	w = calloc(1, sizeof(*w));
	if (!w)
		return ferry_fail_memory(err, "a watch of flows", sizeof(*w));
	w->netns = own_netns();
	w->table = ferry_flow_table_new(o.flows_max ? o.flows_max : FLOWS_DEFAULT, err);
	if (!w->table) {
		free(w);
		return err ? err->code : -ENOMEM;
	}
	/* libbpf would write to stderr what goes into @err here, in one sentence. */
	print = libbpf_set_print(NULL);
	ret = load(w, &o, err);
	if (!ret)
		ret = attach(w, o.cgroup, err);
	libbpf_set_print(print);
	if (ret < 0) {
		ferry_flow_watch_close(w);
		return ret;
	}
	*watch = w;
	return 0;
}

void ferry_flow_watch_close(struct ferry_flow_watch *watch)
{
	if (!watch)
		return;
	for (int i = 0; i < watch->n_attached; i++)
		bpf_link__destroy(watch->attached[i].link);
	ring_buffer__free(watch->ring);
	ferry_flow_bpf__destroy(watch->skeleton);
	ferry_flow_table_free(watch->table);
	free(watch);
}

int ferry_flow_watch_fd(const struct ferry_flow_watch *watch)
{
	return ring_buffer__epoll_fd(watch->ring);
}

const struct ferry_flow_table *ferry_flow_watch_table(const struct ferry_flow_watch *watch)
{
	return watch->table;
}

const char *ferry_flow_watch_tier(const struct ferry_flow_watch *watch)
{
	return watch->has_btf ? "T1" : "T0";
}

int ferry_flow_watch_read(struct ferry_flow_watch *watch, uint64_t deadline_us,
			  void (*visit)(const struct ferry_flow_event *event, uint32_t ifindex,
					void *data),
			  void *data, struct ferry_error *err)
{
	uint64_t now, wait_ms;
	int ret;

	watch->n_read = 0;
	watch->visit = visit;
	watch->data = data;
	do {
		now = ferry_now_us();
		/* Rounded up, so that the last millisecond is waited for and not spun through. */
		wait_ms = deadline_us > now
				  ? (deadline_us - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC
				  : 0;
		ret = ring_buffer__poll(watch->ring, wait_ms < 1000 ? (int)wait_ms : 1000);
		if (ret < 0 && ret != -EAGAIN && ret != -EINTR)
			return fail_bpf(err, ret, "reading flow events");
		/* A signal is the caller's: let it look. */
	} while (!watch->n_read && ret != -EINTR && wait_ms);
	return watch->n_read;
}

static int check_policy(const struct ferry_flow_policy *policy, struct ferry_error *err)
{
	if (policy->class >= FERRY_CLASS_COUNT)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a flow's class is 0 to %d, not %u", FERRY_CLASS_COUNT - 1,
				  policy->class);
	if (policy->dscp > 63 && policy->dscp != FERRY_FLOW_DSCP_KEEP)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a flow's DSCP is 0 to 63, or %d to keep what it has; not %u",
				  FERRY_FLOW_DSCP_KEEP, policy->dscp);
	if (policy->pacing_bytes_s >= UINT32_MAX)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "a flow is paced at less than %u byte/s, or not at all",
				  UINT32_MAX);
	return 0;
}

int ferry_flow_watch_cookie(struct ferry_flow_watch *watch, uint64_t cookie,
			    const struct ferry_flow_policy *policy, struct ferry_error *err)
{
	struct ferry_flow_policy value = *policy;
	int ret = check_policy(policy, err);

	if (ret)
		return ret;
	value.wanted = 1;
	value.reserved = 0;
	ret = bpf_map_update_elem(bpf_map__fd(watch->skeleton->maps.sockets), &cookie, &value,
				  BPF_ANY);
	return ret ? fail_bpf(err, ret, "registering a socket") : 0;
}

int ferry_flow_watch_socket(struct ferry_flow_watch *watch, int fd,
			    const struct ferry_flow_policy *policy, struct ferry_error *err)
{
	uint64_t cookie;
	socklen_t size = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size))
		return ferry_fail(err, FERRY_ERROR_CALLER, -errno,
				  "descriptor %d is no socket that can be registered: %s", fd,
				  ferry_errno_text(-errno));
	return ferry_flow_watch_cookie(watch, cookie, policy, err);
}

int ferry_flow_watch_cgroup(struct ferry_flow_watch *watch, const char *cgroup,
			    const struct ferry_flow_policy *policy, struct ferry_error *err)
{
	struct bpf_cgroup_storage_key key = {.attach_type = BPF_CGROUP_SOCK_OPS};
	struct ferry_flow_policy value = {0};
	libbpf_print_fn_t print;
	int at, ret;

	if (policy) {
		ret = check_policy(policy, err);
		if (ret)
			return ret;
		value = *policy;
		value.wanted = 1;
		value.reserved = 0;
	}
	print = libbpf_set_print(NULL);
	at = attach(watch, cgroup, err);
	libbpf_set_print(print);
	if (at < 0)
		return at;
	key.cgroup_inode_id = watch->attached[at].cgroup;
	ret = bpf_map_update_elem(bpf_map__fd(watch->skeleton->maps.cgroups), &key, &value,
				  BPF_EXIST);
	return ret ? fail_bpf(err, ret, "registering a cgroup") : 0;
}

void ferry_flow_watch_reading(const struct ferry_flow_watch *watch, const char *name,
			      uint32_t ifindex, uint64_t now_us, struct ferry_reading *reading)
{
	struct ferry_flow_summary summary;

	ferry_flow_table_summary(watch->table, ifindex, FERRY_FLOW_ANY, now_us * NSEC_PER_USEC,
				 &summary);
	ferry_reading_begin(reading, FERRY_READING_OF_LINK, name, now_us);
	reading->ifindex = ifindex;
	if (!summary.flows)
		return;
	reading->taken_us = summary.newest_ns / NSEC_PER_USEC;
	ferry_reading_set(reading, FERRY_SRTT_US, summary.srtt_us);
	if (summary.has_rttvar)
		ferry_reading_set(reading, FERRY_RTTVAR_US, summary.rttvar_us);
	ferry_reading_set(reading, FERRY_RETRANSMIT_PPM, summary.retransmit_ppm);
}

/* Sum over the processors of one slot. */
static int read_counter(const struct ferry_flow_watch *watch, uint32_t slot, uint64_t *sum)
{
	const int n = libbpf_num_possible_cpus();
	uint64_t *each;
	int ret;

	if (n < 0)
		return n;
	each = calloc((size_t)n, sizeof(*each));
	if (!each)
		return -ENOMEM;
	ret = bpf_map_lookup_elem(bpf_map__fd(watch->skeleton->maps.counters), &slot, each);
	*sum = 0;
	for (int i = 0; !ret && i < n; i++)
		*sum += each[i];
	free(each);
	return ret;
}

int ferry_flow_watch_counts(const struct ferry_flow_watch *watch,
			    struct ferry_flow_watch_counts *counts, struct ferry_error *err)
{
	int ret = read_counter(watch, FERRY_FLOW_EVENTS, &counts->events);

	if (!ret)
		ret = read_counter(watch, FERRY_FLOW_LOST, &counts->lost);
	if (!ret)
		ret = read_counter(watch, FERRY_FLOW_UNTRACKED, &counts->untracked);
	counts->refused = watch->refused;
	return ret ? fail_bpf(err, ret, "reading the counters of flow events") : 0;
}
