// SPDX-License-Identifier: MIT
/* How long a link may take for what it does. */
#include <errno.h>

#include "base/error.h"
#include "wire/link_private.h"

/* By when the frame that is coming in must be complete; 0: none is. */
static uint64_t frame_deadline(const struct ferry_link *link)
{
	uint32_t n_body;

	if (link->state != LINK_OPEN || !ferry_link_in_message(link, &n_body))
		return 0;
	return link->frame_start_us + 1000ull * link->loop->options.times.stall_ms +
	       n_body * 1000000ull / FERRY_LINK_MIN_RATE;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/* Without a byte for so long the link has failed; 0: it may be silent. */
static uint64_t silence_deadline(const struct ferry_link *link)
{
	const struct ferry_link_times *times = &link->loop->options.times;
	uint32_t n_body;

	if (link->state != LINK_OPEN || !link->in.established)
		return 0;
	if (ferry_link_in_message(link, &n_body))
		return link->heard_us + 1000ull * times->stall_ms;
	return times->idle_ms ? link->heard_us + 1000ull * times->idle_ms : 0;
}

static uint64_t send_stall_deadline(const struct ferry_link *link)
{
	if (!link->send_moved_us)
		return 0;
	return link->send_moved_us +
	       1000ull * LINK_SEND_STALLS * link->loop->options.times.stall_ms;
}

/* Called only when it would be too late otherwise: looks whether the peer has taken anything. */
static void note_progress(struct ferry_link *link, uint64_t now_us)
{
	size_t unacked = ferry_link_unacked(link);

	if (unacked >= link->send_unacked)
		return;
	link->send_unacked = unacked;
	link->send_moved_us = now_us;
}

/* When the first of its waits is over; UINT64_MAX where there is none. */
static uint64_t first_deadline(const struct ferry_link *link)
{
	uint64_t at = UINT64_MAX;

	if (link->state == LINK_CLOSING)
		return at;
	at = sooner(at, link->connect_by_us);
	at = sooner(at, link->greeting_by_us);
	at = sooner(at, frame_deadline(link));
	at = sooner(at, link->send_by_us);
	at = sooner(at, send_stall_deadline(link));
	at = sooner(at, link->linger_by_us);
	return sooner(at, silence_deadline(link));
}

static bool past(uint64_t deadline, uint64_t now_us)
{
	return deadline && now_us >= deadline;
}

uint64_t ferry_link_deadline(const struct ferry_link *link)
{
	uint64_t at = first_deadline(link);

	return at < link->grace_by_us ? link->grace_by_us : at;
}

/*
 * Where the owner has been away for @away_us, what the peer did in time may not have been seen yet:
 * the link gets as long again, once for each wait. Moving the deadlines instead, by each absence,
 * would let none pass on an edge that computes all the time.
 */
static bool has_grace(struct ferry_link *link, uint64_t now_us, uint64_t away_us)
{
	uint64_t most = 1000ull * link->loop->options.times.stall_ms;

	if (!link->grace_by_us && away_us)
		link->grace_by_us = now_us + (away_us < most ? away_us : most);
	return now_us < link->grace_by_us;
}

void ferry_link_expire(struct ferry_link *link, uint64_t now_us, uint64_t away_us)
{
	const struct ferry_link_times *times = &link->loop->options.times;
	uint32_t n_body;

	if (past(send_stall_deadline(link), now_us))
		note_progress(link, now_us);
	if (now_us < first_deadline(link)) {
		link->grace_by_us = 0;
		return;
	}
	if (has_grace(link, now_us, away_us))
		return;
	if (link->state == LINK_FINISHING)
		ferry_link_close(link);
	else if (past(link->connect_by_us, now_us))
		ferry_link_fail(link, FERRY_ERROR_LINK, -ETIMEDOUT,
				"cannot connect to %s: no answer in %u ms", link->name,
				times->connect_ms);
	else if (past(link->greeting_by_us, now_us))
		ferry_link_fail(link, FERRY_ERROR_LINK, -ETIMEDOUT,
				"%s did not complete the handshake in %u ms", link->name,
				times->greeting_ms);
	else if (past(link->send_by_us, now_us) || past(send_stall_deadline(link), now_us))
		ferry_link_fail(link, FERRY_ERROR_LINK, -ETIMEDOUT,
				"%s does not take what is sent to it", link->name);
	else if (ferry_link_in_message(link, &n_body))
		ferry_link_fail(link, FERRY_ERROR_LINK, -ETIMEDOUT,
				"%s stopped in the middle of a frame or sends it too slowly",
				link->name);
	else
		ferry_link_fail(link, FERRY_ERROR_LINK, -ETIMEDOUT, "%s was silent for %u ms",
				link->name, times->idle_ms);
}
