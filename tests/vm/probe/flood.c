// SPDX-License-Identifier: MIT
/*
 * Datagrams of a given rate that yield to nobody: a liar, or the load that shows how exact a
 * shaper is. Rates and bytes are counted as a shaper counts them: with the Ethernet header, with
 * what it was told to add to each packet, and no packet as less than it was told.
 */
#include <errno.h>
#include <sys/socket.h>

#include "flow.h"

enum {
	ETHERNET_IP_UDP = 14 + 20 + 8,
	TICK_MS = 2,
	LONGEST_CATCH_UP_MS = 50, /* a flood that was held up is not doubled afterwards */
};

/* Payloads of a mixed flood, from the smallest frame to the largest. */
static const uint32_t mixed_sizes[] = {18, 1472, 200, 1200, 64, 600, 1472, 1000};

static uint64_t shaped_bytes(const struct ferry_flow_shape *shape, uint64_t payload)
{
	uint64_t bytes = payload + ETHERNET_IP_UDP + shape->overhead;

	return bytes > shape->mpu ? bytes : shape->mpu;
}

void *ferry_flood_send(void *argument)
{
	static const uint8_t packet[FERRY_MAX_DATAGRAM];
	struct ferry_flow *flow = argument;
	uint64_t bytes_per_s = (uint64_t)flow->shape.kbit * 125;
	uint64_t paid = ferry_realtime_ns();
	uint32_t i = 0;

	while (!*flow->stop) {
		uint64_t now = ferry_realtime_ns();

		if (now > paid + (uint64_t)LONGEST_CATCH_UP_MS * FERRY_NS_PER_MS)
			paid = now - (uint64_t)LONGEST_CATCH_UP_MS * FERRY_NS_PER_MS;
		while (paid < now && !*flow->stop) {
			uint32_t size = flow->shape.size
						?: mixed_sizes[i++ % (sizeof(mixed_sizes) /
								      sizeof(mixed_sizes[0]))];

			if (send(flow->path.out, packet, size, 0) < 0 && errno != ENOBUFS &&
			    errno != ECONNREFUSED && !*flow->stop) {
				flow->err = -errno;
				return NULL;
			}
			paid += shaped_bytes(&flow->shape, size) * 1000000000 / bytes_per_s;
		}
		ferry_sleep_until(now + TICK_MS * FERRY_NS_PER_MS, flow->stop);
	}
	return NULL;
}

void *ferry_flood_receive(void *argument)
{
	struct ferry_flow *flow = argument;
	uint8_t packet[FERRY_MAX_DATAGRAM];
	uint64_t arrival;
	long n;

	while ((n = ferry_receive_datagram(flow->path.in, packet, sizeof(packet), &arrival)) > 0) {
		if (arrival >= flow->begin_ns && arrival < flow->end_ns)
			atomic_fetch_add(&flow->bytes, shaped_bytes(&flow->shape, (uint64_t)n));
	}
	if (n < 0 && !*flow->stop)
		flow->err = (int)n;
	return NULL;
}
