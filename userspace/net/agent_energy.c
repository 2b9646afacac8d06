// SPDX-License-Identifier: MIT
/* Whose joules they are: what the machine takes, handed out to cgroups and registered processes. */
#include "net/agent_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/cgroup.h"
#include "telemetry/sysfs.h"

enum {
	SERVICES_MAX = 512,
	NAMES_MAX = 1024,
	DEPTH_MAX = 12,
	POWER_US_MAX = 10000000, /* of no longer interval is a power believed */
};

int ferry_agent_open_energy(struct ferry_agent *a, struct ferry_error *err)
{
	const struct ferry_energy_watch_options options = {.size = sizeof(options),
							   .cgroup = a->o.cgroup};
	struct ferry_error why;

	if (ferry_energy_watch_open(&a->energy, &options, &why)) {
		a->energy = NULL;
		if (a->o.n_services)
			return ferry_fail(err, why.kind, why.code,
					  "joules of services cannot be counted: %s", why.text);
		ferry_log(a->log, FERRY_LOG_WARNING, "nobody gets joules attributed: %s", why.text);
		return 0;
	}
	a->attribution = ferry_attribution_new(SERVICES_MAX, err);
	if (!a->attribution)
		return -ENOMEM;
	for (size_t i = 0; i < a->o.n_services; i++) {
		int ret = ferry_energy_watch_process(a->energy, a->services[i].process, i, err);

		if (ret)
			return ret;
	}
	return 0;
}

/* A registered process that has ended gives its number back: another may get it. */
static void forget_the_dead(struct ferry_agent *a)
{
	char path[64];

	for (size_t i = 0; i < a->o.n_services; i++) {
		struct ferry_agent_service *s = &a->services[i];

		snprintf(path, sizeof(path), "/proc/%ld", (long)s->process);
		if (!s->process || !access(path, F_OK))
			continue;
		ferry_energy_watch_forget(a->energy, s->process);
		ferry_log(a->log, FERRY_LOG_INFO, "service %s (process %ld) has ended", s->name,
			  (long)s->process);
		s->process = 0;
	}
}

/* The module's counter is exact, where it may be read; else what is taken now was all along. */
static uint64_t energy_since(struct ferry_agent *a, uint64_t took_us)
{
	const int64_t before = a->module_uj;
	char path[300];
	int64_t power = -1;

	a->module_uj = -1;
	snprintf(path, sizeof(path), "%s/class/ferry_energy/total", a->root);
	if (a->family) {
		if (ferry_sysfs_number(path, "energy_uj", &a->module_uj))
			a->module_uj = -1;
		if (a->module_uj >= 0 && before >= 0)
			return a->module_uj > before ? (uint64_t)(a->module_uj - before) : 0;
	}
	if (ferry_reading_has(&a->total, FERRY_POWER_UW))
		power = a->total.value[FERRY_POWER_UW];
	else if (a->family && ferry_sysfs_number(path, "power_uw", &power))
		power = -1;
	if (power <= 0 || took_us > POWER_US_MAX)
		return 0;
	return (uint64_t)((double)power * (double)took_us / AGENT_USEC_PER_SEC);
}

void ferry_agent_attribute(struct ferry_agent *a, uint64_t now_us)
{
	/* Nothing is known of what a processor or a byte takes: time alone decides. */
	static const struct ferry_attribution_model by_time = {0};
	const uint64_t took_us = a->energy_us ? now_us - a->energy_us : 0;
	struct ferry_error err;
	uint64_t energy;

	if (!a->energy)
		return;
	forget_the_dead(a);
	energy = energy_since(a, took_us);
	if (ferry_energy_watch_read(a->energy, &a->snapshot, &err)) {
		ferry_agent_say(a, &a->said_energy, FERRY_LOG_WARNING, "%s", err.text);
		return;
	}
	ferry_attribution_add(a->attribution, &by_time, a->snapshot.time_ns, energy,
			      a->snapshot.processors, a->snapshot.use, a->snapshot.n);
	a->energy_us = now_us;
}

static int by_id(const void *one, const void *other)
{
	const struct ferry_agent_name *x = one, *y = other;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void walk(struct ferry_agent *a, int parent, const char *path, int depth)
{
	DIR *directory = fdopendir(parent);
	const struct dirent *entry;

	if (!directory) {
		close(parent);
		return;
	}
	while (a->n_names < NAMES_MAX && (entry = readdir(directory))) {
		char *name = a->names[a->n_names].name;
		int fd, n;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		n = snprintf(name, AGENT_NAME, "%s/%s", path, entry->d_name);
		/* The number of the directory is that of the cgroup. */
		a->names[a->n_names++].id = entry->d_ino;
		if (n >= AGENT_NAME || depth == DEPTH_MAX)
			continue;
		fd = openat(dirfd(directory), entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			walk(a, fd, name, depth + 1);
	}
	closedir(directory);
}

void ferry_agent_find_names(struct ferry_agent *a)
{
	struct stat st;
	int fd;

	if (!a->energy)
		return;
	if (!a->names)
		a->names = malloc(NAMES_MAX * sizeof(*a->names));
	a->n_names = 0;
	fd = a->names ? ferry_cgroup_open(a->o.cgroup, NULL, NULL) : -1;
	if (fd >= 0 && !fstat(fd, &st)) {
		a->names[a->n_names++] = (struct ferry_agent_name){.id = st.st_ino, .name = "/"};
		walk(a, fd, "", 0);
	} else if (fd >= 0) {
		close(fd);
	}
	if (a->n_names)
		qsort(a->names, a->n_names, sizeof(*a->names), by_id);
}

void ferry_agent_service_name(struct ferry_agent *a, const struct ferry_service *service,
			      char name[AGENT_NAME])
{
	const struct ferry_agent_name key = {.id = service->id}, *found = NULL;

	if (service->kind == FERRY_ENERGY_USER_PROCESS && service->id < a->o.n_services) {
		snprintf(name, AGENT_NAME, "%s", a->service_names[service->id]);
		return;
	}
	if (a->n_names)
		found = bsearch(&key, a->names, a->n_names, sizeof(*a->names), by_id);
	if (found)
		snprintf(name, AGENT_NAME, "%s", found->name);
	else
		snprintf(name, AGENT_NAME, "cgroup %" PRIu64, service->id);
}
