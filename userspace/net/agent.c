// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "net/agent_private.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "linux/ferry.h"
#include "net/confine.h"
#include "net/notify.h"

enum {
	INTERVAL_MS = 1000,
	FLOW_EVENT_US = 100000, /* one event a connection in this time: steps are 250 ms apart */
	EVENTS = 8,
};

void ferry_agent_say(struct ferry_agent *a, struct ferry_agent_once *once,
		     enum ferry_log_level level, const char *fmt, ...)
{
	char text[sizeof(once->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!strcmp(text, once->text))
		return;
	memcpy(once->text, text, sizeof(text));
	if (text[0])
		ferry_log(a->log, level, "%s", text);
}

/*
 * The lock goes with the process, whatever ends it; the number in the file is for the sentence. Who
 * can open the file could hold the lock, so nobody else can.
 */
static int take_lock(struct ferry_agent *a, struct ferry_error *err)
{
	char path[300], text[32] = "";
	ssize_t n;
	int ret;

	mkdir(a->directory, 0755);
	snprintf(path, sizeof(path), "%s/agent.lock", a->directory);
	a->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->lock < 0)
		return ferry_fail(err, FERRY_ERROR_FILE, -errno, "%s cannot be opened: %s", path,
				  ferry_errno_text(-errno));
	if (!flock(a->lock, LOCK_EX | LOCK_NB)) {
		snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		if (ftruncate(a->lock, 0) || pwrite(a->lock, text, strlen(text), 0) < 0)
			return ferry_fail(err, FERRY_ERROR_FILE, -errno, "%s cannot be written: %s",
					  path, ferry_errno_text(-errno));
		return 0;
	}
	ret = -errno;
	if (ret != -EWOULDBLOCK)
		return ferry_fail(err, FERRY_ERROR_FILE, ret, "%s cannot be locked: %s", path,
				  ferry_errno_text(ret));
	n = pread(a->lock, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return ferry_fail(err, FERRY_ERROR_CALLER, -EBUSY,
			  "an agent is running already (process %ld)", strtol(text, NULL, 10));
}

static int watch_fd(struct ferry_agent *a, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_loop(struct ferry_agent *a, struct ferry_error *err)
{
	sigset_t signals;
	int ret = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	a->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (a->epoll < 0 || a->signals < 0 || a->timer < 0)
		ret = -errno;
	if (!ret)
		ret = watch_fd(a, a->signals);
	if (!ret)
		ret = watch_fd(a, a->timer);
	return ret ? ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "the agent cannot wait: %s",
				ferry_errno_text(ret))
		   : 0;
}

static void open_flows(struct ferry_agent *a)
{
	const struct ferry_flow_watch_options options = {
		.size = sizeof(options), .cgroup = a->o.cgroup, .interval_us = FLOW_EVENT_US};
	/* Looked at, and left as they are. */
	const struct ferry_flow_policy policy = {.class = FERRY_CLASS_DEFAULT,
						 .dscp = FERRY_FLOW_DSCP_KEEP};
	struct ferry_error err;
	int ret = ferry_flow_watch_open(&a->flows, &options, &err);

	if (!ret) {
		ret = ferry_flow_watch_cgroup(a->flows, a->o.cgroup, &policy, &err);
		if (ret) {
			ferry_flow_watch_close(a->flows);
			a->flows = NULL;
		}
	}
	if (ret)
		ferry_log(a->log, FERRY_LOG_WARNING,
			  "without round trips of connections, no rate rises: %s", err.text);
	else
		ferry_log(a->log, FERRY_LOG_INFO, "connections are watched (tier %s)",
			  ferry_flow_watch_tier(a->flows));
}

static int open_parts(struct ferry_agent *a, struct ferry_error *err)
{
	const struct ferry_telemetry_options options = {
		.size = sizeof(options),
		.root = a->root,
		.interval_ms = a->o.interval_ms,
		.stock_only = true, /* what ferry.ko knows it has from us */
	};
	int ret;

	a->telemetry = ferry_telemetry_new(&options, err);
	a->stations = calloc(FERRY_WIFI_STATIONS_MAX, sizeof(*a->stations));
	if (!a->telemetry || !a->stations)
		return a->telemetry ? ferry_fail_memory(err, "stations", 0) : -ENOMEM;
	/* First what may be wrong on the command line. */
	if (a->o.listen) {
		ret = ferry_metrics_server_open(&a->server, a->o.listen, ferry_agent_metrics, a,
						err);
		if (!ret)
			ret = watch_fd(a, ferry_metrics_server_fd(a->server));
		if (ret)
			return ret;
	}
	open_flows(a);
	ferry_agent_open_echoes(a);
	ret = ferry_agent_open_energy(a, err);
	/* What the verifier and the parser of BTF have used. */
	malloc_trim(0);
	return ret;
}

static int confine(struct ferry_agent *a, struct ferry_error *err)
{
	int ret;

	if (a->o.unconfined) {
		ferry_log(a->log, FERRY_LOG_WARNING, "no privilege was given up (--unconfined)");
		return 0;
	}
	ret = ferry_confine_user(a->o.user, err);
	return ret ? ret : ferry_confine_calls(err);
}

static void copy_options(struct ferry_agent *a, const struct ferry_agent_options *options)
{
	a->o.size = sizeof(a->o);
	if (options)
		memcpy(&a->o, options, options->size < sizeof(a->o) ? options->size : sizeof(a->o));
	snprintf(a->root, sizeof(a->root), "%s", a->o.root ? a->o.root : "/sys");
	snprintf(a->directory, sizeof(a->directory), "%s",
		 a->o.directory ? a->o.directory : FERRY_AUTORATE_DIRECTORY);
	a->log = a->o.log;
	a->interval_us =
		(uint64_t)(a->o.interval_ms ? a->o.interval_ms : INTERVAL_MS) * AGENT_USEC_PER_MSEC;
	if (a->o.n_services > FERRY_AGENT_SERVICES_MAX)
		a->o.n_services = FERRY_AGENT_SERVICES_MAX;
	for (size_t i = 0; i < a->o.n_services; i++) {
		a->services[i] = a->o.services[i];
		snprintf(a->service_names[i], AGENT_NAME, "%s", a->services[i].name);
	}
	a->o.services = a->services;
}

int ferry_agent_open(struct ferry_agent **agent, const struct ferry_agent_options *options,
		     struct ferry_error *err)
{
	struct ferry_agent *a = calloc(1, sizeof(*a));
	int ret;

