// SPDX-License-Identifier: MIT
/*
 * What the agent knows, for Prometheus. Nothing about single connections: sizes and times of a
 * token stream tell what is talked about. Everybody on this machine may ask, so that joules and
 * watts are rounded as in the sysfs of ferry.ko: finer ones tell what other processes compute.
 */
#include "net/agent_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/classifier.h"
#include "net/classifier_counters.h"
#include "net/qdisc.h"

enum { COARSE = 10000, SERVICES_SHOWN = 128, QDISCS_SHOWN = 64 };

#define COUNTER FERRY_EXPOSITION_COUNTER
#define GAUGE	FERRY_EXPOSITION_GAUGE

/* clang-format off */
static const char *const class_names[FERRY_CLASS_COUNT] = {
#define row(number, name, ...) [number] = name,
	FERRY_CLASS_TABLE(row)
#undef row
};
/* clang-format on */

static const char *const provenances[] = {
#define row(number, name) [number] = name,
	FERRY_PROVENANCE_TABLE(row)
#undef row
};

static const char *provenance_of(const struct ferry_reading *r)
{
	return r->provenance < sizeof(provenances) / sizeof(provenances[0]) &&
			       provenances[r->provenance]
		       ? provenances[r->provenance]
		       : "none";
}

static double coarse(uint64_t micro)
{
	return (double)(micro / COARSE * COARSE) / 1e6;
}

/* One value of all readings of a kind; @scale makes the base unit of it. */
static void show_quantity(struct ferry_exposition *e, const struct ferry_agent *a,
			  enum ferry_reading_of of, enum ferry_quantity quantity, double scale,
			  const char *name, const char *help)
{
	const char *label = of == FERRY_READING_OF_LINK ? "device" : "source";

	ferry_exposition_family(e, name, GAUGE, help);
	for (size_t i = 0; a->readings && i < a->readings->n; i++) {
		const struct ferry_reading *r = &a->readings->reading[i];
		double v = (double)r->value[quantity];

		if (r->of != of || !ferry_reading_has(r, quantity))
			continue;
		if (quantity == FERRY_POWER_UW)
			v = (double)(r->value[quantity] / COARSE * COARSE);
		ferry_exposition_sample(e, v * scale, label, r->name,
					of == FERRY_READING_OF_ENERGY ? "provenance" : NULL,
					provenance_of(r));
	}
}

static void show_links(struct ferry_exposition *e, const struct ferry_agent *a)
{
	ferry_exposition_family(e, "ferry_link_up", GAUGE,
				"Whether the network device is up and has a carrier.");
	for (size_t i = 0; a->readings && i < a->readings->n; i++) {
		const struct ferry_reading *r = &a->readings->reading[i];

		if (r->of == FERRY_READING_OF_LINK && ferry_reading_has(r, FERRY_STATE))
			ferry_exposition_count(e, r->value[FERRY_STATE] == FERRY_LINK_STATE_UP,
					       "device", r->name, NULL, NULL);
	}
	show_quantity(e, a, FERRY_READING_OF_LINK, FERRY_TX_RATE_KBPS, 125,
		      "ferry_link_transmit_bytes_per_second", "Bytes sent, over the last second.");
	show_quantity(e, a, FERRY_READING_OF_LINK, FERRY_RX_RATE_KBPS, 125,
		      "ferry_link_receive_bytes_per_second",
		      "Bytes received, over the last second.");
	show_quantity(e, a, FERRY_READING_OF_LINK, FERRY_CAPACITY_KBPS, 125,
		      "ferry_link_capacity_bytes_per_second",
		      "What the driver of the link says that it carries.");
}

/* Of wireless links, and what local connections tell of theirs. */
static void show_air_and_trips(struct ferry_exposition *e, const struct ferry_agent *a)
{
	static const struct {
		enum ferry_quantity quantity;
		double scale;
		bool of_flows;
		const char *name, *help;
	} rows[] = {
		{FERRY_SIGNAL_DBM, 1, false, "ferry_link_signal_dbm",
		 "Weakest signal of a station of the wireless device."},
		{FERRY_CAPACITY_KBPS, 125, false, "ferry_link_expected_bytes_per_second",
		 "Throughput that the wireless driver expects, of the slowest station."},
		{FERRY_SRTT_US, 1e-6, true, "ferry_link_srtt_seconds",
		 "Round trip of the local TCP connections over the device, weighted by bytes."},
		{FERRY_RTTVAR_US, 1e-6, true, "ferry_link_rttvar_seconds",
		 "Mean deviation of these round trips."},
		{FERRY_RETRANSMIT_PPM, 1e-6, true, "ferry_link_retransmit_ratio",
		 "Segments of these connections that were sent again, of those sent."},
	};
	const uint64_t now_us = ferry_now_us();

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		ferry_exposition_family(e, rows[row].name, GAUGE, rows[row].help);
		for (size_t i = 0; a->readings && i < a->readings->n; i++) {
			const struct ferry_reading *device = &a->readings->reading[i];
			struct ferry_reading r = {0};

			if (device->of != FERRY_READING_OF_LINK)
				continue;
			if (rows[row].of_flows && a->flows)
				ferry_flow_watch_reading(a->flows, device->name, device->ifindex,
							 now_us, &r);
			else if (!rows[row].of_flows && a->wifi_us)
				ferry_wifi_reading(a->stations, a->n_stations, device->name,
						   device->ifindex, a->wifi_us, &r);
			if (ferry_reading_has(&r, rows[row].quantity))
				ferry_exposition_sample(
					e, (double)r.value[rows[row].quantity] * rows[row].scale,
					"device", device->name, NULL, NULL);
		}
	}
}

