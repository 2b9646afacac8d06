// SPDX-License-Identifier: MIT
/* Stations of wireless interfaces, and what ferry.ko is told; both may come and go. */
#include "net/agent_private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "linux/ferry.h"
#include "net/push.h"

enum {
	RETRY_US = 10000000,
	STATIONS_US = 300000, /* that nl80211 may take */
	VALID_INTERVALS = 4,  /* a reading holds until four looks were missed */
};

void ferry_agent_look_at_wifi(struct ferry_agent *a, uint64_t now_us)
{
	struct ferry_error err;
	char path[300];

	if (!a->wifi) {
		snprintf(path, sizeof(path), "%s/class/ieee80211", a->root);
		if (now_us < a->wifi_retry_us || access(path, F_OK))
			return;
		a->wifi_retry_us = now_us + RETRY_US;
		if (ferry_wifi_open(&a->wifi, &err)) {
			a->wifi = NULL;
			ferry_agent_say(a, &a->said_wifi, FERRY_LOG_WARNING, "%s", err.text);
			return;
		}
	}
	if (ferry_wifi_stations(a->wifi, ferry_now_us() + STATIONS_US, a->stations, &a->n_stations,
				&err)) {
		ferry_agent_say(a, &a->said_wifi, FERRY_LOG_WARNING, "%s", err.text);
		ferry_wifi_close(a->wifi);
		a->wifi = NULL;
		a->wifi_retry_us = now_us + RETRY_US;
		return;
	}
	a->wifi_us = now_us;
	ferry_agent_say(a, &a->said_wifi, FERRY_LOG_INFO,
			"stations of wireless interfaces are read");
}

/* The module is asked for only where its sysfs says that it is there: a request loads nothing. */
static bool connect_module(struct ferry_agent *a, uint64_t now_us)
{
	char path[300];
	struct ferry_error err;

	if (a->family)
		return true;
	snprintf(path, sizeof(path), "%s/class/ferry_link", a->root);
	if (now_us < a->family_retry_us || access(path, F_OK))
		return false;
	if (ferry_family_open(&a->family, &err)) {
		a->family = NULL;
		a->family_retry_us = now_us + RETRY_US;
		ferry_agent_say(a, &a->said_push, FERRY_LOG_WARNING, "%s", err.text);
		return false;
	}
	a->module_seen++;
	ferry_agent_say(a, &a->said_push, FERRY_LOG_INFO, "ferry.ko is there: readings are pushed");
	return true;
}

/* What a push came back with when there is nobody any more to push to. */
static bool is_gone(const struct ferry_agent *a, int ret)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/class/ferry_link", a->root);
	return ret == -EIO || (ret && access(path, F_OK));
}

/* A network device or a source that went in between is no failure of the connection. */
static int push(struct ferry_agent *a, const struct ferry_reading *reading, uint64_t now_us)
{
	uint32_t valid_ms = (uint32_t)(a->interval_us / AGENT_USEC_PER_MSEC) * VALID_INTERVALS;
	struct ferry_key_values values;
	struct ferry_error err;
	int ret;

	if (valid_ms > FERRY_VALID_MS_MAX)
		valid_ms = FERRY_VALID_MS_MAX;
	/* Counted are messages: what has nothing to push is none. */
	if (!ferry_push_values(reading, valid_ms, now_us, &values))
		return 0;
	ret = ferry_net_push(
		a->family, reading->of == FERRY_READING_OF_LINK ? FERRY_NET_LINK : FERRY_NET_ENERGY,
		reading->name, &values, &err);
	if (!ret) {
		a->pushed++;
		return 0;
	}
	a->push_failures++;
	if (!is_gone(a, ret))
		ferry_agent_say(a, &a->said_push, FERRY_LOG_WARNING, "pushing a reading of %s: %s",
				reading->name, err.text);
	return ret;
}

static int push_link(struct ferry_agent *a, const struct ferry_reading *device, uint64_t now_us)
{
	struct ferry_reading wifi, flows = {0};
	int ret = 0;

	if (a->flows)
		ferry_flow_watch_reading(a->flows, device->name, device->ifindex, now_us, &flows);
	if (a->wifi_us == now_us) {
		ferry_wifi_reading(a->stations, a->n_stations, device->name, device->ifindex,
				   now_us, &wifi);
		/* Frames on the air that were sent again are no segments. */
		if (flows.present)
			wifi.present &= ~(1u << FERRY_RETRANSMIT_PPM);
		if (wifi.present)
			ret = push(a, &wifi, now_us);
	}
	if (!ret && flows.present)
		ret = push(a, &flows, now_us);
	return ret;
}

void ferry_agent_push(struct ferry_agent *a, uint64_t now_us)
{
	int ret = 0;

	if (!connect_module(a, now_us))
		return;
	for (size_t i = 0; i < a->readings->n; i++) {
		const struct ferry_reading *r = &a->readings->reading[i];

		ret = r->of == FERRY_READING_OF_LINK ? push_link(a, r, now_us) : push(a, r, now_us);
		if (!is_gone(a, ret))
			continue;
		ferry_family_close(a->family);
		a->family = NULL;
		a->module_uj = -1;
		ferry_agent_say(a, &a->said_push, FERRY_LOG_WARNING,
				"ferry.ko is gone; readings stay here until it comes back");
		return;
	}
}
