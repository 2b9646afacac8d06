// SPDX-License-Identifier: MIT
/* One connection that sends as much as it may. */
#include <errno.h>
#include <sys/socket.h>

#include "flow.h"

enum { WRITE_BYTES = 65536 };

static const uint8_t nothing[WRITE_BYTES];

void *ferry_bulk_send(void *argument)
{
	struct ferry_flow *flow = argument;

	while (!*flow->stop) {
		if (send(flow->path.out, nothing, sizeof(nothing), MSG_NOSIGNAL) >= 0 ||
		    errno == EINTR)
			continue;
		if (!*flow->stop)
			flow->err = -errno;
		break;
	}
	return NULL;
}

void *ferry_bulk_receive(void *argument)
{
	struct ferry_flow *flow = argument;
	ssize_t n;

	while ((n = recv(flow->path.in, NULL, WRITE_BYTES, MSG_TRUNC)) > 0) {
		uint64_t now = ferry_realtime_ns();

		if (now >= flow->begin_ns && now < flow->end_ns)
			atomic_fetch_add(&flow->bytes, (unsigned long long)n);
	}
	if (n < 0 && !*flow->stop)
		flow->err = -errno;
	return NULL;
}
