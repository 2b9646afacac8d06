// SPDX-License-Identifier: MIT
#include "net/energy_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <energy.skel.h>

#include "base/clock.h"
#include "net/cgroup.h"

#ifndef BPF_F_TEST_RUN_ON_CPU
#define BPF_F_TEST_RUN_ON_CPU (1U << 0)
#endif

enum { NETWORK_LINKS = 3 };

#define SILENCE_NS 60000000000ull

struct ferry_energy_watch {
	struct ferry_energy_bpf *skeleton;
	struct bpf_link *switches, *frequencies, *network[NETWORK_LINKS];
	int n_processors;	       /* possible ones, as per-CPU maps have them */
	struct ferry_energy_use *each; /* [n_processors] room for a look-up */
	/* Of this reading and the one before, both by kind and id. */
	struct ferry_use *use, *last;
	uint64_t *heard_ns, *last_heard_ns; /* when a counter of the user last moved */
	size_t n, n_last;
};

static int fail_bpf(struct ferry_error *err, int code, const char *what)
{
	if (code == -EPERM || code == -EACCES)
		return ferry_fail(err, FERRY_ERROR_SYSTEM, code,
				  "%s needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, which this "
				  "process does not have; run as root",
				  what);
	return ferry_fail(err, FERRY_ERROR_SYSTEM, code, "%s failed: %s", what,
			  ferry_errno_text(code));
}

/* Of a processor without cpufreq nobody knows, and then time counts, not cycles. */
static void write_frequency(struct ferry_energy_watch *watch, const char *directory,
			    uint32_t processor)
{
	struct ferry_energy_processor value = {0};
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cpu%u/cpufreq/scaling_cur_freq", directory, processor);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%" SCNu32, &value.khz) == 1)
		bpf_map_update_elem(bpf_map__fd(watch->skeleton->maps.processors), &processor,
				    &value, BPF_ANY);
	fclose(file);
}

static int attach(struct ferry_energy_watch *watch, const struct ferry_energy_watch_options *o,
		  struct ferry_error *err)
{
	struct bpf_program *const programs[NETWORK_LINKS] = {
		watch->skeleton->progs.ferry_energy_socket,
		watch->skeleton->progs.ferry_energy_egress,
		watch->skeleton->progs.ferry_energy_ingress,
	};
	int fd, ret = 0;

	watch->switches = bpf_program__attach_raw_tracepoint(
		watch->skeleton->progs.ferry_energy_switch, "sched_switch");
	if (!watch->switches)
		return fail_bpf(err, -errno, "attaching a program to the scheduler's switches");
	/* A kernel that never changes a frequency may be without the tracepoint. */
	watch->frequencies = bpf_program__attach_raw_tracepoint(
		watch->skeleton->progs.ferry_energy_frequency, "cpu_frequency");
	if (o->without_network)
		return 0;
	fd = ferry_cgroup_open(o->cgroup, NULL, err);
	if (fd < 0)
		return fd;
	for (int i = 0; !ret && i < NETWORK_LINKS; i++) {
		watch->network[i] = bpf_program__attach_cgroup(programs[i], fd);
		if (!watch->network[i])
			ret = -errno;
	}
	close(fd);
	return ret ? fail_bpf(err, ret, "attaching the counters of bytes to a cgroup") : 0;
}

static int load(struct ferry_energy_watch *watch, const struct ferry_energy_watch_options *o,
		struct ferry_error *err)
{
	int ret;

	watch->skeleton = ferry_energy_bpf__open();
	if (!watch->skeleton)
		return fail_bpf(err, -errno, "reading the program energy");
	ret = ferry_energy_bpf__load(watch->skeleton);
	if (ret)
		return fail_bpf(err, ret, "loading the program energy");
	for (int i = 0; i < watch->n_processors; i++)
		write_frequency(watch,
				o->cpu_directory ? o->cpu_directory : "/sys/devices/system/cpu",
				(uint32_t)i);
	return attach(watch, o, err);
}

