// SPDX-License-Identifier: MIT
/*
 * bpf/flow.bpf.c and its loader in the running kernel: a connection over a pair of interfaces with
 * a slow, lossy queue, and what `ss -ti` says about it at the same time. The process has a
 * network namespace of its own; the other end lives in a child with another.
 */
#define _GNU_SOURCE /* unshare() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "linux/ferry.h"
#include "net/cgroup.h"
#include "net/flow_watch.h"

enum {
	PORT = 5207,
	SECONDS_OF_TRAFFIC_MAX = 20, /* a machine that emulates another takes its time */
	SAMPLES_MIN = 4,
	SAMPLES_MAX = 40,
	EVENTS_MAX = 65536,
	MAJOR = 0x12,
	MSEC = 1000,
};

struct fixture {
	pid_t peer;
	bool has_netem;
	char reason[FERRY_ERROR_TEXT + 64];
};

static const struct ferry_flow_policy decode = {
	.priority = FERRY_VERDICT(MAJOR, FERRY_MINOR(FERRY_CLASS_DECODE, 100)),
	.class = FERRY_CLASS_DECODE,
	.dscp = 34,
	.pacing_bytes_s = 50000000,
};

/* Runs a command of the shell; false if it failed. */
static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool shell(const char *format, ...)
{
	char command[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command) == 0; /* NOLINT(cert-env33-c) */
}

