// SPDX-License-Identifier: MIT
/*
 * bpf/energy.bpf.c and its loader in the running kernel: two cgroups that use a known amount of
 * processor time, however busy the machine is, and the joules that they get for it.
 */
#define _GNU_SOURCE /* unshare() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <energy.skel.h>

#include "base/clock.h"
#include "net/cgroup.h"
#include "net/energy_watch.h"

enum { SERVICES = 2, MSEC = 1000000, PROCESS = 77, BYTES = 1 << 20, PORT = 5209 };

struct fixture {
	char root[200];
	char path[SERVICES][256];
	uint64_t id[SERVICES];
	char reason[FERRY_ERROR_TEXT];
};

static struct fixture *fixture_or_skip(void **state)
{
	struct fixture *f = *state;

	if (f->reason[0]) {
		print_message("SKIP: %s\n", f->reason);
		skip();
	}
	return f;
}

static struct ferry_energy_watch *watch_or_fail(const struct ferry_energy_watch_options *options)
{
	struct ferry_energy_watch *watch;
	struct ferry_error err = {0};

	if (ferry_energy_watch_open(&watch, options, &err))
		fail_msg("%s", err.text);
	return watch;
}

static struct ferry_energy_snapshot read_or_fail(struct ferry_energy_watch *watch)
{
	struct ferry_energy_snapshot snapshot;
	struct ferry_error err = {0};

	if (ferry_energy_watch_read(watch, &snapshot, &err))
		fail_msg("%s", err.text);
	return snapshot;
}

static struct ferry_use use_of(const struct ferry_energy_snapshot *s, uint32_t kind, uint64_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->use[i].kind == kind && s->use[i].id == id)
			return s->use[i];
	return (struct ferry_use){0};
}

static void enter(const char *cgroup)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%d", (int)getpid()) < 0 || fclose(file))
		_exit(1);
}

static int64_t own_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* A child that uses so much time of a processor. @cgroup: where it does, or NULL. */
static pid_t burn(const char *cgroup, int64_t ns)
{
	const pid_t child = fork();

	if (child)
		return child;
	if (cgroup)
		enter(cgroup);
	raise(SIGSTOP);
	for (const int64_t end = own_time() + ns; own_time() < end;)
		;
	_exit(0);
}

static void start(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	kill(child, SIGCONT);
}

/* Return: the time of a processor that the child has used, in ns. */
static uint64_t await(pid_t child)
{
	struct rusage used;
	int status;

	assert_int_equal(wait4(child, &status, 0, &used), child);
	assert_int_equal(status, 0);
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
}

static void two_cgroups_of_known_ratio_get_joules_in_that_ratio(void **state)
{
	enum { ENERGY_UJ = 10000000, PART_MS = 250 };
	const struct ferry_energy_watch_options options = {.size = sizeof(options),
							   .without_network = true};
	const struct ferry_attribution_model by_time = {0};
	struct fixture *f = fixture_or_skip(state);
	struct ferry_energy_watch *watch = watch_or_fail(&options);
	struct ferry_attribution *a = ferry_attribution_new(1024, NULL);
	struct ferry_energy_snapshot s;
	const struct ferry_service *service;
	uint64_t one = 0, three = 0, sum, busy = 0, idle, used[SERVICES], at[4];
	pid_t child[SERVICES];
	size_t n;

	assert_non_null(a);
	for (int i = 0; i < SERVICES; i++)
		child[i] = burn(f->path[i], (i ? 3ll : 1ll) * PART_MS * MSEC);
	at[0] = ferry_now_ns();
	s = read_or_fail(watch);
	at[1] = ferry_now_ns();
	idle = s.idle_ns;
	for (size_t i = 0; i < s.n; i++)
		busy -= s.use[i].cpu_ns;
	ferry_attribution_add(a, &by_time, s.time_ns, 0, s.processors, s.use, s.n);
	for (int i = 0; i < SERVICES; i++)
		start(child[i]);
	for (int i = 0; i < SERVICES; i++)
		used[i] = await(child[i]);
	at[2] = ferry_now_ns();
	s = read_or_fail(watch);
	at[3] = ferry_now_ns();
	ferry_attribution_add(a, &by_time, s.time_ns, ENERGY_UJ, s.processors, s.use, s.n);

	service = ferry_attribution_services(a, &n);
	sum = ferry_attribution_rest_uj(a);
	for (size_t i = 0; i < n; i++) {
		sum += service[i].energy_uj;
		if (service[i].kind == FERRY_ENERGY_USER_CGROUP && service[i].id == f->id[0])
			one = service[i].energy_uj;
		if (service[i].kind == FERRY_ENERGY_USER_CGROUP && service[i].id == f->id[1])
			three = service[i].energy_uj;
	}
	assert_int_equal(sum, ENERGY_UJ);
	assert_true(one > 0);
	print_message("# 10 J of a machine: %llu uJ and %llu uJ, 1 : %.3f; time 1 : %.3f\n",
		      (unsigned long long)one, (unsigned long long)three,
		      (double)three / (double)one, (double)used[1] / (double)used[0]);
	assert_in_range(three * 1000 / one, used[1] * 900 / used[0], used[1] * 1100 / used[0]);
	/* Their time itself, to a tenth: interrupts count with whom they interrupt. */
	assert_in_range(use_of(&s, FERRY_ENERGY_USER_CGROUP, f->id[1]).cpu_ns / MSEC,
			3 * PART_MS * 95 / 100, 3 * PART_MS * 12 / 10);

	/* All there is to have: what ran and what was idle are the time of all processors, each
	 * of which was read at some moment of the two readings. */
	idle = s.idle_ns - idle;
	for (size_t i = 0; i < s.n; i++)
		busy += s.use[i].cpu_ns;
	assert_in_range((busy + idle) / MSEC, (at[2] - at[1]) * s.processors / MSEC * 98 / 100,
			(at[3] - at[0]) * s.processors / MSEC * 102 / 100 + 1);
	assert_int_equal(s.overflow_ns, 0);
	ferry_attribution_free(a);
	ferry_energy_watch_close(watch);
}