static int allocate(struct ferry_energy_watch *watch)
{
	watch->n_processors = libbpf_num_possible_cpus();
	if (watch->n_processors < 0)
		return watch->n_processors;
	watch->each = calloc((size_t)watch->n_processors, sizeof(*watch->each));
	watch->use = calloc(FERRY_ENERGY_USERS_MAX, sizeof(*watch->use));
	watch->last = calloc(FERRY_ENERGY_USERS_MAX, sizeof(*watch->last));
	watch->heard_ns = calloc(FERRY_ENERGY_USERS_MAX, sizeof(*watch->heard_ns));
	watch->last_heard_ns = calloc(FERRY_ENERGY_USERS_MAX, sizeof(*watch->last_heard_ns));
	return watch->each && watch->use && watch->last && watch->heard_ns && watch->last_heard_ns
		       ? 0
		       : -ENOMEM;
}

int ferry_energy_watch_open(struct ferry_energy_watch **watch,
			    const struct ferry_energy_watch_options *options,
			    struct ferry_error *err)
{
	struct ferry_energy_watch_options o = {.size = sizeof(o)};
	struct ferry_energy_watch *w = calloc(1, sizeof(*w));
	libbpf_print_fn_t print;
	int ret;

	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	ret = w ? allocate(w) : -ENOMEM;
	if (ret) {
		ferry_energy_watch_close(w);
		return ferry_fail(err, FERRY_ERROR_MEMORY, ret, "no memory for a watch of energy");
	}
	/* libbpf would write to stderr what goes into @err here, in one sentence. */
	print = libbpf_set_print(NULL);
	ret = load(w, &o, err);
	libbpf_set_print(print);
	if (ret) {
		ferry_energy_watch_close(w);
		return ret;
	}
	*watch = w;
	return 0;
}

void ferry_energy_watch_close(struct ferry_energy_watch *watch)
{
	if (!watch)
		return;
	bpf_link__destroy(watch->switches);
	bpf_link__destroy(watch->frequencies);
	for (int i = 0; i < NETWORK_LINKS; i++)
		bpf_link__destroy(watch->network[i]);
	ferry_energy_bpf__destroy(watch->skeleton);
	free(watch->each);
	free(watch->use);
	free(watch->last);
	free(watch->heard_ns);
	free(watch->last_heard_ns);
	free(watch);
}

int ferry_energy_watch_process(struct ferry_energy_watch *watch, pid_t process, uint64_t id,
			       struct ferry_error *err)
{
	const uint32_t key = (uint32_t)process;
	int ret;

	if (process <= 0)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL, "%d is no process",
				  (int)process);
	ret = bpf_map_update_elem(bpf_map__fd(watch->skeleton->maps.processes), &key, &id, BPF_ANY);
	if (ret == -E2BIG)
		return ferry_fail(err, FERRY_ERROR_CALLER, -ENOSPC,
				  "energy is counted for at most %d processes",
				  FERRY_ENERGY_PROCESSES_MAX);
	return ret ? fail_bpf(err, ret, "registering a process") : 0;
}

void ferry_energy_watch_forget(struct ferry_energy_watch *watch, pid_t process)
{
	const uint32_t key = (uint32_t)process;

	bpf_map_delete_elem(bpf_map__fd(watch->skeleton->maps.processes), &key);
}

/* What runs at this moment is accounted for; else a long computation would come all at its end. */
static unsigned int settle(struct ferry_energy_watch *watch)
{
	const int fd = bpf_program__fd(watch->skeleton->progs.ferry_energy_switch);
	unsigned int online = 0;

	for (int i = 0; i < watch->n_processors; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU,
			    .cpu = (uint32_t)i);

		online += !bpf_prog_test_run_opts(fd, &opts);
	}
	return online;
}

static struct ferry_energy_use sum_of(const struct ferry_energy_watch *watch)
{
	struct ferry_energy_use sum = {0};

	for (int i = 0; i < watch->n_processors; i++) {
		sum.cpu_ns += watch->each[i].cpu_ns;
		sum.cycles += watch->each[i].cycles;
		sum.tx_bytes += watch->each[i].tx_bytes;
		sum.rx_bytes += watch->each[i].rx_bytes;
	}
	return sum;
}

