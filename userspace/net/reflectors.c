// SPDX-License-Identifier: MIT
#include "net/reflectors.h"

#include <errno.h>
#include <string.h>

enum {
	USEC_PER_MSEC = 1000,
	FRESH_US = 2500000,
	SILENT_ECHOES = 8, /* in a row, and for so long, without an answer */
	SILENT_US = 3000000,
	QUIET_ANSWERS = 8, /* of an idle link, of which the least is what the way takes */
	JUMP_US = 30000,   /* longer than the others by this, and by half, is a jump */
	JUMP_ANSWERS = 8,
	ASIDE_US = 30000000,
	SPAN_US_MIN = 100000, /* between answers, to tell a rate by */
};

void ferry_reflectors_begin(struct ferry_reflectors *set, const struct ferry_echo_address *address,
			    size_t n)
{
	memset(set, 0, sizeof(*set));
	set->n = n < FERRY_REFLECTORS_MAX ? n : FERRY_REFLECTORS_MAX;
	for (size_t i = 0; i < set->n; i++)
		set->reflector[i].address = address[i];
}

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static bool is_silent(const struct ferry_reflector *r, uint64_t now_us)
{
	return r->unanswered >= SILENT_ECHOES && since(now_us, r->spoke_us) >= SILENT_US;
}

static bool is_aside(const struct ferry_reflector *r, uint64_t now_us)
{
	return r->aside_until_us > now_us;
}

static bool counts(const struct ferry_reflector *r, uint64_t now_us)
{
	return r->n_recent && !is_silent(r, now_us) && !is_aside(r, now_us);
}