/* The other end: takes connections of both versions one after the other and reads them empty. */
static void run_peer(int ready, int go)
{
	const int on = 0;
	const int listener = socket(AF_INET6, SOCK_STREAM, 0);
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	static char buffer[1 << 16];
	char c = 0;

	if (unshare(CLONE_NEWNET) || write(ready, &c, 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	close(listener);
	if (!shell("ip link set lo up && ip addr add 10.207.0.2/24 dev ferry-b && "
		   "ip -6 addr add fd07::2/64 dev ferry-b nodad && ip link set ferry-b up"))
		_exit(1);
	{
		const int l = socket(AF_INET6, SOCK_STREAM, 0);

		setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (bind(l, (const struct sockaddr *)&any, sizeof(any)) || listen(l, 8) ||
		    write(ready, &c, 1) != 1)
			_exit(1);
		for (;;) {
			const int fd = accept(l, NULL, NULL);

			if (fd < 0)
				_exit(1);
			if (fork() == 0) {
				while (read(fd, buffer, sizeof(buffer)) > 0)
					;
				_exit(0);
			}
			close(fd);
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		}
	}
}

static int start_peer(struct fixture *f)
{
	int ready[2], go[2];
	char c = 0;

	if (pipe(ready) || pipe(go) || unshare(CLONE_NEWNET))
		return -errno;
	f->peer = fork();
	if (f->peer == 0)
		run_peer(ready[1], go[0]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return -EIO;
	if (!shell("ip link set lo up && ip link add ferry-a type veth peer name ferry-b netns %d "
		   "&& ip addr add 10.207.0.1/24 dev ferry-a && "
		   "ip -6 addr add fd07::1/64 dev ferry-a nodad && ip link set ferry-a up",
		   (int)f->peer))
		return -EOPNOTSUPP;
	if (write(go[1], &c, 1) != 1 || read(ready[0], &c, 1) != 1)
		return -EIO;
	f->has_netem =
		shell("tc qdisc add dev ferry-a root netem delay 20ms rate 20mbit loss 0.5%% "
		      "limit 100 2>/dev/null");
	if (!f->has_netem &&
	    !shell("tc qdisc add dev ferry-a root tbf rate 20mbit burst 20kb latency 40ms"))
		return -EOPNOTSUPP;
	return 0;
}

static struct fixture *fixture_or_skip(void **state)
{
	struct fixture *f = *state;

	if (f->reason[0]) {
		print_message("SKIP: %s\n", f->reason);
		skip();
	}
	return f;
}

static struct ferry_flow_watch *watch_or_fail(bool without_btf)
{
	const struct ferry_flow_watch_options options = {.size = sizeof(options),
							 .without_btf = without_btf};
	struct ferry_flow_watch *watch;
	struct ferry_error err = {0};

	if (ferry_flow_watch_open(&watch, &options, &err))
		fail_msg("%s", err.text);
	return watch;
}

static int connect_to_peer(int fd, int family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};

	inet_pton(AF_INET, "10.207.0.2", &v4.sin_addr);
	inet_pton(AF_INET6, "fd07::2", &v6.sin6_addr);
	return family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
				 : connect(fd, (struct sockaddr *)&v6, sizeof(v6));
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static void assert_marked(int fd, int family)
{
	assert_int_equal(option(fd, SOL_SOCKET, SO_PRIORITY), decode.priority);
	assert_int_equal(option(fd, SOL_SOCKET, SO_MAX_PACING_RATE), decode.pacing_bytes_s);
	assert_int_equal(family == AF_INET ? option(fd, IPPROTO_IP, IP_TOS)
					   : option(fd, IPPROTO_IPV6, IPV6_TCLASS),
			 decode.dscp << 2);
}

/* What was told, kept by the test. */
struct record {
	struct ferry_flow_event event[EVENTS_MAX];
	uint32_t ifindex[EVENTS_MAX];
	size_t n;
};

static void keep(const struct ferry_flow_event *event, uint32_t ifindex, void *data)
{
	struct record *record = data;

	if (record->n == EVENTS_MAX)
		return;
	record->ifindex[record->n] = ifindex;
	record->event[record->n++] = *event;
}

/* Reads until an event of @kind came, for 10 s at most. */
static const struct ferry_flow_event *read_until(struct ferry_flow_watch *watch,
						 struct record *record, int kind)
{
	const uint64_t deadline = ferry_now_us() + 10000 * MSEC;
	size_t seen = record->n;

	while (ferry_now_us() < deadline) {
		assert_true(ferry_flow_watch_read(watch, deadline, keep, record, NULL) >= 0);
		for (; seen < record->n; seen++)
			if (record->event[seen].kind == kind)
				return &record->event[seen];
	}
	return NULL;
}

/* the marks are there as soon as connect() returns. */
static void a_registered_socket_is_marked_when_it_is_established(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct ferry_flow_watch *watch;
	struct record *record;

	fixture_or_skip(state);
	watch = watch_or_fail(false);
	record = calloc(1, sizeof(*record));
	assert_non_null(record);
	for (int i = 0; i < 2; i++) {
		const int fd = socket(families[i], SOCK_STREAM, 0),
			  other = socket(families[i], SOCK_STREAM, 0);
		const struct ferry_flow_event *event;
		uint64_t cookie;
		socklen_t size = sizeof(cookie);

		getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
		assert_int_equal(ferry_flow_watch_socket(watch, fd, &decode, NULL), 0);
		assert_int_equal(connect_to_peer(fd, families[i]), 0);
		assert_marked(fd, families[i]);
		record->n = 0;
		event = read_until(watch, record, FERRY_FLOW_SEEN);
		assert_non_null(event);
		assert_int_equal(event->cookie, cookie);
		assert_int_equal(event->class, FERRY_CLASS_DECODE);
		assert_int_equal(event->family, families[i]);
		assert_int_equal(event->remote_port, PORT);
		assert_int_equal(event->flags & FERRY_FLOW_REFUSED, 0);

		/* One that nobody registered stays as it is, and nothing is told of it. */
		assert_int_equal(connect_to_peer(other, families[i]), 0);
		assert_int_equal(write(other, "x", 1), 1);
		assert_int_equal(option(other, SOL_SOCKET, SO_PRIORITY), 0);
		close(other);
		close(fd);
		event = read_until(watch, record, FERRY_FLOW_CLOSED);
		assert_non_null(event);
		for (size_t j = 0; j < record->n; j++)
			assert_int_equal(record->event[j].cookie, cookie);
	}
	free(record);
	ferry_flow_watch_close(watch);
}

/* A server can only register what it has accepted, that is what is established. */
static void a_late_registration_counts_from_the_next_round_trip(void **state)
{
	struct ferry_flow_watch *watch;
	struct record *record;
	int fd;

	fixture_or_skip(state);
	watch = watch_or_fail(false);
	record = calloc(1, sizeof(*record));
	assert_non_null(record);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect_to_peer(fd, AF_INET), 0);
	assert_int_equal(ferry_flow_watch_socket(watch, fd, &decode, NULL), 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_PRIORITY), 0);
	for (int i = 0; i < 20 && option(fd, SOL_SOCKET, SO_PRIORITY) == 0; i++) {
		assert_int_equal(write(fd, "x", 1), 1);
		ferry_flow_watch_read(watch, ferry_now_us() + 100 * MSEC, keep, record, NULL);
	}
	assert_marked(fd, AF_INET);
	assert_true(record->n > 0);
	close(fd);
	free(record);
	ferry_flow_watch_close(watch);
}

static void without_events_reading_ends_at_the_deadline(void **state)
{
	struct ferry_flow_watch *watch;
	uint64_t deadline;

	fixture_or_skip(state);
	watch = watch_or_fail(true);
	assert_string_equal(ferry_flow_watch_tier(watch), "T0");
	assert_int_equal(ferry_flow_watch_read(watch, 0, NULL, NULL, NULL), 0);
	deadline = ferry_now_us() + 20 * MSEC;
	assert_int_equal(ferry_flow_watch_read(watch, deadline, NULL, NULL, NULL), 0);
	assert_true(ferry_now_us() >= deadline);
	ferry_flow_watch_close(watch);
}

static void a_cgroup_registers_what_runs_in_it(void **state)
{
	char root[256], path[256], procs[320];
	struct ferry_flow_watch *watch;
	struct ferry_error err = {0};
	FILE *mounts, *file;
	int fd, in, out;
	char type[32];

	fixture_or_skip(state);
	watch = watch_or_fail(false);
	root[0] = '\0';
	mounts = fopen("/proc/self/mounts", "r");
	assert_non_null(mounts);
	for (char line[1024]; fgets(line, sizeof(line), mounts);)
		if (!root[0] && sscanf(line, "%*s %255s %31s", path, type) == 2 &&
		    !strcmp(type, "cgroup2"))
			strcpy(root, path);
	fclose(mounts);
	snprintf(path, sizeof(path), "%.200s/ferry-test-%d", root, (int)getpid());
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	if (mkdir(path, 0755)) {
		print_message("SKIP: no cgroup can be made below %s: %s\n", root, strerror(errno));
		ferry_flow_watch_close(watch);
		skip();
	}
	if (ferry_flow_watch_cgroup(watch, path, &decode, &err))
		fail_msg("%s", err.text);
	out = socket(AF_INET, SOCK_STREAM, 0);

	/* A socket belongs to the cgroup in which its process was when it made it. */
	file = fopen(procs, "w");
	assert_non_null(file);
	fprintf(file, "%d", (int)getpid());
	assert_int_equal(fclose(file), 0);
	in = socket(AF_INET, SOCK_STREAM, 0);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", root);
	file = fopen(procs, "w");
	assert_non_null(file);
	fprintf(file, "%d", (int)getpid());
	assert_int_equal(fclose(file), 0);

	assert_int_equal(connect_to_peer(out, AF_INET), 0);
	assert_int_equal(option(out, SOL_SOCKET, SO_PRIORITY), 0);
	assert_int_equal(connect_to_peer(in, AF_INET), 0);
	assert_marked(in, AF_INET);

	/* Ended, it ends for connections to come. */
	assert_int_equal(ferry_flow_watch_cgroup(watch, path, NULL, NULL), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect_to_peer(fd, AF_INET), 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_PRIORITY), 0);
	close(in);
	close(out);
	close(fd);
	ferry_flow_watch_close(watch);
	for (int i = 0; i < 50 && rmdir(path); i++)
		usleep(20 * MSEC);
}

