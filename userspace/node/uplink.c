// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "node/uplink_private.h"

enum {
	DEFAULT_DEADLINE_MS = 5000,
	ANSWER_FACTOR = 24,
	PING_AFTER_MS = 500, /* of silence while an answer is owed */
	N_BUFFERS = 32,
	MAX_LINKS = 1 + FERRY_MAX_ENDPOINTS, /* those that failed close in the background */
};

static bool cancelled(const struct ferry_uplink *u)
{
	return u->options.cancel && atomic_load(u->options.cancel);
}

static void send_heartbeat(struct ferry_uplink *u, uint64_t now)
{
	struct ferry_wire_message ping = {.type = FERRY_MESSAGE_PING, .ping = {.stamp = now}};

	if (ferry_link_sent(u->link) != u->beats_end)
		u->beats_begin = ferry_link_sent(u->link);
	ferry_link_send(u->link, &ping, NULL);
	u->beats_end = ferry_link_sent(u->link);
	u->ping_us = now;
}

/*
 * When the edge, or the TCP of its host, last gave a sign of life. While a long upload is on its
 * way, acknowledgements are all that can come. Those of our own heartbeats say nothing: the host
 * of an edge that hangs acknowledges them for ever.
 */
static uint64_t alive_us(struct ferry_uplink *u, uint64_t start, uint64_t now)
{
	uint64_t heard = ferry_link_heard_us(u->link), sent = ferry_link_sent(u->link);
	uint64_t beats = sent == u->beats_end ? sent - u->beats_begin : 0;
	size_t unacked = ferry_link_unacked(u->link);

	/* Twice, because what is being sent counts as unsent and as unacknowledged. */
	if (unacked < u->unacked && u->unacked > 2 * beats)
		u->acked_us = now;
	u->unacked = unacked;
	if (heard < u->acked_us)
		heard = u->acked_us;
	return heard > start ? heard : start;
}

int ferry_uplink_wait_step(struct ferry_uplink *u, uint64_t start, struct ferry_error *err)
{
	uint64_t now = ferry_now_us(), heard, silent_by, ping_at, until;
	uint64_t answer_by = start + 1000ull * u->options.answer_ms;
	int ret;

	if (!u->link)
		return ferry_uplink_lost(u, err);
	if (cancelled(u))
		return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
	heard = alive_us(u, start, now);
	silent_by = heard + 1000ull * u->options.deadline_ms;
	if (now >= silent_by)
		return ferry_uplink_lose(u, FERRY_ERROR_LINK, -ETIMEDOUT, err,
					 "lost %s: nothing came from it for %u ms", u->name,
					 u->options.deadline_ms);
	if (now >= answer_by)
		return ferry_uplink_lose(u, FERRY_ERROR_LINK, -ETIMEDOUT, err,
					 "gave up on %s: it is alive but has not answered in %u ms",
					 u->name, u->options.answer_ms);
	ping_at = (u->ping_us > heard ? u->ping_us : heard) + 1000ull * PING_AFTER_MS;
	if (u->connected && u->welcome.version && now >= ping_at) {
		send_heartbeat(u, now);
		ping_at = now + 1000ull * PING_AFTER_MS;
	}
	until = silent_by < answer_by ? silent_by : answer_by;
	if (ping_at < until && ping_at > now)
		until = ping_at;
	ret = ferry_loop_turn(u->loop, until, err);
	if (ret && u->link)
		ferry_uplink_lose(u, FERRY_ERROR_SYSTEM, ret, NULL, "%s",
				  err ? err->text : "io_uring");
	return ret;
}

static int connect_one(struct ferry_uplink *u, const struct ferry_endpoint *e,
		       struct ferry_error *err)
{
	char text[FERRY_ENDPOINT_TEXT];
	uint64_t start = ferry_now_us();
	int ret;

	ferry_endpoint_text(e, text);
	snprintf(u->name, sizeof(u->name), "the edge %s", text);
	u->lost = (struct ferry_error){0};
	ret = ferry_loop_connect(u->loop, e, &ferry_uplink_handler, u, &u->link, err);
	while (!ret && !u->connected)
		ret = ferry_uplink_wait_step(u, start, err);
	return ret;
}

