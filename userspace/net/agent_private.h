/* SPDX-License-Identifier: MIT */
/* The parts of the agent, for the files agent*.c only. */
#ifndef FERRY_NET_AGENT_PRIVATE_H
#define FERRY_NET_AGENT_PRIVATE_H

#include "net/agent.h"
#include "net/autorate.h"
#include "net/autorate_settings.h"
#include "net/energy_watch.h"
#include "net/exposition.h"
#include "net/family.h"
#include "net/flow_watch.h"
#include "net/metrics_server.h"
#include "net/pinger.h"
#include "net/reflectors.h"
#include "telemetry/telemetry.h"
#include "telemetry/wifi.h"

enum {
	AGENT_USEC_PER_MSEC = 1000,
	AGENT_USEC_PER_SEC = 1000000,
	AGENT_NAME = 128, /* of a service */
};

/* Says something once, and again only when something else was said in between. */
struct ferry_agent_once {
	char text[300];
};

/* An interface whose rate follows its link. */
struct ferry_agent_link {
	struct ferry_autorate_settings settings;
	uint32_t ifindex;
	struct ferry_autorate state;
	struct ferry_autorate_decision last;
	bool decided;	     /* `last` is one */
	uint64_t stepped_us; /* 0: the counters below mean nothing yet */
	uint64_t sent_bytes, acked_bytes;
	uint64_t segments, retransmits, retransmit_ppm, counted_us;
	bool has_retransmit_ppm;
	uint64_t decisions[FERRY_AUTORATE_REASONS], changes, failures;
	struct ferry_reflectors reflectors;
	uint64_t echoes, answers;
	struct ferry_agent_once said, said_trips;
};

/* A name of a cgroup, found by its number. */
struct ferry_agent_name {
	uint64_t id;
	char name[AGENT_NAME];
};

struct ferry_agent {
	struct ferry_agent_options o;
	char root[256], directory[256];
	struct ferry_agent_service services[FERRY_AGENT_SERVICES_MAX];
	char service_names[FERRY_AGENT_SERVICES_MAX][AGENT_NAME];
	const struct ferry_log *log;
	int epoll, signals, timer, lock, notify;
	uint64_t watchdog_us, interval_us, next_look_us, started_us;
	bool stop, rescan;

	struct ferry_telemetry *telemetry;
	const struct ferry_reading_list *readings; /* NULL before the first look */
	struct ferry_reading total;
	struct ferry_wifi *wifi;
	struct ferry_wifi_station *stations; /* [FERRY_WIFI_STATIONS_MAX] */
	size_t n_stations;
	uint64_t wifi_us; /* when the stations were read; 0: never */
	uint64_t wifi_retry_us;
	struct ferry_flow_watch *flows;

	struct ferry_energy_watch *energy;
	struct ferry_attribution *attribution;
	struct ferry_energy_snapshot snapshot;
	uint64_t energy_us; /* up to when energy is handed out; 0: not begun */
	int64_t module_uj;  /* counter of the module's total; -1: none */
	struct ferry_agent_name *names;
	size_t n_names;

	struct ferry_family *family;
	uint64_t family_retry_us;

	struct ferry_agent_link *links; /* [n_links] */
	size_t n_links;
	int64_t settings_ns; /* when the directory of settings last changed */
	uint64_t settings_retry_us;

	struct ferry_pinger *pinger; /* NULL: reflectors are not asked */
	struct ferry_metrics_server *server;
	struct ferry_agent_once said_push, said_wifi, said_energy, said_settings;
	uint64_t looks, pushed, push_failures, module_seen;
};

void ferry_agent_say(struct ferry_agent *a, struct ferry_agent_once *once,
		     enum ferry_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* agent_push.c: stations, and what ferry.ko is told. */
void ferry_agent_look_at_wifi(struct ferry_agent *a, uint64_t now_us);
void ferry_agent_push(struct ferry_agent *a, uint64_t now_us);

/* agent_energy.c */
int ferry_agent_open_energy(struct ferry_agent *a, struct ferry_error *err);
void ferry_agent_attribute(struct ferry_agent *a, uint64_t now_us);
/* Name of a service into @name; of a cgroup that nobody finds its number. */
void ferry_agent_service_name(struct ferry_agent *a, const struct ferry_service *service,
			      char name[AGENT_NAME]);
void ferry_agent_find_names(struct ferry_agent *a);

/* agent_links.c */
void ferry_agent_read_settings(struct ferry_agent *a, uint64_t now_us);
/* A step of each link that follows. Return: whether one of them is loaded. */
bool ferry_agent_follow(struct ferry_agent *a, uint64_t now_us);

/* agent_echoes.c */
void ferry_agent_open_echoes(struct ferry_agent *a);
/* Echoes that are due. @priority: verdict that lets them pass our own queue */
void ferry_agent_send_echoes(struct ferry_agent *a, struct ferry_agent_link *link, uint64_t now_us,
			     bool busy, uint32_t priority, uint64_t sent_bytes);
/* Replies, and whether @fd is where they come in. */
bool ferry_agent_take_echoes(struct ferry_agent *a, int fd);
/* What the reflectors of a link say, in place of what local connections do. */
void ferry_agent_read_echoes(struct ferry_agent_link *link, uint64_t now_us,
			     struct ferry_autorate_input *in);

/* agent_metrics.c */
void ferry_agent_metrics(struct ferry_exposition *text, void *agent);

#endif
