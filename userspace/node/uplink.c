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
	AWAY_US = 20000,     /* shorter absences from the sockets do not count */
	PING_AFTER_MS = 500, /* of silence while an answer is owed */
	/* The same where somebody can go on without this edge. */
	BEAT_AFTER_MS = 25,
	BEAT_RTTS = 2,
	SILENCE_DEVIATIONS = 8, /* of the round trip, beside twice its mean */
	/* What is on its way before a heartbeat needs time of its own: beyond so many bytes, at the
	 * rate of a poor link. */
	FREE_UNACKED = 16 << 10,
	POOR_RATE = 64 << 10, /* bytes a second */
	PROBE_BYTES = 16 << 10,
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

void ferry_uplink_probe(struct ferry_uplink *u, bool rate)
{
	struct ferry_wire_message ping = {.type = FERRY_MESSAGE_PING};
	uint64_t now = ferry_now_us();

	if (!u->link || !u->welcome.version || ferry_link_unsent(u->link))
		return;
	send_heartbeat(u, now);
	if (!rate)
		return;
	u->probe_us = now + 1; /* another stamp than the heartbeat's */
	ping.ping = (struct ferry_wire_ping){.stamp = u->probe_us, .n_payload = PROBE_BYTES};
	ferry_link_send(u->link, &ping, NULL);
}

void ferry_uplink_learn_probe(struct ferry_uplink *u)
{
	uint64_t took = ferry_now_us() - u->probe_us, was = u->stats.up_bytes_per_s, rate;

	if (took <= u->stats.rtt_us)
		took = u->stats.rtt_us + 1;
	rate = PROBE_BYTES * 1000000ull / (took - u->stats.rtt_us);
	u->stats.up_bytes_per_s = was ? (3 * was + rate) / 4 : rate;
	u->probe_us = 0;
}

void ferry_uplink_learn_rtt(struct ferry_uplink *u, uint64_t us)
{
	struct ferry_uplink_stats *s = &u->stats;
	uint64_t off = us > s->rtt_us ? us - s->rtt_us : s->rtt_us - us;

	s->rttvar_us = s->rtt_us ? (3 * s->rttvar_us + off) / 4 : us / 2;
	s->rtt_us = s->rtt_us ? (7 * s->rtt_us + us) / 8 : us;
}

/* Silence after which an edge that owes an answer is asked for a sign of life. */
static uint64_t beat_after_us(const struct ferry_uplink *u)
{
	uint64_t us = BEAT_RTTS * u->stats.rtt_us;

	if (!u->options.silence_ms || us > 1000ull * PING_AFTER_MS)
		return 1000ull * PING_AFTER_MS;
	return us > 1000ull * BEAT_AFTER_MS ? us : 1000ull * BEAT_AFTER_MS;
}

/* How long it may leave that unanswered. */
static uint64_t patience_us(const struct ferry_uplink *u)
{
	const struct ferry_uplink_stats *s = &u->stats;
	uint64_t most = 1000ull * u->options.deadline_ms;
	uint64_t least = 1000ull * u->options.silence_ms;
	uint64_t us = 2 * s->rtt_us + SILENCE_DEVIATIONS * s->rttvar_us;

	if (us < least)
		us = least;
	if (u->unacked > FREE_UNACKED)
		us += (u->unacked - FREE_UNACKED) * 1000000ull / POOR_RATE;
	return us < most ? us : most;
}

/* By when a sign of life must come. */
static uint64_t silence_deadline(struct ferry_uplink *u, uint64_t heard)
{
	uint64_t by = heard + 1000ull * u->options.deadline_ms, beat_by;

	if (u->beat_us && heard >= u->beat_us)
		u->beat_us = 0;
	if (!u->options.silence_ms || !u->beat_us)
		return by;
	beat_by = u->beat_us + patience_us(u);
	return beat_by < by ? beat_by : by;
}

/* Whether the peer is still worth waiting for; *until receives when to look again. */
static int check_time(struct ferry_uplink *u, uint64_t start, uint64_t *until,
		      struct ferry_error *err)
{
	uint64_t now = ferry_now_us(), heard = alive_us(u, start, now), ping_at;
	uint64_t silent_by = silence_deadline(u, heard);
	uint64_t answer_by = start + 1000ull * u->options.answer_ms;

