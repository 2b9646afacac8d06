// SPDX-License-Identifier: MIT
/* Small datagrams at a steady pace, as an answer's tokens travel: how long is each on its way? */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "flow.h"

void *ferry_token_send(void *argument)
{
	struct ferry_flow *flow = argument;
	uint64_t due = ferry_realtime_ns();
	uint8_t packet[FERRY_MAX_DATAGRAM] = {0};

	for (uint32_t i = 0; i < flow->units; i++) {
		uint64_t now;

		ferry_sleep_until(due, flow->stop);
		now = ferry_realtime_ns();
		if (*flow->stop || now >= flow->end_ns)
			break;
		memcpy(packet, &i, sizeof(i));
		/* Noted first: the datagram may be there before send() returns. */
		atomic_store(&flow->sent_ns[i], now);
		if (now >= flow->begin_ns)
			atomic_fetch_add(&flow->n_sent, 1);
		if (send(flow->path.out, packet, flow->shape.size, 0) < 0 && errno != ENOBUFS) {
			flow->err = -errno;
			break;
		}
		due += (uint64_t)flow->shape.every_ms * FERRY_NS_PER_MS;
	}
	return NULL;
}

void *ferry_token_receive(void *argument)
{
	struct ferry_flow *flow = argument;
	uint8_t packet[FERRY_MAX_DATAGRAM];
	uint64_t arrival, sent;
	uint32_t i;
	long n;

	while ((n = ferry_receive_datagram(flow->path.in, packet, sizeof(packet), &arrival)) > 0) {
		if ((size_t)n < sizeof(i))
			continue;
		memcpy(&i, packet, sizeof(i));
		sent = i < flow->units ? atomic_exchange(&flow->sent_ns[i], 0) : 0;
		if (sent < flow->begin_ns)
			continue;
		atomic_fetch_add(&flow->n_arrived, 1);
		atomic_fetch_add(&flow->bytes, (unsigned long long)n);
		if (ferry_samples_add(&flow->latency, arrival > sent ? arrival - sent : 0))
			n = -ENOMEM;
	}
	if (n < 0 && !*flow->stop)
		flow->err = (int)n;
	return NULL;
}