/* A device with a qdisc of kind ferry at its root. */
struct shown {
	char device[FERRY_READING_NAME];
	struct ferry_qdisc qdisc;
};

/* Without the module there is none, and nobody has to be asked. */
static size_t read_qdiscs(const struct ferry_agent *a, struct shown *shown)
{
	size_t n = 0;

	for (size_t i = 0; a->family && a->readings && i < a->readings->n && n < QDISCS_SHOWN;
	     i++) {
		const struct ferry_reading *r = &a->readings->reading[i];
		const struct ferry_qdisc *root;
		struct ferry_qdiscs list;

		if (r->of != FERRY_READING_OF_LINK || ferry_qdiscs_read(&list, r->ifindex, NULL))
			continue;
		root = ferry_qdiscs_root(&list);
		if (root && root->is_ferry) {
			shown[n].qdisc = *root;
			snprintf(shown[n++].device, FERRY_READING_NAME, "%s", r->name);
		}
		ferry_qdiscs_free(&list);
	}
	return n;
}

/* A u64 of the qdisc and one of each of its classes, by where they are. */
static void show_class_counter(struct ferry_exposition *e, const struct shown *shown, size_t n,
			       size_t offset, const char *name, const char *help)
{
	ferry_exposition_family(e, name, COUNTER, help);
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < FERRY_CLASS_COUNT; c++) {
			uint64_t v;

			memcpy(&v, (const char *)&shown[i].qdisc.classes[c] + offset, sizeof(v));
			ferry_exposition_count(e, v, "device", shown[i].device, "class",
					       class_names[c]);
		}
}

static void show_qdiscs(struct ferry_exposition *e, const struct ferry_agent *a)
{
	struct shown *shown = calloc(QDISCS_SHOWN, sizeof(*shown));
	const size_t n = shown ? read_qdiscs(a, shown) : 0;

#define counter(member, name, help) \
	show_class_counter(e, shown, n, offsetof(struct ferry_qdisc_class, member), name, help)
	counter(bytes, "ferry_class_sent_bytes_total", "Bytes of the class that left the qdisc.");
	counter(packets, "ferry_class_sent_packets_total",
		"Packets of the class that left the qdisc.");
	counter(drops, "ferry_class_dropped_packets_total",
		"Packets of the class that were dropped.");
	counter(marks, "ferry_class_marked_packets_total",
		"Packets of the class that got a congestion mark (CE).");
	counter(late, "ferry_class_late_packets_total",
		"Packets of the class that left after their deadline.");
#undef counter
	ferry_exposition_family(e, "ferry_class_backlog_bytes", GAUGE,
				"Bytes of the class that wait in the qdisc.");
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < FERRY_CLASS_COUNT; c++)
			ferry_exposition_count(e, shown[i].qdisc.classes[c].backlog, "device",
					       shown[i].device, "class", class_names[c]);
	ferry_exposition_family(e, "ferry_qdisc_sent_bytes_total", COUNTER,
				"Bytes that left the qdisc.");
	for (size_t i = 0; i < n; i++)
		ferry_exposition_count(e, shown[i].qdisc.bytes, "device", shown[i].device, NULL,
				       NULL);
	ferry_exposition_family(e, "ferry_qdisc_rate_bytes_per_second", GAUGE,
				"Rate that the qdisc shapes at; 0 where it does not.");
	for (size_t i = 0; i < n; i++)
		ferry_exposition_count(e, shown[i].qdisc.rate, "device", shown[i].device, NULL,
				       NULL);
	ferry_exposition_family(e, "ferry_qdisc_memory_bytes", GAUGE,
				"Memory of the packets that wait in the qdisc.");
	for (size_t i = 0; i < n; i++)
		ferry_exposition_count(e, shown[i].qdisc.memory, "device", shown[i].device, NULL,
				       NULL);
	free(shown);
}