	if (now >= silent_by)
		return ferry_uplink_lose(u, FERRY_ERROR_LINK, -ETIMEDOUT, err,
					 "lost %s: nothing came from it for %llu ms", u->name,
					 (unsigned long long)(silent_by - heard) / 1000);
	if (now >= answer_by)
		return ferry_uplink_lose(u, FERRY_ERROR_LINK, -ETIMEDOUT, err,
					 "gave up on %s: it is alive but has not answered in %u ms",
					 u->name, u->options.answer_ms);
	ping_at = (u->ping_us > heard ? u->ping_us : heard) + beat_after_us(u);
	if (u->connected && u->welcome.version && now >= ping_at) {
		send_heartbeat(u, now);
		if (!u->beat_us)
			u->beat_us = now;
		ping_at = now + beat_after_us(u);
		silent_by = silence_deadline(u, heard);
	}
	*until = silent_by < answer_by ? silent_by : answer_by;
	if (ping_at < *until && ping_at > now)
		*until = ping_at;
	return 0;
}

int ferry_uplink_look(struct ferry_uplink *u, uint64_t start, struct ferry_error *err)
{
	uint64_t until, now;
	int ret = ferry_loop_turn(u->loop, 0, err);

	if (ret)
		return ret;
	/* What the edge was not asked while nobody looked, it could not answer. */
	now = ferry_now_us();
	if (now - u->looked_us > AWAY_US)
		u->back_us = now;
	u->looked_us = now;
	if (!u->link)
		return ferry_uplink_lost(u, err);
	return check_time(u, start > u->back_us ? start : u->back_us, &until, err);
}

int ferry_uplink_wait_step(struct ferry_uplink *u, uint64_t start, struct ferry_error *err)
{
	uint64_t until;
	int ret;

	if (!u->link)
		return ferry_uplink_lost(u, err);
	if (cancelled(u))
		return ferry_fail(err, FERRY_ERROR_CANCELLED, -ECANCELED, "cancelled");
	ret = check_time(u, start, &until, err);
	if (ret)
		return ret;
	ret = ferry_loop_turn(u->loop, until, err);
	u->looked_us = ferry_now_us();
	if (ret && u->link)
		ferry_uplink_lose(u, FERRY_ERROR_SYSTEM, ret, NULL, "%s",
				  err ? err->text : "io_uring");
	return ret;
}

static int connect_next(struct ferry_uplink *u, struct ferry_error *err)
{
	const struct ferry_endpoint *e = &u->endpoints[u->next_endpoint++];
	char text[FERRY_ENDPOINT_TEXT];
	int ret = 0;

	if (!u->options.tls)
		ret = ferry_endpoint_check_plaintext(e, u->options.insecure, "connect to", err);
	if (ret)
		return ret;
	ferry_endpoint_text(e, text);
	snprintf(u->name, sizeof(u->name), "the edge %s", text);
	u->lost = (struct ferry_error){0};
	u->began_us = ferry_now_us();
	return ferry_loop_connect(u->loop, e, &ferry_uplink_handler, u, &u->link, err);
}

static int find_endpoints(struct ferry_uplink *u, struct ferry_error *err)
{
	int ret = ferry_address_parse(u->options.edge, &u->address, err);

	if (!ret)
		ret = ferry_address_resolve(&u->address, u->endpoints, &u->n_endpoints, err);
	if (!ret && !u->address.port)
		ret = ferry_fail(err, FERRY_ERROR_CALLER, -EINVAL,
				 "\"%s\": port 0 cannot be connected to", u->options.edge);
	return ret;
}

/* From inside the loop, so that nothing waits for whoever polls. */
void ferry_uplink_greet(struct ferry_uplink *u)
{
	struct ferry_wire_message hello = {.type = FERRY_MESSAGE_HELLO, .hello = u->hello};
	struct ferry_wire_message attach = {.type = FERRY_MESSAGE_ATTACH, .attach = u->attach};
	struct ferry_error why;
	int ret;

	ferry_uplink_set_class(u, FERRY_TRAFFIC_DECODE);
	ret = ferry_uplink_ask_begin(u, &u->greeting, &hello, FERRY_MESSAGE_WELCOME, &why);
	/* There is one version, so its frames may come before the edge has chosen it. */
	if (!ret && u->attaches)
		ret = ferry_uplink_ask_begin(u, &u->query, &attach, FERRY_MESSAGE_ATTACHED, &why);
	if (ret)
		ferry_uplink_lose(u, why.kind, ret, NULL, "%s", why.text);
}