	if (!a)
		return ferry_fail_memory(err, "the agent", sizeof(*a));
	a->epoll = a->signals = a->timer = a->lock = a->notify = -1;
	a->settings_ns = a->module_uj = -1;
	copy_options(a, options);
	a->started_us = ferry_now_us();
	ret = take_lock(a, err);
	if (!ret)
		ret = open_loop(a, err);
	if (!ret)
		ret = open_parts(a, err);
	a->notify = ferry_notify_open(&a->watchdog_us);
	if (!ret)
		ret = confine(a, err);
	if (ret) {
		ferry_agent_close(a);
		return ret;
	}
	*agent = a;
	return 0;
}

void ferry_agent_close(struct ferry_agent *a)
{
	const int *fds[] = {&a->epoll, &a->signals, &a->timer, &a->lock, &a->notify};

	ferry_metrics_server_close(a->server);
	ferry_pinger_close(a->pinger);
	ferry_family_close(a->family);
	ferry_flow_watch_close(a->flows);
	ferry_energy_watch_close(a->energy);
	ferry_attribution_free(a->attribution);
	ferry_wifi_close(a->wifi);
	ferry_telemetry_free(a->telemetry);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	free(a->stations);
	free(a->names);
	free(a->links);
	free(a);
}

static void look(struct ferry_agent *a, uint64_t now_us)
{
	a->readings = ferry_telemetry_look(a->telemetry, now_us);
	ferry_energy_total(a->readings, now_us, &a->total);
	ferry_agent_look_at_wifi(a, now_us);
	ferry_agent_attribute(a, now_us);
	ferry_agent_read_settings(a, now_us);
	ferry_agent_push(a, now_us);
	a->looks++;
	/* After a stop or a sleep the missed ones are not made up for. */
	a->next_look_us += a->interval_us;
	if (a->next_look_us <= now_us)
		a->next_look_us = now_us + a->interval_us;
	if (a->server)
		ferry_metrics_server_run(a->server);
}

/* Everything that has its time. Return: when to come again. */
static uint64_t work(struct ferry_agent *a)
{
	const uint64_t now = ferry_now_us();
	uint64_t next;
	bool loaded;

	if (a->flows)
		ferry_flow_watch_read(a->flows, 0, NULL, NULL, NULL);
	if (now >= a->next_look_us)
		look(a, now);
	loaded = ferry_agent_follow(a, now);
	next = a->next_look_us;
	if (loaded && now + FERRY_AUTORATE_STEP_MS * AGENT_USEC_PER_MSEC < next)
		next = now + FERRY_AUTORATE_STEP_MS * AGENT_USEC_PER_MSEC;
	/* Half of what the manager bears, since what we do takes its time, too. */
	if (a->watchdog_us && now + a->watchdog_us / 2 < next)
		next = now + a->watchdog_us / 2;
	if (a->watchdog_us)
		ferry_notify(a->notify, "WATCHDOG=1");
	return next;
}

static int wait_until(const struct ferry_agent *a, uint64_t time_us)
{
	const struct itimerspec at = {
		.it_value.tv_sec = (time_t)(time_us / AGENT_USEC_PER_SEC),
		.it_value.tv_nsec = (long)(time_us % AGENT_USEC_PER_SEC) * 1000,
	};

	return timerfd_settime(a->timer, TFD_TIMER_ABSTIME, &at, NULL) ? -errno : 0;
}

static void take_signals(struct ferry_agent *a)
{
	struct signalfd_siginfo info;

	while (read(a->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			ferry_log(a->log, FERRY_LOG_INFO, "settings are read again");
			a->settings_ns = -1;
			a->next_look_us = 0;
		} else {
			a->stop = true;
		}
	}
}

/* Whoever calls again and again (a client) does not keep the timer from its turn. */
static int turn(struct ferry_agent *a)
{
	struct epoll_event events[EVENTS];
	uint64_t expired;
	int ret = 0;
	const int n = epoll_wait(a->epoll, events, EVENTS, -1);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; !ret && i < n; i++) {
		const int fd = events[i].data.fd;

		if (fd == a->signals)
			take_signals(a);
		else if (fd == a->timer && read(a->timer, &expired, sizeof(expired)) > 0)
			ret = wait_until(a, work(a));
		else if (ferry_agent_take_echoes(a, fd))
			continue;
		else if (a->server && fd == ferry_metrics_server_fd(a->server))
			ferry_metrics_server_run(a->server);
	}
	if (!ret && !a->next_look_us)
		ret = wait_until(a, work(a));
	return ret;
}

int ferry_agent_run(struct ferry_agent *a, struct ferry_error *err)
{
	int ret = wait_until(a, work(a));

	ferry_notify(a->notify, "READY=1\nSTATUS=looking at links and energy");
	ferry_log(a->log, FERRY_LOG_INFO, "ready%s%s", a->o.listen ? ", metrics on " : "",
		  a->o.listen ? a->o.listen : "");
	while (!ret && !a->stop)
		ret = turn(a);
	ferry_notify(a->notify, "STOPPING=1");
	return ret ? ferry_fail(err, FERRY_ERROR_SYSTEM, ret, "the agent cannot wait: %s",
				ferry_errno_text(ret))
		   : 0;
}