static int connect_any(struct ferry_uplink *u, struct ferry_error *err)
{
	struct ferry_endpoint endpoints[FERRY_MAX_ENDPOINTS];
	unsigned n;
	int ret = ferry_address_resolve(&u->address, endpoints, &n, err);

	if (ret)
		return ret;
	if (!u->address.port)
		return ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				  "\"%s\": port 0 cannot be connected to", u->options.edge);
	for (unsigned i = 0; i < n; i++) {
		ret = u->options.tls
			      ? 0
			      : ferry_endpoint_check_plaintext(&endpoints[i], u->options.insecure,
							       "connect to", err);
		if (!ret)
			ret = connect_one(u, &endpoints[i], err);
		if (!ret || ret == -EPERM || ret == -EACCES || ret == -ECANCELED)
			return ret;
	}
	return ret;
}

static int greet(struct ferry_uplink *u, struct ferry_error *err)
{
	struct ferry_wire_message m = {.type = FERRY_MESSAGE_HELLO, .hello = u->hello};
	int ret = ferry_uplink_ask(u, &m, FERRY_MESSAGE_WELCOME, err);

	/* The link may have gone right behind the WELCOME, or because of what it says. */
	return ret || u->link ? ret : ferry_uplink_lost(u, err);
}

int ferry_uplink_connect(const struct ferry_uplink_options *o, const struct ferry_wire_hello *hello,
			 struct ferry_uplink **out, struct ferry_error *err)
{
	struct ferry_uplink *u = calloc(1, sizeof(*u));
	struct ferry_loop_options lo = {.max_links = MAX_LINKS, .n_buffers = N_BUFFERS};
	int ret;

	*out = NULL;
	if (!u)
		return ferry_fail_memory(err, "a connection to the edge", sizeof(*u));
	u->options = *o;
	u->hello = *hello;
	u->hello.version_min = FERRY_WIRE_VERSION_MIN;
	u->hello.version_max = FERRY_WIRE_VERSION_MAX;
	u->works_tail = &u->works;
	if (!u->options.deadline_ms)
		u->options.deadline_ms = DEFAULT_DEADLINE_MS;
	if (!u->options.answer_ms)
		u->options.answer_ms = u->options.deadline_ms < UINT32_MAX / ANSWER_FACTOR
					       ? u->options.deadline_ms * ANSWER_FACTOR
					       : UINT32_MAX;
	lo.times.connect_ms = lo.times.greeting_ms = lo.times.stall_ms = u->options.deadline_ms;
	/* Who has been revoked since the last connection is not connected to again; a trust file
	 * that cannot be read any more changes nothing. */
	if (u->options.tls)
		ferry_tls_context_refresh(u->options.tls, NULL);
	lo.tls = u->options.tls;
	lo.host = u->address.host;
	ret = ferry_address_parse(u->options.edge, &u->address, err);
	if (!ret)
		ret = ferry_loop_new(&lo, &u->loop, err);
	if (!ret)
		ret = connect_any(u, err);
	if (!ret) {
		ferry_uplink_set_class(u, FERRY_TRAFFIC_DECODE);
		ret = greet(u, err);
	}
	if (ret) {
		ferry_uplink_free(u);
		return ret;
	}
	*out = u;
	return 0;
}

void ferry_uplink_free(struct ferry_uplink *u)
{
	struct ferry_wire_message bye = {.type = FERRY_MESSAGE_BYE};

	if (!u)
		return;
	if (u->link) {
		if (u->welcome.version)
			ferry_link_send(u->link, &bye, NULL);
		ferry_link_finish(u->link);
	}
	ferry_loop_free(u->loop);
	while (u->works)
		ferry_uplink_pop(u);
	ferry_uplink_free_pending(u->query);
	free(u->kept);
	free(u);
}

const struct ferry_wire_welcome *ferry_uplink_welcome(const struct ferry_uplink *u)
{
	return &u->welcome;
}

void ferry_uplink_wake(struct ferry_uplink *u)
{
	ferry_loop_wake(u->loop);
}

void ferry_uplink_set_class(struct ferry_uplink *u, enum ferry_traffic_class c)
{
	if (u->link)
		ferry_link_set_class(u->link, c);
}

void ferry_uplink_get_stats(const struct ferry_uplink *u, struct ferry_uplink_stats *stats)
{
	*stats = u->stats;
	if (u->link) {
		stats->bytes_sent = ferry_link_sent(u->link);
		stats->bytes_received = ferry_link_received(u->link);
	}
}
