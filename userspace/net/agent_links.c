// SPDX-License-Identifier: MIT
/* Links whose rate follows them: settings, readings of the qdisc and of connections, a rate. */
#include "net/agent_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "linux/ferry.h"
#include "net/device.h"
#include "net/qdisc.h"

enum {
	BYTES_PER_KBIT = 125,
	SEGMENTS_MIN = 100,	   /* of fewer no share is taken */
	SEGMENTS_US_MAX = 2000000, /* nor waited for longer for them */
	RESCAN_US = 10000000,	   /* a device may have come without a change of settings */
	ECHOES_MIN = 8,		   /* before reflectors are called silent */
	LINE = 800,
};

#define PULSE_NS 5000000000ull /* older events are no means' */

static struct ferry_agent_link *find(struct ferry_agent_link *links, size_t n, const char *device)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(links[i].settings.device, device))
			return &links[i];
	return NULL;
}

static bool same(const struct ferry_autorate_settings *one,
		 const struct ferry_autorate_settings *other)
{
	return one->identity == other->identity &&
	       one->limits.base_kbps == other->limits.base_kbps &&
	       one->limits.floor_kbps == other->limits.floor_kbps &&
	       one->limits.ceiling_kbps == other->limits.ceiling_kbps &&
	       one->n_reflectors == other->n_reflectors &&
	       !memcmp(one->reflectors, other->reflectors, sizeof(one->reflectors));
}

/* Those that stay keep what they have learned; of those whose settings changed it is gone. */
static void replace_links(struct ferry_agent *a, const struct ferry_autorate_settings *settings,
			  size_t n)
{
	struct ferry_agent_link *links = n ? calloc(n, sizeof(*links)) : NULL;

	if (n && !links)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct ferry_agent_link *was = find(a->links, a->n_links, settings[i].device);

		if (was && same(&was->settings, &settings[i])) {
			links[i] = *was;
			continue;
		}
		links[i].settings = settings[i];
		ferry_reflectors_begin(&links[i].reflectors, settings[i].reflectors,
				       settings[i].n_reflectors);
		ferry_log(a->log, FERRY_LOG_INFO,
			  "%s: the rate follows the link between %" PRIu32 " and %" PRIu32
			  " kbit/s, beginning at %" PRIu32,
			  settings[i].device, settings[i].limits.floor_kbps,
			  settings[i].limits.ceiling_kbps, settings[i].limits.base_kbps);
	}
	for (size_t i = 0; i < a->n_links; i++)
		if (!find(links, n, a->links[i].settings.device))
			ferry_log(a->log, FERRY_LOG_INFO, "%s: the rate stays where it is",
				  a->links[i].settings.device);
	free(a->links);
	a->links = links;
	a->n_links = n;
}

/* An interface of that name that came since is not the one that the operator spoke of. */
static void find_device(struct ferry_agent *a, struct ferry_agent_link *link)
{
	struct ferry_device device;
	struct ferry_error err;
	int ret = ferry_device_find(link->settings.device, &device, &err);

	if (ret) {
		link->ifindex = 0;
		ferry_agent_say(a, &link->said, FERRY_LOG_WARNING, "%s", err.text);
	} else if (!ferry_device_same(link->settings.identity, device.identity)) {
		link->ifindex = 0;
		ferry_agent_say(a, &link->said, FERRY_LOG_WARNING,
				"%s is another interface than the one that was brought up",
				link->settings.device);
	} else if (link->ifindex != device.index) {
		link->ifindex = device.index;
		link->stepped_us = 0;
		link->state = (struct ferry_autorate){0};
		ferry_reflectors_begin(&link->reflectors, link->settings.reflectors,
				       link->settings.n_reflectors);
	}
}

void ferry_agent_read_settings(struct ferry_agent *a, uint64_t now_us)
{
	static const struct ferry_autorate_settings none;
	struct ferry_autorate_settings settings[FERRY_AUTORATE_DEVICES_MAX] = {none};
	struct ferry_error err;
	int64_t changed = 0;
	struct stat st;
	size_t n;

	if (!stat(a->directory, &st))
		changed = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	if (changed == a->settings_ns && now_us < a->settings_retry_us)
		return;
	a->settings_retry_us = now_us + RESCAN_US;
	if (changed != a->settings_ns) {
		if (ferry_autorate_settings_list(a->directory, settings, &n, &err))
			ferry_agent_say(a, &a->said_settings, FERRY_LOG_WARNING, "%s", err.text);
		else
			a->said_settings.text[0] = 0;
		replace_links(a, settings, n);
		a->settings_ns = changed;
	}
	for (size_t i = 0; i < a->n_links; i++)
		find_device(a, &a->links[i]);
}