static int by_name(const void *a, const void *b)
{
	const struct ferry_use *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* All users, unsorted. One that comes while the map is walked may be met later, or twice. */
static void read_users(struct ferry_energy_watch *watch)
{
	const int fd = bpf_map__fd(watch->skeleton->maps.users);
	struct ferry_energy_user user, next;
	const void *after = NULL;

	watch->n = 0;
	while (watch->n < FERRY_ENERGY_USERS_MAX && !bpf_map_get_next_key(fd, after, &next)) {
		struct ferry_energy_use sum;

		user = next;
		after = &user;
		if (bpf_map_lookup_elem(fd, &user, watch->each))
			continue;
		sum = sum_of(watch);
		watch->use[watch->n++] = (struct ferry_use){
			.id = user.id,
			.kind = user.kind,
			.cpu_ns = sum.cpu_ns,
			.cycles = sum.cycles,
			.tx_bytes = sum.tx_bytes,
			.rx_bytes = sum.rx_bytes,
		};
	}
	qsort(watch->use, watch->n, sizeof(*watch->use), by_name);
}

/* Makes room in the kernel: what ended long ago will not come back under its number. */
static void sweep(struct ferry_energy_watch *watch, uint64_t now)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < watch->n; i++) {
		const struct ferry_use *use = &watch->use[i];
		uint64_t heard = now;

		if (kept && !by_name(&watch->use[kept - 1], use))
			continue;
		while (at < watch->n_last && by_name(&watch->last[at], use) < 0)
			at++;
		if (at < watch->n_last && !memcmp(&watch->last[at], use, sizeof(*use)))
			heard = watch->last_heard_ns[at];
		if (now - heard > SILENCE_NS) {
			const struct ferry_energy_user user = {.id = use->id, .kind = use->kind};

			bpf_map_delete_elem(bpf_map__fd(watch->skeleton->maps.users), &user);
			continue;
		}
		watch->heard_ns[kept] = heard;
		watch->use[kept++] = *use;
	}
	watch->n = kept;
}

/* Whether the kernel tells the frequency of every processor that is online. */
static bool has_frequencies(const struct ferry_energy_watch *watch, unsigned int online)
{
	unsigned int known = 0;

	for (uint32_t i = 0; i < (uint32_t)watch->n_processors; i++) {
		struct ferry_energy_processor processor;

		if (!bpf_map_lookup_elem(bpf_map__fd(watch->skeleton->maps.processors), &i,
					 &processor))
			known += processor.since_ns && processor.khz;
	}
	return online && known >= online;
}

int ferry_energy_watch_read(struct ferry_energy_watch *watch,
			    struct ferry_energy_snapshot *snapshot, struct ferry_error *err)
{
	const int counters = bpf_map__fd(watch->skeleton->maps.counters);
	uint32_t slot = FERRY_ENERGY_IDLE;
	struct ferry_use *use = watch->last;
	uint64_t *heard = watch->last_heard_ns;
	int ret;

	watch->last = watch->use;
	watch->last_heard_ns = watch->heard_ns;
	watch->n_last = watch->n;
	watch->use = use;
	watch->heard_ns = heard;

	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->processors = settle(watch);
	snapshot->time_ns = ferry_now_ns();
	snapshot->has_cycles = has_frequencies(watch, snapshot->processors);
	read_users(watch);
	sweep(watch, snapshot->time_ns);
	for (size_t i = 0; !snapshot->has_cycles && i < watch->n; i++)
		watch->use[i].cycles = 0;
	ret = bpf_map_lookup_elem(counters, &slot, watch->each);
	if (!ret)
		snapshot->idle_ns = sum_of(watch).cpu_ns;
	slot = FERRY_ENERGY_OVERFLOW;
	if (!ret)
		ret = bpf_map_lookup_elem(counters, &slot, watch->each);
	if (ret)
		return fail_bpf(err, ret, "reading who used the processors");
	snapshot->overflow_ns = sum_of(watch).cpu_ns;
	snapshot->n = watch->n;
	snapshot->use = watch->use;
	return 0;
}