/* A computation that nothing interrupts is accounted for while it runs, not when it ends. */
static void what_is_running_is_read_as_well(void **state)
{
	const struct ferry_energy_watch_options options = {.size = sizeof(options),
							   .without_network = true};
	struct ferry_energy_watch *watch;
	struct ferry_energy_snapshot s;
	struct ferry_use before, after;
	int64_t used;

	fixture_or_skip(state);
	watch = watch_or_fail(&options);
	assert_int_equal(ferry_energy_watch_process(watch, getpid(), PROCESS, NULL), 0);
	s = read_or_fail(watch);
	before = use_of(&s, FERRY_ENERGY_USER_PROCESS, PROCESS);
	used = own_time();
	while (own_time() < used + 50 * MSEC)
		;
	s = read_or_fail(watch);
	used = own_time() - used;
	after = use_of(&s, FERRY_ENERGY_USER_PROCESS, PROCESS);
	assert_true(after.cpu_ns - before.cpu_ns >= 45 * MSEC);
	assert_true(after.cpu_ns - before.cpu_ns <= (uint64_t)used * 12 / 10);

	/* Forgotten, it counts for its cgroup again. */
	ferry_energy_watch_forget(watch, getpid());
	s = read_or_fail(watch);
	before = use_of(&s, FERRY_ENERGY_USER_PROCESS, PROCESS);
	for (const int64_t end = own_time() + 10 * MSEC; own_time() < end;)
		;
	s = read_or_fail(watch);
	after = use_of(&s, FERRY_ENERGY_USER_PROCESS, PROCESS);
	assert_true(after.cpu_ns - before.cpu_ns < 10 * MSEC);
	ferry_energy_watch_close(watch);
}

/* Sends BYTES over lo to a connection that the other end accepted, from one thread. */
static void send_over_loopback(void)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(PORT),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int listener = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0);
	const int on = 1;
	static char buffer[1 << 14];
	int in;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&to, sizeof(to)) || listen(listener, 1) ||
	    connect(out, (const struct sockaddr *)&to, sizeof(to)))
		_exit(2);
	in = accept(listener, NULL, NULL);
	for (size_t sent = 0; sent < BYTES; sent += sizeof(buffer)) {
		size_t got = 0;

		if (write(out, buffer, sizeof(buffer)) != sizeof(buffer))
			_exit(3);
		while (got < sizeof(buffer)) {
			const ssize_t n = read(in, buffer, sizeof(buffer));

			if (n <= 0)
				_exit(4);
			got += (size_t)n;
		}
	}
	_exit(0);
}

