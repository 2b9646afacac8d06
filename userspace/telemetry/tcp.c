// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "telemetry/collect.h"

/* Whether the kernel has filled the member: an older one fills less. */
#define HAS(size, member) ((size) >= offsetof(struct tcp_info, member) + sizeof(info.member))

int ferry_collect_tcp(int fd, const char *name, uint32_t ifindex, uint64_t now_us,
		      struct ferry_reading *reading)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	uint64_t ppm;

	ferry_reading_begin(reading, FERRY_READING_OF_LINK, name, now_us);
	reading->ifindex = ifindex;
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		return -errno;
	/* Before the first round trip both are what they are by default. */
	if (info.tcpi_rtt && HAS(size, tcpi_rttvar)) {
		ferry_reading_set(reading, FERRY_SRTT_US, info.tcpi_rtt);
		ferry_reading_set(reading, FERRY_RTTVAR_US, info.tcpi_rttvar);
	}
	if (HAS(size, tcpi_data_segs_out) && info.tcpi_data_segs_out) {
		ppm = (uint64_t)info.tcpi_total_retrans * FERRY_PPM / info.tcpi_data_segs_out;
		ferry_reading_set(reading, FERRY_RETRANSMIT_PPM,
				  ppm < FERRY_PPM ? (int64_t)ppm : FERRY_PPM);
	}
	return 0;
}