/* Who decided, and no more of it: classes are the qdisc's to count. */
static void show_classifiers(struct ferry_exposition *e, const struct ferry_agent *a)
{
	uint64_t packets[FERRY_CLASSIFY_SOURCES];

	ferry_exposition_family(e, "ferry_classifier_decided_packets_total", COUNTER,
				"Packets whose class the classifier knows, by who decided it.");
	for (size_t i = 0; a->readings && i < a->readings->n; i++) {
		const struct ferry_reading *r = &a->readings->reading[i];

		if (r->of != FERRY_READING_OF_LINK ||
		    ferry_classifier_counters(r->ifindex, NULL, packets, NULL))
			continue;
		for (unsigned int s = 0; s < FERRY_CLASSIFY_SOURCES; s++)
			ferry_exposition_count(e, packets[s], "device", r->name, "source",
					       ferry_classifier_source_name(s));
	}
}

static void show_energy(struct ferry_exposition *e, const struct ferry_agent *a)
{
	show_quantity(e, a, FERRY_READING_OF_ENERGY, FERRY_POWER_UW, 1e-6,
		      "ferry_energy_source_watts", "Power of a source of energy readings.");
	show_quantity(e, a, FERRY_READING_OF_ENERGY, FERRY_TEMPERATURE_MDEG, 1e-3,
		      "ferry_energy_source_celsius", "Temperature of a source.");
	show_quantity(e, a, FERRY_READING_OF_ENERGY, FERRY_BATTERY_PPM, 1e-6,
		      "ferry_energy_battery_ratio", "Charge of a battery.");
	ferry_exposition_family(
		e, "ferry_machine_joules_total", COUNTER,
		"Energy of the machine since the agent began, as far as it is known.");
	ferry_exposition_sample(
		e, coarse(a->attribution ? ferry_attribution_total_uj(a->attribution) : 0), NULL,
		NULL, NULL, NULL);
	ferry_exposition_family(e, "ferry_machine_unattributed_joules_total", COUNTER,
				"The part of it that no service took: the idle machine above all.");
	ferry_exposition_sample(
		e, coarse(a->attribution ? ferry_attribution_rest_uj(a->attribution) : 0), NULL,
		NULL, NULL, NULL);
}

static const char *kind_of(const struct ferry_service *s)
{
	return s->kind == FERRY_ENERGY_USER_PROCESS ? "process" : "cgroup";
}

static void show_services(struct ferry_exposition *e, struct ferry_agent *a)
{
	const struct ferry_service *s = NULL;
	char name[AGENT_NAME];
	size_t n = 0, left = 0, shown;

	if (a->attribution)
		s = ferry_attribution_services(a->attribution, &n);
	ferry_agent_find_names(a);
	shown = n < SERVICES_SHOWN ? n : SERVICES_SHOWN;
	/* Registered processes are last by kind and must not be what is left out. */
	while (left < n - shown && s[n - 1].kind == FERRY_ENERGY_USER_PROCESS &&
	       s[left].kind != FERRY_ENERGY_USER_PROCESS)
		left++;
	ferry_exposition_family(e, "ferry_service_joules_total", COUNTER,
				"Energy attributed to a control group or a registered process.");
	for (size_t i = left; i < left + shown; i++) {
		ferry_agent_service_name(a, &s[i], name);
		ferry_exposition_sample(e, coarse(s[i].energy_uj), "service", name, "kind",
					kind_of(&s[i]));
	}
	ferry_exposition_family(e, "ferry_service_cpu_seconds_total", COUNTER,
				"Processor time of it.");
	for (size_t i = left; i < left + shown; i++) {
		ferry_agent_service_name(a, &s[i], name);
		ferry_exposition_sample(e, (double)(s[i].at.cpu_ns / 1000000) / 1000, "service",
					name, "kind", kind_of(&s[i]));
	}
}

static void show_autorate(struct ferry_exposition *e, const struct ferry_agent *a)
{
	ferry_exposition_family(e, "ferry_autorate_decisions_total", COUNTER,
				"Steps of the rate controller, by the reason of their outcome.");
	for (size_t i = 0; i < a->n_links; i++)
		for (int reason = 0; reason < FERRY_AUTORATE_REASONS; reason++)
			ferry_exposition_count(
				e, a->links[i].decisions[reason], "device",
				a->links[i].settings.device, "reason",
				ferry_autorate_reason((enum ferry_autorate_reason)reason));
	ferry_exposition_family(e, "ferry_autorate_changes_total", COUNTER,
				"Changes of the rate that it made.");
	for (size_t i = 0; i < a->n_links; i++)
		ferry_exposition_count(e, a->links[i].changes, "device",
				       a->links[i].settings.device, NULL, NULL);
	ferry_exposition_family(e, "ferry_autorate_failures_total", COUNTER,
				"Changes that the kernel refused.");
	for (size_t i = 0; i < a->n_links; i++)
		ferry_exposition_count(e, a->links[i].failures, "device",
				       a->links[i].settings.device, NULL, NULL);
	ferry_exposition_family(e, "ferry_autorate_delay_seconds", GAUGE,
				"Queueing delay behind our own queue, as last seen.");
	for (size_t i = 0; i < a->n_links; i++)
		if (a->links[i].decided)
			ferry_exposition_sample(e, (double)a->links[i].last.delay_us / 1e6,
						"device", a->links[i].settings.device, NULL, NULL);
}