static void bytes_belong_to_the_cgroup_or_the_process(void **state)
{
	struct fixture *f = fixture_or_skip(state);
	struct ferry_energy_watch *watch = watch_or_fail(NULL);
	struct ferry_energy_snapshot s;
	struct ferry_use use;

	for (int registered = 0; registered < 2; registered++) {
		const pid_t child = fork();

		if (!child) {
			enter(f->path[0]);
			raise(SIGSTOP);
			send_over_loopback();
		}
		if (registered)
			ferry_energy_watch_process(watch, child, PROCESS, NULL);
		s = read_or_fail(watch);
		use = use_of(&s, FERRY_ENERGY_USER_CGROUP, f->id[0]);
		start(child);
		await(child);
		ferry_energy_watch_forget(watch, child);
		s = read_or_fail(watch);
		if (registered) {
			/* Nothing of it for the cgroup: what is counted is counted once. */
			assert_int_equal(use_of(&s, FERRY_ENERGY_USER_CGROUP, f->id[0]).tx_bytes,
					 use.tx_bytes);
			use = use_of(&s, FERRY_ENERGY_USER_PROCESS, PROCESS);
		} else {
			use = use_of(&s, FERRY_ENERGY_USER_CGROUP, f->id[0]);
		}
		/* With headers and acknowledgements, sent and received on the one machine. */
		assert_in_range(use.tx_bytes, BYTES, BYTES + BYTES / 8);
		assert_in_range(use.rx_bytes, BYTES, BYTES + BYTES / 8);
	}
	ferry_energy_watch_close(watch);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void frequencies_weigh_where_they_are_known(void **state)
{
	struct ferry_energy_watch_options options = {.size = sizeof(options),
						     .without_network = true};
	struct ferry_energy_watch *watch;
	struct ferry_energy_snapshot s;
	char root[] = "/tmp/ferry-cpu-XXXXXX", path[128];
	struct ferry_use use;

	fixture_or_skip(state);
	/* Nowhere: then there are no cycles at all. */
	assert_non_null(mkdtemp(root));
	options.cpu_directory = root;
	watch = watch_or_fail(&options);
	s = read_or_fail(watch);
	assert_false(s.has_cycles);
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(s.use[i].cycles, 0);
	ferry_energy_watch_close(watch);

	/* 2 GHz everywhere, and the kernel here changes nothing about it: 2 cycles a nanosecond. */
	for (int i = 0; i < (int)sysconf(_SC_NPROCESSORS_CONF); i++) {
		snprintf(path, sizeof(path), "%s/cpu%d", root, i);
		assert_int_equal(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/cpu%d/cpufreq", root, i);
		assert_int_equal(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/cpu%d/cpufreq/scaling_cur_freq", root, i);
		write_file(path, "2000000\n");
	}
	watch = watch_or_fail(&options);
	assert_int_equal(ferry_energy_watch_process(watch, getpid(), PROCESS, NULL), 0);
	read_or_fail(watch);
	for (const int64_t end = own_time() + 20 * MSEC; own_time() < end;)
		;
	s = read_or_fail(watch);
	use = use_of(&s, FERRY_ENERGY_USER_PROCESS, PROCESS);
	assert_true(s.has_cycles);
	assert_true(use.cpu_ns >= 15 * MSEC);
	if (access("/sys/devices/system/cpu/cpu0/cpufreq", F_OK))
		assert_in_range(use.cycles, use.cpu_ns / 1000 * 2 * 98 / 100,
				use.cpu_ns / 1000 * 2 * 102 / 100);
	ferry_energy_watch_close(watch);
	snprintf(path, sizeof(path), "rm -r %s", root);
	assert_int_equal(system(path), 0); /* NOLINT(cert-env33-c) */
}

static void too_many_processes_are_refused(void **state)
{
	const struct ferry_energy_watch_options options = {.size = sizeof(options),
							   .without_network = true};
	struct ferry_energy_watch *watch;
	struct ferry_error err = {0};

	fixture_or_skip(state);
	watch = watch_or_fail(&options);
	for (int i = 0; i < FERRY_ENERGY_PROCESSES_MAX; i++)
		assert_int_equal(ferry_energy_watch_process(watch, (1 << 22) + i, 1, &err), 0);
	assert_int_equal(ferry_energy_watch_process(watch, 1, 1, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "256"));
	ferry_energy_watch_forget(watch, 1 << 22);
	assert_int_equal(ferry_energy_watch_process(watch, 1, 1, &err), 0);
	assert_int_equal(ferry_energy_watch_process(watch, 0, 1, &err), -EINVAL);
	ferry_energy_watch_close(watch);
	ferry_energy_watch_close(NULL);
}

static void find_root(struct fixture *f)
{
	FILE *mounts = fopen("/proc/self/mounts", "r");
	char line[1024], path[200], type[32];

	while (mounts && fgets(line, sizeof(line), mounts))
		if (!f->root[0] && sscanf(line, "%*s %199s %31s", path, type) == 2 &&
		    !strcmp(type, "cgroup2"))
			strcpy(f->root, path);
	if (mounts)
		fclose(mounts);
}

/* Another processor changes the frequency just after this one has read the clock. */
static void a_frequency_that_comes_later_makes_no_cycles(void **state)
{
	struct ferry_energy_processor processor = {.since_ns = 1, .khz = 2000000};
	struct ferry_energy_bpf *skeleton;
	struct ferry_energy_use *each;
	struct ferry_energy_user user, next;
	uint64_t cycles = 0, cpu_ns = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU);
	const uint32_t first = 0;
	bool begun = false;
	int users;

	fixture_or_skip(state);
	skeleton = ferry_energy_bpf__open_and_load();
	each = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*each));
	assert_non_null(skeleton);
	assert_non_null(each);
	users = bpf_map__fd(skeleton->maps.users);
	processor.faster_ns = UINT64_MAX / 2;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.processors), &first,
					     &processor, BPF_ANY),
			 0);
	/* It is attached to nothing: this is the one time that it runs. */
	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.ferry_energy_switch), &opts),
		0);
	while (!bpf_map_get_next_key(users, begun ? &user : NULL, &next)) {
		begun = true;
		user = next;
		assert_int_equal(bpf_map_lookup_elem(users, &user, each), 0);
		cycles += each[0].cycles;
		cpu_ns += each[0].cpu_ns;
	}
	for (uint32_t slot = 0; slot < FERRY_ENERGY_SLOTS; slot++) {
		assert_int_equal(
			bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.counters), &slot, each), 0);
		cycles += each[0].cycles;
		cpu_ns += each[0].cpu_ns;
	}
	assert_true(cpu_ns > 0);
	assert_int_equal(cycles, 0);
	free(each);
	ferry_energy_bpf__destroy(skeleton);
}

