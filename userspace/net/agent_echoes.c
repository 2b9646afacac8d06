// SPDX-License-Identifier: MIT
/* Round trips of our own, where nobody else has any: echoes to the reflectors of a link. */
#include "net/agent_private.h"

#include <netinet/in.h>
#include <sys/epoll.h>

#include "base/clock.h"

enum {
	AT_ONCE = 2,  /* echoes of a link in a step */
	REPLIES = 32, /* in a turn: then others have theirs */
};

void ferry_agent_open_echoes(struct ferry_agent *a)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct ferry_error err;

	/* Before privileges go, since any later `ferry net up` may name reflectors. */
	if (ferry_pinger_open(&a->pinger, &err)) {
		a->pinger = NULL;
		ferry_log(a->log, FERRY_LOG_WARNING, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < sizeof(families); i++) {
		struct epoll_event event = {.events = EPOLLIN,
					    .data.fd = ferry_pinger_fd(a->pinger, families[i])};

		if (event.data.fd >= 0 && epoll_ctl(a->epoll, EPOLL_CTL_ADD, event.data.fd, &event))
			ferry_log(a->log, FERRY_LOG_WARNING,
				  "replies to echoes are not waited for");
	}
}

void ferry_agent_send_echoes(struct ferry_agent *a, struct ferry_agent_link *link, uint64_t now_us,
			     bool busy, uint32_t priority, uint64_t sent_bytes)
{
	struct ferry_reflectors *set = &link->reflectors;

	for (int n = 0; a->pinger && n < AT_ONCE; n++) {
		const int i = ferry_reflectors_next(set, now_us, busy);
		const uint64_t cookie = ferry_pinger_draw();
		char address[FERRY_ECHO_ADDRESS_TEXT];
		uint16_t sequence;
		int ret;

		/* Without a random number anybody could answer. */
		if (i < 0 || !cookie)
			return;
		sequence = ferry_reflectors_ask(set, (size_t)i, cookie, ferry_now_us(), sent_bytes);
		ret = ferry_pinger_send(a->pinger, &set->reflector[i].address, link->ifindex,
					priority, sequence, cookie);
		if (!ret) {
			link->echoes++;
			continue;
		}
		/* It counts as one that nobody answered. */
		ferry_echo_write_address(&set->reflector[i].address, address);
		ferry_agent_say(a, &link->said_trips, FERRY_LOG_WARNING,
				"%s: no echo can be sent to %s: %s", link->settings.device, address,
				ferry_errno_text(ret));
	}
}

static void take(struct ferry_agent *a, const struct ferry_ping *ping)
{
	for (size_t i = 0; i < a->n_links; i++) {
		struct ferry_agent_link *link = &a->links[i];

		if (link->ifindex == ping->ifindex &&
		    !ferry_reflectors_answer(&link->reflectors, &ping->from, ping->sequence,
					     ping->cookie, ping->received_us)) {
			link->answers++;
			return;
		}
	}
}

bool ferry_agent_take_echoes(struct ferry_agent *a, int fd)
{
	struct ferry_ping ping;
	uint8_t family;
	int ret = 1;

	if (!a->pinger)
		return false;
	if (fd == ferry_pinger_fd(a->pinger, AF_INET))
		family = AF_INET;
	else if (fd == ferry_pinger_fd(a->pinger, AF_INET6))
		family = AF_INET6;
	else
		return false;
	for (int i = 0; ret && i < REPLIES; i++) {
		ret = ferry_pinger_receive(a->pinger, family, &ping);
		if (ret > 0)
			take(a, &ping);
	}
	return true;
}

static struct ferry_autorate_value value(uint64_t v, uint64_t age_us)
{
	const uint64_t age_ms = age_us / AGENT_USEC_PER_MSEC;

	return (struct ferry_autorate_value){
		.known = true,
		.age_ms = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX,
		.value = v,
	};
}

void ferry_agent_read_echoes(struct ferry_agent_link *link, uint64_t now_us,
			     struct ferry_autorate_input *in)
{
	struct ferry_reflectors_sum sum;
	uint64_t age_us;

	ferry_reflectors_sum(&link->reflectors, now_us, &sum);
	if (!sum.known)
		return;
	age_us = now_us > sum.taken_us ? now_us - sum.taken_us : 0;
	/* Local connections that are fresh say more than a reflector that was asked long ago. */
	if (!sum.counted && in->growth_us.known && in->growth_us.age_ms < age_us / 1000)
		return;
	in->srtt_us = value(sum.srtt_us, age_us);
	in->growth_us = value(sum.growth_us, age_us);
	in->rttvar_us = value(sum.rttvar_us, age_us);
	in->acked_kbps = (struct ferry_autorate_value){0};
	if (sum.has_delivered)
		in->acked_kbps = value(sum.delivered_kbps, age_us);
	in->passes_queue = true;
}