/* The lower one of two in the middle: a queue of the link is in every round trip. */
static uint64_t median(const uint64_t *values, size_t n)
{
	uint64_t sorted[FERRY_REFLECTORS_MAX > (int)FERRY_REFLECTORS_RECENT
				? FERRY_REFLECTORS_MAX
				: FERRY_REFLECTORS_RECENT];

	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		for (; at && sorted[at - 1] > values[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = values[i];
	}
	return n ? sorted[(n - 1) / 2] : 0;
}

static uint64_t round_trip(const struct ferry_reflector *r)
{
	uint64_t values[FERRY_REFLECTORS_RECENT];

	for (size_t i = 0; i < r->n_recent; i++)
		values[i] = r->recent[i].rtt_us;
	return median(values, r->n_recent);
}

static uint64_t growth(const struct ferry_reflector *r)
{
	return since(round_trip(r), r->least_us);
}

/* News of a long round trip is as old as that. */
static bool is_fresh(const struct ferry_reflector *r, uint64_t now_us)
{
	const uint64_t age_us = since(now_us, r->answered_us);

	return age_us <= FRESH_US || age_us <= 2 * round_trip(r);
}

static bool all_silent(const struct ferry_reflectors *set, uint64_t now_us)
{
	for (size_t i = 0; i < set->n; i++)
		if (!is_silent(&set->reflector[i], now_us))
			return false;
	return true;
}

int ferry_reflectors_next(struct ferry_reflectors *set, uint64_t now_us, bool busy)
{
	const uint64_t often_ms = set->n > 2 ? FERRY_REFLECTORS_BUSY_MS * set->n / 2
					     : FERRY_REFLECTORS_BUSY_MS;
	const bool nobody = all_silent(set, now_us);

	set->busy = busy;
	for (size_t k = 0; k < set->n; k++) {
		const size_t i = (set->turn + k) % set->n;
		const struct ferry_reflector *r = &set->reflector[i];
		/* Who does not answer is not asked often, unless there is nobody else. */
		const bool often = busy && (nobody || !is_silent(r, now_us)) &&
				   !is_aside(r, now_us);
		const uint64_t ms = often ? often_ms : FERRY_REFLECTORS_IDLE_MS;

		if (r->asked_us && since(now_us, r->asked_us) < ms * USEC_PER_MSEC)
			continue;
		set->turn = i + 1;
		return (int)i;
	}
	return -1;
}

uint16_t ferry_reflectors_ask(struct ferry_reflectors *set, size_t i, uint64_t cookie,
			      uint64_t now_us, uint64_t sent_bytes)
{
	struct ferry_reflector *r = &set->reflector[i];
	const uint16_t sequence = r->sequence++;

	r->echo[sequence % FERRY_REFLECTORS_PENDING] = (struct ferry_reflector_echo){
		.cookie = cookie,
		.sent_us = now_us,
		.sent_bytes = sent_bytes,
		.sequence = sequence,
		.pending = true,
		.busy = set->busy,
	};
	r->asked_us = now_us;
	if (!r->unanswered++)
		r->spoke_us = now_us;
	return sequence;
}

/*
 * What the way takes by itself is the least that was seen. It may become longer: that is believed
 * only of a link that nobody uses, for under load it may as well be a queue.
 */
static void learn_least(struct ferry_reflector *r, uint64_t rtt_us, bool quiet)
{
	if (!r->answered_us || rtt_us < r->least_us)
		r->least_us = rtt_us;
	if (!quiet) {
		r->n_quiet = 0;
		return;
	}
	if (!r->n_quiet || rtt_us < r->quiet_us)
		r->quiet_us = rtt_us;
	if (++r->n_quiet == QUIET_ANSWERS) {
		r->least_us = r->quiet_us;
		r->n_quiet = 0;
	}
}

static void learn_round_trip(struct ferry_reflector *r, const struct ferry_reflector_trip *trip)
{
	const uint64_t silence_us = since(trip->received_us, r->answered_us);

	/* Of before a silence nothing is left to take a median of. */
	if (r->n_recent && silence_us > FRESH_US && silence_us > 2 * round_trip(r))
		r->n_recent = 0;
	memmove(r->recent + 1, r->recent, sizeof(r->recent) - sizeof(r->recent[0]));
	r->recent[0] = *trip;
	if (r->n_recent < FERRY_REFLECTORS_RECENT)
		r->n_recent++;
	if (r->answered_us) {
		const uint64_t middle = round_trip(r);
		const uint64_t off = trip->rtt_us > middle ? trip->rtt_us - middle
							   : middle - trip->rtt_us;

		r->rttvar_us = (3 * r->rttvar_us + off) / 4;
	}
}

/* Answers that come at once, or out of order, say nothing about how fast. */
static bool delivered(const struct ferry_reflector *r, uint64_t *kbps)
{
	const struct ferry_reflector_trip *newest = &r->recent[0];
	const struct ferry_reflector_trip *oldest = &r->recent[r->n_recent ? r->n_recent - 1 : 0];
	const uint64_t us = since(newest->received_us, oldest->received_us);

	if (us < SPAN_US_MIN || newest->sent_bytes < oldest->sent_bytes)
		return false;
	*kbps = (uint64_t)((double)(newest->sent_bytes - oldest->sent_bytes) * 8000 / (double)us);
	return true;
}

/* The growth that the others agree on. Return: whether there are any. */
static bool others_growth(const struct ferry_reflectors *set, const struct ferry_reflector *but,
			  uint64_t now_us, uint64_t *us)
{
	uint64_t values[FERRY_REFLECTORS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct ferry_reflector *r = &set->reflector[i];

		if (r != but && counts(r, now_us) && is_fresh(r, now_us))
			values[n++] = growth(r);
	}
	*us = median(values, n);
	return n > 0;
}

/* Its own way has changed where it is longer than all the others', again and again. */
static void watch_for_jumps(struct ferry_reflectors *set, struct ferry_reflector *r,
			    uint64_t now_us)
{
	uint64_t others;

	if (is_aside(r, now_us))
		return;
	if (!others_growth(set, r, now_us, &others)) {
		r->jumps = 0;
		return;
	}
	if (r->aside_until_us) {
		const uint64_t way = since(round_trip(r), others);

		/* Back, with what its way takes now. */
		r->aside_until_us = 0;
		r->least_us = way ? way : 1;
	}
	if (growth(r) <= others + others / 2 + JUMP_US)
		r->jumps = 0;
	else if (++r->jumps >= JUMP_ANSWERS) {
		r->jumps = 0;
		r->aside_until_us = now_us + ASIDE_US;
	}
}

int ferry_reflectors_answer(struct ferry_reflectors *set, const struct ferry_echo_address *from,
			    uint16_t sequence, uint64_t cookie, uint64_t received_us)
{
	for (size_t i = 0; i < set->n; i++) {
		struct ferry_reflector *r = &set->reflector[i];
		struct ferry_reflector_echo *echo = &r->echo[sequence % FERRY_REFLECTORS_PENDING];
		struct ferry_reflector_trip trip;

		if (memcmp(&r->address, from, sizeof(*from)) != 0)
			continue;
		if (!echo->pending || echo->sequence != sequence || echo->cookie != cookie ||
		    received_us < echo->sent_us)
			return -ENOENT;
		echo->pending = false;
		r->unanswered = 0;
		trip.rtt_us = received_us - echo->sent_us;
		trip.received_us = received_us;
		trip.sent_bytes = echo->sent_bytes;
		learn_round_trip(r, &trip);
		learn_least(r, trip.rtt_us, !set->busy && !echo->busy);
		r->answered_us = r->spoke_us = received_us;
		watch_for_jumps(set, r, received_us);
		return 0;
	}
	return -ENOENT;
}

/* Of those that count and are fresh; else of whoever answered last. */
void ferry_reflectors_sum(const struct ferry_reflectors *set, uint64_t now_us,
			  struct ferry_reflectors_sum *sum)
{
	const struct ferry_reflector *used[FERRY_REFLECTORS_MAX], *newest = NULL, *told = NULL;
	uint64_t values[FERRY_REFLECTORS_MAX], middle;
	size_t n = 0;

	memset(sum, 0, sizeof(*sum));
	for (size_t i = 0; i < set->n; i++) {
		const struct ferry_reflector *r = &set->reflector[i];

		sum->silent += is_silent(r, now_us);
		sum->aside += is_aside(r, now_us);
		if (!r->n_recent || is_aside(r, now_us))
			continue;
		if (!newest || r->answered_us > newest->answered_us)
			newest = r;
		if (counts(r, now_us) && is_fresh(r, now_us)) {
			values[n] = growth(r);
			used[n++] = r;
		}
	}
	sum->counted = (unsigned int)n;
	middle = median(values, n);
	for (size_t i = 0; i < n && !told; i++)
		if (values[i] == middle)
			told = used[i];
	if (!told)
		told = newest;
	if (!told)
		return;
	sum->known = true;
	sum->taken_us = told->answered_us;
	sum->srtt_us = round_trip(told);
	sum->growth_us = growth(told);
	sum->rttvar_us = told->rttvar_us;
	sum->has_delivered = delivered(told, &sum->delivered_kbps);
}