static void show_echoes(struct ferry_exposition *e, const struct ferry_agent *a)
{
	const uint64_t now_us = ferry_now_us();
	struct ferry_reflectors_sum sum;

	ferry_exposition_family(e, "ferry_autorate_echoes_total", COUNTER,
				"Echoes that reflectors of the link were asked for.");
	for (size_t i = 0; i < a->n_links; i++)
		ferry_exposition_count(e, a->links[i].echoes, "device", a->links[i].settings.device,
				       NULL, NULL);
	ferry_exposition_family(e, "ferry_autorate_answers_total", COUNTER,
				"Echoes that they answered.");
	for (size_t i = 0; i < a->n_links; i++)
		ferry_exposition_count(e, a->links[i].answers, "device",
				       a->links[i].settings.device, NULL, NULL);
	ferry_exposition_family(e, "ferry_autorate_round_trip_seconds", GAUGE,
				"Round trip to the reflectors, as last seen.");
	for (size_t i = 0; i < a->n_links; i++) {
		ferry_reflectors_sum(&a->links[i].reflectors, now_us, &sum);
		if (sum.known)
			ferry_exposition_sample(e, (double)sum.srtt_us / 1e6, "device",
						a->links[i].settings.device, NULL, NULL);
	}
}

/* Pages of the process that are in memory. */
static uint64_t resident_pages(void)
{
	unsigned long long total, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident;
}

static void show_one(struct ferry_exposition *e, enum ferry_exposition_type type, const char *name,
		     const char *help, uint64_t value)
{
	ferry_exposition_family(e, name, type, help);
	ferry_exposition_count(e, value, NULL, NULL, NULL, NULL);
}

static void show_agent(struct ferry_exposition *e, const struct ferry_agent *a)
{
	struct ferry_flow_watch_counts flows = {0};
	struct rusage use = {0};

	getrusage(RUSAGE_SELF, &use);
	if (a->flows)
		ferry_flow_watch_counts(a->flows, &flows, NULL);
	ferry_exposition_family(e, "ferry_agent_info", GAUGE, "Version of the agent.");
	ferry_exposition_count(e, 1, "version", a->o.version ? a->o.version : "?", NULL, NULL);
	show_one(e, GAUGE, "ferry_agent_module_loaded",
		 "Whether ferry.ko is there to be pushed into.", !!a->family);
	show_one(e, GAUGE, "ferry_agent_flow_watch", "Whether connections are watched by BPF.",
		 !!a->flows);
	show_one(e, GAUGE, "ferry_agent_energy_watch", "Whether energy is attributed by BPF.",
		 !!a->energy);
	show_one(e, COUNTER, "ferry_agent_looks_total", "Looks at links and energy.", a->looks);
	show_one(e, COUNTER, "ferry_agent_pushed_total", "Readings pushed into ferry.ko.",
		 a->pushed);
	show_one(e, COUNTER, "ferry_agent_push_failures_total",
		 "Readings that ferry.ko did not take.", a->push_failures);
	show_one(e, GAUGE, "ferry_agent_denied_files",
		 "Files of readings that the agent may not read.",
		 a->readings ? a->readings->denied : 0);
	show_one(e, COUNTER, "ferry_agent_flow_events_total", "Events of connections.",
		 flows.events);
	show_one(e, COUNTER, "ferry_agent_flow_events_lost_total",
		 "Events of connections for which there was no room.", flows.lost);
	show_one(e, COUNTER, "ferry_agent_scrapes_total", "Times that metrics were asked for.",
		 a->server ? ferry_metrics_server_requests(a->server) : 0);
	ferry_exposition_family(e, "process_cpu_seconds_total", COUNTER,
				"Processor time of the agent.");
	ferry_exposition_sample(e,
				(double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
					(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6,
				NULL, NULL, NULL, NULL);
	show_one(e, GAUGE, "process_resident_memory_bytes", "Memory of the agent.",
		 resident_pages() * (uint64_t)sysconf(_SC_PAGESIZE));
}

void ferry_agent_metrics(struct ferry_exposition *text, void *agent)
{
	struct ferry_agent *a = agent;

	show_links(text, a);
	show_air_and_trips(text, a);
	show_qdiscs(text, a);
	show_classifiers(text, a);
	show_energy(text, a);
	show_services(text, a);
	show_autorate(text, a);
	show_echoes(text, a);
	show_agent(text, a);
}