static struct ferry_autorate_value value(uint64_t v, uint64_t taken_us, uint64_t now_us)
{
	const uint64_t age_ms = now_us > taken_us ? (now_us - taken_us) / AGENT_USEC_PER_MSEC : 0;

	return (struct ferry_autorate_value){
		.known = true,
		.age_ms = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX,
		.value = v,
	};
}

/* nl80211's expectation where there is one, else the speed that the driver has agreed on. */
static void read_link_layer(const struct ferry_agent *a, const struct ferry_agent_link *link,
			    uint64_t now_us, struct ferry_autorate_input *in)
{
	const char *name = link->settings.device;
	const struct ferry_reading *netdev;
	struct ferry_reading wifi;

	if (a->wifi_us) {
		ferry_wifi_reading(a->stations, a->n_stations, name, link->ifindex, a->wifi_us,
				   &wifi);
		if (ferry_reading_has(&wifi, FERRY_CAPACITY_KBPS)) {
			in->link_kbps = value((uint64_t)wifi.value[FERRY_CAPACITY_KBPS], a->wifi_us,
					      now_us);
			return;
		}
	}
	netdev = a->readings ? ferry_reading_list_find(a->readings, FERRY_READING_OF_LINK, name)
			     : NULL;
	if (netdev && ferry_reading_has(netdev, FERRY_CAPACITY_KBPS))
		in->link_kbps = value((uint64_t)netdev->value[FERRY_CAPACITY_KBPS],
				      netdev->taken_us, now_us);
}

/* A share of the segments is known once there were enough of them. */
static void count_segments(struct ferry_agent_link *link, const struct ferry_flow_pulse *pulse,
			   uint64_t now_us)
{
	const uint64_t segments = pulse->segments - link->segments;

	if (pulse->segments < link->segments || pulse->retransmits < link->retransmits ||
	    !link->counted_us) {
		link->has_retransmit_ppm = false;
	} else if (segments >= SEGMENTS_MIN) {
		const uint64_t sent_again = pulse->retransmits - link->retransmits;

		link->has_retransmit_ppm = true;
		link->retransmit_ppm = sent_again < segments ? sent_again * FERRY_PPM / segments
							     : FERRY_PPM;
	} else if (now_us - link->counted_us < SEGMENTS_US_MAX) {
		return;
	} else {
		link->has_retransmit_ppm = false;
	}
	link->segments = pulse->segments;
	link->retransmits = pulse->retransmits;
	link->counted_us = now_us;
}

static void read_flows(struct ferry_agent *a, struct ferry_agent_link *link, uint64_t now_us,
		       uint64_t took_us, struct ferry_autorate_input *in)
{
	struct ferry_flow_pulse pulse;
	uint64_t newest_us;

	if (!a->flows)
		return;
	ferry_flow_table_pulse(ferry_flow_watch_table(a->flows), link->ifindex, now_us * 1000,
			       PULSE_NS, &pulse);
	newest_us = pulse.newest_ns / 1000;
	count_segments(link, &pulse, now_us);
	if (pulse.flows) {
		in->srtt_us = value(pulse.srtt_us, newest_us, now_us);
		in->growth_us = value(pulse.growth_us, newest_us, now_us);
		if (pulse.has_rttvar)
			in->rttvar_us = value(pulse.rttvar_us, newest_us, now_us);
		if (link->has_retransmit_ppm)
			in->retransmit_ppm = value(link->retransmit_ppm, link->counted_us, now_us);
		/* Connections that had to go from the table took their bytes along. */
		if (link->stepped_us && pulse.acked_bytes >= link->acked_bytes)
			in->acked_kbps =
				value((uint64_t)((double)(pulse.acked_bytes - link->acked_bytes) *
						 8000 / (double)took_us),
				      now_us, now_us);
	}
	link->acked_bytes = pulse.acked_bytes;
}

static void print_decision(struct ferry_agent *a, struct ferry_agent_link *link,
			   const struct ferry_autorate_decision *d)
{
	/* Another rate or reason is news; other steps are for who looks closely. */
	const bool news = !link->decided || d->kbps != d->input.present_kbps ||
			  d->reason != link->last.reason;
	char text[LINE];

	ferry_autorate_print(d, link->settings.device, text, sizeof(text));
	ferry_log(a->log, news ? FERRY_LOG_INFO : FERRY_LOG_DEBUG, "%s", text);
}