static void mistakes_are_named(void **state)
{
	struct ferry_flow_watch_options options = {.size = sizeof(options), .cgroup = "/tmp"};
	struct ferry_flow_policy policy = decode;
	struct ferry_flow_watch *watch;
	struct ferry_error err = {0};

	fixture_or_skip(state);
	assert_int_equal(ferry_flow_watch_open(&watch, &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/tmp is no directory of a cgroup2"));
	options.cgroup = "/nowhere";
	assert_int_equal(ferry_flow_watch_open(&watch, &options, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere"));
	watch = watch_or_fail(true);
	assert_int_equal(ferry_flow_watch_socket(watch, -1, &policy, &err), -EBADF);
	assert_int_equal(ferry_flow_watch_socket(watch, STDIN_FILENO, &policy, &err), -ENOTSOCK);
	policy.class = FERRY_CLASS_COUNT;
	assert_int_equal(ferry_flow_watch_cookie(watch, 1, &policy, &err), -EINVAL);
	policy = decode;
	policy.dscp = 64;
	assert_int_equal(ferry_flow_watch_cookie(watch, 1, &policy, &err), -EINVAL);
	policy = decode;
	policy.pacing_bytes_s = 1ull << 32;
	assert_int_equal(ferry_flow_watch_cookie(watch, 1, &policy, &err), -EINVAL);
	assert_non_null(strstr(err.text, "paced"));
	ferry_flow_watch_close(watch);
	ferry_flow_watch_close(NULL);
}

/* More registrations than the map has room for: none is refused, and the newest counts. */
static void a_full_map_still_takes_registrations(void **state)
{
	struct ferry_flow_watch *watch;
	int fd;

	fixture_or_skip(state);
	watch = watch_or_fail(true);
	for (uint64_t i = 0; i < 3 * FERRY_FLOW_SOCKETS_MAX; i++)
		assert_int_equal(ferry_flow_watch_cookie(watch, UINT64_MAX - i, &decode, NULL), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(ferry_flow_watch_socket(watch, fd, &decode, NULL), 0);
	assert_int_equal(connect_to_peer(fd, AF_INET), 0);
	assert_marked(fd, AF_INET);
	close(fd);
	ferry_flow_watch_close(watch);
}

/* One answer of `ss -ti`, and when it was asked for and had. */
struct sample {
	uint64_t from_ns, to_ns;
	double srtt_us, rttvar_us, delivery_bytes_s;
	double retransmits;
};

static char ss_said[4096];

static bool ask_ss(struct sample *sample)
{
	double rtt_ms = 0, var_ms = 0, bits = 0;
	unsigned int resent = 0;
	char *const text = ss_said;
	const char *at;
	size_t n;
	FILE *ss;

	memset(sample, 0, sizeof(*sample));
	sample->from_ns = ferry_now_ns();
	ss = popen("ss -tinHO dst 10.207.0.2", "r"); /* NOLINT(cert-env33-c) */
	if (!ss)
		return false;
	n = fread(text, 1, sizeof(ss_said) - 1, ss);
	pclose(ss);
	sample->to_ns = ferry_now_ns();
	text[n] = '\0';
	at = strstr(text, " rtt:");
	if (!at || sscanf(at, " rtt:%lf/%lf", &rtt_ms, &var_ms) != 2)
		return false;
	at = strstr(text, " delivery_rate ");
	if (!at || sscanf(at, " delivery_rate %lfbps", &bits) != 1)
		return false;
	at = strstr(text, " retrans:");
	if (at && sscanf(at, " retrans:%*u/%u", &resent) != 1)
		return false;
	sample->srtt_us = rtt_ms * 1000;
	sample->rttvar_us = var_ms * 1000;
	sample->delivery_bytes_s = bits / 8;
	sample->retransmits = resent;
	return true;
}

struct sender {
	int fd;
	atomic_bool stop;
};

static void *send_bulk(void *data)
{
	static const char zeros[1 << 15];
	struct sender *sender = data;

	while (!atomic_load(&sender->stop))
		if (write(sender->fd, zeros, sizeof(zeros)) < 0 && errno != EAGAIN)
			break;
	return NULL;
}

enum quantity { SRTT, RTTVAR, DELIVERY, RETRANSMITS, QUANTITIES };
static const char *const quantity_names[] = {"srtt", "rttvar", "delivery rate", "retransmits"};

static double of_event(const struct ferry_flow_event *e, enum quantity q)
{
	return q == SRTT       ? e->srtt_us
	       : q == RTTVAR   ? e->rttvar_us
	       : q == DELIVERY ? (double)e->delivery_bytes_s
			       : e->retransmits;
}

static double of_sample(const struct sample *s, enum quantity q)
{
	return q == SRTT       ? s->srtt_us
	       : q == RTTVAR   ? s->rttvar_us
	       : q == DELIVERY ? s->delivery_bytes_s
			       : s->retransmits;
}

/*
 * Whether ss said what was told within two round trips of it, give or take a tenth. A value that
 * ss saw on its way from one told value to the next is between them.
 */
static bool agrees(const struct sample *s, const struct record *record, enum quantity q)
{
	const double rtt_ns = s->srtt_us * 1000, value = of_sample(s, q);
	double low = 1e300, high = -1;

	for (size_t i = 0; i < record->n; i++) {
		const struct ferry_flow_event *e = &record->event[i];
		const double x = of_event(e, q);

		if ((double)e->time_ns < (double)s->from_ns - 2 * rtt_ns ||
		    (double)e->time_ns > (double)s->to_ns + 2 * rtt_ns)
			continue;
		low = x < low ? x : low;
		high = x > high ? x : high;
	}
	return high >= 0 && value >= 0.9 * low - 0.5 && value <= 1.1 * high + 0.5;
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of how far off that is which was told nearest in value, within a round trip. */
static double median_error(const struct sample *samples, size_t n, const struct record *record,
			   enum quantity q)
{
	static double error[SAMPLES_MAX];
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		const double value = of_sample(&samples[i], q), rtt_ns = samples[i].srtt_us * 1000;
		double least = 1;

		for (size_t j = 0; value > 0 && j < record->n; j++) {
			const double at = (double)record->event[j].time_ns;
			const double off = (of_event(&record->event[j], q) - value) / value;

			if (at >= (double)samples[i].from_ns - rtt_ns &&
			    at <= (double)samples[i].to_ns + rtt_ns &&
			    (off < 0 ? -off : off) < least)
				least = off < 0 ? -off : off;
		}
		if (value > 0)
			error[m++] = least;
	}
	if (!m)
		return 0;
	qsort(error, m, sizeof(error[0]), compare_doubles);
	return error[m / 2];
}

/* */
static void readings_are_those_of_ss(void **state)
{
	static struct sample samples[SAMPLES_MAX];
	struct sender sender = {0};
	const struct fixture *f = fixture_or_skip(state);
	struct ferry_flow_watch_counts counts;
	struct ferry_flow_watch *watch;
	struct ferry_flow_policy policy = {.class = FERRY_CLASS_MODEL,
					   .dscp = FERRY_FLOW_DSCP_KEEP};
	const struct timeval second = {.tv_sec = 1};
	struct ferry_reading reading;
	struct record *record;
	size_t n = 0, disagreements[QUANTITIES] = {0};
	uint64_t begun, rounds = 0;
	pthread_t thread;
	uint32_t least_srtt = UINT32_MAX;

	watch = watch_or_fail(false);
	record = calloc(1, sizeof(*record));
	assert_non_null(record);
	sender.fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(sender.fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	/* Behind netem the delay is nearly all of the round trip. Without it, only a sender that
	 * keeps the queue short has one that stays for a few round trips. */
	if (!f->has_netem)
		setsockopt(sender.fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", strlen("bbr"));
	assert_int_equal(ferry_flow_watch_socket(watch, sender.fd, &policy, NULL), 0);
	assert_int_equal(connect_to_peer(sender.fd, AF_INET), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_bulk, &sender), 0);
	begun = ferry_now_us();
	while (n < SAMPLES_MAX &&
	       ferry_now_us() < begun + SECONDS_OF_TRAFFIC_MAX * 1000ull * MSEC) {
		/* The first second is a slow start, in which everything doubles from round to
		 * round: there, a tenth says nothing. */
		if (ferry_now_us() > begun + 1000 * MSEC)
			n += ask_ss(&samples[n]);
		assert_true(ferry_flow_watch_read(watch, ferry_now_us() + 30 * MSEC, keep, record,
						  NULL) >= 0);
	}
	/* What was told within two round trips after the last sample. */
	for (int i = 0; i < 20; i++)
		ferry_flow_watch_read(watch, ferry_now_us() + 10 * MSEC, keep, record, NULL);
	ferry_flow_watch_reading(watch, "ferry-a", record->ifindex[0], ferry_now_us(), &reading);
	atomic_store(&sender.stop, true);
	shutdown(sender.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(sender.fd);
	assert_int_equal(ferry_flow_watch_counts(watch, &counts, NULL), 0);
	assert_int_equal(counts.refused, 0);

	if (n < SAMPLES_MIN)
		print_message("# only %zu samples; ss last said: %s\n", n, ss_said);
	assert_true(n >= SAMPLES_MIN);
	for (size_t i = 0; i < n; i++)
		for (enum quantity q = 0; q < QUANTITIES; q++)
			disagreements[q] += !agrees(&samples[i], record, q);
	for (enum quantity q = 0; q < QUANTITIES; q++)
		print_message("# %s, %s: %zu of %zu samples of ss off, median error %.1f %%\n",
			      f->has_netem ? "netem" : "tbf", quantity_names[q], disagreements[q],
			      n, 100 * median_error(samples, n, record, q));
	/* The rest is what comes and goes within one round trip, which an event a round trip does
	 * not have: the delivery rate is that of the latest acknowledgement, and in a recovery
	 * there are no round trips that count. */
	for (enum quantity q = 0; q < QUANTITIES; q++) {
		if (q == RTTVAR)
			continue;
		assert_true(disagreements[q] * (f->has_netem ? 10 : 4) <= n);
		assert_true(median_error(samples, n, record, q) < (f->has_netem ? 0.1 : 0.25));
	}
	assert_true(strcmp(ferry_flow_watch_tier(watch), "T1") || disagreements[RTTVAR] * 3 <= n);
	/* There was something to compare. */
	assert_true(samples[n - 1].retransmits > 0);
	assert_true(samples[n - 1].srtt_us > 2000);

	/* At most one a round trip: rounds cannot be shorter than the shortest there was. */
	for (size_t i = 0; i < record->n; i++) {
		if (record->event[i].kind == FERRY_FLOW_ROUND)
			rounds++;
		if (record->event[i].srtt_us && record->event[i].srtt_us < least_srtt)
			least_srtt = record->event[i].srtt_us;
	}
	assert_true(rounds > 10);
	assert_true(rounds <=
		    2 + (record->event[record->n - 1].time_ns - record->event[0].time_ns) / 1000 /
				    (least_srtt / 2 + 1));
	assert_true(ferry_reading_has(&reading, FERRY_SRTT_US));
	assert_true(ferry_reading_has(&reading, FERRY_RETRANSMIT_PPM));
	assert_int_equal(reading.provenance, FERRY_PROVENANCE_MEASURED);
	assert_true(reading.value[FERRY_RETRANSMIT_PPM] > 0);
	free(record);
	ferry_flow_watch_close(watch);
}

static int set_up(void **state)
{
	static struct fixture f;
	struct ferry_flow_watch *watch;
	struct ferry_error err = {0};
	int ret;

	*state = &f;
	signal(SIGPIPE, SIG_IGN);
	ret = ferry_flow_watch_open(&watch, NULL, &err);
	if (ret == -EPERM || ret == -EACCES || ret == -ENOENT) {
		snprintf(f.reason, sizeof(f.reason), "%s", err.text);
		return 0;
	}
	if (ret) {
		fprintf(stderr, "%s\n", err.text);
		return ret;
	}
	ferry_flow_watch_close(watch);
	ret = start_peer(&f);
	if (ret == -EPERM || ret == -EOPNOTSUPP) {
		snprintf(f.reason, sizeof(f.reason),
			 "there are no network namespaces, veth, netem or tbf here");
		return 0;
	}
	return ret;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->peer > 0) {
		kill(f->peer, SIGKILL);
		waitpid(f->peer, NULL, 0);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_registered_socket_is_marked_when_it_is_established),
		cmocka_unit_test(a_late_registration_counts_from_the_next_round_trip),
		cmocka_unit_test(without_events_reading_ends_at_the_deadline),
		cmocka_unit_test(a_cgroup_registers_what_runs_in_it),
		cmocka_unit_test(a_full_map_still_takes_registrations),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(readings_are_those_of_ss),
	};

	return cmocka_run_group_tests_name("net/flow_watch", tests, set_up, tear_down);
}
