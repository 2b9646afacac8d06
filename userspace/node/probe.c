// SPDX-License-Identifier: MIT
#include "node/probe.h"

#include <math.h>

enum {
	RTT_PINGS = 5,
	FIRST_PAYLOAD = 16 << 10,
	ENOUGH_US = 30000, /* of transfer: scheduling noise is small against it */
	RUNS = 2,	   /* of each size: the first may wait for TCP's window to grow */
};

static int measure_rtt(struct ferry_uplink *u, double *rtt_us, struct ferry_error *err)
{
	uint64_t us;
	int ret;

	*rtt_us = INFINITY;
	for (int i = 0; i < RTT_PINGS; i++) {
		ret = ferry_uplink_ping(u, 0, 0, &us, err);
		if (ret)
			return ret;
		*rtt_us = fmin(*rtt_us, (double)us);
	}
	return 0;
}

static int measure_direction(struct ferry_uplink *u, bool up, double rtt_us, double *bytes_per_us,
			     struct ferry_error *err)
{
	double transfer_us = 0;
	uint64_t us;
	int ret;

	*bytes_per_us = 0;
	for (uint32_t n = FIRST_PAYLOAD; n <= FERRY_WIRE_PING_PAYLOAD && transfer_us < ENOUGH_US;
	     n *= 4) {
		for (int i = 0; i < RUNS && transfer_us < ENOUGH_US * RUNS; i++) {
			ret = ferry_uplink_ping(u, up ? n : 0, up ? 0 : n, &us, err);
			if (ret)
				return ret;
			transfer_us = fmax((double)us - rtt_us, 1);
			*bytes_per_us = fmax(*bytes_per_us, n / transfer_us);
		}
	}
	return 0;
}

int ferry_probe_link(struct ferry_uplink *u, struct ferry_link_cost *out, struct ferry_error *err)
{
	int ret = measure_rtt(u, &out->rtt_us, err);

	if (!ret)
		ret = measure_direction(u, true, out->rtt_us, &out->up_bytes_per_us, err);
	if (!ret)
		ret = measure_direction(u, false, out->rtt_us, &out->down_bytes_per_us, err);
	return ret;
}