static void decide(struct ferry_agent *a, struct ferry_agent_link *link,
		   const struct ferry_qdisc *qdisc, const struct ferry_autorate_input *in)
{
	const uint32_t present = in->present_kbps;
	struct ferry_qdisc_wish wish = {.has_rate = true};
	struct ferry_autorate_decision d;
	struct ferry_error err;

	ferry_autorate_step(&link->settings.limits, &link->state, in, &d);
	print_decision(a, link, &d);
	/* The first answers may be on their way. */
	if (d.reason == FERRY_AUTORATE_UNKNOWN &&
	    (!link->settings.n_reflectors || link->echoes >= ECHOES_MIN))
		ferry_agent_say(a, &link->said_trips, FERRY_LOG_WARNING,
				link->settings.n_reflectors
					? "%s: autorate knows no round trips: no reflector answers"
					: "%s: autorate knows no round trips: --reflector",
				link->settings.device);
	else if (in->growth_us.known)
		link->said_trips.text[0] = 0;
	link->last = d;
	link->decided = true;
	link->decisions[d.reason]++;
	if (d.kbps == present)
		return;
	wish.rate = (uint64_t)d.kbps * BYTES_PER_KBIT;
	if (!ferry_qdisc_change(link->ifindex, qdisc, &wish, &err)) {
		link->changes++;
		return;
	}
	link->failures++;
	ferry_agent_say(a, &link->said, FERRY_LOG_WARNING,
			"%s: the rate stays at %" PRIu32 " kbit/s: %s", link->settings.device,
			present, err.text);
	/* Nobody else has changed it. */
	link->state.set_kbps = present;
	link->state.target_kbps = present;
}

/*
 * Whether it is worth asking after a queue. Senders give way to one: then far less is sent than
 * the rate allows.
 */
static bool is_busy(const struct ferry_agent_link *link, const struct ferry_autorate_input *in)
{
	return in->sent_kbps.known && (in->backlog_bytes.value ||
				       in->sent_kbps.value * 2 >= link->settings.limits.floor_kbps);
}

static bool step(struct ferry_agent *a, struct ferry_agent_link *link, uint64_t now_us)
{
	const uint64_t took_us = now_us - link->stepped_us;
	struct ferry_autorate_input in = {.now_ms = now_us / AGENT_USEC_PER_MSEC};
	const struct ferry_qdisc *root;
	struct ferry_qdiscs list = {0};
	struct ferry_error err;
	bool loaded = false;

	if (ferry_qdiscs_read(&list, link->ifindex, &err)) {
		ferry_agent_say(a, &link->said, FERRY_LOG_WARNING, "%s: %s", link->settings.device,
				err.text);
		link->stepped_us = 0;
		return false;
	}
	root = ferry_qdiscs_root(&list);
	if (!root || !root->is_ferry || !root->rate) {
		ferry_agent_say(
			a, &link->said, FERRY_LOG_WARNING,
			"%s has no qdisc ferry that shapes; there is nothing to follow with",
			link->settings.device);
		link->stepped_us = 0;
		ferry_qdiscs_free(&list);
		return false;
	}
	link->said.text[0] = 0;
	in.present_kbps = root->rate / BYTES_PER_KBIT < UINT32_MAX
				  ? (uint32_t)(root->rate / BYTES_PER_KBIT)
				  : UINT32_MAX;
	in.backlog_bytes = value(root->backlog, now_us, now_us);
	if (link->stepped_us && root->bytes >= link->sent_bytes)
		in.sent_kbps = value((uint64_t)((double)(root->bytes - link->sent_bytes) * 8000 /
						(double)took_us),
				     now_us, now_us);
	read_link_layer(a, link, now_us, &in);
	read_flows(a, link, now_us, took_us, &in);
	ferry_agent_read_echoes(link, now_us, &in);
	/* The first look only notes where the counters are. */
	if (in.sent_kbps.known) {
		decide(a, link, root, &in);
		loaded = link->last.loaded || in.backlog_bytes.value ||
			 (link->settings.n_reflectors && is_busy(link, &in));
	} else {
		loaded = true;
	}
	ferry_agent_send_echoes(a, link, now_us, is_busy(link, &in),
				FERRY_VERDICT(root->handle >> 16, FERRY_MINOR(FERRY_CLASS_CTRL, 0)),
				root->bytes);
	link->sent_bytes = root->bytes;
	link->stepped_us = now_us;
	ferry_qdiscs_free(&list);
	return loaded;
}

bool ferry_agent_follow(struct ferry_agent *a, uint64_t now_us)
{
	bool loaded = false;

	for (size_t i = 0; i < a->n_links; i++) {
		struct ferry_agent_link *link = &a->links[i];

		/* Called more often than that, for another's sake or a look's, it has to wait. */
		if (!link->ifindex)
			continue;
		if (link->stepped_us &&
		    now_us - link->stepped_us < FERRY_AUTORATE_STEP_MS * AGENT_USEC_PER_MSEC / 2) {
			loaded = loaded || link->last.loaded;
			continue;
		}
		loaded = step(a, link, now_us) || loaded;
	}
	return loaded;
}