int ferry_uplink_begin(const struct ferry_uplink_options *o, const struct ferry_wire_hello *hello,
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
	u->attaches = o->attach;
	if (o->attach)
		u->attach = *o->attach;
	if (!u->options.deadline_ms)
		u->options.deadline_ms = DEFAULT_DEADLINE_MS;
	if (!u->options.answer_ms)
		u->options.answer_ms = u->options.deadline_ms < UINT32_MAX / ANSWER_FACTOR
					       ? u->options.deadline_ms * ANSWER_FACTOR
					       : UINT32_MAX;
	lo.wake_fd = o->wake_fd;
	lo.times.connect_ms = lo.times.greeting_ms = lo.times.stall_ms = u->options.deadline_ms;
	/* Who has been revoked since the last connection is not connected to again; a trust file
	 * that cannot be read any more changes nothing. */
	if (u->options.tls)
		ferry_tls_context_refresh(u->options.tls, NULL);
	lo.tls = u->options.tls;
	ret = find_endpoints(u, err);
	lo.host = u->address.host;
	if (!ret)
		ret = ferry_loop_new(&lo, &u->loop, err);
	if (!ret)
		ret = connect_next(u, err);
	if (ret) {
		ferry_uplink_free(u);
		return ret;
	}
	*out = u;
	return 0;
}

/* 1: welcomed, and attached where that was wanted; 0: not yet. */
static int progress(struct ferry_uplink *u, struct ferry_error *err)
{
	const struct uplink_pending *g = u->greeting;

	if (g && g->done && g->code) {
		if (err)
			*err = g->error;
		return g->code;
	}
	if (!u->link) {
		/* Only what cannot be connected to is worth another try, at the next endpoint. */
		if (u->connected || u->next_endpoint == u->n_endpoints || u->lost.code == -EACCES ||
		    u->lost.code == -EPERM)
			return ferry_uplink_lost(u, err);
		return connect_next(u, err);
	}
	return u->welcome.version && (!u->attaches || u->query->done);
}

int ferry_uplink_poll(struct ferry_uplink *u, struct ferry_error *err)
{
	uint64_t until;
	int ret = ferry_loop_turn(u->loop, 0, err);

	if (!ret)
		ret = progress(u, err);
	if (!ret && u->link)
		ret = check_time(u, u->began_us, &until, err);
	return ret;
}

int ferry_uplink_connect(const struct ferry_uplink_options *o, const struct ferry_wire_hello *hello,
			 struct ferry_uplink **out, struct ferry_error *err)
{
	int ret = ferry_uplink_begin(o, hello, out, err);

	if (ret)
		return ret;
	while (!(ret = progress(*out, err))) {
		ret = ferry_uplink_wait_step(*out, (*out)->began_us, err);
		/* A connection that failed may have another endpoint to go to. */
		if (ret == -ECANCELED || (ret && (*out)->link))
			break;
	}
	if (ret < 0) {
		ferry_uplink_free(*out);
		*out = NULL;
		return ret;
	}
	return 0;
}

int ferry_uplink_attached(const struct ferry_uplink *u, struct ferry_wire_attached *attached,
			  struct ferry_error *err)
{
	const struct uplink_pending *q = u->query;

	if (!u->attaches || !q || q->answer.type != FERRY_MESSAGE_ATTACHED)
		return -ENODATA;
	if (q->code) {
		if (err)
			*err = q->error;
		return q->code;
	}
	*attached = q->answer.attached;
	return 0;
}

const char *ferry_uplink_name(const struct ferry_uplink *u)
{
	return u->name;
}

int ferry_uplink_check(const struct ferry_uplink *u, struct ferry_error *err)
{
	return u->link ? 0 : ferry_uplink_lost(u, err);
}

void ferry_uplink_pause(struct ferry_uplink *u, uint64_t until_us)
{
	if (u->link)
		ferry_loop_turn(u->loop, until_us, NULL);
}

bool ferry_uplink_is_lost(struct ferry_uplink *u)
{
	if (u->link)
		ferry_loop_turn(u->loop, 0, NULL);
	return !u->link;
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
	if (u->carrier)
		ferry_loop_watch(u->loop, -1, NULL, NULL);
	ferry_loop_free(u->loop);
	ferry_carrier_free(u->carrier);
	while (u->works)
		ferry_uplink_pop(u);
	ferry_uplink_free_pending(u->query);
	ferry_uplink_free_pending(u->greeting);
	free(u->kept);
	free(u);
}

const struct ferry_wire_welcome *ferry_uplink_welcome(const struct ferry_uplink *u)
{
	return &u->welcome;
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
		stats->bytes_sent = ferry_link_sent(u->link) - u->counted.bytes_sent;
		stats->bytes_received = ferry_link_received(u->link) - u->counted.bytes_received;
	}
}

void ferry_uplink_count_anew(struct ferry_uplink *u)
{
	if (u->link) {
		u->counted.bytes_sent = ferry_link_sent(u->link);
		u->counted.bytes_received = ferry_link_received(u->link);
	}
	u->stats.wait_us = u->stats.edge_us = u->stats.queue_us = 0;
}