static int set_up(void **state)
{
	static struct fixture f;
	struct ferry_energy_watch *watch;
	struct ferry_error err = {0};
	int ret;

	*state = &f;
	ret = ferry_energy_watch_open(&watch, NULL, &err);
	if (ret == -EPERM || ret == -EACCES || ret == -ENOENT) {
		snprintf(f.reason, sizeof(f.reason), "%s", err.text);
		return 0;
	}
	if (ret) {
		fprintf(stderr, "%s\n", err.text);
		return ret;
	}
	ferry_energy_watch_close(watch);
	find_root(&f);
	for (int i = 0; i < SERVICES; i++) {
		int fd;

		snprintf(f.path[i], sizeof(f.path[i]), "%s/ferry-energy-%d-%d", f.root,
			 (int)getpid(), i);
		if (mkdir(f.path[i], 0755)) {
			snprintf(f.reason, sizeof(f.reason), "no cgroup can be made below %s: %s",
				 f.root, strerror(errno));
			return 0;
		}
		fd = ferry_cgroup_open(f.path[i], &f.id[i], &err);
		if (fd < 0)
			return fd;
		close(fd);
	}
	/* lo of its own, so that a port is free. */
	return unshare(CLONE_NEWNET) || system("ip link set lo up") ? -EIO : 0; /* NOLINT */
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SERVICES && !f->reason[0]; i++)
		for (int tries = 0; tries < 50 && rmdir(f->path[i]); tries++)
			usleep(20000);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_cgroups_of_known_ratio_get_joules_in_that_ratio),
		cmocka_unit_test(what_is_running_is_read_as_well),
		cmocka_unit_test(bytes_belong_to_the_cgroup_or_the_process),
		cmocka_unit_test(frequencies_weigh_where_they_are_known),
		cmocka_unit_test(too_many_processes_are_refused),
		cmocka_unit_test(a_frequency_that_comes_later_makes_no_cycles),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);

	return cmocka_run_group_tests_name("net/energy_watch", tests, set_up, tear_down);
}
